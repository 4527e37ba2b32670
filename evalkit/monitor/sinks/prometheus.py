"""Figures as a file that Prometheus' node exporter reads (its textfile collector)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evalkit.core.errors import StoreError
from evalkit.core.registry import sink
from evalkit.core.sink import NotDelivered
from evalkit.core.watched import Figure
from evalkit.store.files import explained, write_text


@sink("prometheus")
@dataclass(frozen=True)
class Prometheus:
    """The newest window's figures; a reader meets the old file or the new one, never half of one."""

    path: Path  # of the file, in the collector's folder; it ends in .prom

    def __post_init__(self) -> None:
        if self.path.suffix != ".prom":
            raise ValueError("path ends in .prom; node_exporter reads no other files")

    async def export(self, figures: Sequence[Figure], text: str) -> None:  # noqa: ARG002 - the text is what it keeps
        """Put the text in the place of the last one."""
        try:
            await asyncio.to_thread(write_text, self.path, text)
        except OSError as error:
            told = error if isinstance(error, StoreError) else explained(error, self.path)
            raise NotDelivered(str(told), "refused") from error
