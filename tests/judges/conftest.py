"""Runs over a judge whose verdicts are laid down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import evalkit
from evalkit.core.registry import forget
from tests.judges.reading import Laid


@pytest.fixture
def run_with() -> Iterator[Any]:
    """A run over records whose backend `judge` is a given object; its replies come through the pipelines of a run."""
    held: list[Laid] = []

    @evalkit.backend("laid")
    class Held:
        def __new__(cls) -> Any:
            return held[-1]

    def run(rows: list[dict[str, Any]], metrics: list[dict[str, Any]], laid: Laid) -> Any:
        held.append(laid)
        return evalkit.evaluate(
            rows, metrics=[{**one, "backend": "judge"} for one in metrics], backends={"judge": {"kind": "laid"}}
        )

    yield run
    forget("backend", "laid")
