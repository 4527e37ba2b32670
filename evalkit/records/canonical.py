"""The canonical columns: their types, what they mean, and what counts as a value of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "id", "text", "prompt", "answers", "passages", "names", "grades", "truth", "number", "feedback", "time", "vector"
]


@dataclass(frozen=True)
class Column:
    """One canonical column.

    ``kind`` says how a value is checked (`evalkit.records.convert`), ``type`` says it to people.
    """

    name: str
    kind: Kind
    type: str
    description: str


COLUMNS: dict[str, Column] = {
    column.name: column
    for column in (
        Column("id", "id", "str", "stable identity of the record; derived from its content when absent"),
        Column("input", "prompt", "str or list of chat messages", "what the system under test was asked"),
        Column("output", "text", "str", "what it answered"),
        Column("reference", "answers", "str or list[str]", "gold answer, or several"),
        Column("contexts", "passages", "list[str]", "passages retrieved, best first"),
        Column("reference_contexts", "passages", "list[str]", "passages that should have been retrieved"),
        Column("retrieved_ids", "names", "list[str]", "identifiers of what was retrieved, best first"),
        Column("relevant_ids", "grades", "list[str] or {id: grade}", "identifiers of what is relevant, with grades or without"),
        Column("answerable", "truth", "bool", "whether the contexts hold the answer"),
        Column("samples", "passages", "list[str]", "further answers drawn for the same input"),
        Column("cluster", "text", "str", "records that are not independent share it"),
        Column("timestamp", "time", "ISO 8601 str, or seconds since 1970", "when the request was made"),
        Column("session_id", "text", "str", "the conversation it belongs to"),
        Column("user_id", "text", "str", "who asked"),
        Column("model", "text", "str", "the model that answered"),
        Column("prompt_version", "text", "str", "the version of the prompt"),
        Column("variant", "text", "str", "the arm of an experiment"),
        Column("latency_ms", "number", "number", "milliseconds until the answer was complete"),
        Column("prompt_tokens", "number", "number", "tokens read by the model"),
        Column("completion_tokens", "number", "number", "tokens written by the model"),
        Column("cost", "number", "number", "cost of the request"),
        Column("feedback", "feedback", "-1, 0 or 1", "what the user thought of the answer"),
        Column("flags", "names", "list[str]", "marks that guards or people set"),
        Column("embedding", "vector", "list[float]", "a vector of the record's text"),
    )
}

# What a derived id is made of, in this order.
IDENTITY = ("input", "reference", "contexts", "relevant_ids")
