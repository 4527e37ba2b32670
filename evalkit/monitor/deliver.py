"""Delivering alerts: at least once, each sink by itself, with patience that ends."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from evalkit.core.errors import EvalkitError, quote
from evalkit.core.secret import scrubbed
from evalkit.core.sink import Exporter, NotDelivered, Sink
from evalkit.core.watched import Alert, Figure
from evalkit.reports.numbers import counted
from evalkit.reports.safe import one_line

BUDGET_S = 60.0  # of one delivery, all its tries and waits together
TRIES = 6  # of one message
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 15.0
AT_ONCE = 20  # alerts in a message, unless the sink says otherwise
LONGEST_WHY = 400

T = TypeVar("T")
Arrived = Callable[[Sequence["Parcel"]], None]


@dataclass(frozen=True)
class Parcel:
    """A row of the outbox: an alert, the sink it is for, by its name in the monitor's file, and how often it was tried."""

    alert: Alert
    sink: str
    attempts: int = 0


@dataclass(frozen=True)
class Failure:
    """A parcel that did not arrive, and why; no secret stands in it."""

    parcel: Parcel
    why: str


@dataclass(frozen=True)
class Delivery:
    """What arrived and what did not; every parcel of the outbox is in one of the two, with its attempts counted."""

    delivered: tuple[Parcel, ...] = ()
    failed: tuple[Failure, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """A line per sink that failed, and per reason."""
        told: dict[tuple[str, str], int] = {}
        for one in self.failed:
            key = one.parcel.sink, one.why
            told[key] = told.get(key, 0) + 1
        return tuple(
            f"{counted(number, 'alert')} for {quote(name)} did not arrive: {why}. "
            f"{'It is' if number == 1 else 'They are'} kept, and the next run tries again"
            for (name, why), number in told.items()
        )


async def deliver(
    outbox: Sequence[Parcel],
    sinks: Mapping[str, Any],
    *,
    budget_s: float = BUDGET_S,
    rng: random.Random | None = None,
    arrived: Arrived | None = None,
) -> Delivery:
    """Send what is in the outbox, every sink at the same time and each in the outbox's order.

    Alerts of one window go together, up to what the sink takes at once. A message that fails in passing is sent again after
    0.5, 1, 2 … s (with jitter), or when the receiver says; one that is not accepted is taken apart, so that one bad alert holds
    no other up; a sink that refuses altogether is left alone until the next run.

    Args:
        sinks: by name, as `specs.sinks.read_alerts` has them.
        rng: of the jitter.
        arrived: called with each message's parcels at once when they have arrived, so that a crash repeats no more than what
            was on its way.
    """
    until = asyncio.get_running_loop().time() + budget_s
    lots: dict[str, list[Parcel]] = {}
    for parcel in outbox:
        lots.setdefault(parcel.sink, []).append(parcel)
    rounds = [_Round(name, sinks.get(name), until, rng or random.Random(), arrived) for name in lots]  # noqa: S311 - jitter
    told = await _all(one.send(lots[one.name]) for one in rounds)
    return Delivery(tuple(each for one in told for each in one.delivered), tuple(each for one in told for each in one.failed))


async def export(
    figures: Sequence[Figure], text: str, sinks: Mapping[str, Any], *, budget_s: float = BUDGET_S
) -> dict[str, str]:
    """Give the figures to every sink that takes them; why not, by the name of those that failed."""
    takers = {name: sink for name, sink in sinks.items() if isinstance(sink, Exporter)}
    until = asyncio.get_running_loop().time() + budget_s
    failed = await asyncio.gather(*(_tried(sink, partial(sink.export, figures, text), until) for sink in takers.values()))
    return {name: str(error) for name, error in zip(takers, failed) if error is not None}


@dataclass(frozen=True)
class _Round:
    """One sink's share of a delivery."""

    name: str
    sink: Any
    until: float
    rng: random.Random
    arrived: Arrived | None

    async def send(self, parcels: Sequence[Parcel]) -> Delivery:
        if not isinstance(self.sink, Sink):
            why = "it takes no alerts" if self.sink is not None else "no sink of the monitor is called so any more"
            return Delivery((), tuple(Failure(parcel, why) for parcel in parcels))
        delivered: list[Parcel] = []
        failed: list[Failure] = []
        waiting = list(_batches(parcels, int(getattr(self.sink, "at_once", AT_ONCE))))
        while waiting:
            batch = waiting.pop(0)
            tries, error = await self._message(batch)
            batch = tuple(replace(parcel, attempts=parcel.attempts + tries) for parcel in batch)
            if error is None:
                delivered += batch
                if self.arrived is not None:
                    self.arrived(batch)
            elif error.because == "content" and len(batch) > 1:
                waiting[:0] = [(parcel,) for parcel in batch]
            else:
                failed += (Failure(parcel, str(error)) for parcel in batch)
                if error.because != "content":
                    failed += (Failure(parcel, str(error)) for left in waiting for parcel in left)
                    break
        return Delivery(tuple(delivered), tuple(failed))

    async def _message(self, batch: Sequence[Parcel]) -> tuple[int, NotDelivered | None]:
        """How often one message was sent, and what was wrong the last time."""
        loop = asyncio.get_running_loop()
        alerts = [parcel.alert for parcel in batch]
        for tries in range(1, TRIES + 1):
            error = await _tried(self.sink, partial(self.sink.send, alerts), self.until)
            if error is None or error.because != "passing" or tries == TRIES:
                return tries, error
            wait_s = min(FIRST_WAIT_S * 2 ** (tries - 1), LONGEST_WAIT_S) * self.rng.uniform(0.5, 1.0)
            wait_s = max(wait_s, error.after_s or 0.0)
            if loop.time() + wait_s >= self.until:
                asked = f" (it asks to wait {error.after_s:,.0f} s)" if error.after_s else ""
                return tries, NotDelivered(f"{error}{asked}")
            await asyncio.sleep(wait_s)
        raise AssertionError("a message is tried at least once")


async def _all(works: Iterable[Awaitable[T]]) -> list[T]:
    """What they return, once all are over; an error of one waits for the others."""
    ended = await asyncio.gather(*works, return_exceptions=True)
    for one in ended:
        if isinstance(one, BaseException):
            raise one
    return [one for one in ended if not isinstance(one, BaseException)]


async def _tried(sink: Any, send: Callable[[], Awaitable[None]], until: float) -> NotDelivered | None:
    """What is wrong, without a secret; None: it has arrived."""
    try:
        async with asyncio.timeout_at(until) as limit:
            await send()
    except NotDelivered as error:
        return NotDelivered(_shown(str(error), sink), error.because, error.after_s)
    except TimeoutError as error:
        if limit.expired():
            return NotDelivered("it gave no answer in the time that a delivery may take")
        return NotDelivered(_shown(f"{type(error).__name__}: {error}", sink))
    except EvalkitError as error:  # a variable that was there when the run began
        return NotDelivered(_shown(str(error), sink), "refused")
    except OSError as error:
        return NotDelivered(_shown(f"{type(error).__name__}: {error}", sink))
    except Exception as error:
        return NotDelivered(_shown(f"{type(error).__name__}: {error}", sink), "content")
    return None


def _shown(text: str, sink: Any) -> str:
    return one_line(scrubbed(text, sink), LONGEST_WHY).rstrip(".")


def _batches(parcels: Sequence[Parcel], most: int) -> Iterator[tuple[Parcel, ...]]:
    """Alerts of one window together, in order: the same ones make the same message whenever they are sent."""
    by_window: dict[tuple[str, float], list[Parcel]] = {}
    for parcel in parcels:
        one = parcel.alert.incident
        moment = one.closed if parcel.alert.event == "closed" and one.closed is not None else one.found
        by_window.setdefault((parcel.alert.monitor, moment), []).append(parcel)
    for together in by_window.values():
        yield from (tuple(together[start : start + most]) for start in range(0, len(together), most))
