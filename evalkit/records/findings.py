"""What is wrong with a data set: found in all of it, told so that the first few problems of every kind are seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from evalkit.core.errors import Problem, nearest, quote
from evalkit.records.canonical import COLUMNS
from evalkit.records.fields import likeliest
from evalkit.records.identity import all_differ, groups
from evalkit.records.memory import InMemory
from evalkit.records.source import SHOWN, Scanned, Seen, Source, naming
from evalkit.records.whole import Whole


@dataclass
class Findings:
    """All problems of a data set, of which a message tells the first few of every kind."""

    kept: list[tuple[int, int, str, Problem]] = field(default_factory=list)
    total: int = 0

    def add(self, file: int, line: int, kind: str, problem: Problem, count: int = 1) -> None:
        """Note a problem; ``count`` more than 1 says that it stands for others like it."""
        self.kept.append((file, line, kind, problem))
        self.total += count

    def __bool__(self) -> bool:
        return self.total > 0

    def told(self) -> list[Problem]:
        """At most 20 in the files' order, with no kind crowding out another, and how many more there are."""
        ordered = sorted(self.kept, key=lambda each: each[:2])
        rank: dict[str, int] = {}
        ranked = []
        for at, (_, _, kind, _) in enumerate(ordered):
            rank[kind] = rank.get(kind, 0) + 1
            ranked.append((rank[kind], at))
        chosen = sorted(at for _, at in sorted(ranked)[:SHOWN])
        problems = [ordered[at][3] for at in chosen]
        if self.total > len(problems):
            problems.append(Problem("", f"and {self.total - len(problems):,} more"))
        return problems


def report(found: Findings, whole: Whole, scanned: list[list[Scanned]]) -> None:
    for number, (source, parts) in enumerate(zip(whole.sources, scanned)):
        base = 0
        for part in parts:
            for fault in part.faults:
                line = fault.line + base if fault.line else 0
                found.add(number, line, fault.kind, Problem(source.place(line), fault.what, fault.hint))
            found.total += sum(part.counts.values()) - len(part.faults)
            base += part.lines


def check_columns(
    found: Findings,
    label: str,
    whole: Whole,
    fields: Mapping[str, str],
    needs: Mapping[str, str],
    selects: Mapping[str, str],
    instead: Mapping[str, tuple[str, ...]],
) -> None:
    if not whole.n:
        return
    for name, source in fields.items():
        if source not in whole.names:
            close = nearest(source, whole.names)
            hint = f"did you mean {quote(close)}?" if close else f"it has {_listed(whole.names)}"
            found.add(-1, 0, "fields", Problem(label, f"`fields` takes {name} from {quote(source)}, which no record has", hint))
    named = naming(whole.names, fields)
    for name, who in {**selects, **needs}.items():
        if name in fields and fields[name] not in whole.names:
            continue  # told above
        others = instead.get(name, ())
        if others and all(other in named and whole.columns.get(other, Seen()).values for other in others):
            continue
        if name not in named:
            free = [column for column in whole.names if column not in COLUMNS and column not in fields.values()]
            close = likeliest(name, free)
            hint = f"is it {quote(close)}? then `fields: {{{name}: {close}}}`" if close else f"it has {_listed(whole.names)}"
            hint += f"; {' and '.join(map(quote, others))} would do as well" if others else ""
            found.add(-1, 0, "needs", Problem(label, f"no record has the column {quote(name)}, which {who} needs", hint))
        elif name in needs and not whole.columns.get(name, Seen()).values:
            found.add(-1, 0, "needs", Problem(label, f"the column {quote(name)}, which {who} needs, is null in every record"))


def _listed(names: Iterable[str]) -> str:
    known = list(names)
    return ", ".join(known[:8]) + (f" and {len(known) - 8} more" if len(known) > 8 else "") if known else "no columns at all"


def check_ids(found: Findings, whole: Whole, fields: Mapping[str, str]) -> None:
    explicit = np.flatnonzero(whole.named)
    if not len(explicit) or "type of id" in {kind for _, _, kind, _ in found.kept}:
        return
    if all_differ(whole.keys if len(explicit) == whole.n else whole.keys[explicit]):
        return
    order, rank = groups(whole.keys[explicit])
    again = np.flatnonzero(rank)
    by_record = again[np.argsort(explicit[order[again]], kind="stable")][:SHOWN]
    real, kept = 0, found.total
    for at in by_record.tolist():
        record = int(explicit[order[at]])
        earlier = np.sort(explicit[order[at - rank[at] : at][:SHOWN]])
        ids = whole.ids(np.append(earlier, record), fields)
        if ids[-1] not in ids[:-1]:
            continue  # two ids that share a hash
        number, line = whole.place(record)
        other, first = whole.place(int(earlier[ids.index(ids[-1])]))
        source = whole.sources[number]
        where = f"on line {first}" if other == number and source.unit == ":" else f"in {whole.sources[other].place(first)}"
        hint = "ids must be unique; leave them out to have them derived from the content"
        found.add(number, line, "id", Problem(source.place(line), f"the id {quote(ids[-1])} already stands {where}", hint))
        real += 1
    if real:
        found.total = kept + real + len(again) - len(by_record)


def nothing_hint(sources: Sequence[Source]) -> str:
    if all(source.size == 0 for source in sources):
        if isinstance(sources[0], InMemory):
            return "the list is empty"
        return "the file is empty" if len(sources) == 1 else "all files are empty"
    return "it holds nothing but blank lines or a header"
