"""One realistic run: many metrics, slices, gates of every outcome, long and nasty texts, missing values."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from evalkit.core.run import GateResult, Run, Slice, Usage, Value
from evalkit.reports.records import RecordView
from evalkit.reports.summary import Summary, summarise

N = 300
NAN = float("nan")
NASTY = (
    "</script><script>document.title='owned'</script> & <img src=x onerror=alert(1)> \"quoted\" 'single' "
    "\x00\x07\x1b[31mred\x1b[0m \u202eevil\u202c \ud800 {{ 7*7 }} {% raw %} | `code` *bold* _it_ [link](http://x.example) "
    "@octocat #12 ]]> &amp; \u2028 end"
)
LONG = "The tide tables were recomputed after the storm; nobody had noticed that the gauge had been moved. " * 60
QUESTIONS = (
    "When was the lighthouse at Barra Head first lit?",
    "Which gauge replaced the float gauge in the harbour, and why?",
    "How many keepers lived on the rock during the winter of 1921?",
    "潮位表は嵐の後で再計算されましたか？",
    "What does the log say about the fog signal?",
)

# name, mean, half-width of the interval, higher is better, kind of record scores
PARTS: tuple[tuple[str, float, float | None, bool | None, str], ...] = (
    ("exact_match", 0.183, 0.044, True, "binary"),
    ("contains", 0.61, 0.055, True, "binary"),
    ("token_f1", 0.472, 0.031, True, "unit"),
    ("rouge.rouge1", 0.441, 0.022, True, "unit"),
    ("rouge.rouge2", 0.213, 0.021, True, "unit"),
    ("rouge.rougeL", 0.412, 0.0235, True, "unit"),
    ("rouge.rougeLsum", 0.413, 0.0235, True, "unit"),
    ("bleu.score", 23.41, 1.9, True, "percent"),
    ("bleu.bp", 0.981, 0.01, None, "unit"),
    ("chrf", 48.2, 1.4, True, "percent"),
    ("ter", 71.3, 3.2, False, "percent"),
    ("meteor", 0.388, 0.02, True, "unit"),
    ("levenshtein.distance", 143.7, 11.2, False, "tail"),
    ("levenshtein.similarity", 0.377, 0.02, True, "unit"),
    ("json_valid", 1.0, 0.0, True, "ones"),
    ("latency.mean", 812.4, 41.0, False, "tail"),
    ("latency.p50", 640.0, 22.0, False, "tail"),
    ("latency.p95", 2210.0, 180.0, False, "tail"),
    ("latency.p99", 3904.0, 610.0, False, "tail"),
    ("cost.mean", 0.000341, 0.000012, False, "tiny"),
    ("cost.p95", 0.00081, 0.00004, False, "tiny"),
    ("tokens.mean", 211.8, 7.7, None, "tail"),
    ("tokens.p95", 422.0, 30.0, None, "tail"),
    ("precision_at_k.at_5", 0.31, 0.02, True, "fifths"),
    ("recall_at_k.at_5", 0.72, 0.03, True, "unit"),
    ("hit_rate.at_5", 0.91, 0.03, True, "binary"),
    ("mrr", 0.68, 0.04, True, "unit"),
    ("map", 0.55, 0.03, True, "unit"),
    ("ndcg.at_10", 0.61, 0.03, True, "unit"),
    ("consistency", 3.91, 0.125, True, "likert"),
    ("consistency.normalized", 0.728, 0.031, True, "unit"),
    ("evaluate:exact", 0.183, None, True, "binary"),
    ("faithfulness", NAN, None, True, "none"),
    ("a_metric_with_a_really_long_name_that_someone_gave.to_a_part", -0.2, 0.11, None, "centred"),
)
MAIN = {
    "exact_match": "exact_match",
    "contains": "contains",
    "token_f1": "token_f1",
    "rouge": "rouge.rougeL",
    "bleu": "bleu.score",
    "chrf": "chrf",
    "ter": "ter",
    "meteor": "meteor",
    "levenshtein": "levenshtein.distance",
    "json_valid": "json_valid",
    "latency": "latency.mean",
    "cost": "cost.mean",
    "tokens": "tokens.mean",
    "precision_at_k": "precision_at_k.at_5",
    "recall_at_k": "recall_at_k.at_5",
    "hit_rate": "hit_rate.at_5",
    "mrr": "mrr",
    "map": "map",
    "ndcg": "ndcg.at_10",
    "consistency": "consistency",
    "evaluate:exact": "evaluate:exact",
    "faithfulness": "faithfulness",
    "a_metric_with_a_really_long_name_that_someone_gave": "a_metric_with_a_really_long_name_that_someone_gave.to_a_part",
}


CORPUS = ("bleu", "chrf", "ter", "latency.p", "cost.p", "tokens.p")  # not the mean of the records' own scores


def scores_of(kind: str, mean: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Record scores of a plausible shape around a mean."""
    if kind == "binary":
        return (rng.random(n) < mean).astype(float)
    if kind == "unit":
        return rng.beta(max(mean, 0.01) * 4, max(1 - mean, 0.01) * 4, n)
    if kind == "percent":
        return np.minimum(rng.gamma(3, mean / 3, n), 100 if mean < 50 else 400)
    if kind in ("tail", "tiny"):
        return rng.lognormal(math.log(mean), 0.6, n)
    if kind == "fifths":
        return rng.binomial(5, mean, n) / 5
    if kind == "likert":
        return np.clip(np.round(rng.normal(mean, 1, n)), 1, 5)
    if kind == "ones":
        return np.ones(n)
    if kind == "none":
        return np.full(n, np.nan)
    return rng.normal(mean, 1, n)


def make_run(
    n: int = N,
    *,
    shift: float = 0.0,
    run_id: str = "20261122T063512Z-quickstart-3f9a1c",
    scores: dict[str, Any] | None = None,
) -> Run:
    """A run; with record scores, the metrics that are plain means are the means of these."""

    def value(name: str, mean: float, half: float | None, better: bool | None, scale: float = 1.0) -> Value:
        moved = mean * (1 + shift)
        known = (scores or {}).get(name)
        if known is not None and scale == 1.0 and np.isfinite(known).any() and not name.startswith(CORPUS):
            moved = float(np.nanmean(known))
            half = None if half is None else float(1.96 * np.nanstd(known) / math.sqrt(n))
        ci = None if half is None else (moved - half * scale, moved + half * scale)
        errors = 3 if name.startswith("consistency") else n if name == "faithfulness" else 0
        return Value(
            mean=moved,
            ci=ci,
            confidence=0.95,
            stderr=NAN if half is None else half * scale / 1.96,
            n=n - errors,
            errors=errors,
            skipped=17 if name == "hit_rate.at_5" else 0,
            mode="raw 1–5, logprob, judge: qwen2.5-coder-1.5b (replayed)" if name == "consistency" else None,
            signature=f"{name.partition('.')[0]}|stem:yes|v:1",
            fingerprint=("b" if shift and name == "chrf" else "a") * 64,
            higher_is_better=better,
        )

    def sliced(by: dict[str, Any], count: int, bend: float) -> Slice:
        return Slice(
            by,
            count,
            {
                name: dataclasses.replace(value(name, mean * (1 + bend), half, better, 1.6), n=count, errors=0)
                for name, mean, half, better, _ in PARTS
            },
        )

    gates = [
        GateResult(
            "rouge.rougeL",
            "min",
            0.25,
            0.412,
            (0.389, 0.436),
            "pass",
            "the interval starts at 0.389",
            "rouge.rougeL ≥ 0.25",
        ),
        GateResult(
            "exact_match",
            "every",
            1.0,
            0.83,
            None,
            "fail",
            "2 of 12 records: q-017, q-203",
            "exact_match = 1 on tag=must-pass",
            ("q-017", "q-203"),
            {"tag": "must-pass"},
        ),
        GateResult(
            "consistency",
            "no_worse_than",
            3.92,
            3.91,
            (-0.05, 0.03),
            "inconclusive",
            "difference −0.01, −0.05 to +0.03; about 420 more records would tell",
            "consistency no worse than main − 0.02",
        ),
        GateResult("faithfulness", "min", 0.8, NAN, None, "skipped", "no record could be scored", "faithfulness ≥ 0.8"),
        GateResult(
            "latency.p95",
            "max",
            2300,
            2210,
            (2030, 2390),
            "inconclusive",
            "the interval reaches 2,390",
            "latency.p95 ≤ 2,300",
            lets_by=True,
        ),
        GateResult("errors", "max", 0.01, 0.01, None, "pass", "3 of 300 records", ""),
    ]
    slices = [
        sliced({"model": "smollm2-1.7b"}, n // 2, 0.06),
        sliced({"model": "qwen2.5-0.5b"}, n - n // 2, -0.06),
        *[
            sliced({"prompt_version": name}, n // 5, bend)
            for name, bend in (
                ("v1", -0.1),
                ("v2", 0.02),
                ("v3 <b>&", 0.05),
                (None, -0.02),
                ("a rather long prompt version name", 0.08),
            )
        ],
    ]
    return Run(
        run_id=run_id,
        status="failed",
        suite={"name": "quickstart", "sha256": "5e" * 32, "path": "suites/quickstart.yaml"},
        dataset={"path": "suites/quickstart/questions.jsonl", "sha256": "d4" * 32, "n": n},
        metrics={name: value(name, mean, half, better) for name, mean, half, better, _ in PARTS},
        slices=slices,
        gates=gates,
        git={"commit": "c34bbee0d1f5a7e2b9c8", "dirty": True},
        prompts={"answer.md": "Answer from the passages only.\n\n{{ input }}\n</pre><script>1</script>"},
        usage=Usage(600, 588, 120_400, 9_112, 0.0213),
        main=dict(MAIN),
        started_at="2026-11-22T06:35:12Z",
        seconds=4.2,
        exit_code=1,
    )


def make_records(n: int = N, *, seed: int = 5, baseline: bool = True) -> RecordView:
    rng = np.random.default_rng(seed)
    scores = {name: scores_of(kind, mean, n, rng) for name, mean, _, _, kind in PARTS}
    scores["consistency"][[3, 40, 200]] = np.nan
    ids = [f"q-{index:03d}" for index in range(n)]
    ids[7] = "q-<b>|`@octocat`\u202e"

    def fetch(indices: Any) -> list[dict[str, Any]]:
        return [
            {
                "id": ids[index],
                "input": QUESTIONS[index % 5] if index % 7 else [{"role": "user", "content": QUESTIONS[index % 5]}],
                "output": NASTY
                if index % 11 == 0
                else LONG
                if index % 5 == 2
                else f"It was first lit in 18{index % 100:02d}, the log says.",
                "reference": ["It was lit in 1833.", "1833"] if index % 2 else "It was lit in 1833.",
                "contexts": [f"Passage {k}: {LONG[: 200 + 90 * k]}" for k in range(index % 4 * 3)],
                "tag": "must-pass",
            }
            for index in indices
        ]

    earlier = None
    if baseline:
        kinds = {name: kind for name, *_, kind in PARTS}
        earlier = {}
        for name, array in scores.items():
            if kinds[name] in ("binary", "ones"):
                earlier[name] = np.where(rng.random(n) < 0.04, 1 - array, array)
            elif kinds[name] == "unit":
                moved = {"meteor": 0.03, "token_f1": -0.02}.get(name, 0.0)
                earlier[name] = np.clip(array + rng.normal(moved, 0.1, n), 0, 1)
            elif kinds[name] != "none":
                earlier[name] = array * rng.lognormal(0.0, 0.2, n)
        earlier["exact_match"][5:17] = 1.0
        earlier["contains"][20:24] = 0.0
    return RecordView(
        ids=ids,
        scores=scores,
        fetch=fetch,
        baseline_scores=earlier,
        baseline_fetch=lambda indices: (
            [{"output": f"The baseline said: 1833 ({index})."} for index in indices] if baseline else None
        ),
        errors={
            "consistency": {
                3: "the reply is not JSON: 'I would rate this…'",
                40: "the reply is not JSON: 'I would rate this…'",
                200: NASTY,
            },
            "faithfulness": dict.fromkeys(range(n), "no contexts"),
        },
        reasons={"consistency": dict.fromkeys(range(n), "The summary states a year that the source does not.")},
    )


def make_summary(n: int = N) -> Summary:
    """A run with records, compared with a baseline."""
    records = make_records(n)
    now = make_run(n, scores=dict(records.scores))
    then = make_run(n, shift=0.03, run_id="20261120T101010Z-quickstart-aa11bb", scores=dict(records.baseline_scores or {}))
    differences = {}
    for name, earlier in (records.baseline_scores or {}).items():
        change = records.scores[name] - earlier
        change = change[np.isfinite(change)]
        if len(change) > 1:
            mean, reach = float(change.mean()), 1.96 * float(change.std(ddof=1)) / math.sqrt(len(change))
            differences[name] = (mean, mean - reach, mean + reach)
    return summarise(now, baseline=then, records=records, differences=differences)


@pytest.fixture(scope="session")
def run() -> Run:
    return make_run()


@pytest.fixture(scope="session")
def view() -> RecordView:
    return make_records()


@pytest.fixture(scope="session")
def summary() -> Summary:
    return make_summary()


@pytest.fixture(scope="session")
def bare(run: Run) -> Summary:
    """What a run says without its records and without a baseline."""
    return summarise(run)


@pytest.fixture(scope="session")
def big_summary() -> Summary:
    return make_summary(100_000)
