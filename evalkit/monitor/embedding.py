"""Vectors of sampled rows' texts, where a log carries none: from a backend, each text once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evalkit.backends.account import Account
from evalkit.backends.desk import Desk
from evalkit.core.errors import BackendError, BackendRefused, Problem, SpecError
from evalkit.detection.sample import RAW, Sample
from evalkit.detection.signal import EMBEDDINGS
from evalkit.detection.vectors import MOST
from evalkit.runner.models import Models, make_backend
from evalkit.specs.drift import DriftSpec
from evalkit.specs.suite import BackendSpec

SIDE = MOST  # rows of either side of a comparison that are embedded, unless the configuration says otherwise
WINDOW = 50  # and of a window of a monitor, on average
AT_ONCE = 1_024  # texts under way: a backend in this process sorts them into batches

Vector = NDArray[np.float32]


class Embedder:
    """Texts as vectors; nothing is opened before the first one.

    Args:
        cache: the folder of a store's replies, which later processes read; None keeps vectors in memory.
        strict: a backend that answers nobody is an error; else its texts have no vectors from then on.
        place: of ``embed:``, for messages.

    Raises:
        SpecError: the backend cannot be made.
    """

    def __init__(self, spec: BackendSpec, cache: Path | None = None, *, strict: bool = False, place: str = "embed") -> None:
        self.name, self.strict, self.place = spec.name, strict, place
        self.models = Models({spec.name: make_backend(spec)}, Account(), cache=cache)
        self.identity = self.models.backends[spec.name].identity
        self.refused = ""
        self._held: dict[str, Vector] | None = {} if cache is None else None
        self._asked = self._failed = 0
        self._first = ""

    @property
    def warnings(self) -> list[str]:
        """What went wrong, a line a kind of trouble."""
        told = []
        if self.refused:
            told.append(f"embed: rows have no vectors from here on, nor a value what is made of them: {self.refused}")
        if self._failed:
            told.append(f"embed: {self._failed:,} of {self._asked:,} texts have no vector, the first for this: {self._first}")
        return told

    def try_out(self) -> None:
        """Embed one text.

        Raises:
            SpecError: it has no vector.
        """
        self.vectors(["Is anybody there?"])
        if self._failed:
            raise SpecError(Problem(self.place, f"embed: texts get no vectors: {self._first}"))

    def embedded(self, sample: Sample, columns: Iterable[str], rows: int) -> Sample:
        """With vectors of these columns' texts, in as many rows with the least keys; a row without text has none.

        Args:
            columns: of vectors: ``embedding``, ``output_embedding``.
        """
        for text, column in EMBEDDINGS.items():
            if column in columns and RAW + text in sample.table.column_names:
                texts = [told if at < rows else None for at, told in enumerate(sample.texts(text))]
                found = self.vectors([told for told in texts if told and told.strip()])
                sample = sample.with_vectors(column, [found.get(told or "") for told in texts], self.identity)
        return sample

    def vectors(self, texts: Sequence[str]) -> dict[str, Vector]:
        """By text; one that has no vector is not there.

        Raises:
            SpecError: nobody answers, and that is an error.
            StoreError: vectors cannot be kept.
        """
        wanted = list(dict.fromkeys(texts))
        found = {text: self._held[text] for text in wanted if text in self._held} if self._held is not None else {}
        wanted = [text for text in wanted if text not in found]
        for first in range(0, len(wanted), AT_ONCE):
            if self.refused:
                break
            some = wanted[first : first + AT_ONCE]
            for text, made in zip(some, self.models.run(_asked(self.models.tools("embed", self.name), some))):
                if isinstance(made, BackendRefused):
                    self._refuse(made)
                    continue
                self._asked += 1
                if isinstance(made, BackendError):
                    self._failed += 1
                    self._first = self._first or str(made)
                elif isinstance(made, BaseException):
                    raise made
                else:
                    found[text] = made
        if self._held is not None:
            self._held |= found
        return found

    def _refuse(self, error: BackendRefused) -> None:
        if self.strict:
            raise SpecError(Problem(self.place, f"embed: {error}")) from error
        self.refused = self.refused or str(error)


@contextmanager
def embedder_of(spec: DriftSpec, cache: Path | None = None) -> Iterator[Embedder | None]:
    """What embeds for a comparison, or with the folder of a store's replies for a monitor; None: nothing does."""
    if spec.embed is None:
        yield None
        return
    place = f"{spec.source}:{spec.embed.line}" if spec.source and spec.embed.line else spec.source or "embed"
    embedder = Embedder(spec.embed, cache, strict=cache is None, place=place)
    with embedder.models:
        yield embedder


async def _asked(tools: Desk, texts: Sequence[str]) -> list[Vector | BaseException]:
    async def one(text: str) -> Vector:
        vector: Vector = (await tools.embed([text]))[0].astype(np.float32)
        return vector

    return await asyncio.gather(*map(one, texts), return_exceptions=True)
