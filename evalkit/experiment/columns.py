"""What is asked of a log, and its columns in SQL: under which short name, as which number, with or without a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evalkit.core.errors import Problem, SpecError, quote
from evalkit.experiment.spec import MetricSpec, known_column
from evalkit.logs.read import Log, identifier, is_number, is_time, literal, seconds_of


@dataclass(frozen=True)
class Question:
    """Whose rows, split how, measured by what; without a ``variant`` all rows are the control's."""

    variant: str
    control: str
    unit: str  # "": each row is a unit
    metrics: tuple[MetricSpec, ...]
    treatments: tuple[str, ...] = ()  # () for all
    by: str = ""


class Columns:
    """The columns that a question needs, each under a short name (x0, x1 …), which is all that later queries write.

    Raises:
        SpecError: a column that is not there, or that holds something else than its metric needs.
    """

    def __init__(self, log: Log, question: Question) -> None:
        self.log, self.question = log, question
        self._check_names()
        values = [name for spec in question.metrics for name in (*spec.columns, *spec.covariate)]
        self.short = {name: f"x{index}" for index, name in enumerate(dict.fromkeys(values))}
        self.times = sorted({spec.columns[0] for spec in question.metrics if spec.kind == "retention"})
        log.settle(self.short, [name for name in (question.variant, question.unit, question.by) if name])
        self._check_types()
        self.source = log.relation

    @property
    def variant(self) -> str:
        """The variant as a text, in SQL."""
        told = self.question.variant
        return f"CAST({identifier(told)} AS VARCHAR)" if told else literal(self.question.control)

    @property
    def unit(self) -> str:
        """The unit in SQL; a text stands as its 64-bit hash, which takes a third of the memory.

        That two of ten million users become one has a chance of 3 in a million, and would not be noticed.
        """
        column = identifier(self.question.unit)
        if self.log.columns[self.question.unit] != "VARCHAR":
            return column
        return f"CASE WHEN {column} IS NOT NULL THEN hash({column}) END"

    def selected(self, first: str) -> str:
        """``first``, the unit as u, and every value by its short name: what stands after SELECT."""
        unit = [f"{self.unit} AS u"] if self.question.unit else []
        return ", ".join([first, *unit, *(f"{self.value(name)} AS {short}" for name, short in self.short.items())])

    def of(self, spec: MetricSpec) -> tuple[str, ...]:
        """The short names of a metric's columns."""
        return tuple(self.short[name] for name in spec.columns)

    def covariate(self, spec: MetricSpec) -> tuple[str, ...]:
        """The short names of its covariate's columns."""
        return tuple(self.short[name] for name in spec.covariate)

    def value(self, name: str) -> str:
        """A column as a number: times as seconds since 1970, booleans as 0 and 1, no NaN and no infinity."""
        kind, column = self.log.columns[name], identifier(name)
        number = f"CAST({column} AS DOUBLE)"
        if name in self.times:
            if is_time(kind):
                return f"epoch({column})"
            if kind == "VARCHAR":
                return f"epoch(TRY_CAST({column} AS TIMESTAMPTZ))"
            return seconds_of(number)
        if kind == "BOOLEAN":  # a cast would reach into the reader of CSV files, which then takes "True" for no number
            return f"CASE WHEN {column} THEN 1.0 WHEN NOT {column} THEN 0.0 END"
        if kind.startswith(("FLOAT", "DOUBLE")) or kind == "JSON":
            return f"CASE WHEN isfinite({number}) THEN {number} END"
        return number

    def present(self, spec: MetricSpec) -> str:
        """Whether a row has a value for a metric."""
        found = [f"{short} IS NOT NULL" for short in self.of(spec)]
        return " AND ".join([*found, f"{self.of(spec)[0]} <> 0"] if spec.kind == "satisfaction" else found)

    def odd(self, spec: MetricSpec) -> str:
        """Whether a row has a value that the metric cannot have."""
        allowed = allowed_values(spec)
        return f"{self.of(spec)[0]} NOT IN ({', '.join(allowed)})" if allowed else "false"

    def _check_names(self) -> None:
        question = self.question
        for option, name in (("--variant", question.variant), ("--unit", question.unit), ("--by", question.by)):
            if name:
                known_column(name, self.log.columns, f"{option} {quote(name)}")

    def _check_types(self) -> None:
        question, columns = self.question, self.log.columns
        problems = []
        for spec in question.metrics:
            if spec.kind == "retention" and not question.unit:
                problems.append(Problem(spec.name, "retention needs units", "name their column: --unit user_id"))
            for name in (*spec.columns, *spec.covariate):
                kind, time = columns[name], spec.kind == "retention" and name in spec.columns
                number = is_number(kind) or kind == "JSON" or (kind == "BOOLEAN" and not time)
                if not (number or (time and (is_time(kind) or kind == "VARCHAR")) or self._empty(name)):
                    what = f"the column {quote(name)} holds {spoken(kind)}, not {'times' if time else 'numbers'}"
                    problems.append(Problem(spec.name, what))
                elif time and kind == "VARCHAR":
                    problems += self._bad_times(spec, name)
        if problems:
            raise SpecError(problems)

    def _empty(self, name: str) -> bool:
        """Whether a column has no value at all: then it has no type either."""
        ((rows, values),) = self.log.rows(f"SELECT count(*), count({identifier(name)}) FROM {self.log.relation}")
        if not rows:
            raise SpecError(Problem(self.log.label, "has no rows"))
        return not values

    def _bad_times(self, spec: MetricSpec, name: str) -> list[Problem]:
        column = identifier(name)
        ((n, example),) = self.log.rows(
            f"SELECT count(*), min({column}) FROM {self.log.relation} "
            f"WHERE {column} IS NOT NULL AND TRY_CAST({column} AS TIMESTAMPTZ) IS NULL"
        )
        if not n:
            return []
        what = f"{n:,} rows of {quote(name)} are no time, for instance {quote(example)}"
        return [Problem(spec.name, what, "write ISO 8601, or seconds since 1970")]


def allowed_values(spec: MetricSpec) -> tuple[str, ...]:
    """The only values that a metric's column may have; () for any."""
    return {"proportion": ("0", "1"), "any": ("0", "1"), "satisfaction": ("-1", "0", "1")}.get(spec.kind, ())


def spoken(kind: str) -> str:
    """A DuckDB type as a person says it."""
    plain: Mapping[str, str] = {"VARCHAR": "text", "BOOLEAN": "true and false", "DATE": "dates"}
    return plain.get(kind, "times" if is_time(kind) else "lists" if kind.endswith("]") else kind.lower().partition("(")[0])
