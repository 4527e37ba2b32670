"""The models of a run: one event loop, a pipeline to each backend, the cache of their replies."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from evalkit.backends.account import Account, Price
from evalkit.backends.desk import Desk
from evalkit.backends.nobody import NOBODY, Nobody
from evalkit.backends.pipeline import Call, Pipeline
from evalkit.core.asking import Backend
from evalkit.core.contracts import Measure, ModelMetric
from evalkit.core.errors import Problem, SpecError
from evalkit.core.registry import find
from evalkit.specs.suite import BackendSpec, Suite
from evalkit.store.replies import Replies

T = TypeVar("T")


class Models:
    """Backends by name, and the loop that all their calls share; a context manager, which closes what was opened.

    Nothing is opened, loaded or started before the first call.

    Args:
        cache: the folder of the cache of replies; None keeps none.
        read_cache: False asks again, and keeps what comes.
    """

    def __init__(
        self, backends: Mapping[str, Backend], account: Account, *, cache: Path | None = None, read_cache: bool = True
    ) -> None:
        self.backends: Mapping[str, Backend] = {NOBODY: Nobody(), **backends}
        self.account = account
        self._folder, self._read_cache = cache, read_cache
        self._replies: Replies | None = None
        self._loop: asyncio.Runner | None = None
        self._pipelines: dict[str, Pipeline] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if self._loop is not None:
                self._loop.run(self._close_all())
                self._loop.close()
        finally:
            self._loop = None
            if self._replies is not None:
                self._replies.close()
                self._replies = None

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop, to its end."""
        if self._loop is None:
            self._loop = asyncio.Runner()
        return self._loop.run(coroutine)

    @property
    def pipelines(self) -> Mapping[str, Pipeline]:
        """The pipeline of every backend."""
        if not self._pipelines:
            if self._folder is not None:
                self._replies = Replies(self._folder)
            self._pipelines = {
                name: Pipeline(backend, self.account, cache=self._replies, read_cache=self._read_cache)
                for name, backend in self.backends.items()
            }
        return self._pipelines

    def tools(self, metric: str, backend: str | None, journal: list[Call] | None = None) -> Desk:
        """The tools of a metric; without a backend they can do nothing."""
        return Desk(self.pipelines, backend or NOBODY, metric, journal)

    async def close(self, backend: str) -> None:
        """Have one backend give back what it holds; a later call opens it again."""
        await self.pipelines[backend].close()

    def charge(self, account: Account) -> None:
        """Enter what is asked from now on into another account."""
        self.account = account
        for pipeline in self._pipelines.values():
            pipeline.account = account

    @contextmanager
    def apart(self, folder: Path) -> Iterator[None]:
        """Ask meanwhile as if nobody had asked before, and keep what comes in a cache of its own."""
        replies = Replies(folder)
        before = {name: pipeline.cache for name, pipeline in self.pipelines.items()}
        try:
            for pipeline in self.pipelines.values():
                pipeline.cache = replies
            yield
        finally:
            for name, pipeline in self.pipelines.items():
                pipeline.cache = before[name]
            replies.close()

    def stop(self, why: BaseException) -> None:
        """Send nothing more to any backend; who waits to be sent gets ``why``."""
        for pipeline in self._pipelines.values():
            pipeline.stop(why)

    async def settle(self) -> None:
        """Wait for what is on its way."""
        await asyncio.gather(*(pipeline.settle() for pipeline in self._pipelines.values()))

    async def _close_all(self) -> None:
        await asyncio.gather(*(pipeline.close() for pipeline in self._pipelines.values()))


def account_of(suite: Suite) -> Account:
    """An account with the suite's prices and budget.

    Raises:
        SpecError: the budget is money, and a model that will be paid for has no price.
    """
    prices = {model: Price(**told) for model, told in suite.prices.items()}
    if "max_cost" in suite.budget:
        used = {name for spec in suite.metrics if spec.backend for name in (spec.backend, *_others(spec.metric))}
        used |= set(suite.generate.backends) if suite.generate is not None else set()
        bought = [suite.backends[name] for name in sorted(used) if name in suite.backends]
        for model in (str(spec.options.get("model", "")) for spec in bought if spec.kind == "openai"):
            if model not in prices:
                example = f"add `prices: {{{model}: {{prompt: 0.15, completion: 0.6}}}}`, for a million tokens each"
                raise SpecError(Problem("budget.max_cost", f"the price of {model} is not known: nothing would count", example))
    calls = suite.budget.get("max_calls")
    return Account(prices, int(calls) if calls is not None else None, suite.budget.get("max_cost"))


def _others(metric: Measure) -> tuple[str, ...]:
    return metric.others() if isinstance(metric, ModelMetric) else ()


def make_backends(suite: Suite) -> dict[str, Backend]:
    """Every backend of a suite, by name; none has loaded or opened anything yet."""
    return {name: make_backend(spec) for name, spec in suite.backends.items()}


def make_backend(spec: BackendSpec) -> Backend:
    """A backend from its options; an ``…_env`` key gives its option the value of that environment variable.

    Raises:
        SpecError: the variable is not set, or the options do not fit.
    """
    options: dict[str, Any] = {}
    for key, value in spec.options.items():
        if not key.endswith("_env"):
            options[key] = value
        elif value in os.environ:
            options[key.removesuffix("_env")] = os.environ[value]
        else:
            raise SpecError(Problem(f"backends.{spec.name}", f"{key}: the environment variable {value} is not set"))
    try:
        backend: Backend = find("backend", spec.kind)(**options)
    except (TypeError, ValueError) as error:
        raise SpecError(Problem(f"backends.{spec.name}", str(error))) from error
    return backend
