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
        Optional[str],
        typer.Argument(
            metavar="SRC", help="A file, pattern or folder, sql:QUERY, sqlalchemy:URL_ENV:QUERY; else --run's data."
        ),
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="How many records.")] = 100,
    out: Annotated[Optional[Path], typer.Option(help="The file to write: .jsonl or .csv.")] = None,
    strategy: Annotated[
        str, typer.Option(help="random, stratified, uncertain, disagreement, feedback, score, drift.")
    ] = "random",
    by: Annotated[Optional[str], typer.Option(help="The column whose values a stratified sample holds alike.")] = None,
    score: Annotated[
        Optional[list[str]],
        typer.Option(help="A column, or a metric of --run, that strategies go by (disagreement: two)."),
    ] = None,
    run: Annotated[Optional[str], typer.Option(help="The run whose scores are meant: its id, latest, latest:SUITE.")] = None,
    around: Annotated[Optional[float], typer.Option(help="The score that is most uncertain, such as a gate's bound.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same records.")] = 0,
    reference: Annotated[Optional[str], typer.Option(help="What drift is told against: logs, or a saved .profile.")] = None,
    config: Annotated[Optional[Path], typer.Option(help="Of drift, as `evalkit drift` takes it.")] = None,
    store: Annotated[Optional[str], typer.Option(help="The store of the run.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what was drawn as JSON, alone on stdout.")] = False,
) -> None:
    """Draw records for review, each with its sampling_weight: how many records it stands for."""
    from evalkit.cli.sampling import Wanted, sample_logs

    wanted = Wanted(source, n, out, strategy, by, tuple(score or ()), run, around, seed, store, json, reference, config)
    raise typer.Exit(sample_logs(wanted))


@app.command("ingest")
def ingest(
    source: Annotated[
        list[str],
        typer.Argument(metavar="SRC...", help="Files, patterns, folders (JSON Lines, JSON, CSV, Parquet, OTLP), sql:QUERY."),
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


@app.command("receive")
def receive(
    host: Annotated[
        str, typer.Option(help="The address to listen at; others than this machine's need a network you trust.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="OpenTelemetry's own is 4318; 0: any free one.")] = 4318,
    to: Annotated[Optional[Path], typer.Option(help="The store's folder; .evalkit/logs in the project without it.")] = None,
    every: Annotated[str, typer.Option(help="How often what came is added to the store.")] = "1m",
    rows: Annotated[int, typer.Option(min=1, help="At the latest after so many model calls.")] = 20_000,
    redact: Annotated[
        bool, typer.Option(help="Replace e-mail addresses, phone numbers, cards, keys … by [EMAIL] etc.")
    ] = False,
) -> None:
    """Take in OpenTelemetry spans of model calls over OTLP/HTTP, until it is stopped."""
    from evalkit.cli.receiving import Receive, receive_logs

    raise typer.Exit(receive_logs(Receive(host, port, to, every, rows, redact)))


@app.command("export")
def export(
    source: Annotated[
        Optional[str],
        typer.Argument(metavar="SRC", help="The log of the labelled rows; else what the labels file has of them."),
    ] = None,
    labels: Annotated[
        Optional[Path], typer.Option(help="What people said: JSONL or CSV, as annotate --import writes it.")
    ] = None,
    out: Annotated[Optional[Path], typer.Option(help="The data set to write: .jsonl.")] = None,
    metric: Annotated[Optional[str], typer.Option(help="Only labels of this metric.")] = None,
    failures: Annotated[Optional[str], typer.Option(help="The tag of confirmed failures, such as must-pass.")] = None,
    fail_below: Annotated[
        Optional[float], typer.Option(help="Labels below it are failures; else those below the middle of their scale.")
    ] = None,
    fail: Annotated[Optional[list[str]], typer.Option(help="A word that is a failure, besides no, fail and bad.")] = None,
    raters: Annotated[int, typer.Option(min=1, help="How many people must have found a failure bad.")] = 1,
    threshold: Annotated[
        Optional[float], typer.Option(min=0, help="Raters further apart leave a record out; 1 point without it.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON, alone on stdout.")] = False,
) -> None:
    """Write labelled rows as a suite's data set, with provenance; failures that people confirmed are tagged."""
    from evalkit.cli.exporting import Export, export_labelled

    asked = Export(source, labels, out, metric, failures, fail_below, tuple(fail or ()), raters, threshold, json)
    raise typer.Exit(export_labelled(asked))
