"""Errors as a user sees them: what, where, the way out; and the exit code."""

from __future__ import annotations

import os
import sys
import traceback

from evalkit.core.errors import EvalkitError, Resumable, SpecError

MOST = 50  # problems printed
LONGEST = 2_000  # characters of one


def explain(error: Exception) -> int:
    """Print an error to stderr and return the exit code; one that is not ours is a defect, and says so."""
    if isinstance(error, Resumable):
        say(str(error), None)
        return 130
    if isinstance(error, SpecError):
        for problem in error.problems[:MOST]:
            say(f"error: {problem}")
        hidden = len(error.problems) - MOST
        if hidden > 0:
            say(f"… and {hidden:,} more")
        return 2
    if isinstance(error, EvalkitError):
        say(f"error: {error}")
        return 3 if getattr(error, "incomplete", False) else 2
    if isinstance(error, MemoryError):
        say("error: the memory is used up; give the process more, or score fewer records with --limit")
        return 2
    if os.environ.get("EVALKIT_DEBUG"):
        traceback.print_exception(error)
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    say(
        f"error: evalkit met something it did not expect ({said}). This is a defect of ours: "
        "please report it with the traceback that EVALKIT_DEBUG=1 prints"
    )
    return 2


def say(text: str, limit: int | None = LONGEST) -> None:
    """One line on stderr; what others wrote in it (names, values, paths) can neither break it nor steer the terminal."""
    from evalkit.reports.safe import shortened, visible

    line = " ".join(visible(text if limit is None else text[: limit + 1]).splitlines())
    print(line if limit is None else shortened(line, limit), file=sys.stderr)
