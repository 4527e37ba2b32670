"""Summaries merge: parts of a whole, in any order, give the whole."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.errors import SpecError
from evalkit.detection import categories, numbers, vocabulary
from evalkit.detection.builtin import builtin
from evalkit.detection.categories import Categories
from evalkit.detection.flags import Flags
from evalkit.detection.frame import Frame
from evalkit.detection.kept import from_bytes, to_bytes
from evalkit.detection.numbers import Numbers, aligned
from evalkit.detection.profile import Builder, Profile
from evalkit.detection.sample import Sample
from evalkit.detection.signal import Signal
from evalkit.detection.vocabulary import Vocabulary

anything = st.floats(allow_nan=True, allow_infinity=True, width=64)
cuts = st.lists(st.integers(0, 400), max_size=5)


def cut(values: Any, places: list[int]) -> list[Any]:
    edges = [0, *sorted(min(place, len(values)) for place in places), len(values)]
    return [values[low:high] for low, high in zip(edges, edges[1:])]


def same(one: Numbers, two: Numbers) -> None:
    assert one.level == two.level
    assert one.cells.tolist() == two.cells.tolist()
    assert one.counts.tolist() == two.counts.tolist()
    assert one.missing == two.missing
    assert (one.low, one.high) == (two.low, two.high) or math.isnan(one.low)


@settings(deadline=None)
@given(st.lists(anything, max_size=400), cuts, st.randoms())
def test_numbers_of_parts_merged_in_any_order_are_those_of_the_whole(
    values: list[float], places: list[int], order: Any
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numbers, "CELLS", 16)  # so that levels matter
        whole = Numbers.of(np.array(values, dtype=np.float64))
        parts = [Numbers.of(np.array(part, dtype=np.float64)) for part in cut(values, places)]
        order.shuffle(parts)
        merged = Numbers.empty()
        for part in parts:
            merged = merged.merge(part)
        same(merged, whole)


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), cuts)
def test_mean_and_spread_merge_to_rounding(values: list[float], places: list[int]) -> None:
    merged = Numbers.empty()
    for part in cut(values, places):
        merged = merged.merge(Numbers.of(np.array(part, dtype=np.float64)))
    array = np.array(values)
    assert merged.mean == pytest.approx(float(array.mean()), abs=1e-6)
    if len(values) > 1:
        assert merged.sd == pytest.approx(float(array.std(ddof=1)), abs=1e-4, rel=1e-7)


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=200))
def test_few_distinct_numbers_are_kept_exactly(values: list[float]) -> None:
    found = Numbers.of(np.array(values))
    assert found.exact
    assert found.values.tolist() == sorted({value + 0.0 for value in values})


def test_a_cell_is_no_wider_than_its_level_says() -> None:
    values = np.random.default_rng(0).lognormal(3.0, 2.0, 200_000)
    found = Numbers.of(values)
    assert len(found.cells) <= numbers.CELLS
    for share in (0.01, 0.25, 0.5, 0.75, 0.99):
        exact = float(np.quantile(values, share, method="inverted_cdf"))
        assert found.quantile(share) == pytest.approx(exact, rel=2.0 ** (found.level - 52))


def test_aligned_numbers_keep_every_count() -> None:
    rng = np.random.default_rng(1)
    one, two = Numbers.of(rng.normal(size=5_000)), Numbers.of(rng.normal(1.0, 3.0, size=20_000))
    values, a, b = aligned(one, two)
    assert (a.sum(), b.sum()) == (5_000, 20_000)
    assert (np.diff(values) > 0).all()


names = st.text(st.characters(codec="utf-8"), max_size=3)


@settings(deadline=None)
@given(st.lists(names, max_size=200), cuts, st.randoms())
def test_categories_of_parts_merge_to_the_whole_by_name_or_by_hash(values: list[str], places: list[int], order: Any) -> None:
    def counted(part: list[str]) -> Categories:
        told = {name: part.count(name) for name in part}
        return Categories.of(told, told.values())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(categories, "NAMES", 8)
        parts = [counted(part) for part in cut(values, places)]
        order.shuffle(parts)
        merged = Categories()
        for part in parts:
            merged = merged.merge(part)
        whole = counted(values)
        assert merged.hashed == whole.hashed
        assert dict(merged.counts) == dict(whole.counts)


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), max_size=300), cuts)
def test_vocabularies_of_parts_merge_to_the_whole(values: list[int], places: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vocabulary, "WORDS", 20)
        whole = Vocabulary.of(np.array(values, dtype=np.uint64), 1)
        merged = Vocabulary.empty()
        for part in cut(values, places):
            merged = merged.add(np.array(part, dtype=np.uint64), 0)
        assert merged.level == whole.level
        assert merged.hashes.tolist() == whole.hashes.tolist()
        assert merged.counts.tolist() == whole.counts.tolist()
        assert merged.total == len(values)


def test_words_that_are_not_looked_at_are_told_from_unseen_ones() -> None:
    found = Vocabulary(1, np.array([2, 4], dtype=np.uint64), np.array([3, 1]), 10, 5)
    assert found.counts_of(np.array([2, 6, 7], dtype=np.uint64)).tolist() == [3, 0, -1]
    assert found.unseen_expected == pytest.approx(1 / 4)


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), max_size=100, unique=True), cuts, st.randoms())
def test_a_sample_of_parts_is_the_sample_of_the_whole(keys: list[int], places: list[int], order: Any) -> None:
    def sample(part: list[int]) -> Sample:
        return Sample.of(pa.table({"key": pa.array(part, pa.uint64()), "raw:x": pa.array([str(key) for key in part])}), 10)

    parts = [sample(part) for part in cut(keys, places)]
    order.shuffle(parts)
    assert Sample.merged(parts).table.to_pydict() == sample(keys).table.to_pydict()
    assert sample(keys).table.column("key").to_pylist() == sorted(keys)[:10]


# --- profiles --------------------------------------------------------------------------------------------------------


def batch(n: int, seed: int) -> pa.RecordBatch:
    rng = np.random.default_rng(seed)
    words = np.array("please refund my order today thanks hello number 42 kindly".split())
    texts = [" ".join(rng.choice(words, rng.integers(1, 12))) for _ in range(n)]
    return pa.record_batch(
        {
            "input": texts,
            "output": [text[::-1] for text in texts],
            "model": pa.array(rng.choice(["a", "b", None], n).tolist(), pa.string()),
            "latency_ms": rng.lognormal(5.0, 1.0, n),
            "timestamp": rng.uniform(0, 1e6, n),
        }
    )


SIGNALS = tuple(
    signal for signal in builtin() if set(signal.needs) <= {"input", "output", "model", "latency_ms"} and not signal.sampled
)


def profiled(*batches: pa.RecordBatch) -> Profile:
    builder = Builder(SIGNALS, ("model",), ("input", "output"))
    for one in batches:
        builder.add(builder.measured(Frame(one)))
    return builder.profile()


def test_a_profile_of_parts_merged_is_that_of_the_whole() -> None:
    parts = [batch(200, 1), batch(1, 2), batch(700, 3)]
    whole = profiled(pa.Table.from_batches(parts).combine_chunks().to_batches()[0])
    merged = profiled(parts[2]).merge(profiled(parts[0])).merge(profiled(parts[1]))
    assert merged.n == whole.n == 901
    assert (merged.first, merged.last) == (whole.first, whole.last)
    for summaries, others in [(merged.whole, whole.whole), *((merged.slices[by], whole.slices[by]) for by in whole.slices)]:
        for name, one in others.items():
            other = summaries[name]
            if isinstance(one, Numbers):
                assert isinstance(other, Numbers)
                same(other, one)
            else:
                assert other == one
    assert merged.sizes == whole.sizes
    assert merged.words["input"].counts.tolist() == whole.words["input"].counts.tolist()


def test_a_profile_comes_back_from_its_file_and_its_bytes_are_the_same_each_time() -> None:
    found = profiled(batch(300, 5))
    data = to_bytes(found)
    back = from_bytes(data, "x.profile")
    assert to_bytes(back) == data == to_bytes(profiled(batch(300, 5)))
    assert back.whole["output.refusal"] == found.whole["output.refusal"]
    assert back.slices.keys() == found.slices.keys()


@pytest.mark.parametrize("data", [b"", b"PK\x05\x06" + b"\0" * 18, b"not a profile"])
def test_what_is_no_profile_is_one_clear_message(data: bytes) -> None:
    with pytest.raises(SpecError, match=r"x\.profile: this is no profile"):
        from_bytes(data, "x.profile")


def test_a_null_is_missing_and_an_empty_text_a_value() -> None:
    table = pa.record_batch({"output": pa.array(["", None, "I cannot help with that."])})
    on = tuple(signal for signal in builtin() if signal.needs == ("output",) and not signal.sampled and signal.measure)
    builder = Builder(on)
    found = builder.measured(Frame(table))
    length = found.whole["output.length"]
    assert isinstance(length, Numbers)
    assert (length.n, length.missing, length.low) == (2, 1, 0.0)
    assert found.whole["output.refusal"] == Flags(1, 2, 1)


def test_signals_say_what_they_need() -> None:
    assert all(isinstance(signal, Signal) and signal.needs for signal in builtin())
    assert len({signal.name for signal in builtin()}) == len(builtin())
