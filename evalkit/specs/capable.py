"""Whether the backends of a suite can do what its metrics ask of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evalkit.core.asking import Capability
from evalkit.core.contracts import ModelMetric
from evalkit.core.errors import EvalkitError
from evalkit.core.registry import find
from evalkit.specs.node import Node
from evalkit.specs.suite import BackendSpec, MetricSpec

_WORDS: dict[Capability, str] = {
    "chat": "answer a chat",
    "schema": "keep a reply to a JSON schema",
    "choices": "keep a reply to some choices",
    "logprobs": "give the log-probabilities of a reply",
    "likelihood": "tell how likely a given text is",
    "embed": "give a text a vector",
    "encode": "give a text's tokens their vectors",
    "classify": "classify a text",
}
_KINDS: dict[Capability, str] = {
    "likelihood": "kind: vllm and kind: transformers with a language model can",
    "embed": "kind: transformers with an encoder, and kind: openai with an embedding model, can",
    "encode": "kind: transformers with an encoder can",
    "classify": "kind: transformers with a classifier can",
    "logprobs": "kind: openai and kind: vllm can, where the server does",
}
_WRONG = (EvalkitError, TypeError, ValueError, OSError)


def check_backends(
    top: Node, entries: Sequence[Node], metrics: Sequence[MetricSpec], backends: Mapping[str, BackendSpec]
) -> None:
    """Note every backend that cannot be, and every metric whose backend cannot do what it wants; nothing is loaded for it.

    Args:
        top: what holds ``backends``.
        entries: where the metrics stand.
    """
    can = {spec.name: found for spec in backends.values() if spec.kind and (found := _can(top, entries, spec)) is not None}
    if not can:
        return
    at = {entry.line: entry for entry in entries}
    for spec in metrics:
        metric = spec.metric
        if not isinstance(metric, ModelMetric) or spec.backend not in can:
            continue
        wants = {spec.backend: metric.wants_of()}
        for name in metric.others():
            wants[name] = wants.get(name, frozenset()) | metric.wants_from(name)
        for name, wanted in wants.items():
            lacking = wanted - can.get(name, wanted)
            if lacking:
                what = f"{spec.label}: the backend {name} (kind: {backends[name].kind}) cannot {_listed(lacking)}"
                hint = metric.instead(lacking) or _KINDS.get(sorted(lacking)[0])
                at.get(spec.line, top).fault(what, hint)


def check_backend(node: Node, spec: BackendSpec, wanted: Capability) -> None:
    """Note at ``node`` that a backend cannot be, or cannot do what is wanted; nothing is loaded for it."""
    try:
        can = _capabilities(spec)
    except _WRONG as error:
        node.fault(f"{node.label}: {str(error).partition(chr(10))[0]}")
        return
    if wanted not in can:
        named = "the backend" if spec.name == node.label else f"the backend {spec.name}"
        node.fault(f"{node.label}: {named} (kind: {spec.kind}) cannot {_WORDS[wanted]}", _KINDS.get(wanted))


def _capabilities(spec: BackendSpec) -> frozenset[Capability]:
    options: dict[str, Any] = {key: value for key, value in spec.options.items() if not key.endswith("_env")}
    return frozenset(getattr(find("backend", spec.kind)(**options), "can", ("chat",)))


def _can(top: Node, entries: Sequence[Node], spec: BackendSpec) -> frozenset[Capability] | None:
    """What a backend can do; None, and a problem noted, where there is no such backend."""
    try:
        return _capabilities(spec)
    except _WRONG as error:
        at, said = top.child("backends"), str(error).partition("\n")[0]
        if spec.name in (at.value or {}):
            at.child(spec.name).fault(f"backends.{spec.name}: {said}")
        else:
            named = [model for entry in entries if (model := entry.get("model")) is not None]
            next((model for model in named if model.line == spec.line), top).fault(said)
        return None


def _listed(lacking: Iterable[Capability]) -> str:
    return ", nor ".join(_WORDS[capability] for capability in sorted(lacking))
