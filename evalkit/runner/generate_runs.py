"""A suite that generates: every variant is a run; all answers come first, model by model, then all are measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from evalkit.backends.account import Account
from evalkit.core.errors import SpecError
from evalkit.core.workers import Workers
from evalkit.records.dataset import DataSet
from evalkit.runner.execute import Begun, Options, Outcome, models_of, planned, telling
from evalkit.runner.generate import Answers, Generation
from evalkit.runner.generate_check import check_generation
from evalkit.runner.models import Models
from evalkit.runner.plan import Plan
from evalkit.runner.together import execute_together, shares_of
from evalkit.runner.watch import Progress, Quiet, Watch
from evalkit.specs.suite import Suite


def execute_variants(
    suite: Suite,
    data: DataSet,
    options: Options,
    report: Callable[[Outcome], object],
    watch: Watch | None = None,
    workers: Workers | None = None,
) -> list[Outcome]:
    """Generate and measure every variant of a suite, in the order prompt by prompt, backend by backend.

    A model that is held in this process answers for all prompts, then gives its memory back before the next one loads;
    what judges comes after all that answers. The runs count as finished together, when the last one is: a command that was
    killed goes on with all of them. A budget is that of the whole command. With several variants ``options.out`` holds a
    folder for each.

    Raises:
        SpecError: a prompt, a baseline or a backend is wrong; nothing was asked.
        Resumable, BudgetSpent, BackendRefused, StoreError: as `execute`.
    """
    assert suite.generate is not None
    clock, watch = time.monotonic(), watch or Quiet()
    check_generation(suite, data)
    variants = suite.generate.variants
    with models_of(suite, options) as models:
        shares = shares_of(suite, len(variants))
        models.charge(shares[0])
        plan = planned(suite, data, models, options.store)
        plans = [replace(plan, variant=variant) for variant in variants]

        def answering(begun: Sequence[Begun], accounts: Sequence[Account]) -> Mapping[str, Answers]:
            return _answer(begun, accounts, options, models, watch, workers)

        return execute_together(plans, shares, options, models, report, watch, workers, clock, answering)


def answered(plan: Plan, folder: Path, models: Models, progress: Progress, workers: Workers) -> tuple[Plan, list[Path]]:
    """The plan of the one variant of a suite, over its answers, and the calls that these took; for a run that is not stored."""
    assert plan.suite.generate is not None
    check_generation(plan.suite, plan.data)
    if len(plan.suite.generate.variants) > 1:
        names = ", ".join(variant.name for variant in plan.suite.generate.variants)
        raise SpecError(
            f"the suite has several variants ({names}); give one prompt and one backend, or a suite file and a store"
        )
    (variant,) = plan.suite.generate.variants
    plan = replace(plan, variant=variant)
    _close_others(models, {variant.backend})
    found = Generation(plan, folder, models, progress).run(workers)
    if variant.backend not in _local(models, _judging(plan)):
        _close_others(models, set())
    return replace(plan, data=found.data, made=found.told), found.calls


def _answer(
    begun: Sequence[Begun],
    shares: Sequence[Account],
    options: Options,
    models: Models,
    watch: Watch,
    workers: Workers | None,
) -> Mapping[str, Answers]:
    """The answers of every run, by its id; one model after the other."""
    backends = list(dict.fromkeys(one.plan.variant.backend for one in begun if one.plan.variant is not None))
    found: dict[str, Answers] = {}
    for backend in backends:
        _close_others(models, {backend})
        for one, share in zip(begun, shares):
            if one.plan.variant is None or one.plan.variant.backend != backend:
                continue
            models.charge(share)
            progress = Progress(watch, one.plan.data.n)
            with telling(one, progress, options):
                generation = Generation(one.plan, one.folder.path, models, progress, one.earlier)
                found[one.folder.run_id] = generation.run(workers)
            watch.stop()
    judging = _local(models, _judging(begun[0].plan))
    _close_others(models, judging if judging <= {backends[-1]} else set())
    return found


def _judging(plan: Plan) -> set[str]:
    """The backends that a plan's metrics ask."""
    own = {spec.backend for spec in plan.suite.metrics if spec.backend is not None}
    return own | {other for metric in plan.asking.values() for other in metric.others()}


def _local(models: Models, names: set[str]) -> set[str]:
    """Those that hold a model in this process."""
    return {name for name in names if getattr(models.backends[name], "local", False)}


def _close_others(models: Models, kept: set[str]) -> None:
    """Have every model in this process but these give its memory back."""

    async def close() -> None:
        for name in sorted(_local(models, set(models.backends)) - kept):
            await models.close(name)

    models.run(close())
