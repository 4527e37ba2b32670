"""Edit distance and similarity of characters, against rapidfuzz called pair by pair.

evalkit's distance is rapidfuzz's own, so the ratio says what calling it by batches saves.

    python benchmarks/bench_levenshtein.py [--quick] [--out FOLDER]
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from _common import Benchmark, apart, times
from _texts import pairs


def ours(n: int, least: int, most: int) -> Callable[[], np.ndarray]:
    from evalkit.core.batch import Batch
    from evalkit.metrics.edit import Levenshtein

    outputs, references = pairs(n, least, most)
    metric = Levenshtein()

    def work(n: int = n) -> np.ndarray:
        return metric.record_values(metric.score(Batch({"output": outputs[:n], "reference": references[:n]})))

    work(5)
    return work


def theirs(n: int, least: int, most: int) -> Callable[[], np.ndarray]:
    from rapidfuzz.distance import Levenshtein

    outputs, references = pairs(n, least, most)
    distance, similarity = Levenshtein.distance, Levenshtein.normalized_similarity
    return lambda: np.array([(distance(a, b), similarity(a, b)) for a, b in zip(outputs, references)])


def main() -> None:
    bench = Benchmark(__file__, __doc__)
    n = bench.size(40_000, 200)
    for words, least, most, share in (("10–60 words", 10, 60, 1), ("800 words", 800, 800, 100)):
        count = max(n // share, 2)
        mine, peer = apart((ours, count, least, most), (theirs, count, least, most), repeats=bench.repeats)
        assert np.array_equal(mine.result, peer.result)
        bench.row(
            f"Levenshtein, {words}", inputs=f"{count:,} pairs", unit="ms a pair", evalkit=1e3 * mine.cpu_s / count,
            peer="rapidfuzz, pair by pair", theirs=1e3 * peer.cpu_s / count, bar=times(1), equal="every value, exactly",
        )  # fmt: skip
    bench.finish("numpy")


if __name__ == "__main__":
    main()
