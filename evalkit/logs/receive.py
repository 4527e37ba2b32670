"""An OTLP/HTTP receiver: spans of any OpenTelemetry SDK, written down before they are acknowledged, then added to a store.

A request is checked, appended to a file in the store's ``_inbox`` and flushed to disk; only then is it answered with 200.
Every few seconds that file is closed and taken in like any other. What a killed receiver left is taken in by the
next; a span that comes twice is added once, by its id.

Source: OTLP 1.x over HTTP, with binary protobuf and JSON.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import struct
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from evalkit.core.errors import EvalkitError, MissingExtra
from evalkit.logs import otel
from evalkit.logs.ingest import Taken, ingest, leftovers
from evalkit.logs.messages import Unreadable
from evalkit.logs.store import INBOX, LOCK, LogStore

if TYPE_CHECKING:
    from aiohttp import web

LARGEST = 64 << 20  # bytes of a request, unpacked
EVERY_S, ROWS = 60.0, 20_000
_PROTOBUF, _JSON = "application/x-protobuf", "application/json"


@dataclass
class Counts:
    """What a receiver has seen."""

    requests: int = 0
    calls: int = 0  # spans that are model calls
    others: int = 0
    rejected: int = 0
    added: int = 0


class Refused(ValueError):
    """A request that no repetition can make right."""


@dataclass
class Inbox:
    """Requests on disk that are not in the store yet: one file for protobuf, one for JSON, in a folder that is locked."""

    store: LogStore
    folder: Path = field(init=False)
    rows: int = 0
    _files: dict[str, IO[bytes]] = field(default_factory=dict)
    _lock: IO[str] | None = None
    _written: int = 0  # requests
    _safe: int = 0  # of these, on disk
    _syncing: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.folder = self.store.folder / INBOX / f"{time.time_ns():020d}-{uuid4().hex[:8]}"

    def write(self, kind: str, data: bytes, rows: int) -> None:
        """Append one request; it is not safe before `settled`.

        Raises:
            OSError: it cannot be written; what was written of it is cut off again.
        """
        file = self._files.get(kind) or self._open(kind)
        before = file.tell()
        try:
            file.write(struct.pack(">I", len(data)) + data if kind == "pb" else data + b"\n")
            file.flush()
        except OSError:
            file.truncate(before)
            file.seek(before)
            raise
        self.rows += rows
        self._written += 1

    async def settled(self) -> None:
        """All that was written so far outlives the process, and the power; requests that wait share a flush.

        Raises:
            OSError: the disk does not take it.
        """
        mine = self._written
        while self._safe < mine:
            if self._syncing is None or self._syncing.done():
                self._syncing = asyncio.ensure_future(self._sync(self._written))
            await asyncio.shield(self._syncing)

    async def _sync(self, written: int) -> None:
        files = [file.fileno() for file in self._files.values()]
        for file in files:
            await asyncio.to_thread(os.fsync, file)
        self._safe = written

    def close(self) -> None:
        """No more is written to it."""
        for file in self._files.values():
            file.close()

    def done(self) -> None:
        """Its rows are in the store."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()

    def _open(self, kind: str) -> IO[bytes]:
        if self._lock is None:
            self.folder.mkdir(parents=True)
            self._lock = (self.folder / LOCK).open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._files[kind] = (self.folder / f"spans.{'pb' if kind == 'pb' else 'jsonl'}").open("ab", buffering=0)
        return self._files[kind]


class Receiver:
    """The web application, and the rows on their way.

    Args:
        every_s: so often rows are added to the store; ``rows`` of them at the latest.
        told: is called with what became of each file that was taken in.
    """

    def __init__(
        self,
        store: LogStore,
        *,
        every_s: float = EVERY_S,
        rows: int = ROWS,
        largest: int = LARGEST,
        told: Callable[[Taken], None] | None = None,
    ) -> None:
        self.store, self.every_s, self.rows, self.largest, self.told = store, every_s, rows, largest, told
        self.counts = Counts()
        self.failure: str | None = None  # why the last flush failed
        self._inbox = Inbox(store)
        self._waiting: list[Inbox] = []  # closed, and not in the store yet
        self._flushing = asyncio.Lock()
        self._full = asyncio.Event()
        self._timer: asyncio.Task[None] | None = None

    def application(self) -> web.Application:
        """What a server runs; rows that are left are added when it shuts down."""
        from aiohttp import web

        application = web.Application(client_max_size=self.largest)
        application.router.add_post("/v1/traces", self._traces)
        application.router.add_get("/healthz", self._health)
        application.on_startup.append(self._start)
        application.on_cleanup.append(self._stop)
        return application

    async def flush(self) -> None:
        """Add to the store what came so far.

        Raises:
            EvalkitError, OSError: it cannot be added now; it stays in the inbox, and the next flush tries again.
        """
        async with self._flushing:
            inbox, self._inbox = self._inbox, Inbox(self.store)
            self._full.clear()
            if inbox.folder.exists():
                self._waiting.append(inbox)
                await inbox.settled()
                inbox.close()
            while self._waiting:
                await asyncio.to_thread(self._take, self._waiting[0].folder)
                self._waiting.pop(0).done()

    # --- requests ----------------------------------------------------------------------------------------------------

    async def _traces(self, request: web.Request) -> web.Response:
        from aiohttp import web
        from aiohttp.http import HttpProcessingError

        kind = request.content_type
        if kind not in (_PROTOBUF, _JSON):
            return _answer(415, f"the content type {kind} is not taken; send {_PROTOBUF} or {_JSON}", _JSON)
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _answer(413, f"the request is larger than {self.largest:,} bytes", kind)
        except (web.RequestPayloadError, HttpProcessingError, ValueError, OSError):
            return _answer(400, "the body cannot be unpacked", kind)
        try:
            value = _decoded(kind, body)
            calls, others, rejected, why = _counted(value)
        except MissingExtra as error:
            return _answer(415, f"{error}; or send {_JSON}", _JSON)
        except ValueError as error:
            return _answer(400, str(error), kind)
        try:
            if calls or others:
                inbox = self._inbox
                if kind == _PROTOBUF:
                    inbox.write("pb", body, calls)
                else:
                    inbox.write("json", msgspec.json.encode(value), calls)
                await inbox.settled()
        except OSError as error:
            return _answer(503, f"cannot be written down: {error.strerror or error}", kind, {"Retry-After": "10"})
        counts = self.counts
        counts.requests += 1
        counts.calls, counts.others, counts.rejected = counts.calls + calls, counts.others + others, counts.rejected + rejected
        if self._inbox.rows >= self.rows:
            self._full.set()
        return _accepted(kind, rejected, why)

    async def _health(self, _: web.Request) -> web.Response:
        from aiohttp import web

        counts = self.counts
        told = {"requests": counts.requests, "calls": counts.calls, "others": counts.others, "rejected": counts.rejected}
        told |= {"added": counts.added, "waiting": self._inbox.rows}
        return web.json_response({"ok": self.failure is None, "failure": self.failure, **told})

    # --- the store ---------------------------------------------------------------------------------------------------

    async def _start(self, _: web.Application) -> None:
        for taken in await asyncio.to_thread(lambda: list(leftovers(self.store))):
            self._tell(taken)
        self._timer = asyncio.create_task(self._keep_flushing())

    async def _stop(self, _: web.Application) -> None:
        if self._timer is not None:
            self._timer.cancel()
            await asyncio.gather(self._timer, return_exceptions=True)
        try:
            await self.flush()
        except (EvalkitError, OSError) as error:  # the next receiver takes it in
            self.failure = str(error)

    async def _keep_flushing(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._full.wait(), self.every_s)
            try:
                await self.flush()
                self.failure = None
            except (EvalkitError, OSError) as error:  # a full disk may have room again: what came stays in the inbox
                self.failure = str(error)

    def _take(self, folder: Path) -> None:
        for path in sorted(folder.glob("spans.*")):
            self._tell(ingest(path, self.store, format="otel"))

    def _tell(self, taken: Taken) -> None:
        self.counts.added += taken.added.new
        if self.told is not None:
            self.told(taken)


def _decoded(kind: str, body: bytes) -> Mapping[str, Any]:
    if kind == _PROTOBUF:
        told: Mapping[str, Any] = otel.messages_of(body)
        return told
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ValueError(f"the body is no JSON: {error}") from None
    if not isinstance(value, Mapping):
        raise ValueError("the body is no OTLP export request")
    return value


def _counted(value: Mapping[str, Any]) -> tuple[int, int, int, str]:
    """Model calls, other spans, spans that cannot be read, and why.

    Raises:
        ValueError: it is no export request.
    """
    calls = others = rejected = 0
    why = ""
    if not value:  # a request without spans
        return 0, 0, 0, ""
    if not otel.fits(value):
        raise ValueError("the body is no OTLP export request: resourceSpans is missing")
    for row in otel.rows(value):
        if isinstance(row, Unreadable):
            rejected, why = rejected + 1, why or str(row)
        elif isinstance(row, str):
            others += 1
        else:
            calls += 1
    return calls, others, rejected, why


def _accepted(kind: str, rejected: int, why: str) -> web.Response:
    from aiohttp import web

    if kind == _JSON:
        told = {"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": why}} if rejected else {}
        return web.json_response(told)
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    message = ExportTraceServiceResponse()
    if rejected:
        message.partial_success.rejected_spans = rejected
        message.partial_success.error_message = why
    return web.Response(body=message.SerializeToString(), content_type=_PROTOBUF)


def _answer(status: int, why: str, kind: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """A failure, as google.rpc.Status has it: field 2 is the message."""
    from aiohttp import web

    if kind != _PROTOBUF:
        return web.json_response({"message": why}, status=status, headers=headers)
    raw = why.encode()[:120]
    return web.Response(body=b"\x12" + bytes([len(raw)]) + raw, status=status, content_type=kind, headers=headers)
