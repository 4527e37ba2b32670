"""Permits are never more than allowed, never lost, and fewer while a server complains."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.backends.limiter import Limiter
from evalkit.core.errors import BackendRefused


async def let_run() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@given(
    concurrency=st.integers(1, 6),
    steps=st.lists(
        st.tuples(st.sampled_from(["ask", "finish", "cancel", "complain", "succeed"]), st.integers(0, 9)), max_size=60
    ),
)
@settings(max_examples=150, deadline=None)
def test_whatever_happens_no_permit_is_lost_and_none_is_too_many(concurrency: int, steps: list[tuple[str, int]]) -> None:
    async def play() -> None:
        limiter = Limiter(concurrency)
        working: list[asyncio.Event] = []
        tasks: list[asyncio.Task[None]] = []

        async def work() -> None:
            await limiter.acquire()
            done = asyncio.Event()
            working.append(done)
            try:
                await done.wait()
            finally:
                working.remove(done)
                limiter.release()

        for what, which in steps:
            if what == "ask":
                tasks.append(asyncio.create_task(work()))
            elif what == "finish" and working:
                working[which % len(working)].set()
            elif what == "cancel" and tasks:
                tasks[which % len(tasks)].cancel()
            elif what == "complain":
                limiter.complained(None, 0.0)
            elif what == "succeed":
                limiter.succeeded()
            if which % 2:
                await asyncio.sleep(0)
            assert limiter.active <= concurrency
            assert 1 <= limiter.limit <= concurrency
        await let_run()
        assert len(working) == limiter.active
        while working:
            for done in list(working):
                done.set()
            await let_run()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(outcome is None or isinstance(outcome, asyncio.CancelledError) for outcome in outcomes), outcomes
        assert limiter.active == 0
        await asyncio.wait_for(limiter.acquire(), 1)

    asyncio.run(play())


def play(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


def test_who_came_first_goes_first() -> None:
    async def order() -> list[int]:
        limiter, seen = Limiter(1), list[int]()

        async def one(number: int) -> None:
            await limiter.acquire()
            seen.append(number)
            await asyncio.sleep(0)
            limiter.release()

        await asyncio.gather(*map(one, range(20)))
        return seen

    assert play(order()) == list(range(20))


def test_a_waiter_cancelled_after_it_was_given_its_permit_gives_it_back() -> None:
    async def check() -> None:
        limiter = Limiter(1)
        await limiter.acquire()
        waiter = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0)
        limiter.release()  # the waiter has its permit, and has not run yet
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        assert limiter.active == 0

    play(check())


def test_a_waiter_cancelled_while_another_permit_is_given_back_leaves_the_queue_once() -> None:
    async def check() -> None:
        limiter = Limiter(1)
        await limiter.acquire()
        first, second = (asyncio.create_task(limiter.acquire()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        limiter.release()
        with pytest.raises(asyncio.CancelledError):
            await first
        await asyncio.wait_for(second, 1)
        assert limiter.active == 1

    play(check())


def test_many_complaints_slow_everybody_down_once_for_those_on_their_way_and_answers_speed_up_again() -> None:
    async def check() -> None:
        limiter = Limiter(64)
        for _ in range(64):
            limiter.complained(None, 1.0)
        assert limiter.limit == pytest.approx(64 * 0.7), "all were sent before the first complaint came"
        await asyncio.sleep(0.01)
        for _ in range(200):
            limiter.complained(None, 0.0)
            await asyncio.sleep(0)
        assert limiter.limit < 5
        for _ in range(1_000):
            limiter.succeeded()
        assert limiter.limit == 64

    play(check())


def test_a_complaint_now_and_then_slows_nobody_down() -> None:
    async def check() -> None:
        limiter = Limiter(64)
        for number in range(2_000):
            if number % 20 == 0:
                limiter.complained(1.0, 0.0)
            else:
                limiter.succeeded()
        assert limiter.limit == 64
        await asyncio.wait_for(limiter.acquire(), 0.1)

    play(check())


def test_while_the_server_asks_to_wait_nothing_is_sent() -> None:
    async def check() -> float:
        limiter = Limiter(4)
        for _ in range(10):
            limiter.complained(0.2, 0.0)
        clock = time.monotonic()
        await asyncio.gather(*(limiter.acquire() for _ in range(1)))
        return time.monotonic() - clock

    assert 0.19 < play(check()) < 2


@pytest.mark.parametrize(("requests", "tokens", "each"), [(1_200, None, 0), (None, 60_000, 50)])
def test_rates_a_minute_are_kept(requests: float | None, tokens: float | None, each: int) -> None:
    async def check() -> float:
        limiter = Limiter(100, requests, tokens)

        async def one() -> None:
            await limiter.acquire(each)
            limiter.release()

        clock = time.monotonic()
        await asyncio.gather(*(one() for _ in range(30)))
        return time.monotonic() - clock

    took_s = play(check())  # twenty a second, one second of them at once
    assert 0.45 < took_s < 3


def test_a_request_larger_than_a_minutes_tokens_still_goes_alone() -> None:
    async def check() -> None:
        limiter = Limiter(4, None, 60.0)
        await asyncio.wait_for(limiter.acquire(500), 0.1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(limiter.acquire(1), 0.2)

    play(check())


def test_tokens_that_were_not_taken_are_given_back() -> None:
    async def check() -> None:
        limiter = Limiter(4, None, 60_000.0)
        await limiter.acquire(10_000)
        limiter.corrected(-9_990)
        await asyncio.wait_for(limiter.acquire(900), 0.1)

    play(check())


def test_who_waits_when_all_is_over_is_told_why() -> None:
    async def check() -> None:
        limiter = Limiter(1)
        await limiter.acquire()
        waiters = [asyncio.create_task(limiter.acquire()) for _ in range(3)]
        await asyncio.sleep(0)
        limiter.stop(BackendRefused("no more"))
        for waiter in waiters:
            with pytest.raises(BackendRefused, match="no more"):
                await waiter
        limiter.release()
        assert limiter.active == 0

    play(check())
