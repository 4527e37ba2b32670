"""What `evalkit logs receive` does once its arguments are read."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.cli.ingesting import home, told_broken
from evalkit.cli.running import relative
from evalkit.core.errors import Problem, SpecError

if TYPE_CHECKING:
    from rich.console import Console

    from evalkit.logs.ingest import Taken
    from evalkit.logs.receive import Receiver

LOCAL = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Receive:
    """The arguments of ``evalkit logs receive``."""

    host: str
    port: int
    to: Path | None
    every: str
    rows: int
    redact: bool


def receive_logs(asked: Receive) -> int:
    """Serve until SIGTERM or Ctrl-C; what came is added to the store before it ends.

    Raises:
        SpecError: the port is taken, or the address is none of this machine.
    """
    from evalkit.core.times import duration
    from evalkit.logs.receive import Receiver
    from evalkit.logs.store import LogStore
    from evalkit.reports.console import make_console

    try:
        every_s = duration(asked.every)
    except SpecError as error:
        raise SpecError(Problem("--every", str(error))) from None
    console = make_console()
    store = LogStore.at(home(asked.to), redact=asked.redact)
    receiver = Receiver(store, every_s=every_s, rows=asked.rows, told=lambda taken: _tell(console, taken))
    return asyncio.run(_serve(asked, receiver, console))


async def _serve(asked: Receive, receiver: Receiver, console: Console) -> int:
    from aiohttp import web

    from evalkit.reports.console import say

    runner = web.AppRunner(receiver.application(), access_log=None, shutdown_timeout=10.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, asked.host, asked.port)
        try:
            await site.start()
        except OSError as error:
            what = f"cannot listen at port {asked.port}: {error.strerror or error}"
            raise SpecError(Problem(f"--port {asked.port}", what, "name another with --port")) from error
        stopped = asyncio.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, stopped.set)
        host, port = runner.addresses[0][:2]
        at = f"[{host}]" if ":" in str(host) else host
        say(console, ("receive  ", "dim"), (f"http://{at}:{port}/v1/traces → {relative(receiver.store.folder)}", ""))
        if asked.host not in LOCAL:
            say(
                console,
                ("warning: anybody who reaches this address can add rows; keep it inside a network you trust", "yellow"),
            )
        await stopped.wait()
    finally:
        await runner.cleanup()
    counts = receiver.counts
    told = f"{counts.calls:,} model calls in {counts.requests:,} requests · {counts.added:,} new rows"
    say(console, ("stopped  ", "dim"), (told, ""))
    if receiver.failure:
        say(console, (f"warning: the rest stays in the inbox for the next receiver: {receiver.failure}", "yellow"))
    return 0


def _tell(console: Console, taken: Taken) -> None:
    from evalkit.reports.console import say
    from evalkit.reports.safe import one_line

    added = taken.added
    say(console, ("added    ", "dim"), (f"{added.new:,} new · {added.again:,} already there · {', '.join(added.days)}", ""))
    for problem in told_broken(taken):
        say(console, (f"broken   {one_line(str(problem), 300)}", "yellow"))
