"""Numbers, dates and names: each case worked by hand; a sentence of the source is always supported by it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.text.dates import Day, dates
from evalkit.text.entities import Source, entities
from evalkit.text.figures import figures
from evalkit.text.names import names
from evalkit.text.sentences import sentences


def verdicts(source: str, output: str) -> list[tuple[str, str, bool]]:
    read = Source([source])
    return [(one.kind, one.text, read.holds(one)) for one in read.entities(output)]


NUMBERS = [
    ("1,200", [1200]), ("1200", [1200]), ("1 200", [1, 200]), ("1\u202f200", [1200]), ("1'200", [1200]), ("1,234,567.5", [1234567.5]), ("1.234.567", [1234567]),
    ("1.234,56", [1234.56]), ("56 , 000", [56000]), ("122 . 5", [122.5]), ("3.14", [3.14]), (".5", [0.5]), ("1.2 million", [1.2e6]), ("$5m", [5e6]), ("£3bn", [3e9]),
    ("10k", [10e3]), ("2 dozen", [24]), ("3/4", [0.75]), ("½", [0.5]), ("1½", [1.5]), ("3rd", [3]), ("21st", [21]), ("1990s", [1990]), ("45%", [45]), ("45 per cent", [45]),
    ("5-year-old", [5]), ("7-1", [7, 1]), ("47 and 49", [47, 49]), ("twenty-three", [23]), ("twenty three", [23]), ("a dozen", [12]), ("two dozen", [24]),
    ("a hundred and five", [105]), ("one thousand two hundred", [1200]), ("three hundred thousand", [300000]), ("two million three hundred thousand", [2.3e6]),
    ("nineteen", [19]), ("two and three", [2, 3]), ("one or two", [2]), ("two thirds", [2 / 3]), ("three quarters", [0.75]), ("twenty-first", [21]), ("hundredth", []),
    ("one of them", []), ("first, he", []), ("a second", []), ("one million", [1e6]), ("one hour", [1]), ("G4S", []), ("4x4", []), ("B2B", []), ("no numbers", []),
    ("9.30pm", [1290]), ("9:30 a.m.", [570]), ("21:30", [1290]), ("12 am", [0]), ("9 p.m.", [1260]), ("tenfold", []), ("ten people, five dogs", [10, 5]), ("fourteen", [14]),
    ("eleven-year-old", [11]), ("forty-two percent", [42]), ("half a dozen", [6]), ("half a million", [500000]), ("several thousand", []), ("thousands", []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "values"), NUMBERS)
def test_a_number_is_read_as(text: str, values: list[float]) -> None:
    assert [one.values[0] for one in figures(text)] == pytest.approx(values)
    assert all(text[one.start : one.end] == one.text for one in figures(text))


DATES = [
    ("3 May 2024", Day(2024, 5, 3)), ("3rd of May, 2024", Day(2024, 5, 3)), ("the 3rd day of May 2024", Day(2024, 5, 3)), ("May 3, 2024", Day(2024, 5, 3)), ("May 3rd", Day(None, 5, 3)),
    ("may 3 , 2024", Day(2024, 5, 3)), ("Jan. 5", Day(None, 1, 5)), ("5 Sept 2019", Day(2019, 9, 5)), ("May 2024", Day(2024, 5)), ("May of 2024", Day(2024, 5)),
    ("2024-05-03", Day(2024, 5, 3)), ("2024/05/03", Day(2024, 5, 3)), ("2024-05-03T10:00", Day(2024, 5, 3)), ("31/12/2024", Day(2024, 12, 31)), ("12/31/2024", Day(2024, 12, 31)),
    ("3.5.24", Day(2024, 5, 3)), ("1.2.99", Day(1999, 2, 1)), ("in 1999", Day(1999)), ("in May", Day(None, 5)), ("last March", Day(None, 3)), ("in July", Day(None, 7)), ("on Mondays", Day(None, None, None, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "day"), DATES)
def test_a_date_is_read_as(text: str, day: Day) -> None:
    (found,) = dates(text)
    assert found.readings[0] == day
    assert text[found.start : found.end] == found.text


@pytest.mark.parametrize(
    "text",
    [
        "it may rain",
        "March on, he said",
        "they march",
        "31 Feb 2024 ",
        "$2019",
        "2,019",
        "12019",
        "2019%",
        "1/2",
        "version 1.2.3",
        "the second",
    ],
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert not [one for one in dates(text) if one.readings[0].month or one.readings[0].year == 2019]


def test_a_date_in_digits_has_both_readings_where_both_are_dates() -> None:
    (found,) = dates("05/03/2024")
    assert found.readings == (Day(2024, 3, 5), Day(2024, 5, 3))


NAMES = [
    ("He met Barack Obama today.", ["Barack Obama"]), ("The Bank of England rose.", ["Bank of England"]), ("She saw J. K. Rowling there.", ["J. K. Rowling"]), ("Yesterday it rained.", []),
    ("He saw Obama's White House.", ["Obama", "White House"]), ("In the U.S. Senate he spoke.", ["U.S. Senate"]), ("He read the NHS report.", ["NHS"]), ("I think I'm right.", []),
    ("They met Mr. Smith and Dr Jones.", ["Smith", "Jones"]), ("The G4S van left.", ["G4S"]), ("She lives in Stratford-upon-Avon now.", ["Stratford-upon-Avon"]), ("He asked Anne-Marie.", ["Anne-Marie"]),
    ("Angela Merkel resigned.", ["Angela Merkel"]), ("Merkel resigned. He thanked Merkel.", ["Merkel", "Merkel"]), ("On Monday in May he left.", []), ("He said: “Good morning”.", []),
    ("Ten Ways To Cook Rice", []), ("he met barack obama.", []), ("It was José’s idea.", ["José"]), ("He left for Rome. Paris waited.", ["Rome"]), ("Apple and Google sued Samsung.", ["Google", "Samsung"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "found"), NAMES)
def test_names_of_a_text_are(text: str, found: list[str]) -> None:
    assert [one.text for one in names(text)] == found
    assert all(text[one.start : one.end] == one.text for one in names(text))


NEWS = (
    "President Barack Obama met Angela Merkel in Berlin on Monday, 3 May 2021. The World Health Organization said 1,234,567 people (45%) were vaccinated; "
    "Tim Cook, the chief executive of Apple Inc., earned $1,250. German police arrested two men, aged 47 and 49, at 9.45pm near the Buchanan Galleries. "
    "A third of voters, some fifty in all, walked 3.5 km. José Núñez-García died in 1987 after a decade in the United States. Storms in the '80s killed both sons."
)
SUPPORTED = [
    "Obama flew home.|1", "Mr Obama met Merkel.|2", "Barack Obama, Obama's wife|2", "They met in May 2021.|1", "They met in 2021.|1", "They met on May 3rd.|1", "They met on the 3rd.|1", "They met on 3/5/2021.|1",
    "They met on 2021-05-03.|1", "They met on a Monday.|1", "They met in May.|1", "The WHO said 1.2 million people.|2", "The WHO said about 1,235,000 people.|2", "More than a million were vaccinated.|1",
    "Then 45 percent were vaccinated.|1", "It was 0.45 of all.|1", "Apple's Tim Cook earned 1,250 dollars.|3", "Police in Germany arrested 2 Germans.|3", "The 47-year-old left at 21:45.|2", "It was 9:45 then.|1",
    "Some 50 voters, one third, walked 3.5 kilometres.|3", "The late Jose Nunez Garcia, born in America.|2", "He died in the US.|1", "He died in the 1980s.|1", "All 2 sons died.|1", "He died after 10 years.|1",
    "It was near Buchanan Galleries.|1", "Nearly 1.3 million people.|1",
]  # fmt: skip
UNSUPPORTED = [
    ("They met in Munich.", "name", "Munich", None), ("They met on 4 May 2021.", "date", "4 May 2021", "3 May 2021"), ("They met in May 2020.", "date", "May 2020", "3 May 2021"),
    ("They met in 2019.", "date", "2019", "3 May 2021"), ("They met on a Tuesday.", "date", "Tuesday", "Monday"), ("He saw Barack Merkel.", "name", "Barack Merkel", "President Barack Obama"),
    ("The WHO said 1.3 million people.", "number", "1.3 million", "1,234,567"), ("They vaccinated 54%.", "number", "54%", "45%"), ("Apple earned $1,200.", "number", "$1,200", "$1,250"),
    ("He earned 1,250 euros.", "number", "1,250 euros", "$1,250"), ("Police arrested three men.", "number", "three", "3.5 km"), ("He is 48.", "number", "48", "49"),
    ("He left at 21:30.", "number", "21:30", "9.45pm"), ("He walked 3.5 miles.", "number", "3.5 miles", "3.5 km"), ("He thanked Tom Cook.", "name", "Tom Cook", "Tim Cook"),
    ("A dozen men left.", "number", "A dozen", None), ("He died in the 1970s.", "number", "1970s", None), ("He went to the FIFA ball.", "name", "FIFA", None), ("In June he died.", "date", "June", None),
    ("He died in 1897.", "date", "1897", None), ("More than two million came.", "number", "two million", "1,234,567"),
]  # fmt: skip


@pytest.mark.parametrize("case", SUPPORTED)
def test_what_the_source_says_otherwise_is_supported(case: str) -> None:
    output, _, count = case.partition("|")
    told = verdicts(NEWS, output)
    assert len(told) == int(count), told
    assert all(known for _, _, known in told), told


@pytest.mark.parametrize(("output", "kind", "text", "nearest"), UNSUPPORTED)
def test_what_the_source_lacks_is_found_and_the_nearest_told(output: str, kind: str, text: str, nearest: str | None) -> None:
    read = Source([NEWS])
    (found,) = [one for one in read.entities(output) if not read.holds(one)]
    assert (found.kind, found.text) == (kind, text)
    if nearest is not None:
        assert read.nearest(found) == nearest


def test_a_year_may_be_a_plain_number_and_money_is_no_year() -> None:
    assert verdicts("About 2,000 people came.", "Some 2000 people came.") == [("date", "2000", True)]
    assert verdicts("It was founded in 1950.", "It cost 1950 dollars.") == [("number", "1950 dollars", True)]
    assert verdicts("It cost 1,950 euros.", "It cost 1950 dollars.") == [("number", "1950 dollars", False)]


def test_units_of_computing_and_plurals_of_acronyms_are_read() -> None:
    source = "A URI may have 8 kB; the body 1 megabyte, in 250 milliseconds."
    told = verdicts(source, "All URIs have 8kB, the body 1MB, in 250ms.")
    assert told == [("name", "URIs", True), ("number", "8kB", True), ("number", "1MB", True), ("number", "250ms", True)]
    assert verdicts(source, "The body is 1 GB.") == [("number", "1 GB", False)]


def test_digits_and_iso_dates_work_in_any_language() -> None:
    source = "Am 2024-05-03 kamen 1.200 Menschen, 45 % davon aus 3 Ländern."
    assert verdicts(source, "Le 2024-05-03, 1200 personnes, 45 % de 3 pays.") == [
        ("date", "2024-05-03", True),
        ("number", "1200", True),
        ("number", "45 %", True),
        ("number", "3", True),
    ]
    assert not verdicts(source, "1300")[0][2]


def test_texts_in_small_letters_have_numbers_and_dates_and_no_names() -> None:
    assert verdicts("barack obama met 47 men on 3 may .", "angela merkel met 48 men on 3 may .") == [
        ("number", "48", False),
        ("date", "3 may", True),
    ]


WORDS = st.sampled_from(
    """Obama Merkel the The a of in In on and men Berlin World Health WHO U.S. NHS G4S it It may May March 3 12 47 1,200 1990s 2021 45% $5m £3 9.45pm 21:45 3rd two
    twenty-three hundred dozen third one first million May, Mr. J. O'Brien Anne-Marie José's 3/4 05/03/2021 2021-05-03 Monday km years per cent , ; : — ( ) " ' ½ about more than""".split()
)
prose = st.lists(st.lists(WORDS, min_size=1, max_size=12).map(lambda words: " ".join(words) + "."), min_size=1, max_size=6)


@given(prose, st.data())
def test_a_sentence_of_the_source_has_nothing_that_the_source_lacks(written: list[str], data: st.DataObject) -> None:
    source = "\n".join(written)
    read = Source([source])
    for sentence in (data.draw(st.sampled_from(written)), source, *sentences(source)):
        lacking = [one.text for one in read.entities(sentence) if not read.holds(one)]
        assert not lacking, (sentence, lacking)


@given(prose)
def test_entities_stand_where_they_say_and_do_not_overlap(written: list[str]) -> None:
    text = " ".join(written)
    end = 0
    for one in entities(text):
        assert text[one.start : one.end] == one.text
        assert one.start >= end
        end = one.end


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_text_can_be_read_and_supports_itself(source: str, output: str) -> None:
    read = Source([source])
    assert all(read.holds(one) for one in read.entities(source))
    for one in read.entities(output):
        read.holds(one)
        read.nearest(one)


@pytest.mark.parametrize(
    "unit",
    [
        "1",
        "1,",
        "1 , ",
        "9.",
        "a ",
        "two ",
        "two and ",
        "- ",
        " ",
        "May ",
        "3 May ",
        "Aa ",
        "Aa of ",
        "A.",
        "'",
        "12/",
        "one hundred and ",
        "$",
        "1-",
        "3 to ",
        "\n",
        "x1",
        "1a",
        "a1 ",
    ],
)
def test_hostile_texts_take_no_longer_than_their_length(unit: str) -> None:
    text = unit * (100_000 // len(unit)) + "!"
    began = time.process_time()
    read = Source([text])
    for one in list(read.entities(text))[:50]:
        read.holds(one)
        read.nearest(one)
    assert time.process_time() - began < 8
