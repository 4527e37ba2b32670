"""What `evalkit calibrate` does once its arguments are read."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.cli.running import check_writable, relative
from evalkit.core.errors import Problem, SpecError, quote
from evalkit.specs.load import load_suite

if TYPE_CHECKING:
    from rich.console import Console

    from evalkit.calibration.calibrate import Asker
    from evalkit.core.run import Run
    from evalkit.specs.suite import Suite


@dataclass(frozen=True)
class Wanted:
    """The arguments of ``evalkit calibrate``."""

    judge: str
    labels: Path
    run: str | None = None
    suite: str | None = None
    scale: str | None = None
    probes: str | None = None
    probe_records: int = 50
    repeats: int = 5
    confidence: float = 0.95
    seed: int = 0
    store: str | None = None
    json: bool = False
    html: Path | None = None
    markdown: Path | None = None
    command: str = ""


def calibrate_judge(wanted: Wanted) -> int:
    """Make a card, print it, and return the exit code."""
    if (wanted.run is None) == (wanted.suite is None):
        what = "--run and --suite were both given" if wanted.run else "neither --run nor --suite was given"
        raise SpecError(Problem("", what, "name the run that was labelled, or the suite to run"))
    check_writable({"--html": wanted.html, "--markdown": wanted.markdown})
    scale = scale_of(wanted.scale) if wanted.scale is not None else None
    from evalkit.calibration.calibrate import Settings, calibrate
    from evalkit.core.content import project_root
    from evalkit.reports.card import view
    from evalkit.reports.card_pages import card_html, card_markdown, print_card
    from evalkit.reports.console import make_console
    from evalkit.store.cards import card_json
    from evalkit.store.files import write_text

    console = make_console(stderr=wanted.json)
    root = project_root(Path.cwd(), Path.cwd())
    suite = load_suite(wanted.suite) if wanted.suite is not None else None
    probes = _probes(wanted, suite.root if suite is not None else root, suite, console)
    run, home = _run(wanted, root, suite, console)
    settings = Settings(scale, wanted.confidence, seed=wanted.seed)
    card = calibrate(wanted.judge, wanted.labels, run, suite.root if suite is not None else root, home, settings, probes)
    found = view(card)
    if wanted.html is not None:
        write_text(wanted.html, card_html(found))
    if wanted.markdown is not None:
        write_text(wanted.markdown, card_markdown(found))
    if wanted.json:
        sys.stdout.write(card_json(card))
    else:
        print_card(found, console, relative(Path(card.path)))
    return 0


def _run(wanted: Wanted, root: Path, suite: Suite | None, console: Console) -> tuple[Run, Path]:
    """The run that was labelled, and the folder of its store; a suite is run first."""
    from evalkit.runner.stores import catalog_at
    from evalkit.store.runs import NoBaseline, find_run

    if suite is None:
        catalog = catalog_at(wanted.store, root)
        try:
            return find_run(str(wanted.run), catalog, root), catalog.home
        except NoBaseline as error:
            raise SpecError(Problem("--run", str(error), "run the suite first, or give --suite")) from error
    from evalkit.cli.running import Bar
    from evalkit.core.workers import Workers
    from evalkit.runner.data import open_data
    from evalkit.runner.execute import Options, execute
    from evalkit.runner.report import report_outcome
    from evalkit.runner.stores import spool_of

    if suite.generate is not None:
        what = "the suite generates its outputs: they are new in every run, and labels are of an output"
        raise SpecError(Problem("--suite", what, "run it, label that run's records, and calibrate with --run"))
    with Workers() as workers:
        data = open_data(suite, spool_of(suite, wanted.store), workers=workers)
        options = Options(store=wanted.store, command=wanted.command)
        outcome = execute(suite, data, options, report_outcome, Bar(console), workers)
    return outcome.run, outcome.catalog.home


def _probes(wanted: Wanted, root: Path, suite: Suite | None, console: Console) -> Asker | None:
    """What asks the judge anew; None where nothing was asked for."""
    if wanted.probes is None:
        return None
    from evalkit.calibration.probe import probe
    from evalkit.calibration.wanted import Wanted as Probes
    from evalkit.calibration.wanted import names_of
    from evalkit.reports.console import say

    asked = Probes(names_of(wanted.probes), wanted.probe_records, wanted.repeats, wanted.seed, wanted.confidence)
    return lambda material: probe(material, asked, root, wanted.store, lambda text: say(console, (text, "dim")), suite)


def scale_of(text: str) -> tuple[float, float]:
    """``1:5`` as its two ends.

    Raises:
        SpecError: it is no scale.
    """
    low, colon, high = text.partition(":")
    try:
        ends = float(low), float(high)
    except ValueError:
        ends = math.nan, math.nan
    if not colon or not all(map(math.isfinite, ends)) or not ends[0] < ends[1]:
        raise SpecError(Problem("--scale", f"{quote(text)} is no scale", "write its least and its greatest label: 1:5"))
    return ends
