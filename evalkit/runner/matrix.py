"""The variants of a suite side by side: each tested against the first, and the rules that pick a variant for each record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.comparison.compare import compare_runs
from evalkit.comparison.settings import Settings as Comparing
from evalkit.comparison.sides import RunSide
from evalkit.core.compared import Comparisons
from evalkit.core.contracts import CorpusMetric
from evalkit.reports.matrix import Line, Matrix, matrix
from evalkit.runner.baseline import compare
from evalkit.runner.execute import Outcome
from evalkit.runner.finish import covered, drawn, measured_of, settings_of
from evalkit.runner.values import Measured, slices, values
from evalkit.specs.generate import Route
from evalkit.store.files import write_text
from evalkit.store.table import Table, cluster_codes

FILE = "matrix.json"
LEAST = 0.5  # below this level nothing is tested


def matrix_of(outcomes: Sequence[Outcome]) -> Matrix:
    """What there is to compare between the runs of one suite; the first is what the others are compared with."""
    first = outcomes[0]
    compared = _compared(outcomes)
    lines = [
        Line(
            name=_name(outcome),
            run=outcome.run,
            values=outcome.run.metrics,
            slices=outcome.run.slices,
            tested=compared.comparisons[place - 1].metrics if place and compared is not None else {},
        )
        for place, outcome in enumerate(outcomes)
    ]
    generate = first.plan.suite.generate
    by_name = {_name(outcome): outcome for outcome in outcomes}
    lines += [_routed(route, by_name, first) for route in generate.routes] if generate is not None else []
    families = compared.families if compared is not None else {}
    return matrix(first.plan.suite.name, lines, families.get("metrics", 0))


def _compared(outcomes: Sequence[Outcome]) -> Comparisons | None:
    """Every variant against the first as ``evalkit compare`` does it, p values adjusted over all variants and metrics."""
    if len(outcomes) < 2:
        return None
    suite = outcomes[0].plan.suite
    sides = [RunSide(outcome.run, outcome.table) for outcome in outcomes]
    return compare_runs(sides, Comparing(max(suite.confidence, LEAST), seed=suite.seed, slices=()))


def write_matrix(found: Matrix, folder: Path, html: Path | None = None, markdown: Path | None = None) -> dict[str, Path]:
    """The matrix as matrix.json, .html and .md in a folder, and the copies that were asked for; where each kind is."""
    told = {"json": folder / FILE, "html": folder / "matrix.html", "markdown": folder / "matrix.md"}
    from evalkit.reports.matrix_pages import matrix_html, matrix_json, matrix_markdown

    texts = {"json": matrix_json(found), "html": matrix_html(found), "markdown": matrix_markdown(found)}
    for kind, path in told.items():
        write_text(path, texts[kind])
    for kind, copy in (("html", html), ("markdown", markdown)):
        if copy is not None:
            write_text(copy, texts[kind])
    return told


def _name(outcome: Outcome) -> str:
    assert outcome.plan.called is not None
    return outcome.plan.called


def _routed(route: Route, by_name: Mapping[str, Outcome], first: Outcome) -> Line:
    """What the suite would measure of a system that answers each record with the variant that a rule picks."""
    names = list(by_name)
    chosen = _chosen(route, first.table, names)
    settings, repeats = settings_of(first.plan.suite), _repeats(first)
    sides = [{one.label: one for one in measured_of(outcome.plan, outcome.table)} for outcome in by_name.values()]
    routed = [_composed([side[label] for side in sides], chosen) for label in sides[0]]
    routed = [one for one in routed if not isinstance(one.metric, CorpusMetric)]
    clusters = cluster_codes(first.table)
    everything = drawn(routed, repeats) if repeats > 1 else routed
    found = covered(values(everything, clusters, settings), everything, repeats)
    columns = {
        name: first.table.codes(name)
        for name in first.plan.suite.slices
        if name in first.table.attributes and name != "variant"
    }
    parts = slices(everything, columns, clusters, settings)
    parts = [replace(part, metrics=covered(part.metrics, everything, repeats)) for part in parts]
    table = first.table.with_statistics({one.label: one.statistics for one in routed})
    everyone = np.ones(first.table.n, dtype=bool)
    tested: dict[str, tuple[float, float, float]] = {}
    for one in routed:
        difference = compare(one.label, one.metric, table, everyone, first.table, everyone, settings)
        if difference is not None:
            bounds = difference.interval
            ends = zip(bounds.value.tolist(), bounds.low.tolist(), bounds.high.tolist())
            tested |= dict(zip(one.full_names, ends))
    shares = {name: float(np.mean(chosen == index)) for index, name in enumerate(names) if (chosen == index).any()}
    return Line(route.name, None, found, parts, differences=tested, by=route.by, shares=shares)


def _repeats(outcome: Outcome) -> int:
    generate = outcome.plan.suite.generate
    return generate.repeats if generate is not None else 1


def _chosen(route: Route, table: Table, names: Sequence[str]) -> NDArray[np.int64]:
    """The number of the variant that a rule picks for each record, shape (n,)."""
    codes, labels = table.codes(route.by)
    picks = [route.use.get("null" if label is None else str(label), route.otherwise) for label in labels]
    place = np.array([names.index(pick) for pick in picks], dtype=np.int64)
    found: NDArray[np.int64] = place[codes]
    return found


def _composed(sides: Sequence[Measured], chosen: NDArray[np.int64]) -> Measured:
    """One metric's rows, each from the variant that was picked for its record."""

    def picked(columns: Sequence[NDArray[Any]]) -> NDArray[Any]:
        found = np.empty_like(columns[0])
        for index, column in enumerate(columns):
            mask = chosen == index
            found[mask] = column[mask]
        return found

    errors, skipped = ([getattr(side, name) for side in sides] for name in ("errors", "skipped"))
    return replace(
        sides[0],
        statistics=picked([side.statistics for side in sides]),
        errors=picked(errors),
        skipped=picked(skipped),
    )
