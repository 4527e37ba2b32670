"""A suite as a reference: what its data set asks, held against what is asked in production."""

from __future__ import annotations

from dataclasses import dataclass
from glob import has_magic
from pathlib import Path
from typing import Any

from evalkit.core.batch import as_text
from evalkit.core.errors import Problem, SpecError
from evalkit.runner.data import open_data
from evalkit.runner.stores import spool_of
from evalkit.specs.load import find_suite, load_suite


@dataclass(frozen=True)
class Suited:
    """The inputs of a suite's records, as rows of a log."""

    name: str
    rows: list[dict[str, Any]]

    @property
    def note(self) -> str:
        """What a reader must know of the comparison."""
        return f"{self.name} is a suite: only inputs are compared, for its outputs are no traffic"


def suited(reference: Any, cwd: Path | None = None) -> Suited | None:
    """The suite that a reference names, by path or by name; None where it names none.

    Raises:
        SpecError: the suite or its data are wrong, or its records have no input.
    """
    path = _suite(reference, cwd or Path.cwd())
    if path is None:
        return None
    suite = load_suite(path)
    data = open_data(suite, spool_of(suite, None))
    rows: list[dict[str, Any]] = []
    for batch in data.batches():
        embeddings = batch.column("embedding") if "embedding" in batch else []
        for at, (name, told) in enumerate(zip(batch.texts("id"), batch.column("input"))):
            row = {"id": name, "input": None if told is None else _asked(told)}
            rows.append(row | ({"embedding": embeddings[at]} if embeddings else {}))
    if all(row["input"] is None for row in rows):
        what = f"the data set of {suite.name} has no input, and nothing else of it is traffic"
        raise SpecError(Problem(str(reference), what, "name the column of questions: dataset: {fields: {input: …}}"))
    return Suited(suite.name, rows)


def _suite(reference: Any, cwd: Path) -> Path | None:
    if not isinstance(reference, (str, Path)):
        return None
    text = str(reference)
    if text.endswith((".yaml", ".yml")):
        return find_suite(text, cwd)
    if ":" in text or "/" in text or "." in text or has_magic(text) or (cwd / text).exists():
        return None  # a log, or a profile
    try:
        return find_suite(text, cwd)
    except SpecError:
        return None  # and reading it as a log says what is wrong


def _asked(told: Any) -> str:
    """A prompt as logs are read: of chat messages, what they say."""
    if isinstance(told, list):
        return "\n".join(as_text(turn.get("content")) if isinstance(turn, dict) else as_text(turn) for turn in told)
    return as_text(told)
