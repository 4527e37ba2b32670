"""Checking and reading a data set against the standard library and pandas: the same records, CPU time and peak memory.

The records have two texts of about 12 words each (and, in one file, explicit ids). "scan" checks types, encodings and
ids of all records, hashes the file and cuts it into chunks; "read" gives all chunks as batches, one after the other.
The peers only parse: `json.loads` on every line, `csv.reader`, pandas. Each piece of work runs in a process of its own,
whose peak memory counts; the texts that come out are compared by their sha256 first. `--faults` adds what
`evalkit check` looks for, over the first 100,000 records.

    python benchmarks/bench_reading.py [--records N] [--workers N]
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import random
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from _common import isolated, machine, record

from evalkit.core.workers import Workers


def texts(n: int) -> Iterable[tuple[str, str]]:
    rng = random.Random(4)
    words = ["".join(rng.choices("etaoinshrdlucmfwypvbgk", k=rng.randint(2, 9))) for _ in range(20_000)]
    for _ in range(n):
        yield " ".join(rng.choices(words, k=12)), " ".join(rng.choices(words, k=12))


def write(folder: Path, n: int) -> dict[str, Path]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    paths = {name: folder / name for name in ("named.jsonl", "derived.jsonl", "derived.csv", "derived.parquet")}
    pairs = list(texts(n))
    with paths["named.jsonl"].open("w") as named, paths["derived.jsonl"].open("w") as derived:
        for number, (output, reference) in enumerate(pairs):
            derived.write(json.dumps({"output": output, "reference": reference}) + "\n")
            named.write(json.dumps({"id": f"r{number}", "output": output, "reference": reference}) + "\n")
    with paths["derived.csv"].open("w", newline="") as file:
        csv.writer(file).writerows([("output", "reference"), *pairs])
    outputs, references = zip(*pairs)
    pq.write_table(pa.table({"output": outputs, "reference": references}), paths["derived.parquet"])
    return paths


def digest(columns: Iterable[Iterable[str]]) -> str:
    sha = hashlib.sha256()
    for column in columns:
        sha.update("\n".join(column).encode())
    return sha.hexdigest()


# --- ours ------------------------------------------------------------------------------------------------------------


def ours_scan(path: Path, workers: int) -> int:
    from evalkit.records.dataset import scan

    with Workers(workers) as pool:
        return scan([path], label=path.name, workers=pool).n


def ours_read(chunks: list[Any]) -> int:
    return sum(len(chunk.read()) for chunk in chunks)


def ours_content(path: Path) -> str:
    from evalkit.records.dataset import scan

    columns: tuple[list[str], list[str]] = ([], [])
    for batch in scan([path], label=path.name).batches():
        for held, name in zip(columns, ("output", "reference")):
            held.extend(batch.column(name))
    return digest(columns)


def ours_faults(path: Path) -> int:
    from evalkit.records.dataset import scan
    from evalkit.records.faults import faults

    return len(faults(scan([path], label=path.name, limit=100_000, fields={"input": "output"})))


# --- peers -----------------------------------------------------------------------------------------------------------


def json_lines(path: Path) -> Any:
    with path.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [row["output"] for row in rows], [row["reference"] for row in rows]


def csv_rows(path: Path) -> Any:
    with path.open(encoding="utf-8", newline="") as file:
        return list(zip(*list(csv.reader(file))[1:]))


def pandas_frame(path: Path) -> Any:
    import pandas as pd

    read = {
        ".jsonl": lambda: pd.read_json(path, lines=True),
        ".csv": lambda: pd.read_csv(path),
        ".parquet": lambda: pd.read_parquet(path),
    }
    frame = read[path.suffix]()
    return frame["output"].tolist(), frame["reference"].tolist()


def peer(name: str, path: Path) -> int:
    return len(PEERS[name](path)[0])


def peer_content(name: str, path: Path) -> str:
    return digest(PEERS[name](path))


PEERS = {"json.loads": json_lines, "csv.reader": csv_rows, "pandas": pandas_frame}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--faults", action="store_true")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []

    def measure(work: str, who: str, function: Any, *args: Any) -> None:
        _, cpu, wall, peak = isolated(function, *args)
        rows.append({"work": work, "who": who, "cpu_s": round(cpu, 3), "wall_s": round(wall, 3), "peak_mb": round(peak, 1)})
        print(f"{work:18} {who:18} {cpu:8.2f} s CPU {wall:8.2f} s {peak:8.0f} MB")

    from evalkit.records.dataset import scan

    with tempfile.TemporaryDirectory() as folder:
        paths = isolated(write, Path(folder), given.records)[0]  # a child's peak begins at its parent's size
        for path in paths.values():
            peers = {".jsonl": ("json.loads", "pandas"), ".csv": ("csv.reader", "pandas"), ".parquet": ("pandas",)}[path.suffix]
            contents = {isolated(ours_content, path)[0], *(isolated(peer_content, name, path)[0] for name in peers)}
            assert len(contents) == 1, f"the texts of {path.name} differ"
            measure(path.name, "evalkit scan", ours_scan, path, given.workers)
            measure(path.name, "evalkit read", ours_read, scan([path], label=path.name).chunks)
            for name in peers:
                measure(path.name, name, peer, name, path)
        if given.faults:
            measure("derived.jsonl", "evalkit faults", ours_faults, paths["derived.jsonl"])
    print(record("reading", rows, records=given.records, machine=machine("numpy", "pandas", "pyarrow", "msgspec")))


if __name__ == "__main__":
    main()
