"""Checking and reading a data set, against pandas and the standard library.

Records have two texts of about 12 words. evalkit's figure is all that it takes to have every batch in memory: checking
types, encodings and ids of all records, hashing the file, deriving ids where there are none, and reading it chunk by
chunk. The peers only parse. Peak memory is that of the whole process, which for the peers holds all records.

    python benchmarks/bench_reading.py [--quick] [--out FOLDER]
"""

from __future__ import annotations

import csv
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from _common import Benchmark, apart, in_child, times
from _texts import short_records
from make_records import write

Texts = tuple[Any, Any]


def written(folder: Path, n: int) -> Callable[[], int]:
    """Make the files."""

    def work() -> int:
        import pyarrow as pa
        import pyarrow.parquet as pq

        records = list(short_records(n))
        write(folder / "ids.jsonl", records)
        derived = [{"output": record["output"], "reference": record["reference"]} for record in records]
        write(folder / "no-ids.jsonl", derived)
        with (folder / "no-ids.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("output", "reference"), *(record.values() for record in derived)])
        pq.write_table(pa.Table.from_pylist(derived), folder / "no-ids.parquet")
        return len(records)

    return work


def digest(columns: Iterable[Iterable[str]]) -> str:
    sha = hashlib.sha256()
    for column in columns:
        sha.update("\n".join(column).encode())
    return sha.hexdigest()


def ours(path: Path) -> Callable[[], int]:
    if path.suffix == ".parquet":
        import pyarrow.parquet  # noqa: F401 - imports are no reading, on either side
    from evalkit.records.dataset import scan

    return lambda: sum(len(batch) for batch in scan([path], label=path.name).batches())


def our_texts(path: Path) -> Callable[[], str]:
    from evalkit.records.dataset import scan

    def work() -> str:
        columns: tuple[list[str], list[str]] = ([], [])
        for batch in scan([path], label=path.name).batches():
            for held, name in zip(columns, ("output", "reference")):
                held.extend(batch.column(name))
        return digest(columns)

    return work


def json_lines(path: Path) -> Texts:
    with path.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [row["output"] for row in rows], [row["reference"] for row in rows]


def csv_rows(path: Path) -> Texts:
    with path.open(encoding="utf-8", newline="") as file:
        outputs, references = zip(*list(csv.reader(file))[1:])
    return outputs, references


def pandas_frame(path: Path) -> Texts:
    import pandas as pd

    read = {
        ".jsonl": lambda: pd.read_json(path, lines=True),
        ".csv": lambda: pd.read_csv(path),
        ".parquet": lambda: pd.read_parquet(path),
    }
    frame = read[path.suffix]()
    return frame["output"].tolist(), frame["reference"].tolist()


PEERS = {"json.loads line by line": json_lines, "csv.reader": csv_rows, "pandas": pandas_frame}


def theirs(name: str, path: Path) -> Callable[[], int]:
    if name == "pandas":
        import pandas  # noqa: F401
        import pyarrow.parquet  # noqa: F401

    return lambda: len(PEERS[name](path)[0])


def their_texts(name: str, path: Path) -> Callable[[], str]:
    return lambda: digest(PEERS[name](path))


def main() -> None:
    bench = Benchmark(__file__, __doc__)
    n = bench.size(200_000, 500)
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        in_child(written, folder, n)
        for name, baseline, bar in (
            ("ids.jsonl", "json.loads line by line", times(1)),
            ("no-ids.jsonl", "json.loads line by line", times(1)),
            ("no-ids.csv", "csv.reader", None),
            ("no-ids.parquet", None, None),
        ):
            path = folder / name
            peers = [peer for peer in (baseline, "pandas") if peer]
            texts = {in_child(our_texts, path).result, *(in_child(their_texts, peer, path).result for peer in peers)}
            assert len(texts) == 1, f"the texts of {name} differ"
            mine, *runs = apart((ours, path), *((theirs, peer, path) for peer in peers), repeats=bench.repeats)
            told = {"inputs": f"{n:,} records", "equal": "the sha256 of all texts"}
            for peer, run in zip(peers, runs):
                bench.row(
                    f"checking and reading {name}", unit="s", evalkit=mine.cpu_s, peer=peer, theirs=run.cpu_s,
                    bar=bar if peer == "pandas" else None, **told,
                )  # fmt: skip
            if name == "ids.jsonl":
                bench.row(
                    f"checking and reading {name}, peak memory", unit="MiB", evalkit=mine.peak_mb, peer="pandas",
                    theirs=runs[-1].peak_mb, bar=times(1), **told,
                )  # fmt: skip
    bench.finish("numpy", "pyarrow", "msgspec")


if __name__ == "__main__":
    main()
