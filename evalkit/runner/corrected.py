"""What people would say of a run, by the cards of its judges."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.core.card import Card
from evalkit.core.errors import StoreError
from evalkit.core.rows import Floats
from evalkit.core.run import Corrected, Run
from evalkit.stats.prediction_powered import FEWEST, prediction_powered
from evalkit.store.cards import cards_of, read_card
from evalkit.store.table import Table, cluster_codes

Fetch = Callable[[Sequence[int]], list[Mapping[str, Any]]]

ENOUGH = 30  # labels of this run's own outputs that are taken alone, where a card has more of others


def with_corrections(run: Run, table: Table, home: Path, fetch: Fetch, confidence: float) -> Run:
    """The run with a corrected value beside the main value of every judge that has a card in the store.

    Args:
        fetch: reads records by their index.
    """
    found = {}
    for label, name in run.main.items():
        value = run.metrics[name]
        one = _corrected(label, run, name, table, home, fetch, confidence)
        if one is not None:
            found[name] = replace(value, corrected=one)
    return replace(run, metrics={**run.metrics, **found}) if found else run


def digest(output: Any) -> str | None:
    """What tells one output from another."""
    return None if output is None else hashlib.sha256(str(output).encode("utf-8", "surrogatepass")).hexdigest()[:24]


def to_scale(scores: Floats, own: tuple[float, float] | None, scale: tuple[float, float] | None) -> Floats:
    """Scores moved from the judge's scale to the labels', end to end; as they are where both are one, or unknown."""
    if own is None or scale is None or own == scale:
        return scores
    return scale[0] + (scores - own[0]) * ((scale[1] - scale[0]) / (own[1] - own[0]))


def _corrected(label: str, run: Run, name: str, table: Table, home: Path, fetch: Fetch, confidence: float) -> Corrected | None:
    """None where nobody ever calibrated a judge of this name."""
    try:
        card = read_card(home, run.metrics[name].fingerprint)
    except StoreError as error:
        return Corrected(math.nan, why=str(error))
    if card is None:
        others = cards_of(home, label, str(run.suite.get("name", "")))
        if not others:
            return None
        told = f"its card {others[0].short} is of another prompt, model or option and was not used"
        return Corrected(math.nan, card=others[0].short, why=f"{told}; make a new one with evalkit calibrate")
    scores = table.scores(card.judge.value)
    if scores is None or card.judge.value != name:
        return Corrected(math.nan, card=card.short, why=f"its card is of the value {card.judge.value}")
    return correct(card, table, to_scale(scores, card.judge_scale, card.scale), fetch, confidence)


def correct(card: Card, table: Table, judged: Floats, fetch: Fetch, confidence: float) -> Corrected:
    """The mean that people would give.

    Labels of this run's own outputs make a prediction-powered estimate. Where there are too few, those of the card's run are
    carried over: the judge is taken to be off by as much here as it was there (λ = 1; a smaller one would pull the run's mean
    towards that of the labelled records, which may be better or worse ones). So they are where some of the labelled outputs are
    others now: those that stayed the same (short ones, easy ones) are no random sample of the run.
    """
    scored = np.flatnonzero(~np.isnan(judged))
    if not len(scored):
        return Corrected(math.nan, card=card.short, why="no record was scored")
    own = _own(card, table, judged, fetch)
    known = card.labelled
    labels, theirs = np.array(known.labels), np.array(known.judged)
    weights = np.array(known.weights) if known.weights else None
    groups = cluster_codes(table)
    if len(own) >= FEWEST and len(own) >= min(ENOUGH, len(known.ids)):
        at, of = own[:, 0], own[:, 1]
        pool = scored if weights is not None else np.setdiff1d(scored, at)
        names = groups if groups is not None else np.arange(table.n) if weights is not None else None
        found = prediction_powered(
            labels[of], judged[at], judged[pool], level=confidence, scale=card.scale,
            weights=weights[of] if weights is not None else None,
            clusters=(names[at], names[pool]) if names is not None else None,
        )  # fmt: skip
        return Corrected(found.value, _bounds(found.low, found.high), len(at), card.short, scale=_other(card))
    clusters = None
    if known.clusters or groups is not None:
        there = np.unique(np.array(known.clusters or known.ids), return_inverse=True)[1]
        here = groups[scored] if groups is not None else scored
        clusters = there, here + int(there.max()) + 1  # other records: no cluster is on both sides
    found = prediction_powered(
        labels, theirs, judged[scored], lam=1.0, level=confidence, scale=card.scale, weights=weights, clusters=clusters
    )
    why = f"labels of the run {card.run_id}, carried over: holds if the judge is off by as much on these outputs as on those"
    return Corrected(found.value, _bounds(found.low, found.high), len(labels), card.short, False, why, _other(card))


def _own(card: Card, table: Table, judged: Floats, fetch: Fetch) -> NDArray[np.int64]:
    """The labelled records that are in this run with the very outputs that were labelled: pairs of a place in it and one in the
    card, (k, 2); none where any of them has another output here."""
    known = card.labelled
    place = {name: at for at, name in enumerate(known.ids)}
    here = [(index, place[name]) for index, name in enumerate(table.ids) if name in place and not np.isnan(judged[index])]
    if not here:
        return np.empty((0, 2), dtype=np.int64)
    if known.outputs:
        records = fetch([index for index, _ in here])
        kept = [pair for pair, record in zip(here, records) if digest(record.get("output")) == known.outputs[pair[1]]]
    else:  # the texts were not to be had: the same score twice is as much as can be known
        kept = [pair for pair in here if judged[pair[0]] == known.judged[pair[1]]]
    return np.array(kept if len(kept) == len(here) else [], dtype=np.int64).reshape(-1, 2)


def _other(card: Card) -> tuple[float, float] | None:
    """The labels' scale, where scores had to be brought to it."""
    return card.scale if card.judge_scale is not None and card.scale != card.judge_scale else None


def _bounds(low: float, high: float) -> tuple[float, float] | None:
    return None if math.isnan(low) else (low, high)
