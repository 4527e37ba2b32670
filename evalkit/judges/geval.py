"""G-Eval: a rubric's criterion, its steps, and a score weighted by the probabilities of the tokens that spell it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np

from evalkit.core.asking import Capability, Messages, Reply, Tools
from evalkit.core.batch import Batch
from evalkit.core.content import Document
from evalkit.core.contracts import ModelMetric
from evalkit.core.errors import BackendError, BackendRefused, Problem, SpecError
from evalkit.core.parse import parsed
from evalkit.core.registry import judge
from evalkit.core.rows import Floats, Rows
from evalkit.judges.prompt import fenced, fill, load
from evalkit.judges.score import in_scale, spelled_at, weighted
from evalkit.specs.rubric import Rubric, lock_steps, locked_steps, read_rubric

Mode = Literal["auto", "logprob", "sampled", "single"]
Reason = Literal["after", "before", "none"]

TOP = 20  # alternatives of a token; as many as OpenAI gives
_STEPS = {
    "type": "object",
    "properties": {"steps": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 8}},
    "required": ["steps"],
    "additionalProperties": False,
}
_HEADINGS = {
    "input": "INPUT",
    "contexts": "CONTEXT",
    "reference_contexts": "REFERENCE CONTEXT",
    "reference": "REFERENCE",
    "output": "OUTPUT",
}


class Verdict(NamedTuple):
    """What one reply says: the score as written, its expected value, what that rests on, and why."""

    score: int
    expected: float
    mass: float
    probabilities: Mapping[int, float]
    reason: str | None


@judge("geval")
@dataclass(frozen=True)
class GEval(ModelMetric):
    """A model's score of each record on a rubric's scale; the value is the mean on the raw scale.

    ``mode: logprob`` takes the expected score under the model's own token probabilities, Σ p(s)·s / Σ p(s) over the scale, from
    one call a record; ``sampled`` the mean of ``samples`` draws at ``temperature``; ``single`` one reply as it stands. ``auto``
    is ``logprob`` where the backend gives log-probabilities, else ``sampled``; it is settled before a run begins and never
    changes within one: a reply that lacks what the mode needs is an error of that record. ``reason: after`` has the model say
    why behind its score, which cannot move it; ``before`` lets it think first; ``none`` costs a token a record.

    Parts: the bare score; ``normalized``, (score − low) / (high − low); with log-probabilities ``mass``, the mean share of all
    probability that fell on the scale: where it is low, the score says little. (``reason: none`` leaves the reply free; of one
    that a schema constrains, some servers tell probabilities among what it allows, and the mass is 1.)

    Missing steps of a rubric are written once by the backend and locked in ``NAME.steps.yaml`` beside it.

    An empty output leaves nothing to judge: it is skipped. A reply without exactly one score of the scale is asked for again,
    then an error, never a default.

    Misleads: judges favour long and fluent answers, those of their own model, and the middle of a scale; the same rubric on
    another model is another metric. Have it calibrated against people (`evalkit calibrate`) before it decides anything.

    Source: Liu et al. (2023), G-Eval, arXiv:2303.16634.
    """

    rubric: Document | Mapping[str, Any] | Rubric
    mode: Mode = "auto"  # settled by `prepared`
    reason: Reason = "after"
    samples: int = 5
    temperature: float = 1.0  # of draws
    max_tokens: int = 400

    higher_is_better: ClassVar[bool | None] = True

    def __post_init__(self) -> None:
        if not isinstance(self.rubric, Rubric):
            object.__setattr__(self, "rubric", read_rubric(self.rubric))
        if self.samples < 2:
            raise ValueError(f"samples is at least 2, not {self.samples}; for one reply a record write `mode: single`")
        if self.mode == "sampled" and self.temperature <= 0:
            raise ValueError("temperature must be above 0 to sample; for one reply a record write `mode: single`")

    @property
    def _rubric(self) -> Rubric:
        assert isinstance(self.rubric, Rubric)
        return self.rubric

    @property
    def parts(self) -> tuple[str, ...]:
        return ("", "normalized", "mass") if self.mode == "logprob" else ("", "normalized")

    @property
    def columns(self) -> tuple[str, ...]:
        return ("score", "judged", "mass")

    def direction(self, part: str) -> bool | None:
        return None if part == "mass" else True

    def range_of(self, part: str) -> tuple[float, float] | None:
        return (0.0, 1.0) if part else (float(self._rubric.low), float(self._rubric.high))

    def needs_of(self) -> tuple[str, ...]:
        return self._rubric.needs

    def wants_of(self) -> frozenset[Capability]:
        return frozenset({"chat", "logprobs"}) if self.mode == "logprob" else frozenset({"chat"})

    def instead(self, lacking: frozenset[Capability]) -> str | None:
        return "write `mode: sampled`" if "logprobs" in lacking else None

    def about(self) -> str:
        return f"raw {self._rubric.low}–{self._rubric.high}"

    def prompts(self) -> dict[str, str]:
        rubric = self._rubric
        return {"geval": load("geval").text, rubric.name: f"{self._system}\n\n{self._form}"}

    async def prepared(self, tools: Tools) -> Self:
        """With the mode settled, and steps where the rubric has none."""
        chosen = self
        if self.mode == "auto":
            chosen = replace(chosen, mode="logprob" if await tools.verified("logprobs") else "sampled")
        if not self._rubric.steps:
            chosen = replace(chosen, rubric=replace(self._rubric, steps=await self._steps(tools)))
        return chosen

    async def _steps(self, tools: Tools) -> tuple[str, ...]:
        """The locked steps of the rubric, or new ones, locked from now on.

        Raises:
            SpecError: the backend wrote none.
        """
        rubric = self._rubric
        kept = locked_steps(rubric)
        if kept is not None:
            return kept
        messages = load("geval-steps").messages(
            needs=", ".join(rubric.needs),
            low=str(rubric.low),
            high=str(rubric.high),
            criteria=rubric.criteria,
            scale=_scale(rubric),
        )
        try:
            told = await tools.ask(messages, _STEPS, call="steps")
        except (BackendError, BackendRefused) as error:
            what = f"the rubric {rubric.name} has no steps, and {tools.model} wrote none ({error})"
            raise SpecError(Problem(rubric.path or rubric.name, what, "write `steps:` into the rubric")) from error
        lock_steps(rubric, told["steps"], tools.model)
        return tuple(told["steps"])

    async def measure(self, batch: Batch, tools: Tools) -> Rows:
        found = await asyncio.gather(
            *(self._one(batch, index, tools.on(name)) for index, name in enumerate(batch.texts("id"))), return_exceptions=True
        )
        rows = Rows(np.full((len(batch), 3), np.nan))
        for index, verdicts in rows.settled(found):
            if verdicts is None:
                rows.skipped[index] = "the output is empty: nothing to judge"
            else:
                rows.values[index] = (
                    sum(verdict.expected for verdict in verdicts) / len(verdicts),
                    1.0,
                    sum(verdict.mass for verdict in verdicts) / len(verdicts),
                )
                rows.evidence[index] = self._evidence(verdicts)
                if verdicts[0].reason is not None:
                    rows.reasons[index] = verdicts[0].reason
        return rows

    async def _one(self, batch: Batch, index: int, tools: Tools) -> list[Verdict] | None:
        """The verdicts on one record; None where there is nothing to judge."""
        if not batch.texts("output")[index].strip():
            return None
        messages = self._messages(batch, index)
        if self.mode != "sampled":
            return [await self._ask(tools, messages, 0.0, 0)]
        draws = (self._ask(tools, messages, self.temperature, repeat) for repeat in range(self.samples))
        return list(await asyncio.gather(*draws))

    async def _ask(self, tools: Tools, messages: Messages, temperature: float, repeat: int) -> Verdict:
        bare = self.reason == "none"
        verdict: Verdict = await tools.ask(
            messages,
            None if bare else self._schema,
            call="score",
            choices=[str(score) for score in self._rubric.scores] if bare and self.mode != "logprob" else (),
            parse=self._verdict,
            logprobs=TOP if self.mode == "logprob" else 0,
            temperature=temperature,
            max_tokens=8 if bare else self.max_tokens,
            repeat=repeat,
        )
        return verdict

    def _verdict(self, reply: Reply) -> Verdict:
        bare, scores = self.reason == "none", self._rubric.scores
        told: Mapping[str, Any] = {} if bare else parsed(reply.text, self._schema)
        span = spelled_at(reply.text, bare=bare)
        score = in_scale(reply.text, span, scores)
        reason = None if bare else str(told["reason"])
        if self.mode != "logprob":
            return Verdict(score, float(score), 1.0, {score: 1.0}, reason)
        spread = weighted(reply.text, reply.tokens, span, scores, bare=bare)
        return Verdict(score, spread.mean, min(spread.mass, 1.0), spread.probabilities, reason)

    def _evidence(self, verdicts: list[Verdict]) -> dict[str, Any]:
        if self.mode == "sampled":
            return {"scores": [verdict.score for verdict in verdicts]}
        told = {str(score): round(p, 6) for score, p in verdicts[0].probabilities.items()}
        return {"score": verdicts[0].score} | ({"probabilities": told} if self.mode == "logprob" else {})

    def combine(self, totals: Floats) -> Floats:
        low, high = self._rubric.low, self._rubric.high
        with np.errstate(invalid="ignore", divide="ignore"):
            mean, mass = totals[..., 0] / totals[..., 1], totals[..., 2] / totals[..., 1]
        values = (mean, (mean - low) / (high - low), mass)
        return np.stack(values[: len(self.parts)], axis=-1)

    # --- the prompt: what all records share first, then what several share (the input), then the output ---

    def _messages(self, batch: Batch, index: int) -> Messages:
        fields = "\n\n".join(self._field(batch, name, index) for name in self._rubric.needs if name != "output")
        fields += "\n\n" + fenced("OUTPUT", batch.texts("output")[index])
        user = fill(load("geval").user, {"fields": fields.strip(), "form": self._form})
        return ({"role": "system", "content": self._system}, {"role": "user", "content": user})

    def _field(self, batch: Batch, name: str, index: int) -> str:
        heading, value = _HEADINGS[name], batch.column(name)[index]
        if isinstance(value, (list, tuple)) and name != "input":
            return "\n\n".join(fenced(f"{heading} {place}", str(text)) for place, text in enumerate(value, 1))
        return fenced(heading, batch.texts(name)[index])

    @cached_property
    def _system(self) -> str:
        rubric = self._rubric
        steps = "\n".join(f"{place}. {step}" for place, step in enumerate(rubric.steps, 1)) or "(none)"
        examples = "\n\n".join(_example(example) for example in rubric.examples)
        told = load("geval").messages(
            criteria=rubric.criteria,
            steps=steps,
            scale=_scale(rubric),
            examples=f"# Examples\n{examples}\n\n" if examples else "",
            fields="",
            form="",
        )
        return str(told[0]["content"])

    @cached_property
    def _form(self) -> str:
        low, high = self._rubric.low, self._rubric.high
        number = f"one whole number from {low} to {high}"
        if self.reason == "none":
            return f"Reply with the score alone: {number}, and nothing else."
        order = ('"score": …', '"reason": "one or two sentences"')
        told = ", ".join(order if self.reason == "after" else order[::-1])
        return f"Reply with JSON only: {{{told}}}. The score is {number}."

    @cached_property
    def _schema(self) -> dict[str, Any]:
        properties = {"score": {"enum": list(self._rubric.scores)}, "reason": {"type": "string"}}
        names = list(properties) if self.reason == "after" else list(properties)[::-1]
        return {
            "type": "object",
            "properties": {name: properties[name] for name in names},
            "required": names,
            "additionalProperties": False,
        }


def _scale(rubric: Rubric) -> str:
    """The scale in words, anchored levels a line each."""
    head = f"A whole number from {rubric.low} (worst) to {rubric.high} (best)."
    return "\n".join([head, *(f"{score}: {meaning}" for score, meaning in rubric.levels)])


def _example(example: Any) -> str:
    told = [fenced("INPUT", example.input)] if example.input else []
    told += [fenced("OUTPUT", example.output), f"Score: {example.score}"]
    if example.reason:
        told.append(f"Reason: {example.reason}")
    return "\n".join(told)
