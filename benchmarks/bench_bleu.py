"""Sentence and corpus BLEU against sacrebleu, in one process, values asserted equal.

python benchmarks/bench_bleu.py [--pairs N]
"""

from __future__ import annotations

import argparse

import numpy as np
from _common import machine, record, timed
from mt_texts import pairs
from sacrebleu.metrics import BLEU

from evalkit.core.batch import Batch
from evalkit.metrics.bleu import Bleu


def ours(outputs: list[str], references: list[str]) -> tuple[np.ndarray, float]:
    metric = Bleu(force=True)
    rows = metric.score(Batch({"output": outputs, "reference": references}))
    return metric.record_values(rows)[:, 0], float(metric.combine(rows.values.sum(axis=0))[0])


def theirs(outputs: list[str], references: list[str]) -> tuple[np.ndarray, float]:
    """New scorers, whose caches of tokenised lines are empty."""
    corpus, sentence = BLEU(force=True), BLEU(force=True, effective_order=True)
    value = corpus.corpus_score(outputs, [references]).score
    scores = [sentence.sentence_score(o, [r]).score for o, r in zip(outputs, references, strict=True)]
    return np.array(scores), value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5_000)
    told = parser.parse_args()
    rows = []
    for words, low, high, n in (("10–60", 10, 60, told.pairs), ("800", 800, 800, max(told.pairs // 20, 50))):
        outputs, references = pairs(n, low, high)
        ours(outputs[:50], references[:50])
        (mine, value), cpu, _ = timed(lambda o=outputs, r=references: ours(o, r))
        (peer, expected), peer_cpu, _ = timed(lambda o=outputs, r=references: theirs(o, r))
        assert np.abs(mine - peer).max() <= 1e-10
        assert abs(value - expected) <= 1e-10
        rows.append({
            "work": f"bleu, sentence and corpus values, {words} words", "pairs": n, "peer": "sacrebleu",
            "peer_ms": peer_cpu / n * 1e3, "ours_ms": cpu / n * 1e3, "ratio": peer_cpu / cpu, "bar": 3,
        })  # fmt: skip
        print(
            f"bleu {words} words: {cpu / n * 1e3:.3f} ms a pair, sacrebleu {peer_cpu / n * 1e3:.3f}, {peer_cpu / cpu:.1f} times"
        )
    record("bleu", rows, machine=machine("sacrebleu", "numpy"))


if __name__ == "__main__":
    main()
