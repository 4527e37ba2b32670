"""Every signal holds for every slice too: words, topics and vectors of a sample, and in a monitor spreads and mixes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import evalkit
from evalkit.core.times import moment
from evalkit.monitor.run import run_monitor
from evalkit.specs.monitor import load_monitor
from evalkit.store.catalog import Catalog
from tests.monitor.made import DAY, HOUR, START, project_with

SUBJECTS = ["parcel late refund order courier", "invoice price cancel payment bank", "address change account login street"]
NEW = "kernel driver graphics crash reboot"
QUIET = ["*.language", "output.tone", "output.readability", "output.language_mismatch"]


def rows(n: int, *, seed: int, new_on: str = "", share: float = 0.0, days: float = 1.0, since: float = 0.0) -> pa.Table:
    """Of models a and b, alike but that ``share`` of one's inputs are of a new topic from day ``since`` on; 8 numbers each."""
    rng = np.random.default_rng(seed)
    times = np.sort(rng.random(n) * days)
    models = rng.choice(["a", "b"], n, p=[0.5, 0.5])
    fresh = (models == new_on) & (rng.random(n) < share) & (times >= since)
    inputs = [" ".join(rng.choice((NEW if new else SUBJECTS[rng.integers(3)]).split(), 6)) for new in fresh]
    return pa.table({
        "id": [f"{seed}-{at}" for at in range(n)],
        "timestamp": pa.array(((START + times * DAY) * 1e6).astype(np.int64), pa.timestamp("us", tz="UTC")),
        "input": inputs,
        "model": models.tolist(),
        "embedding": (rng.normal(size=(n, 8)) + 2.0 * fresh[:, None]).tolist(),
    })  # fmt: skip


@pytest.fixture(scope="module")
def found() -> Any:
    sides = rows(2_000, seed=2, new_on="b", share=0.3), rows(3_000, seed=1)
    return evalkit.drift(*(side.drop_columns(["embedding"]) for side in sides), {"slices": ["model"]})  # topics of words


@pytest.fixture(scope="module")
def embedded() -> Any:
    return evalkit.drift(rows(2_000, seed=2, new_on="b", share=0.3), rows(3_000, seed=1), {"slices": ["model"]})


@pytest.mark.parametrize("name", ["input.terms", "input.topics", "input.embedding"])
def test_what_changes_on_one_slice_is_found_there_and_not_on_the_other(found: Any, embedded: Any, name: str) -> None:
    found = embedded if name == "input.embedding" else found
    assert found[f"{name} on model=b"].drifted
    assert not found[f"{name} on model=a"].drifted
    assert abs(found[f"{name} on model=b"].value) > abs(found[name].value)


def test_new_words_and_topics_of_a_slice_are_named_with_its_own_shares(found: Any) -> None:
    words = {term.text: term for term in found["input.terms on model=b"].terms}
    assert set(NEW.split()) <= set(words)
    assert all(0.15 < words[word].current < 0.35 for word in NEW.split())
    topic = found["input.topics on model=b"].terms[0]
    assert topic.text.startswith("none of these")
    assert topic.current == pytest.approx(0.3, abs=0.06)
    assert found["input.topics on model=b"].n_current == pytest.approx(1_000, abs=80)


def test_a_slice_is_not_asked_for_the_mix_of_its_own_column(found: Any) -> None:
    names = {f"{one.name} on {dict(one.by)}" for one in found.findings if one.by}
    assert "model" in {one.name for one in found.findings}
    assert not [name for name in names if name.startswith("model on")]


def test_a_slice_with_too_few_sampled_rows_says_nothing() -> None:
    found = evalkit.drift(rows(400, seed=2), rows(400, seed=1), {"slices": ["model"], "fewest": 150})
    told = {(one.name, one.by.get("model", "")) for one in found.findings}
    assert ("input.embedding", "") in told
    assert ("input.topics", "a") not in told  # half of the reference's rows, less those that the topics are made of


def test_no_slice_alarms_where_nothing_changed() -> None:
    drifted = [
        one.name
        for seed in range(8)
        for one in evalkit.drift(rows(1_500, seed=100 + seed), rows(3_000, seed=200 + seed), {"slices": ["model"]}).findings
        if one.drifted
    ]
    assert len(drifted) <= 1


MONITOR = """
name: desk
source: logs.parquet
window: 6h
reference: {from: 2026-09-01, to: 2026-09-15}
drift: {slices: [model], rows: 2000, off: [FILL]}
""".replace("FILL", ", ".join(f'"{name}"' for name in QUIET))


@pytest.mark.parametrize("name", ["input.topics", "input.terms", "input.embedding"])
def test_a_monitor_finds_what_changes_on_one_slice_and_names_the_slice(project: Path, name: str) -> None:
    before, after = rows(40_000, seed=1, days=14.0), rows(12_000, seed=2, new_on="b", share=0.25, days=4.0, since=2.0)
    moved = pa.array(((moment("2026-09-15") - START) * 1e6 + np.zeros(len(after))).astype(np.int64), pa.duration("us"))
    import pyarrow.compute as pc

    after = after.set_column(1, "timestamp", pc.add(after.column("timestamp"), moved))
    only = ["input.topics", "input.terms", "input.embedding"]
    quiet = MONITOR.replace("off: [", "off: [" + ", ".join(f'"{one}"' for one in ("input.[!te]*", *only) if one != name) + ", ")
    path = project_with(project, pa.concat_tables([before, after]), quiet)
    ran = run_monitor(load_monitor(path), Catalog(project / ".evalkit"), now=START + 18 * DAY)
    assert ran.processed == 16
    (incident,) = [one for one in ran.watched.incidents if one.name.startswith(name)]
    assert abs(incident.since - (START + 16 * DAY)) <= 12 * HOUR
    assert incident.slice == "model=b"
    assert all(row["model"] == "b" for row in incident.examples)
