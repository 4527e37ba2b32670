"""What `evalkit logs sample` does once its arguments are read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evalkit.cli.running import relative
from evalkit.core.content import project_root
from evalkit.core.errors import Problem, SpecError


@dataclass(frozen=True)
class Wanted:
    """The arguments of ``evalkit logs sample``."""

    source: str | None
    n: int
    out: Path | None
    strategy: str
    by: str | None
    scores: tuple[str, ...]
    run: str | None
    around: float | None
    seed: int
    store: str | None
    as_json: bool


def sample_logs(wanted: Wanted) -> int:
    """Draw, write, and say what was drawn."""
    from evalkit.records.label_text import text_of
    from evalkit.reports import numbers
    from evalkit.reports.console import make_console, say
    from evalkit.runner.review import WEIGHT, chosen_records, new_file, records_of
    from evalkit.runner.stores import catalog_at
    from evalkit.store.files import write_text
    from evalkit.store.runs import find_run

    if wanted.out is None:
        raise SpecError(Problem("--out", "no file is named to write to", "add --out review.jsonl"))
    new_file(wanted.out)
    root = project_root(Path.cwd())
    run = None if wanted.run is None else find_run(wanted.run, catalog_at(wanted.store, root), root)
    data = records_of(wanted.source, run, root)
    chosen = chosen_records(
        data, n=wanted.n, seed=wanted.seed, strategy=wanted.strategy, by=wanted.by, scores=wanted.scores, run=run,
        around=wanted.around,
    )  # fmt: skip
    rows = list(chosen.rows(data))
    write_text(wanted.out, text_of(rows, wanted.out, [name for name in data.columns if any(name in row for row in rows)]))
    weights = [row[WEIGHT] for row in rows]
    if wanted.as_json:
        import msgspec

        told = {
            "out": str(wanted.out), "n": len(rows), "of": chosen.of, "strategy": wanted.strategy, "seed": wanted.seed,
            "weights": {"least": min(weights), "most": max(weights), "sum": sum(weights)},
        }  # fmt: skip
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n")
        return 0
    console = make_console()
    of = f"{numbers.count(len(rows))} of {numbers.counted(chosen.of, 'record')}"
    say(console, ("sample   ", "dim"), (f"{of} · {wanted.strategy} · seed {wanted.seed} · {relative(wanted.out)}", ""))
    least, most = (numbers.number(value) for value in (min(weights), max(weights)))
    each = f"each stands for {least}" if least == most else f"each stands for {least} to {most}"
    say(console, ("weights  ", "dim"), (f"{each} records: {WEIGHT} weighs them back to all", ""))
    return 0


def not_yet(verb: str, _arguments: Sequence[str]) -> None:
    """A verb whose name stands, and whose work comes later."""
    what = f"`evalkit logs {verb}` is not there yet: it comes with monitoring"
    hint = "`evalkit logs sample` draws records from JSONL, CSV and Parquet files now"
    raise SpecError(Problem("", what, hint))
