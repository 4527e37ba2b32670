"""What models took, by metric and a record: in the account, in results.json and in every report, also after a crash."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path

import pytest

import evalkit
from evalkit.backends.account import SPENT, Account, Price
from evalkit.core.asking import Reply
from evalkit.core.run import Run, Spent, Usage
from evalkit.reports.markdown import render_markdown
from evalkit.reports.spending import cost_line, spending
from evalkit.reports.summary import summarise

SUITE = """
name: spent
dataset: {path: data.jsonl}
backends:
  script: {kind: scripted, otherwise: '{"reason": "so it is", "verdict": "yes"}'}
PRICES
metrics:
  - {use: yes_no, as: one, question: "Is it?"}
  - {use: yes_no, as: same, question: "Is it?"}
  - {use: yes_no, as: other, question: "Is it so?"}
  - exact_match
"""


def finished(folder: Path, prices: str = "prices: {scripted: {prompt: 2, completion: 10}}") -> Run:
    (folder / "pyproject.toml").write_text("")
    records = [{"id": str(at), "input": f"question {at}", "output": f"answer {at}", "reference": "x"} for at in range(10)]
    (folder / "data.jsonl").write_text("\n".join(map(json.dumps, records)))
    (folder / "suite.yaml").write_text(SUITE.replace("PRICES", prices))
    return evalkit.run(folder / "suite.yaml", store=str(folder / "store"))


def test_a_call_that_two_metrics_ask_for_counts_once_for_the_one_that_asked_first(tmp_path: Path) -> None:
    usage = finished(tmp_path).usage
    assert usage.calls == 20
    assert {name: (spent.calls, spent.cached) for name, spent in usage.metrics.items()} == {
        "one": (10, 0),
        "same": (0, 10),
        "other": (10, 0),
    }
    for name in ("calls", "cached", "prompt_tokens", "completion_tokens"):
        assert sum(getattr(spent, name) for spent in usage.metrics.values()) == getattr(usage, name)
    assert sum(spent.cost or 0 for spent in usage.metrics.values()) == pytest.approx(usage.cost)
    assert usage.metrics["one"].cost == pytest.approx(
        (2 * usage.metrics["one"].prompt_tokens + 10 * usage.metrics["one"].completion_tokens) / 1e6
    )


def test_results_json_holds_it_and_gives_it_back(tmp_path: Path) -> None:
    run = finished(tmp_path)
    told = json.loads((run.folder / "results.json").read_text())
    assert told["usage"]["metrics"]["same"] == {
        "calls": 0,
        "cached": 10,
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "cost": None,
    }
    assert Run.from_json(told).usage == run.usage
    del told["usage"]["metrics"]  # as earlier versions wrote it
    assert spending(Run.from_json(told)) is None


def test_every_report_tells_cost_and_tokens_a_record(tmp_path: Path) -> None:
    run = finished(tmp_path)
    told = spending(run)
    assert [row.name for row in told.rows] == ["one", "same", "other", "all"]
    assert told.rows[1].cells == ("same", "0", "0", "0", "10", "0", "0")
    each = run.usage.cost / 10
    assert float(told.rows[3].per_record) == pytest.approx(each, rel=1e-2)
    page = (run.folder / "report.html").read_text() if (run.folder / "report.html").is_file() else ""
    from evalkit.reports.html import render_html

    page = page or render_html(summarise(run))
    assert 'id="spending"' in page
    assert "counts once, for the one that asked first" in page
    assert f"| `one` | {told.rows[0].per_record} |" in render_markdown(summarise(run))
    assert cost_line(run).startswith(f"{told.rows[3].cost}, {told.rows[3].per_record} a record: one ")


def test_without_prices_there_are_tokens_and_no_cost(tmp_path: Path) -> None:
    run = finished(tmp_path, prices="")
    told = spending(run)
    assert not told.priced
    assert "cost" not in told.heads
    assert cost_line(run) == ""
    assert len(told.rows[0].cells) == len(told.heads) == 5


def test_a_run_without_models_tells_nothing_of_them(tmp_path: Path) -> None:
    run = evalkit.evaluate([{"output": "a", "reference": "a"}], metrics=["exact_match"])
    assert spending(run) is None
    assert "spending" not in render_markdown(summarise(run))


def test_a_killed_run_goes_on_with_the_sums_of_each_metric(tmp_path: Path) -> None:
    first = Account({"m": Price(1, 2)})
    names = [f"metric {at}" for at in range(7)]
    with first.kept(tmp_path):
        for at, name in enumerate(names):
            for _ in range(at + 1):
                first.add(Reply("x", prompt_tokens=3, completion_tokens=4), "m", name)
            first.hit(name)
        first.read(5, names[0])
        second = Account({"m": Price(1, 2)})  # as after a kill: nothing was closed
        second.resume(tmp_path)
        assert second.usage() == first.usage()
    assert second.usage().metrics["metric 6"] == Spent(7, 1, 21, 28, pytest.approx(7 * 11e-6))
    assert (tmp_path / SPENT).stat().st_size < 4096 + 7 * 1024 + 1


def test_a_name_too_long_for_its_place_loses_its_own_sums_and_no_others(tmp_path: Path) -> None:
    first = Account()
    with first.kept(tmp_path):
        for name in ("x" * 2000, "short"):
            first.hit(name)
        second = Account()
        second.resume(tmp_path)
    assert second.usage().metrics == {"short": Spent(cached=1)}
    assert second.cached == 2


def test_what_is_asked_for_nobody_is_in_the_sum_alone() -> None:
    account = Account()
    account.answered(3)
    assert account.usage() == Usage(1, 0, 3, 0, None, {}, {})


def test_likelihoods_and_vectors_are_charged_to_who_asks() -> None:
    from evalkit.backends.desk import Desk
    from evalkit.backends.pipeline import Pipeline
    from evalkit.core.asking import Likelihood

    class Backend:
        identity, can = "b", frozenset({"likelihood", "classify"})

        async def likelihood(self, text: str, given: str, stride: int | None) -> Likelihood:
            return Likelihood((-1.0,), 9)

        async def classify(self, text: str, pair: str | None) -> list[float]:
            return [0.5]

    async def ask() -> Account:
        account = Account()
        tools = Desk({"b": Pipeline(Backend(), account)}, "b", "mine")
        await tools.likelihood("a text")
        assert math.isclose((await tools.classify(["a"]))[0, 0], 0.5)
        return account

    assert asyncio.run(ask()).usage().metrics == {"mine": Spent(2, 0, 9, 0)}
