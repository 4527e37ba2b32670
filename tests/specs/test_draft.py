"""`evalkit init`: a suite for a user's own file that reads well and runs as it is."""

from __future__ import annotations

import csv
import json
import random

import jsonschema
import pytest

from evalkit.core.errors import SpecError
from evalkit.records.dataset import scan
from evalkit.specs.draft import draft_suite, written
from evalkit.specs.load import load_suite
from evalkit.specs.needs import needs
from evalkit.specs.schema import suite_schema
from evalkit.specs.tree import read_tree


@pytest.fixture
def draft(project):
    """Write records to a file, draft a suite for it, check that it loads over the whole file, and return both."""

    def make(rows, name="mine.jsonl", target="mine.yaml"):
        path = project / name
        path.parent.mkdir(exist_ok=True, parents=True)
        if name.endswith(".csv"):
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        text = draft_suite(path.relative_to(project), project / target)
        (project / target).parent.mkdir(exist_ok=True, parents=True)
        (project / target).write_text(text, encoding="utf-8")
        suite = load_suite(target)
        wanted = {column: " and ".join(who) for column, who in needs(suite).items()}
        scan(suite.dataset.files, label=suite.dataset.path, fields=suite.dataset.fields, needs=wanted)
        jsonschema.Draft202012Validator(suite_schema()).validate(read_tree(text, target).value)
        return suite, text

    return make


def labels(suite):
    return [spec.label for spec in suite.metrics]


def test_short_references_are_compared_whole_and_by_words(draft):
    rows = [{"question": f"q{n}", "answer": f"thing {n}", "gold": f"thing {n}"} for n in range(40)]
    suite, text = draft(rows)
    assert labels(suite) == ["exact_match", "contains", "token_f1"]
    assert suite.dataset.fields == {"input": "question", "output": "answer", "reference": "gold"}
    assert "exact_match                               # 1 on these records" in text
    assert [(gate.metric, gate.bound) for gate in suite.gates] == [("errors", 0.01)]


def test_long_references_are_compared_by_overlap(draft):
    text = "The committee met on Tuesday and decided to postpone the vote until number {} was counted again."
    rows = [{"input": f"q{n}", "output": text.format(n), "reference": [text.format(n + 1), text.format(n)]} for n in range(30)]
    suite, _ = draft(rows)
    assert labels(suite)[:3] == ["rouge", "chrf", "bleu"]
    assert set(labels(suite)[3:]) <= {"meteor"}


def test_chinese_references_are_not_given_to_rouge(draft):
    rows = [
        {
            "input": "问",
            "output": f"今天天气很好我们一起去公园散步吧{n}",
            "reference": "今天的天气非常好我们一起去公园里面散步吧然后我们再回家吃晚饭休息看书听音乐睡觉做梦",
        }
        for n in range(30)
    ]
    suite, text = draft(rows)
    assert labels(suite) == ["chrf", "bleu"]
    assert "tokenize: zh" in text


def test_numbers_are_compared_as_numbers(draft):
    rows = [{"input": f"q{n}", "output": f"It is {n}.", "reference": f"{n}"} for n in range(30)]
    assert labels(draft(rows)[0]) == ["numeric_match", "exact_match"]
    solved = [{"input": f"q{n}", "output": f"so {n}", "reference": f"First we add, then we get\n#### {n}"} for n in range(30)]
    assert labels(draft(solved)[0]) == ["numeric_match"]


def test_a_few_labels_are_a_classification(draft):
    rng = random.Random(0)
    rows = [{"text": f"t{n}", "label": rng.choice(["yes", "No", "maybe"]), "prediction": "no"} for n in range(60)]
    suite, text = draft(rows, "mine.csv")
    assert labels(suite) == ["accuracy"]
    assert suite.metrics[0].metric.options()["labels"] == ("No", "maybe", "yes")
    assert '"yes"' in text  # a YAML 1.1 reader would take it for true


def test_json_outputs_and_operation_and_rankings_get_their_metrics(draft):
    rows = [
        {"input": f"q{n}", "output": '{"a": 1}', "retrieved_ids": ["a"], "relevant_ids": ["a"], "latency_ms": n, "cost": 0.1,
         "prompt_tokens": 5, "completion_tokens": 6}
        for n in range(30)
    ]  # fmt: skip
    assert labels(draft(rows)[0]) == ["json_valid", "ndcg", "recall_at_k", "mrr", "latency", "cost", "tokens"]


def test_passages_without_ids_are_matched_as_texts(draft):
    rows = [{"input": f"q{n}", "contexts": [f"passage {n}"], "reference_contexts": [f"passage {n}"]} for n in range(30)]
    suite, _ = draft(rows)
    assert labels(suite) == ["ndcg", "recall_at_k", "context_size"]


def test_outputs_alone_still_give_a_suite_that_runs(draft):
    suite, _ = draft([{"input": f"q{n}", "output": "some words here"} for n in range(20)])
    assert labels(suite) == ["not_blank"]


def test_repeated_inputs_become_clusters_and_few_values_slices(draft):
    rows = [
        {"qid": f"q{n}", "input": f"what is {n}?", "output": "a", "reference": "the a", "model": model, "topic": "xyz"[n % 3], "free": f"{n}{model}"}
        for n in range(30) for model in ("small", "large")
    ]  # fmt: skip
    suite, _ = draft(rows)
    assert suite.dataset.fields["cluster"] == "qid"
    assert suite.slices == ("model", "topic")
    for row in rows:
        del row["qid"]
    suite, _ = draft(rows)
    assert suite.dataset.fields == {"input": "input", "cluster": "input"}


def test_ids_that_repeat_are_taken_for_clusters(draft):
    rows = [{"id": f"r{n // 2}", "input": f"q{n}", "output": "a", "reference": "a"} for n in range(40)]
    suite, text = draft(rows)
    assert suite.dataset.fields["cluster"] == "id"
    assert "its values repeat" in text


def test_missing_values_are_foreseen_in_the_errors_gate(draft):
    rows = [{"input": f"q{n}", "output": "a b", "reference": "a b" if n % 5 else None} for n in range(50)]
    suite, text = draft(rows)
    assert suite.gates[0].bound == 0.22
    assert "20% of the records lack a value" in text


def test_the_data_is_found_from_wherever_the_suite_is_written(draft, project):
    rows = [{"input": f"q{n}", "output": "a b", "reference": "a b"} for n in range(10)]
    assert draft(rows, "data/d.jsonl", "suites/d.yaml")[0].dataset.path == "../data/d.jsonl"
    assert draft(rows, "data/d e#f.jsonl", "d.yaml")[0].dataset.path == "data/d e#f.jsonl"
    outside = project.parent / "o.jsonl"
    outside.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (project / "o.yaml").write_text(draft_suite(outside, project / "o.yaml"), encoding="utf-8")
    assert load_suite("o.yaml").dataset.files == (outside,)


def test_nothing_to_score_and_nothing_to_read_are_told(draft, project):
    with pytest.raises(SpecError, match="no column looks like the output of a system; its columns are id, a, b"):
        draft([{"a": "x", "b": "y"} for _ in range(5)])
    with pytest.raises(SpecError, match="no such file"):
        draft_suite(project / "nowhere.jsonl")
    (project / "bad.jsonl").write_text('{"a": 1\n', encoding="utf-8")
    with pytest.raises(SpecError, match=r"bad\.jsonl:1: broken JSON"):
        draft_suite(project / "bad.jsonl")


@pytest.mark.parametrize(
    "value",
    [
        "a",
        "a b",
        "yes",
        "1e5",
        "null",
        "",
        " a",
        "a: b",
        "#x",
        "a #b",
        "-",
        "- a",
        "[x]",
        "é",
        '"',
        "\n",
        "12:30",
        True,
        3,
        ["a", "no"],
    ],
)
def test_a_written_value_reads_back(value):
    assert read_tree(f"key: {written(value)}", "x").value == {"key": value}
    assert read_tree(f"key: [{written(value)}, 1]", "x").value == {"key": [value, 1]}
