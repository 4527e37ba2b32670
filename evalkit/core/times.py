"""Times and durations as people write them: UTC throughout."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

from evalkit.core.errors import SpecError, quote

_UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
MONTH = 30.0 * 86_400.0  # seconds: what "a month" means in a budget of false alarms


def iso(seconds: float) -> str:
    """Seconds since 1970 as ``2026-11-29T08:00Z``; seconds are told only where there are any."""
    if not math.isfinite(seconds):
        return "–"
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%MZ" if not moment.second else "%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> float:
    """An ISO time or date as seconds since 1970; without an offset it is UTC.

    Raises:
        SpecError: it is none.
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise SpecError(f"{quote(text)} is no time; write 2026-11-29 or 2026-11-29T08:00Z") from error
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def duration(text: str) -> float:
    """``90s``, ``15m``, ``1h``, ``2d``, ``1w`` in seconds.

    Raises:
        SpecError: it is none, or 0.
    """
    found = _DURATION.fullmatch(str(text).strip())
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if not seconds > 0.0:
        raise SpecError(f"{quote(str(text))} is no duration; write 15m, 1h, 1d or 1w")
    return seconds


def span(seconds: float) -> str:
    """A duration in its largest whole unit: ``1h``, ``2d``, ``90m``."""
    for unit, size in (("w", 604_800.0), ("d", 86_400.0), ("h", 3_600.0), ("m", 60.0)):
        if seconds >= size and seconds % size == 0.0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"
