"""The ``variants:`` of a suite: data of several retrievers, chunkers or prompts, each scored as a run of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from evalkit.core.errors import quote
from evalkit.specs.dataset import read_fields, read_files
from evalkit.specs.generate import variant_named
from evalkit.specs.node import Node

if TYPE_CHECKING:
    from evalkit.specs.home import Home
    from evalkit.specs.suite import DatasetSpec

KEYS = ("path", "fields")
_NAME = re.compile(r"\w[\w.@+-]{0,79}\Z")  # it becomes a folder's name under --out
_EXAMPLE = "for instance {bm25: {fields: {contexts: bm25_contexts}}, dense: {path: runs/dense.jsonl}}"


@dataclass(frozen=True)
class DataVariant:
    """The suite's records as one of several systems left them."""

    name: str
    dataset: DatasetSpec
    line: int = 0


def spread(node: Node) -> None:
    """Write ``dense: runs/dense.jsonl`` in its long form, ``{path: …}``."""
    told = node.value.get("variants") if isinstance(node.value, Mapping) else None
    for name, value in told.items() if isinstance(told, Mapping) else ():
        if isinstance(value, str):
            node.tree.places[("variants", name, "path")] = node.tree.place(("variants", name))
            told[name] = {"path": value}  # type: ignore[index]


def read_variants(top: Node, dataset: DatasetSpec | None, home: Home) -> tuple[DataVariant, ...]:
    """The variants with their files found, the control first; none where the suite has none, or after noting a problem.

    Args:
        dataset: the suite's own, of which a variant has everything that it does not say otherwise.
    """
    node, control = top.get("variants"), top.get("control")
    if node is None:
        if control is not None:
            control.fault("control is one of `variants`, and the suite has none", f"add `variants`, {_EXAMPLE}")
        return ()
    if not node.mapping(expected=f"a mapping of names to data, {_EXAMPLE}"):
        return ()
    if top.get("generate") is not None:
        hint = "generate first, and give the runs' generated.jsonl as variants; or make the prompts variants under `generate`"
        node.fault("variants and generate are both there, and each says what the runs are of", hint)
    if dataset is not None and dataset.path == "-":
        node.fault("variants read the data once each, and stdin can be read once", "save it to a file")
    found = [variant for entry in node.items() if (variant := _variant(entry, dataset, home)) is not None]
    if len(node.value) < 2:
        node.fault(f"{node.label} names {'one' if node.value else 'none'}, and a comparison takes two", _EXAMPLE)
    for place, variant in enumerate(found):
        same = next((other for other in found[:place] if _same(other.dataset, variant.dataset)), None)
        if same is not None:
            what = f"{node.label}: {quote(same.name)} and {quote(variant.name)} are the same data"
            node.child(variant.name).fault(what, "give one of them another `path`, or other `fields`")
    first = variant_named(control, [str(name) for name in node.value]) if control is not None else None
    return tuple(sorted(found, key=lambda variant: variant.name != first)) if first is not None else tuple(found)


def _variant(entry: Node, dataset: DatasetSpec | None, home: Home) -> DataVariant | None:
    from evalkit.specs.suite import DatasetSpec

    name = str(entry.steps[-1])
    if not _NAME.match(name):
        what = f"a variant's name wants letters, digits and . _ - @ + (it becomes a folder's), and found {quote(name)}"
        entry.fault(what, "call it something else")
    if not entry.mapping(KEYS, "a path, or a mapping such as {fields: {contexts: bm25_contexts}}"):
        return None
    made = dataset if dataset is not None else DatasetSpec("")
    path = entry.get("path")
    if path is not None:
        told, files = read_files(path, home)
        if told == "-":
            path.fault(f"{path.label}: stdin can be read once, and not by a variant", "save it to a file")
        made = replace(made, path=told or "", files=files)
    elif dataset is None:
        entry.fault(f"{entry.label} lacks `path`, as the suite has no `dataset`", "add the data file")
    fields = {**made.fields, **read_fields(entry.get("fields"))}
    return DataVariant(name, replace(made, fields=fields, line=entry.line), entry.line)


def _same(one: DatasetSpec, other: DatasetSpec) -> bool:
    return bool(one.path) and (one.path, one.files, one.fields) == (other.path, other.files, other.fields)


def schema(path: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON Schema of ``variants:``, for editors; of the two keys of a variant as ``dataset`` has them."""
    text = {"type": "string", "minLength": 1}
    variant = {"type": "object", "properties": {"path": dict(path), "fields": dict(fields)}, "additionalProperties": False}
    each = {"if": {"type": "string"}, "then": text, "else": variant}
    return {"type": "object", "minProperties": 2, "additionalProperties": each}
