"""What a node of a DAG judge asks: its question first, which all records share, then the record's texts, the output last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.core.asking import Messages
from evalkit.core.batch import Batch, as_text
from evalkit.core.signature import canonical
from evalkit.judges.prompt import Prompt, fenced, fill, load
from evalkit.specs.dag import Dag, Question, Task

_LAST = ("samples", "output")  # what differs between records of one input
_HEADINGS = {"contexts": "CONTEXT", "reference_contexts": "REFERENCE CONTEXT", "samples": "SAMPLE"}


def messages(node: Task | Question, shown: Sequence[str]) -> Messages:
    """The chat that puts a node's question about a record's texts, as `shown_texts` gives them."""
    return _prompt(node).messages(**_told(node), texts="\n\n".join(shown))


def prompt_text(node: Task | Question) -> str:
    """All that a node sends but the record's texts, whose place is ``{texts}``."""
    return fill(_prompt(node).text, {**_told(node), "texts": "{texts}"})


def schema(node: Question) -> Mapping[str, Any]:
    """What a reply must be: why, then exactly one of the verdicts."""
    return {
        "type": "object",
        "properties": {"reason": {"type": "string"}, "verdict": {"enum": list(node.verdicts)}},
        "required": ["reason", "verdict"],
        "additionalProperties": False,
    }


def shown_texts(dag: Dag, node: Task | Question, batch: Batch, index: int, written: Mapping[str, str]) -> list[str]:
    """The texts of one record that a node is shown, each in a fence of its own.

    Args:
        written: what the record's tasks have written so far, by their names.
    """
    columns = dag.read_by(node)
    tasks = [name for name in dict.fromkeys((*dag.leading[node.name], *node.needs)) if name in written]
    first = [name for name in columns if name not in _LAST]
    told = [text for name in first for text in _column(batch, name, index)]
    told += [fenced(name.upper().replace("_", " "), written[name]) for name in tasks]
    return told + [text for name in _LAST if name in columns for text in _column(batch, name, index)]


def _column(batch: Batch, name: str, index: int) -> list[str]:
    value = batch.column(name)[index]
    heading = _HEADINGS.get(name, name.upper().replace("_", " "))
    if isinstance(value, (list, tuple)) and name != "input":
        return [fenced(f"{heading} {place}", as_text(text)) for place, text in enumerate(value, 1)]
    return [fenced(heading, as_text(value))]


def _prompt(node: Task | Question) -> Prompt:
    return load("dag-task" if isinstance(node, Task) else "dag-verdict")


def _told(node: Task | Question) -> dict[str, str]:
    if isinstance(node, Task):
        return {"ask": node.ask}
    spelled = [canonical(verdict).decode() for verdict in node.verdicts]
    meanings = [f"{verdict}: {told}" for verdict, told in zip(spelled, node.verdicts.values()) if told]
    whole = all(isinstance(verdict, int) for verdict in node.verdicts)
    choice = f"one whole number from {spelled[0]} to {spelled[-1]}" if whole else f"exactly one of {', '.join(spelled)}"
    form = (
        'Reply with JSON only: {"reason": …, "verdict": …}. The reason says in one or two sentences what decides the question; '
        f"the verdict is {choice}."
    )
    return {"ask": node.ask, "verdicts": "\n".join([f"{choice[:1].upper()}{choice[1:]}.", *meanings]), "form": form}
