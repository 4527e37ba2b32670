"""Judging one metric in random order, batch by batch, until its gates have decided.

A batch may be asked once all up to ``window`` batches before it are judged and have not decided. So which records are judged
follows from their order and the replies alone: not from which reply was fast, nor from when a run was killed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evalkit.core.contracts import Measure, ModelMetric
from evalkit.core.rows import NOT_JUDGED, Rows
from evalkit.records.dataset import Chunk
from evalkit.runner.baseline import Baseline
from evalkit.runner.gate import selected
from evalkit.runner.measure import values_of
from evalkit.runner.plan import Plan
from evalkit.runner.sequential import Trial, labels_of, question_of
from evalkit.runner.sequential_order import Blocks, Columns, Order
from evalkit.specs.suite import Suite
from evalkit.store.parts import Part, part_path, read_part, write_part

BATCH = 25  # records; small, for what is under way when a gate decides is asked to its end


def safe(label: str) -> str:
    """A label as part of a file's name."""
    return "".join(sign if sign.isalnum() or sign in "-_" else f"%{ord(sign):x}" for sign in label)


def whole_path(folder: Path, chunk: Chunk, label: str) -> Path:
    """Where the rows of a chunk lie once judging has stopped: those of all its records."""
    return part_path(folder, chunk.index).with_suffix(f".{safe(label)}.all.arrow")


@dataclass
class Early:
    """One metric's judging: what is known by now, and what may be asked next."""

    label: str
    metric: ModelMetric
    order: Order
    trials: Sequence[Trial]
    blocks: Blocks
    ids: Sequence[str]
    folder: Path
    earlier: Rows | None = None  # of a finished run, in data-set order
    window: int = 2
    _rows: list[Rows | None] = field(default_factory=list, init=False)
    _fed: int = field(default=0, init=False)
    _stop: int | None = field(default=None, init=False)  # the first batch after which every trial was over

    def __post_init__(self) -> None:
        self._rows = [None] * -(-len(self.order) // BATCH)

    def path(self, number: int) -> Path:
        """Where the rows of a batch lie."""
        return part_path(self.folder, 0).with_suffix(f".{safe(self.label)}.s{number:06d}.arrow")

    def places(self, number: int) -> NDArray[np.int64]:
        """The records of a batch."""
        return self.order.places[number * BATCH : (number + 1) * BATCH]

    def resume(self) -> None:
        """Take what an interrupted process had judged, as far as it is of the same records in the same order."""
        for number in range(len(self._rows)):
            path = self.path(number)
            if path.exists():
                part = read_part(path, {self.label: self.metric})
                if part.ids == [self.ids[place] for place in self.places(number)] and self.label in part.rows:
                    self.add(number, part.rows[self.label])

    def add(self, number: int, rows: Rows) -> None:
        """The rows of a batch; they count once all before it are there."""
        self._rows[number] = rows
        while self._fed < len(self._rows) and (next_one := self._rows[self._fed]) is not None:
            if self._stop is None:
                for trial in self.trials:
                    trial.feed(next_one.values)
                if all(trial.over for trial in self.trials):
                    self._stop = self._fed
            self._fed += 1

    def may(self, number: int) -> bool | None:
        """Whether a batch is to be judged; None: that is not known yet."""
        if self._stop is not None and number >= self._stop + self.window:
            return False
        return True if number < self._fed + self.window else None

    @property
    def batches(self) -> int:
        """Of all records."""
        return len(self._rows)

    def has(self, number: int) -> bool:
        """Whether a batch is judged."""
        return self._rows[number] is not None

    @property
    def records(self) -> int:
        """How many records are judged by now."""
        return sum(len(rows) for rows in self._rows if rows is not None)

    @property
    def last(self) -> int:
        """How many batches are judged in the end."""
        return self.batches if self._stop is None else min(self.batches, self._stop + self.window)

    def write(self, chunks: Sequence[Chunk], metric: Measure) -> None:
        """The rows of every record, in the data set's order; of those that were not asked about, why not."""
        rows = Rows.concat([one for one in self._rows[: self.last] if one is not None])
        decided = [trial.decided for trial in self.trials]
        latest = max((found[1] for found in decided if found is not None), default=0)
        gates = "gate" if len(self.trials) == 1 else "gates"
        why = f"{NOT_JUDGED}the {gates} had decided after {latest:,} records"
        if None in decided:
            why = f"{NOT_JUDGED}no record that the {gates} could still learn from was left"
        for chunk in chunks:
            span = np.arange(chunk.start, chunk.start + chunk.n)
            slots = self.order.slots[span]
            asked = np.flatnonzero(slots < len(rows))
            own = rows.take(slots[asked]).spread(asked, chunk.n, {})
            own.skipped |= dict.fromkeys(np.flatnonzero(slots >= len(rows)).tolist(), why)
            part = Part(
                list(self.ids[chunk.start : chunk.start + chunk.n]),
                rows={self.label: own},
                values={self.label: values_of(metric, own)},
            )
            write_part(whole_path(self.folder, chunk, self.label), part, {self.label: metric})


def earlies(plan: Plan, parts: Path, previous: Path | None, baseline: Callable[[str], Baseline] | None) -> dict[str, Early]:
    """What is judged in random order, by label; a metric with a gate that cannot be decided early is judged as any other.

    Args:
        parts: where a part of every chunk lies already, with ids and columns.
        previous: parts of a finished run, of which only the errors are measured again.
    """
    suite = plan.suite
    wanted = labels_of(suite.gates, suite.metrics)
    if not wanted or baseline is None:
        return {}
    kept = _kept(parts, plan.data.chunks)
    order = Order.of(kept, suite.seed)
    blocks = Blocks(order, plan.data.chunks, plan.outputs)
    found = {}
    for spec in suite.metrics:
        if spec.label not in wanted or not isinstance(spec.metric, ModelMetric):
            continue
        masks = [(gate, selected(gate.where, kept)) for gate in wanted[spec.label]]
        asked = [
            question_of(gate, spec, plan.fingerprint(spec), kept, order, mask, baseline, suite.confidence)
            for gate, mask in masks
            if mask.any()
        ]
        questions = [question for question in asked if question is not None]
        if questions and len(questions) == len(asked):
            earlier = _earlier(previous, plan.data.chunks, spec.label, spec.metric)
            trials = [Trial(question) for question in questions]
            found[spec.label] = Early(spec.label, spec.metric, order, trials, blocks, kept.ids, parts, earlier)
    return found


def forget(folder: Path, labels: Sequence[str]) -> None:
    """Remove what was put together of metrics that are judged as any other now."""
    for label in labels:
        for path in folder.glob(f"*.{safe(label)}.all.arrow"):
            path.unlink(missing_ok=True)


def is_sequential(suite: Suite) -> bool:
    """Whether a suite has a gate that may stop early."""
    return any(gate.sequential for gate in suite.gates)


def allowed(earlies: Mapping[str, Early]) -> Iterator[list[tuple[Early, int]]]:
    """The batches that may be asked by now, and are not judged; an empty list: nothing more until one of them is."""
    following = dict.fromkeys(earlies, 0)
    while following:
        told = []
        for label, number in list(following.items()):
            early = earlies[label]
            may = early.may(number) if number < early.batches else False
            if may is False:
                del following[label]
            elif may:
                following[label] += 1
                told += [(early, number)] if not early.has(number) else []
        if told or (following and all(earlies[label].may(number) is None for label, number in following.items())):
            yield told


def _kept(parts: Path, chunks: Sequence[Chunk]) -> Columns:
    ids: list[str] = []
    columns: dict[str, list[str | None]] = {}
    for chunk in chunks:
        part = read_part(part_path(parts, chunk.index), {})
        ids += part.ids
        for name, values in part.attributes.items():
            columns.setdefault(name, []).extend(values)
    return Columns(ids, columns)


def _earlier(previous: Path | None, chunks: Sequence[Chunk], label: str, metric: Measure) -> Rows | None:
    if previous is None:
        return None
    found = [read_part(part_path(previous, chunk.index), {label: metric}).rows.get(label) for chunk in chunks]
    return Rows.concat([rows for rows in found if rows is not None]) if all(rows is not None for rows in found) else None
