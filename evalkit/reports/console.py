"""Consoles, and how a line reaches one: plain where it should be, never wrapped by accident."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING

from evalkit.reports.safe import visible

if TYPE_CHECKING:
    from rich.console import Console

UNBOUNDED = 10_000  # the width of a pipe: nothing is wrapped or dropped for it
_ASCII = str.maketrans(
    {
        "–": "-",
        "−": "-",
        "·": "|",
        "…": "...",
        "≥": ">=",
        "≤": "<=",
        "━": "=",
        "×": "x",
        "↓": "v",
        "→": "->",
        "\u00a0": " ",
    }
)


def make_console(*, stderr: bool = False) -> Console:
    """A rich console that is plain where it should be: no codes when piped, under NO_COLOR or on a dumb terminal."""
    import os

    from rich.console import Console

    class Piped(Console):
        def on_broken_pipe(self) -> None:
            """The reader went away, as `| head` does: rich would exit with 1, which here says that a gate failed."""
            raise BrokenPipeError

    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") in ("dumb", "unknown")
    return Piped(stderr=stderr, highlight=False, markup=False, emoji=False, color_system=None if plain else "auto")


def say(console: Console, *pieces: tuple[str, str]) -> None:
    """Print one line of styled pieces, never wrapped by rich; what the stream cannot encode is spelled in ASCII.

    Control characters in it are spelled too, whoever wrote them.
    """
    from rich.text import Text

    line = Text(no_wrap=True, end="")
    for text, style in pieces:
        line.append(_encodable(visible(text), console), style=style or None)
    line.rstrip()
    console.print(line, soft_wrap=True)


def _encodable(text: str, console: Console) -> str:
    encoding = console.encoding or sys.getdefaultencoding()
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return text.translate(_ASCII).encode("ascii", "backslashreplace").decode()
    return text


def width_of(console: Console) -> int:
    return console.width if console.is_terminal else UNBOUNDED


def cells(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def pad(text: str, width: int, right: bool = False) -> str:
    space = " " * (width - cells(text))
    return space + text if right else text + space


def middle(text: str, width: int) -> str:
    """The text with its middle left out, where it is wider than ``width`` columns."""
    if cells(text) <= width:
        return text
    from rich.cells import set_cell_size

    tail = (width - 1) // 2
    kept = text[len(text) - tail :]
    while cells(kept) > tail:
        kept = kept[1:]
    return set_cell_size(text, width - 1 - cells(kept)).rstrip() + "…" + kept


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most ``width`` characters; an interval stays in one piece."""
    held = text.replace(" – ", "\u00a0–\u00a0").replace("− ", "−\u00a0").replace(" to ", "\u00a0to ").replace("< ", "<\u00a0")
    lines = textwrap.wrap(held, max(width, 8), break_long_words=False, break_on_hyphens=False)
    return [line.replace("\u00a0", " ") for line in lines]


def folded(text: str, width: int) -> list[str]:
    """As `wrapped`, but a word that is wider than ``width`` columns is broken."""
    lines = []
    for line in wrapped(text, width):
        while cells(line) > max(width, 8):
            head = line[: max(width, 8)]
            while cells(head) > max(width, 8):
                head = head[:-1]
            lines.append(head)
            line = line[len(head) :]
        lines.append(line)
    return lines
