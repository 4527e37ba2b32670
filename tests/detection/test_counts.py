"""Counts of sorted keys, united without a sort; and profiles of batches that were measured as coarsely as the whole is."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from evalkit.detection.counts import united
from evalkit.detection.frame import Frame
from evalkit.detection.numbers import CELLS, Numbers
from evalkit.detection.profile import Builder
from evalkit.detection.signal import Signal

keys = st.lists(st.integers(-30, 30), max_size=40)


@given(keys, keys)
def test_united_counts_are_those_of_all_keys_at_once(one, two):
    told = [np.unique(np.array(side, dtype=np.int64), return_counts=True) for side in (one, two)]
    found, counts = united(*told[0], *told[1])
    wanted, sums = np.unique(np.array([*one, *two], dtype=np.int64), return_counts=True)
    assert found.tolist() == wanted.tolist()
    assert counts.tolist() == sums.tolist()


def test_uniting_changes_neither_side():
    one, two = (np.array([1, 2], np.int64), np.array([5, 6], np.int64)), (np.array([2], np.int64), np.array([1], np.int64))
    united(*one, *two)
    assert one[1].tolist() == [5, 6]
    assert two[1].tolist() == [1]


def test_batches_measured_as_coarsely_as_what_they_are_merged_into_give_the_cells_of_the_whole():
    rng = np.random.default_rng(3)
    values = np.concatenate([rng.integers(0, 9, 4_000).astype(float), rng.lognormal(3.0, 2.0, 30_000), rng.normal(size=9_000)])
    signal = Signal("x", "column", "number", ("x",), measure=lambda frame: frame.numbers("x"))
    builder = Builder([signal])
    for part in np.array_split(values, 11):
        builder.add(builder.measured(Frame(pa.record_batch({"x": part}))))
    found, whole = builder.profile().whole["x"], Numbers.of(values)
    assert isinstance(found, Numbers)
    assert whole.level > 0
    assert len(whole.cells) <= CELLS
    assert found.level == whole.level
    assert found.cells.tolist() == whole.cells.tolist()
    assert found.counts.tolist() == whole.counts.tolist()
    assert abs(found.mean - whole.mean) <= 1e-12 * abs(whole.mean)
