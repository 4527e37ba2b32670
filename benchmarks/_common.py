"""What every benchmark needs: CPU time and peak memory of a piece of work, the machine's names, a place for results."""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def cpu_s() -> float:
    """User and system seconds of this process so far, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """What ``work`` returns, its CPU seconds and its wall seconds."""
    cpu, wall = cpu_s(), time.perf_counter()
    result = work()
    return result, cpu_s() - cpu, time.perf_counter() - wall


def isolated(work: Callable[..., Any], *args: Any) -> tuple[Any, float, float, float]:
    """`timed` in a fresh process; the fourth figure is its peak memory in MB, interpreter and imports included.

    ``work`` is a function of a module's top level; what it returns must pickle.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (work, args))


def _measured(work: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, float, float, float]:
    result, cpu, wall = timed(lambda: work(*args))
    return result, cpu, wall, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def machine(*packages: str) -> dict[str, str]:
    """Processor, cores, Python and the versions of ``packages``, as the table of results needs them."""
    told = {"processor": _processor(), "cores": str(os.cpu_count()), "python": platform.python_version()}
    return told | {package: version(package) for package in packages}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.is_file() else ():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def record(name: str, rows: Sequence[Mapping[str, Any]], **about: Any) -> Path:
    """Write ``rows`` and what else is to be known to results/NAME.json; the path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"name": name, **about, "rows": list(rows)}, indent=1, ensure_ascii=False) + "\n")
    return path
