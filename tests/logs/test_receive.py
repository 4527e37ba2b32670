"""The receiver takes what the real OpenTelemetry SDK sends, keeps what it has acknowledged, and says what is wrong."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

from evalkit.core.errors import SpecError
from evalkit.logs.read import opened
from evalkit.logs.store import LogStore


@contextmanager
def receiver(folder, *options):
    command = [sys.executable, "-m", "evalkit", "logs", "receive", "--port", "0", "--to", str(folder), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        line = process.stdout.readline()
        while "http://" not in line:  # what an earlier one left is told first
            assert line, "it ended"
            line = process.stdout.readline()
        yield process, line.split()[1]
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


def stopped(process):
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    return said


def stored(folder):
    with opened(str(folder)) as log:
        names = [name for name in log.columns if name != "date"]
        return [row for batch in log.batches(names) for row in batch.to_pylist()]


def calls(url, n, *, processor=BatchSpanProcessor, compression=Compression.NoCompression, name="chat"):
    provider = TracerProvider(resource=Resource.create({"service.name": "shop", "deployment.environment.name": "test"}))
    provider.add_span_processor(processor(OTLPSpanExporter(url, compression=compression, timeout=20)))
    tracer = provider.get_tracer("shop")
    for index in range(n):
        with tracer.start_as_current_span("handle"), tracer.start_as_current_span(f"{name} m") as span:
            span.set_attribute("gen_ai.operation.name", "chat")
            span.set_attribute("gen_ai.provider.name", "openai")
            span.set_attribute("gen_ai.request.model", "gpt-x")
            span.set_attribute("gen_ai.conversation.id", f"c{index % 3}")
            asked = [{"role": "user", "parts": [{"type": "text", "content": f"question {index}, from ana{index}@example.com"}]}]
            told = [{"role": "assistant", "parts": [{"type": "text", "content": f"answer {index}"}], "finish_reason": "stop"}]
            span.set_attribute("gen_ai.input.messages", json.dumps(asked))
            span.set_attribute("gen_ai.output.messages", json.dumps(told))
            span.set_attribute("gen_ai.usage.input_tokens", index)
            span.set_attribute("gen_ai.usage.output_tokens", 2)
            span.set_attribute("gen_ai.response.finish_reasons", ["stop"])
            span.set_attribute("app.tenant", "t1")
    provider.shutdown()


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_spans_of_the_real_sdk_are_rows(tmp_path, compression):
    with receiver(tmp_path / "store") as (process, url):
        calls(url, 40, compression=compression)
        said = stopped(process)
    assert "40 model calls" in said
    rows = stored(tmp_path / "store")
    assert len(rows) == 40
    row = next(row for row in rows if row["prompt_tokens"] == 7)
    assert (row["input"], row["output"]) == ("question 7, from ana7@example.com", "answer 7")
    assert (row["model"], row["session_id"], row["service"], row["environment"]) == ("gpt-x", "c1", "shop", "test")
    assert (row["completion_tokens"], row["finish_reason"], row["app.tenant"]) == (2, "stop", "t1")
    assert row["timestamp"].timestamp() == pytest.approx(time.time(), abs=600)
    assert row["latency_ms"] >= 0


def test_rows_are_redacted_on_the_way_in(tmp_path):
    with receiver(tmp_path / "store", "--redact") as (process, url):
        calls(url, 3)
        stopped(process)
    assert {row["input"] for row in stored(tmp_path / "store")} == {f"question {index}, from [EMAIL]" for index in range(3)}
    assert b"example.com" not in b"".join(path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file())


def test_an_acknowledged_span_survives_kill_9(tmp_path):
    with receiver(tmp_path / "store") as (process, url):
        calls(url, 12, processor=SimpleSpanProcessor)  # each is sent by itself, and the SDK has seen each 200
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert LogStore.at(tmp_path / "store").count() == (0, 0)
    with receiver(tmp_path / "store") as (process, url):
        calls(url, 1, name="late")
        stopped(process)
    assert len(stored(tmp_path / "store")) == 13
    assert not list((tmp_path / "store" / "_inbox").iterdir())


def test_what_a_killed_receiver_left_is_taken_in_by_an_ingest_too(tmp_path):
    with receiver(tmp_path / "store") as (process, url):
        calls(url, 4, processor=SimpleSpanProcessor)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    (tmp_path / "more.jsonl").write_text('{"input": "a", "output": "b"}\n')
    command = [sys.executable, "-m", "evalkit", "logs", "ingest", str(tmp_path / "more.jsonl"), "--to", str(tmp_path / "store")]
    subprocess.run(command, check=True, capture_output=True)
    assert len(stored(tmp_path / "store")) == 5


def post(url, body, kind="application/json", **headers):
    request = urllib.request.Request(url, body, {"Content-Type": kind, **headers}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def span(number, **more):
    attributes = [
        {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
        {"key": "gen_ai.usage.input_tokens", "value": {"intValue": str(number)}},
    ]
    return {
        "traceId": f"{number:032x}", "spanId": f"{number:016x}", "name": "chat", "attributes": attributes,
        "startTimeUnixNano": str(1_764_000_000_000_000_000 + number), "endTimeUnixNano": str(1_764_000_000_500_000_000 + number), **more,
    }  # fmt: skip


def request(*spans):
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": list(spans)}]}]}


def test_json_partial_success_and_wrong_requests(tmp_path):
    with receiver(tmp_path / "store", "--every", "1h") as (process, url):
        assert post(url, json.dumps(request(span(1), span(2))).encode()) == (200, b"{}")
        assert (
            post(url, gzip.compress(json.dumps(request(span(2), span(3))).encode()), **{"Content-Encoding": "gzip"})[0] == 200
        )
        status, body = post(url, json.dumps(request(span(4), span(5, traceId="no"))).encode())
        assert status == 200
        assert json.loads(body) == {"partialSuccess": {"rejectedSpans": "1", "errorMessage": "a span has no trace id"}}
        assert post(url, b"{}")[0] == 200
        assert post(url, b"{torn")[0] == 400
        assert post(url, b'{"resourceSpans": 7}')[0] == 400
        assert post(url, b'{"spans": []}')[0] == 400
        assert post(url, b"\xff\xff\xff", kind="application/x-protobuf")[0] == 400
        assert post(url, b"x", kind="text/plain")[0] == 415
        assert post(url, b"no gzip", **{"Content-Encoding": "gzip"})[0] == 400
        status, _ = post(url, gzip.compress(b" " * (65 << 20)), **{"Content-Encoding": "gzip"})  # 65 MB in 64 KB
        assert status == 413
        with urllib.request.urlopen(url.replace("/v1/traces", "/healthz"), timeout=20) as reply:
            told = json.load(reply)
        assert (told["ok"], told["calls"], told["rejected"], told["waiting"]) == (True, 5, 1, 5)
        said = stopped(process)
    assert "4 new · 1 already there" in said
    assert "a span has no trace id" in said
    assert sorted(row["prompt_tokens"] for row in stored(tmp_path / "store")) == [1, 2, 3, 4]


def test_rows_reach_the_store_while_it_runs(tmp_path):
    with receiver(tmp_path / "store", "--every", "1s") as (process, url):
        post(url, json.dumps(request(span(1))).encode())
        deadline = time.monotonic() + 30
        while LogStore.at(tmp_path / "store").count()[0] < 1:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        post(url, json.dumps(request(span(2))).encode())
        stopped(process)
    assert len(stored(tmp_path / "store")) == 2


def test_a_port_that_is_taken_is_one_message(tmp_path):
    from evalkit.cli.receiving import Receive, receive_logs

    with receiver(tmp_path / "store") as (_, url):
        port = int(url.rsplit(":", 1)[1].split("/")[0])
        with pytest.raises(SpecError, match=r"cannot listen at port .*; name another with --port"):
            receive_logs(Receive("127.0.0.1", port, tmp_path / "other", "1m", 10, False))
    with pytest.raises(SpecError, match="--every"):
        receive_logs(Receive("127.0.0.1", 0, tmp_path / "other", "soon", 10, False))
