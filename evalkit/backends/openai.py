"""Any HTTP endpoint that speaks OpenAI's protocol: OpenAI itself, a vLLM or llama.cpp server, Ollama, a gateway."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import msgspec

from evalkit.core.asking import Capability, Likelihood, Reply, Request, Token
from evalkit.core.errors import BackendError, BackendRefused, Malformed, Retryable, quote
from evalkit.core.registry import backend
from evalkit.core.signature import canonical
from evalkit.core.wire import cause, proxy_to, retry_after_s

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
    endpoint is believed to do; ``extra`` goes into every request as it is (``seed``, ``top_k``, ``reasoning_effort`` …), and
    takes out what it names as null (``temperature: null``).
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
    attempts: int = 8
    can_do: tuple[Capability, ...] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    _session: Any = field(default=None, init=False, repr=False, compare=False)
    _secret: bytes = field(default=b"", init=False, repr=False, compare=False)
    _proxy: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    _structured: Structured = field(default="json_schema", init=False, repr=False, compare=False)
    _most_tokens: str = field(default="max_tokens", init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.base_url = _address(self.base_url)
        if self.api_key is not None:
            self.api_key = self.api_key.strip()
            if not (self.api_key.isascii() and self.api_key.isprintable()):
                raise ValueError("the API key holds signs that no key holds; is the variable set to something else?")
            if len(self.api_key) >= 8 and re.search("[0-9-]", self.api_key):  # no stand-in such as EMPTY, which may be a word
                self._secret = self.api_key.encode()
        if self.max_concurrency < 1 or self.attempts < 1 or self.timeout_s <= 0:
            raise ValueError("max_concurrency and attempts are at least 1, and timeout_s is more than 0")
        if self.structured != "auto":
            self._structured = self.structured

    @property
    def identity(self) -> str:
        """The endpoint, the model, and what goes into every request."""
        extra = canonical(dict(self.extra)).decode() if self.extra else ""
        structured = f":{self.structured}" if self.structured != "auto" else ""
        return f"openai:{self.base_url}:{self.model}:{extra}{structured}"

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
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # the pipeline has one clock for all backends
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,  # it would look for proxies and .netrc again before every request, in a thread
        )
        self._proxy = proxy_to(self.base_url)

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
            structured, most_tokens = self._structured, self._most_tokens
            status, headers, data = await self._post("/chat/completions", self._body(request, structured, most_tokens))
            if status == 200:
                return self._reply(data)
            if status not in (400, 422) or not self._adapted(request, structured, most_tokens, data):
                raise self._failure(status, headers, data)

    def _adapted(self, request: Request, structured: Structured, most_tokens: str, data: bytes) -> bool:
        """Whether a request that was refused can be put in another way, from now on; others may have found out already."""
        told = data[:4000].decode("utf-8", "replace").lower()
        if "max_completion_tokens" in told and most_tokens == "max_tokens":
            self._most_tokens = "max_completion_tokens"
            return True
        if request.schema is None or self.structured != "auto" or structured == "none":
            return False
        if not any(word in told for word in ("response_format", "json_schema", "schema", "grammar", "guided")):
            return False
        if self._structured == structured:
            self._structured = _LADDER[_LADDER.index(structured) + 1]
        return True

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

    def _body(self, request: Request, structured: Structured, most_tokens: str) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": request.messages,
            "temperature": request.temperature,
            most_tokens: request.max_tokens,
        }
        if request.top_p != 1.0:
            body["top_p"] = request.top_p
        if request.repeat:
            body["seed"] = request.repeat + (request.attempt << 16)
        if request.logprobs:
            body |= {"logprobs": True, "top_logprobs": request.logprobs}
        if request.schema is not None and structured == "json_schema":
            named = {"name": "reply", "schema": request.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        elif request.schema is not None and structured == "json_object":
            body["response_format"] = {"type": "json_object"}
        if request.choices and self.server == "vllm":
            body["structured_outputs"] = {"choice": request.choices}
        if self.extra:
            body = {name: value for name, value in {**body, **self.extra}.items() if value is not None}
        return body

    async def _fine(self, path: str, body: Mapping[str, Any]) -> bytes:
        status, headers, data = await self._post(path, body)
        if status != 200:
            raise self._failure(status, headers, data)
        return data

    async def _post(self, path: str, body: Mapping[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
        import aiohttp

        session: aiohttp.ClientSession = self._session
        try:
            async with session.post(
                self.base_url + path, data=msgspec.json.encode(body), allow_redirects=False, **self._proxy
            ) as response:
                data = await response.read()
        except (aiohttp.ClientConnectorError, ConnectionRefusedError) as error:
            raise Retryable(f"{self.base_url} cannot be reached ({cause(error)})", "connection") from None
        except (aiohttp.ClientError, ConnectionError) as error:
            raise Retryable(f"the connection to {self.base_url} was lost ({cause(error)})", "lost") from None
        if self._secret:  # whatever a server repeats of it goes no further
            data = data.replace(self._secret, b"[the key]")
        return response.status, response.headers, data

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
            return Retryable(f"too many requests: {said}", "429", retry_after_s(headers))
        if status in _PASSING:
            return Retryable(f"the server failed ({status}): {said}", str(status), retry_after_s(headers))
        if status in (401, 402, 403, 429):
            hint = "the key was refused" if self.api_key else "it wants a key: set api_key_env"
            return BackendRefused(f"{self.base_url} ({status}): {hint}; it says: {said}")
        if status in (301, 302, 307, 308):
            return BackendRefused(f"{self.base_url} sends elsewhere ({status}); write the address it should be in base_url")
        if status in (404, 405):
            return BackendRefused(f"{self.base_url} knows no model {quote(self.model)}, or no such address; it says: {said}")
        return BackendError(f"the endpoint refused the request ({status}): {said}")

    def _said(self, data: bytes) -> str:
        """What the server says is wrong, on one line."""
        text = data[:4000].decode("utf-8", "replace")
        try:
            told = msgspec.json.decode(data)
            error = told.get("error", told)
            text = str(error.get("message", error) if isinstance(error, dict) else error)
        except (msgspec.DecodeError, AttributeError):
            pass
        if self.api_key:
            text = text.replace(self.api_key, "[the key]")
        return " ".join(text.split())[:300] or "nothing"


def _address(base_url: str) -> str:
    """A base URL without the slash at its end.

    Raises:
        ValueError: it is none, or holds what belongs elsewhere; the message does not repeat a password.
    """
    if not base_url.startswith(("http://", "https://")):
        raise ValueError(f"base_url begins with http:// or https://, not {quote(base_url, 12)}")
    try:
        parts = urlsplit(base_url)
        known = parts.port  # it is read here, and may be no port
    except ValueError as error:
        raise ValueError(f"base_url is no address ({error})") from None
    if "@" in parts.netloc:
        raise ValueError("base_url holds a name or a password; name a variable with api_key_env instead")
    if parts.query or parts.fragment:
        raise ValueError("base_url ends before a ? or #: it is the address as far as /v1")
    if not parts.hostname or known == 0:
        raise ValueError("base_url names no host, or no port")
    return base_url.rstrip("/")
