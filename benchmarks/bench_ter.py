"""TER's edits and reference lengths of every pair, against sacrebleu.

sacrebleu is called at the method that gives each pair's statistics, so that both sides do the same work.

    python benchmarks/bench_ter.py [--quick] [--out FOLDER]
"""

from __future__ import annotations

from collections.abc import Callable

from _common import Benchmark, apart, times
from _texts import pairs


def ours(n: int, least: int, most: int) -> Callable[[], list[list[float]]]:
    from evalkit.core.batch import Batch
    from evalkit.metrics.ter import Ter

    outputs, references = pairs(n, least, most)
    metric = Ter()
    metric.score(Batch({"output": outputs[:5], "reference": references[:5]}))
    return lambda: metric.score(Batch({"output": outputs, "reference": references})).values.tolist()


def theirs(n: int, least: int, most: int) -> Callable[[], list[list[float]]]:
    from sacrebleu.metrics import TER

    outputs, references = pairs(n, least, most)
    metric = TER()
    return lambda: [list(map(float, row)) for row in metric._extract_corpus_statistics(outputs, [references])]


def main() -> None:
    bench = Benchmark(__file__, __doc__)
    n = bench.size(1_000, 20)
    for words, least, most, count in (("10–30 words", 10, 30, n), ("60–120 words", 60, 120, max(n // 20, 3))):
        mine, peer = apart((ours, count, least, most), (theirs, count, least, most), repeats=bench.repeats)
        assert mine.result == peer.result
        bench.row(
            f"TER, {words}", inputs=f"{count:,} pairs", unit="ms a pair", evalkit=1e3 * mine.cpu_s / count, peer="sacrebleu",
            theirs=1e3 * peer.cpu_s / count, bar=times(5), equal="every edit count, exactly",
        )  # fmt: skip
    bench.finish("numpy", "rapidfuzz")


if __name__ == "__main__":
    main()
