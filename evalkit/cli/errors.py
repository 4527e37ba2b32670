"""Errors as a user sees them: what, where, the way out; and the exit code."""

from __future__ import annotations

import os
import sys
import traceback

from evalkit.core.errors import EvalkitError, Resumable, SpecError, StoreError

MOST = 50  # problems printed


def explain(error: Exception) -> int:
    """Print an error to stderr and return the exit code; one that is not ours is a defect, and says so."""
    if isinstance(error, Resumable):
        print(error, file=sys.stderr)
        return 130
    if isinstance(error, SpecError):
        for problem in error.problems[:MOST]:
            print(f"error: {problem}", file=sys.stderr)
        hidden = len(error.problems) - MOST
        if hidden > 0:
            print(f"… and {hidden:,} more", file=sys.stderr)
        return 2
    if isinstance(error, StoreError):
        print(f"error: {error}", file=sys.stderr)
        return 3 if getattr(error, "incomplete", False) else 2
    if isinstance(error, EvalkitError):
        print(f"error: {error}", file=sys.stderr)
        return 3 if getattr(error, "incomplete", False) else 2
    if os.environ.get("EVALKIT_DEBUG"):
        traceback.print_exc()
    print(
        f"error: evalkit met something it did not expect ({type(error).__name__}: {error}). This is a defect of ours: "
        "please report it with the traceback that EVALKIT_DEBUG=1 prints.",
        file=sys.stderr,
    )
    return 2
