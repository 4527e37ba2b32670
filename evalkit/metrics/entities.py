"""Numbers, dates and names of an output that its source does not have: a check for hallucinations without a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from evalkit.core.batch import Batch
from evalkit.core.contracts import IntervalKind, Metric
from evalkit.core.errors import SpecError, quote
from evalkit.core.registry import metric
from evalkit.core.rows import Floats, Rows
from evalkit.metrics.source import texts_of
from evalkit.stats.ratio import ratio
from evalkit.text.entities import KINDS, RULES, Entity, Kind, Source

USUAL = ("input", "contexts")
_NAMED = 3  # unsupported entities that a reason names


@metric("unsupported_entities")
@dataclass(frozen=True)
class UnsupportedEntities(Metric):
    """Share of the output's numbers, dates and names that its source lacks, pooled over the records: 0 to 1; lower is better.

    Rules, no model, made for English; numbers in digits and ISO dates are read in any language. Both sides are brought to one
    form first. Numbers: words ("twenty-three", "a dozen", ordinals), thousands separators, "1.2 million", percent, currencies
    and units (two that are both stated must agree), times of the day. Dates: ISO, American, European and in words; the source
    may say more ("May 2021" is supported by 3 May 2021). Names: runs of capitalised words, of which each must stand in the
    source, whatever its case, accents, possessive or hyphens there; a surname is supported by the full name, WHO by World
    Health Organization, German by Germany. What is told as rounded may be: "1.2 million" stands for 1,234,567, "more than 300"
    for 340.

    Long outputs weigh more; a record's own value is its share. ``any`` is the share of records with at least one such entity;
    ``number``, ``date`` and ``name`` are the shares among those alone. An output without entities, or a source without text, is
    skipped. The evidence lists every entity with its place, and what the source has that comes closest to one that it lacks.

    Args:
        source: the column or columns that the output was made from; none: ``input`` and ``contexts``, as far as they are there.
        kinds: which of ``number``, ``date`` and ``name`` to look for. A year alone is a date.
        allow: further texts that may support an entity, the same for every record: one's own name, today's date.

    Formula: unsupported entities / entities, summed over records.

    Range: 0 to 1.

    Misleads: it only sees what is not there: the right number about the wrong thing passes, and so does everything that is
    not a number, a date or a name. What was reckoned (a sum, a count of people who are named) is not in the source and is
    held against the output. In texts without capital letters, and for a single word at the beginning of a sentence, names
    are not told.

    Source: the rules are ours; the idea is that of Nan et al. (2021), arXiv:2102.09130, who find entities by a model.
    """

    needs: ClassVar[tuple[str, ...]] = ("output",)
    higher_is_better: ClassVar[bool | None] = False

    source: str | tuple[str, ...] | None = None
    kinds: tuple[Kind, ...] = KINDS
    allow: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("kinds", "allow"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if isinstance(self.source, list):
            object.__setattr__(self, "source", tuple(self.source))
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown or not self.kinds or len(set(self.kinds)) < len(self.kinds):
            wrong = f", not {quote(unknown[0])}" if unknown else ""
            raise SpecError(f"kinds of unsupported_entities are one or more of {', '.join(KINDS)}, each once{wrong}")
        if self.source == () or "output" in self._columns:
            raise SpecError("source must name the column or columns that the output was made from")

    @property
    def _columns(self) -> tuple[str, ...]:
        return USUAL if self.source is None else (self.source,) if isinstance(self.source, str) else self.source

    @property
    def parts(self) -> tuple[str, ...]:
        return ("", "any", *self.kinds)

    @property
    def columns(self) -> tuple[str, ...]:
        """Unsupported ones and all of them, the same for each kind, and whether any is unsupported, of how many records."""
        pairs = [f"{what}_{kind}" for kind in self.kinds for what in ("unsupported", "all")]
        return ("unsupported", "all", "any", "records", *pairs)

    def interval_of(self, part: str) -> IntervalKind:
        return "wilson" if part == "any" else "bootstrap"

    def needs_of(self) -> tuple[str, ...]:
        return ("output",) if self.source is None else ("output", *self._columns)

    def options(self) -> dict[str, Any]:
        """The options, and the rules by which texts are read."""
        return {**super().options(), "rules": RULES}

    def lacking(self, batch: Batch) -> dict[int, str]:
        """A null where a source was named; with the usual ones, records that have neither. An empty list is a value."""
        why = {index: told for index, told in super().lacking(batch).items() if told.startswith("no output")}
        for index, values in enumerate(zip(*map(batch.column, self._columns))):
            null = [name for name, value in zip(self._columns, values) if value is None]
            if null and (self.source is not None or len(null) == len(USUAL)):
                why.setdefault(index, f"no {' and no '.join(null)}")
        return why

    def measure(self, batch: Batch) -> Rows:
        rows = Rows(np.zeros((len(batch), len(self.columns))))
        sources = texts_of(batch, self._columns)
        for index, (output, texts) in enumerate(zip(batch.texts("output"), sources)):
            if not texts:
                rows.skipped[index] = f"no text in {' or '.join(self._columns)}: nothing to hold the output against"
                continue
            source = Source([*texts, *self.allow])
            found = [entity for entity in source.entities(output) if entity.kind in self.kinds]
            if not found:
                rows.skipped[index] = f"the output has no {' and no '.join(self.kinds)}: nothing to check"
                continue
            held = [source.holds(entity) for entity in found]
            rows.values[index] = self._counts(found, held)
            told = [_told(entity, known, source) for entity, known in zip(found, held)]
            rows.evidence[index] = {"entities": told}
            rows.reasons[index] = _reason(told)
        return Rows(rows.values, skipped=rows.skipped, reasons=rows.reasons, evidence=rows.evidence)

    def _counts(self, found: Sequence[Entity], held: Sequence[bool]) -> list[float]:
        lacking = [entity.kind for entity, known in zip(found, held) if not known]
        kinds = [entity.kind for entity in found]
        pairs = [float(listed.count(kind)) for kind in self.kinds for listed in (lacking, kinds)]
        return [float(len(lacking)), float(len(kinds)), float(bool(lacking)), 1.0, *pairs]

    def combine(self, totals: Floats) -> Floats:
        return ratio(totals[..., 0::2], totals[..., 1::2])


def _told(entity: Entity, known: bool, source: Source) -> dict[str, Any]:
    """An entity as evidence."""
    told: dict[str, Any] = {
        "kind": entity.kind,
        "text": entity.text,
        "start": entity.start,
        "end": entity.end,
        "supported": known,
    }
    nearest = None if known else source.nearest(entity)
    return told | ({"nearest": nearest} if nearest is not None else {})


def _reason(told: Sequence[dict[str, Any]]) -> str:
    lacking = [one for one in told if not one["supported"]]
    if not lacking:
        return f"all {len(told)} entities stand in the source" if len(told) > 1 else "its one entity stands in the source"
    named = [
        f"{one['kind']} {one['text']}" + (f" (the source has {one['nearest']})" if "nearest" in one else "")
        for one in lacking[:_NAMED]
    ]
    more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
    return f"{len(lacking)} of {len(told)} entities not in the source: {', '.join(named)}{more}"
