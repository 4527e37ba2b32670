"""What `evalkit monitor` does once its arguments are read."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.cli.running import check_writable, relative
from evalkit.core.errors import Problem, SpecError, quote

if TYPE_CHECKING:
    from evalkit.monitor.run import Ran
    from evalkit.specs.monitor import MonitorSpec


@dataclass(frozen=True)
class Wanted:
    """The arguments of ``evalkit monitor run``."""

    file: Path
    store: str | None
    now: str | None
    fresh: bool
    send: bool
    fail_on_drift: bool
    json: bool
    html: Path | None
    markdown: Path | None


def run_and_tell(wanted: Wanted) -> int:
    """Process, print, write; 1 where an incident is open and that is to fail."""
    from evalkit.core.times import moment
    from evalkit.monitor.run import run_monitor
    from evalkit.reports.console import make_console, say
    from evalkit.reports.watched_pages import print_watched, watched_html, watched_json, watched_markdown
    from evalkit.runner.stores import catalog_at
    from evalkit.specs.monitor import load_monitor
    from evalkit.store.files import write_text

    check_writable({"--html": wanted.html, "--markdown": wanted.markdown})
    spec = load_monitor(wanted.file, environment=dict(os.environ) if wanted.send else None)
    now = time.time() if wanted.now is None else moment(wanted.now)
    ran = run_monitor(spec, catalog_at(wanted.store, spec.root), now=now, fresh=wanted.fresh, send=wanted.send)
    if wanted.html:
        write_text(wanted.html, watched_html(ran.watched))
    if wanted.markdown:
        write_text(wanted.markdown, watched_markdown(ran.watched))
    if wanted.json:
        sys.stdout.write(watched_json(ran.watched))
    else:
        console = make_console()
        print_watched(ran.watched, console, new=ran.processed)
        say(console)
        say(console, ("report   ", "dim"), (relative(ran.folder / "report.html"), ""))
    _warn(ran.warnings)
    return 1 if ran.watched.open and wanted.fail_on_drift else 0


def watch_and_tell(file: Path, store: str | None, every: str | None, cron: str | None, metrics: str | None) -> int:
    """Run on a schedule until a signal; what happens is logged, a line a run."""
    from evalkit.core.times import duration
    from evalkit.monitor.endpoint import serve
    from evalkit.monitor.schedule import Pulse, trigger_of, watch
    from evalkit.specs.monitor import load_monitor

    spec = load_monitor(file, environment=dict(os.environ))
    every_s = duration(every) if every else None if cron else spec.window
    trigger_of(every_s, cron)
    address = None if metrics is None else _address(metrics)
    latest: list[str] = [""]
    pulse = Pulse()

    async def once() -> None:
        latest[0] = (await asyncio.to_thread(_one_run, spec, store)).figures

    async def all_of_it() -> None:
        if address is None:
            await watch(once, every_s=every_s, cron=cron, pulse=pulse)
            return
        async with serve(*address, lambda: latest[0], trouble=pulse.trouble) as port:
            print(f"metrics  http://{address[0]}:{port}/metrics", file=sys.stderr, flush=True)
            await watch(once, every_s=every_s, cron=cron, pulse=pulse)

    asyncio.run(all_of_it())
    return 0


def _one_run(spec: MonitorSpec, store: str | None) -> Ran:
    from evalkit.core.times import iso
    from evalkit.monitor.run import run_monitor
    from evalkit.reports import numbers
    from evalkit.runner.stores import catalog_at

    clock = time.perf_counter()
    ran = run_monitor(replace(spec), catalog_at(store, spec.root), now=time.time())
    state = ", ".join(one.why for one in ran.watched.open) or "nothing has drifted"
    done = numbers.counted(ran.processed, "window")
    told = f"{iso(time.time())}  {spec.name}: {done} in {time.perf_counter() - clock:.1f} s; {state}"
    print(told, file=sys.stderr, flush=True)
    _warn(ran.warnings)
    return ran


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdigit() or int(port) > 65_535:
        raise SpecError(Problem("--metrics", f"{quote(text)} is no address", "write HOST:PORT, for instance 127.0.0.1:9464"))
    return host or "127.0.0.1", int(port)


def _warn(warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
