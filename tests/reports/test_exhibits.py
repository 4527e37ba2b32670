"""Evidence in a report: claims in a table, whatever else in a line, nothing that could break out of the page."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.reports.exhibits import ROWS, Exhibit, exhibits

JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


def test_claims_are_a_table_with_what_any_of_them_has() -> None:
    told = {
        "claims": [
            {"claim": "It is red.", "supported_by": ["passage 1", "passage 2"]},
            {"claim": "Ott built it.", "score": 0.25},
        ]
    }
    assert exhibits(json.dumps(told)) == (
        Exhibit("claims", ("claim", "supported by", "score"), (("It is red.", "passage 1, passage 2", "–"), ("Ott built it.", "–", "0.25"))),
    )  # fmt: skip


@pytest.mark.parametrize("told", [None, "", "no JSON", "{}", "null", "[]", '{"claims": []}'])
def test_no_evidence_is_nothing(told: str | None) -> None:
    assert exhibits(told) == ()


def test_lists_of_texts_numbers_and_mappings_are_lines() -> None:
    told = exhibits(json.dumps({"from_relevant": ["a", "b"], "score": 4, "kinds": {"email": 2}, "kept": True}))
    assert [(one.title, one.rows) for one in told] == [
        ("from relevant", (("a",), ("b",))),
        ("score", (("4",),)),
        ("kinds", (("email: 2",),)),
        ("kept", (("yes",),)),
    ]


def test_long_evidence_is_cut_and_says_so() -> None:
    (one,) = exhibits(json.dumps({"claims": [{"claim": "x" * 5_000}] * 40}))
    assert (len(one.rows), one.left_out) == (ROWS, 40 - ROWS)
    assert all(len(cell) <= 240 for row in one.rows for cell in row)


@given(JSON)
def test_any_json_is_shown(value: object) -> None:
    for one in exhibits(json.dumps(value)):
        assert all(isinstance(cell, str) and "\n" not in cell for row in one.rows for cell in row)
        assert one.weight > 0
