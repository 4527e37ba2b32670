"""The data's own faults, each found where it is and not where it is not."""

from __future__ import annotations

import random

import pytest

from evalkit.records.dataset import from_records
from evalkit.records.faults import faults
from evalkit.records.similar import similar_pairs

_RNG = random.Random(5)
WORDS = ["".join(_RNG.choices("abcdefghijklmnoprstuvw", k=_RNG.randint(3, 9))) for _ in range(600)]


def sentences(n: int, length: int = 12, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=length)) + f" {rng.choice(WORDS)}" for _ in range(n)]


def sound(n: int = 60) -> list[dict]:
    return [
        {
            "id": f"q-{number}",
            "input": text,
            "output": f"answer {text[:9]} {number}",
            "reference": f"gold {number}",
            "model": "ab"[number % 2],
        }
        for number, text in enumerate(sentences(n))
    ]


def found(records, **options):
    return {fault.kind: fault for fault in faults(from_records(records), **options)}


def test_sound_data_has_no_faults():
    assert found(sound(), slices=["model"]) == {}


def test_near_duplicates_are_named_in_pairs():
    records = sound()
    records.append({**records[3], "id": "twin", "input": records[3]["input"].upper() + "!", "output": "other"})
    fault = found(records)["near_duplicate"]
    assert fault.message == "1 pair of inputs is nearly the same: q-3 and twin (1.00)"
    assert fault.records == ("q-3", "twin")


def test_records_that_repeat_whole_are_duplicates():
    records = sound()
    fault = found([*records, {**records[5], "id": "again"}])["duplicate"]
    assert fault.message == "1 of 61 records repeat an earlier record in every column: again (as q-5)"
    assert fault.records == ("again",)


def test_the_same_input_for_two_models_or_in_one_cluster_is_no_fault():
    records = sound()
    other = [
        {**record, "id": f"{record['id']}-b", "output": f"else {number}", "model": "c"} for number, record in enumerate(records)
    ]
    assert "repeated_input" not in found([*records, *other])
    again = {**records[5], "id": "again", "output": "other"}
    assert "again (as q-5)" in found([*records, again])["repeated_input"].message
    assert "repeated_input" not in found([*records, {**again, "cluster": "c"}])


def test_empty_outputs_and_references_are_counted():
    records = sound()
    records[2]["output"], records[4]["reference"], records[6]["reference"] = " ", "", []
    told = found(records)
    assert told["empty_output"].message == "1 of 60 records have an empty output: q-2"
    assert told["empty_reference"].records == ("q-4", "q-6")


def test_one_output_for_many_records_is_told_but_a_label_is_not():
    records = sound()
    for record in records[:20]:
        record["output"] = "I cannot help with that."
    assert found(records)["same_output"].message == "20 of 60 records have the same output: 'I cannot help with that.'"
    for number, record in enumerate(records):
        record["output"] = record["reference"] = "yes" if number % 2 else "no"
    assert "same_output" not in found(records)


def test_lopsided_slices_are_told():
    records = sound()
    for number, record in enumerate(records):
        record.update(tag="rare" if number < 2 else "usual", user=f"u{number}")
    told = [fault.message for fault in faults(from_records(records), slices=["tag", "user", "nope"]) if "slice" in fault.kind]
    assert told == [
        "tag is 'usual' in 58 of 60 records",
        "tag is 'rare' in 2 records only, too few for an interval",
        "user has 60 different values, too many to slice by",
        'no record has the column "nope" to slice by',
    ]


@pytest.mark.parametrize(
    ("text", "kind"),
    [("lost \ufffd here", "replacement_text"), ("cafÃ© au lait", "mojibake_text"), ("itâ€™s here", "mojibake_text"),
     ("bell \x07 here", "control_text"), ("salt &amp; pepper", "entity_text"), ("NaN", "stand-in_text")],
)  # fmt: skip
def test_suspicious_text_is_told(text, kind):
    records = sound()
    records[7]["reference"] = text
    assert list(found(records)) == [kind]
    assert found(records)[kind].records == ("q-7",)


def test_sound_text_of_other_languages_is_not_suspicious():
    records = sound()
    for record, text in zip(
        records, ["Ça va à São Paulo", "Ångström £5", "日本語", "naïve Über “quoted”", "R&D; A & B", "line\nfeed\ttab", "ÂGE"]
    ):
        record["reference"] = text
    assert found(records) == {}


def test_null_shares_are_told():
    records = sound()
    del records[3]["output"]
    assert found(records)["null"].message == "output is absent in 1 of 60 records (1.67%)"


def test_ids_that_are_never_retrieved_are_told():
    records = [
        {**record, "retrieved_ids": [f"d{number}"], "relevant_ids": {f"d{number}": 1, "zero": 0}}
        for number, record in enumerate(sound())
    ]
    assert found(records) == {}
    records[9]["relevant_ids"] = ["other"]
    assert found(records)["never_retrieved"].message == "1 of 60 relevant ids are retrieved for no record: other"
    for record in records:
        record["relevant_ids"] = ["doc-" + record["id"]]
    assert "do the two columns name documents alike?" in found(records)["never_retrieved"].message


def test_a_constant_column_is_told():
    records = [{**record, "reference": "always this"} for record in sound()]
    assert found(records)["constant"].message == "reference is the same in all 60 records: 'always this'"


def test_timestamps_that_cannot_be_read_are_told():
    records = [{**record, "timestamp": f"2026-11-{number % 28 + 1:02}T10:00:00Z"} for number, record in enumerate(sound())]
    assert found(records) == {}
    records[4]["timestamp"], records[5]["timestamp"] = "22/11/2026", "2026-11-22 10:00"
    told = found(records)
    assert told["timestamp"].records == ("q-4",)
    assert "time_zone" in told


def test_negative_figures_are_told():
    records = sound()
    records[1]["latency_ms"], records[2]["latency_ms"] = -3, 5
    assert found(records)["negative"].message == "1 of 60 records have a negative latency_ms: q-1"


def test_outputs_that_are_the_references_are_told():
    records = [{**record, "output": record["input"], "reference": record["input"]} for record in sound()]
    assert "are both taken from one column?" in found(records)["output_is_reference"].message


# --- near-duplicates against a slow oracle ---------------------------------------------------------------------------


def jaccard(one: str, other: str) -> float:
    shingles = [{text[at : at + 5] for at in range(max(len(text) - 4, 1))} for text in (one, other)]
    return len(shingles[0] & shingles[1]) / len(shingles[0] | shingles[1])


def test_pairs_are_those_that_comparing_all_with_all_finds():
    rng = random.Random(1)
    texts = sentences(150, length=7)
    for text in texts[:40]:
        words = text.split()
        words[rng.randrange(len(words))] = rng.choice(WORDS)
        texts.append(" ".join(words) if rng.random() < 0.5 else text.replace("e", "é", 1))
    every = {(i, j) for i in range(len(texts)) for j in range(i + 1, len(texts)) if jaccard(texts[i], texts[j]) >= 0.8}
    near = {(i, j) for i in range(len(texts)) for j in range(i + 1, len(texts)) if jaccard(texts[i], texts[j]) >= 0.7}
    ours = {(i, j) for i, j, _ in similar_pairs(texts)}
    assert len(every) > 10
    assert ours <= near
    assert len(every - ours) <= len(every) // 10


def test_texts_that_differ_in_a_number_are_not_pairs():
    assert similar_pairs(["What is the sum of 1234 and 17, in words?", "What is the sum of 1234 and 18, in words?"]) == []


def test_a_template_that_all_inputs_share_does_not_make_them_alike():
    template = "You are a careful assistant. Read the question, think step by step, and answer in one short sentence. " * 3
    assert similar_pairs([template + text for text in sentences(200, length=8)]) == []


def test_long_texts_are_compared_by_a_sample():
    texts = sentences(20, length=3_000)
    texts.append(texts[4].replace(WORDS[7], "stream", 3))
    assert [(i, j) for i, j, _ in similar_pairs(texts)] == [(4, 20)]


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["a"], ["", "a", "?!"]])
def test_nothing_to_compare_is_fine(texts):
    assert similar_pairs(texts) == []


def test_very_short_texts_are_pairs_only_when_equal():
    assert [(i, j) for i, j, _ in similar_pairs(["ab", "Ab!", "abc", "b"])] == [(0, 1)]
