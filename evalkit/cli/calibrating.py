"""What `evalkit calibrate` does once its arguments are read."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path

from evalkit.cli.running import check_writable, relative
from evalkit.core.errors import Problem, SpecError, quote


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
    from evalkit.calibration.calibrate import Settings, calibrate_run
    from evalkit.reports.card import view
    from evalkit.reports.card_pages import card_html, card_markdown, print_card
    from evalkit.reports.console import make_console
    from evalkit.store.cards import card_json
    from evalkit.store.files import write_text

    console = make_console(stderr=wanted.json)
    settings = Settings(scale, wanted.confidence, seed=wanted.seed)
    assert wanted.run is not None
    card = calibrate_run(wanted.judge, wanted.labels, wanted.run, wanted.store, settings)
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
