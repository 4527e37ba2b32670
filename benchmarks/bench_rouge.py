"""ROUGE-1, -2 and -L with stemming, against rouge-score.

Words that evalkit has met stay in its vocabulary; here it begins empty but for five warm-up pairs.

    python benchmarks/bench_rouge.py [--quick] [--out FOLDER]
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from _common import Benchmark, apart, times
from _texts import pairs

KINDS = ("rouge1", "rouge2", "rougeL")
CASES = [  # words, least, most, kinds, share of the pairs, bar
    ("10–60 words", 10, 60, KINDS, 1, 10),
    ("800 words", 800, 800, KINDS, 100, 40),
    ("10–60 words, and -Lsum", 10, 60, (*KINDS, "rougeLsum"), 4, 10),
]


def ours(n: int, least: int, most: int, kinds: tuple[str, ...]) -> Callable[[], np.ndarray]:
    from evalkit.core.batch import Batch
    from evalkit.metrics.rouge import Rouge

    outputs, references = pairs(n, least, most)
    metric = Rouge(types=kinds)

    def work(n: int = n) -> np.ndarray:
        return metric.record_values(metric.score(Batch({"output": outputs[:n], "reference": references[:n]})))

    work(5)
    return work


def theirs(n: int, least: int, most: int, kinds: tuple[str, ...]) -> Callable[[], np.ndarray]:
    from rouge_score.rouge_scorer import RougeScorer

    outputs, references = pairs(n, least, most)
    scorer = RougeScorer(list(kinds), use_stemmer=True)

    def work(n: int = n) -> np.ndarray:
        scores = [scorer.score(reference, output) for output, reference in zip(outputs[:n], references[:n])]
        return np.array([[score[kind].fmeasure for kind in kinds] for score in scores])

    work(1)
    return work


def main() -> None:
    bench = Benchmark(__file__, __doc__)
    n = bench.size(3_000, 200)
    for words, least, most, kinds, share, bar in CASES:
        count = max(n // share, 2)
        mine, peer = apart((ours, count, least, most, kinds), (theirs, count, least, most, kinds), repeats=bench.repeats)
        assert np.abs(mine.result - peer.result).max() <= 1e-12
        bench.row(
            f"ROUGE-1, -2, -L, {words}", inputs=f"{count:,} pairs", unit="ms a pair", evalkit=1e3 * mine.cpu_s / count,
            peer="rouge-score", theirs=1e3 * peer.cpu_s / count, bar=times(bar), equal="every value to 1e-12",
        )  # fmt: skip
    bench.finish("numpy", "rapidfuzz")


if __name__ == "__main__":
    main()
