"""What `evalkit run` does once its arguments are read."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.core.errors import Problem, SpecError, quote
from evalkit.core.workers import Workers
from evalkit.specs.load import load_suite
from evalkit.specs.override import split_overrides

if TYPE_CHECKING:
    from rich.console import Console

    from evalkit.runner.execute import Outcome
    from evalkit.specs.suite import Suite

LARGE = 64 << 20  # bytes of data from which worker processes are started before anything else


@dataclass(frozen=True)
class Wanted:
    """The arguments of ``evalkit run``."""

    suite: str
    limit: int | None = None
    baseline: str | None = None
    engine: str = "local"
    overrides: tuple[str, ...] = ()
    out: str | None = None
    store: str | None = None
    fresh: bool = False
    no_cache: bool = False
    retry_errors: bool = False
    record: Path | None = None
    json: bool = False
    html: Path | None = None
    markdown: Path | None = None
    command: str = ""


class Bar:
    """The runner's `Watch` as a progress bar."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bar: Any = None

    def start(self, what: str, total: int, done: int) -> None:
        from evalkit.reports.console import say
        from evalkit.reports.progress import Progress

        if done:
            verb = "answered" if what == "generating" else "measured"
            say(self.console, (f"going on      {done:,} records are {verb} already", ""))
        self._bar = Progress(total, self.console, label=what, done=done)
        self._bar.__enter__()

    def advance(self, n: int) -> None:
        self._bar.advance(n)

    def stop(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None


def run_suite(wanted: Wanted) -> int:
    """Run a suite, print what there is to say, and return the exit code."""
    _check(wanted)
    suite = load_suite(wanted.suite, overrides=split_overrides(wanted.overrides), baseline=wanted.baseline)
    with Workers() as workers:
        if suite.dataset.size >= LARGE:
            workers.start("evalkit.records.dataset", "evalkit.runner.measure")  # they import while we do
        return _run(wanted, suite, workers)


def _run(wanted: Wanted, suite: Suite, workers: Workers) -> int:
    from evalkit.reports.console import make_console, say
    from evalkit.reports.terminal import print_header, print_run
    from evalkit.runner.data import limited, open_data
    from evalkit.runner.data_variants import execute_data_variants, open_variants
    from evalkit.runner.execute import Options, execute
    from evalkit.runner.report import report_outcome, results_json
    from evalkit.runner.stores import spool_of

    console = make_console(stderr=wanted.json)
    suite = limited(suite, wanted.limit)
    spool = spool_of(suite, wanted.store)
    sides = open_variants(suite, spool, workers) if suite.variants else [open_data(suite, spool, workers=workers)]
    data = sides[0]
    if not wanted.json:
        print_header(suite.name, data.n, shown_path(suite), console)
    kept: dict[str, Any] = {}

    html, markdown = (None, None) if suite.of else (wanted.html, wanted.markdown)  # they then show the variants side by side

    def report(outcome: Outcome) -> None:
        kept["summary"], kept["paths"] = report_outcome(outcome, html=html, markdown=markdown)

    options = Options(
        wanted.baseline,
        wanted.store,
        Path(wanted.out) if wanted.out else None,
        wanted.fresh,
        wanted.retry_errors,
        not wanted.no_cache,
        wanted.record,
        wanted.command,
    )
    if suite.variants:
        outcomes = execute_data_variants(suite, sides, options, report, Bar(console), workers)
        return _matrix(outcomes, wanted, console)
    if suite.generate is not None:
        from evalkit.runner.generate_runs import execute_variants

        outcomes = execute_variants(suite, data, options, report, Bar(console), workers)
        if len(outcomes) > 1:
            return _matrix(outcomes, wanted, console)
        (outcome,) = outcomes
    else:
        outcome = execute(suite, data, options, report, Bar(console), workers)
    if wanted.json:
        sys.stdout.write(results_json(outcome.run))
        return outcome.run.exit_code
    paths = kept["paths"]
    say(console)
    made = outcome.run.dataset.get("generated") or {}
    if made.get("failed") or made.get("cut"):
        told = next(fact.text for fact in kept["summary"].facts if fact.name == "answers")
        say(console, ("answers   ", "dim"), (told, "yellow"))
        say(console)
    print_run(kept["summary"], console, report=relative(paths.get("html") or paths["json"]), header=False)
    return outcome.run.exit_code


def _matrix(outcomes: Sequence[Outcome], wanted: Wanted, console: Console) -> int:
    """Print the variants side by side, and write the matrix beside the first run's files, or into ``--out``."""
    from evalkit.reports.console import say
    from evalkit.reports.matrix_pages import matrix_json, print_matrix
    from evalkit.runner.matrix import matrix_of, write_matrix

    found = matrix_of(outcomes)
    folder = Path(wanted.out) if wanted.out else outcomes[0].run.folder
    assert folder is not None
    paths = write_matrix(found, folder, wanted.html, wanted.markdown)
    if wanted.json:
        sys.stdout.write(matrix_json(found))
    else:
        say(console)
        print_matrix(found, console, report=relative(paths["html"]))
    return found.exit_code


def shown_path(suite: Suite) -> str | None:
    """The suite's file as a header names it."""
    return relative(suite.path) if suite.path else None


def relative(path: Path) -> str:
    """A path as the working folder sees it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _check(wanted: Wanted) -> None:
    """What can be said of the arguments before anything is scored."""
    if wanted.engine == "ray":
        raise SpecError(Problem("--engine ray", "not yet in this version", "use --engine local"))
    if wanted.engine != "local":
        raise SpecError(Problem("--engine", f"no engine is called {quote(wanted.engine)}", "use --engine local"))
    if wanted.out is not None and not wanted.out.strip():
        raise SpecError(Problem("--out", "the folder's name is empty", "write --out . for the working folder"))
    check_writable({"--html": wanted.html, "--markdown": wanted.markdown, "--record": wanted.record})


def check_writable(named: Mapping[str, Path | None]) -> None:
    """Look, before anything is done, whether the files that options name can be written.

    Raises:
        SpecError: one cannot.
    """
    for option, path in named.items():
        if path is not None and (path.is_dir() or not _writable(path)):
            raise SpecError(Problem(option, f"{quote(str(path))} cannot be written", "name a file in a folder that can be"))


def _writable(path: Path) -> bool:
    """Whether a file may come to be at ``path``, its folders made where they are missing."""
    folder = next(parent for parent in path.resolve().parents if parent.exists())
    return folder.is_dir() and os.access(folder, os.W_OK)
