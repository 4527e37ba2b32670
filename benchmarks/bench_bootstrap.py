"""BCa intervals of 20 metrics against scipy.stats.bootstrap: the same draws, the same bounds, CPU time and memory.

19 means of records and one BLEU-like corpus value of ten columns; 10,000 records, 10,000 resamples. Both sides get the
same generator, so that every bound can be compared. scipy's default (no batch) needs 2.5 GB for a mean and would need
about ten times that for the corpus value, so it is timed on some of the means and scaled, and the corpus value is
timed at batch=100 and counted as that: in scipy's favour, as batches of 100 are faster for it.

    python benchmarks/bench_bootstrap.py [--means N] [--default-means N]
"""

from __future__ import annotations

import argparse
import warnings
from typing import Any

import numpy as np
from _common import isolated, machine, record

RECORDS, RESAMPLES, MEANS, SEED = 10_000, 10_000, 19, 7


def scores(at: int) -> Any:
    """The scores of mean metric ``at``: half of them skewed, half bounded; multiples of 2^-20, so that sums are exact."""
    rng = np.random.default_rng(at)
    drawn = rng.gamma(0.7, size=RECORDS) if at % 2 else rng.beta(2.0, 1.0, size=RECORDS)
    return np.rint(drawn * 2**20) / 2**20


def corpus_rows() -> Any:
    """Matches and totals of four orders, and two lengths: (records, 10)."""
    rng = np.random.default_rng(1_000)
    length = rng.integers(10, 60, RECORDS).astype(float)
    totals = np.stack([length - order for order in range(4)], axis=1)
    matches = np.floor(totals * rng.random((RECORDS, 4)) * [0.9, 0.6, 0.4, 0.3])
    return np.concatenate([matches, totals, length[:, None], rng.integers(10, 60, (RECORDS, 1))], axis=1)


def corpus_value(totals: Any) -> Any:
    """BLEU's shape: geometric mean of precisions times brevity; (..., 10) to (...)."""
    precision = np.log(totals[..., :4] / totals[..., 4:8]).mean(axis=-1)
    return 100.0 * np.exp(precision + np.minimum(0.0, 1.0 - totals[..., 9] / totals[..., 8]))


def ours() -> list[tuple[float, float]]:
    from evalkit.stats.bootstrap import Statistic, intervals

    means = [
        Statistic(np.stack([scores(at), np.ones(RECORDS)], axis=1), lambda totals: totals[..., :1] / totals[..., 1:])
        for at in range(MEANS)
    ]
    corpus = Statistic(corpus_rows(), lambda totals: corpus_value(totals)[..., None])
    found = intervals([*means, corpus], seed=SEED, resamples=RESAMPLES, method="bca")
    assert {one.method for one in found} == {"bca"}
    return [(float(one.low[0]), float(one.high[0])) for one in found]


def scipys_mean(at: int, batch: int | None) -> tuple[float, float]:
    from scipy.stats import bootstrap

    found = bootstrap((scores(at),), np.mean, n_resamples=RESAMPLES, batch=batch, method="BCa", rng=np.random.default_rng(SEED))
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def scipys_corpus(batch: int) -> tuple[float, float]:
    from scipy.stats import bootstrap

    columns = tuple(np.ascontiguousarray(column) for column in corpus_rows().T)

    def value(*samples: Any, axis: int = -1) -> Any:
        return corpus_value(np.stack([sample.sum(axis=axis) for sample in samples], axis=-1))

    found = bootstrap(
        columns, value, n_resamples=RESAMPLES, batch=batch, method="BCa", paired=True, rng=np.random.default_rng(SEED)
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def main() -> None:
    warnings.simplefilter("error")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--means", type=int, default=3, help="of the 19, run by scipy at batch=100; the rest is scaled")
    parser.add_argument("--default-means", type=int, default=2, help="run by scipy at its default (2.5 GB)")
    asked = parser.parse_args()

    runs = sorted(isolated(ours) for _ in range(3))
    bounds, cpu, wall, peak = sorted(runs, key=lambda run: run[1])[1]
    rows: list[dict[str, Any]] = [_row("evalkit, 20 metrics in one call", cpu, wall, peak)]

    def compare(got: tuple[float, float], at: int) -> None:
        assert np.allclose(got, bounds[at], rtol=1e-9, atol=0.0), (at, got, bounds[at])

    corpus, corpus_cpu, corpus_wall, corpus_peak = isolated(scipys_corpus, 100)
    compare(corpus, MEANS)
    for label, batch, count in (("batch=100", 100, asked.means), ("default", None, asked.default_means)):
        timings = []
        for at in range(count):
            got, *figures = isolated(scipys_mean, at, batch)
            compare(got, at)
            timings.append(figures)
        mean_cpu, mean_wall, mean_peak = np.median(timings, axis=0).tolist()
        rows.append(_row(f"scipy, {label}, one mean (median of {count})", mean_cpu, mean_wall, mean_peak))
        whole = MEANS * mean_cpu + corpus_cpu
        rows.append(
            _row(
                f"scipy, {label}, 20 metrics: 19 of these + the corpus value at batch=100",
                whole,
                MEANS * mean_wall + corpus_wall,
                max(mean_peak, corpus_peak),
            )
            | {"ratio": round(whole / cpu, 1)}
        )
    rows.append(_row("scipy, batch=100, the corpus value of ten columns", corpus_cpu, corpus_wall, corpus_peak))
    for row in rows:
        print(f"{row['work']:85s} {row['cpu_s']:8.2f} s CPU {row['peak_mb']:7.0f} MB  {row.get('ratio', '')}")
    path = record("bootstrap", rows, records=RECORDS, resamples=RESAMPLES, machine=machine("numpy", "scipy"))
    print(f"bounds equal to 1e-9 for {max(asked.means, asked.default_means)} means and the corpus value; {path}")


def _row(work: str, cpu: float, wall: float, peak: float) -> dict[str, Any]:
    return {"work": work, "cpu_s": round(cpu, 3), "wall_s": round(wall, 3), "peak_mb": round(peak)}


if __name__ == "__main__":
    main()
