"""Recorded replies: read from a file of JSON lines, or from the calls of a run, and found again by what was asked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from evalkit.core.asking import Reply, Request, Token
from evalkit.core.errors import BackendError, Problem, SpecError, nearest, quote
from evalkit.core.signature import canonical

MOST_PROBLEMS = 20  # told at once
CALLS = "calls.parquet"  # of a run
_HINT = 'a line is {"key": …, "metric": …, "id": …, "call": …, "repeat": 0, "text": …, "model": …}'
_COLUMNS = ("key", "metric", "id", "call", "repeat", "text", "error", "model", "logprobs", "prompt_tokens", "completion_tokens")


class Name(NamedTuple):
    """Who asked: what a reply is found by when its request has changed."""

    metric: str
    id: str
    call: str
    repeat: int


class Used(msgspec.Struct):
    """Tokens that the recorded call took."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class Line(msgspec.Struct):
    """One recorded reply, as a file holds it."""

    text: str
    key: str | None = None  # sha256 of the request
    metric: str = ""
    id: str = ""
    call: str = ""
    repeat: int = 0
    logprobs: list[tuple[str, float, list[tuple[str, float]]]] | None = None
    usage: Used = msgspec.field(default_factory=Used)
    model: str | None = None

    @property
    def name(self) -> Name | None:
        """None where it was not recorded: a reply without one is found by its key alone."""
        return Name(self.metric, self.id, self.call, self.repeat) if self.metric and self.id else None

    def reply(self) -> Reply:
        """The reply, as a backend gives it."""
        return Reply(
            self.text,
            tuple(Token(text, logprob, tuple(top)) for text, logprob, top in self.logprobs or ()),
            prompt_tokens=self.usage.prompt_tokens,
            completion_tokens=self.usage.completion_tokens,
            model=self.model or "",
        )


@dataclass(frozen=True)
class Tape:
    """All replies of a recording.

    Attributes:
        sha256: of the file.
        twice: names under which different requests were recorded; they tell nothing, only keys do.
    """

    source: str
    sha256: str
    lines: tuple[Line, ...]
    by_key: dict[str, list[Line]] = field(default_factory=dict)
    by_name: dict[Name, Line] = field(default_factory=dict)
    twice: frozenset[Name] = frozenset()

    @property
    def models(self) -> tuple[str, ...]:
        """The models that replied, by name."""
        return tuple(sorted({line.model for line in self.lines if line.model}))

    def find(self, request: Request) -> tuple[Line, bool]:
        """The reply to a request, and whether it was recorded for this very request (or nobody can say).

        Raises:
            BackendError: there is none.
        """
        key = hashlib.sha256(canonical(request.content())).hexdigest()
        origin = request.origin
        name = Name(origin.metric, origin.record, origin.call, request.repeat) if origin is not None else None
        held = self.by_key.get(key)
        if held is not None:
            return next((line for line in held if line.name == name), held[0]), True
        line = self.by_name.get(name) if name is not None else None
        if line is not None:
            return line, line.key is None
        raise BackendError(self._missing(name))

    def _missing(self, name: Name | None) -> str:
        if name is None or not name.id:
            return f"{self.source} has no reply to this request; record it with `evalkit run --record FILE`"
        what = f"{self.source} has no reply to {_told(name)}"
        if name in self.twice:
            return f"{what}: what was recorded under this name answers several requests, and this is none of them"
        return f"{what}; record it with `evalkit run --record FILE`"


def tape_of_file(path: Path, model: str = "") -> Tape:
    """The replies of a file of JSON lines; with ``model``, those of that model alone.

    Raises:
        SpecError: every line that is no reply, at most 20 in words.
    """
    try:
        stamp = path.stat()
        return _of_file(path, model, stamp.st_mtime_ns, stamp.st_size)
    except OSError as error:
        raise _unreadable(path, error) from error


def tape_of_run(folder: Path, model: str = "") -> Tape:
    """The replies that a finished run got, from its own record of every call.

    Raises:
        SpecError: the run has no such record, or it cannot be read.
    """
    path = folder / CALLS
    if not path.is_file():
        what = "no run that asked a model has written here" if folder.is_dir() else "there is no such folder"
        raise SpecError(Problem(str(folder), what, f"name the folder of a finished run: it holds {CALLS}"))
    try:
        stamp = path.stat()
        return _of_run(path, model, stamp.st_mtime_ns, stamp.st_size)
    except OSError as error:
        raise _unreadable(path, error) from error


@lru_cache(maxsize=4)
def _of_file(path: Path, model: str, _changed: int, _size: int) -> Tape:
    """Read once, though a suite is checked before it runs."""
    digest, problems, lines = hashlib.sha256(), list[Problem](), list[tuple[str, Line]]()
    decoder = msgspec.json.Decoder(Line)
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            digest.update(raw)
            told = raw.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else raw.strip()
            if not told:
                continue
            try:
                line = decoder.decode(told)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                said = str(error).removesuffix(" - at `$`")
                problems.append(Problem(f"{path}:{number}", f"this is no recorded reply ({said})", _HINT))
            else:
                lines.append((f"{path}:{number}", line))
    return _tape(path, digest.hexdigest(), lines, problems, model)


@lru_cache(maxsize=4)
def _of_run(path: Path, model: str, _changed: int, _size: int) -> Tape:
    try:
        lines = [(f"{path}: call {number:,}", line) for number, line in enumerate(_calls(path), 1) if line is not None]
    except OSError:
        raise
    except Exception as error:  # whatever pyarrow or a decoder says of a file that evalkit did not write
        said = str(error).partition("\n")[0]
        raise SpecError(Problem(str(path), f"this is no record of a run's calls ({said})")) from error
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return _tape(path, sha256, lines, [], model)


def _calls(path: Path) -> Iterator[Line | None]:
    """Every call; None where there was no usable reply."""
    import pyarrow.parquet as pq

    tokens = msgspec.json.Decoder(list[tuple[str, float, list[tuple[str, float]]]])
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            for call in file.read_row_group(group, columns=list(_COLUMNS)).to_pylist():
                yield _call(call, tokens)


def _call(call: dict[str, Any], tokens: msgspec.json.Decoder[Any]) -> Line | None:
    if call["text"] is None or call["error"] is not None:
        return None
    return Line(
        call["text"],
        call["key"],
        call["metric"] or "",
        call["id"] or "",
        call["call"] or "",
        int(call["repeat"]),
        tokens.decode(call["logprobs"]) if call["logprobs"] is not None else None,
        Used(int(call["prompt_tokens"]), int(call["completion_tokens"])),
        call["model"],
    )


def _tape(path: Path, sha256: str, told: list[tuple[str, Line]], problems: list[Problem], model: str) -> Tape:
    """The replies by key and by name.

    Raises:
        SpecError: what was found wrong before, replies without a name or a key, and those that contradict each other.
    """
    known = sorted({line.model for _, line in told if line.model})
    if model and model not in known and not problems:
        close = nearest(model, known)
        hint = f"did you mean {quote(close)}?" if close else f"it holds those of {', '.join(known)}" if known else None
        raise SpecError(Problem(str(path), f"there is no reply of the model {quote(model)}", hint))
    kept = [(where, line) for where, line in told if not model or line.model == model]
    if not kept and not problems:
        raise SpecError(Problem(str(path), "there are no replies in it", "record some with `evalkit run --record FILE`"))
    by_key: dict[str, list[Line]] = {}
    by_name: dict[Name, tuple[str, Line]] = {}
    twice: set[Name] = set()
    for where, line in kept:
        name = line.name
        if line.key is None and name is None:
            problems.append(Problem(where, "a reply needs a `key`, or a `metric` and an `id`: else nothing asks for it", _HINT))
            continue
        if line.key is not None:
            same = by_key.setdefault(line.key, [])
            if same and same[0].model != line.model:
                models = f"{quote(same[0].model or '')} and {quote(line.model or '')}"
                problems.append(Problem(where, f"{models} both answer this request", "choose one with `model:`"))
                continue
            same.append(line)
        if name is None:
            continue
        first, earlier = by_name.setdefault(name, (where, line))
        if earlier.key == line.key and earlier.text != line.text:
            problems.append(Problem(where, f"another reply to {_told(name)} stands at {first}", "keep one of them"))
        elif earlier.key != line.key:
            twice.add(name)
    if problems:
        more = len(problems) - MOST_PROBLEMS
        rest = [Problem(str(path), f"and {more:,} more lines are wrong")] if more > 0 else []
        raise SpecError([*problems[:MOST_PROBLEMS], *rest])
    names = {name: line for name, (_, line) in by_name.items() if name not in twice}
    return Tape(path.name, sha256, tuple(line for _, line in kept), by_key, names, frozenset(twice))


def _told(name: Name) -> str:
    draw = f", draw {name.repeat}" if name.repeat else ""
    call = f", call {quote(name.call)}" if name.call else ""
    return f"{name.metric}, record {quote(name.id)}{call}{draw}"


def _unreadable(path: Path, error: OSError) -> SpecError:
    if isinstance(error, FileNotFoundError):
        return SpecError(Problem(str(path), "there is no such file", "`evalkit run --record FILE` writes one"))
    return SpecError(Problem(str(path), f"this file cannot be read ({error.strerror or error})"))
