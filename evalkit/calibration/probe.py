"""Asking a judge anew, through its own backend and the store's cache, and what its answers come to."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.calibration.biases import worded
from evalkit.calibration.calibrate import NOT_ASKED, Asked
from evalkit.calibration.material import Material
from evalkit.core.batch import Batch
from evalkit.core.card import Finding
from evalkit.core.contracts import ModelMetric
from evalkit.core.errors import Problem, SpecError, nearest, quote
from evalkit.core.rows import Floats
from evalkit.judges.audit import shift
from evalkit.judges.audit_probes import PROBES, Again, Asking, Counting, askings, kinds_of
from evalkit.judges.audit_texts import STYLES
from evalkit.reports import numbers
from evalkit.runner.ask import BATCH, guarded
from evalkit.runner.execute import Options, models_of
from evalkit.runner.models import Models
from evalkit.runner.opponent import beside, data_of, outputs_named, pinned
from evalkit.runner.plan import Plan
from evalkit.runner.report import fetching
from evalkit.specs.load import load_suite
from evalkit.specs.suite import MetricSpec, Suite
from evalkit.stats.correlation import PARTS, undefined, values_of
from evalkit.stats.repeated import intraclass, within_sd


@dataclass(frozen=True)
class Wanted:
    """Which probes, over how many records, how often."""

    names: tuple[str, ...]
    records: int = 50
    repeats: int = 5
    seed: int = 0
    level: float = 0.95
    resamples: int = 1_000


def names_of(text: str) -> tuple[str, ...]:
    """Probes as the command line names them: ``padding,repeats``, or ``all``.

    Raises:
        SpecError: there is none of that name.
    """
    named = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if named == ("all",):
        return PROBES
    for name in named:
        if name not in PROBES:
            close = nearest(name, PROBES)
            hint = f"did you mean {quote(close)}?" if close else f"there are {', '.join(PROBES)}, and all"
            raise SpecError(Problem("--probes", f"no probe is called {quote(name)}", hint))
    if not named:
        raise SpecError(Problem("--probes", "names no probe", f"there are {', '.join(PROBES)}, and all"))
    return named


def probe(
    material: Material, wanted: Wanted, root: Path, store: str | None, tell: Callable[[str], None], suite: Suite | None = None
) -> Asked:
    """Ask what some probes want to know.

    Args:
        tell: is told how many calls that will take, before the first.
        suite: that the run is of; None: the file that the run names.

    Raises:
        SpecError: the judge of today is not the run's.
    """
    suite = suite or _suite(material, root)
    spec = next((one for one in suite.metrics if one.label == material.judge), None)
    if spec is None or not isinstance(spec.metric, ModelMetric):
        what = f"{quote(material.judge)} asks no model" if spec is not None else f"the suite has no {quote(material.judge)}"
        raise SpecError(Problem("--probes", what, "probes are for judges"))
    outputs = outputs_named(replace(suite, metrics=(spec,)), store)
    with models_of(suite, Options(store=store)) as models:
        spec = pinned(spec, outputs)
        metric = models.run(spec.metric.prepared(models.tools(spec.label, spec.backend)))  # type: ignore[attr-defined]
        spec = replace(spec, metric=metric)
        data, _ = data_of(material.run, root)
        now = Plan(replace(suite, metrics=(spec,)), data, models.backends).fingerprint(spec)
        if now != material.value.fingerprint:
            what = f"{material.judge} has another prompt, model or option now than in the run {material.run.run_id}"
            raise SpecError(Problem("--probes", what, "run the suite again, label its records, and calibrate on that run"))
        chosen = _chosen(material, wanted)
        records = fetching(data)(chosen.tolist())
        columns = {name: [record.get(name) for record in records] for name in records[0]}
        batch = beside(Batch(columns), outputs)
        todo, off = askings(wanted.names, metric, batch, wanted.repeats)
        each = _calls(models, spec, batch)
        asked = sum(len(one.batch) for one in todo)
        tell(
            f"asking about {numbers.counted(len(chosen), 'record')} {len(todo)} times more: "
            f"{numbers.counted(round(each * asked), 'call')}, fewer where replies are in the cache"
        )
        scores = [models.run(_scores(models, spec, one, material)) for one in todo]
        usage = models.account.usage()
    told = {"records": len(chosen), "calls": usage.calls, "cached": usage.cached, "cost": usage.cost}
    return _told(material, wanted, chosen, todo, scores, off, told)


def _suite(material: Material, root: Path) -> Suite:
    path = material.run.suite.get("path")
    if not path:
        what = f"the run {material.run.run_id} was made in Python: its judge cannot be built again"
        raise SpecError(Problem("--probes", what, "calibrate with --suite FILE"))
    return load_suite(root / path if (root / path).is_file() else path)


def _chosen(material: Material, wanted: Wanted) -> Any:
    """A random sample of the records that the judge scored, in order."""
    scored = np.flatnonzero(~np.isnan(material.scores))
    size = min(wanted.records, len(scored))
    return np.sort(np.random.default_rng(wanted.seed).choice(scored, size, replace=False))


def _calls(models: Models, spec: MetricSpec, batch: Batch) -> float:
    """Calls a record, counted on the first few without asking anybody."""
    few = batch.take(range(min(3, len(batch))))
    counting = Counting(models.tools(spec.label, spec.backend))
    models.run(guarded(spec.metric, few, counting))  # type: ignore[arg-type]
    return counting.counts[0] / max(len(few), 1)


async def _scores(models: Models, spec: MetricSpec, one: Asking, material: Material) -> Floats:
    """What the judge says of every record of an asking, on its first scale; NaN where it gave no score."""
    import asyncio

    tools = Again(models.tools(spec.label, spec.backend), one.draw) if one.draw else models.tools(spec.label, spec.backend)
    spans = [range(start, min(start + BATCH, len(one.batch))) for start in range(0, len(one.batch), BATCH)]
    found = await asyncio.gather(*(guarded(one.metric, one.batch.take(span), tools) for span in spans))
    part = one.metric.parts.index(material.name.removeprefix(material.judge).removeprefix("."))
    values = []
    for rows in found:
        own = np.asarray(one.metric.record_values(rows), dtype=np.float64)[:, part]
        values.append(np.where(rows.scored(), own, np.nan))
    return one.back(np.concatenate(values))


def _told(
    material: Material,
    wanted: Wanted,
    chosen: Any,
    todo: Sequence[Asking],
    scores: Sequence[Floats],
    off: dict[str, str],
    usage: dict[str, Any],
) -> Asked:
    before = material.scores[chosen]
    reach = material.judge_scale[1] - material.judge_scale[0] if material.judge_scale else 1.0
    groups = material.groups(chosen)
    unit = "points" if material.metric != "pairwise" else "of the win rate"
    bias: dict[str, Finding] = {}
    notes = []
    for one, after in zip(todo, scores):
        lost = int(np.isnan(after).sum())
        if lost:
            told = f"{one.name}{f' ({one.part})' if one.part else ''}"
            notes.append(f"probe {told}: {numbers.counted(lost, 'record')} of {len(after)} got no score and were left out")

    def moved(after: Floats, says: str, level: float, parts: dict[str, Any] | None = None) -> Finding:
        kept = ~np.isnan(after)
        own = groups[kept] if groups is not None else None
        if own is not None and len(np.unique(own)) == len(own):
            own = None
        return shift(
            (after - before)[kept], level=level, clusters=own, reach=reach, says=says, unit=unit, probe=True, parts=parts
        )

    for one, after in zip(todo, scores):
        if one.name in STYLES:
            bias[one.name] = worded(moved(after, "{moved} " + STYLES[one.name][1], wanted.level))
        elif one.name == "injection":
            kinds, change = np.array(kinds_of(len(after))), after - before
            each = {kind: _mean(change[kinds == kind]) for kind in sorted(set(kinds.tolist()))}
            says = "{moved} when a text that asks for the best score stands behind an answer"
            bias["injection"] = worded(moved(after, says, wanted.level, {"by attack": each}))
    bias |= {name: Finding.unknown(why, probe=True) for name, why in off.items() if name not in ("prompt", "repeats")}
    drawn = [after for one, after in zip(todo, scores) if one.name == "repeats"]
    variance = (
        _variance(np.stack([before, *drawn], axis=1), wanted) if drawn else Finding.unknown(NOT_ASKED.format(name="repeats"))
    )
    put = {one.name + one.part: one for one in todo if one.name == "prompt"}
    prompt = Finding.unknown(off.get("prompt", NOT_ASKED.format(name="prompt")))
    if put:
        level = 1.0 - (1.0 - wanted.level) / len(put)
        moves = {
            one.part: (moved(after, "", level), _rank(before, after))
            for one, after in zip(todo, scores)
            if one.name == "prompt"
        }
        prompt = _prompt(moves)
    return Asked(bias, variance, prompt, usage, tuple(notes))


def _variance(scores: Floats, wanted: Wanted) -> Finding:
    """The spread of one record's scores, and how much of all variance lies between records."""
    sd = within_sd(scores, level=wanted.level, seed=wanted.seed, resamples=wanted.resamples)
    icc = intraclass(scores, level=wanted.level)
    if math.isnan(sd.value):
        return Finding.unknown(sd.reason or "", n=sd.n, probe=True)
    times = scores.shape[1]
    share = numbers.number(icc.value)
    says = (
        f"asked {times} times, one record's scores spread by {numbers.number(sd.value)} points (standard deviation)"
        + (f"; {share} of all variance lies between records" if not math.isnan(icc.value) else "")
        if sd.value
        else f"asked {times} times, every record got the same score each time"
    )
    parts = {"icc": icc.value, "icc_ci": [icc.low, icc.high], "times": times}
    ci = None if math.isnan(sd.low) else (sd.low, sd.high)
    return Finding(sd.value, ci, says, sd.n, unit="points", parts=parts, probe=True)


def _prompt(moves: dict[str, tuple[Finding, float]]) -> Finding:
    """The variant that moves the mean most; intervals hold for all of them together (Bonferroni)."""
    known = {name: pair for name, pair in moves.items() if not math.isnan(pair[0].value)}
    if not known:
        return Finding.unknown(next(iter(moves.values()))[0].reason or "no variant was scored", probe=True)
    most = max(known, key=lambda name: abs(known[name][0].value))
    parts = {
        name: {"shift": found.value, "ci": found.ci, "spearman": rank, "n": found.n} for name, (found, rank) in moves.items()
    }
    ranks = [rank for _, rank in known.values() if not math.isnan(rank)]
    also = f"; ranks keep a correlation of at least {numbers.number(min(ranks))}" if ranks else ""
    says = f"of {numbers.counted(len(known), 'other wording')}, “{most}” moves the judge most: {{moved}}{also}"
    return worded(replace(known[most][0], says=says, parts=parts))


def _rank(before: Floats, after: Floats) -> float:
    kept = ~np.isnan(after)
    x, y = before[kept], after[kept]
    return math.nan if undefined(x, y) is not None else float(values_of(x, y)[PARTS.index("spearman")])


def _mean(values: Floats) -> float:
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if len(kept) else math.nan
