"""A suite of several data: every variant is a run, over the records as one system left them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from evalkit.core.errors import Problem, SpecError, quote
from evalkit.core.workers import Workers
from evalkit.records.dataset import DataSet
from evalkit.runner.data import open_data
from evalkit.runner.execute import Options, Outcome, models_of, planned
from evalkit.runner.together import execute_together, shares_of
from evalkit.runner.watch import Quiet, Watch
from evalkit.specs.home import shown
from evalkit.specs.suite import Suite
from evalkit.specs.variants import DataVariant

NAMED = 3  # ids in a message
SAME = ("input", "reference", "reference_contexts")  # what variants usually share
_UNNAMED = "give every record an `id`: without one it is derived from the content, contexts included"


def open_variants(suite: Suite, spool: Path, workers: Workers | None = None) -> list[DataSet]:
    """The data of every variant, in their order.

    Raises:
        SpecError: everything that is wrong with any of them, and records that not all of them have.
    """
    found: list[DataSet] = []
    wrong: list[tuple[DataVariant, Problem]] = []
    for variant in suite.variants:
        try:
            found.append(open_data(replace(suite, dataset=variant.dataset), spool, workers=workers))
        except SpecError as error:
            wrong += [(variant, problem) for problem in error.problems]
    if wrong:
        times = Counter(problem for _, problem in wrong)
        common = [problem for problem, count in times.items() if count == len(suite.variants)]
        own = [_at(suite, variant, problem) for variant, problem in wrong if problem not in common]
        raise SpecError([*common, *own])
    problems = [*_other_records(suite, found), *_other_columns(suite, found)]
    if problems:
        raise SpecError(problems)
    return found


def unlike(suite: Suite, sides: Sequence[DataSet]) -> list[str]:
    """What else differs between the records of the variants than what is compared, in words: other questions, other answers."""
    found = []
    for column in SAME:
        known = _values(sides[0], column)
        for variant, data in zip(suite.variants[1:], sides[1:]):
            own = _values(data, column) if known else {}
            other = [name for name, value in own.items() if known.get(name, value) != value]
            if other:
                named = ", ".join(other[:NAMED]) + (", …" if len(other) > NAMED else "")
                told = f"{len(other):,} record{' has' if len(other) == 1 else 's have'}"
                found.append(f"{variant.name}: {told} another {column} than under {suite.variants[0].name}: {named}")
    return found


def _values(data: DataSet, column: str) -> dict[str, Any]:
    """The values of a column by id; none where no record has one."""
    if column not in data.filled:
        return {}
    return {name: value for batch in data.batches() for name, value in zip(batch.texts("id"), batch.column(column))}


def execute_data_variants(
    suite: Suite,
    sides: Sequence[DataSet],
    options: Options,
    report: Callable[[Outcome], object],
    watch: Watch | None = None,
    workers: Workers | None = None,
) -> list[Outcome]:
    """Measure every variant of a suite over its own data, in their order; metrics are the same for all.

    Args:
        sides: what `open_variants` gave.

    Raises:
        SpecError: a baseline or a backend is wrong; nothing was scored.
        Resumable, BudgetSpent, BackendRefused, StoreError: as `execute`.
    """
    clock, watch = time.monotonic(), watch or Quiet()
    with models_of(suite, options) as models:
        shares = shares_of(suite, len(sides))
        models.charge(shares[0])
        plan = planned(_settled(suite, sides), sides[0], models, options.store)
        plans = [
            replace(plan, suite=replace(plan.suite, dataset=variant.dataset), data=data, side=variant)
            for variant, data in zip(suite.variants, sides)
        ]
        return execute_together(plans, shares, options, models, report, watch, workers, clock)


def _settled(suite: Suite, sides: Sequence[DataSet]) -> Suite:
    """The suite with metrics that read what all variants have, so that all are measured alike."""
    common = frozenset.intersection(*(data.filled for data in sides))
    specs = [replace(spec, metric=spec.metric.for_columns(common)) for spec in suite.metrics]
    return replace(suite, metrics=tuple(specs))


def _other_columns(suite: Suite, sides: Sequence[DataSet]) -> Iterator[Problem]:
    """Columns that a metric reads of some variants and not of others, which have what would do as well: no fair comparison."""
    for spec in _settled(suite, sides).metrics:
        for variant, data in zip(suite.variants, sides):
            lacking = [name for name in spec.metric.needs_of() if name not in data.filled]
            if lacking:
                what = f"{spec.label} reads {' and '.join(map(quote, lacking))} of other variants, and this one has none"
                yield _at(suite, variant, Problem("", what, "give all variants the same columns, or say how it is to `match`"))


def _other_records(suite: Suite, sides: Sequence[DataSet]) -> Iterator[Problem]:
    """Variants that have other records than the control: they are compared record by record."""
    known = _ids(sides[0])
    for variant, data in zip(suite.variants[1:], sides[1:]):
        own = _ids(data)
        for here, there, words in (
            (own, known, f"does not have {{}} of {quote(suite.variants[0].name)}"),
            (known, own, f"has {{}} that {quote(suite.variants[0].name)} does not have"),
        ):
            lacking = [name for name in there if name not in here]
            if lacking:
                told = f"{len(lacking):,} record{'' if len(lacking) == 1 else 's'}"
                named = ", ".join(lacking[:NAMED]) + (", …" if len(lacking) > NAMED else "")
                hint = _UNNAMED if len(lacking) == len(there) else "variants are compared record by record, by their ids"
                yield _at(suite, variant, Problem("", f"{quote(variant.name)} {words.format(told)}: {named}", hint))


def _ids(data: DataSet) -> dict[str, None]:
    return dict.fromkeys(name for batch in data.batches() for name in batch.texts("id"))


def _at(suite: Suite, variant: DataVariant, problem: Problem) -> Problem:
    """A problem with the data of a variant, at the variant's line in the suite."""
    place = f"{shown(suite.path, Path.cwd(), suite.root)}:{variant.line}" if suite.path and variant.line else "variants"
    where = f"variants.{variant.name}" + (f" ({problem.where})" if problem.where else "")
    return Problem(place, f"{where}: {problem.what}", problem.hint)
