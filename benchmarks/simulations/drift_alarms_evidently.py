"""The alarms that Evidently's default rules (0.7, re-implemented as for the drift tests) would raise on the services of the alarms above.

The first track of each kind is drawn as rows in 300 random windows of each year, and each of these windows is compared with all
rows of the reference, the four weeks before the year, or with a sample of 1,000 of them: lengths are lognormal and rounded, with
a standard deviation of 0.8 of their logarithm, refusals are a flag, topics ten categories, and a judge's scores normal. What is
told is the share of windows in which a column is found drifted, before anything has drifted in it and after. A month has 720
windows of an hour, so that *alarms a month* is 720 times the number of columns flagged in a window in which nothing had drifted:
rules that look at windows one by one have no incidents, and two windows in a row are two alarms. Of 24 such windows the package
itself, 0.7.23 with its `DataDriftPreset`, flags the same: 96 of 96 columns, 12 windows against either reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.special import ndtri

from simulations._run import Case, Measure, figure
from simulations._stream import DAY, HOUR, KINDS, LENGTH_SD, MOVED, TOPICS, YEAR, Drift, Stream, drawn
from simulations.drift_tests import flagged_categories, flagged_numbers

NAME = "Evidently's default rules on the same service"
WINDOWS, REFERENCE = 300, 28 * 24
COLUMNS = ("refusals", "lengths", "topics", "judge")


def cases() -> Iterator[Case]:
    for over, told in ((0.0, "all at once"), (14 * DAY, "over 2 weeks")):
        yield Case(f"whole reference, drifts {told}", 20, {"rows": None, "over": over})
    yield Case("1,000 rows of the reference, drifts all at once", 20, {"rows": 1_000, "over": 0.0})


def counts(stream: Stream, windows: Any, column: int, rng: Any) -> Any:
    """How often each value of a column occurs in some windows together; values are whole numbers from 0."""
    if column == 0:
        hits = np.round(stream.values[windows, MOVED[0]] * stream.sizes[windows, MOVED[0]]).sum()
        return np.array([stream.sizes[windows, MOVED[0]].sum() - hits, hits]).astype(int)
    if column == 2:
        topics = slice(MOVED[2], MOVED[2] + len(TOPICS))
        return np.round(stream.values[windows, topics] * stream.sizes[windows, topics]).sum(axis=0).astype(int)
    rank = column == 1
    track = MOVED[1] if rank else MOVED[3]
    mean = np.repeat(stream.means[windows, track - 20], stream.sizes[windows, track].astype(int))
    if rank:  # a mean mid-rank of r is a shift of √2 Φ⁻¹(r) standard deviations
        drawn_rows = np.round(np.exp(5.0 + LENGTH_SD * (np.sqrt(2.0) * ndtri(mean) + rng.normal(size=len(mean)))))
        return np.bincount(np.minimum(drawn_rows, 20_000).astype(int), minlength=20_001)
    return np.bincount(np.clip((mean + rng.normal(size=len(mean)) + 6.0) * 100.0, 0, 1_200).astype(int), minlength=1_201)


def flagged(column: int, reference: Any, current: Any) -> bool:
    if column == 2:
        return bool(flagged_categories(reference, current))
    held = np.flatnonzero((reference + current) > 0)
    return bool(flagged_numbers(held.astype(float), reference[held], current[held]))


def simulate(case: Case, rng: Any) -> dict[str, Measure]:
    before: list[list[float]] = [[] for _ in COLUMNS]
    after: list[list[float]] = [[] for _ in COLUMNS]
    monthly, any_column = [], []
    for _ in range(case.trials):
        over = case["over"]
        drifts = [
            Drift(kind, float(rng.uniform(28 + 30, 28 + YEAR - 60)) * DAY // HOUR * HOUR, over) for kind in range(len(KINDS))
        ]
        stream = drawn(rng, days=28 + YEAR, drifts=drifts)
        references = [counts(stream, np.arange(REFERENCE), column, rng) for column in range(len(COLUMNS))]
        if case["rows"]:
            references = [rng.multivariate_hypergeometric(one, case["rows"]) for one in references]
        looked = np.sort(rng.choice(np.arange(REFERENCE, len(stream.times)), WINDOWS, replace=False))
        since = stream.times[looked] - stream.times[0]
        found = np.array(
            [
                [flagged(column, references[column], counts(stream, np.array([at]), column, rng)) for column in range(4)]
                for at in looked
            ]
        )
        calm = np.stack([since < drifts[kind].begin for kind in range(4)], axis=1)
        moved = np.stack([since >= drifts[kind].begin + over for kind in range(4)], axis=1)
        for column in range(4):
            before[column].append(found[calm[:, column], column].mean())
            after[column].append(found[moved[:, column], column].mean())
        monthly.append(720.0 * sum(one[-1] for one in before))
        untouched = calm.all(axis=1)
        if untouched.any():
            any_column.append(found[untouched].any(axis=1).mean())
    told: dict[str, Measure] = {}
    for column, name in enumerate(COLUMNS):
        told[f"{name}: before"] = figure(before[column])
        told[f"{name}: after"] = figure(after[column])
    return told | {"windows with any column before": figure(any_column), "alarms a month": figure(monthly, digits=0)}
