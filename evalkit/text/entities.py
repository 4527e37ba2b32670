"""Numbers, dates and names of a text, and whether a source has them: by rules, without a model, for English."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from evalkit.text.dates import Calendar, Dated, dates
from evalkit.text.figures import Figure, Figures, figures
from evalkit.text.names import Gazetteer, Name, names

Kind = Literal["number", "date", "name"]
KINDS: tuple[Kind, ...] = ("number", "date", "name")
RULES = "rules-1"  # in signatures; another one as soon as some text is read otherwise


class Entity(NamedTuple):
    """One thing that a text says and a source can lack."""

    kind: Kind
    text: str
    start: int
    end: int
    told: Figure | Dated | Name
    otherwise: Figure | None = None  # a year that may be a plain number


class Source:
    """The texts that something was made from, read once."""

    def __init__(self, texts: Sequence[str]) -> None:
        found = [list(dates(text)) for text in texts]
        numbers = [one for text, days in zip(texts, found) for one in _outside(figures(text, hints=True), days)]
        self.numbers = Figures(numbers)
        self.calendar = Calendar((one for each in found for one in each), self.numbers.values)
        self.names = Gazetteer(texts)

    def entities(self, text: str) -> Iterator[Entity]:
        """Those of another text; what this source writes with a capital within a sentence helps to find its names."""
        return entities(text, self.names.capitals, self.names.small)

    def holds(self, entity: Entity) -> bool:
        """Whether the source says it too."""
        if isinstance(entity.told, Figure):
            ordinal = entity.told.text[-2:] in ("st", "nd", "rd", "th") and self.calendar.has_day(entity.told.values[0])
            return ordinal or self.numbers.holds(entity.told)
        if isinstance(entity.told, Name):
            return self.names.holds(entity.told)
        return self.calendar.holds(entity.told) or (entity.otherwise is not None and self.numbers.holds(entity.otherwise))

    def nearest(self, entity: Entity) -> str | None:
        """What the source has that comes closest; None: nothing of that kind."""
        if isinstance(entity.told, Figure):
            return self.numbers.nearest(entity.told)
        if isinstance(entity.told, Name):
            return self.names.nearest(entity.told)
        return self.calendar.nearest(entity.told)


def entities(text: str, capitals: frozenset[str] = frozenset(), small: frozenset[str] = frozenset()) -> Iterator[Entity]:
    """The entities of a text in order; no two overlap: a date is no number, and neither is a part of a name.

    Args:
        capitals, small: words that a source has with a capital within a sentence, and with a small letter (`names`).
    """
    found: list[Entity] = []
    numbers = list(figures(text))
    begins = {one.start: one for one in numbers}
    for dated in dates(text):
        same = begins.get(dated.start)
        if dated.bare and same is not None and (same.unit is not None or same.end > dated.end):
            continue  # 2000 dollars
        found.append(Entity("date", dated.text, dated.start, dated.end, dated, same if dated.bare else None))
    found += [Entity("number", one.text, one.start, one.end, one) for one in numbers]
    found += [Entity("name", one.text, one.start, one.end, one) for one in names(text, capitals, small)]
    taken = 0
    rank = {"date": 0, "number": 1, "name": 2}
    for entity in sorted(found, key=lambda one: (one.start, rank[one.kind], -one.end)):
        if entity.start >= taken:
            yield entity
            taken = entity.end


def _outside(numbers: Iterable[Figure], days: Sequence[Dated]) -> Iterator[Figure]:
    """The numbers that belong to no date; a year alone may be one of them."""
    spans = [(one.start, one.end) for one in days if not one.bare]
    at = 0
    for number in sorted(numbers, key=lambda one: one.start):
        while at < len(spans) and spans[at][1] <= number.start:
            at += 1
        if at == len(spans) or number.end <= spans[at][0]:
            yield number
