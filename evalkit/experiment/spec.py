"""What an experiment measures, as the command line says it: ``latency_ms:p95``, ``clicks/views:ratio`` …"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from evalkit.core.errors import Problem, SpecError, nearest, quote

KINDS = {
    "proportion": "share of rows that are 1 or true",
    "mean": "mean over rows",
    "total": "sum over a unit's rows, mean over units",
    "any": "share of units with at least one 1 or true",
    "ratio": "sum of the first column over sum of the second",
    "satisfaction": "share of thumbs up (1) among thumbs up and down (-1)",
    "p95": "quantile over rows; any of p1 to p99, p99.9",
    "retention@7": "share of units that are back on day 7 after their first row; retention@1-7: on any of these days",
}
LOWER = ("latency_ms", "cost", "prompt_tokens", "completion_tokens")  # as metrics.operation: less is better
_QUANTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?)\Z")
_RETENTION = re.compile(r"retention@(\d{1,4})(?:-(\d{1,4}))?\Z")


@dataclass(frozen=True)
class Margin:
    """A difference that does not matter: in the metric's own unit, or relative to the control's value."""

    size: float
    relative: bool = False

    def __str__(self) -> str:
        return f"{self.size * 100:g}%" if self.relative else f"{self.size:g}"


@dataclass(frozen=True)
class MetricSpec:
    """One metric: its name as it was written, the columns that it reads, and what counts as good.

    Attributes:
        level: of a quantile, in (0, 1).
        days: of retention, the first and the last day.
        covariate: columns of the pre-period value: one, or numerator and denominator.
    """

    name: str
    kind: str
    columns: tuple[str, ...]
    higher_is_better: bool = True
    guardrail: bool = False
    margin: Margin | None = None
    level: float = math.nan
    days: tuple[int, int] = (0, 0)
    covariate: tuple[str, ...] = ()

    @property
    def about(self) -> str:
        """The kind in words."""
        if self.kind == "quantile":
            return f"{self.level * 100:g}th percentile over rows"
        if self.kind == "retention":
            first, last = self.days
            when = f"day {first}" if first == last else f"any of days {first} to {last}"
            return f"share of units that are back on {when} after their first row"
        return KINDS[self.kind]

    @property
    def shares(self) -> bool:
        """Whether a unit is worth 0 or 1, whatever number of rows it has."""
        return self.kind in ("any", "retention")


def parse_metric(text: str, columns: Collection[str], *, option: str = "--metric", guardrail: bool = False) -> MetricSpec:
    """A SPEC over a log with these columns.

    Raises:
        SpecError: no such kind, or no such column, with the nearest that there is.
    """
    where = f"{option} {quote(text)}"
    body, direction = text, None
    for word, higher in (("lower", False), ("higher", True)):
        if body.endswith(f":{word}"):
            body, direction = body.removesuffix(f":{word}"), higher
    column, colon, kind = body.rpartition(":")
    if not colon or not column:
        name = body if not colon else kind
        raise SpecError(Problem(where, "names no kind", f"write {name or 'clicked'}:mean, or one of {', '.join(KINDS)}"))
    spec = MetricSpec(body, kind, (column,), guardrail=guardrail)
    if found := _QUANTILE.match("p50" if kind == "median" else kind):
        spec = replace(spec, kind="quantile", level=float(found[1]) / 100.0)
        if not 0.0 < spec.level < 1.0:
            raise SpecError(Problem(where, "a quantile lies between p1 and p99.9", "write p95"))
    elif found := _RETENTION.match(kind):
        days = int(found[1]), int(found[2] or found[1])
        if not 0 < days[0] <= days[1]:
            raise SpecError(Problem(where, "days count from 1, the first before the last", "write retention@7 or @1-7"))
        spec = replace(spec, kind="retention", days=days)
    elif kind not in KINDS or kind in ("p95", "retention@7"):
        close = nearest(kind, [*KINDS, "retention@7", "median"])
        hint = f"did you mean {close}?" if close else f"kinds are {', '.join(KINDS)}"
        raise SpecError(Problem(where, f"there is no kind {quote(kind)}", hint))
    if kind == "ratio":
        spec = replace(spec, columns=_ratio_columns(column, columns, where))
    for name in spec.columns:
        known_column(name, columns, where)
    higher = direction if direction is not None else spec.columns[0] not in LOWER
    return replace(spec, higher_is_better=higher)


def known_column(name: str, columns: Collection[str], where: str) -> str:
    """The name, if the log has such a column."""
    if name not in columns:
        close = nearest(name, columns)
        shown = ", ".join(list(columns)[:12]) + (", …" if len(columns) > 12 else "")
        hint = f"did you mean {quote(close)}?" if close else f"it has {shown}"
        raise SpecError(Problem(where, f"the log has no column {quote(name)}", hint))
    return name


def _ratio_columns(text: str, columns: Collection[str], where: str) -> tuple[str, ...]:
    places = [place for place, letter in enumerate(text) if letter == "/"]
    if not places:
        raise SpecError(Problem(where, "a ratio has two columns", "write clicks/views:ratio"))
    pairs = [(text[:place], text[place + 1 :]) for place in places]
    return next((pair for pair in pairs if set(pair) <= set(columns)), pairs[0])


def parse_margins(texts: Iterable[str], metrics: Sequence[MetricSpec]) -> dict[str, Margin]:
    """``METRIC=X`` or ``METRIC=X%`` by the metric's name; a column's name serves where one metric reads it.

    Raises:
        SpecError: no such metric, or no positive number.
    """
    margins = {}
    for text in texts:
        name, _, size = text.rpartition("=")
        where = f"--margin {quote(text)}"
        spec = named(name, metrics, where, "METRIC=X, as latency_ms:p95=50 or latency_ms:p95=5%")
        relative = size.strip().endswith("%")
        try:
            value = float(size.strip().removesuffix("%")) / (100.0 if relative else 1.0)
        except ValueError:
            value = math.nan
        if not 0.0 < value < math.inf:
            raise SpecError(Problem(where, f"{quote(size)} is no margin", "a margin is a number above 0, or a percentage"))
        margins[spec.name] = Margin(value, relative)
    return margins


def named(name: str, metrics: Sequence[MetricSpec], where: str, form: str) -> MetricSpec:
    """The metric that an option names, by its name or by its only column."""
    if not name:
        raise SpecError(Problem(where, "names no metric", f"write {form}"))
    found = [spec for spec in metrics if spec.name == name] or [spec for spec in metrics if spec.columns == (name,)]
    if len(found) == 1:
        return found[0]
    names = [spec.name for spec in (found or metrics)]
    if found:
        raise SpecError(Problem(where, f"{quote(name)} may be {' or '.join(names)}", "write which"))
    close = nearest(name, {**{spec.columns[0]: 0 for spec in metrics}, **dict.fromkeys(names)})
    hint = f"did you mean {quote(close)}?" if close else f"metrics are {', '.join(names)}"
    raise SpecError(Problem(where, f"no metric is called {quote(name)}", hint))


def parse_covariates(
    texts: Iterable[str], metrics: Sequence[MetricSpec], columns: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """``COL`` for every metric, ``METRIC=COL`` for one; ``A/B`` is a ratio of two columns. Quantiles take none."""
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        where = f"--cuped {quote(text)}"
        name, equals, column = text.rpartition("=")
        if text in columns:
            name, equals, column = "", "", text
        used = (column,) if column in columns or "/" not in column else _ratio_columns(column, columns, where)
        for each in used:
            known_column(each, columns, where)
        if equals:
            spec = named(name, metrics, where, "--cuped METRIC=COLUMN")
            if spec.kind == "quantile":
                raise SpecError(Problem(where, "a quantile takes no covariate", "name a mean, a share or a ratio"))
            found[spec.name] = used
        else:
            found |= {spec.name: used for spec in metrics if spec.kind != "quantile" and spec.name not in found}
    return found


def with_options(
    metrics: Sequence[MetricSpec],
    margins: Mapping[str, Margin],
    covariates: Mapping[str, tuple[str, ...]],
    lower: Iterable[str],
) -> list[MetricSpec]:
    """The metrics with their margins, covariates and directions; the same metric asked for twice is an error."""
    down = {named(name, metrics, f"--lower-is-better {quote(name)}", "the name of a metric").name for name in lower}
    names = [spec.name for spec in metrics]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SpecError(Problem("--metric", f"{quote(twice)} is asked for twice", "as a metric or as a guardrail, once"))
    return [
        replace(
            spec,
            margin=margins.get(spec.name),
            covariate=covariates.get(spec.name, ()),
            higher_is_better=spec.higher_is_better and spec.name not in down,
        )
        for spec in metrics
    ]


def parse_split(text: str | None) -> dict[str, float] | None:
    """``control=1,treatment=1``, or ``control=90%,treatment=10%``.

    Raises:
        SpecError: a share that is no positive number.
    """
    if text is None:
        return None
    shares = {}
    for piece in text.split(","):
        name, _, share = piece.rpartition("=")
        try:
            shares[name.strip()] = float(share.strip().removesuffix("%"))
        except ValueError:
            shares[name.strip()] = math.nan
        if not name.strip() or not 0.0 < shares[name.strip()] < math.inf:
            raise SpecError(Problem("--split", f"{quote(piece)} is no share", "write control=1,treatment=1"))
    return shares
