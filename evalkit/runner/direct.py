"""A run without a store: its files live in a temporary folder for as long as the `Run` does."""

from __future__ import annotations

import shutil
import tempfile
import time
import weakref
from datetime import UTC, datetime
from pathlib import Path

from evalkit.core.run import Run
from evalkit.core.workers import Workers
from evalkit.records.dataset import DataSet
from evalkit.runner.baseline import Baseline
from evalkit.runner.checkpoint import new_id
from evalkit.runner.execute import measure_into, planned
from evalkit.runner.finish import finished
from evalkit.runner.generate_runs import answered
from evalkit.runner.models import Models, account_of, make_backends
from evalkit.runner.watch import Progress, Quiet
from evalkit.specs.suite import Suite
from evalkit.store.runs import NoBaseline, load_run


def evaluate_directly(suite: Suite, data: DataSet, workers: Workers) -> Run:
    """Measure, combine and judge; a baseline can only be a path."""
    clock = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="evalkit-"))
    now = datetime.now(UTC)
    (folder / "parts").mkdir()

    def baseline(name: str) -> Baseline:
        named = suite.baseline if name == "baseline" else name
        if named is None:
            raise NoBaseline("no baseline is named")
        return Baseline.of(load_run(Path(named)))

    try:
        with Models(make_backends(suite), account_of(suite), cache=folder / "replies") as models:
            plan, calls = planned(suite, data, models), list[Path]()
            if suite.generate is not None:
                plan, calls = answered(plan, folder, models, Progress(Quiet(), data.n), workers)
            table = measure_into(plan, folder, None, models, Progress(Quiet(), plan.data.n), workers, calls, baseline)
            usage = models.account.usage()
        run = finished(plan, table, new_id(suite.name, now), now, usage, baseline, suite.baseline, clock)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(run, shutil.rmtree, folder, ignore_errors=True)
    return run
