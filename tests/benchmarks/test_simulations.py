"""The simulations work: every family runs on few data sets, rates have their errors, and the page shows what was missed."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parent.parent.parent / "benchmarks"
FAMILIES = sorted(path.stem for path in (FOLDER / "simulations").glob("[!_]*.py"))


@pytest.fixture(scope="module")
def shared() -> Iterator[Any]:
    sys.path.insert(0, str(FOLDER))
    try:
        from simulations import _run

        yield _run
    finally:
        sys.path.remove(str(FOLDER))


@pytest.mark.stress
@pytest.mark.parametrize("name", FAMILIES)
def test_a_quick_family_runs_and_judges_no_bar(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(FOLDER / "run_simulations.py"), "--quick", "--only", name, "--out", str(tmp_path / "out.json")],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (family,) = json.loads((tmp_path / "out.json").read_text())["families"].values()
    assert family["rows"]
    for row in family["rows"]:
        assert row["measures"], row["case"]
        assert {one["met"] for one in row["measures"].values()} == {None}


def test_every_family_has_a_name_a_docstring_and_cases_of_their_own_names(shared: Any) -> None:
    found = shared.families()
    assert sorted(found) == FAMILIES
    for family in found.values():
        names = [case.name for case in family.cases()]
        assert family.NAME
        assert family.__doc__
        assert len(set(names)) == len(names) > 0


def test_a_case_has_the_same_digits_alone_and_quick_is_fewer_trials(shared: Any) -> None:
    first, again = (shared.run_case("paired_tests", 1, True) for _ in range(2))
    assert first["measures"] == again["measures"]
    assert first["trials"] == 10_000 // shared.QUICK


def test_rates_and_figures_have_their_monte_carlo_error(shared: Any) -> None:
    assert shared.rate([True, False, False, math.nan]).value == pytest.approx(1 / 3)
    assert shared.rate(50, 1_000).error == pytest.approx(math.sqrt(0.05 * 0.95 / 1_000), rel=0.02)
    assert shared.rate(0, 1_000).error > 0
    assert shared.figure([1.0, 3.0]).error == pytest.approx(1.0)
    assert math.isnan(shared.rate([]).value)


@pytest.mark.parametrize(("value", "met"), [(0.05, True), (0.04, True), (0.0399, False), (0.0601, False), (math.nan, False)])
def test_bars_are_judged_on_the_figure_and_nan_holds_none(shared: Any, value: float, met: bool) -> None:
    assert shared.Measure(value, 0.01, shared.within(0.04, 0.06)).met is met
    assert shared.Measure(value, 0.01).met is None


def test_the_page_shows_errors_bars_and_what_missed_them(shared: Any) -> None:
    def cell(value: float, bar: str | None, met: bool | None) -> dict[str, Any]:
        return {"value": value, "error": 0.001, "bar": bar, "met": met, "digits": 3}

    family = {
        "name": "A family", "about": "What it does.", "seconds": 1.0,
        "rows": [
            {"case": "one", "trials": 1_000, "measures": {"x": cell(0.05, "≤ 0.06", True), "y": cell(0.1, None, None)}},
            {"case": "two", "trials": 1_000, "measures": {"x": cell(0.07, "≤ 0.06", False)}},
        ],
    }  # fmt: skip
    lines = shared.section(family)
    assert "| case | data sets | x (≤ 0.06) | y |" in lines
    assert "| one | 1,000 | 0.050 ± 0.002 | 0.100 ± 0.002 |" in lines
    assert "| two | 1,000 | **0.070 ± 0.002 missed** |  |" in lines
