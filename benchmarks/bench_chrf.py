"""chrF against sacrebleu: CPU and peak memory.

evalkit gives the corpus value and every sentence's value in one go; sacrebleu is timed on the corpus value alone, and on
the sentences too, which it computes anew. Memory is the peak of a process that does nothing else; the texts themselves,
Python and NumPy take some 40 MB of it on both sides.

    python benchmarks/bench_chrf.py [--quick] [--out FOLDER]
"""

from __future__ import annotations

from collections.abc import Callable

from _common import Benchmark, apart, times
from _texts import pairs


def ours(n: int) -> Callable[[], tuple[list[float], float]]:
    from evalkit.core.batch import Batch
    from evalkit.metrics.chrf import Chrf

    outputs, references = pairs(n, 10, 60)
    metric = Chrf()
    metric.score(Batch({"output": outputs[:5], "reference": references[:5]}))

    def work() -> tuple[list[float], float]:
        rows = metric.score(Batch({"output": outputs, "reference": references}))
        return metric.record_values(rows)[:, 0].tolist(), float(metric.combine(rows.values.sum(axis=0))[0])

    return work


def corpus_of_sacrebleu(n: int) -> Callable[[], float]:
    from sacrebleu.metrics import CHRF

    outputs, references = pairs(n, 10, 60)
    return lambda: CHRF().corpus_score(outputs, [references]).score


def sentences_of_sacrebleu(n: int) -> Callable[[], list[float]]:
    from sacrebleu.metrics import CHRF

    outputs, references = pairs(n, 10, 60)
    metric = CHRF()
    return lambda: [metric.sentence_score(o, [r]).score for o, r in zip(outputs, references)]


def main() -> None:
    bench = Benchmark(__file__, __doc__)
    n = bench.size(20_000, 100)
    mine, corpus = apart((ours, n), (corpus_of_sacrebleu, n), repeats=bench.repeats)
    (sentences,) = apart((sentences_of_sacrebleu, n), repeats=1)
    values, value = mine.result
    assert value == corpus.result
    assert values == sentences.result
    told = {"inputs": f"{n:,} pairs of 10–60 words", "peer": "sacrebleu", "equal": "every value, exactly"}
    each = 1e3 / n
    bench.row(
        "chrF, corpus value (evalkit: sentences too)", unit="ms a pair", evalkit=each * mine.cpu_s, theirs=each * corpus.cpu_s,
        bar=times(6), **told,
    )  # fmt: skip
    bench.row(
        "chrF, sentences and corpus", unit="ms a pair", evalkit=each * mine.cpu_s,
        theirs=each * (corpus.cpu_s + sentences.cpu_s), bar=times(6), **told,
    )  # fmt: skip
    bench.row(
        "chrF, peak memory", unit="MiB", evalkit=mine.peak_mb, theirs=corpus.peak_mb, bar=times(10), **told,
    )  # fmt: skip
    bench.finish("numpy")


if __name__ == "__main__":
    main()
