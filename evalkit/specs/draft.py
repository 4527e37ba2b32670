"""A first suite for a user's own data: it runs as it is, and its comments say why each line is there."""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.core.batch import Batch
from evalkit.core.content import PathEscape, locate, project_root
from evalkit.core.contracts import Metric
from evalkit.core.errors import quote
from evalkit.core.registry import find
from evalkit.specs.look import Look, look_at, without_output
from evalkit.specs.tree import scalar
from evalkit.specs.validate import plain_name
from evalkit.stats.proportion import wilson

TRIED = 200  # records that a metric is tried on
_COMMENT = 46  # where comments begin
_PLAIN = re.compile(r"[^\W\d][\w ./+-]*\Z")


@dataclass(frozen=True)
class Choice:
    """A metric of the draft with its options; once tried, with its value on some of the records and what it needs."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    value: float = math.nan
    spread: float | None = None  # standard deviation of a record's value; None for shares
    part: str = ""  # the full name of the value
    higher: bool | None = True
    needs: tuple[str, ...] = ()


def draft_suite(data: Path, target: Path | None = None) -> str:
    """The text of a suite over ``data``, to be written to ``target``; by default beside the working folder's own files.

    Raises:
        SpecError: the file cannot be read as records, or nothing in it can be scored.
    """
    target = target or Path(f"{data.stem}.yaml")
    found = look_at(data, str(data))
    few = found.batch.take(range(min(found.n, TRIED)))
    tried = [(why, [done for choice in choices if (done := _tried(choice, few))]) for why, choices in _fitting(found)]
    groups = [(why, choices) for why, choices in tried if choices]
    if not groups:
        raise without_output(str(data), list(found.batch.columns))
    return "\n".join(_lines(found, groups, data, target)).rstrip() + "\n"


def _fitting(found: Look) -> Iterator[tuple[str, list[Choice]]]:
    """Metrics that suit the data, in groups, each with its reason."""
    kind = found.references() if found.has("output") else None
    if kind == "labels":
        yield (
            f"References are {len(found.labels())} labels: accuracy, and precision, recall, F1, kappa beside it.",
            [Choice("accuracy", {"labels": found.labels()})],
        )
    elif kind == "numbers":
        yield "References are numbers: the last number of each output is compared.", [Choice("numeric_match")]
        if found.words() <= 4:
            yield "And the whole output, letter by letter.", [Choice("exact_match")]
    elif kind == "short":
        yield (
            "References are short: is the output the same, does it contain the answer, how many words do they share?",
            [Choice("exact_match"), Choice("contains"), Choice("token_f1")],
        )
    elif kind == "long":
        yield from _long(found)
    if found.has("output") and found.outputs_are_json():
        hint = "For their shape, add json_schema with a `schema:` file."
        yield f"Outputs are JSON: do they parse? {hint}", [Choice("json_valid")]
    if found.has("retrieved_ids", "relevant_ids"):
        yield (
            "What was retrieved, against what is relevant: the ranking's quality, and how much was found.",
            [Choice("ndcg"), Choice("recall_at_k"), Choice("mrr")],
        )
    elif found.has("contexts", "reference_contexts"):
        yield (
            "The passages retrieved, matched by their words with those that should have been: ranking, share found, noise.",
            [Choice("ndcg", {"match": "overlap"}), Choice("recall_at_k", {"match": "overlap"}), Choice("context_size")],
        )
    if found.has("output") and kind is None and not found.outputs_are_json():
        yield (
            "There are no references to compare with. This counts outputs that are not blank; put in one of your own.",
            [Choice("regex", {"pattern": r"\S", "as": "not_blank"})],
        )
    operation = {"latency": ("latency_ms",), "cost": ("cost",), "tokens": ("prompt_tokens", "completion_tokens")}
    logged = [Choice(name) for name, columns in operation.items() if all(found.filled(one) >= 0.9 for one in columns)]
    if logged:
        yield "What the answers took.", logged


def _long(found: Look) -> Iterator[tuple[str, list[Choice]]]:
    """Texts of more than a few words: the overlap metrics that can read their script."""
    words = f"References have {found.words():.0f} words at the median"
    if found.script() == "latin":
        names = ["rouge", "chrf", "bleu", "meteor"]
        yield f"{words}: how much wording do output and reference share?", [Choice(name) for name in names]
    elif found.script() == "chinese":
        chinese = Choice("bleu", {"tokenize": "zh"})
        yield "References are Chinese: overlap of characters (ROUGE would not see them).", [Choice("chrf"), chinese]
    else:
        yield "References are not in Latin letters: overlap of characters (ROUGE would not see them).", [Choice("chrf")]


def _tried(choice: Choice, few: Batch) -> Choice | None:
    """The choice with what it gives on a few records; None where it does not run on this machine."""
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in choice.options.items()}
    label = options.pop("as", choice.name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            metric: Metric = find("metric", choice.name)(**options)
            rows = metric.score(few)
            scored = rows.values[rows.scored()]
            whole = metric.combine(scored.sum(0)) if metric.additive else _at_once(metric, scored)
    except Exception:  # noqa: BLE001, RUF100 - whatever a missing package or dictionary raises
        return None
    if not len(scored):
        return None
    value = float(whole[metric.parts.index(metric.main)])
    part = f"{label}.{metric.main}" if metric.main else str(label)
    own = metric.record_values(rows)[rows.scored(), metric.parts.index(metric.main)]
    spread = None if metric.interval_of(metric.main) == "wilson" else float(np.nanstd(own))
    return replace(choice, value=value, spread=spread, part=part, higher=metric.direction(metric.main), needs=metric.needs_of())


def _at_once(metric: Metric, scored: Any) -> Any:
    return metric.combine_rows(scored, np.ones((1, len(scored))))[0]


# --- the text --------------------------------------------------------------------------------------------------------


def _lines(found: Look, groups: list[tuple[str, list[Choice]]], data: Path, target: Path) -> Iterator[str]:
    name = plain_name(target.stem)
    many = f"a sample of {found.n:,}" if found.n >= 2_000 else f"{found.n:,}"
    source, suite = _spoken(data.name), _spoken(str(target))
    yield f"# Drafted by `evalkit init` from {many} records of {source}. It runs as it is: evalkit run {suite}"
    yield "# Change whatever you know better. `evalkit list metrics` shows what else can be measured."
    yield f"name: {written(name)}"
    yield ""
    yield from _dataset(found, data, target)
    yield ""
    yield "metrics:"
    for why, choices in groups:
        yield f"  # {why}"
        for choice in choices:
            options = ", ".join(f"{key}: {written(value)}" for key, value in choice.options.items())
            if "as" in choice.options:
                entry = f"  - {{use: {choice.name}, {options}}}"
            else:
                entry = f"  - {choice.name}: {{{options}}}" if options else f"  - {choice.name}"
            yield _noted(entry, _seen(choice, found))
    yield ""
    yield from _slices(found)
    yield from _gates(found, [choice for _, choices in groups for choice in choices])
    yield ""
    yield _noted("report: [json, html, markdown]", "also: junit, for CI")


def _dataset(found: Look, data: Path, target: Path) -> Iterator[str]:
    yield "dataset:"
    yield f"  path: {written(_path(data, target))}"
    renamed = {column: source for column, source in found.fields.items() if _is_used(column, found)}
    if not renamed:
        return
    yield _noted("  fields:", "evalkit's column: the file's own name")
    for column, source in renamed.items():
        yield _noted(f"    {written(column)}: {written(source)}", found.why.get(column, ""))


def _slices(found: Look) -> Iterator[str]:
    slices = found.slices()
    if not slices:
        yield "# slices: [COLUMN]                            # every metric per value of a column too"
        yield ""
        return
    yield "# Every metric is also shown for each value of these columns."
    yield "slices:"
    for column, counts in slices.items():
        told = ", ".join(f"{value} ({count})" for value, count in counts.most_common(4))
        yield _noted(f"  - {written(column)}", told + (", …" if len(counts) > 4 else ""))
    yield ""


def _gates(found: Look, choices: list[Choice]) -> Iterator[str]:
    lacking = max((1 - found.filled(column) for choice in choices for column in choice.needs), default=0.0)
    share = 0.01 if lacking <= 0.005 else min(1.0, math.ceil(lacking * 100 + 2) / 100)
    told = f"{lacking:.0%} of the records lack a value that a metric needs" if share > 0.01 else "records that cannot be scored"
    yield "# What must hold; a gate that fails ends the run with exit code 1."
    yield "gates:"
    yield _noted(f"  - {{metric: errors, max: {share:g}}}", told)
    bounds = {choice: bound for choice in choices if (bound := _bound(choice, found.n)) is not None}
    judged = list(bounds)
    if judged:
        yield "  # What else must hold is yours to say. These would hold now (the interval's end is what is compared):"
    for choice in judged[:3]:
        rule = "min" if choice.higher else "max"
        yield f"  # - {{metric: {written(choice.part)}, {rule}: {bounds[choice]:g}}}"
    first = next((choice for choice in judged if choice.higher), None)
    if first is not None:
        margin = _rounded(abs(first.value) * 0.05) or 0.02
        yield "  # And no worse than an earlier run (evalkit run --baseline RUN), by more than a margin:"
        yield f"  # - {{metric: {written(first.part)}, no_worse_than: baseline, margin: {margin:g}}}"


def _is_used(column: str, found: Look) -> bool:
    """Renamed columns are written down when the data has them; a column that only looks like one does no harm."""
    return column in found.batch or column in ("cluster", "own_id")


def _seen(choice: Choice, found: Look) -> str:
    """What a metric gave when it was tried."""
    if not math.isfinite(choice.value):
        return ""
    of = f"the first {TRIED}" if found.n > TRIED else "these"
    value = f"{choice.value:.3g}" if abs(choice.value) < 1_000 else f"{choice.value:,.0f}"
    name = f"{choice.part} is " if "." in choice.part else ""
    return f"{name}{value} on {of} records"


def _bound(choice: Choice, n: int) -> float | None:
    """A bound that the present value meets with its interval, three standard errors away; None if it says nothing."""
    if choice.higher is None or not math.isfinite(choice.value):
        return None
    if choice.spread is None:
        low, high = wilson(choice.value * n, n, 0.997)
        bound = float(low if choice.higher else high)
    else:
        room = 3 * choice.spread / math.sqrt(n)
        bound = choice.value - room if choice.higher else choice.value + room
    step = 10.0 ** (math.floor(math.log10(abs(bound))) - 1) if bound else 1.0
    bound = (math.floor if choice.higher else math.ceil)(bound / step) * step
    return float(f"{bound:.2g}") if bound > 0 else None


def _rounded(value: float) -> float:
    return float(f"{value:.1g}")


def _path(data: Path, target: Path) -> str:
    """The data's path as the suite must write it: relative where it may be, with forward slashes."""
    folder = target.resolve().parent
    relative = Path(os.path.relpath(data.resolve(), folder)).as_posix()
    try:
        found = locate(relative, beside=folder, root=project_root(folder))
    except (PathEscape, OSError):
        found = None
    return relative if found is not None else data.resolve().as_posix()


def _noted(line: str, comment: str) -> str:
    return f"{line.ljust(_COMMENT - 2)}  # {_spoken(comment)}" if comment else line


def _spoken(text: str) -> str:
    """Names and values of the data as a comment holds them: on one line, without what YAML forbids."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def written(value: Any) -> str:
    """A value as YAML writes it on one line; text is quoted where it could be read as something else."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, str):
        text = isinstance(scalar(value), str) and _PLAIN.match(value) and value == value.strip()
        return value if text and value.lower() not in ("yes", "no", "on", "off", "y", "n") else quote(value, limit=10_000)
    return str(value).lower() if isinstance(value, bool) else str(value)
