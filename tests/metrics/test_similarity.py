"""semantic_similarity: cosines of plain transformers' mean vectors, the closest reference, and what has no vector."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evalkit
from evalkit.core.errors import BackendError, BackendRefused, SpecError

NAME = "semantic_similarity"
OUTPUTS = ["the server sends an answer", "no", "", "a client asked " * 60, "yes yes", "Größe 🙂 \n", "The Server"]
REFERENCES = [
    "the server sends a fresh answer",
    "yes, no",
    "good",
    "bad " * 100,
    ["verdict", "yes yes", "false"],
    "",
    "the server",
]


# --- the arithmetic, over vectors from a table -----------------------------------------------------------------------


@dataclass
class Table:
    """Vectors from a table of texts; one that it lacks is an error."""

    vectors: dict[str, tuple[float, ...]]
    identity: str = "table"
    can: frozenset = frozenset({"embed"})
    attempts: int = 1
    asked: Counter = field(default_factory=Counter)

    async def embed(self, text: str) -> np.ndarray:
        self.asked[text] += 1
        if text not in self.vectors:
            raise BackendError(f"the table lacks {text!r}")
        return np.array(self.vectors[text], dtype=np.float32)


def plainly(one, other) -> float:
    return float(np.dot(one, other) / np.linalg.norm(one) / np.linalg.norm(other))


vectors = st.lists(st.integers(-9, 9).map(float), min_size=3, max_size=3).filter(any).map(tuple)


@given(vectors, st.lists(vectors, min_size=1, max_size=4), st.floats(0.1, 50))
@settings(deadline=None)
def test_the_closest_reference_counts_and_length_does_not(output, references, length):
    table = {"o": output, **{f"r{n}": tuple(length * number for number in each) for n, each in enumerate(references)}}
    names = [f"r{n}" for n in range(len(references))]
    scores = evalkit.score(NAME, ["o"], [names], backend=Table(table))
    assert scores[NAME][0] == pytest.approx(max(plainly(output, each) for each in references), abs=1e-6)
    assert -1 - 1e-9 <= scores[NAME][0] <= 1 + 1e-9
    one = evalkit.score(NAME, ["o"], ["r0"], backend=Table(table))
    other = evalkit.score(NAME, ["r0"], ["o"], backend=Table(table))
    assert one[NAME][0] == pytest.approx(other[NAME][0], abs=1e-9)


def test_the_corpus_value_is_the_mean_and_equal_texts_are_asked_once():
    backend = Table({"a": (1, 0), "b": (0, 1), "c": (1, 1)})
    scores = evalkit.score(NAME, ["a", "a", "b"], ["a", "b", ["a", "c"]], backend=backend)
    assert scores[NAME].tolist() == pytest.approx([1, 0, 0.5**0.5])
    assert scores.corpus[NAME] == pytest.approx((1 + 0.5**0.5) / 3)
    assert set(backend.asked.values()) == {1}


def test_what_has_no_vector_or_no_direction_is_an_error_of_its_record_alone():
    backend = Table({"a": (1, 0), "nought": (0, 0), "no number": (float("nan"), 1)})
    outputs = ["a", "nought", "a", "lost", None, "a"]
    scores = evalkit.score(NAME, outputs, ["a", "a", "no number", "a", "a", None], backend=backend)
    assert scores.errors == {
        1: "a text's vector has no direction",
        2: "a text's vector has no direction",
        3: "BackendError: the table lacks 'lost'",
        4: "no output",
        5: "no reference",
    }
    assert scores.corpus[NAME] == 1


def test_it_has_no_options():
    with pytest.raises(SpecError, match="no option"):
        evalkit.score(NAME, ["a"], ["a"], backend=Table({"a": (1,)}), layer=2)


# --- against plain transformers ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def by_hand(tiny):
    """The cosine of the mean last vectors of two texts, each read alone."""
    torch = pytest.importorskip("torch")
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(tiny("encoder")), AutoModel.from_pretrained(tiny("encoder")).eval()

    def mean(text: str) -> np.ndarray:
        with torch.no_grad():
            hidden = model(**tokenizer(text, return_tensors="pt", truncation=True, max_length=128)).last_hidden_state[0]
        return hidden.double().mean(0).numpy()

    return lambda output, references: max(plainly(mean(output), mean(text)) for text in references)


def several(reference) -> list[str]:
    return [reference] if isinstance(reference, str) else reference


def ours(folder, outputs, references, **options) -> np.ndarray:
    from evalkit.backends.transformers import Transformers

    scores = evalkit.score(NAME, outputs, references, backend=Transformers(str(folder), **options))
    assert not scores.errors
    return scores[NAME]


def test_values_are_the_cosines_of_plain_transformers_mean_vectors(tiny, by_hand):
    theirs = [by_hand(output, several(reference)) for output, reference in zip(OUTPUTS, REFERENCES)]
    found = ours(tiny("encoder"), OUTPUTS, REFERENCES)
    assert found == pytest.approx(theirs, abs=1e-5)
    assert np.ptp(found) > 0.05, "an encoder that finds all alike proves nothing"
    assert found[4] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("tokens", "seed"), [(8192, 1), (64, 2), (1, 3)])
def test_who_shares_a_batch_moves_nothing(tiny, made, tokens, seed):
    outputs, references = made(40, references=2, seed=7)
    order = np.random.default_rng(seed).permutation(len(outputs))
    straight = ours(tiny("encoder"), outputs, references)
    found = ours(tiny("encoder"), [outputs[n] for n in order], [references[n] for n in order], batch_tokens=tokens)
    assert found == pytest.approx(straight[order], abs=2e-6)


@pytest.mark.models
def test_a_real_encoder_makes_the_vectors_of_sentence_transformers(minilm):
    library = pytest.importorskip(
        "sentence_transformers", reason="NOT TESTED: semantic_similarity against sentence-transformers"
    )
    pairs = [
        ("A man is eating food.", "A man is having a meal."),
        ("A man is eating food.", "The girl is carrying a baby."),
        ("The server sends a fresh answer.", "A new reply comes from the host."),
        ("word " * 600, "word"),
    ]
    model = library.SentenceTransformer(minilm, device="cpu")
    theirs = [plainly(*model.encode(list(pair))) for pair in pairs]
    found = ours(minilm, *map(list, zip(*pairs)))
    assert found == pytest.approx(theirs, abs=1e-5)
    assert found[0] > found[1] + 0.3


# --- in a run ----------------------------------------------------------------------------------------------------------


def suite(project, jsonl, folder, rows) -> str:
    jsonl(project / "d.jsonl", rows)
    path = project / "s.yaml"
    path.write_text(
        f"dataset: {{path: d.jsonl}}\nbackends: {{own: {{kind: transformers, model: {folder}}}}}\n"
        f"metrics: [{{use: {NAME}, backend: own}}]\ngates: [{{metric: errors, max: 1}}]\n"
    )
    return str(path)


def test_a_run_means_the_records_counts_its_errors_and_keeps_the_vectors(tiny, project, jsonl, cli, by_hand):
    rows = [{"id": f"r{n}", "output": o, "reference": r} for n, (o, r) in enumerate(zip(OUTPUTS, REFERENCES))]
    path = suite(project, jsonl, tiny("encoder"), [*rows, {"id": "null", "output": None, "reference": "a"}])
    done = cli("run", path, "--json", OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    theirs = [by_hand(output, several(reference)) for output, reference in zip(OUTPUTS, REFERENCES)]
    assert told["metrics"][NAME]["mean"] == pytest.approx(np.mean(theirs), abs=1e-5)
    assert (told["metrics"][NAME]["n"], told["metrics"][NAME]["errors"]) == (len(rows), 1)
    again = json.loads(cli("run", path, "--json", OMP_NUM_THREADS="1").stdout)
    assert again["metrics"][NAME]["mean"] == told["metrics"][NAME]["mean"]
    assert (told["usage"]["calls"] > 0, again["usage"]["calls"]) == (True, 0)


def test_a_model_without_vectors_is_refused_before_a_run(tiny, project, jsonl, cli):
    done = cli("check", suite(project, jsonl, tiny("classifier"), [{"id": "r", "output": "a", "reference": "a"}]))
    assert done.returncode == 2
    assert "embed" in done.stderr + done.stdout
    from evalkit.backends.transformers import Transformers

    with pytest.raises(BackendRefused, match="embed"):
        evalkit.score(NAME, ["a"], ["a"], backend=Transformers(str(tiny("classifier"))))
