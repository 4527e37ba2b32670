"""What the model calls of a run took, what they cost, and whether the budget still holds."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from evalkit.core.asking import Reply
from evalkit.core.errors import BudgetSpent
from evalkit.core.run import Spent, Usage

SPENT = "spent.json"
_PAGE = 4096  # bytes: a killed process has written all of them, or none
_SLOT = 1024  # bytes of one metric's sums behind it, likewise
_COUNTS = ("sent", "calls", "cached", "prompt_tokens", "completion_tokens", "cost", "trouble")


@dataclass(frozen=True)
class Price:
    """Of one model, for a million tokens."""

    prompt: float = 0.0
    completion: float = 0.0
    cached: float | None = None  # of prompt tokens that the model's own prefix cache had; None: as the others

    def of(self, reply: Reply) -> float:
        """What a reply cost."""
        known = reply.cached_prompt_tokens if self.cached is not None else 0
        prompt = (reply.prompt_tokens - known) * self.prompt + known * (self.cached or 0.0)
        return (prompt + reply.completion_tokens * self.completion) / 1e6


@dataclass
class Tally:
    """What one metric's calls took so far; where its sums stand in the file."""

    slot: int
    calls: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None

    def spent(self) -> Spent:
        return Spent(self.calls, self.cached, self.prompt_tokens, self.completion_tokens, self.cost)


@dataclass
class Account:
    """What the calls of a run took so far, in all and by the metric that asked.

    Args:
        prices: by the model's name.
        max_calls: calls after which nothing more is sent; retries are calls.
        max_cost: cost from which nothing more is sent; what is on its way by then still comes.
    """

    prices: Mapping[str, Price] = field(default_factory=dict)
    max_calls: int | None = None
    max_cost: float | None = None
    sent: int = 0
    calls: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    trouble: Counter[str] = field(default_factory=Counter)  # what went wrong and was tried again, by kind
    by: dict[str, Tally] = field(default_factory=dict)
    _file: int | None = None  # a descriptor

    def spend(self) -> None:
        """Before a call is sent.

        Raises:
            BudgetSpent: it may not be.
        """
        if self.max_calls is not None and self.sent >= self.max_calls:
            raise BudgetSpent("calls", self.max_calls, "max_calls")
        if self.max_cost is not None and (self.cost or 0.0) >= self.max_cost:
            raise BudgetSpent("cost", self.max_cost, "max_cost")
        self.sent += 1
        self._write()

    def add(self, reply: Reply, model: str, who: str = "") -> None:
        """Enter one reply that came over the wire, for the metric that asked."""
        cost, tally = self.cost_of(reply, model), self._tally(who)
        for entered in (self, tally):
            if cost is not None:
                entered.cost = (entered.cost or 0.0) + cost
            entered.completion_tokens += reply.completion_tokens
        self.answered(reply.prompt_tokens, who)

    def answered(self, prompt_tokens: int = 0, who: str = "") -> None:
        """Enter one answer that came over the wire, and is no text."""
        tally = self._tally(who)
        self.calls, tally.calls = self.calls + 1, tally.calls + 1
        self.read(prompt_tokens, who)

    def read(self, prompt_tokens: int, who: str = "") -> None:
        """Enter tokens that a model read, where the answer is entered elsewhere."""
        tally = self._tally(who)
        self.prompt_tokens, tally.prompt_tokens = self.prompt_tokens + prompt_tokens, tally.prompt_tokens + prompt_tokens
        self._write(who)

    def hit(self, who: str = "") -> None:
        """Enter one answer that needed no call."""
        tally = self._tally(who)
        self.cached, tally.cached = self.cached + 1, tally.cached + 1
        self._write(who)

    def _tally(self, who: str) -> Tally:
        if who not in self.by:
            self.by[who] = Tally(len(self.by))
        return self.by[who]

    def failed(self, kind: str) -> None:
        """Enter something that went wrong and is tried again."""
        self.trouble[kind] += 1
        self._write()

    def cost_of(self, reply: Reply, model: str) -> float | None:
        """What a reply cost, also one that came from the cache this time; None where no price is known."""
        if reply.cost is not None:
            return reply.cost
        price = self.prices.get(reply.model) or self.prices.get(model)
        return price.of(reply) if price else None

    @contextmanager
    def kept(self, folder: Path) -> Iterator[None]:
        """Keep a file up to date with what was spent, entry by entry: a run that is killed goes on with the exact sums."""
        folder.mkdir(parents=True, exist_ok=True)
        self._file = os.open(folder / SPENT, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            self._write(*self.by)
            yield
        finally:
            os.close(self._file)
            self._file = None

    def _write(self, *names: str) -> None:
        """All sums, and those of some metrics."""
        if self._file is None:
            return
        sums = msgspec.json.encode({name: getattr(self, name) for name in _COUNTS})
        os.pwrite(self._file, sums.ljust(_PAGE), 0)
        for name in names:
            told = msgspec.json.encode([name, self.by[name].spent()])
            if len(told) <= _SLOT:  # of a longer name only the sum over all survives a crash
                os.pwrite(self._file, told.ljust(_SLOT), _PAGE + _SLOT * self.by[name].slot)

    def resume(self, folder: Path) -> None:
        """Go on from what an interrupted run wrote down, if it did."""
        data, held = b"", dict[str, Any]()
        with suppress(FileNotFoundError, msgspec.DecodeError):  # the latter after a power cut
            data = (folder / SPENT).read_bytes()
            held = msgspec.json.decode(data[:_PAGE])
        for name, value in held.items():
            own = getattr(self, name)
            setattr(self, name, own + Counter(value) if name == "trouble" else _sum(own, value))
        for start in range(_PAGE, len(data), _SLOT):
            with suppress(msgspec.DecodeError):
                who, spent = msgspec.json.decode(data[start : start + _SLOT], type=tuple[str, Spent])
                tally = self._tally(who)
                for name in Spent.__dataclass_fields__:
                    setattr(tally, name, _sum(getattr(tally, name), getattr(spent, name)))

    def usage(self) -> Usage:
        """As results.json tells it."""
        by = {name: tally.spent() for name, tally in self.by.items() if name}
        counts = (self.calls, self.cached, self.prompt_tokens, self.completion_tokens, self.cost)
        return Usage(*counts, dict(sorted(self.trouble.items())), by)


def _sum(one: Any, other: Any) -> Any:
    """Of two counts, or costs of which either may be unknown."""
    return (one or 0) + (other or 0) or one
