"""Writing a data file in a folder of its own, and reading a data set whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.core.errors import SpecError
from evalkit.records.dataset import DataSet, scan


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write a file in the working folder; returns its relative path."""
    monkeypatch.chdir(tmp_path)

    def write(text: str | bytes, name: str = "data.jsonl") -> Path:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.fixture
def rows() -> Callable[[DataSet], dict[str, list[Any]]]:
    """All columns of a data set, whole."""

    def rows(dataset: DataSet) -> dict[str, list[Any]]:
        columns: dict[str, list[Any]] = {name: [] for name in dataset.columns}
        for number, chunk in enumerate(dataset.chunks):
            batch = chunk.read()
            assert (chunk.index, chunk.start, chunk.n) == (number, len(columns["id"]), len(batch))
            assert list(batch.columns) == list(dataset.columns)
            for name, values in batch.columns.items():
                columns[name].extend(values)
        assert len(columns["id"]) == dataset.n == len(set(columns["id"]))
        return columns

    return rows


@pytest.fixture
def told(write: Callable[..., Path]) -> Callable[..., list[str]]:
    """What is said about a wrong file, a line per problem."""

    def told(text: str | bytes, name: str = "data.jsonl", **options: Any) -> list[str]:
        path = write(text, name)
        with pytest.raises(SpecError) as caught:
            scan([path], label=name, **options)
        return str(caught.value).split("\n")

    return told
