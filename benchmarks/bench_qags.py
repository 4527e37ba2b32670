"""Scores that say whether a summary keeps to its source, held against people: QAGS (CNN/DM and XSum) and SummEval.

A summary is consistent where every one of its sentences was judged so (Wang et al. 2020, three people a sentence). AUROC: how
often a consistent summary scores above one that is not, ties half, with a bootstrap interval. Balanced accuracy: the threshold is
chosen on nine tenths of the records and judged on the last, 20 times over with other tenths, with an interval over records. The
correlations are with the share of a summary's sentences that people found consistent. QAGS's texts are tokenised and without
capital letters, so that no names can be told in them, only numbers and dates; SummEval's sources have capitals (Fabbri et al.
2021: 16 systems over 100 articles, consistent is the highest mark of all three experts; intervals over articles). A summary
without entities has nothing unsupported, and counts as 1. Errors of `unsupported_entities` were looked at on documents of even
number only, while its rules were written; "unseen half" are the odd ones. Scores of models come from files of `benchmarks/results/qags/`, one a method
({"method", "how", "scores": {"cnndm": [...], "xsum": [...]}}, in the order of the data, higher is more consistent, null is not
scored); those without a model are computed here.

    python benchmarks/bench_qags.py [--quick] [--out FOLDER]
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _common import RESULTS, Benchmark

DATA = Path(os.environ.get("EVALKIT_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
SETS = {"cnndm": "CNN/DM", "xsum": "XSum", "summeval": "SummEval"}
FOLDS, ROUNDS = 10, 20
PUBLISHED = (0.459, 0.418, 0.333)  # Pearson, Spearman, Kendall of ROUGE-2 with the source on CNN/DM, UniEval's table
Records = list[dict[str, Any]]
Scores = dict[str, list[float | None]]


def records(name: str) -> Records:
    """Summaries with their source, the number of its document, and people's mark from 0 to 1."""
    if name != "summeval":
        with (DATA / "qags" / f"qags_{name}.jsonl").open(encoding="utf-8") as lines:
            return [{**one, "human": one["scores"]["consistency"]} for one in map(json.loads, lines)]
    with (DATA / "summeval_16systems" / "summeval.jsonl").open(encoding="utf-8") as lines:
        return [
            {
                "doc_id": number,
                "source": one["src"],
                "system_output": told["summary"],
                "human": (told["consistency"] - 1.0) / 4.0,
            }
            for number, one in enumerate(map(json.loads, lines))
            for told in one["systems"].values()
        ]


# --- the scores that need no model: higher is more consistent ---


def rouge(part: str) -> Callable[[Records], np.ndarray]:
    def score(given: Records) -> np.ndarray:
        import evalkit

        outputs, sources = [one["system_output"] for one in given], [one["source"] for one in given]
        kind = part.partition("_")[0]
        return evalkit.score("rouge", outputs, sources, types=[kind], detail=True)[f"rouge.{part}"]

    return score


def beside_source(metric: str, sign: float = 1.0) -> Callable[[Records], np.ndarray]:
    def score(given: Records) -> np.ndarray:
        import evalkit

        found = evalkit.score(
            metric.partition(".")[0], [one["system_output"] for one in given], input=[one["source"] for one in given]
        )
        return sign * found[metric]

    return score


def entities(given: Records) -> np.ndarray:
    import evalkit

    told = evalkit.score(
        "unsupported_entities", [one["system_output"] for one in given], input=[one["source"] for one in given]
    )
    return 1.0 - np.nan_to_num(told["unsupported_entities"], nan=0.0)


METHODS: dict[str, Callable[[Records], np.ndarray]] = {
    "unsupported_entities": entities,
    "coverage": beside_source("coverage"),
    "density": beside_source("density"),
    "novelty (n2, its negative)": beside_source("novelty.n2", -1.0),
    "ROUGE-2 with the source": rouge("rouge2"),
    "ROUGE-2 precision with the source": rouge("rouge2_precision"),
    "ROUGE-L with the source": rouge("rougeL"),
}


# --- how good a score is ---


def separation(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """AUROC of rows (score, consistent) that are drawn ``weights`` times each, shape (b, 1); NaN without both kinds."""
    _, at = np.unique(values[:, 0], return_inverse=True)
    cells = np.zeros((len(at), at.max() + 1))
    cells[np.arange(len(at)), at] = 1.0
    good, bad = (weights * values[:, 1]) @ cells, (weights * (1.0 - values[:, 1])) @ cells
    below = np.cumsum(bad, axis=1) - bad / 2.0
    pairs = good.sum(axis=1) * bad.sum(axis=1)
    return np.divide((good * below).sum(axis=1), pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)[:, None]


def best_threshold(scores: np.ndarray, consistent: np.ndarray) -> float:
    """Midway between two neighbouring scores: from there up is called consistent, with the highest balanced accuracy."""
    distinct, at = np.unique(scores, return_inverse=True)
    good, bad = np.bincount(at[consistent], minlength=len(distinct)), np.bincount(at[~consistent], minlength=len(distinct))
    rejected = np.cumsum(bad) / max(bad.sum(), 1)  # with the threshold behind each score
    kept = 1.0 - np.cumsum(good) / max(good.sum(), 1)
    accuracy = np.concatenate([[0.5], (rejected + kept) / 2.0])
    cuts = np.concatenate([[-np.inf], (distinct[:-1] + distinct[1:]) / 2.0, [np.inf]])
    return float(cuts[int(accuracy.argmax())])


def held_out(scores: np.ndarray, consistent: np.ndarray) -> np.ndarray:
    """How often each record is called rightly by a threshold that was chosen without it, shape (n,)."""
    right = np.zeros(len(scores))
    for turn in range(ROUNDS):
        rng = np.random.default_rng(turn)
        fold = np.empty(len(scores), dtype=int)
        for side in (True, False):  # each tenth has its share of both kinds
            members = rng.permutation(np.flatnonzero(consistent == side))
            fold[members] = np.arange(len(members)) % FOLDS
        for one in range(FOLDS):
            test = fold == one
            cut = best_threshold(scores[~test], consistent[~test])
            right[test] += (scores[test] >= cut) == consistent[test]
    return right / ROUNDS


def figures(scores: np.ndarray, human: np.ndarray, documents: np.ndarray) -> dict[str, Any]:
    """AUROC, balanced accuracy and correlations, each with its interval."""
    from evalkit.stats.bootstrap import Statistic, intervals
    from evalkit.stats.correlation import correlations

    consistent = human == 1.0
    right = held_out(scores, consistent)
    sides = np.stack([right * consistent, consistent, right * ~consistent, ~consistent], axis=1).astype(float)

    def balanced(totals: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return ((totals[..., 0] / totals[..., 1] + totals[..., 2] / totals[..., 3]) / 2.0)[..., None]

    def no_sum(_: np.ndarray) -> np.ndarray:
        raise AssertionError("AUROC is no sum")

    statistics = [
        Statistic(np.stack([scores, consistent], axis=1).astype(float), no_sum, separation),
        Statistic(sides, balanced),
    ]
    found = intervals(statistics, seed=0, resamples=2_000, clusters=documents)
    told: dict[str, Any] = {"n": len(scores)}
    for name, one in zip(("auroc", "balanced_accuracy"), found):
        told[name] = [float(one.value[0]), float(one.low[0]), float(one.high[0])]
    for name, estimate in correlations(scores, human, resamples=2_000, clusters=documents).items():
        told[name] = [estimate.value, estimate.low, estimate.high]
    return {name: [round(float(x), 4) for x in value] if isinstance(value, list) else value for name, value in told.items()}


# --- the benchmark ---


def columns(folder: Path) -> list[tuple[str, Scores]]:
    """Every method of which a file holds the scores."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    return [(one["method"], one["scores"]) for one in found]


def main() -> None:
    bench = Benchmark(__file__, __doc__)
    if not (DATA / "qags").is_dir():
        print(f"no data at {DATA}; set EVALKIT_SHARED_DATA. The figures stay as they were measured.", file=sys.stderr)
        return
    given = {name: records(name)[: bench.size(2_000, 40)] for name in SETS}
    told: list[tuple[str, Scores]] = columns(RESULTS / "qags")
    told += [(method, {name: score(each).tolist() for name, each in given.items()}) for method, score in METHODS.items()]
    for name, label in SETS.items():
        human = np.array([one["human"] for one in given[name]])
        documents = np.array([one["doc_id"] for one in given[name]])
        for method, scores in told:
            if name not in scores:
                continue
            column = np.array([np.nan if x is None else x for x in scores[name][: len(human)]], dtype=float)
            parts = [(method, np.isfinite(column))]
            if method == "unsupported_entities":
                parts.append((f"{method}, unseen half", np.isfinite(column) & (documents % 2 == 1)))
            for shown, which in parts:
                values = figures(column[which], human[which], documents[which])
                if method == "unsupported_entities":
                    doubted = which & (column < 1.0)
                    values |= {"doubted": int(doubted.sum()), "rightly": int((doubted & (human < 1.0)).sum())}
                bench.row(
                    f"{shown}, {label}", inputs=f"{len(human):,} summaries of {label}", unit="AUROC", evalkit=values["auroc"][0],
                    set=name, method=shown, **values,
                )  # fmt: skip
                if method == "ROUGE-2 with the source" and name == "cnndm" and not bench.quick:
                    found = tuple(round(values[kind][0], 3) for kind in ("pearson", "spearman", "kendall_b"))
                    assert found == PUBLISHED, found
    bench.finish("numpy")


if __name__ == "__main__":
    main()
