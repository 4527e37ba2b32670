"""Where the paths of a suite are looked up, and what is said about one that leads nowhere."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from evalkit.core.content import Document, PathEscape, content_root, locate, project_root
from evalkit.core.errors import nearest, quote
from evalkit.core.registry import content_folders
from evalkit.specs.node import Node

MAX_DOCUMENT = 10_000_000  # bytes of a rubric or a schema
_SKIPPED = {"node_modules", "__pycache__", "site-packages"}


@dataclass
class Home:
    """The folders of one suite, and the documents that were read for it."""

    beside: Path
    root: Path
    cwd: Path
    documents: list[Document] = field(default_factory=list)

    @classmethod
    def of(cls, suite: Path | None, cwd: Path) -> Home:
        """The home of a suite file; content that was shipped or plugged in belongs to the user's own project."""
        if suite is None:
            return cls(cwd, project_root(cwd, cwd), cwd)
        folder = suite.resolve().parent
        shipped = any(folder.is_relative_to(base.resolve()) for base in (content_root() / "suites", *content_folders()))
        return cls(folder, project_root(cwd if shipped and not _holds(cwd, folder) else folder, cwd), cwd)

    def shown(self, path: Path) -> str:
        """A path as messages show it: relative to the working folder or the project, whichever is shorter."""
        return shown(path, self.cwd, self.root)

    def find(self, node: Node, name: str, kind: str = "file") -> Path | None:
        """A file that the suite names at ``node``; a problem is noted when there is none."""
        path = self.place(node, name, kind)
        if path is None:
            return None
        if path.is_dir():
            node.fault(f"{node.label} wants a {kind}, and {quote(name)} is a folder", _inside(path, name))
        elif not path.is_file():  # reading a pipe or a device may never end
            hint = 'pipe the records in, and write "-"' if kind == "data file" else f"save it as a {kind}"
            node.fault(f"{node.label} wants a {kind}, and {quote(name)} is a pipe or a device", hint)
        else:
            return path
        return None

    def place(self, node: Node, name: str, kind: str = "file or folder") -> Path | None:
        """Whatever lies where the suite points at ``node``; a problem is noted when nothing does."""
        try:
            path = locate(name, beside=self.beside, root=self.root, plugins=content_folders())
        except PathEscape:
            node.fault(
                f"{node.label} leads out of the project: {quote(name)}",
                f"keep the {kind} in the project, or write an absolute path",
            )
            return None
        except (OSError, ValueError, RuntimeError):  # too long, a null character, a loop of links
            node.fault(f"{node.label} is no path that can be opened: {quote(name)}")
            return None
        if path is None:
            node.fault(f"{node.label} names no {kind} {quote(name)}", self.hint(name))
            return None
        return path.resolve() if ".." in path.parts else path

    def exists(self, name: str) -> bool:
        """Whether a path leads somewhere that it may lead."""
        try:
            return locate(name, beside=self.beside, root=self.root, plugins=content_folders()) is not None
        except (OSError, ValueError, RuntimeError):
            return False

    def glob(self, node: Node, pattern: str) -> tuple[Path, ...]:
        """The files that a pattern matches, sorted, in the first place where it matches any."""
        bases = (
            [Path(pattern).anchor or None]
            if Path(pattern).is_absolute()
            else [self.beside, self.root, *content_folders(), content_root()]
        )
        homes = [Path(base).resolve() for base in bases if base is not None]
        for base in bases:
            try:
                matches = [Path(base or ".") / match for match in glob.glob(pattern, root_dir=base, recursive=True)]
                files = sorted(match for match in matches if match.is_file())
                outside = [file for file in files if not any(file.resolve().is_relative_to(home) for home in homes)]
            except (OSError, ValueError, RuntimeError):
                node.fault(f"{node.label} is no path that can be opened: {quote(pattern)}")
                return ()
            if outside:
                node.fault(
                    f"{node.label} leads out of the project: {quote(pattern)} matches {outside[0].resolve()}",
                    "keep the files in the project, or write an absolute path",
                )
                return ()
            if files:
                return tuple(files)
        node.fault(f"{node.label} matches no file: {quote(pattern)}", self.hint(pattern))
        return ()

    def document(self, node: Node, name: str) -> Document | None:
        """The text of a file that a metric depends on."""
        path = self.find(node, name)
        if path is None:
            return None
        try:
            if path.stat().st_size > MAX_DOCUMENT:
                node.fault(
                    f"{node.label} names a file of {path.stat().st_size / 1e6:,.0f} MB: {quote(name)}",
                    "at most 10 MB can be read",
                )
                return None
            document = Document.read(path)
        except UnicodeDecodeError as error:
            node.fault(
                f"{node.label} names a file that is not UTF-8 (byte {error.start + 1:,}): {quote(name)}",
                "save it as UTF-8",
            )
            return None
        except OSError as error:
            node.fault(f"{node.label} names a file that cannot be read ({reason(error)}): {quote(name)}")
            return None
        self.documents.append(document)
        return document

    def hint(self, name: str) -> str:
        """The nearest file that exists, or where was looked."""
        close = nearest_file(name, [self.beside, self.root, content_root()])
        if close is not None:
            return f"did you mean {quote(close)}?"
        told = dict.fromkeys(map(self.shown, (self.beside, self.root)))
        places = ["the working folder" if place == "." else place for place in told]
        return f"looked in {' and '.join(places)}" if not Path(name).is_absolute() else "check the path"


def _holds(cwd: Path, folder: Path) -> bool:
    """Whether the shipped suites are this very project's own (a checkout of evalkit), not an installed package's."""
    return "site-packages" not in folder.parts and folder.is_relative_to(project_root(cwd, cwd))


def shown(path: Path, *bases: Path) -> str:
    """The shortest of a path relative to each base, or the path itself where it lies under none."""
    real = path if path.is_absolute() else path.resolve()
    ways = [
        real.relative_to(base).as_posix() for base in {*bases, *(base.resolve() for base in bases)} if real.is_relative_to(base)
    ]
    return min(ways, key=len) if ways else str(path)


def nearest_file(name: str, bases: Iterable[Path]) -> str | None:
    """The existing path, relative to one of the bases, that is closest to ``name``."""
    if Path(name).is_absolute():
        parent = Path(name).parent
        close = nearest(Path(name).name, [entry.name for entry in _entries(parent) if entry.is_file()])
        return str(parent / close) if close else None
    bases = list(bases)
    for base in bases[:1]:  # a slip in the last part of the path, as the user wrote it
        close = nearest(PurePath(name).name, [entry.name for entry in _entries((base / name).parent) if entry.is_file()])
        if close is not None:
            return (PurePath(name).parent / close).as_posix()
    clean = PurePath(os.path.normpath(name)).as_posix()
    for base in bases:
        candidates = list(files_below(base, max(2, clean.count("/") + 1)))
        same = [path for path in candidates if PurePath(path).name == PurePath(clean).name]
        close = same[0] if same else nearest(clean, candidates)
        if close is None:
            by_name = {PurePath(path).name: path for path in reversed(candidates)}
            close = by_name.get(nearest(PurePath(clean).name, by_name) or "")
        if close is not None:
            return close
    return None


def files_below(base: Path, depth: int, prefix: str = "", room: list[int] | None = None) -> Iterator[str]:
    """Paths of files below ``base``, a bounded look: hidden and installed things are left out."""
    room = [2_000] if room is None else room
    folders = []
    for entry in _entries(base):
        room[0] -= 1
        if room[0] < 0:
            return
        if entry.name.startswith(".") or entry.name in _SKIPPED:
            continue
        if entry.is_dir():
            folders.append(entry.name)
        else:
            yield prefix + entry.name
    for folder in folders if depth > 1 else ():
        yield from files_below(base / folder, depth - 1, f"{prefix}{folder}/", room)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


def _inside(folder: Path, name: str) -> str | None:
    """What to write instead of a folder: a pattern over the files in it."""
    for entry in _entries(folder):
        suffix = Path(entry.name).suffix
        if entry.is_file() and suffix in (".jsonl", ".csv", ".parquet", ".json"):
            pattern = f"{name.rstrip('/')}/*{suffix}"
            return f"write {quote(pattern)} for its files"
    return None


def reason(error: OSError) -> str:
    """What the system said, without the path."""
    return (error.strerror or type(error).__name__).lower()
