"""Metrics of a suite: forms of an entry, options in their types, what a plug-in may bring."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from evalkit.core import registry
from evalkit.core.content import Document
from evalkit.core.contracts import CorpusMetric, Metric
from evalkit.core.errors import SpecError
from evalkit.core.rows import Rows
from evalkit.specs.options import _UNSURE, _plainly


@dataclass(frozen=True)
class Inner:
    low: float
    names: tuple[str, ...] = ()


class Constant(Metric):
    """Gives 1, and has options of every kind."""

    @property
    def columns(self):
        return ("sum", "n")

    def measure(self, batch):
        return Rows(np.ones((len(batch), 2)))

    def combine(self, totals):
        return (totals[..., 0] / totals[..., 1])[..., None]


@pytest.fixture
def plugin():
    """Register metric classes for one test."""
    names = []

    def enter(name, cls):
        names.append(name)
        return registry.metric(name)(cls)

    yield enter
    for name in names:
        registry.forget("metric", name)


@dataclass(frozen=True)
class Everything(Constant):
    text: str
    file: Document | None = None
    schema: Document | Mapping[str, Any] = field(default_factory=dict)
    level: Literal["low", "high"] | float = "low"
    pair: tuple[int, int] = (1, 2)
    inner: Inner | None = None
    table: dict[str, list[int]] = field(default_factory=dict)
    anything: Any = None


def test_the_three_forms_of_an_entry_mean_the_same(load):
    suite = load("metrics: [contains, {contains: {mode: all, as: b}}, {use: contains, as: c, mode: all}]\n")
    assert [spec.label for spec in suite.metrics] == ["contains", "b", "c"]
    assert suite.metrics[1].metric == suite.metrics[2].metric
    assert suite.metrics[0].metric.options()["mode"] == "any"


def test_an_empty_option_is_its_default(load):
    assert load("metrics:\n  - contains: {mode: }\n").metrics[0].metric.options()["mode"] == "any"


def test_options_get_their_types(load, project, plugin):
    plugin("everything", Everything)
    (project / "suites/a.txt").write_text("hello", encoding="utf-8")
    (project / "b.json").write_text("{}", encoding="utf-8")
    suite = load(
        "metrics:\n  - use: everything\n    text: '5'\n    file: a.txt\n    schema: b.json\n    level: 3\n    pair: [3, 4]\n"
        "    inner: {low: 1, names: [a]}\n    table: {k: [1]}\n    anything: [1, {x: 2}]\n"
    )
    metric = suite.metrics[0].metric
    assert isinstance(metric, Everything)
    assert metric.file.text == "hello"
    assert metric.schema.text == "{}"
    assert (metric.level, metric.pair, metric.table) == (3, (3, 4), {"k": [1]})
    assert metric.inner == Inner(1.0, ("a",))
    assert metric.anything == [1, {"x": 2}]
    inline = load("metrics:\n  - {use: everything, text: a, schema: {type: object}, level: high}\n").metrics[0].metric
    assert inline.schema == {"type": "object"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("text: 5", "metrics[0].text wants text, and found the number 5"),
        ("text: a, file: 3", "metrics[0].file wants"),
        ("text: a, level: middle", "metrics[0].level wants one of low, high or a number, and found the text"),
        ("text: a, pair: [1]", "metrics[0].pair"),
        ("text: a, pair: [1, x]", "metrics[0].pair[1] wants a whole number"),
        ("text: a, inner: {low: x}", "metrics[0].inner.low wants a number"),
        ("text: a, inner: {names: []}", 'metrics[0].inner lacks "low"'),
        ("text: a, inner: {low: 1, lwo: 2}", 'metrics[0].inner has no key "lwo"'),
        ("text: a, table: {k: 1}", "metrics[0].table.k wants a list"),
        ("file: a.txt", "names no file"),
    ],
)
def test_an_option_that_does_not_fit_is_told_where_it_stands(load, plugin, options, told):
    plugin("everything", Everything)
    with pytest.raises(SpecError) as error:
        load(f"metrics:\n  - {{use: everything, {options}}}\n")
    assert any(told in line and line.startswith("suites/x.yaml:3: ") for line in str(error.value).split("\n")), str(error.value)


def test_what_a_metric_says_of_its_own_options_becomes_a_problem(load, plugin):
    @dataclass(frozen=True)
    class Picky(Constant):
        k: int = 1

        def __post_init__(self):
            if self.k < 1:
                raise ValueError("k counts from 1")

    plugin("picky", Picky)
    assert load("metrics: [picky]\n").metrics[0].metric.k == 1
    with pytest.raises(SpecError, match=r"suites/x\.yaml:2: metrics\[0\] \(picky\): k counts from 1"):
        load("metrics: [{picky: {k: 0}}]\n")


def test_a_plugin_whose_annotations_cannot_be_read_takes_its_options_as_they_are(load, plugin):
    @dataclass(frozen=True)
    class Odd(Constant):
        thing: NowhereDefined = 1  # noqa: F821

    plugin("odd", Odd)
    assert load("metrics: [{odd: {thing: [1]}}]\n").metrics[0].metric.thing == [1]
    with pytest.raises(SpecError, match='odd has no option "thnig"'):
        load("metrics: [{odd: {thnig: 1}}]\n")


def test_a_metric_without_a_better_direction_cannot_be_worse(load, plugin):
    @dataclass(frozen=True)
    class Length(Constant):
        higher_is_better: ClassVar[bool | None] = None

    plugin("length", Length)
    with pytest.raises(SpecError, match="neither more nor less of length is better"):
        load("metrics: [length]\nbaseline: latest\ngates: [{metric: length, no_worse_than: baseline}]\n")


def test_a_corpus_metric_has_no_records_to_pass(load, plugin):
    @dataclass(frozen=True)
    class Whole(CorpusMetric):
        def corpus(self, batch):
            return np.ones(1)

    plugin("whole", Whole)
    assert load("metrics: [whole]\ngates: [{metric: whole, min: 0.5}]\n").gates[0].bound == 0.5
    for rule in ("threshold: 1, every: true", "threshold: 1, min: 0.5"):
        with pytest.raises(SpecError, match="whole has no value for single records"):
            load(f"metrics: [whole]\ngates: [{{metric: whole, {rule}}}]\n")


def test_a_bound_is_only_impossible_where_the_range_is_known(load):
    suite = load(
        "metrics: [latency, {accuracy: {labels: [a, b]}}]\ngates: [{metric: latency, max: 2000}, {metric: accuracy.kappa, min: -1}]\n"
    )
    assert [gate.bound for gate in suite.gates] == [2000, -1]
    with pytest.raises(SpecError, match="accuracy lies between 0 and 1"):
        load("metrics: [accuracy]\ngates: [{metric: accuracy, min: 90}]\n")


def test_a_broken_metric_brings_no_second_problem_at_its_gate(load):
    with pytest.raises(SpecError) as error:
        load("metrics: [{contains: {mode: x}}]\ngates: [{metric: contains, min: 0.5}, {metric: contains.part, min: 1}]\n")
    assert len(error.value.problems) == 1


def test_one_backend_is_everybodys_and_environment_variables_are_not_read(load, monkeypatch):
    monkeypatch.setenv("MY_MODEL", "secret")
    suite = load("metrics: [{yes_no: {question: ok?}}]\nbackends: {a: {kind: scripted, otherwise: x, model_env: MY_MODEL}}\n")
    assert suite.metrics[0].backend == "a"
    assert suite.backends["a"].options == {"otherwise": "x", "model_env": "MY_MODEL"}
    assert "secret" not in repr(suite)


ANNOTATIONS = st.sampled_from(
    [int, float, bool, str, int | None, float | None, str | None, int | float, str | int, Literal["a", "b"], Literal["a", 1] | None,
     tuple[str, ...], tuple[float, ...], tuple[int, ...] | None, Any]
)  # fmt: skip
PLAIN = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.sampled_from(["a", "b", "", "1"])


@given(ANNOTATIONS, PLAIN | st.lists(PLAIN, max_size=3))
@settings(max_examples=200, deadline=None)
def test_what_is_seen_without_pydantic_is_what_pydantic_says(annotation, value):
    told = _plainly(annotation, value)
    if told is not _UNSURE:
        strict = TypeAdapter(annotation).validate_json(json.dumps(value), strict=True)
        assert told == strict
        assert type(told) is type(strict)
        assert list(map(type, told)) == list(map(type, strict)) if isinstance(told, tuple) else True
