"""The documentation: what it shows runs, what it names exists, where it links something is.

Conventions, read from the Markdown:

- ``<!-- file: NAME -->`` before a block writes it to a file of the page's own folder.
- A ``console`` block after ``<!-- run -->`` (or ``<!-- run: exit 1 -->``, the exit code of its last command) is run, and its output
  compared; ``...`` stands for any lines, and times, speeds, run ids and dates may differ.
- A ``python`` block is run, all of a page's in one namespace, unless it is a file.

With EVALKIT_UPDATE_DOCS=1 in the environment, lines of transcripts whose figures have changed are written anew.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from evalkit.core.builtins import RESERVED
from evalkit.core.registry import entries

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
BLOCK = re.compile(r"(?:<!-- (?P<note>[^\n]*?) -->\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
VOLATILE = [
    (re.compile(r"[\d,.]+ records/s   \d+:\d\d"), "# records/s"),
    (re.compile(r"\d{8}T\d{6}Z-([\w.-]+)-[0-9a-f]{6}"), r"RUN-\1"),
    (re.compile(r"in \d+\.\d+s"), "in #s"),
    (re.compile(r"  +"), "  "),  # widths follow what was masked
]


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block of a page, and the note before it."""

    kind: str
    text: str
    note: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        yield Block(found["kind"], found["text"], found["note"] or "", text.count("\n", 0, found.start()) + 1)


def runnable(page: Path) -> bool:
    return any(block.note.startswith(("run", "file:")) or block.kind == "python" for block in blocks(page))


@pytest.mark.parametrize("name", [name for name, page in zip(NAMES, PAGES) if runnable(page)])
def test_what_a_page_shows_runs_as_it_says(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.syspath_prepend(str(tmp_path))
    shutil.copytree(ROOT / "suites", tmp_path / "suites")
    (tmp_path / "pyproject.toml").write_text("")  # the project that a user is in
    namespace: dict[str, object] = {}
    before = set(sys.modules)
    try:
        for block in blocks(ROOT / name):
            if block.note.startswith("file:"):
                path = tmp_path / block.note.removeprefix("file:").strip()
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text)
            elif block.kind == "python":
                exec(compile("\n" * block.line + block.text, name, "exec"), namespace)
            elif block.note.startswith("run"):
                _replay(block, name, monkeypatch, capfd)
    finally:
        for module in set(sys.modules) - before:
            if getattr(sys.modules[module], "__file__", None) and str(tmp_path) in str(sys.modules[module].__file__):
                del sys.modules[module]


def _replay(block: Block, name: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Run a transcript's commands, and compare what they say."""
    wanted_code = int(block.note.rpartition("exit")[2]) if "exit" in block.note else 0
    shown = [part.partition("\n") for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]]
    for place, (command, _, expected) in enumerate(shown):
        capfd.readouterr()
        code = _run(shlex.split(command), monkeypatch)
        told, complained = capfd.readouterr()
        assert code == (wanted_code if place == len(shown) - 1 else 0), f"{name}: $ {command}\n{told}{complained}"
        if os.environ.get("EVALKIT_UPDATE_DOCS") and not _fits(_plain(expected), _plain(told)):
            page = ROOT / name
            page.write_text(page.read_text(encoding="utf-8").replace(expected, _refreshed(expected, told)), encoding="utf-8")
            expected = _refreshed(expected, told)
        assert _fits(_plain(expected), _plain(told)), f"{name}:{block.line}: $ {command} said\n{told}{complained}"


def _refreshed(expected: str, told: str) -> str:
    """The lines of a transcript, each as it is said now: a line is known by what stands in it beside its figures, and by its turn."""

    def shape(line: str) -> str:
        return re.sub(r"[−+]?\d[\d,.]*", "#", _plain(line)[0])

    lines = told.split("\n")
    shapes, found, after = [shape(line) for line in lines], [], 0
    for line in expected.split("\n"):
        at = shapes.index(shape(line), after) if shape(line) in shapes[after:] else None
        found.append(line if at is None else lines[at])
        after = after if at is None else at + 1
    return "\n".join(found)


def _run(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    if arguments[0] == "evalkit":  # in this process: a start of Python for each would be most of the time
        import warnings

        from evalkit.cli.app import guarded

        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", arguments)
            patch.setattr(warnings, "showwarning", warnings.showwarning)
            return guarded()
    assert arguments[0] == "python", arguments
    told = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run([sys.executable, *arguments[1:]], env=told, text=True, capture_output=True, check=False)
    print(done.stdout, end="", flush=True)
    print(done.stderr, end="", file=sys.stderr, flush=True)
    return done.returncode


def _plain(text: str) -> list[str]:
    for pattern, put in VOLATILE:
        text = pattern.sub(put, text)
    return [line.rstrip() for line in text.strip("\n").split("\n")]


def _fits(wanted: list[str], told: list[str]) -> bool:
    """Whether lines are as shown, where ``...`` is any number of them."""
    if not wanted:
        return not told
    if wanted[0] == "...":
        return any(_fits(wanted[1:], told[skipped:]) for skipped in range(len(told) + 1))
    return bool(told) and wanted[0] == told[0] and _fits(wanted[1:], told[1:])


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
    made = ROOT / "docs/performance.md"  # `make bench` writes it
    lost = [link for link in links if "://" not in link and not ((page.parent / link).exists() or page.parent / link == made)]
    assert not lost


@pytest.mark.parametrize(
    "name", [name for name in NAMES if name != "docs/performance.md"]
)  # its options are the benchmarks' own
def test_every_option_that_a_page_names_exists(name: str) -> None:
    import typer

    from evalkit.cli.app import app

    group = typer.main.get_command(app)
    verbs = list(group.commands.values())  # type: ignore[attr-defined]
    verbs += [command for verb in verbs for command in getattr(verb, "commands", {}).values()]
    known = {option for command in [group, *verbs] for each in command.params for option in each.opts}
    known |= {"--help", "--evalkit", "--evalkit-baseline", "--install-completion"}  # pytest's own, and the parser's
    told = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", (ROOT / name).read_text(encoding="utf-8")))
    assert not told - known


@pytest.mark.parametrize("name", NAMES)
def test_every_command_that_a_page_names_exists_or_is_told_to_come(name: str) -> None:
    from evalkit.cli.app import app

    verbs = {command.name for command in [*app.registered_commands, *app.registered_groups]}
    told = set(re.findall(r"(?:^\$ |`)evalkit ([a-z]+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))
    assert not told - verbs


def test_the_page_of_metrics_names_every_metric_and_each_of_its_options() -> None:
    text = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    lacking = []
    for entry in entries("metric"):
        if entry.owner != "evalkit":
            continue
        name = f"{entry.name}NAME" if entry.name.endswith(":") else entry.name
        heads = f"## Hugging Face's evaluate{text.partition('## Hugging Face')[2]}" if name != entry.name else ""
        rows = [heads] if heads else [line for line in text.split("\n") if line.startswith(f"| `{name}` |")]
        if not rows:
            lacking.append(name)
        for field in dataclasses.fields(entry.load()):
            if field.name.startswith("_"):
                continue
            if field.name not in entry.preset and field.name != "module" and f"`{field.name}`" not in "".join(rows):
                lacking.append(f"{name}: {field.name}")
    assert not lacking


def test_the_page_of_metrics_names_every_reserved_name_and_no_registered_one() -> None:
    text = (ROOT / "docs/metrics.md").read_text(encoding="utf-8").partition("## Reserved names")[2]
    registered = {entry.name for entry in entries("metric")}
    assert set(re.findall(r"`(\w+)`", text)) == set(RESERVED["metric"]) - registered


def test_the_page_of_suites_names_every_key_and_every_column() -> None:
    from evalkit.records.canonical import COLUMNS
    from evalkit.specs.schema import suite_schema

    text = (ROOT / "docs/suites.md").read_text(encoding="utf-8")
    schema = suite_schema()
    keys = [
        *schema["properties"],
        *schema["properties"]["dataset"]["else"]["properties"],
        *schema["$defs"]["gate"]["properties"],
    ]
    assert not [key for key in [*keys, *COLUMNS] if f"`{key}`" not in text]


def test_yaml_in_the_pages_is_yaml() -> None:
    for page in PAGES:
        for block in blocks(page):
            if block.kind == "yaml":
                yaml.safe_load(block.text)


def test_the_architecture_shows_the_rooms_that_import_linter_enforces() -> None:
    import tomllib

    layers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]["layers"]
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    drawn = next(block.text for block in blocks(ROOT / "docs/architecture.md") if not block.kind)
    shown = [re.split(r"\s{3,}", line)[0].replace(" · ", " | ") for line in drawn.strip().split("\n")]
    assert shown == layers
    rooms = {path.name for path in (ROOT / "evalkit").iterdir() if (path / "__init__.py").is_file()}
    assert not [room for room in rooms if f"`{room}`" not in page and room not in drawn]
    modules = {path.stem for path in (ROOT / "evalkit").rglob("*.py")}
    for room in rooms:
        row = re.search(rf"^\| `{room}` \| (.*) \|$", page, re.MULTILINE)
        named = set(re.findall(r"`(\w+)`", row[1])) if row else set()
        assert not [one for one in named if one.islower() and one not in modules], room
