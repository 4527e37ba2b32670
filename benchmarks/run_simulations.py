"""Run every family of simulations, and write docs/simulations.md from their results.

A family is a module of `benchmarks/simulations/` (see `_run.py` there). Cases run in processes of their own, one thread each;
a family's results are written when it is done, beside those of the others.
The exit code is 1 where a bar is missed.

    python benchmarks/run_simulations.py [--quick] [--only FAMILY]... [--processes N] [--page] [--out FILE]
"""

from __future__ import annotations

import argparse
import fcntl
import json
import multiprocessing
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from _common import RESULTS, cores, machine
from simulations._run import families, run_case, section, told

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "simulations.md"
FILE = RESULTS / "simulations.json"
INTRODUCTION = """\
# Simulations

Written by `make simulations`; do not edit. Each row draws many data sets whose truth is known, and asks of each
what evalkit would say. A figure is followed by twice its Monte Carlo error; a bar is what this project promises, judged on
the figure as it is, and one that is missed is bold. Figures without a bar only inform: exact tests of few records that differ
are cautious by nature, and no interval is right for few records of a heavy tail.
"""


def main() -> int:
    known = families()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few data sets: does it work?")
    parser.add_argument("--only", action="append", choices=list(known), metavar="FAMILY", help=", ".join(known))
    parser.add_argument("--processes", type=int, default=cores(), help="cases at once")
    parser.add_argument("--page", action="store_true", help="write the page from the results that are there")
    parser.add_argument("--out", type=Path, help="the file of results; benchmarks/results/simulations.json otherwise")
    given = parser.parse_args()
    path: Path | None = given.out or (None if given.quick else FILE)
    if not given.page:
        for name in given.only or known:
            family = run(name, known[name], given.processes, quick=given.quick)
            if path is not None:
                keep(path, name, family)
    if path is None:
        return 0
    whole = json.loads(path.read_text(encoding="utf-8"))
    whole["families"] = {name: whole["families"][name] for name in known if name in whole["families"]}
    if given.out is None:
        PAGE.write_text(page(whole), encoding="utf-8")
        print(f"wrote {PAGE.relative_to(HERE.parent)}")
    lost = missed(whole["families"])
    for line in lost:
        print(f"bar missed: {line}", file=sys.stderr)
    return 1 if lost else 0


def keep(path: Path, name: str, family: Mapping[str, Any]) -> None:
    """A family's results beside those of the others, which may be written at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        before = file.read()
        families = json.loads(before)["families"] if before else {}
        whole = {
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "command": "python benchmarks/run_simulations.py",
            "machine": machine(),
            "versions": {package: version(package) for package in ("numpy", "scipy")},
            "families": families | {name: family},
        }
        file.seek(0)
        file.truncate()
        file.write(json.dumps(whole, indent=1, ensure_ascii=False) + "\n")


def run(name: str, family: Any, processes: int, *, quick: bool) -> dict[str, Any]:
    """One family, its cases side by side."""
    rows, clock = [], time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(max(1, processes)) as pool:
        for wanted in [pool.apply_async(run_case, (name, at, quick)) for at in range(len(list(family.cases())))]:
            row = wanted.get()
            rows.append(row)
            shown = ", ".join(
                f"{key} {one['value']}{' MISSED' if one['met'] is False else ''}" for key, one in row["measures"].items()
            )
            print(f"{name}: {row['case']}: {shown} ({row['seconds']:.1f} s)", flush=True)
    print(f"({time.perf_counter() - clock:.0f} s)", flush=True)
    return told(family, rows)


def missed(results: Mapping[str, Any]) -> list[str]:
    """Where a bar is not held."""
    return [
        f"{family['name']}: {row['case']}: {name} {one['value']} (bar {one['bar']})"
        for family in results.values()
        for row in family["rows"]
        for name, one in row["measures"].items()
        if one["met"] is False
    ]


def page(whole: Mapping[str, Any]) -> str:
    """docs/simulations.md."""
    results, on = whole["families"], whole["machine"]
    judged = [one["met"] for family in results.values() for row in family["rows"] for one in row["measures"].values()]
    barred, lost = sum(met is not None for met in judged), sum(met is False for met in judged)
    seconds = sum(family["seconds"] for family in results.values())
    measured = (
        f"{whole['date']}, {on['processor']}, {on['cores']} cores: {len(judged):,} figures in {seconds:.0f} s of one core"
    )
    lines = [INTRODUCTION, f"{measured}; {barred:,} have a bar, {lost or 'none'} missed it.", ""]
    for family in results.values():
        lines += section(family)
    lines += [
        "## Everything again",
        "",
        "`make simulations` runs all of them and writes this page; figures with more digits are in",
        "`benchmarks/results/simulations.json`. A new family is a module in `benchmarks/simulations/`.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
