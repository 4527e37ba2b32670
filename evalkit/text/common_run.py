"""The longest run of tokens that two texts share, in time that grows with both lengths alone."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field


@dataclass
class Runs:
    """All runs of one sequence, as a suffix automaton; `longest` reads others against it.

    A state stands for runs that end at the same places; ``links`` leads to the longest of their ends that ends elsewhere too.
    Building takes time and memory in proportion to the sequence, reading time in proportion to the other.

    Source: Blumer et al. (1985), The smallest automaton recognizing the subwords of a text.
    """

    steps: list[dict[Hashable, int]] = field(default_factory=lambda: [{}])
    links: list[int] = field(default_factory=lambda: [-1])
    lengths: list[int] = field(default_factory=lambda: [0])
    ends: list[int] = field(default_factory=lambda: [0])  # of each state's runs: behind their first occurrence

    @classmethod
    def of(cls, tokens: Sequence[Hashable]) -> Runs:
        """Those of a sequence."""
        runs, last = cls(), 0
        for at, token in enumerate(tokens, 1):
            last = runs._grown(last, token, at)
        return runs

    def longest(self, tokens: Sequence[Hashable]) -> tuple[int, int, int]:
        """The longest run that this sequence and the other share, of several the first in the other.

        Returns:
            its length, where it begins in the other, and where in this one; (0, 0, 0) where they share nothing.
        """
        state = length = 0
        best = (0, 0, 0)
        for at, token in enumerate(tokens, 1):
            while state and token not in self.steps[state]:
                state = self.links[state]
                length = self.lengths[state]
            if token in self.steps[state]:
                state = self.steps[state][token]
                length += 1
            if length > best[0]:
                best = (length, at - length, self.ends[state] - length)
        return best

    def _grown(self, last: int, token: Hashable, at: int) -> int:
        """One token longer; the state of the whole."""
        fresh = self._state({}, 0, self.lengths[last] + 1, at)
        state = last
        while state >= 0 and token not in self.steps[state]:
            self.steps[state][token] = fresh
            state = self.links[state]
        if state < 0:
            return fresh
        target = self.steps[state][token]
        if self.lengths[target] == self.lengths[state] + 1:
            self.links[fresh] = target
            return fresh
        copy = self._state(dict(self.steps[target]), self.links[target], self.lengths[state] + 1, self.ends[target])
        while state >= 0 and self.steps[state].get(token) == target:
            self.steps[state][token] = copy
            state = self.links[state]
        self.links[target] = self.links[fresh] = copy
        return fresh

    def _state(self, steps: dict[Hashable, int], link: int, length: int, end: int) -> int:
        self.steps.append(steps)
        self.links.append(link)
        self.lengths.append(length)
        self.ends.append(end)
        return len(self.steps) - 1
