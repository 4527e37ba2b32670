"""What bench_judges.py measures with: a server that answers in every client's form, after its latency, and counts."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parent.parent.parent / "benchmarks"


@contextmanager
def imported(name: str) -> Iterator[Any]:
    """A module of benchmarks/, which is no package."""
    sys.path.insert(0, str(FOLDER))
    try:
        yield importlib.import_module(name)
    finally:
        sys.path.remove(str(FOLDER))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with imported("judge_server") as module, module.served() as address:
        yield address


def asked(url: str, model: str, text: str, latency_ms: int = 0) -> Any:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": text}]}).encode()
    request = urllib.request.Request(f"{url}/{latency_ms}/v1/chat/completions", data=body)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["choices"][0]


def counts(url: str) -> Any:
    with urllib.request.urlopen(f"{url}/counts", timeout=10) as answer:
        return json.load(answer)["models"]


def test_every_client_gets_the_records_own_grade_in_its_form(url: str) -> None:
    def told(model: str, grade: int) -> Any:
        return asked(url, model, f"an answer [grade {grade}]")["message"]

    for grade in range(1, 6):
        passed = grade >= 3
        assert json.loads(told("evalkit", grade)["content"])["score"] == grade
        assert json.loads(told("deepeval", grade)["content"])["score"] == 2 * grade
        assert json.loads(told("ragas", grade)["content"])["score"] == grade
        assert told("inspect", grade)["content"].endswith("GRADE: C" if passed else "GRADE: I")
        assert json.loads(told("promptfoo", grade)["content"])["pass"] is passed
        (call,) = told("pydantic", grade)["tool_calls"]
        assert json.loads(call["function"]["arguments"])["score"] == grade / 5
    (token,) = asked(url, "evalkit-tokens", "[grade 2]")["logprobs"]["content"]
    assert token["token"] == "2"
    assert len(token["top_logprobs"]) == 20
    counts(url)


def test_an_answer_takes_its_latency_and_calls_are_counted_by_model_until_told(url: str) -> None:
    clock = time.perf_counter()
    asked(url, "evalkit", "[grade 1]", latency_ms=120)
    assert time.perf_counter() - clock >= 0.12
    asked(url, "ragas", "[grade 1]")
    asked(url, "ragas", "[grade 1]")
    told = counts(url)
    assert {model: seen["calls"] for model, seen in told.items()} == {"evalkit": 1, "ragas": 2}
    assert 0.12 <= told["evalkit"]["held_s"] < 0.5
    assert counts(url) == {}


def test_requests_that_come_in_pieces_and_at_once_are_answered_in_order(url: str) -> None:
    async def talk() -> list[Any]:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        bodies = [json.dumps({"model": "evalkit", "said": f"[grade {grade}]"}).encode() for grade in (5, 2)]
        whole = b"".join(b"POST /20/v1/x HTTP/1.1\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body) for body in bodies)
        for start in range(0, len(whole), 40):
            writer.write(whole[start : start + 40])
            await writer.drain()
            await asyncio.sleep(0.001)
        found = []
        for _ in bodies:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.partition(b"Content-Length: ")[2].split()[0])
            found.append(json.loads(json.loads(await reader.readexactly(length))["choices"][0]["message"]["content"])["score"])
        writer.close()
        await writer.wait_closed()
        return found

    assert asyncio.run(talk()) == [5, 2]
    assert counts(url)["evalkit"]["most"] <= 2


def test_a_model_that_it_does_not_know_is_refused_and_not_counted(url: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        asked(url, "somebody", "[grade 1]")
    assert counts(url) == {}


def test_a_peer_that_is_not_installed_has_no_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with imported("bench_judges") as module:
        monkeypatch.setattr(module, "HERE", tmp_path)
        assert {peer.version() for peer in module.PEERS} == {None}
        assert len({peer.folder for peer in module.PEERS}) == 5


def test_a_calls_cpu_is_what_many_took_more_than_few() -> None:
    with imported("bench_judges") as module:
        measured = [module.Measured("", cpu_s, 1.0, 0.0) for cpu_s in (0.9, 2.1, 1.4, 2.5, 0.7, 1.9)]
        runs = [module.Ran(each, 2_000, 64, 1.6, 0.05, 0.1) for each in measured]
        few, many = module.middle(runs[::2]), module.middle(runs[1::2])
        assert (few.measured.cpu_s, many.measured.cpu_s) == (0.9, 2.1)
        assert module.Cost(many, few, 2_000, 20).ms == pytest.approx(1000 * 1.2 / 1_980)
        assert many.share(50) == pytest.approx(100 * (2_000 / 1.6) / 1_280)
