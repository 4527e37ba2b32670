"""Whatever is wrong with a suite or its data, the user reads one clear message a problem, before anything is scored."""

from __future__ import annotations

import os

import pytest
from cases import Case, wrong_data, wrong_suites

from evalkit.core.errors import SpecError
from evalkit.records.dataset import scan
from evalkit.specs.load import load_suite
from evalkit.specs.needs import needs, selects
from evalkit.specs.override import split_overrides

SUITES = list(wrong_suites())
DATA = list(wrong_data())


@pytest.mark.parametrize("case", SUITES, ids=lambda case: case.name)
def test_a_wrong_suite_is_told_with_place_and_way_out(case: Case, tmp_path, monkeypatch):
    project = tmp_path / "project"
    case.write(project)
    monkeypatch.chdir(project)
    with pytest.raises(SpecError) as told:
        load_suite(case.suite, overrides=split_overrides(case.sets))
    assert case.missed(str(told.value)) == [], str(told.value)


@pytest.mark.parametrize("case", DATA, ids=lambda case: case.name)
def test_wrong_data_is_told_with_file_and_line(case: Case, tmp_path, monkeypatch):
    project = tmp_path / "project"
    case.write(project)
    monkeypatch.chdir(project)
    suite = load_suite(case.suite)
    wanted, selecting = ({column: " and ".join(who) for column, who in read(suite).items()} for read in (needs, selects))
    with pytest.raises(SpecError) as told:
        scan(suite.dataset.files, label=suite.dataset.path, fields=suite.dataset.fields, needs=wanted, selects=selecting)
    assert case.missed(str(told.value)) == [], str(told.value)
    assert not (project / ".evalkit").exists()


def test_the_catalogue_is_large_and_its_names_are_unique():
    names = [case.name for case in SUITES + DATA]
    assert len(names) >= 100
    assert len(set(names)) == len(names)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser can read everything")
def test_a_suite_that_may_not_be_read_is_told(tmp_path, monkeypatch):
    Case("", ()).write(tmp_path)
    (tmp_path / "suites/x.yaml").chmod(0)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError, match=r"suites/x\.yaml: the suite cannot be read \(permission denied\)"):
        load_suite("suites/x.yaml")
