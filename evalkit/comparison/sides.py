"""The runs of a comparison, found by name, with their rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evalkit.comparison.revive import Revived, revived
from evalkit.core.compared import Named
from evalkit.core.errors import EvalkitError, Problem, SpecError, UnknownName
from evalkit.core.run import Run
from evalkit.store.catalog import Catalog
from evalkit.store.runs import find_run
from evalkit.store.table import ROWS, Table, cluster_codes


@dataclass
class RunSide:
    """A run and, where its folder still holds them, its rows."""

    run: Run
    table: Table | None
    _revived: dict[str, Revived] = field(default_factory=dict)

    @classmethod
    def of(cls, run: Run) -> RunSide:
        has_rows = run.folder is not None and (run.folder / ROWS).is_file()
        return cls(run, Table(run.folder) if has_rows and run.folder is not None else None)

    @cached_property
    def clusters(self) -> NDArray[np.int64] | None:
        """The cluster of every record; None where none was kept."""
        return cluster_codes(self.table) if self.table is not None else None

    def metric(self, label: str) -> Revived | None:
        """A metric of the run, built again once."""
        if self.table is None:
            return None
        if label not in self._revived:
            self._revived[label] = revived(self.run, self.table, label)
        return self._revived[label]

    @property
    def named(self) -> Named:
        run = self.run
        folder = str(run.folder) if run.folder is not None else ""
        return Named(run.run_id, str(run.suite.get("name", "")), int(run.dataset.get("n") or 0), run.started_at, folder)


def sides(names: Sequence[str | Run], catalog: Catalog | None, root: Path) -> list[RunSide]:
    """The runs that are meant, in order.

    Raises:
        SpecError: every one that cannot be found, or fewer than two.
    """
    if len(names) < 2:
        raise SpecError(Problem("compare", "it takes two runs or more, the baseline first", "evalkit compare RUN_A RUN_B"))
    found: list[RunSide] = []
    problems: list[Problem] = []
    for name in names:
        try:
            if isinstance(name, str) and catalog is not None:
                found.append(RunSide.of(find_run(name, catalog, root)))
            elif isinstance(name, Run):
                found.append(RunSide.of(name))
        except SpecError as error:
            problems += error.problems
        except EvalkitError as error:
            hint = None if isinstance(error, UnknownName) else "see `evalkit list runs`"  # which tells it itself
            problems.append(Problem("", str(error), hint))
    if problems:
        raise SpecError(problems)
    first = found[0].run
    for side in found[1:]:
        if side.run is first or (side.run.run_id == first.run_id and side.run.folder == first.folder):
            raise SpecError(
                Problem(side.run.run_id, "this run is compared with itself", "name another; see `evalkit list runs`")
            )
        if not set(side.run.metrics) & set(first.metrics):
            what = f"it shares no metric with the baseline: {', '.join(first.main)} there, {', '.join(side.run.main)} here"
            raise SpecError(Problem(side.run.run_id, what, "score both with the same suite"))
    return found
