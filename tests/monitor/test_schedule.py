"""Watching: at once, then when due, never two runs at a time, until told to stop."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from evalkit.core.errors import MissingExtra, SpecError
from evalkit.monitor import schedule
from evalkit.monitor.schedule import Pulse, trigger_of, watch


def watched(run: Callable[[int], Any], *, until: int, **options: Any) -> tuple[list[float], Pulse]:
    """When runs began, of so many; ``run`` is told how many there were before."""
    began: list[float] = []
    pulse = Pulse()

    async def main() -> None:
        stop = asyncio.Event()

        async def once() -> None:
            began.append(time.monotonic())
            if len(began) >= until:
                stop.set()
            await run(len(began) - 1)

        await asyncio.wait_for(watch(once, pulse=pulse, stop=stop, **{"every_s": 1.0, **options}), 30)

    asyncio.run(main())
    return began, pulse


async def nothing(_: int) -> None:
    """A run with nothing to do."""


def test_the_first_run_is_at_once_and_the_next_when_due():
    start = time.monotonic()
    began, pulse = watched(nothing, until=3)
    assert began[0] - start < 0.9
    assert [round(later - earlier) for earlier, later in zip(began, began[1:])] == [1, 1]
    assert (pulse.runs, pulse.failures) == (3, 0)


def test_a_long_run_delays_the_next_which_then_comes_once_however_often_it_was_due():
    running = 0

    async def long(number: int) -> None:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(2.1 if number == 0 else 0)
        running -= 1

    began, pulse = watched(long, until=3)
    assert 2.1 <= began[1] - began[0] < 2.8, "at once after the long run"
    assert began[2] - began[1] > 0.2, "and not once more for each that was missed"
    assert pulse.failures == 0


def test_a_run_that_fails_is_logged_and_the_next_one_runs(caplog):
    async def failing(number: int) -> None:
        if number == 0:
            raise SpecError("the source is gone")
        if number == 1:
            raise ZeroDivisionError("a defect")
        if number == 2:
            raise asyncio.CancelledError

    _, pulse = watched(failing, until=4)
    assert "the run failed: the source is gone" in caplog.text
    assert "ZeroDivisionError: a defect" in caplog.text
    assert (pulse.runs, pulse.failures) == (4, 0)
    assert pulse.succeeded is not None


@pytest.mark.parametrize("by_s", [7_200.0, -7_200.0])
def test_a_clock_that_is_set_makes_a_run_at_once(monkeypatch, caplog, by_s):
    monkeypatch.setattr(schedule, "HEARTBEAT_S", 0.05)
    real, jumped = time.time, [0.0]
    monkeypatch.setattr(schedule.time, "time", lambda: real() + jumped[0])

    async def jump(number: int) -> None:
        jumped[0] = by_s

    began, _ = watched(jump, until=2, every_s=3_600.0)
    assert began[1] - began[0] < 5
    assert f"the clock moved by {by_s:+.0f} s" in caplog.text


def test_nothing_of_the_scheduler_is_left_in_the_loop():
    async def main() -> set[Any]:
        stop = asyncio.Event()
        stop.set()
        await watch(lambda: asyncio.sleep(0), every_s=60.0, stop=stop)
        await asyncio.sleep(0.05)
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert not asyncio.run(main())


@pytest.mark.parametrize(
    ("every_s", "cron", "said"),
    [
        (None, None, "either a duration"),
        (60.0, "* * * * *", "either a duration"),
        (0.1, None, "from 1s to a year"),
        (None, "every day", "is no schedule of cron"),
        (None, "61 * * * *", "is no schedule of cron"),
    ],
)
def test_a_schedule_that_is_none_is_told(every_s, cron, said):
    with pytest.raises(SpecError, match=said):
        trigger_of(every_s, cron)


def test_cron_is_in_utc():
    assert str(trigger_of(None, "5 8 * * *").timezone) == "UTC"


def test_without_apscheduler_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "apscheduler.triggers.cron", None)
    with pytest.raises(MissingExtra, match=r"`evalkit monitor watch` needs .* `pip install 'evalkit\[monitor\]'`"):
        trigger_of(60.0, None)


PROCESS = """
import asyncio, sys
from evalkit.monitor.schedule import watch
async def once():
    print("begun", flush=True)
    await asyncio.sleep({seconds})
    print("ended", flush=True)
try:
    asyncio.run(watch(once, every_s=3600))
except KeyboardInterrupt:
    sys.exit(130)
print("over", flush=True)
"""


def process(seconds: float) -> subprocess.Popen[str]:
    """A watching process whose first run has begun."""
    code = PROCESS.format(seconds=seconds)
    started = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert started.stdout is not None
    assert started.stdout.readline() == "begun\n"
    return started


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_the_run_in_hand(number):
    started = process(0.8)
    started.send_signal(number)
    out, err = started.communicate(timeout=20)
    assert out == "ended\nover\n"
    assert started.returncode == 0
    assert "stopping after the run in hand" in err
    assert "Traceback" not in err


def test_a_signal_between_runs_ends_it_at_once():
    started = process(0.2)
    assert started.stdout is not None
    assert started.stdout.readline() == "ended\n"
    started.send_signal(signal.SIGTERM)
    out, _ = started.communicate(timeout=20)
    assert out == "over\n"
    assert started.returncode == 0


def test_a_second_signal_ends_the_run_in_hand_too():
    started = process(60)
    started.send_signal(signal.SIGINT)
    time.sleep(0.3)
    started.send_signal(signal.SIGINT)
    out, err = started.communicate(timeout=10)
    assert out == ""
    assert started.returncode == 130
    assert "Traceback" not in err
