"""A small OpenAI-compatible endpoint in a process of its own, with a log of every request and with faults on demand.

Answers are computed from the prompt, so that equal prompts get equal answers and any client's scores can be foretold. Which
request fails is computed from the prompt too, and from how often it was put: the same faults come in every run.

    python tests/backends/server.py        prints its port; GET and POST /control read and change `Settings`, GET /count, /log
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

FAULTS = ("429", "500", "hang", "truncated", "cut", "schema", "reset")
"""Too many requests with Retry-After; a server's error; no answer; half an HTTP body; half of the model's JSON; JSON against
the schema; a closed connection."""


@dataclass(frozen=True)
class Settings:
    """How the endpoint behaves."""

    latency_s: float = 0.0
    faults: dict[str, float] = field(default_factory=dict)  # share of requests, by kind
    retry_after_s: float = 0.05
    model: str = "small"  # any other is unknown (404)
    key: str = ""  # without it, 401; the answer repeats the key that came, as some gateways do
    refused: tuple[str, ...] = ()  # kinds of response_format that it does not know (400)
    unknown: tuple[str, ...] = ()  # parameters that it does not know (400)
    per_second: float = 0.0  # more requests get 429, until the second is over; 0: any number
    most: int = 0  # further requests wait for other settings; 0: any number
    echo: bool = False  # repeat the key in every answer and every error
    say: str = ""  # in place of every answer
    near: bool = False  # vectors of texts with words in common are near each other


@dataclass
class Entry:
    """One request: when it came, when its answer was written, and what that was."""

    prompt: str  # digest of messages and seed, or of the text that wants a vector
    came: float  # time.monotonic(), the same clock in every process of a machine
    outcome: str = "open"  # open, good, gone (the client left), a fault, or a status
    left: float | None = None
    body: dict[str, Any] = field(default_factory=dict)


# --- the client's side -----------------------------------------------------------------------------------------------


class Endpoint:
    """The server, run by a test; a context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.root = f"http://127.0.0.1:{self.port}"
        self.url = self.root + "/v1"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def set(self, **settings: Any) -> None:
        """Behave like this from now on, and as by default otherwise; the log is kept."""
        self._call("/control", settings)

    def reset(self, **settings: Any) -> None:
        """The same, with an empty log."""
        self._call("/control", {**settings, "reset": True})

    def log(self) -> list[Entry]:
        """Every request so far."""
        return [Entry(**told) for told in self._call("/log")]

    def asked(self) -> int:
        """How many requests came so far."""
        return int(self._call("/count"))

    def outcomes(self) -> Counter[str]:
        """How many requests met what."""
        return Counter(entry.outcome for entry in self.log())

    def _call(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(urllib.request.Request(self.root + path, data), timeout=30) as response:
            return json.load(response)


# --- answers ---------------------------------------------------------------------------------------------------------


def answer(messages: list[dict[str, Any]], schema: dict[str, Any] | None, seed: int | None = None) -> str:
    """What the endpoint says: JSON that meets the schema, a verdict where the prompt speaks of one, else a line of text."""
    digest = prompt_of(messages, seed)
    if schema is not None:
        return json.dumps(instance(schema, digest))
    if '"verdict"' in str(messages[-1]["content"]):
        return json.dumps({"reason": f"because {digest[:6]}", "verdict": ("yes", "no")[int(digest[:8], 16) % 2]})
    return f"answer {digest[:12]}"


def prompt_of(messages: list[dict[str, Any]], seed: int | None = None) -> str:
    """What makes two requests the same question."""
    return hashlib.sha256(json.dumps([messages, seed], sort_keys=True).encode()).hexdigest()


def instance(schema: dict[str, Any], digest: str) -> Any:
    """A value that meets a JSON schema of the simple kind, drawn by a digest."""
    drawn = int(hashlib.sha256(f"{digest}{json.dumps(schema, sort_keys=True)}".encode()).hexdigest()[:8], 16)
    if "enum" in schema:
        return schema["enum"][drawn % len(schema["enum"])]
    kind = schema.get("type")
    if kind == "object":
        return {name: instance(inner, digest + name) for name, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return [instance(schema.get("items", {"type": "string"}), f"{digest}{n}") for n in range(2)]
    if kind in ("integer", "number"):
        low, high = schema.get("minimum", 0), schema.get("maximum", 10)
        return low + drawn % int(high - low + 1)
    return drawn % 2 == 0 if kind == "boolean" else f"because {drawn}"


def vector_of(text: str, *, near: bool) -> list[float]:
    """32 numbers drawn by a text, or the sum of those that its words draw."""
    parts = text.lower().split() if near else [text]
    drawn = [[sign / 255 - 0.5 for sign in hashlib.sha256(part.encode()).digest()] for part in parts]
    return [sum(numbers) for numbers in zip(*drawn)]


def logprobs(text: str, wanted: int) -> dict[str, Any]:
    """Every character a token, 0.9 likely, with the digits after it as its alternatives."""
    content = []
    for sign in text:
        others = [chr(48 + (ord(sign) + n) % 10) for n in range(1, wanted)]
        top = [{"token": sign, "logprob": -0.105}, *({"token": other, "logprob": -4.0} for other in others if other != sign)]
        content.append({"token": sign, "logprob": -0.105, "top_logprobs": top})
    return {"content": content}


# --- the server's side -----------------------------------------------------------------------------------------------


def fault_of(prompt: str, time_put: int, faults: dict[str, float]) -> str | None:
    """What is wrong with a question when it is put for the so-manieth time; None: nothing."""
    drawn = int(hashlib.sha256(f"{prompt}/{time_put}".encode()).hexdigest()[:12], 16) / 16**12
    for kind in FAULTS:
        drawn -= faults.get(kind, 0.0)
        if drawn < 0:
            return kind
    return None


def application() -> Any:
    """The server."""
    from aiohttp import web

    settings, log, put = Settings(), list[Entry](), Counter[str]()
    second = Counter[int]()

    def error(status: int, message: str, **headers: str) -> web.Response:
        return web.json_response({"error": {"message": message}}, status=status, headers=headers)

    async def chat(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        prompt = prompt_of(body.get("messages", []), body.get("seed"))
        entry = Entry(prompt, time.monotonic(), body=body)
        log.append(entry)
        time_put = put[prompt]
        put[prompt] += 1
        number = len(log)
        try:
            while settings.most and number > settings.most:
                await asyncio.sleep(0.01)
            if settings.latency_s:
                await asyncio.sleep(settings.latency_s)
            entry.outcome, response = await made(request, body, entry, time_put)
        except asyncio.CancelledError:
            entry.outcome, entry.left = "gone", time.monotonic()
            raise
        if entry.outcome != "reset":
            await response.prepare(request)
            await response.write_eof()
        entry.left = time.monotonic()
        return response

    async def made(request: web.Request, body: dict[str, Any], entry: Entry, time_put: int) -> tuple[str, web.Response]:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        shown = f" Key: {given}" if settings.echo else ""
        if settings.key and given != settings.key:
            return "401", error(401, f"Incorrect API key provided: {given}.")
        if body["model"] != settings.model:
            return "404", error(404, f"The model `{body['model']}` does not exist.{shown}")
        kind = (body.get("response_format") or {}).get("type", "text")
        if kind in settings.refused:
            return "400", error(400, f"response_format {kind} is not supported.{shown}")
        for name in settings.unknown:
            if name in body:
                hint = " Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
                return "400", error(400, f"Unsupported parameter: '{name}'.{hint}{shown}")
        if settings.per_second:
            now = int(time.monotonic())
            second[now] += 1
            if second[now] > settings.per_second:
                return "429", error(429, "Rate limit reached", **{"Retry-After": "1"})
        fault = fault_of(entry.prompt, time_put, settings.faults)
        if fault == "429":
            return fault, error(429, f"Rate limit reached{shown}", **{"Retry-After": f"{settings.retry_after_s:g}"})
        if fault == "500":
            return fault, error(500, f"Internal error{shown}")
        if fault == "hang":
            await asyncio.sleep(3600)
        if fault == "reset":
            assert request.transport is not None
            request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request.transport.abort()
            return fault, web.Response()
        schema = (body.get("response_format") or {}).get("json_schema", {}).get("schema")
        text = settings.say or answer(body["messages"], schema, body.get("seed"))
        if fault == "cut":
            text = text[: len(text) // 2]
        if fault == "schema":
            text = json.dumps({"verdict": "perhaps", "score": "none", "reason": 7})
        choice: dict[str, Any] = {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": text + shown},
        }
        if body.get("logprobs"):
            choice["logprobs"] = logprobs(text, int(body.get("top_logprobs", 0)))
        used = {
            "prompt_tokens": sum(len(str(each["content"])) for each in body["messages"]) // 4,
            "completion_tokens": len(text) // 4,
        }
        told = json.dumps(
            {"id": entry.prompt[:8], "object": "chat.completion", "model": settings.model, "choices": [choice], "usage": used}
        )
        if fault == "truncated":
            told = told[: len(told) // 2]
        return fault or "good", web.Response(text=told, content_type="application/json")

    async def embeddings(request: web.Request) -> web.Response:
        body = await request.json()
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        prompt = prompt_of(texts)
        log.append(entry := Entry(prompt, time.monotonic(), body=body))
        fault = fault_of(prompt, put[prompt], settings.faults)
        put[prompt] += 1
        entry.outcome, entry.left = fault or "good", time.monotonic()
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if settings.key and given != settings.key:
            entry.outcome = "401"
            return error(401, "Incorrect API key provided.")
        if fault == "429":
            return error(429, "Rate limit reached", **{"Retry-After": f"{settings.retry_after_s:g}"})
        if fault == "500":
            return error(500, "Internal error")
        if any("unspeakable" in text for text in texts):
            entry.outcome = "400"
            return error(400, "This model's maximum context length is exceeded.")
        vectors = [vector_of(text, near=settings.near) for text in texts]
        data = [{"object": "embedding", "index": n, "embedding": vector} for n, vector in enumerate(vectors)]
        return web.json_response({"data": data, "model": body["model"], "usage": {"prompt_tokens": 1, "total_tokens": 1}})

    async def control(request: web.Request) -> web.Response:
        nonlocal settings
        if request.method == "POST":
            told = await request.json()
            if told.pop("reset", False):
                log.clear()
                put.clear()
            settings = replace(Settings(), **told)
        return web.json_response(asdict(settings))

    async def logged(_: web.Request) -> web.Response:
        return web.json_response([asdict(entry) for entry in log])

    async def counted(_: web.Request) -> web.Response:
        return web.json_response(len(log))

    app = web.Application(client_max_size=2**26)
    app.add_routes(
        [
            web.post("/v1/chat/completions", chat), web.post("/v1/embeddings", embeddings),
            web.get("/control", control), web.post("/control", control), web.get("/log", logged), web.get("/count", counted),
        ]
    )  # fmt: skip
    return app


async def serve() -> None:
    """Answer until killed."""
    from aiohttp import web

    runner = web.AppRunner(application(), access_log=None, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
