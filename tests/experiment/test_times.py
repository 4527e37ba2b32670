"""Times that a log writes as numbers."""

from __future__ import annotations

import pandas as pd
import pytest

import evalkit

START = 1_767_225_600


def log(unit: int) -> pd.DataFrame:
    """Forty users, half of whom come back a day later."""
    rows = [
        {"user_id": f"u{user}", "variant": "ab"[user % 2], "timestamp": (START + user + day * 86_400) * unit}
        for user in range(40)
        for day in ((0, 1) if user % 4 < 2 else (0, 3))
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 1_000_000_000])
def test_seconds_milli_micro_and_nanoseconds_are_told_apart(unit):
    found = evalkit.ab(log(unit), variant="variant", control="a", metrics=["timestamp:retention@1"])
    assert found.span == ("2026-01-01T00:00:00Z", "2026-01-04T00:00:39Z")
    assert found["timestamp:retention@1"].values == {"a": 0.5, "b": 0.5}


def test_numbers_that_are_no_times_have_no_span():
    frame = log(1).assign(timestamp=lambda frame: frame["timestamp"] * 1e200)
    found = evalkit.ab(frame, variant="variant", control="a", metrics=["timestamp:retention@1"])
    assert found.span is None
