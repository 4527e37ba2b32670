"""``evalkit compare``: runs against a baseline, record by record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer


def compare(
    runs: Annotated[
        list[str], typer.Argument(help="Two runs or more, the baseline first: ids, latest:SUITE, results.json files.")
    ],
    margin: Annotated[
        Optional[list[str]],
        typer.Option(metavar="METRIC=X", help="A difference up to X does not matter: rouge.rougeL=0.02. Repeatable."),
    ] = None,
    metric: Annotated[Optional[list[str]], typer.Option(help="Compare this metric only. Repeatable.")] = None,
    slice_: Annotated[
        Optional[list[str]], typer.Option("--slice", metavar="COLUMN", help="Slice by this column only. Repeatable.")
    ] = None,
    test: Annotated[str, typer.Option(help="auto (McNemar for 0/1, else permutation), wilcoxon, t or bootstrap.")] = "auto",
    adjust: Annotated[str, typer.Option(help="How p values are adjusted for many tests: holm, bh or none.")] = "holm",
    confidence: Annotated[float, typer.Option(help="The level of the intervals.")] = 0.95,
    resamples: Annotated[int, typer.Option(help="Of the bootstrap and the permutations.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same digits.")] = 0,
    changed: Annotated[int, typer.Option(min=0, help="How many of the records that changed most are listed.")] = 5,
    fail_on_worse: Annotated[bool, typer.Option("--fail-on-worse", help="Exit with 1 where any value is worse.")] = False,
    store: Annotated[Optional[str], typer.Option(help="The store in which runs are looked up.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON, alone on stdout.")] = False,
    html: Annotated[Optional[Path], typer.Option(help="Write a page with plots to this file.")] = None,
    markdown: Annotated[Optional[Path], typer.Option(help="Write tables for a pull request to this file.")] = None,
) -> None:
    """Compare runs with a baseline: is it better, worse, or noise?

    Records are paired by their ids. Every value gets the test that suits it, an interval, a p value adjusted for the number
    of tests, and a verdict: better, worse, equivalent (within a margin) or inconclusive.
    """
    from evalkit.cli.comparing import Wanted, compare_and_tell

    raise typer.Exit(
        compare_and_tell(
            Wanted(
                runs=tuple(runs),
                margins=tuple(margin or ()),
                metrics=tuple(metric or ()),
                slices=tuple(slice_) if slice_ else None,
                test=test,
                adjust=adjust,
                confidence=confidence,
                resamples=resamples,
                seed=seed,
                changed=changed,
                fail_on_worse=fail_on_worse,
                store=store,
                json=json,
                html=html,
                markdown=markdown,
            )
        )
    )
