"""The files that a path, a pattern or a folder means."""

from __future__ import annotations

import glob
from pathlib import Path

from evalkit.core.errors import Problem, SpecError, nearest, quote
from evalkit.records.formats import FORMATS, shown


def found(text: str, suffixes: tuple[str, ...] = tuple(FORMATS)) -> list[Path]:
    """Files in order; of a folder, all that a format is known of, at any depth, but none whose path has a part that begins
    with ``_`` or ``.``: other tools pass those over too.

    Raises:
        SpecError: there is none.
    """
    path = Path(text)
    if path.is_dir():
        files = [
            each
            for each in sorted(path.rglob("*"))
            if suffix_of(each) in suffixes
            and not any(part.startswith((".", "_")) for part in each.relative_to(path).parts)
            and each.is_file()
        ]
        if not files:
            raise SpecError(Problem(text, "is a folder without a data file", f"evalkit reads {', '.join(suffixes)}"))
        return files
    if path.is_file():
        return [path]
    files = sorted(Path(each) for each in glob.glob(text, recursive=True) if Path(each).is_file())
    if not files:
        there = [each.name for each in path.parent.iterdir() if each.is_file()] if path.parent.is_dir() else []
        close = nearest(path.name, there)
        hint = f"did you mean {quote(str(path.with_name(close)))}?" if close else None
        raise SpecError(Problem(text, "no file matches" if glob.has_magic(text) else "there is no such file", hint))
    return files


def kind_of(path: Path) -> str:
    """``jsonl``, ``csv`` or ``parquet``, by the file's name.

    Raises:
        SpecError: none of them.
    """
    suffix = suffix_of(path)
    if suffix not in FORMATS:
        known = "Parquet (.parquet), JSONL (.jsonl) and CSV (.csv, .tsv)"
        raise SpecError(Problem(shown(path), f"the format {quote(suffix or path.name)} is not known", f"evalkit reads {known}"))
    return FORMATS[suffix]


def suffix_of(path: Path) -> str:
    """The name's ending, in small letters, that of compression aside."""
    return Path(path.name.removesuffix(".gz")).suffix.lower()
