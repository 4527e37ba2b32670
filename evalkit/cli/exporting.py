"""What `evalkit logs export` does once its arguments are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evalkit.cli.ingesting import print_json
from evalkit.cli.running import relative
from evalkit.core.errors import Problem, SpecError

SHOWN = 5


@dataclass(frozen=True)
class Export:
    """The arguments of ``evalkit logs export``."""

    source: str | None
    labels: Path | None
    out: Path | None
    metric: str | None
    tag: str | None
    fail_below: float | None
    fail: tuple[str, ...]
    raters: int
    threshold: float | None
    as_json: bool


def export_labelled(asked: Export) -> int:
    """Write the data set, and say what was left out of it and why.

    Raises:
        SpecError: no labels or no file to write are named, or no record can be written.
    """
    from evalkit.logs.export import export
    from evalkit.records.label_text import text_of
    from evalkit.reports import numbers
    from evalkit.reports.console import make_console, say
    from evalkit.reports.safe import one_line
    from evalkit.runner.review import new_file
    from evalkit.store.files import write_text

    if asked.labels is None:
        raise SpecError(Problem("--labels", "no labels are named", "add --labels labels.jsonl"))
    if asked.out is None:
        raise SpecError(Problem("--out", "no file is named to write to", "add --out suite_data.jsonl"))
    new_file(asked.out, (".jsonl",))
    found = export(
        asked.labels, asked.source, metric=asked.metric, tag=asked.tag, fail_below=asked.fail_below, fail=asked.fail,
        threshold=asked.threshold, raters=asked.raters,
    )  # fmt: skip
    if not found.records:
        what = "no record is left: raters disagree on all of them"
        raise SpecError(
            Problem(str(asked.labels), what, "let somebody decide: evalkit annotate --import FILE --adjudicate FILE")
        )
    write_text(asked.out, text_of(found.records, asked.out, ("id",)))
    if asked.as_json:
        print_json(
            {
                "out": str(asked.out), "records": len(found.records), "failures": found.failures, "tag": asked.tag,
                "disputed": found.disputed, "missing": found.missing, "unjudged": found.unjudged,
            }
        )  # fmt: skip
        return 0
    console = make_console()
    say(console, ("export   ", "dim"), (f"{numbers.counted(len(found.records), 'record')} · {relative(asked.out)}", ""))
    if asked.tag is not None:
        told = f"{numbers.counted(found.failures, 'confirmed failure')} tagged {asked.tag}"
        say(console, ("         ", ""), (told, ""))
    for name in found.unjudged:
        say(console, (f"warning: labels of {name} have no scale; --fail-below tells which are failures", "yellow"))
    for what, left in (("raters disagree on", found.disputed), ("the source does not have", found.missing)):
        if left:
            say(console, (f"left out: {what} {numbers.counted(len(left), 'record')}", "yellow"))
            for each in left[:SHOWN]:
                say(console, ("         ", ""), (one_line(each, 200), ""))
            if len(left) > SHOWN:
                say(console, ("         ", ""), (f"… and {len(left) - SHOWN:,} more", "dim"))
    if found.disputed:
        say(console, ("         ", ""), ("evalkit annotate --import FILE --adjudicate decide.csv lets somebody decide", "dim"))
    return 0
