"""OpenAI chat completions as people log them: request beside response, stored completions, lines of a batch's output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evalkit.logs.messages import Row, answered, asked, decoded, filled, first, plain, text_of

_PAIRS = (("request", "response"), ("req", "res"), ("input", "output"), ("kwargs", "response"), ("body", "response"))


def fits(value: Any) -> bool:
    """Whether a record holds a chat completion."""
    if not isinstance(value, Mapping):
        return False
    request, response = _sides(value)
    return response is not None or (request is not None and "messages" in request and "model" in request)


def rows(value: Mapping[str, Any]) -> Iterator[Row]:
    """The completion in a record: with the request where it is there.

    Raises:
        ValueError: neither a request nor a response is in it.
    """
    request, response = _sides(value)
    if request is None and response is None:
        raise ValueError("holds no chat completion: neither messages nor choices")
    request, response = request or {}, response or {}
    usage = first(response.get("usage"), value.get("usage")) or {}
    extra = {**_object(request.get("metadata")), **_object(first(response.get("metadata"), value.get("metadata")))}
    choices = response.get("choices") or []
    finish = choices[0].get("finish_reason") if choices and isinstance(choices[0], Mapping) else response.get("status")
    told = plain(first(request.get("messages"), request.get("input"), value.get("messages"), request.get("prompt")))
    failed = first(response.get("error"), value.get("error"))
    row = {
        "id": first(response.get("id"), _text(value.get("id")), value.get("custom_id"), value.get("request_id")),
        **asked(told, text_of(first(request.get("instructions"), request.get("system")))),
        **_answered(response, choices),
        "timestamp": first(
            *(value.get(name) for name in ("timestamp", "time", "created_at", "ts")),
            response.get("created"),
            response.get("created_at"),
            value.get("created"),
        ),
        "model": first(response.get("model"), request.get("model"), value.get("model")),
        "latency_ms": first(value.get("latency_ms"), value.get("duration_ms"), value.get("response_ms")),
        "user_id": first(request.get("user"), request.get("safety_identifier"), value.get("user"), value.get("user_id")),
        "session_id": first(value.get("session_id"), value.get("conversation_id"), extra.get("session_id")),
        "prompt_version": first(value.get("prompt_version"), extra.get("prompt_version")),
        "prompt_tokens": first(usage.get("prompt_tokens"), usage.get("input_tokens")),
        "completion_tokens": first(usage.get("completion_tokens"), usage.get("output_tokens")),
        "cost": first(value.get("cost"), usage.get("cost")),
        "feedback": value.get("feedback"),
        "flags": value.get("flags"),
        "error": None if not failed else text_of(failed.get("message") or failed if isinstance(failed, Mapping) else failed),
        "finish_reason": finish,
        "temperature": request.get("temperature"),
        "custom_id": value.get("custom_id"),
    }
    more = {f"metadata.{name}": each for name, each in extra.items() if isinstance(each, (str, int, float))}
    yield filled(more | row)


def _sides(value: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """The request and the response in a record, as far as it has them."""
    for name, other in _PAIRS:
        request, response = decoded(value.get(name)), decoded(value.get(other))
        if isinstance(response, Mapping) and isinstance(response.get("body"), Mapping):  # a line of a batch's output
            response = {**response["body"], "error": first(response["body"].get("error"), value.get("error"))}
        if isinstance(request, Mapping) and isinstance(request.get("body"), Mapping):
            request = request["body"]
        asks = isinstance(request, Mapping) and ("messages" in request or "input" in request or "prompt" in request)
        answers = isinstance(response, Mapping) and (
            "choices" in response or _is_response(response) or bool(response.get("error"))
        )
        if answers and (asks or name == "request"):
            return (request if asks else _own(value)), response
        if asks and other in value and value.get("error"):
            return request, {"error": value["error"]}
    if "choices" in value or _is_response(value):
        return (_own(value), value)
    return (_own(value), None) if "messages" in value and "model" in value else (None, None)


def _own(value: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return value if "messages" in value else None


def _is_response(value: Mapping[str, Any]) -> bool:
    """Whether it is a reply of OpenAI's newer Responses API."""
    return value.get("object") == "response" and isinstance(value.get("output"), list)


def _answered(response: Mapping[str, Any], choices: Any) -> Row:
    if choices:
        texts = [each.get("text") if isinstance(each, Mapping) and "text" in each else each for each in choices]
        return answered(texts)
    if isinstance(response.get("output"), list):
        told = [each for each in response["output"] if isinstance(each, Mapping) and each.get("type", "message") == "message"]
        return answered(told or response["output"])
    return {}


def _object(value: Any) -> Row:
    return dict(value) if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
