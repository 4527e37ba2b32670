"""Every call to a model that a run made: what was asked, what came, what was made of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.store.arrow import floats, strings
from evalkit.store.files import writing
from evalkit.store.parts import read_arrow

CALLS = "calls.parquet"
TEXTS = ("metric", "id", "call", "key", "messages", "text", "verdict", "error", "model", "logprobs")
NEVER = -50.0  # a log-probability below which no score moves: servers fill up with tokens that cannot be
NUMBERS = ("repeat", "attempts", "seconds", "cached", "prompt_tokens", "completion_tokens")


def write_calls(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """The calls of one batch of records, whole or not at all; ``columns`` has all of `TEXTS` and `NUMBERS`."""
    import pyarrow as pa

    told: dict[str, Any] = {name: strings(columns[name]) for name in TEXTS}
    table = pa.table(told | {name: floats(columns[name]) for name in NUMBERS})
    with (
        writing(path, durable=False) as temporary,
        pa.OSFile(str(temporary), "wb") as file,
        pa.ipc.new_file(file, table.schema) as writer,
    ):
        writer.write_table(table)


def merge_calls(folder: Path, files: Sequence[Path]) -> None:
    """calls.parquet of a run, from the files of its batches; none where nothing was asked."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not files:
        return
    schema = pa.schema([(name, pa.string()) for name in TEXTS] + [(name, pa.float64()) for name in NUMBERS])
    with writing(folder / CALLS) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as out:
        for start in range(0, len(files), 50):
            out.write_table(pa.concat_tables([read_arrow(path) for path in files[start : start + 50]]).combine_chunks())


def read_calls(folder: Path) -> Iterator[dict[str, Any]]:
    """The calls of a finished run, in data-set order; none where it made none."""
    import pyarrow.parquet as pq

    if not (folder / CALLS).is_file():
        return
    with pq.ParquetFile(folder / CALLS) as file:
        for group in range(file.num_row_groups):
            yield from file.read_row_group(group).to_pylist()


def record(folder: Path, file: Path) -> None:
    """The replies of a finished run as JSON lines that the ``replay`` backend answers from."""
    with writing(file) as temporary, temporary.open("w", encoding="utf-8") as out:
        for call in read_calls(folder):
            if call["text"] is None or call["error"] is not None:
                continue
            told = {name: call[name] for name in ("key", "metric", "id", "call")}
            told |= {"repeat": int(call["repeat"]), "text": call["text"]}
            if call["logprobs"] is not None:
                told["logprobs"] = [
                    [text, logprob, [one for one in top if one[1] >= NEVER]]
                    for text, logprob, top in json.loads(call["logprobs"])
                ]
            told["usage"] = {name: int(call[name]) for name in ("prompt_tokens", "completion_tokens")}
            told["model"] = call["model"]
            out.write(json.dumps(told, ensure_ascii=False) + "\n")
