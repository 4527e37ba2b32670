"""reward: the logits of plain transformers, as they are or as probabilities, on small random classifiers."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evalkit
from evalkit.core.contracts import DataFacts
from evalkit.core.errors import BackendError, BackendRefused, SpecError
from evalkit.metrics.reward import Reward

INPUTS = ["when does the server answer?", "no", "", "a client asked " * 60, "yes yes", "Größe 🙂"]
OUTPUTS = ["the server sends a fresh answer", "", "good", "bad " * 100, "verdict true", "The Server \n"]


# --- the arithmetic, over logits from a table --------------------------------------------------------------------------


@dataclass
class Table:
    """Logits from a table of outputs; one that it lacks is an error."""

    logits: dict[str, list[float]]
    identity: str = "table"
    model: str = "table"
    can: frozenset = frozenset({"classify"})
    attempts: int = 1
    asked: Counter = field(default_factory=Counter)

    async def classify(self, text: str, pair: str | None = None) -> list[float]:
        self.asked[text, pair] += 1
        output = text if pair is None else pair
        if output not in self.logits:
            raise BackendError(f"the table lacks {output!r}")
        return self.logits[output]


numbers = st.floats(-800, 800)


@given(st.lists(numbers, min_size=2, max_size=5))
@settings(deadline=None)
def test_probabilities_of_several_logits_are_their_softmax(logits):
    shares = [
        evalkit.score("reward", ["x"], backend=Table({"x": logits}), reads="output", logit=n, probability=True)["reward"][0]
        for n in range(len(logits))
    ]
    assert sum(shares) == pytest.approx(1)
    powers = [math.exp(number - max(logits)) for number in logits]
    assert shares == pytest.approx([power / sum(powers) for power in powers], abs=1e-12)


@given(numbers)
@settings(deadline=None)
def test_the_probability_of_an_only_logit_is_its_logistic(logit):
    backend = Table({"x": [logit], "y": [-logit]})
    one, other = evalkit.score("reward", ["x", "y"], backend=backend, reads="output", probability=True)["reward"]
    assert one + other == pytest.approx(1)
    assert one == pytest.approx(math.exp(min(logit, 0)) / (math.exp(-abs(logit)) + 1), rel=1e-12, abs=0)


def test_the_pair_is_the_input_and_then_the_output_and_equal_pairs_are_asked_once():
    backend = Table({"a": [2.0], "b": [-1.0]})
    ask = [{"role": "user", "content": "q"}]
    scores = evalkit.score("reward", ["a", "b", "a"], inputs=["q", ask, "q"], backend=backend)
    assert scores["reward"].tolist() == [2, -1, 2]
    assert scores.corpus["reward"] == 1
    assert backend.asked == {("q", "a"): 1, ("user: q", "b"): 1}
    evalkit.score("reward", ["a"], backend=backend, reads="output")
    assert backend.asked["a", None] == 1


def test_a_record_without_a_score_is_an_error_of_its_own():
    backend = Table({"a": [1.0, 3.0], "nan": [math.nan, 1.0], "inf": [math.inf, 1.0]})
    outputs, inputs = ["a", "lost", "nan", "inf", None, "a"], ["q", "q", "q", "q", "q", None]
    scores = evalkit.score("reward", outputs, inputs=inputs, backend=backend, logit=1)
    assert scores.errors == {
        1: "BackendError: the table lacks 'lost'",
        2: "the model gave a logit that is no number",
        3: "the model gave a logit that is no number",
        4: "no output",
        5: "no input",
    }
    assert scores.corpus["reward"] == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"logit": -1}, "logit is -1; the first is 0"),
        ({"reads": "input"}, "reads wants one of pair, output"),
        ({"probability": "often"}, "probability wants"),
        ({"logits": 1}, "no option"),
    ],
)
def test_wrong_options_are_refused(options, said):
    with pytest.raises(SpecError, match=said):
        evalkit.score("reward", ["a"], inputs=["a"], backend=Table({"a": [1.0]}), **options)


def test_options_that_move_a_score_are_in_its_signature_and_in_what_is_told_of_it():
    assert Reward(logit=1).signature(DataFacts()) == "reward|logit:1|reads:pair|probability:no|positive:yes|v:1"
    assert Reward().about() == "a raw logit"
    assert Reward(probability=True).about() is None
    assert (Reward().direction(""), Reward(positive=False).direction("")) == (True, False)
    assert (Reward().needs_of(), Reward(reads="output").needs_of()) == (("input", "output"), ("output",))


# --- against plain transformers ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def by_hand(tiny):
    """Logits of one text or pair at a time."""
    torch = pytest.importorskip("torch")
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    def logits(labels: int, text: str, pair: str | None) -> np.ndarray:
        folder = tiny("classifier", labels=labels)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
        given_ = tokenizer([text], [pair] if pair is not None else None, return_tensors="pt", truncation=True, max_length=128)
        with torch.no_grad():
            return model(**given_).logits[0].double().numpy()

    return logits


def ours(folder, outputs, inputs=None, *, tokens=8192, **options) -> np.ndarray:
    from evalkit.backends.transformers import Transformers

    backend = Transformers(str(folder), batch_tokens=tokens)
    if inputs is not None:
        options["inputs"] = inputs
    scores = evalkit.score("reward", outputs, backend=backend, **options)
    assert not scores.errors
    assert scores.corpus["reward"] == pytest.approx(np.mean(scores["reward"]))
    return scores["reward"]


def test_a_reward_model_gives_its_only_logit(tiny, by_hand):
    theirs = [by_hand(1, text, pair)[0] for text, pair in zip(INPUTS, OUTPUTS)]
    found = ours(tiny("classifier", labels=1), OUTPUTS, INPUTS)
    assert found == pytest.approx(theirs, abs=1e-5)
    assert np.ptp(found) > 0.05, "a model that says the same of everything proves nothing"
    shares = ours(tiny("classifier", labels=1), OUTPUTS, INPUTS, probability=True)
    assert shares == pytest.approx([1 / (1 + math.exp(-logit)) for logit in theirs], abs=1e-5)


@pytest.mark.parametrize("logit", [0, 2])
def test_a_classifier_gives_the_logit_that_is_named_of_the_output_alone(tiny, by_hand, logit):
    theirs = np.array([by_hand(3, text, None) for text in OUTPUTS])
    assert ours(tiny("classifier", labels=3), OUTPUTS, reads="output", logit=logit) == pytest.approx(theirs[:, logit], abs=1e-5)
    softmax = np.exp(theirs) / np.exp(theirs).sum(axis=1, keepdims=True)
    found = ours(tiny("classifier", labels=3), OUTPUTS, reads="output", logit=logit, probability=True)
    assert found == pytest.approx(softmax[:, logit], abs=1e-5)


def test_the_order_of_a_pair_counts(tiny, by_hand):
    found = ours(tiny("classifier", labels=1), ["true", "yes no"], ["yes no", "true"])
    assert found == pytest.approx([by_hand(1, "yes no", "true")[0], by_hand(1, "true", "yes no")[0]], abs=1e-5)
    assert abs(found[0] - found[1]) > 1e-3


@pytest.mark.parametrize(("tokens", "seed"), [(8192, 1), (64, 2), (1, 3)])
def test_who_shares_a_batch_moves_nothing(tiny, made, tokens, seed):
    outputs, inputs = made(40, seed=7)
    inputs = [several[0] for several in inputs]
    order = np.random.default_rng(seed).permutation(len(outputs))
    straight = ours(tiny("classifier", labels=1), outputs, inputs)
    found = ours(tiny("classifier", labels=1), [outputs[n] for n in order], [inputs[n] for n in order], tokens=tokens)
    assert found == pytest.approx(straight[order], abs=5e-6)


@pytest.mark.parametrize(
    ("logit", "said"),
    [
        (None, "gives 3 logits; say which, `logit: 0` to `logit: 2`"),
        (3, "gives 3 logits, counted from 0; there is none of number 3"),
    ],
)
def test_a_logit_that_is_not_there_ends_the_run(tiny, logit, said):
    from evalkit.backends.transformers import Transformers

    with pytest.raises(BackendRefused, match=said):
        evalkit.score("reward", ["a"], inputs=["q"], backend=Transformers(str(tiny("classifier", labels=3))), logit=logit)


# --- in a run ----------------------------------------------------------------------------------------------------------


def suite(project, jsonl, model, **options) -> str:
    rows = [{"id": f"r{n}", "input": i, "output": o} for n, (i, o) in enumerate(zip(INPUTS, OUTPUTS))]
    jsonl(project / "d.jsonl", [*rows, {"id": "null", "input": "a", "output": None}])
    path = project / "s.yaml"
    path.write_text(
        f"dataset: {{path: d.jsonl}}\nbackends: {{own: {{kind: transformers, model: {model}}}}}\n"
        f"metrics: [{json.dumps({'use': 'reward', 'backend': 'own', **options})}]\ngates: [{{metric: errors, max: 1}}]\n"
    )
    return str(path)


def test_a_run_means_the_records_counts_its_errors_and_asks_nothing_twice(tiny, project, jsonl, cli, by_hand):
    path = suite(project, jsonl, tiny("classifier", labels=3), logit=2)
    done = cli("run", path, "--json", OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    theirs = [by_hand(3, text, pair)[2] for text, pair in zip(INPUTS, OUTPUTS)]
    assert told["metrics"]["reward"]["mean"] == pytest.approx(np.mean(theirs), abs=1e-5)
    assert (told["metrics"]["reward"]["n"], told["metrics"]["reward"]["errors"]) == (len(INPUTS), 1)
    again = json.loads(cli("run", path, "--json", OMP_NUM_THREADS="1").stdout)
    assert again["metrics"]["reward"]["mean"] == told["metrics"]["reward"]["mean"]
    assert (told["usage"]["calls"], again["usage"]["calls"]) == (len(INPUTS), 0)


def test_a_run_that_does_not_say_which_logit_ends_with_what_to_say(tiny, project, jsonl, cli):
    done = cli("run", suite(project, jsonl, tiny("classifier", labels=3)), OMP_NUM_THREADS="1")
    assert done.returncode not in (0, 1)
    assert "say which, `logit: 0` to `logit: 2`" in done.stderr


def test_a_model_without_logits_is_refused_before_a_run(tiny, project, jsonl, cli):
    done = cli("check", suite(project, jsonl, tiny("encoder"), logit=0))
    assert done.returncode == 2
    assert "classify" in done.stderr + done.stdout
