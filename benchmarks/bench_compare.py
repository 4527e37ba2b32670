"""Comparing two runs of 10 metrics over 100,000 records with 10,000 resamples, as `evalkit compare` does.

Two runs are scored first (their time is not counted): outputs that differ from their references in some words, so that
shares, means, corpus metrics and quantiles are among the ten. Then one process loads both, tests, adjusts and writes the
page; imports are counted. p and the interval of one mean are compared with scipy's `permutation_test` and BCa `bootstrap`,
at 1,000 resamples; what these cost beside ours is in the benchmarks of permutation and bootstrap.

    python benchmarks/bench_compare.py [--quick] [--out FOLDER]
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _common import Benchmark, at_most, in_child

METRICS = ["exact_match", "contains", "token_f1", "levenshtein", "bleu", "chrf", "ter", "rouge", "latency", "cost"]
WORDS = (
    "the",
    "server",
    "sends",
    "a",
    "fresh",
    "answer",
    "when",
    "its",
    "cached",
    "copy",
    "is",
    "stale",
    "and",
    "no",
    "client",
)


def write(folder: Path, side: str, n: int) -> None:
    """One side's records: the same references, other words kept."""
    keep = {"a": 0.700, "b": 0.703}[side]
    with (folder / f"{side}.jsonl").open("w") as out:
        for at in range(n):
            shared, own = random.Random(at), random.Random(f"{side}{at}")
            reference = [shared.choice(WORDS) for _ in range(12)]
            output = [word if own.random() < keep else own.choice(WORDS) for word in reference]
            record = {
                "id": str(at), "output": " ".join(output), "reference": " ".join(reference),
                "latency_ms": shared.expovariate(1 / 300) + 10 * own.random(), "cost": own.random(),
            }  # fmt: skip
            out.write(json.dumps(record) + "\n")


def scored(folder: Path, n: int) -> Callable[[], None]:
    """Both runs, in the folder."""

    def work() -> None:
        os.chdir(folder)
        from evalkit import run

        for side in "ab":
            write(folder, side, n)
            told = {"name": "bench", "dataset": {"path": f"{side}.jsonl"}, "metrics": METRICS, "report": ["json"]}
            Path(f"{side}.yaml").write_text(json.dumps(told))
            run(f"{side}.yaml", out=f"run-{side}")

    return work


def compared(folder: Path, resamples: int) -> Callable[[], tuple[float, tuple[float, float]]]:
    """p and the interval of token_f1's difference."""

    def work() -> tuple[float, tuple[float, float]]:
        os.chdir(folder)
        from evalkit.cli.comparing import Wanted, compare_and_tell

        told = io.StringIO()
        with contextlib.redirect_stdout(told):
            compare_and_tell(Wanted(runs=("run-a", "run-b"), resamples=resamples, html=Path("c.html"), json=True))
        value = json.loads(told.getvalue())["metrics"]["token_f1"]
        return value["p"], tuple(value["ci"])

    return work


def scipys(folder: Path, resamples: int) -> Callable[[], tuple[float, float, float]]:
    def work() -> tuple[float, float, float]:
        from scipy.stats import bootstrap, permutation_test

        from evalkit.store.table import Table

        a, b = (Table(folder / f"run-{side}").scores("token_f1") for side in "ab")
        assert a is not None
        assert b is not None
        apart = b - a

        def mean(x: Any, axis: int = -1) -> Any:
            return np.mean(x, axis=axis)

        tested = permutation_test(
            (apart,), mean, permutation_type="samples", n_resamples=resamples, batch=50, rng=np.random.default_rng(0)
        )
        bounds = bootstrap((apart,), mean, n_resamples=resamples, batch=50, rng=np.random.default_rng(0)).confidence_interval
        return float(tested.pvalue), float(bounds.low), float(bounds.high)

    return work


def main() -> None:
    bench = Benchmark(__file__, __doc__)
    n, resamples = bench.size(100_000, 2_000), bench.size(10_000, 500)
    few = bench.size(1_000, 200)
    with tempfile.TemporaryDirectory() as kept:
        folder = Path(kept)
        in_child(scored, folder, n)
        runs = sorted((in_child(compared, folder, resamples) for _ in range(bench.repeats)), key=lambda run: run.wall_s)
        found = runs[len(runs) // 2]
        theirs = in_child(scipys, folder, few)
    p, low, high = theirs.result
    ours_p, (ours_low, ours_high) = found.result
    noise = 5 * (0.25 / few) ** 0.5
    assert abs(p - ours_p) < noise, (p, ours_p)
    assert abs(low - ours_low) + abs(high - ours_high) < 0.3 * (high - low), (low, ours_low, high, ours_high)
    told: dict[str, Any] = {"inputs": f"two runs, 10 metrics of 20 values, {n:,} records, {resamples:,} resamples"}
    equal = f"p within {noise:.2g} and bounds within 0.3 widths of scipy's (both are random)"
    bench.row("comparing two runs, wall", unit="s", evalkit=found.wall_s, bar=at_most(15), equal=equal, **told)
    bench.row("comparing two runs, CPU", unit="s", evalkit=found.cpu_s, **told)
    bench.row("comparing two runs, peak memory", unit="MiB", evalkit=found.peak_mb, bar=at_most(1_024), **told)
    bench.finish("numpy", "pyarrow")


if __name__ == "__main__":
    main()
