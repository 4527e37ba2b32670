"""Logs of other tools as canonical rows: OpenTelemetry in all its spellings, Langfuse, OpenAI chat completions."""

from __future__ import annotations

import json
import struct
import sys

import pytest
from google.protobuf.internal.encoder import _VarintBytes
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from evalkit.core.errors import MissingExtra
from evalkit.logs.ingest import ingest
from evalkit.logs.lines import blocks
from evalkit.logs.read import opened
from evalkit.logs.store import LogStore

START = 1_795_946_400_000_000_000


def any_value(value):
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [any_value(each) for each in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": pairs(value)}}
    return {"stringValue": value}


def pairs(attributes):
    return [{"key": name, "value": any_value(value)} for name, value in attributes.items()]


def span(number, attributes, events=(), **more):
    return {
        "traceId": f"{number // 10 + 1:032x}", "spanId": f"{number:016x}", "name": "chat m", "kind": 3,
        "startTimeUnixNano": str(START), "endTimeUnixNano": str(START + 1_500_000_000), "attributes": pairs(attributes),
        "events": [{"name": name, "timeUnixNano": str(START), "attributes": pairs(own)} for name, own in events], **more,
    }  # fmt: skip


def request(*spans):
    resource = {"attributes": pairs({"service.name": "shop"})}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "x"}, "spans": list(spans)}]}]}


def rows(tmp_path, name, content, **options):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    taken = ingest(path, LogStore.at(tmp_path / f"store-{name}"), **options)
    if not taken.read:
        return taken, []
    with opened(str(tmp_path / f"store-{name}")) as log:
        found = [row for batch in log.batches(list(log.columns)) for row in batch.to_pylist()]
    return taken, sorted(
        ({key: value for key, value in row.items() if value is not None} for row in found), key=lambda row: row["id"]
    )


ASKED = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Which code is it?"}]
PARTS_IN = [{"role": "user", "parts": [{"type": "text", "content": "Which code is it?"}]}]
PARTS_OUT = [
    {
        "role": "assistant",
        "parts": [{"type": "reasoning", "content": "hm"}, {"type": "text", "content": "404"}],
        "finish_reason": "stop",
    }
]
MODEL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
SPELLINGS = {
    "attributes as JSON": (
        {**MODEL, "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Be brief."}]), "gen_ai.input.messages": json.dumps(PARTS_IN), "gen_ai.output.messages": json.dumps(PARTS_OUT)},
        [],
    ),
    "attributes in structured form": (
        {**MODEL, "gen_ai.system_instructions": [{"type": "text", "content": "Be brief."}], "gen_ai.input.messages": PARTS_IN, "gen_ai.output.messages": PARTS_OUT},
        [],
    ),
    "an event with the details": (
        MODEL,
        [("gen_ai.client.inference.operation.details", {"gen_ai.system_instructions": "Be brief.", "gen_ai.input.messages": json.dumps(PARTS_IN), "gen_ai.output.messages": json.dumps(PARTS_OUT)})],
    ),
    "an event a message": (
        {"gen_ai.system": "openai", **MODEL},
        [
            ("gen_ai.system.message", {"content": "Be brief."}), ("gen_ai.user.message", {"content": "Which code is it?"}),
            ("gen_ai.choice", {"index": 0, "message": json.dumps({"role": "assistant", "content": "404"})}),
        ],
    ),
    "old content events": (
        MODEL,
        [("gen_ai.content.prompt", {"gen_ai.prompt": json.dumps(ASKED)}), ("gen_ai.content.completion", {"gen_ai.completion": json.dumps([{"role": "assistant", "content": "404"}])})],
    ),
    "OpenLLMetry": (
        {
            "llm.request.type": "chat", "gen_ai.request.model": "m", "gen_ai.prompt.0.role": "system", "gen_ai.prompt.0.content": "Be brief.",
            "gen_ai.prompt.1.role": "user", "gen_ai.prompt.1.content": "Which code is it?", "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": "404", "gen_ai.completion.0.finish_reason": "stop",
        },
        [],
    ),
    "OpenInference": (
        {
            "openinference.span.kind": "LLM", "llm.model_name": "m", "llm.input_messages.0.message.role": "system",
            "llm.input_messages.0.message.content": "Be brief.", "llm.input_messages.1.message.role": "user",
            "llm.input_messages.1.message.content": "Which code is it?", "llm.output_messages.0.message.content": "404",
        },
        [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_a_chat_span_is_the_same_row(tmp_path, spelling):
    attributes, events = SPELLINGS[spelling]
    taken, (row,) = rows(tmp_path, "spans.json", json.dumps(request(span(1, attributes, events)), indent=2))
    assert taken.format == "otel"
    assert (row["input"], row["output"], row["model"], row["service"]) == ("Which code is it?", "404", "m", "shop")
    assert [turn["role"] for turn in json.loads(row["messages"])] == ["system", "user"]
    assert (row["id"], row["latency_ms"]) == (f"{1:032x}-{1:016x}", 1500.0)
    assert row["timestamp"].isoformat() == "2026-11-29T10:00:00+00:00"


def test_usage_errors_identity_and_own_attributes(tmp_path):
    told = span(
        1,
        {
            **MODEL, "gen_ai.response.model": "m-2026", "gen_ai.usage.input_tokens": 12, "gen_ai.usage.output_tokens": 3,
            "gen_ai.conversation.id": "c", "user.id": "u", "gen_ai.prompt.name": "answer", "error.type": "timeout", "app.plan": "pro",
            "http.method": "POST", "gen_ai.response.finish_reasons": ["length"],
        },
        status={"code": 2, "message": "took too long"},
    )  # fmt: skip
    _, (row,) = rows(tmp_path, "spans.jsonl", json.dumps(request(told)))
    assert (row["model"], row["prompt_tokens"], row["completion_tokens"]) == ("m-2026", 12, 3)
    assert (row["session_id"], row["user_id"], row["prompt_version"], row["finish_reason"]) == ("c", "u", "answer", "length")
    assert (row["error"], row["app.plan"]) == ("timeout: took too long", "pro")
    assert "http.method" not in row
    assert "output" not in row


def test_other_spans_are_counted_and_retrieved_documents_are_contexts(tmp_path):
    spans = [
        span(10, {"http.method": "GET"}),
        span(
            11,
            {
                "gen_ai.operation.name": "retrieval",
                "gen_ai.retrieval.documents": json.dumps([{"content": "passage 1"}, {"content": "passage 2"}]),
            },
        ),
        span(12, {**MODEL, "gen_ai.input.messages": json.dumps(PARTS_IN)}),
        span(13, {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "e"}),
        span(20, {"openinference.span.kind": "RETRIEVER", "retrieval.documents.0.document.content": "other"}),
        span(14, MODEL, traceId="zz"),
    ]
    taken, (row,) = rows(tmp_path, "spans.json", json.dumps(request(*spans)))
    assert row["contexts"] == ["passage 1", "passage 2"]
    assert dict(taken.over) == {"spans that are no model calls": 4}
    assert (taken.broken, taken.first[0].reason) == (1, "a span has no trace id")


def protobuf(*spans):
    message = request(*spans)
    import base64

    for one in message["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for name in ("traceId", "spanId"):
            one[name] = base64.b64encode(bytes.fromhex(one[name])).decode()
    return ParseDict(message, ExportTraceServiceRequest()).SerializeToString()


@pytest.mark.parametrize("framing", ["single", "collector", "varint", "gzip"])
def test_protobuf_files_alone_and_framed(tmp_path, framing):
    import gzip

    parts = [
        protobuf(*(span(10 * part + n, {**MODEL, "gen_ai.usage.input_tokens": 10 * part + n}) for n in range(3)))
        for part in range(4)
    ]
    content = {
        "single": parts[0],
        "collector": b"".join(struct.pack(">I", len(part)) + part for part in parts),
        "varint": b"".join(_VarintBytes(len(part)) + part for part in parts),
        "gzip": gzip.compress(parts[0]),
    }[framing]
    name = "spans.pb.gz" if framing == "gzip" else "spans.pb"
    taken, found = rows(tmp_path, name, content)
    assert taken.format == "otel"
    assert taken.broken == 0
    assert sorted(row["prompt_tokens"] for row in found) == [
        n + 10 * part for part in range(4 if framing in ("collector", "varint") else 1) for n in range(3)
    ]
    taken, _ = rows(tmp_path, "cut.pb", b"".join(struct.pack(">I", len(part)) + part for part in parts)[:-5])
    assert (taken.read, taken.broken, taken.first[0].line) == (9, 1, 4)


def test_protobuf_and_json_of_one_span_are_one_row(tmp_path):
    (tmp_path / "a.pb").write_bytes(protobuf(span(1, MODEL)))
    (tmp_path / "a.json").write_text(json.dumps(request(span(1, MODEL))))
    store = LogStore.at(tmp_path / "store")
    assert ingest(tmp_path / "a.pb", store).added.new == 1
    assert ingest(tmp_path / "a.json", store).added.again == 1


def test_without_the_extra_protobuf_is_one_message(tmp_path, monkeypatch):
    (tmp_path / "a.pb").write_bytes(protobuf(span(1, MODEL)))
    monkeypatch.setitem(sys.modules, "opentelemetry.proto.collector.trace.v1.trace_service_pb2", None)
    with pytest.raises(MissingExtra, match=r"pip install 'evalkit\[otel\]'"):
        list(blocks(tmp_path / "a.pb"))


GENERATION = {
    "id": "g1", "traceId": "t1", "type": "GENERATION", "name": "answer", "startTime": "2026-11-29T10:00:00.000Z", "endTime": "2026-11-29T10:00:02.500Z",
    "model": "gpt-x", "input": ASKED, "output": {"role": "assistant", "content": "404"}, "usageDetails": {"input": 12, "output": 3, "total": 15},
    "costDetails": {"total": 0.002}, "promptName": "answer", "promptVersion": 7, "level": "DEFAULT", "latency": 2.5,
}  # fmt: skip
TRACE = {"id": "t1", "timestamp": "2026-11-29T10:00:00Z", "name": "support", "userId": "u1", "sessionId": "s1", "tags": ["beta"], "input": {"question": "Q"}, "output": "A",
         "latency": 3.1, "totalCost": 0.01, "projectId": "p"}  # fmt: skip


def test_langfuse_observations_traces_pages_and_downloads(tmp_path):
    wanted = {
        "id": "g1", "input": "Which code is it?", "output": "404", "latency_ms": 2500.0, "model": "gpt-x", "prompt_version": "answer@7", "prompt_tokens": 12,
        "completion_tokens": 3, "cost": 0.002, "trace_id": "t1",
    }  # fmt: skip
    other = {**GENERATION, "id": "s9", "type": "SPAN"}
    taken, (row,) = rows(tmp_path, "observations.json", json.dumps([GENERATION, other]))
    assert taken.format == "langfuse"
    assert {name: row[name] for name in wanted} == wanted
    assert dict(taken.over) == {"observations that are no generations": 1}
    _, (row,) = rows(tmp_path, "page.json", json.dumps({"data": [GENERATION], "meta": {"page": 1}}))
    assert {name: row[name] for name in wanted} == wanted
    scores = [{"name": "user-feedback", "value": 0, "dataType": "BOOLEAN"}]
    whole = {**TRACE, "observations": [GENERATION, other], "scores": scores}
    _, (row,) = rows(tmp_path, "trace.jsonl", json.dumps(whole))
    assert {name: row[name] for name in wanted} == wanted
    assert (row["user_id"], row["session_id"], row["flags"], row["feedback"]) == ("u1", "s1", ["beta"], -1)
    _, (row,) = rows(tmp_path, "alone.jsonl", json.dumps(TRACE))
    assert (row["id"], row["input"], row["output"], row["latency_ms"], row["cost"]) == ("t1", "Q", "A", 3100.0, 0.01)


def test_langfuse_blob_storage_names_and_csv(tmp_path):
    blob = {
        "id": "g1", "trace_id": "t1", "type": "GENERATION", "start_time": "2026-11-29 10:00:00.000000", "end_time": "2026-11-29 10:00:02.500000",
        "provided_model_name": "gpt-x", "input": json.dumps(ASKED), "output": "404", "usage_details": {"input": 12, "output": 3}, "total_cost": 0.002,
        "user_id": "u1", "session_id": "s1", "prompt_name": "answer", "prompt_version": 7, "level": "ERROR", "status_message": "cut off",
    }  # fmt: skip
    taken, (row,) = rows(tmp_path, "blob.jsonl", json.dumps(blob))
    assert taken.format == "langfuse"
    assert (row["input"], row["output"], row["model"], row["user_id"], row["error"]) == (
        "Which code is it?",
        "404",
        "gpt-x",
        "u1",
        "cut off",
    )
    assert (row["latency_ms"], row["cost"], row["prompt_version"]) == (2500.0, 0.002, "answer@7")
    cell = json.dumps(ASKED).replace('"', '""')
    csv = f'id,traceId,type,startTime,endTime,model,input,output,promptTokens\ng1,t1,GENERATION,2026-11-29T10:00:00Z,2026-11-29T10:00:01Z,m,"{cell}",404,12\n'
    taken, (row,) = rows(tmp_path, "observations.csv", csv)
    assert (taken.format, row["input"], row["output"], row["prompt_tokens"]) == ("langfuse", "Which code is it?", "404", 12)


REPLY = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1795946400, "model": "gpt-x-2026",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "404"}}, {"index": 1, "message": {"role": "assistant", "content": "410"}}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 3},
}  # fmt: skip
REQUEST = {"model": "gpt-x", "messages": ASKED, "temperature": 0.2, "user": "u1"}
RECORDS = {
    "a pair": {"request": REQUEST, "response": REPLY, "latency_ms": 700, "feedback": 1},
    "a pair as JSON texts": {"request": json.dumps(REQUEST), "response": json.dumps(REPLY), "latency_ms": 700, "feedback": 1},
    "a pair under input and output": {"input": REQUEST, "output": REPLY, "latency_ms": 700, "feedback": 1},
    "HTTP bodies": {"request": {"body": REQUEST, "url": "/v1"}, "response": {"status_code": 200, "body": REPLY}, "latency_ms": 700, "feedback": 1},
}  # fmt: skip


@pytest.mark.parametrize("shape", RECORDS)
def test_chat_completions_as_people_log_them(tmp_path, shape):
    taken, (row,) = rows(tmp_path, "chat.jsonl", json.dumps(RECORDS[shape]))
    assert taken.format == "chat"
    assert (row["id"], row["input"], row["output"], row["samples"]) == ("chatcmpl-1", "Which code is it?", "404", ["410"])
    assert (row["model"], row["user_id"], row["prompt_tokens"], row["latency_ms"], row["feedback"]) == (
        "gpt-x-2026",
        "u1",
        12,
        700.0,
        1,
    )
    assert (row["finish_reason"], row["date"].isoformat()) == ("stop", "2026-11-29")


def test_stored_completions_batches_responses_and_failures(tmp_path):
    stored = {**REPLY, "messages": ASKED, "metadata": {"prompt_version": "v3", "team": "a"}}
    batch = {"id": "batch_1", "custom_id": "q-1", "response": {"status_code": 200, "body": REPLY}, "error": None}
    failed = {"request": REQUEST, "response": None, "error": {"message": "rate limit"}, "timestamp": "2026-11-29T10:00:00Z"}
    newer = {
        "request": {"model": "gpt-x", "input": "Which code is it?", "instructions": "Be brief."},
        "response": {"id": "resp_1", "object": "response", "created_at": 1795946400, "model": "gpt-x", "usage": {"input_tokens": 5, "output_tokens": 1},
                     "output": [{"type": "reasoning", "content": []}, {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "404"}]}]},
    }  # fmt: skip
    _, (row,) = rows(tmp_path, "stored.jsonl", json.dumps(stored))
    assert (row["input"], row["output"], row["prompt_version"], row["metadata.team"]) == ("Which code is it?", "404", "v3", "a")
    _, (row,) = rows(tmp_path, "batch.jsonl", json.dumps(batch))
    assert (row["id"], row["custom_id"], row["output"]) == ("chatcmpl-1", "q-1", "404")
    _, (row,) = rows(tmp_path, "failed.jsonl", json.dumps(failed))
    assert (row["input"], row["error"]) == ("Which code is it?", "rate limit")
    _, (row,) = rows(tmp_path, "newer.jsonl", json.dumps(newer))
    assert (row["id"], row["input"], row["output"], row["prompt_tokens"]) == ("resp_1", "Which code is it?", "404", 5)


def test_the_format_can_be_said(tmp_path):
    taken, (row,) = rows(tmp_path, "a.jsonl", json.dumps({**GENERATION, "input": "plain text"}), format="plain")
    assert (taken.format, row["session_id"], row["id"]) == ("plain", "t1", "g1"), "the names of a trace are guessed"
    taken, found = rows(tmp_path, "b.jsonl", json.dumps({"input": "x"}), format="chat")
    assert (found, taken.broken, taken.first[0].reason) == ([], 1, "holds no chat completion: neither messages nor choices")
