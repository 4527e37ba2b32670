"""``evalkit drift``: have inputs or outputs changed, beyond chance and enough to matter?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer


def drift(
    current: Annotated[str, typer.Argument(help="Logs: a file, a pattern, a folder (Parquet, JSONL, CSV), or sql:QUERY.")],
    reference: Annotated[
        Optional[str], typer.Option(help="What they are held against: logs, a saved .profile, or a suite.")
    ] = None,
    config: Annotated[Optional[Path], typer.Option(help="YAML: level, signals, slices, off, fields, metrics.")] = None,
    slice_: Annotated[
        Optional[list[str]], typer.Option("--slice", metavar="COLUMN", help="Look at each value of this column. Repeatable.")
    ] = None,
    save: Annotated[
        Optional[Path], typer.Option("--save-profile", help="Save CURRENT as a reference for later: NAME.profile.")
    ] = None,
    fail_on_drift: Annotated[bool, typer.Option("--fail-on-drift", help="Exit with 1 where anything has drifted.")] = False,
    memory: Annotated[Optional[str], typer.Option(help="What reading may hold in memory: 2GB.")] = None,
    threads: Annotated[Optional[int], typer.Option(min=1, help="Processor cores to use; all without it.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON, alone on stdout.")] = False,
    html: Annotated[Optional[Path], typer.Option(help="Write a page with plots to this file.")] = None,
    markdown: Annotated[Optional[Path], typer.Option(help="Write Markdown to this file.")] = None,
) -> None:
    """Compare logs with a reference, signal by signal: what drifted, by how much, in which slice.

    A signal has drifted where chance does not explain the difference and the difference is large enough to matter.
    """
    from evalkit.cli.drifting import Wanted, drift_and_tell

    wanted = Wanted(current, reference, config, tuple(slice_ or ()), save, fail_on_drift, memory, threads, json, html, markdown)
    raise typer.Exit(drift_and_tell(wanted))
