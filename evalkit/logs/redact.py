"""Personal data taken out of a table's texts, column by column: only texts that may hold some are looked at one by one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from evalkit.logs.messages import decoded, json_text
from evalkit.text import pii

if TYPE_CHECKING:
    import pyarrow as pa

LEFT = ("model", "prompt_version", "variant", "finish_reason", "operation", "provider")  # names that programs give
_LONG = 12  # digits from which a number in JSON is looked at


def redacted(table: pa.Table, salt: bytes = b"") -> tuple[pa.Table, int]:
    """The table with ``[EMAIL]`` and the like in its texts, lists of texts and JSON; and how many cells were changed.

    An id that holds such data becomes a hash of it, with ``salt``, so that rows stay apart.
    """
    import pyarrow as pa

    changed, arrays = 0, []
    for name in table.column_names:
        array = table[name].combine_chunks()
        kind = array.type
        if name not in LEFT and pa.types.is_string(kind):
            array, count = _texts(array, (lambda text: _identity(text, salt)) if name == "id" else _text)
            changed += count
        elif name not in LEFT and pa.types.is_list(kind) and pa.types.is_string(kind.value_type):
            inner, count = _texts(array.flatten(), pii.redact)
            if count:
                lists = iter(inner.to_pylist())
                array = pa.array([None if told is None else [next(lists) for _ in told] for told in array.to_pylist()], kind)
            changed += count
        arrays.append(array)
    return pa.table(dict(zip(table.column_names, arrays))), changed


def _texts(array: Any, replace: Any) -> tuple[Any, int]:
    import pyarrow as pa
    import pyarrow.compute as pc

    suspects = pc.fill_null(pc.match_substring_regex(array, pii.SIGNS), False)
    if not pc.any(suspects).as_py():
        return array, 0
    before = array.filter(suspects).to_pylist()
    after = [replace(text) for text in before]
    count = sum(old != new for old, new in zip(before, after))
    return (pc.replace_with_mask(array, suspects, pa.array(after, array.type)), count) if count else (array, 0)


def _text(text: str) -> str:
    """A text; JSON is looked at value by value, so that it stays JSON."""
    value = decoded(text)
    if isinstance(value, (dict, list)):
        told = _value(value)
        return text if told == value else json_text(told)
    return pii.redact(text)


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return pii.redact(value)
    if isinstance(value, list):
        return [_value(each) for each in value]
    if isinstance(value, dict):
        return {key: _value(each) for key, each in value.items()}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10 ** (_LONG - 1):
        told = pii.redact(str(value))
        return value if told == str(value) else told
    return value


def _identity(text: str, salt: bytes) -> str:
    if pii.redact(text) == text:
        return text
    return "r-" + hashlib.blake2b(text.encode(), key=salt, digest_size=10).hexdigest()
