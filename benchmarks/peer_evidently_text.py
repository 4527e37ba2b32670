"""Evidently's text descriptors over a Parquet file, once, on one thread; started by bench_text.py."""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")
path, pattern, out = sys.argv[1:4]

import pandas as pd  # noqa: E402
from evidently import DataDefinition, Dataset  # noqa: E402
from evidently.descriptors import SentenceCount, TextLength, TextMatch, WordCount  # noqa: E402

with open(pattern, encoding="utf-8") as file:
    PATTERN = file.read()
NAMES = ("characters", "words", "sentences", "refusal")


def described(frame: pd.DataFrame) -> pd.DataFrame:
    descriptors = [
        TextLength("text", alias="characters"), WordCount("text", alias="words"), SentenceCount("text", alias="sentences"),
        TextMatch("beginning", [PATTERN], match_type="regex", case_sensitive=False, alias="refusal"),
    ]  # fmt: skip
    definition = DataDefinition(text_columns=["text", "beginning"])
    return Dataset.from_pandas(frame, data_definition=definition, descriptors=descriptors).as_dataframe()


frame = pd.read_parquet(path)
described(frame.head(500))
cpu, wall = time.process_time(), time.perf_counter()
found = described(frame)
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
found[list(NAMES)].astype("float64").to_parquet(out)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
print(json.dumps({"cpu_s": cpu, "wall_s": wall, "peak_mb": peak, "version": version("evidently")}))
