"""One report as text, by its kind; whoever runs a suite writes it where it belongs."""

from __future__ import annotations

from evalkit.core.errors import UnknownName
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
