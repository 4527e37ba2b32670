"""Which of vLLM's engines the backend should drive: how full each is kept, what it costs, how it recovers.

    python scripts/measure_vllm_engines.py FOLDER_OF_A_MODEL [--requests 200] [--in-flight 32] [--rounds 3]

The same requests, so many in flight, with replies of 8 to 150 tokens behind a shared beginning, go through vLLM's batch call
(``LLM.generate`` on whoever waits), its asynchronous engine (``AsyncLLM``), and evalkit's stepped `Engine`, in this process and
with a core of its own; each in a fresh process, one after the other in every round. Prints one line of JSON for each.
docs/decisions/vllm-engine.md holds figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

WAYS = ("batch", "async", "stepped", "stepped-own-process")
Ask = Callable[[list[int], int], Awaitable[int]]


def main() -> None:
    """Every way, in processes of their own."""
    parser = argparse.ArgumentParser(description="Compare ways to drive vLLM.")
    parser.add_argument("model")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--in-flight", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--way", choices=WAYS)
    given = parser.parse_args()
    if given.way is None:
        for _ in range(given.rounds):
            for way in WAYS:
                subprocess.run([sys.executable, __file__, *sys.argv[1:], "--way", way], check=False)
        return
    own = given.way in ("async", "stepped-own-process")
    told = {"VLLM_ENABLE_V1_MULTIPROCESSING": "1" if own else "0", "VLLM_LOGGING_LEVEL": "CRITICAL", "VLLM_NO_USAGE_STATS": "1"}
    told |= {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "HF_HUB_OFFLINE": "1", "TORCH_CPP_LOG_LEVEL": "ERROR"}
    os.environ.update(told)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    rng = random.Random(0)
    shared = [rng.randrange(10, 500) for _ in range(150)]
    work = [
        ([*shared, *(rng.randrange(10, 500) for _ in range(rng.randrange(20, 100)))], rng.choice([8, 12, 20, 30, 60, 150]))
        for _ in range(given.requests)
    ]
    result = asyncio.run(Measured(given.model, given.in_flight, work).of(given.way))
    print(json.dumps({"way": given.way, "model": Path(given.model).name, **result}), flush=True)


class Measured:
    """One way to drive vLLM through the same work."""

    def __init__(self, model: str, in_flight: int, work: list[tuple[list[int], int]]) -> None:
        self.in_flight, self.work = in_flight, work
        self.steps = 0
        self.arguments = {
            "model": model,
            "enforce_eager": True,
            "max_model_len": 512,
            "max_num_seqs": in_flight,
            "disable_log_stats": True,
            "use_tqdm_on_load": False,
        }
        if "cuda" not in _device():
            self.arguments["distributed_executor_backend"] = "uni"

    async def of(self, way: str) -> dict[str, Any]:
        """Seconds to start, tokens a second, tokens a step, CPU seconds, seconds until a dead engine is replaced."""
        start = time.perf_counter()
        ask, replace, stop = await getattr(self, way.replace("-", "_"))()
        started, before = time.perf_counter() - start, self.steps
        gate = asyncio.Semaphore(self.in_flight)

        async def one(ids: list[int], most: int) -> int:
            async with gate:
                return await ask(ids, most)

        start = time.perf_counter()
        tokens = sum(await asyncio.gather(*(one(ids, most) for ids, most in self.work)))
        took, steps = time.perf_counter() - start, self.steps - before
        # One request among eight that no engine takes: does it cost the others?
        bad = [*self.work[:7], ([10] * 2000, 8)]
        spoiled = await asyncio.gather(*(ask(ids, most) for ids, most in bad), return_exceptions=True)
        lost = sum(isinstance(answer, BaseException) for answer in spoiled[:7])
        start = time.perf_counter()
        ask = await replace()
        await ask(*self.work[0])
        replaced = time.perf_counter() - start
        await stop()
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return {
            "started_s": round(started, 1),
            "tokens_per_s": round(tokens / took),
            "tokens_per_step": round(tokens / steps, 1) if steps else None,
            "lost_with_a_bad_request": lost,
            "replaced_s": round(replaced, 1),
            "cpu_s": round(sum(each.ru_utime + each.ru_stime for each in used), 1),
        }

    def params(self, most: int) -> Any:
        """How a request is to be answered."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        return SamplingParams(temperature=0, max_tokens=most, ignore_eos=True, output_kind=RequestOutputKind.FINAL_ONLY)

    def counting(self, engine: Any) -> None:
        """Count an engine's steps."""
        step = engine.step

        def counted() -> Any:
            self.steps += 1
            return step()

        engine.step = counted

    async def batch(self) -> Any:
        """``LLM.generate`` on whoever waits."""
        from vllm import LLM

        loop, thread = asyncio.get_running_loop(), ThreadPoolExecutor(1)
        line: list[tuple[list[int], int, asyncio.Future[int]]] = []
        held: dict[str, Any] = {}

        def load() -> None:
            held["llm"] = LLM(**self.arguments)
            self.counting(held["llm"].llm_engine)

        async def drive() -> None:
            while line:
                await asyncio.sleep(0)
                batch = line[:]
                line.clear()
                prompts = [{"prompt_token_ids": ids} for ids, _, _ in batch]
                params = [self.params(most) for _, most, _ in batch]
                try:
                    outputs = await loop.run_in_executor(thread, lambda: held["llm"].generate(prompts, params, use_tqdm=False))  # noqa: B023
                except Exception as error:
                    for *_, future in batch:
                        future.set_exception(error)
                else:
                    for (*_, future), output in zip(batch, outputs):
                        future.set_result(len(output.outputs[0].token_ids))

        async def ask(ids: list[int], most: int) -> int:
            future = loop.create_future()
            line.append((ids, most, future))
            if held.get("driver") is None or held["driver"].done():
                held["driver"] = loop.create_task(drive())
            return await future

        async def replace() -> Ask:
            def again() -> None:
                held.pop("llm").llm_engine.engine_core.shutdown()
                load()

            await loop.run_in_executor(thread, again)
            return ask

        async def stop() -> None:
            await loop.run_in_executor(thread, lambda: held.pop("llm").llm_engine.engine_core.shutdown())

        await loop.run_in_executor(thread, load)
        return ask, replace, stop

    def asynchronous(self) -> Any:
        """`AsyncLLM`, whose core is another process."""
        from vllm import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        return AsyncLLM.from_engine_args(AsyncEngineArgs(**self.arguments))

    async def _async(self) -> Any:
        held = {"engine": self.asynchronous()}
        numbers = iter(range(10**9))

        async def ask(ids: list[int], most: int) -> int:
            async for output in held["engine"].generate({"prompt_token_ids": ids}, self.params(most), str(next(numbers))):
                if output.finished:
                    return len(output.outputs[0].token_ids)
            raise RuntimeError("no answer")

        async def replace() -> Ask:
            kill_children()
            while True:  # whoever asks a dead engine is told so
                try:
                    await ask(*self.work[0])
                except Exception:
                    break
            held["engine"].shutdown()
            held["engine"] = self.asynchronous()
            return ask

        async def stop() -> None:
            held["engine"].shutdown()

        return ask, replace, stop

    async def stepped(self) -> Any:
        """evalkit's own loop around ``LLMEngine.step``."""
        from evalkit.backends.engine import Engine, EngineDied

        def make() -> Any:
            from vllm import EngineArgs, LLMEngine

            made = LLMEngine.from_engine_args(EngineArgs(**self.arguments))
            self.counting(made)
            return made

        held = {"engine": Engine(make)}
        await held["engine"].start()

        async def ask(ids: list[int], most: int) -> int:
            output = await held["engine"].ask(ids, self.params(most))
            return len(output.outputs[0].token_ids)

        async def replace() -> Ask:
            if kill_children():
                while True:
                    try:
                        await ask(*self.work[0])
                    except EngineDied:
                        break
            await held["engine"].stop()
            held["engine"] = Engine(make)
            await held["engine"].start()
            return ask

        async def stop() -> None:
            await held["engine"].stop()

        return ask, replace, stop

    stepped_own_process = stepped


setattr(Measured, "async", Measured._async)


def kill_children() -> bool:
    """End the core's process as the system does when memory is short; whether there was one."""
    import psutil

    cores = [child for child in psutil.Process().children() if "resource_tracker" not in " ".join(child.cmdline())]
    for child in cores:
        for each in (*child.children(recursive=True), child):
            each.send_signal(signal.SIGKILL)
    return bool(cores)


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


if __name__ == "__main__":
    main()
