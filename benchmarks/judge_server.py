"""A judge that answers after a fixed time: OpenAI's chat completions, for as little CPU as may be, in a process of its own.

The first part of the path is the latency in milliseconds (``http://127.0.0.1:PORT/50/v1``). The model that a client names says
in which form it wants the verdict, as it would tell a real model in its prompt; the verdict itself is the ``[grade N]`` that the
record holds, 1 to 5, so that every client must end with the scores of its records. ``GET /counts`` tells what was asked since
it was last told, by model: calls, the most at once, seconds from the first request to the last answer, mean seconds that a
request was held, and the server's own CPU seconds.

    python benchmarks/judge_server.py

prints its port, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import re
import select
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

REASON = "Nearly all of the answer is supported by what was given; one detail of it is not, and weighs little."
FAIL_BELOW = 3  # the grade at which those who only know pass and fail let pass
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_MODEL = re.compile(rb'"model" ?: ?"([^"]*)"')
_GRADE = re.compile(rb"\[grade (\d)\]")
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


# --- verdicts --------------------------------------------------------------------------------------------------------


def _json(**verdict: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": json.dumps(verdict)}


def _called(grade: int) -> dict[str, Any]:
    told = {"reason": REASON, "pass": grade >= FAIL_BELOW, "score": grade / 5}
    call = {"id": "call_1", "type": "function", "function": {"name": "final_result", "arguments": json.dumps(told)}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


FORMS: dict[str, Callable[[int], dict[str, Any]]] = {
    "evalkit": lambda grade: _json(score=grade, reason=REASON),
    "evalkit-tokens": lambda grade: {"role": "assistant", "content": str(grade)},
    "deepeval": lambda grade: _json(reason=REASON, score=2 * grade),
    "ragas": lambda grade: _json(reason=REASON, score=grade),
    "inspect": lambda grade: {"role": "assistant", "content": f"{REASON}\n\nGRADE: {'C' if grade >= FAIL_BELOW else 'I'}"},
    "promptfoo": lambda grade: _json(reason=REASON, **{"pass": grade >= FAIL_BELOW}, score=grade / 5),
    "pydantic": _called,
}


def answer(model: str, grade: int) -> bytes:
    """A whole HTTP answer."""
    message = FORMS[model](grade)
    choice: dict[str, Any] = {
        "index": 0,
        "message": message,
        "finish_reason": "tool_calls" if "tool_calls" in message else "stop",
    }
    if model == "evalkit-tokens":  # one token, and the twenty likeliest in its place
        top = [{"token": str(grade), "logprob": -0.2, "bytes": [48 + grade]}]
        top += [{"token": f" t{place}", "logprob": -2.5 - 0.4 * place, "bytes": [32, 116]} for place in range(19)]
        choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
    body = json.dumps(
        {
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": model, "choices": [choice],
            "usage": {"prompt_tokens": 300, "completion_tokens": 30, "total_tokens": 330},
        }
    ).encode()  # fmt: skip
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


ANSWERS = {(model.encode(), b"%d" % grade): answer(model, grade) for model in FORMS for grade in range(1, 6)}


# --- the server ------------------------------------------------------------------------------------------------------


class Count:
    """What one model was asked."""

    def __init__(self) -> None:
        self.calls = self.active = self.most = 0
        self.first = self.last = self.held = 0.0

    def told(self) -> dict[str, Any]:
        return {
            "calls": self.calls,
            "most": self.most,
            "seconds": self.last - self.first,
            "held_s": self.held / max(self.calls, 1),
        }


class Judge(asyncio.Protocol):
    """One connection; requests that come at once are answered in order, for all wait equally long."""

    counts: ClassVar[dict[bytes, Count]] = {}
    cpu: ClassVar[float] = 0.0
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self._held = transport, b""
        self._later = asyncio.get_running_loop().call_at

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        held = self._held + data if self._held else data
        while True:
            end = held.find(b"\r\n\r\n")
            if end < 0:
                break
            head = held[:end]
            length = _LENGTH.search(head)
            end += 4 + (int(length[1]) if length else 0)
            if len(held) < end:
                break
            self._take(head, held[len(head) + 4 : end], now)
            held = held[end:]
        self._held = held

    def _take(self, head: bytes, body: bytes, now: float) -> None:
        if head.startswith(b"GET /counts"):
            self.transport.write(_counts())
            return
        model, grade = _MODEL.search(body), _GRADE.search(body)
        reply = ANSWERS.get((model[1], grade[1] if grade else b"1")) if model else None
        if reply is None:
            print(f"no answer to: {head[:200]!r} {body[:500]!r}", file=sys.stderr, flush=True)
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            return
        assert model is not None
        count = self.counts.get(model[1])
        if count is None:
            count = self.counts[model[1]] = Count()
            count.first = now
        count.calls += 1
        count.active += 1
        count.most = max(count.most, count.active)
        latency_s = int(head[head.index(b"/") + 1 : head.index(b"/v1/")]) / 1000
        self._later(now + latency_s, self._give, reply, count, now, _CLOSE.search(head) is not None)

    def _give(self, reply: bytes, count: Count, came: float, close: bool) -> None:
        count.active -= 1
        count.last = time.monotonic()
        count.held += count.last - came
        if not self.transport.is_closing():
            self.transport.write(reply)
            if close:
                self.transport.close()


def _counts() -> bytes:
    told = {model.decode(): count.told() for model, count in Judge.counts.items()}
    cpu = time.process_time()
    body = json.dumps({"models": told, "cpu_s": cpu - Judge.cpu}).encode()
    Judge.counts.clear()
    Judge.cpu = cpu
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


class Fine(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    """A selector that wakes to the microsecond: epoll's own clock counts whole milliseconds, 2 % of 50."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            select.select([self.fileno()], [], [], timeout)
        return super().select(0)


async def serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Judge, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    await ended.wait()


# --- for those who start it ------------------------------------------------------------------------------------------


@contextmanager
def served() -> Iterator[str]:
    """Its address, without the latency."""
    process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(Fine())) as runner:
        runner.run(serve())
