"""What `evalkit show` prints: a metric with its options, a suite, a backend, or a run with all that went into it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from evalkit.cli.running import relative
from evalkit.core.content import Document, content_root, project_root
from evalkit.core.errors import SpecError, UnknownName
from evalkit.core.registry import Entry, content_folders, entries, lookup
from evalkit.core.run import Run
from evalkit.core.signature import prompts_of
from evalkit.reports.safe import visible
from evalkit.specs.about import NAMED, About, Part, about
from evalkit.specs.judge import kind_of
from evalkit.specs.rubric import read_rubric
from evalkit.specs.single import metric_of
from evalkit.specs.tree import MAX_BYTES

CONTENT = ("rubrics", "judges")
_WIDTH = 120  # of what is wrapped


def show_anything(
    name: str, store: str | None, *, as_json: bool, html: Path | None = None, markdown: Path | None = None
) -> int:
    """Print whatever goes by this name: a registered part, a run, then a suite.

    Raises:
        UnknownName: nothing does.
    """
    entry = _registered(name)
    if entry is not None:
        _tell(*_part(entry), as_json)
        return 0
    run = _run(name, store)
    if run is not None:
        _show_run(run, as_json, html, markdown)
        return 0
    content = _content(name)
    if content is not None:
        _tell_file(content, content.parent.name.removesuffix("s"), as_json)
        return 0
    suite = _suite(name)
    if suite is not None:
        _tell_file(suite, "suite", as_json)
        return 0
    from evalkit.specs.load import known_suites

    known = [one.name for kind in ("metric", "backend") for one in entries(kind)]
    known += [f"{folder}/{path.stem}" for folder in CONTENT for path in _files(folder)]
    known += [path.stem for path in known_suites()]
    raise UnknownName("metric, judge, rubric, backend, suite or run", name, known, "evalkit list")


def _content(name: str) -> Path | None:
    """A rubric or a judge: ``rubrics/tone``, or the bare name."""
    folder, _, bare = name.rpartition("/")
    for kind in (folder,) if folder in CONTENT else () if folder else CONTENT:
        for path in _files(kind):
            if path.stem == bare.removesuffix(".yaml"):
                return path
    return None


def _files(folder: str) -> list[Path]:
    bases = (project_root(Path.cwd(), Path.cwd()), *content_folders(), content_root())
    return [path for base in bases for path in sorted((base / folder).glob("*.yaml")) if not path.stem.endswith(".steps")]


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(MAX_BYTES).decode("utf-8", "replace").removesuffix("\n")


def _prompts_with(content: Path) -> dict[str, str]:
    """What is sent with a rubric or a judge, by who sends it."""
    if content.parent.name not in CONTENT:
        return {}
    if content.parent.name == "rubrics":
        document = Document.read(content)
        from evalkit.judges.geval import GEval

        return {"geval": GEval(document, mode="logprob").prompts()[read_rubric(document).name]}
    if kind_of(content) == "dag":
        return dict(prompts_of(metric_of("dag", {"judge": str(content.resolve())})))
    return {}


def _tell_file(path: Path, kind: str, as_json: bool) -> None:
    text = _text(path)
    if as_json:
        prompts = _prompts_with(path)
        _print_json({"name": path.stem, "kind": kind, "text": text, **({"prompts": prompts} if prompts else {})})
        return
    _print(text)
    for sender, prompt in _prompts_with(path).items():  # a file with faults is shown before they are told
        heading = "the prompt that geval sends with it" if kind == "rubric" else f"what {sender} asks"
        _print(f"\n--- {heading} ---\n\n{prompt}")


def _registered(name: str) -> Entry | None:
    for kind in ("metric", "backend"):
        try:
            return lookup(kind, name)
        except UnknownName:
            continue
    return None


def _part(entry: Entry) -> tuple[About, dict[str, str]]:
    """What there is to say of a registered part, and the prompts that it sends."""
    return about(entry), _prompts(entry.name)


def _prompts(name: str) -> dict[str, str]:
    """The prompts that a judge of ours sends."""
    paths = sorted((content_root() / "judges" / "prompts").glob("*.yaml"))
    return {path.stem: _text(path) for path in paths if path.stem == name or path.stem.startswith((f"{name}-", f"{name}_"))}


def _run(name: str, store: str | None) -> Run | None:
    from evalkit.runner.stores import catalog_at
    from evalkit.store.runs import NoBaseline, find_run, load_run

    path = Path(name)
    if name.endswith(".json") or (path.is_dir() and (path / "results.json").is_file()):
        return load_run(path)
    root = project_root(Path.cwd())
    if store is None and not (root / ".evalkit").is_dir():
        return None
    try:
        return find_run(name, catalog_at(store, root), root)
    except NoBaseline as error:
        raise SpecError(str(error)) from error
    except UnknownName:
        return None
    except SpecError:
        if "/" in name or path.is_dir():  # the path of a suite, then
            return None
        raise


def _suite(name: str) -> Path | None:
    from evalkit.specs.load import find_suite

    try:
        return find_suite(name, Path.cwd())
    except SpecError:
        return None


def _print(text: str) -> None:
    """Print what others wrote: it cannot steer the terminal."""
    print(visible(text))


def _show_run(run: Run, as_json: bool, html: Path | None, markdown: Path | None) -> None:
    from evalkit.reports.console import make_console
    from evalkit.reports.summary import summarise
    from evalkit.reports.terminal import print_run
    from evalkit.runner.report import results_json, stored_view, write_copies

    summary = summarise(run, records=stored_view(run))
    write_copies(summary, html, markdown)
    if as_json:
        sys.stdout.write(results_json(run))
        return
    console = make_console()
    report = run.folder / "report.html" if run.folder else None
    print_run(summary, console, report=relative(report) if report and report.is_file() else None)
    _print(f"\nrun          {run.run_id}")
    _print(f"started      {run.started_at}   {run.seconds:.1f} s")
    _print(f"suite        {run.suite.get('sha256', '')[:12]}   data {run.dataset.get('sha256', '')[:12]}")
    if run.git:
        _print(f"git          {run.git['commit'][:12]}{' with uncommitted changes' if run.git['dirty'] else ''}")
    if run.usage.calls:
        _print(f"usage        {run.usage.calls:,} calls, {run.usage.prompt_tokens:,} + {run.usage.completion_tokens:,} tokens")
    _print("\nfingerprints")
    seen = dict.fromkeys((value.signature, value.fingerprint) for value in run.metrics.values())
    for signature, fingerprint in seen:
        _print(f"  {fingerprint[:12]}   {signature}")
    for name, text in run.prompts.items():
        _print(f"\nprompt {name}\n")
        _print("\n".join(f"  {line}" for line in text.splitlines()))


def _print_json(told: Mapping[str, Any]) -> None:
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(told, enc_hook=str), indent=2).decode() + "\n")


def _tell(told: About, prompts: Mapping[str, str], as_json: bool) -> None:
    if as_json:
        _print_json(told.to_json() | ({"prompts": prompts} if prompts else {}))
        return
    owner = "" if told.owner == "evalkit" else f", from {told.owner}"
    _print(f"{told.name}   {told.kind}, {told.family}{owner}\n\n{told.text}")
    for name in NAMED:
        if name in told.sections:
            _print("\n" + fill(f"{name.lower()}: {told.sections[name]}", width=_WIDTH, subsequent_indent="  "))
    if told.needs:
        _print(f"\nneeds   {', '.join(told.needs)}")
    if told.parts:
        _print("\nvalues")
        _print("\n".join(_columns([_value(told.name, part) for part in told.parts])))
    if told.options:
        _print("\noptions")
        width = max(len(one.name) for one in told.options)
        for one in told.options:
            default = one.spelled if one.required else f"default {one.spelled}"
            _print(f"  {one.name.ljust(width)}   {one.type}, {default}")
            if one.says:
                indent = " " * (width + 5)
                _print(fill(one.says, width=_WIDTH, initial_indent=indent, subsequent_indent=indent))
    for name, text in prompts.items():
        _print(f"\n--- prompt {name} ---\n{text}")


def _value(metric: str, part: Part) -> tuple[str, ...]:
    better = {"higher": "higher is better", "lower": "lower is better", "neither": "neither is better"}[part.better]
    interval = "no interval" if part.interval == "none" else f"interval: {part.interval}"
    return f"{metric}.{part.name}" if part.name else metric, part.range, better, interval


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  " + "   ".join(cell.ljust(width) for cell, width in zip(row, widths) if width).rstrip() for row in rows]
