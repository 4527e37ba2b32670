"""A run in the terminal: header, live progress, table of values, gates, where the report is, exit line."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from evalkit.reports import numbers
from evalkit.reports.safe import one_line
from evalkit.reports.summary import GateRow, MetricRow, Summary, subtitle

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

GAP = 3
UNBOUNDED = 10_000  # the width of a pipe: nothing is wrapped or dropped for it
OUTCOME_STYLES = {"pass": "green", "fail": "bold red", "inconclusive": "yellow", "skipped": "dim"}
CHANGE_STYLES = {"better": "green", "worse": "red"}
_ASCII = str.maketrans({"–": "-", "−": "-", "·": "|", "…": "...", "≥": ">=", "≤": "<=", "━": "=", "×": "x", "\u00a0": " "})


def make_console(*, stderr: bool = False) -> Console:
    """A rich console that is plain where it should be: no codes when piped, under NO_COLOR or on a dumb terminal."""
    import os

    from rich.console import Console

    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") in ("dumb", "unknown")
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, color_system=None if plain else "auto")


def print_header(name: str, n: int, path: Any, console: Console, *, models: int = 0) -> None:
    """The first line: ``quickstart   300 records · 2 models · suites/quickstart.yaml``."""
    _header(one_line(name, 120), subtitle(n, path, models=models), console)


def print_run(summary: Summary, console: Console, *, report: Any = None, header: bool = True) -> None:
    """Everything that there is to say after scoring.

    Args:
        report: the file to point at, as a path relative to where the user stands; None: no such line.
        header: whether the first line is still to be printed.
    """
    if header:
        _header(summary.name, summary.subtitle, console)
        say(console)
    print_metrics(summary, console)
    if summary.gates:
        say(console)
        print_gates(summary.gates, console)
    say(console)
    if report is not None:
        say(console, ("report   ", "dim"), (one_line(str(report)), ""))
    say(console, (summary.exit_text, {0: "green", 1: "bold red"}.get(summary.exit_code, "bold yellow")))


def _header(name: str, rest: str, console: Console) -> None:
    head = f"{name:<10}   "
    if len(head) + len(rest) <= _width(console):
        say(console, (head, "bold"), (rest, ""))
        return
    say(console, (name, "bold"))
    for line in _wrapped(rest, _width(console) - 2):
        say(console, (f"  {line}", ""))


# --- the table of values ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Column:
    title: str
    cells: list[str]
    right: bool = False
    styles: list[str] | None = None

    @property
    def width(self) -> int:
        return max(map(_cells, [self.title, *self.cells]))


def print_metrics(summary: Summary, console: Console) -> None:
    """The table: metric, value, interval, n, errors, skipped and a note; what does not fit gives way, numbers last.

    When the terminal is narrow, notes move to a line of their own, then columns that say nothing new go, then names are
    shortened; below that each metric takes two lines. A number is never broken.
    """
    rows = summary.metrics
    if not rows:
        say(console, ("no metric was scored", "dim"))
        return
    width = _width(console)
    level = summary.confidence
    columns = {
        "name": _Column("metric", [one_line(row.name, 200) for row in rows], styles=["bold" if row.main else "" for row in rows]),
        "value": _Column("value", _aligned([row.text for row in rows]), right=True),
        "interval": _Column(f"{level} interval".strip(), _intervals(rows)),
        "n": _Column("n", [row.n_text for row in rows], right=True),
        "errors": _Column("errors", [row.errors_text for row in rows], right=True,
                          styles=["yellow" if row.value.errors else "dim" for row in rows]),
        "skipped": _Column("skipped", [row.skipped_text for row in rows], right=True,
                           styles=["" if row.value.skipped else "dim" for row in rows]),
    }
    if summary.compared:
        columns["change"] = _Column(
            "vs baseline",
            [row.change.text + ("" if row.change.comparable else " *") if row.change else "" for row in rows],
            styles=[CHANGE_STYLES.get(row.change.direction, "") if row.change else "" for row in rows],
        )
    notes = [row.note for row in rows]
    for name, idle in (
        ("skipped", not any(row.value.skipped for row in rows)),
        ("errors", not any(row.value.errors for row in rows)),
        ("n", len({row.value.n for row in rows}) == 1),
        ("skipped", True),
        ("n", True),
    ):
        if _total(columns) > width and idle:
            columns.pop(name, None)
    names = columns["name"]
    if _total(columns) > width:
        room = names.width - (_total(columns) - width)
        if room >= 12:
            columns["name"] = _Column(names.title, [_middle(cell, room) for cell in names.cells], styles=names.styles)
        else:
            _stacked(summary, console, width)
            return
    _print_columns(columns, notes, width, console)
    if any(row.change and not row.change.comparable for row in rows):
        say(console, ("* measured otherwise than in the baseline", "dim"))


def _print_columns(columns: dict[str, _Column], notes: list[str], width: int, console: Console) -> None:
    titles = [_pad(column.title, column.width, column.right) for column in columns.values()]
    say(console, ((" " * GAP).join(titles).rstrip(), "dim"))
    beside = _total(columns) + GAP + max(map(_cells, notes), default=0) <= width
    for index, note in enumerate(notes):
        pieces: list[tuple[str, str]] = []
        for column in columns.values():
            style = column.styles[index] if column.styles else ""
            pieces += [(_pad(column.cells[index], column.width, column.right), style), (" " * GAP, "")]
        if note and beside:
            say(console, *pieces, (note, "dim"))
            continue
        say(console, *pieces)
        if note:
            for line in _wrapped(note, width - 2):
                say(console, (f"  {line}", "dim"))


def _stacked(summary: Summary, console: Console, width: int) -> None:
    """Two lines a metric, for a terminal too narrow for a table."""
    for row in summary.metrics:
        say(console, (_middle(row.name, max(width, 8)), "bold" if row.main else ""))
        told = [row.text, row.interval_text]
        if row.value.errors:
            told.append(numbers.counted(row.value.errors, "error"))
        line = "  "
        for piece in filter(None, told):
            if len(line) + len(piece) + 2 > width and line.strip():
                say(console, (line.rstrip(), ""))
                line = "  "
            line += piece + "  "
        say(console, (line.rstrip(), ""))


def _total(columns: dict[str, _Column]) -> int:
    return sum(column.width for column in columns.values()) + GAP * (len(columns) - 1)


def _aligned(texts: Sequence[str]) -> list[str]:
    """Numbers padded so that their decimal points stand under one another."""
    tails = [len(text) - text.find(".") if "." in text else 0 for text in texts]
    most = max(tails, default=0)
    return [text + " " * (most - tail) for text, tail in zip(texts, tails)]


def _intervals(rows: Sequence[MetricRow]) -> list[str]:
    """Intervals with their lower bounds' decimal points under one another."""
    heads = [row.low_text.partition(".")[0] for row in rows]
    most = max(map(len, heads), default=0)
    return [" " * (most - len(head)) + row.interval_text if row.interval_text else "" for row, head in zip(rows, heads)]


# --- gates -----------------------------------------------------------------------------------------------------------


def print_gates(gates: Sequence[GateRow], console: Console) -> None:
    """One line a gate: outcome, the rule, the reason; the reason takes lines of its own where it does not fit."""
    width = _width(console)
    say(console, ("gates", "bold"))
    first = max(max(_cells(gate.outcome) for gate in gates), len("inconclusive")) + GAP
    titles = min(max(_cells(gate.title) for gate in gates), 60)
    for gate in gates:
        style = OUTCOME_STYLES[gate.outcome]
        reason = gate.reason + (" (let by)" if gate.outcome == "inconclusive" and gate.passed else "")
        head = [(_pad(gate.outcome, first), style)]
        if first + titles + GAP + _cells(reason) <= width and _cells(gate.title) <= titles:
            say(console, *head, (_pad(gate.title, titles + GAP), ""), (reason, "dim" if gate.passed else ""))
            continue
        indent = first if width - first >= 36 else 2
        lines = _wrapped(gate.title, max(width - first, 12))
        say(console, *head, (lines[0] if lines else "", ""))
        for line in lines[1:]:
            say(console, (" " * first + line, ""))
        for line in _wrapped(reason, max(width - indent, 12)):
            say(console, (" " * indent + line, "dim"))


# --- progress --------------------------------------------------------------------------------------------------------


class Progress:
    """How far a long piece of work is: a live bar on a terminal, a plain line now and then elsewhere.

    Use as a context manager and call `advance`. The bar appears only once the work has taken ``patience`` seconds, and
    stays as a finished line with the rate and the time taken. Where output is piped, one line is written a minute, and
    one at the end. Every call is cheap; it may come from any one thread.
    """

    def __init__(
        self,
        total: int | None,
        console: Console,
        *,
        label: str = "scoring",
        unit: str = "records",
        done: int = 0,
        patience: float = 0.3,
        every: float = 60.0,
    ) -> None:
        self.console, self.total, self.label, self.unit = console, total, label, unit
        self.done = self.start = done  # records that an interrupted run had finished do not count into the rate
        self.patience, self.every = patience, every
        self.live = console.is_terminal and console.color_system is not None and not console.is_dumb_terminal
        self._bar: Any = None
        self._began = self._told = time.monotonic()

    def __enter__(self) -> Progress:
        self._began = self._told = time.monotonic()
        return self

    def advance(self, n: int = 1) -> None:
        """``n`` more units are done."""
        self.done += n
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(0, completed=self.done, rate=self._rate())
        elif self.live:
            if now - self._began >= self.patience:
                self._show()
        elif now - self._told >= self.every:
            self._told = now
            say(self.console, (self._line(left=True), ""))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        if kind is None or self.done > self.start:
            say(self.console, *self._final())

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _rate(self) -> float:
        return (self.done - self.start) / max(self._elapsed(), 1e-9)

    def _count(self) -> str:
        return numbers.count(self.done) + (f"/{numbers.count(self.total)}" if self.total is not None else f" {self.unit}")

    def _line(self, *, left: bool) -> str:
        rate = self._rate()
        if left and self.total is not None:
            clock = f"{numbers.duration((self.total - self.done) / rate if rate else float('inf'))} left"
        else:
            clock = numbers.duration(self._elapsed())
        return f"{self.label:<10}   {self._count()}   {numbers.rate(rate)} {self.unit}/s   {clock}"

    def _final(self) -> list[tuple[str, str]]:
        if not self.live:
            return [(self._line(left=False), "")]
        size = self._bar_width()
        share = 1.0 if not self.total else min(self.done / self.total, 1.0)
        filled = round(size * share)
        bar = [("━" * filled, "green" if share == 1 else "yellow"), ("━" * (size - filled) + " " * bool(size), "dim")]
        tail = f"{self._count()}   {numbers.rate(self._rate())} {self.unit}/s   {numbers.duration(self._elapsed())}"
        return [(f"{self.label:<10}   ", ""), *bar, (tail, "")]

    def _bar_width(self) -> int:
        room = self.console.width - 13 - 45
        return min(22, room) if room >= 6 else 0

    def _show(self) -> None:
        from rich.progress import BarColumn, ProgressColumn, TextColumn
        from rich.progress import Progress as RichProgress

        owner = self

        class Tail(ProgressColumn):
            """Count, rate and time left, written by the same code as every other number."""

            def render(self, task: Any) -> Text:
                from rich.text import Text

                rate = owner._rate()
                told = f"{owner._count()}   {numbers.rate(rate)} {owner.unit}/s"
                if owner.total is not None:
                    told += f"   {numbers.duration((owner.total - owner.done) / rate if rate else float('inf'))} left"
                return Text(told, no_wrap=True)

        columns: list[Any] = [TextColumn(f"{self.label:<10}  ", markup=False)]
        if self._bar_width():
            columns.append(BarColumn(bar_width=self._bar_width(), complete_style="cyan", finished_style="green"))
        self._bar = RichProgress(*columns, Tail(), console=self.console, transient=True, refresh_per_second=8)
        self._bar.add_task(self.label, total=self.total, completed=self.done)
        self._bar.start()


# --- writing ---------------------------------------------------------------------------------------------------------


def say(console: Console, *pieces: tuple[str, str]) -> None:
    """Print one line of styled pieces, never wrapped by rich; what the stream cannot encode is spelled in ASCII."""
    from rich.text import Text

    line = Text(no_wrap=True, end="")
    for text, style in pieces:
        line.append(_encodable(text, console), style=style or None)
    line.rstrip()
    console.print(line, soft_wrap=True)


def _encodable(text: str, console: Console) -> str:
    encoding = console.encoding or sys.getdefaultencoding()
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return text.translate(_ASCII).encode("ascii", "backslashreplace").decode()
    return text


def _width(console: Console) -> int:
    return console.width if console.is_terminal else UNBOUNDED


def _cells(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _pad(text: str, width: int, right: bool = False) -> str:
    space = " " * (width - _cells(text))
    return space + text if right else text + space


def _middle(text: str, width: int) -> str:
    """The text with its middle left out, where it is wider than ``width`` columns."""
    if _cells(text) <= width:
        return text
    from rich.cells import set_cell_size

    tail = (width - 1) // 2
    kept = text[len(text) - tail:]
    while _cells(kept) > tail:
        kept = kept[1:]
    return set_cell_size(text, width - 1 - _cells(kept)).rstrip() + "…" + kept


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of at most ``width`` characters; an interval stays in one piece."""
    held = text.replace(" – ", "\u00a0–\u00a0").replace("− ", "−\u00a0").replace(" to ", "\u00a0to ")
    lines = textwrap.wrap(held, max(width, 8), break_long_words=False, break_on_hyphens=False)
    return [line.replace("\u00a0", " ") for line in lines]
