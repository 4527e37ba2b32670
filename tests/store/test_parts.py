"""Parts and tables keep every digit and every note."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.contracts import Metric
from evalkit.core.errors import StoreError
from evalkit.core.rows import Rows
from evalkit.store.arrow import codes, floats, present, strings, to_floats
from evalkit.store.files import write_text, writing
from evalkit.store.merge import merging
from evalkit.store.parts import Part, read_part, write_part
from evalkit.store.split import split
from evalkit.store.table import Table


@dataclass(frozen=True)
class Two(Metric):
    """Two sums, one value."""

    @property
    def columns(self) -> tuple[str, ...]:
        return ("a", "b")

    def measure(self, batch: Any) -> Rows:
        raise NotImplementedError

    def combine(self, totals: Any) -> Any:
        return totals[..., :1]


METRICS = {"two": Two(), "judged": Two()}


def part(n: int, start: int = 0, labels: tuple[str, ...] = ("two",)) -> Part:
    made = Part([f"r{index}" for index in range(start, start + n)], {"model": ["a", None, "é"][:1] * n})
    for label in labels:
        values = np.arange(2.0 * n).reshape(n, 2) + start / 7
        rows = Rows(
            values, {0: "broken"} if n > 1 else {}, {1: "nothing"} if n > 2 else {}, {n - 1: "why"}, {n - 1: {"path": [1]}}
        )
        made.rows[label], made.values[label] = rows, rows.values[:, :1]
    return made


def same(one: Rows, other: Rows) -> None:
    np.testing.assert_array_equal(one.values, other.values)
    assert (one.errors, one.skipped, one.reasons, one.evidence) == (other.errors, other.skipped, other.reasons, other.evidence)


def test_a_part_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = part(5)
    write_part(tmp_path / "p.arrow", written, METRICS)
    read = read_part(tmp_path / "p.arrow", METRICS)
    assert (read.ids, read.attributes) == (written.ids, written.attributes)
    same(read.rows["two"], written.rows["two"])


@pytest.mark.parametrize("row_group", [1, 5, 100])
def test_merged_parts_can_be_split_again_and_a_table_reads_what_the_merger_kept(
    tmp_path: Path, row_group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evalkit.store.merge.ROW_GROUP", row_group)
    sizes = (4, 1, 6)
    files = []
    start = 0
    for number, n in enumerate(sizes):
        base, batches = tmp_path / f"{number}.arrow", []
        write_part(base, part(n, start), METRICS)
        for low in range(0, n, 3):
            own = part(min(3, n - low), start + low, ("judged",))
            own.attributes = {}
            batches.append(tmp_path / f"{number}.judged.{low}.arrow")
            write_part(batches[-1], own, METRICS)
        files.append([base, *batches])
        start += n
    with merging(tmp_path, 11, METRICS, ["model"]) as merger:
        for group in files:
            merger.add(group)
    kept, read = merger.table(), Table(tmp_path)
    assert kept.n == read.n == 11
    assert read.ids == [f"r{index}" for index in range(11)]
    for label in METRICS:
        np.testing.assert_array_equal(kept.statistics(label), read.statistics(label))
        np.testing.assert_array_equal(kept.scores(label), read.scores(label))
        for kind in ("error", "skipped", "reason"):
            assert kept.notes(label, kind) == read.notes(label, kind)
    assert kept.codes("model")[1] == read.codes("model")[1] == ["a"]
    assert read.notes("two", "error") == {0: "broken", 5: "broken"}
    spans = [range(4), range(4, 5), range(5, 11)]
    split(tmp_path, tmp_path / "again", METRICS, spans)
    for number, span in enumerate(spans):
        again = read_part(tmp_path / "again" / f"{number:05d}.arrow", METRICS)
        assert again.ids == [f"r{index}" for index in span]
        same(again.rows["two"], read_part(files[number][0], METRICS).rows["two"])
        assert set(again.rows) == {"two", "judged"}


def test_a_merge_that_fails_leaves_no_file_behind(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), merging(tmp_path, 3, METRICS, []):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_table_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(StoreError, match=r"rows\.parquet: cannot be read .* run the suite again"):
        Table(tmp_path)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=12)), max_size=40))
def test_strings_come_back_as_they_were(values: list[str | None]) -> None:
    import pyarrow as pa

    array = strings(values)
    array.validate(full=True)
    assert array.to_pylist() == values
    column = pa.chunked_array([array, array.slice(len(values) // 2)])
    assert present(column).tolist() == [value is not None for value in [*values, *values[len(values) // 2 :]]]
    own, known = codes(column)
    assert [known[code] for code in own] == [*values, *values[len(values) // 2 :]]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(), max_size=40), st.integers(0, 10))
def test_floats_come_back_as_they_were(values: list[float], cut: int) -> None:
    import pyarrow as pa

    array = floats(values)
    column = pa.chunked_array([array.slice(cut), array])
    np.testing.assert_array_equal(to_floats(column), np.array([*values[cut:], *values]))


def test_arrow_columns_are_made_and_read_without_pandas() -> None:
    import subprocess

    code = (
        "import sys, pyarrow as pa; from evalkit.store.arrow import *; t = pa.table({'a': floats([1.0]), 'b': strings(['x'])});"
        "to_floats(t['a']); codes(t['b']); present(t['b']); print('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.txt"
    write_text(target, "first")

    def fail() -> None:
        with writing(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_text() == "first"
    assert [path.name for path in target.parent.iterdir()] == ["file.txt"]
