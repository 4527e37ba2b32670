"""A prompt file: what is sent to a model for a record, as a sandboxed Jinja2 template over the record's columns."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jinja2
import msgspec
from jinja2.sandbox import ImmutableSandboxedEnvironment

from evalkit.core.errors import EvalkitError, Problem, nearest, quote

RECORD = "record"  # the whole record, for columns whose names are no names in a template
_GLOBALS = ("range", "dict", "namespace", "cycler", "joiner")


class Unrendered(EvalkitError, ValueError):
    """A prompt could not be made of a record; ``place`` is the line of the prompt file."""

    def __init__(self, place: str, what: str) -> None:
        self.place, self.what = place, what
        super().__init__(f"{place}: {what}")


class Null(jinja2.StrictUndefined):
    """A column that is null in this record: false in a condition, absent for ``default``, an error where it is written."""

    def __bool__(self) -> bool:  # type: ignore[override]
        return False


@dataclass(frozen=True)
class Template:
    """A prompt, ready to be made of records.

    Attributes:
        source: the file, as messages name it.
        text: the whole file, and those that it includes behind it: what a run stores.
        sha256: of that.
        columns: those that it cannot do without → the line that asks for each first.
        known: all that it mentions.
        turns: the column whose chat messages stand before the file's own text.
        examples: few-shot turns, rendered.
    """

    name: str
    version: str
    source: str
    text: str
    sha256: str
    columns: Mapping[str, str]
    known: frozenset[str] = frozenset()
    turns: str | None = None
    examples: tuple[Mapping[str, str], ...] = ()
    _system: jinja2.Template | None = field(default=None, repr=False, compare=False)
    _user: jinja2.Template | None = field(default=None, repr=False, compare=False)

    @property
    def label(self) -> str:
        """The prompt and its version, as the column ``prompt_version`` has it: ``answer:3``."""
        return f"{self.name}:{self.version}"

    def messages(self, record: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        """The chat messages for a record: system, examples, the record's own turns, the text.

        Raises:
            Unrendered: a value is null, or the template fails on this record.
        """
        told: list[dict[str, Any]] = []
        system = self._rendered(self._system, record)
        if system:
            told.append({"role": "system", "content": system})
        told += [dict(turn) for turn in self.examples]
        if self.turns is not None:
            told += self._turns(record.get(self.turns))
        user = self._rendered(self._user, record)
        if user:
            told.append({"role": "user", "content": user})
        if not any(turn["role"] != "system" for turn in told[1 if system else 0 :]):
            raise Unrendered(self.source, "nothing came out of it for this record")
        return tuple(told)

    def _turns(self, value: Any) -> list[dict[str, Any]]:
        if value is None:
            raise Unrendered(self.source, f"{self.turns} is null in this record")
        if isinstance(value, list):
            return [dict(turn) for turn in value]
        return [{"role": "user", "content": str(value)}]

    def _rendered(self, template: jinja2.Template | None, record: Mapping[str, Any]) -> str:
        if template is None:
            return ""
        return rendered(template, self.source, self.known, record)


def rendered(template: jinja2.Template, source: str, known: frozenset[str], record: Mapping[str, Any]) -> str:
    """A template's text for one record, without white space around it.

    Raises:
        Unrendered: with the line where it happened.
    """
    names = {**record, **dict.fromkeys(known - record.keys() - {RECORD})}
    values = {name: Null(f"{name} is null in this record") if value is None else value for name, value in names.items()}
    try:
        return template.render({RECORD: values, **values}).strip()
    except Exception as error:  # whatever a template may do wrong
        what = str(error) or type(error).__name__
        if isinstance(error, jinja2.TemplateError):
            what = str(error.message)
        elif not isinstance(error, _NullInside):
            what = f"{type(error).__name__}: {what}"
        raise Unrendered(_place(error, source), what) from error


def plain_input() -> Template:
    """The prompt of a suite that names none: the record's ``input``, as it is."""
    sha256 = hashlib.sha256(b"input").hexdigest()
    return Template("input", "1", "generate.prompts", "{{ input }}", sha256, {"input": "generate"}, turns="input")


def unknown_columns(template: Template, columns: Sequence[str], data: str) -> list[Problem]:
    """What a prompt asks of every record and no record has."""
    problems = []
    for name, where in template.columns.items():
        if name not in columns:
            close = nearest(name, columns)
            hint = f"did you mean {quote(close)}?" if close else f"it has {', '.join(list(columns)[:8])}"
            problems.append(Problem(where, f"no record of {data} has the column {quote(name)}", hint))
    return problems


def environment(loader: jinja2.BaseLoader) -> ImmutableSandboxedEnvironment:
    """Where prompts are compiled: a sandbox without files, in which what is not there is an error."""
    made = ImmutableSandboxedEnvironment(
        loader=loader,
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=_written,
    )
    made.globals = {name: made.globals[name] for name in _GLOBALS}
    made.filters["tojson"] = _json
    made.tests["none"] = lambda value: value is None or isinstance(value, Null)
    return made


class _NullInside(ValueError):
    """A null that stands inside of a column's value."""


def _written(value: Any) -> Any:
    """A value as a template writes it: chat messages as ``role: content`` lines, other lists and objects as JSON."""
    if isinstance(value, (str, int, float, jinja2.Undefined)) and not isinstance(value, bool):
        return value
    if value is None:
        raise _NullInside("a value that is null is written here")
    if isinstance(value, list) and value and all(isinstance(turn, dict) and "role" in turn for turn in value):
        return "\n".join(f"{turn['role']}: {turn.get('content') or ''}" for turn in value)
    return _json(value) if isinstance(value, (bool, list, tuple, dict)) else str(value)


def _json(value: Any) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()


def _place(error: BaseException, source: str) -> str:
    """The line of a template where an error came up; of those that it went through, the innermost that is a template's."""
    found, trace = source, error.__traceback__
    while trace is not None:
        if "__jinja_exception__" in trace.tb_frame.f_globals:  # Jinja's own way to say where in a template
            found = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found
