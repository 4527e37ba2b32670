"""Comparisons of logs and monitors as the reports get them: realistic, empty and hostile ones."""

from __future__ import annotations

import dataclasses
import io
import math

import numpy as np

from evalkit.core.drift import Drift, Finding, Off, Shape, Side, Term
from evalkit.core.watched import Incident, Point, Timeline, Watched

NAN = math.nan
EVIL = "<script>alert(1)</script>|`x`\x1b[31m\u202e"
QUESTIONS = (
    "How do I get a refund for a subscription that renewed yesterday?",
    "The refund portal says my card is unknown. What now?",
    "Wo finde ich das Rückgabeportal?",
)


def numbers_shape(before: float, after: float, spread: float, cells: int = 20) -> Shape:
    """A distribution of lengths on both sides."""
    rng = np.random.default_rng(5)
    then, now = rng.gamma(spread, before / spread, 20_000), rng.gamma(spread, after / spread, 4_000)
    edges = np.histogram_bin_edges(np.concatenate([then, now]), cells)
    shares = [np.histogram(side, edges)[0] / len(side) for side in (then, now)]
    labels = tuple(f"{low:.0f} – {high:.0f}" for low, high in zip(edges, edges[1:]))
    return Shape(labels, tuple(shares[0].tolist()), tuple(shares[1].tolist()), tuple(edges.tolist()))


def finding(name: str, group: str = "output", **told) -> Finding:
    """A finding without drift, but for what is told."""
    base = {
        "kind": "number", "statistic": "wasserstein", "value": 0.02, "threshold": 0.1, "test": "Kolmogorov-Smirnov", "p": 0.41,
        "q": 0.62, "drifted": False, "why": f"{name} has not moved", "n_reference": 20_000, "n_current": 4_000,
    }  # fmt: skip
    return Finding(name=name, group=group, **{**base, **told})


def findings() -> tuple[Finding, ...]:
    """A product whose answers grew longer with a new model, and whose users ask for something new."""
    moved = {"p": 1e-12, "q": 2e-11, "drifted": True}
    topics = Shape(
        tuple(f"topic {at}: {words}" for at, words in enumerate(("billing", "login", "delivery", "refund portal", "other"))),
        (0.42, 0.31, 0.22, 0.0, 0.05),
        (0.36, 0.27, 0.20, 0.13, 0.04),
    )
    deciles = (1.0, 22.0, 31.0, 44.0, 52.0, 61.0, 75.0, 92.0, 130.0, 210.0, 9_800.0)
    return (
        finding("input.length", "input", before=212.4, after=214.9, unit="characters", shape=numbers_shape(212, 215, 3)),
        finding(
            "input.topics", "input", kind="category", statistic="js", value=0.21, threshold=0.1, test="chi-square",
            why="13% of the inputs are about something the reference did not have: refund portal",
            shape=topics, terms=(Term("refund portal", 0.0, 0.13, QUESTIONS), Term("billing", 0.42, 0.36)), **moved,
        ),
        finding(
            "input.unseen", "input", kind="terms", statistic="excess", value=0.031, threshold=0.01, test="binomial",
            before=0.004, after=0.035, unit="share", why="3.5% of the tokens are unknown to the reference, which predicts 0.4%",
            terms=(
                Term("Rückgabeportal", 0.0, 0.011, QUESTIONS[2:]), Term("portal", 0.0002, 0.014, QUESTIONS[1:2]),
                Term("tracking", 0.011, 0.009),
            ),
            **moved,
        ),
        finding("input.embedding", "input", kind="vector", statistic="auc", value=0.53, threshold=0.6, test="MMD, permuted", q=0.03),
        finding("input.language", "input", kind="category", statistic="psi", value=0.01, test="chi-square",
                shape=Shape(("en", "de", "ja"), (0.8, 0.15, 0.05), (0.79, 0.16, 0.05))),
        finding(
            "output.length", statistic="wasserstein", value=0.31, before=412.2, after=498.7, unit="characters",
            why="Outputs are longer: 412 characters before, 499 now", shape=numbers_shape(412, 499, 4), **moved,
        ),
        finding("output.refusal", kind="flag", statistic="difference", value=0.002, threshold=0.02, before=0.021, after=0.023,
                unit="share", test="two proportions", q=0.4),
        finding("output.repetition", value=0.14, q=0.21, before=0.031, after=0.038, unit="share", n_current=90,
                why="It looks larger, on 90 rows"),
        finding("output.tone", before=0.31, after=0.29, unit="", shape=Shape(("", "", "", ""), (0.1, 0.2, 0.3, 0.4), (0.1, 0.2, 0.35, 0.35), (-1.0, -0.5, 0.0, 0.5, 1.0))),
        finding("proxy.latency_ms", "proxy", before=812.0, after=1_934.0, unit="ms", value=1.9, statistic="psi",
                why="Latency more than doubled: 812 ms before, 1,934 ms now",
                shape=Shape(tuple(f"{low:g} – {high:g}" for low, high in zip(deciles, deciles[1:])), (0.1,) * 10,
                            (0.02, 0.03, 0.04, 0.05, 0.06, 0.1, 0.1, 0.15, 0.2, 0.25), deciles), **moved),
        finding("proxy.consistency", "proxy", before=3.91, after=3.87, unit="", value=0.03),
        finding("plan", "column", kind="category", statistic="psi", value=0.004, test="chi-square"),
        *(
            finding("output.length", by={"model": name}, value=value, before=before, after=after, unit="characters", n_current=2_000,
                    **(moved if value > 0.1 else {}))
            for name, value, before, after in (("a", 0.01, 410.0, 414.0), ("b", 0.61, 414.0, 583.0))
        ),
        finding("output.length", by={"language": "de"}, value=0.33, before=460.0, after=560.0, unit="characters", n_current=700, **moved),
        finding("plan", "column", by={"model": "b"}, kind="category", statistic="psi", value=0.24, test="chi-square",
                why="On model=b the plan \"team\" went from 8% to 20%", **moved),
    )  # fmt: skip


def drift(**told) -> Drift:
    """The comparison that tests look at."""
    base = {
        "findings": findings(),
        "off": (
            Off("proxy.feedback", "no column feedback"),
            Off("proxy.cost", "no column cost"),
            Off("output.embedding", "no column embedding, and no backend to embed a sample with"),
            Off("output.tone_classifier", "no column embedding, and no backend to embed a sample with"),
        ),
        "reference": Side("logs/2026-10/*.parquet", 20_000, "2026-10-01T00:00Z", "2026-10-31T23:59Z"),
        "current": Side("logs/2026-11-08.parquet", 4_000, "2026-11-08T00:00Z", "2026-11-08T23:59Z"),
        "notes": ("37 of the current rows are in the reference too",),
        "seconds": 3.2,
    }
    return Drift(**{**base, **told})


def quiet() -> Drift:
    """The same without drift."""
    return drift(
        findings=tuple(dataclasses.replace(one, drifted=False, value=0.01, q=0.5) for one in findings()[:12]), notes=()
    )


def nothing() -> Drift:
    """No signal could be compared."""
    return drift(findings=(), current=Side("empty.jsonl", 0), notes=())


def hostile(text: str = EVIL) -> Drift:
    """Every text that others write is the same bad one."""
    one = finding(
        f"column.{text}", "column", kind="category", statistic=text, test=text, why=text, unit=text, drifted=True, q=0.0, value=math.inf,
        before=1.0, after=2.0, shape=Shape((text, f"{text}2"), (0.5, 0.5), (0.1, 0.9)), terms=(Term(text, 0.0, 0.1, (text,)),),
    )  # fmt: skip
    ranged = finding(text, shape=Shape(("", text), (0.0, 0.0), (1.0, 0.0), (-math.inf, 0.0, math.inf)), drifted=True, why=text)
    part = dataclasses.replace(one, by={text: text})
    return drift(
        findings=(one, ranged, part), off=(Off(text, text),), reference=Side(text, 1, text, text), current=Side(text, 1, text, text),
        notes=(text,),
    )  # fmt: skip


def printed(tell, *arguments, width: int = 0) -> str:
    """What a ``print_…`` writes: into a pipe, or a terminal of ``width`` columns."""
    from rich.console import Console

    out = io.StringIO()
    console = Console(
        file=out, width=width or 200, force_terminal=bool(width), color_system=None, highlight=False, markup=False
    )
    tell(*arguments, console)
    return out.getvalue()


# --- monitors --------------------------------------------------------------------------------------------------------

HOUR = 3_600.0
START = 1_793_491_200.0  # 2026-11-01T00:00Z


def timeline(
    name: str,
    group: str = "output",
    *,
    windows: int = 400,
    level: float = 400.0,
    unit: str = "characters",
    shift: float = 0.0,
    since: int = 10**9,
    until: int = 10**9,
    by=None,
    seed: int = 0,
) -> Timeline:
    """A signal with a day's and a week's rhythm; from window ``since`` it is off by ``shift`` of its level."""
    rng = np.random.default_rng([seed, *name.encode()])
    at = np.arange(windows)
    expected = level * (1 + 0.08 * np.sin(at / 24 * 2 * np.pi) + 0.04 * np.sin(at / 168 * 2 * np.pi))
    moved = (at >= since) & (at < until) & (shift != 0)
    values = expected * (1 + 0.015 * rng.standard_normal(windows) + shift * moved)
    points = []
    for index in range(windows):
        status = "learning" if index < windows // 6 else "drifted" if moved[index] and index > since else "ok"
        value = float(values[index])
        if index % 97 == 50:
            status, value = "none", NAN
        here = float(expected[index])
        points.append(Point(START + HOUR * index, value, here, here * 0.95, here * 1.05, 120, 0.3, 0.5, status))
    return Timeline(name, group, unit, tuple(points), by or {})


def incident(name: str = "output.length", **told) -> Incident:
    """Answers that became longer."""
    base = {
        "id": f"{name}@1", "group": "output", "severity": "critical", "kind": "jump", "found": START + HOUR * 362, "since": START + HOUR * 360,
        "before": 402.3, "after": 486.9, "unit": "characters", "why": "Outputs are longer: 402 characters before, 487 now", "slice": "model=b",
        "examples": tuple({"id": f"r-{at}", "model": "b", "input": text, "output": f"{text} " * 5} for at, text in enumerate(QUESTIONS)),
    }  # fmt: skip
    return Incident(name=name, **{**base, **told})


def watched(**told) -> Watched:
    """A monitor of 400 hourly windows with two incidents open and two over."""
    base = {
        "name": "support-bot", "source": "logs/*.parquet", "width": HOUR,
        "windows": tuple((START + HOUR * at, 120, at % 50 == 0) for at in range(400)),
        "timelines": (
            timeline("input.length", "input", level=212.0),
            timeline("input.unseen", "input", level=0.004, unit="share"),
            timeline("output.length", shift=0.21, since=360),
            timeline("output.length", shift=0.4, since=360, by={"model": "b"}),
            timeline("output.length", by={"model": "a"}),
            timeline("output.refusal", level=0.021, unit="share", shift=0.9, since=200, until=240),
            timeline("proxy.latency_ms", "proxy", level=812.0, unit="ms"),
            timeline("proxy.consistency", "proxy", level=3.9, unit="", shift=-0.1, since=380),
            timeline("plan", "column", level=0.08, unit="share"),
        ),
        "incidents": (
            incident("output.refusal", severity="warning", found=START + HOUR * 202, since=START + HOUR * 200, closed=START + HOUR * 240,
                     before=0.021, after=0.04, unit="share", why="More refusals: 2.1% before, 4.0% now", slice="", examples=()),
            incident(),
            incident("proxy.consistency", group="proxy", severity="warning", kind="judge", found=START + HOUR * 390,
                     since=START + HOUR * 380, before=3.9, after=3.5, unit="", why="The judge gives 0.4 less to the same answers", slice=""),
            incident("output.length", by={"model": "b"}, severity="warning", kind="slow", found=START + HOUR * 150, since=START + HOUR * 100,
                     closed=START + HOUR * 170, slice=""),
        ),
        "off": drift().off,
        "latest": drift(notes=()),
        "budget": 1.0,
        "notes": ("12 rows came later than 2h after their window and were left out",),
    }  # fmt: skip
    return Watched(**{**base, **told})


def bare() -> Watched:
    """A monitor before its first window."""
    return watched(windows=(), timelines=(), incidents=(), latest=None, notes=(), off=())


def single() -> Watched:
    """A monitor after its first window."""
    return watched(
        windows=((START, 3, 0),), timelines=(timeline("output.length", windows=1),), incidents=(), latest=quiet(), notes=()
    )


def large(signals: int = 40, windows: int = 2_000) -> Watched:
    """As much as a page has to bear."""
    lines = tuple(timeline(f"output.signal_{at}", windows=windows, shift=0.3 * (at < 5), since=1_900) for at in range(signals))
    incidents = tuple(
        incident(f"output.signal_{at}", id=str(at), since=START + HOUR * 1_900, found=START + HOUR * 1_902) for at in range(5)
    )
    return watched(windows=tuple((START + HOUR * at, 120, 0) for at in range(windows)), timelines=lines, incidents=incidents)


def hostile_watched(text: str = EVIL) -> Watched:
    """Every text is bad, and so are the numbers."""
    points = [
        Point(START + HOUR * at, value, value, -value, value, 1, NAN, NAN, "drifted")
        for at, value in enumerate((math.inf, -math.inf, 1e308, -1e308, NAN, 0.0))
    ]
    one = incident(text, why=text, unit=text, slice=text, by={text: text}, examples=({text: text},), after=math.inf, before=NAN)
    return watched(
        name=text, source=text, timelines=(Timeline(text, "column", text, tuple(points), {text: text}), Timeline(text, "column", text, tuple(points))),
        incidents=(one, dataclasses.replace(one, by={}, found=NAN, since=math.inf)), off=(Off(text, text),), latest=hostile(text), notes=(text,),
        windows=tuple((START + HOUR * at, 1, 1) for at in range(6)),
    )  # fmt: skip
