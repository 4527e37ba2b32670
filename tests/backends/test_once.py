"""Texts through an encoder, each once: what was wanted together comes from one pass, and is what passes apart give."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.backends.encoder import VECTOR, Need, Passed, Text
from evalkit.backends.once import Kept, Once
from evalkit.core.asking import Encoded

torch = pytest.importorskip("torch", reason="NOT TESTED: the transformers backend, for torch is not installed")
pytest.importorskip("transformers", reason="NOT TESTED: the transformers backend, for transformers is not installed")

from evalkit.backends.transformers import Transformers  # noqa: E402

Tiny = Callable[..., Path]
TEXTS = (
    "The server sends a fresh answer when its cached copy is stale.",
    "yes",
    "",
    "日本語のテキスト。 Größe 🙂🙃 naïve",
    "server " * 40,
)
MIB = 2**20


# --- the book-keeping, over passes of our own ---


class Passes:
    """Gives each text its own numbers behind each layer; counts passes, and may be slow."""

    def __init__(self, once: Once, slow: Callable[[Text], int] = lambda text: 0) -> None:
        self.once, self.slow = once, slow
        self.seen: Counter[Text] = Counter()

    async def __call__(self, text: Text) -> Passed:
        self.seen[text] += 1
        wanted = set(self.once.wanted)
        for _ in range(self.slow(text)):
            await asyncio.sleep(0)
        return {need: made(text, need) for need in wanted}


def made(text: Text, need: Need) -> Any:
    number = 100 * text.ids[0] + (7 if need is None else 9 if need == VECTOR else need)  # type: ignore[operator]
    if need == VECTOR:
        return np.full(2, number, np.float32)
    return Encoded(np.array(text.ids), np.full((1, 2), number, np.float32))


def number_of(found: Any) -> float:
    return float(np.ravel(found.vectors if isinstance(found, Encoded) else found)[0])


def text_of(number: int) -> Text:
    return Text((number,), None, (False,))


ASKED = st.lists(st.tuples(st.integers(0, 5), st.sampled_from([None, VECTOR, 1, 2]), st.integers(0, 6)), max_size=40)


@settings(deadline=None)
@given(ASKED, st.integers(0, 4), st.booleans(), st.sampled_from([0, 2500, MIB]))
def test_whoever_asks_when_gets_what_is_theirs(asked: list[Any], slow: int, known: bool, most: int) -> None:
    once = Once(most)
    sent = Passes(once, lambda text: slow)
    if known:
        once.wanted.update(need for _, need, _ in asked)

    async def ask(number: int, need: Need, late: int) -> float:
        for _ in range(late):
            await asyncio.sleep(0)
        return number_of(await once.of(text_of(number), need, sent))

    async def run() -> list[float]:
        return await asyncio.gather(*(ask(*each) for each in asked))

    expected = [number_of(made(text_of(number), need)) for number, need, _ in asked]
    assert asyncio.run(run()) == expected
    assert once.size <= most + most // 16
    if most == MIB and known:
        assert set(sent.seen.values()) <= {1}
    if most == MIB:
        for text, count in sent.seen.items():
            assert count <= len({need for number, need, _ in asked if number == text.ids[0]})
    assert not once._flights


def test_what_is_kept_stays_below_its_limit_and_the_latest_stay() -> None:
    kept: Kept[bytes] = Kept(100_000, len)
    for number in range(100):
        kept.put(number, bytes(2000))
        assert kept.get(0) is not None, "what is used stays"
        assert kept.size <= 100_000
    assert kept.get(1) is None
    assert kept.get(99) is not None


def test_a_pass_that_fails_is_an_error_for_all_who_wait_and_is_tried_again_by_the_next() -> None:
    once, tried = Once(MIB), 0

    async def send(text: Text) -> Passed:
        nonlocal tried
        tried += 1
        await asyncio.sleep(0)
        if tried == 1:
            raise RuntimeError("out of memory")
        return {1: made(text, 1)}

    async def run() -> list[Any]:
        first = await asyncio.gather(*(once.of(text_of(3), 1, send) for _ in range(3)), return_exceptions=True)
        return [*first, await once.of(text_of(3), 1, send)]

    *lost, found = asyncio.run(run())
    assert [str(error) for error in lost] == ["out of memory"] * 3
    assert number_of(found) == 301
    assert tried == 2


# --- passes through real layers ---


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The tokens of every text that went through a layer of any BERT, as the model itself was given them."""
    from transformers.models.bert.modeling_bert import BertModel

    seen: list[tuple[int, ...]] = []
    forward = BertModel.forward

    def noted(self: Any, *args: Any, **given: Any) -> Any:
        if len(self.encoder.layer):
            masks = given["attention_mask"].tolist()
            seen.extend(
                tuple(token for token, there in zip(ids, mask) if there)
                for ids, mask in zip(given["input_ids"].tolist(), masks)
            )
        return forward(self, *args, **given)

    monkeypatch.setattr(BertModel, "forward", noted)
    return seen


def using(backend: Transformers, ask: Callable[[Transformers], Coroutine[Any, Any, Any]]) -> Any:
    async def run() -> Any:
        try:
            return await ask(backend)
        finally:
            await backend.close()

    return asyncio.run(run())


def apart(folder: Path, text: str, need: Need, **options: Any) -> Any:
    """The same from a backend of its own, which wants nothing else."""
    return using(Transformers(str(folder), **options), lambda b: b.embed(text) if need == VECTOR else b.encode(text, need))


def numbers(found: Any) -> Any:
    return found.vectors if isinstance(found, Encoded) else found


@pytest.mark.parametrize("kind", ["encoder", "causal"])
def test_what_comes_from_one_pass_is_what_passes_apart_give(tiny: Tiny, kind: str) -> None:
    needs: tuple[Need, ...] = (1, 2, None) if kind == "causal" else (1, 2, 3, None, VECTOR)
    folder = tiny(kind)

    async def ask(backend: Transformers) -> list[Any]:
        for need in needs:
            backend.expect(need)
        calls = [backend.embed(text) if need == VECTOR else backend.encode(text, need) for text in TEXTS for need in needs]
        return await asyncio.gather(*calls, return_exceptions=True)

    together = using(Transformers(str(folder)), ask)
    for found, (text, need) in zip(together, ((text, need) for text in TEXTS for need in needs)):
        if kind == "causal" and not text:
            continue  # no token at all
        np.testing.assert_allclose(numbers(found), numbers(apart(folder, text, need)), atol=2e-5)


def passes(rows: list[tuple[int, ...]], folder: Path, texts: Any) -> list[int]:
    """How often each text went through the model; what a backend tries out on tokens of its own does not count."""
    from transformers import AutoTokenizer

    tokenizer, seen = AutoTokenizer.from_pretrained(folder), Counter(rows)
    return [seen[tuple(tokenizer(text, truncation=True, max_length=128)["input_ids"])] for text in texts]


def test_metrics_that_want_other_things_of_a_text_share_its_pass(tiny: Tiny, rows: list[Any]) -> None:
    other, twice = [text + "!" for text in TEXTS], []

    async def ask(backend: Transformers) -> None:
        backend.expect(2)
        backend.expect("vector")
        await asyncio.gather(*(backend.encode(text, 2) for text in TEXTS * 4), *(backend.embed(text + " \n") for text in TEXTS))
        twice.extend(passes(rows, tiny("encoder"), TEXTS))
        await asyncio.gather(*(backend.encode(text, 1) for text in TEXTS))  # which nobody said before
        await asyncio.gather(*(backend.encode(text, 1) for text in other))
        await asyncio.gather(*(backend.encode(text, 2) for text in other), *map(backend.embed, other))

    using(Transformers(str(tiny("encoder"))), ask)
    assert twice == [1] * len(TEXTS)
    assert passes(rows, tiny("encoder"), TEXTS) == [2] * len(TEXTS)
    assert passes(rows, tiny("encoder"), other) == [1] * len(TEXTS), "what was wanted once is taken along from then on"


def test_layers_above_the_deepest_that_is_wanted_are_not_run(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.models.bert.modeling_bert import BertLayer

    run, forward = 0, BertLayer.forward

    def noted(self: Any, *args: Any, **given: Any) -> Any:
        nonlocal run
        run += 1
        return forward(self, *args, **given)

    monkeypatch.setattr(BertLayer, "forward", noted)
    using(Transformers(str(tiny("encoder"))), lambda b: b.encode("yes", 2))
    assert run == 2
    using(Transformers(str(tiny("encoder"))), lambda b: b.encode("yes", 0))
    assert run == 2, "the embeddings alone take no layer"


def test_what_did_not_fit_is_encoded_again_to_the_same_vectors(tiny: Tiny, rows: list[Any]) -> None:
    async def ask(backend: Transformers) -> list[Any]:
        return [numbers(await backend.encode(text, 2)) for text in TEXTS * 2]

    found = using(Transformers(str(tiny("encoder")), keep_mib=0), ask)
    assert passes(rows, tiny("encoder"), TEXTS) == [2] * len(TEXTS)
    for one, other in zip(found[: len(TEXTS)], found[len(TEXTS) :]):
        np.testing.assert_array_equal(one, other)


def test_a_sentence_behind_a_prompt_is_another_text(tiny: Tiny, tmp_path: Path, rows: list[Any]) -> None:
    import json
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(tiny("encoder"), folder)
    (folder / "modules.json").write_text(json.dumps([{"path": "", "type": "sentence_transformers.models.Transformer"}]))
    (folder / "config_sentence_transformers.json").write_text('{"prompts": {"q": "query: "}, "default_prompt_name": "q"}')

    async def ask(backend: Transformers) -> list[Any]:
        backend.expect(2)
        backend.expect("vector")
        return await asyncio.gather(*(call for text in TEXTS for call in (backend.encode(text, 2), backend.embed(text))))

    found = using(Transformers(str(folder)), ask)
    assert passes(rows, folder, [*TEXTS, *("query: " + text for text in TEXTS)]) == [1] * 2 * len(TEXTS)
    for text, tokens, vector in zip(TEXTS, found[::2], found[1::2]):
        np.testing.assert_allclose(tokens.vectors, apart(tiny("encoder"), text, 2).vectors, atol=2e-5)
        np.testing.assert_allclose(vector, apart(folder, text, VECTOR), atol=2e-5)


def test_a_sentence_that_is_cut_is_another_text_and_a_short_one_is_not(tiny: Tiny, tmp_path: Path, rows: list[Any]) -> None:
    import json
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(tiny("encoder"), folder)
    (folder / "modules.json").write_text(json.dumps([{"path": "", "type": "sentence_transformers.models.Transformer"}]))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 20}')

    async def ask(backend: Transformers) -> list[Any]:
        backend.expect(2)
        backend.expect("vector")
        return await asyncio.gather(*(call for text in TEXTS for call in (backend.encode(text, 2), backend.embed(text))))

    found = using(Transformers(str(folder)), ask)
    lengths = [len(one.ids) for one in found[::2]]
    assert sorted(count > 20 for count in lengths)[0::4] == [False, True]
    assert passes(rows, folder, TEXTS) == [1] * len(TEXTS)
    assert sum(len(row) == 20 for row in rows) == sum(count >= 20 for count in lengths)
    for text, tokens, vector in zip(TEXTS, found[::2], found[1::2]):
        np.testing.assert_allclose(tokens.vectors, apart(tiny("encoder"), text, 2).vectors, atol=2e-5)
        np.testing.assert_allclose(vector, apart(folder, text, VECTOR), atol=2e-5)


def test_a_layer_that_the_model_lacks_spoils_nothing(tiny: Tiny) -> None:
    async def ask(backend: Transformers) -> list[Any]:
        backend.expect(9)
        return await asyncio.gather(backend.encode("yes", 9), backend.encode("yes", 2), return_exceptions=True)

    refused, found = using(Transformers(str(tiny("encoder"))), ask)
    assert "the layers 0 to 3, and no layer 9" in str(refused)
    np.testing.assert_allclose(found.vectors, apart(tiny("encoder"), "yes", 2).vectors, atol=2e-5)
