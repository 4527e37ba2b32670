"""A large JSONL of question-and-answer-like records, made from the project's own passages by seeded edits."""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

PASSAGES = Path(__file__).resolve().parent.parent / "suites" / "data" / "http" / "passages.jsonl"


def sentences() -> list[list[str]]:
    """Words of every sentence of the passages."""
    texts = [json.loads(line)["text"] for line in PASSAGES.open(encoding="utf-8")]
    return [part.split() for text in texts for part in text.split(". ") if len(part.split()) > 5]


def write(path: Path, n: int, seed: int = 0, words: int = 12) -> None:
    """``n`` records with an output and a reference of about ``words`` words, the output an edited reference."""
    rng = random.Random(seed)
    pool = sentences()
    vocabulary = [word for sentence in pool for word in sentence]
    with path.open("w", encoding="utf-8") as out:
        for index in range(n):
            reference = (rng.choice(pool) * (1 + words // 6))[: words + rng.randrange(-4, 5)]
            output = [word if rng.random() > 0.2 else rng.choice(vocabulary) for word in reference if rng.random() > 0.1]
            record = {
                "id": f"r{index}",
                "input": f"question {index}",
                "output": " ".join(output),
                "reference": " ".join(reference),
            }
            out.write(json.dumps(record, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--words", type=int, default=12)
    given = parser.parse_args()
    write(given.path, given.records, words=given.words)
