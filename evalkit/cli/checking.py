"""What `evalkit check` does once its arguments are read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from evalkit.cli.running import shown_path
from evalkit.core.workers import Workers
from evalkit.runner.baseline import baselines
from evalkit.runner.data import limited, open_data
from evalkit.runner.data_variants import open_variants, unlike
from evalkit.runner.generate_check import check_generation
from evalkit.runner.opponent import outputs_named
from evalkit.runner.stores import open_catalog, spool_of
from evalkit.specs.load import load_suite
from evalkit.specs.override import split_overrides

if TYPE_CHECKING:
    from evalkit.records.dataset import DataSet
    from evalkit.records.faults import Fault
    from evalkit.specs.suite import Suite


def _faults(suite: Suite, sides: Sequence[DataSet]) -> list[Fault]:
    """What is odd about the data; what is so of some variants only says of which."""
    from evalkit.records.faults import faults

    each = [faults(side, slices=suite.slices) for side in sides]
    every = [fault for fault in each[0] if all(fault in own for own in each)]
    names = [f"{name}: " for name in suite.of] if suite.variants else [""]
    alone = [(name, fault) for name, own in zip(names, each) for fault in own if fault not in every]
    return [*every, *(replace(fault, message=name + fault.message) for name, fault in alone)]


def check_suite(name: str, overrides: tuple[str, ...], limit: int | None, store: str | None, *, as_json: bool) -> int:
    """Validate a suite and its data, print the data's own faults, and score nothing; problems are raised."""
    from evalkit.reports.console import make_console, say
    from evalkit.reports.safe import one_line
    from evalkit.reports.terminal import print_header

    suite = limited(load_suite(name, overrides=split_overrides(overrides)), limit)
    with Workers() as workers:
        spool = spool_of(suite, store)
        sides = open_variants(suite, spool, workers) if suite.variants else [open_data(suite, spool, workers=workers)]
    data = sides[0]
    for spec in suite.metrics:
        spec.metric.for_columns(data.filled)  # raises what a run would
    remarks = check_generation(suite, data)
    if any(gate.rule == "no_worse_than" for gate in suite.gates):
        baselines(suite, None, open_catalog(suite, store))
    outputs_named(suite, store)
    found = _faults(suite, sides)
    if as_json:
        import msgspec

        told = {"suite": suite.name, "records": data.n, "ok": True, "faults": [asdict(fault) for fault in found]}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n")
        return 0
    console = make_console()
    print_header(suite.name, data.n, shown_path(suite), console)
    say(console, (f"metrics   {', '.join(spec.label for spec in suite.metrics)}", ""))
    early = sum(gate.sequential for gate in suite.gates)
    say(console, (f"gates     {len(suite.gates)}" + (f", {early} of which may stop early" if early else ""), ""))
    if suite.generate is not None:
        calls = data.n * suite.generate.draws * len(suite.generate.variants)
        names = ", ".join(variant.name for variant in suite.generate.variants)
        say(console, (f"generate  {one_line(names)}: {calls:,} calls at most", ""))
    if suite.variants:
        names = ", ".join(variant.name for variant in suite.variants)
        say(console, (f"variants  {one_line(names)}: each compared with {one_line(suite.variants[0].name)}", ""))
        remarks = [*remarks, *unlike(suite, sides)]
    for remark in remarks:
        say(console, (f"  {one_line(remark)}", ""))
    if found:
        say(console, ("\nthe data", ""))
        for fault in found:
            say(console, (f"  {one_line(fault.message)}", ""))
    say(console, ("\nready to run" + (": what is said of the data stops nothing" if found else ""), ""))
    return 0
