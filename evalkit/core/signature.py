"""Signatures that make a score citable, and fingerprints of all that moves it."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.core.content import Document

if TYPE_CHECKING:
    from evalkit.core.contracts import Measure

from evalkit.core.version import VERSION as VERSION


def default_signature(metric: Measure) -> str:
    """``name|option:value|…|v:VERSION``, every option in the order of its field."""
    options = [f"{name}:{spell(value)}" for name, value in metric.options().items()]
    texts = prompts_of(metric)
    if texts:
        options.append(f"prompts:{hashlib.sha256(canonical(texts)).hexdigest()[:12]}")
    return "|".join([metric.name, *options, f"v:{metric.version}"])


def prompts_of(metric: Measure) -> dict[str, str]:
    """The prompt texts of a metric that asks a model; none of any other."""
    prompts = getattr(metric, "prompts", None)
    return dict(prompts()) if prompts is not None else {}


def spell(value: Any) -> str:
    """An option's value, short and without the separators of a signature."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    if isinstance(value, Document):
        return value.sha256[:12]
    if isinstance(value, (list, tuple)):
        return ",".join(map(spell, value))
    if isinstance(value, Mapping):
        return hashlib.sha256(canonical(value)).hexdigest()[:12]
    if dataclasses.is_dataclass(value):
        return hashlib.sha256(repr(value).encode()).hexdigest()[:12]
    return str(value).replace("|", "/").replace("\n", "\\n")  # one line, whatever an option holds


def fingerprint(metric: Measure, *, backend: str | None = None) -> str:
    """sha256 of all that moves the score but the data: code version, options, documents and prompts, the model's identity."""
    told = {
        "metric": f"{type(metric).__module__}:{type(metric).__qualname__}",
        "version": metric.version,
        "options": {name: plain(value) for name, value in metric.options().items()},
        "backend": backend,
    }
    texts = prompts_of(metric)
    if texts:
        told["prompts"] = texts
    return hashlib.sha256(canonical(told)).hexdigest()


def plain(value: Any) -> Any:
    """A value as JSON can hold it; a document is its content, not its path."""
    if isinstance(value, Document):
        return {"sha256": value.sha256}
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return repr(value)


def canonical(value: Any) -> bytes:
    """One byte string per JSON value: sorted keys, no white space."""
    return msgspec.json.encode(value, order="sorted")
