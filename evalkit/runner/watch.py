"""How far a run is, for whoever follows it."""

from __future__ import annotations

from typing import Protocol


class Watch(Protocol):
    """Who follows a run: `start` says how many records there are, `advance` how many more are done."""

    def start(self, what: str, total: int, done: int) -> None: ...

    def advance(self, n: int) -> None: ...

    def stop(self) -> None: ...


class Quiet:
    """Nobody follows."""

    def start(self, what: str, total: int, done: int) -> None:
        pass

    def advance(self, n: int) -> None:
        pass

    def stop(self) -> None:
        pass


class Progress:
    """Counts what is done, for the watcher and for the message of an interruption."""

    def __init__(self, watch: Watch, n: int) -> None:
        self.watch, self.n = watch, n
        self.before = self.done = 0

    def start(self, what: str, before: int) -> None:
        """A pass over the records begins; ``before`` of them were done by an earlier process."""
        self.before, self.done = max(self.before, before), before
        self.watch.stop()
        self.watch.start(what, self.n, before)

    def advance(self, n: int) -> None:
        """``n`` more records are done."""
        self.done += n
        self.watch.advance(n)
