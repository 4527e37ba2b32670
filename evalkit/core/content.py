"""Where judges/, rubrics/, suites/ and dashboards/ are, and how a path in a suite is found."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from evalkit.core.errors import quote

FOLDERS = ("judges", "rubrics", "suites", "dashboards")


@dataclass(frozen=True)
class Document:
    """A text file that a metric depends on (a rubric, a JSON schema): its content is what counts, not its path."""

    path: str
    text: str
    sha256: str

    @classmethod
    def read(cls, path: Path) -> Document:
        data = path.read_bytes()
        return cls(str(path), data.decode("utf-8"), hashlib.sha256(data).hexdigest())


@cache
def content_root() -> Path:
    """The folder that holds the built-in content: inside the wheel, or the checkout's own top level."""
    package = Path(__file__).resolve().parent.parent
    shipped = package / "_content"
    return shipped if shipped.is_dir() else package.parent


def project_root(start: Path, otherwise: Path | None = None) -> Path:
    """The nearest folder at or above ``start`` with a ``pyproject.toml`` or ``.git``; else ``otherwise``."""
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / "pyproject.toml").is_file() or (folder / ".git").exists():
            return folder
    return (otherwise or Path.cwd()).resolve()


class PathEscape(ValueError):
    """A path leaves the project and the built-in content."""


def locate(name: str, *, beside: Path, root: Path, plugins: Sequence[Path] = ()) -> Path | None:
    """A path of a suite: beside the suite, then in the project, in plugins, in the built-in content; None if nowhere.

    An absolute path is taken as it stands.

    Raises:
        PathEscape: a relative path leads, links resolved, out of the project, the plugins and the built-in content.
    """
    if Path(name).is_absolute():
        return Path(name) if Path(name).exists() else None
    bases = (beside, root, *plugins, content_root())
    homes = [base.resolve() for base in bases]
    for base in bases:
        candidate = base / name
        real = candidate.resolve()
        if not any(real.is_relative_to(home) for home in homes):
            upwards = ".." in Path(name).parts  # meant from beside the suite; from another base it is no try at all
            if (upwards and base is beside) or (candidate.exists() and not upwards):
                raise PathEscape(f"{quote(name)} leads out of the project, to {real}")
        elif candidate.exists():
            return candidate
    return None
