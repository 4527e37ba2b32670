"""Logs with a rhythm, and with a change on a known day."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

START = 1_788_220_800.0  # 2026-09-01T00:00Z, a Tuesday
HOUR, DAY = 3_600.0, 86_400.0
WORDS = "please order refund parcel today late thanks hello where when card address change cancel invoice price".split()
REFUSAL = "I'm sorry, but I can't help with that."


def logs(
    days: float, *, per_hour: float = 60.0, seed: int = 0, refusals: float = 0.03, after: float | None = None, more: float = 0.1,
    new_words: float = 0.0, start: float = START,
) -> pa.Table:  # fmt: skip
    """Rows by day: a rhythm of volume and lengths; from day ``after`` on, ``more`` refusals, and new words in some inputs."""
    rng = np.random.default_rng(seed)
    hours = int(days * 24)
    day = 0.5 + 0.5 * np.sin(2.0 * np.pi * (np.arange(hours) % 24 - 6.0) / 24.0)
    counts = rng.poisson(per_hour * (0.5 + 0.5 * day))
    hour = np.repeat(np.arange(hours), counts)
    n = len(hour)
    times = start + (hour + rng.random(n)) * HOUR
    changed = hour >= (after * 24 if after is not None else np.inf)
    refused = rng.random(n) < refusals + np.where(changed, more, 0.0)
    lengths = 3 + rng.poisson(6.0 + 4.0 * day[hour])
    inputs = [" ".join(rng.choice(WORDS, 4 + size % 5)) for size in lengths]
    fresh = changed & (rng.random(n) < new_words)
    inputs = [f"{text} quantum teleporter warranty" if new else text for text, new in zip(inputs, fresh)]
    outputs = [REFUSAL if no else " ".join(rng.choice(WORDS, size)) + "." for no, size in zip(refused, lengths)]
    return pa.table(
        {
            "id": [f"r{at}" for at in range(n)],
            "timestamp": pa.array((times * 1e6).astype(np.int64), pa.timestamp("us", tz="UTC")),
            "input": inputs,
            "output": outputs,
            "model": rng.choice(["a", "b"], n, p=[0.7, 0.3]).tolist(),
            "latency_ms": rng.lognormal(6.0, 0.5, n),
        }
    )


MONITOR = """
name: shop
source: logs.parquet
window: 1h
reference: {from: 2026-09-01, to: 2026-09-11}
drift: {slices: [model], rows: 500, off: ["*.language", output.tone, output.readability, output.language_mismatch]}
"""


def project_with(folder: Path, table: pa.Table, monitor: str = MONITOR) -> Path:
    """The logs and the monitor's file in a folder; its path."""
    pq.write_table(table, folder / "logs.parquet")
    path = folder / "shop.yaml"
    path.write_text(monitor)
    return path
