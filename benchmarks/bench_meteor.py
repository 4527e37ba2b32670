"""METEOR against NLTK, warm and from a fresh process.

Both sides get texts, so tokenising counts; in one row NLTK gets tokens. "Fresh" is the CPU of a whole process, imports and
reading WordNet included; NLTK's side imports nothing of ours. "Warm" is a second pass over the same pairs.

    python benchmarks/bench_meteor.py [--quick] [--out FOLDER]
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from _common import Benchmark, Measured, apart, command, median, times
from _texts import pairs

FRESH = {
    "evalkit": """
import json, sys
from evalkit.core.batch import Batch
from evalkit.metrics.meteor import Meteor
outputs, references = json.load(open(sys.argv[1], encoding="utf-8"))
metric = Meteor()
print(json.dumps(metric.record_values(metric.score(Batch({"output": outputs, "reference": references})))[:, 0].tolist()))
""",
    "nltk": """
import json, sys
from nltk.tokenize import NLTKWordTokenizer
from nltk.translate.meteor_score import meteor_score
outputs, references = json.load(open(sys.argv[1], encoding="utf-8"))
split = NLTKWordTokenizer().tokenize
print(json.dumps([meteor_score([split(r)], split(o)) for o, r in zip(outputs, references)]))
""",
}


def ours(n: int) -> Callable[[], list[float]]:
    from evalkit.core.batch import Batch
    from evalkit.metrics.meteor import Meteor

    outputs, references = pairs(n, 10, 60)
    metric = Meteor()

    def work() -> list[float]:
        return metric.record_values(metric.score(Batch({"output": outputs, "reference": references})))[:, 0].tolist()

    work()
    return work


def nltk_of_texts(n: int) -> Callable[[], list[float]]:
    from nltk.tokenize import NLTKWordTokenizer
    from nltk.translate.meteor_score import meteor_score

    outputs, references = pairs(n, 10, 60)
    split = NLTKWordTokenizer().tokenize

    def work() -> list[float]:
        return [meteor_score([split(reference)], split(output)) for output, reference in zip(outputs, references)]

    work()
    return work


def nltk_of_tokens(n: int) -> Callable[[], list[float]]:
    from nltk.tokenize import NLTKWordTokenizer
    from nltk.translate.meteor_score import meteor_score

    split = NLTKWordTokenizer().tokenize
    outputs, references = ([split(text) for text in texts] for texts in pairs(n, 10, 60))

    def work() -> list[float]:
        return [meteor_score([reference], output) for output, reference in zip(outputs, references)]

    work()
    return work


def place_wordnet() -> None:
    """Let NLTK find the WordNet that evalkit finds, through NLTK_DATA, so that its own process imports nothing of ours."""
    from evalkit.text.wordnet_data import obtain

    place, tried = obtain()
    if place is None:
        sys.exit("bench_meteor needs WordNet: " + "; ".join(tried))
    os.environ["NLTK_DATA"] = str(place.parent.parent)


def equal(found: Sequence[float], expected: Sequence[float]) -> str:
    assert np.abs(np.array(found) - np.array(expected)).max() <= 1e-12
    return "every value to 1e-12"


def main() -> None:
    bench = Benchmark(__file__, __doc__)
    place_wordnet()
    n = bench.size(2_000, 100)
    told = {"inputs": f"{n:,} pairs of 10–60 words", "unit": "ms a pair", "peer": "nltk"}
    each = 1e3 / n

    mine, texts, tokens = apart((ours, n), (nltk_of_texts, n), (nltk_of_tokens, n), repeats=bench.repeats)
    for work, peer in (("METEOR, warm", texts), ("METEOR, warm, NLTK given tokens", tokens)):
        bench.row(
            work,
            evalkit=each * mine.cpu_s,
            theirs=each * peer.cpu_s,
            bar=times(8),
            equal=equal(mine.result, peer.result),
            **told,
        )

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "texts.json"
        file.write_text(json.dumps(pairs(n, 10, 60)), encoding="utf-8")
        runs: dict[str, list[Measured]] = {side: [] for side in FRESH}
        for _ in range(bench.repeats):
            for side, code in FRESH.items():
                runs[side].append(command([sys.executable, "-c", code, str(file)]))
    fast, slow = median(runs["evalkit"]), median(runs["nltk"])
    bench.row(
        "METEOR, fresh process", evalkit=each * fast.cpu_s, theirs=each * slow.cpu_s, bar=times(4),
        equal=equal(json.loads(fast.result), json.loads(slow.result)), **told,
    )  # fmt: skip
    bench.finish("numpy")


if __name__ == "__main__":
    main()
