"""BCa intervals of 20 metrics over 10,000 records with 10,000 resamples, against scipy.stats.bootstrap.

19 means of records and one BLEU-like corpus value of ten columns. Both sides draw the same resamples from the same seed,
so every bound can be compared. scipy takes metrics one by one: three means are timed at batch=100 and two at its default,
and their median counts 19 times. The corpus value is timed once at batch=100 and counts as that in both sums, which is in
scipy's favour: at its default it would take more than 20 GB.

    python benchmarks/bench_bootstrap.py [--quick] [--out FOLDER]
"""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from _common import Benchmark, apart, at_most, median, times

MEANS, SEED = 19, 7
Bounds = tuple[float, float]


def scores(at: int, n: int) -> Any:
    """The scores of mean metric ``at``: half of them skewed, half bounded; multiples of 2^-20, so that sums are exact."""
    rng = np.random.default_rng(at)
    drawn = rng.gamma(0.7, size=n) if at % 2 else rng.beta(2.0, 1.0, size=n)
    return np.rint(drawn * 2**20) / 2**20


def corpus_rows(n: int) -> Any:
    """Matches and totals of four orders, and two lengths: (records, 10)."""
    rng = np.random.default_rng(1_000)
    length = rng.integers(10, 60, n).astype(float)
    totals = np.stack([length - order for order in range(4)], axis=1)
    matches = np.floor(totals * rng.random((n, 4)) * [0.9, 0.6, 0.4, 0.3])
    return np.concatenate([matches, totals, length[:, None], rng.integers(10, 60, (n, 1))], axis=1)


def corpus_value(totals: Any) -> Any:
    """BLEU's shape: geometric mean of precisions times brevity; (..., 10) to (...)."""
    precision = np.log(totals[..., :4] / totals[..., 4:8]).mean(axis=-1)
    return 100.0 * np.exp(precision + np.minimum(0.0, 1.0 - totals[..., 9] / totals[..., 8]))


def ours(n: int, resamples: int) -> Callable[[], list[Bounds]]:
    from evalkit.stats.bootstrap import Statistic, intervals

    means = [
        Statistic(np.stack([scores(at, n), np.ones(n)], axis=1), lambda totals: totals[..., :1] / totals[..., 1:])
        for at in range(MEANS)
    ]
    corpus = Statistic(corpus_rows(n), lambda totals: corpus_value(totals)[..., None])

    def work() -> list[Bounds]:
        found = intervals([*means, corpus], seed=SEED, resamples=resamples, method="bca")
        assert {one.method for one in found} == {"bca"}
        return [(float(one.low[0]), float(one.high[0])) for one in found]

    return work


def scipys_mean(n: int, resamples: int, at: int, batch: int | None) -> Callable[[], Bounds]:
    return _scipys((scores(at, n),), np.mean, resamples, batch)


def scipys_corpus(n: int, resamples: int, batch: int) -> Callable[[], Bounds]:
    def value(*samples: Any, axis: int = -1) -> Any:
        return corpus_value(np.stack([sample.sum(axis=axis) for sample in samples], axis=-1))

    return _scipys(tuple(np.ascontiguousarray(column) for column in corpus_rows(n).T), value, resamples, batch)


def _scipys(data: Any, statistic: Any, resamples: int, batch: int | None) -> Callable[[], Bounds]:
    from scipy.stats import bootstrap

    def work() -> Bounds:
        found = bootstrap(
            data, statistic, n_resamples=resamples, batch=batch, method="BCa", paired=len(data) > 1,
            rng=np.random.default_rng(SEED),
        ).confidence_interval  # fmt: skip
        return float(found.low), float(found.high)

    return work


def main() -> None:
    warnings.simplefilter("error")
    bench = Benchmark(__file__, __doc__)
    n = resamples = bench.size(10_000, 500)
    (mine,) = apart((ours, n, resamples), repeats=bench.repeats)
    (corpus,) = apart((scipys_corpus, n, resamples, 100), repeats=1)
    bounds = mine.result

    def compare(got: Bounds, at: int) -> None:
        assert np.allclose(got, bounds[at], rtol=1e-9, atol=0.0), (at, got, bounds[at])

    compare(corpus.result, MEANS)
    told = {"inputs": f"{n:,} records, {resamples:,} resamples", "peer": "scipy"}
    for label, batch, count, bar in (("its default", None, 2, 40), ("batch=100", 100, 3, 15)):
        means = apart(*((scipys_mean, n, resamples, at, batch) for at in range(count)), repeats=1)
        for at, run in enumerate(means):
            compare(run.result, at)
        one = median(means)
        told["equal"] = f"bounds of {count} means and the corpus value to 1e-9"
        bench.row(
            f"BCa intervals of 20 metrics; scipy at {label}", unit="s", evalkit=mine.cpu_s,
            theirs=MEANS * statistics.median(run.cpu_s for run in means) + corpus.cpu_s, bar=times(bar),
            one_mean_s=one.cpu_s, corpus_value_s=corpus.cpu_s, **told,
        )  # fmt: skip
        bench.row(
            f"BCa intervals, peak memory; scipy at {label}, one metric at a time", unit="MiB", evalkit=mine.peak_mb,
            theirs=max(one.peak_mb, corpus.peak_mb), bar=at_most(150), **told,
        )  # fmt: skip
    bench.finish("numpy")


if __name__ == "__main__":
    main()
