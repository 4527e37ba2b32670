"""``evalkit init``: a suite that runs, from the user's own file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer


def init(
    data: Annotated[Path, typer.Argument(help="Your records: JSONL, CSV or Parquet.")],
    suite: Annotated[
        Optional[Path], typer.Option("--suite", "-o", help="Where to write the suite; NAME.yaml otherwise.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the suite if it exists.")] = False,
) -> None:
    """Write a first suite for your own data file.

    Looks at the records, guesses which column is which, tries the metrics that suit them, and says why in comments.
    """
    from evalkit.core.errors import Problem, SpecError
    from evalkit.specs.draft import draft_suite
    from evalkit.store.files import write_text

    target = suite or Path(f"{data.stem}.yaml")
    if target.exists() and not force:
        raise SpecError(Problem(str(target), "the file exists", "name another with --suite, or replace it with --force"))
    write_text(target, draft_suite(data, target))
    print(f"wrote {target}: read its comments, then\n\n  evalkit run {target}")
