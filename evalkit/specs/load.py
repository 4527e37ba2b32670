"""A suite from its file or from Python: found, read, checked as a whole, and built."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from evalkit.core.content import PathEscape, content_root, locate, project_root
from evalkit.core.errors import Problem, SpecError, nearest, quote
from evalkit.core.registry import content_folders
from evalkit.specs.home import Home, files_below, reason, shown
from evalkit.specs.node import found
from evalkit.specs.override import apply
from evalkit.specs.suite import Suite
from evalkit.specs.tree import MAX_BYTES, Tree, decode, read_tree

_DATA = (".jsonl", ".csv", ".parquet", ".ndjson", ".tsv")
_NONE: Mapping[str, Any] = {}


def load_suite(
    name_or_path: str | Path,
    *,
    overrides: Mapping[str, Any] = _NONE,
    baseline: str | None = None,
    cwd: Path | None = None,
) -> Suite:
    """The suite of a file, or of a shipped name such as ``quickstart``.

    Args:
        overrides: dotted path → value, from ``--set``; text is parsed as YAML (`evalkit.specs.override`).
        baseline: from ``--baseline``; goes before the suite's own.
        cwd: the working folder, where another than the process's is meant.

    ``sha256`` of the suite covers the file's text, the overrides, and the content (not the path) of every document it
    refers to, such as a schema: the same suite has the same hash wherever it lies. Data has a hash of its own.

    Raises:
        SpecError: every problem of the suite at once, each with its place.
    """
    cwd = Path(cwd or Path.cwd())
    path = find_suite(name_or_path, cwd)
    home = Home.of(path, cwd)
    source = home.shown(path)
    if path.suffix in _DATA:
        hint = f"`evalkit init {source}` writes a suite for it"
        raise SpecError(Problem(source, "this is a data file, not a suite", hint))
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SpecError(Problem(source, f"the suite cannot be read ({reason(error)})")) from None
    tree = read_tree(decode(data, source, size), source)
    suite = _checked(tree, home, stem=path.stem, path=path, overrides=overrides, baseline=baseline)
    return replace(suite, sha256=_sha256(data, overrides, home))


def suite_of(
    told: Mapping[str, Any], *, name: str = "python", overrides: Mapping[str, Any] = _NONE, baseline: str | None = None,
    cwd: Path | None = None, records_given: bool = True,
) -> Suite:  # fmt: skip
    """A suite from a mapping made in Python; ``metrics`` may be built, and paths are looked up from ``cwd``.

    Raises:
        SpecError: every problem at once; without a file, a place is the name of a key.
    """
    import copy

    home = Home.of(None, Path(cwd or Path.cwd()))
    tree = Tree(
        {**told, "metrics": list(told["metrics"])} if isinstance(told.get("metrics"), (list, tuple)) else dict(told), ""
    )
    tree.value = {key: value if key == "metrics" else copy.deepcopy(value) for key, value in tree.value.items()}
    suite = _checked(tree, home, stem=name, path=None, overrides=overrides, baseline=baseline, records_given=records_given)
    described = repr(sorted((key, repr(value)) for key, value in told.items()))
    return replace(suite, sha256=_sha256(described.encode(), overrides, home))


def find_suite(name_or_path: str | Path, cwd: Path) -> Path:
    """The file of a suite: as a path from ``cwd``, then in the project, in plugins, in the built-in content.

    A bare name (``quickstart``) means ``suites/NAME.yaml`` of the same places.

    Raises:
        SpecError: there is none; the nearest is suggested.
    """
    name = str(name_or_path)
    root = project_root(cwd, cwd)
    try:
        if (cwd / name).is_file():
            return cwd / name
        for tried in _spellings(name):
            path = locate(tried, beside=cwd, root=root, plugins=content_folders())
            if path is not None and path.is_file():
                return path
        folder, special = (cwd / name).is_dir(), (cwd / name).exists()
    except PathEscape:
        raise SpecError(Problem(name, "there is no such suite, and the path leads out of the project")) from None
    except (OSError, ValueError, RuntimeError):
        raise SpecError(Problem(quote(name), "this is no path that can be opened")) from None
    if folder:
        raise SpecError(Problem(name, "this is a folder, and a suite is a YAML file", _suites_in(cwd / name, cwd, root)))
    if special:  # reading it may never end
        raise SpecError(Problem(name, "this is a pipe or a device, and a suite is a YAML file", "save it as a file"))
    raise SpecError(Problem(name, "there is no such suite", _nearest_suite(name, cwd, root)))


def known_suites(cwd: Path | None = None) -> list[Path]:
    """The suites of the project, of plugins and of the built-in content; the first of a name hides the others."""
    cwd = Path(cwd or Path.cwd())
    by_name: dict[str, Path] = {}
    for base in (project_root(cwd, cwd), *content_folders(), content_root()):
        for path in sorted((base / "suites").glob("*.y*ml")):
            by_name.setdefault(path.name, path)
    return list(by_name.values())


def _spellings(name: str) -> list[str]:
    bare = Path(name).suffix not in (".yaml", ".yml")
    tried = [name, *([f"{name}.yaml", f"{name}.yml"] if bare else [])]
    return tried + ([f"suites/{told}" for told in tried] if "/" not in name else [])


def _nearest_suite(name: str, cwd: Path, root: Path) -> str:
    here = [path for base in (root, cwd) for path in files_below(base, depth=3) if path.endswith((".yaml", ".yml"))]
    by_stem = {path.stem: shown(path, cwd, root, content_root()) for path in known_suites(cwd)}
    by_stem = {**{Path(path).stem: path for path in here}, **by_stem}
    stem = nearest(Path(name).stem, by_stem)
    close = by_stem[stem] if stem is not None else nearest(name, by_stem.values()) if "/" in name else None
    if close is not None:
        return f"did you mean {quote(close)}?"
    return "see `evalkit list suites`, or write one with `evalkit init`"


def _suites_in(folder: Path, cwd: Path, root: Path) -> str | None:
    files = sorted(folder.glob("*.y*ml"))
    return f"name one, for instance {shown(files[0], cwd, root)}" if files else None


def _checked(
    tree: Tree, home: Home, *, stem: str, path: Path | None, overrides: Mapping[str, Any], baseline: str | None,
    records_given: bool = False,
) -> Suite:  # fmt: skip
    from evalkit.specs.validate import check_suite, spread

    spread(tree)
    apply(tree, overrides)
    spread(tree)  # what an override set may be a short form again
    suite = check_suite(tree, home, stem=stem, path=path, baseline=baseline, records_given=records_given)
    tree.raise_problems()
    assert suite is not None  # check_suite notes a problem whenever it builds nothing
    return suite


def _sha256(text: bytes, overrides: Mapping[str, Any], home: Home) -> str:
    digest = hashlib.sha256(text)
    for key in sorted(overrides):
        value = overrides[key]
        digest.update(f"\0{key}={value if isinstance(value, str) else found(value) + repr(value)}".encode())
    for document in sorted({document.sha256 for document in home.documents}):
        digest.update(b"\0" + document.encode())
    return digest.hexdigest()
