"""``evalkit ab``: an online experiment over a log; ``evalkit ab plan``: how many units one needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from typer.core import TyperCommand, TyperGroup

_ANALYSE = "analyse"


class _Verb(TyperGroup):
    """``ab FILE …`` analyses and ``ab plan …`` plans: what is not the name of a command is the file of the first."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or args[0] not in self.commands:
            args = [_ANALYSE, *args]
        return super().parse_args(ctx, args)


class _Analyse(TyperCommand):
    """The command that has no name of its own."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:  # noqa: ARG002
        return super().make_context(parent.info_name, args, parent.parent, **extra)  # usage lines read as they are typed


app = typer.Typer(cls=_Verb, rich_markup_mode=None, help="An A/B test over a log of production: is it better, or is it noise?")

Metrics = Annotated[
    Optional[list[str]],
    typer.Option(
        "--metric",
        metavar="SPEC",
        help="COLUMN:KIND, repeatable: clicked:proportion, bought:any, latency_ms:mean, latency_ms:p95, revenue:total, "
        "clicks/views:ratio, feedback:satisfaction, timestamp:retention@7. Add :lower or :higher for what is better.",
    ),
]
Unit = Annotated[
    Optional[str], typer.Option(help="The column of whom variants are given to; user_id where there is one. row: each row.")
]
Memory = Annotated[Optional[str], typer.Option(help="What may be held in memory: 1500MB; more goes to a temporary folder.")]
Threads = Annotated[Optional[int], typer.Option(min=1, help="Threads; all cores otherwise.")]


@app.command(_ANALYSE, cls=_Analyse, hidden=True)
def analyse(
    file: Annotated[str, typer.Argument(help="The log: a Parquet, JSONL or CSV file, or a pattern of several.")],
    variant: Annotated[str, typer.Option(metavar="COLUMN", help="The column that says who got what.")],
    control: Annotated[str, typer.Option(metavar="NAME", help="The variant that the others are compared with.")],
    metric: Metrics = None,
    unit: Unit = None,
    treatment: Annotated[
        Optional[list[str]], typer.Option(metavar="NAME", help="Look at this variant only. Repeatable.")
    ] = None,
    guardrail: Annotated[
        Optional[list[str]], typer.Option(metavar="SPEC", help="A metric that must not get worse. Repeatable.")
    ] = None,
    margin: Annotated[
        Optional[list[str]],
        typer.Option(metavar="METRIC=X", help="A difference that does not matter: latency_ms:p95=50, or =5%. Repeatable."),
    ] = None,
    lower_is_better: Annotated[
        Optional[list[str]], typer.Option(metavar="METRIC", help="Less of it is better, as of latency and cost. Repeatable.")
    ] = None,
    cuped: Annotated[
        Optional[list[str]],
        typer.Option(
            metavar="COLUMN", help="A value from before the experiment, to take variance away; METRIC=COLUMN for one."
        ),
    ] = None,
    by: Annotated[Optional[str], typer.Option(metavar="COLUMN", help="Every metric per value of this column too.")] = None,
    split: Annotated[
        Optional[str], typer.Option(metavar="NAME=SHARE,…", help="What each variant should get; the same for all otherwise.")
    ] = None,
    sequential: Annotated[
        bool, typer.Option("--sequential", help="Intervals and p values that hold however often you look.")
    ] = False,
    planned: Annotated[
        Optional[float],
        typer.Option(min=10, help="With --sequential: about how many units of both arms you expect in the end."),
    ] = None,
    ignore_srm: Annotated[bool, typer.Option("--ignore-srm", help="Give verdicts although the split did not hold.")] = False,
    confidence: Annotated[float, typer.Option(help="Coverage of the intervals; 1 minus it is alpha.")] = 0.95,
    adjust: Annotated[str, typer.Option(help="How p values are adjusted for many tests: holm, bh or none.")] = "holm",
    memory: Memory = None,
    threads: Threads = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result alone, as JSON.")] = False,
    html: Annotated[Optional[Path], typer.Option(help="Write a page to this file.")] = None,
    markdown: Annotated[Optional[Path], typer.Option(help="Write Markdown to this file.")] = None,
) -> None:
    """Compare the variants of an online experiment over its log; `evalkit ab plan` says how many units one needs.

    The sample ratio is checked first: where the split did not hold, verdicts are withheld. Users are the unit: several rows of
    one user count as one observation.
    """
    from evalkit.cli.ab_running import Outputs, run_ab
    from evalkit.experiment.analyse import Design
    from evalkit.experiment.spec import parse_split

    design = Design(
        variant=variant,
        control=control,
        metrics=tuple(metric or ()),
        unit=unit or "",
        cuped=tuple(cuped or ()),
        guardrails=tuple(guardrail or ()),
        margins=tuple(margin or ()),
        lower=tuple(lower_is_better or ()),
        treatments=tuple(treatment or ()),
        by=by or "",
        split=parse_split(split),
        sequential=sequential,
        planned=planned,
        ignore_srm=ignore_srm,
        confidence=confidence,
        adjust=adjust,
        memory=memory,
        threads=threads,
    )
    raise typer.Exit(run_ab(file, design, Outputs(json, html, markdown)))


@app.command("plan")
def plan(
    file: Annotated[
        Optional[str], typer.Argument(help="A log that tells what a unit is like today; --baseline instead of one.")
    ] = None,
    metric: Annotated[Optional[str], typer.Option(metavar="SPEC", help="What will be measured: clicked:proportion.")] = None,
    baseline: Annotated[Optional[float], typer.Option(help="Its value today: a share, or with --sd a mean.")] = None,
    sd: Annotated[Optional[float], typer.Option(help="How much one unit spreads: the standard deviation.")] = None,
    effect: Annotated[
        Optional[list[str]], typer.Option(metavar="X", help="A difference to find: 0.01, or 5% of the baseline. Repeatable.")
    ] = None,
    units: Annotated[Optional[int], typer.Option(min=4, help="So many units in all variants: what do they find?")] = None,
    treatments: Annotated[int, typer.Option(min=1, help="How many are compared with the control.")] = 1,
    ratio: Annotated[float, typer.Option(min=0.001, help="Units of a treatment for each of the control.")] = 1.0,
    per_day: Annotated[Optional[float], typer.Option(min=0.001, help="New units a day, to tell how long it takes.")] = None,
    power: Annotated[float, typer.Option(help="The chance that a true difference is found.")] = 0.8,
    confidence: Annotated[float, typer.Option(help="1 minus it is the chance to find one that is not there.")] = 0.95,
    unit: Unit = None,
    cuped: Annotated[
        Optional[list[str]], typer.Option(metavar="COLUMN", help="A value from before, which takes variance away.")
    ] = None,
    variant: Annotated[Optional[str], typer.Option(metavar="COLUMN", help="With --control: look at its rows only.")] = None,
    control: Annotated[Optional[str], typer.Option(metavar="NAME", help="The variant whose rows are looked at.")] = None,
    memory: Memory = None,
    threads: Threads = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result alone, as JSON.")] = False,
) -> None:
    """How many units an experiment needs and how long it takes, or what so many units find."""
    from evalkit.cli.ab_running import run_plan
    from evalkit.experiment.plan import Wanted

    wanted = Wanted(
        metric=metric,
        baseline=baseline,
        sd=sd,
        effects=tuple(effect or ()),
        units=units,
        treatments=treatments,
        ratio=ratio,
        per_day=per_day,
        power=power,
        confidence=confidence,
        unit=unit or "",
        cuped=tuple(cuped or ()),
        variant=variant or "",
        control=control or "",
        memory=memory,
        threads=threads,
    )
    raise typer.Exit(run_plan(file, wanted, json))
