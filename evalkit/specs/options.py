"""The options of a metric or a backend: checked against the fields of its dataclass, then built."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from evalkit.core.content import Document
from evalkit.core.errors import EvalkitError, SpecError, quote
from evalkit.core.member import Member
from evalkit.specs.members import read_members
from evalkit.specs.node import Node, found, one_of, suggest

Read = Callable[[Node, str], Document | None]
Find = Callable[[Node, str], Path | None]

_UNSURE = object()
_KINDS = {
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "path_type": "a path",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping",
    "dataclass_type": "a mapping",
    "mapping_type": "a mapping",
    "none_required": "nothing",
    "is_instance_of": "a mapping",
}


def option_fields(cls: type) -> dict[str, dataclasses.Field[Any]]:
    """The options that a class takes, by name."""
    if not dataclasses.is_dataclass(cls):
        return {}
    return {field.name: field for field in dataclasses.fields(cls) if field.init and not field.name.startswith("_")}


def option_types(cls: type) -> dict[str, Any]:
    """The annotation of every option, evaluated; ``Any`` where a module keeps it to itself."""
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except (NameError, TypeError, AttributeError):  # a name that is imported for type checkers only
        hints = {}
    return {name: hints.get(name, Any) for name in option_fields(cls)}


def holds_document(annotation: Any) -> bool:
    """Whether an option takes a file: `Document`, alone or in a union."""
    return _holds(annotation, Document)


def _holds(annotation: Any, kind: type) -> bool:
    if annotation is kind:
        return True
    if get_origin(annotation) in (Union, types.UnionType, typing.Annotated):
        return any(_holds(inner, kind) for inner in get_args(annotation))
    return False


def build(
    node: Node,
    cls: type,
    options: Mapping[str, Any],
    *,
    called: str,
    read: Read,
    find: Find | None = None,
    preset: Mapping[str, Any] | None = None,
) -> Any | None:
    """An object of ``cls`` with these options, or None after noting every problem with them.

    Args:
        node: where the options stand; an option ``x`` is blamed at ``node.child("x")``.
        called: how messages call the thing, for instance ``rouge``.
        read: fetches the file that an option names.
        find: tells where an option of type `Path` leads, as of `check`.
        preset: options that the name itself sets and a suite may not.
    """
    checked = check(node, cls, options, called=called, read=read, find=find, preset=preset)
    if checked is None:
        return None
    try:
        return cls(**checked)
    except SpecError as error:  # a file that an option names is wrong, and has places of its own
        for problem in error.problems:
            if not problem.where:
                node.fault(f"{_called(node, called)}: {problem.what}", problem.hint)
            elif problem not in node.tree.problems:
                node.tree.problems.append(problem)
    except EvalkitError as error:
        node.fault(f"{_called(node, called)}: {error}")
    except (ValueError, TypeError) as error:
        said = str(error).partition("\n")[0] or type(error).__name__
        node.fault(f"{_called(node, called)}: {said}")
    return None


def check(
    node: Node,
    cls: type,
    options: Mapping[str, Any],
    *,
    called: str,
    read: Read,
    find: Find | None = None,
    preset: Mapping[str, Any] | None = None,
) -> dict[str, Any] | None:
    """The options as the class's fields want them, or None after noting every problem.

    Args:
        find: tells where a file or folder lies that an option of type `Path` names; None takes paths as they are written.
    """
    fields = option_fields(cls)
    hints = option_types(cls)
    open_names = [name for name in fields if name not in (preset or {})]
    checked: dict[str, Any] = dict(preset or {})
    right = True
    for name, value in options.items():
        at = node.child(name)
        if name not in open_names:
            right = False
            hint = suggest(name, open_names) if open_names else "it takes no options"
            at.fault(f"{called} has no option {quote(name)}", hint)
            continue
        annotation = hints[name]
        if value is None and not _takes_none(annotation):
            continue  # `tokenize:` with nothing behind it: the default
        if holds_document(annotation) and isinstance(value, str):
            document = read(at, value)
            right = right and document is not None
            checked[name] = document
            continue
        if annotation == tuple[Member, ...]:
            members = read_members(at, lambda *told: build(*told[:3], called=told[3], read=read))
            right = right and members is not None
            checked[name] = members
            continue
        if find is not None and _holds(annotation, Path) and isinstance(value, str):
            place = find(at, value)
            right = right and place is not None
            checked[name] = place
            continue
        fine, result = validated(at, annotation, value)
        right = right and fine
        checked[name] = result
    for name, field in fields.items():
        absent = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if absent and name not in checked and name not in options:
            right = False
            node.fault(f"{_called(node, called)} lacks the option {quote(name)}", f"add `{name}: …`")
    return checked if right else None


def _called(node: Node, called: str) -> str:
    """``metrics[2] (bleu)``; alone where the options are not part of a suite."""
    return f"{node.label} ({called})" if node.steps else called


def validated(at: Node, annotation: Any, value: Any) -> tuple[bool, Any]:
    """Whether a value fits an annotation, and the value in its type; what does not fit is noted."""
    plain = _plainly(annotation, value)
    if plain is not _UNSURE:
        return True, plain
    from pydantic import PydanticUserError, TypeAdapter, ValidationError
    from pydantic_core import PydanticSerializationError

    try:
        adapter = TypeAdapter(annotation, config={"arbitrary_types_allowed": True, "extra": "forbid"})
    except PydanticUserError:  # a dataclass carries its own configuration
        adapter = TypeAdapter(annotation)
    try:
        # JSON in strict mode: "5" is no number and true is no 1, yet a list may become a tuple and 1 a float.
        return True, adapter.validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        _blame(at, value, error.errors(include_url=False, include_context=True))
        return False, None
    except (TypeError, PydanticSerializationError):  # given in Python, and not JSON
        try:
            return True, adapter.validate_python(value)
        except ValidationError as error:
            _blame(at, value, error.errors(include_url=False, include_context=True))
            return False, None


def _plainly(annotation: Any, value: Any) -> Any:
    """The value in its type where that can be seen without pydantic, whose import costs more than all else here."""
    if annotation is Any or (annotation in (bool, int, str, float, type(None)) and type(value) is annotation):
        return value
    if annotation is float and type(value) is int:
        return float(value)
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal and any(type(value) is type(choice) and value == choice for choice in inner):
        return value
    if origin in (Union, types.UnionType) and type(value) in (bool, int, str, float, type(None)):
        exact = (told for one in inner if one is not float or type(value) is float for told in [_plainly(one, value)])
        return next((told for told in exact if told is not _UNSURE), _UNSURE)
    if origin is tuple and isinstance(value, (list, tuple)) and len(inner) == 2 and inner[1] is Ellipsis:
        items = tuple(_plainly(inner[0], item) for item in value)
        return items if not any(item is _UNSURE for item in items) else _UNSURE
    return _UNSURE


def _blame(at: Node, value: Any, errors: Sequence[Any]) -> None:
    """One problem for one option, however many branches of its type said no."""
    whole = [error for error in errors if error["input"] is value or error["input"] == value]
    if whole and len(whole) == len(errors):
        wanted = list(dict.fromkeys(filter(None, map(_expected, errors))))
        choices = [choice for error in errors for choice in _choices(error)]
        if wanted:
            hint = suggest(value, choices, listed=False) if choices and isinstance(value, str) else None
            at.fault(f"{at.label} wants {' or '.join(wanted)}, and found {found(value)}", hint)
            return
    deepest = max(errors, key=lambda error: len(error["loc"]))
    place = at
    for step in deepest["loc"]:
        told = place.value
        if (isinstance(told, Mapping) and step in told) or (isinstance(told, (list, tuple)) and isinstance(step, int)):
            place = place.child(step)
    wanted_there = _expected(deepest)
    if deepest["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        place.fault(f"{Node(place.tree, place.steps[:-1]).label} has no key {quote(str(deepest['loc'][-1]))}")
    elif deepest["type"] in ("missing", "missing_argument"):
        place.fault(f"{place.label} lacks {quote(str(deepest['loc'][-1]))}")
    elif wanted_there:
        place.fault(f"{place.label} wants {wanted_there}, and found {found(deepest['input'])}")
    else:
        place.fault(f"{place.label}: {deepest['msg'][:1].lower()}{deepest['msg'][1:]}")


def _expected(error: Any) -> str | None:
    kind = error["type"]
    context = error.get("ctx", {})
    choices = _choices(error)
    if choices:
        return one_of(choices)
    limits = {"greater_than": ("gt", "more than"), "less_than": ("lt", "less than")}
    limits |= {"greater_than_equal": ("ge", "at least"), "less_than_equal": ("le", "at most")}
    if kind in limits:
        key, words = limits[kind]
        return f"{words} {context[key]:g}" if isinstance(context[key], (int, float)) else f"{words} {context[key]}"
    return _KINDS.get(kind)


def _choices(error: Any) -> list[str]:
    """The words that a literal type allows."""
    if error["type"] != "literal_error":
        return []
    said = str(error.get("ctx", {}).get("expected", ""))
    return [word.strip().strip("'") for word in said.replace(" or ", ", ").split(",") if word.strip()]


def _takes_none(annotation: Any) -> bool:
    if annotation is None or annotation is type(None) or annotation is Any:
        return True
    return get_origin(annotation) in (Union, types.UnionType) and any(map(_takes_none, get_args(annotation)))
