"""OpenTelemetry spans of model calls: the GenAI conventions, old and new, OpenLLMetry's and OpenInference's attributes.

Read are OTLP in JSON and in protobuf. A span that is no model call is passed over; what a retrieval of the same trace found
becomes the ``contexts`` of its model calls, where both came together.

Source: OpenTelemetry semantic conventions for generative AI; OTLP 1.x, JSON mapping.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from evalkit.core.errors import MissingExtra
from evalkit.logs.messages import Row, Unreadable, answered, asked, decoded, filled, first, json_text, plain, text_of

OTHER = "spans that are no model calls"
_CALLS = {"chat", "text_completion", "completion", "generate_content", "generate", "responses", "llm"}
_OTHERS = {"embeddings", "execute_tool", "invoke_agent", "create_agent", "retrieval", "invoke_workflow", "rerank"}
_ROLES = {
    "gen_ai.system.message": "system", "gen_ai.user.message": "user", "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}  # fmt: skip
_TECHNICAL = (
    "gen_ai.", "llm.", "openinference.", "input.", "output.", "traceloop.", "telemetry.", "thread.", "code.", "net.", "http.",
    "url.", "server.", "client.", "network.", "rpc.", "otel.", "process.", "host.", "os.", "k8s.", "container.", "error.",
    "exception.", "session.", "user.", "enduser.", "retrieval.", "metadata", "tag.",
)  # fmt: skip
MOST_ATTRIBUTES = 40  # of a span's own ones that are kept


def fits(value: Any) -> bool:
    """Whether a JSON object is OTLP."""
    return isinstance(value, Mapping) and any(
        name in value for name in ("resourceSpans", "resource_spans", "scopeSpans", "scope_spans")
    )


def rows(value: Mapping[str, Any]) -> Iterator[Row | str]:
    """The model calls of an export request, `OTHER` for each span that is none, and why for each that cannot be read.

    Raises:
        ValueError: it is no export request.
    """
    contexts: dict[str, list[str]] = {}
    found: list[tuple[str, Row]] = []
    for resource, span in _spans(value):
        try:
            attributes = _attributes(span.get("attributes"))
            trace = _identity(first(span.get("traceId"), span.get("trace_id")), 16)
            call = _is_call(attributes)
            if call:
                found.append((trace, _row(span, attributes, resource, trace)))
            else:
                _identity(first(span.get("spanId"), span.get("span_id")), 8)
            contexts.setdefault(trace, []).extend(_retrieved(attributes))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            yield Unreadable(error if isinstance(error, ValueError) else "a span is damaged")
            continue
        if not call:
            yield OTHER
    for trace, row in found:
        yield row if "contexts" in row or not contexts[trace] else row | {"contexts": contexts[trace]}


def messages_of(data: bytes) -> Any:
    """An export request in protobuf, as JSON has it.

    Raises:
        MissingExtra: the packages that read protobuf are not installed.
        ValueError: it is none.
    """
    request, decode_error, to_dict = _protobuf()
    message = request()
    try:
        message.ParseFromString(data)
    except decode_error as error:
        raise ValueError(f"is no OTLP export request: {error}") from error
    size = message.ByteSize()
    message.DiscardUnknownFields()
    if data and (size != len(data) or message.ByteSize() < len(data) // 2):
        raise ValueError("is no OTLP export request")
    return to_dict(message)


def _protobuf() -> tuple[Any, Any, Any]:
    try:
        from google.protobuf.json_format import MessageToDict
        from google.protobuf.message import DecodeError
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    except ImportError as error:
        raise MissingExtra("OTLP in protobuf", "opentelemetry-proto", "otel") from error
    return ExportTraceServiceRequest, DecodeError, MessageToDict


# --- the parts of a request ------------------------------------------------------------------------------------------


def _spans(value: Mapping[str, Any]) -> Iterator[tuple[Row, Mapping[str, Any]]]:
    """Each span with its resource's attributes."""
    groups = first(value.get("resourceSpans"), value.get("resource_spans"))
    if groups is None:
        groups = [value] if fits(value) else None
    for group in _list(groups):
        resource = _attributes((group.get("resource") or {}).get("attributes"))
        scopes = first(group.get("scopeSpans"), group.get("scope_spans"), group.get("instrumentationLibrarySpans"))
        for scope in _list(scopes or []):
            for span in _list(scope.get("spans") or []):
                yield resource, span


def _list(value: Any) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        raise ValueError("is no OTLP export request: a list of objects is missing")
    return value


def _identity(told: Any, size: int) -> str:
    """A trace's or span's id in hexadecimal digits; protobuf's JSON has it in base64."""
    if isinstance(told, str):
        if len(told) == 2 * size and re.fullmatch("[0-9a-fA-F]+", told):
            return told.lower()
        try:
            raw = base64.b64decode(told, validate=True)
        except ValueError:
            raw = b""
        if len(raw) == size:
            return raw.hex()
    raise ValueError(f"a span has no {'trace' if size == 16 else 'span'} id")


def _attributes(pairs: Any) -> Row:
    if isinstance(pairs, Mapping):  # as some exporters write them
        return dict(pairs)
    return {str(pair["key"]): _value(pair.get("value")) for pair in pairs or [] if isinstance(pair, Mapping) and "key" in pair}


def _value(told: Any) -> Any:
    """OTLP's AnyValue as a plain one."""
    if not isinstance(told, Mapping) or not told:
        return None
    name, value = next(iter(told.items()))
    kind = name.replace("_", "").lower()
    if kind == "intvalue":
        return int(value)
    if kind == "doublevalue":
        return float(value)
    if kind == "arrayvalue":
        return [_value(each) for each in (value or {}).get("values", [])]
    if kind == "kvlistvalue":
        return _attributes((value or {}).get("values", []))
    return value


# --- a span ----------------------------------------------------------------------------------------------------------


def _is_call(attributes: Row) -> bool:
    operation = str(attributes.get("gen_ai.operation.name") or attributes.get("llm.request.type") or "").lower()
    kind = str(first(attributes.get("openinference.span.kind"), attributes.get("gen_ai.span.kind")) or "").lower()
    if operation in _OTHERS or (kind and kind != "llm"):
        return False
    if operation in _CALLS or kind == "llm":
        return True
    named = any(name.startswith(("gen_ai.prompt", "gen_ai.completion", "gen_ai.input", "gen_ai.output")) for name in attributes)
    return named or any(name in attributes for name in ("gen_ai.request.model", "gen_ai.response.model", "llm.model_name"))


def _row(span: Mapping[str, Any], attributes: Row, resource: Row, trace: str) -> Row:
    events = [event for event in span.get("events") or [] if isinstance(event, Mapping)]
    told = [(str(event.get("name", "")), _attributes(event.get("attributes"))) for event in events]
    start, end = (_nanoseconds(span, name) for name in ("start", "end"))
    took = (end - start) / 1e6 if start and end and end >= start else None
    get = attributes.get
    prompt, version = get("gen_ai.prompt.name"), get("gen_ai.prompt.version")
    row = {
        "id": f"{trace}-{_identity(first(span.get('spanId'), span.get('span_id')), 8)}",
        **_asked(attributes, told),
        **_answered(attributes, told),
        "timestamp": start or None,
        "latency_ms": took,
        "model": first(get("gen_ai.response.model"), get("gen_ai.request.model"), get("llm.model_name")),
        "prompt_version": first(
            version if not prompt else f"{prompt}@{version}" if version else prompt, get("llm.prompt_template.version")
        ),
        "session_id": first(
            get("gen_ai.conversation.id"), get("session.id"), get("traceloop.association.properties.session_id")
        ),
        "user_id": first(get("user.id"), get("enduser.id"), get("traceloop.association.properties.user_id")),
        "prompt_tokens": first(
            get("gen_ai.usage.input_tokens"), get("gen_ai.usage.prompt_tokens"), get("llm.token_count.prompt")
        ),
        "completion_tokens": first(
            get("gen_ai.usage.output_tokens"), get("gen_ai.usage.completion_tokens"), get("llm.token_count.completion")
        ),
        "cost": first(get("gen_ai.usage.cost"), get("gen_ai.cost.total_cost"), get("llm.cost.total")),
        "error": _error(span, attributes, told),
        "finish_reason": _finish(attributes),
        "provider": first(get("gen_ai.provider.name"), get("gen_ai.system"), get("llm.provider")),
        "operation": first(get("gen_ai.operation.name"), get("llm.request.type")),
        "temperature": get("gen_ai.request.temperature"),
        "trace_id": trace,
        "service": resource.get("service.name"),
        "environment": first(resource.get("deployment.environment.name"), resource.get("deployment.environment")),
        "contexts": _retrieved(attributes) or None,
        "flags": _texts(first(get("flags"), get("tag.tags"))),
        "feedback": first(get("feedback"), get("user.feedback")),
    }
    own = [
        name for name, value in attributes.items() if not name.startswith(_TECHNICAL) and isinstance(value, (str, int, float))
    ]
    return filled({name: attributes[name] for name in own[:MOST_ATTRIBUTES]} | row)


def _nanoseconds(span: Mapping[str, Any], which: str) -> int:
    told = first(span.get(f"{which}TimeUnixNano"), span.get(f"{which}_time_unix_nano"))
    try:
        return int(told or 0)
    except (TypeError, ValueError):
        raise ValueError(f"a span's {which} is no time") from None


def _asked(attributes: Row, events: Iterable[tuple[str, Row]]) -> Row:
    system = text_of(decoded(attributes.get("gen_ai.system_instructions")))
    told = plain(attributes.get("gen_ai.input.messages"))
    for name, own in events:
        if told:
            break
        system = system or text_of(decoded(own.get("gen_ai.system_instructions")))
        told = plain(first(own.get("gen_ai.input.messages"), own.get("gen_ai.prompt") if "prompt" in name else None))
    told = told or _numbered(attributes, "gen_ai.prompt.") or plain(attributes.get("gen_ai.prompt"))
    told = told or [
        {"role": _ROLES[name], "content": text_of(decoded(first(own.get("content"), own.get("gen_ai.event.content")))) or ""}
        for name, own in events
        if name in _ROLES
    ]
    told = told or _numbered(attributes, "llm.input_messages.", "message.") or plain(attributes.get("input.value"))
    return asked(told, system)


def _answered(attributes: Row, events: Iterable[tuple[str, Row]]) -> Row:
    told = answered(attributes.get("gen_ai.output.messages"))
    for name, own in events:
        if told:
            return told
        told = answered(
            first(own.get("gen_ai.output.messages"), own.get("gen_ai.completion") if "completion" in name else None)
        )
    choices = [
        decoded(first(own.get("message"), own.get("content"), own.get("gen_ai.event.content")))
        for name, own in events
        if name == "gen_ai.choice"
    ]
    return (
        told
        or answered(_numbered(attributes, "gen_ai.completion.") or None)
        or answered(attributes.get("gen_ai.completion"))
        or answered(choices or None)
        or answered(_numbered(attributes, "llm.output_messages.", "message.") or None)
        or answered(attributes.get("output.value"))
    )


def _numbered(attributes: Row, prefix: str, inner: str = "") -> list[Row]:
    """Messages that are spread over attributes: ``gen_ai.prompt.0.role``, ``gen_ai.prompt.0.content``, …"""
    turns: dict[int, Row] = {}
    for name, value in attributes.items():
        if name.startswith(prefix):
            number, _, rest = name[len(prefix) :].partition(".")
            if number.isdecimal() and rest.startswith(inner):
                turns.setdefault(int(number), {})[rest.removeprefix(inner)] = value
    told = []
    for _, turn in sorted(turns.items()):
        parts = [turn[name] for name in sorted(turn) if name.startswith("contents.") and name.endswith(".text")]
        calls = {name: value for name, value in turn.items() if name.startswith("tool_calls.")}
        content = first(text_of(decoded(turn.get("content"))), text_of(parts or None), json_text(calls) if calls else None)
        role = turn.get("role") or ("assistant" if "completion" in prefix or "output" in prefix else "user")
        told.append({"role": str(role), "content": content or ""})
    return told


def _retrieved(attributes: Row) -> list[str]:
    """Documents that a retrieval span found, best first."""
    told = decoded(attributes.get("gen_ai.retrieval.documents"))
    if isinstance(told, list):
        return [text for each in told if (text := text_of(each)) is not None]
    found = {}
    for name, value in attributes.items():
        place = re.fullmatch(r"retrieval\.documents\.(\d+)\.document\.content", name)
        if place:
            found[int(place[1])] = str(value)
    return [found[at] for at in sorted(found)]


def _error(span: Mapping[str, Any], attributes: Row, events: Iterable[tuple[str, Row]]) -> str | None:
    status = span.get("status") or {}
    failed = isinstance(status, Mapping) and status.get("code") in (2, "2", "STATUS_CODE_ERROR", "ERROR", "Error")
    raised = next((own for name, own in events if name == "exception"), {})
    kind = first(attributes.get("error.type"), raised.get("exception.type"), "error" if failed else None)
    if kind is None or not (failed or "error.type" in attributes):
        return None
    said = first(status.get("message") if isinstance(status, Mapping) else None, raised.get("exception.message"))
    return f"{kind}: {said}" if said and said != kind else str(kind)


def _finish(attributes: Row) -> str | None:
    told = decoded(first(attributes.get("gen_ai.response.finish_reasons"), attributes.get("gen_ai.completion.0.finish_reason")))
    return str(told[0]) if isinstance(told, list) and told else None if told is None or isinstance(told, list) else str(told)


def _texts(value: Any) -> list[str] | None:
    told = decoded(value)
    return None if told is None else [str(each) for each in told] if isinstance(told, list) else [str(told)]
