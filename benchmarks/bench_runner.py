"""What the runner adds to the metrics of suites/classic.yaml over 100,000 records.

Records are the quickstart's answers with words changed. In one process every metric scores every batch, which is the
metrics' own CPU. Then the runner measures the same chunks in the same process, with clocks around its parts: a clock
that starts inside another stops that one. Its addition is everything but reading and the metrics: values per record,
checks, writing each chunk's part, merging the parts into rows.parquet and scores.parquet, and the loop around them, to
which comes what sending the chunks to two worker processes costs. Intervals, slices, gates and reports come later and
are not part of it. Freeing a batch counts with reading it: what that takes is measured in the first pass and taken off
the loop. Starting two workers, with their imports of NumPy, runner and metrics, is a row of its own, as starting the
first process counts nowhere either. The merged rows are compared with those of the first pass.

    python benchmarks/bench_runner.py [--quick] [--out FOLDER]
"""

from __future__ import annotations

import operator
import os
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _common import Benchmark, at_most, in_child
from _texts import DATA, answer_records
from make_records import write

SUITE = DATA.parent.parent / "classic.yaml"
FREEING = "freeing the batches"


class Clocks:
    """CPU seconds by part of the work; what is timed inside another part counts there alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner: list[float] = []

    def around(self, owner: Any, name: str, part: str) -> None:
        """Time every call of ``owner.name`` from now on."""
        original = getattr(owner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            return self.timed(part, original, *arguments, **options)

        setattr(owner, name, call)

    def timed(self, part: str, work: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        self._inner.append(0.0)
        start = time.process_time()
        try:
            return work(*arguments, **options)
        finally:
            taken = time.process_time() - start
            self.seconds[part] += taken - self._inner.pop()
            if self._inner:
                self._inner[-1] += taken


def models() -> Any:
    """No models: the classic suite asks none."""
    from evalkit.backends.account import Account
    from evalkit.runner.models import Models

    return Models({}, Account())


def planned(folder: Path) -> Any:
    """The classic suite over the records in ``folder``, which becomes the working folder."""
    from evalkit.core.workers import Workers
    from evalkit.runner.data import open_data
    from evalkit.runner.execute import planned as plan_of
    from evalkit.specs.load import load_suite

    os.chdir(folder)
    suite = load_suite("classic.yaml")
    with Workers(1) as workers:
        return plan_of(suite, open_data(suite, folder / "spool", workers=workers), models())


def measured(folder: Path, n: int) -> Callable[[], dict[str, Any]]:
    """CPU seconds: the metrics alone, and the parts of a run."""
    plan = planned(folder)
    assert plan.data.n == n

    def work() -> dict[str, Any]:
        import pyarrow.parquet  # noqa: F401 - nobody's addition

        from evalkit.core.batch import Batch
        from evalkit.runner import measure
        from evalkit.runner.execute import Progress, Quiet, measure_into
        from evalkit.store.merge import Merger

        warm = plan.data.chunks[0].read().take(range(20))
        for metric in plan.cpu.values():  # imports, WordNet
            metric.score(Batch(warm.columns))
        alone = Clocks()
        totals: dict[str, Any] = dict.fromkeys(plan.cpu, 0.0)
        for chunk in plan.data.chunks:
            batch = chunk.read()
            for label, metric in plan.cpu.items():
                rows = alone.timed(label, metric.score, batch)
                totals[label] = totals[label] + np.where(rows.scored()[:, None], rows.values, 0.0).sum(axis=0)
            alone.timed(FREEING, batch.__dict__.clear)

        clocks = Clocks()
        clocks.around(type(plan.data.chunks[0]), "read", "reading")
        for owner in {next(kind for kind in type(metric).__mro__ if "score" in vars(kind)) for metric in plan.cpu.values()}:
            clocks.around(owner, "score", "metrics")
        clocks.around(measure, "values_of", "values per record")
        clocks.around(measure, "checked", "checks")
        clocks.around(measure, "write_part", "writing parts")
        for name in ("__init__", "add", "write", "table"):
            clocks.around(Merger, name, "merging")
        folder_of_run = folder / "run"
        arguments = (plan, folder_of_run, None, models(), Progress(Quiet(), plan.data.n))
        table = clocks.timed("the loop", measure_into, *arguments)
        for label, total in totals.items():
            assert np.allclose(np.nansum(table.statistics(label), axis=0), total, rtol=1e-9, atol=1e-9), label
        freeing = alone.seconds.pop(FREEING)
        clocks.seconds["the loop"] = max(clocks.seconds["the loop"] - freeing, 0.0)
        return {"alone": dict(alone.seconds), "parts": dict(clocks.seconds)}

    return work


def shared_out(folder: Path) -> Callable[[], dict[str, float]]:
    """CPU seconds of starting two workers, and of sending them every chunk."""
    plan = planned(folder)

    def work() -> dict[str, float]:
        from evalkit.core.workers import Workers
        from evalkit.runner.measure import Job

        job = Job(plan.cpu, plan.keep, folder / "nowhere")
        items = [(job, chunk) for chunk in plan.data.chunks]

        def cost(rounds: int) -> float:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            own = time.process_time()
            with Workers(2) as workers:
                workers.start("evalkit.records.dataset", "evalkit.runner.measure")
                for _ in range(rounds):
                    for _ in workers.map(operator.is_, items):
                        pass
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            children = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            return time.process_time() - own + children

        once, often = cost(1), cost(11)
        sending = max(often - once, 0.0) / 10
        return {"starting two workers": once - sending, "sending chunks": sending}

    return work


def main() -> None:
    bench = Benchmark(__file__, __doc__)
    n = bench.size(100_000, 1_000)
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        write(folder / "records.jsonl", answer_records(n))
        text = SUITE.read_text(encoding="utf-8")
        assert "data/http/answers.jsonl" in text
        (folder / "classic.yaml").write_text(text.replace("data/http/answers.jsonl", "records.jsonl"), encoding="utf-8")
        found = in_child(measured, folder, n).result
        workers = in_child(shared_out, folder).result
    metrics = sum(found["alone"].values())
    parts = found["parts"] | {"sending chunks": workers["sending chunks"]}
    told = {"inputs": f"classic.yaml, {n:,} records", "equal": "sums of all rows, with and without the runner, to 1e-9"}
    reading, within = parts.pop("reading"), parts.pop("metrics")
    bench.row(
        "classic metrics alone", unit="s", evalkit=metrics, by_metric=_rounded(found["alone"]), within_run_s=within,
        reading_s=reading, **told,
    )  # fmt: skip
    for part, seconds in sorted(parts.items(), key=lambda item: -item[1]):
        bench.row(f"the runner adds: {part}", unit="s", evalkit=seconds, **told)
    added = sum(parts.values())
    bench.row("the runner adds, of the metrics' own CPU", unit="%", evalkit=100 * added / metrics, bar=at_most(10), **told)
    bench.row("starting two workers", unit="s", evalkit=workers["starting two workers"], **told)
    bench.finish("numpy", "pyarrow")


def _rounded(seconds: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in seconds.items()}


if __name__ == "__main__":
    main()
