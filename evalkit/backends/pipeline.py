"""One order for every model call: cache → in-flight de-duplication → retry → budget → limiter → transport → accounting.

The cache's key is the sha256 of the model's identity and all that moves a reply, the number of the draw included, so that n
draws are n calls and a rerun makes none. Only replies that could be parsed are kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import msgspec

from evalkit.backends.account import Account
from evalkit.backends.kept import packed, unpacked
from evalkit.backends.limiter import Limiter
from evalkit.core.asking import Backend, Capability, Origin, Reply, Request
from evalkit.core.errors import BackendError, BackendRefused, EvalkitError, Malformed, Retryable
from evalkit.core.parse import Parse, parser_of
from evalkit.core.signature import canonical

T = TypeVar("T")

ATTEMPTS = 8  # of one request, the first included
MALFORMED = 5  # replies to one request, until it counts as unanswerable
TOO_MANY = 5  # times as many refusals for being too many (429): they say nothing about the request itself
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
MOST_PATIENCE_S = 600.0  # what a server may ask to wait; beyond it the run stops, and can go on later
AGAIN_AT = 0.5  # the temperature at which a malformed reply is asked for again: at 0 it would come again
GIVE_UP_AFTER = 20  # requests in a row that found nobody: nobody is there
GONE_AFTER_S = 60.0  # without an answer, until somebody who did answer counts as gone
CROWDED = frozenset({"429", "503", "529"})  # what a server says that has too much to do
SLOWS = CROWDED | {"timeout"}  # and what it does


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
        read_cache: False asks again, once, and keeps what comes.
    """

    def __init__(self, backend: Backend, account: Account, *, cache: Cache | None = None, read_cache: bool = True) -> None:
        self.backend, self.account = backend, account
        self.cache: Cache = Nothing() if cache is None else cache
        self.read_cache = read_cache
        self.can: frozenset[Capability] = getattr(backend, "can", frozenset({"chat"}))
        self.model = str(getattr(backend, "model", "") or backend.identity)
        self.source = str(getattr(backend, "source", "") or self.model)
        self.attempts = int(getattr(backend, "attempts", ATTEMPTS))
        self.live = bool(getattr(backend, "live", True))  # a recording's replies are no calls, cost nothing, need no cache
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
        self._answered_at: float | None = None
        self._missed = 0
        self._refused: BaseException | None = None  # why nothing more is sent
        self._stopping = asyncio.Event()
        self._asked: set[bytes] = set()  # by this run, where it does not read what others asked

    def stop(self, why: BaseException) -> None:
        """Send nothing more; who waits to be sent gets ``why``."""
        self._refused = self._refused or why
        self._stopping.set()
        self.limiter.stop(why)

    def _refuse(self, error: BackendRefused) -> BackendRefused:
        """The same error, which every other request gets from now on too."""
        self.stop(error)
        return error

    async def settle(self) -> None:
        """Wait for what is on its way."""
        while self._flights:
            await asyncio.wait(list(self._flights.values()))

    async def close(self) -> None:
        """Let the backend close what it opened, once nothing is on its way; a later call opens it again."""
        await self.settle()
        prepared, self._prepared = self._prepared, None
        close = getattr(self.backend, "close", None)
        if close is not None and prepared is not None:
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
        if not self.live:
            value, call.reply = await self._retried(request, parse, call, 0)
            call.cached = True
            return value
        key = self._key(body)
        kept = self._kept(key)
        if kept is not None:
            try:
                call.reply = unpacked(kept)
                value = parse(call.reply)
            except (msgspec.DecodeError, Malformed):
                call.reply = None  # kept by a version that took it; ask again
            else:
                call.cached = True
                self.account.hit(call.origin.metric)
                return value
        flight = self._flights.get(key)
        if flight is not None:
            try:
                call.reply = await _joined(flight)
                value = parse(call.reply)
            except _Deserted:
                return await self._value(request, body, parse, call)
            except Malformed:
                if flight.exception() is not None:
                    raise
                call.reply = None  # it was what somebody else asked for
            else:
                call.cached = True
                self.account.hit(call.origin.metric)
                return value
        with self._flying(key) as flight:
            value, call.reply = await self._retried(request, parse, call, len(body))
            self._keep(key, packed(call.reply))
            flight.set_result(call.reply)
        return value

    def _key(self, body: bytes) -> bytes:
        return hashlib.sha256(self._identity + body).digest()

    def _kept(self, key: bytes) -> bytes | None:
        return self.cache.get(key) if self.read_cache or key in self._asked else None

    def _keep(self, key: bytes, value: bytes) -> None:
        self.cache.put(key, value)
        if not self.read_cache:
            self._asked.add(key)

    @contextmanager
    def _flying(self, key: bytes) -> Iterator[asyncio.Future[Any]]:
        """A call under way, which whoever asks for the same may wait for."""
        flight = self._flights[key] = asyncio.get_running_loop().create_future()
        try:
            yield flight
        except Exception as error:
            flight.set_exception(error)
            flight.exception()  # nobody need be waiting
            raise
        except BaseException:
            flight.cancel()
            raise
        finally:
            if self._flights.get(key) is flight:
                del self._flights[key]

    async def _retried(self, request: Request, parse: Parse, call: Call, size: int) -> tuple[Any, Reply]:
        asked, failures = request, Counter[str]()

        async def once() -> tuple[Any, Reply]:
            began = time.perf_counter()
            reply = await self.backend.complete(asked)
            call.reply = reply = replace(reply, seconds=reply.seconds or time.perf_counter() - began)
            if self.live:
                self.account.add(reply, self.model, call.origin.metric)
            else:
                self.account.hit(call.origin.metric)
            self.limiter.corrected(reply.prompt_tokens + reply.completion_tokens - size // 4)
            if reply.finish == "length" and request.whole:
                raise Malformed(f"the reply was cut off after {reply.completion_tokens} tokens")
            return parse(reply), reply

        while True:
            call.attempts += 1
            try:
                return await self._sent(once, size // 4, failures["timeout"])
            except Malformed:
                self.account.failed("malformed")
                failures["malformed"] += 1
                if failures["malformed"] >= min(self.attempts, MALFORMED):
                    raise
                asked = replace(request, temperature=request.temperature or AGAIN_AT, attempt=call.attempts)
            except Retryable as error:
                await self._wait(error, failures)

    # --- every kind of call ---

    async def _sent(self, send: Callable[[], Awaitable[T]], tokens: int, timeouts: int = 0) -> T:
        """One request over the wire, when budget and limits allow it.

        Args:
            timeouts: of the same request before; each doubles the time that it has, up to `MOST_PATIENCE_S`.
        """
        if self._refused is not None:
            raise self._refused
        while self._prepared is None or not self._prepared.done():
            await self._ready()
            if self._refused is not None:
                raise self._refused
        await self.limiter.acquire(tokens)
        start, within_s = time.perf_counter(), self.timeout_s
        if within_s is not None:
            within_s = max(within_s, min(within_s * 2**timeouts, MOST_PATIENCE_S))
        try:
            if self.live:
                self.account.spend()
            try:
                async with asyncio.timeout(within_s):
                    answer = await send()
            except TimeoutError:
                within = f"no answer within {within_s:g} s" if within_s is not None else "no answer in time"
                raise Retryable(within, "timeout") from None
        except Retryable as error:
            if error.kind in SLOWS:
                self.limiter.complained(error.after_s, time.perf_counter() - start)
            self._note_absence(error)
            raise
        except BackendRefused as error:
            raise self._refuse(error) from error.__cause__
        except Malformed:
            self._answers()
            raise
        finally:
            self.limiter.release()
        self._answers()
        return answer

    def _answers(self) -> None:
        self._answered_at, self._missed = time.monotonic(), 0
        self.limiter.succeeded()

    async def _wait(self, error: Retryable, failures: Counter[str]) -> None:
        """Before the next attempt: exponential, with full jitter, and never sooner than the server asks.

        Args:
            failures: of this request so far.

        Raises:
            BackendError: there have been enough.
            BackendRefused: the server asks for more patience than anybody has.
        """
        self.account.failed(error.kind)
        absent = error.kind in CROWDED or error.kind == "connection"
        of = "not now" if absent else "failed"
        failures[of] += 1
        failures["timeout"] += error.kind == "timeout"
        if failures[of] >= self.attempts * (TOO_MANY if absent and self.attempts > 1 else 1):
            raise BackendError(f"{error} ({failures[of]} attempts)") from error
        after_s = error.after_s or 0.0
        if after_s > MOST_PATIENCE_S:
            what = f"{self.model}: the server asks to wait {after_s / 60:,.0f} minutes ({error})"
            raise self._refuse(BackendRefused(what)) from error
        most = min(FIRST_WAIT_S * 2 ** min(failures[of] - 1, 10), LONGEST_WAIT_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(after_s + self._rng.uniform(0, most)):
                await self._stopping.wait()

    def _note_absence(self, error: Retryable) -> None:
        """End the run where nobody is there: at once, or a minute after the last answer if there were any."""
        if error.kind != "connection":
            if error.kind not in ("lost", "timeout"):
                self._missed = 0
            return
        self._missed += 1
        if self._answered_at is None:
            gone = self._missed >= min(GIVE_UP_AFTER, self.attempts)
        else:
            gone = self._missed >= GIVE_UP_AFTER and time.monotonic() - self._answered_at > GONE_AFTER_S
        if gone:
            asked = "is the server running?" if self._answered_at is None else "it answered before; is it still running?"
            raise self._refuse(BackendRefused(f"{error}; {asked}")) from error

    async def _ready(self) -> None:
        """Have the backend load what it needs, once; where it cannot, every request is refused."""
        if self._prepared is not None:
            await asyncio.shield(self._prepared)
            return
        prepared = self._prepared = asyncio.get_running_loop().create_future()
        try:
            prepare = getattr(self.backend, "prepare", None)
            if prepare is not None:
                await prepare()
        except EvalkitError as error:
            raise self._refuse(error if isinstance(error, BackendRefused) else BackendRefused(str(error))) from error
        except Exception as error:
            what = f"{self.model} cannot be made ready ({type(error).__name__}: {error})"
            raise self._refuse(BackendRefused(what)) from error
        except BaseException:
            self._prepared = None
            raise
        finally:
            prepared.set_result(None)

    async def kept(self, what: dict[str, Any], make: Callable[[], Awaitable[T]], kind: type[T], who: str = "") -> T:
        """A result that is not a text: from the cache, from whoever asks for the same already, or made.

        Args:
            what: all that moves the result, as JSON.
            kind: its type, which msgpack can hold.
            who: the metric that asks.
        """
        body = canonical(what)
        key = self._key(body)
        kept = self._kept(key)
        if kept is not None:
            with suppress(msgspec.DecodeError):
                held = msgspec.msgpack.decode(kept, type=kind)
                self.account.hit(who)
                return held
        while (flight := self._flights.get(key)) is not None:
            with suppress(_Deserted):
                shared: T = await _joined(flight)
                self.account.hit(who)
                return shared
        with self._flying(key) as flight:
            made = await self.sent(make, len(body) // 4)
            self.account.answered(who=who)
            self._keep(key, msgspec.msgpack.encode(made))
            flight.set_result(made)
        return made

    async def sent(self, make: Callable[[], Awaitable[T]], tokens: int) -> T:
        """A call over the wire, tried again when it may help, and not kept."""
        failures = Counter[str]()
        while True:
            try:
                return await self._sent(make, tokens, failures["timeout"])
            except Retryable as error:
                await self._wait(error, failures)

    def method(self, capability: Capability) -> Any:
        """What the backend does it with.

        Raises:
            BackendRefused: it cannot.
        """
        found = getattr(self.backend, capability, None)
        if capability not in self.can or found is None:
            raise BackendRefused(f"{self.model} cannot do what is asked of it here ({capability})")
        return found


class _Deserted(Exception):
    """Whoever made the call that others waited for was stopped."""


async def _joined(flight: asyncio.Future[Any]) -> Any:
    """What a call under way comes to.

    Raises:
        _Deserted: nothing; make it yourself.
    """
    try:
        return await asyncio.shield(flight)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if flight.cancelled() and task is not None and not task.cancelling():
            raise _Deserted from None
        raise
