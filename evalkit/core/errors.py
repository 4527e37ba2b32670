"""Errors that users meet: each names the thing, the problem and the way out.

EvalkitError
├── SpecError           a suite, its data or its options are wrong (all problems at once)
├── UnknownName         a plugin, run or part that does not exist
├── DuplicatePlugin     two owners of one plugin name
├── MissingExtra        an optional package is needed
├── StoreError          the store cannot be read or written
├── NotDelivered        an alert did not arrive (`core.sink`)
├── BackendError        a model gave no usable reply: an error of one record
│   ├── Retryable       it may when asked again
│   └── Malformed       it replied, and the reply cannot be used
├── BackendRefused      no request to this backend can work: the run ends
├── BudgetSpent         the run's budget is used up: it can go on with a larger one
└── Resumable           the run was stopped and can go on
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

# What json leaves as it is and a terminal obeys: more controls, direction overrides, halves of characters.
_UNSEEN = re.compile("[\x7f-\x9f\u200e\u200f\u061c\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]")

LONGEST_NAME = 200


def quote(text: object, limit: int = 60) -> str:
    """Text in double quotes, as messages show a name or a value: controls spelled, long text cut."""
    told = str(text)
    told = json.dumps(told if len(told) <= limit else told[: limit - 1] + "…", ensure_ascii=False)
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", told)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one known name that is close enough to ``name`` to suggest, if any; case does not count."""
    if len(name) > LONGEST_NAME:  # comparing takes the square of the length, and nobody mistypes such a name
        return None
    by_fold = {each.casefold(): each for each in reversed(list(known)) if len(each) <= LONGEST_NAME}
    close = get_close_matches(name.casefold(), by_fold, n=1)
    return by_fold[close[0]] if close else None


class EvalkitError(Exception):
    """Everything evalkit raises on purpose; its text is fit to show to a user as it is."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a file: where, what, and the nearest right thing."""

    where: str  # "suites/x.yaml:12", "data.jsonl:17", or a bare path
    what: str
    hint: str | None = None

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return (f"{text}; {self.hint}" if self.hint else text).removesuffix(".")


class SpecError(EvalkitError, ValueError):
    """A suite, its data or its options are wrong; nothing was scored."""

    def __init__(self, problems: Sequence[Problem] | Problem | str) -> None:
        if isinstance(problems, str):
            problems = Problem("", problems)
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class UnknownName(EvalkitError, LookupError):
    """A suite or a caller named something that nothing defines."""

    def __init__(self, kind: str, name: str, known: Iterable[str], see: str | None = None) -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        close = nearest(name, self.known)
        self.hint = f"did you mean {quote(close)}?" if close else f"see `{see or f'evalkit list {kind}s'}`"
        super().__init__(f"no {kind} is called {quote(name)}; {self.hint}")


class DuplicatePlugin(EvalkitError, ValueError):
    """Two owners registered the same name."""

    def __init__(self, kind: str, name: str, first: str, second: str) -> None:
        self.kind, self.name, self.first, self.second = kind, name, first, second
        super().__init__(f"the {kind} {quote(name)} is registered twice, by {first} and by {second}; rename one of them")


class MissingExtra(EvalkitError, ImportError):
    """An optional package is needed for what was asked."""

    def __init__(self, wanted_by: str, package: str, extra: str) -> None:
        self.wanted_by, self.package, self.extra = wanted_by, package, extra
        super().__init__(f"{wanted_by} needs the package {quote(package)}; install it with `pip install 'evalkit[{extra}]'`")


class StoreError(EvalkitError, OSError):
    """The store or a report could not be read or written."""

    incomplete = False  # whether a run had begun, and what it finished is kept


class BackendError(EvalkitError, RuntimeError):
    """A model backend gave no usable reply."""


class Retryable(BackendError):
    """A request failed in a way that may pass: a timeout, a lost connection, too many requests, a server's own error.

    Args:
        kind: one word for counts in reports: ``timeout``, ``429``, ``500``, ``connection``.
        after_s: how long the server asks to wait, if it does.
    """

    def __init__(self, message: str, kind: str, after_s: float | None = None) -> None:
        self.kind, self.after_s = kind, after_s
        super().__init__(message)


class Malformed(BackendError):
    """A reply came, and is not what was asked for: cut off, no JSON, against its schema, no score in it."""


class BackendRefused(EvalkitError, RuntimeError):
    """A backend that can answer nothing: a wrong key, an unknown model, nobody listening."""

    incomplete = False  # whether anything was answered before

    def after(self, done: int, total: int) -> BackendRefused:
        """The same, with how far the run came and how it goes on."""
        self.incomplete = done > 0
        if self.incomplete:
            what = f"{self}; {done:,} of {total:,} records were answered and are kept"
            self.args = (f"{what}. Run the same command again to go on",)
        return self


class BudgetSpent(EvalkitError):
    """The run's budget of calls or money is used up; what was answered is kept."""

    incomplete = True

    def __init__(self, what: str, limit: float, key: str) -> None:
        self.what, self.limit, self.key = what, limit, key
        super().__init__(f"the budget of {limit:,g} {what} is spent")

    def after(self, done: int, total: int) -> BudgetSpent:
        """The same, with how far the run came and how it goes on."""
        told = (
            f"{self} after {done:,} of {total:,} records; what was answered is kept. "
            f"Raise `budget: {{{self.key}: …}}` and run the same command again"
        )
        self.args = (told,)
        return self


class Resumable(EvalkitError):
    """A run was interrupted; what it had measured is kept."""

    def __init__(self, run_id: str, done: int, total: int, command: str) -> None:
        self.run_id, self.done, self.total, self.command = run_id, done, total, command
        super().__init__(f"interrupted after {done:,} of {total:,} records; the finished ones are kept. Go on with: {command}")
