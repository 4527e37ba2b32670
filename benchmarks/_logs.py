"""Logs for the benchmarks of drift: columns of numbers and categories, and texts, as many rows as are asked, always the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from _texts import sentences

CHUNK = 100_000  # rows made at once, and in a row group
NAMES = (
    "latency_ms", "prompt_tokens", "completion_tokens", "cost", "feedback", "error",
    "model", "prompt_version", "country", "plan", "relevance", "turns",
)  # fmt: skip
DRIFTED = ("latency_ms", "prompt_version")  # what differs between the reference and the current side
DECLINED = (
    "I'm sorry, but I can't help with that.", "As an AI language model, I don't have access to real-time data.",
    "I cannot provide instructions for this.", "Es tut mir leid, aber dabei kann ich Ihnen nicht helfen.",
)  # fmt: skip
ABROAD = (
    "können Sie mir bitte sagen", "wie ich das Gerät öffne", "y cuándo llegará mi pedido", "où se trouve la mise à jour",
    "の使い方を教えてください", "我想知道这个功能", "como faço para começar", "не могу войти в систему",
)  # fmt: skip


def make_columns(path: Path, rows: int, *, current: bool) -> None:
    """Twelve columns: seven of numbers, a flag and four categories; hashes stand for chance.

    On the current side latencies are 15 % longer, and a fifth prompt version has come up.
    """
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET threads = 2")
    connection.execute("SET memory_limit = '1GB'")
    drawn = ", ".join(f"((hash(range, {int(current)}, {k}) % 1000003) + 0.5) / 1000003.0 AS u{k}" for k in range(12))
    connection.execute(
        f"""COPY (
        WITH drawn AS (SELECT {drawn} FROM range({rows})),
        normal AS (SELECT *, sqrt(-2 * ln(u0)) * cos(2 * pi() * u1) AS a, sqrt(-2 * ln(u0)) * sin(2 * pi() * u1) AS b,
            sqrt(-2 * ln(u2)) * cos(2 * pi() * u3) AS c, sqrt(-2 * ln(u2)) * sin(2 * pi() * u3) AS d FROM drawn)
        SELECT exp(6.5 + 0.6 * a) * {1.15 if current else 1.0} AS latency_ms,
            CAST(exp(5 + 0.8 * b) AS INTEGER) AS prompt_tokens, CAST(exp(4.5 + 0.7 * c) AS INTEGER) AS completion_tokens,
            exp(5 + 0.8 * b) * 2e-6 + exp(4.5 + 0.7 * c) * 8e-6 AS cost,
            CAST(CASE WHEN u4 < 0.1 THEN CASE WHEN u5 < 0.8 THEN 1 ELSE -1 END END AS DOUBLE) AS feedback, u6 < 0.02 AS error,
            CASE WHEN u7 < 0.7 THEN 'small-1' WHEN u7 < 0.95 THEN 'large-1' ELSE 'large-2' END AS model,
            'v' || CAST(1 + floor(u8 * {5 if current else 4}) AS INTEGER) AS prompt_version,
            'country-' || CAST(floor(40 * u9 * u9) AS INTEGER) AS country,
            CASE WHEN u10 < 0.6 THEN 'free' WHEN u10 < 0.9 THEN 'team' ELSE 'enterprise' END AS plan,
            round(0.7 + 0.1 * d, 3) AS relevance, CAST(floor(-ln(u11) * 3) AS INTEGER) AS turns
        FROM normal) TO '{path}' (FORMAT parquet)"""
    )
    connection.close()


def make_texts(path: Path, rows: int, *, seed: int) -> int:
    """Inputs of about 12 and outputs of about 40 words, with an id and a time; returns the bytes of all texts.

    Texts are runs of two to seven words of the project's passages in any order, a thirtieth of them in other languages. A third
    of the inputs has a number that hardly any other has. Of a hundred outputs four begin with a refusal, four are Markdown lists,
    two JSON and one a loop.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    pieces = _pieces()
    size, rng, start = 0, np.random.default_rng(seed), 1_767_225_600_000_000
    schema = pa.schema(
        [("id", pa.string()), ("timestamp", pa.timestamp("us")), ("input", pa.string()), ("output", pa.string())]
    )
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for low in range(0, rows, CHUNK):
            n = min(CHUNK, rows - low)
            ids = pa.array(np.arange(low, low + n)).cast(pa.string())
            times = pa.array(start + np.sort(rng.integers(0, 1_000_000, n)) + 1_000_000 * (low // CHUNK)).cast(schema.types[1])
            asked, answered = _inputs(rng, n, pieces), _outputs(rng, n, pieces)
            size += asked.nbytes + answered.nbytes
            writer.write_table(pa.Table.from_arrays([ids, times, asked, answered], schema=schema), row_group_size=CHUNK)
    return size


def _pieces() -> Any:
    """Runs of words, those of other languages last."""
    import pyarrow as pa

    rng = np.random.default_rng(0)
    found = []
    for words in sentences() * 3:
        at = 0
        while at < len(words):
            taken = int(rng.integers(2, 8))
            found.append(" ".join(words[at : at + taken]))
            at += taken
    return pa.array([*dict.fromkeys(found), *ABROAD])


def _inputs(rng: np.random.Generator, n: int, pieces: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    told = _joined(rng, n, pieces, 1, 4, " ")
    numbers = pc.binary_join_element_wise(told, "about order", pa.array(rng.integers(0, 20_000_000, n)).cast(pa.string()), " ")
    return pc.if_else(pa.array(rng.random(n) < 1 / 3), numbers, told)


def _outputs(rng: np.random.Generator, n: int, pieces: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = rng.integers(0, 100, n)
    lists = pa.array((kind >= 4) & (kind < 8))
    told = _joined(rng, n, pieces, 5, 13, pc.if_else(lists, "\n- ", " "))
    refused = pc.binary_join_element_wise(pa.array(DECLINED).take(pa.array(rng.integers(0, len(DECLINED), n))), told, " ")
    told = pc.if_else(pa.array(kind < 4), refused, told)
    told = pc.if_else(lists, pc.binary_join_element_wise("## Answer", told, "\n- "), told)
    quoted = pc.binary_join_element_wise('{"answer": "', pc.replace_substring(told, '"', "'"), '"}', "")
    told = pc.if_else(pa.array((kind >= 8) & (kind < 10)), quoted, told)
    once = pieces.take(pa.array(rng.integers(0, len(pieces), n)))
    return pc.if_else(pa.array(kind == 10), pc.binary_join_element_wise(*[once] * 10, " "), told)


def _joined(rng: np.random.Generator, n: int, pieces: Any, least: int, most: int, separator: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    counts = rng.integers(least, most + 1, n)
    ordinary = len(pieces) - len(ABROAD)
    drawn = (rng.random(int(counts.sum())) ** 2 * ordinary).astype(np.int64)  # the first are the more frequent
    abroad = np.repeat(rng.random(n) < 1 / 30, counts)
    drawn[abroad] = ordinary + drawn[abroad] % len(ABROAD)
    lists = pa.ListArray.from_arrays(pa.array(np.append(0, np.cumsum(counts)), pa.int32()), pieces.take(pa.array(drawn)))
    return pc.binary_join(lists, separator)
