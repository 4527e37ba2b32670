"""``evalkit run``: score, gate, report, store."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer


def run(
    suite: Annotated[str, typer.Argument(help="A suite file, or the name of one: my/suite.yaml, quickstart.")],
    limit: Annotated[Optional[int], typer.Option(min=1, help="Score the first N records only.")] = None,
    baseline: Annotated[Optional[str], typer.Option(help="Compare with a run: its id, latest:SUITE or a results.json.")] = None,
    engine: Annotated[str, typer.Option(help="Where the work is done: local; ray comes later.")] = "local",
    set_: Annotated[
        Optional[list[str]],
        typer.Option("--set", metavar="KEY=VALUE", help="Change the suite for this run: seed=7, gates.0.min=0.3. Repeatable."),
    ] = None,
    out: Annotated[Optional[str], typer.Option(help="The folder for this run, instead of one in the store.")] = None,
    store: Annotated[
        Optional[str], typer.Option(help="A folder or database URL for runs; .evalkit in the project otherwise.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start anew instead of going on with an interrupted run.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Ask again, whatever replies are cached.")] = False,
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Measure only what failed in the last equal run.")
    ] = False,
    record: Annotated[
        Optional[Path], typer.Option(help="Write every model reply to a file; comes with the model backends.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print results.json alone on stdout.")] = False,
    html: Annotated[Optional[Path], typer.Option(help="Write the HTML report to this file too.")] = None,
    markdown: Annotated[Optional[Path], typer.Option(help="Write the Markdown report to this file too.")] = None,
) -> None:
    """Score a data set, judge the gates, write reports.

    Goes on where an interrupted run of the same suite over the same data stopped. Exit codes: 0 every gate passed, 1 a gate
    failed or was inconclusive, 2 the suite or its data is wrong, 3 too many records failed, 130 interrupted.
    """
    from evalkit.cli.running import Wanted, run_suite

    wanted = Wanted(
        suite=suite,
        limit=limit,
        baseline=baseline,
        engine=engine,
        overrides=tuple(set_ or ()),
        out=out,
        store=store,
        fresh=fresh,
        no_cache=no_cache,
        retry_errors=retry_errors,
        record=record,
        json=json,
        html=html,
        markdown=markdown,
        command=_again(sys.argv),
    )
    raise typer.Exit(run_suite(wanted))


def _again(argv: list[str]) -> str:
    """The command as it was typed, but for what would throw finished work away."""
    import shlex

    return " ".join(["evalkit", *(shlex.quote(word) for word in argv[1:] if word != "--fresh")])
