"""compression, coverage, density, novelty: worked by hand, and as the published procedure has them on real summaries."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk.tokenize import NLTKWordTokenizer

import evalkit
from evalkit.core.errors import SpecError

NAMES = ("compression", "coverage", "density", "novelty")
SOURCE = "The cat that my neighbour owns sat on the red mat all day ."
words = st.lists(st.sampled_from("a b c the cat sat , .".split()), max_size=12).map(" ".join)


def one(name: str, output: str, source: object = SOURCE, **options: object) -> float:
    return float(evalkit.score(name, [output], input=[source], **options)[name][0])


def plainly(summary: list[str], source: list[str]) -> dict[str, float]:
    """The four, by loops over words."""
    squares = total = i = 0
    while i < len(summary):
        best = j = 0
        while j < len(source):
            size = 0
            while i + size < len(summary) and j + size < len(source) and summary[i + size] == source[j + size]:
                size += 1
            best, j = max(best, size), j + max(size, 1)
        total, squares, i = total + best, squares + best * best, i + max(best, 1)
    told = {"compression": len(source) / len(summary), "coverage": total / len(summary), "density": squares / len(summary)}
    for n in range(1, 5):
        mine, theirs = ({tuple(side[at : at + n]) for at in range(len(side) - n + 1)} for side in (summary, source))
        told[f"novelty.n{n}"] = len(mine - theirs) / len(mine) if mine else math.nan
    return told


def test_a_summary_worked_by_hand() -> None:
    # fragments: "the cat" "sat on the" "mat": 2 + 3 + 1 of 8 words; "quietly" and "black" are new
    output = "The cat quietly sat on the black mat"
    assert one("compression", output) == 14 / 8
    assert one("coverage", output) == 6 / 8
    assert one("density", output) == (4 + 9 + 1) / 8
    parts = evalkit.score("novelty", [output], input=[SOURCE])
    assert [float(parts[f"novelty.n{n}"][0]) for n in (1, 2, 3, 4)] == [2 / 7, 4 / 7, 5 / 6, 1.0]  # "the" counts once


def test_a_sentence_of_the_source_is_covered_as_one_run_and_nothing_of_it_is_new() -> None:
    assert one("coverage", "sat on the red mat") == 1
    assert one("density", "sat on the red mat") == 5
    assert evalkit.score("novelty", ["sat on the red mat"], input=[SOURCE]).corpus == dict.fromkeys(
        (f"novelty.n{n}" for n in (1, 2, 3, 4)), 0.0
    )


@given(words, words)
def test_values_are_those_of_plain_loops(output: str, source: str) -> None:
    told = {name: evalkit.score(name, [output], input=[source], tokenize="whitespace") for name in NAMES}
    if not output or not source:
        assert all(0 in scores.skipped for scores in told.values())
        return
    for name, value in plainly(output.split(), source.split()).items():
        assert float(told[name.partition(".")[0]][name][0]) == pytest.approx(value, abs=1e-12, nan_ok=True)


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["qags_cnndm", "qags_xsum"])
def test_real_summaries_score_as_by_plain_loops_over_nltks_words(name: str, shared_data: Path) -> None:
    with (shared_data / "qags" / f"{name}.jsonl").open(encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines][:40]
    outputs, sources = [one["system_output"] for one in records], [one["source"] for one in records]
    told = {metric: evalkit.score(metric, outputs, input=sources) for metric in NAMES}
    cut = NLTKWordTokenizer().tokenize
    for index, (output, source) in enumerate(zip(outputs, sources)):
        wanted = plainly([word.lower() for word in cut(output)], [word.lower() for word in cut(source)])
        for part, value in wanted.items():
            assert float(told[part.partition(".")[0]][part][index]) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_to_compare_is_skipped_with_a_reason_and_null_is_an_error(name: str) -> None:
    scores = evalkit.score(name, ["", "words", " \n", "words"], input=["words", "", "words", None])
    assert scores.skipped == {
        0: "the output is empty: nothing to compare", 1: "input is empty: nothing to compare with", 2: "the output is empty: nothing to compare"
    }  # fmt: skip
    assert scores.errors == {3: "no input"}
    assert evalkit.score(name, ["words"], contexts=[[]], source="contexts").skipped == {
        0: "contexts is empty: nothing to compare with"
    }


def test_runs_do_not_cross_from_one_passage_into_the_next() -> None:
    passages = evalkit.score("density", ["a b c d"], contexts=[["x a b", "c d"]], source="contexts")
    assert float(passages["density"][0]) == (4 + 4) / 4
    assert one("density", "a b c d", "x a b\nc d") == 4
    assert (
        float(evalkit.score("compression", ["a b c d"], contexts=[["x a b", "c d"]], source="contexts")["compression"][0])
        == 5 / 4
    )
    new = evalkit.score("novelty", ["a b c d"], contexts=[["x a b", "c d"]], source="contexts")
    assert float(new["novelty.n2"][0]) == pytest.approx(1 / 3)  # b c


def test_a_summary_of_one_word_has_no_bigram_and_does_not_move_that_part() -> None:
    scores = evalkit.score("novelty", ["Cat", "cat slept"], input=[SOURCE, SOURCE])
    assert math.isnan(scores["novelty.n2"][0])
    assert scores.corpus["novelty.n2"] == 1
    assert scores.corpus["novelty.n1"] == 0.25


def test_characters_serve_languages_without_spaces() -> None:
    assert one("coverage", "猫在垫子上", "一只猫坐在垫子上。", tokenize="char") == 1
    assert one("density", "猫在垫子上", "一只猫坐在垫子上。", tokenize="char") == (1 + 16) / 5


def test_a_reason_shows_the_longest_copied_run() -> None:
    scores = evalkit.score("coverage", ["The cat quietly sat on the black mat", "zebra"], input=[SOURCE, SOURCE])
    assert scores.reasons[0] == "3 copied runs, the longest 3 tokens: sat on the"
    assert scores.reasons[1] == "nothing of the output stands in input"


def test_all_four_tokenise_a_batch_once() -> None:
    run = evalkit.evaluate([{"output": "sat on a mat", "input": SOURCE}] * 3, metrics=list(NAMES))
    assert run["coverage"].mean == 0.75
    assert run["novelty.n2"].mean == pytest.approx(2 / 3)
    assert run["compression"].mean == 14 / 4
    assert np.isfinite(run["density"].mean)


def test_the_output_is_no_source_of_itself() -> None:
    with pytest.raises(SpecError, match="must be the column that the output was made from"):
        evalkit.score("coverage", ["a"], source="output")
