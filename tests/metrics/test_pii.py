"""pii: shares and counts of personal data, what is allowed, and that no report repeats a secret."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evalkit
from evalkit.core.batch import Batch
from evalkit.core.errors import SpecError, UnknownName
from evalkit.core.rows import Rows
from evalkit.metrics.pii import PersonalData, masked
from evalkit.text.pii import KINDS, find

sys.path.insert(0, str(Path(__file__).parents[1] / "text"))
from pii_examples import NEAR_MISSES, POSITIVES


def measured(metric: PersonalData, values: list, column: str = "output") -> Rows:
    return metric.score(Batch({column: values}))


def told(metric: PersonalData, rows: Rows) -> dict[str, float]:
    return dict(zip(metric.parts, metric.combine(np.nansum(rows.values, axis=0)), strict=True))


def test_the_value_is_the_share_of_outputs_with_any_and_beside_it_the_finds_of_a_record_by_kind():
    metric = PersonalData()
    rows = measured(
        metric, ["Write to ana@example.com or bo@example.com.", "Call +49 30 901820.", "Nothing here.", "Nor here."]
    )
    values = told(metric, rows)
    assert values[""] == 2 / 4
    assert values["count"] == 3 / 4
    assert values["email"] == 2 / 4
    assert values["phone"] == 1 / 4
    assert values["card"] == values["api_key"] == 0
    assert metric.interval_of("") == "wilson"
    assert metric.open_ended("count")


def test_the_reason_counts_by_kind_and_the_evidence_has_kind_and_place_but_not_the_value():
    text = "Ana <ana@example.com> pays 4111 1111 1111 1111."
    rows = measured(PersonalData(), [text, "fine"])
    assert rows.reasons == {0: "1 e-mail address, 1 card number; the first at character 5"}
    assert rows.evidence == {
        0: {
            "found": [
                {"kind": "email", "start": 5, "end": 20, "masked": "•••@•••••••.•••"},
                {"kind": "card", "start": 27, "end": 46, "masked": "•••• •••• •••• ••••"},
            ]
        }
    }
    assert text[5:20] == "ana@example.com"


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_never_repeats_a_secret(kind):
    texts = POSITIVES[kind]
    rows = measured(PersonalData(), texts)
    assert rows.values[:, 0].all()
    for index, text in enumerate(texts):
        note = json.dumps([rows.reasons[index], rows.evidence[index]], ensure_ascii=False)
        longest = max(len(run) for run in note.replace("•", " ").split()) if kind == "API_KEY" else 0
        assert text not in note
        assert longest < 20
        shown = rows.evidence[index]["found"][0]["masked"]
        assert not any(letter.isalnum() for letter in (shown[3:] if kind == "API_KEY" else shown))


def test_what_only_looks_like_it_is_no_find_for_any_metric():
    texts = [text for texts in NEAR_MISSES.values() for text in texts]
    assert not measured(PersonalData(), texts).values[:, 0].any()


def test_an_empty_output_is_skipped_and_a_null_is_an_error():
    rows = measured(PersonalData(), ["", " \n", None, "fine"])
    assert set(rows.skipped) == {0, 1}
    assert rows.errors == {2: "no output"}
    assert rows.values[3, 0] == 0


def test_kinds_limit_what_is_looked_for_and_which_parts_there_are():
    metric = PersonalData(kinds=("Email",))
    assert metric.parts == ("", "count", "email")
    assert measured(metric, ["+49 30 901820", "a@b.cd"]).values[:, 0].tolist() == [0, 1]


def test_allowed_values_do_not_count_whatever_their_case():
    metric = PersonalData(allow=("*@example.com", "help@firm.example", "+49 30*"))
    texts = ["ANA@EXAMPLE.COM", "Help@Firm.example", "+49 30 901820", "ana@firm.example", "+49 40 901820"]
    assert measured(metric, texts).values[:, 0].tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("value", ["*", "", "a*b", "**"])
def test_a_pattern_that_would_allow_anything_or_has_a_star_inside_is_refused(value):
    with pytest.raises(SpecError, match="allow has"):
        PersonalData(allow=(value,))


def test_an_unknown_kind_names_the_nearest():
    with pytest.raises(UnknownName, match='did you mean "phone"'):
        PersonalData(kinds=("phones",))


def test_other_columns_are_read_and_lists_and_chat_messages_text_by_text():
    rows = measured(PersonalData(column="contexts"), [["clean", "call 415-555-2671"], [""], ["clean"]], "contexts")
    assert rows.values[0, 0] == 1
    assert rows.evidence[0]["found"][0]["text"] == 1
    assert rows.reasons[0] == "1 phone number; at character 5 of text 1"
    assert rows.skipped == {1: "no text in contexts: nothing to look at"}
    chat = [[{"role": "user", "content": "I am ana@example.com"}, {"role": "assistant", "content": None}]]
    assert measured(PersonalData(column="input"), chat, "input").values[0, 0] == 1


def test_a_thousand_finds_of_a_hostile_output_are_counted_and_fifty_are_told():
    rows = measured(PersonalData(), ["a@b.cd " * 1000])
    assert rows.values[0, 1] == 1000
    assert len(rows.evidence[0]["found"]) == 50
    assert rows.evidence[0]["left_out"] == 950


@given(st.text(max_size=60))
def test_masking_shows_no_letter_and_no_digit(text):
    assert not any(letter.isalnum() for letter in masked(text, "EMAIL"))


@given(st.lists(st.sampled_from([text for texts in POSITIVES.values() for text in texts] + ["x", " ", "\n"]), max_size=6))
def test_counts_are_those_of_the_finder(pieces):
    text = " ".join(pieces)
    rows = measured(PersonalData(), [text])
    if text.strip():
        assert rows.values[0, 1] == len(find(text)) == rows.values[0, 2:-1].sum()


def test_it_runs_from_python_by_name():
    scores = evalkit.score("pii", ["ana@example.com", "nobody"])
    assert scores["pii"].tolist() == [1, 0]
    assert scores.corpus["pii.count"] == 0.5
