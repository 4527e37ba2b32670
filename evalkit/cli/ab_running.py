"""What `evalkit ab` does once its arguments are read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.cli.running import check_writable
from evalkit.experiment.analyse import Design, analyse
from evalkit.store.files import write_text

if TYPE_CHECKING:
    from evalkit.experiment.plan import Wanted


@dataclass(frozen=True)
class Outputs:
    """Where the result goes besides the terminal."""

    json: bool = False
    html: Path | None = None
    markdown: Path | None = None

    def check(self) -> None:
        """Raise where a file could not be written, before anything is read."""
        check_writable({"--html": self.html, "--markdown": self.markdown})


def run_ab(file: str, design: Design, outputs: Outputs) -> int:
    """Analyse, print and write; 0 whatever came out: an experiment is not a gate."""
    from evalkit.reports.ab_pages import ab_html, ab_json, ab_markdown, print_ab
    from evalkit.reports.console import make_console, say

    outputs.check()
    with _waiting(file):
        found = analyse(file, design)
    if outputs.html:
        write_text(outputs.html, ab_html(found))
    if outputs.markdown:
        write_text(outputs.markdown, ab_markdown(found))
    if outputs.json:
        sys.stdout.write(ab_json(found))
        return 0
    console = make_console()
    print_ab(found, console)
    for path in (outputs.html, outputs.markdown):
        if path:
            say(console, ("report   ", "dim"), (str(path), ""))
    return 0


def run_plan(file: str | None, wanted: Wanted, as_json: bool) -> int:
    """Plan and print."""
    from evalkit.experiment.plan import plan
    from evalkit.reports.ab_plan import plan_json, print_plan
    from evalkit.reports.console import make_console

    with _waiting(file):
        found = plan(file, wanted)
    if as_json:
        sys.stdout.write(plan_json(found))
    else:
        print_plan(found, make_console())
    return 0


@contextmanager
def _waiting(file: str | None) -> Iterator[None]:
    """A sign of life on a terminal: a large log takes a minute."""
    from evalkit.reports.console import make_console
    from evalkit.reports.safe import one_line

    console = make_console(stderr=True)
    if file is None or not console.is_terminal:
        yield
        return
    with console.status(f"reading {one_line(file, 60)}"):
        yield
