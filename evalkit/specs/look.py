"""A first look at a user's own data file: what its columns are, and what kind of texts and values stand in them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, Literal

from evalkit.core.batch import Batch, as_text
from evalkit.core.errors import Problem, SpecError

ROWS = 500  # read as they stand, to guess the columns
SAMPLE = 2_000  # drawn from the whole file, to see what is in them
MOST_LABELS = 12
LEAST_CLUSTERS = 10  # fewer say nothing about how much they differ
SURE = 0.5  # a guess below it is left to the user
BOLD = 0.35  # of the output, without which there is nothing to score

References = Literal["labels", "numbers", "short", "long"]

_NUMBER = re.compile(r"\W{0,2}[-+]?\.?\d[\d.,/ ]*(e[-+]?\d+)?\s?(%|[^\W\d]{1,12})?\W?\Z", re.IGNORECASE)
_SLICES = ("model", "prompt_version", "variant", "answerable")


@dataclass
class Look:
    """What was seen of a file."""

    n: int  # records that were looked at
    batch: Batch
    fields: dict[str, str] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)  # of each field, in words

    def filled(self, column: str) -> float:
        """Share of records with a value in a column."""
        return 1 - float(self.batch.missing(column).mean()) if self.n and column in self.batch else 0.0

    def has(self, *columns: str) -> bool:
        """Whether most records have a value in each of these columns."""
        return all(self.filled(column) >= 0.5 for column in columns)

    def references(self) -> References | None:
        """What kind of gold answers there are; None without any."""
        texts = [text for text in self.batch.lists("reference").flat if text.strip()] if self.has("reference") else []
        if not texts:
            return None
        words = median(len(text.split()) for text in texts)
        letters = median(map(len, texts))
        distinct = {text.strip().casefold() for text in texts}
        numbers = sum(_is_number(text) for text in texts) / len(texts)
        if words <= 3 and letters <= 30 and 2 <= len(distinct) <= MOST_LABELS and len(texts) >= 5 * len(distinct):
            outputs = self.batch.texts("output")
            if numbers < 0.9 and sum(text.strip().casefold() in distinct for text in outputs) >= 0.2 * self.n:
                return "labels"
        if numbers >= 0.95 and (words <= 4 or sum("####" in text for text in texts) > len(texts) / 2):
            return "numbers"
        return "short" if words <= 5 and letters <= 40 else "long"

    def labels(self) -> list[str]:
        """The distinct references, each in its commonest spelling."""
        spellings = Counter(text.strip() for text in self.batch.lists("reference").flat if text.strip())
        return sorted({text.casefold(): text for text, _ in reversed(spellings.most_common())}.values())

    def words(self) -> float:
        """Words of a reference, the median."""
        return median(len(text.split()) for text in self.batch.lists("reference").flat)

    def script(self) -> Literal["latin", "chinese", "other"]:
        """The script of the references: word-based metrics such as ROUGE read Latin letters only."""
        text = "".join(islice(self.batch.lists("reference").flat, 300))
        letters = [char for char in text if char.isalpha()]
        if not letters or sum(char < "\u0250" for char in letters) >= len(letters) / 2:
            return "latin"
        return "chinese" if sum("\u4e00" <= char <= "\u9fff" for char in letters) >= len(letters) / 2 else "other"

    def outputs_are_json(self) -> bool:
        """Whether most outputs are JSON objects or lists."""
        texts = [text for text in self.batch.texts("output")[:300] if text.strip()]
        return bool(texts) and sum(map(_is_json, texts)) >= 0.8 * len(texts)

    def slices(self) -> dict[str, Counter[str]]:
        """Up to three columns worth slicing by, and how many records have each value."""
        from evalkit.records.canonical import COLUMNS

        extra = [name for name in self.batch.columns if name not in COLUMNS]
        chosen: dict[str, Counter[str]] = {}
        for column in (*(name for name in _SLICES if name in self.batch), *extra):
            values = self.batch.column(column)
            plain = [value for value in values if isinstance(value, (str, bool, int)) and value != ""]
            counts = Counter(_shown(value) for value in plain)
            if len(plain) < 0.9 * self.n or not 2 <= len(counts) <= 8 or min(counts.values()) < 5:
                continue
            if max(map(len, counts)) <= 40 and len(chosen) < 3:
                chosen[column] = counts
        return chosen


def look_at(path: Path, label: str) -> Look:
    """Read the beginning of a file, guess its columns, then check all of it and draw a sample.

    Raises:
        SpecError: the file cannot be read as records.
    """
    from evalkit.records.fields import guesses

    rows = _first_rows(path, label)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    sure = [one for one in guesses(columns, rows) if one.confidence >= (BOLD if one.column == "output" else SURE)]
    why = {one.column: one.why.partition(", and its")[0] for one in sure}
    why |= {one.column: f"{why[one.column]}; is it?" for one in sure if one.confidence < SURE}
    found = Look(0, Batch({}), {one.column: one.source for one in sure}, why)
    data = _scanned(path, label, found)
    batches = list(data.batches())
    names = list(batches[0].columns) if batches else []
    found.batch = Batch({name: [value for batch in batches for value in batch.columns[name]] for name in names})
    found.n = len(found.batch)
    _cluster(found)
    return found


def _first_rows(path: Path, label: str) -> list[dict[str, Any]]:
    """The first records with the file's own names; what is wrong with them is told by the scan that follows."""
    from evalkit.records.formats import opened
    from evalkit.records.source import Tally

    sources, problems = opened([path], label)
    if problems:
        raise SpecError(problems)
    source, rows = sources[0], []
    tally = Tally(source, {}, ROWS)
    for piece in source.pieces():
        for block in source.blocks(piece, {}, tally):
            names = list(block.columns)
            rows += [dict(zip(names, values, strict=True)) for values in zip(*block.columns.values(), strict=True)]
            if len(rows) >= ROWS:
                return rows[:ROWS]
    return rows


def _scanned(path: Path, label: str, found: Look) -> Any:
    """The whole file checked, and a sample of it; ids that repeat are no ids, but they say what belongs together."""
    from evalkit.records.dataset import scan

    try:
        return scan([path], label=label, fields=found.fields, limit=SAMPLE, shuffle=0)
    except SpecError as error:
        fields, why = dict(found.fields), dict(found.why)
        source = fields.pop("id", "id")
        column = "cluster" if "cluster" not in fields else "own_id"
        fields[column] = source
        why[column] = "its values repeat, so they name what records share, not the records"
        try:
            data = scan([path], label=label, fields=fields, limit=SAMPLE, shuffle=0)
        except SpecError:
            raise error from None
        found.fields, found.why = fields, why
        return data


def _cluster(found: Look) -> None:
    """Records with the same input are not independent: find a column that says so, else take the input itself."""
    inputs = [as_text(value) for value in found.batch.column("input")]
    if (
        sum(map(bool, inputs)) < 0.9 * found.n
        or "cluster" in found.batch
        or not LEAST_CLUSTERS <= len(set(inputs)) <= 0.9 * found.n
    ):
        return
    told = f"{len(set(inputs))} different inputs in {found.n} records: those of one input are not independent"
    own = found.fields.get("input", "input")
    for name, values in found.batch.columns.items():
        if name in ("id", "input", "output", "reference") or not all(isinstance(value, str) for value in values):
            continue
        if len(set(values)) == len(set(inputs)) == len(set(zip(values, inputs, strict=True))):
            found.fields["cluster"], found.why["cluster"] = found.fields.get(name, name), told
            if name in found.fields or name in ("session_id", "user_id"):
                found.fields.setdefault(name, name)
            return
    if all(isinstance(value, str) for value in found.batch.column("input")):
        found.fields = {"input": own, **found.fields, "cluster": own}
        found.why.setdefault("input", "stays what it is")
        found.why["cluster"] = told


def without_output(label: str, columns: Sequence[str]) -> SpecError:
    """What to say of a file in which nothing looks like an answer."""
    listed = ", ".join(columns[:12]) or "none"
    hint = f"its columns are {listed}; call one of them output, or write a suite with `fields: {{output: NAME}}`"
    return SpecError(Problem(label, "no column looks like the output of a system", hint))


def _is_number(text: str) -> bool:
    """Whether the answer, or the end of a worked solution, is a number: with a currency before it, or a unit behind."""
    return _NUMBER.match(text.rpartition("####")[2].strip()) is not None


def _is_json(text: str) -> bool:
    if text.strip()[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _shown(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)
