"""Which probes are asked for, over how many records, how often."""

from __future__ import annotations

from dataclasses import dataclass

from evalkit.core.errors import Problem, SpecError, nearest, quote
from evalkit.judges.audit_probes import PROBES


@dataclass(frozen=True)
class Wanted:
    """Which probes, over how many records, how often."""

    names: tuple[str, ...]
    records: int = 50
    repeats: int = 5
    seed: int = 0
    level: float = 0.95
    resamples: int = 1_000


def names_of(text: str) -> tuple[str, ...]:
    """Probes as the command line names them: ``padding,repeats``, or ``all``.

    Raises:
        SpecError: there is none of that name.
    """
    named = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if named == ("all",):
        return PROBES
    for name in named:
        if name not in PROBES:
            close = nearest(name, PROBES)
            hint = f"did you mean {quote(close)}?" if close else f"there are {', '.join(PROBES)}, and all"
            raise SpecError(Problem("--probes", f"no probe is called {quote(name)}", hint))
    if not named:
        raise SpecError(Problem("--probes", "names no probe", f"there are {', '.join(PROBES)}, and all"))
    return named
