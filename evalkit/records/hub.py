"""Hugging Face data sets, through the package ``datasets``: from the hub, its cache, or a local folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from evalkit.core.errors import MissingExtra, Problem, SpecError, nearest, quote
from evalkit.records.memory import plain
from evalkit.records.spool import spooled

_NOT_TEXT = ("Image", "Audio", "Video", "Pdf")


def spooled_hub(name: str, folder: Path) -> Path:
    """A split's records as a JSONL file in ``folder``."""
    target, config, split = parsed(name)
    dataset = _loaded(name, target, config, split)
    return spooled(_lines(dataset), folder, "hf")


def parsed(name: str) -> tuple[str, str | None, str | None]:
    """``hf:OWNER/NAME/CONFIG:SPLIT`` or ``hf:FOLDER:SPLIT`` as (name or folder, configuration, split)."""
    rest = name.removeprefix("hf:")
    target, colon, split = rest.rpartition(":")
    if not colon:
        target, split = rest, ""
    if not target:
        raise SpecError(
            Problem(name, "names no data set", "write hf:OWNER/NAME, hf:OWNER/NAME/CONFIG:SPLIT or hf:FOLDER:SPLIT")
        )
    config = None
    if not Path(target).is_dir() and target.count("/") == 2 and not target.startswith((".", "/")):
        target, _, config = target.rpartition("/")
    return target, config, split or None


def _loaded(name: str, target: str, config: str | None, split: str | None) -> Any:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise MissingExtra(f"the data set {quote(name)}", "datasets", "hf") from error
    datasets.disable_progress_bars()
    try:
        if (Path(target) / "state.json").is_file() or (Path(target) / "dataset_dict.json").is_file():
            loaded = datasets.load_from_disk(target)
        else:
            loaded = datasets.load_dataset(target, config)
    except Exception as error:  # the package raises many kinds; each becomes one sentence
        lines = str(error).strip().splitlines()
        what = lines[0][:300] if lines else type(error).__name__
        raise SpecError(
            Problem(name, f"could not be loaded: {what}", "is the name right, and the hub or folder in reach?")
        ) from error
    if not isinstance(loaded, dict):
        if split is not None and str(loaded.split or split) != split:
            raise SpecError(Problem(name, f"has only the split {quote(str(loaded.split))}"))
        return loaded
    return loaded[_split(name, list(loaded), split)]


def _split(name: str, splits: list[str], split: str | None) -> str:
    if split is not None:
        if split in splits:
            return split
        close = nearest(split, splits)
        raise SpecError(
            Problem(
                name,
                f"has no split {quote(split)}",
                f"did you mean {quote(close)}?" if close else f"it has {', '.join(splits)}",
            )
        )
    for usual in ("test", "validation"):
        if usual in splits:
            return usual
    if len(splits) == 1:
        return splits[0]
    raise SpecError(Problem(name, f"has the splits {', '.join(splits)}", f"choose one: {name}:{splits[0]}"))


def _lines(dataset: Any) -> Iterator[bytes]:
    """The records as JSON lines; images, sound and the like are left out."""
    odd = [column for column, feature in dataset.features.items() if type(feature).__name__ in _NOT_TEXT]
    kept = dataset.remove_columns(odd) if odd else dataset
    encoder = msgspec.json.Encoder(enc_hook=str)
    for batch in kept.iter(batch_size=1_000):
        columns = {name: [plain(value) for value in values] for name, values in batch.items()}
        yield encoder.encode_lines([dict(zip(columns, row)) for row in zip(*columns.values())])
