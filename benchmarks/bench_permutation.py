"""Paired permutation tests of 10,000 pairs with 10,000 resamples, against scipy.stats.permutation_test.

scipy tests one metric at a time; it is timed at its default and at batch=100, once each. Its exchanges are others than
ours, so the p values of this test may differ by their Monte Carlo error; small samples, where both look at all exchanges,
must agree to the last digit, and so must our p of one metric and of the same metric among ten.

    python benchmarks/bench_permutation.py [--quick] [--out FOLDER]
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from _common import Benchmark, apart, at_most, times

SEED, METRICS, SMALL = 7, 10, 12


def scores(at: int, n: int) -> tuple[Any, Any]:
    """Both sides of metric ``at``: a small difference in noise."""
    rng = np.random.default_rng(at)
    a = rng.beta(2.0, 1.0, size=n)
    return a, a + rng.normal(2.0 / math.sqrt(n) * 0.15, 0.15, size=n)


def paired(at: int, n: int) -> Any:
    from evalkit.stats.permutation import Paired

    sides = (np.stack([side, np.ones(n)], axis=1) for side in scores(at, n))
    return Paired(*sides, lambda totals: totals[..., :1] / totals[..., 1:])


def ours(n: int, resamples: int, metrics: int) -> Callable[[], list[float]]:
    from evalkit.stats.permutation import sign_flip

    pairs = [paired(at, n) for at in range(metrics)]

    def work() -> list[float]:
        return [float(found.p[0]) for found in sign_flip(pairs, seed=SEED, resamples=resamples)]

    return work


def scipys(n: int, resamples: int, batch: int | None) -> Callable[[], list[float]]:
    from scipy.stats import permutation_test

    a, b = scores(0, n)

    def work() -> list[float]:
        found = permutation_test(
            (b, a), lambda x, y, axis: (x - y).mean(axis=axis), permutation_type="samples", vectorized=True,
            n_resamples=resamples, batch=batch, rng=np.random.default_rng(SEED),
        )  # fmt: skip
        return [float(found.pvalue)]

    return work


def main() -> None:
    warnings.simplefilter("error")
    bench = Benchmark(__file__, __doc__)
    n = resamples = bench.size(10_000, 500)
    for size in range(2, SMALL + 1):
        (exact,) = ours(size, 2**SMALL, 1)()
        (theirs,) = scipys(size, 2**SMALL, None)()
        assert math.isclose(exact, theirs, abs_tol=1e-15), (size, exact, theirs)
    one, ten = apart((ours, n, resamples, 1), (ours, n, resamples, METRICS), repeats=bench.repeats)
    assert one.result[0] == ten.result[0]
    default, batched = apart((scipys, n, resamples, None), (scipys, n, resamples, 100), repeats=1)
    p = one.result[0]
    near = 5.0 * math.sqrt(2.0 * p * (1.0 - p) / resamples) + 2.0 / resamples
    for peer in (default, batched):
        assert abs(peer.result[0] - p) < near, (peer.result, p)
    told = {
        "inputs": f"{n:,} pairs, {resamples:,} resamples", "peer": "scipy",
        "equal": f"p of up to {SMALL} pairs exactly, of {n:,} within Monte Carlo error ({p:.3f})",
    }  # fmt: skip
    bench.row(
        "paired permutation; scipy at its default",
        unit="s",
        evalkit=one.cpu_s,
        theirs=default.cpu_s,
        bar=times(50),
        p=p,
        **told,
    )
    bench.row("paired permutation; scipy at batch=100", unit="s", evalkit=one.cpu_s, theirs=batched.cpu_s, p=p, **told)
    bench.row(
        "paired permutation, peak memory", unit="MiB", evalkit=one.peak_mb, theirs=default.peak_mb, bar=at_most(200), **told
    )
    bench.row(
        f"paired permutation of {METRICS} metrics; scipy at its default, one counted {METRICS} times", unit="s",
        evalkit=ten.cpu_s, theirs=METRICS * default.cpu_s, **told,
    )  # fmt: skip
    many = bench.size(100_000, 30_000)
    (large,) = apart((ours, many, resamples, METRICS), repeats=bench.repeats)
    inputs = f"{many:,} pairs in pools, {resamples:,} resamples"
    bench.row(f"paired permutation of {METRICS} metrics", inputs=inputs, unit="s", evalkit=large.cpu_s, bar=at_most(4))
    bench.row(f"paired permutation of {METRICS} metrics, peak memory", inputs=inputs, unit="MiB", evalkit=large.peak_mb)
    bench.finish("numpy")


if __name__ == "__main__":
    main()
