"""A run as one HTML file that opens offline: text, plots, styles and script all inside, nothing fetched."""

from __future__ import annotations

import math
from dataclasses import dataclass

from evalkit.reports import plots
from evalkit.reports.corrected import corrected_line, corrections
from evalkit.reports.page import ours, render_page
from evalkit.reports.summary import MetricRow, SliceGroup, Summary

OUTCOMES = {"pass": "passed", "fail": "failed", "inconclusive": "inconclusive", "skipped": "skipped"}
FORESTS = 24  # interval plots of one slicing column


@dataclass(frozen=True)
class Plot:
    """A drawn SVG and the metric that it belongs to."""

    row: MetricRow
    svg: str


def render_html(summary: Summary) -> str:
    """The whole page."""
    return render_page(
        "report.html.j2",
        summary=summary,
        run=summary.run,
        outcomes=OUTCOMES,
        sparks={row.name: ours(plots.sparkline(row.histogram)) for row in summary.metrics if row.histogram},
        histograms=[Plot(plot.row, ours(plot.svg)) for plot in histograms(summary)],
        forests={group.by: [Plot(plot.row, ours(plot.svg)) for plot in forests(summary, group)] for group in summary.slices},
        sort_key=sort_key,
        corrections=corrections(summary.run),
        corrected_line=corrected_line,
    )


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
