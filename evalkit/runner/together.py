"""The runs of one command, a run a variant: begun together, paid from one budget, finished together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from evalkit.backends.account import Account
from evalkit.core.errors import BudgetSpent, StoreError
from evalkit.core.workers import Workers
from evalkit.runner.execute import Begun, Options, Outcome, begin, complete, conclude
from evalkit.runner.generate import Answers
from evalkit.runner.models import Models, account_of
from evalkit.runner.plan import Plan
from evalkit.runner.watch import Watch
from evalkit.specs.suite import Suite
from evalkit.store.calls import record
from evalkit.store.files import writing

Answering = Callable[[Sequence[Begun], Sequence[Account]], Mapping[str, Answers]]


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


def shares_of(suite: Suite, n: int) -> list[Account]:
    """An account for each of n runs; what the suite's budget allows is for all of them."""
    whole = account_of(suite)
    shares = [_Share(whole.prices, whole.max_calls, whole.max_cost) for _ in range(n)]
    for share in shares:
        share.of = shares
    return list(shares)


def execute_together(
    plans: Sequence[Plan],
    shares: Sequence[Account],
    options: Options,
    models: Models,
    report: Callable[[Outcome], object],
    watch: Watch,
    workers: Workers | None,
    clock: float,
    answering: Answering | None = None,
) -> list[Outcome]:
    """Measure a plan a variant, in their order.

    The runs count as finished together, when the last one is: a command that was killed goes on with all of them. With
    several, ``options.out`` holds a folder for each.

    Args:
        shares: the account that each plan's calls are charged to (`shares_of`).
        answering: produces the answers of all runs, by run id, before anything is measured.

    Raises:
        Resumable, BudgetSpent, BackendRefused, StoreError: as `execute`.
    """
    begun: list[Begun] = []
    outcomes = []
    with ExitStack() as stack:
        try:
            for plan, share in zip(plans, shares):
                models.charge(share)
                own = replace(options, out=_folder(options.out, plan.called)) if len(plans) > 1 else options
                begun.append(begin(plan, own, models, clock))
                stack.callback(begun[-1].folder.close)
            answers = answering(begun, shares) if answering is not None else {}
            for one, share in zip(begun, shares):
                models.charge(share)
                found = answers.get(one.folder.run_id)
                if found is not None:
                    one.plan = replace(one.plan, data=found.data, made=found.told)
                calls = found.calls if found is not None else ()
                outcomes.append(complete(one, options, models, report, watch, workers, calls))
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


def _drop_empty(begun: Sequence[Begun]) -> None:
    """Take back the runs of which nothing was answered or measured, so that they do not stay as interrupted ones."""
    for one in begun:
        if not one.folder.resumed and one.folder.path.is_dir() and not any(one.folder.path.glob("parts/*.arrow")):
            one.folder.drop()
            one.catalog.remove(one.folder.run_id)


def _folder(out: Path | None, variant: str | None) -> Path | None:
    """The folder of one variant under ``--out``."""
    return out / variant if out is not None and variant is not None else out


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
