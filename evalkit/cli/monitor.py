"""``evalkit monitor``: windows of logs against a reference, once or on a schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Watch production logs: each window once, alarms to a budget."
)

File = Annotated[Path, typer.Argument(help="The monitor: a YAML file.")]
Store = Annotated[Optional[str], typer.Option(help="The store that remembers what was seen: a folder or a database URL.")]
Now = Annotated[Optional[str], typer.Option(metavar="TIME", help="Take this for the present: 2026-09-28T00:00Z.")]


@app.command("run")
def run(
    file: File,
    store: Store = None,
    now: Now = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what was seen, and learn the reference anew.")] = False,
    no_alerts: Annotated[
        bool, typer.Option("--no-alerts", help="Keep alerts for the next run instead of sending them.")
    ] = False,
    fail_on_drift: Annotated[bool, typer.Option("--fail-on-drift", help="Exit with 1 while an incident is open.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print what was seen as JSON, alone on stdout.")] = False,
    html: Annotated[Optional[Path], typer.Option(help="Write the page to this file too.")] = None,
    markdown: Annotated[Optional[Path], typer.Option(help="Write Markdown to this file.")] = None,
) -> None:
    """Process every window that is due since the last one, each exactly once; open and close incidents; send alerts."""
    from evalkit.cli.monitoring import Wanted, run_and_tell

    raise typer.Exit(run_and_tell(Wanted(file, store, now, fresh, not no_alerts, fail_on_drift, json, html, markdown)))


@app.command("watch")
def watch(
    file: File,
    store: Store = None,
    every: Annotated[Optional[str], typer.Option(help="How often to look: 5m; without it, the window's width.")] = None,
    cron: Annotated[Optional[str], typer.Option(help='When to look, as cron has it, in UTC: "10 * * * *".')] = None,
    metrics: Annotated[
        Optional[str], typer.Option(metavar="HOST:PORT", help="Serve /metrics for Prometheus, and /healthz.")
    ] = None,
) -> None:
    """Do what `run` does on a schedule, in one process, until it is stopped."""
    from evalkit.cli.monitoring import watch_and_tell

    raise typer.Exit(watch_and_tell(file, store, every, cron, metrics))
