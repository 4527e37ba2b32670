"""What `evalkit logs ingest` does once its arguments are read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.cli.running import relative
from evalkit.core.content import project_root
from evalkit.core.errors import Problem, SpecError

if TYPE_CHECKING:
    from evalkit.logs.ingest import Taken
    from evalkit.logs.store import LogStore

HOME = Path(".evalkit") / "logs"


@dataclass(frozen=True)
class Ingest:
    """The arguments of ``evalkit logs ingest``."""

    sources: tuple[str, ...]
    to: Path | None
    format: str | None
    fields: tuple[str, ...]
    redact: bool
    as_json: bool


def home(to: Path | None) -> Path:
    """The folder of the store: as told, else the project's own."""
    return to or project_root(Path.cwd()) / HOME


def ingest_logs(asked: Ingest) -> int:
    """Add files to the store, and say what became of each.

    Raises:
        SpecError: a file is not there, or there was nothing in any that could be read.
    """
    from evalkit.logs.ingest import ingest, known_fields, known_format, leftovers, sources
    from evalkit.logs.store import LogStore

    kind, fields, files = known_format(asked.format), known_fields(asked.fields), sources(asked.sources)
    store = LogStore.at(home(asked.to), redact=asked.redact)
    taken: list[Taken] = list(leftovers(store))
    unread: list[Problem] = []
    for path in files:
        try:
            taken.append(ingest(path, store, format=kind, fields=fields))
        except SpecError as error:  # this file cannot be read at all; the others can
            unread += error.problems
    read, broken = sum(one.read for one in taken), sum(one.broken for one in taken)
    if not read and (broken or unread):
        raise SpecError([*unread, *(problem for one in taken for problem in told_broken(one))])
    if asked.as_json:
        print_json(_told(store, taken, unread))
        return 0
    _print(store, taken, unread)
    return 0


def told_broken(one: Taken) -> list[Problem]:
    """A file's first broken lines, and how many more there are."""
    told = [Problem(f"{relative(one.path)}:{each.line}", each.reason) for each in one.first]
    hidden = one.broken - len(told)
    return [*told, *([Problem("", f"… and {hidden:,} more of {relative(one.path)}")] if hidden else [])]


def _print(store: LogStore, taken: Sequence[Taken], unread: Sequence[Problem]) -> None:
    from evalkit.reports import numbers
    from evalkit.reports.console import make_console, say
    from evalkit.reports.safe import one_line

    console = make_console()
    for one in taken:
        parts = [f"{numbers.count(one.added.new)} new", f"{numbers.count(one.added.again)} already there"]
        if one.broken:
            parts.append(f"{numbers.count(one.broken)} broken")
        if one.redacted:
            parts.append(f"{numbers.counted(one.redacted, 'text')} redacted")
        say(console, ("ingest   ", "dim"), (f"{relative(one.path)} · {one.format or 'empty'} · {' · '.join(parts)}", ""))
        if one.guessed:
            told = ", ".join(f"{name} = {own}" for name, own in one.guessed.items())
            say(console, ("         ", ""), (f"taken for: {one_line(told, 300)}; --field says otherwise", "dim"))
        for kind, count in one.over.items():
            say(console, ("         ", ""), (f"passed over: {kind} ({numbers.count(count)})", "dim"))
        if one.added.other:
            ids = ", ".join(one_line(each, 60) for each in one.added.examples)
            rows = numbers.counted(one.added.other, "row")
            what = f"{rows} not added, whose id is there with another input or output: {ids}"
            say(console, (f"warning: {what}", "yellow"))
    for problem in unread:
        say(console, (f"warning: {one_line(str(problem), 400)}", "yellow"))
    for one in taken:
        if not one.broken:
            continue
        where = relative(one.rejected) if one.rejected else ""
        say(console, (f"broken   {numbers.counted(one.broken, 'line')} of {relative(one.path)}, kept in {where}", "yellow"))
        for problem in told_broken(one):
            say(console, ("         ", ""), (one_line(str(problem), 300), ""))
    size, days = store.count()
    say(
        console,
        ("store    ", "dim"),
        (f"{relative(store.folder)} · {numbers.counted(size, 'row')} in {numbers.counted(days, 'day')}", ""),
    )


def _told(store: LogStore, taken: Sequence[Taken], unread: Sequence[Problem]) -> dict[str, Any]:
    rows, days = store.count()
    return {
        "store": str(store.folder), "rows": rows, "days": days,
        "new": sum(one.added.new for one in taken), "again": sum(one.added.again for one in taken),
        "conflicts": sum(one.added.other for one in taken), "broken": sum(one.broken for one in taken),
        "redacted": sum(one.redacted for one in taken), "unread": [str(problem) for problem in unread],
        "files": [
            {
                "path": str(one.path), "format": one.format or None, "read": one.read, "new": one.added.new,
                "again": one.added.again, "conflicts": one.added.other, "days": list(one.added.days), "fields": one.guessed,
                "passed_over": dict(one.over), "redacted": one.redacted, "broken": one.broken,
                "rejected": str(one.rejected) if one.rejected else None,
                "first_broken": [{"line": each.line, "reason": each.reason} for each in one.first],
            }
            for one in taken
        ],
    }  # fmt: skip


def print_json(told: dict[str, Any]) -> None:
    """Alone on stdout."""
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n")
