"""``evalkit logs``: what production wrote, as material for review."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Logs into a store, a sample of them for review, labelled rows out."
)


@app.command("sample")
def sample(
    source: Annotated[
        Optional[str], typer.Argument(metavar="SRC", help="JSONL, CSV or Parquet, or a pattern; else --run's data.")
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="How many records.")] = 100,
    out: Annotated[Optional[Path], typer.Option(help="The file to write: .jsonl or .csv.")] = None,
    strategy: Annotated[str, typer.Option(help="random, stratified, uncertain or disagreement.")] = "random",
    by: Annotated[Optional[str], typer.Option(help="The column whose values a stratified sample holds alike.")] = None,
    score: Annotated[
        Optional[list[str]],
        typer.Option(help="A column, or a metric of --run, that uncertain (one) and disagreement (two) go by."),
    ] = None,
    run: Annotated[Optional[str], typer.Option(help="The run whose scores are meant: its id, latest, latest:SUITE.")] = None,
    around: Annotated[Optional[float], typer.Option(help="The score that is most uncertain, such as a gate's bound.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same records.")] = 0,
    store: Annotated[Optional[str], typer.Option(help="The store of the run.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what was drawn as JSON, alone on stdout.")] = False,
) -> None:
    """Draw records for review, each with its sampling_weight: how many records it stands for."""
    from evalkit.cli.sampling import Wanted, sample_logs

    wanted = Wanted(source, n, out, strategy, by, tuple(score or ()), run, around, seed, store, as_json=json)
    raise typer.Exit(sample_logs(wanted))


@app.command("ingest")
def ingest(
    source: Annotated[
        list[str], typer.Argument(metavar="SRC...", help="Files, patterns or folders: JSON Lines, JSON, CSV, Parquet, OTLP.")
    ],
    to: Annotated[Optional[Path], typer.Option(help="The store's folder; .evalkit/logs in the project without it.")] = None,
    format: Annotated[
        Optional[str], typer.Option("--format", help="otel, langfuse, chat or plain; told from the content without it.")
    ] = None,
    field: Annotated[Optional[list[str]], typer.Option(help="canonical=theirs: whose column is meant; repeatable.")] = None,
    redact: Annotated[
        bool, typer.Option(help="Replace e-mail addresses, phone numbers, cards, keys … by [EMAIL] etc.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print what was added as JSON, alone on stdout.")] = False,
) -> None:
    """Append logs to a store of Parquet files, a folder a day; what is there already is not added again."""
    from evalkit.cli.ingesting import Ingest, ingest_logs

    raise typer.Exit(ingest_logs(Ingest(tuple(source), to, format, tuple(field or ()), redact, json)))


@app.command("export")
def export(source: Annotated[Optional[list[str]], typer.Argument(metavar="ARGS...")] = None) -> None:
    """Not yet: labelled rows out as a suite's data set."""
    from evalkit.cli.sampling import not_yet

    not_yet("export", source or ())
