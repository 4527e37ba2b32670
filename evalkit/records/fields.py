"""Guessing which of a file's own columns is which canonical one, by name and by what stands in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from evalkit.core.errors import LONGEST_NAME, quote
from evalkit.records.canonical import COLUMNS
from evalkit.records.convert import convert

# Names that data sets and other tools use, likeliest first.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "id": ("example_id", "record_id", "row_id", "sample_id", "question_id", "query_id", "qid", "uid", "uuid", "key", "index"),
    "input": (
        "question", "prompt", "query", "instruction", "user_input", "user_message", "messages", "source", "src", "request",
        "article", "document", "text", "problem", "task", "inputs",
    ),
    "output": (
        "answer", "response", "prediction", "completion", "generated_text", "generation", "generated", "actual_output",
        "model_output", "model_answer", "hypothesis", "hyp", "predicted", "prediction_text", "candidate", "summary",
        "translation", "result", "assistant", "reply", "outputs", "predictions",
    ),
    "reference": (
        "expected", "expected_output", "expected_answer", "target", "gold", "golden", "gold_answer", "golden_answer", "label",
        "ground_truth", "groundtruth", "truth", "correct_answer", "correct", "ideal", "references", "answers", "targets",
        "ref", "reference_answer", "highlights", "solution",
    ),
    "contexts": (
        "context", "docs", "documents", "passages", "retrieved_contexts", "retrieval_context", "retrieved_docs", "chunks",
        "sources", "ctxs",
    ),
    "reference_contexts": ("gold_contexts", "gold_passages", "expected_contexts", "golden_contexts", "supporting_facts"),
    "retrieved_ids": ("retrieved_doc_ids", "doc_ids", "document_ids", "retrieved_context_ids", "ranking", "results"),
    "relevant_ids": (
        "qrels", "relevant_doc_ids", "relevant_docs", "gold_ids", "reference_context_ids", "positive_ids", "relevant",
    ),
    "answerable": ("is_answerable", "has_answer", "answerability"),
    "samples": ("sampled_outputs", "sampled_responses", "generations", "candidates", "alternatives"),
    "cluster": ("cluster_id", "group", "group_id", "document_id", "doc_id", "article_id"),
    "timestamp": ("time", "ts", "created_at", "created", "date", "datetime", "start_time", "event_time"),
    "session_id": ("session", "conversation_id", "conversation", "thread_id", "chat_id", "trace_id"),
    "user_id": ("user", "userid", "customer_id", "account_id"),
    "model": ("model_name", "model_id", "system", "engine", "llm"),
    "prompt_version": ("prompt_id", "prompt_name", "template", "template_version"),
    "variant": ("arm", "experiment", "treatment", "bucket", "ab_group"),
    "latency_ms": ("latency", "duration_ms", "response_time_ms", "elapsed_ms", "response_time"),
    "prompt_tokens": ("input_tokens", "tokens_in", "n_input_tokens", "contexttokens", "tokens_prompt"),
    "completion_tokens": ("output_tokens", "tokens_out", "generated_tokens", "generatedtokens", "tokens_completion"),
    "cost": ("price", "total_cost", "cost_usd", "usd"),
    "feedback": ("thumbs", "user_feedback", "vote"),
    "flags": ("tags", "moderation_flags", "guardrails"),
    "embedding": ("vector", "embeddings", "input_embedding"),
}  # fmt: skip


@dataclass(frozen=True)
class Guess:
    """That ``source`` is the canonical column: how sure (0 to 1), and why, in words."""

    column: str
    source: str
    confidence: float
    why: str


def plain(name: str) -> str:
    """A column's name without case and separators: ``Expected Output`` and ``expectedOutput`` are ``expected_output``."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")


def guesses(columns: Sequence[str], rows: Sequence[Mapping[str, Any]] = ()) -> list[Guess]:
    """The likeliest source of every canonical column that the file does not have under its own name.

    ``rows`` are some of the file's records: a source whose values do not have the column's type is not taken. Each
    source serves one column; the surest guess goes first.
    """
    free = [name for name in columns if name not in COLUMNS]
    wanted = [name for name in COLUMNS if name not in columns]
    found = [guess for column in wanted for source in free if (guess := _guess(column, source, rows, columns))]
    chosen: dict[str, Guess] = {}
    used: set[str] = set()
    for guess in sorted(found, key=lambda each: -each.confidence):
        if guess.column not in chosen and guess.source not in used:
            chosen[guess.column] = guess
            used.add(guess.source)
    return [chosen[name] for name in COLUMNS if name in chosen]


def guess_fields(columns: Sequence[str], rows: Sequence[Mapping[str, Any]] = (), *, least: float = 0.5) -> dict[str, str]:
    """`fields:` for a file with these columns: canonical name → the file's own, where a guess is sure enough."""
    return {guess.column: guess.source for guess in guesses(columns, rows) if guess.confidence >= least}


def likeliest(column: str, sources: Iterable[str]) -> str | None:
    """The source that a missing canonical column may be meant by: a known other name of it, or a similar one."""
    known = list(sources)
    by_plain = {plain(source): source for source in reversed(known)}
    for name in (column, *SYNONYMS.get(column, ())):
        if name in by_plain:
            return by_plain[name]
    close = get_close_matches(column, [source for source in known if len(source) <= LONGEST_NAME], n=1, cutoff=0.7)
    return close[0] if close else None


def _guess(column: str, source: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Guess | None:
    name, others = plain(source), SYNONYMS.get(column, ())
    if len(name) > LONGEST_NAME:
        return None
    if name == column:
        confidence, why = 0.98, f"{quote(source)} is {column} in other letters"
    elif name in others:
        place = others.index(name)
        confidence = 0.9 - 0.25 * place / max(len(others) - 1, 1)
        why = f"{quote(source)} is a usual name for {column}"
    elif close := get_close_matches(name, [column, *others], n=1, cutoff=0.85):
        confidence, why = 0.55, f"{quote(source)} looks like {quote(close[0])}"
    elif len(name) > 3 and any(
        re.search(rf"(^|_){re.escape(word)}(_|$)", name) for word in (column, *others[:4]) if len(word) > 3
    ):
        confidence, why = 0.4, f"{quote(source)} speaks of {column}"
    else:
        return None
    if column == "output" and name == "answer" and not _has_other_output(columns):
        why += ", and no other column looks like an output"
    elif column == "output" and name == "answer":
        confidence = 0.45
    values = [row.get(source) for row in rows]
    if any(value is not None for value in values):
        cells = all(value is None or isinstance(value, str) for value in values)
        _, wrong = convert(column, values)
        if wrong and cells:
            _, wrong = convert(column, values, cells=True)
        if len(wrong) > len(values) // 20:
            return None
        if column == "id" and len(set(map(repr, values))) < len(values):
            return None
        why += f", and its values have the type ({COLUMNS[column].type})"
        confidence = min(confidence + 0.05, 0.99)
    return Guess(column, source, round(confidence, 3), why)


def _has_other_output(columns: Sequence[str]) -> bool:
    return any(plain(name) in SYNONYMS["output"][1:12] for name in columns)
