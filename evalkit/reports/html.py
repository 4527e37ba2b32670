"""A run as one HTML file that opens offline: text, plots, styles and script all inside, nothing fetched."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from evalkit.core.content import content_root
from evalkit.core.signature import VERSION
from evalkit.reports import numbers, plots
from evalkit.reports.summary import MetricRow, SliceGroup, Summary

if TYPE_CHECKING:
    import jinja2
    from markupsafe import Markup

OUTCOMES = {"pass": "passed", "fail": "failed", "inconclusive": "inconclusive", "skipped": "skipped"}
FORESTS = 24  # interval plots of one slicing column


@dataclass(frozen=True)
class Plot:
    """A drawn SVG and the metric that it belongs to."""

    row: MetricRow
    svg: str


def render_html(summary: Summary) -> str:
    """The whole page.

    Everything that a user, a model or a data set wrote is escaped by the template engine; a content security policy
    allows this page's own style and script by their hashes and nothing else, so that no text can load or run anything.
    """
    folder = content_root() / "dashboards"
    style = (folder / "static" / "report.css").read_text("utf-8")
    script = (folder / "static" / "report.js").read_text("utf-8")
    page = template("report.html.j2").render(
        summary=summary,
        run=summary.run,
        version=VERSION,
        style=_ours(style),
        script=_ours(script),
        policy=policy(style, script),
        outcomes=OUTCOMES,
        sparks={row.name: _ours(plots.sparkline(row.histogram)) for row in summary.metrics if row.histogram},
        histograms=[Plot(plot.row, _ours(plot.svg)) for plot in histograms(summary)],
        forests={group.by: [Plot(plot.row, _ours(plot.svg)) for plot in forests(summary, group)] for group in summary.slices},
        sort_key=sort_key,
    )
    return page.encode("utf-8", "replace").decode("utf-8")


def _ours(text: str) -> Markup:
    """Text that we drew or wrote ourselves, every foreign piece of it escaped already."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704


@cache
def template(name: str) -> jinja2.Template:
    """A page's template: what is put into it is escaped, and what is missing is an error."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(content_root() / "dashboards" / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(count=numbers.count, breakable=breakable)
    return environment.get_template(name)


def breakable(name: str) -> Markup:
    """A metric's name, escaped, that may be broken after its dots and underscores."""
    from markupsafe import escape

    return _ours(re.sub(r"(?<=[._:])(?=\w)", "<wbr>", str(escape(name))))


def policy(style: str, script: str) -> str:
    """The content security policy of a page with this style and this script."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def sort_key(value: float) -> str:
    """A number as the sorting script reads it; empty where there is none, so that it sorts last."""
    return "" if math.isnan(value) else repr(float(value))


def histograms(summary: Summary) -> list[Plot]:
    """A distribution plot for every part whose records' scores are known, main parts first."""
    rows = sorted((row for row in summary.metrics if row.histogram), key=lambda row: not row.main)
    return [
        Plot(
            row,
            plots.histogram(
                row.histogram,
                title=row.name,
                mean=row.value.mean,
                low=row.low,
                high=row.high,
                digits=row.digits,
                key=f"h{index}",
            ),
        )
        for index, row in enumerate(rows)
        if row.histogram is not None
    ]


def forests(summary: Summary, group: SliceGroup) -> list[Plot]:
    """An interval plot a main metric: the whole run, then every value of the slicing column."""
    found = []
    place = summary.slices.index(group)
    for index, row in enumerate(row for row in summary.metrics if row.main):
        points = [plots.Point("all records", row.value.mean, row.low, row.high, f"{row.n_text} records", strong=True)]
        for part in group.rows:
            sliced = part.metrics.get(row.name)
            if sliced is not None:
                points.append(plots.Point(part.name, sliced.value.mean, sliced.low, sliced.high, f"{sliced.n_text} records"))
        if len(points) > 1 and any(math.isfinite(point.value) for point in points[1:]):
            title = f"{row.name} by {group.by}"
            found.append(Plot(row, plots.forest(points, title=title, digits=row.digits, key=f"f{place}-{index}")))
    return found[:FORESTS]
