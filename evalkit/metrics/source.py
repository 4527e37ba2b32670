"""The text that an output was made from: a column that holds one text, or several passages."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.core.batch import Batch, Ragged, as_text
from evalkit.core.contracts import Measure


def texts_of(batch: Batch, columns: Sequence[str]) -> Ragged:
    """Of each record the texts that its columns hold, in order, without empty ones; chat messages are one text."""

    def listed(name: str, index: int) -> list[str]:
        value = batch.column(name)[index]
        passages = isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value)
        return [text for one in (value if passages else (value,)) if (text := as_text(one)).strip()]

    return batch.derive(
        ("texts of", tuple(columns)),
        lambda: Ragged.of([text for name in columns for text in listed(name, index)] for index in range(len(batch))),
    )


class OfSource(Measure):
    """What metrics share that hold the output against the column ``source``.

    Null is an error, as anywhere; an empty list of passages is a value, with nothing in it to compare.
    """

    source: str

    def needs_of(self) -> tuple[str, ...]:
        return ("output", self.source)

    def lacking(self, batch: Batch) -> dict[int, str]:
        empty = {index for index, value in enumerate(batch.column(self.source)) if value == []}
        return {index: why for index, why in super().lacking(batch).items() if index not in empty or why != f"no {self.source}"}
