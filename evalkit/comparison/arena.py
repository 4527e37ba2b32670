"""Ratings of runs by pairwise judges."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.comparison.settings import Settings
from evalkit.comparison.sides import RunSide
from evalkit.core.compared import Arena


def arenas(runs: Sequence[RunSide], settings: Settings) -> list[Arena]:
    return []
