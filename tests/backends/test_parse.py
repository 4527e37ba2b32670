"""A reply is taken where it meets its schema, as jsonschema sees it; the quick test of plain schemas changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from evalkit.core import parse
from evalkit.core.errors import Malformed
from evalkit.core.parse import parsed

NAMES = ("score", "reason", "extra")
SCORES: dict[str, Any] = {
    "type": "object",
    "properties": {"score": {"enum": [1, 2, 3]}, "reason": {"type": "string"}},
    "required": ["score", "reason"],
    "additionalProperties": False,
}
inner = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 4),
    st.sampled_from([1.0, 2.5, "1", "yes", ""]),
    st.just([1]),
    st.just({"score": 1}),
)
parts = st.one_of(
    st.just({"type": "string"}),
    st.builds(lambda choices: {"enum": choices}, st.lists(inner, min_size=1, max_size=4)),
    st.sampled_from([{"type": "integer"}, {"type": "string", "minLength": 2}, {"enum": [1], "type": "integer"}, True, {}]),
)


@st.composite
def schemas(draw: st.DrawFn) -> dict[str, Any]:
    told: dict[str, Any] = {
        "type": "object",
        "properties": draw(st.dictionaries(st.sampled_from(NAMES), parts)),
        "required": draw(st.lists(st.sampled_from(NAMES), unique=True)),
        "additionalProperties": draw(st.sampled_from([False, False, True])),
    }
    changed = draw(st.sampled_from([None, None, *told, "minProperties"]))
    if changed in told:
        del told[changed]
    elif changed is not None:
        told[changed] = 2
    return told


@given(schemas(), st.one_of(inner, st.dictionaries(st.sampled_from(NAMES), inner)))
@example(SCORES, {"score": True, "reason": ""})  # True == 1 in Python, not in JSON
@example(SCORES, {"score": 1.0, "reason": ""})  # 1.0 is 1 in JSON
@example(SCORES, {"score": [1], "reason": ""})
def test_a_reply_is_taken_exactly_where_jsonschema_takes_it(schema: dict[str, Any], value: Any) -> None:
    text = json.dumps(value)
    if Draft202012Validator(schema).is_valid(value):
        assert parsed(text, schema) == value
    else:
        with pytest.raises(Malformed, match="does not fit its schema"):
            parsed(text, schema)


def test_what_judges_ask_for_is_tested_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse, "_validator", None)
    assert parsed('{"reason": "so", "score": 3}', SCORES) == {"score": 3, "reason": "so"}
