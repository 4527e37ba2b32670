"""``evalkit calibrate``: how far a judge agrees with people."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer


def calibrate(
    judge: Annotated[str, typer.Argument(help="The judge: its name in the suite, or the metric's: consistency, geval.")],
    labels: Annotated[Path, typer.Option(help="What people said: JSONL or CSV with id and label.")],
    run: Annotated[Optional[str], typer.Option(help="The run that was labelled: id, latest:SUITE or a results.json.")] = None,
    suite: Annotated[Optional[str], typer.Option(help="Or a suite, which is run first.")] = None,
    scale: Annotated[
        Optional[str], typer.Option(metavar="MIN:MAX", help="The labels' scale, where it is not the judge's.")
    ] = None,
    probes: Annotated[
        Optional[str],
        typer.Option(
            metavar="NAMES", help="Ask the judge anew: padding, markdown, confident, injection, repeats, prompt, or all."
        ),
    ] = None,
    probe_records: Annotated[int, typer.Option(min=3, help="Records that each probe asks about.")] = 50,
    repeats: Annotated[int, typer.Option(min=2, help="How often the probe `repeats` asks.")] = 5,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999, help="Of the intervals.")] = 0.95,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    store: Annotated[Optional[str], typer.Option(help="A folder or database URL for runs and cards.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the card as JSON alone on stdout.")] = False,
    html: Annotated[Optional[Path], typer.Option(help="Write the card as an HTML page.")] = None,
    markdown: Annotated[Optional[Path], typer.Option(help="Write the card as Markdown.")] = None,
) -> None:
    """Compare a judge with people: agreement, biases, and the mean that people would give.

    Writes a judge card into the store; later runs of the very same judge report raw and corrected values by it.
    """
    from evalkit.cli.calibrating import Wanted, calibrate_judge

    again = " ".join(["evalkit", *sys.argv[1:]])
    wanted = Wanted(
        judge, labels, run, suite, scale, probes, probe_records, repeats, confidence, seed, store, json, html, markdown, again
    )
    raise typer.Exit(calibrate_judge(wanted))
