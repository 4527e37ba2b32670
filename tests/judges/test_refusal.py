"""refusal: what declines, in which language and by which words; and as a judge sees it."""

from __future__ import annotations

import math
import pickle
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evalkit
from evalkit.backends.scripted import Scripted
from evalkit.core.batch import Batch
from evalkit.core.contracts import Metric, ModelMetric
from evalkit.core.errors import SpecError
from evalkit.judges.refusal import Refusal
from evalkit.text.refusal import LANGUAGES, phrases

sys.path.insert(0, str(Path(__file__).parents[1] / "text"))
from test_refusal import NEAR_MISSES, REFUSALS, listed

JUDGE = Scripted(
    replies=(
        {"when": r"ANSWER [0-9a-f]+\nNo, thank you", "say": '{"reason": "it turns the request down", "verdict": "yes"}'},
        {"when": r"ANSWER [0-9a-f]+\nodd", "say": "I can't judge that."},
    ),
    otherwise='{"reason": "it answers", "verdict": "no"}',
)


def test_the_value_is_the_share_that_declines_with_wilsons_interval_and_neither_direction_is_better():
    metric = Refusal()
    rows = metric.score(Batch({"output": ["I can't help with that.", "The answer is 42.", "", None]}))
    assert rows.values[:2].tolist() == [[1, 1], [0, 1]]
    assert rows.skipped == {2: "the output is empty: nothing to judge"}
    assert rows.errors == {3: "no output"}
    assert metric.interval_of("") == "wilson"
    assert metric.direction("") is None


def test_the_reason_quotes_the_words_and_names_the_language():
    rows = Refusal().score(
        Batch({"output": ["**Sorry**, I can't help with that.", "Diese Anfrage kann ich nicht beantworten."]})
    )
    assert rows.reasons[0] == "“I can't help with”, in English"
    assert rows.evidence[0] == {"language": "en", "phrase": "I can't help with"}
    assert rows.reasons[1].endswith(", in German")


@pytest.mark.parametrize(("language", "text"), listed(REFUSALS))
def test_phrases_tell_what_the_columnar_patterns_tell(language, text):
    (told,) = phrases([text])
    assert told is not None
    assert told[1] in text
    assert told[0] == language or text.startswith("Como")  # Spanish and Portuguese share some words


@pytest.mark.parametrize(("language", "text"), listed(NEAR_MISSES))
def test_what_sounds_like_one_has_no_phrase(language, text):
    assert phrases([text]) == [None]


@given(st.lists(st.text(max_size=300), max_size=5))
@settings(deadline=None)
def test_any_text_is_judged_and_none_is_lost(texts):
    rows = Refusal().score(Batch({"output": texts}))
    assert len(rows) == len(texts)
    assert set(rows.skipped) == {index for index, text in enumerate(texts) if not text.strip()}


def test_a_text_with_half_a_surrogate_is_read():
    assert phrases(["\ud800 I cannot assist with this."])[0] == ("en", "I cannot assist with")


def test_a_judge_says_whether_the_output_declines():
    outputs = ["No, thank you.", "Here you are.", "odd", ""]
    scores = evalkit.score("refusal", outputs, inputs=["do it"] * 4, backend=JUDGE, variant="judge")
    assert scores["refusal"][:2].tolist() == [1, 0]
    assert math.isnan(scores["refusal"][2])
    assert "not JSON" in scores.errors[2]
    assert scores.corpus["refusal"] == 0.5


def test_each_variant_is_the_kind_of_metric_that_it_says_and_survives_a_trip_to_a_worker():
    assert isinstance(Refusal(), Metric)
    assert isinstance(Refusal(variant="judge"), ModelMetric)
    for metric in (Refusal(), Refusal(variant="judge")):
        assert pickle.loads(pickle.dumps(metric)) == metric
    with pytest.raises(SpecError, match="it is patterns or judge"):
        Refusal(variant="other")
    assert set(LANGUAGES) == {"en", "de", "fr", "es", "it", "pt", "nl", "zh", "ja"}


def test_in_a_suite_the_patterns_take_no_model_and_the_judge_needs_one(project, jsonl, cli):
    jsonl(project / "d.jsonl", [{"output": "I can't help with that."}, {"output": "Yes."}] * 5)
    (project / "s.yaml").write_text("dataset: {path: d.jsonl}\nmetrics: [refusal]\n")
    assert cli("run", project / "s.yaml", "--json").returncode == 0
    (project / "s.yaml").write_text("dataset: {path: d.jsonl}\nmetrics: [{use: refusal, model: some-model}]\n")
    done = cli("run", project / "s.yaml")
    assert done.returncode == 2
    assert "refusal asks no model" in done.stderr
    (project / "s.yaml").write_text("dataset: {path: d.jsonl}\nmetrics: [{use: refusal, variant: judge}]\n")
    assert "refusal asks a model, and the suite declares none" in cli("run", project / "s.yaml").stderr
