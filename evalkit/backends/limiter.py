"""How many requests may be on their way: concurrency that adapts, requests and tokens a minute, and a server's own pauses."""

from __future__ import annotations

import asyncio
from collections import deque

_BACK_OFF = 0.7  # of the concurrency, when the server says that it is too much
_MEMORY = 16  # answers over which complaints are counted
_TOO_OFTEN = 0.2  # share of complaints from which all requests slow down: below it, they are the requests' own matter
_WINDOWS_BACK = 16  # windows of answers, from one request at a time back to all
_BURST_S = 1.0  # how far a rate may run ahead


class Limiter:
    """Permits for requests, first come first served; used within one event loop.

    When a fifth of the latest answers are complaints, everybody waits for as long as the server asks, and concurrency falls to
    70 %, at most once for the requests that were on their way; it grows again by a constant for each window of answers, as
    TCP's does (additive increase, multiplicative decrease). A complaint now and then slows nobody else down.
    """

    def __init__(
        self, concurrency: int, requests_per_minute: float | None = None, tokens_per_minute: float | None = None
    ) -> None:
        self.most, self.limit, self.active = concurrency, float(concurrency), 0
        self._complaints = 0.0  # share of the latest answers
        self._growth = max(1.0, concurrency / _WINDOWS_BACK)
        self._rates = [_Rate(rate / 60) if rate else None for rate in (requests_per_minute, tokens_per_minute)]
        self._limited = any(self._rates)
        self._paused_until = self._eased_until = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def acquire(self, tokens: int = 0) -> None:
        """Wait for a permit; ``tokens`` is what the request is expected to take."""
        if not self._waiting and self.active + 1 <= self.limit and self._wait_s(1, tokens) <= 0:
            self.active += 1
            self._spend(tokens)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.tokens = tokens  # type: ignore[attr-defined]
        self._waiting.append(future)
        self._wake()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.release()
            elif future in self._waiting:
                self._waiting.remove(future)
            raise

    def stop(self, why: BaseException) -> None:
        """Whoever waits gets ``why`` instead of a permit."""
        waiting, self._waiting = self._waiting, deque()
        for future in waiting:
            if not future.done():
                future.set_exception(why)

    def release(self) -> None:
        """Give a permit back."""
        self.active -= 1
        self._wake()

    def succeeded(self) -> None:
        """An answer came: a little more may be on its way."""
        self._complaints -= self._complaints / _MEMORY
        if self.limit < self.most:
            self.limit = min(self.limit + self._growth / self.limit, float(self.most))

    def complained(self, after_s: float | None, took_s: float) -> None:
        """The server said that it is too much (429), and perhaps how long to wait; or it had no answer in time."""
        self._complaints += (1.0 - self._complaints) / _MEMORY
        if self._complaints < _TOO_OFTEN:
            return
        now = asyncio.get_running_loop().time()
        if now - took_s >= self._eased_until:  # sent after the last time we eased off
            self.limit = max(self.limit * _BACK_OFF, 1.0)
            self._eased_until = now
        if after_s:
            self._paused_until = max(self._paused_until, now + after_s)

    def corrected(self, tokens: int) -> None:
        """More (or, negative, fewer) tokens were taken than expected."""
        if self._rates[1] is not None:
            self._rates[1].spend(tokens)

    def _wake(self) -> None:
        while self._waiting and self.active + 1 <= self.limit:
            future = self._waiting[0]
            tokens = future.tokens  # type: ignore[attr-defined]
            wait_s = self._wait_s(1, tokens)
            if wait_s > 0:
                if self._timer is None or self._timer.cancelled():
                    self._timer = asyncio.get_running_loop().call_later(wait_s, self._timed)
                return
            self._waiting.popleft()
            if not future.done():
                self.active += 1
                self._spend(tokens)
                future.set_result(None)

    def _timed(self) -> None:
        self._timer = None
        self._wake()

    def _wait_s(self, requests: int, tokens: int) -> float:
        if not self._limited and not self._paused_until:
            return 0.0
        now = asyncio.get_running_loop().time()
        waits = [self._paused_until - now]
        waits += [rate.wait_s(now, amount) for rate, amount in zip(self._rates, (requests, tokens)) if rate]
        return max(waits)

    def _spend(self, tokens: int) -> None:
        if self._limited:
            now = asyncio.get_running_loop().time()
            for rate, amount in zip(self._rates, (1, tokens)):
                if rate:
                    rate.spend(amount, now)


class _Rate:
    """So much a second, as the time until which all is spoken for (the generic cell rate algorithm)."""

    def __init__(self, per_s: float) -> None:
        self.per_s, self._spoken_for = per_s, 0.0

    def wait_s(self, now: float, amount: float) -> float:
        ahead = max(_BURST_S, amount / self.per_s)  # a request larger than the burst must still go, alone
        return max(self._spoken_for, now) + amount / self.per_s - ahead - now

    def spend(self, amount: float, now: float | None = None) -> None:
        start = self._spoken_for if now is None else max(self._spoken_for, now)
        self._spoken_for = start + amount / self.per_s
