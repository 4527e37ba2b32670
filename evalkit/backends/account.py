"""What the model calls of a run took, what they cost, and whether the budget still holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from evalkit.core.asking import Reply
from evalkit.core.errors import BudgetSpent
from evalkit.core.run import Usage

SPENT = "spent.json"
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

    def add(self, reply: Reply, model: str) -> None:
        """Enter one reply that came over the wire."""
        self.calls += 1
        self.prompt_tokens += reply.prompt_tokens
        self.completion_tokens += reply.completion_tokens
        cost = self.cost_of(reply, model)
        if cost is not None:
            self.cost = (self.cost or 0.0) + cost

    def cost_of(self, reply: Reply, model: str) -> float | None:
        """What a reply cost, also one that came from the cache this time; None where no price is known."""
        if reply.cost is not None:
            return reply.cost
        price = self.prices.get(reply.model) or self.prices.get(model)
        return price.of(reply) if price else None

    def keep(self, folder: Path) -> None:
        """Write down what was spent, for a run that goes on in another process."""
        half = folder / f".{SPENT}.tmp"
        half.write_bytes(msgspec.json.encode({name: getattr(self, name) for name in _COUNTS}))
        half.replace(folder / SPENT)

    def resume(self, folder: Path) -> None:
        """Go on from what an interrupted run wrote down, if it did."""
        if (folder / SPENT).is_file():
            for name, value in msgspec.json.decode((folder / SPENT).read_bytes()).items():
                held = getattr(self, name)
                setattr(self, name, held + Counter(value) if name == "trouble" else (held or 0) + (value or 0) or held)

    def usage(self) -> Usage:
        """As results.json tells it."""
        return Usage(
            self.calls, self.cached, self.prompt_tokens, self.completion_tokens, self.cost, dict(sorted(self.trouble.items()))
        )
