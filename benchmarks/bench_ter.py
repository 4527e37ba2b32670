"""TER's edits against sacrebleu, in one process, asserted equal.

python benchmarks/bench_ter.py [--pairs N]
"""

from __future__ import annotations

import argparse

from _common import machine, record, timed
from mt_texts import pairs
from sacrebleu.metrics import TER

from evalkit.core.batch import Batch
from evalkit.metrics.ter import Ter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=400)
    told = parser.parse_args()
    rows = []
    for words, low, high, n in (("10–30", 10, 30, told.pairs), ("60–120", 60, 120, max(told.pairs // 20, 10))):
        outputs, references = pairs(n, low, high)
        metric, peer = Ter(), TER()
        metric.score(Batch({"output": outputs[:5], "reference": references[:5]}))
        mine, cpu, _ = timed(lambda m=metric, o=outputs, r=references: m.score(Batch({"output": o, "reference": r})).values)
        theirs, peer_cpu, _ = timed(lambda p=peer, o=outputs, r=references: p._extract_corpus_statistics(o, [r]))
        assert mine.tolist() == [list(map(float, row)) for row in theirs]
        rows.append({
            "work": f"ter, {words} words", "pairs": n, "peer": "sacrebleu", "peer_ms": peer_cpu / n * 1e3,
            "ours_ms": cpu / n * 1e3, "ratio": peer_cpu / cpu,
        })  # fmt: skip
        print(
            f"ter {words} words: {cpu / n * 1e3:.3f} ms a pair, sacrebleu {peer_cpu / n * 1e3:.3f}, {peer_cpu / cpu:.1f} times"
        )
    record("ter", rows, machine=machine("sacrebleu", "rapidfuzz"))


if __name__ == "__main__":
    main()
