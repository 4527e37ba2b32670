"""Edit distance and similarity against rapidfuzz called pair by pair: the same numbers, CPU time a pair, one thread.

evalkit's distance is rapidfuzz's own, so the ratio says what calling it by batches saves.

    python benchmarks/bench_levenshtein.py [--pairs N]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from _common import machine, record, timed
from _texts import pairs


def ours(outputs: Sequence[str], references: Sequence[str]) -> np.ndarray:
    from evalkit.core.batch import Batch
    from evalkit.metrics.edit import Levenshtein

    metric = Levenshtein()
    return metric.record_values(metric.score(Batch({"output": outputs, "reference": references})))


def theirs(outputs: Sequence[str], references: Sequence[str]) -> np.ndarray:
    from rapidfuzz.distance import Levenshtein

    both = [
        (Levenshtein.distance(a, b), Levenshtein.normalized_similarity(a, b)) for a, b in zip(outputs, references, strict=True)
    ]
    return np.array(both)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=20_000, help="short pairs; a hundredth of it are long")
    n = parser.parse_args().pairs
    rows = []
    for work, (outputs, references) in (("10–60 words", pairs(n, 10, 60)), ("800 words", pairs(n // 100, 800, 800))):
        ours(outputs[:50], references[:50])
        theirs(outputs[:50], references[:50])
        found, cpu, _ = timed(lambda: ours(outputs, references))  # noqa: B023 - called at once
        expected, peer, _ = timed(lambda: theirs(outputs, references))  # noqa: B023
        assert np.array_equal(found, expected)
        count = len(outputs)
        rows.append({
            "work": work, "pairs": count, "peer": "rapidfuzz, pair by pair", "evalkit_ms": 1e3 * cpu / count,
            "peer_ms": 1e3 * peer / count, "ratio": peer / cpu, "largest_difference": 0.0,
        })  # fmt: skip
        print(
            f"{work:24} evalkit {rows[-1]['evalkit_ms']:.5f} ms a pair, rapidfuzz {rows[-1]['peer_ms']:.5f}, {peer / cpu:.1f}×"
        )
    record("levenshtein", rows, machine=machine("numpy", "rapidfuzz"))


if __name__ == "__main__":
    main()
