"""bleurt: an encoder and a linear head over the first token's vector, on small random checkpoints of every layout there is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import evalkit
from evalkit.core.errors import BackendRefused

torch = pytest.importorskip("torch", reason="NOT TESTED: bleurt, for torch is not installed")
pytest.importorskip("transformers", reason="NOT TESTED: bleurt, for transformers is not installed")

OUTPUTS = ["the server sends an answer", "no", "", "a client asked " * 60, "yes yes"]
REFERENCES = ["the server sends a fresh answer", "yes, no", "good", "bad " * 100, ["verdict true", "yes yes", "false"]]
SIZES = {"vocab_size": 640, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}


def own_layout(folder: Path, model, prefix: str, source: Path, **more) -> Path:
    """The checkpoint as the bleurt-pytorch conversions lay it out: another model type, other names, a pickle of weights."""
    folder.mkdir()
    weights = {
        name.replace(f"{prefix}.encoder.embedding_hidden_mapping_in.", "bleurt.encoder.embedding_projection.").replace(
            f"{prefix}.", "bleurt."
        ): value
        for name, value in model.state_dict().items()
    }
    torch.save(weights, folder / "pytorch_model.bin")
    config = {"model_type": "bleurt", "architectures": ["BleurtForSequenceClassification"], "max_position_embeddings": 128}
    (folder / "config.json").write_text(json.dumps({**SIZES, "hidden_size": 64, **config, **more}))
    for name in ("tokenizer.json", "special_tokens_map.json"):
        if (source / name).is_file():
            shutil.copy(source / name, folder)
    told = json.loads((source / "tokenizer_config.json").read_text()) | {"tokenizer_class": "BleurtTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    return folder


@pytest.fixture(scope="module")
def checkpoints(tiny, tmp_path_factory) -> dict[str, tuple[Path, object, object]]:
    """By layout: a folder, and encoder and head of the same weights, which the expectations are made with."""
    from transformers import AutoModelForSequenceClassification, RemBertConfig, RemBertForSequenceClassification

    plain = tmp_path_factory.mktemp("bleurt") / "plain"
    shutil.copytree(tiny("classifier", labels=1), plain)
    told = json.loads((plain / "tokenizer_config.json").read_text()) | {"tokenizer_class": "BertTokenizer"}
    (plain / "tokenizer_config.json").write_text(json.dumps(told))
    bert = AutoModelForSequenceClassification.from_pretrained(plain).eval()
    torch.manual_seed(5)
    config = RemBertConfig(
        **SIZES, hidden_size=64, input_embedding_size=16, max_position_embeddings=128, num_labels=1, initializer_range=0.2
    )
    rembert = RemBertForSequenceClassification(config).eval()
    folder = plain.parent
    sizes = {"num_hidden_layers": 3}
    return {
        "a plain BERT": (plain, bert.bert, bert.classifier),
        "bleurt-pytorch": (own_layout(folder / "own", bert, "bert", plain, **sizes), bert.bert, bert.classifier),
        "BLEURT-20": (
            own_layout(folder / "narrow", rembert, "rembert", plain, embedding_size=16), rembert.rembert, rembert.classifier
        ),
    }  # fmt: skip


def expected(encoder, head, source: Path, reference: str, output: str) -> float:
    """Tokens laid out by hand, one pair at a time, then the encoder and the head."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    first, second = (tokenizer.encode(text, add_special_tokens=False).ids for text in (reference, output))
    while len(first) + len(second) > 128 - 3:  # the longer one is cut; of two equally long ones, as tokenizers do it here
        (first if len(first) >= len(second) else second).pop()
    ids = [2, *first, 3, *second, 3]
    types = [0] * (len(first) + 2) + [1] * (len(second) + 1)
    with torch.no_grad():
        hidden = encoder(torch.tensor([ids]), token_type_ids=torch.tensor([types]))
        pooled = torch.tanh(encoder.pooler.dense(hidden.last_hidden_state[:, 0]))
        return float(head(pooled))


@pytest.mark.parametrize("layout", ["a plain BERT", "bleurt-pytorch", "BLEURT-20"])
def test_scores_equal_the_encoder_with_the_linear_head(checkpoints, layout):
    from evalkit.backends.transformers import Transformers

    folder, encoder, head = checkpoints[layout]
    scores = evalkit.score("bleurt", OUTPUTS, REFERENCES, backend=Transformers(str(folder)))
    several = [[one] if isinstance(one, str) else one for one in REFERENCES]
    theirs = [
        max(expected(encoder, head, folder, reference, output) for reference in references)
        for output, references in zip(OUTPUTS, several)
    ]
    assert scores["bleurt"] == pytest.approx(theirs, abs=1e-5)
    assert np.ptp(theirs) > 0.05, "a model that says the same of everything proves nothing"
    assert scores.corpus["bleurt"] == pytest.approx(np.mean(theirs), abs=1e-5)


def test_the_reference_is_read_first(checkpoints):
    from evalkit.backends.transformers import Transformers

    folder, encoder, head = checkpoints["a plain BERT"]
    scores = evalkit.score("bleurt", ["yes no", "true"], ["true", "yes no"], backend=Transformers(str(folder)))
    assert scores["bleurt"][0] == pytest.approx(expected(encoder, head, folder, "true", "yes no"), abs=1e-5)
    assert abs(scores["bleurt"][0] - scores["bleurt"][1]) > 1e-3


def test_a_sentencepiece_checkpoint_reads_a_pair_with_berts_marks(checkpoints, tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece", reason="NOT TESTED: sentencepiece checkpoints of bleurt")
    from evalkit.backends.bleurt import load_bleurt
    from evalkit.backends.folder import Card

    folder = tmp_path / "spm"
    shutil.copytree(checkpoints["BLEURT-20"][0], folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(["the server sends a fresh answer", "a client asked for a copy", "yes and no"] * 40))
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus), model_prefix=str(folder / "spm"), vocab_size=60, hard_vocab_limit=False, minloglevel=2,
        user_defined_symbols=["[CLS]", "[SEP]", "[MASK]"], pad_piece="[PAD]", unk_piece="[UNK]", pad_id=0, unk_id=1,
        bos_id=-1, eos_id=-1,
    )  # fmt: skip
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spm.model"))
    _, tokenizer = load_bleurt(Card.of(str(folder)))
    told = tokenizer("the server", "a copy")
    first, second = pieces.encode("the server"), pieces.encode("a copy")
    cls, sep = pieces.piece_to_id("[CLS]"), pieces.piece_to_id("[SEP]")
    assert told["input_ids"] == [cls, *first, sep, *second, sep]
    assert told["token_type_ids"] == [0] * (len(first) + 2) + [1] * (len(second) + 1)


def test_a_classifier_of_several_labels_is_no_bleurt(tiny):
    from evalkit.backends.transformers import Transformers

    with pytest.raises(BackendRefused, match="gives 3 numbers a pair; a BLEURT checkpoint gives one"):
        evalkit.score("bleurt", ["a"], ["b"], backend=Transformers(str(tiny("classifier", labels=3))))


def test_each_pair_is_asked_once_and_nothing_is_asked_of_a_missing_output(checkpoints):
    from evalkit.backends.transformers import Transformers

    asked = []

    class Counting(Transformers):
        async def classify(self, text, pair=None):
            asked.append((text, pair))
            return await super().classify(text, pair)

    folder = checkpoints["a plain BERT"][0]
    scores = evalkit.score("bleurt", ["a", "a", None], ["b", ["b", "c", "b"], "b"], backend=Counting(str(folder)))
    assert sorted(asked) == [("b", "a"), ("c", "a")]
    assert scores.errors == {2: "no output"}
