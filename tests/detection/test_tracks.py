"""Tracks: what is watched of a slice is what the slice's own rows show; of one value alone, all others are watched."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from evalkit.detection.builtin import builtin
from evalkit.detection.categories import NAMES
from evalkit.detection.frame import Frame
from evalkit.detection.profile import Builder, Profile
from evalkit.detection.sample import LABEL, RAW, Sample
from evalkit.detection.signal import Signal
from evalkit.detection.tracks import REST, SPREAD, Ruler, limits, ranks


def batch(n: int, seed: int, kinds: list[str]) -> pa.RecordBatch:
    rng = np.random.default_rng(seed)
    subjects = [
        text.split() for text in ("parcel late refund order courier", "invoice price cancel bank", "address login street")
    ]
    return pa.record_batch(
        {
            "input": [" ".join(rng.choice(subjects[at], 4)) for at in rng.integers(0, 3, n)],
            "model": rng.choice(["a", "b"], n, p=[0.6, 0.4]).tolist(),
            "kind": rng.choice(kinds, n).tolist(),
            "latency_ms": rng.lognormal(5.0, 1.0, n),
        }
    )


KIND = Signal("kind", "user", "category", ("kind",), measure=lambda frame: frame.text("kind"))
SIGNALS = (
    *(one for one in builtin() if one.name in ("latency_ms", "model", "input.refusal", "input.terms", "input.topics")),
    KIND,
)


def profiled(rows: pa.RecordBatch) -> Profile:
    builder = Builder(SIGNALS, ("model",), ("input",))
    builder.add(builder.measured(Frame(rows)))
    return builder.profile(sample_of(rows))


def sample_of(rows: pa.RecordBatch) -> Sample:
    from evalkit.detection.profile import sampled

    keys = pa.array(np.arange(rows.num_rows, dtype=np.uint64))
    raw = Sample(pa.table({"key": keys, RAW + "input": rows["input"], LABEL + "model": rows["model"]}))
    return sampled(raw, SIGNALS[:-1])


KINDS = ["x", "y", "z"]


def test_every_signal_has_tracks_on_every_slice() -> None:
    ruler = Ruler(SIGNALS, profiled(batch(3_000, 1, KINDS)))
    whole = {(track.signal, track.part) for track in ruler.tracks.values() if track.by is None}
    assert {("latency_ms", ""), ("latency_ms", SPREAD), ("kind", "x"), ("kind", REST), ("input.terms", "")} <= whole
    for value in ("a", "b"):
        on = {(track.signal, track.part) for track in ruler.tracks.values() if track.by == ("model", value)}
        assert on == {one for one in whole if one[0] != "model"}  # of which a slice has one value


def test_a_slices_sums_are_those_of_its_rows() -> None:
    reference, rows = profiled(batch(3_000, 1, KINDS)), batch(500, 2, KINDS)
    ruler, windows = Ruler(SIGNALS, reference), np.arange(500) % 3
    sums = ruler.measure(Frame(rows), windows, 3)
    here = np.array(rows["model"].to_pylist()) == "b"
    latency, kinds = rows["latency_ms"].to_numpy(), np.array(rows["kind"].to_pylist())
    full = reference.whole["latency_ms"]
    wanted = {
        "latency_ms on model=b": np.clip(latency, *limits(full)),  # type: ignore[arg-type]
        "latency_ms:spread on model=b": np.abs(2.0 * ranks(full, latency) - 1.0),  # type: ignore[arg-type]
        "kind:x on model=b": (kinds == "x").astype(np.float64),
    }
    for name, values in wanted.items():
        for window in range(3):
            some = here & (windows == window)
            assert sums[name][0][window] == pytest.approx(values[some].sum())
            assert sums[name][1][window] == some.sum()


def test_sampled_tracks_of_slices_add_up_to_those_of_all_rows() -> None:
    ruler, rows = Ruler(SIGNALS, profiled(batch(3_000, 1, KINDS))), batch(600, 3, KINDS)
    sums = ruler.measure_sample(sample_of(rows), np.arange(600) % 2, 2, own=False)
    parts = [name for name in sums if " on " not in name and name.startswith("input.t")]
    assert "input.terms" in parts
    assert len(parts) > 2
    for name in parts:
        for at in (0, 1):
            both = sums[f"{name} on model=a"][at] + sums[f"{name} on model=b"][at]
            np.testing.assert_allclose(both, sums[name][at], atol=1e-9)


def test_where_there_was_one_value_another_shows_as_others() -> None:
    ruler = Ruler(SIGNALS, profiled(batch(1_000, 1, ["x"])))
    names = [track.name for track in ruler.tracks.values() if track.signal == "kind" and track.by is None]
    assert names == ["kind:others"]
    for kinds, share in ((["x"], 0.0), (["y"], 1.0)):
        total, n = ruler.measure(Frame(batch(200, 2, kinds)), np.zeros(200, dtype=np.int64), 1)["kind:others"]
        assert total[0] / n[0] == share
        assert ruler.shown(ruler.tracks["kind:others"], kinds[0]) == bool(share)


def test_more_names_than_are_kept_are_watched_by_bucket() -> None:
    many = [f"user {at}" for at in range(2 * NAMES)]
    often = ["somebody"] * 2 * NAMES
    ruler = Ruler(SIGNALS, profiled(batch(20_000, 1, [*many, *often])))
    named = [track for track in ruler.tracks.values() if track.signal == "kind" and track.by is None and track.part != REST]
    assert len(named) == 1
    total, n = ruler.measure(Frame(batch(400, 2, ["somebody"])), np.zeros(400, dtype=np.int64), 1)[named[0].name]
    assert total[0] == n[0] == 400
    on = next(track for track in ruler.tracks.values() if track.signal == "kind" and track.by == ("model", "a"))
    assert on.rate == pytest.approx(0.5, abs=0.05)
