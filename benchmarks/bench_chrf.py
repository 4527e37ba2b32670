"""chrF of a corpus and of its sentences against sacrebleu: CPU and peak memory, each side in a fresh process.

Two figures: the corpus value alone on both sides, and with every sentence's value too (which sacrebleu computes anew).

    python benchmarks/bench_chrf.py [--pairs N]
"""

from __future__ import annotations

import argparse

import numpy as np
from _common import isolated, machine, record, timed
from mt_texts import pairs


def ours(n: int) -> tuple[list[float], float, float]:
    """Sentence values, corpus value, CPU seconds of both."""
    from evalkit.core.batch import Batch
    from evalkit.metrics.chrf import Chrf

    outputs, references = pairs(n)
    metric = Chrf()
    metric.score(Batch({"output": outputs[:50], "reference": references[:50]}))

    def work() -> tuple[list[float], float]:
        rows = metric.score(Batch({"output": outputs, "reference": references}))
        return metric.record_values(rows)[:, 0].tolist(), float(metric.combine(rows.values.sum(axis=0))[0])

    (values, value), cpu, _ = timed(work)
    return values, value, cpu


def corpus_of_sacrebleu(n: int) -> tuple[float, float]:
    """Corpus value and its CPU seconds."""
    from sacrebleu.metrics import CHRF

    outputs, references = pairs(n)
    value, cpu, _ = timed(lambda: CHRF().corpus_score(outputs, [references]).score)
    return value, cpu


def sentences_of_sacrebleu(n: int) -> tuple[list[float], float]:
    """Sentence values and their CPU seconds."""
    from sacrebleu.metrics import CHRF

    outputs, references = pairs(n)
    metric = CHRF()
    values, cpu, _ = timed(lambda: [metric.sentence_score(o, [r]).score for o, r in zip(outputs, references, strict=True)])
    return values, cpu


def texts_alone(n: int) -> int:
    """The memory that the texts and NumPy take, which is nobody's doing."""
    return len(pairs(n)[0]) + int(np.zeros(1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=20_000)
    n = parser.parse_args().pairs
    _, _, _, base = isolated(texts_alone, n)
    (mine, value, cpu), _, _, peak = isolated(ours, n)
    (expected, peer_cpu), _, _, peer_peak = isolated(corpus_of_sacrebleu, n)
    (peer, sentence_cpu), _, _, _ = isolated(sentences_of_sacrebleu, n)
    assert value == expected
    assert mine == peer
    rows = [
        {"work": "chrf, corpus value (ours with sentence values)", "pairs": n, "peer": "sacrebleu", "peer_ms": peer_cpu / n * 1e3,
         "ours_ms": cpu / n * 1e3, "ratio": peer_cpu / cpu, "bar": 6},
        {"work": "chrf, sentence and corpus values", "pairs": n, "peer": "sacrebleu",
         "peer_ms": (peer_cpu + sentence_cpu) / n * 1e3, "ours_ms": cpu / n * 1e3, "ratio": (peer_cpu + sentence_cpu) / cpu},
        {"work": "chrf, peak memory of the process", "pairs": n, "peer": "sacrebleu", "peer_mb": peer_peak, "ours_mb": peak,
         "ratio": peer_peak / peak, "texts_and_numpy_mb": base, "bar": 10},
    ]  # fmt: skip
    for row in rows:
        print(", ".join(f"{name}: {told:.3f}" if isinstance(told, float) else f"{told}" for name, told in row.items()))
    record("chrf", rows, machine=machine("sacrebleu", "numpy"))


if __name__ == "__main__":
    main()
