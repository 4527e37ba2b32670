"""json_valid and json_schema."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.batch import Batch
from evalkit.core.content import Document
from evalkit.core.rows import Rows
from evalkit.metrics.structured import JsonSchema, JsonValid

PERSON = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "age": {"$ref": "#/$defs/age"}, "born": {"type": "string", "format": "date"}},
    "$defs": {"age": {"type": "integer", "minimum": 0}},
}


def measured(metric, outputs) -> Rows:
    return metric.score(Batch({"output": list(outputs)}))


def values(metric, outputs) -> list[float]:
    return measured(metric, outputs).values[:, 0].tolist()


@pytest.mark.parametrize("text", ["{}", " [1, 2]\n", '"a"', "null", "1e5", '{"a": 1, "a": 2}', "1" * 5_000, '"\\ud800"'])
def test_what_the_standard_allows_is_json(text):
    assert values(JsonValid(), [text]) == [1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the output is empty"),
        (" \n", "the output is empty"),
        ("{'a': 1}", "not JSON: Expecting property name enclosed in double quotes at line 1, column 2"),
        ('{"a": 1,\n "b" 2}', "not JSON: Expecting ':' delimiter at line 2, column 6"),
        ("[1,]", "not JSON: "),
        ("NaN", "not JSON: NaN is no JSON number"),
        ("[-Infinity]", "not JSON: -Infinity is no JSON number"),
        ('{"a": 1} and so on', "not JSON: Extra data at line 1, column 10"),
        ("```json\n{}\n```", "not JSON: Expecting value at line 1, column 1"),
    ],
)
def test_what_is_not_json_says_why(text, reason):
    rows = measured(JsonValid(), [text])
    assert rows.values.tolist() == [[0, 1]]
    assert rows.reasons[0].startswith(reason)


def test_json_too_deep_to_read_is_an_error_and_not_a_wrong_answer():
    rows = measured(JsonValid(), ["[" * 100_000 + "]" * 100_000, "[]"])
    assert rows.errors == {0: "the output is nested too deeply to be read"}
    assert rows.values[1].tolist() == [1, 1]


def test_a_null_output_is_an_error():
    assert measured(JsonValid(), [None, "1"]).errors == {0: "no output"}
    assert measured(JsonSchema({}), [None, "1"]).errors == {0: "no output"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(json_values, st.booleans())
def test_whatever_python_writes_as_json_is_valid(value, ascii_only):
    assert values(JsonValid(), [json.dumps(value, ensure_ascii=ascii_only)]) == [1]


# --- where in the output ---------------------------------------------------------------------------------------------


def test_a_fenced_block_is_taken_out_and_without_a_fence_the_whole_must_do():
    outputs = ['Here:\n```json\n{"a": 1}\n```\nDone.', '{"a": 1}', "```\nnope\n```", "~~~\n[1]\n~~~ \n```json\n{\n```", "text"]
    assert values(JsonValid(extract="fenced"), outputs) == [1, 1, 0, 1, 0]


def test_the_first_object_or_array_is_found_in_running_text():
    outputs = ['Sure! {"a": [1]} ok', "set {x} is [1, 2]", "none", "{", '"only a string"']
    assert values(JsonValid(extract="first"), outputs) == [1, 1, 0, 0, 0]
    assert values(JsonSchema({"required": ["a"], "type": "object"}, extract="first"), outputs) == [1, 0, 0, 0, 0]


@pytest.mark.parametrize("piece", ["{", "[1,", '["', '{"a":', "{}{"])
def test_bracket_after_bracket_is_given_up_in_reasonable_time(piece):
    measured(JsonValid(extract="first"), [piece * 50_000])


# --- schema ----------------------------------------------------------------------------------------------------------


def test_a_schema_is_met_or_the_reason_names_the_place():
    rows = measured(JsonSchema(PERSON), ['{"name": "Ada", "age": 36}', '{"age": 36}', '{"name": "Ada", "age": -1}', "{", "[]"])
    assert rows.values[:, 0].tolist() == [1, 0, 0, 0, 0]
    assert rows.reasons[1] == "$: 'name' is a required property"
    assert rows.reasons[2] == "$.age: -1 is less than the minimum of 0"
    assert rows.reasons[3].startswith("not JSON")
    assert rows.reasons[4] == "$: [] is not of type 'object'"


def test_formats_are_checked_when_asked():
    output = ['{"name": "Ada", "born": "1815-13-10"}']
    assert values(JsonSchema(PERSON), output) == [1]
    assert values(JsonSchema(PERSON, formats=True), output) == [0]


def test_a_schema_may_come_from_a_json_or_yaml_file(tmp_path):
    (tmp_path / "person.json").write_text(json.dumps(PERSON))
    (tmp_path / "person.yaml").write_text("type: object\nrequired: [name]\n")
    for name in ("person.json", "person.yaml"):
        metric = JsonSchema(Document.read(tmp_path / name))
        assert values(metric, ['{"name": "Ada"}', "{}"]) == [1, 0]


def test_the_draft_is_the_one_that_the_schema_names():
    draft4 = {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 5, "exclusiveMinimum": True}
    assert values(JsonSchema(draft4), ["5", "6"]) == [0, 1]


def test_a_schema_may_refer_to_itself_by_its_id():
    tree = {"$id": "https://example.org/tree", "type": "object", "additionalProperties": {"$ref": "https://example.org/tree"}}
    assert values(JsonSchema(tree), ['{"a": {"b": {}}}', '{"a": 1}']) == [1, 0]


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "objct"}, r"schema: \$.type: 'objct' is not valid"),
        ({"properties": {"a": {"minimum": "3"}}}, r"schema: \$.properties.a.minimum: '3' is not of type 'number'"),
        ({"$ref": "#/$defs/nowhere"}, r'schema: \$ref "#/\$defs/nowhere" leads nowhere'),
        ({"items": {"$ref": "https://example.org/s.json"}}, r'schema: \$ref "https://example.org/s.json" leads nowhere'),
        ([1], "schema: a JSON schema is a mapping, not list"),
    ],
)
def test_what_is_no_schema_is_refused_when_the_metric_is_built(schema, message):
    with pytest.raises(ValueError, match=message):
        JsonSchema(schema)


def test_a_file_that_is_no_schema_is_named(tmp_path):
    for text, message in [("- 1\n", "a JSON schema is a mapping, not list"), ("{a: [", "is neither JSON nor YAML")]:
        (tmp_path / "s.yaml").write_text(text)
        with pytest.raises(ValueError, match=f"s.yaml: {message}"):
            JsonSchema(Document.read(tmp_path / "s.yaml"))


def test_a_long_message_is_cut_to_one_line():
    rows = measured(JsonSchema({"type": "integer"}), [json.dumps("x\n" * 1_000)])
    assert len(rows.reasons[0]) == 300
    assert "\n" not in rows.reasons[0]


def test_both_are_shares_with_wilsons_interval():
    assert JsonValid().interval_of("") == JsonSchema({}).interval_of("") == "wilson"
