"""A judge card in words: the view model of its reports."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.core.card import Card, Finding
from evalkit.reports import numbers
from evalkit.reports.safe import one_line
from evalkit.stats.power import about

AGREEMENT = {
    "spearman": "Spearman",
    "kendall": "Kendall tau-b",
    "kendall_c": "Kendall tau-c",
    "pearson": "Pearson",
    "kappa": "kappa",
    "exact": "same level",
    "raters": "raters' own alpha",
}
LEVELS = {"document": "within documents", "system": "of systems"}
SHOWN = ("spearman", "kendall", "pearson")  # at the other levels; the rest is in the card's JSON
BIASES = {
    "position": "position",
    "verbosity": "verbosity",
    "self_preference": "self-preference",
    "padding": "padding",
    "markdown": "markdown",
    "confident": "confident tone",
    "injection": "injection",
}


@dataclass(frozen=True)
class Line:
    """A figure of a card: as a number, and as every report writes it."""

    name: str
    found: Finding
    text: str
    interval: str
    n: str
    note: str
    digits: int


@dataclass(frozen=True)
class CardView:
    """A card as reports tell it; every text in it is the user's own and must still be escaped."""

    card: Card
    title: str
    subtitle: str
    headline: str
    agreement: tuple[Line, ...]
    means: tuple[Line, ...]
    means_note: str
    biases: tuple[Line, ...]
    others: tuple[Line, ...]  # variance and prompt sensitivity
    off: tuple[tuple[str, str], ...]  # what is not known, and why
    calibration: tuple[str, ...]
    notes: tuple[str, ...]


def view(card: Card) -> CardView:
    """Put a card in words."""
    bias = {BIASES.get(name, name): one for name, one in card.bias.items()}
    others = {"repeats": card.variance, "prompt": card.prompt_sensitivity}
    off = [(name, one.reason or "") for name, one in {**bias, **others}.items() if math.isnan(one.value)]
    return CardView(
        card=card,
        title=one_line(card.judge.label, 120),
        subtitle=_subtitle(card),
        headline=_headline(card),
        agreement=_agreement(card),
        means=_means(card),
        means_note=_needed(card),
        biases=tuple(line(name, one, one.says) for name, one in bias.items() if not math.isnan(one.value)),
        others=tuple(
            line(name, one, one.says, signed=name == "prompt") for name, one in others.items() if not math.isnan(one.value)
        ),
        off=tuple(off),
        calibration=_calibration(card),
        notes=tuple(one_line(note, 600) for note in card.notes),
    )


def line(name: str, found: Finding, note: str = "", *, signed: bool = True) -> Line:
    """A figure in words; the interval's width decides the digits."""
    low, high = found.ci if found.ci else (math.nan, math.nan)
    digits = numbers.decimals(found.value, low, high, width=high - low)
    shown = numbers.signed if signed else numbers.number
    bounds = numbers.signed_interval if signed else numbers.interval
    return Line(
        name, found, shown(found.value, digits), bounds(low, high, digits) if found.ci else "", numbers.count(found.n),
        one_line(note or found.reason or "", 400), digits,
    )  # fmt: skip


def _agreement(card: Card) -> tuple[Line, ...]:
    """Over all labelled records, then within documents and of systems, where that can be told with an interval."""
    rows = [line(AGREEMENT.get(name, name), one, signed=False) for name, one in card.agreement.items()]
    for level, found in card.levels.items():
        told = [(name, found[name]) for name in SHOWN if name in found and found[name].ci is not None]
        rows += [line(f"{AGREEMENT[name]} {LEVELS.get(level, level)}", one, signed=False) for name, one in told]
    return tuple(rows)


def _subtitle(card: Card) -> str:
    told = [f"{numbers.counted(card.n, 'labelled record')}"]
    told += [numbers.counted(card.raters, "rater")] if card.raters else []
    told += [f"run {card.run_id}", one_line(card.labels_file, 80)]
    return " · ".join(told)


def _headline(card: Card) -> str:
    """The one sentence that a reader takes away."""
    found, raw = card.corrected, card.raw
    scale = f" on {card.scale[0]:g}–{card.scale[1]:g}" if card.scale else ""
    digits = _digits(found)
    said = f"people would say {numbers.number(found.value, digits)}"
    said += f" ({numbers.interval(*found.ci, digits)})" if found.ci else ""
    return f"{said}{scale}, the judge says {numbers.number(raw.value, digits)}"


def _digits(found: Finding) -> int:
    low, high = found.ci if found.ci else (math.nan, math.nan)
    return numbers.decimals(found.value, low, high, width=high - low)


def _means(card: Card) -> tuple[Line, ...]:
    rows = [line("judge", card.raw, "every record, uncorrected", signed=False)]
    rows.append(line("labels", card.alone, "the labels alone", signed=False))
    found = card.corrected
    lam, saved = float(found.parts.get("lambda") or 0.0), float(found.parts.get("narrower") or 0.0)
    if lam > 0.0:
        note = f"labels and {numbers.counted(card.pool, 'judged record')}: {numbers.percent(round(saved, 2))} narrower"
    else:
        note = "the labels alone: " + ("no other record was judged" if not card.pool else "the judge does not narrow them")
    rows.append(line("corrected", found, note, signed=False))
    gladen = card.rogan_gladen
    if gladen is not None:
        rates = gladen.parts
        told = (
            f"the judge passes {numbers.percent(round(float(rates['sensitivity']), 3))} of what people pass, and fails "
            f"{numbers.percent(round(float(rates['specificity']), 3))} of what they fail"
            if rates.get("sensitivity") is not None and rates.get("specificity") is not None
            else ""
        )
        rows.append(line("Rogan–Gladen", gladen, "; ".join(filter(None, (gladen.reason, told))), signed=False))
    return tuple(rows)


def _needed(card: Card) -> str:
    if card.corrected.ci is None:
        return ""
    if card.needed is None:
        return "no number of labels out of this run would halve the interval: it is as wide as the run is small"
    return f"about {numbers.count(about(card.needed))} labels in all would halve the interval"


def _calibration(card: Card) -> tuple[str, ...]:
    """What the reliability diagram comes to."""
    raw, mapped = card.reliability.get("raw"), card.reliability.get("cross_fitted")
    if not raw:
        return ()
    told = [f"{_offset(raw)}; read as labels, single scores are off by {_rms(raw)} (root mean square)"]
    chance = raw.get("by_chance")
    told.append(f"calibration error {_number(raw['error'])}, of which about {_number(chance)} would come of chance alone")
    if mapped:
        told.append(
            f"through an isotonic map (fitted on other records): off by {_rms(mapped)}, "
            f"calibration error {_number(mapped['error'])}"
        )
    return tuple(told)


def _rms(told: Mapping[str, Any]) -> str:
    return _number(told.get("root_mean_squared_error"))


def _offset(raw: Mapping[str, Any]) -> str:
    offset = raw.get("offset")
    if offset is None:
        return "the judge's offset is not known"
    if abs(offset) <= 1e-9:
        return "on average the judge scores as people do"
    return f"the judge scores {_number(abs(offset))} {'higher' if offset > 0 else 'lower'} than people"


def _number(value: Any) -> str:
    return numbers.number(math.nan if value is None else float(value))
