"""`evalkit ab` over 10,000,000 rows of a Parquet log: five metrics, three variants, on two cores.

A share, a mean with a covariate, a 95th percentile, a ratio and day-7 retention, users as the unit, from the command's
arguments to its result. Wall time counts, not CPU: two threads work. Then the same where every row has a user of its own.

    python benchmarks/bench_ab.py [--quick] [--out FOLDER]
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _common import Benchmark, apart, at_most

METRICS = ("clicked:proportion", "latency_ms:mean", "latency_ms:p95", "clicks/views:ratio", "timestamp:retention@7")


def make_log(path: Path, rows: int, users: int) -> None:
    """A log of ``rows`` requests by ``users`` people over four weeks; hashes stand for chance, so it is always the same."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET threads = 2")
    connection.execute("SET memory_limit = '2GB'")
    connection.execute(
        f"""COPY (
        WITH drawn AS (SELECT range AS i, CAST(hash(range, 11) % {users} AS BIGINT) AS u FROM range({rows})),
        told AS (SELECT *, hash(u, 1) % 3 AS v, (hash(u, 2) % 1000) / 1000.0 AS own, (hash(i, 3) % 1000) / 1000.0 AS once FROM drawn)
        SELECT 'user-' || u AS user_id, CASE v WHEN 0 THEN 'control' WHEN 1 THEN 'short' ELSE 'long' END AS variant,
            TIMESTAMP '2026-01-01' + to_microseconds(CAST(hash(i, 4) % 2419200000000 AS BIGINT)) AS timestamp,
            once < 0.1 + 0.1 * own + CASE v WHEN 1 THEN 0.01 ELSE 0 END AS clicked,
            exp(6 + once + own) AS latency_ms, CAST(hash(i, 5) % 4 AS INTEGER) AS clicks,
            CAST(4 + hash(i, 6) % 4 AS INTEGER) AS views, own AS before
        FROM told) TO '{path}' (FORMAT parquet)"""
    )
    connection.close()


def ours(path: str) -> Callable[[], Any]:
    from evalkit.experiment.analyse import Design, analyse

    design = Design("variant", "control", METRICS, cuped=("latency_ms:mean=before",), threads=2)

    def work() -> Any:
        found = analyse(path, design)
        assert found.srm.ok
        assert found["clicked:proportion"].treatments["short"].diff > 0.0
        assert all(effect.p == effect.p for one in found.metrics.values() for effect in one.treatments.values())
        return found.rows

    return work


def main() -> None:
    bench = Benchmark(__file__, __doc__)
    rows = bench.size(10_000_000, 20_000)
    with tempfile.TemporaryDirectory() as folder:
        for users, told in ((rows // 10, "a tenth as many users"), (100 * rows, "a user a row")):
            path = Path(folder) / "log.parquet"
            make_log(path, rows, users)
            (run,) = apart((ours, str(path)), repeats=bench.repeats)
            assert run.result == rows
            inputs = f"{rows:,} rows, {told}, {path.stat().st_size / 2**20:,.0f} MiB of Parquet, 2 threads"
            work = f"an experiment, 5 metrics, {told}"
            bench.row(f"{work}: wall time", unit="s", evalkit=run.wall_s, bar=at_most(60), inputs=inputs, cpu_s=run.cpu_s)
            bench.row(f"{work}: peak memory", unit="MiB", evalkit=run.peak_mb, bar=at_most(2048), inputs=inputs)
    bench.finish("duckdb")


if __name__ == "__main__":
    main()
