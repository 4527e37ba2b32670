"""Whose judge agrees better with people: evalkit's geval and DeepEval's GEval, on one server, with one small model.

Sixty summaries (12 documents, 5 systems each, by a seed) of the SummEval data, judged for consistency by both. Spearman's
correlation with the experts' mean score, its bootstrap interval (documents are resampled, with all their summaries), and that
of the difference; tokens as the server counted them, and seconds. evalkit runs as a user runs it, cache empty; DeepEval with
its own OpenAI model class, which weights by log-probabilities, its own steps, asynchronous, 8 at once like evalkit.

Needs a server that is not part of the benchmark, and the SummEval file:

    python -m vllm.entrypoints.openai.api_server --model FOLDER --served-model-name judge --port 8000 …
    python benchmarks/model_geval.py --url http://127.0.0.1:8000/v1 --model judge --summeval FILE --peer PYTHON

``--peer`` is the Python of an environment with DeepEval in it; without it, only evalkit is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

DOCUMENTS, SYSTEMS, SEED, RESAMPLES = 12, 5, 7, 10_000
MOST_WORDS = 420  # of a document: two shared cores read some fifty tokens a second
PEER = Path(__file__).with_name("peer_deepeval.py")


def summaries(path: Path) -> list[dict[str, Any]]:
    """The sixty, each with its document, the experts' mean and an id."""
    rng = random.Random(SEED)
    documents = [json.loads(line) for line in path.open(encoding="utf-8")]
    short = [told for told in documents if len(told["src"].split()) <= MOST_WORDS]
    chosen = []
    for told in rng.sample(short, DOCUMENTS):
        for name in rng.sample(sorted(told["systems"]), SYSTEMS):
            system = told["systems"][name]
            chosen.append(
                {
                    "id": f"{told['doc_id']}/{name}", "cluster": told["doc_id"], "input": told["src"],
                    "output": system["summary"], "people": float(system["consistency"]),
                }
            )  # fmt: skip
    # System by system: a document's first summary has been read, and is in the prefix cache, when its second comes.
    return [record for start in range(SYSTEMS) for record in chosen[start::SYSTEMS]]


def counted(url: str) -> dict[str, float]:
    """Tokens that the server read and wrote so far, and those of the first that its prefix cache had."""
    names = {
        "prompt": "vllm:prompt_tokens_total", "completion": "vllm:generation_tokens_total", "reused": "vllm:prefix_cache_hits_total",
    }  # fmt: skip
    with urllib.request.urlopen(url.removesuffix("/v1") + "/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return {
        key: sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name}{{", f"{name} ")))
        for key, name in names.items()
    }


def ours(records: list[dict[str, Any]], url: str, model: str, reason: str) -> list[float]:
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        with (folder / "d.jsonl").open("w", encoding="utf-8") as out:
            out.writelines(json.dumps(record) + "\n" for record in records)
        backend = f"{{kind: openai, base_url: '{url}', model: {model}, server: vllm, max_concurrency: 8, timeout_s: 1800}}"
        metric = f"{{use: geval, as: g, rubric: rubrics/consistency.yaml, reason: {reason}, backend: judge}}"
        (folder / "s.yaml").write_text(f"dataset: {{path: d.jsonl}}\nbackends: {{judge: {backend}}}\nmetrics: [{metric}]\n")
        subprocess.run([sys.executable, "-m", "evalkit", "run", "s.yaml", "--out", "run"], cwd=folder, check=True)
        import pyarrow.parquet as pq

        return [
            float("nan") if value is None else float(value)
            for value in pq.read_table(folder / "run/scores.parquet")["g"].to_pylist()
        ]


def theirs(records: list[dict[str, Any]], url: str, model: str, peer: str) -> list[float]:
    quiet = {"DEEPEVAL_TELEMETRY_OPT_OUT": "YES", "DEEPEVAL_PER_TASK_TIMEOUT_SECONDS_OVERRIDE": "3600"}
    done = subprocess.run(
        [peer, str(PEER), url, model],
        input=json.dumps(records),
        text=True,
        capture_output=True,
        env={**os.environ, **quiet},
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"DeepEval failed:\n{done.stderr[-3000:]}")
    return [float("nan") if value is None else value for value in json.loads(done.stdout.splitlines()[-1])]


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    from scipy.stats import rankdata

    a, b = rankdata(one), rankdata(other)
    if a.std() == 0 or b.std() == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000/v1")
    parser.add_argument("--model", default="judge")
    parser.add_argument("--summeval", type=Path, required=True)
    parser.add_argument("--peer")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "geval.json")
    given = parser.parse_args()
    records = summaries(given.summeval)
    people = np.array([record["people"] for record in records])
    arms = {
        "evalkit geval, reason: none": lambda: ours(records, given.url, given.model, "none"),
        "evalkit geval, reason: after": lambda: ours(records, given.url, given.model, "after"),
    }
    if given.peer:
        arms["DeepEval GEval"] = lambda: theirs(records, given.url, given.model, given.peer)
    told: dict[str, Any] = {"model": given.model, "summaries": len(records), "judges": {}}
    scores: dict[str, np.ndarray] = {}
    for name, judge in arms.items():
        before, clock = counted(given.url), time.perf_counter()
        scores[name] = np.array(judge())
        after = counted(given.url)
        told["judges"][name] = {
            "seconds": round(time.perf_counter() - clock, 1),
            **{key: int(after[key] - before[key]) for key in before},
            "unscored": int(np.isnan(scores[name]).sum()),
            "scores": scores[name].tolist(),
        }
    fine = ~np.any([np.isnan(values) for values in scores.values()], axis=0)
    clusters = np.array([record["cluster"] for record in records])
    names = np.unique(clusters)
    rng = np.random.default_rng(0)
    drawn = [
        np.concatenate([np.flatnonzero((clusters == name) & fine) for name in rng.choice(names, len(names))])
        for _ in range(RESAMPLES)
    ]
    resampled = {name: np.array([spearman(values[at], people[at]) for at in drawn]) for name, values in scores.items()}
    first = next(iter(scores))
    for name, values in scores.items():
        one = told["judges"][name]
        one["spearman"] = spearman(values[fine], people[fine])
        one["ci"] = np.nanquantile(resampled[name], [0.025, 0.975]).tolist()
        apart = resampled[first] - resampled[name]
        one["difference"] = {"of": f"{first} less this", "ci": np.nanquantile(apart, [0.025, 0.975]).tolist()}
        print(
            f"{name}: Spearman {one['spearman']:.3f} ({one['ci'][0]:.3f} to {one['ci'][1]:.3f}), {one['unscored']} unscored, "
            f"{one['prompt']:,} + {one['completion']:,} tokens ({one['reused']:,} reused), {one['seconds']} s; {first} less this: "
            f"{one['difference']['ci'][0]:+.3f} to {one['difference']['ci'][1]:+.3f}"
        )
    told["people"] = people.tolist()
    given.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
