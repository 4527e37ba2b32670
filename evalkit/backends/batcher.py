"""Single calls that wait at the same time, gathered into batches for a model in this process."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import count
from typing import Generic, TypeVar

from evalkit.core.errors import BackendError, EvalkitError

Q = TypeVar("Q")
A = TypeVar("A")

Work = Callable[[Sequence[Q]], Sequence[A | Exception]]
"""Answers a batch, longest first: for each question its answer, or the error of that question alone. What it raises is
everybody's, so the batch is then halved and each half tried on its own."""


@dataclass(order=True, slots=True)
class _Waiting(Generic[Q, A]):
    """A question in line; lines are in order of length, and of arrival among equals."""

    length: int
    arrival: int
    question: Q = field(compare=False)
    future: asyncio.Future[A] = field(compare=False)


class Batcher(Generic[Q, A]):
    """Questions of similar length go to the model together; awaiting the object with a question gives its answer.

    A batch is built around the question that has waited longest, from its neighbours in length, as long as all of them,
    padded to the longest, fit the budget: little padding, and nobody waits for ever.

    Args:
        work: is called in ``executor``, one batch at a time.
        length: of a question, in tokens.
        budget: tokens of a padded batch; a longer question goes alone.
        most: questions of a batch.
        executor: of one thread, shared by all that use the same model.
    """

    def __init__(
        self, work: Work[Q, A], length: Callable[[Q], int], *, budget: int, executor: Executor, most: int = 256
    ) -> None:
        self._work, self._length, self._budget, self._most, self._executor = work, length, budget, most, executor
        self._line: list[_Waiting[Q, A]] = []
        self._arrivals = count()
        self._driver: asyncio.Task[None] | None = None

    async def __call__(self, question: Q) -> A:
        """The answer to one question.

        Raises:
            BackendError: there is none; what went wrong with this question.
        """
        loop = asyncio.get_running_loop()
        if self._driver is None or self._driver.done() or self._driver.get_loop() is not loop:
            self._line.clear()  # of a loop that ended with questions in line
            self._driver = loop.create_task(self._drive())
        waiting = _Waiting[Q, A](max(self._length(question), 1), next(self._arrivals), question, loop.create_future())
        insort(self._line, waiting)
        return await waiting.future

    async def _drive(self) -> None:
        loop = asyncio.get_running_loop()
        batch: list[_Waiting[Q, A]] = []
        try:
            while self._line:
                await asyncio.sleep(0)  # whoever is ready to ask asks first
                batch = self._next()
                if batch:
                    answers = await loop.run_in_executor(self._executor, self._answers, batch)
                    for waiting, answer in zip(batch, answers):
                        _deliver(waiting.future, answer)
        except BaseException as error:
            for waiting in (*batch, *self._line):
                _deliver(waiting.future, BackendError(f"the batch was given up ({type(error).__name__}: {error})"))
            self._line.clear()
            raise

    def _next(self) -> list[_Waiting[Q, A]]:
        """Take the next batch out of the line, longest first."""
        self._line = [waiting for waiting in self._line if not waiting.future.done()]  # done: nobody waits any more
        if not self._line:
            return []
        oldest = min(self._line, key=lambda waiting: waiting.arrival)
        low = bisect_left(self._line, oldest)
        high = low + 1
        while high - low < self._most:
            shorter = self._line[low - 1] if low else None
            longer = self._line[high] if high < len(self._line) else None
            if longer is not None and longer.length * (high - low + 1) > self._budget:
                longer = None
            if shorter is not None and self._line[high - 1].length * (high - low + 1) > self._budget:
                shorter = None
            if shorter is not None and (longer is None or oldest.length - shorter.length <= longer.length - oldest.length):
                low -= 1
            elif longer is not None:
                high += 1
            else:
                break
        batch = self._line[low:high]
        del self._line[low:high]
        return batch[::-1]

    def _answers(self, batch: Sequence[_Waiting[Q, A]]) -> Sequence[A | Exception]:
        """In the executor's thread: an answer or an error for each; halves of a batch that fails as a whole."""
        try:
            answers = self._work([waiting.question for waiting in batch])
        except Exception as error:
            ours = isinstance(error, EvalkitError) and not isinstance(error, BackendError)  # the model as a whole is gone
            if ours or len(batch) == 1:
                return [error] * len(batch)
        else:
            if len(answers) == len(batch):
                return answers
            return [BackendError(f"{len(batch)} questions had {len(answers)} answers")] * len(batch)
        half = len(batch) // 2  # by now the error is gone, and with it the memory that its traceback held
        return [*self._answers(batch[:half]), *self._answers(batch[half:])]


def _deliver(future: asyncio.Future[A], answer: A | Exception) -> None:
    if future.done():
        return
    if isinstance(answer, EvalkitError):
        future.set_exception(answer)
    elif isinstance(answer, Exception):
        error = BackendError(f"{type(answer).__name__}: {answer}")
        error.__cause__ = answer
        future.set_exception(error)
    else:
        future.set_result(answer)
