"""Retrieves passages for the questions, asks a model behind an OpenAI-compatible endpoint, writes its answers.

    python make_answers.py retrieve                                       # fills the columns that retrieval adds
    python make_answers.py answer --model NAME --label 0.5b               # adds records to answers.jsonl
    python make_answers.py sample --model NAME --label 0.5b --limit 60    # adds `samples` to the first of them
    python make_answers.py compare --model NAME --label 0.5b              # the same under answer-v2: answers-v2.jsonl

An interrupted run continues where it stopped: records that the output file already holds are not asked again.
"""

import argparse
import json
import math
import os
import re
import time
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2.sandbox import SandboxedEnvironment

HERE = Path(__file__).parent
TOP = 4
MAX_TOKENS = 64
SAMPLES = 3
SAMPLE_TEMPERATURE = 0.8
BULKY = ("contexts", "reference_contexts")

Record = dict[str, Any]


def words(text: str) -> list[str]:
    """Lower-case runs of letters and digits; no stemming and no stop words, so that retrieval stays plain."""
    return re.findall(r"\w+", text.lower())


@dataclass(frozen=True)
class Bm25:
    """Okapi BM25 over tokenised documents, with the idf ln(1 + (N - n + 0.5) / (n + 0.5)), which is never negative.

    Source: Robertson & Zaragoza (2009), section 3.
    """

    documents: Sequence[Counter[str]]
    k1: float = 1.2
    b: float = 0.75

    def ranked(self, query: str) -> list[int]:
        """Positions of all documents, best first; ties keep the order of the file."""
        sizes = [document.total() for document in self.documents]
        mean_size = sum(sizes) / len(sizes)
        scores = [0.0] * len(sizes)
        for word in words(query):
            holders = sum(word in document for document in self.documents)
            idf = math.log(1 + (len(sizes) - holders + 0.5) / (holders + 0.5))
            for i, document in enumerate(self.documents):
                damping = self.k1 * (1 - self.b + self.b * sizes[i] / mean_size)
                scores[i] += idf * document[word] * (self.k1 + 1) / (document[word] + damping)
        return sorted(range(len(sizes)), key=lambda i: -scores[i])


def retrieve(passages: Sequence[Record], questions: Iterable[Record]) -> Iterable[Record]:
    """Adds the best passages of every question, and whether one that answers it (grade 2) is among them."""
    index = Bm25([Counter(words(passage["text"])) for passage in passages])
    for question in questions:
        best = [passages[i] for i in index.ranked(question["input"])[:TOP]]
        ids = [passage["id"] for passage in best]
        answering = {key for key, grade in question["relevant_ids"].items() if grade == 2}
        hit = ("hit" if answering & set(ids) else "miss") if answering else None
        yield {**question, "retrieved_ids": ids, "contexts": [passage["text"] for passage in best], "retrieval": hit}


@dataclass(frozen=True)
class Endpoint:
    """A server that speaks the OpenAI chat protocol."""

    url: str
    model: str
    key: str = ""

    def chat(self, prompt: str, **options: Any) -> Record:
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": MAX_TOKENS,
            **options,
        }
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {self.key}"} if self.key else {})}
        request = urllib.request.Request(f"{self.url}/chat/completions", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=600) as response:
            reply: Record = json.load(response)
        return reply


def rendered(version: str, record: Record) -> str:
    """The prompt of that version for one record."""
    return SandboxedEnvironment().from_string((HERE / "prompts" / f"{version}.md").read_text("utf-8")).render(record)


def answer(question: Record, endpoint: Endpoint, version: str) -> Record:
    """The columns that one greedy call adds to a question."""
    prompt = rendered(version, question)
    moment, started = datetime.now(UTC), time.perf_counter()
    reply = endpoint.chat(prompt, temperature=0)
    latency_ms = (time.perf_counter() - started) * 1000
    return {
        "output": reply["choices"][0]["message"]["content"].strip(),
        "model": endpoint.model,
        "prompt_version": version,
        "timestamp": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "latency_ms": round(latency_ms),
        "prompt_tokens": reply["usage"]["prompt_tokens"],
        "completion_tokens": reply["usage"]["completion_tokens"],
    }


def sample(record: Record, endpoint: Endpoint) -> list[str]:
    """Further answers to the prompt that the record answered greedily; the seed is the question's number."""
    options = {"temperature": SAMPLE_TEMPERATURE, "n": SAMPLES, "seed": int(record["cluster"].removeprefix("q-"))}
    reply = endpoint.chat(rendered(record["prompt_version"], record), **options)
    return [choice["message"]["content"].strip() for choice in reply["choices"]]


def read(path: Path) -> list[Record]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def write(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Replaces the file in one step, so that a reader never sees half of it."""
    draft = path.with_suffix(".draft")
    draft.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")
    draft.replace(path)


def answered(questions: Sequence[Record], endpoint: Endpoint, label: str, at_once: int, folder: Path) -> None:
    """Adds one record per question to the file: its id tells the model, and both models' records share a cluster."""

    def ask(question: Record) -> Record:
        identity = {"id": f"{question['id']}/{label}", "cluster": question["id"]}
        return {**question, **identity, **answer(question, endpoint, "answer-v1")}

    path = folder / "answers.jsonl"
    known = {record["id"] for record in read(path)}
    with ThreadPoolExecutor(at_once) as pool:
        for record in pool.map(ask, [question for question in questions if f"{question['id']}/{label}" not in known]):
            write(path, sorted([*read(path), record], key=lambda entry: entry["id"]))


def sampled(questions: Sequence[Record], endpoint: Endpoint, label: str, at_once: int, folder: Path) -> None:
    """Adds sampled answers to the records of these questions that have none."""
    path = folder / "answers.jsonl"
    records = {record["id"]: record for record in read(path)}
    bare = [record for question in questions if "samples" not in (record := records[f"{question['id']}/{label}"])]
    with ThreadPoolExecutor(at_once) as pool:
        for record, samples in zip(bare, pool.map(lambda entry: sample(entry, endpoint), bare), strict=True):
            record["samples"] = samples
            write(path, records.values())


def compared(questions: Sequence[Record], endpoint: Endpoint, label: str, at_once: int, folder: Path) -> None:
    """Writes what the model says under the second prompt, next to its answer under the first one (`output_v1`)."""

    def ask(question: Record) -> Record:
        slim = {name: value for name, value in question.items() if name not in BULKY}
        return {**slim, **answer(question, endpoint, "answer-v2"), "output_v1": before[question["id"]]["output"]}

    path = folder / "answers-v2.jsonl"
    before = {record["id"].removesuffix(f"/{label}"): record for record in read(folder / "answers.jsonl")}
    known = {record["id"] for record in read(path)}
    with ThreadPoolExecutor(at_once) as pool:
        for record in pool.map(ask, [question for question in questions if question["id"] not in known]):
            write(path, [*read(path), record])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["retrieve", "answer", "sample", "compare"])
    parser.add_argument("--url", default="http://127.0.0.1:8000/v1")
    parser.add_argument("--model", help="the name under which the server knows the model")
    parser.add_argument("--label", help="a short name of the model, used in the ids")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N questions")
    parser.add_argument("--at-once", type=int, default=1, metavar="N", help="requests in flight while the latency is measured")
    parser.add_argument("--folder", type=Path, default=HERE, help="where answers are written")
    options = parser.parse_args()

    questions = read(HERE / "questions.jsonl")
    if options.step == "retrieve":
        write(HERE / "questions.jsonl", list(retrieve(read(HERE / "passages.jsonl"), questions)))
        return
    questions = questions[: options.limit]
    if not (options.model and options.label):
        parser.error("this step needs --model and --label")
    endpoint = Endpoint(options.url, options.model, os.environ.get("OPENAI_API_KEY", ""))
    step = {"answer": answered, "sample": sampled, "compare": compared}[options.step]
    step(questions, endpoint, options.label, options.at_once, options.folder)


if __name__ == "__main__":
    main()
