"""Langfuse exports: observations and traces, as the UI, the API and the blob-storage export write them.

Names are in camelCase or snake_case. A generation is a row; a trace is one where it holds no generation of its own; other
observations are passed over. A user's score on a trace (thumbs) is its feedback.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from evalkit.logs.messages import Row, answered, asked, decoded, filled, first, plain, text_of

OTHER = "observations that are no generations"
_MARKS = ("traceId", "trace_id", "observations", "htmlPath", "providedModelName", "provided_model_name", "calculatedTotalCost")


def fits(value: Any) -> bool:
    """Whether a record comes from Langfuse: an observation, a trace, or a page of either."""
    if not isinstance(value, Mapping):
        return False
    if isinstance(value.get("data"), list) and isinstance(value.get("meta"), Mapping):
        return all(fits(each) for each in value["data"][:3]) and bool(value["data"])
    if isinstance(value.get("trace"), Mapping):
        return True
    times = any(name in value for name in ("startTime", "start_time", "timestamp"))
    marked = any(name in value for name in _MARKS) or ("projectId" in value and "timestamp" in value)
    return bool("id" in value and times and marked)


def rows(value: Mapping[str, Any]) -> Iterator[Row | str]:
    """The generations in a record, and `OTHER` for each observation that is none."""
    if isinstance(value.get("data"), list):
        for each in value["data"]:
            yield from rows(each)
        return
    inside = value.get("trace")
    if isinstance(inside, Mapping):  # the download of a single trace
        value = {**inside, "observations": value.get("observations"), "scores": value.get("scores")}
    observations = decoded(value.get("observations"))
    if isinstance(observations, list) and any(isinstance(each, Mapping) for each in observations):
        yield from _of_trace(value, [each for each in observations if isinstance(each, Mapping)])
    elif _get(value, "startTime") is None:
        yield _trace(value)
    elif str(_get(value, "type") or "GENERATION").upper() == "GENERATION":
        yield _generation(value, value)
    else:
        yield OTHER


def _of_trace(trace: Mapping[str, Any], observations: list[Mapping[str, Any]]) -> Iterator[Row | str]:
    generations = [each for each in observations if str(_get(each, "type") or "").upper() == "GENERATION"]
    if not generations:
        yield _trace(trace)
    for each in generations:
        yield _generation(each, trace)
    for _ in range(len(observations) - len(generations)):
        yield OTHER


def _generation(own: Mapping[str, Any], trace: Mapping[str, Any]) -> Row:
    usage = {**_object(own, "usage"), **_object(own, "usageDetails")}
    start, end = _get(own, "startTime"), _get(own, "endTime")
    version = _get(own, "promptVersion")
    prompt = _get(own, "promptName")
    return filled(
        {
            **_common(own, trace),
            "timestamp": start,
            "latency_ms": first(_between(start, end), _milliseconds(_get(own, "latency"))),
            "model": first(_get(own, "model"), _get(own, "providedModelName"), _get(own, "internalModelId")),
            "prompt_version": f"{prompt}@{version}" if prompt and version is not None else first(prompt, version),
            "prompt_tokens": first(usage.get("input"), usage.get("promptTokens"), *_several(own, "promptTokens", "inputUsage")),
            "completion_tokens": first(
                usage.get("output"), usage.get("completionTokens"), *_several(own, "completionTokens", "outputUsage")
            ),
            "cost": first(_object(own, "costDetails").get("total"), _get(own, "calculatedTotalCost"), _get(own, "totalCost")),
            "error": first(_get(own, "statusMessage"), "error") if str(_get(own, "level") or "").upper() == "ERROR" else None,
            "trace_id": _get(own, "traceId"),
        }
    )


def _trace(own: Mapping[str, Any]) -> Row:
    return filled(
        {
            **_common(own, own),
            "timestamp": _get(own, "timestamp"),
            "latency_ms": _milliseconds(_get(own, "latency")),
            "cost": _get(own, "totalCost"),
        }
    )


def _common(own: Mapping[str, Any], trace: Mapping[str, Any]) -> Row:
    tags = decoded(first(_get(own, "tags"), _get(trace, "tags")))
    return {
        "id": _get(own, "id"),
        **_asked(_get(own, "input")),
        **_answered(_get(own, "output")),
        "session_id": first(_get(own, "sessionId"), _get(trace, "sessionId")),
        "user_id": first(_get(own, "userId"), _get(trace, "userId")),
        "flags": [str(tag) for tag in tags] if isinstance(tags, list) else None,
        "feedback": _feedback(first(_get(own, "scores"), _get(trace, "scores"))),
        "name": _get(own, "name"),
        "environment": first(_get(own, "environment"), _get(trace, "environment")),
        "release": first(_get(own, "release"), _get(trace, "release")),
    }


def _asked(value: Any) -> Row:
    told = decoded(value)
    if isinstance(told, Mapping) and "messages" not in told and "role" not in told:
        question = first(*(told.get(name) for name in ("input", "question", "query", "prompt", "text", "content")))
        if isinstance(question, str):
            return {"input": question}
    return asked(plain(told)) if told is not None else {}


def _answered(value: Any) -> Row:
    told = decoded(value)
    if isinstance(told, Mapping) and not {"role", "content", "choices", "message"} & set(told):
        answer = first(*(told.get(name) for name in ("output", "answer", "response", "completion", "text", "result")))
        return {"output": answer if isinstance(answer, str) else text_of(told)}
    return answered(told)


def _feedback(scores: Any) -> int | None:
    """The latest score whose name speaks of feedback, or a boolean one, as -1, 0 or 1."""
    for score in reversed(decoded(scores) or []):
        if isinstance(score, Mapping) and any(
            word in str(score.get("name", "")).lower() for word in ("feedback", "thumb", "user")
        ):
            value = first(score.get("value"), score.get("stringValue"))
            if isinstance(value, (int, float)) and value in (-1, 0, 1):
                boolean = str(first(score.get("dataType"), score.get("data_type"))).upper() == "BOOLEAN"
                return (1 if value else -1) if boolean else int(value)
    return None


def _get(own: Mapping[str, Any], name: str) -> Any:
    """A field in camelCase, snake_case or Title Case."""
    if name in own:
        return own[name] if own[name] != "" else None
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return first(own.get(snake), own.get(snake.replace("_", " ").title()))


def _several(own: Mapping[str, Any], *names: str) -> list[Any]:
    return [_get(own, name) for name in names]


def _object(own: Mapping[str, Any], name: str) -> Row:
    told = decoded(_get(own, name))
    return dict(told) if isinstance(told, Mapping) else {}


def _milliseconds(seconds: Any) -> float | None:
    try:
        return None if seconds is None else round(float(seconds) * 1e3, 3)
    except (TypeError, ValueError):
        return None


def _between(start: Any, end: Any) -> float | None:
    try:
        took = (datetime.fromisoformat(str(end)) - datetime.fromisoformat(str(start))).total_seconds()
    except (TypeError, ValueError):
        return None
    return round(took * 1e3, 3) if took >= 0.0 else None
