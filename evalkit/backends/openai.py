"""Any HTTP endpoint that speaks OpenAI's protocol: OpenAI itself, a vLLM or llama.cpp server, Ollama, a gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from evalkit.core.asking import Capability, Likelihood, Reply, Request, Token
from evalkit.core.errors import BackendError, BackendRefused, Malformed, Retryable, quote
from evalkit.core.registry import backend
from evalkit.core.signature import canonical

if TYPE_CHECKING:
    import aiohttp

Structured = Literal["json_schema", "json_object", "none"]
_LADDER: tuple[Structured, ...] = ("json_schema", "json_object", "none")
_PASSING = frozenset({408, 409, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})


class _Top(msgspec.Struct):
    token: str
    logprob: float


class _Written(msgspec.Struct):
    token: str
    logprob: float
    top_logprobs: list[_Top] | None = None


class _Logprobs(msgspec.Struct):
    content: list[_Written] | None = None


class _Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Details(msgspec.Struct):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _Details | None = None


class _Chat(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None
    model: str = ""


class _Vector(msgspec.Struct):
    embedding: list[float]


class _Vectors(msgspec.Struct):
    data: list[_Vector]


_chat = msgspec.json.Decoder(_Chat)
_vectors = msgspec.json.Decoder(_Vectors)


@backend("openai")
@dataclass
class OpenAI:
    """Chat, structured output, token probabilities and embeddings over HTTP.

    Where the endpoint refuses a JSON schema (``structured: auto``), the request goes on with plain JSON mode, then with none:
    the prompt says what is wanted in any case, and every reply is checked. ``server: vllm`` also constrains choices, and gives
    the likelihood of a text, by vLLM's own parameters.

    Options: ``base_url`` as far as ``/v1``; ``model``; ``api_key_env`` names the variable that holds the key; ``timeout_s`` and
    ``attempts`` of a request; ``max_concurrency``, ``requests_per_minute``, ``tokens_per_minute``; ``can`` overrides what the
    endpoint is believed to do; ``extra`` goes into every request as it is (``seed``, ``top_k``, ``reasoning_effort`` …).
    """

    base_url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    server: Literal["openai", "vllm"] = "openai"
    structured: Literal["auto", "json_schema", "json_object", "none"] = "auto"
    max_concurrency: int = 64
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    timeout_s: float = 120.0
    attempts: int = 6
    can_do: tuple[Capability, ...] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    _session: Any = field(default=None, init=False, repr=False, compare=False)
    _structured: Structured = field(default="json_schema", init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.base_url.startswith(("http://", "https://")):
            raise ValueError(f"base_url begins with http:// or https://, not {quote(self.base_url)}")
        if "@" in self.base_url.partition("//")[2].partition("/")[0]:
            raise ValueError("base_url holds a name or a password; name a variable with api_key_env instead")
        self.base_url = self.base_url.rstrip("/")
        if self.structured != "auto":
            self._structured = self.structured

    @property
    def identity(self) -> str:
        """The endpoint, the model, and what goes into every request."""
        extra = canonical(dict(self.extra)).decode() if self.extra else ""
        return f"openai:{self.base_url}:{self.model}:{extra}"

    @property
    def can(self) -> frozenset[Capability]:
        """What the endpoint is believed to do."""
        if self.can_do is not None:
            return frozenset(self.can_do)
        plain: frozenset[Capability] = frozenset({"chat", "schema", "logprobs", "embed"})
        return plain | {"choices", "likelihood"} if self.server == "vllm" else plain

    async def prepare(self) -> None:
        """Open the connections that all requests share."""
        import aiohttp

        headers = {"Content-Type": "application/json", "User-Agent": "evalkit", **self.headers}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        self._session = aiohttp.ClientSession(
            headers=headers,
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60, ttl_dns_cache=300),
            timeout=aiohttp.ClientTimeout(total=None),  # the pipeline has one clock for all backends
            auto_decompress=True,
            trust_env=True,
            raise_for_status=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def verify(self, capability: Capability) -> bool:
        """Whether the endpoint really gives log-probabilities: some refuse the question, some ignore it."""
        if capability != "logprobs":
            return capability in self.can
        asked = Request(({"role": "user", "content": "Reply with the digit 1."},), max_tokens=1, logprobs=5)
        try:
            return any(token.top for token in (await self.complete(asked)).tokens)
        except Retryable:
            raise
        except BackendError:
            return False

    async def complete(self, request: Request) -> Reply:
        """One chat completion."""
        while True:
            structured = self._structured
            status, headers, data = await self._post("/chat/completions", self._body(request, structured))
            if status == 200:
                return self._reply(data)
            if status in (400, 422) and request.schema is not None and self.structured == "auto" and structured != "none":
                told = data[:4000].decode("utf-8", "replace").lower()
                if any(word in told for word in ("response_format", "json_schema", "schema", "grammar", "guided")):
                    if self._structured == structured:  # no other request has found out in the meantime
                        self._structured = _LADDER[_LADDER.index(structured) + 1]
                    continue
            raise self._failure(status, headers, data)

    async def embed(self, text: str) -> list[float]:
        """A text's vector."""
        data = await self._fine("/embeddings", {"model": self.model, "input": text, "encoding_format": "float"})
        try:
            return _vectors.decode(data).data[0].embedding
        except (msgspec.DecodeError, IndexError) as error:
            raise Retryable("the endpoint's answer is not one of the protocol's", "malformed") from error

    async def likelihood(self, text: str, given: str, stride: int | None) -> Likelihood:
        """Log-probabilities of a text behind what is given, by vLLM's ``prompt_logprobs``; one window only."""
        del stride
        body = {"model": self.model, "prompt": given + text, "max_tokens": 1, "prompt_logprobs": 0, **self.extra}
        data = msgspec.json.decode(await self._fine("/completions", body))
        before = 0
        if given:
            told = msgspec.json.decode(await self._fine("/completions", {**body, "prompt": given}))
            before = told["usage"]["prompt_tokens"]
        entries = data["choices"][0].get("prompt_logprobs")
        if entries is None:
            raise BackendRefused(f"{self.base_url} gives no log-probabilities of a prompt; use kind: vllm or transformers")
        kept = [next(iter(entry.values()))["logprob"] for entry in entries[before:] if entry]
        return Likelihood(tuple(kept), len(entries))

    def _body(self, request: Request, structured: Structured) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": request.messages,
            "temperature": request.temperature,
            "max_tokens": request.max_tokens,
        }
        if request.top_p != 1.0:
            body["top_p"] = request.top_p
        if request.repeat:
            body["seed"] = request.repeat
        if request.logprobs:
            body |= {"logprobs": True, "top_logprobs": request.logprobs}
        if request.schema is not None and structured == "json_schema":
            named = {"name": "reply", "schema": request.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        elif request.schema is not None and structured == "json_object":
            body["response_format"] = {"type": "json_object"}
        if request.choices and self.server == "vllm":
            body["structured_outputs"] = {"choice": request.choices}
        return {**body, **self.extra}

    async def _fine(self, path: str, body: Mapping[str, Any]) -> bytes:
        status, headers, data = await self._post(path, body)
        if status != 200:
            raise self._failure(status, headers, data)
        return data

    async def _post(self, path: str, body: Mapping[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
        import aiohttp

        session: aiohttp.ClientSession = self._session
        try:
            async with session.post(self.base_url + path, data=msgspec.json.encode(body), allow_redirects=False) as response:
                return response.status, response.headers, await response.read()
        except (aiohttp.ClientConnectorError, ConnectionRefusedError) as error:
            raise Retryable(f"{self.base_url} cannot be reached ({_cause(error)})", "connection") from None
        except (aiohttp.ClientError, ConnectionError) as error:
            raise Retryable(f"the connection to {self.base_url} was lost ({_cause(error)})", "lost") from None

    def _reply(self, data: bytes) -> Reply:
        try:
            told = _chat.decode(data)
            choice = told.choices[0]
        except (msgspec.DecodeError, IndexError) as error:
            raise Retryable("the endpoint's answer is cut off, or not one of the protocol's", "malformed") from error
        if choice.message.refusal and not choice.message.content:
            raise Malformed(f"the model refused: {choice.message.refusal[:200]}")
        written = choice.logprobs.content if choice.logprobs is not None and choice.logprobs.content else ()
        tokens = tuple(
            Token(each.token, each.logprob, tuple((top.token, top.logprob) for top in each.top_logprobs or ()))
            for each in written
        )
        usage = told.usage or _Usage()
        reused = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details is not None else 0
        return Reply(
            choice.message.content or "",
            tokens,
            "length" if choice.finish_reason == "length" else "stop",
            usage.prompt_tokens,
            usage.completion_tokens,
            reused or 0,
            model=told.model,
        )

    def _failure(self, status: int, headers: Mapping[str, str], data: bytes) -> Exception:
        said = self._said(data)
        if status == 429 and "insufficient_quota" not in said:
            return Retryable(f"too many requests: {said}", "429", _after_s(headers))
        if status in _PASSING:
            return Retryable(f"the server failed ({status}): {said}", str(status), _after_s(headers))
        if status in (401, 402, 403, 429):
            hint = "the key was refused" if self.api_key else "it wants a key: set api_key_env"
            return BackendRefused(f"{self.base_url} ({status}): {hint}; it says: {said}")
        if status in (301, 302, 307, 308):
            return BackendRefused(f"{self.base_url} sends elsewhere ({status}); write the address it should be in base_url")
        if status in (404, 405):
            return BackendRefused(f"{self.base_url} knows no model {quote(self.model)}, or no such address; it says: {said}")
        return BackendError(f"the endpoint refused the request ({status}): {said}")

    def _said(self, data: bytes) -> str:
        """What the server says is wrong, on one line, without the key."""
        text = data[:2000].decode("utf-8", "replace")
        try:
            told = msgspec.json.decode(data)
            error = told.get("error", told)
            text = str(error.get("message", error) if isinstance(error, dict) else error)
        except (msgspec.DecodeError, AttributeError):
            pass
        if self.api_key:
            text = text.replace(self.api_key, "…")
        return " ".join(text.split())[:300] or "nothing"


def _after_s(headers: Mapping[str, str]) -> float | None:
    """How long ``Retry-After`` asks to wait, in seconds."""
    told = headers.get("Retry-After")
    if told is None:
        return None
    try:
        return max(float(told), 0.0)
    except ValueError:
        pass
    try:
        from datetime import UTC, datetime

        return max((parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None


def _cause(error: BaseException) -> str:
    if isinstance(error, asyncio.TimeoutError):
        return "timed out"
    told = getattr(error, "os_error", None) or error
    return (getattr(told, "strerror", None) or type(error).__name__).lower()
