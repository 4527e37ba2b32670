"""Texts through an encoder, each once: what several metrics want of a text comes from one pass, and is kept for a while."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from evalkit.backends.encoder import VECTOR, Need, Passed, Text
from evalkit.core.asking import Encoded

V = TypeVar("V")

_OVERHEAD = 1000  # bytes of a kept value beside its numbers, about


class Kept(Generic[V]):
    """The latest values by key, up to so many bytes."""

    def __init__(self, most: int, size_of: Callable[[V], int]) -> None:
        self.most, self.size = most, 0
        self._size_of = size_of
        self._held: OrderedDict[Hashable, V] = OrderedDict()

    def get(self, key: Hashable) -> V | None:
        """What is held under a key; it is the latest from now on."""
        found = self._held.get(key)
        if found is not None:
            self._held.move_to_end(key)
        return found

    def put(self, key: Hashable, value: V) -> None:
        """Hold a value, and let go of the oldest ones beyond the limit."""
        if key in self._held:
            return
        self._held[key] = value
        self.size += self._size_of(value) + _OVERHEAD
        while self.size > self.most:
            self.size -= self._size_of(self._held.popitem(last=False)[1]) + _OVERHEAD

    def clear(self) -> None:
        """Let go of everything."""
        self._held.clear()
        self.size = 0


class Once:
    """What is wanted of texts: token vectors behind some layers, one vector of all.

    What was wanted of one text is taken from every pass from then on, so that who asks later, or of a text that another
    metric already asked for, finds it here. Two texts of the same tokens are one. Token vectors are many: those of the latest
    texts are kept, up to ``most`` bytes, and a text that comes again after they are gone is encoded again. Vectors of whole
    texts have a sixteenth of that for themselves.
    """

    def __init__(self, most: int) -> None:
        self.wanted: set[Need] = set()
        self._states: Kept[Encoded] = Kept(most, lambda one: one.vectors.nbytes + one.ids.nbytes)
        self._vectors: Kept[NDArray[np.float32]] = Kept(most // 16, lambda one: one.nbytes)
        self._flights: dict[Hashable, asyncio.Future[Passed]] = {}

    @property
    def size(self) -> int:
        """Bytes that are held, about."""
        return self._states.size + self._vectors.size

    def clear(self) -> None:
        """Let go of everything but of what is wanted."""
        self._flights.clear()
        self._states.clear()
        self._vectors.clear()

    async def of(self, text: Text, need: Need, send: Callable[[Text], Awaitable[Passed]]) -> Any:
        """What is needed of a text: from what is kept, from a pass under way, or from one that ``send`` makes."""
        self.wanted.add(need)
        while True:
            kept = self._vectors if need == VECTOR else self._states
            found = kept.get((need, text.key))
            if found is not None:
                return found
            flight = self._flights.get(text.key)
            if flight is None or flight.get_loop() is not asyncio.get_running_loop():
                flight = self._flights[text.key] = asyncio.ensure_future(self._passed(text, send))
                flight.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody need be waiting
            made = await asyncio.shield(flight)
            if need in made:
                return made[need]
            # That pass began before anybody wanted this.

    async def _passed(self, text: Text, send: Callable[[Text], Awaitable[Passed]]) -> Passed:
        mine = asyncio.current_task()
        try:
            made = await send(text)
            self._keep(text.key, made)
            return made
        finally:
            if self._flights.get(text.key) is mine:
                del self._flights[text.key]

    def _keep(self, key: Hashable, made: Mapping[Need, Any]) -> None:
        for need, value in made.items():
            (self._vectors if need == VECTOR else self._states).put((need, key), value)
