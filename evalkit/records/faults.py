"""The data's own faults: what `evalkit check` says about records that are valid, and yet may not be what was meant."""

from __future__ import annotations

import datetime
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from evalkit.core.batch import Batch, as_text
from evalkit.core.errors import quote
from evalkit.records.canonical import COLUMNS
from evalkit.records.dataset import DataSet
from evalkit.records.similar import similar_pairs

SAME_OUTPUT = 0.2  # share of records from which one and the same output is worth a word
SMALL_SLICE, LARGE_SLICE, MANY_SLICES = 5, 0.95, 50
COMPARED = 200_000  # distinct inputs among which near-duplicates are looked for

_NAMED = 20  # records that a fault carries
_TEXTS = ("input", "output", "reference", "contexts")
_ONCE = ("input", "reference", "contexts", "latency_ms", "cost", "timestamp", "embedding")  # constant is odd here
_ARMS = ("model", "prompt_version", "variant", "session_id")  # what the same input may rightly be asked again for
_MOJIBAKE = re.compile("Ã[\u0080-\u00bf©¨ª«¢§´¶¼]|â€[\u0080-\u00bf™œž“”\u0161¢¦˜]|Â[\u00a0-\u00bf]|ï»¿|ðŸ")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|nbsp|#\d{2,5}|#x[0-9a-fA-F]{2,5});")
_STAND_IN = frozenset({"nan", "none", "null", "n/a", "undefined", "[object object]"})


@dataclass(frozen=True)
class Fault:
    """Something odd about the data: its kind, a sentence to print, and the ids of (some of) the records."""

    kind: str
    message: str
    records: tuple[str, ...] = ()


@dataclass
class Hits:
    """How many records something was seen in, and the ids of the first few."""

    count: int = 0
    ids: list[str] = field(default_factory=list)

    def add(self, identity: str) -> None:
        self.count += 1
        if len(self.ids) < _NAMED:
            self.ids.append(identity)


def faults(dataset: DataSet, *, slices: Sequence[str] = ()) -> list[Fault]:
    """All faults of a data set, in one pass over its records; ``slices`` are the columns that the suite slices by."""
    survey = Survey(dataset.n, tuple(name for name in slices if name in dataset.columns))
    for batch in dataset.batches():
        survey.add(batch)
    nulls = {name: facts.nulls for name, facts in dataset.columns.items()}
    return [*survey.faults(nulls), *_unknown_slices(dataset, slices)]


@dataclass
class Survey:
    """What one pass gathers; `add` batches, then ask for `faults`."""

    n: int
    slices: tuple[str, ...]
    hits: dict[str, Hits] = field(default_factory=dict)
    seen: dict[bytes, str] = field(default_factory=dict)  # whole records → first id
    asked: dict[bytes, str] = field(default_factory=dict)  # inputs and what may rightly differ → first id
    again: dict[str, list[str]] = field(default_factory=dict)  # first id → later ids with the same input
    inputs: dict[str, str] = field(default_factory=dict)  # distinct inputs → first id
    outputs: Counter[str] = field(default_factory=Counter)
    references: Counter[str] = field(default_factory=Counter)
    values: dict[str, Counter[Any]] = field(default_factory=dict)
    constant: dict[str, Any] = field(default_factory=dict)
    varied: set[str] = field(default_factory=set)
    retrieved: set[str] = field(default_factory=set)
    relevant: dict[str, str] = field(default_factory=dict)  # relevant id → first record
    zones: set[bool] = field(default_factory=set)
    compared: int = 0  # records with both output and reference
    capped: bool = False

    def add(self, batch: Batch) -> None:
        """Take in a batch."""
        ids: Sequence[str] = batch.column("id")
        self._repeats(batch, ids)
        for name in ("output", "reference"):
            if name in batch:
                self._empty(name, batch.column(name), ids)
        if "output" in batch:
            self.outputs.update(value for value in batch.column("output") if value)
            self.references.update(value for value in batch.column("reference") if isinstance(value, str))
            self._copies(batch, ids)
        for name in (name for name in _TEXTS if name in batch):
            self._texts(name, batch.column(name), ids)
        for name in self.slices:
            self.values.setdefault(name, Counter()).update(map(_slice_value, batch.column(name)))
        for name in (name for name in _ONCE if name in batch and name not in self.varied):
            self._constant(name, batch.column(name))
        if "timestamp" in batch:
            self._times(batch.column("timestamp"), ids)
        if "relevant_ids" in batch and "retrieved_ids" in batch:
            self._ranks(batch, ids)
        for name in ("latency_ms", "cost", "prompt_tokens", "completion_tokens"):
            for identity, value in zip(ids, batch.column(name)):
                if value is not None and value < 0:
                    self._hit(f"negative {name}").add(identity)

    def _hit(self, kind: str) -> Hits:
        return self.hits.setdefault(kind, Hits())

    def _repeats(self, batch: Batch, ids: Sequence[str]) -> None:
        names = [name for name in batch.columns if name != "id"]
        if not names:
            return
        for identity, key in zip(ids, _digests(zip(*(batch.column(name) for name in names)))):
            first = self.seen.setdefault(key, identity)
            if first is not identity:
                self._hit("duplicate").add(f"{identity} (as {first})")
        if "input" not in batch:
            return
        texts = batch.texts("input")
        arms = zip(texts, *(batch.column(name) for name in (*_ARMS, *self.slices)))
        clusters = batch.column("cluster")
        for identity, text, cluster, key in zip(ids, texts, clusters, _digests(arms)):
            first = self.asked.setdefault(key, identity)
            if first is not identity and cluster is None and text.strip():
                self._hit("repeated input").add(f"{identity} (as {first})")
            if text.strip() and text not in self.inputs:
                if len(self.inputs) < COMPARED:
                    self.inputs[text] = identity
                else:
                    self.capped = True

    def _empty(self, name: str, values: Sequence[Any], ids: Sequence[str]) -> None:
        for identity, value in zip(ids, values):
            if value is not None and (not value or not _joined(value).strip()):
                self._hit(f"empty {name}").add(identity)

    def _copies(self, batch: Batch, ids: Sequence[str]) -> None:
        for identity, output, reference in zip(ids, batch.column("output"), batch.column("reference")):
            if output and reference:
                self.compared += 1
                if output == reference and len(output) > 40:
                    self._hit("copy").add(identity)

    def _texts(self, name: str, values: Sequence[Any], ids: Sequence[str]) -> None:
        for identity, value in zip(ids, values):
            if not value:
                continue
            text = value if type(value) is str else _joined(value)
            if not text.isascii():
                if "\ufffd" in text:
                    self._hit(f"replacement {name}").add(identity)
                if _MOJIBAKE.search(text):
                    self._hit(f"mojibake {name}").add(identity)
            if not text.isprintable() and _CONTROL.search(text):
                self._hit(f"control {name}").add(identity)
            if "&" in text and _ENTITY.search(text):
                self._hit(f"entity {name}").add(identity)
            if len(text) < 16 and text.strip().lower() in _STAND_IN:
                self._hit(f"stand-in {name}").add(identity)

    def _constant(self, name: str, values: Sequence[Any]) -> None:
        for value in values:
            if self.constant.setdefault(name, value) != value:
                self.varied.add(name)
                return

    def _times(self, values: Sequence[Any], ids: Sequence[str]) -> None:
        for identity, value in zip(ids, values):
            if isinstance(value, str):
                try:
                    self.zones.add(datetime.datetime.fromisoformat(value.strip()).tzinfo is not None)
                except ValueError:
                    self._hit("timestamp").add(identity)

    def _ranks(self, batch: Batch, ids: Sequence[str]) -> None:
        for identity, ranked, wanted in zip(ids, batch.column("retrieved_ids"), batch.column("relevant_ids")):
            self.retrieved.update(ranked or ())
            if ranked and len(set(ranked)) < len(ranked):
                self._hit("ranked twice").add(identity)
            for name in wanted or ():
                if not isinstance(wanted, dict) or wanted[name] > 0:
                    self.relevant.setdefault(name, identity)

    # --- in words ----------------------------------------------------------------------------------------------------

    def faults(self, nulls: Mapping[str, int]) -> list[Fault]:
        """Everything found, the gravest first."""
        return [
            fault
            for find in (
                self._duplicate_faults, self._near_faults, self._empty_faults, self._output_faults, self._rank_faults,
                self._slice_faults, self._text_faults, self._other_faults,
            )
            for fault in find()
        ] + list(self._null_faults(nulls))  # fmt: skip

    def _told(self, kind: str, hit: str, says: str) -> Iterator[Fault]:
        hits = self.hits.get(hit)
        if hits is not None:
            ids = tuple(name.partition(" (as ")[0] for name in hits.ids)
            yield Fault(kind, f"{hits.count:,} of {self.n:,} records {says}: {few(hits.ids, hits.count)}", ids)

    def _duplicate_faults(self) -> Iterator[Fault]:
        yield from self._told("duplicate", "duplicate", "repeat an earlier record in every column")
        repeated, whole = self.hits.get("repeated input"), self.hits.get("duplicate", Hits())
        if repeated is not None and repeated.count > whole.count:
            yield from self._told(
                "repeated_input", "repeated input",
                "repeat an earlier input, and intervals take them as independent unless they "
                "share a `cluster`",
            )  # fmt: skip

    def _near_faults(self) -> Iterator[Fault]:
        texts = list(self.inputs)
        pairs = sorted(similar_pairs(texts), key=lambda pair: -pair[2])
        if not pairs:
            return
        named = [(self.inputs[texts[i]], self.inputs[texts[j]], similarity) for i, j, similarity in pairs]
        shown = "; ".join(f"{one} and {other} ({similarity:.2f})" for one, other, similarity in named[:5])
        more = f"; and {len(named) - 5:,} more" if len(named) > 5 else ""
        among = f" (looked for among the first {COMPARED:,} inputs)" if self.capped else ""
        noun = "pair of inputs is" if len(named) == 1 else "pairs of inputs are"
        ids = tuple(dict.fromkeys(name for one, other, _ in named for name in (one, other)))
        yield Fault("near_duplicate", f"{len(named):,} {noun} nearly the same{among}: {shown}{more}", ids[:_NAMED])

    def _empty_faults(self) -> Iterator[Fault]:
        for name in ("output", "reference"):
            yield from self._told(f"empty_{name}", f"empty {name}", f"have an empty {name}")

    def _output_faults(self) -> Iterator[Fault]:
        total = sum(self.outputs.values())
        if self.n >= 20 and total:
            text, count = self.outputs.most_common(1)[0]
            expected = self.references[text] / max(sum(self.references.values()), 1)
            if count > SAME_OUTPUT * self.n and count > 2 * expected * self.n:
                yield Fault("same_output", f"{count:,} of {self.n:,} records have the same output: {quoted(text)}")
        copies = self.hits.get("copy", Hits())
        if copies.count > 0.9 * self.compared and copies.count >= 20:
            yield from self._told(
                "output_is_reference", "copy",
                "have an output equal to their reference; are both taken from one column?",
            )  # fmt: skip

    def _rank_faults(self) -> Iterator[Fault]:
        never = [name for name in self.relevant if name not in self.retrieved]
        if never and self.retrieved:
            ask = "; do the two columns name documents alike?" if len(never) > 0.9 * len(self.relevant) else ""
            yield Fault(
                "never_retrieved",
                f"{len(never):,} of {len(self.relevant):,} relevant ids are retrieved for no record{ask}: "
                f"{few(never, len(never))}",
                tuple(dict.fromkeys(self.relevant[name] for name in never))[:_NAMED],
            )
        yield from self._told("ranked_twice", "ranked twice", "retrieve the same id more than once")

    def _slice_faults(self) -> Iterator[Fault]:
        for name, counts in self.values.items():
            if len(counts) > MANY_SLICES:
                yield Fault("slices", f"{name} has {len(counts):,} different values, too many to slice by")
                continue
            for value, count in counts.most_common():
                if count > LARGE_SLICE * self.n:
                    yield Fault("lopsided_slice", f"{name} is {_spelled(value)} in {count:,} of {self.n:,} records")
                elif count < SMALL_SLICE:
                    noun = "record" if count == 1 else "records"
                    yield Fault("small_slice", f"{name} is {_spelled(value)} in {count} {noun} only, too few for an interval")

    def _text_faults(self) -> Iterator[Fault]:
        says = {
            "replacement": "hold the replacement character U+FFFD in {}: text was lost when it was decoded",
            "mojibake": "hold UTF-8 read as another encoding in {} (such as Ã© for é)",
            "control": "hold control characters in {}",
            "entity": "hold HTML entities in {} (such as &amp;)",
            "stand-in": "hold only a word for nothing in {} (nan, none, null)",
        }
        for word, say in says.items():
            for name in _TEXTS:
                yield from self._told(f"{word}_text", f"{word} {name}", say.format(name))

    def _other_faults(self) -> Iterator[Fault]:
        yield from self._told("timestamp", "timestamp", "have a timestamp that is neither ISO 8601 nor a number")
        if len(self.zones) > 1:
            yield Fault("time_zone", "some timestamps name a time zone and some do not")
        for name in ("latency_ms", "cost", "prompt_tokens", "completion_tokens"):
            yield from self._told("negative", f"negative {name}", f"have a negative {name}")
        for name, value in self.constant.items():
            if self.n > 1 and name not in self.varied and value is not None:
                yield Fault("constant", f"{name} is the same in all {self.n:,} records: {quoted(_joined(value))}")

    def _null_faults(self, nulls: Mapping[str, int]) -> Iterator[Fault]:
        for name, count in nulls.items():
            if count and self.n and (name in COLUMNS or name in self.slices):
                yield Fault("null", f"{name} is absent in {count:,} of {self.n:,} records ({percent(count / self.n)})")


def _unknown_slices(dataset: DataSet, slices: Sequence[str]) -> list[Fault]:
    return [
        Fault("slices", f"no record has the column {quote(name)} to slice by") for name in slices if name not in dataset.columns
    ]


def few(names: Sequence[str], count: int) -> str:
    """The first five names, and how many more there are."""
    return ", ".join(names[:5]) + (f" and {count - 5:,} more" if count > 5 else "")


def percent(share: float) -> str:
    """A share in per cent, never rounded to 0 or 100 unless it is."""
    if 0 < share < 0.001:
        return "< 0.1%"
    if 0.999 < share < 1:
        return "> 99.9%"
    return f"{100 * share:.3g}%"


def quoted(text: str) -> str:
    """A text short enough for a line."""
    flat = " ".join(text.split())
    return repr(flat if len(flat) <= 60 else flat[:57] + "…")


def _joined(value: Any) -> str:
    if isinstance(value, list) and not (value and isinstance(value[0], dict)):
        return "\n".join(map(str, value))
    return as_text(value)


def _slice_value(value: Any) -> Any:
    return value if value is None or isinstance(value, (str, int, float)) else repr(value)


def _spelled(value: Any) -> str:
    return "absent" if value is None else repr(value)


def _digests(rows: Iterable[tuple[Any, ...]]) -> list[bytes]:
    """64 bits of each row's content."""
    told = list(rows)
    lines = msgspec.json.Encoder(order="sorted", enc_hook=str).encode_lines(told).split(b"\n")
    blake2b = hashlib.blake2b
    return [blake2b(line, digest_size=12).digest() for line in lines[: len(told)]]
