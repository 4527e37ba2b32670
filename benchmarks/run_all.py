"""Run every benchmark, one process at a time, and write docs/performance.md from their results.

`--quick` runs all of them on little data, writes nothing and shows no table: its figures mean nothing. `--only NAME` runs
some of them; the page is then written from the new results and the older ones of the others. `--page` runs none. The exit
code is 1 where a benchmark fails or a bar is missed.

    python benchmarks/run_all.py [--quick] [--only NAME]... [--page]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from _common import RESULTS, shown

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "performance.md"
# In the order of the table.
NAMES = (
    "rouge", "bleu", "chrf", "ter", "meteor", "levenshtein", "retrieval", "bootstrap", "permutation", "compare", "reading",
    "runner", "million", "judges", "ab", "mmd", "text", "pii", "drift", "drift_text", "qags", "start",
)  # fmt: skip
INTRODUCTION = """\
# Performance

Written by `make bench`; do not edit. CPU is user and system time of one side in a process of its own, on one thread, after
its imports and a warm-up of a few pairs unless a row says otherwise; sides take turns, and the run of median CPU counts.
A ratio is the peer's figure over evalkit's. Both sides get the same inputs, and a script that finds their results unequal
fails before it writes a figure. A bar is what this project promises to reach; a row without one only informs.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="little data: do all of them work?")
    parser.add_argument("--only", action="append", choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--page", action="store_true", help="write the page from the results that are there")
    given = parser.parse_args()
    failed = [] if given.page else run(given.only or NAMES, quick=given.quick)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    if given.quick:
        return 1 if failed else 0
    results = load(RESULTS)
    PAGE.write_text(page(results, simulated(RESULTS)), encoding="utf-8")
    missed = [f"{told['name']}: {row['work']}" for told in results for row in told["rows"] if row["met"] is False]
    print(f"wrote {PAGE.relative_to(HERE.parent)}")
    for row in missed:
        print(f"bar missed: {row}", file=sys.stderr)
    return 1 if failed or missed else 0


def run(names: Iterable[str], *, quick: bool) -> list[str]:
    """Run the benchmarks one after the other; the names of those that failed."""
    failed = []
    for name in names:
        print(f"--- {name}", flush=True)
        clock = time.perf_counter()
        done = subprocess.run([sys.executable, str(HERE / f"bench_{name}.py"), *(["--quick"] if quick else [])], check=False)
        print(f"({time.perf_counter() - clock:.0f} s)", flush=True)
        if done.returncode:
            failed.append(name)
    return failed


def load(folder: Path) -> list[dict[str, Any]]:
    """The results in a folder, in the order of the table."""
    paths = [folder / f"{name}.json" for name in NAMES]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]


def simulated(folder: Path) -> Mapping[str, Any]:
    """The families of simulations that have been run, by name."""
    path = folder / "simulations.json"
    families: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))["families"] if path.is_file() else {}
    return families


def page(results: Sequence[Mapping[str, Any]], families: Mapping[str, Any] | None = None) -> str:
    """docs/performance.md."""
    return "\n".join(
        [
            INTRODUCTION,
            *_machines(results),
            "",
            *_table(results),
            "",
            *_alarms(families or {}),
            *_consistency(results),
            *_notes(results),
        ]
    )


def _machines(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """When and where it was measured: one machine as a rule, more after `--only` on another one."""
    lines: dict[str, list[str]] = {}
    for told in results:
        machine = told["machine"]
        line = (
            f"{told['date']}, {machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
            f"{machine['system']}, {machine['python']}"
        )
        lines.setdefault(line, []).append(told["name"])
    versions: dict[str, set[str]] = {}
    for told in results:
        for package, version in told["versions"].items():
            versions.setdefault(package, set()).add(version)
    where = [f"Measured: {line}" + (f" ({', '.join(names)})." if len(lines) > 1 else ".") for line, names in lines.items()]
    packages = ", ".join(f"{package} {'/'.join(sorted(told))}" for package, told in sorted(versions.items()))
    return [*where, "", f"Packages: {packages}."]


def _table(results: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [
        "| work | peer | peer takes | evalkit takes | ratio | bar |",
        "| --- | --- | ---: | ---: | ---: | --- |",
    ]
    for told in results:
        for row in told["rows"] if told["name"] != "qags" else ():  # `_consistency` has those
            ratio, peer = row["ratio"], row["peer"] or ""
            name, comma, how = peer.partition(",")
            named = f"{name} {row['version']}{comma}{how}" if row["version"] else peer
            bar = f"{row['bar']}{' **missed**' if row['met'] is False else ''}" if row["bar"] else ""
            cells = (
                row["work"], named, shown(row["peer_value"], row["unit"]) if peer else "", shown(row["evalkit"], row["unit"]),
                f"{shown(ratio, '').strip()}×" if ratio is not None else "", bar,
            )  # fmt: skip
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return lines


def _alarms(families: Mapping[str, Any]) -> list[str]:
    """What a monitor's alarms are worth, from the simulations: its own, and the same service under Evidently's rules."""
    if not {"drift_alarms", "drift_alarms_evidently"} <= families.keys():
        return []
    rows, theirs = (
        {row["case"]: row["measures"] for row in families[name]["rows"]} for name in ("drift_alarms", "drift_alarms_evidently")
    )
    lines = [
        "## False alarms",
        "",
        "A simulated service of 40 tracks, hour by hour for a year, with the seasons of the day and the week, noise that lasts and",
        "three times the volume at the end. How it is drawn, and all figures with their Monte Carlo errors:",
        "[simulations](simulations.md). Alarms a month while nothing drifts, beside the number that the monitor was told to keep to:",
        "",
        "| case | told | alarms a month |",
        "| --- | ---: | ---: |",
    ]
    for case, measures in rows.items():
        for name, one in measures.items():
            if name.startswith("alarms a month, "):
                lines.append(f"| {case} | {name.split()[3]} | {one['value']:.2f} |")
    for case, measures in theirs.items():
        if "at once" in case:
            against = case.rsplit(", ", 1)[0]
            lines.append(
                f"| Evidently's default rules on 4 columns, {against} |  | {measures['alarms a month']['value']:.0f} |"
            )
    lines += [
        "",
        "Four drifts, each from a random day on, and how they are found:",
        "",
        "| drift | found | delay | Evidently's windows flagged before and after |",
        "| --- | ---: | ---: | ---: |",
    ]
    columns = {"refusals +5 points": "refusals", "length +15 %": "lengths", "new topic 5 %": "topics", "judge −0.2 sd": "judge"}
    for how in ("all at once", "over 2 weeks"):
        ours, flagged = rows[f"four drifts, {how}"], theirs[f"whole reference, drifts {how}"]
        for kind, column in columns.items():
            share = " and ".join(f"{100.0 * flagged[f'{column}: {when}']['value']:.0f} %" for when in ("before", "after"))
            delay = f"{ours[f'{kind}: delay']['value']:.0f} h"
            lines.append(f"| {kind}, {how} | {100.0 * ours[f'{kind}: found']['value']:.0f} % | {delay} | {share} |")
    return [*lines, ""]


def _consistency(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """How well scores tell summaries that keep to their source, as people judged them: a table for each data set."""
    rows = [row for told in results if told["name"] == "qags" for row in told["rows"]]
    if not rows:
        return []
    lines = [
        "## Do summaries keep to their source?",
        "",
        "AUROC and balanced accuracy of telling consistent summaries from others (0.5 is chance), and correlations with people's",
        "share of consistent sentences; 95% intervals in brackets. Threshold, data and caveats: `qags` below.",
        "",
    ]
    for inputs in dict.fromkeys(row["inputs"] for row in rows):
        lines += [f"**{inputs}**", ""]
        lines += [
            "| score | n | AUROC | balanced accuracy | Pearson | Spearman | Kendall |",
            "| --- | ---: | --- | --- | ---: | ---: | ---: |",
        ]
        of = [row for row in rows if row["inputs"] == inputs]
        for row in of:
            two = (f"{value:.3f} ({low:.3f}–{high:.3f})" for value, low, high in (row["auroc"], row["balanced_accuracy"]))
            three = (f"{row[name][0]:.3f}" for name in ("pearson", "spearman", "kendall_b"))
            lines.append("| " + " | ".join([row["method"], f"{row['n']:,}", *two, *three]) + " |")
        entities = [row for row in of if row["method"].startswith("unsupported_entities")]
        doubted = [
            f"{row['rightly']} of {row['doubted']}" + (" on the unseen half" if "unseen" in row["method"] else "")
            for row in entities
        ]
        lines += [
            "",
            f"Of the summaries in which `unsupported_entities` finds any, people too found fault with {', '.join(doubted)}.",
            "",
        ]
    return lines


def _notes(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """How each was measured, what is equal, and how to repeat it."""
    lines = ["## How each was measured", ""]
    for told in results:
        inputs = "; ".join(dict.fromkeys(row["inputs"] for row in told["rows"]))
        equal = "; ".join(dict.fromkeys(row["equal"] for row in told["rows"] if row["equal"]))
        lines += [
            f"**{told['name']}**: {told['about']} {told['how']}".strip(),
            f"Inputs: {inputs}." + (f" Equal on both sides: {equal}." if equal else ""),
            f"Repeat: `{told['command']}` ({told['seconds']:.0f} s).",
            "",
        ]
    lines += [
        "## Everything again",
        "",
        "`make bench` runs all of them one at a time and writes this page; `python benchmarks/run_all.py --only NAME` runs one, and",
        "`--quick` only sees that they work. Texts come from the project's own passages and answers by seeded edits, so that",
        "every run works on the same. The raw figures are in `benchmarks/results/`.",
        "",
    ]
    return lines


if __name__ == "__main__":
    sys.exit(main())
