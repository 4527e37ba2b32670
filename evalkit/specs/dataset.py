"""The ``dataset:`` of a suite: which files, which columns, how many records."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from glob import has_magic
from pathlib import Path

from evalkit.core.errors import quote
from evalkit.specs.home import Home
from evalkit.specs.mutate import read_mutate
from evalkit.specs.node import Node
from evalkit.specs.suite import DatasetSpec
from evalkit.specs.tree import Tree

KEYS = ("path", "fields", "limit", "shuffle", "mutate")
# Columns of texts and rankings: as a *value* of `fields`, one of them betrays that the mapping is the wrong way round.
_TEXTS = ("input", "output", "reference", "contexts", "reference_contexts", "retrieved_ids", "relevant_ids", "samples")


def spread(tree: Tree) -> None:
    """Write ``dataset: data.jsonl`` in its long form."""
    if isinstance(tree.value, Mapping) and isinstance(tree.value.get("dataset"), str):
        tree.places[("dataset", "path")] = tree.place(("dataset",))
        tree.value["dataset"] = {"path": tree.value["dataset"]}  # type: ignore[index]


def read_dataset(node: Node, home: Home) -> DatasetSpec | None:
    """The data set with its files found."""
    if not node.mapping(KEYS, "a file's path, or a mapping such as {path: data.jsonl}"):
        return None
    path_node = node.get("path")
    path = None
    files: tuple[Path, ...] = ()
    if path_node is None:
        node.fault(f"{node.label} lacks `path`", 'add the data file, a pattern, "-" or hf:NAME.')
    else:
        path, files = read_files(path_node, home)
    limit, shuffle = node.get("limit"), node.get("shuffle")
    return DatasetSpec(
        path=path or "",
        files=files,
        fields=read_fields(node.get("fields")),
        limit=limit.whole(least=1) if limit is not None else None,
        shuffle=shuffle.whole(least=0) if shuffle is not None else None,
        line=node.line,
        mutate=read_mutate(node.get("mutate")),
    )


def read_files(node: Node, home: Home) -> tuple[str | None, tuple[Path, ...]]:
    """A path as written, and the files that it leads to: none of "-" and "hf:", nor after a problem was noted."""
    path = node.text("a path")
    if path == "hf:":
        node.fault(f"{node.label} names no data set after hf:", "write hf:NAME")
    elif path is not None and path != "-" and not path.startswith("hf:"):
        return path, _files(node, path, home)
    return path, ()


def _files(node: Node, path: str, home: Home) -> tuple[Path, ...]:
    if has_magic(path) and not home.exists(path):
        return home.glob(node, path)
    file = home.find(node, path, "data file")
    return () if file is None else (file,)


def read_fields(node: Node | None) -> dict[str, str]:
    """Canonical column → the file's own name for it; other keys rename metadata."""
    from evalkit.records.canonical import COLUMNS

    if node is None or not node.mapping(
        expected="a mapping of columns to the file's own names, for instance {output: summary}"
    ):
        return {}
    fields: dict[str, str] = {}
    for entry in node.items():
        column = str(entry.steps[-1])
        own = entry.text("the name of a column in the file")
        if own is None:
            continue
        if column not in COLUMNS:
            close = get_close_matches(column.casefold(), COLUMNS, n=1, cutoff=0.8)  # a slip, not a name of one's own
            if own in _TEXTS:
                entry.fault(f"{entry.label} is the wrong way round: evalkit's name comes first", f"write {own}: {column}")
                continue
            if close:
                entry.fault(f"{node.label} has no column {quote(column)}", f"did you mean {quote(close[0])}?")
                continue
        fields[column] = own
    return fields
