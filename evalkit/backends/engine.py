"""vLLM's engine, driven step by step in a thread of its own: requests join and leave the running batch at every step."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import count
from typing import Any

from evalkit.backends.memory import release
from evalkit.core.errors import BackendError

OWN_PROCESS = "VLLM_ENABLE_V1_MULTIPROCESSING"


class EngineDied(Exception):
    """The engine failed as a whole; what it was working on is lost, and another engine may do it."""


@dataclass(slots=True)
class _Asked:
    """A request on its way into the engine, and where its answer goes."""

    ids: Sequence[int]
    params: Any
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]


class Engine:
    """One engine of vLLM, from its start to its end; awaiting `ask` gives one request's output.

    Args:
        make: builds the engine; called in the thread, as everything that touches it.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._inbox: queue.SimpleQueue[_Asked | asyncio.Future[Any] | None] = queue.SimpleQueue()
        self._waiting: dict[str, _Asked] = {}
        self._numbers = count()
        self._started: Future[Any] | None = Future()
        self._ended = threading.Event()
        self.alive = True
        self.steps = self.running = 0  # steps made, and the requests in them: how full the engine was
        self._thread = threading.Thread(target=self._drive, name="evalkit-vllm", daemon=True)

    async def start(self) -> Any:
        """Build the engine; it is given back for what is read only: its tokenizer and its configuration.

        Raises:
            Exception: whatever kept it from starting.
        """
        started = self._started
        assert started is not None
        self._thread.start()
        return await asyncio.wrap_future(started)

    async def ask(self, ids: Sequence[int], params: Any) -> Any:
        """The finished output of one request.

        Raises:
            EngineDied: the engine did, before it was answered.
            BackendError: the engine does not take this request.
        """
        if not self.alive:
            raise EngineDied("it is not running")
        loop = asyncio.get_running_loop()
        asked = _Asked(ids, params, loop, loop.create_future())
        self._inbox.put(asked)
        try:
            return await asked.future
        except asyncio.CancelledError:
            self._inbox.put(asked.future)  # the engine need not finish it
            raise

    async def stop(self) -> None:
        """End the engine and give its memory back."""
        self.alive = False
        self._inbox.put(None)
        if self._thread.ident is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._ended.wait)

    # --- in the thread ---

    def _drive(self) -> None:
        engine: Any = None
        started, self._started = self._started, None  # it must not keep the engine when that is over
        assert started is not None
        try:
            engine = self._make()
            core = getattr(engine, "engine_core", None)
            if hasattr(core, "outputs_queue"):
                threading.Thread(target=self._watch, args=(core,), daemon=True).start()
            del core
            started.set_result(engine)
            started = None
            while self._take(engine):
                outputs = engine.step()
                self.steps += 1
                self.running += len(self._waiting)
                self._deliver([output for output in outputs if output.finished])
            why = "it was closed"
        except BaseException as error:
            why = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            if started is not None:
                started.set_exception(error)
        self.alive = False
        self._give_up(EngineDied(why))
        if engine is not None:
            with contextlib.suppress(Exception):
                engine.engine_core.shutdown()
            with contextlib.suppress(Exception):
                engine.renderer.shutdown()
        engine = self._make = None  # type: ignore[assignment]
        release()
        self._ended.set()

    def _watch(self, core: Any) -> None:
        """Wake the thread when a core in a process of its own is killed: `step` would wait for ever for its next word."""
        while not self._ended.wait(0.5):
            if core.resources.engine_dead:
                core.outputs_queue.put(EngineDied("its process was ended"))
                return

    def _take(self, engine: Any) -> bool:
        """Let in whoever waits; with nothing to do, wait for somebody. False: the end."""
        while True:
            try:
                item = self._inbox.get(block=not self._waiting)
            except queue.Empty:
                return True
            if item is None:
                return False
            if isinstance(item, _Asked):
                self._let_in(engine, item)
            else:
                gone = [number for number, asked in self._waiting.items() if asked.future is item]
                if gone:
                    del self._waiting[gone[0]]
                    engine.abort_request(gone)

    def _let_in(self, engine: Any, asked: _Asked) -> None:
        number = str(next(self._numbers))
        try:
            engine.add_request(number, {"prompt_token_ids": list(asked.ids)}, asked.params)
        except Exception as error:
            if type(error).__name__ == "EngineDeadError":
                self._waiting[number] = asked
                raise
            _answer([(asked, BackendError(f"vLLM does not take the request: {error}"))])
        else:
            self._waiting[number] = asked

    def _deliver(self, outputs: Sequence[Any]) -> None:
        pairs = [(asked, output) for output in outputs if (asked := self._waiting.pop(output.request_id, None)) is not None]
        _answer(pairs)

    def _give_up(self, error: EngineDied) -> None:
        """Tell everybody who waits, in the engine or before it."""
        left = list(self._waiting.values())
        self._waiting.clear()
        while True:
            try:
                item = self._inbox.get_nowait()
            except queue.Empty:
                break
            if isinstance(item, _Asked):
                left.append(item)
        _answer([(asked, error) for asked in left])


def _answer(pairs: Sequence[tuple[_Asked, Any]]) -> None:
    """Hand answers, or errors, to those who wait; one call into each event loop."""
    for loop in {id(asked.loop): asked.loop for asked, _ in pairs}.values():
        own = [(asked.future, answer) for asked, answer in pairs if asked.loop is loop]
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, own)


def _settle(pairs: Sequence[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, answer in pairs:
        if future.done():
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)


def environment(threads: int) -> Mapping[str, str]:
    """What vLLM reads from the environment, as far as the user has not set it; to be set before vLLM is imported."""
    told = {
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "TORCH_CPP_LOG_LEVEL": "ERROR",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # or two engines on one machine would share the same cores
        "OMP_NUM_THREADS": str(threads),
    }
    return {name: value for name, value in told.items() if name not in os.environ}


@contextlib.contextmanager
def own_process(wanted: bool | None) -> Iterator[None]:
    """Whether an engine that starts meanwhile gives its core a process of its own; None: as vLLM would have it."""
    before = os.environ.get(OWN_PROCESS)
    if wanted is not None:
        os.environ[OWN_PROCESS] = str(int(wanted))
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(OWN_PROCESS, None)
        else:
            os.environ[OWN_PROCESS] = before
