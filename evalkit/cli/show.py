"""``evalkit show``: one metric, suite or run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer


def show(
    name: Annotated[
        str, typer.Argument(help="A metric, a suite, a backend, or a run: its id, latest, latest:SUITE, a results.json.")
    ],
    store: Annotated[Optional[str], typer.Option(help="The store in which runs are looked up.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON, alone on stdout.")] = False,
    html: Annotated[Optional[Path], typer.Option(help="Of a run: write the HTML report to this file.")] = None,
    markdown: Annotated[Optional[Path], typer.Option(help="Of a run: write the Markdown report to this file.")] = None,
) -> None:
    """Show a metric, a backend, a suite or a run.

    Of a metric or a backend its options, of a suite its text, of a run its results, prompts, signatures and fingerprints.
    """
    from evalkit.cli.showing import show_anything

    raise typer.Exit(show_anything(name, store, as_json=json, html=html, markdown=markdown))
