"""unsupported_entities: pooled shares worked by hand, what is skipped, what is told."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

import evalkit
from evalkit.core.errors import SpecError

NEWS = "Barack Obama met Angela Merkel on 3 May 2021 before 1,250 guests."


def test_shares_are_pooled_over_the_entities_of_all_records() -> None:
    # 1 of 4 (a wrong day), 2 of 2, 0 of 1: 3 of 7, two of three records
    outputs = ["Obama met Merkel on 4 May 2021 before 1,250 guests.", "They met Putin before 12 guests.", "Obama left."]
    scores = evalkit.score("unsupported_entities", [*outputs], input=[NEWS, NEWS, "He thanked Obama."])
    assert scores.corpus["unsupported_entities"] == 3 / 7
    assert scores.corpus["unsupported_entities.any"] == 2 / 3
    assert scores.corpus["unsupported_entities.number"] == 1 / 2
    assert scores.corpus["unsupported_entities.date"] == 1
    assert scores.corpus["unsupported_entities.name"] == 1 / 4
    assert scores["unsupported_entities"].tolist() == [1 / 4, 1, 0]
    assert np.isnan(scores["unsupported_entities.date"][1])
    assert scores.reasons == {
        0: "1 of 4 entities not in the source: date 4 May 2021 (the source has 3 May 2021)",
        1: "2 of 2 entities not in the source: name Putin, number 12 (the source has 1,250)",
        2: "its one entity stands in the source",
    }


def test_evidence_says_where_each_entity_stands_and_what_is_nearest() -> None:
    run = evalkit.evaluate([{"id": "a", "input": NEWS, "output": "Merkel saw 1,200 guests."}], metrics=["unsupported_entities"])
    frame = run.to_pandas()
    told = json.loads(frame["unsupported_entities.evidence"][0])
    assert told == {
        "entities": [
            {"kind": "name", "text": "Merkel", "start": 0, "end": 6, "supported": True},
            {"kind": "number", "text": "1,200", "start": 11, "end": 16, "supported": False, "nearest": "1,250"},
        ]
    }
    assert run["unsupported_entities"].mean == 0.5


def test_nothing_to_check_is_skipped_with_a_reason_and_null_is_an_error() -> None:
    scores = evalkit.score(
        "unsupported_entities", ["nothing to see", "", "It is 5.", "It is 5.", "It is 5."], input=[NEWS, NEWS, "", None, NEWS]
    )
    assert scores.skipped == {
        0: "the output has no number and no date and no name: nothing to check",
        1: "the output has no number and no date and no name: nothing to check",
        2: "no text in input or contexts: nothing to hold the output against",
    }
    assert scores.errors == {3: "no input and no contexts"}
    assert scores["unsupported_entities"][4] == 1
    assert math.isnan(evalkit.score("unsupported_entities", ["nothing"], input=[NEWS]).corpus["unsupported_entities"])


def test_input_and_contexts_support_together_unless_one_is_named() -> None:
    record = {"input": ["What did Obama pay?"], "contexts": [["He paid 5 dollars.", "In 1999."]]}
    assert (
        evalkit.score("unsupported_entities", ["In 1999 Obama paid 5 dollars to Obama."], **record).corpus[
            "unsupported_entities"
        ]
        == 0
    )
    alone = evalkit.score("unsupported_entities", ["In 1999 he paid 5 dollars to Obama."], source="contexts", **record)
    assert alone.corpus["unsupported_entities"] == 1 / 3
    assert (
        evalkit.score("unsupported_entities", ["It is 5."], contexts=[[]]).skipped[0].startswith("no text in input or contexts")
    )
    both = evalkit.score("unsupported_entities", ["It is 5."], source=["input", "contexts"], **record)
    assert both.corpus["unsupported_entities"] == 0


def test_kinds_and_allowed_texts_narrow_what_is_found() -> None:
    output = ["Ask Initech by 5 May 2022."]
    scores = evalkit.score("unsupported_entities", output, input=[NEWS], kinds=["date"])
    assert list(scores.corpus) == ["unsupported_entities", "unsupported_entities.any", "unsupported_entities.date"]
    assert (
        evalkit.score("unsupported_entities", output, input=[NEWS], allow=["We are Initech"]).corpus["unsupported_entities"]
        == 1 / 2
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kinds": ["person"]}, "person"),
        ({"kinds": []}, "one or more"),
        ({"source": "output"}, "made from"),
        ({"source": []}, "made from"),
    ],
)
def test_wrong_options_are_told(options: dict[str, object], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        evalkit.score("unsupported_entities", ["a"], input=["b"], **options)


def test_any_has_wilsons_interval_and_gates_compare_it(tmp_path: Path) -> None:
    records = [
        {"id": str(at), "input": NEWS, "output": f"There were {'1,250' if at % 4 else '900'} guests."} for at in range(40)
    ]
    run = evalkit.evaluate(records, metrics=["unsupported_entities"])
    assert run["unsupported_entities.any"].mean == 0.25
    low, high = run["unsupported_entities.any"].ci
    assert (low, high) == pytest.approx((0.1419, 0.4019), abs=1e-3)  # Wilson, 10 of 40


@pytest.mark.shared_data
def test_every_sentence_of_real_articles_is_supported_by_its_article(shared_data: Path) -> None:
    from evalkit.text.entities import Source
    from evalkit.text.sentences import sentences

    for name in ("qags_cnndm", "qags_xsum"):
        with (shared_data / "qags" / f"{name}.jsonl").open(encoding="utf-8") as lines:
            articles = [json.loads(line)["source"] for line in lines][:60]
        for article in articles:
            source = Source([article])
            lacking = [
                (one.text, sentence)
                for sentence in sentences(article)
                for one in source.entities(sentence)
                if not source.holds(one)
            ]
            assert not lacking
