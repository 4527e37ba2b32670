"""`model:` of a metric that asks a model: short for a backend that loads it, shared by all that name the same."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from evalkit.core.errors import SpecError
from evalkit.specs.schema import suite_schema

pytestmark = pytest.mark.skipif(
    not (find_spec("torch") and find_spec("transformers")), reason="NOT TESTED: model: in suites, for torch is not installed"
)


@pytest.fixture
def encoder(project: Path) -> Path:
    """What a check reads of a model: its config."""
    folder = project / "models" / "tiny"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"architectures": ["BertModel"], "model_type": "bert"}))
    return folder


def test_metrics_that_name_the_same_model_share_one_backend(load, encoder):
    suite = load(
        "metrics:\n  - bertscore: {model: models/tiny, num_layers: 2}\n"
        "  - {use: bertscore, as: weighed, idf: true, model: models/tiny}\n  - semantic_similarity: {model: models/tiny}\n"
    )
    assert len(suite.backends) == 1
    (name,) = suite.backends
    assert [spec.backend for spec in suite.metrics] == [name] * 3
    assert suite.backends[name].kind == "transformers"
    assert suite.backends[name].options["model"] == str(encoder.resolve())
    assert suite.metrics[0].metric.options()["num_layers"] == 2


def test_a_declared_backend_stays_the_only_choice_of_the_others(load, encoder):
    suite = load(
        "backends: {judge: {kind: scripted}}\nmetrics:\n  - {use: yes_no, question: '?'}\n  - bertscore: {model: models/tiny}\n"
        "  - {use: yes_no, as: again, question: '!'}\n"
    )
    assert [spec.backend for spec in suite.metrics] == ["judge", "model: models/tiny", "judge"]
    assert set(suite.backends) == {"judge", "model: models/tiny"}


def test_a_declared_model_of_this_process_is_looked_up_beside_the_suite_too(load, encoder):
    suite = load("backends: {enc: {kind: transformers, model: ../models/tiny}}\nmetrics: [bertscore]\n")
    assert suite.backends["enc"].options["model"] == str(encoder.resolve())


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ("- bertscore: {model: 5}", "wants the path of a model, or its name on the hub"),
        ("- bertscore: {model: models/none/here}", "there is no folder"),
        ("- bertscore: {model: models/empty}", "holds no model"),
        ("- bertscore: {model: models/tiny, backend: enc}", "has both `backend` and `model`"),
        ("- rouge: {model: models/tiny}", 'rouge has no option "model"'),
        ("- bleurt: {model: models/tiny}", "cannot classify a text"),
        ("- reward: {model: models/tiny}", "kind: transformers with a classifier can"),
    ],
)
def test_what_is_wrong_with_a_model_is_told_at_its_line(load, encoder, project, metrics, said):
    (project / "models/empty").mkdir()
    with pytest.raises(SpecError) as error:
        load(f"backends: {{enc: {{kind: scripted}}}}\nmetrics:\n  {metrics}\n")
    (problem,) = error.value.problems
    assert said in str(problem)
    assert problem.where.startswith("suites/x.yaml:4")


def test_the_schema_offers_it_where_a_metric_asks_a_model():
    definitions = suite_schema()["$defs"]
    assert "path of a model" in definitions["metric.bertscore"]["properties"]["model"]["description"]
    assert "model" not in definitions["metric.rouge"]["properties"]
