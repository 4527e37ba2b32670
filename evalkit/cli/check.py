"""``evalkit check``: everything that can be known before anything is scored or paid for."""

from __future__ import annotations

from typing import Annotated, Optional

import typer


def check(
    suite: Annotated[str, typer.Argument(help="A suite file, or the name of one.")],
    set_: Annotated[
        Optional[list[str]], typer.Option("--set", metavar="KEY=VALUE", help="Change the suite first: seed=7. Repeatable.")
    ] = None,
    limit: Annotated[Optional[int], typer.Option(min=1, help="Look at the first N records only.")] = None,
    store: Annotated[Optional[str], typer.Option(help="The store in which baselines are looked up.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON, alone on stdout.")] = False,
) -> None:
    """Check a suite and its data, and score nothing.

    Names everything that is wrong at once, then what is odd about the data: near-duplicates, empty references, lopsided slices.
    """
    from evalkit.cli.checking import check_suite

    raise typer.Exit(check_suite(suite, tuple(set_ or ()), limit, store, as_json=json))
