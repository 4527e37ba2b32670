"""Reports reach the disk whole, under their usual names, or say clearly why not."""

from __future__ import annotations

import pytest

from evalkit.core.errors import StoreError, UnknownName
from evalkit.reports.write import render, write_report, write_reports


def test_reports_are_written_under_their_usual_names(bare, tmp_path):
    written = write_reports(bare, tmp_path / "runs" / "r", ["json", "html", "markdown", "junit", "prometheus"])
    assert {kind: path.name for kind, path in written.items()} == {
        "html": "report.html", "markdown": "report.md", "junit": "junit.xml", "prometheus": "metrics.prom",
    }  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "runs" / "r").iterdir()) == sorted(path.name for path in written.values())


def test_an_unwritable_place_is_a_clear_error(bare, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"the markdown report could not be written to .*file.report.md: a file stands where a folder"):
        write_report("markdown", bare, tmp_path / "file" / "report.md")


def test_a_wrong_kind_suggests_the_right_one(bare):
    with pytest.raises(UnknownName, match="did you mean 'markdown'"):
        render("markdwn", bare)
