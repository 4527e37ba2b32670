"""Panels: votes of several judges combined, their disagreement, quorums, and who is asked what."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evalkit
from evalkit.core.content import Document, content_root
from evalkit.core.errors import SpecError
from evalkit.core.member import Member
from evalkit.core.signature import fingerprint
from evalkit.judges.panel import Panel, combined, disagreement
from evalkit.judges.yes_no import YesNo

RUBRIC = {"name": "r", "criteria": "Is it right?", "steps": ["Read.", "Score."], "needs": ["output"]}


def says(score: Any) -> dict[str, Any]:
    """A backend that gives everything the same score."""
    return {"kind": "scripted", "otherwise": json.dumps({"score": score, "reason": f"worth {score}"}), "model": f"m{score}"}


def geval(backend: str | None, **options: Any) -> dict[str, Any]:
    told = {"use": "geval", "rubric": RUBRIC, "mode": "single", **options}
    return {**told, "backend": backend} if backend is not None else told


def judged(records: list[dict[str, Any]], backends: dict[str, Any], judges: list[Any], **options: Any) -> Any:
    return evalkit.evaluate(records, [{"use": "panel", "judges": judges, **options}], backends=backends, resamples=100)


def rows(run: Any) -> list[dict[str, Any]]:
    return pq.read_table(run.folder / "scores.parquet").to_pylist()


ONE = [{"id": "r0", "output": "an answer"}]
THREE = {"a": says(1), "b": says(2), "c": says(5)}
SEATS = [geval("a", **{"as": "a"}), geval("b", **{"as": "b"}), geval("c", **{"as": "c"})]


# --- one value of several votes ---


@pytest.mark.parametrize(
    ("by", "votes", "value", "apart"),
    [
        ("mean", [1, 2, 5], 8 / 3, 4),
        ("median", [1, 2, 5], 2, 4),
        ("median", [1, 2, 3, 5], 2.5, 4),
        ("majority", [1, 1, 5], 1, 0.9182958340544896),
        ("majority", [0, 1], 0.5, 1),
        ("majority", [1, 1, 3, 3, 5], 2, 1.5219280948873621),
        ("majority", [4, 4, 4], 4, 0),
        ("mean", [4, 4, 4], 4, 0),
    ],
)
def test_votes_are_combined(by: Any, votes: list[float], value: float, apart: float):
    assert combined(votes, by) == pytest.approx(value)
    assert disagreement(votes, by) == pytest.approx(apart)


votes_of_some = st.lists(st.integers(1, 5).map(float), min_size=1, max_size=9)


@given(votes_of_some, st.sampled_from(["mean", "median", "majority"]), st.randoms(use_true_random=False))
def test_the_order_of_the_judges_does_not_matter_and_the_value_lies_among_their_votes(votes: list[float], by: Any, random: Any):
    mixed = random.sample(votes, len(votes))
    assert combined(mixed, by) == pytest.approx(combined(votes, by))
    assert min(votes) <= combined(votes, by) + 1e-12
    assert combined(votes, by) <= max(votes) + 1e-12
    assert (disagreement(votes, by) == 0) == (len(set(votes)) == 1)


@given(votes_of_some)
def test_a_majority_of_more_than_half_is_the_value(votes: list[float]):
    commonest = statistics.mode(votes)
    if votes.count(commonest) * 2 > len(votes):
        assert combined(votes, "majority") == commonest


def test_a_panel_asks_every_model_and_keeps_every_vote():
    run = judged(ONE * 1, THREE, SEATS)
    assert run["panel"].mean == pytest.approx(8 / 3)
    assert run["panel.disagreement"].mean == 4
    assert run.usage.calls == 3
    assert run["panel"].about == "mean of 3 judges, raw 1–5, single, judges: m1, m2, m5"
    (row,) = rows(run)
    assert msgspec.json.decode(row["panel.evidence"]) == {"votes": {"a": 1.0, "b": 2.0, "c": 5.0}}
    assert row["panel.reason"] == "a 1: worth 1; b 2: worth 2; c 5: worth 5"
    calls = pq.read_table(run.folder / "calls.parquet").to_pylist()
    assert sorted((call["id"], call["call"]) for call in calls) == [("r0", "a/score"), ("r0", "b/score"), ("r0", "c/score")]


def test_several_judges_may_share_one_model():
    judges = [{"use": "yes_no", "as": name, "question": f"Is it {name}?"} for name in ("kind", "short", "true")]
    script = [{"when": "Is it short", "say": '{"reason": "", "verdict": "no"}'}]
    backends = {"judge": {"kind": "scripted", "replies": script, "otherwise": '{"reason": "", "verdict": "yes"}'}}
    run = judged(ONE, backends, judges, by="majority")
    assert run["panel"].mean == 1
    assert run["panel.disagreement"].mean == pytest.approx(0.9182958340544896)


def test_another_part_may_be_voted_on():
    run = judged(ONE, THREE, SEATS, part="normalized")
    assert run["panel"].mean == pytest.approx((0 + 0.25 + 1) / 3)


# --- errors, skips and quorums ---

FAILING = {**THREE, "c": {"kind": "scripted", "otherwise": "five, I'd say"}}


def test_a_judge_that_fails_fails_the_record_unless_a_quorum_is_declared():
    run = judged(ONE, FAILING, SEATS)
    assert (run["panel"].n, run["panel"].errors) == (0, 1)
    (row,) = rows(run)
    assert row["panel.error"].startswith("2 of 3 judges voted, 3 must: c: the reply is not JSON")
    assert math.isnan(row["panel"])


def test_a_quorum_does_without_a_judge_and_says_which():
    run = judged(ONE, FAILING, SEATS, quorum=2)
    assert run["panel"].mean == 1.5
    told = msgspec.json.decode(rows(run)[0]["panel.evidence"])
    assert told["votes"] == {"a": 1.0, "b": 2.0}
    assert told["failed"]["c"].startswith("the reply is not JSON")


def test_below_the_quorum_the_record_is_an_error():
    run = judged(ONE, {**FAILING, "b": {"kind": "scripted"}}, SEATS, quorum=2)
    assert run["panel"].errors == 1
    assert rows(run)[0]["panel.error"].startswith("1 of 3 judges voted, 2 must: b: the script has no reply")


def test_what_no_judge_can_judge_is_skipped():
    run = judged([{"id": "r0", "output": " "}, {"id": "r1", "output": "x"}], THREE, SEATS, quorum=2)
    assert (run["panel"].n, run["panel"].errors, run["panel"].skipped) == (1, 0, 1)
    assert rows(run)[0]["panel.skipped"].startswith("0 of 3 judges voted, 2 must: a: the output is empty")


def test_a_missing_output_is_every_judges_error():
    run = judged([{"id": "r0", "output": None}, {"id": "r1", "output": "x"}], THREE, SEATS)
    assert (run["panel"].n, run["panel"].errors) == (1, 1)
    assert "a: no output" in rows(run)[0]["panel.error"]


def test_judges_may_be_pairwise():
    def picks(word: str) -> dict[str, Any]:
        return {"kind": "scripted", "otherwise": json.dumps({"reason": "", "verdict": word})}

    seats = [
        {"use": "pairwise", "as": name, "against": {"column": "b"}, "orders": "given", "backend": name}
        for name in ("x", "y", "z")
    ]
    backends = {"x": picks("A"), "y": picks("A"), "z": picks("B")}
    run = judged([{"id": "r0", "input": "q", "output": "o", "b": "p"}], backends, seats, by="majority")
    assert run["panel"].mean == 1
    assert "win rate against b" in str(run["panel"].about)


# --- what cannot be a panel ---


@pytest.mark.parametrize(
    ("panel", "said"),
    [
        ({}, "a panel has at least two judges"),
        ({"judges": SEATS[:1]}, "a panel has at least two judges"),
        ({"judges": "geval"}, "metrics[0].judges wants a list of judges"),
        ({"judges": [*SEATS, "exact_match"]}, "metrics[0].judges[3]: exact_match asks no model, so it is no judge"),
        ({"judges": [*SEATS, "gevall"]}, 'names no judge "gevall"; did you mean "geval"?'),
        ({"judges": [*SEATS, {"use": "panel"}]}, "a panel cannot sit on a panel"),
        ({"judges": [*SEATS, {"backend": "a"}]}, "metrics[0].judges[3] does not say which judge"),
        (
            {"judges": [*SEATS, geval("a", **{"as": "a", "reason": "none"})]},
            'two judges are called "a"; tell them apart with `as:`',
        ),
        ({"judges": [*SEATS, geval("a", **{"as": "twin"})]}, "twin is the same judge as a"),
        ({"judges": [*SEATS, geval("a", smaples=3)]}, 'geval has no option "smaples"; did you mean "samples"?'),
        ({"judges": [*SEATS, geval(None)]}, "either every judge of the panel names its `backend`, or none does"),
        ({"judges": [*SEATS[:2], geval("d")]}, 'metrics[0] names no backend "d" of this suite'),
        ({"judges": SEATS, "quorum": 4}, "quorum is from 1 to 3"),
        ({"judges": SEATS, "part": "mass"}, "a has no part 'mass'; its parts: normalized"),
        ({"judges": SEATS, "by": "max"}, "one of mean, median, majority"),
        (
            {"judges": [*SEATS, {"use": "yes_no", "question": "?", "backend": "a"}]},
            "the judges' scales differ (raw 1–5, 0–1); add `part: normalized`",
        ),
        (
            {"judges": [{"use": "yes_no", "as": str(way), "question": "?", "positive": way} for way in (True, False)]},
            "for some judges of the panel more is better, for others not",
        ),
    ],
)
def test_a_wrong_panel_is_told(panel: dict[str, Any], said: str):
    with pytest.raises(SpecError) as caught:
        evalkit.evaluate(ONE, [{"use": "panel", **panel}], backends=THREE)
    assert said in str(caught.value)


def test_a_judge_that_its_backend_cannot_serve_is_refused():
    seats = [*SEATS[:2], geval("c", mode="logprob")]
    with pytest.raises(SpecError, match=r"panel: the backend c .kind: scripted. cannot give the log-probabilities"):
        evalkit.evaluate(ONE, [{"use": "panel", "judges": seats}], backends=THREE)


# --- files, fingerprints, recordings ---


def test_every_judge_moves_the_fingerprint():
    def panel(*questions: str, **options: Any) -> Panel:
        return Panel(tuple(Member(str(place), YesNo(question)) for place, question in enumerate(questions)), **options)

    known = [panel("a", "b"), panel("a", "c"), panel("a", "b", "c"), panel("a", "b", by="median"), panel("a", "b", quorum=1)]
    assert len({fingerprint(one) for one in known}) == len(known)
    assert fingerprint(panel("a", "b")) == fingerprint(panel("a", "b"))


def test_the_models_behind_all_seats_move_the_fingerprint():
    one, other = (judged(ONE, {**THREE, "c": says(score)}, SEATS)["panel"].fingerprint for score in (5, 4))
    assert one != other


def test_the_shipped_panel_takes_three_backends(project: Path, jsonl: Any):
    jsonl(project / "d.jsonl", [{"id": "r0", "input": "q", "output": "a"}])
    backends = {f"judge-{seat}": says(score) for seat, score in (("a", 2), ("b", 4), ("c", 5))}
    suite = {
        "dataset": "d.jsonl",
        "backends": backends,
        "metrics": [{"use": "panel", "judge": "judges/panel-three-models.yaml"}],
    }
    (project / "s.yaml").write_text(json.dumps(suite))
    run = evalkit.run("s.yaml")
    assert run["panel"].mean == 4
    assert run["panel"].about == "median of 3 judges, raw 1–5, sampled, judges: m2, m4, m5"
    assert "panel/a/geval" in run.prompts


@pytest.mark.parametrize("path", sorted((content_root() / "judges").glob("pairwise-*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_pairwise_judges_are_whole(path: Path):
    found = evalkit.score(
        "pairwise", ["a"], inputs=["q"], theirs=["b"], against={"column": "theirs"}, judge=str(path), reply="brackets",
        backend=evalkit_scripted("[[A>B]]" if "five" in path.read_text() else "[[A]]"),
    )  # fmt: skip
    assert found["pairwise"].tolist() == [0.5], "the first place both times"


def evalkit_scripted(text: str) -> Any:
    from evalkit.backends.scripted import Scripted

    return Scripted(otherwise=text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: dag\njudges: []", "p.yaml:1: kind wants panel"),
        ("kind: panel", "the panel lacks `judges`"),
        ("kind: panel\njudges: [yes_no]\nvotes: 3", "p.yaml:3: the judge has no key"),
        ("kind: panel\njudges:\n- {use: geval, rubric: helpfulnes}", "p.yaml:3: judges[0].rubric names no file"),
    ],
)
def test_a_wrong_panel_file_is_told_with_its_line(tmp_path: Path, text: str, said: str):
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(SpecError) as caught:
        Panel(judge=Document.read(tmp_path / "p.yaml"))
    assert said in str(caught.value)


def test_a_recorded_panel_is_replayed_seat_by_seat(project: Path, jsonl: Any, cli: Any):
    jsonl(project / "d.jsonl", [{"id": f"r{i}", "output": f"answer {i}"} for i in range(4)])
    suite = {"dataset": "d.jsonl", "backends": THREE, "metrics": [{"use": "panel", "judges": SEATS}]}
    (project / "s.yaml").write_text(json.dumps(suite))
    first = msgspec.json.decode(cli("run", "s.yaml", "--json", "--record", "said.jsonl").stdout)
    lines = [json.loads(line) for line in (project / "said.jsonl").read_text().splitlines()]
    # The seats ask the same, so their keys are equal: as from models whose names the server tells.
    for line in lines:
        line["model"] = {"a": "m1", "b": "m2", "c": "m5"}[line["call"][0]]
    (project / "said.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    replays = {name: {"kind": "replay", "path": "said.jsonl", "model": f"m{score}"} for name, score in zip("abc", (1, 2, 5))}
    (project / "s.yaml").write_text(json.dumps({**suite, "backends": replays}))
    second = msgspec.json.decode(cli("run", "s.yaml", "--json").stdout)
    assert second["usage"]["calls"] == 0
    assert second["metrics"]["panel"]["mean"] == first["metrics"]["panel"]["mean"]
    assert second["metrics"]["panel.disagreement"]["mean"] == 4
    assert second["metrics"]["panel"]["about"].endswith("judges: m1 (replayed), m2 (replayed), m5 (replayed)")
