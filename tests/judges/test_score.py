"""A score is found by its characters and weighted by its tokens; what is not there is an error."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.core.asking import Token
from evalkit.core.errors import Malformed
from evalkit.judges.score import in_scale, spelled_at, weighted


def token(text: str, **others: float) -> Token:
    """A token whose probability is what the others leave; ``others`` are alternatives, spelled with s for a space."""
    own = 1.0 - sum(others.values())
    top = {text: own} | {name.removeprefix("_").replace("s", " ").replace("n", "\n"): p for name, p in others.items()}
    return Token(text, math.log(own), tuple((name, math.log(p)) for name, p in top.items() if p > 0))


def one(text: str) -> Token:
    return Token(text, 0.0, ((text, 0.0),))


def spread(text: str, tokens: list[Token], scores: range, *, bare: bool = False) -> dict[int, float]:
    return weighted(text, tokens, spelled_at(text, bare=bare), scores, bare=bare).probabilities


FIVE, TEN = range(1, 6), range(11)


def test_the_expected_score_is_the_mean_under_the_probabilities_of_the_scale():
    found = weighted("4", [token("4", _5=0.3, _3=0.1, _x=0.1)], (0, 1), FIVE, bare=True)
    assert found.probabilities == pytest.approx({3: 0.1, 4: 0.5, 5: 0.3})
    assert found.mass == pytest.approx(0.9)
    assert found.mean == pytest.approx((3 * 0.1 + 4 * 0.5 + 5 * 0.3) / 0.9)


def test_a_score_inside_json_is_found_whatever_the_tokens_are():
    wholes = ['{"score": 4, "reason": "fine"}', '{ "reason" : "x \\"score\\": 1", "score":4 }']
    for text in wholes:
        at = text.index("4")
        for cut in range(at):
            tokens = [one(text[:cut]), one(text[cut:at]), token("4", _2=0.4), one(text[at + 1 :])]
            assert spread(text, [each for each in tokens if each.text], FIVE) == pytest.approx({2: 0.4, 4: 0.6})
        glued = [one(text[: at - 1]), token(text[at - 1 : at + 1], **{f"_{text[at - 1]}2".replace(" ", "s"): 0.4})]
        assert spread(text, [*glued, one(text[at + 1 :])], FIVE) == pytest.approx({2: 0.4, 4: 0.6})


def test_a_score_of_two_tokens_is_the_product_along_them():
    tokens = [token("1", _7=0.3, _8=0.1), token("0", n=0.2)]
    assert spread("10", tokens, TEN, bare=True) == pytest.approx({1: 0.6 * 0.2, 7: 0.3, 8: 0.1, 10: 0.6 * 0.8})


def test_a_one_that_could_have_become_ten_is_missing_from_the_mass():
    found = weighted("7", [token("7", _1=0.3)], (0, 1), TEN, bare=True)
    assert found.probabilities == pytest.approx({7: 0.7})
    assert found.mass == pytest.approx(0.7)


def test_a_reply_that_ends_behind_a_one_is_a_one():
    assert spread("1", [token("1", _2=0.4)], TEN, bare=True) == pytest.approx({1: 0.6, 2: 0.4})


def test_a_leading_space_is_no_other_score():
    assert spread("4", [token("4", s4=0.2, s3=0.1)], FIVE, bare=True) == pytest.approx({3: 0.1, 4: 0.9})


def test_characters_that_several_tokens_spell_do_not_matter():
    text = '{"reason": "好", "score": 3}'
    tokens = [one('{"reason": "'), one("\ufffd"), one("\ufffd"), one('", "score": '), token("3", _4=0.5), one("}")]
    assert spread(text, tokens, FIVE) == pytest.approx({3: 0.5, 4: 0.5})


@pytest.mark.parametrize("text", ["I would say 4.", "", "4 of 5", "four", "-4", "4.5", '"4"'])
def test_prose_is_no_bare_score(text):
    with pytest.raises(Malformed, match="no score"):
        spelled_at(text, bare=True)


def test_two_scores_are_none():
    with pytest.raises(Malformed, match="2 scores"):
        spelled_at('{"score": 1, "score": 5}', bare=False)


@pytest.mark.parametrize("digits", ["0", "6", "10", "55555555555555555555"])
def test_a_score_out_of_range_is_an_error(digits):
    with pytest.raises(Malformed, match="not on the scale from 1 to 5"):
        in_scale(digits, (0, len(digits)), FIVE)


def test_missing_log_probabilities_are_an_error():
    with pytest.raises(Malformed, match="no log-probabilities"):
        weighted("4", [], (0, 1), FIVE)


@given(st.lists(st.floats(0.001, 1.0), min_size=5, max_size=5), st.floats(0.0, 0.5))
def test_the_mean_lies_on_the_scale_and_the_mass_is_what_the_scale_got(weights, elsewhere):
    total = sum(weights) / (1 - elsewhere)
    shares = {str(score): weight / total for score, weight in enumerate(weights, 1)}
    chosen = max(shares, key=lambda digit: shares[digit])
    top = tuple((digit, math.log(p)) for digit, p in shares.items())
    found = weighted(chosen, [Token(chosen, math.log(shares[chosen]), top)], (0, 1), FIVE, bare=True)
    assert 1 <= found.mean <= 5
    assert found.mass == pytest.approx(1 - elsewhere)
    assert found.mean == pytest.approx(sum(int(digit) * p for digit, p in shares.items()) / (1 - elsewhere))
