"""A metric as JSON: enough to build it again, so that the rows of a stored run can be combined anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalkit.core.contracts import Measure, ModelMetric


def described(metric: Measure) -> dict[str, Any]:
    """The metric's registered name and its options.

    ``options`` is None where one of them is no plain JSON value (a rubric, a document that was read): such a metric cannot be
    built from this, and its rows speak through the scores of single records only. ``against`` is the id of the run whose
    outputs the metric set beside the record's own.
    """
    options = metric.given()
    plain = all(map(_is_plain, options.values()))
    told = {"metric": metric.name, "options": {name: _listed(value) for name, value in options.items()} if plain else None}
    opponent = metric.opponent() if isinstance(metric, ModelMetric) else None
    return told | ({"against": opponent} if opponent else {})


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_plain(inner) for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or type(value) in (str, int, float, bool)


def _listed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _listed(inner) for key, inner in value.items()}
    return [_listed(inner) for inner in value] if isinstance(value, (list, tuple)) else value
