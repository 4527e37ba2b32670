"""Checking the values of a canonical column, and giving them the one form that the rest of evalkit sees.

Nothing is guessed and nothing is lost: a number or a bool in a text column becomes its JSON text, a CSV cell of a
number, bool or list column is parsed, and everything else either has the column's type or is reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec

from evalkit.core.errors import quote
from evalkit.records.canonical import COLUMNS

NoneType = type(None)


class Unfit(ValueError):
    """A value that its column cannot hold: ``must`` says what it holds, ``hint`` the way out, ``found`` what is wrong."""

    def __init__(self, must: str, hint: str | None = None, found: str | None = None) -> None:
        self.must, self.hint, self.found = must, hint, found
        super().__init__(must)


@dataclass(frozen=True)
class Wrong:
    """A value that was refused: its place in the column, and what to say about it."""

    index: int
    what: str
    hint: str | None


def convert(name: str, values: Sequence[Any], *, cells: bool = False, told: str = "") -> tuple[Sequence[Any], list[Wrong]]:
    """The values of column ``name`` in their canonical form, and those that have none (``None`` stands in for them).

    Args:
        values: one per record, ``None`` where absent; strings only when ``cells``.
        cells: the values are CSV cells, so numbers, bools and lists are still to be parsed.
        told: how to name the column in messages, when the file calls it otherwise.

    A column that is not canonical comes back as it is.
    """
    column = COLUMNS.get(name)
    if column is None:
        return values, []
    kinds = set(map(type, values))
    if kinds <= {NoneType}:
        return values, []
    if _is_canonical(column.kind, kinds, values, cells):
        return values, []
    one = _CELL.get(column.kind, _VALUE[column.kind]) if cells else _VALUE[column.kind]
    converted: list[Any] = []
    wrong: list[Wrong] = []
    for index, value in enumerate(values):
        try:
            converted.append(None if value is None else one(value))
        except Unfit as unfit:
            converted.append(None)
            wrong.append(Wrong(index, f"{told or name} {unfit.must}, not {unfit.found or describe(value)}", unfit.hint))
    return converted, wrong


def describe(value: Any) -> str:
    """A refused value in a few words."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value!r}"
    if isinstance(value, str):
        return "an empty text" if not value else f"the text {quote(value, 40)}"
    if isinstance(value, (list, tuple)):
        odd = [item for item in value if not isinstance(item, str)]
        return f"a list that holds {describe(odd[0])}" if odd else "a list"
    if isinstance(value, dict):
        return "an object"
    return "null" if value is None else f"a {type(value).__name__}"


def json_text(value: Any) -> str:
    """A scalar as JSON writes it: ``42``, ``0.5``, ``true``."""
    return msgspec.json.encode(value).decode()


# --- is a whole column fine as it stands? ----------------------------------------------------------------------------

_FINE: dict[str, set[type]] = {
    "id": set(),  # an id may not be empty, and that is looked at one by one unless all are plain
    "text": {str, NoneType},
    "prompt": {str, NoneType},
    "answers": {str, NoneType},
    "truth": {bool, NoneType},
    "number": {int, NoneType},
    "time": {str, int, NoneType},
}


def _is_canonical(kind: str, kinds: set[type], values: Sequence[Any], cells: bool) -> bool:
    if kind == "id":
        return kinds <= {str, NoneType} and "" not in values
    if kind in ("passages", "names", "grades"):
        return kinds <= {list, NoneType} and set(map(type, _items(values))) <= {str}
    if kind == "answers" and list in kinds and not cells:
        return kinds <= {str, list, NoneType} and set(map(type, _items(value for value in values if type(value) is list))) <= {
            str
        }
    if kind == "number" and kinds <= {int, float, NoneType}:
        return float not in kinds or all(math.isfinite(value) for value in values if value is not None)
    if kind in ("prompt", "answers") and cells:
        return not any(value is not None and value.lstrip().startswith("[") for value in values)
    return not (cells and kind == "time") and kinds <= _FINE.get(kind, set())


def _items(lists: Iterable[Any]) -> Iterable[Any]:
    return chain.from_iterable(value for value in lists if value)


# --- one value -------------------------------------------------------------------------------------------------------


def _id(value: Any) -> str:
    if isinstance(value, str):
        if not value:
            raise Unfit("must be a text that is not empty", "leave the field out, and an id is derived from the content")
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise Unfit("must be a text or a whole number")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int, float)):
        return json_text(value)
    if isinstance(value, list):
        raise Unfit("must be a text", "several texts per record belong into `samples`, `contexts` or `reference`")
    raise Unfit("must be a text", "name the field that holds the text in `fields:`")


def _prompt(value: Any) -> Any:
    if isinstance(value, list):
        if is_messages(value):
            return value
        raise Unfit("must be a text or a list of chat messages", 'a message is {"role": "user", "content": "…"}')
    return _text(value)


def is_messages(value: Any) -> bool:
    """Whether a list holds chat messages: objects with a role."""
    return bool(value) and all(isinstance(turn, dict) and isinstance(turn.get("role"), str) for turn in value)


def _answers(value: Any) -> Any:
    if isinstance(value, list):
        if not all(isinstance(item, (str, bool, int, float)) for item in value):
            raise Unfit("must be a text or a list of texts")
        return [_text(item) for item in value]
    if isinstance(value, dict):
        raise Unfit("must be a text or a list of texts", "name the field that holds the text in `fields:`")
    return _text(value)


def _passages(value: Any) -> list[str]:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    if isinstance(value, str):
        raise Unfit("must be a list of texts", 'write ["…"], even for a single one')
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        raise Unfit("must be a list of texts", "keep only the text of each passage")
    raise Unfit("must be a list of texts")


def _names(value: Any) -> list[str]:
    if isinstance(value, list) and all(isinstance(item, (str, int)) and not isinstance(item, bool) for item in value):
        return [str(item) for item in value]
    if isinstance(value, str):
        raise Unfit("must be a list of texts", 'write ["…"], even for a single one')
    raise Unfit("must be a list of texts")


def _grades(value: Any) -> Any:
    if isinstance(value, dict):
        for key, grade in value.items():
            if isinstance(grade, bool) or not isinstance(grade, (int, float)) or not math.isfinite(grade):
                found = f"{describe(grade)} (of {quote(key)})"
                raise Unfit("must give each id a number as its grade", 'write {"doc-1": 2, "doc-2": 1}', found)
        return {str(key): grade for key, grade in value.items()}
    try:
        return _names(value)
    except Unfit:
        raise Unfit("must be a list of ids or an object {id: grade}", 'write ["doc-1"] or {"doc-1": 2}') from None


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise Unfit("must be true or false")


def _number(value: Any) -> int | float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return value
    raise Unfit("must be a number", "write it without quotes" if isinstance(value, str) and _is_number(value) else None)


def _feedback(value: Any) -> int:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value in (-1, 0, 1):
        return int(value)
    raise Unfit("must be -1, 0 or 1")


def _time(value: Any) -> Any:
    if isinstance(value, str) or (isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)):
        return value
    raise Unfit("must be an ISO 8601 text or seconds since 1970")


def _vector(value: Any) -> list[float]:
    if isinstance(value, list) and set(map(type, value)) <= {int, float} and all(map(math.isfinite, value)):
        return value
    odd = (
        [item for item in value if not isinstance(item, (int, float)) or isinstance(item, bool)]
        if isinstance(value, list)
        else []
    )
    raise Unfit("must be a list of numbers", found=f"a list that holds {describe(odd[0])}" if odd else None)


_VALUE: dict[str, Callable[[Any], Any]] = {
    "id": _id, "text": _text, "prompt": _prompt, "answers": _answers, "passages": _passages, "names": _names,
    "grades": _grades, "truth": _truth, "number": _number, "feedback": _feedback, "time": _time, "vector": _vector,
}  # fmt: skip


# --- one CSV cell ----------------------------------------------------------------------------------------------------


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _json_cell(cell: str) -> Any:
    try:
        return msgspec.json.decode(cell)
    except (msgspec.DecodeError, RecursionError):
        return cell


def _from_json(then: Callable[[Any], Any]) -> Callable[[str], Any]:
    def parse(cell: str) -> Any:
        try:
            return then(_json_cell(cell))
        except Unfit as unfit:
            hint = 'write the cell as JSON: ["…", "…"]' if unfit.hint is None or "[" not in unfit.hint else unfit.hint
            raise Unfit(unfit.must, hint, unfit.found) from None

    return parse


def _prompt_cell(cell: str) -> Any:
    if cell.lstrip().startswith("["):
        value = _json_cell(cell)
        if isinstance(value, list) and is_messages(value):
            return value
    return cell


def _answers_cell(cell: str) -> Any:
    if cell.lstrip().startswith("["):
        value = _json_cell(cell)
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return value
    return cell


def _truth_cell(cell: str) -> bool:
    told = {"true": True, "1": True, "false": False, "0": False}.get(cell.strip().lower())
    if told is None:
        raise Unfit("must be true or false", "an absent value is an empty cell")
    return told


def _number_cell(cell: str) -> int | float:
    try:
        return int(cell)
    except ValueError:
        if _is_number(cell):
            return float(cell)
    raise Unfit("must be a number", "an absent value is an empty cell, and decimals take a point") from None


def _feedback_cell(cell: str) -> int:
    try:
        return _feedback(_number_cell(cell))
    except Unfit:
        raise Unfit("must be -1, 0 or 1", "an absent value is an empty cell") from None


def _time_cell(cell: str) -> Any:
    return _number_cell(cell) if _is_number(cell) else cell


_CELL: dict[str, Callable[[str], Any]] = {
    "prompt": _prompt_cell, "answers": _answers_cell, "passages": _from_json(_passages), "names": _from_json(_names),
    "grades": _from_json(_grades), "truth": _truth_cell, "number": _number_cell, "feedback": _feedback_cell,
    "time": _time_cell, "vector": _from_json(_vector),
}  # fmt: skip
