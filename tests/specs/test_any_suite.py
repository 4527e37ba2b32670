"""Whatever stands in a suite: it is built, or every problem is one of ours. Nothing else ever comes out."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.core.errors import SpecError
from evalkit.specs.load import load_suite
from evalkit.specs.validate import KEYS

WORDS = st.sampled_from(
    ["rouge", "exact_match", "bleu", "evaluate:x", "geval", "errors", "rouge.rouge1", "../data/x.jsonl", "s.json", "baseline",
     "hf:", "-", "*", "[", "..", "a\0b", "", " ", "json", "pass", "scripted", "tag", "é"]
)  # fmt: skip
NAMES = st.sampled_from(
    ["use", "as", "backend", "kind", "metric", "min", "max", "no_worse_than", "margin", "every", "threshold", "where", "confidence",
     "path", "fields", "limit", "shuffle", "output", "ouput", "max_cost", "tokenize", "schema", "question", "rouge", "yes_no", "", "key_env"]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers(-5, 10**20) | st.floats() | WORDS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)
GATES = st.lists(st.dictionaries(NAMES, SCALARS, max_size=4), max_size=2)
METRICS = st.lists(WORDS | st.dictionaries(NAMES, SCALARS, max_size=4), max_size=3)
SUITES = st.fixed_dictionaries(
    {}, optional={**dict.fromkeys(KEYS, VALUES), "gates": GATES | VALUES, "metrics": METRICS | VALUES}
)


@given(
    SUITES,
    st.dictionaries(st.sampled_from(["seed", "dataset.limit", "metrics.0.as", "gates.0.min", "a.b"]), WORDS, max_size=2),
)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_suite_is_built_or_refused_by_us(project, told, overrides):
    (project / "suites/any.yaml").write_text(json.dumps(told), encoding="utf-8")
    try:
        suite = load_suite("suites/any.yaml", overrides=overrides)
    except SpecError as error:
        assert all(problem.where for problem in error.problems)
        assert "Traceback" not in str(error)
    else:
        assert suite.metrics


@pytest.mark.parametrize("name", ["", ".", "..", "/", "a\0b", "x" * 5000, "~", "*", "suites/../suites", "a/b/c/d"])
def test_any_name_of_a_suite_is_found_or_refused_by_us(project, name):
    with pytest.raises(SpecError):
        load_suite(name)
