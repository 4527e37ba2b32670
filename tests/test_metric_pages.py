"""docs/metrics/ is what the docstrings say, and every docstring says what a reader must know.

With EVALKIT_UPDATE_DOCS=1 in the environment the pages are written anew.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from evalkit.core.registry import entries
from evalkit.reports.metric_pages import FAMILIES, metric_pages
from evalkit.specs.about import about, taken_apart

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "metrics"
OWN = [entry for entry in entries("metric") if entry.owner == "evalkit"]
NAMES = [entry.name for entry in OWN]


def test_the_pages_are_what_the_docstrings_say() -> None:
    if os.environ.get("EVALKIT_UPDATE_DOCS"):
        subprocess.run([sys.executable, str(ROOT / "scripts" / "metric_pages.py")], check=True)
    pages = metric_pages(OWN)
    assert sorted(path.name for path in FOLDER.glob("*.md")) == sorted(pages)
    stale = [name for name, text in pages.items() if (FOLDER / name).read_text(encoding="utf-8") != text]
    assert not stale, "`make docs-metrics` writes them anew"


@pytest.mark.parametrize("entry", OWN, ids=NAMES)
def test_a_metric_says_when_it_misleads_and_in_what_range_it_lies(entry) -> None:
    card = about(entry)
    assert len(card.sections.get("Misleads", "")) > 40
    assert "Range" in card.sections or (card.parts and all(part.range for part in card.parts)), "say `Range:` in its docstring"
    assert card.text
    assert all(len(re.findall(rf"^{name}: ", card.doc, re.MULTILINE)) < 2 for name in card.sections), (
        "a section stands there twice"
    )
    assert card.family in FAMILIES


@pytest.mark.parametrize("entry", OWN, ids=NAMES)
def test_an_option_that_a_docstring_describes_exists(entry) -> None:
    described = taken_apart(about(entry).doc)[2]
    assert not described.keys() - {one.name for one in about(entry).options}


@pytest.mark.parametrize("name", [path.name for path in sorted(FOLDER.glob("*.md")) if path.name != "README.md"])
def test_the_example_of_a_page_is_a_metric_that_can_be_built(name: str) -> None:
    from evalkit.specs.single import metric_of

    text = (FOLDER / name).read_text(encoding="utf-8")
    (item,) = yaml.safe_load(re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1])["metrics"]
    told = {"use": item} if isinstance(item, str) else dict(item)
    use = told.pop("use")
    told.pop("backend", None)
    if use != "evaluate:NAME":
        assert metric_of(use, told).name == use


def test_show_and_the_pages_tell_the_same(cli) -> None:
    shown = " ".join(cli("show", "coverage").stdout.split())
    card = about(next(entry for entry in OWN if entry.name == "coverage"))
    page = " ".join((FOLDER / "coverage.md").read_text(encoding="utf-8").split())
    assert card.sections["Misleads"] in shown
    assert card.sections["Misleads"][1:] in page
    assert all(one.name in shown and f"`{one.name}`" in page for one in card.options)


def test_a_docstring_is_taken_apart_into_prose_sections_and_options() -> None:
    doc = """What it is.

More of it. Source: Somebody (1999),
    on two lines.

Args:
    a, b: both of
        them.
    c: that.

Formula: x / y.

Misleads: often.
"""
    text, sections, notes = taken_apart(doc)
    assert text == "What it is.\n\nMore of it."
    assert sections == {"Source": "Somebody (1999), on two lines.", "Formula": "x / y.", "Misleads": "often."}
    assert notes == {"a": "both of them.", "b": "both of them.", "c": "that."}
