"""What `evalkit list` prints."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from evalkit.cli.listing import KINDS
from evalkit.core.content import content_root, project_root
from evalkit.core.errors import UnknownName
from evalkit.core.registry import content_folders, entries
from evalkit.specs.judge import kind_of

Row = dict[str, Any]


def print_list(kind: str | None, store: str | None, *, as_json: bool) -> int:
    """Print one kind, or an overview of all."""
    if kind is not None:
        kind = kind if kind in KINDS else f"{kind}s" if f"{kind}s" in KINDS else kind
        if kind not in KINDS:
            raise UnknownName("kind of thing", kind, KINDS, "evalkit list --help")
    found = {one: rows(one, store) for one in ([kind] if kind else KINDS)}
    if as_json:
        import msgspec

        told: Any = found[kind] if kind else found
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n")
        return 0
    for number, (one, listed) in enumerate(found.items()):
        if number:
            print()
        if kind is None:
            print(one)
        _print(listed, indent="  " if kind is None else "")
    return 0


def rows(kind: str, store: str | None) -> list[Row]:
    """What there is of a kind, as plain mappings: ``name``, ``about`` and what else is known."""
    if kind == "runs":
        return _runs(store)
    if kind == "suites":
        return _suites()
    if kind == "rubrics":
        return _files("rubrics")
    if kind == "judges":
        registered = [_entry(entry) for entry in entries("metric") if entry.family == "judge"]
        return registered + [{**row, "family": kind_of(Path(row["path"])) or "?"} for row in _files("judges")]
    return [_entry(entry) for entry in entries(kind.removesuffix("s"))]


def _entry(entry: Any) -> Row:
    name = f"{entry.name}NAME" if entry.name.endswith(":") else entry.name
    return {"name": name, "family": entry.family, "about": entry.summary, "owner": entry.owner}


def _suites() -> list[Row]:
    from evalkit.specs.load import known_suites

    return [{"name": path.stem, "about": _headline(path), "path": _shown(path)} for path in known_suites()]


def _files(folder: str) -> list[Row]:
    found: dict[str, Row] = {}
    for base in (project_root(Path.cwd()), *content_folders(), content_root()):
        for path in sorted((base / folder).glob("*.yaml")):
            if path.stem.endswith(".steps"):  # generated for a rubric, and no rubric
                continue
            found.setdefault(path.stem, {"name": path.stem, "about": _headline(path), "path": _shown(path)})
    return list(found.values())


def _runs(store: str | None) -> list[Row]:
    from evalkit.runner.stores import catalog_at

    root = project_root(Path.cwd())
    if store is None and not (root / ".evalkit").is_dir():
        return []
    return [
        {
            "name": run.run_id,
            "status": run.status,
            "records": run.n,
            "started": run.started_at.strftime("%Y-%m-%d %H:%M"),
            "folder": str(run.folder),
        }
        for run in catalog_at(store, root).everything()
    ]


def _headline(path: Path) -> str:
    """The first comment of a file: what its author says it is."""
    if not path.is_file():
        return ""
    with path.open(encoding="utf-8", errors="replace") as lines:
        first = lines.readline(1_000).strip()
    return first.lstrip("# ").strip() if first.startswith("#") else ""


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _print(listed: list[Row], indent: str) -> None:
    from evalkit.reports.safe import one_line

    if not listed:
        print(f"{indent}none yet")
        return
    columns = [key for key in listed[0] if key not in ("owner", "folder", "path")]
    cells = [[one_line(str(row.get(key) if row.get(key) is not None else ""), 300) for key in columns] for row in listed]
    for row, extra in zip(cells, listed):
        if extra.get("owner") not in (None, "evalkit"):
            row[-1] += f" (from {one_line(str(extra['owner']), 60)})"
    widths = [max(len(row[at]) for row in cells) for at in range(len(columns))]
    for row in cells:
        print((indent + "   ".join(text.ljust(width) for text, width in zip(row, widths))).rstrip())
