"""Pairs of texts for the overlap metrics, from the project's own passages by seeded edits."""

from __future__ import annotations

import random

from make_records import sentences


def pairs(n: int, least: int, most: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Outputs and references of ``least`` to ``most`` words; an output is its reference with words dropped and changed."""
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
        kept = [word if rng.random() > 0.25 else rng.choice(vocabulary) for word in reference if rng.random() > 0.1]
        outputs.append(" ".join(kept))
        references.append(" ".join(reference))
    return outputs, references
