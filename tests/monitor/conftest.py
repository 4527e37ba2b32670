"""Alerts to send, and somebody on the other side: an HTTP server and an SMTP server on this machine."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from typing import Any

import pytest

from evalkit.core.watched import Alert, Incident

MONDAY = 1_795_996_800.0  # 2026-11-30T00:00Z


def made_alert(number: int = 1, *, event: Any = "opened", hour: int = 8, **changes: Any) -> Alert:
    """An alert of the window that begins at ``hour``; ``changes`` are the incident's."""
    incident = Incident(
        f"incident-{number}", "output.length", "output", "critical", "jump", MONDAY + hour * 3_600.0, MONDAY + 3_600.0, 312.0,
        405.0, "characters", "output.length rose from 312 to 405 characters", MONDAY + 36_000.0 if event == "closed" else None,
        {"language": "en"}, "model=b",
        tuple({"input": f"question {row}", "output": f"answer {row}"} for row in range(5)),
    )  # fmt: skip
    return Alert(
        f"alert-{number}-{event}", "shop", event, replace(incident, **changes), "https://reports.example.org/shop/index.html"
    )


@pytest.fixture
def alert() -> Callable[..., Alert]:
    """`made_alert`."""
    return made_alert


@dataclass
class Got:
    """A request that came."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def told(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """An HTTP server that answers as planned, then 200; a plan is a status, (status, headers, text), "hang" or "reset"."""

    plan: list[Any] = field(default_factory=list)
    got: list[Got] = field(default_factory=list)
    url: str = ""
    refuses: Callable[[Any], bool] = lambda told: False  # such a body gets 400, whatever is planned

    async def answer(self, request: Any) -> Any:
        from aiohttp import web

        body = await request.read()
        self.got.append(Got(request.path_qs, dict(request.headers), body, time.monotonic()))
        if self.refuses(json.loads(body)):
            return web.Response(status=400, text="invalid_payload")
        planned = self.plan.pop(0) if self.plan else 200
        if planned == "hang":
            await asyncio.sleep(60)
        if planned == "reset":
            request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request.transport.abort()
            return web.Response()
        status, headers, text = planned if isinstance(planned, tuple) else (planned, {}, "")
        return web.Response(status=status, headers=headers, text=text)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """An HTTP server in a thread of its own."""
    from aiohttp import web

    told = Receiver()
    loop = asyncio.new_event_loop()

    async def start() -> Any:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", told.answer)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        told.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    runner = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield told
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture
def nobody() -> int:
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@dataclass
class Post:
    """A real SMTP server; ``plan`` holds its answers to the next mails, by default 250."""

    port: int = 0
    plan: list[str] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    logins: list[tuple[str, str]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.refused:
            return "550 nobody is called so"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        from email import message_from_bytes
        from email.policy import default

        planned = self.plan.pop(0) if self.plan else "250 OK"
        if planned.startswith("250"):
            self.mails.append(message_from_bytes(envelope.content, policy=default))
            self.recipients.append(envelope.rcpt_tos)
            self.encrypted.append(session.ssl is not None)
        return planned


@pytest.fixture
def post(nobody: int) -> Iterator[Callable[..., Post]]:
    """Start an SMTP server with these options of aiosmtpd."""
    from aiosmtpd.controller import Controller

    started: list[Any] = []

    def start(**options: Any) -> Post:
        handler = Post(nobody)
        controller = Controller(handler, hostname="127.0.0.1", port=nobody, **options)
        controller.start()
        started.append(controller)
        return handler

    yield start
    for controller in started:
        controller.stop()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries are short."""
    from evalkit.monitor import deliver

    monkeypatch.setattr(deliver, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(deliver, "LONGEST_WAIT_S", 0.02)
