"""Recorded replies in place of a model: the same scores again, without the model and without its cost."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from evalkit.backends.tape import Tape, tape_of_file, tape_of_run
from evalkit.core.asking import Capability, Reply, Request
from evalkit.core.registry import backend


@backend("replay")
@dataclass(frozen=True)
class Replay:
    """Answers from a recording: ``path``, a file that ``evalkit run --record FILE`` wrote, or ``run``, a run's folder.

    A request is known again by its key, the sha256 of all that moves a reply. Where the prompt has changed since, its reply is
    found by the metric's label, the record's id, the call and the draw, and at the end one warning counts them. No reply is an
    error of that record. Replies are no calls and cost nothing. ``model`` takes the replies of one model from a recording of
    several.
    """

    path: Path | None = None
    run: Path | None = None
    model: str = ""
    max_concurrency: int = 64
    attempts: ClassVar[int] = 1  # the recording says the same again
    live: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if (self.path is None) == (self.run is None):
            raise ValueError("replay wants either `path`, a file of recorded replies, or `run`, the folder of a run")
        tape = tape_of_file(Path(self.path), self.model) if self.path else tape_of_run(Path(str(self.run)), self.model)
        object.__setattr__(self, "_tape", tape)
        object.__setattr__(self, "_changed", [0])
        object.__setattr__(self, "model", self.model or ", ".join(tape.models) or tape.source)

    @property
    def tape(self) -> Tape:
        """What was recorded."""
        tape: Tape = self._tape  # type: ignore[attr-defined]
        return tape

    @property
    def identity(self) -> str:
        """The recorded models, and the content of the recording."""
        return f"replay:{self.model}:{self.tape.sha256}"

    @property
    def shown(self) -> str:
        """The models as a reader should see them."""
        return f"{self.model} (replayed)"

    @property
    def can(self) -> frozenset[Capability]:
        """What the recorded replies allow: log-probabilities only where some have them."""
        told: set[Capability] = {"chat", "schema", "choices"}
        if any(line.logprobs for line in self.tape.lines):
            told.add("logprobs")
        return frozenset(told)

    async def complete(self, request: Request) -> Reply:
        """The recorded reply to ``request``."""
        line, same = self.tape.find(request)
        if not same:
            self._count[0] += 1
        return line.reply()

    @property
    def _count(self) -> list[int]:
        """How many replies were found by name alone."""
        count: list[int] = self._changed  # type: ignore[attr-defined]
        return count

    async def close(self) -> None:
        """Say how many replies were recorded for other prompts than today's."""
        changed, self._count[0] = self._count[0], 0
        if changed:
            replies = "1 reply was" if changed == 1 else f"{changed:,} replies were"
            what = "the prompt has changed since; to judge with today's, record again with `evalkit run --record FILE`"
            warnings.warn(f"{self.tape.source}: {replies} found by name, not by the request: {what}", stacklevel=2)
