"""A run as Prometheus text (exposition format 0.0.4), for a textfile collector or a push gateway."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from evalkit.core.run import Run, Value

OUTCOMES = ("pass", "fail", "inconclusive", "skipped")
Sample = tuple[Mapping[str, str], float]

# name → help; all are gauges: each run replaces the last one's figures.
FAMILIES = {
    "evalkit_metric": "Value of a metric (stat=mean), its interval's bounds (low, high) and standard error (stderr).",
    "evalkit_metric_records": "Records of a metric that were scored, failed with an error, or were skipped.",
    "evalkit_slice_metric": "As evalkit_metric, over the records of one slice; main parts only.",
    "evalkit_gate": "1 for the outcome that a gate had in the newest run, 0 for the others.",
    "evalkit_gate_passed": "1 if the gate lets the run by, else 0.",
    "evalkit_run_timestamp_seconds": "When the newest run started, in seconds since 1970.",
    "evalkit_run_duration_seconds": "How long the newest run took.",
    "evalkit_run_records": "Records in the newest run's data set.",
    "evalkit_run_exit_code": "Exit code of the newest run: 0 passed, 1 a gate failed, 3 incomplete.",
    "evalkit_run_info": "Always 1; the labels say which run the figures are of.",
    "evalkit_usage": "What models took in the newest run: calls, cached, prompt_tokens, completion_tokens, cost.",
}
_LINE_BREAKS = re.compile(r"\r\n?")


def render_prometheus(run: Run) -> str:
    """The run's figures as text; values that do not exist (NaN) are left out."""
    suite = {"suite": str(run.suite.get("name") or "")}
    git = run.git or {}
    mains = set(run.main.values()) or set(run.metrics)
    families: dict[str, list[Sample]] = {
        "evalkit_metric": [
            sample for name, value in run.metrics.items() for sample in _stats({**suite, "metric": name}, value)
        ],
        "evalkit_metric_records": [
            ({**suite, "metric": name, "kind": kind}, float(tally))
            for name, value in run.metrics.items()
            for kind, tally in (("scored", value.n), ("errors", value.errors), ("skipped", value.skipped))
        ],
        "evalkit_slice_metric": [
            sample
            for part in run.slices
            for name, value in part.metrics.items()
            if name in mains
            for sample in _stats(
                {**suite, "metric": name, "by": ",".join(part.by), "slice": ",".join(map(_plain, part.by.values()))},
                value,
            )
        ],
        "evalkit_gate": [],
        "evalkit_gate_passed": [],
        "evalkit_run_timestamp_seconds": [(suite, _seconds(run.started_at))],
        "evalkit_run_duration_seconds": [(suite, run.seconds)],
        "evalkit_run_records": [(suite, float(run.dataset.get("n") or 0))],
        "evalkit_run_exit_code": [(suite, float(run.exit_code))],
        "evalkit_run_info": [
            ({**suite, "run_id": run.run_id, "status": run.status, "commit": str(git.get("commit") or "")}, 1.0)
        ],
        "evalkit_usage": [
            ({**suite, "of": name}, float(amount))
            for name in ("calls", "cached", "prompt_tokens", "completion_tokens", "cost")
            if (amount := getattr(run.usage, name)) is not None
        ],
    }
    for place, gate in enumerate(run.gates, start=1):
        labels = {
            **suite,
            "gate": str(place),
            "metric": gate.metric,
            "rule": gate.rule,
            "title": gate.title or f"{gate.metric} {gate.rule}",
        }
        families["evalkit_gate_passed"].append((labels, float(gate.passed)))
        families["evalkit_gate"] += [({**labels, "outcome": outcome}, float(outcome == gate.outcome)) for outcome in OUTCOMES]
    lines: list[str] = []
    for name, help_text in FAMILIES.items():
        told = [line for labels, value in families[name] if (line := sample(name, labels, value))]
        if told:
            lines += [f"# HELP {name} {help_text}", f"# TYPE {name} gauge", *dict.fromkeys(told)]
    return "\n".join(lines) + "\n"


def label(text: str) -> str:
    """A label's value, escaped: backslash, quote and line break; what UTF-8 cannot hold becomes a question mark."""
    whole = _LINE_BREAKS.sub("\n", text).encode("utf-8", "replace").decode("utf-8")
    return whole.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def sample(name: str, labels: Mapping[str, str], value: float) -> str | None:
    """One series and its value; None where it has none."""
    if math.isnan(value):
        return None
    told = ",".join(f'{key}="{label(text)}"' for key, text in labels.items())
    number = (
        ("+Inf" if value > 0 else "-Inf") if math.isinf(value) else repr(int(value)) if value == int(value) else repr(value)
    )
    return f"{name}{{{told}}} {number}"


def _stats(labels: Mapping[str, str], value: Value) -> Iterable[Sample]:
    low, high = value.ci if value.ci else (math.nan, math.nan)
    for stat, amount in (("mean", value.mean), ("low", low), ("high", high), ("stderr", value.stderr)):
        yield {**labels, "stat": stat}, amount


def _plain(value: object) -> str:
    return "" if value is None else str(value)


def _seconds(moment: str) -> float:
    """An ISO 8601 moment, UTC where it names no zone, in seconds since 1970; NaN where it is none."""
    try:
        told = datetime.fromisoformat(moment)
    except ValueError:
        return math.nan
    return (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp()
