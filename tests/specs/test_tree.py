"""YAML read safely: the same values as JSON, never anything but an error of ours."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.errors import SpecError
from evalkit.specs.tree import decode, read_tree, scalar

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"))
NUMBERS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)


def nested(scalars):
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc <.-", max_size=4), inner, max_size=4),
        max_leaves=20,
    )


@given(nested(NUMBERS | TEXTS))
@settings(max_examples=150, deadline=None)
def test_json_reads_as_json(value):
    """JSON is YAML 1.2, so the json module is the oracle."""
    text = json.dumps(value, ensure_ascii=False)
    tree = read_tree(text, "x.yaml")
    assert tree.problems == []
    assert tree.value == json.loads(text)


@given(nested(NUMBERS | st.text("xyz :-#'", max_size=12)))
@settings(max_examples=100, deadline=None)
def test_what_pyyaml_writes_in_block_style_reads_back(value):
    assert read_tree(yaml.safe_dump(value, width=50), "x.yaml").value == value


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@settings(max_examples=150, deadline=None)
def test_any_bytes_give_a_tree_or_one_of_our_errors(data):
    try:
        tree = read_tree(decode(data, "x.yaml"), "x.yaml")
    except SpecError as error:
        assert all(problem.where.startswith("x.yaml") for problem in error.problems)
    else:
        assert tree.line(()) >= 0


@given(st.text("{}[]:-#&*!|>'\"%@`<, \n\tab1", max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_punctuation_gives_a_tree_or_one_of_our_errors(text):
    try:
        read_tree(text, "x.yaml")
    except SpecError as error:
        assert str(error).startswith("x.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("true", True), ("False", False), ("~", None), ("null", None), ("", None),
        ("12", 12), ("-3", -3), ("+4", 4), ("012", 12), ("0o17", 15), ("0x1F", 31), ("1e-3", 0.001), (".5", 0.5), ("5.", 5.0),
        ("13a", "13a"), ("12:30", "12:30"), ("2024-01-01", "2024-01-01"), ("1_000", "1_000"), (".inf", float("inf")),
        ("1" * 500, "1" * 500), ("0x", "0x"), (".", "."), ("e5", "e5"),
    ],
)  # fmt: skip
def test_scalars_follow_yaml_1_2(text, value):
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


def test_every_value_knows_its_line():
    tree = read_tree("a: 1\nb:\n  - x\n  - {c: 2,\n     d: 3}\n", "x.yaml")
    assert [tree.line(steps) for steps in [("a",), ("b",), ("b", 0), ("b", 1), ("b", 1, "c"), ("b", 1, "d")]] == [
        1,
        2,
        3,
        4,
        4,
        5,
    ]
    assert tree.line(("b", 1, "unknown")) == 4


def test_merge_keys_bring_in_what_is_not_there_and_the_first_source_wins():
    tree = read_tree("a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc:\n  <<: [*a, *b]\n  x: 9\n", "x.yaml")
    assert tree.value["c"] == {"x": 9, "y": 2, "z": 4}
    assert tree.value == yaml.safe_load("a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc:\n  <<: [*a, *b]\n  x: 9\n")


def test_explicit_standard_tags_are_understood():
    assert read_tree("a: !!str 5\nb: !!int 7\nc: !!float 1\n", "x").value == {"a": "5", "b": 7, "c": 1}


def test_a_byte_order_mark_does_no_harm():
    assert read_tree(decode(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n", "x"), "x").value == {"a": 1, "b": 2}


def test_without_the_c_parser_messages_and_values_are_the_same(monkeypatch):
    from evalkit.specs import tree as module

    texts = ["a: [1, 2", "a: 'x", "\ta: 1", "a: 1\n---\nb: 2\n", "a: *b", "a: b: c", "a: {x: 1, y: [2, yes]}", "a: @b"]

    def told(text):
        try:
            return read_tree(text, "x").value
        except SpecError as error:
            return str(error)

    fast = [told(text) for text in texts]
    module._loader.cache_clear()
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    try:
        assert [told(text) for text in texts] == fast
    finally:
        module._loader.cache_clear()
