"""The order of the pipeline: cache, de-duplication, retry, budget, limiter, transport, accounting."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from evalkit.backends import pipeline as module
from evalkit.backends.account import Account, Price
from evalkit.backends.pipeline import Call, Pipeline
from evalkit.core.asking import Reply, Request
from evalkit.core.errors import BackendError, BackendRefused, BudgetSpent, Malformed, MissingExtra, Retryable

SCHEMA = {"type": "object", "properties": {"verdict": {"enum": ["yes", "no"]}}, "required": ["verdict"]}


class Memory(dict[bytes, bytes]):
    """A cache in memory."""

    def put(self, key: bytes, value: bytes) -> None:
        self[key] = value


class Backend:
    """A backend of which a test says what it answers."""

    identity = "test:1"
    max_concurrency = 4
    attempts = 8

    def __init__(self, *answers: Any, then: Any = '{"verdict": "yes"}') -> None:
        self.answers, self.then = list(answers), then
        self.seen: list[Request] = []
        self.now = self.most = self.prepared = self.closed = 0

    async def prepare(self) -> None:
        self.prepared += 1

    async def close(self) -> None:
        self.closed += 1

    async def complete(self, request: Request) -> Reply:
        assert self.prepared > self.closed, "asked before it was made ready"
        self.seen.append(request)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            answer = self.answers.pop(0) if self.answers else self.then
            if callable(answer):
                answer = await answer()
            else:
                await asyncio.sleep(0.001)
            if isinstance(answer, BaseException):
                raise answer
            return answer if isinstance(answer, Reply) else Reply(answer, prompt_tokens=10, completion_tokens=5, model="m")
        finally:
            self.now -= 1


def asking(text: str = "?", **more: Any) -> Request:
    return Request(({"role": "user", "content": text},), SCHEMA, **more)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(module, "LONGEST_WAIT_S", 0.002)


def run(play: Callable[[], Any]) -> Any:
    async def limited() -> Any:
        async with asyncio.timeout(20):
            return await play()

    return asyncio.run(limited())


# --- cache and de-duplication ----------------------------------------------------------------------------------------


def test_n_draws_are_n_calls_and_a_rerun_makes_none() -> None:
    async def play() -> None:
        cache, backend = Memory(), Backend()
        for expected in ((5, 0), (0, 5)):
            account = Account()
            line = Pipeline(backend, account, cache=cache)
            await asyncio.gather(*(line.reply(asking(repeat=repeat)) for repeat in range(5)))
            assert (account.calls, account.cached) == expected
            await line.close()
        assert len(backend.seen) == 5

    run(play)


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.1},
        {"top_p": 0.9},
        {"max_tokens": 7},
        {"logprobs": 5},
        {"repeat": 1},
        {"choices": ("a",)},
        {"schema": {}},
    ],
)
def test_whatever_moves_a_reply_is_part_of_its_key(change: dict[str, Any]) -> None:
    async def play() -> None:
        line = Pipeline(Backend(then="a"), Account(), cache=Memory())
        messages = ({"role": "user", "content": "?"},)
        await line.reply(Request(messages), parse=str)
        await line.reply(Request(messages, **change), parse=str)
        assert len(line.backend.seen) == 2

    run(play)


def test_equal_questions_on_their_way_are_asked_once() -> None:
    async def play() -> None:
        backend, account = Backend(), Account()
        line = Pipeline(backend, account)
        values = await asyncio.gather(*(line.reply(asking()) for _ in range(20)))
        assert values == [{"verdict": "yes"}] * 20
        assert (len(backend.seen), account.calls, account.cached) == (1, 1, 19)

    run(play)


def test_an_error_is_shared_by_all_who_waited_for_the_answer() -> None:
    async def play() -> None:
        backend = Backend(then=BackendError("no"))
        line = Pipeline(backend, Account())
        outcomes = await asyncio.gather(*(line.reply(asking()) for _ in range(5)), return_exceptions=True)
        assert [str(outcome) for outcome in outcomes] == ["no"] * 5
        assert len(backend.seen) == 1
        backend.then = '{"verdict": "no"}'
        assert await line.reply(asking()) == {"verdict": "no"}, "an error is not kept"

    run(play)


def test_who_is_stopped_leaves_the_call_to_those_who_waited_for_it() -> None:
    async def play() -> None:
        forever = asyncio.Event()
        backend = Backend(forever.wait)
        line = Pipeline(backend, Account())
        first = asyncio.create_task(line.reply(asking()))
        await asyncio.sleep(0.01)
        others = [asyncio.create_task(line.reply(asking())) for _ in range(3)]
        await asyncio.sleep(0.01)
        first.cancel()
        assert await asyncio.gather(*others) == [{"verdict": "yes"}] * 3
        assert len(backend.seen) == 2
        assert first.cancelled()

    run(play)


def test_one_who_waits_may_stop_without_disturbing_the_call() -> None:
    async def play() -> None:
        backend = Backend()
        line = Pipeline(backend, Account())
        first, second = (asyncio.create_task(line.reply(asking())) for _ in range(2))
        await asyncio.sleep(0)
        second.cancel()
        assert await first == {"verdict": "yes"}

    run(play)


def test_a_reply_that_another_question_took_is_asked_for_again() -> None:
    async def play() -> None:
        def strict(reply: Reply) -> str:
            if "maybe" in reply.text:
                raise Malformed("maybe is no verdict")
            return reply.text

        backend = Backend("maybe", "yes")
        line = Pipeline(backend, Account(), cache=Memory())
        lax, picky = await asyncio.gather(line.reply(asking(), lambda reply: reply.text), line.reply(asking(), strict))
        assert (lax, picky) == ("maybe", "yes")
        assert await line.reply(asking(), strict) == "yes", "the stricter one is kept"

    run(play)


def test_only_what_could_be_parsed_is_kept() -> None:
    async def play() -> None:
        cache = Memory()
        line = Pipeline(Backend(then="prose"), Account(), cache=cache)
        with pytest.raises(Malformed):
            await line.reply(asking())
        assert not cache

    run(play)


def test_what_cannot_be_read_in_the_cache_is_asked_for_again() -> None:
    async def play() -> None:
        cache = Memory()
        line = Pipeline(Backend(), Account(), cache=cache)
        await line.reply(asking())
        (key,) = cache
        for broken in (b"", b"\xc1", b"\x90", cache[key][:-3]):
            cache[key] = broken
            assert await line.reply(asking()) == {"verdict": "yes"}
        assert len(line.backend.seen) == 5

    run(play)


def test_without_the_cache_a_question_is_still_asked_once_by_a_run() -> None:
    async def play() -> None:
        cache = Memory()
        await Pipeline(Backend(), Account(), cache=cache).reply(asking())
        backend, account = Backend(), Account()
        line = Pipeline(backend, account, cache=cache, read_cache=False)
        for _ in range(3):
            await line.reply(asking())
        assert (len(backend.seen), account.calls, account.cached) == (1, 1, 2)

    run(play)


# --- retries ---------------------------------------------------------------------------------------------------------


def test_every_failure_that_may_pass_is_tried_again_and_counted_by_kind() -> None:
    async def play() -> None:
        kinds = ["429", "500", "timeout", "lost", "503", "malformed"]
        account, journal = Account(), list[Call]()
        line = Pipeline(Backend(*(Retryable("x", kind) for kind in kinds), "prose"), account)
        assert await line.reply(asking(), journal=journal) == {"verdict": "yes"}
        assert account.trouble == Counter({**dict.fromkeys(kinds, 1), "malformed": 2})
        assert journal[0].attempts == 8
        assert journal[0].error is None

    run(play)


@pytest.mark.parametrize(
    ("error", "sent"), [(Retryable("x", "500"), 8), (Retryable("x", "429"), 40), ("prose", 5), (BackendError("x"), 1)]
)
def test_there_is_an_end_to_trying_again(error: Any, sent: int) -> None:
    async def play() -> None:
        backend, journal = Backend(then=error), list[Call]()
        with pytest.raises(BackendError):
            await Pipeline(backend, Account()).reply(asking(), journal=journal)
        assert len(backend.seen) == sent == journal[0].attempts
        assert journal[0].error

    run(play)


def test_a_backend_that_says_the_same_again_is_asked_once() -> None:
    async def play() -> None:
        for error in (Retryable("x", "429"), Retryable("x", "500"), "prose"):
            backend = Backend(then=error)
            backend.attempts = 1
            with pytest.raises(BackendError):
                await Pipeline(backend, Account()).reply(asking())
            assert len(backend.seen) == 1

    run(play)


def test_a_malformed_reply_is_asked_for_again_in_another_way() -> None:
    async def play() -> None:
        backend = Backend("prose", Reply('{"verdict": "yes"}', finish="length"))
        await Pipeline(backend, Account()).reply(asking())
        assert [request.temperature for request in backend.seen] == [0.0, 0.5, 0.5]
        assert [request.attempt for request in backend.seen] == [0, 1, 2]
        backend = Backend("prose")
        await Pipeline(backend, Account()).reply(asking(temperature=0.9))
        assert [request.temperature for request in backend.seen] == [0.9, 0.9]

    run(play)


def test_a_server_that_asks_to_wait_is_not_asked_sooner() -> None:
    async def play() -> None:
        clock = time.monotonic()
        await Pipeline(Backend(Retryable("x", "429", 0.2)), Account()).reply(asking())
        assert 0.2 <= time.monotonic() - clock < 2

    run(play)


def test_a_server_that_asks_to_wait_for_an_hour_ends_the_run() -> None:
    async def play() -> None:
        line = Pipeline(Backend(then=Retryable("quota", "429", 3600.0)), Account())
        with pytest.raises(BackendRefused, match="asks to wait 60 minutes"):
            await line.reply(asking())

    run(play)


def test_a_request_that_takes_too_long_is_given_up_and_put_again() -> None:
    async def play() -> None:
        backend, account = Backend(asyncio.Event().wait), Account()
        backend.timeout_s = 0.05  # type: ignore[attr-defined]
        assert await Pipeline(backend, account).reply(asking()) == {"verdict": "yes"}
        assert account.trouble == {"timeout": 1}

    run(play)


def test_a_slow_server_gets_fewer_requests_at_once_and_each_more_time_than_before() -> None:
    async def play() -> None:
        class Slow(Backend):
            """Answers in 0.05 s for each request that it works on."""

            busy = 0

            async def complete(self, request: Request) -> Reply:
                self.busy += 1
                try:
                    await asyncio.sleep(0.05 * self.busy)
                finally:
                    self.busy -= 1
                return await super().complete(request)

        backend, account = Slow(), Account()
        backend.timeout_s, backend.max_concurrency = 0.12, 32  # type: ignore[attr-defined]
        line = Pipeline(backend, account)
        values = await asyncio.gather(*(line.reply(asking(str(n))) for n in range(60)))
        assert len(values) == 60
        assert line.limiter.limit < 32
        assert account.trouble["timeout"] < 60 * 2, "the same requests would time out again and again"

    run(play)


def test_a_backends_own_timeout_is_one_too() -> None:
    async def play() -> None:
        account = Account()
        assert await Pipeline(Backend(TimeoutError()), account).reply(asking()) == {"verdict": "yes"}
        assert account.trouble == {"timeout": 1}

    run(play)


# --- nobody there ----------------------------------------------------------------------------------------------------


def test_where_nobody_answers_every_question_is_refused_soon() -> None:
    async def play() -> None:
        backend = Backend(then=Retryable("cannot be reached", "connection"))
        line = Pipeline(backend, Account())
        outcomes = await asyncio.gather(*(line.reply(asking(str(n))) for n in range(100)), return_exceptions=True)
        assert all(isinstance(outcome, BackendRefused) for outcome in outcomes)
        assert "is the server running?" in str(outcomes[0])
        assert len(backend.seen) <= 12

    run(play)


def test_a_server_that_starts_again_costs_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        backend = Backend("first")
        line = Pipeline(backend, Account())
        await line.reply(asking("first"), parse=lambda reply: reply.text)
        backend.answers = [Retryable("cannot be reached", "connection") for _ in range(200)]
        values = await asyncio.gather(*(line.reply(asking(str(n))) for n in range(30)))
        assert values == [{"verdict": "yes"}] * 30

    run(play)


def test_a_server_that_went_away_ends_the_run_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GONE_AFTER_S", 0.2)

    async def play() -> None:
        backend = Backend("first", then=Retryable("cannot be reached", "connection"))
        line = Pipeline(backend, Account())
        await line.reply(asking("first"), parse=lambda reply: reply.text)
        backend.attempts = line.attempts = 1_000
        outcomes = await asyncio.gather(*(line.reply(asking(str(n))) for n in range(30)), return_exceptions=True)
        assert all(isinstance(outcome, BackendRefused) for outcome in outcomes)
        assert "it answered before" in str(outcomes[0])

    run(play)


def test_after_a_refusal_nothing_more_is_sent() -> None:
    async def play() -> None:
        backend = Backend(then=BackendRefused("wrong key"))
        line = Pipeline(backend, Account())
        outcomes = await asyncio.gather(*(line.reply(asking(str(n))) for n in range(50)), return_exceptions=True)
        assert {str(outcome) for outcome in outcomes} == {"wrong key"}
        assert len(backend.seen) == backend.max_concurrency

    run(play)


# --- budget and account ----------------------------------------------------------------------------------------------


def test_a_budget_is_never_exceeded_by_a_call_and_counts_retries() -> None:
    async def play() -> None:
        backend, account = Backend(*(Retryable("x", "500") for _ in range(5))), Account(max_calls=12)
        line = Pipeline(backend, account)
        outcomes = await asyncio.gather(*(line.reply(asking(str(n))) for n in range(30)), return_exceptions=True)
        assert len(backend.seen) == 12 == account.sent
        assert Counter(type(outcome) for outcome in outcomes) == {dict: 7, BudgetSpent: 23}

    run(play)


def test_a_budget_of_money_stops_at_it() -> None:
    async def play() -> None:
        account = Account({"m": Price(1_000, 2_000)}, max_cost=0.1)  # 0.02 a call
        line = Pipeline(Backend(), account)
        outcomes = [await asyncio.gather(line.reply(asking(str(n))), return_exceptions=True) for n in range(10)]
        assert sum(isinstance(outcome, dict) for (outcome,) in outcomes) == 5
        assert account.cost == pytest.approx(0.1)

    run(play)


def test_who_waits_to_be_sent_again_is_told_when_the_run_ends() -> None:
    async def play() -> None:
        line = Pipeline(Backend(then=Retryable("x", "429", 500.0)), Account())
        waiting = asyncio.create_task(line.reply(asking()))
        await asyncio.sleep(0.05)
        line.stop(BudgetSpent("calls", 1, "max_calls"))
        with pytest.raises(BudgetSpent):
            await waiting

    run(play)


def test_what_was_spent_is_written_down_and_read_again(tmp_path: Any) -> None:
    first = Account({"m": Price(1.0, 1.0)}, max_calls=10)
    first.failed("429")  # before there is anywhere to write
    with first.kept(tmp_path):
        for _ in range(3):
            first.spend()
            first.add(Reply("", prompt_tokens=1_000_000, completion_tokens=500_000), "m")
        first.failed("429")
        second = Account({"m": Price(1.0, 1.0)}, max_calls=10)
        second.resume(tmp_path)  # as if the first had been killed here
    assert second.usage() == first.usage()
    assert (second.sent, second.cost, second.trouble) == (3, pytest.approx(4.5), {"429": 2})
    with second.kept(tmp_path):
        second.spend()
    third = Account(max_calls=4)
    third.resume(tmp_path)
    with pytest.raises(BudgetSpent):
        third.spend()


# --- making ready and closing ----------------------------------------------------------------------------------------


def test_a_backend_is_made_ready_once_and_again_after_it_was_closed() -> None:
    async def play() -> None:
        backend = Backend()
        line = Pipeline(backend, Account())
        await line.close()
        assert backend.closed == 0, "it was never opened"
        await asyncio.gather(*(line.reply(asking(str(n))) for n in range(10)))
        assert backend.prepared == 1
        await line.close()
        await line.reply(asking("later"))
        assert (backend.prepared, backend.closed) == (2, 1)

    run(play)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError("no such folder"), "test:1 cannot be made ready (OSError: no such folder)"),
        (MissingExtra("kind: vllm", "vllm", "vllm"), "kind: vllm needs the package"),
        (BackendRefused("no such model"), "no such model"),
    ],
)
def test_a_backend_that_cannot_be_made_ready_is_never_asked(error: Exception, said: str) -> None:
    class Broken(Backend):
        async def prepare(self) -> None:
            await asyncio.sleep(0.001)
            raise error

    async def play() -> None:
        backend = Broken()
        line = Pipeline(backend, Account())
        outcomes = await asyncio.gather(*(line.reply(asking(str(n))) for n in range(10)), return_exceptions=True)
        assert all(isinstance(outcome, BackendRefused) and said in str(outcome) for outcome in outcomes), outcomes
        assert not backend.seen

    run(play)


def test_closing_waits_for_what_is_on_its_way() -> None:
    async def play() -> None:
        cache = Memory()
        line = Pipeline(Backend(), Account(), cache=cache)
        task = asyncio.create_task(line.reply(asking()))
        await asyncio.sleep(0)
        await line.close()
        assert len(cache) == 1
        await task

    run(play)


def test_no_more_requests_than_allowed_are_on_their_way() -> None:
    async def play() -> None:
        backend = Backend()
        await asyncio.gather(
            *(Pipeline.reply(line, asking(str(n))) for line in [Pipeline(backend, Account())] for n in range(50))
        )
        assert backend.most == backend.max_concurrency

    run(play)


# --- what is not a text ----------------------------------------------------------------------------------------------


def test_other_results_are_kept_shared_and_tried_again_too() -> None:
    async def play() -> None:
        cache, made = Memory(), list[int]()

        def making() -> Iterator[Any]:
            yield Retryable("x", "500")
            while True:
                yield [0.5, 1.0]

        source = making()

        async def make() -> list[float]:
            made.append(1)
            await asyncio.sleep(0.001)
            answer = next(source)
            if isinstance(answer, Exception):
                raise answer
            return answer

        account = Account()
        line = Pipeline(Backend(), account, cache=cache)
        found = await asyncio.gather(*(line.kept({"embed": "a"}, make, list[float]) for _ in range(5)))
        assert found == [[0.5, 1.0]] * 5
        assert (len(made), account.calls, account.cached, account.trouble) == (2, 1, 4, {"500": 1})
        assert await Pipeline(Backend(), account, cache=cache).kept({"embed": "a"}, make, list[float]) == [0.5, 1.0]
        assert len(made) == 2
        for key in cache:
            cache[key] = b"\xa3abc"
        assert await line.kept({"embed": "a"}, make, list[float]) == [0.5, 1.0]
        assert len(made) == 3, "what cannot be read is made again"

    run(play)


def test_what_a_backend_cannot_do_is_refused_by_name() -> None:
    with pytest.raises(BackendRefused, match=r"cannot do what is asked of it here .embed."):
        Pipeline(Backend(), Account()).method("embed")
