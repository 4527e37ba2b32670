"""ROUGE-1, -2 and -L, stemmed, against rouge-score: the same values, CPU time a pair, one process and thread.

python benchmarks/bench_rouge.py [--pairs N]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from _common import machine, record, timed
from _texts import pairs

KINDS = ("rouge1", "rouge2", "rougeL")


def ours(outputs: Sequence[str], references: Sequence[str], kinds: Sequence[str]) -> np.ndarray:
    from evalkit.core.batch import Batch
    from evalkit.metrics.rouge import Rouge

    metric = Rouge(types=tuple(kinds))
    return metric.record_values(metric.score(Batch({"output": outputs, "reference": references})))


def theirs(outputs: Sequence[str], references: Sequence[str], kinds: Sequence[str]) -> np.ndarray:
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(list(kinds), use_stemmer=True)
    scores = [scorer.score(reference, output) for output, reference in zip(outputs, references, strict=True)]
    return np.array([[score[kind].fmeasure for kind in kinds] for score in scores])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=4_000, help="short pairs; a hundredth of it are long")
    n = parser.parse_args().pairs
    cases = [
        ("10–60 words", KINDS, pairs(n, 10, 60)),
        ("800 words", KINDS, pairs(max(10, n // 100), 800, 800)),
        ("10–60 words, with Lsum", (*KINDS, "rougeLsum"), pairs(n // 4, 10, 60)),
    ]
    rows = []
    for work, kinds, (outputs, references) in cases:
        ours(outputs[:50], references[:50], kinds)  # imports
        theirs(outputs[:2], references[:2], kinds)
        found, cpu, _ = timed(lambda: ours(outputs, references, kinds))  # noqa: B023 - called at once
        expected, peer, _ = timed(lambda: theirs(outputs, references, kinds))  # noqa: B023
        apart = float(np.abs(found - expected).max())
        assert apart <= 1e-12, apart
        count = len(outputs)
        rows.append({
            "work": work, "pairs": count, "peer": "rouge-score", "evalkit_ms": 1e3 * cpu / count,
            "peer_ms": 1e3 * peer / count, "ratio": peer / cpu, "largest_difference": apart,
        })  # fmt: skip
        print(
            f"{work:24} evalkit {rows[-1]['evalkit_ms']:.4f} ms a pair, rouge-score {rows[-1]['peer_ms']:.3f}, {peer / cpu:.0f}×"
        )
    record("rouge", rows, machine=machine("numpy", "rapidfuzz", "rouge-score", "nltk"))


if __name__ == "__main__":
    main()
