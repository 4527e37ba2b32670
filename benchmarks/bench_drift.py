"""`evalkit drift` over 10,000,000 rows of twelve columns, on two cores; and over 1,000,000 a side against Evidently's preset.

Seven columns of numbers, a flag and four categories, from Parquet files to the verdicts; of the two sides latencies and prompt
versions differ. Once against a profile that was saved before, once 10,000,000 rows against as many. Two threads work; half
the CPU, the least that two cores can take, is given beside wall time, for that depends on what else a machine does. Evidently's DataDriftPreset runs in an
environment of its own (`make peers`), with its default tests, from the same files to its report; both on one thread. The
verdict of each column is in the JSON.

    python benchmarks/bench_drift.py [--quick] [--out FOLDER]
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _common import Benchmark, Measured, apart, at_most, command, median, times
from _logs import DRIFTED, NAMES, make_columns

HERE = Path(__file__).resolve().parent
PEER = HERE / ".peers" / "evidently" / "bin" / "python"
PEAK = 1.2 * 1024  # MiB
SIDES = ("current", "reference")
SAME = {"wasserstein": "Wasserstein", "js": "Jensen-Shannon"}  # statistics that both sides call by about these names


def ours(current: str, reference: str, threads: int) -> Callable[[], Any]:
    from evalkit.monitor.drifting import drift

    def work() -> dict[str, Any]:
        found = drift(current, reference, threads=threads)
        return {one.name: (one.statistic, one.value, one.drifted) for one in found.findings} | {"rows": found.current.n}

    drift(*(str(Path(current).with_name(f"small-{side}.parquet")) for side in SIDES), threads=threads)  # imports
    return work


def kept(path: str, profile: str) -> Callable[[], Any]:
    from evalkit.monitor.drifting import saved

    return lambda: saved(path, Path(profile), threads=2).n


def theirs(current: Path, reference: Path) -> tuple[Measured, str]:
    """The peer in its environment; its CPU and memory are those it tells of itself."""
    home = {"HOME": str(current.parent), "DO_NOT_TRACK": "1"}
    done = command([str(PEER), str(HERE / "peer_evidently_drift.py"), str(current), str(reference)], environment=home)
    told = json.loads(done.result.splitlines()[-1])
    return Measured(told["columns"], told["cpu_s"], told["wall_s"], told["peak_mb"]), told["version"]


def main() -> None:
    bench = Benchmark(__file__, __doc__)
    sizes = [bench.size(n, n // 100) for n in (100_000, 1_000_000, 10_000_000)]
    with tempfile.TemporaryDirectory() as folder:
        files = {(n, side): Path(folder) / f"{side}-{n}.parquet" for n in sizes for side in SIDES}
        for (n, side), path in files.items():
            make_columns(path, n, current=side == "current")
        for side in SIDES:
            make_columns(Path(folder) / f"small-{side}.parquet", 20_000, current=side == "current")
        profile = Path(folder) / "reference.profile"
        apart((kept, str(files[sizes[2], "reference"]), str(profile)), repeats=1)
        _large(bench, sizes, files, profile)
        _beside(bench, files[sizes[1], "current"], files[sizes[1], "reference"], sizes[1])
    bench.finish("numpy", "duckdb", "pyarrow")


def _large(bench: Benchmark, sizes: list[int], files: dict[tuple[int, str], Path], profile: Path) -> None:
    runs = {}
    for n in sizes:
        pieces = [(ours, str(files[n, "current"]), str(other), 2) for other in (profile, files[n, "reference"])]
        runs[n] = apart(*pieces, repeats=1 if n == sizes[-1] else bench.repeats)
        for run in runs[n]:
            assert run.result.pop("rows") == n
            assert {name for name, (_, _, drifted) in run.result.items() if drifted} == set(DRIFTED) or bench.quick
            assert set(run.result) == set(NAMES)
    n = sizes[-1]
    load = round(os.getloadavg()[0], 2)
    for run, other in zip(runs[n], ("a saved profile", "as many rows")):
        inputs = f"{n:,} rows of 12 columns, {files[n, 'current'].stat().st_size / 2**20:,.0f} MiB of Parquet, 2 threads, load {load}"
        work = f"drift of 12 columns, {n:,} rows against {other}"
        wall = at_most(30) if other == "a saved profile" else None  # the bar is of so many rows, not of twice as many
        bench.row(f"{work}: wall time", inputs=inputs, unit="s", evalkit=run.wall_s, bar=wall, cpu_s=run.cpu_s, load=load)
        bench.row(f"{work}: half its CPU", inputs=inputs, unit="s", evalkit=run.cpu_s / 2.0)
        bench.row(f"{work}: peak memory", inputs=inputs, unit="MiB", evalkit=run.peak_mb, bar=at_most(PEAK))
    each = {m: [run.cpu_s for run in held] for m, held in runs.items()}
    for m in sizes:
        inputs = f"{m:,} rows against a saved profile"
        bench.row(f"drift of 12 columns, CPU of {m:,} rows", inputs=inputs, unit="s", evalkit=each[m][0])
    bench.row(
        "drift of 12 columns, ten times the rows: CPU over ten times", inputs=inputs, unit="×",
        evalkit=each[sizes[2]][0] / (10.0 * each[sizes[1]][0]), bar=at_most(1.1),
    )  # fmt: skip


def _beside(bench: Benchmark, current: Path, reference: Path, n: int) -> None:
    there = (
        PEER.exists()
        and subprocess.run([str(PEER), "-c", "import evidently"], capture_output=True, check=False).returncode == 0
    )
    if not there:
        print("LEFT OUT: Evidently is not installed; `make peers` installs it", file=sys.stderr, flush=True)
    mine: list[Measured] = []
    peers: list[tuple[Measured, str]] = []
    for _ in range(bench.repeats):  # in turns: a machine's speed drifts
        mine += apart((ours, str(current), str(reference), 1), repeats=1)
        peers += [theirs(current, reference)] if there else []
    run = median(mine)
    run.result.pop("rows")
    told: dict[str, Any] = {"inputs": f"{n:,} + {n:,} rows of 12 columns from Parquet, 1 thread", "unit": "s"}
    memory: dict[str, Any] = {}
    if there:
        peer, version = median([one for one, _ in peers]), peers[0][1]
        beside = {name: {"evalkit": run.result[name], "evidently": peer.result[name]} for name in NAMES}
        for name, ((statistic, value, drifted), (method, other, theirs_drifted)) in (
            (name, both.values()) for name, both in beside.items()
        ):
            print(
                f"  {name}: {statistic} {value:.4f} {_word(drifted)} | {method} {other:.4f} {_word(theirs_drifted)}", flush=True
            )
            if SAME.get(statistic, "-") in method:
                assert math.isclose(value, other, abs_tol=0.01), (name, value, other)
            assert drifted == theirs_drifted or bench.quick, name
        equal = "the verdict of every column; Wasserstein and Jensen–Shannon distances within .01, where both sides take them"
        memory = {"peer": "evidently", "version": version}
        told |= {"theirs": peer.cpu_s, "bar": times(30), "equal": equal, "columns": beside, **memory}
        memory["theirs"] = peer.peak_mb
    bench.row(f"drift of 12 columns, {n:,} + {n:,} rows", evalkit=run.cpu_s, **told)
    bench.row(
        f"drift of 12 columns, {n:,} + {n:,} rows, peak memory",
        inputs=told["inputs"],
        unit="MiB",
        evalkit=run.peak_mb,
        **memory,
    )


def _word(drifted: bool) -> str:
    return "drifted" if drifted else "steady"


if __name__ == "__main__":
    main()
