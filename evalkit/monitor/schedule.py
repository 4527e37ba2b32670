"""Running again and again: at once, then on a schedule, one run at a time, until told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from evalkit.core.errors import EvalkitError, MissingExtra, SpecError, quote

HEARTBEAT_S = 20.0  # how often the clock is looked at
JUMP_S = 5.0  # what counts as a clock that was set, or a machine that slept
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_log = logging.getLogger("evalkit.monitor")
_SILENT = logging.Logger("evalkit.monitor.clock", logging.CRITICAL)  # the scheduler's own chatter

RunOnce = Callable[[], Awaitable[object]]


@dataclass
class Pulse:
    """How the runs go, for whoever asks meanwhile; times are seconds since 1970."""

    started: float | None = None  # the newest run
    succeeded: float | None = None  # when the newest run that succeeded was over
    runs: int = 0
    failures: int = 0  # in a row, up to now

    def trouble(self) -> str | None:
        """What is wrong, as ``/healthz`` tells it; no detail, for anybody may ask."""
        return f"the last {self.failures} runs failed; see the log" if self.failures > 1 else None


async def watch(
    run_once: RunOnce,
    *,
    every_s: float | None = None,
    cron: str | None = None,
    pulse: Pulse | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Run at once, then whenever it is due, until SIGTERM, SIGINT or ``stop``; the run in hand is finished first.

    Runs never overlap: what falls due during a run makes one more run after it, however often. A run that raises is logged, and
    the next one comes as if nothing had been. A clock that is set, or a machine that slept, makes a run at once and the
    schedule anew. A second signal ends the run in hand too.

    Args:
        every_s: seconds from the beginning of one run to the next; this or ``cron``.
        cron: five fields in UTC: ``5 * * * *``.
        pulse: is kept up to date.

    Raises:
        SpecError: the schedule is none.
        MissingExtra: APScheduler is not installed.
        KeyboardInterrupt: a second signal came.
    """
    trigger = trigger_of(every_s, cron)
    from apscheduler.schedulers.asyncio import AsyncIOScheduler

    pulse = pulse if pulse is not None else Pulse()
    stop = stop if stop is not None else asyncio.Event()
    due = asyncio.Event()

    async def is_due() -> None:
        due.set()

    scheduler = AsyncIOScheduler(timezone="UTC", logger=_SILENT)
    job = scheduler.add_job(is_due, trigger, coalesce=True, misfire_grace_time=None)
    scheduler.start()
    clock = asyncio.create_task(_look_at_the_clock(job, due))
    try:
        with _signals(stop) as again:
            due.set()
            while await _either(due, stop):
                due.clear()
                await _run(run_once, pulse, again)
    finally:
        clock.cancel()
        scheduler.shutdown(wait=False)
        await asyncio.sleep(0)  # it ends in the loop's next step


def trigger_of(every_s: float | None, cron: str | None) -> Any:
    """When runs are due, as APScheduler has it.

    Raises:
        SpecError: it is no schedule, or not exactly one.
        MissingExtra: APScheduler is not installed.
    """
    try:
        from apscheduler.triggers.cron import CronTrigger
        from apscheduler.triggers.interval import IntervalTrigger
    except ModuleNotFoundError as error:
        raise MissingExtra("`evalkit monitor watch`", "apscheduler", "monitor") from error
    if (every_s is None) == (cron is None):
        raise SpecError("a schedule is either a duration such as 1h or five fields of cron such as `5 * * * *`")
    if every_s is not None:
        if not 1.0 <= every_s <= 366 * 86_400.0:
            raise SpecError("a schedule's duration is from 1s to a year")
        return IntervalTrigger(seconds=every_s, timezone="UTC")
    try:
        return CronTrigger.from_crontab(str(cron), timezone="UTC")
    except ValueError as error:
        raise SpecError(f"{quote(str(cron))} is no schedule of cron ({error}); write five fields such as `5 * * * *`") from None


async def _run(run_once: RunOnce, pulse: Pulse, again: asyncio.Event) -> None:
    """One run, which a second signal ends."""
    pulse.started, pulse.runs = time.time(), pulse.runs + 1
    running = asyncio.create_task(_begun(run_once))
    impatient = asyncio.create_task(again.wait())
    try:
        await asyncio.wait((running, impatient), return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            raise KeyboardInterrupt
        if running.cancelled():
            raise RuntimeError("the run cancelled itself")
        running.result()
    except EvalkitError as error:
        pulse.failures += 1
        _log.error("the run failed: %s", error)
    except Exception:
        pulse.failures += 1
        _log.exception("the run failed")
    else:
        pulse.failures, pulse.succeeded = 0, time.time()
    finally:
        running.cancel()
        impatient.cancel()
        await asyncio.gather(running, impatient, return_exceptions=True)


async def _begun(run_once: RunOnce) -> None:
    await run_once()


async def _either(due: asyncio.Event, stop: asyncio.Event) -> bool:
    """Wait for the next run; False: there is none any more."""
    waiting = [asyncio.ensure_future(event.wait()) for event in (due, stop)]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
    return not stop.is_set()


async def _look_at_the_clock(job: Any, due: asyncio.Event) -> None:
    """Notice when wall time and the loop's own time part: the scheduler waits by the one for moments of the other."""
    loop = asyncio.get_running_loop()
    apart = time.time() - loop.time()
    while True:
        await asyncio.sleep(HEARTBEAT_S)
        now = time.time() - loop.time()
        if abs(now - apart) > JUMP_S:
            _log.warning("the clock moved by %+.0f s: running now, and the schedule starts anew", now - apart)
            job.reschedule(job.trigger)
            due.set()
        apart = now


@contextmanager
def _signals(stop: asyncio.Event) -> Iterator[asyncio.Event]:
    """SIGTERM and SIGINT set ``stop``, and a second one the event that is yielded; outside the main thread, neither does."""
    loop, again = asyncio.get_running_loop(), asyncio.Event()

    def told() -> None:
        if stop.is_set():
            again.set()
        else:
            _log.warning("stopping after the run in hand; once more to stop it too")
            stop.set()

    handled = []
    for number in _SIGNALS:
        with suppress(ValueError, RuntimeError, NotImplementedError):
            loop.add_signal_handler(number, told)
            handled.append(number)
    try:
        yield again
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
