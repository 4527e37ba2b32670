"""Comparisons as people read them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import evalkit
from evalkit.comparison.scores import scores_of
from evalkit.comparison.sides import RunSide
from evalkit.core.compared import Comparisons
from evalkit.reports.differing_pages import comparisons_html, comparisons_markdown, print_comparisons

HOSTILE = "<script>alert(1)</script>|[x](http://e.org)\x1b[31m"


def runs(name: str = "r") -> tuple[evalkit.Run, evalkit.Run]:
    made = []
    for lost in (0, 30):
        records = [
            {"id": f"{name}{at}", "output": "b" if at % 3 == 0 or at < lost else "a", "reference": "a", "tag": f"t{at % 2}"}
            for at in range(200)
        ]
        made.append(evalkit.evaluate(records, metrics=["exact_match", "levenshtein"], slices=["tag"]))
    return made[0], made[1]


@pytest.fixture(scope="module")
def pair() -> tuple[evalkit.Run, evalkit.Run]:
    return runs()


@pytest.fixture(scope="module")
def found(pair: tuple[evalkit.Run, evalkit.Run]) -> Comparisons:
    return evalkit.compare(*pair, margins={"exact_match": 0.02})


def printed(found: Comparisons, width: int = 160, *, terminal: bool = False) -> str:
    out = io.StringIO()
    print_comparisons(
        found, Console(file=out, width=width, force_terminal=terminal, color_system=None, highlight=False, markup=False)
    )
    return out.getvalue()


def test_the_terminal_says_the_verdict_first_and_what_it_rests_on(found: Comparisons) -> None:
    lines = printed(found).splitlines()
    assert lines[0].split("   ")[-1].strip() == "2 worse"
    table = next(line for line in lines if line.startswith("exact_match "))
    assert "worse" in table
    assert "McNemar exact; 0 up, 20 down" in table
    assert "p adjusted by Holm over 2 main values" in lines[-1]


def test_a_narrow_terminal_puts_the_test_below_and_breaks_no_number(found: Comparisons) -> None:
    lines = printed(found, 110, terminal=True).splitlines()
    at = next(index for index, line in enumerate(lines) if line.startswith("exact_match "))
    assert lines[at + 1].strip().startswith("McNemar exact")


@pytest.mark.parametrize("width", [64, 80, 100])
def test_a_narrow_terminal_moves_p_values_and_intervals_below(found: Comparisons, width: int) -> None:
    lines = printed(found, width, terminal=True).splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("metric "))
    table = lines[start : lines.index("", start)]
    assert max(map(len, table)) <= width
    below = " ".join(" ".join(table).split())
    assert "p < 0.0001; adjusted < 0.0001; McNemar" in below
    assert ("95% interval −" in below) is (width < 70)


def test_markdown_and_html_tell_the_same(found: Comparisons, pair: tuple[evalkit.Run, evalkit.Run]) -> None:
    markdown = comparisons_markdown(found)
    page = comparisons_html(found, [scores_of(RunSide.of(pair[0]), RunSide.of(pair[1]))])
    row = next(line for line in markdown.splitlines() if line.startswith("| `exact_match`"))
    for cell in row.split("|")[3:6]:
        assert cell.strip().replace("&#8203;", "") in page
    assert "**worse**" in row
    assert page.count('class="plot scatter"') == 2
    assert 'class="plot forest"' in page


def test_hostile_ids_stay_text() -> None:
    one, two = runs(HOSTILE)
    found = evalkit.compare(one, two)
    page = comparisons_html(found, [scores_of(RunSide.of(one), RunSide.of(two))])
    assert "<script>alert" not in page
    assert "\x1b" not in printed(found)
    markdown = comparisons_markdown(found)
    assert "<script>" not in markdown
    assert "[x](" not in markdown


class TestTheCommand:
    @pytest.fixture
    def stored(self, project: Path, pair: tuple[evalkit.Run, evalkit.Run]) -> Path:
        import shutil

        for name, run in zip("ab", pair):
            assert run.folder is not None
            shutil.copytree(run.folder, project / name)
            (project / name / "results.json").write_text(json.dumps(run.to_json()))
        return project

    def test_it_compares_folders_and_writes_what_was_asked_for(self, stored: Path, cli: Any) -> None:
        done = cli(
            "compare", "a/results.json", "b/results.json", "--json", "--html", "c.html", "--markdown", "c.md", cwd=stored
        )
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["metrics"]["exact_match"]["verdict"] == "worse"
        assert (stored / "c.html").read_text().startswith("<!doctype html>")
        assert (stored / "c.md").read_text().startswith("**evalkit compare: 2 worse**")

    @pytest.mark.parametrize(
        "data",
        [
            {"files": True},
            {"files": [1]},
            {"files": ["x.jsonl"], "fields": {"output": True}},
            {"files": ["x.jsonl"], "limit": "x"},
            {"generated": True},
            {"generated": {"file": "../../etc/passwd"}},
            {"generated": {"file": ""}},
        ],
    )
    def test_data_of_a_strangers_run_are_looked_at_before_they_are_read(self, stored: Path, cli: Any, data: Any) -> None:
        path = stored / "a" / "results.json"
        told = json.loads(path.read_text())
        path.write_text(json.dumps({**told, "dataset": {**told["dataset"], **data}}))
        done = cli("compare", "a", "b", "--html", "c.html", cwd=stored)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
        assert "is not a results.json of evalkit" in done.stderr
        assert not (stored / "c.html").exists()

    def test_another_question_under_the_same_id_is_told_at_the_top(self, project: Path, cli: Any) -> None:
        def scored(name: str, ask: Any, answer: str) -> None:
            lines = [{"id": f"r{at}", "input": ask(at), "output": answer, "reference": "yes"} for at in range(12)]
            (project / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
            suite = {"name": name, "dataset": {"path": f"{name}.jsonl"}, "metrics": ["exact_match"]}
            (project / f"{name}.yaml").write_text(json.dumps(suite))
            assert cli("run", f"{name}.yaml", cwd=project).returncode == 0

        scored("one", lambda at: f"is {at} fresh?", "yes")
        scored("same", lambda at: f"is {at} fresh?", "no")
        scored("other", lambda at: f"is {at} {'stale' if at in (4, 7) else 'fresh'}?", "no")
        assert "another question" not in cli("compare", "latest:one", "latest:same", cwd=project).stdout
        told = cli("compare", "latest:one", "latest:other", cwd=project).stdout
        assert "2 records ask another question under the same id, r4: is 4 fresh? → is 4 stale?" in told
        assert told.index("another question") < told.index("exact_match")
        (project / "other.jsonl").unlink()
        assert "another question" not in cli("compare", "latest:one", "latest:other", cwd=project).stdout

    def test_fail_on_worse_is_exit_code_one(self, stored: Path, cli: Any) -> None:
        assert cli("compare", "a", "b", "--fail-on-worse", cwd=stored).returncode == 1
        assert cli("compare", "b", "a", "--fail-on-worse", cwd=stored).returncode == 0

    def test_the_page_shows_what_was_said_before_and_after(self, project: Path, cli: Any) -> None:
        for name, answer in (("one", "stale"), ("two", "fresh <b>")):
            lines = [
                {"id": f"r{at}", "input": f"is {at} fresh?", "output": f"{answer} {at}", "reference": f"fresh <b> {at}"}
                for at in range(12)
            ]
            (project / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
            suite = {"name": name, "dataset": {"path": f"{name}.jsonl"}, "metrics": ["exact_match"]}
            (project / f"{name}.yaml").write_text(json.dumps(suite))
            assert cli("run", f"{name}.yaml", cwd=project).returncode == 0
        assert cli("compare", "latest:one", "latest:two", "--html", "c.html", cwd=project).returncode == 0
        page = (project / "c.html").read_text()
        assert "is 3 fresh?" in page
        assert "stale 3" in page
        assert "fresh &lt;b&gt; 3" in page
        (project / "two.jsonl").unlink()
        assert cli("compare", "latest:one", "latest:two", "--html", "c.html", cwd=project).returncode == 0
        assert "stale 3" not in (project / "c.html").read_text()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("a",), "it takes two runs or more"),
            (("a", "nowhere/results.json"), "there is no such results.json"),
            (("a", "b", "--margin", "exact_match"), "is no METRIC=X"),
            (("a", "b", "--margin", "exact_mach=0.1"), 'did you mean "exact_match"'),
            (("a", "b", "--test", "anova"), "nothing is called"),
            (("a", "b", "--html", "a"), "cannot be written"),
            (("a", "b", "--seed", "-1"), "--seed"),
            (("a", "nosuch"), 'error: no run is called "nosuch"; see `evalkit list runs`\n'),
            (("a", "latest:nosuch"), "see `evalkit list runs`\n"),
        ],
    )
    def test_a_wrong_command_is_exit_code_two_with_one_message(
        self, stored: Path, cli: Any, arguments: tuple[str, ...], message: str
    ) -> None:
        done = cli("compare", *arguments, cwd=stored)
        assert done.returncode == 2
        assert message in done.stderr
        assert "Traceback" not in done.stderr
        assert not done.stdout
