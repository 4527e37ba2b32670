"""`evalkit drift`: what changed is found, what did not is not, and what cannot be told is off with its reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import evalkit
from evalkit.cli.sampling import Wanted, sample_logs
from evalkit.core.errors import SpecError
from evalkit.core.registry import forget
from evalkit.monitor.drifting import saved
from tests.conftest import ROOT
from tests.monitor.made import DAY, REFUSAL, START, logs

ANSWERS = ROOT / "suites" / "data" / "http" / "answers.jsonl"


@pytest.fixture(scope="module")
def before() -> pa.Table:
    return logs(4.0, seed=1)


@pytest.fixture(scope="module")
def after() -> pa.Table:
    return logs(2.0, seed=2, start=START + 10 * DAY, after=0.0, more=0.06, new_words=0.1)


def test_what_changed_is_found_and_named(before: pa.Table, after: pa.Table) -> None:
    found = evalkit.drift(after, before, {"slices": ["model"]})
    drifted = {one.name for one in found.findings if one.drifted and not one.by}
    assert {"output.refusal", "input.terms"} <= drifted
    assert not drifted & {"latency_ms", "model", "output.language", "input.length:spread"}
    terms = found["input.terms"].terms
    assert {term.text for term in terms} == {"quantum", "teleporter", "warranty"}
    assert all("quantum teleporter" in example for term in terms for example in term.examples)
    assert found["output.refusal on model=a"].drifted
    assert found["output.refusal"].why.startswith("output.refusal rose: ")
    assert found["output.refusal"].others["missing_current"] == 0.0


def test_a_new_topic_stands_outside_of_all_known_ones_and_is_named(before: pa.Table) -> None:
    rng = np.random.default_rng(0)
    subjects = ["parcel late refund order", "invoice price cancel payment", "address change account login"]
    new = "kernel driver graphics crash"

    def texts(n: int, share: float) -> list[str]:
        chosen = [new if rng.random() < share else subjects[rng.integers(3)] for _ in range(n)]
        return [" ".join(rng.choice(one.split(), 6)) for one in chosen]

    found = evalkit.drift([{"input": text} for text in texts(1_000, 0.15)], [{"input": text} for text in texts(2_000, 0.0)])
    topic = found["input.topics"]
    assert topic.drifted
    assert topic.terms[0].text.startswith("none of these")
    assert any(word in topic.terms[0].text for word in new.split())
    assert topic.terms[0].current == pytest.approx(0.15, abs=0.05)


def test_random_halves_of_one_models_real_answers_raise_nothing_beyond_the_level() -> None:
    told = [row for row in map(json.loads, ANSWERS.read_text().splitlines()) if "0.5b" in row["model"]]
    rows = [{name: row[name] for name in ("id", "input", "output", "latency_ms", "completion_tokens", "kind")} for row in told]
    rng = np.random.default_rng(5)
    alarms = 0
    for _ in range(6):
        half = rng.random(len(rows)) < 0.5
        one, two = ([row for row, mine in zip(rows, half) if mine == side] for side in (True, False))
        alarms += evalkit.drift(one, two, {"off": ["output.tone", "*.language", "output.readability"]}).drifted
    assert alarms <= 1


@pytest.mark.shared_data
def test_random_splits_of_real_production_traces_raise_nothing_in_a_hundred_tries(shared_data: Path) -> None:
    table = pa.csv.read_csv(shared_data / "azure_llm_traces_2023" / "AzureLLMInferenceTrace_conv.csv")
    table = table.rename_columns(["timestamp", "prompt_tokens", "completion_tokens"])
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(100):
        half = rng.random(table.num_rows) < 0.5
        alarms += evalkit.drift(table.filter(pa.array(half)), table.filter(pa.array(~half))).drifted
    assert alarms == 0


def test_a_profile_says_what_its_logs_say_and_holds_no_row(before: pa.Table, after: pa.Table, tmp_path: Path) -> None:
    path = tmp_path / "before.profile"
    saved(before, path)
    direct, kept = evalkit.drift(after, before), evalkit.drift(after, path)
    assert [(one.label, one.value, one.p) for one in kept.findings] == [
        (one.label, one.value, one.p) for one in direct.findings
    ]
    data = path.read_bytes()
    longest = max(before.column("output").to_pylist(), key=len)
    assert longest.encode() not in data


def test_a_signal_of_ones_own_is_a_function_of_a_rows_values(before: pa.Table, after: pa.Table) -> None:
    @evalkit.signal("apologies")
    def apologies(output: str) -> int:
        return output.count("sorry")

    try:
        assert evalkit.drift(after, before)["apologies"].drifted
        assert apologies("sorry, sorry") == 2
    finally:
        forget("signal", "apologies")


def test_chat_messages_epoch_times_lists_of_flags_and_vectors_are_read(project: Path) -> None:
    rng = np.random.default_rng(0)

    def rows(n: int, flagged: bool) -> list[dict[str, Any]]:
        asked = ["How do I reset my password?", "Where is my order?", "Cancel my plan please"]
        return [
            {
                "input": [{"role": "system", "content": "x" * 500}, {"role": "user", "content": asked[rng.integers(3)]}],
                "output": "Done.",
                "timestamp": 1_788_220_800_000 + at * 60_000,
                "embedding": rng.normal(size=8).tolist(),
                "flags": ["toxic"] if flagged and at % 2 else [],
            }
            for at in range(n)
        ]

    for name, told in (("then", rows(200, False)), ("now", rows(200, True))):
        (project / f"{name}.jsonl").write_text("\n".join(map(json.dumps, told)))
    found = evalkit.drift(project / "now.jsonl", project / "then.jsonl")
    assert found["output.flagged"].drifted
    assert found["output.flags"].terms[0].text == "toxic"
    assert found["input.length"].before == pytest.approx(22.0, abs=4.0)
    assert not found["input.embedding"].drifted
    assert found.reference.first == "2026-09-01T00:00:00Z"


def test_few_rows_say_nothing_and_why(before: pa.Table) -> None:
    found = evalkit.drift(before.slice(0, 20), before)
    assert not found.findings
    assert {one.why for one in found.off if one.name == "output.length"} == {"the current rows have 20 values; 30 are needed"}


def test_a_side_with_nulls_only_is_off_and_nulls_are_counted(before: pa.Table) -> None:
    half = before.set_column(
        before.schema.get_field_index("latency_ms"), "latency_ms",
        pa.array([None if at % 2 else 5.0 for at in range(before.num_rows)], pa.float64()),
    )  # fmt: skip
    found = evalkit.drift(half, before)
    assert found["latency_ms"].others["missing_current"] == pytest.approx(0.5, abs=0.01)


def test_an_identifier_is_no_category(before: pa.Table) -> None:
    table = before.append_column("request", pa.array([f"x{at}" for at in range(before.num_rows)]))
    found = evalkit.drift(table, table)
    assert any(one.name == "request" and "distinct values" in one.why for one in found.off)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"off": ["output.lenght"]}, 'no signal is called "output.lenght"; did you mean "output.length"'),
        ({"slices": ["modle"]}, 'there is no column "modle"; did you mean "model"'),
        ({"signals": {"output.length": {"statistic": "psy"}}}, 'output.length has no statistic "psy"'),
        ({"levle": 0.1}, 'has no key "levle"'),
        ({"fields": {"output": "answer"}}, 'fields: output: no column "answer"'),
    ],
)
def test_a_wrong_configuration_is_one_clear_message(before: pa.Table, config: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError) as caught:
        evalkit.drift(before, before, config)
    assert said in str(caught.value)


def test_logs_with_nothing_in_common_are_told() -> None:
    with pytest.raises(SpecError, match="no signal in common"):
        evalkit.drift([{"a": 1.0}] * 50, [{"b": 1.0}] * 50)


def test_a_sample_by_drift_prefers_the_rows_that_drifted_and_keeps_their_weights(
    project: Path, before: pa.Table, after: pa.Table
) -> None:
    pq.write_table(before, project / "then.parquet")
    pq.write_table(after, project / "now.parquet")
    refused = [one == REFUSAL for one in after.column("output").to_pylist()]
    means, drawn = [], []
    for seed in range(8):
        out = project / f"review{seed}.jsonl"
        wanted = Wanted(
            str(project / "now.parquet"),
            200,
            out,
            "drift",
            None,
            (),
            None,
            None,
            seed,
            None,
            True,
            str(project / "then.parquet"),
        )
        assert sample_logs(wanted) == 0
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        assert len(rows) == 200
        assert {"id", "input", "output", "drift", "sampling_weight"} <= rows[0].keys()
        drawn.append(sum(row["output"] == REFUSAL for row in rows) / 200)
        means.append(sum(row["sampling_weight"] * (row["output"] == REFUSAL) for row in rows) / len(refused))
    assert np.mean(drawn) > 1.4 * sum(refused) / len(refused)
    assert np.mean(means) == pytest.approx(sum(refused) / len(refused), rel=0.15)
