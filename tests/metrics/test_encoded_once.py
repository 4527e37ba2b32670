"""A run that several metrics ask an encoder in: every distinct text goes through it once, and the values do not mind."""

from __future__ import annotations

import json
import random
import sys
import warnings
from collections import Counter

import pytest

import evalkit

pytest.importorskip("torch", reason="NOT TESTED: the learned metrics, for torch is not installed")
pytest.importorskip("transformers", reason="NOT TESTED: the learned metrics, for transformers is not installed")

WORDS = "the server sends a fresh answer when its cached copy is stale and no client asked for 304 again".split()
METRICS = """
  - {use: bertscore, as: plain, num_layers: 2, backend: encoder}
  - {use: bertscore, as: rare, num_layers: 1, idf: true, backend: encoder}
  - {use: semantic_similarity, backend: encoder}
"""


def made_records(n: int) -> list[dict[str, object]]:
    """Records of few distinct texts: outputs come again, as outputs and as references, and some have several references."""
    rng = random.Random(5)
    texts = [" ".join(rng.choices(WORDS, k=rng.randrange(1, 20))) for _ in range(90)]
    rows: list[dict[str, object]] = []
    for number in range(n):
        several = [rng.choice(texts) for _ in range(rng.choice([1, 1, 3]))]
        output = rng.choice(texts) + rng.choice(["", "", " ", "\n"])
        rows.append({"id": f"r{number}", "output": output, "reference": several if len(several) > 1 else several[0]})
    return rows


@pytest.fixture
def sentences(monkeypatch):
    """Of every text that went through a layer of a BERT, its tokens, as often as it did."""
    from transformers.models.bert.modeling_bert import BertModel

    seen: Counter[tuple[int, ...]] = Counter()
    forward = BertModel.forward

    def noted(self, *args, **given):
        if len(self.encoder.layer):
            for ids, mask in zip(given["input_ids"].tolist(), given["attention_mask"].tolist()):
                seen[tuple(token for token, there in zip(ids, mask) if there)] += 1
        return forward(self, *args, **given)

    monkeypatch.setattr(BertModel, "forward", noted)
    return seen


def ran(monkeypatch, capsys, *arguments) -> dict[str, object]:
    """What ``evalkit run`` prints as JSON, in this process."""
    from evalkit.cli.app import guarded

    monkeypatch.setattr(sys, "argv", ["evalkit", "run", *map(str, arguments), "--json"])
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    capsys.readouterr()
    assert guarded() == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("at_once", [1024, 8])
def test_every_distinct_text_of_a_run_is_encoded_once(tiny, project, jsonl, monkeypatch, capsys, sentences, at_once):
    from transformers import AutoTokenizer

    from evalkit.backends.transformers import Transformers

    rows, folder = made_records(230), tiny("encoder")
    jsonl(project / "d.jsonl", rows)
    backend = f"backends: {{encoder: {{kind: transformers, model: {folder}, max_concurrency: {at_once}}}}}\n"
    (project / "s.yaml").write_text(f"dataset: {{path: d.jsonl}}\n{backend}metrics:{METRICS}")
    told = ran(monkeypatch, capsys, project / "s.yaml")

    outputs = [row["output"] for row in rows]
    references = [row["reference"] for row in rows]
    texts = {text.strip() for each in references for text in ([each] if isinstance(each, str) else each)}
    texts |= {text.strip() for text in outputs}
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = {tuple(tokenizer(text)["input_ids"]) for text in texts}
    assert len(rows) > 4 * 50, "more batches than one"
    assert len(ids) > 80
    assert {each: sentences[each] for each in ids} == dict.fromkeys(ids, 1)
    assert sum(sentences.values()) <= len(ids) + 6, "and beside them a few tokens that the layers were tried out on"

    apart = [
        ("plain.f1", "bertscore", "bertscore.f1", {"num_layers": 2}),
        ("rare.f1", "bertscore", "bertscore.f1", {"num_layers": 1, "idf": True}),
        ("semantic_similarity", "semantic_similarity", "semantic_similarity", {}),
    ]
    for label, name, part, options in apart:
        alone = evalkit.score(name, outputs, references, backend=Transformers(str(folder)), **options)
        assert told["metrics"][label]["mean"] == pytest.approx(alone.corpus[part], abs=1e-6), label
        assert told["metrics"][label]["errors"] == 0

    sentences.clear()
    ran(monkeypatch, capsys, project / "s.yaml")
    assert max(sentences[each] for each in ids) == 1, "nor twice in a second run, whose vectors of whole texts are in the cache"
