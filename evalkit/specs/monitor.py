"""A monitor's file: which logs, cut into which windows, held against which reference, and who is told."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evalkit.core.content import PathEscape, content_root, locate, project_root
from evalkit.core.errors import Problem, SpecError, nearest, quote
from evalkit.core.registry import content_folders
from evalkit.core.times import duration, moment
from evalkit.specs.drift import DriftSpec, read_drift, read_file
from evalkit.specs.embedded import read_embed
from evalkit.specs.home import Home
from evalkit.specs.judged import JudgeSample, read_judged
from evalkit.specs.metrics import read_backends
from evalkit.specs.node import Node
from evalkit.specs.sinks import SinkSpec, read_alerts
from evalkit.specs.suite import BackendSpec
from evalkit.specs.tree import Tree
from evalkit.specs.validate import read_prices

KEYS = (
    "name", "source", "timestamp", "window", "lateness", "reference", "drift", "judge_sample", "sentinel", "backends", "prices",
    "false_alarms_per_month", "season", "minimum", "alerts", "report", "link", "memory",
)  # fmt: skip
SEASONS = ("auto", "none", "daily", "weekly")
_NAME = re.compile(r"\w[\w.-]{0,79}\Z")
_REQUIRED = ("source", "window", "reference")


@dataclass(frozen=True)
class MonitorSpec:
    """A checked monitor.

    Attributes:
        source: a path, glob, folder or query of logs.
        window, lateness: seconds; a window is due once ``lateness`` has passed since its end.
        reference: from and to in seconds since 1970, or the path of a saved profile.
        judge_samples: metrics on some rows of each window.
        sentinel: records that each window judges anew, so that a judge that changed is told from a product that did.
        budget: false alarms a month, over all signals.
        minimum: rows below which a window of a signal is not judged.
        report: the folder that reports are written to; None: the monitor's own in the store.
        link: what alerts call the report's address, where it is served.
    """

    name: str
    path: Path | None
    root: Path
    sha256: str
    source: str
    window: float
    lateness: float
    reference: tuple[float, float] | Path
    drift: DriftSpec
    judge_samples: tuple[JudgeSample, ...] = ()
    sentinel: Path | None = None
    backends: Mapping[str, BackendSpec] = field(default_factory=dict)
    prices: Mapping[str, Any] = field(default_factory=dict)
    budget: float = 1.0
    season: str = "auto"
    minimum: int = 20
    alerts: tuple[SinkSpec, ...] = ()
    report: Path | None = None
    link: str = ""
    memory: str | None = None


def load_monitor(path: Path, *, cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> MonitorSpec:
    """The monitor of a file.

    Args:
        environment: the variables that alerts name must be in it; None: only the file is checked.

    Raises:
        SpecError: every problem at once, with file and line.
    """
    path = _found(path, Path(cwd or Path.cwd()))
    tree = read_file(path, "monitor")
    home = Home.of(path, Path(cwd or Path.cwd()))
    found = _read(tree, home, path, environment)
    tree.raise_problems()
    assert found is not None
    return found


def _found(path: Path, cwd: Path) -> Path:
    """The file as named, of the project, a plug-in or the built-in content; a bare name is looked up in suites/monitors/."""
    named = [path] if path.suffix in (".yaml", ".yml") else [path, path.with_suffix(".yaml")]
    tried = [str(one) for one in named] + [f"suites/monitors/{one}" for one in named if len(one.parts) == 1]
    try:
        for one in tried:
            if (cwd / one).is_file():
                return Path(one) if cwd == Path.cwd() else cwd / one  # messages show it as it was named
            found = locate(one, beside=cwd, root=project_root(cwd, cwd), plugins=content_folders())
            if found is not None and found.is_file():
                return found
    except PathEscape as error:
        raise SpecError(Problem(str(path), str(error))) from None
    there = sorted(one.stem for one in (content_root() / "suites" / "monitors").glob("*.y*ml"))
    close = nearest(path.stem, there)
    hint = f"did you mean {quote(close)}?" if close else "docs/monitoring.md shows one"
    raise SpecError(Problem(str(path), "there is no such monitor file", hint))


def _read(tree: Tree, home: Home, path: Path, environment: Mapping[str, str] | None) -> MonitorSpec | None:
    top = Node(tree)
    if not top.mapping(KEYS, "keys such as `source:`, `window:` and `reference:`"):
        return None
    for key in _REQUIRED:
        if top.get(key) is None:
            top.fault(f"the monitor lacks `{key}`", _EXAMPLES[key])
    name, source, drift = top.get("name"), top.get("source"), top.get("drift")
    stamp, budget, season, minimum = (top.get(key) for key in ("timestamp", "false_alarms_per_month", "season", "minimum"))
    report, link, memory, sentinel = (top.get(key) for key in ("report", "link", "memory", "sentinel"))
    prices = read_prices(top.get("prices"))
    backends = read_backends(top.get("backends"), home)
    judged = read_judged(top, backends, prices, home)
    told = name.text("a name") if name else path.stem
    if name and told is not None and not _NAME.match(told):
        name.fault(f"name wants letters, digits, dots, _ and -, and found {quote(told)}")
    spec = read_drift(drift, str(path)) if drift else DriftSpec(source=str(path))
    if stamp and (column := stamp.text("the name of a column")) is not None and column != "timestamp":
        spec = replace(spec, fields={**spec.fields, "timestamp": column})
    if drift:
        spec = replace(spec, embed=read_embed(drift.get("embed"), home, backends))
    found = MonitorSpec(
        name=told or "",
        path=path,
        root=project_root(home.beside, home.cwd),
        sha256=hashlib.sha256(repr(tree.value).encode("utf-8", "surrogatepass")).hexdigest(),
        source=_source(source, home) if source else "",
        window=_duration(top.get("window"), 0.0),
        lateness=_duration(top.get("lateness"), 0.0),
        reference=_reference(top.get("reference"), home),
        drift=spec,
        judge_samples=judged.samples,
        sentinel=home.find(sentinel, sentinel.text("a file of records") or "", "data file") if sentinel else None,
        backends=judged.backends,
        prices=prices,
        budget=(budget.number(0.001, 1_000.0) if budget else None) or 1.0,
        season=(season.choice(SEASONS) if season else None) or "auto",
        minimum=(minimum.whole(2) if minimum else None) or 20,
        alerts=read_alerts(top.get("alerts"), home, environment),
        report=Path(report.text("a folder") or "") if report else None,
        link=(link.text("an address") if link else None) or "",
        memory=memory.text("a size such as 2GB") if memory else None,
    )
    if isinstance(found.reference, Path) and found.judge_samples:
        top.child("judge_sample").fault(
            "judge_sample scores rows of the reference too, and a profile has none", "write reference: {from: …, to: …}"
        )
    if sentinel and not any(sample.asks for sample in judged.samples) and not (tree.problems and top.get("judge_sample")):
        sentinel.fault("sentinel needs a judge", "add judge_sample: {metric: {use: geval, …}}")
    return found


_EXAMPLES = {
    "source": "add for instance `source: logs/*.parquet`",
    "window": "add for instance `window: 1h`",
    "reference": "add for instance `reference: {from: 2026-09-01, to: 2026-09-29}`",
}


def _source(node: Node, home: Home) -> str:
    """A path or pattern beside the file, or in the project; queries and patterns that match nothing yet stay as they are."""
    text = node.text("a path, a pattern, or a query") or ""
    if text.startswith(("sql:", "sqlalchemy:", "/")) or not text:
        return text
    for base in (home.beside, home.root):
        if (base / text).exists() or any(base.glob(text)):
            return str(base / text)
    return str(home.beside / text)


def _duration(node: Node | None, default: float) -> float:
    if node is None:
        return default
    try:
        return duration(str(node.value))
    except SpecError as error:
        node.fault(f"{node.label}: {error}")
        return default


def _reference(node: Node | None, home: Home) -> tuple[float, float] | Path:
    if node is None:
        return (math.nan, math.nan)
    if isinstance(node.value, str):
        return home.find(node, node.value, "profile") or Path(node.value)
    if not node.mapping(("from", "to"), "{from: …, to: …}, or the path of a saved profile"):
        return (math.nan, math.nan)
    start, end = (_moment(node.get(key), node, key) for key in ("from", "to"))
    if not math.isnan(start) and not math.isnan(end) and not start < end:
        node.fault("reference: `from` lies after `to`", "exchange them")
    return start, end


def _moment(node: Node | None, parent: Node, key: str) -> float:
    if node is None:
        parent.fault(f"reference lacks `{key}`", "write {from: 2026-09-01, to: 2026-09-29}")
        return math.nan
    try:
        return moment(str(node.value))
    except SpecError as error:
        node.fault(f"{node.label}: {error}")
        return math.nan
