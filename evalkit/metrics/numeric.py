"""The last number of an output against the reference's."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evalkit.core.batch import Batch
from evalkit.core.registry import metric
from evalkit.core.rows import Rows
from evalkit.metrics.share import Share, hits
from evalkit.text.number import Number, last_number


@metric("numeric_match")
@dataclass(frozen=True)
class NumericMatch(Share):
    """Share of outputs whose last number is the reference's last number, within a tolerance.

    What is read as a number, `evalkit.text.number.last_number` says: thousands separators, fractions, currency, percent
    and scientific notation are understood.  An output without a number is wrong; a reference without one is an error.
    Of several references any counts.

    Two numbers are equal as `math.isclose` says: they differ by at most ``abs_tol``, or by ``rel_tol`` times the larger
    one. ``percent`` says what ``45%`` is: 0.45 (``fraction``), 45 (``sign``: the sign is dropped), or, where only one
    of the two numbers carries a sign, whichever fits (``either``).

    Misleads: the last number is taken for the answer: one that is followed by a remark with another number, a unit that was
    converted or a percent sign that was left out is wrong, and a right number after wrong reasoning is right.

    Source: ours; the tolerances are those of Python's `math.isclose`.
    """

    needs = ("output", "reference")
    rel_tol: float = 1e-9
    abs_tol: float = 0.0
    percent: Literal["either", "fraction", "sign"] = "either"
    decimal: Literal[".", ","] = "."  # "," reads 1.234,50; nothing is guessed

    def __post_init__(self) -> None:
        for name in ("rel_tol", "abs_tol"):
            tolerance = getattr(self, name)
            if not 0 <= tolerance < math.inf:
                raise ValueError(f"{name} must be a number from 0 up, not {tolerance:g}")

    def measure(self, batch: Batch) -> Rows:
        found = np.zeros(len(batch))
        errors: dict[int, str] = {}
        reasons: dict[int, str] = {}
        for index, (output, references) in enumerate(zip(batch.texts("output"), batch.lists("reference"), strict=True)):
            wanted = [number for text in references if (number := last_number(text, self.decimal)) is not None]
            if not wanted:
                errors[index] = "the reference has no number"
                continue
            told = last_number(output, self.decimal)
            if told is None:
                reasons[index] = "the output has no number"
                continue
            found[index] = any(self._equal(told, number) for number in wanted)
            if not found[index]:
                reasons[index] = f"the output's last number is {_spelled(told)}, the reference's {_spelled(wanted[0])}"
        return hits(found, errors, reasons)

    def _equal(self, told: Number, wanted: Number) -> bool:
        return any(math.isclose(a, b, rel_tol=self.rel_tol, abs_tol=self.abs_tol) for a, b in self._readings(told, wanted))

    def _readings(self, told: Number, wanted: Number) -> Iterator[tuple[float, float]]:
        """The pairs of values that two numbers can stand for."""
        if self.percent != "fraction" and not (self.percent == "either" and told.percent and wanted.percent):
            yield told.value, wanted.value
        if self.percent != "sign":
            yield _fraction(told), _fraction(wanted)


def _fraction(number: Number) -> float:
    return number.value / 100 if number.percent else number.value


def _spelled(number: Number) -> str:
    return f"{number.value:.15g}{'%' if number.percent else ''}"
