"""``evalkit list``: what there is, by kind."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

KINDS = ("metrics", "judges", "rubrics", "suites", "backends", "runs")


def list_(
    kind: Annotated[Optional[str], typer.Argument(help="metrics, judges, rubrics, suites, backends or runs.")] = None,
    store: Annotated[Optional[str], typer.Option(help="The store whose runs are listed.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the list as JSON, alone on stdout.")] = False,
) -> None:
    """List metrics, judges, rubrics, suites, backends, runs."""
    from evalkit.cli.catalogue import print_list

    raise typer.Exit(print_list(kind, store, as_json=json))
