"""Text descriptors: each as a slow, obvious function of one text has it, whatever the texts and however Arrow holds them."""

from __future__ import annotations

import json
import re
import string
import time
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evalkit.core.errors import UnknownName
from evalkit.text.bytes import blocks
from evalkit.text.characters import ALONE, APART, DIGIT, MARKS, PUNCTUATION, SPACE, SPACELESS, STOPS, UPPER, class_of
from evalkit.text.descriptors import ALL_ROWS, DESCRIPTORS, describe
from evalkit.text.terms import hash_of, terms, texts_of

# --- the oracle ------------------------------------------------------------------------------------------------------

CLOSERS = "\"')]}*_`”’»›“"
RUN = re.compile(rf"[.!?{MARKS}]+[{re.escape(CLOSERS)}]{{0,3}}(?=\s|\Z)")
MARK_RUN = re.compile(rf"[.!?{MARKS}]+")
NUMBER = re.compile(r"(?:\A|\n) {0,3}[0-9]{1,3}\Z")
INITIAL = re.compile(r"(?:\A|[ \t\r\n\"'(\[])[A-HJ-Z]\Z")
TITLE = re.compile(r"(?:\A|[ \t\r\n\"'(\[])(?:[Mm][Rr]|[Mm][Ss]|[Dd][Rr]|[Mm][Rr][Ss]|[Vv][Ss])\Z")
LINE = re.compile(r"^ {0,3}(?:#{1,6} |[-*+>] |[0-9]{1,3}[.)] |\||```|~~~)", re.MULTILINE)
FENCE = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)
SCHEME = re.compile(r"[hH][tT]{2}[pP][sS]?://(?=\S)")
HOST = re.compile(r"(?<![A-Za-z0-9/.\-@\x80-\U0010ffff])[wW]{3}\.(?=[A-Za-z0-9])")


def slow_terms(text: str) -> list[str]:
    def joins(character: str) -> bool:
        if character.isascii():
            return character.isalnum()
        return not class_of(character) & (APART | ALONE)

    found, current = [], ""
    for place, character in enumerate(text):
        inside = character == "'" and 0 < place < len(text) - 1 and joins(text[place - 1]) and joins(text[place + 1])
        if joins(character) or inside:
            current += character.lower() if character.isascii() else character
            continue
        found += [current] if current else []
        current = ""
        if not character.isascii() and class_of(character) & ALONE:
            found.append(character)
    return found + ([current] if current else [])


def slow_sentences(text: str) -> int:
    capital = any("A" <= character <= "Z" for character in text)
    cuts = {found.end() for found in re.finditer(f"[{STOPS}]|\n", text)}
    for found in RUN.finditer(text):
        behind, run = found.end(), MARK_RUN.match(found[0])[0]
        following, before = text[behind:].lstrip(), text[: found.start()]
        if capital and "a" <= following[:1] <= "z":
            continue
        if run == "." and any(each.search(before) for each in (NUMBER, INITIAL, TITLE)):
            continue
        cuts.add(behind)
    cuts = sorted({0, *cuts, len(text)})
    return sum(bool(slow_terms(text[low:high])) for low, high in zip(cuts, cuts[1:]))


def slow_json(text: str) -> bool:
    body = text.strip(" \t\r\n")
    if body[:1] not in ("{", "["):
        return False

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        json.loads(body, parse_constant=refuse)
    except (ValueError, RecursionError):
        return False
    return True


def slow_repetition(text: str) -> float:
    words = slow_terms(text)
    runs = [tuple(words[place : place + 4]) for place in range(len(words) - 3)]
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def slow_bold(text: str) -> bool:
    pairs = [found.start() for found in re.finditer(r"(?=\*\*)", text)]
    opening = [place for place in pairs if text[place + 2 : place + 3].strip()]
    closing = [place for place in pairs if text[max(place - 1, 0) : place].strip()]
    return bool(opening and closing and closing[-1] > opening[0] + 2)


def share(count: int, text: str) -> float:
    return count / max(len(text), 1)


ORACLE = {
    "characters": len,
    "words": lambda text: len(text.split()),
    "sentences": slow_sentences,
    "lines": lambda text: text.count("\n") + 1 if text else 0,
    "links": lambda text: len(SCHEME.findall(text)) + len(HOST.findall(text)),
    "upper": lambda text: share(sum(unicodedata.category(each) == "Lu" for each in text), text),
    "digits": lambda text: share(sum(unicodedata.category(each) == "Nd" for each in text), text),
    "punctuation": lambda text: share(
        sum(each in string.punctuation or (not each.isascii() and unicodedata.category(each)[0] == "P") for each in text), text
    ),
    "non_ascii": lambda text: share(sum(not each.isascii() for each in text), text),
    "spaces": lambda text: share(sum(map(str.isspace, text)), text),
    "repetition": slow_repetition,
    "json": slow_json,
    "json_broken": lambda text: (
        bool(re.match(r'[ \t\r\n]*(?:\{[ \t\r\n]*["}]|\[[ \t\r\n]*[{["])', text)) and not slow_json(text)
    ),
    "markdown": lambda text: bool(LINE.search(text) or slow_bold(text) or re.search(r"`[^`\n]+`", text) or "](" in text),
    "code_block": lambda text: bool(FENCE.search(text)),
    "open_code_block": lambda text: len(FENCE.findall(text)) % 2 == 1,
}

# --- the texts -------------------------------------------------------------------------------------------------------

PIECES = (
    " ", "\n", "\r\n", "\t", ".", "!", "?", "…", "。", "！", "؟", "'", "’", "”", '"', ")", "*", "**", "_", "`", "```", "~~~", "#", "-", "- ", "> ",
    "1. ", "12)", "|", "](", "[", "{", "}", '{"a": 1}', "[1, 2]", '["x"', "www.", "http://", "HTTPS://x.io", "@", "/", "a", "B", "I", "7", "Mr.",
    "dr.", "the cat sat on the mat", "Hello", "word word word word", "été", "É", "世界", "カタカナ", "한국어", "ไทย", "e\u0301", "👍🏽", "\u00a0", "\u3000",
    "\u2028", "\x85", "\x1c", "\x00", "\x7f", "\u200d", "\ufe0f", "٣", "𝐀", "\U00020000", "\U0010ffff", "ﬀ", "ſ", "ı",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=14).map("".join)
SOME = st.lists(st.none() | TEXTS, max_size=8)


def held(texts: list[str | None], how: str) -> pa.Array | pa.ChunkedArray:
    """The same texts as Arrow may hold them."""
    if how == "slice":
        return pa.array(["before", None, *texts, "behind"], pa.string()).slice(2, len(texts))
    if how == "large":
        return pa.array(texts, pa.large_string())
    if how == "chunks":
        half = len(texts) // 2
        return pa.chunked_array(
            [pa.array(texts[:half], pa.string()), pa.array([], pa.string()), pa.array(texts[half:], pa.string())]
        )
    if how == "dictionary":
        return pa.array(texts, pa.string()).dictionary_encode()
    return pa.array(texts, pa.string())


# --- equality --------------------------------------------------------------------------------------------------------


@settings(max_examples=400, deadline=None)
@given(SOME, st.sampled_from(["whole", "slice", "large", "chunks", "dictionary"]))
@example(["", None, "x"], "whole")
@example([None], "slice")
@example([], "chunks")
@example(["Mr. X met J. Doe.\n 12. One thing. Two (e.g. this). Done.”", "wait... what? no"], "whole")
@example(["{", '"x"', "[", "{}", " \n", "}"], "whole")
@example(["a" * 63 + "b", "a" * 64 + "b" + "c" * 9, "a" * 64 + "c" + "b" * 9], "whole")
def test_every_descriptor_is_its_slow_self(texts, how):
    values = describe(held(texts, how)).values
    assert set(values) == set(ALL_ROWS) == {*ORACLE, "refusal"}
    for name, slow in ORACLE.items():
        wanted = [np.nan if text is None else float(slow(text)) for text in texts]
        np.testing.assert_allclose(values[name], wanted, rtol=1e-15, err_msg=f"{name} of {texts!r}")


@settings(max_examples=300, deadline=None)
@given(SOME, st.sampled_from(["whole", "slice", "large", "chunks", "dictionary"]))
def test_terms_are_their_slow_selves_and_can_be_named(texts, how):
    array = held(texts, how)
    found = terms(array)
    slow = [slow_terms(text or "") for text in texts]
    assert found.counts.tolist() == list(map(len, slow))
    flat = [term for row in slow for term in row]
    names = texts_of(array, found.hashes)
    assert [names[each] for each in found.hashes.tolist()] == flat
    assert len(names) == len(set(flat))


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=12), st.integers(0, 11), st.integers(1, 60))
def test_neither_chunks_nor_blocks_change_a_hash_or_a_value(texts, cut, size):
    whole = terms(pa.array(texts))
    cut = min(cut, len(texts))
    parts = [terms(pa.array(part, pa.string())) for part in (texts[:cut], texts[cut:])]
    assert np.array_equal(np.concatenate([part.hashes for part in parts]), whole.hashes)
    by_block = list(blocks(pa.array(texts), size))
    assert sum(map(len, by_block)) == len(texts)
    for name in ("words", "sentences", "markdown", "links", "repetition", "json"):
        if DESCRIPTORS[name].of == "block":
            pieces = np.concatenate([DESCRIPTORS[name].measure(block) for block in by_block])
            assert np.array_equal(pieces, describe(pa.array(texts), [name]).values[name]), name


KNOWN = {
    "a": 9209633912385127787, "the": 18221897388226019265, "don't": 10982775558000813482, "internationalisation": 5013021515528384275,
    "é": 655528557642640464, "世": 656025424461858576, "👍": 9705882943756173476, "x" * 65: 12687854361702381835,
}  # fmt: skip


def test_hashes_are_the_same_on_every_machine_and_in_every_version():
    """Profiles are kept in files and compared years later: these numbers may never change."""
    assert {word: hash_of(word) for word in KNOWN} == KNOWN


def test_hashes_of_a_million_words_do_not_meet_and_fill_their_range():
    words = [f"{kind}{number}" for kind in ("w", "Word", "item-", "é") for number in range(250_000)]
    found = terms(pa.array([" ".join(words)])).hashes
    whole = {each for word in words for each in word.lower().split("-")}
    distinct = np.unique(found)
    assert len(distinct) == len(whole)
    top = np.bincount((distinct >> np.uint64(60)).astype(int), minlength=16) / len(distinct)
    low = np.bincount((distinct & np.uint64(15)).astype(int), minlength=16) / len(distinct)
    assert abs(top - 1 / 16).max() < 0.002
    assert abs(low - 1 / 16).max() < 0.002


def test_classes_of_characters_are_what_unicode_says():
    """A table is filled quickly; this asks for one character after the other."""
    alone = [range(low, high + 1) for low, high in SPACELESS]
    for code in [*range(0x80, 0x20000), 0x20000, 0x2FFFF, 0xE0001, 0x10FFFF]:
        character, told = chr(code), class_of(chr(code))
        category = unicodedata.category(character)
        if code < 0x20000:
            assert bool(told & UPPER) == (category == "Lu"), hex(code)
            assert bool(told & DIGIT) == (category == "Nd"), hex(code)
            assert bool(told & PUNCTUATION) == (category[0] == "P"), hex(code)
            apart = category[0] in "PZC" or 0xFE00 <= code < 0xFE10
            assert bool(told & ALONE) == (not apart and (category[0] == "S" or any(code in each for each in alone))), hex(code)
        else:
            apart = code >= 0x40000
        assert bool(told & SPACE) == character.isspace(), hex(code)
        assert bool(told & APART) == apart, hex(code)


# --- edges -----------------------------------------------------------------------------------------------------------


def test_an_empty_text_is_a_value_and_a_null_is_missing():
    values = describe(pa.array(["", None])).values
    for name, value in values.items():
        assert value[0] == 0.0, name
        assert np.isnan(value[1]), name


def test_nulls_over_bytes_are_missing_all_the_same():
    """Arrow allows a null to keep its bytes."""
    array = pa.array(["Secret words here.", "b c"])
    array = pa.Array.from_buffers(pa.string(), 2, [pa.py_buffer(b"\x02"), *array.buffers()[1:]])
    found = describe(array, ["words", "sentences"], with_terms=True)
    assert found.values["words"].tolist()[1:] == [2.0]
    assert np.isnan(found.values["words"][0])
    assert found.terms.counts.tolist() == [0, 2]


def test_only_what_is_asked_for_is_measured_and_unknown_names_are_told():
    assert list(describe(pa.array(["x"]), ["lines"]).values) == ["lines"]
    with pytest.raises(UnknownName, match='did you mean "words"'):
        describe(pa.array(["x"]), ["word"])
    with pytest.raises(TypeError, match="texts are strings, not int64"):
        describe(pa.array([1]))


def test_bytes_that_are_no_utf8_do_no_harm():
    raw = b"ok \xff\xfe\xf8\xf0 \x80\x80 \xe4\xb8 \xc3"
    array = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(np.array([0, len(raw)], np.int32)), pa.py_buffer(raw)])
    names = [name for name in ALL_ROWS if name != "refusal"]
    assert all(np.isfinite(value).all() for value in describe(array, names).values.values())


HOSTILE = {
    "one letter": "a" * 1_000_000,
    "feeds": "\n" * 1_000_000,
    "brackets": "[" * 1_000_000,
    "braces": '{"a":' * 200_000,
    "stars": "**a" * 333_333,
    "ticks": "`" * 999_999,
    "stops": "." * 1_000_000,
    "stops and spaces": ". " * 500_000,
    "Han": "中" * 333_333,
    "emoji": "👍" * 250_000,
    "blanks": " " * 1_000_000,
    "apostrophes": "'a" * 500_000,
    "nearly a refusal": "I can't, I can't help, but " * 37_000,
    "never a refusal": "as an ai " * 111_111,
    "commas": "sorry, " * 142_857,
    "links": "http://www." * 90_909,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_megabyte_of_hostile_text_takes_bounded_time(kind):
    text = HOSTILE[kind]
    array = pa.array(["short", text, None, text[:100]])
    clock = time.process_time()
    found = describe(array, with_terms=True)
    assert time.process_time() - clock < 1.5
    assert found.values["characters"][1] == len(text)
