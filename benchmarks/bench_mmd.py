"""MMD of two samples of vectors with its permutation test, against alibi-detect's MMDDrift.

2,000 vectors a side, normal, the second side moved by .1 in its first dimensions. Both sides get the same vectors
(four-byte floats), the same bandwidth and 100 permutations; alibi-detect runs in an environment of its own (`make peers`), on its
PyTorch backend. A detector is made and asked once. Permutations are each side's own, so p may differ by Monte Carlo error.

    python benchmarks/bench_mmd.py [--quick] [--out FOLDER]
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _common import Benchmark, Measured, apart, at_most, command, median, times

HERE = Path(__file__).resolve().parent
PEER = HERE / ".peers" / "alibi" / "bin" / "python"
DIMENSIONS, MOVED, SHIFT = (32, 384), 4, 0.1


def vectors(n: int, d: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(d)
    x, y = (rng.normal(size=(n, d)).astype(np.float32) for _ in range(2))
    y[:, :MOVED] += SHIFT
    return x, y


def ours(n: int, d: int, permutations: int, bandwidth: float | None) -> Callable[[], tuple[float, float]]:
    from evalkit.stats.mmd import mmd

    x, y = vectors(n, d)
    mmd(x[:50], y[:50], seed=0, permutations=2)

    def work() -> tuple[float, float]:
        found = mmd(x, y, seed=7, permutations=permutations, bandwidth=bandwidth)
        return found.statistic, found.p

    return work


def theirs(n: int, d: int, permutations: int, bandwidth: float) -> tuple[Measured, str]:
    """The peer in its environment; its CPU and memory are those it tells of itself."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors.npz"
        x, y = vectors(n, d)
        np.savez(path, x=x, y=y, bandwidth=np.float32(bandwidth))
        done = command([str(PEER), str(HERE / "peer_alibi.py"), str(path), str(permutations)])
    told = json.loads(done.result.splitlines()[-1])
    return Measured((told["mmd"], told["p"]), told["cpu_s"], told["wall_s"], told["peak_mb"]), told["version"]


def main() -> None:
    bench = Benchmark(__file__, __doc__)
    n, permutations = bench.size(2_000, 200), bench.size(100, 20)
    there = (
        PEER.exists()
        and subprocess.run([str(PEER), "-c", "import alibi_detect"], capture_output=True, check=False).returncode == 0
    )
    if not there:
        print("LEFT OUT: alibi-detect is not installed; `make peers` installs it", file=sys.stderr, flush=True)
    for d in DIMENSIONS:
        bandwidth = 2.0 * d  # the expected squared distance, exact in four bytes
        runs: list[Measured] = []
        peers: list[tuple[Measured, str]] = []
        for _ in range(bench.repeats):  # in turns: a machine's speed drifts
            runs += apart((ours, n, d, permutations, bandwidth), repeats=1)
            peers += [theirs(n, d, permutations, bandwidth)] if there else []
        mine = median(runs)
        told: dict[str, Any] = {"inputs": f"{n:,} + {n:,} vectors, {permutations} permutations", "unit": "s"}
        work = f"MMD with permutations, {d} dimensions"
        if there:
            peer, version = median([run for run, _ in peers]), peers[0][1]
            (value, p), (other, other_p) = mine.result, peer.result
            assert math.isclose(value, other, abs_tol=2e-6), (value, other)
            near = 5.0 * math.sqrt(2.0 * max(p * (1.0 - p), 0.01) / permutations)
            assert abs(p - other_p) <= near, (p, other_p)
            equal = f"MMD² for the same bandwidth within 2e-6 (of {d} dimensions {value:.2e}), p within Monte Carlo error"
            told |= {
                "peer": "alibi-detect, PyTorch",
                "theirs": peer.cpu_s,
                "version": version,
                "equal": equal,
                "bar": times(20),
            }
        bench.row(work, evalkit=mine.cpu_s, mmd=mine.result[0], p=mine.result[1], **told)
        memory = {"theirs": peer.peak_mb, "peer": told["peer"], "version": version} if there else {}
        bench.row(f"{work}, peak memory", inputs=told["inputs"], unit="MiB", evalkit=mine.peak_mb, bar=at_most(200), **memory)
    many = bench.size(1_000, 50)
    (default,) = apart((ours, n, DIMENSIONS[1], many, None), repeats=bench.repeats)
    inputs = f"{n:,} + {n:,} vectors, {many:,} permutations, the median for a bandwidth"
    bench.row(f"MMD as by default, {DIMENSIONS[1]} dimensions", inputs=inputs, unit="s", evalkit=default.cpu_s)
    bench.finish("numpy")


if __name__ == "__main__":
    main()
