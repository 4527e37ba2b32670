"""What `evalkit check` does once its arguments are read."""

from __future__ import annotations

import sys
from dataclasses import asdict

from evalkit.cli.running import shown_path
from evalkit.core.workers import Workers
from evalkit.runner.baseline import baselines
from evalkit.runner.data import limited, open_data
from evalkit.runner.generate_check import check_generation
from evalkit.runner.opponent import outputs_named
from evalkit.runner.stores import open_catalog, spool_of
from evalkit.specs.load import load_suite
from evalkit.specs.override import split_overrides


def check_suite(name: str, overrides: tuple[str, ...], limit: int | None, store: str | None, *, as_json: bool) -> int:
    """Validate a suite and its data, print the data's own faults, and score nothing; problems are raised."""
    from evalkit.records.faults import faults
    from evalkit.reports.console import make_console, say
    from evalkit.reports.safe import one_line
    from evalkit.reports.terminal import print_header

    suite = limited(load_suite(name, overrides=split_overrides(overrides)), limit)
    with Workers() as workers:
        data = open_data(suite, spool_of(suite, store), workers=workers)
    remarks = check_generation(suite, data)
    if any(gate.rule == "no_worse_than" for gate in suite.gates):
        baselines(suite, None, open_catalog(suite, store))
    outputs_named(suite, store)
    found = faults(data, slices=suite.slices)
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
    for remark in remarks:
        say(console, (f"  {one_line(remark)}", ""))
    if found:
        say(console, ("\nthe data", ""))
        for fault in found:
            say(console, (f"  {one_line(fault.message)}", ""))
    say(console, ("\nready to run" + (": what is said of the data stops nothing" if found else ""), ""))
    return 0
