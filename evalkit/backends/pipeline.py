"""One order for every model call: cache → in-flight de-duplication → retry → budget → limiter → transport → accounting.

The cache's key is the sha256 of the model's identity and all that moves a reply, the number of the draw included, so that n
draws are n calls and a rerun makes none. Only replies that could be parsed are kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Protocol, TypeVar

import msgspec

from evalkit.backends.account import Account
from evalkit.backends.kept import packed, unpacked
from evalkit.backends.limiter import Limiter
from evalkit.core.asking import Backend, Capability, Origin, Reply, Request
from evalkit.core.errors import BackendError, BackendRefused, Malformed, Retryable
from evalkit.core.parse import Parse, parser_of
from evalkit.core.signature import canonical

T = TypeVar("T")

ATTEMPTS = 6  # of one request, the first included
PARSED_WITHIN = 3  # attempts, until a reply must be what was asked for
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
AGAIN_AT = 0.5  # the temperature at which a malformed reply is asked for again: at 0 it would come again
GIVE_UP_AFTER = 20  # requests that found nobody, before anything was answered: nobody is there


class Cache(Protocol):
    """Where replies are kept between runs, as bytes."""

    def get(self, key: bytes) -> bytes | None:
        """What was kept under a key."""
        ...

    def put(self, key: bytes, value: bytes) -> None:
        """Keep a value: it outlives the process from the event loop's next step on."""
        ...


class Nothing:
    """A cache that keeps nothing."""

    def get(self, key: bytes) -> bytes | None:  # noqa: ARG002
        """Nothing."""
        return None

    def put(self, key: bytes, value: bytes) -> None:
        """Forgotten at once."""


@dataclass(slots=True)
class Call:
    """One question of a metric and what came of it, for reports and for `--record`."""

    origin: Origin
    repeat: int
    key: str
    messages: tuple[Mapping[str, Any], ...]
    reply: Reply | None = None
    value: Any = None
    error: str | None = None
    attempts: int = 0
    seconds: float = 0.0
    cached: bool = False

    @classmethod
    def of(cls, request: Request, body: bytes) -> Call:
        """Of a request that is about to be made."""
        return cls(request.origin or Origin("", "", ""), request.repeat, hashlib.sha256(body).hexdigest(), request.messages)


class Pipeline:
    """The way to one backend; made inside the event loop that uses it.

    Args:
        cache: shared by all backends of a run, and by runs.
        read_cache: False asks again, and keeps what comes.
    """

    def __init__(self, backend: Backend, account: Account, *, cache: Cache | None = None, read_cache: bool = True) -> None:
        self.backend, self.account = backend, account
        self.cache, self.read_cache = cache or Nothing(), read_cache
        self.can: frozenset[Capability] = getattr(backend, "can", frozenset({"chat"}))
        self.model = str(getattr(backend, "model", "") or backend.identity)
        self.attempts = int(getattr(backend, "attempts", ATTEMPTS))
        self.timeout_s = getattr(backend, "timeout_s", None)
        self.limiter = Limiter(
            int(getattr(backend, "max_concurrency", 16)),
            getattr(backend, "requests_per_minute", None),
            getattr(backend, "tokens_per_minute", None),
        )
        self._identity = backend.identity.encode() + b"\0"
        self._flights: dict[bytes, asyncio.Future[Any]] = {}
        self._rng = random.Random()  # noqa: S311 - jitter
        self._prepared: asyncio.Future[None] | None = None
        self._answered = False
        self._missed = 0
        self._refused: BackendRefused | None = None

    async def close(self) -> None:
        """Let the backend close what it opened."""
        close = getattr(self.backend, "close", None)
        if close is not None and self._prepared is not None:
            await close()

    # --- chat ---

    async def reply(self, request: Request, parse: Parse | None = None, journal: list[Call] | None = None) -> Any:
        """The value of a reply.

        Args:
            journal: is given the call, whatever comes of it.

        Raises:
            BackendError: there is none to be had.
            BackendRefused: nor will there be for any other request.
            BudgetSpent: the run may send no more.
        """
        body = canonical(request.content())
        call = Call.of(request, body)
        start = time.perf_counter()
        try:
            call.value = await self._value(request, body, parse or parser_of(request), call)
        except BackendError as error:
            call.error = str(error)
            raise
        finally:
            call.seconds = time.perf_counter() - start
            if journal is not None:
                journal.append(call)
        return call.value

    async def _value(self, request: Request, body: bytes, parse: Parse, call: Call) -> Any:
        key = self._key(body)
        kept = self.cache.get(key) if self.read_cache else None
        if kept is not None:
            call.reply = unpacked(kept)
            try:
                value = parse(call.reply)
            except Malformed:
                pass  # kept by a version that took it; ask again
            else:
                call.cached = True
                self.account.cached += 1
                return value
        flight = self._flights.get(key)
        if flight is not None:
            call.reply, call.attempts = await asyncio.shield(flight)
            call.cached = True
            self.account.cached += 1
            return parse(call.reply)
        with self._flying(key) as flight:
            value, call.reply = await self._retried(request, parse, call, len(body))
            self.cache.put(key, packed(call.reply))
            flight.set_result((call.reply, call.attempts))
        return value

    def _key(self, body: bytes) -> bytes:
        return hashlib.sha256(self._identity + body).digest()

    @contextmanager
    def _flying(self, key: bytes) -> Iterator[asyncio.Future[Any]]:
        """A call under way, which whoever asks for the same may wait for."""
        flight = self._flights[key] = asyncio.get_running_loop().create_future()
        try:
            yield flight
        except BaseException as error:
            flight.set_exception(error if isinstance(error, Exception) else BackendError("interrupted"))
            flight.exception()  # nobody need be waiting
            raise
        finally:
            del self._flights[key]

    async def _retried(self, request: Request, parse: Parse, call: Call, size: int) -> tuple[Any, Reply]:
        asked = request

        async def once() -> tuple[Any, Reply]:
            call.reply = reply = await self.backend.complete(asked)
            self.account.add(reply, self.model)
            self.limiter.corrected(reply.prompt_tokens + reply.completion_tokens - size // 4)
            if reply.finish == "length":
                raise Malformed(f"the reply was cut off after {reply.completion_tokens} tokens")
            return parse(reply), reply

        for attempt in count():
            call.attempts = attempt + 1
            try:
                return await self._sent(once, size // 4)
            except Malformed:
                self.account.trouble["malformed"] += 1
                if attempt + 1 >= min(self.attempts, PARSED_WITHIN):
                    raise
                asked = replace(request, temperature=request.temperature or AGAIN_AT)
            except Retryable as error:
                await self._wait(error, attempt)
        raise AssertionError("count() does not end")

    # --- every kind of call ---

    async def _sent(self, send: Callable[[], Awaitable[T]], tokens: int) -> T:
        """One request over the wire, when budget and limits allow it."""
        if self._refused is not None:
            raise self._refused
        if self._prepared is None or not self._prepared.done():
            await self._ready()
        await self.limiter.acquire(tokens)
        start = time.perf_counter()
        try:
            self.account.spend()
            if self.timeout_s is None:
                answer = await send()
            else:
                async with asyncio.timeout(self.timeout_s):
                    answer = await send()
        except TimeoutError:
            raise Retryable(f"no answer within {self.timeout_s:g} s", "timeout") from None
        except Malformed:
            self._answered = True
            raise
        except Retryable as error:
            if error.kind == "429":
                self.limiter.complained(error.after_s, time.perf_counter() - start)
            self._count_absence(error)
            raise
        except BackendRefused as error:
            self._refused = error
            raise
        finally:
            self.limiter.release()
        self._answered = True
        self.limiter.succeeded()
        return answer

    async def _wait(self, error: Retryable, attempt: int) -> None:
        """Before the next attempt: exponential, with full jitter, and never sooner than the server asks."""
        self.account.trouble[error.kind] += 1
        if attempt + 1 >= self.attempts:
            raise BackendError(f"{error} ({self.attempts} attempts)") from error
        most = min(FIRST_WAIT_S * 2**attempt, LONGEST_WAIT_S)
        await asyncio.sleep((error.after_s or 0.0) + self._rng.uniform(0, most))

    def _count_absence(self, error: Retryable) -> None:
        if error.kind == "connection" and not self._answered:
            self._missed += 1
            if self._missed >= min(GIVE_UP_AFTER, self.attempts):
                self._refused = BackendRefused(f"{error}; is the server running?")
                raise self._refused from error

    async def _ready(self) -> None:
        """Have the backend load what it needs, once."""
        if self._prepared is None:
            self._prepared = asyncio.get_running_loop().create_future()
            try:
                prepare = getattr(self.backend, "prepare", None)
                if prepare is not None:
                    await prepare()
            except Exception as error:
                self._prepared.set_exception(error)
                self._prepared.exception()
                raise
            self._prepared.set_result(None)
        else:
            await asyncio.shield(self._prepared)

    async def kept(self, what: dict[str, Any], make: Callable[[], Awaitable[T]], kind: type[T]) -> T:
        """A result that is not a text: from the cache, from whoever asks for the same already, or made.

        Args:
            what: all that moves the result, as JSON.
            kind: its type, which msgpack can hold.
        """
        body = canonical(what)
        key = self._key(body)
        kept = self.cache.get(key) if self.read_cache else None
        flight = self._flights.get(key)
        if kept is not None:
            self.account.cached += 1
            return msgspec.msgpack.decode(kept, type=kind)
        if flight is not None:
            self.account.cached += 1
            return await asyncio.shield(flight)
        with self._flying(key) as flight:
            made = await self.sent(make, len(body) // 4)
            self.account.calls += 1
            self.cache.put(key, msgspec.msgpack.encode(made))
            flight.set_result(made)
        return made

    async def sent(self, make: Callable[[], Awaitable[T]], tokens: int) -> T:
        """A call over the wire, tried again when it may help, and not kept."""
        for attempt in count():
            try:
                return await self._sent(make, tokens)
            except Retryable as error:
                await self._wait(error, attempt)
        raise AssertionError("count() does not end")

    def method(self, capability: Capability) -> Any:
        """What the backend does it with.

        Raises:
            BackendRefused: it cannot.
        """
        found = getattr(self.backend, capability, None)
        if capability not in self.can or found is None:
            raise BackendRefused(f"{self.model} cannot do what is asked of it here ({capability})")
        return found
