"""The pytest plug-in: ``pytest --evalkit suites/x.yaml`` runs a suite, one test item per gate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from evalkit.core.run import GateResult, Run


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--evalkit SUITE``, as often as one likes, and ``--evalkit-baseline RUN``."""
    group = parser.getgroup("evalkit", "evalkit suites")
    group.addoption("--evalkit", action="append", default=[], metavar="SUITE", help="run a suite, one test per gate")
    group.addoption("--evalkit-baseline", default=None, metavar="RUN", help="the run that gates compare with")


def pytest_collection(session: pytest.Session) -> None:
    """With suites and no paths, only the suites are run, not every test below the working folder."""
    config = session.config
    if config.getoption("evalkit") and config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args[:] = []


@pytest.hookimpl(hookwrapper=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Enter each suite's gates as items before others select among them."""
    for suite in config.getoption("evalkit"):
        collector = Suite.from_parent(session, name=str(suite), suite=str(suite))
        items.extend(collector.collect())
    session.testscollected = len(items)
    yield


class Suite(pytest.Collector):
    """A suite file: validated when collected, run once when its first gate is."""

    def __init__(self, *, suite: str, **given: Any) -> None:
        super().__init__(**given)
        self.suite = suite
        self._runs: dict[str | None, Run] = {}

    def collect(self) -> list[pytest.Item]:
        """One item per gate, and one for the run itself; of a suite with several variants, for each of them.

        Raises:
            pytest.UsageError: the suite is wrong.
        """
        from evalkit.core.errors import EvalkitError
        from evalkit.runner.gate import title_of
        from evalkit.specs.load import load_suite

        try:
            loaded = load_suite(self.suite, baseline=self.config.getoption("evalkit_baseline"))
        except EvalkitError as error:
            raise pytest.UsageError(str(error)) from error
        metrics = {spec.label: spec.metric for spec in loaded.metrics}
        titles = [title_of(gate, metrics) for gate in loaded.gates]
        items: list[pytest.Item] = []
        for variant in loaded.of or (None,):
            lead = f"{variant}: " if variant is not None else ""
            items.append(Scored.from_parent(self, name=f"{lead}scored", variant=variant))
            for index, title in enumerate(titles):
                items.append(Gate.from_parent(self, name=f"{lead}{title}", index=index, variant=variant))
        return items

    def result(self, variant: str | None) -> Run:
        """The finished run, of a variant where there are several."""
        if not self._runs:
            from evalkit.api import matrix, run

            baseline = self.config.getoption("evalkit_baseline")
            if variant is None:
                self._runs = {None: run(self.suite, baseline=baseline)}
            else:
                self._runs = {name: one for name, one in matrix(self.suite, baseline=baseline).runs.items()}  # noqa: C416 - its type
        return self._runs[variant]


class SuiteItem(pytest.Item):
    """What the items of a suite share: which run they are of, and how a failure reads."""

    def __init__(self, *, variant: str | None = None, **given: Any) -> None:
        super().__init__(**given)
        self.variant = variant

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The reason alone: our own lines of code say nothing about it."""
        from evalkit.core.errors import EvalkitError

        if isinstance(excinfo.value, (Failed, EvalkitError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """The suite, and which of its gates."""
        assert isinstance(self.parent, Suite)
        return Path(self.parent.suite), None, f"{self.parent.suite}[{self.name}]"


class Scored(SuiteItem):
    """Passes when the run is complete: no metric met nothing but errors, and the errors gate holds."""

    def runtest(self) -> None:
        """Run the suite."""
        from evalkit.api import verdict

        assert isinstance(self.parent, Suite)
        run = self.parent.result(self.variant)
        if run.status == "incomplete":
            raise Failed(verdict(run))


class Gate(SuiteItem):
    """Passes when the gate does; a gate with nothing to compare with is skipped."""

    def __init__(self, *, index: int, **given: Any) -> None:
        super().__init__(**given)
        self.index = index

    def runtest(self) -> None:
        """Look at the gate's outcome."""
        assert isinstance(self.parent, Suite)
        gate: GateResult = self.parent.result(self.variant).gates[self.index]
        if gate.outcome == "skipped":
            pytest.skip(gate.reason)
        if not gate.passed:
            raise Failed(f"{gate.outcome}: {gate.title}: {gate.reason}")


class Failed(AssertionError):
    """A gate that did not pass."""
