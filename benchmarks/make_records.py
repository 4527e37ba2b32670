"""A large JSONL of question-and-answer-like records, made from the project's own passages by seeded edits.

python benchmarks/make_records.py FILE [--records N] [--words N] [--classic]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from _texts import answer_records, short_records


def write(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Records as JSON lines."""
    with path.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--words", type=int, default=12, help="of a text, about; not with --classic")
    parser.add_argument("--classic", action="store_true", help="with every column that suites/classic.yaml asks for")
    given = parser.parse_args()
    write(given.path, answer_records(given.records) if given.classic else short_records(given.records, words=given.words))
