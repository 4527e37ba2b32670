"""What production logs tell of a record: its latency, its cost, its tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from evalkit.core.batch import Batch
from evalkit.core.contracts import Metric
from evalkit.core.registry import metric
from evalkit.core.rows import Floats, Rows
from evalkit.stats.quantile import MeanAndQuantiles
from evalkit.stats.ratio import ratio

QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


class Amount(Metric):
    """Mean and quantiles of a number that each record brings along; lower is better.

    Rows are ``(value, 1)``.  Sums give the mean; the quantiles need the rows themselves.  A record's own value stands
    under every part, for a single value is its own mean and its own quantiles.  A negative value, or one that is no
    number, is an error.
    """

    higher_is_better: ClassVar[bool | None] = False
    additive: ClassVar[bool] = False

    @property
    def parts(self) -> tuple[str, ...]:
        return ("mean", *QUANTILES)

    @property
    def columns(self) -> tuple[str, ...]:
        return ("value", "records")

    def range_of(self, part: str) -> tuple[float, float] | None:
        """Only the mean is one."""
        return (0.0, math.inf) if part == "mean" else None

    def measure(self, batch: Batch) -> Rows:
        total, errors = np.zeros(len(batch)), {}
        for column in self.needs_of():
            values, wrong = amounts(batch.column(column), column)
            total += values
            errors.update(wrong)
        return Rows.of(total, np.ones(len(batch)), errors=errors)

    def combine(self, totals: Floats) -> Floats:
        values = np.full((*totals.shape[:-1], len(self.parts)), np.nan)
        values[..., 0] = ratio(totals[..., 0], totals[..., 1])
        return values

    combine_rows = MeanAndQuantiles(tuple(QUANTILES.values()))  # the bootstrap's fast path

    def record_values(self, rows: Rows) -> Floats:
        return np.repeat(rows.values[:, :1], len(self.parts), axis=1)


@metric("latency")
@dataclass(frozen=True)
class Latency(Amount):
    """Milliseconds that an answer took (``latency_ms``): mean, median, 95th and 99th percentile.

    Range: from 0 up, in milliseconds.

    Misleads: a mean hides the slow tail and a p99 of a few hundred records is one or two requests. Times that a log has
    without retries or queueing are not what a user waited.

    Source: ours.
    """

    needs = ("latency_ms",)


@metric("cost")
@dataclass(frozen=True)
class Cost(Amount):
    """What an answer cost (``cost``), in the log's own currency: mean, median, 95th and 99th percentile.

    Range: from 0 up.

    Misleads: a cheaper answer may be a worse or a shorter one: read it beside a quality metric. Prices in a log are those
    of its day.

    Source: ours.
    """

    needs = ("cost",)


@metric("tokens")
@dataclass(frozen=True)
class Tokens(Amount):
    """Tokens of the prompt and the completion, or of one of them: mean, median, 95th and 99th percentile.

    Range: from 0 up.

    Misleads: tokens of two tokenizers are two units: between models compare cost or characters instead.

    Source: ours.
    """

    needs = ("prompt_tokens", "completion_tokens")
    which: Literal["total", "prompt", "completion"] = "total"

    def needs_of(self) -> tuple[str, ...]:
        return self.needs if self.which == "total" else (f"{self.which}_tokens",)


def amounts(values: Sequence[Any], column: str) -> tuple[Floats, dict[int, str]]:
    """A column as numbers from 0 up, 0 where it is wrong, and what is wrong there."""
    plain = set(map(type, values)) <= {float}  # an integer may be too large for a float
    numbers = np.array(values if plain else [_number(value) for value in values], dtype=np.float64)
    wrong = ~(np.isfinite(numbers) & (numbers >= 0))
    errors = {
        index: f"{column} is {repr(values[index])[:60]}, "
        + ("which is negative" if -math.inf < numbers[index] < 0 else "not a number")
        for index in np.flatnonzero(wrong).tolist()
    }
    return np.where(wrong, 0.0, numbers), errors


def _number(value: Any) -> float:
    """A number, or a text that is one; NaN for anything else, true and false included."""
    if isinstance(value, (bool, np.bool_)):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
