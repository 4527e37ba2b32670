"""A run in sentences: its verdict, its subtitle, its exit line, and the facts about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.core.run import GateResult, Run
from evalkit.reports import numbers
from evalkit.reports.safe import one_line

# What was wrong with a call that had to be made again, by the word that results.json has for it.
_TROUBLE = {
    "connection": "no connection",
    "lost": "connection lost",
    "malformed": "a reply of no use",
    "timeout": "no answer in time",
}


@dataclass(frozen=True)
class Fact:
    """One thing known about the run: what it is called and what it is."""

    name: str
    text: str
    code: bool = False


def subtitle(n: int, path: Any = None, *, models: int = 0) -> str:
    """The line under (or beside) a run's name: ``300 records · 2 models · suites/quickstart.yaml``."""
    parts = [numbers.counted(n, "record")]
    if models > 1:
        parts.append(numbers.counted(models, "model"))
    if path:
        parts.append(one_line(str(path), 300))
    return " · ".join(parts)


def verdict(run: Run) -> str:
    total = len(run.gates)
    by = {
        outcome: [gate for gate in run.gates if gate.outcome == outcome]
        for outcome in ("pass", "fail", "inconclusive", "skipped")
    }
    if run.status == "incomplete":
        return "is incomplete: more records failed than the errors gate allows"
    if not total:
        return "was scored; it has no gates"
    told = []
    if by["fail"]:
        told.append(f"{len(by['fail'])} of {numbers.counted(total, 'gate')} failed")
    if by["inconclusive"]:
        verb = "was" if len(by["inconclusive"]) == 1 else "were"
        told.append(
            f"{len(by['inconclusive'])} {verb} inconclusive" + ("" if told else f" of {numbers.counted(total, 'gate')}")
        )
    if by["skipped"]:
        told.append(f"{len(by['skipped'])} skipped")
    if run.status == "failed":
        return "failed: " + ", ".join(told or ["a gate failed"])
    clean = len(by["pass"]) == total
    if clean:
        return "passed its gate" if total == 1 else f"passed all {total} gates"
    return f"passed: {len(by['pass'])} of {numbers.counted(total, 'gate')} passed, " + ", ".join(told)


def exit_line(run: Run) -> tuple[int, str]:
    code = run.exit_code or {"passed": 0, "failed": 1, "incomplete": 3}.get(run.status, 0)
    failed = sum(gate.outcome == "fail" for gate in run.gates)
    unsure = sum(gate.outcome == "inconclusive" and not gate.passed for gate in run.gates)
    if code == 0:
        why = "every gate passed" if run.gates else "no gates"
        if any(gate.outcome != "pass" for gate in run.gates):
            why = "no gate stands in the way"
    elif code == 1 and failed:
        why = "a gate failed" if failed == 1 else f"{failed} gates failed"
    elif code == 1 and unsure:
        why = "a gate was inconclusive" if unsure == 1 else f"{unsure} gates were inconclusive"
    elif code == 3:
        why = "more records failed than the errors gate allows"
    else:
        why = {1: "a gate failed", 130: "interrupted"}.get(code, "")
    return code, f"exit {code}: {why}" if why else f"exit {code}"


def gate_title(gate: GateResult) -> str:
    bound = "" if gate.bound is None else f" {gate.bound:g}"
    sign = {"min": "≥", "max": "≤", "every": "every record ≥", "no_worse_than": "no worse than"}.get(gate.rule, gate.rule)
    where = " and ".join(f"{key}={value}" for key, value in gate.where.items())
    return f"{gate.metric} {sign}{bound}{f' on {where}' if where else ''}"


def models_of(run: Run) -> int:
    told = run.dataset.get("models")
    if isinstance(told, int):
        return told
    if isinstance(told, (list, tuple)):
        return len(told)
    return len({str(part.by["model"]) for part in run.slices if set(part.by) == {"model"}})


def baseline_note(run: Run, baseline: Run | None) -> str:
    if baseline is None:
        return ""
    here, there = run.dataset.get("sha256"), baseline.dataset.get("sha256")
    return "the baseline was scored on other data" if here and there and here != there else ""


def facts_of(run: Run, baseline: Run | None) -> tuple[Fact, ...]:
    git = run.git or {}
    commit = str(git.get("commit") or "")
    usage = run.usage
    facts = [
        Fact("run", run.run_id, code=True),
        Fact("started", run.started_at),
        Fact("took", numbers.spoken_duration(run.seconds) if run.seconds else ""),
        Fact("suite", _with_hash(run.suite), code=True),
        Fact("data", _with_hash(run.dataset), code=True),
        Fact("commit", commit + (" with uncommitted changes" if commit and git.get("dirty") else ""), code=True),
        Fact("answers", _answers(run.dataset.get("generated") or {}), code=False),
        Fact("baseline", baseline.run_id if baseline else run.baseline or "", code=True),
    ]
    if usage.calls or usage.cached:
        spent = [
            numbers.counted(usage.calls, "call"),
            f"{numbers.count(usage.cached)} from the cache",
            f"{numbers.count(usage.prompt_tokens)} prompt and {numbers.count(usage.completion_tokens)} completion tokens",
        ]
        if usage.cost is not None:
            n = int(run.dataset.get("n") or 0)
            each = f" ({numbers.number(usage.cost / n)} a record)" if n else ""
            spent.append(f"cost {numbers.number(usage.cost)}{each}")
        facts.append(Fact("models", ", ".join(spent)))
    if usage.retries:
        again = [f"{numbers.count(n)} × {_TROUBLE.get(kind, f'HTTP {kind}')}" for kind, n in usage.retries.items()]
        facts.append(Fact("asked again", ", ".join(again)))
    return tuple(Fact(fact.name, one_line(fact.text, 400), fact.code) for fact in facts if fact.text)


def trouble(facts: Iterable[Fact]) -> list[Fact]:
    """What the model calls of a run took, where some had to be made again, and why."""
    told = [fact for fact in facts if fact.name in ("models", "asked again")]
    return told if any(fact.name == "asked again" for fact in told) else []


def _answers(made: Mapping[str, Any]) -> str:
    """Of a run that generated its records' outputs: by what, how many, and what went wrong; "" of any other."""
    if not made:
        return ""
    told = [f"{made.get('variant')}: {numbers.counted(int(made.get('answers') or 0), 'answer')}"]
    if made.get("failed"):
        told.append(f"{numbers.count(int(made['failed']))} failed")
    if made.get("cut"):
        told.append(f"{numbers.count(int(made['cut']))} cut off at {made.get('max_tokens')} tokens")
    return ", ".join(told)


def _with_hash(told: Mapping[str, Any]) -> str:
    parts = [str(told.get("path") or told.get("name") or "")]
    if told.get("sha256"):
        parts.append(f"sha256 {str(told['sha256'])[:16]}")
    return "  ".join(part for part in parts if part)
