"""A JSONL of a million records through `evalkit run` with levenshtein and rouge, both cores.

Texts have about 12 words. CPU is that of all processes, from the command's start to its end; busy is CPU over wall time
and cores, of the run of median wall time. Memory is the largest sum of the proportional set sizes (PSS) of all processes,
sampled 20 times a second in a run of its own, as sampling takes CPU too. Afterwards the scores of the first 2,000 records
are compared with rapidfuzz's and rouge-score's.

    python benchmarks/bench_million.py [--quick] [--out FOLDER]
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from _common import Benchmark, at_least, at_most, cores, in_child
from _texts import short_records
from make_records import write

SUITE = """\
name: million
dataset: {path: million.jsonl}
metrics: [levenshtein, rouge]
"""
COMPARED = 2_000


def made(path: Path, n: int) -> Callable[[], None]:
    return lambda: write(path, short_records(n))


def run(folder: Path, out: Path, *, memory: bool = False) -> tuple[float, float, float]:
    """Wall and CPU seconds of a run, and with ``memory`` its peak PSS in MiB."""
    before, clock, peak = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter(), 0.0
    arguments = [sys.executable, "-m", "evalkit", "run", "million.yaml", "--out", str(out), "--store", str(folder / "store")]
    environment = {name: told for name, told in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with subprocess.Popen([*arguments, "--fresh"], cwd=folder, env=environment, stdout=subprocess.DEVNULL) as process:
        while memory and process.poll() is None:
            peak = max(peak, pss_mb(process.pid))
            time.sleep(0.05)
        if process.wait():
            raise RuntimeError(f"evalkit run ended with {process.returncode}")
    wall, after = time.perf_counter() - clock, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak


def pss_mb(pid: int) -> float:
    """Proportional set sizes of a process and all below it, in MiB; a page that two share counts half for each."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied, ProcessLookupError):
                total += process.memory_full_info().pss
    return total / 2**20


def compared(out: Path, n: int) -> Callable[[], float]:
    """The largest difference between the scores of a run and what the peers give."""

    def work() -> float:
        import pyarrow.parquet as pq
        from rapidfuzz.distance import Levenshtein
        from rouge_score.rouge_scorer import RougeScorer

        table = pq.read_table(out / "scores.parquet").slice(0, n)
        kinds = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
        scorer = RougeScorer(kinds, use_stemmer=True)
        apart = 0.0
        for score, record in zip(table.to_pylist(), short_records(n)):
            output, reference = record["output"], record["reference"]
            assert score["id"] == record["id"]
            rouge = scorer.score(reference, output)
            expected = {f"rouge.{kind}": rouge[kind].fmeasure for kind in kinds}
            expected["levenshtein.distance"] = Levenshtein.distance(output, reference)
            expected["levenshtein.similarity"] = Levenshtein.normalized_similarity(output, reference)
            apart = max(apart, *(abs(score[name] - value) for name, value in expected.items()))
        return apart

    return work


def main() -> None:
    bench = Benchmark(__file__, __doc__)
    n = bench.size(1_000_000, 8_000)
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        in_child(made, folder / "million.jsonl", n)
        (folder / "million.yaml").write_text(SUITE)
        out = folder / "out"
        runs = sorted(run(folder, out) for _ in range(bench.repeats))
        wall, cpu, _ = runs[len(runs) // 2]
        _, _, peak = run(folder, out, memory=True)
        count = min(n, bench.size(COMPARED, 200))
        assert in_child(compared, out, count).result <= 1e-12
        told = {"inputs": f"{n:,} records, levenshtein, rouge", "equal": f"the scores of {count:,} records to 1e-12"}
    bench.row("a million records, wall", unit="s", evalkit=wall, **told)
    bench.row("a million records, CPU of all processes", unit="s", evalkit=cpu, **told)
    bench.row(
        f"a million records, busy share of {cores()} cores",
        unit="%",
        evalkit=100 * cpu / (cores() * wall),
        bar=at_least(90),
        **told,
    )
    bench.row("a million records, peak memory of all processes", unit="MiB", evalkit=peak, bar=at_most(800), **told)
    bench.finish("numpy", "pyarrow", "msgspec", "rapidfuzz", "rouge-score")


if __name__ == "__main__":
    main()
