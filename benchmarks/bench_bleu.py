"""BLEU, the corpus value and one value per sentence, against sacrebleu.

Both sides get lists of texts and give the corpus value with the smoothed value of every sentence, for the reports show
both. Scorers are new, so that no tokenised line is cached before the clock starts.

    python benchmarks/bench_bleu.py [--quick] [--out FOLDER]
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from _common import Benchmark, apart, times
from _texts import pairs

Work = Callable[[], tuple[list[float], float]]


def ours(n: int, least: int, most: int) -> Work:
    from evalkit.core.batch import Batch
    from evalkit.metrics.bleu import Bleu

    outputs, references = pairs(n, least, most)
    metric = Bleu()

    def work(n: int = n) -> tuple[list[float], float]:
        rows = metric.score(Batch({"output": outputs[:n], "reference": references[:n]}))
        return metric.record_values(rows)[:, 0].tolist(), float(metric.combine(rows.values.sum(axis=0))[0])

    work(5)
    return work


def theirs(n: int, least: int, most: int) -> Work:
    from sacrebleu.metrics import BLEU

    outputs, references = pairs(n, least, most)

    def work(n: int = n) -> tuple[list[float], float]:
        corpus, sentence = BLEU(), BLEU(effective_order=True)
        value = corpus.corpus_score(outputs[:n], [references[:n]]).score
        return [sentence.sentence_score(o, [r]).score for o, r in zip(outputs[:n], references[:n])], value

    work(5)
    return work


def main() -> None:
    bench = Benchmark(__file__, __doc__)
    n = bench.size(4_000, 200)
    for words, least, most, count in (("10–60 words", 10, 60, n), ("800 words", 800, 800, n // 20)):
        mine, peer = apart((ours, count, least, most), (theirs, count, least, most), repeats=bench.repeats)
        (values, value), (expected, corpus) = mine.result, peer.result
        assert np.abs(np.array(values) - expected).max() <= 1e-10
        assert abs(value - corpus) <= 1e-10
        bench.row(
            f"BLEU, sentences and corpus, {words}", inputs=f"{count:,} pairs", unit="ms a pair", bar=times(3),
            evalkit=1e3 * mine.cpu_s / count, peer="sacrebleu", theirs=1e3 * peer.cpu_s / count, equal="every value to 1e-10",
        )  # fmt: skip
    bench.finish("numpy")


if __name__ == "__main__":
    main()
