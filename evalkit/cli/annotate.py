"""``evalkit annotate``: files for raters, and what came back from them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer


def annotate(
    data: Annotated[
        Optional[list[str]],
        typer.Argument(help="Records to label, if no run's; after --import, further files.", show_default=False),
    ] = None,
    export: Annotated[
        Optional[Path],
        typer.Option(help="Write a file for raters: .csv for a spreadsheet, or .jsonl; {rater} in its name: one each."),
    ] = None,
    import_: Annotated[
        Optional[list[Path]], typer.Option("--import", metavar="FILE...", help="Read labelled files: one, or several.")
    ] = None,
    run: Annotated[
        Optional[str], typer.Option(help="The run whose outputs are labelled: its id, latest, latest:SUITE.")
    ] = None,
    metric: Annotated[Optional[str], typer.Option(help="What is labelled: a metric of the run, or a name of your own.")] = None,
    rubric: Annotated[
        Optional[str], typer.Option(help="The rubric that raters go by: a file, or a name such as helpfulness.")
    ] = None,
    scale: Annotated[Optional[str], typer.Option(help="What a label may be, without a rubric: 1..5, or yes,no.")] = None,
    column: Annotated[Optional[list[str]], typer.Option(help="Show raters this column too. Repeatable.")] = None,
    against: Annotated[
        Optional[str], typer.Option(help="Let raters choose between two answers: the column of the other, or a run.")
    ] = None,
    raters: Annotated[Optional[str], typer.Option(help="Who labels: ana,ben.")] = None,
    overlap: Annotated[float, typer.Option(min=0.0, max=1.0, help="The share of records that all raters get.")] = 1.0,
    sample: Annotated[Optional[int], typer.Option(min=1, help="Label N records, drawn at random.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the sample, the order and who gets what.")] = 0,
    into: Annotated[Optional[Path], typer.Option(help="Keep the imported labels in this file, with those it has.")] = None,
    rater: Annotated[Optional[str], typer.Option(help="Whose labels these are, where a line does not say.")] = None,
    adjudicate: Annotated[
        Optional[Path], typer.Option(help="Write the records that raters disagree on, to be decided.")
    ] = None,
    threshold: Annotated[
        Optional[float], typer.Option(min=0.0, help="How far raters may lie apart: 1 point, or no other category, without it.")
    ] = None,
    store: Annotated[Optional[str], typer.Option(help="The store of the run.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON, alone on stdout.")] = False,
) -> None:
    """Hand records to people, and bring their labels together.

    --export writes a file for raters: shuffled, and without what any judge said. --import checks labelled files, merges
    them, and tells how far raters agree.
    """
    from evalkit.cli.annotating import Export, export_sheets, wanted
    from evalkit.cli.labelling import Import, import_labels

    one = wanted(export, import_, data or ())
    if export is not None:
        asked = Export(
            export,
            one,
            run,
            metric,
            rubric,
            scale,
            tuple(column or ()),
            raters,
            against,
            overlap,
            sample,
            seed,
            store,
            as_json=json,
        )
        raise typer.Exit(export_sheets(asked))
    files = (*(import_ or ()), *map(Path, data or ()))
    raise typer.Exit(
        import_labels(Import(files, into, run, metric, rubric, scale, rater, adjudicate, threshold, seed, store, as_json=json))
    )
