"""A monitor's newest window as Prometheus text (exposition format 0.0.4), for a textfile collector or ``/metrics``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evalkit.core.watched import Figure, Incident
from evalkit.reports.drift import by_words
from evalkit.reports.prometheus import label, sample

SEVERITIES = ("warning", "critical")

# name → help; all are gauges: each window replaces the last one's figures.
FAMILIES = {
    "evalkit_monitor_value": "Value of a signal in the newest window, in the signal's own unit; slice is empty for all rows.",
    "evalkit_monitor_expected": "What the reference leads one to expect of that window.",
    "evalkit_monitor_drifted": "1 while the signal has an open incident, else 0.",
    "evalkit_monitor_rows": "Rows of the newest window that the value is of.",
    "evalkit_monitor_open_incidents": "Incidents that are open, by severity.",
    "evalkit_monitor_windows": "Windows processed so far.",
    "evalkit_monitor_window_seconds": "Width of a window.",
    "evalkit_monitor_last_window_timestamp_seconds": "End of the newest window, in seconds since 1970.",
    "evalkit_monitor_last_window_rows": "Rows of the newest window.",
    "evalkit_monitor_last_window_late_rows": "Rows of the newest window that came late.",
}


def monitor_metrics(
    name: str,
    figures: Sequence[Figure],
    windows: Sequence[tuple[float, int, int]],
    width: float,
    incidents: Sequence[Incident] = (),
) -> str:
    """The newest window's figures as text; values that do not exist (NaN) are left out.

    Args:
        name: of the monitor, a label of every series.
        figures: one per signal and slice; of two with the same name and slice the last one counts.
        windows: (start, rows, late rows) of the processed windows, oldest first; the last is the newest.
        width: of a window, in seconds.
        incidents: those that are closed are not counted.
    """
    monitor = {"monitor": name}
    of = [({**monitor, "signal": one.name, "slice": by_words(dict(sorted(one.by.items())))}, one) for one in figures]
    families: dict[str, list[tuple[Mapping[str, str], float]]] = {
        "evalkit_monitor_value": [(labels, one.value) for labels, one in of],
        "evalkit_monitor_expected": [(labels, one.expected) for labels, one in of],
        "evalkit_monitor_drifted": [(labels, float(one.drifted)) for labels, one in of],
        "evalkit_monitor_rows": [(labels, float(one.n)) for labels, one in of],
        "evalkit_monitor_open_incidents": [
            ({**monitor, "severity": severity}, float(sum(i.closed is None and i.severity == severity for i in incidents)))
            for severity in SEVERITIES
        ],
        "evalkit_monitor_windows": [(monitor, float(len(windows)))],
        "evalkit_monitor_window_seconds": [(monitor, width)],
    }
    if windows:
        start, rows, late = windows[-1]
        families["evalkit_monitor_last_window_timestamp_seconds"] = [(monitor, start + width)]
        families["evalkit_monitor_last_window_rows"] = [(monitor, float(rows))]
        families["evalkit_monitor_last_window_late_rows"] = [(monitor, float(late))]
    lines: list[str] = []
    for family, text in FAMILIES.items():
        series = dict(_series(family, labels, value) for labels, value in families.get(family, ()))
        told = [line for line in series.values() if line]
        if told:
            lines += [f"# HELP {family} {text}", f"# TYPE {family} gauge", *told]
    return "\n".join(lines) + "\n"


def _series(family: str, labels: Mapping[str, str], value: float) -> tuple[tuple[str, ...], str | None]:
    """What tells a series apart, as it is written, and its line."""
    return tuple(map(label, labels.values())), sample(family, labels, value)
