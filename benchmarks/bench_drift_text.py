"""`evalkit drift` over 10,000,000 rows with two columns of texts, on two cores: every signal that texts switch on.

Inputs of about 12 and outputs of about 38 words, from a Parquet file to the verdicts, against a profile that was saved before.
Length, words, capitals, digits, punctuation, sentences, repetition, refusals, formats and vocabulary are those of all rows; tone,
readability, language and topics those of a seeded sample. Two threads work; half the CPU, the least that two cores can take, is
given beside wall time, for that depends on what else a machine does. Both sides are drawn alike, so no signal may have drifted.

    python benchmarks/bench_drift_text.py [--quick] [--out FOLDER]
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _common import Benchmark, apart, at_most
from _logs import make_texts

PEAK = 1.2 * 1024  # MiB
ALL = ("input.length", "output.words", "output.refusal", "output.repetition", "output.json", "input.terms", "output.terms")
FEW = ("output.readability", "input.topics", "output.topics")  # tone and language where their packages are installed


def ours(current: str, profile: str) -> Callable[[], Any]:
    from evalkit.monitor.drifting import drift

    drift(str(Path(current).with_name("small.parquet")), profile, threads=2)  # imports, and tables of characters

    def work() -> tuple[int, list[str], list[str]]:
        found = drift(current, profile, threads=2)
        return found.current.n, [one.name for one in found.findings], [one.name for one in found.findings if one.drifted]

    return work


def kept(path: str, profile: str) -> Callable[[], Any]:
    from evalkit.monitor.drifting import saved

    return lambda: saved(path, Path(profile), threads=2).n


def main() -> None:
    bench = Benchmark(__file__, __doc__)
    sizes = [bench.size(n, n // 100) for n in (100_000, 1_000_000, 10_000_000)]
    runs, sizes_mb, loads = {}, {}, {}
    with tempfile.TemporaryDirectory() as folder:
        reference, profile, small = (
            Path(folder) / name for name in ("reference.parquet", "reference.profile", "small.parquet")
        )
        make_texts(reference, sizes[1], seed=1)
        apart((kept, str(reference), str(profile)), repeats=1)
        make_texts(small, 2_000, seed=5)
        for n, seed in zip(reversed(sizes), (4, 3, 2)):
            path = Path(folder) / f"{n}.parquet"
            sizes_mb[n] = make_texts(path, n, seed=seed) / 2**20
            (runs[n],) = apart((ours, str(path), str(profile)), repeats=1 if n == sizes[2] else bench.repeats)
            path.unlink()
            loads[n] = round(os.getloadavg()[1], 1)
            rows, signals, drifted = runs[n].result
            print(f"{n:,} rows: {runs[n].cpu_s:.1f} s of CPU, {runs[n].wall_s:.1f} s, {runs[n].peak_mb:.0f} MiB", flush=True)
            assert rows == n
            assert {*ALL, *FEW} <= set(signals), signals
            assert not drifted or bench.quick, drifted
    n = sizes[2]
    run, inputs = runs[n], f"{n:,} rows, {sizes_mb[n]:,.0f} MiB of texts, {len(runs[n].result[1])} signals, 2 threads"
    inputs += f", load {loads[n]}"
    work = f"drift of two text columns, {n:,} rows"
    bench.row(
        f"{work}: wall time", inputs=inputs, unit="s", evalkit=run.wall_s, bar=at_most(300), cpu_s=run.cpu_s, load=loads[n]
    )
    bench.row(f"{work}: half its CPU", inputs=inputs, unit="s", evalkit=run.cpu_s / 2.0)
    bench.row(f"{work}: peak memory", inputs=inputs, unit="MiB", evalkit=run.peak_mb, bar=at_most(PEAK))
    for m in sizes:
        bench.row(f"drift of two text columns, CPU of {m:,} rows", inputs=inputs, unit="s", evalkit=runs[m].cpu_s)
    bench.row(
        "drift of two text columns, ten times the rows: CPU over ten times", inputs=inputs, unit="×",
        evalkit=run.cpu_s / (10.0 * runs[sizes[1]].cpu_s), bar=at_most(1.1),
    )  # fmt: skip
    bench.finish("numpy", "duckdb", "pyarrow")


if __name__ == "__main__":
    main()
