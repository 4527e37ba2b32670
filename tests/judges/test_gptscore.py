"""GPTScore: exact prompts and values over a table of likelihoods, and plain transformers on a tiny model."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evalkit
from evalkit.core.asking import Capability, Likelihood
from evalkit.core.contracts import DataFacts
from evalkit.core.errors import BackendError, SpecError
from evalkit.judges.gptscore import GptScore, texts

FLUENCY = "Rewrite the following text in fluent and grammatical language:\n"


@dataclass
class Table:
    """Log-probabilities of (given, text) from a table; what it lacks is an error."""

    logprobs: dict[tuple[str, str], tuple[float, ...]]
    can: frozenset[Capability] = frozenset({"likelihood"})
    identity: str = "table"
    model: str = "table"
    attempts: int = 1
    asked: list[tuple[str, str, int | None]] = field(default_factory=list)

    async def likelihood(self, text: str, given: str, stride: int | None) -> Likelihood:
        self.asked.append((given, text, stride))
        if (given, text) not in self.logprobs:
            raise BackendError(f"the table lacks {given!r}, {text!r}")
        return Likelihood(self.logprobs[given, text], 1)


def value(backend: Table, output: str, **given: Any) -> float:
    options = {"aspect": "fluency", **given}
    columns = {name: [options.pop(name)] for name in ("inputs", "references") if name in options}
    scores = evalkit.score("gptscore", [output], columns.pop("references", None), **columns, backend=backend, **options)
    assert scores.errors == {}
    return float(scores["gptscore"][0])


def test_the_score_is_the_mean_log_probability_behind_instruction_source_and_connector() -> None:
    backend = Table({(FLUENCY + "the source In other words ,", " the output"): (-1.0, -2.0, -0.5)})
    scores = evalkit.score("gptscore", [" the output\n"], inputs=["the source "], backend=backend, aspect="fluency", stride=9)
    assert scores["gptscore"][0] == pytest.approx(-3.5 / 3)
    assert scores["gptscore.normalized"][0] == pytest.approx(math.exp(-3.5 / 3))
    assert backend.asked[0][2] == 9


def test_the_direct_variant_has_no_instruction() -> None:
    backend = Table({("src In other words ,", " out"): (-1.0,)})
    assert value(backend, "out", inputs="src", variant="direct", aspect=None) == -1


@pytest.mark.parametrize(
    ("task", "before", "given", "text"),
    [
        ("rewrite", "Rewrite the following text with consistent facts:", " In other words ,", " out"),
        ("summary", "Summarise the following text with consistent facts:", "\n\nTl;dr", " out"),
        ("answer", "Answer the following with consistent facts:", "\n\nAnswer:", " out"),
        ("translation", "Translate the following text with consistent facts:", "\n\nTranslation:", " out"),
    ],
)
def test_a_task_words_instruction_and_connector(task: str, before: str, given: str, text: str) -> None:
    backend = Table({(f"{before}\nsrc{given}", text): (-2.0,)})
    assert value(backend, "out", inputs="src", aspect="consistency", task=task) == -2


def test_demonstrations_stand_between_instruction_and_source_in_the_same_form() -> None:
    shown = {"input": "in one", "output": "out one"}
    wanted = FLUENCY + "in one -> out one\nin two -> out two\nsrc ->"
    backend = Table({(wanted, " out"): (-1.0,)})
    shown_too = {"input": "in two", "output": "out two", "note": "ignored"}
    assert value(backend, "out", inputs="src", demonstrations=[shown, shown_too], connector=" -> ") == -1


def test_each_direction_shows_the_demonstrations_the_way_it_reads() -> None:
    one = {"reference": "R", "output": "H"}
    forward, backward = FLUENCY + "R In other words , H\n", FLUENCY + "H In other words , R\n"
    table = {
        (forward + "ref In other words ,", " hyp"): (-1.0, -3.0),
        (backward + "hyp In other words ,", " ref"): (-4.0,),
    }
    told = {"references": "ref", "demonstrations": [one]}
    assert value(Table(table), "hyp", likelihood="ref_hyp", **told) == -2
    assert value(Table(table), "hyp", likelihood="hyp_ref", **told) == -4
    assert value(Table(table), "hyp", likelihood="avg_f", **told) == -3
    assert value(Table(table), "hyp", likelihood="harm_f", **told) == pytest.approx(8 / -6), (
        "a·b/(a + b), as the authors have it"
    )


REFERENCES = {"one": (-1.0, -9.0), "two": (-3.0, -3.0), "three": (-8.0, -2.0)}  # ref_hyp and hyp_ref of each


@pytest.mark.parametrize(
    ("likelihood", "best", "which"),
    [("ref_hyp", -1.0, "one"), ("hyp_ref", -2.0, "three"), ("avg_f", -3.0, "two"), ("harm_f", -0.9, "one")],
)
def test_the_best_of_several_references_counts(likelihood: str, best: float, which: str) -> None:
    table = {(f"{name} In other words ,", " hyp"): (forward,) for name, (forward, _) in REFERENCES.items()}
    table |= {("hyp In other words ,", f" {name}"): (backward,) for name, (_, backward) in REFERENCES.items()}
    scores = evalkit.score(
        "gptscore", ["hyp"], [[*REFERENCES, " "]], backend=Table(table), variant="direct", likelihood=likelihood
    )
    assert scores["gptscore"][0] == pytest.approx(best)
    assert max(scores.rows.evidence[0]["references"]) == scores["gptscore"][0]
    assert len(scores.rows.evidence[0]["references"]) == 3, "a blank reference is none"
    if likelihood in ("avg_f", "harm_f"):
        assert (scores["gptscore.ref_hyp"][0], scores["gptscore.hyp_ref"][0]) == REFERENCES[which]


RUBRIC = {
    "name": "r",
    "criteria": "No {fact} is changed.",
    "scale": {"min": 1, "max": 5},
    "examples": [
        {"input": "q1", "output": "good", "score": 5},
        {"input": "q2", "output": "bad", "score": 1},
        {"output": "good, but of no input", "score": 5},
    ],
}


def test_a_rubric_gives_the_instruction_and_its_best_examples_as_demonstrations() -> None:
    head = "Rewrite the following text: Criterion: No {fact} is changed.\nq1 In other words , good\n"
    backend = Table({(head + "src In other words ,", " out"): (-1.0,)})
    assert value(backend, "out", inputs="src", aspect=None, rubric=RUBRIC) == -1


def test_braces_in_texts_and_instructions_are_text() -> None:
    backend = Table({("Say {source} {x}:\n{target} In other words ,", " {head}"): (-1.0,)})
    assert value(backend, "{head}", inputs="{target}", aspect=None, instruction="Say {source} {x}:") == -1


def test_nothing_to_judge_is_skipped_and_a_missing_value_is_an_error() -> None:
    backend = Table({})
    scores = evalkit.score("gptscore", ["", " \n", None], inputs=["a", "b", "c"], backend=backend, aspect="quality")
    assert scores.skipped == dict.fromkeys((0, 1), "the output is empty: nothing to judge")
    assert scores.errors == {2: "no output"}
    scores = evalkit.score("gptscore", ["x", "y"], [["", " "], None], backend=backend, aspect="quality", likelihood="ref_hyp")
    assert scores.skipped == {0: "the reference is empty: nothing to judge by"}
    assert scores.errors == {1: "no reference"}
    assert backend.asked == []


@pytest.mark.parametrize("odd", [(), (-1.0, -math.inf), (math.nan,)])
def test_a_likelihood_of_no_use_is_an_error_of_its_record(odd: tuple[float, ...]) -> None:
    backend = Table({("a In other words ,", " x"): odd, ("b In other words ,", " y"): (-1.0,)})
    scores = evalkit.score("gptscore", ["x", "y", "z"], inputs=["a", "b", "c"], backend=backend, variant="direct")
    assert "log-probability" in scores.errors[0]
    assert "the table lacks" in scores.errors[2]
    assert scores.corpus["gptscore"] == -1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-30, 0), st.floats(-30, 0)), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_order_of_references_does_not_matter_and_values_stay_in_range(told: list[tuple[float, float]], rng: Any) -> None:
    table = {(f"r{i} In other words ,", " h"): (a,) for i, (a, _) in enumerate(told)}
    table |= {("h In other words ,", f" r{i}"): (b,) for i, (_, b) in enumerate(told)}
    names = [f"r{i}" for i in range(len(told))]
    shuffled = list(names)
    rng.shuffle(shuffled)
    for likelihood in ("ref_hyp", "hyp_ref", "avg_f", "harm_f"):
        scores = evalkit.score(
            "gptscore", ["h", "h"], [names, shuffled], backend=Table(table), variant="direct", likelihood=likelihood
        )
        first, second = scores["gptscore"]
        assert first == second <= 0
        assert 0 <= scores["gptscore.normalized"][0] <= 1
        a, b = max(a for a, _ in told), max(b for _, b in told)
        slow = {
            "ref_hyp": a,
            "hyp_ref": b,
            "avg_f": max((a + b) / 2 for a, b in told),
            "harm_f": max(a * b / (a + b) if a + b else 0.0 for a, b in told),
        }
        assert first == pytest.approx(slow[likelihood], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "no aspect; give one of `aspect:` (quality, fluency"),
        ({"aspect": "fluencey"}, "no aspect is called \"fluencey\"; did you mean fluency?"),
        ({"aspect": "fluency", "instruction": "x"}, "both aspect and instruction"),
        ({"aspect": "fluency", "variant": "direct"}, "`variant: direct` asks without an instruction; remove aspect"),
        ({"variant": "direct", "demonstrations": ({"input": "a", "output": "b"},)}, "remove demonstrations"),
        ({"aspect": "fluency", "demonstrations": ({"input": "a"},)}, "demonstration 1 lacks output, which src_hyp shows"),
        (
            {"aspect": "fluency", "likelihood": "avg_f", "demonstrations": ({"input": "a", "output": "b"},)},
            "demonstration 1 lacks reference, which ref_hyp shows",
        ),
        ({"aspect": "fluency", "stride": 0}, "stride is a number of tokens from 1 up"),
        ({"rubric": {"name": "x"}}, "the rubric lacks `criteria`"),
    ],
)  # fmt: skip
def test_options_that_say_too_little_too_much_or_nonsense_are_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises((ValueError, SpecError), match=re.escape(why)):
        GptScore(**options)


def test_needs_parts_prompts_and_signature_follow_from_the_options() -> None:
    assert GptScore("fluency").needs_of() == ("output", "input")
    assert GptScore("fluency", likelihood="hyp_ref").needs_of() == ("output", "reference")
    assert GptScore("fluency", likelihood="harm_f").parts == ("", "normalized", "ref_hyp", "hyp_ref")
    assert GptScore("fluency").prompts() == {"gptscore src_hyp": FLUENCY + "{source} In other words , {target}"}
    signatures = {GptScore(aspect).signature(DataFacts()) for aspect in texts()["aspects"]}
    assert len(signatures) == len(texts()["aspects"])
    assert all("\n" not in signature for signature in signatures)


def test_a_suite_takes_the_rubric_from_a_file_and_check_refuses_a_backend_without_likelihoods(
    project: Path, jsonl: Any, cli: Any
) -> None:
    import yaml

    (project / "r.yaml").write_text(yaml.safe_dump(RUBRIC))
    jsonl(project / "d.jsonl", [{"id": "r0", "input": "q", "output": "a"}])
    suite = "dataset: {{path: d.jsonl}}\nbackends: {{judge: {{kind: scripted}}}}\nmetrics: [{{use: gptscore, {}}}]\n"
    (project / "s.yaml").write_text(suite.format("rubric: r.yaml, task: summary"))
    done = cli("check", "s.yaml")
    assert done.returncode == 2
    assert "cannot tell how likely a given text is; take a backend with a language model" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


# --- plain transformers as the oracle --------------------------------------------------------------------------------------


def test_equal_to_a_plain_computation_with_transformers(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="NOT TESTED: gptscore against transformers, for torch is not installed")
    pytest.importorskip("transformers", reason="NOT TESTED: gptscore against transformers, for it is not installed")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

    from evalkit.backends.transformers import Transformers

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    corpus = ["In other words , the cat sat on the mat .", FLUENCY, "A dog ran over the road ."]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=400, special_tokens=["</s>"], initial_alphabet=alphabet))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="</s>", pad_token="</s>")
    tokenizer.save_pretrained(tmp_path)
    set_seed(5)
    config = LlamaConfig(
        vocab_size=400, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256, initializer_range=0.3, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    model.save_pretrained(tmp_path)

    def mean(source: str, target: str) -> float:
        before = tokenizer(f"{FLUENCY}{source} In other words ,", add_special_tokens=False)["input_ids"]
        after = tokenizer(f" {target}", add_special_tokens=False)["input_ids"]
        ids = torch.tensor([before + after])
        labels = ids.clone()
        labels[:, : len(before)] = -100
        with torch.no_grad():
            return -float(model(ids, labels=labels).loss)

    hyp, references = "a dog ran over the mat .", ["the cat sat on the mat .", "A dog ran over the road ."]
    backend = Transformers(model=str(tmp_path), device="cpu", threads=1)
    scores = evalkit.score("gptscore", [hyp], [references], backend=backend, aspect="fluency", likelihood="harm_f")
    pairs = [(mean(reference, hyp), mean(hyp, reference)) for reference in references]
    each = [a * b / (a + b) for a, b in pairs]
    best = each.index(max(each))
    assert scores["gptscore"][0] == pytest.approx(each[best], rel=1e-4)
    assert (scores["gptscore.ref_hyp"][0], scores["gptscore.hyp_ref"][0]) == pytest.approx(pairs[best], rel=1e-4)


@pytest.mark.models
def test_a_real_model_prefers_the_fluent_output() -> None:
    from evalkit.backends.folder import models_folder
    from evalkit.backends.transformers import Transformers

    folder = models_folder() / "qwen2.5-coder-0.5b-instruct"
    if not (folder / "config.json").is_file():
        pytest.skip("NOT TESTED: gptscore of a real model; run `python scripts/get_model.py qwen2.5-coder-0.5b-instruct`")
    source = "The board of the school agreed on Monday, after a long debate, to hire three more teachers."
    outputs = ["The school will hire three more teachers.", "School the teachers more three hire will.", "The bank lost money."]
    scores = evalkit.score(
        "gptscore",
        outputs,
        inputs=[source] * 3,
        backend=Transformers(model=str(folder), device="cpu"),
        aspect="fluency",
        task="summary",
    )
    fluent, shuffled, unrelated = scores["gptscore"]
    assert 0 > fluent > max(shuffled, unrelated)
