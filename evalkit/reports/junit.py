"""A run as JUnit XML: one suite, one test case per gate, for every CI system that reads it."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

from evalkit.core.signature import VERSION
from evalkit.reports import numbers
from evalkit.reports.safe import xml_safe
from evalkit.reports.summary import GateRow, Summary

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


def render_junit(summary: Summary) -> str:
    """The XML text.

    A failed gate is a failure; an inconclusive one too, unless the suite lets it by (then it passes and says so); a
    skipped one is skipped. A run without gates has one case, that it was scored; an incomplete run has an error.
    Values, counts and identities are properties.
    """
    run = summary.run
    cases = [_case(gate, summary) for gate in summary.gates]
    if run.status == "incomplete" or not cases:
        cases.append(_whole(summary))
    failures = sum(case.find("failure") is not None for case in cases)
    errors = sum(case.find("error") is not None for case in cases)
    skipped = sum(case.find("skipped") is not None for case in cases)
    totals = {"tests": str(len(cases)), "failures": str(failures), "errors": str(errors), "time": f"{run.seconds:.3f}"}
    root = ET.Element("testsuites", {"name": "evalkit", **totals})
    suite = ET.SubElement(root, "testsuite", {"name": _clean(summary.name), **totals, "skipped": str(skipped)})
    moment = _TIMESTAMP.match(run.started_at)
    if moment:
        suite.set("timestamp", moment.group())  # the schema wants no zone; ours is UTC
    suite.set("hostname", "localhost")
    _properties(suite, summary)
    suite.extend(cases)
    ET.SubElement(suite, "system-out").text = _clean(_told(summary))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(gate: GateRow, summary: Summary) -> ET.Element:
    case = ET.Element("testcase", {"name": _clean(gate.title), "classname": _clean(f"evalkit.{summary.name}"), "time": "0"})
    if gate.outcome == "skipped":
        ET.SubElement(case, "skipped", {"message": _clean(gate.reason)})
    elif gate.passed:
        ET.SubElement(case, "system-out").text = _clean(
            f"inconclusive, let by: {gate.reason}" if gate.outcome == "inconclusive" else gate.reason
        )
    else:
        failure = ET.SubElement(case, "failure", {"message": _clean(gate.reason), "type": gate.outcome})
        lines = [f"{gate.title}: {gate.outcome}", gate.reason]
        if gate.records:
            lines.append("records: " + ", ".join(gate.records[:100]))
            if len(gate.records) > 100:
                lines.append(f"and {numbers.count(len(gate.records) - 100)} more")
        failure.text = _clean("\n".join(lines))
    return case


def _whole(summary: Summary) -> ET.Element:
    case = ET.Element("testcase", {"name": "scored", "classname": _clean(f"evalkit.{summary.name}"), "time": "0"})
    if summary.run.status == "incomplete":
        ET.SubElement(case, "error", {"message": _clean(summary.verdict), "type": "incomplete"}).text = _clean(
            summary.exit_text
        )
    elif summary.run.status == "failed":
        ET.SubElement(case, "failure", {"message": _clean(summary.verdict), "type": "fail"}).text = _clean(summary.exit_text)
    else:
        ET.SubElement(case, "system-out").text = _clean(summary.subtitle)
    return case


def _properties(suite: ET.Element, summary: Summary) -> None:
    run = summary.run
    told: list[tuple[str, str]] = [
        ("evalkit", VERSION),
        ("run_id", run.run_id),
        ("status", run.status),
        ("exit_code", str(summary.exit_code)),
        ("records", str(run.dataset.get("n") or 0)),
        ("dataset.sha256", str(run.dataset.get("sha256") or "")),
        ("suite.sha256", str(run.suite.get("sha256") or "")),
        ("git.commit", str((run.git or {}).get("commit") or "")),
    ]
    for row in summary.metrics:
        for stat, value in (("", row.value.mean), (".low", row.low), (".high", row.high)):
            if math.isfinite(value):
                told.append((row.name + stat, repr(float(value))))
        told += [(f"{row.name}.n", str(row.value.n)), (f"{row.name}.errors", str(row.value.errors))]
    holder = ET.SubElement(suite, "properties")
    for name, text in told:
        if text:
            ET.SubElement(holder, "property", {"name": _clean(name), "value": _clean(text)})


def _told(summary: Summary) -> str:
    lines = [summary.headline, summary.subtitle, ""]
    lines += [
        f"{row.name}  {row.text}{f'  {row.interval_text}' if row.interval_text else ''}  n {row.n_text}"
        for row in summary.metrics
    ]
    return "\n".join([*lines, "", summary.exit_text])


def _clean(text: str) -> str:
    return xml_safe(text)
