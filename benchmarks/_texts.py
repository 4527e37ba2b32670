"""Texts for the benchmarks, from the project's own passages and answers by seeded edits."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parent.parent / "suites" / "data" / "http"
LONG = ("contexts", "reference_contexts", "samples")  # columns of the answers that no classic metric reads


def sentences() -> list[list[str]]:
    """Words of every sentence of the passages."""
    texts = [record["text"] for record in _lines("passages.jsonl")]
    return [part.split() for text in texts for part in text.split(". ") if len(part.split()) > 5]


def pairs(n: int, least: int, most: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Outputs and references of ``least`` to ``most`` words.

    References are whole sentences, the last one cut; an output is its reference with a tenth of the words dropped, a
    fifth of the others changed, and a block of up to six words moved.
    """
    rng = random.Random(seed)
    pool = sentences()
    vocabulary = [word for sentence in pool for word in sentence]
    outputs, references = [], []
    for _ in range(n):
        words: list[str] = []
        length = rng.randint(least, most)
        while len(words) < length:
            sentence = rng.choice(pool)
            words += [*sentence[:-1], sentence[-1].rstrip(".") + "."]
        reference = words[:length]
        output = [word if rng.random() > 0.2 else rng.choice(vocabulary) for word in reference if rng.random() > 0.1]
        place, size, target = rng.randrange(length), rng.randint(1, 6), rng.randrange(length)
        block = output[place : place + size]
        del output[place : place + size]
        output[target:target] = block
        outputs.append(" ".join(output))
        references.append(" ".join(reference))
    return outputs, references


def short_records(n: int, seed: int = 0, words: int = 12) -> Iterator[dict[str, Any]]:
    """Records with an output and a reference of about ``words`` words, the output an edited reference."""
    rng = random.Random(seed)
    pool = sentences()
    vocabulary = [word for sentence in pool for word in sentence]
    for index in range(n):
        reference = (rng.choice(pool) * (1 + words // 6))[: words + rng.randrange(-4, 5)]
        output = [word if rng.random() > 0.2 else rng.choice(vocabulary) for word in reference if rng.random() > 0.1]
        yield {
            "id": f"r{index}",
            "input": f"question {index}",
            "output": " ".join(output),
            "reference": " ".join(reference),
        }


def answer_records(n: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Records as in the quickstart's data set: a real answer with a sixth of its words changed, everything else drawn anew.

    They have all columns that suites/classic.yaml asks for, and the lengths and numbers of references of the real ones.
    """
    rng = random.Random(seed)
    answers = list(_lines("answers.jsonl"))
    passages = [record["id"] for record in _lines("passages.jsonl")]
    vocabulary = [word for sentence in sentences() for word in sentence]
    for index in range(n):
        real = rng.choice(answers)
        output = [word if rng.random() > 1 / 6 else rng.choice(vocabulary) for word in real["output"].split()]
        retrieved = list(dict.fromkeys([*real["retrieved_ids"][: rng.randrange(5)], *rng.sample(passages, 4)]))[:4]
        yield {
            **{name: value for name, value in real.items() if name not in LONG},
            "id": f"r{index}",
            "output": " ".join(output),
            "retrieved_ids": retrieved,
            "latency_ms": int(real["latency_ms"] * rng.uniform(0.5, 2.0)),
            "completion_tokens": len(output),
        }


def _lines(name: str) -> Iterator[dict[str, Any]]:
    with (DATA / name).open(encoding="utf-8") as file:
        yield from map(json.loads, file)
