"""Six rank metrics against pytrec_eval and against plain Python loops: the same rankings, equal values, CPU time.

Records hold ranked ids and judged ids, as evalkit's data sets do. pytrec_eval wants nested dictionaries and a score for
each id: it is timed with that conversion and without it, the latter being its best case (data that is already so).
Each figure is the median of seven, in one process; the values of every query are compared first.

    python benchmarks/bench_retrieval.py
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import pytrec_eval
from _common import machine, record, timed

from evalkit.core.batch import Batch
from evalkit.metrics.retrieval import AveragePrecision, HitRate, Ndcg, PrecisionAtK, RecallAtK, ReciprocalRank

CUTS = (1, 5, 10)
METRICS = {
    "P": PrecisionAtK(CUTS),
    "recall": RecallAtK(CUTS),
    "success": HitRate(CUTS),
    "recip_rank": ReciprocalRank(),
    "map": AveragePrecision(),
    "ndcg": Ndcg((5, 10)),
}
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
    batch = Batch({"retrieved_ids": retrieved, "relevant_ids": relevant})
    values = {}
    for name, metric in METRICS.items():
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


def median_cpu(work: Callable[..., Any], *args: Any) -> float:
    """CPU seconds of ``work(*args)``, the median of seven."""
    return statistics.median(timed(lambda: work(*args))[1] for _ in range(7))


def main() -> None:
    rows = []
    for n, depth, judged in SHAPES:
        retrieved, relevant = queries(n, depth, judged)
        qrels, runs = converted(retrieved, relevant)
        found, peer, plain = ours(retrieved, relevant), theirs(qrels, runs), loops(retrieved, relevant)
        for name, column in found.items():
            assert np.allclose(column, [peer[str(i)][name] for i in range(n)], rtol=0, atol=1e-12), name
            assert np.allclose(column, plain[name], rtol=0, atol=1e-12), name
        base = median_cpu(ours, retrieved, relevant)
        work = {
            "evalkit, from records": base,
            "pytrec_eval, from records": median_cpu(lambda a, b: theirs(*converted(a, b)), retrieved, relevant),
            "pytrec_eval, from its own dictionaries": median_cpu(theirs, qrels, runs),
            "plain Python loops, from records": median_cpu(loops, retrieved, relevant),
        }
        for title, cpu in work.items():
            told = {
                "work": f"{title}, {n:,} queries × {depth:,} retrieved",
                "cpu_s": round(cpu, 4),
                "us_a_query": round(1e6 * cpu / n, 1),
            }
            rows.append(told if cpu == base else told | {"ratio": round(cpu / base, 2)})
            print(f"{rows[-1]['work']:<80} {cpu:8.3f} s  {1e6 * cpu / n:8.1f} µs a query  {cpu / base:5.2f}×")
    path = record("retrieval", rows, metrics=len(found), machine=machine("numpy", "pytrec_eval-terrier"))
    print(f"values equal to 1e-12 for every query; {path.name}")


if __name__ == "__main__":
    main()
