"""JUnit XML that CI systems take: valid, one case a gate, no forbidden characters."""

from __future__ import annotations

import dataclasses
import io
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.run import GateResult, Run
from evalkit.reports.junit import render_junit
from evalkit.reports.summary import summarise

# The common denominator of the schemas in use: element order, required attributes, types.
SCHEMA = """<?xml version="1.0"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified">
 <xs:simpleType name="Moment"><xs:restriction base="xs:dateTime"><xs:pattern value="\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d"/></xs:restriction></xs:simpleType>
 <xs:complexType name="Told"><xs:simpleContent><xs:extension base="xs:string"><xs:attribute name="message" type="xs:string"/>
  <xs:attribute name="type" type="xs:string" use="required"/></xs:extension></xs:simpleContent></xs:complexType>
 <xs:complexType name="Case"><xs:sequence><xs:choice minOccurs="0"><xs:element name="skipped"><xs:complexType>
   <xs:attribute name="message" type="xs:string"/></xs:complexType></xs:element><xs:element name="error" type="Told"/>
   <xs:element name="failure" type="Told"/></xs:choice><xs:element name="system-out" type="xs:string" minOccurs="0"/></xs:sequence>
  <xs:attribute name="name" type="xs:token" use="required"/><xs:attribute name="classname" type="xs:token" use="required"/>
  <xs:attribute name="time" type="xs:decimal" use="required"/></xs:complexType>
 <xs:complexType name="Suite"><xs:sequence><xs:element name="properties"><xs:complexType><xs:sequence>
   <xs:element name="property" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:attribute name="name" type="xs:token" use="required"/>
    <xs:attribute name="value" type="xs:string" use="required"/></xs:complexType></xs:element></xs:sequence></xs:complexType></xs:element>
   <xs:element name="testcase" type="Case" maxOccurs="unbounded"/><xs:element name="system-out" type="xs:string"/></xs:sequence>
  <xs:attribute name="name" type="xs:token" use="required"/><xs:attribute name="tests" type="xs:int" use="required"/>
  <xs:attribute name="failures" type="xs:int" use="required"/><xs:attribute name="errors" type="xs:int" use="required"/>
  <xs:attribute name="skipped" type="xs:int"/><xs:attribute name="time" type="xs:decimal" use="required"/>
  <xs:attribute name="timestamp" type="Moment"/><xs:attribute name="hostname" type="xs:token" use="required"/></xs:complexType>
 <xs:element name="testsuites"><xs:complexType><xs:sequence><xs:element name="testsuite" type="Suite"/></xs:sequence>
  <xs:attribute name="name" type="xs:string"/><xs:attribute name="tests" type="xs:int"/><xs:attribute name="failures" type="xs:int"/>
  <xs:attribute name="errors" type="xs:int"/><xs:attribute name="time" type="xs:decimal"/></xs:complexType></xs:element>
</xs:schema>"""


def suite(summary):
    return ET.fromstring(render_junit(summary).encode()).find("testsuite")


def of(gates, status="failed"):
    return summarise(Run("r", status, {"name": "s"}, {"n": 3}, {}, gates=gates))


def test_it_is_valid(summary, bare):
    etree = pytest.importorskip("lxml.etree")
    schema = etree.XMLSchema(etree.parse(io.BytesIO(SCHEMA.encode())))
    for told in (summary, bare, of([]), of([], "incomplete")):
        schema.assertValid(etree.fromstring(render_junit(told).encode()))


def test_each_gate_is_a_case_with_its_outcome(summary):
    told = suite(summary)
    assert {name: told.get(name) for name in ("tests", "failures", "errors", "skipped", "timestamp", "time")} == {
        "tests": "6", "failures": "2", "errors": "0", "skipped": "1", "timestamp": "2026-11-22T06:35:12", "time": "4.200",
    }  # fmt: skip
    cases = told.findall("testcase")
    assert [[child.tag for child in case] for case in cases] == [
        ["system-out"], ["failure"], ["failure"], ["skipped"], ["system-out"], ["system-out"],
    ]  # fmt: skip
    assert cases[1].find("failure").get("message") == "2 of 12 records: q-017, q-203"
    assert "records: q-017, q-203" in cases[1].find("failure").text
    assert cases[2].find("failure").get("type") == "inconclusive"
    assert cases[4].find("system-out").text == "inconclusive, let by: the interval reaches 2,390"


def test_values_and_identities_are_properties(summary):
    told = {entry.get("name"): entry.get("value") for entry in suite(summary).iter("property")}
    assert float(told["bleu.score"]) == 23.41
    assert told["faithfulness.errors"] == "300"
    assert "faithfulness" not in told
    assert told["run_id"] == "20261122T063512Z-quickstart-3f9a1c"


def test_a_run_without_gates_is_one_passed_case():
    (case,) = suite(of([], "passed")).findall("testcase")
    assert case.get("name") == "scored"
    assert [child.tag for child in case] == ["system-out"]


def test_an_incomplete_run_is_an_error():
    told = suite(of([GateResult("m", "min", 1, 0, None, "pass", "fine")], "incomplete"))
    assert (told.get("tests"), told.get("errors")) == ("2", "1")


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=50))
def test_any_text_gives_xml_that_parses(text):
    gate = GateResult(text, "every", 1.0, 0.0, None, "fail", text, text, (text,))
    run = dataclasses.replace(of([gate]).run, suite={"name": text}, run_id=text)
    ET.fromstring(render_junit(summarise(run)).encode("utf-8"))
