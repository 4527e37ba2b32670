"""Given the same verdicts, the formulas give what Ragas 0.4.3 and DeepEval 4.3.1 give (make_rag_parity.py ran them)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalkit.judges.answer_correctness import Factual
from evalkit.judges.answer_relevancy import answer_relevancy
from evalkit.judges.context_precision import average_precision
from evalkit.judges.faithfulness import Faithfulness
from evalkit.judges.noise_sensitivity import from_passages
from evalkit.judges.summarization import coverage
from evalkit.judges.support import Source, Support

KEPT: dict[str, Any] = json.loads(Path(__file__).with_name("rag_parity.json").read_text())
CASES, RAGAS, DEEPEVAL = KEPT["cases"], KEPT["ragas"], KEPT["deepeval"]


def matrix(verdicts: list[list[int]]) -> Support:
    """A matrix with these verdicts, a row a claim."""
    told = np.array(verdicts, dtype=np.int8)
    claims = tuple(f"claim {at}" for at in range(len(told)))
    sources = tuple(Source(f"P{at}", f"passage {at}", "…") for at in range(told.shape[1]))
    return Support(claims, sources, told, ("",) * len(claims))


def test_faithfulness_and_recall_are_ragas() -> None:
    ours = [Faithfulness().share(matrix([[int(one)] for one in flags])) for flags in CASES["supported"]]
    assert ours == pytest.approx(RAGAS["faithfulness"], abs=1e-12)
    assert ours == pytest.approx(RAGAS["context_recall"], abs=1e-12)
    assert ours == pytest.approx(DEEPEVAL["context_recall"], abs=1e-12)
    assert ours == pytest.approx(DEEPEVAL["alignment"], abs=1e-12)


def test_faithfulness_that_counts_what_is_not_contradicted_is_deepevals() -> None:
    sign = {"yes": 1, "idk": 0, "no": -1}
    metric = Faithfulness(count="not_contradicted")
    ours = [metric.share(matrix([[sign[one]] for one in verdicts])) for verdicts in CASES["verdicts"]]
    assert ours == pytest.approx(DEEPEVAL["faithfulness.not_contradicted"], abs=1e-12)


def test_context_precision_is_both() -> None:
    ours = [average_precision(flags) for flags in CASES["useful"]]
    assert ours == pytest.approx(RAGAS["context_precision"], abs=1e-9)  # Ragas adds 1e-10 to the denominator
    assert ours == pytest.approx(DEEPEVAL["context_precision"], abs=1e-12)


def test_factuality_is_ragas_for_every_beta() -> None:
    ours, theirs = [], []
    for at, beta in enumerate((1.0, 0.5, 2.0)):
        for place, case in enumerate(CASES["factual"]):
            if sum(case):  # of nothing at all there is nothing to judge
                ours.append(Factual(*case).f(beta))
                theirs.append(RAGAS["factuality"][at * len(CASES["factual"]) + place])
    assert len(ours) > 150
    assert ours == pytest.approx(theirs, abs=1e-12)


def test_noise_sensitivity_is_ragas() -> None:
    told = []
    for case in CASES["noise"]:
        relevant = np.array(case["gold_by_passage"]).any(axis=0)
        both = from_passages(matrix(case["by_passage"]), ~np.array(case["by_reference"]), relevant)
        told.append([float(one.mean()) for one in both])
    ours = np.array(told)
    np.testing.assert_allclose(ours[:, 0], RAGAS["noise_sensitivity.relevant"], atol=1e-12)
    np.testing.assert_allclose(ours[:, 1], RAGAS["noise_sensitivity.irrelevant"], atol=1e-12)
    assert (ours.sum(axis=0) > 0).all()


def test_answer_relevancy_is_ragas() -> None:
    ours = [answer_relevancy(one["cosines"], noncommittal=all(one["noncommittal"])) for one in CASES["relevancy"]]
    assert ours == pytest.approx(RAGAS["answer_relevancy"], abs=1e-12)


def test_coverage_is_deepevals_but_where_nothing_is_to_be_covered() -> None:
    for pairs, theirs in zip(CASES["coverage"], DEEPEVAL["coverage"]):
        ours = coverage([one for one, _ in pairs], [two for _, two in pairs])
        if any(one == "yes" for one, _ in pairs):
            assert ours == pytest.approx(theirs, abs=1e-12)
        else:
            assert np.isnan(ours)
            assert theirs == 0
