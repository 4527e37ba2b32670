"""Evidently's DataDriftPreset over two Parquet files, once, on one thread; started by bench_drift.py."""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings
from importlib.metadata import version
from typing import Any

warnings.simplefilter("ignore")

import pandas as pd  # noqa: E402
from evidently import DataDefinition, Dataset, Report  # noqa: E402
from evidently.presets import DataDriftPreset  # noqa: E402


def compared(current: pd.DataFrame, reference: pd.DataFrame) -> dict[str, tuple[str, float, bool]]:
    """By column: the test that its defaults chose, its value and verdict."""
    numbers = [name for name in reference.columns if reference[name].dtype.kind in "iuf"]
    others = [name for name in reference.columns if name not in numbers]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=others)
    sides = [Dataset.from_pandas(frame, data_definition=definition) for frame in (current, reference)]
    return {told["config"]["column"]: _verdict(told) for told in Report([DataDriftPreset()]).run(*sides).dict()["metrics"][1:]}


def _verdict(told: dict[str, Any]) -> tuple[str, float, bool]:
    method, value, threshold = told["config"]["method"], float(told["value"]), told["config"]["threshold"]
    return method, value, bool(value < threshold if "p_value" in method else value >= threshold)


first = [pd.read_parquet(path).head(2_000) for path in sys.argv[1:3]]
compared(*first)  # imports
cpu, wall = time.process_time(), time.perf_counter()
current, reference = (pd.read_parquet(path) for path in sys.argv[1:3])
found = compared(current, reference)
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
print(json.dumps({"columns": found, "cpu_s": cpu, "wall_s": wall, "peak_mb": peak, "version": version("evidently")}))
