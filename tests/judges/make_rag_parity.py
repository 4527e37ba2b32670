"""Writes rag_parity.json: random verdicts, and what Ragas' and DeepEval's own code makes of them.

    python tests/judges/make_rag_parity.py

in an environment that has ragas (0.4.3) or deepeval (4.3.1), each in its own; it fills in what it finds, and leaves the rest.
"""

from __future__ import annotations

import importlib
import json
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

PATH = Path(__file__).with_name("rag_parity.json")
CASES = 60


def cases() -> dict[str, list[Any]]:
    """Verdicts, the same each time."""
    rng = random.Random(0)

    def flags(low: int = 1, high: int = 8) -> list[bool]:
        share = rng.random()
        return [rng.random() < share for _ in range(rng.randint(low, high))]

    def grid(rows: int, columns: int) -> list[list[bool]]:
        share = rng.random()
        return [[rng.random() < share for _ in range(columns)] for _ in range(rows)]

    noise = []
    for _ in range(CASES):
        claims, gold, passages = rng.randint(1, 6), rng.randint(1, 5), rng.randint(1, 5)
        noise.append(
            {
                "by_passage": grid(claims, passages),
                "gold_by_passage": grid(gold, passages),
                "by_reference": [rng.random() < 0.5 for _ in range(claims)],
            }
        )
    yes_no = ("yes", "no", "unknown")
    return {
        "supported": [flags() for _ in range(CASES)],
        "useful": [flags() for _ in range(CASES)],
        "noise": noise,
        "factual": [[rng.randint(0, 6), rng.randint(0, 6), rng.randint(0, 6)] for _ in range(CASES)],
        "relevancy": [
            {
                "cosines": [round(rng.uniform(-0.2, 1.0), 6) for _ in range(3)],
                "noncommittal": [rng.random() < 0.6 for _ in range(3)],
            }
            for _ in range(CASES)
        ],
        "verdicts": [[rng.choice(("yes", "no", "idk")) for _ in range(rng.randint(1, 8))] for _ in range(CASES)],
        "coverage": [[[rng.choice(yes_no), rng.choice(yes_no)] for _ in range(5)] for _ in range(CASES)],
    }


def of_ragas(told: dict[str, list[Any]]) -> dict[str, list[float]]:
    """What Ragas' metrics compute, by the name of the cases."""
    import numpy as np

    def of(module: str, cls: str) -> Any:
        made = getattr(importlib.import_module(f"ragas.metrics.{module}"), cls)
        return made.__new__(made)

    faithful, recall = of("_faithfulness", "Faithfulness"), of("_context_recall", "LLMContextRecall")
    precision, noisy = (
        of("_context_precision", "LLMContextPrecisionWithReference"),
        of("_noise_sensitivity", "NoiseSensitivity"),
    )
    correct, relevant = of("_answer_correctness", "AnswerCorrectness"), of("_answer_relevance", "ResponseRelevancy")
    found: dict[str, list[float]] = {
        "faithfulness": [
            float(faithful._compute_score(SimpleNamespace(statements=[SimpleNamespace(verdict=int(one)) for one in flags])))
            for flags in told["supported"]
        ],
        "context_recall": [
            float(recall._compute_score([SimpleNamespace(attributed=int(one)) for one in flags])) for flags in told["supported"]
        ],
        "context_precision": [
            float(precision._calculate_average_precision([SimpleNamespace(verdict=int(one)) for one in flags]))
            for flags in told["useful"]
        ],
        "factuality": [],
        "answer_relevancy": [],
    }
    for mode in ("relevant", "irrelevant"):
        noisy.mode = mode
        found[f"noise_sensitivity.{mode}"] = [
            noisy._compute_score(
                {
                    "retrieved2ground_truth": np.array(case["gold_by_passage"]),
                    "retrieved2answer": np.array(case["by_passage"]),
                    "ground_truth2answer": np.array(case["by_reference"]),
                }
            )
            for case in told["noise"]
        ]
    for beta in (1.0, 0.5, 2.0):
        correct.beta = beta
        found["factuality"] += [
            float(correct._compute_statement_presence(SimpleNamespace(TP=[0] * tp, FP=[0] * fp, FN=[0] * fn)))
            for tp, fp, fn in told["factual"]
        ]
    for case in told["relevancy"]:
        cosines = np.array(case["cosines"])
        relevant.calculate_similarity = lambda question, written, cosines=cosines: cosines
        answers = [SimpleNamespace(question="q", noncommittal=int(one)) for one in case["noncommittal"]]
        found["answer_relevancy"].append(float(relevant._calculate_score(answers, {"user_input": "q"})))
    return found


def of_deepeval(told: dict[str, list[Any]]) -> dict[str, list[float]]:
    """What DeepEval's metrics compute."""
    metrics = importlib.import_module("deepeval.metrics")
    kinds = importlib.import_module("deepeval.metrics.faithfulness.faithfulness").Verdict
    summary = importlib.import_module("deepeval.metrics.summarization.summarization")
    spelled = {"yes": kinds.YES, "no": kinds.NO, "idk": kinds.BORDERLINE}

    def of(cls: str, **fields: Any) -> Any:
        made = getattr(metrics, cls)
        one = made.__new__(made)
        one.strict_mode, one.threshold = False, 0.5
        for name, value in fields.items():
            setattr(one, name, value)
        return one

    def verdicts(listed: list[str]) -> list[Any]:
        return [SimpleNamespace(verdict=spelled[one]) for one in listed]

    relevant = [[kinds.YES if one else kinds.NO for one in flags] for flags in told["supported"]]
    useful = [[kinds.YES if one else kinds.NO for one in flags] for flags in told["useful"]]
    return {
        "faithfulness.not_contradicted": [
            of("FaithfulnessMetric", verdicts=verdicts(one), penalize_ambiguous_claims=False)._calculate_score()
            for one in told["verdicts"]
        ],
        "context_precision": [
            of("ContextualPrecisionMetric", verdicts=[SimpleNamespace(verdict=v) for v in one])._calculate_score()
            for one in useful
        ],
        "context_recall": [
            of("ContextualRecallMetric", verdicts=[SimpleNamespace(verdict=v) for v in one])._calculate_score()
            for one in relevant
        ],
        "alignment": [
            of("SummarizationMetric", alignment_verdicts=[SimpleNamespace(verdict=v) for v in one])._calculate_score(
                summary.ScoreType.ALIGNMENT
            )
            for one in relevant
        ],
        "coverage": [
            of(
                "SummarizationMetric",
                assessment_questions=["q"] * len(one),
                coverage_verdicts=[SimpleNamespace(original_verdict=a, summary_verdict=b) for a, b in one],
            )._calculate_score(summary.ScoreType.COVERAGE)
            for one in told["coverage"]
        ],
    }


def main() -> None:
    """Fill in what this environment can."""
    kept = json.loads(PATH.read_text()) if PATH.exists() else {}
    told = {"cases": cases(), "ragas": kept.get("ragas", {}), "deepeval": kept.get("deepeval", {})}
    for name, make in (("ragas", of_ragas), ("deepeval", of_deepeval)):
        try:
            importlib.import_module(name)
        except ImportError:
            continue
        told[name] = make(told["cases"])
        print(name, {key: len(values) for key, values in told[name].items()})
    PATH.write_text(json.dumps(told, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
