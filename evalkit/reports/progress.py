"""How far a long piece of work is: a live bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from evalkit.reports import numbers
from evalkit.reports.console import say

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


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
            if now - self._told >= 0.05:  # the bar redraws eight times a second; it need not hear of every record
                self._told = now
                self._bar.update(0, completed=self.done)
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
        pieces = [self._count(), f"{numbers.rate(self._rate())} {self.unit}/s", numbers.duration(self._elapsed())]
        if 13 + size + sum(map(len, pieces)) + 7 > self.console.width:
            del pieces[1]
        tail = "   ".join(pieces)
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

            def render(self, task: Any) -> Text:  # noqa: ARG002 - rich's signature
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
