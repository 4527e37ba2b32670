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
from evalkit.core.run import Usage

SPENT = "spent.json"
_PAGE = 4096  # bytes: a killed process has written all of them, or none
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
class Account:
    """What the calls of a run took so far.

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

    def add(self, reply: Reply, model: str) -> None:
        """Enter one reply that came over the wire."""
        cost = self.cost_of(reply, model)
        if cost is not None:
            self.cost = (self.cost or 0.0) + cost
        self.completion_tokens += reply.completion_tokens
        self.answered(reply.prompt_tokens)

    def answered(self, prompt_tokens: int = 0) -> None:
        """Enter one answer that came over the wire, and is no text."""
        self.calls += 1
        self.prompt_tokens += prompt_tokens
        self._write()

    def hit(self) -> None:
        """Enter one answer that needed no call."""
        self.cached += 1
        self._write()

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
            self._write()
            yield
        finally:
            os.close(self._file)
            self._file = None

    def _write(self) -> None:
        if self._file is not None:
            sums = msgspec.json.encode({name: getattr(self, name) for name in _COUNTS})
            os.pwrite(self._file, sums.ljust(_PAGE), 0)

    def resume(self, folder: Path) -> None:
        """Go on from what an interrupted run wrote down, if it did."""
        held: dict[str, Any] = {}
        with suppress(FileNotFoundError, msgspec.DecodeError):  # the latter after a power cut
            held = msgspec.json.decode((folder / SPENT).read_bytes())
        for name, value in held.items():
            own = getattr(self, name)
            setattr(self, name, own + Counter(value) if name == "trouble" else (own or 0) + (value or 0) or own)

    def usage(self) -> Usage:
        """As results.json tells it."""
        return Usage(
            self.calls, self.cached, self.prompt_tokens, self.completion_tokens, self.cost, dict(sorted(self.trouble.items()))
        )
