"""Reports as files: which kinds there are, what they are called, and how they reach the disk whole."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from evalkit.core.errors import StoreError, UnknownName
from evalkit.reports.summary import Summary

FILES = {"html": "report.html", "markdown": "report.md", "junit": "junit.xml", "prometheus": "metrics.prom"}


def render(kind: str, summary: Summary) -> str:
    """The text of one report.

    Raises:
        UnknownName: there is no report of that kind.
    """
    if kind == "html":
        from evalkit.reports.html import render_html

        return render_html(summary)
    if kind == "markdown":
        from evalkit.reports.markdown import render_markdown

        return render_markdown(summary)
    if kind == "junit":
        from evalkit.reports.junit import render_junit

        return render_junit(summary)
    if kind == "prometheus":
        from evalkit.reports.prometheus import render_prometheus

        return render_prometheus(summary.run)
    raise UnknownName("report", kind, FILES, see="evalkit run --help")


def write_report(kind: str, summary: Summary, path: Path) -> Path:
    """Write one report; the file appears whole or not at all.

    Raises:
        StoreError: it could not be written.
    """
    text = render(kind, summary)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, encoding="utf-8", errors="replace", newline="\n")
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        why = "a file stands where a folder should be" if isinstance(error, FileExistsError) else error.strerror or error
        raise StoreError(f"the {kind} report could not be written to {path}: {why}") from error
    return path


def write_reports(summary: Summary, folder: Path, kinds: Iterable[str]) -> dict[str, Path]:
    """Write several reports into a run's folder, under their usual names; "json" is the store's and is passed over."""
    return {kind: write_report(kind, summary, folder / FILES[kind]) for kind in kinds if kind != "json"}
