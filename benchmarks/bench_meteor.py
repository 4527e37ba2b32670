"""METEOR against NLTK: the same values, CPU time a pair, warm and from a fresh process (imports and WordNet included).

Both sides get texts, so tokenising counts; in the last row it counts for evalkit alone.

    python benchmarks/bench_meteor.py [--pairs N]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from _common import machine, record, timed
from _texts import pairs


def score(impl: str, outputs: Sequence[str], references: Sequence[str]) -> list[float]:
    """The scores by ``fast`` or, with NLTK's own tokeniser and score and nothing of ours but where WordNet is, ``nltk``."""
    if impl == "fast":
        from evalkit.core.batch import Batch
        from evalkit.metrics.meteor import Meteor

        metric = Meteor()
        return metric.record_values(metric.score(Batch({"output": outputs, "reference": references})))[:, 0].tolist()
    from nltk.tokenize import NLTKWordTokenizer
    from nltk.translate.meteor_score import meteor_score

    split = NLTKWordTokenizer().tokenize
    return [meteor_score([split(reference)], split(output)) for output, reference in zip(outputs, references, strict=True)]


def tokenised(texts: Sequence[str]) -> list[list[str]]:
    from nltk.tokenize import NLTKWordTokenizer

    return [NLTKWordTokenizer().tokenize(text) for text in texts]


def nltk_of_tokens(outputs: Sequence[list[str]], references: Sequence[list[str]]) -> list[float]:
    """NLTK's scores where somebody else has tokenised."""
    from nltk.translate.meteor_score import meteor_score

    return [meteor_score([reference], output) for output, reference in zip(outputs, references, strict=True)]


def fresh(impl: str, texts: Path) -> tuple[list[float], float]:
    """The scores, and the CPU seconds of a whole process that computes them."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, __file__, "--child", impl, str(texts)], check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return json.loads(done.stdout), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def place_wordnet() -> None:
    """Let NLTK find the WordNet that evalkit finds, through NLTK_DATA, so that its own process imports nothing of ours."""
    import os

    from evalkit.text.wordnet_data import obtain

    place, tried = obtain()
    if place is None:
        sys.exit("bench_meteor needs WordNet: " + "; ".join(tried))
    os.environ["NLTK_DATA"] = str(place.parent.parent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=4_000)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        impl, texts = given.child
        print(json.dumps(score(impl, *json.loads(Path(texts).read_text(encoding="utf-8")))))
        return
    place_wordnet()
    outputs, references = pairs(given.pairs, 10, 60)
    rows = []

    def enter(work: str, ours: float, theirs: float, found: Sequence[float], expected: Sequence[float]) -> None:
        apart = float(np.abs(np.array(found) - np.array(expected)).max())
        assert apart <= 1e-12, apart
        n = len(found)
        rows.append({
            "work": work, "pairs": n, "peer": "nltk", "evalkit_ms": 1e3 * ours / n, "peer_ms": 1e3 * theirs / n,
            "ratio": theirs / ours, "largest_difference": apart,
        })  # fmt: skip
        print(f"{work:24} evalkit {1e3 * ours / n:.4f} ms a pair, NLTK {1e3 * theirs / n:.3f}, {theirs / ours:.1f}×")

    for n in sorted({given.pairs // 8, given.pairs}):
        with tempfile.TemporaryDirectory() as folder:
            texts = Path(folder) / "texts.json"
            texts.write_text(json.dumps([outputs[:n], references[:n]]), encoding="utf-8")
            (found, ours), (expected, theirs) = fresh("fast", texts), fresh("nltk", texts)
        enter(f"fresh process, {n} pairs", ours, theirs, found, expected)
    for impl in ("fast", "nltk"):
        score(impl, outputs, references)
    found, ours, _ = timed(lambda: score("fast", outputs, references))
    expected, theirs, _ = timed(lambda: score("nltk", outputs, references))
    enter("warm", ours, theirs, found, expected)
    tokens = tokenised(outputs), tokenised(references)
    expected, theirs, _ = timed(lambda: nltk_of_tokens(*tokens))
    enter("warm, NLTK given tokens", ours, theirs, found, expected)
    record("meteor", rows, machine=machine("numpy", "nltk", "regex"))


if __name__ == "__main__":
    main()
