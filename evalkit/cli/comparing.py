"""What `evalkit compare` does once its arguments are read."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from evalkit.cli.running import check_writable, relative
from evalkit.core.errors import Problem, SpecError, quote

if TYPE_CHECKING:
    from evalkit.comparison.settings import Adjust, Test


@dataclass(frozen=True)
class Wanted:
    """The arguments of ``evalkit compare``."""

    runs: tuple[str, ...]
    margins: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    slices: tuple[str, ...] | None = None
    test: str = "auto"
    adjust: str = "holm"
    confidence: float = 0.95
    resamples: int = 10_000
    seed: int = 0
    changed: int = 5
    fail_on_worse: bool = False
    store: str | None = None
    json: bool = False
    html: Path | None = None
    markdown: Path | None = None


def compare_and_tell(wanted: Wanted) -> int:
    """Compare, print what there is to say, write what was asked for, and return the exit code."""
    import msgspec

    from evalkit.comparison.compare import compare_runs
    from evalkit.comparison.settings import Settings
    from evalkit.comparison.sides import sides
    from evalkit.core.content import project_root
    from evalkit.reports.console import make_console
    from evalkit.reports.differing_pages import comparisons_html, comparisons_markdown, print_comparisons
    from evalkit.runner.stores import catalog_at
    from evalkit.store.files import write_text

    check_writable({"--html": wanted.html, "--markdown": wanted.markdown})
    settings = Settings(
        confidence=wanted.confidence,
        resamples=wanted.resamples,
        seed=wanted.seed,
        test=cast("Test", wanted.test),
        adjust=cast("Adjust", wanted.adjust),
        margins=margins(wanted.margins),
        metrics=wanted.metrics,
        slices=wanted.slices,
        changed=wanted.changed,
    )
    root = project_root(Path.cwd())
    runs = sides(wanted.runs, catalog_at(wanted.store, root), root)
    found = compare_runs(runs, settings, root)
    if wanted.html is not None:
        from evalkit.comparison.scores import scores_of
        from evalkit.comparison.texts import answers

        scores = [scores_of(runs[0], side) for side in runs[1:]]
        texts = [answers(runs[0], side, one, root) for side, one in zip(runs[1:], found.comparisons)]
        write_text(wanted.html, comparisons_html(found, scores, texts))
    if wanted.markdown is not None:
        write_text(wanted.markdown, comparisons_markdown(found))
    if wanted.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found.to_json()), indent=2).decode() + "\n")
    else:
        print_comparisons(found, make_console(), relative(wanted.html.resolve()) if wanted.html is not None else None)
    return 1 if wanted.fail_on_worse and found.worse else 0


def margins(given: Sequence[str]) -> Mapping[str, float]:
    """``METRIC=X`` options as numbers by name.

    Raises:
        SpecError: everything that is none.
    """
    found: dict[str, float] = {}
    problems = []
    for text in given:
        name, equals, number = text.rpartition("=")
        try:
            found[name] = float(number)
        except ValueError:
            equals = ""
        if not equals or not name:
            problems.append(Problem("--margin", f"{quote(text)} is no METRIC=X", "write rouge.rougeL=0.02"))
    if problems:
        raise SpecError(problems)
    return found
