"""The JSON Schema of suites: agrees with what the loader takes and refuses."""

from __future__ import annotations

import sys
from pathlib import Path

import jsonschema
import pytest

from evalkit.core.content import content_root
from evalkit.core.errors import SpecError
from evalkit.core.registry import entries
from evalkit.specs.schema import suite_schema
from evalkit.specs.tree import decode, read_tree
from evalkit.specs.validate import KEYS

sys.path.insert(0, str(Path(__file__).parents[1] / "wrong"))
from cases import SUITE, wrong_suites


@pytest.fixture(scope="module")
def schema():
    told = suite_schema()
    jsonschema.Draft202012Validator.check_schema(told)
    return told


@pytest.fixture(scope="module")
def faults(schema):
    validator = jsonschema.Draft202012Validator(schema)
    return lambda told: [error.message for error in validator.iter_errors(told)]


def test_shipped_suites_meet_the_schema(faults):
    shipped = sorted((content_root() / "suites").glob("*.yaml"))
    for path in shipped:
        assert faults(read_tree(path.read_text(encoding="utf-8"), path.name).value) == [], path.name


def test_it_knows_every_key_and_every_registered_metric_with_a_description(schema):
    assert set(schema["properties"]) == set(KEYS)
    for entry in entries("metric"):
        assert schema["$defs"][f"metric.{entry.name}"]["description"]


def test_options_carry_their_type_default_and_comment(schema):
    bleu = schema["$defs"]["metric.bleu"]["properties"]
    assert bleu["lowercase"] == {"type": "boolean", "default": False}
    assert "13a" in bleu["tokenize"]["enum"]
    assert "None" in bleu["smooth_value"]["description"]
    assert schema["$defs"]["metric.regex"]["required"] == ["pattern"]
    assert "backend" in schema["$defs"]["metric.yes_no"]["properties"]
    assert "backend" not in bleu


@pytest.mark.parametrize(
    "entry",
    ["rouge", {"bleu": {"tokenize": "13a"}}, {"bleu": None}, {"use": "bleu", "as": "b", "lowercase": True}, "evaluate:mauve",
     {"evaluate:mauve": {}}, {"use": "evaluate:mauve"}, {"json_schema": {"schema": {"type": "object"}}}, {"json_schema": {"schema": "s.json"}}],
)  # fmt: skip
def test_every_form_of_a_metric_is_taken(faults, entry):
    assert faults({"dataset": "x.jsonl", "metrics": [entry]}) == []


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"bleu": {"tokenise": "13a"}}, "'tokenise' was unexpected"),
        ({"use": "bleu", "lowercase": "yes"}, "'yes' is not of type 'boolean'"),
        ({"contains": {"mode": "some"}}, "'some' is not one of ['any', 'all']"),
        ({"use": "regex"}, "'pattern' is a required property"),
        ({"rogue": {}}, "'rogue'"),
        ("rogue", "'rogue'"),
        (3, "is not of type 'object'"),
    ],
)
def test_a_wrong_metric_is_told_by_what_is_wrong_in_it(faults, entry, told):
    found = faults({"dataset": "x.jsonl", "metrics": [entry]})
    assert any(told in message for message in found), found


def test_the_schema_refuses_most_of_the_wrong_suites(faults):
    """It cannot know files, other keys of the suite or a metric's parts; form and types it knows."""
    refused = passed = 0
    for case in wrong_suites():
        text = case.files.get(SUITE)
        if text is None:
            continue
        try:
            tree = read_tree(decode(text if isinstance(text, bytes) else str(text).encode(), SUITE), SUITE)
        except SpecError:
            continue
        if tree.problems:
            continue
        if faults(tree.value):
            refused += 1
        else:
            passed += 1
    assert refused >= 55
    assert refused > passed
