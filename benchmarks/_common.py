"""What every benchmark shares: its command line, fair measuring, rows with their bars, a file of results."""

from __future__ import annotations

import argparse
import inspect
import json
import multiprocessing
import os
import platform
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # one thread on both sides; children inherit it

RESULTS = Path(__file__).parent / "results"
Side = Callable[..., Callable[[], Any]]  # prepares, and returns the work that is timed


# --- measuring -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """What a piece of work gave, and what it took; the peak is of its whole process, interpreter and imports included."""

    result: Any
    cpu_s: float  # user and system, all threads
    wall_s: float
    peak_mb: float


def timed(work: Callable[[], Any]) -> Measured:
    """``work()``, in this process."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return Measured(result, time.process_time() - cpu, time.perf_counter() - wall, peak_mb())


def peak_mb() -> float:
    """The most memory that this process ever held, in MiB."""
    status = Path("/proc/self/status")
    if status.is_file():  # ru_maxrss would begin at the size of the parent
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def apart(*pieces: tuple[Any, ...], repeats: int) -> list[Measured]:
    """Each piece ``(side, *arguments)`` in fresh processes of its own, in turns; of its repeats the one of median CPU.

    A side is a function of a module's top level. It prepares the data and does its imports, and returns the work that is
    timed; what that returns must pickle.
    """
    runs: list[list[Measured]] = [[] for _ in pieces]
    for _ in range(repeats):
        for piece, held in zip(pieces, runs):
            held.append(in_child(*piece))
    return [sorted(held, key=lambda run: run.cpu_s)[len(held) // 2] for held in runs]


def in_child(side: Side, *arguments: Any) -> Measured:
    """One piece in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_prepared_and_timed, (side, arguments))


def _prepared_and_timed(side: Side, arguments: tuple[Any, ...]) -> Measured:
    return timed(side(*arguments))


def command(
    arguments: Sequence[str],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str | None] | None = None,
    fine: Sequence[int] = (0,),
) -> Measured:
    """A command from its start to its end, imports included; its result is what it printed. The peak is not measured.

    Args:
        environment: changes to this process's variables; None removes one.
        fine: exit codes that are no failure.
    """
    env = {name: told for name, told in {**os.environ, **(environment or {})}.items() if told is not None}
    before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(list(arguments), capture_output=True, text=True, cwd=cwd, env=env, check=False)
    wall, after = time.perf_counter() - wall, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in fine:
        raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(done.stdout, cpu, wall, float("nan"))


def median(runs: Sequence[Measured]) -> Measured:
    """The run of median CPU."""
    return sorted(runs, key=lambda run: run.cpu_s)[len(runs) // 2]


# --- what a row must reach -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bar:
    """What a row must reach: a ratio of at least ``least``, or a figure of ours of at most or at least so much."""

    kind: str  # ratio, most, least
    bound: float

    def told(self, unit: str) -> str:
        """As the table shows it."""
        amount = f"{self.bound:g}"
        return {"ratio": f"≥ {amount}×", "most": f"≤ {amount} {unit}", "least": f"≥ {amount} {unit}"}[self.kind]

    def met(self, ours: float, ratio: float | None) -> bool:
        """Whether a row reaches it."""
        if self.kind == "ratio":
            return ratio is not None and ratio >= self.bound
        return ours <= self.bound if self.kind == "most" else ours >= self.bound


def times(least: float) -> Bar:
    """So many times less than the peer."""
    return Bar("ratio", least)


def at_most(bound: float) -> Bar:
    return Bar("most", bound)


def at_least(bound: float) -> Bar:
    return Bar("least", bound)


# --- a benchmark -----------------------------------------------------------------------------------------------------


class Benchmark:
    """One script: its command line, its rows as they come, and its file of results.

    ``--quick`` runs all of it on little data, to see that it works and that both sides agree: its figures mean nothing,
    bars are not judged, and nothing is written unless ``--out`` names a folder.
    """

    def __init__(self, file: str, doc: str | None) -> None:
        self.file = Path(file)
        self.name = self.file.stem.removeprefix("bench_")
        self.about, _, how = inspect.cleandoc(doc or "").partition("\n\n")
        self.how = how.rpartition("\n\n")[0] if "python benchmarks/" in how.splitlines()[-1] else how
        parser = argparse.ArgumentParser(description=self.about)
        parser.add_argument("--quick", action="store_true", help="little data: does it work, are the values equal?")
        parser.add_argument("--out", type=Path, help="the folder for the results; benchmarks/results otherwise")
        given = parser.parse_args()
        self.quick: bool = given.quick
        self.repeats = 1 if self.quick else 3
        self._out: Path | None = given.out or (None if self.quick else RESULTS)
        self._rows: list[dict[str, Any]] = []
        self._clock = time.perf_counter()

    def size(self, full: int, quick: int) -> int:
        """``full``, or ``quick`` with ``--quick``."""
        return quick if self.quick else full

    def row(
        self,
        work: str,
        *,
        inputs: str,
        unit: str,
        evalkit: float,
        peer: str = "",
        theirs: float | None = None,
        bar: Bar | None = None,
        equal: str = "",
        **more: Any,
    ) -> None:
        """A line of the table.

        Args:
            inputs: what was worked on.
            unit: of both figures: ``ms`` and ``s`` are CPU time unless the work says otherwise; ``MiB``, ``%``.
            peer: a distribution whose version is looked up, perhaps with words after a comma.
            equal: what was asserted equal on both sides, and how closely.
            more: further figures for those who read the JSON.
        """
        ratio = theirs / evalkit if theirs is not None else None
        told = {
            "work": work,
            "inputs": inputs,
            "peer": peer or None,
            "version": _version(peer.partition(",")[0]) if peer else None,
            "unit": unit,
            "peer_value": theirs,
            "evalkit": evalkit,
            "ratio": ratio,
            "bar": bar.told(unit) if bar else None,
            "met": bar.met(evalkit, ratio) if bar and not self.quick else None,
            "equal": equal or None,
            **more,
        }
        self._rows.append(told)
        against = f", {peer} {shown(theirs, unit)}, {ratio:.3g}×" if ratio is not None else ""
        verdict = {None: "", True: ", met", False: ", MISSED"}[told["met"]]
        print(f"{work}: {shown(evalkit, unit)}{against}" + (f" (bar {told['bar']}{verdict})" if bar else ""), flush=True)

    def finish(self, *packages: str) -> None:
        """Write the results; ``packages`` are those whose version matters beside the peers'."""
        if self._out is None:
            return
        self._out.mkdir(parents=True, exist_ok=True)
        peers = {row["peer"].partition(",")[0]: row["version"] for row in self._rows if row["version"]}
        told = {
            "name": self.name,
            "about": self.about,
            "how": " ".join(self.how.split()),
            "command": f"python benchmarks/{self.file.name}",
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "quick": self.quick,
            "seconds": round(time.perf_counter() - self._clock, 1),
            "machine": machine(),
            "versions": {package: version(package) for package in packages} | peers,
            "rows": [{key: _rounded(value) for key, value in row.items()} for row in self._rows],
        }
        path = self._out / f"{self.name}.json"
        path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def machine() -> dict[str, Any]:
    """Processor, cores, memory, operating system and Python."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    system = platform.freedesktop_os_release()["PRETTY_NAME"] if Path("/etc/os-release").is_file() else platform.system()
    return {
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "cores": cores(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": system,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def shown(value: float | None, unit: str) -> str:
    """A figure with its unit, three digits of it."""
    if value is None:
        return "–"
    places = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3 if abs(value) >= 0.1 else 4
    return f"{value:,.{places}f} {unit}"


def mean(values: Sequence[float]) -> float:
    return statistics.fmean(values)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _rounded(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value
