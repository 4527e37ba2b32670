"""Wrong data: one clear sentence each, with the place and the way out, all at once and before anything is scored."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from evalkit.core.errors import SpecError
from evalkit.records import jsonl
from evalkit.records.dataset import scan

GOOD = '{"input": "a", "output": "b"}\n'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"input": "a" "output": "b"}', "broken JSON at column 15: expecting ',' delimiter"),
        ('{"input": "a", "output"', "broken JSON at column 24: expecting ':' delimiter; the line seems to be cut off"),
        ('{"input": "a', "broken JSON at column 11: unterminated string starting at; the line seems to be cut off"),
        (
            "{'input': 'a'}",
            "broken JSON at column 2: expecting property name enclosed in double quotes; JSON strings stand in double quotes",
        ),
        ('{"input": "a"},', "broken JSON at column 15: extra data; lines are not separated by commas"),
        ('{"input": "a"}{"input": "b"}', "broken JSON at column 15: extra data; one object a line, with nothing after it"),
        ('{"input": None}', "broken JSON at column 11: expecting value; JSON writes null, true and false"),
        ('{"input": NaN}', "broken JSON: NaN is not JSON; write null for an absent number"),
        ('{"cost": Infinity}', "broken JSON: Infinity is not JSON; write null for an absent number"),
        ('{"cost": 1e999}', "broken JSON: a number is out of range; write it as a text"),
        (
            '{"input": "\\ud83d"}',
            "broken JSON: half of a surrogate pair (\\ud800 … \\udfff); the text was cut inside an emoji or the like",
        ),
        ('["a", "b"]', 'the line holds a list, not an object; write {"input": "…", "output": "…"}'),
        ('"text"', 'the line holds a text, not an object; write {"input": "…", "output": "…"}'),
        ("17", 'the line holds a number, not an object; write {"input": "…", "output": "…"}'),
        ("null", 'the line holds null, not an object; write {"input": "…", "output": "…"}'),
        ('{"input": "a\x00b"}', "the line holds NUL bytes; is the file UTF-16, or was it cut off while it was written?"),
    ],
)
def test_a_broken_line_17_is_named_with_the_parsers_word_and_column(told, line, said):
    assert told(GOOD * 16 + line + "\n" + GOOD) == [f"data.jsonl:17: {said}"]


def test_a_deeply_nested_line_is_an_error_not_a_crash(told):
    (said,) = told(GOOD + '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}\n")
    assert said.startswith("data.jsonl:2: broken JSON: nested too deeply")


def test_an_object_over_several_lines_is_not_a_record(told):
    said = told(json.dumps({"input": "a", "output": "b"}, indent=1))
    assert len(said) == 4
    assert said[0].startswith("data.jsonl:1: broken JSON")
    assert "one object a line" in said[0]


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("contexts", "a passage", """contexts must be a list of texts, not the text "a passage"; write ["…"], even for a single one"""),
        ("contexts", ["a", 1], "contexts must be a list of texts, not a list that holds the number 1"),
        ("contexts", [{"text": "a"}], "contexts must be a list of texts, not a list that holds an object; keep only the text of each passage"),
        ("samples", ["a", None], "samples must be a list of texts, not a list that holds null"),
        ("retrieved_ids", "d1", """retrieved_ids must be a list of texts, not the text "d1"; write ["…"], even for a single one"""),
        ("relevant_ids", "d1", """relevant_ids must be a list of ids or an object {id: grade}, not the text "d1"; write ["doc-1"] or {"doc-1": 2}"""),
        ("relevant_ids", {"d1": "high"}, """relevant_ids must give each id a number as its grade, not the text "high" (of "d1"); write {"doc-1": 2, "doc-2": 1}"""),
        ("answerable", "yes", "answerable must be true or false, not the text \"yes\""),
        ("answerable", 1, "answerable must be true or false, not the number 1"),
        ("latency_ms", "12", 'latency_ms must be a number, not the text "12"; write it without quotes'),
        ("prompt_tokens", True, "prompt_tokens must be a number, not true"),
        ("feedback", 2, "feedback must be -1, 0 or 1, not the number 2"),
        ("output", ["a"], "output must be a text, not a list; several texts per record belong into `samples`, `contexts` or `reference`"),
        ("output", {"text": "a"}, "output must be a text, not an object; name the field that holds the text in `fields:`"),
        ("reference", [["a"]], "reference must be a text or a list of texts, not a list that holds a list"),
        ("reference", ["a", None], "reference must be a text or a list of texts, not a list that holds null"),
        ("input", ["a"], """input must be a text or a list of chat messages, not a list; a message is {"role": "user", "content": "…"}"""),
        ("embedding", ["a"], "embedding must be a list of numbers, not a list that holds the text \"a\""),
        ("flags", "pii", """flags must be a list of texts, not the text "pii"; write ["…"], even for a single one"""),
        ("timestamp", [2026], "timestamp must be an ISO 8601 text or seconds since 1970, not a list that holds the number 2026"),
        ("id", "", "id must be a text that is not empty, not an empty text; leave the field out, and an id is derived from the content"),
        ("id", 1.5, "id must be a text or a whole number, not the number 1.5"),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_type_is_named_with_its_line(told, column, value, said):
    assert told(GOOD * 3 + json.dumps({"input": "x", column: value}) + "\n") == [f"data.jsonl:4: {said}"]


def test_a_renamed_column_is_called_by_both_names(told):
    (said,) = told('{"docs": "a"}\n', fields={"contexts": "docs"})
    assert said.startswith('data.jsonl:1: contexts (here "docs") must be a list of texts')


def test_latin_letters_that_are_not_utf_8_suggest_their_encoding(told):
    text = (GOOD * 2).encode() + '{"input": "café"}\n'.encode("cp1252")
    (said,) = told(text)
    assert said == (
        "data.jsonl:3: not UTF-8: byte 0xe9 at byte 15 of the line; it looks like cp1252; convert it: `iconv -f cp1252 -t utf-8 OLD > NEW`"
    )


def test_chinese_text_that_is_not_utf_8_suggests_its_encoding(told):
    (said,) = told('{"input": "今天天气怎么样，北京会下雨吗"}\n'.encode("gb18030"))
    assert "it looks like gb18030" in said


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_recognised(told, encoding):
    (said,) = told((GOOD * 3).encode(encoding))
    assert said.startswith("data.jsonl: is not UTF-8 but UTF-16")
    assert "iconv -f utf-16" in said


def test_an_explicit_id_that_stands_twice_names_both_places(told):
    said = told('{"id": "a"}\n\n{"id": "b"}\n{"id": "a"}\n{"id": 17}\n{"id": "17"}\n')
    hint = "ids must be unique; leave them out to have them derived from the content"
    assert said == [
        f'data.jsonl:4: the id "a" already stands on line 1; {hint}',
        f'data.jsonl:6: the id "17" already stands on line 5; {hint}',
    ]


def test_an_id_that_stands_in_two_files_names_both(write):
    first, second = write('{"id": "a"}\n{"id": "b"}\n', "one.jsonl"), write('{"id": "c"}\n{"id": "b"}\n', "two.jsonl")
    with pytest.raises(SpecError, match=r'^two\.jsonl:2: the id "b" already stands in one\.jsonl:2'):
        scan([first, second], label="*.jsonl")


def test_problems_name_the_right_one_of_several_files(write):
    files = [write(GOOD, "a.jsonl"), write(GOOD * 2 + "{\n", "b.jsonl"), write("input,output\n1\n", "c.csv")]
    with pytest.raises(SpecError) as caught:
        scan(files, label="*")
    assert [problem.where for problem in caught.value.problems] == ["b.jsonl:3", "c.csv:2"]


def test_a_source_column_that_no_record_has_suggests_the_nearest(told):
    assert told('{"question": "a", "answer": "b"}\n', fields={"output": "anwser", "input": "zzz"}) == [
        'data.jsonl: `fields` takes output from "anwser", which no record has; did you mean "answer"?',
        'data.jsonl: `fields` takes input from "zzz", which no record has; it has question, answer',
    ]


def test_a_needed_column_that_no_record_has_says_who_needs_it(told):
    assert told('{"question": "a", "answer": "b", "x": 1}\n', needs={"reference": "rouge", "input": "geval"}) == [
        'data.jsonl: no record has the column "reference", which rouge needs; it has question, answer, x',
        'data.jsonl: no record has the column "input", which geval needs; is it "question"? then `fields: {input: question}`',
    ]


def test_a_needed_column_that_is_null_everywhere_is_lacking(told):
    assert told('{"input": "a", "output": null}\n' * 3, needs={"output": "rouge"}) == [
        'data.jsonl: the column "output", which rouge needs, is null in every record'
    ]


def test_a_null_in_some_records_is_no_error(write):
    dataset = scan([write('{"output": null}\n{"output": "a"}\n{}\n')], label="data.jsonl", needs={"output": "rouge"})
    assert dataset.columns["output"].nulls == 2


def test_all_problems_come_at_once_and_none_crowds_out_another(told):
    text = '{"contexts": "a", "feedback": 7}\n' * 50 + "{\n" + '{"answerable": 2}\n'
    said = told(text, fields={"output": "nope"})
    assert len(said) == 21
    assert said[-1] == "and 83 more"
    assert said[0].startswith('data.jsonl: `fields` takes output from "nope"')
    assert any("data.jsonl:51: broken JSON" in line for line in said)
    assert any(line.startswith("data.jsonl:52: answerable") for line in said)


def test_a_single_kind_of_problem_is_listed_up_to_twenty(told):
    said = told("{\n" * 30)
    assert [line.split(":")[1] for line in said[:20]] == [str(number) for number in range(1, 21)]
    assert said[20:] == ["and 10 more"]


@pytest.mark.parametrize(("text", "name"), [("", "data.jsonl"), ("", "data.csv")])
def test_an_empty_file_is_an_error(told, text, name):
    assert told(text, name) == [f"{name}: there are no records; the file is empty"]


@pytest.mark.parametrize(
    ("text", "name"), [("\n \n\r\n", "data.jsonl"), ("input,output\n", "data.csv"), ("\ufeff", "data.jsonl")]
)
def test_a_file_of_blank_lines_or_a_header_has_no_records(told, text, name):
    assert told(text, name) == [f"{name}: there are no records; it holds nothing but blank lines or a header"]


def test_a_missing_file_suggests_a_neighbour(write):
    write(GOOD, "questions.jsonl")
    for name, hint in [("question.jsonl", "did you mean questions.jsonl?"), ("nowhere/x.jsonl", "there is no folder nowhere")]:
        with pytest.raises(SpecError) as caught:
            scan([Path(name)], label=name)
        assert str(caught.value) == f"{name}: there is no such file; {hint}"


def test_a_pattern_that_matches_nothing_says_what_is_there(write):
    write(GOOD, "data/a.jsonl")
    with pytest.raises(SpecError) as caught:
        scan([], label="data/*.csv")
    assert str(caught.value) == "data/*.csv: no file matches; the folder data has a.jsonl"


def test_a_folder_is_not_a_file(write):
    write(GOOD, "data/a.jsonl")
    with pytest.raises(SpecError) as caught:
        scan([Path("data")], label="data")
    assert str(caught.value) == "data: is a folder; name its files: data/*.jsonl"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("data.xlsx", b"PK\x03\x04", '".xlsx" is not a format that evalkit reads; save the sheet as CSV'),
        ("data.arrow", b"ARROW1", '".arrow" is not a format that evalkit reads; save it as Parquet'),
        (
            "data.txt",
            b"hello",
            '".txt" is not a format that evalkit reads; evalkit reads JSONL (.jsonl), CSV (.csv, .tsv) and Parquet (.parquet)',
        ),
        ("data", b"hello", "the format is not known; evalkit reads JSONL (.jsonl), CSV (.csv, .tsv) and Parquet (.parquet)"),
        (
            "data.json",
            b'[{"a": 1}]',
            """".json" is not a format that evalkit reads; JSON must be one object a line: `jq -c '.[]' data.json > data.jsonl`""",
        ),
        ("data.jsonl.gz", gzip.compress(GOOD.encode(), mtime=0), "is compressed with gzip; decompress it first"),
        ("data.parquet", b"hello", "is not a Parquet file; does its name end rightly?"),
        ("data.parquet", b"", "the file is empty"),
        ("data.parquet", b"PAR1" + b"x" * 100, "the Parquet file is cut off: its end is missing; copy or write it again"),
    ],
)
def test_a_file_of_another_format_says_what_can_be_read(told, name, text, said):
    assert told(text, name) == [f"{name}: {said}"]


def test_a_damaged_parquet_file_is_an_error(told):
    (said,) = told(b"PAR1" + bytes(range(200)) + b"\x20\x00\x00\x00PAR1", "data.parquet")
    assert said.startswith("data.parquet: the Parquet file is damaged: ")


def test_a_parquet_file_damaged_in_its_data_is_an_error(write, told):
    import pandas as pd

    path = write(b"", "data.parquet")
    pd.DataFrame({"output": [f"text {number}" for number in range(5000)]}).to_parquet(path, compression="zstd")
    text = bytearray(path.read_bytes())
    text[100:3000] = b"\xff" * 2900
    (said,) = told(bytes(text), "data.parquet")
    assert said.startswith("data.parquet: the Parquet file is damaged: ")


def test_a_json_array_is_told_from_jsonl(told):
    (said,) = told('[\n{"input": "a"},\n{"input": "b"}\n]\n')
    assert (
        said == "data.jsonl:1: is a JSON array, not one object a line; `jq -c '.[]' data.json > data.jsonl` turns it into JSONL"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "input,output\na\n",
            "data.csv:2: the row has 1 cells, the header has 2; for an absent value leave the cell empty, and keep its ','",
        ),
        (
            "input,output\na,b\na,b,c\n",
            "data.csv:3: the row has 3 cells, the header has 2; a cell that holds a ',' must stand in quotes",
        ),
        (
            'input,output\n"a"x,b\n',
            'data.csv:2: a quoted cell goes on after its closing quote; a quote inside quotes is written twice: ""',
        ),
        (
            'input,output\na,b\n"a,b\nc,d\n',
            'data.csv:3: the row that begins here never ends: a quote is not closed; a quote inside quotes is written twice: ""',
        ),
        ("input,input\na,b\n", 'data.csv:1: the header names "input" twice (columns 1 and 2); rename one of them'),
        ("input,,output\na,b,c\n", "data.csv:1: column 2 has no name in the header; every column needs a name"),
        (
            "1,2.5\n3,4\n",
            "data.csv:1: the first row looks like a record, a header is missing; put the names of the columns first: input,output,reference",
        ),
        (
            "What is it for you?,It is this.\nx,y\n",
            "data.csv:1: the first row looks like a record, a header is missing; put the names of the columns first: input,output,reference",
        ),
        (
            "input,output\na,\x00\n",
            "data.csv:2: the line holds NUL bytes; was the file cut off while it was written, or is it not a text file?",
        ),
        (
            "input,output\ra,b\r",
            "data.csv:1: a carriage return stands inside a row; save the file with line feeds (\\n or \\r\\n) as line ends",
        ),
        (
            "input,latency_ms\na,fast\n",
            'data.csv:2: latency_ms must be a number, not the text "fast"; an absent value is an empty cell, and decimals take a point',
        ),
        (
            "input,latency_ms\na,NaN\n",
            'data.csv:2: latency_ms must be a number, not the text "NaN"; an absent value is an empty cell, and decimals take a point',
        ),
        (
            "input,answerable\na,maybe\n",
            'data.csv:2: answerable must be true or false, not the text "maybe"; an absent value is an empty cell',
        ),
        (
            "input,contexts\na,passage\n",
            """data.csv:2: contexts must be a list of texts, not the text "passage"; write ["…"], even for a single one""",
        ),
        (
            'input,contexts\na,"[1]"\n',
            """data.csv:2: contexts must be a list of texts, not the text "[1]"; write the cell as JSON: ["…", "…"]""",
        ),
    ],
)
def test_a_wrong_csv_is_named_with_its_line(told, text, said):
    assert told(text, "data.csv") == [said]


def test_a_csv_in_another_encoding_suggests_it(told):
    (said,) = told("input,output\na,b\nc,naïve\n".encode("cp1252"), "data.csv")
    assert said.startswith("data.csv:3: not UTF-8: byte 0xef at byte 5 of the line; it looks like cp1252")


def test_after_a_bad_csv_row_the_good_ones_are_not_complained_of(told):
    said = told('input,output\na\n"x"y,1\nb,c\nd,e,f\n\ng,h\n', "data.csv")
    assert [line.split(":")[1] for line in said] == ["2", "3", "5"]


def test_a_line_beyond_the_limit_is_an_error_and_the_rest_is_still_checked(told, monkeypatch):
    monkeypatch.setattr(jsonl, "LONGEST_LINE", 1 << 20)
    monkeypatch.setattr(jsonl, "BLOCK_BYTES", 1 << 16)
    said = told(GOOD + '{"input": "' + "x" * (3 << 20) + '"}\n' + GOOD + "{\n")
    assert said[0] == "data.jsonl:2: the line is longer than 1 MB; is a line feed missing?"
    assert said[1].startswith("data.jsonl:4: broken JSON")


def test_a_table_keyed_by_name_is_not_a_record(told):
    (said,) = told("".join(json.dumps({f"key {number}": 1}) + "\n" for number in range(1_500)))
    assert said.startswith("data.jsonl: the records have more than 1,000 different keys")


def test_a_file_that_changes_after_it_was_checked_is_not_read(write):
    path = write(GOOD * 3)
    dataset = scan([path], label="data.jsonl")
    write(GOOD * 4)
    with pytest.raises(SpecError, match=r"data\.jsonl: the file changed after it was checked; run the command again"):
        dataset.chunks[0].read()
