"""A profile as a file: summaries and hashed words, so that the logs themselves may be deleted."""

from __future__ import annotations

import io
import json
import math
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.core.errors import Problem, SpecError
from evalkit.detection.categories import Categories
from evalkit.detection.flags import Flags
from evalkit.detection.numbers import Numbers
from evalkit.detection.profile import By, Profile, Summary
from evalkit.detection.sample import Sample
from evalkit.detection.vocabulary import Vocabulary

SUFFIX = ".profile"
FORMAT = 1
_KINDS: dict[str, type[Numbers | Flags | Categories]] = {"numbers": Numbers, "flags": Flags, "categories": Categories}
_FACTS, _ARRAYS, _SAMPLE, _WINDOWS = "facts.json", "arrays.npz", "sample.parquet", "windows.json"


def to_bytes(profile: Profile, *, examples: bool = False, windows: str = "") -> bytes:
    """The content of the file.

    Args:
        examples: keep the sampled rows' own texts; without them, only what was measured of them and their words' hashes.
        windows: what a monitor has learned of the windows of these rows.
    """
    arrays: dict[str, NDArray[Any]] = {}
    facts = {
        "format": FORMAT,
        "label": profile.label,
        "n": profile.n,
        "first": profile.first,
        "last": profile.last,
        "kinds": dict(profile.kinds),
        "whole": _packed("whole", profile.whole, arrays),
        "words": {name: _one(f"words/{name}", words, arrays) for name, words in profile.words.items()},
        "slices": [
            {"by": list(by), "n": profile.sizes[by], "signals": _packed(f"slices/{at}", found, arrays)}
            for at, (by, found) in enumerate(profile.slices.items())
        ],
        "names": {str(word): text for word, text in profile.names.items()},
        "most": profile.sample.most if profile.sample else 0,
    }
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as file:
        _write(file, _FACTS, json.dumps(_plain(facts), ensure_ascii=False).encode("utf-8", "surrogatepass"))
        held = io.BytesIO()
        np.savez(held, **arrays)  # type: ignore[arg-type]
        _write(file, _ARRAYS, held.getvalue())
        if profile.sample is not None:
            import pyarrow.parquet as pq

            held = io.BytesIO()
            pq.write_table((profile.sample if examples else profile.sample.without_rows()).table, held, compression="zstd")
            _write(file, _SAMPLE, held.getvalue())
        if windows:
            _write(file, _WINDOWS, windows.encode())
    return kept.getvalue()


def windows_in(data: bytes) -> str:
    """What a monitor has learned of the windows of a profile's rows; "" where no monitor made it."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return file.read(_WINDOWS).decode() if _WINDOWS in file.namelist() else ""


def from_bytes(data: bytes, name: str) -> Profile:
    """The profile in a file's content.

    Raises:
        SpecError: it is none, or of a later version.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            facts = json.loads(file.read(_FACTS))
            if facts.get("format") != FORMAT:
                raise SpecError(Problem(name, f"a profile of format {facts.get('format')}", "make it anew with this version"))
            arrays = np.load(io.BytesIO(file.read(_ARRAYS)), allow_pickle=False)
            sample = None
            if _SAMPLE in file.namelist():
                import pyarrow.parquet as pq

                sample = Sample(pq.read_table(io.BytesIO(file.read(_SAMPLE))), int(facts["most"]))
            slices: dict[By, dict[str, Summary]] = {}
            sizes: dict[By, int] = {}
            for at, told in enumerate(facts["slices"]):
                by = (str(told["by"][0]), str(told["by"][1]))
                slices[by], sizes[by] = _unpacked(f"slices/{at}", told["signals"], arrays), int(told["n"])
            return Profile(
                n=int(facts["n"]),
                kinds=facts["kinds"],
                whole=_unpacked("whole", facts["whole"], arrays),
                words={
                    key: Vocabulary.unpacked(told["facts"], _below(f"words/{key}", arrays))
                    for key, told in facts["words"].items()
                },
                sample=sample,
                slices=slices,
                sizes=sizes,
                first=_number(facts["first"]),
                last=_number(facts["last"]),
                label=str(facts["label"]),
                names={int(word): str(text) for word, text in facts["names"].items()},
            )
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, OSError) as error:
        if isinstance(error, SpecError):
            raise
        raise SpecError(Problem(name, f"this is no profile, or a broken one ({type(error).__name__})")) from error


def _write(file: zipfile.ZipFile, name: str, data: bytes) -> None:
    """With a fixed date: the same profile has the same bytes."""
    told = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    told.compress_type = zipfile.ZIP_DEFLATED
    file.writestr(told, data)


def _packed(place: str, summaries: Any, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    kinds = {kind: name for name, kind in _KINDS.items()}
    return {name: {"kind": kinds[type(one)], **_one(f"{place}/{name}", one, arrays)} for name, one in summaries.items()}


def _one(place: str, summary: Any, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    facts, held = summary.packed()
    arrays.update({f"{place}|{key}": values for key, values in held.items()})
    return {"facts": facts}


def _unpacked(place: str, told: Any, arrays: Any) -> dict[str, Summary]:
    return {name: _KINDS[one["kind"]].unpacked(one["facts"], _below(f"{place}/{name}", arrays)) for name, one in told.items()}


def _below(place: str, arrays: Any) -> dict[str, NDArray[Any]]:
    return {key.removeprefix(f"{place}|"): arrays[key] for key in arrays.files if key.startswith(f"{place}|")}


def _plain(told: Any) -> Any:
    if isinstance(told, dict):
        return {key: _plain(value) for key, value in told.items()}
    if isinstance(told, (list, tuple)):
        return [_plain(value) for value in told]
    if isinstance(told, float):
        return told if math.isfinite(told) else None
    return told.item() if isinstance(told, np.generic) else told


def _number(told: Any) -> float:
    return math.nan if told is None else float(told)
