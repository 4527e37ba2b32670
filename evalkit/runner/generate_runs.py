"""A suite that generates: every variant is a run; all answers come first, model by model, then all are measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from evalkit.backends.account import Account
from evalkit.core.errors import BudgetSpent, SpecError, StoreError
from evalkit.core.workers import Workers
from evalkit.records.dataset import DataSet
from evalkit.runner.execute import Begun, Options, Outcome, begin, complete, conclude, models_of, planned, telling
from evalkit.runner.generate import Answers, Generation
from evalkit.runner.generate_check import check_generation
from evalkit.runner.models import Models, account_of
from evalkit.runner.plan import Plan
from evalkit.runner.watch import Progress, Quiet, Watch
from evalkit.specs.suite import Suite
from evalkit.store.calls import record
from evalkit.store.files import writing


@dataclass
class _Share(Account):
    """The account of one run, under a budget that several share."""

    of: list[_Share] = field(default_factory=list)

    def spend(self) -> None:
        if self.max_calls is not None and sum(one.sent for one in self.of) >= self.max_calls:
            raise BudgetSpent("calls", self.max_calls, "max_calls")
        if self.max_cost is not None and sum(one.cost or 0.0 for one in self.of) >= self.max_cost:
            raise BudgetSpent("cost", self.max_cost, "max_cost")
        self.sent += 1


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
    with ExitStack() as stack:
        models = stack.enter_context(models_of(suite, options))
        whole = account_of(suite)
        shares = [_Share(whole.prices, whole.max_calls, whole.max_cost) for _ in variants]
        for share in shares:
            share.of = shares
        models.charge(shares[0])
        plan = planned(suite, data, models, options.store)
        begun: list[Begun] = []
        try:
            for variant, share in zip(variants, shares):
                models.charge(share)
                own = replace(options, out=_folder(options.out, variant.name) if len(variants) > 1 else options.out)
                begun.append(begin(replace(plan, variant=variant), own, models, clock))
                stack.callback(begun[-1].folder.close)
            answers = _answer(begun, shares, options, models, watch, workers)
            outcomes = []
            for one, share in zip(begun, shares):
                models.charge(share)
                found = answers[one.folder.run_id]
                one.plan = replace(one.plan, data=found.data, made=found.told)
                outcomes.append(complete(one, options, models, report, watch, workers, found.calls))
            if options.record is not None:
                _record([one.folder.path for one in begun], options.record)
            for one, outcome in zip(begun, outcomes):
                conclude(one, outcome)
        except StoreError as error:
            error.incomplete = True
            for one in begun:
                one.folder.sweep()
            raise
        except BaseException:
            _drop_empty(begun)
            raise
        finally:
            watch.stop()
    return outcomes


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


def _drop_empty(begun: Sequence[Begun]) -> None:
    """Take back the runs for which nothing was answered, so that they do not stay as interrupted ones."""
    for one in begun:
        if not one.folder.resumed and one.folder.path.is_dir() and not any(one.folder.path.glob("parts/*.arrow")):
            one.folder.drop()
            one.catalog.remove(one.folder.run_id)


def _folder(out: Path | None, variant: str) -> Path | None:
    """The folder of one variant under ``--out``."""
    return out / variant if out is not None else None


def _record(folders: Sequence[Path], file: Path) -> None:
    """The replies of several runs as one file that ``replay`` answers from; what they share stands in it once."""
    seen: set[bytes] = set()
    with writing(file) as half, half.open("wb") as out:
        for folder in folders:
            part = half.with_name(f"{half.name}.part")
            try:
                record(folder, part)
                for line in part.read_bytes().splitlines(keepends=True):
                    if line not in seen:
                        seen.add(line)
                        out.write(line)
            finally:
                part.unlink(missing_ok=True)
