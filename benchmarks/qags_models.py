"""Scores of models for bench_qags.py: BERTScore, and claims verified by an encoder or by a judge; a file a method.

    python benchmarks/qags_models.py bertscore ENCODER
    python benchmarks/qags_models.py embedding ENCODER
    python benchmarks/qags_models.py judge CHAT_MODEL [--each 60]

ENCODER and CHAT_MODEL are folders or names on a hub. The judge takes the first so many summaries of each set, which are enough to
see whether it is any good, and no more; the others are null. Needs evalkit[transformers], for the judge evalkit[vllm].
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

from bench_qags import SETS, records

OUT = Path(__file__).parent / "results" / "qags"
SHARED = ("cnndm", "xsum")


def measured(metric: str, given: list[dict[str, Any]], backend: dict[str, Any], **options: Any) -> Any:
    """A run of one metric over summaries, their sources as contexts and as references."""
    import evalkit

    rows = [
        {"id": str(at), "input": "", "output": one["system_output"], "contexts": [one["source"]], "reference": one["source"]}
        for at, one in enumerate(given)
    ]
    run = evalkit.evaluate(rows, metrics=[{"use": metric, "backend": "model", **options}], backends={"model": backend})
    return run.to_pandas()


def numbers(column: Any) -> list[float | None]:
    """Scores as JSON has them."""
    return [None if value is None or math.isnan(value) else round(float(value), 6) for value in column]


def bertscore(model: str) -> dict[str, Any]:
    """BERTScore's precision: how well the source has each token of the summary."""
    encoder = {"kind": "transformers", "model": model}
    found = {name: measured("bertscore", records(name), encoder, num_layers=5) for name in SHARED}
    return {
        "method": "BERTScore, precision",
        "how": "all-MiniLM-L6-v2, layer 5, against the source (its first 512 tokens)",
        "scores": {name: numbers(table["bertscore.precision"]) for name, table in found.items()},
    }


def embedding(model: str) -> dict[str, Any]:
    """The mean, over a summary's sentences, of the cosine with the closest sentence of the source."""
    encoder = {"kind": "transformers", "model": model}
    scores = {}
    for name in SHARED:
        table = measured(
            "faithfulness", records(name), encoder, claims="sentences", verifier="embedding", threshold=0.6, matrix="own"
        )
        told = [json.loads(one)["claims"] if isinstance(one, str) else [] for one in table["faithfulness.evidence"]]
        scores[name] = numbers([sum(one["score"] for one in each) / len(each) if each else math.nan for each in told])
    return {
        "method": "faithfulness, verifier: embedding",
        "how": "all-MiniLM-L6-v2, sentences, mean of the highest cosines",
        "scores": scores,
    }


def judge(model: str, each: int) -> dict[str, Any]:
    """The share of a summary's sentences that a small judge finds supported."""
    backend = {"kind": "vllm", "model": model}
    scores: dict[str, list[float | None]] = {}
    for name in SHARED:
        given = records(name)
        table = measured("faithfulness", given[:each], backend, claims="sentences", matrix="own")
        scores[name] = [*numbers(table["faithfulness"]), *[None] * (len(given) - each)]
    return {
        "method": "faithfulness, verifier: judge",
        "how": f"Qwen2.5-Coder 1.5B, sentences, the first {each} summaries of each set",
        "scores": scores,
    }


def main() -> None:
    """Write one method's file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("method", choices=("bertscore", "embedding", "judge"))
    parser.add_argument("model")
    parser.add_argument("--each", type=int, default=60)
    asked = parser.parse_args()
    told = judge(asked.model, asked.each) if asked.method == "judge" else globals()[asked.method](asked.model)
    assert set(told["scores"]) <= set(SETS)
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"{asked.method}.json"
    path.write_text(json.dumps(told) + "\n")
    print(f"wrote {path.name}: {told['method']}")


if __name__ == "__main__":
    main()
