"""A run without a store: its files live in a temporary folder for as long as the `Run` does."""

from __future__ import annotations

import shutil
import tempfile
import time
import weakref
from datetime import UTC, datetime
from pathlib import Path

from evalkit.backends.pipeline import Account
from evalkit.core.run import Run
from evalkit.core.workers import Workers
from evalkit.records.dataset import DataSet
from evalkit.runner.baseline import Baseline, NoBaseline, load_run
from evalkit.runner.checkpoint import new_id
from evalkit.runner.execute import make_backend, measure_into, prepare
from evalkit.runner.finish import finished
from evalkit.runner.plan import Plan
from evalkit.runner.watch import Progress, Quiet
from evalkit.specs.suite import Suite


def evaluate_directly(suite: Suite, data: DataSet, workers: Workers) -> Run:
    """Measure, combine and judge; a baseline can only be a path."""
    clock = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="evalkit-"))
    plan = Plan(suite, data, {name: make_backend(spec) for name, spec in suite.backends.items()})
    prepare(plan)
    account, now = Account(), datetime.now(UTC)
    (folder / "parts").mkdir()

    def baseline(name: str) -> Baseline:
        named = suite.baseline if name == "baseline" else name
        if named is None:
            raise NoBaseline("no baseline is named")
        return Baseline.of(load_run(Path(named)))

    try:
        table = measure_into(plan, folder, None, account, Progress(Quiet(), data.n), workers)
        run = finished(plan, table, new_id(suite.name, now), now, account.usage(), baseline, suite.baseline, clock)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(run, shutil.rmtree, folder, ignore_errors=True)
    return run
