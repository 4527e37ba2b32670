"""Pairs of texts for the benchmarks of bleu, chrf and ter: real passages with words dropped, changed and moved."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

PASSAGES = Path(__file__).resolve().parent.parent / "suites" / "data" / "http" / "passages.jsonl"


def pairs(n: int, low: int = 10, high: int = 60, seed: int = 7) -> tuple[list[str], list[str]]:
    """Outputs and references of ``low`` to ``high`` words; about a third of the words differ."""
    rng = random.Random(seed)
    texts = [json.loads(line) for line in PASSAGES.read_text(encoding="utf-8").splitlines()]
    words = [word for told in texts for word in re.sub(r"\s+", " ", max(map(str, told.values()), key=len)).split()]
    outputs, references = [], []
    for _ in range(n):
        size = rng.randint(low, high)
        start = rng.randrange(len(words) - size)
        reference = words[start : start + size]
        output = [rng.choice(words) if rng.random() < 0.15 else word for word in reference if rng.random() > 0.1]
        place, length, target = rng.randrange(size), rng.randint(1, 6), rng.randrange(size)
        block = output[place : place + length]
        del output[place : place + length]
        output[target:target] = block
        outputs.append(" ".join(output))
        references.append(" ".join(reference))
    return outputs, references
