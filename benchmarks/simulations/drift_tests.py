"""Share of pairs of samples in which drift is found at level 0.05 though both sides come from one distribution.

*evalkit* is p ≤ 0.05 of the default test of a column's type, before any effect floor and any correction for looking at many
signals; every one must lie within 1.5 points of 0.05, and exact tests of few counts may lie below. *Evidently* is the same
pairs under its default rules as we read them (re-implemented, the package is not run): up to 1,000 reference
records Kolmogorov–Smirnov for numbers, chi-square against the reference's shares taken for the truth for categories, a z
test for two; above, the Wasserstein distance in standard deviations ≥ 0.1 for numbers, the Jensen–Shannon distance ≥ 0.1
for categories. Its classifier of embeddings is stochastic gradient descent on one half, AUC on the other > 0.55, below 1,000
reference records the 95th percentile of random AUCs; its MMD > 0.015, below 1,000 the 5th percentile of relabellings.

Numbers are normal, or whole numbers with ties: Poisson of mean 3, lengths (lognormal around 60, rounded), and 95 %
zeros (else Poisson of mean 20). Two sides of a million, and 50,000 normal numbers, are drawn as counts over 2,000 or 20,000 cells
of equal probability. Categories are even, or skewed as 1, 1/2, 1/3, … Vectors have 32 normal dimensions that are
correlated, or are hashed bags of 20 words over 256 places, words by Zipf's law; they are tested with 99 permutations.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from evalkit.stats.contingency import categories, proportion
from evalkit.stats.divergence import jensen_shannon, wasserstein_sd
from evalkit.stats.domain import domain_auc, mean_shift
from evalkit.stats.kolmogorov import ks
from evalkit.stats.mmd import mmd
from evalkit.stats.shift import Shifted
from simulations._run import Case, Measure, at_most, rate, within

NAME = "False alarms of drift tests"

SIZES = ((200, 200), (1_001, 100), (1_001, 300), (5_000, 300), (50_000, 300), (1_000_000, 1_000_000))
NEAR, BELOW = within(0.035, 0.065), at_most(0.065)
ALPHA, PERMUTATIONS = 0.05, 99
Pair = tuple[Any, Any]


def cases() -> Iterator[Case]:
    for kind, trials in (("normal", 3_000), ("poisson", 3_000), ("lengths", 2_000), ("zeros", 2_000)):
        for n, m in SIZES:
            many = 6_000 if n == m == 200 else trials  # gaps are steps of 1/200, and no step is quite at 0.05
            yield case(f"numbers, {kind}", n, m, many, {"family": numbers, "kind": kind})
    for m_categories in (2, 3, 5, 10, 30, 100):
        for skewed in (False, True):
            shares = 1.0 / np.arange(1, m_categories + 1) if skewed else np.ones(m_categories)
            for n, m in SIZES:
                name = f"{m_categories} categories, {'skewed' if skewed else 'even'}"
                yield case(name, n, m, 2_500, {"family": categorical, "shares": shares / shares.sum()})
    for share in (0.01, 0.05, 0.5):
        for n, m in SIZES:
            yield case(f"share of {share:g}", n, m, 10_000, {"family": categorical, "shares": np.array([share, 1.0 - share])})
    for kind in ("normal", "bags of words"):
        for n, m in SIZES[:3] if kind == "normal" else SIZES[:1]:
            yield case(f"vectors, {kind}", n, m, 2_000, {"family": vectors, "kind": kind})


def case(name: str, n: int, m: int, trials: int, given: dict[str, Any]) -> Case:
    return Case(f"{name}, {n:,} and {m:,}", trials, {**given, "n": n, "m": m})


def simulate(case: Case, rng: Any) -> dict[str, Measure]:
    return case["family"](case, rng)


# --- numbers ---------------------------------------------------------------------------------------------------------


def numbers(case: Case, rng: Any) -> dict[str, Measure]:
    n, m = case["n"], case["m"]
    draw = DRAWN[case["kind"]](n, m, rng)
    found, flagged = [], []
    for at in range(case.trials):
        values, a, b = draw()
        found.append(ks(a, b, seed=at))
        flagged.append(flagged_numbers(values, a, b))
    few = case["kind"] == "zeros" and m < 1_000  # some 15 that are none
    return {"evalkit": rate([one.p <= ALPHA for one in found], bar=BELOW if few else NEAR), "Evidently": rate(flagged)}


def flagged_numbers(values: Any, a: Any, b: Any) -> bool:
    if len(values) <= 5:
        return flagged_categories(a, b)
    if a.sum() > 1_000:
        return wasserstein_sd(values, a, b) >= 0.1
    from scipy.stats import ks_2samp

    with warnings.catch_warnings(action="ignore"):  # of ties it says that its exact p did not succeed, and takes the limit
        return ks_2samp(np.repeat(values, a), np.repeat(values, b)).pvalue <= ALPHA


def normal(n: int, m: int, rng: Any) -> Callable[[], tuple[Any, Any, Any]]:
    if n <= 5_000:
        return lambda: counted(rng.normal(size=n), rng.normal(size=m))
    from scipy.stats import norm

    cells = 2_000 if m > 1_000 else 20_000
    return cell_counts(n, m, norm.ppf((np.arange(cells) + 0.5) / cells), np.full(cells, 1.0 / cells), rng)


def poisson(n: int, m: int, rng: Any) -> Callable[[], tuple[Any, Any, Any]]:
    from scipy.stats import poisson

    return cell_counts(n, m, np.arange(40.0), poisson.pmf(np.arange(40), 3.0), rng)


def lengths(n: int, m: int, rng: Any) -> Callable[[], tuple[Any, Any, Any]]:
    from scipy.stats import norm

    edges = np.arange(0.5, 1_000.0)
    return cell_counts(n, m, np.arange(1.0, 1_000.0), np.diff(norm.cdf(np.log(edges / 60.0) / 0.6)), rng)


def zeros(n: int, m: int, rng: Any) -> Callable[[], tuple[Any, Any, Any]]:
    from scipy.stats import poisson

    shares = 0.05 * poisson.pmf(np.arange(60), 20.0)
    shares[0] += 0.95
    return cell_counts(n, m, np.arange(60.0), shares, rng)


DRAWN = {"normal": normal, "poisson": poisson, "lengths": lengths, "zeros": zeros}


def counted(x: Any, y: Any) -> tuple[Any, Any, Any]:
    values, at = np.unique(np.concatenate([x, y]), return_inverse=True)
    return values, np.bincount(at[: len(x)], minlength=len(values)), np.bincount(at[len(x) :], minlength=len(values))


def cell_counts(n: int, m: int, values: Any, shares: Any, rng: Any) -> Callable[[], tuple[Any, Any, Any]]:
    shares = shares / shares.sum()

    def draw() -> tuple[Any, Any, Any]:
        a, b = rng.multinomial(n, shares), rng.multinomial(m, shares)
        held = (a + b) > 0
        return values[held], a[held], b[held]

    return draw


# --- categories ------------------------------------------------------------------------------------------------------


def categorical(case: Case, rng: Any) -> dict[str, Measure]:
    n, m, shares = case["n"], case["m"], case["shares"]
    left, right = rng.multinomial(n, shares, case.trials), rng.multinomial(m, shares, case.trials)
    known: dict[bytes, tuple[Shifted, bool]] = {}
    found = []
    for at, (a, b) in enumerate(zip(left, right, strict=True)):
        key = a.tobytes() + b.tobytes() if len(shares) == 2 else at.to_bytes(8, "little")
        if key not in known:
            ours = proportion(a[0], n, b[0], m) if len(shares) == 2 else categories(a, b, seed=at, draws=999)
            known[key] = ours, flagged_categories(a, b)
        found.append(known[key])
    told = BELOW if min(n, m) * shares.min() < 5.0 else NEAR  # exact tests of few counts
    return {"evalkit": rate([one.p <= ALPHA for one, _ in found], bar=told), "Evidently": rate([two for _, two in found])}


def flagged_categories(a: Any, b: Any) -> bool:
    held = (a + b) > 0
    a, b = a[held], b[held]
    n, m = a.sum(), b.sum()
    if n > 1_000:
        return jensen_shannon(a, b) >= 0.1
    if len(a) == 1:
        return False
    from scipy.special import chdtrc, ndtr

    if len(a) == 2:
        pooled = (a[0] + b[0]) / (n + m)
        z = (a[0] / n - b[0] / m) / np.sqrt(pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m))
        return 2.0 * ndtr(-abs(z)) < ALPHA
    expected = a * (m / n)
    with np.errstate(divide="ignore"):
        return chdtrc(len(a) - 1, ((b - expected) ** 2 / expected).sum()) < ALPHA


# --- vectors ---------------------------------------------------------------------------------------------------------


def vectors(case: Case, rng: Any) -> dict[str, Measure]:
    n, m = case["n"], case["m"]
    draw = {"normal": correlated, "bags of words": bags}[case["kind"]](rng)
    found: dict[str, list[Shifted]] = {"MMD": [], "domain AUC": [], "mean shift": []}
    modelled, distant = [], []
    for at in range(case.trials):
        x, y = draw(n), draw(m)
        for name, test in (("MMD", mmd), ("domain AUC", domain_auc), ("mean shift", mean_shift)):
            found[name].append(test(x, y, seed=at, permutations=PERMUTATIONS))
        distance = found["MMD"][-1]
        distant.append(distance.statistic > 0.015 if n >= 1_000 else distance.p < 0.95)  # above the 5th percentile
        if at < case.trials // 5:
            modelled.append(flagged_by_model(x, y, rng))
    ours = {f"evalkit, {name}": rate([one.p <= ALPHA for one in tests], bar=NEAR) for name, tests in found.items()}
    return {**ours, "Evidently, model": rate(modelled), "Evidently, MMD": rate(distant)}


def correlated(rng: Any) -> Callable[[int], Any]:
    """32 normal dimensions, of variances from 1 down to 1/32, turned at random."""
    turned = np.linalg.qr(rng.normal(size=(32, 32)))[0] * np.sqrt(1.0 / np.arange(1, 33))[:, None]
    return lambda size: rng.normal(size=(size, 32)) @ turned


def bags(rng: Any) -> Callable[[int], Any]:
    """Bags of 20 words of a vocabulary of 5,000, hashed into 256 places, of length 1."""
    shares = 1.0 / np.arange(1, 5_001)
    edges, places = np.cumsum(shares / shares.sum()), rng.integers(0, 256, 5_000)

    def draw(size: int) -> Any:
        words = places[np.minimum(np.searchsorted(edges, rng.random((size, 20))), 4_999)]
        flat = words + 256 * np.arange(size)[:, None]
        held = np.bincount(flat.ravel(), minlength=256 * size).reshape(size, 256).astype(float)
        return held / np.linalg.norm(held, axis=1, keepdims=True)

    return draw


def flagged_by_model(x: Any, y: Any, rng: Any) -> bool:
    from sklearn.linear_model import SGDClassifier
    from sklearn.metrics import roc_auc_score

    both, side = np.concatenate([x, y]), np.repeat([0, 1], [len(x), len(y)])
    order = rng.permutation(len(both))
    fitted, asked = order[: len(order) // 2], order[len(order) // 2 :]
    model = SGDClassifier(loss="log_loss", random_state=42).fit(both[fitted], side[fitted])
    second = int(side[asked].sum())
    first = len(asked) - second
    random = 0.5 + 1.645 * np.sqrt((len(asked) + 1) / (12.0 * first * second))  # its 95th percentile
    return roc_auc_score(side[asked], model.decision_function(both[asked])) > (random if len(x) < 1_000 else 0.55)
