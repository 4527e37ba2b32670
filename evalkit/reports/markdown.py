"""A run as Markdown fit for a pull-request comment: the verdict first, everything bounded, every user's text inert."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from evalkit.reports import numbers
from evalkit.reports.corrected import corrected_line, corrections
from evalkit.reports.records import Case, CaseGroup
from evalkit.reports.safe import one_line, shortened
from evalkit.reports.spending import Spending
from evalkit.reports.summary import GateRow, MetricRow, SliceGroup, Summary
from evalkit.reports.words import trouble

LIMIT = 60_000  # GitHub refuses comments beyond 65,536 characters
BREAK = "&#8203;"  # a zero-width space: keeps @name, #12 and addresses from becoming mentions and links
_SPECIAL = re.compile(r"[\\`*_{}\[\]()<>~|!$&]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "`": "&#96;"}
_LINKED = re.compile(r"(?<=@)(?=\w)|(?<=#)(?=\d)|(?<=:)(?=//)|(?<=\bwww)(?=\.)|(?<=\bGH)(?=-\d)", re.IGNORECASE)
_ADDRESS = re.compile(r"(?<=\w)(?=@)")
_HASH = re.compile(r"\b([0-9a-f]{6})(?=[0-9a-f]{1,34}\b)", re.IGNORECASE)  # what GitHub would take for a commit
_PLAIN = re.compile(r"[\w .:,;%/=+\-–−≥≤×()]+\Z")
OUTCOMES = {"pass": "pass", "fail": "**fail**", "inconclusive": "*inconclusive*", "skipped": "skipped"}


def render_markdown(summary: Summary, *, report: str | None = None, limit: int = LIMIT) -> str:
    """The comment, shorter than ``limit`` characters; what does not fit is left out from the end, and it says so.

    Args:
        report: where the whole report is, to be named in the last line.
    """
    head = f"**evalkit: {escape(summary.name)} {escape(summary.verdict)}**\n\n{escape(summary.subtitle)}"
    last = _last(summary, report)
    sections = [
        _gates(summary.gates),
        *_metrics(summary),
        "\n".join(f"- {code(one.name)}: {escape(corrected_line(one), 400)}" for one in corrections(summary.run)),
        *(_lost(group, 10) for group in summary.cases("lost") if group.binary),
        _falls([group for group in summary.cases("lost") if not group.binary]),
        *(_slices(group, summary) for group in summary.slices),
        _spending(summary.spending),
    ]
    kept, size, left_out = [head], len(head) + len(last) + 200, 0
    for section in filter(None, sections):
        if size + len(section) + 2 > limit:
            left_out += 1
            continue
        kept.append(section)
        size += len(section) + 2
    if left_out:
        kept.append(f"*{numbers.counted(left_out, 'section')} left out for length; the HTML report has everything.*")
    return "\n\n".join([*kept, last]) + "\n"


def escape(text: str, limit: int | None = None) -> str:
    """A user's text as one line of literal Markdown, safe in a table's cell.

    No emphasis, code, link, image, HTML, formula, mention, issue or commit reference survives.
    """
    line = one_line(text, limit)
    held = _HASH.sub("\\1\0", _ADDRESS.sub("\0", _LINKED.sub("\0", line)))  # NUL cannot be in a visible line
    held = _SPECIAL.sub(lambda match: _ENTITIES.get(match.group(), "\\" + match.group()), held)
    held = re.sub(r"^(\s*)([#+\-=]|\d+(?=[.)]))", r"\1&#8203;\2", held)
    return held.replace("\0", BREAK)


def code(text: str) -> str:
    """A name as code where that is safe, else as literal text."""
    line = one_line(text, 120)
    return f"`{line}`" if line and _PLAIN.match(line) else escape(line)


def _gates(gates: Sequence[GateRow]) -> str:
    if not gates:
        return ""
    rows = []
    shown = sorted(gates, key=lambda gate: {"fail": 0, "inconclusive": 1, "skipped": 2, "pass": 3}[gate.outcome])
    for gate in shown[:60]:
        reason = gate.reason + (" (let by)" if gate.outcome == "inconclusive" and gate.passed else "")
        rows.append((OUTCOMES[gate.outcome], escape(gate.title, 160), escape(reason, 240)))
    more = f"\n\nand {numbers.counted(len(shown) - 60, 'more gate')}" if len(shown) > 60 else ""
    return table(("gate", "rule", "why"), rows) + more


def _metrics(summary: Summary) -> list[str]:
    """The main parts in the open, the rest folded away."""
    if not summary.metrics:
        return ["No metric was scored."]
    mains = [row for row in summary.metrics if row.main]
    parts = [row for row in summary.metrics if not row.main]
    found = [_metric_table(mains or parts, summary)]
    if summary.baseline:
        note = f"; {summary.baseline_note}" if summary.baseline_note else ""
        found[0] += f"\n\nDifferences are to {code(summary.baseline)}{note}."
    if mains and parts:
        found.append(_folded(f"{numbers.counted(len(parts), 'further part')}", _metric_table(parts, summary)))
    return found


def _metric_table(rows: Iterable[MetricRow], summary: Summary) -> str:
    compared = summary.compared
    heads = ["metric", "value", f"{summary.confidence} interval".strip()]
    heads += ["vs baseline", "and its interval"] if compared else []
    heads += ["n", "errors"]
    cells = []
    for row in list(rows)[:200]:
        cell = [code(row.name) + (" ↓" if row.value.higher_is_better is False else ""), row.text, _held(row.interval_text)]
        if compared:
            cell += _change(row)
        cells.append((*cell, row.n_text, row.errors_text))
    right = {"value", "vs baseline", "n", "errors"}
    arrows = "\n\n↓ lower is better" if any(cell[0].endswith("↓") for cell in cells) else ""
    return table(heads, cells, right) + arrows


def _spending(told: Spending | None) -> str:
    """What the models took, folded away."""
    if told is None:
        return ""
    rows = [(code(row.name), *row.cells[1:]) for row in told.rows[:60]]
    title = "what the models took" + (f": {told.rows[-1].per_record} a record" if told.priced else "")
    return _folded(title, f"{table(told.heads, rows, set(told.heads[1:]))}\n\n{told.note}")


def _change(row: MetricRow) -> list[str]:
    """The difference, and its interval with a word where it is more than noise."""
    found = row.change
    if found is None:
        return ["", ""]
    clear = found.direction in ("better", "worse", "changed")
    told = [f"**{found.words}**"] if clear else []
    told += [_held(found.interval_text)] if found.interval_text else [] if clear else [found.words]
    told += [] if found.comparable else ["measured otherwise"]
    return [found.text, ", ".join(told)]


def _held(interval: str) -> str:
    """An interval that a narrow column does not break."""
    return interval.replace(" ", "\u00a0")


def _falls(groups: Sequence[CaseGroup]) -> str:
    """The largest falls of graded scores, folded away: most of them are noise."""
    if not groups:
        return ""
    return _folded("largest falls of graded scores", "\n\n".join(_lost(group, 3) for group in groups[:20]))


def _lost(group: CaseGroup, most: int) -> str:
    rows = [_case(case) for case in group.cases[:most]]
    note = f"{code(group.metric)}: {group.note}"
    if group.lost > most:
        note += f"; the worst {most}"
    return note + "\n\n" + table(("record", "was", "is", "input", "output"), rows, {"was", "is"})


def _case(case: Case) -> tuple[str, ...]:
    return (
        code(shortened(case.id, 60)),
        case.before,
        case.score,
        escape(case.text("input"), 120),
        escape(case.text("output"), 160),
    )


def _slices(group: SliceGroup, summary: Summary) -> str:
    names = [row.name for row in summary.metrics if row.main][:30]
    shown = group.rows[:8]
    heads = ["metric", "all", *(f"{escape(part.name, 40)} ({part.n_text})" for part in shown)]
    rows = [
        (code(name), summary_row.text, *(part.metrics[name].text if name in part.metrics else "" for part in shown))
        for name in names
        for summary_row in summary.metrics
        if summary_row.name == name
    ]
    hidden = len(group.rows) - len(shown) + group.left_out
    more = f"\n\nand {numbers.counted(hidden, 'more value')}" if hidden else ""
    return _folded(f"by {escape(group.by)}", table(heads, rows, set(heads[1:])) + more)


def _last(summary: Summary, report: str | None) -> str:
    commit = str((summary.run.git or {}).get("commit") or "")
    told = [f"run {code(summary.run.run_id)}"]
    if commit:
        told.append(f"commit {code(commit[:12])}")
    if report:
        told.append(f"report {code(report)}")
    told += [f"{fact.name} {escape(fact.text)}" for fact in trouble(summary.facts)]
    return f"<sub>{' · '.join(told)} · {escape(summary.exit_text)}</sub>"


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], right: set[str] | None = None) -> str:
    """A table; the columns whose heads are in ``right`` are aligned to the right."""
    rule = ["--:" if head in (right or set()) else ":--" for head in heads]
    lines = [heads, rule, *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
