"""A value of a suite and its place: it is asked for what it should be, and notes a problem when it is not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.core.errors import nearest, quote
from evalkit.specs.tree import Steps, Tree


@dataclass(frozen=True)
class Node:
    """One value in a `Tree`; readers return ``None`` after noting a problem, so that checking goes on."""

    tree: Tree
    steps: Steps = ()

    @property
    def value(self) -> Any:
        found = self.tree.value
        for step in self.steps:
            found = found[step]
        return found

    @property
    def label(self) -> str:
        """How messages call it: ``metrics[2].stemmer``."""
        text = ""
        for step in self.steps:
            text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
        return text or self.tree.called

    @property
    def line(self) -> int:
        return self.tree.line(self.steps)

    def fault(self, what: str, hint: str | None = None) -> None:
        """Note a problem at this place."""
        self.tree.fault(self.steps, what, hint)

    def wants(self, expected: str, hint: str | None = None) -> None:
        """Note that this is not what it should be."""
        self.fault(f"{self.label} wants {expected}, and found {found(self.value)}", hint)

    def child(self, step: str | int) -> Node:
        return Node(self.tree, (*self.steps, step))

    def get(self, key: str) -> Node | None:
        """The value under a key; None when it is absent or empty."""
        told = self.value
        return self.child(key) if isinstance(told, Mapping) and told.get(key) is not None else None

    def items(self) -> Iterator[Node]:
        """The items of a list, or the values of a mapping."""
        told = self.value
        return (self.child(step) for step in (told if isinstance(told, Mapping) else range(len(told))))

    def mapping(self, known: Sequence[str] | None = None, expected: str = "a mapping") -> bool:
        """Whether this is a mapping; keys that are not ``known`` are problems."""
        if not isinstance(self.value, Mapping):
            self.wants(expected)
            return False
        for key in self.value if known is not None else ():
            if key not in known:  # type: ignore[operator]
                self.child(key).fault(f"{self.label} has no key {quote(key)}", suggest(key, known or ()))
        return True

    def text(self, expected: str = "text") -> str | None:
        """Non-empty text."""
        if isinstance(self.value, str) and self.value.strip():
            return self.value
        number = isinstance(self.value, (int, float)) and self.value is not None
        self.wants(expected, f"put it in quotes: {quote(spelled(self.value))}" if number else None)
        return None

    def texts(self, expected: str) -> list[str] | None:
        """A list of non-empty texts; one text counts as a list of one."""
        if isinstance(self.value, str) and self.value.strip():
            return [self.value]
        if not isinstance(self.value, list):
            self.wants(expected)
            return None
        return [told for item in self.items() if (told := item.text()) is not None]

    def choice(self, options: Sequence[str]) -> str | None:
        """One of a few words."""
        if isinstance(self.value, str) and self.value in options:
            return self.value
        self.wants(one_of(options), suggest(self.value, options, listed=False) if isinstance(self.value, str) else None)
        return None

    def flag(self) -> bool | None:
        """``true`` or ``false``."""
        if isinstance(self.value, bool):
            return self.value
        self.wants("true or false")
        return None

    def whole(self, least: int | None = None, most: int | None = None) -> int | None:
        """A whole number within bounds."""
        value = self.value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            self.wants(f"a whole number{bounds(least, most)}")
            return None
        return int(value) if self._within(value, least, most, "a whole number") else None

    def number(self, least: float | None = None, most: float | None = None) -> float | None:
        """A finite number within bounds."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            self.wants(f"a number{bounds(least, most)}")
            return None
        return float(value) if self._within(value, least, most, "a number") else None

    def share(self) -> float | None:
        """A number strictly between 0 and 1 (a confidence level)."""
        value = self.value
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1:
            return float(value)
        percent = isinstance(value, (int, float)) and not isinstance(value, bool) and 1 < value < 100
        self.wants("a number between 0 and 1", f"did you mean {value / 100:g}?" if percent else None)
        return None

    def _within(self, value: float, least: float | None, most: float | None, kind: str) -> bool:
        if (least is not None and value < least) or (most is not None and value > most):
            self.wants(f"{kind}{bounds(least, most)}")
            return False
        return True


def bounds(least: float | None, most: float | None) -> str:
    """Bounds in words: `` from 100 to 1,000,000``."""
    if least is not None and most is not None:
        return f" from {least:,} to {most:,}"
    if least is not None:
        return f" of {least:,} or more"
    return f" of {most:,} or less" if most is not None else ""


def found(value: Any) -> str:
    """A value as a message names it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {spelled(value)}"
    if isinstance(value, str):
        return f"the text {quote(value)}" if value.strip() else "empty text"
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, (list, tuple)) else f"a Python {type(value).__name__}"


def spelled(value: Any) -> str:
    """A number, short."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def one_of(options: Iterable[str]) -> str:
    """``one of a, b, c``."""
    return "one of " + ", ".join(options)


def suggest(name: str, known: Iterable[str], see: str | None = None, *, listed: bool = True) -> str | None:
    """The hint that follows an unknown name: the nearest known one, else what there is."""
    names = list(known)
    close = nearest(name, names)
    if close is not None:
        return f"did you mean {quote(close)}?"
    if see is not None:
        return f"see `{see}`"
    return f"it takes {', '.join(names)}" if listed and names else None
