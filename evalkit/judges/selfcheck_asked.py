"""The variants of SelfCheckGPT that ask a model about each sentence of an answer."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evalkit.core.asking import Encoded, Reply, Tools
from evalkit.core.errors import BackendRefused, Malformed
from evalkit.core.parse import shown
from evalkit.core.rows import Floats
from evalkit.judges.claims import claims_of
from evalkit.judges.prompt import fenced, load
from evalkit.judges.record import everything
from evalkit.judges.selfcheck_ngram import tokens
from evalkit.judges.support import Source, Verifier
from evalkit.stats.matching import greedy_scores, unit
from evalkit.text.sentences import sentences

SHORT = 3  # tokens up to which a sentence of a sample is too short to compare with
REVIEW = {
    "type": "object",
    "properties": {"reason": {"type": "string"}, "verdict": {"enum": ["yes", "no"]}},
    "required": ["reason", "verdict"],
    "additionalProperties": False,
}
_ONE_WORD = re.compile(r"\s*(yes|no)[.!]?\s*\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """What is checked: an answer's sentences, and what there is to check them against."""

    input: str
    output: str
    sentences: tuple[str, ...]
    samples: tuple[str, ...]


@dataclass(frozen=True)
class Checked:
    """What came of it: one number for each statistic of the variant, and a note for each sentence."""

    values: tuple[float, ...]
    notes: tuple[dict[str, Any], ...]
    reason: str | None = None


async def prompted(answer: Answer, tools: Tools) -> Checked:
    """Is each sentence supported by each sample? Yes is 0, no is 1; a sentence's score is the mean over samples.

    Raises:
        BackendError: a reply was neither.
    """
    prompt = load("selfcheck")
    asked = (
        tools.ask(
            prompt.messages(context=fenced("CONTEXT", sample.replace("\n", " ")), sentence=fenced("SENTENCE", sentence)),
            call=f"sentence {at}, sample {place}",
            choices=("Yes", "No"),
            parse=yes_or_no,
            max_tokens=16,
        )
        for place, sample in enumerate(answer.samples, 1)
        for at, sentence in enumerate(answer.sentences, 1)
    )
    against = np.array(await everything(asked), dtype=np.float64).reshape(len(answer.samples), -1)
    return averaged(answer, against.T)


async def critiqued(answer: Answer, tools: Tools) -> Checked:
    """Is each sentence right, as the model itself sees it? Yes is 0, no is 1."""
    prompt = load("selfcheck-critique")
    asked = (
        tools.ask(
            prompt.messages(
                input=fenced("QUESTION", answer.input),
                answer=fenced("ANSWER", answer.output),
                sentence=fenced("SENTENCE", sentence),
            ),
            REVIEW,
            call=f"sentence {at}",
            max_tokens=400,
        )
        for at, sentence in enumerate(answer.sentences, 1)
    )
    verdicts = await everything(asked)
    scores = [float(verdict["verdict"] == "no") for verdict in verdicts]
    notes = tuple(
        {"sentence": sentence, "score": score, "reason": verdict["reason"]}
        for sentence, score, verdict in zip(answer.sentences, scores, verdicts)
    )
    doubts = [note["reason"] for note in notes if note["score"]]
    return Checked((float(np.mean(scores)),), notes, doubts[0] if doubts else None)


async def entailed(answer: Answer, tools: Tools, entailment: int, contradiction: int) -> Checked:
    """How probable is it that each sample contradicts each sentence, given that it entails or contradicts it?

    Raises:
        BackendRefused: the classifier has no such classes.
    """
    pairs = [(sentence, sample) for sentence in answer.sentences for sample in answer.samples]
    logits = await tools.classify([first for first, _ in pairs], [second for _, second in pairs])
    if logits.shape[1] <= max(entailment, contradiction):
        classes = f"{logits.shape[1]} classes, the first is 0"
        raise BackendRefused(
            f"{tools.model} tells {classes}: `entailment: {entailment}` and `contradiction: {contradiction}` are not both there"
        )
    with np.errstate(over="ignore"):
        against = 1 / (1 + np.exp(logits[:, entailment] - logits[:, contradiction]))  # softmax over these two
    return averaged(answer, against.reshape(len(answer.sentences), -1))


async def claimed(answer: Answer, tools: Tools) -> Checked | str:
    """Is each claim of the answer supported by each sample? One call for the claims, one for all verdicts; 0 is yes, 1 no."""
    claims = await claims_of(answer.output, answer.input, tools)
    if not claims:
        return "the output makes no claim: nothing to check"
    sources = [Source(f"S{place}", f"sample {place}", text) for place, text in enumerate(answer.samples, 1)]
    found = await Verifier().check(claims, sources, tools, "samples", question=answer.input)
    checked = averaged(replace(answer, sentences=tuple(claims)), (found.verdicts != 1).astype(np.float64))
    notes = tuple({**note, "reason": why} if why else note for note, why in zip(checked.notes, found.notes))
    return Checked(checked.values, notes)


async def matched(answer: Answer, tools: Tools, layer: int | None, baseline: float) -> Checked | str:
    """How far is each sentence from the closest sentence of each sample? 1 − F1 of BERTScore, mean over samples."""
    listed = [tuple(one for one in sentences(sample) if len(tokens(one)) > SHORT) for sample in answer.samples]
    listed = [several for several in listed if several]
    if not listed:
        return f"no sample has a sentence of more than {SHORT} words to compare with"
    texts = list(dict.fromkeys([*answer.sentences, *(one for several in listed for one in several)]))
    vectors = dict(zip(texts, map(_vectors, await tools.encode(texts, layer))))
    best = [
        [max(_f1(vectors[one], vectors[sentence]) for one in several) for several in listed] for sentence in answer.sentences
    ]
    return averaged(answer, 1 - (np.array(best) - baseline) / (1 - baseline))


def averaged(answer: Answer, against: Floats) -> Checked:
    """From the score of each sentence against each sample, shape (sentences, samples)."""
    scores = against.mean(axis=1)
    notes = tuple(
        {"sentence": sentence, "score": float(score), "samples": each.tolist()}
        for sentence, score, each in zip(answer.sentences, scores, against)
    )
    return Checked((float(scores.mean()),), notes)


def yes_or_no(reply: Reply) -> float:
    """0 for yes, 1 for no.

    Raises:
        Malformed: it is neither.
    """
    told = _ONE_WORD.match(reply.text)
    if told is None:
        raise Malformed(f"the reply is neither Yes nor No: {shown(reply.text)}")
    return float(told[1].lower() == "no")


def _vectors(encoded: Encoded) -> tuple[Any, Any]:
    weights = None if encoded.special is None else (~encoded.special).astype(np.float64)
    return unit(encoded.vectors), weights


def _f1(candidate: tuple[Any, Any], reference: tuple[Any, Any]) -> float:
    return greedy_scores(candidate[0], reference[0], candidate[1], reference[1]).f1
