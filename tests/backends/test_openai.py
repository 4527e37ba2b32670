"""The openai backend says what it should over the wire, and makes the most of what comes back."""

from __future__ import annotations

import asyncio
import math
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.backends.account import Account
from evalkit.backends.openai import OpenAI
from evalkit.backends.pipeline import Pipeline
from evalkit.core.asking import Reply, Request
from evalkit.core.errors import BackendError, BackendRefused, Malformed, Retryable
from evalkit.core.wire import retry_after_s

KEY = "sk-canary-0123456789"
SCHEMA = {
    "type": "object",
    "properties": {"reason": {"type": "string"}, "score": {"enum": [1, 2, 3]}},
    "required": ["reason", "score"],
}


def asking(text: str = "?", **more: Any) -> Request:
    return Request(({"role": "user", "content": text},), **more)


def ask(backend: OpenAI, request: Request) -> Reply:
    async def play() -> Reply:
        await backend.prepare()
        try:
            return await backend.complete(request)
        finally:
            await backend.close()

    return asyncio.run(play())


@pytest.fixture
def answering() -> Any:
    """A server that gives every request the same bytes: `(status, body, headers)` in, its URL and the requests it saw out."""
    stop: list[Callable[[], None]] = []

    def serve(status: int, body: bytes, headers: str = "", *, cut: int | None = None) -> tuple[str, list[bytes]]:
        listener = socket.create_server(("127.0.0.1", 0))
        seen: list[bytes] = []

        def work() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    got = connection.recv(65536)
                    while b"\r\n\r\n" not in got or len(got.partition(b"\r\n\r\n")[2]) < _length(got):
                        got += connection.recv(65536)
                    seen.append(got)
                    head = (
                        f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
                    )
                    connection.sendall(head.encode() + body[:cut])

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        stop.append(lambda: (listener.shutdown(socket.SHUT_RDWR), listener.close(), thread.join(5)))  # type: ignore[func-returns-value]
        return f"http://127.0.0.1:{listener.getsockname()[1]}/v1", seen

    yield serve
    for each in stop:
        each()


def _length(got: bytes) -> int:
    lines = [line for line in got.partition(b"\r\n\r\n")[0].split(b"\r\n") if line.lower().startswith(b"content-length")]
    return int(lines[0].partition(b":")[2])


# --- what is sent ----------------------------------------------------------------------------------------------------


def test_a_request_is_what_the_protocol_says(endpoint: Any) -> None:
    ask(
        OpenAI(endpoint.url + "/", "small", extra={"top_k": 5}),
        asking("Hi", temperature=0.7, top_p=0.9, max_tokens=9, logprobs=3),
    )
    (entry,) = endpoint.log()
    assert entry.body == {
        "model": "small", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0.7, "top_p": 0.9, "max_tokens": 9,
        "logprobs": True, "top_logprobs": 3, "top_k": 5,
    }  # fmt: skip


def test_a_schema_goes_along_with_its_properties_in_their_order(endpoint: Any) -> None:
    ask(OpenAI(endpoint.url, "small"), asking(schema=SCHEMA))
    sent = endpoint.log()[0].body["response_format"]
    assert sent == {"type": "json_schema", "json_schema": {"name": "reply", "schema": SCHEMA, "strict": True}}
    assert list(sent["json_schema"]["schema"]["properties"]) == ["reason", "score"], "the reason is written before the score"


def test_draws_and_their_attempts_have_seeds_of_their_own(endpoint: Any) -> None:
    backend = OpenAI(endpoint.url, "small")
    for repeat in range(3):
        for attempt in range(3):
            ask(backend, asking(repeat=repeat, attempt=attempt))
    seeds = [entry.body.get("seed") for entry in endpoint.log()]
    assert seeds[:3] == [None] * 3
    assert len(set(seeds[3:])) == 6


def test_choices_constrain_only_a_server_that_can(endpoint: Any) -> None:
    ask(OpenAI(endpoint.url, "small"), asking(choices=("a", "b")))
    ask(OpenAI(endpoint.url, "small", server="vllm"), asking(choices=("a", "b")))
    plain, vllm = (entry.body for entry in endpoint.log())
    assert "structured_outputs" not in plain
    assert vllm["structured_outputs"] == {"choice": ["a", "b"]}


@pytest.mark.parametrize(
    ("structured", "kind"), [("json_schema", "json_schema"), ("json_object", "json_object"), ("none", None)]
)
def test_the_kind_of_structured_output_can_be_fixed(endpoint: Any, structured: Any, kind: str | None) -> None:
    backend = OpenAI(endpoint.url, "small", structured=structured)
    assert backend.identity != OpenAI(endpoint.url, "small").identity
    ask(backend, asking(schema=SCHEMA))
    assert (endpoint.log()[0].body.get("response_format") or {}).get("type") == kind
    endpoint.reset(refused=["json_schema", "json_object"])
    if kind:
        with pytest.raises(BackendError, match="is not supported"):
            ask(backend, asking(schema=SCHEMA))


def test_the_key_is_sent_and_shown_nowhere(endpoint: Any) -> None:
    endpoint.reset(key=KEY)
    backend = OpenAI(endpoint.url, "small", api_key=f" {KEY}\n")
    assert ask(backend, asking()).text.startswith("answer")
    assert KEY not in repr(backend)
    assert KEY not in backend.identity


# --- what comes back -------------------------------------------------------------------------------------------------


def test_tokens_come_with_their_alternatives(endpoint: Any) -> None:
    reply = ask(OpenAI(endpoint.url, "small"), asking(logprobs=5))
    assert "".join(token.text for token in reply.tokens) == reply.text
    assert all(token.top[0] == (token.text, token.logprob) and len(token.top) >= 4 for token in reply.tokens)
    assert reply.model == "small"
    assert (reply.prompt_tokens, reply.completion_tokens, reply.finish) == (0, 4, "stop")


def test_embeddings_come_as_numbers(endpoint: Any) -> None:
    async def play() -> list[float]:
        backend = OpenAI(endpoint.url, "small")
        await backend.prepare()
        try:
            return await backend.embed("text")
        finally:
            await backend.close()

    assert len(asyncio.run(play())) == 32


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{}", b"[]", b"null", b'{"choices": []}', b'{"choices": [{}]}', b'{"error": {"message": "busy"}}', b"<html>",
        b'{"choices": [{"message": {"content": 7}}]}', b"\xff\xfe", b'{"choices": [{"message": {"content": "a"}',
    ],
)  # fmt: skip
def test_an_answer_that_is_none_of_the_protocols_is_tried_again(answering: Any, body: bytes) -> None:
    url, _ = answering(200, body)
    with pytest.raises(Retryable) as caught:
        ask(OpenAI(url, "small"), asking())
    assert caught.value.kind == "malformed"


def test_half_an_answer_is_a_lost_connection(answering: Any) -> None:
    url, _ = answering(200, b'{"choices": [{"message": {"content": "a"}}]}', cut=20)
    with pytest.raises(Retryable, match="was lost") as caught:
        ask(OpenAI(url, "small"), asking())
    assert caught.value.kind == "lost"


def test_little_is_needed_of_an_answer_and_more_does_not_disturb(answering: Any) -> None:
    url, _ = answering(
        200, b'{"choices": [{"message": {"content": "a", "x": 1}, "logprobs": null, "finish_reason": "length"}], "y": 2}'
    )
    assert ask(OpenAI(url, "small"), asking()) == Reply("a", finish="length")
    url, _ = answering(200, b'{"choices": [{"message": {"content": null}}], "usage": null}')
    assert ask(OpenAI(url, "small"), asking()).text == ""


def test_a_models_refusal_is_no_reply(answering: Any) -> None:
    url, _ = answering(200, b'{"choices": [{"message": {"content": null, "refusal": "I will not."}}]}')
    with pytest.raises(Malformed, match=r"the model refused: I will not\."):
        ask(OpenAI(url, "small"), asking())


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (401, b'{"error": {"message": "bad key"}}', BackendRefused, "(401): it wants a key: set api_key_env; it says: bad key"),
        (403, b'{"error": "no"}', BackendRefused, "(403)"),
        (402, b"", BackendRefused, "it says: nothing"),
        (404, b'{"message": "no such model"}', BackendRefused, 'knows no model "small", or no such address; it says: '),
        (429, b'{"error": {"message": "x", "code": "insufficient_quota"}}', Retryable, "too many requests"),
        (429, b'{"error": {"message": "You exceeded insufficient_quota"}}', BackendRefused, "(429)"),
        (302, b"", BackendRefused, "sends elsewhere (302)"),
        (
            400,
            b'{"error": {"message": "context\\n\\nlength"}}',
            BackendError,
            "the endpoint refused the request (400): context length",
        ),
        (500, b"<html>oops</html>", Retryable, "the server failed (500): <html>oops</html>"),
        (503, b"[1, 2]", Retryable, "the server failed (503)"),
        (529, b"null", Retryable, "the server failed (529)"),
    ],
)
def test_what_a_server_says_is_wrong_is_told_once_and_in_its_words(
    answering: Any, status: int, body: bytes, error: type[Exception], said: str
) -> None:
    url, seen = answering(status, body, "Location: http://elsewhere.example/\r\n" if status == 302 else "")
    with pytest.raises(error) as caught:
        ask(OpenAI(url, "small"), asking())
    assert type(caught.value) is error
    assert said in str(caught.value)
    assert len(seen) == 1


@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_a_key_that_a_server_repeats_goes_no_further(answering: Any, status: int) -> None:
    body = msgspec.json.encode({"error": {"message": f"Incorrect {KEY}"}, "choices": [{"message": {"content": f"as {KEY}"}}]})
    url, seen = answering(status, body)
    try:
        told = ask(OpenAI(url, "small", api_key=KEY), asking()).text
    except (BackendError, BackendRefused) as error:
        told = str(error)
    assert f"Authorization: Bearer {KEY}".encode() in seen[0]
    assert KEY not in told
    assert "[the key]" in told


def test_a_stand_in_for_a_key_may_be_a_word_of_the_answer(answering: Any) -> None:
    url, _ = answering(200, b'{"choices": [{"message": {"content": "EMPTY content"}}]}')
    for stand_in in ("EMPTY", "content", "choices", "ollama"):
        assert ask(OpenAI(url, "small", api_key=stand_in), asking()).text == "EMPTY content"


@given(st.floats(0, 1e6))
def test_retry_after_is_seconds(seconds: float) -> None:
    assert retry_after_s({"Retry-After": f"{seconds}"}) == seconds


def test_retry_after_may_be_a_date_and_may_be_nonsense() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    found = retry_after_s({"Retry-After": later})
    assert found is not None
    assert 85 < found <= 90
    assert retry_after_s({"Retry-After": format_datetime(datetime(2001, 1, 1, tzinfo=UTC), usegmt=True)}) == 0
    for nonsense in ("nan", "inf", "-inf", "soon", "", "Mon, 99 Foo 2001", "1e999"):
        assert retry_after_s({"Retry-After": nonsense}) is None
    assert retry_after_s({"Retry-After": "-5"}) == 0
    assert retry_after_s({}) is None


@given(st.text(max_size=30))
def test_no_retry_after_breaks_it(told: str) -> None:
    found = retry_after_s({"Retry-After": told})
    assert found is None or (found >= 0 and math.isfinite(found))


# --- addresses and keys ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("localhost:8000/v1", "begins with http:// or https://"),
        ("", "begins with http:// or https://"),
        ("ftp://host/v1", "begins with http:// or https://"),
        ("http://", "names no host"),
        ("http:///v1", "names no host"),
        ("http://host:99999/v1", "is no address"),
        ("http://host:port/v1", "is no address"),
        ("http://[::1/v1", "is no address"),
        (f"http://user:{KEY}@host/v1", "holds a name or a password"),
        (f"http://host/v1?api_key={KEY}", "ends before a ? or #"),
    ],
)
def test_an_address_that_cannot_be_right_is_told_before_anything_is_sent(url: str, said: str) -> None:
    with pytest.raises(ValueError, match="base_url") as caught:
        OpenAI(url, "small")
    assert said in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("key", [f"{KEY}\r\nX-Other: 1", "schlüssel-0123456789", "sk-0123456789\x00", f"{KEY}\t{KEY}"])
def test_a_key_that_cannot_be_one_is_told_without_it(key: str) -> None:
    with pytest.raises(ValueError, match="the API key holds signs that no key holds") as caught:
        OpenAI("http://host/v1", "small", api_key=key)
    assert "sk-" not in str(caught.value)
    assert "schl" not in str(caught.value)


@pytest.mark.parametrize("wrong", [{"max_concurrency": 0}, {"attempts": 0}, {"timeout_s": 0}])
def test_limits_that_let_nothing_through_are_told(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        OpenAI("http://host/v1", "small", **wrong)


def test_the_environments_proxy_is_used_and_the_machine_itself_needs_none(
    answering: Any, endpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, seen = answering(200, b'{"choices": [{"message": {"content": "by proxy"}}]}')
    monkeypatch.setenv("http_proxy", proxy.removesuffix("/v1"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert ask(OpenAI("http://models.example/v1", "small"), asking()).text == "by proxy"
    assert seen[0].startswith(b"POST http://models.example/v1/chat/completions")
    assert ask(OpenAI(endpoint.url, "small"), asking()).text.startswith("answer")


# --- through the pipeline --------------------------------------------------------------------------------------------


def test_many_at_once_share_connections_and_find_out_once_what_the_endpoint_knows(endpoint: Any) -> None:
    endpoint.reset(refused=["json_schema"], latency_s=0.01)

    async def play() -> None:
        line = Pipeline(OpenAI(endpoint.url, "small", max_concurrency=8), Account())
        schema = {"type": "object", "properties": {"verdict": {"enum": ["yes", "no"]}}, "required": ["verdict"]}
        prompts = [({"role": "user", "content": f'Reply with {{"verdict": …}} {n}'},) for n in range(100)]
        values = await asyncio.gather(*(line.reply(Request(prompt, schema)) for prompt in prompts))
        assert {value["verdict"] for value in values} == {"yes", "no"}
        await line.close()

    asyncio.run(play())
    met = endpoint.outcomes()
    assert met["good"] == 100
    assert met["400"] <= 8
