"""Six rank metrics at several cuts (14 values), against pytrec_eval and against plain Python loops.

Records hold ranked ids and judged ids, as evalkit's data sets do. pytrec_eval wants nested dictionaries and a score for
each id: it is timed with that conversion and without it, the latter being its best case (data that is already so).
Every figure is a median of seven in one process.

    python benchmarks/bench_retrieval.py [--quick] [--out FOLDER]
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
from _common import Benchmark, in_child, timed, times

CUTS = (1, 5, 10)
MEASURES = {"P.1,5,10", "recall.1,5,10", "success.1,5,10", "recip_rank", "map", "ndcg", "ndcg_cut.5,10"}
SHAPES = [(20_000, 10, 3), (5_000, 100, 20), (1_000, 1_000, 100)]  # queries, retrieved, judged


def queries(n: int, depth: int, judged: int) -> tuple[list[list[str]], list[dict[str, int]]]:
    """Rankings that get better towards the top, and graded judgements, seeded."""
    rng = random.Random(depth)
    names = [f"passage-{i:06d}" for i in range(20 * depth)]
    retrieved, relevant = [], []
    for _ in range(n):
        pool = rng.sample(names, 2 * depth)
        relevant.append({name: rng.randrange(4) for name in rng.sample(pool, judged)})
        ranked = sorted(pool, key=lambda name, grades=relevant[-1]: rng.random() + grades.get(name, 0) / 4, reverse=True)
        retrieved.append(ranked[:depth])
    return retrieved, relevant


def ours(retrieved: list[list[str]], relevant: list[dict[str, int]]) -> dict[str, Any]:
    """Values by trec_eval's names, each of shape (queries,)."""
    from evalkit.core.batch import Batch
    from evalkit.metrics.retrieval import AveragePrecision, HitRate, Ndcg, PrecisionAtK, RecallAtK, ReciprocalRank

    metrics = {
        "P": PrecisionAtK(CUTS), "recall": RecallAtK(CUTS), "success": HitRate(CUTS), "recip_rank": ReciprocalRank(),
        "map": AveragePrecision(), "ndcg": Ndcg((5, 10)),
    }  # fmt: skip
    batch = Batch({"retrieved_ids": retrieved, "relevant_ids": relevant})
    values = {}
    for name, metric in metrics.items():
        table = metric.record_values(metric.score(batch))
        for column, part in enumerate(metric.parts):
            cut = "ndcg_cut" if name == "ndcg" and part else name
            values[part.replace("at", cut) if part else name] = table[:, column]
    return values


def converted(retrieved: list[list[str]], relevant: list[dict[str, int]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same data as pytrec_eval wants it."""
    runs = {str(i): dict(zip(ids, range(len(ids), 0, -1))) for i, ids in enumerate(retrieved)}
    runs = {topic: {name: float(score) for name, score in run.items()} for topic, run in runs.items()}
    return {str(i): grades for i, grades in enumerate(relevant)}, runs


def theirs(qrels: dict[str, Any], runs: dict[str, Any]) -> dict[str, dict[str, float]]:
    import pytrec_eval

    return pytrec_eval.RelevanceEvaluator(qrels, MEASURES).evaluate(runs)


def loops(retrieved: list[list[str]], relevant: list[dict[str, int]]) -> dict[str, list[float]]:
    """What one writes without a library: every metric in Python, query by query."""
    values: dict[str, list[float]] = {}

    def dcg(grades: list[int]) -> float:
        return sum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades, 1))

    def add(name: str, value: float) -> None:
        values.setdefault(name, []).append(value)

    for ids, grades in zip(retrieved, relevant):
        found = [grades.get(name, 0) for name in ids]
        hits = [grade > 0 for grade in found]
        total = sum(grade > 0 for grade in grades.values())
        ideal = sorted(grades.values(), reverse=True)
        for k in CUTS:
            count = sum(hits[:k])
            add(f"P_{k}", count / k)
            add(f"recall_{k}", count / total if total else 0.0)
            add(f"success_{k}", float(count > 0))
        add("recip_rank", 1 / (hits.index(True) + 1) if True in hits else 0.0)
        seen, precision = 0, 0.0
        for rank, hit in enumerate(hits, 1):
            if hit:
                seen += 1
                precision += seen / rank
        add("map", precision / total if total else 0.0)
        add("ndcg", dcg(found) / dcg(ideal) if total else 0.0)
        for k in (5, 10):
            add(f"ndcg_cut_{k}", dcg(found[:k]) / dcg(ideal[:k]) if total else 0.0)
    return values


def measured(n: int, depth: int, judged: int, repeats: int) -> Callable[[], dict[str, float]]:
    """CPU seconds by side; the values of every query are compared first."""
    retrieved, relevant = queries(n, depth, judged)
    qrels, runs = converted(retrieved, relevant)
    found, peer, plain = ours(retrieved, relevant), theirs(qrels, runs), loops(retrieved, relevant)
    for name, column in found.items():
        assert np.allclose(column, [peer[str(i)][name] for i in range(n)], rtol=0, atol=1e-12), name
        assert np.allclose(column, plain[name], rtol=0, atol=1e-12), name
    sides: dict[str, Callable[[], Any]] = {
        "evalkit": lambda: ours(retrieved, relevant),
        "from records": lambda: theirs(*converted(retrieved, relevant)),
        "from its own dictionaries": lambda: theirs(qrels, runs),
        "loops": lambda: loops(retrieved, relevant),
    }

    def work() -> dict[str, float]:
        rounds = [{side: timed(call).cpu_s for side, call in sides.items()} for _ in range(repeats)]
        return {side: statistics.median(each[side] for each in rounds) for side in sides}

    return work


def main() -> None:
    bench = Benchmark(__file__, __doc__)
    for full, depth, judged in SHAPES:
        n = bench.size(full, full // 100)
        cpu = in_child(measured, n, depth, judged, bench.size(7, 1)).result
        told = {"inputs": f"{n:,} queries, {judged} judged", "unit": "ms a query", "equal": "every value to 1e-12"}
        for peer, side in (
            ("pytrec_eval-terrier, from records", "from records"),
            ("pytrec_eval-terrier, its own dictionaries given", "from its own dictionaries"),
            ("plain Python loops", "loops"),
        ):
            bench.row(
                f"14 rank metrics, {depth:,} retrieved", evalkit=1e3 * cpu["evalkit"] / n, peer=peer,
                theirs=1e3 * cpu[side] / n, bar=times(1), **told,
            )  # fmt: skip
    bench.finish("numpy")


if __name__ == "__main__":
    main()
