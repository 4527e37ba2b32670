"""Finding out what a file is, before it is read: its format, or what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from stat import S_ISREG

from evalkit.core.errors import Problem, nearest, quote
from evalkit.records.delimited import Delimited
from evalkit.records.encoding import BOM, recode, wide
from evalkit.records.jsonl import JsonLines
from evalkit.records.parquet import ParquetRows
from evalkit.records.source import Source

FORMATS = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".jl": "jsonl",
    ".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_SUPPORTED = "evalkit reads JSONL (.jsonl), CSV (.csv, .tsv) and Parquet (.parquet)"


def opened(files: Sequence[Path], label: str) -> tuple[list[Source], list[Problem]]:
    """A source per file, and what keeps any of them from being read."""
    if not files:
        return [], [Problem(label, "no file matches", _near_files(Path(label)))]
    sources: list[Source] = []
    problems: list[Problem] = []
    for path in files:
        told = source_of(Path(path), label if len(files) == 1 else shown(Path(path)))
        if isinstance(told, Problem):
            problems.append(told)
        else:
            sources.append(told)
    return sources, problems


def shown(path: Path) -> str:
    """A path as messages write it: relative where that is shorter to read."""
    try:
        relative = os.path.relpath(path)
    except ValueError:
        return str(path)
    return str(path) if relative.startswith("..") else relative


def source_of(path: Path, name: str) -> Source | Problem:
    """What a file is."""
    if path.is_dir():
        return Problem(name, "is a folder", f"name its files: {name.rstrip('/')}/*.jsonl")
    try:
        stat = path.stat()
        if not S_ISREG(stat.st_mode):  # reading it may never end, and records are read twice
            return Problem(name, "is a pipe or a device", 'pipe the records in, and name them "-"')
        with path.open("rb") as file:
            head = file.read(4096)
    except FileNotFoundError:
        return Problem(name, "there is no such file", _near_files(path))
    except OSError as error:
        return Problem(name, f"cannot be read: {error.strerror or error}")
    kind = FORMATS.get(path.suffix.lower()) or sniffed(head)
    for magic, packer in _COMPRESSED.items():
        if head.startswith(magic):
            return Problem(name, f"is compressed with {packer}", "decompress it first")
    if kind is None:
        what = f"{quote(path.suffix)} is not a format that evalkit reads" if path.suffix else "the format is not known"
        return Problem(name, what, _format_hint(path, head))
    if kind != "parquet":
        if head.startswith(b"PAR1"):
            kind = "parquet"
        elif encoding := wide(head):
            return Problem(name, f"is not UTF-8 but {encoding.upper()}", recode(encoding))
    if kind == "jsonl":
        start = head.removeprefix(BOM).lstrip()
        if start[:1] == b"[":
            return Problem(
                f"{name}:1",
                "is a JSON array, not one object a line",
                "`jq -c '.[]' data.json > data.jsonl` turns it into JSONL",
            )
        return JsonLines(path, name, stat.st_size, stat.st_mtime_ns)
    if kind == "csv":
        return Delimited.of(path, name, stat.st_size, stat.st_mtime_ns)
    return ParquetRows.of(path, name, stat.st_size, stat.st_mtime_ns)


def sniffed(head: bytes) -> str | None:
    """The format of a file by its first bytes, where that is certain: JSONL or Parquet."""
    if head.startswith(b"PAR1"):
        return "parquet"
    return "jsonl" if head.removeprefix(BOM).lstrip()[:1] == b"{" else None


def _format_hint(path: Path, head: bytes) -> str:
    suffix = path.suffix.lower()
    if suffix == ".json" or head.lstrip()[:1] == b"[":
        return "JSON must be one object a line: `jq -c '.[]' data.json > data.jsonl`"
    if suffix in (".xlsx", ".xls", ".ods"):
        return "save the sheet as CSV"
    if suffix in (".arrow", ".feather", ".orc"):
        return "save it as Parquet"
    return _SUPPORTED


def _called(folder: Path) -> str:
    return "this folder" if folder == Path() else f"the folder {folder}"


def _near_files(path: Path) -> str:
    folder = path.parent
    if "*" in path.name or "?" in path.name:
        return f"{_called(folder)} has {_few(folder)}" if folder.is_dir() else f"there is no folder {folder}"
    if not folder.is_dir():
        return f"there is no folder {folder}"
    close = nearest(path.name, _names(folder))
    return f"did you mean {folder / close}?" if close else f"{_called(folder)} has {_few(folder)}"


def _names(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir() if entry.is_file())[:1000]
    except OSError:
        return []


def _few(folder: Path) -> str:
    names = [name for name in _names(folder) if Path(name).suffix.lower() in FORMATS]
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "") if names else "no data file"
