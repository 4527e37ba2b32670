"""Two profiles, signal by signal and slice by slice: is there a difference, and is it large enough to matter?"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import numpy as np

from evalkit.core.drift import Drift, Finding, Off, Shape, Side, Term
from evalkit.detection import categories, numbers, shape
from evalkit.detection.categories import Categories
from evalkit.detection.flags import Flags
from evalkit.detection.numbers import Numbers
from evalkit.detection.profile import By, Profile, Summary
from evalkit.detection.signal import Look, Signal
from evalkit.detection.wording import changed, number, share
from evalkit.stats.contingency import categories as homogeneity
from evalkit.stats.contingency import proportion
from evalkit.stats.divergence import auc, jensen_shannon, psi, total_variation, wasserstein_sd
from evalkit.stats.effect import cohen_h
from evalkit.stats.kolmogorov import ks
from evalkit.stats.multiple import adjust

FEWEST = 30  # rows of a signal on either side; below, nothing is said
DISTINCT = 20  # numbers of no more distinct values are tested as categories


def compare(
    reference: Profile,
    current: Profile,
    signals: Sequence[Signal],
    *,
    level: float = 0.05,
    seed: int = 0,
    off: Sequence[Off] = (),
    fewest: int = FEWEST,
) -> Drift:
    """Every signal that both profiles have, over all rows and over each slice.

    A signal has drifted where chance does not explain the difference (q, after Benjamini and Hochberg over all signals and
    slices, at most ``level``) and it is large enough to matter (the effect size at least the signal's threshold): of a
    million rows every difference is significant.
    """
    found: list[Finding] = []
    dark = list(off)
    looks = [(signal, _look(signal, reference, current, seed, fewest)) for signal in signals]
    for by in (None, *(by for by in reference.slices if by in current.slices)):
        for signal, look in looks:
            if by is not None and signal.kind == "category" and signal.needs == (by[0],):
                continue  # a slice has one value of its own column
            one, why = look(by)
            if one is not None:
                found.append(replace(one, by=dict([by])) if by else one)
            elif by is None:
                dark.append(Off(signal.name, why))
    return Drift(
        findings=tuple(judged(found, level)),
        off=tuple(dark),
        reference=_side(reference),
        current=_side(current),
        level=level,
        notes=tuple(_notes(reference, current)),
    )


def judged(found: Sequence[Finding], level: float) -> list[Finding]:
    """The findings with q, and drifted where both q and the effect say so."""
    if not found:
        return []
    p = np.array([one.p for one in found])
    q = np.full(len(p), np.nan)
    known = ~np.isnan(p)
    if known.any():
        q[known] = adjust(p[known], "bh")
    return [replace(one, q=float(at), drifted=bool(at <= level and one.value >= one.threshold)) for one, at in zip(found, q)]


def _look(signal: Signal, reference: Profile, current: Profile, seed: int, fewest: int) -> Look:
    """What finds a signal's difference over all rows or a slice."""
    if signal.compare is not None:
        return signal.compare(signal, reference, current, _seed(seed, signal.name), fewest)
    return partial(_of_summaries, signal, reference, current, seed, fewest)


def _of_summaries(
    signal: Signal, reference: Profile, current: Profile, seed: int, fewest: int, by: By | None
) -> tuple[Finding | None, str]:
    sides = [(profile.whole if by is None else profile.slices[by]).get(signal.name) for profile in (reference, current)]
    for side, name in zip(sides, ("reference", "current")):
        if side is None or not _rows(side):
            return None, f"the {name} rows have no value"
        if _rows(side) < fewest:
            return None, f"the {name} rows have {_rows(side)} values; {fewest} are needed"
    a, b = sides
    assert a is not None
    assert b is not None
    return COMPARED[type(a)](signal, a, b, _seed(seed, signal.name, *(by or ())[1:])), ""


def _rows(side: Summary) -> int:
    return side.n


def _seed(seed: int, *names: str) -> int:
    return zlib.crc32("\0".join(names).encode()) ^ seed


def _numbers(signal: Signal, a: Numbers, b: Numbers, seed: int) -> Finding:
    values, one, two = numbers.aligned(a, b)
    others = {
        "wasserstein": wasserstein_sd(values, one, two), "psi": psi(*_grouped(one, two)),
        "js": jensen_shannon(*_grouped(one, two)), "ks": _widest(one, two), "auc": auc(one, two),
        "mean_reference": a.mean, "mean_current": b.mean, "median_reference": a.quantile(0.5),
        "median_current": b.quantile(0.5), "sd_reference": a.sd, "sd_current": b.sd,
        "missing_reference": _missing(a), "missing_current": _missing(b),
    }  # fmt: skip
    tested = homogeneity(one, two, seed=seed) if len(values) <= DISTINCT else ks(one, two, seed=seed)
    statistic, threshold = signal.effect
    value = abs(others["auc"] - 0.5) if statistic == "auc" else others[statistic]
    why = f"{signal.name} {_direction(b.mean - a.mean)}: mean {changed(a.mean, b.mean, signal.unit)}"
    if signal.unit != "share":
        why += f", median {number(others['median_reference'])} → {number(others['median_current'])}"
    return _finding(
        signal, statistic, value, threshold, tested.test, tested.p, why, a.n, b.n, a.mean, b.mean, others,
        shape.of_numbers(values, one, two),
    )  # fmt: skip


def _flags(signal: Signal, a: Flags, b: Flags, seed: int) -> Finding:  # noqa: ARG001 - as the others have it
    tested = proportion(a.hits, a.n, b.hits, b.n)
    one, two = np.array([a.n - a.hits, a.hits]), np.array([b.n - b.hits, b.hits])
    others = {
        "h": abs(cohen_h(a.rate, b.rate)), "difference": abs(b.rate - a.rate),
        "js": jensen_shannon(one, two),
        "missing_reference": _missing(a), "missing_current": _missing(b),
    }  # fmt: skip
    statistic, threshold = signal.effect
    why = f"{signal.name} {_direction(b.rate - a.rate)}: {changed(a.rate, b.rate, 'share')} of rows"
    return _finding(
        signal, statistic, others[statistic], threshold, tested.test, tested.p, why, a.n, b.n, a.rate, b.rate, others,
        shape.of_flags((a.hits, a.n), (b.hits, b.n)),
    )  # fmt: skip


def _categories(signal: Signal, a: Categories, b: Categories, seed: int) -> Finding:
    names, one, two = categories.aligned(a, b)
    tested = homogeneity(one, two, seed=seed)
    others = {
        "js": jensen_shannon(one, two), "psi": psi(one, two), "tv": total_variation(one, two),
        "missing_reference": _missing(a), "missing_current": _missing(b),
    }  # fmt: skip
    statistic, threshold = signal.effect
    moved = one / max(one.sum(), 1), two / max(two.sum(), 1)
    apart = moved[1] - moved[0]
    most = sorted(range(len(names)), key=lambda at: -abs(apart[at]))[:3]
    told = "; ".join(
        f"{names[at]} {share(float(moved[0][at]))} → {share(float(moved[1][at]))}" for at in most if abs(apart[at]) > 0.0
    )
    terms = tuple(
        Term(names[at], float(moved[0][at]), float(moved[1][at])) for at in np.argsort(-apart)[:10] if apart[at] > 0.005
    )
    return _finding(
        signal, statistic, others[statistic], threshold, tested.test, tested.p,
        f"{signal.name} has another mix: {told}" if told else f"{signal.name} has the same mix",
        a.n, b.n, math.nan, math.nan, others, shape.of_categories(names, one, two), terms,
    )  # fmt: skip


COMPARED: Mapping[type, Callable[..., Finding]] = {Numbers: _numbers, Flags: _flags, Categories: _categories}


def _finding(
    signal: Signal, statistic: str, value: float, threshold: float, test: str, p: float, why: str, n: int, m: int,
    before: float, after: float, others: Mapping[str, float], drawn: Shape, terms: tuple[Term, ...] = (),
) -> Finding:  # fmt: skip
    return Finding(
        name=signal.name, group=signal.group, kind=signal.kind, statistic=statistic, value=value, threshold=threshold,
        test=test, p=p, q=math.nan, drifted=False, why=why, n_reference=n, n_current=m, before=before, after=after,
        unit=signal.unit, others=others, shape=drawn, terms=terms,
    )  # fmt: skip


def _widest(one: numbers.Counts, two: numbers.Counts) -> float:
    return float(np.abs(np.cumsum(one) / one.sum() - np.cumsum(two) / two.sum()).max())


def _grouped(one: numbers.Counts, two: numbers.Counts) -> tuple[numbers.Counts, numbers.Counts]:
    """Counts over at most ten cells of about equal share of the reference, as divergences of binned numbers have it."""
    if len(one) <= 10:
        return one, two
    reached = np.cumsum(one) / max(int(one.sum()), 1)
    cells = np.minimum((reached * 10.0 - 1e-9).astype(np.int64), 9)
    return np.bincount(cells, weights=one, minlength=10).astype(np.int64), np.bincount(cells, weights=two, minlength=10).astype(
        np.int64
    )


def _missing(side: Summary) -> float:
    total = side.n + side.missing
    return side.missing / total if total else math.nan


def _direction(apart: float) -> str:
    return "rose" if apart > 0.0 else "fell" if apart < 0.0 else "changed its spread"


def _side(profile: Profile) -> Side:
    return Side(profile.label, profile.n, _time(profile.first), _time(profile.last))


def _time(seconds: float) -> str | None:
    if not math.isfinite(seconds):
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _notes(reference: Profile, current: Profile) -> list[str]:
    notes = []
    if current.n < 200:
        notes.append(f"the current side has {current.n:,} rows: only large changes can be seen")
    if not math.isnan(reference.last) and current.first < reference.last and reference.first < current.last:
        notes.append("the two sides overlap in time")
    return notes
