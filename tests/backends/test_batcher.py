"""Single calls become batches, and each gets its own answer or its own error."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.backends.batcher import Batcher
from evalkit.core.errors import BackendError, BackendRefused, Malformed


class Echo:
    """Answers with the question itself; remembers its batches."""

    def __init__(self, wait_s: float = 0.0) -> None:
        self.batches: list[list[int]] = []
        self.wait_s = wait_s
        self.threads: set[int] = set()
        self.inside = 0

    def __call__(self, batch: Sequence[int]) -> list[int | Exception]:
        self.inside += 1
        assert self.inside == 1, "one batch at a time"
        self.threads.add(threading.get_ident())
        self.batches.append(list(batch))
        time.sleep(self.wait_s)
        self.inside -= 1
        return list(batch)


def ask_all(work: object, questions: Sequence[int], *, budget: int = 100, most: int = 256) -> list[object]:
    async def ask() -> list[object]:
        with ThreadPoolExecutor(1) as thread:
            batcher = Batcher(work, abs, budget=budget, most=most, executor=thread)  # type: ignore[arg-type,var-annotated]
            return await asyncio.gather(*map(batcher, questions), return_exceptions=True)

    return asyncio.run(ask())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 150), max_size=60), st.integers(1, 400), st.integers(1, 20))
def test_every_question_has_its_own_answer_and_padded_batches_keep_the_budget(
    lengths: list[int], budget: int, most: int
) -> None:
    echo = Echo()
    assert ask_all(echo, lengths, budget=budget, most=most) == lengths
    for batch in echo.batches:
        assert batch == sorted(batch, reverse=True), "longest first"
        assert len(batch) <= most
        assert len(batch) == 1 or len(batch) * batch[0] <= budget


def test_who_waits_at_the_same_time_shares_a_batch() -> None:
    echo = Echo()
    ask_all(echo, [5] * 20, budget=100)
    assert [len(batch) for batch in echo.batches] == [20]
    assert len(echo.threads) == 1
    assert threading.get_ident() not in echo.threads


def test_questions_of_one_length_go_together() -> None:
    echo = Echo()
    ask_all(echo, [10, 90, 10, 90, 10, 90, 10, 90], budget=400)
    assert sorted(map(tuple, echo.batches)) == [(10, 10, 10, 10), (90, 90, 90, 90)]


def test_the_oldest_question_is_in_the_next_batch_however_odd_its_length() -> None:
    async def ask() -> list[list[int]]:
        echo = Echo(0.002)
        with ThreadPoolExecutor(1) as thread:
            batcher = Batcher(echo, abs, budget=40, executor=thread)

            async def keep_asking() -> None:
                for _ in range(20):
                    await batcher(10)

            await asyncio.gather(batcher(1), *(keep_asking() for _ in range(8)))
        return echo.batches

    batches = asyncio.run(ask())
    assert any(1 in batch for batch in batches[:2])


def test_one_bad_question_is_the_only_one_that_fails() -> None:
    def fragile(batch: Sequence[int]) -> list[int]:
        if 13 in batch:
            raise ValueError("unlucky")
        return list(batch)

    answers = ask_all(fragile, [*range(1, 13), 13, *range(14, 30)])
    for question, answer in zip([*range(1, 13), 13, *range(14, 30)], answers):
        if question == 13:
            assert isinstance(answer, BackendError)
            assert str(answer) == "ValueError: unlucky"
        else:
            assert answer == question


def test_a_batch_that_is_too_large_for_the_memory_is_done_in_halves() -> None:
    sizes = []

    def small(batch: Sequence[int]) -> list[int]:
        sizes.append(len(batch))
        if len(batch) > 4:
            raise MemoryError
        return list(batch)

    assert ask_all(small, [3] * 16) == [3] * 16
    assert sizes == [16, 8, 4, 4, 8, 4, 4]


def test_an_answer_may_be_the_error_of_one_question() -> None:
    def choosy(batch: Sequence[int]) -> list[int | Exception]:
        return [Malformed("odd") if question % 2 else question for question in batch]

    answers = ask_all(choosy, [1, 2, 3, 4])
    assert [type(answer) for answer in answers] == [Malformed, int, Malformed, int]


def test_a_model_that_is_gone_is_told_to_all_and_not_asked_again() -> None:
    calls = []

    def gone(batch: Sequence[int]) -> list[int]:
        calls.append(batch)
        raise BackendRefused("the model is gone")

    assert {type(answer) for answer in ask_all(gone, [2] * 8)} == {BackendRefused}
    assert len(calls) == 1


def test_a_batch_with_answers_missing_is_an_error_not_a_shift() -> None:
    answers = ask_all(lambda batch: list(batch)[1:], [1, 2, 3])
    assert {type(answer) for answer in answers} == {BackendError}


def test_who_gave_up_waiting_is_not_worked_for() -> None:
    async def ask() -> tuple[list[list[int]], int]:
        echo = Echo(0.05)
        with ThreadPoolExecutor(1) as thread:
            batcher = Batcher(echo, abs, budget=10, executor=thread)
            first = asyncio.create_task(batcher(10))
            await asyncio.sleep(0.01)  # is being worked on
            second, third = asyncio.create_task(batcher(9)), asyncio.create_task(batcher(8))
            await asyncio.sleep(0.01)
            second.cancel()
            assert await first == 10
            return echo.batches, await third

    batches, answer = asyncio.run(ask())
    assert answer == 8
    assert batches == [[10], [8]]


def test_a_batcher_works_in_one_event_loop_after_the_other() -> None:
    echo = Echo()
    with ThreadPoolExecutor(1) as thread:
        batcher = Batcher(echo, abs, budget=10, executor=thread)
        for number in range(3):
            assert asyncio.run(batcher(number)) == number  # type: ignore[arg-type]


def test_what_is_left_in_line_when_a_loop_ends_is_not_answered_in_the_next() -> None:
    echo = Echo(0.02)
    with ThreadPoolExecutor(1) as thread:
        batcher = Batcher(echo, abs, budget=1, executor=thread)

        async def leave() -> None:
            asyncio.gather(*map(batcher, [5, 6, 7])).add_done_callback(lambda done: done.cancelled() or done.exception())
            await asyncio.sleep(0.01)

        asyncio.run(leave())
        assert asyncio.run(batcher(9)) == 9  # type: ignore[arg-type]
    assert echo.batches[-1] == [9]
    assert not any(7 in batch for batch in echo.batches)


@pytest.mark.parametrize("n", [1, 400])
def test_nothing_is_lost_under_load(n: int) -> None:
    assert ask_all(Echo(), list(range(1, n + 1)), budget=64) == list(range(1, n + 1))
