"""Replies from a recording: found by key, then by name; a wrong recording is told before anything is scored."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from evalkit.backends.replay import Replay
from evalkit.core.asking import Origin, Request
from evalkit.core.errors import BackendError, SpecError
from evalkit.core.signature import canonical

LIVE = """
dataset: {path: d.jsonl}
backends:
  judge:
    kind: scripted
    replies: [{when: 'ANSWER [0-9a-f]+\\nbad', say: '{"reason": "it says bad", "verdict": "no"}'}]
    otherwise: '{"reason": "fine", "verdict": "yes"}'
metrics:
  - {use: yes_no, as: good, question: Is it good?, backend: judge}
  - {use: pairwise, against: {column: output_b}, reply: brackets, backend: other}
"""
OTHER = "  other: {kind: scripted, replies: [{when: 'ANSWER B [0-9a-f]+\\nbad', say: 'Mine. [[A]]'}], otherwise: '[[B]]'}\n"
REPLAYED = """
dataset: {path: d.jsonl}
backends: {judge: {kind: replay, path: said.jsonl}, other: {kind: replay, path: said.jsonl}}
metrics:
  - {use: yes_no, as: good, question: Is it good?, backend: judge}
  - {use: pairwise, against: {column: output_b}, reply: brackets, backend: other}
"""


def request(text: str = "hello", *, record: str = "r1", call: str = "score", repeat: int = 0) -> Request:
    return Request(({"role": "user", "content": text},), repeat=repeat, origin=Origin("good", record, call))


def line(text: str, asked: Request | None = None, **told: Any) -> str:
    found = {"text": text, **told}
    if asked is not None:
        found["key"] = hashlib.sha256(canonical(asked.content())).hexdigest()
    return json.dumps(found) + "\n"


def answer(backend: Replay, asked: Request) -> str:
    return asyncio.run(backend.complete(asked)).text


NAMED = {"metric": "good", "id": "r1", "call": "score", "repeat": 0}


@pytest.fixture
def said(tmp_path: Path) -> Path:
    return tmp_path / "said.jsonl"


@pytest.fixture
def live(project: Path, jsonl: Any) -> Path:
    records = [
        {"id": f"r{i}", "input": f"q{i}", "output": ["good", "bad", "fine"][i % 3] + " " * (i > 8), "output_b": "bad"}
        for i in range(12)
    ]
    jsonl(project / "d.jsonl", records)
    (project / "live.yaml").write_text(LIVE.replace("metrics:", OTHER + "metrics:"))
    (project / "replayed.yaml").write_text(REPLAYED)
    return project


def told(done: Any) -> Any:
    assert done.returncode in (0, 1, 3), done.stderr
    return msgspec.json.decode(done.stdout)


# --- the round trip, through the command ---


def test_what_one_run_records_another_replays_with_the_same_scores_and_no_call(live: Path, cli: Any) -> None:
    first = told(cli("run", "live.yaml", "--json", "--record", "said.jsonl"))
    assert first["usage"]["calls"] == 12 + 24 - first["usage"]["cached"]
    done = cli("run", "replayed.yaml", "--json")
    second = told(done)
    assert second["usage"]["calls"] == 0
    assert second["usage"]["cached"] == 36
    assert "warning" not in done.stderr
    for name, value in first["metrics"].items():
        assert second["metrics"][name]["mean"] == value["mean"], name
        assert second["metrics"][name]["ci"] == value["ci"], name
    folders = sorted((live / ".evalkit/runs").iterdir(), key=lambda folder: "replayed" in folder.name)
    one, two = (pq.read_table(folder / "scores.parquet").to_pylist() for folder in folders)
    assert str(one) == str(two)  # NaN is NaN here


def test_another_runs_own_calls_serve_as_a_recording(live: Path, cli: Any) -> None:
    first = told(cli("run", "live.yaml", "--json", "--out", "earlier"))
    (live / "replayed.yaml").write_text(REPLAYED.replace("path: said.jsonl", "run: earlier"))
    second = told(cli("run", "replayed.yaml", "--json"))
    assert second["usage"]["calls"] == 0
    assert {name: value["mean"] for name, value in second["metrics"].items()} == {
        name: value["mean"] for name, value in first["metrics"].items()
    }


def test_a_changed_prompt_is_one_warning_with_the_count(live: Path, cli: Any) -> None:
    told(cli("run", "live.yaml", "--json", "--record", "said.jsonl"))
    changed = REPLAYED.replace("reply: brackets", "reply: brackets, criteria: The shorter one.")
    (live / "replayed.yaml").write_text(changed)
    for _ in range(2):  # a replayed reply is not cached: the second run says so too
        done = cli("run", "replayed.yaml", "--json", "--fresh")
        assert told(done)["metrics"]["pairwise"]["n"] == 12
        warnings = [text for text in done.stderr.splitlines() if text.startswith("warning")]
        assert len(warnings) == 1
        assert warnings[0].startswith("warning: said.jsonl: 24 replies were found by name, not by the request")


def test_a_record_that_was_not_recorded_is_an_error_that_says_so(live: Path, cli: Any, jsonl: Any) -> None:
    told(cli("run", "live.yaml", "--json", "--record", "said.jsonl"))
    with (live / "d.jsonl").open("a") as out:
        out.write(json.dumps({"id": "new", "input": "q", "output": "unheard", "output_b": "of"}) + "\n")
    second = told(cli("run", "replayed.yaml", "--json"))
    assert second["metrics"]["pairwise"]["errors"] == 1
    folder = next((live / ".evalkit/runs").glob("*replayed*"))
    scores = pq.read_table(folder / "scores.parquet").to_pylist()
    assert scores[-1]["pairwise.error"] == (
        'said.jsonl has no reply to pairwise, record "new", call "given"; record it with `evalkit run --record FILE`'
    )


@pytest.mark.parametrize(
    ("command", "content", "said"),
    [
        ("run", None, 'backends.judge.path names no file or folder "said.jsonl"'),
        ("check", "", "said.jsonl: there are no replies in it"),
        ("check", '{"text": "a", "metric": "m", "id": "1"}\n{"text": 7}\n', "said.jsonl:2: this is no recorded reply"),
        ("run", '{"text": "a", "metric": "m", "id": "1"}\n{"text": "cut', "said.jsonl:2: this is no recorded reply"),
        ("check", '{"text": "a"}\n', "said.jsonl:1: a reply needs a `key`, or a `metric` and an `id`"),
    ],
)
def test_a_wrong_recording_is_told_with_its_line_before_anything_is_scored(
    live: Path, cli: Any, command: str, content: str | None, said: str
) -> None:
    if content is not None:
        (live / "said.jsonl").write_text(content)
    done = cli(command, "replayed.yaml")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (live / ".evalkit/runs").exists()


# --- how a reply is found ---


def test_the_key_goes_before_the_name(said: Path) -> None:
    asked = request()
    said.write_text(line("by name", **NAMED) + line("by key", asked, metric="other", id="r9"))
    assert answer(Replay(said), asked) == "by key"


def test_without_its_key_a_reply_is_found_by_its_name(said: Path) -> None:
    said.write_text(line("first", **NAMED) + line("second", **{**NAMED, "repeat": 1}) + line("steps", **{**NAMED, "call": "s"}))
    backend = Replay(said)
    assert answer(backend, request()) == "first"
    assert answer(backend, request(repeat=1)) == "second"
    assert answer(backend, request(call="s")) == "steps"
    with pytest.raises(BackendError, match="draw 2"):
        answer(backend, request(repeat=2))


def test_a_hand_written_recording_without_keys_does_not_warn(said: Path) -> None:
    said.write_text(line("first", **NAMED))
    backend = Replay(said)
    answer(backend, request())
    asyncio.run(backend.close())  # a warning is an error here


def test_the_count_of_changed_prompts_is_told_once(said: Path) -> None:
    said.write_text(line("first", request("another prompt"), **NAMED))
    backend = Replay(said)
    assert answer(backend, request()) == "first"
    with pytest.warns(UserWarning, match="1 reply was found by name"):
        asyncio.run(backend.close())
    asyncio.run(backend.close())


def test_of_equal_requests_the_one_with_the_name_is_meant(said: Path) -> None:
    one, two = request(record="r1"), request(record="r2")
    said.write_text(line("to one", one, **NAMED) + line("to two", two, **{**NAMED, "id": "r2"}))
    backend = Replay(said)
    assert [answer(backend, asked) for asked in (one, two, request(record="r3"))] == ["to one", "to two", "to one"]


def test_a_name_that_stands_for_several_requests_tells_nothing(said: Path) -> None:
    one, two = request("one"), request("two")
    said.write_text(line("1", one, **NAMED) + line("2", two, **NAMED))
    backend = Replay(said)
    assert [answer(backend, asked) for asked in (one, two)] == ["1", "2"]
    with pytest.raises(BackendError, match="answers several requests, and this is none of them"):
        answer(backend, request("three"))


def test_a_reply_without_a_record_is_never_found_by_name(said: Path) -> None:
    said.write_text(line("?", request("one", record=""), metric="good", id="", call="score"))
    with pytest.raises(BackendError, match="no reply to this request"):
        answer(Replay(said), request("two", record=""))


def test_two_replies_to_one_request_under_one_name_are_refused(said: Path) -> None:
    said.write_text(line("yes", request(), **NAMED) + "\n" + line("no", request(), **NAMED))
    with pytest.raises(SpecError, match=r"said\.jsonl:3: another reply to good, record \"r1\", call \"score\" stands at .*:1"):
        Replay(said)


def test_the_replies_of_one_model_are_chosen_from_those_of_several(said: Path) -> None:
    asked = request()
    said.write_text(line("mine", asked, model="a", **NAMED) + line("yours", asked, model="b", **NAMED))
    with pytest.raises(SpecError, match='"a" and "b" both answer this request; choose one with `model:`'):
        Replay(said)
    assert answer(Replay(said, model="b"), asked) == "yours"
    with pytest.raises(SpecError, match="no reply of the model"):
        Replay(said, model="c")
    assert Replay(said, model="a").identity != Replay(said, model="b").identity


def test_logprobs_are_replayed_and_only_promised_where_they_are(said: Path) -> None:
    said.write_text(line("4", request(), logprobs=[["4", -0.25, [["4", -0.25], ["5", -1.5]]]], **NAMED))
    backend = Replay(said)
    token = asyncio.run(backend.complete(request())).tokens[0]
    assert (token.text, token.logprob, token.top) == ("4", -0.25, (("4", -0.25), ("5", -1.5)))
    assert "logprobs" in backend.can
    said.write_text(line("44", request(), **NAMED))
    assert "logprobs" not in Replay(said).can


def test_what_was_used_is_told_and_the_models_are_named(said: Path) -> None:
    said.write_text(line("a", request(), model="qwen", usage={"prompt_tokens": 7, "completion_tokens": 3}, **NAMED))
    backend = Replay(said)
    reply = asyncio.run(backend.complete(request()))
    assert (reply.prompt_tokens, reply.completion_tokens, reply.model) == (7, 3, "qwen")
    assert backend.shown == "qwen (replayed)"
    assert backend.identity.startswith("replay:qwen:")


def test_another_recording_is_another_identity(said: Path) -> None:
    said.write_text(line("a", **NAMED))
    first = Replay(said).identity
    said.write_text(line("b", **NAMED) + "\n")
    assert Replay(said).identity != first


def test_many_wrong_lines_are_told_at_once_and_not_all(said: Path) -> None:
    said.write_text("nonsense\n" * 30)
    with pytest.raises(SpecError) as caught:
        Replay(said)
    assert len(caught.value.problems) == 21
    assert caught.value.problems[-1].what == "and 10 more lines are wrong"


def test_a_folder_without_calls_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"no run that asked a model has written here; name the folder of a finished run"):
        Replay(run=tmp_path)
    (tmp_path / "calls.parquet").write_bytes(b"PAR1 and nothing else PAR1")
    with pytest.raises(SpecError, match="this is no record of a run's calls"):
        Replay(run=tmp_path)


def test_either_a_file_or_a_run_is_given() -> None:
    for options in ({}, {"path": Path("a"), "run": Path("b")}):
        with pytest.raises(ValueError, match="either `path`"):
            Replay(**options)
