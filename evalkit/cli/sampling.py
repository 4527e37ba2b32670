"""What `evalkit logs sample` does once its arguments are read."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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
    reference: str | None = None
    config: Path | None = None


def sample_logs(wanted: Wanted) -> int:
    """Draw, write, and say what was drawn."""
    from evalkit.logs.sample import WEIGHT
    from evalkit.reports import numbers
    from evalkit.reports.console import make_console, say
    from evalkit.runner.review import new_file

    if wanted.out is None:
        raise SpecError(Problem("--out", "no file is named to write to", "add --out review.jsonl"))
    new_file(wanted.out)
    rows, of = _by_drift(wanted) if wanted.strategy == "drift" else _drawn(wanted)
    weights = [row[WEIGHT] for row in rows]
    if wanted.as_json:
        import msgspec

        told = {
            "out": str(wanted.out), "n": len(rows), "of": of, "strategy": wanted.strategy, "seed": wanted.seed,
            "weights": {"least": min(weights), "most": max(weights), "sum": sum(weights)},
        }  # fmt: skip
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n")
        return 0
    console = make_console()
    drawn = f"{numbers.count(len(rows))} of {numbers.counted(of, 'record')}"
    say(console, ("sample   ", "dim"), (f"{drawn} · {wanted.strategy} · seed {wanted.seed} · {relative(wanted.out)}", ""))
    least, most = (numbers.number(value) for value in (min(weights), max(weights)))
    each = f"each stands for {least}" if least == most else f"each stands for {least} to {most}"
    say(console, ("weights  ", "dim"), (f"{each} records: {WEIGHT} weighs them back to all", ""))
    return 0


def _by_drift(wanted: Wanted) -> tuple[list[dict[str, Any]], int]:
    """Rather the rows that have to do with what has drifted."""
    from evalkit.monitor.contribution import DRIFT, contributing
    from evalkit.specs.drift import load_drift

    if wanted.source is None or wanted.reference is None:
        lacking = "SRC" if wanted.source is None else "--reference"
        raise SpecError(Problem(lacking, "a sample by drift needs logs and what they are held against", "add --reference LOGS"))
    with contributing(wanted.source, wanted.reference, load_drift(wanted.config)) as (query, _):
        return _drawn(replace(wanted, source=query, strategy="score", scores=(DRIFT,)), without=("evalkit_key",))


def _drawn(wanted: Wanted, without: tuple[str, ...] = ()) -> tuple[list[dict[str, Any]], int]:
    """The drawn rows, which are written, and the number of all."""
    from evalkit.logs.sample import draw, is_large
    from evalkit.records.label_text import text_of
    from evalkit.runner.review import chosen_records, records_of
    from evalkit.runner.stores import catalog_at
    from evalkit.store.files import write_text
    from evalkit.store.runs import find_run

    assert wanted.out is not None
    if wanted.source is not None and wanted.run is None and is_large(wanted.source):
        drawn = draw(
            wanted.source, n=wanted.n, seed=wanted.seed, strategy=wanted.strategy, by=wanted.by, scores=wanted.scores,
            around=wanted.around,
        )  # fmt: skip
        rows, of, names = drawn.rows, drawn.of, [name for name in drawn.columns if name not in without]
        rows = [{name: value for name, value in row.items() if name not in without} for row in rows]
    else:
        root = project_root(Path.cwd())
        run = None if wanted.run is None else find_run(wanted.run, catalog_at(wanted.store, root), root)
        data = records_of(wanted.source, run, root)
        chosen = chosen_records(
            data, n=wanted.n, seed=wanted.seed, strategy=wanted.strategy, by=wanted.by, scores=wanted.scores, run=run,
            around=wanted.around,
        )  # fmt: skip
        rows, of, names = list(chosen.rows(data)), chosen.of, list(data.columns)
    write_text(wanted.out, text_of(rows, wanted.out, [name for name in names if any(name in row for row in rows)]))
    return rows, of
