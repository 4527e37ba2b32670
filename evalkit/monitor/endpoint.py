"""``/metrics`` for Prometheus and ``/healthz`` for whoever restarts what has died, over HTTP."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from evalkit.core.errors import SpecError, quote

if TYPE_CHECKING:
    from aiohttp import web

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"  # Prometheus' text format
_log = logging.getLogger("evalkit.monitor")


@asynccontextmanager
async def serve(
    host: str, port: int, render: Callable[[], str], *, trouble: Callable[[], str | None] | None = None
) -> AsyncIterator[int]:
    """Answer while the block lasts; yields the port, which the system chooses where ``port`` is 0.

    Args:
        render: the figures of now; where it fails, the answer is 500 and the reason is in the log.
        trouble: why ``/healthz`` shall say 503; None: it is well.

    Raises:
        SpecError: nothing can listen there.
    """
    from aiohttp import web

    async def metrics(_: web.Request) -> web.Response:
        try:
            text = render()
        except Exception:
            _log.exception("the figures for /metrics could not be written")
            return web.Response(status=500, text="the figures could not be written; see the log\n")
        return web.Response(body=text.encode("utf-8", "replace"), headers={"Content-Type": CONTENT_TYPE})

    async def healthz(_: web.Request) -> web.Response:
        why = trouble() if trouble is not None else None
        return web.Response(text=f"{why or 'ok'}\n", status=503 if why else 200)

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/healthz", healthz)])
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise SpecError(f"nothing can listen on {quote(host)}, port {port} ({why.lower()}); choose another") from error
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
