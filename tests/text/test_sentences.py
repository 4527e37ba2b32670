"""The sentence splitter against cases whose sentences are beyond dispute, and against what must hold for any text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.text.sentences import sentences

# A bar marks the end of a sentence. The first block is after the English "golden rules" of pragmatic_segmenter (MIT).
CASES = """\
Hello World.|My name is Jonas.
What is your name?|My name is Jonas.
There it is!|I found it.
My name is Jonas E. Smith.
Please turn to p. 55.
Were Jane and co. at the party?
They closed the deal with Pitt, Briggs & Co. at noon.
Let's ask Jane and co.|They should know.
I can see Mt. Fuji from here.
St. Michael's Church is on 5th st. near the light.
That is JFK Jr.'s book.
I visited the U.S.A. last year.
I live in the E.U.|How about you?
I work for the U.S. Government in Virginia.
I have lived in the U.S. for 20 years.
She has $100.00 in her bag.
She has $100.00.|It is in her bag.
He teaches science (He previously worked for 5 years as an engineer.) at the local University.
Her email is Jane.Doe@example.com.|I sent her an email.
The site is: https://www.example.50.com/new-site/awesome_content.html.|Please check it out.
She turned to him, 'This is great.' she said.
She turned to him, "This is great."|She held the book out to show him.
Hello!!|Long time no see.
Hello!?|Is that you?
You can find it at N°. 1026.253.553.|That is where the treasure is.
She works at Yahoo! in the accounting department.
We make a good team, you and I.|Did you see Albert I. Jones yesterday?
“the laws of the universe will appear less complex. . . .”
One further habit was somewhat weakened . . . by compounds. . . .|The practice was not abandoned. . . .
I never meant that....|She left the store.
これはペンです。|それは本です。
Dr. J. K. Rowling wrote it in Jan. 2001.|The end.
See e.g. the work of Smith et al. (2020) for details.
all of it is small.|nothing is lost.
¿Qué tal?|Muy bien.
He scored 3.5 points... and won.|Then?|Nothing.
Wait … what?
यह एक वाक्य है।|यह दूसरा है।
He said "Stop!"|Nobody did.
“It works . ”|Or does it ?"""


@pytest.mark.parametrize("case", CASES.splitlines())
def test_sentences_end_where_readers_end_them(case: str) -> None:
    wanted = case.split("|")
    glue = "" if "。" in case else " "
    assert sentences(glue.join(wanted)) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("# A title\n\nIt begins. See:\n\n- one\n- Two\n---\n1. Three. Four.", 7),
        ("This is a sentence\ncut off in the middle.", 1),
        ("A line of more than sixty characters that some program wrapped before\nBerlin was said.", 1),
        ("Roses are red\nViolets are blue", 2),
        ("one\r\n\r\ntwo\u2028\u2028three", 3),
        ("| a | b |\n|---|---|\n| 1 | 2 |", 2),
        ("", 0),
        (" \n\t\u3000 ", 0),
        ("!", 1),
        ("no end", 1),
    ],
)
def test_lines_items_and_headings_are_sentences_of_their_own(text: str, wanted: int) -> None:
    assert len(sentences(text)) == wanted


ALPHABET = "aBé.!?…。 \n\t\"'()-*1中😀\u200bİß"


@given(st.text(ALPHABET) | st.text())
def test_nothing_but_white_space_and_drawn_rules_is_lost(text: str) -> None:
    found = sentences(text)
    place = 0
    left = []
    for sentence in found:
        assert sentence
        assert sentence == sentence.strip()
        at = text.index(sentence, place)
        left.append(text[place:at])
        place = at + len(sentence)
    left.append(text[place:])
    assert not "".join(left).translate({ord(sign): None for sign in "-–—*_=#|~+:. \t\xa0"}).strip()


@given(st.text(ALPHABET))
def test_what_is_around_a_text_does_not_move_its_sentences(text: str) -> None:
    assert sentences(f"\n \n{text.strip()}\n\n  ") == sentences(text.strip())


@given(st.lists(st.sampled_from(["It rains.", "Why not?", "He won 3.5 points!", "“So be it.”"]), min_size=1))
def test_plain_sentences_come_back_as_they_were_joined(whole: list[str]) -> None:
    assert sentences(" ".join(whole)) == whole
    assert sentences("\n".join(whole)) == whole


@pytest.mark.parametrize(
    "text",
    ["." * 200_000 + "x", ". " * 100_000 + ".x", '!"' * 100_000, "。" * 200_000, "Mr. " * 50_000, "a." * 100_000, "x\n" * 100_000,
     "a" * 300_000 + ". B", '"' * 200_000, "1. " * 60_000],
    ids=lambda text: text[:4],
)  # fmt: skip
def test_no_text_takes_more_than_its_length_in_time(text: str) -> None:
    begin = time.process_time()
    sentences(text)
    assert time.process_time() - begin < 3
