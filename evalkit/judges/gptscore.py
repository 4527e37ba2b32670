"""GPTScore: how likely a language model finds the output behind an instruction that asks for one aspect."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import yaml

from evalkit.core.asking import Capability, Tools
from evalkit.core.batch import Batch
from evalkit.core.content import Document, content_root
from evalkit.core.contracts import ModelMetric
from evalkit.core.errors import BackendError, nearest, quote
from evalkit.core.registry import judge
from evalkit.core.rows import Floats, Rows
from evalkit.judges.prompt import fill
from evalkit.specs.rubric import read_rubric
from evalkit.stats.ratio import ratio

Directed = Literal["src_hyp", "ref_hyp", "hyp_ref", "avg_f", "harm_f"]
Task = Literal["rewrite", "summary", "answer", "translation"]

# What stands before the target, and what the target is; of the last two directions, both of these.
_ENDS: Mapping[str, tuple[str, str]] = {
    "src_hyp": ("input", "output"),
    "ref_hyp": ("reference", "output"),
    "hyp_ref": ("output", "reference"),
}
_BOTH = ("ref_hyp", "hyp_ref")


class Score(NamedTuple):
    """Of one record: its score, and of the best reference those of the two directions behind it."""

    value: float
    forward: float = math.nan
    backward: float = math.nan
    each: tuple[float, ...] = ()  # of every reference


@judge("gptscore")
@dataclass(frozen=True)
class GptScore(ModelMetric):
    """Mean log-probability of a token of the output behind an instruction for one aspect; at most 0, higher is better.

    ``ist`` puts an instruction (the aspect's, one of your own, or a rubric's criterion) and demonstrations, if any, before the
    source; ``direct`` puts nothing there (the paper's VAL). All tokens weigh alike. The value is the mean over records;
    ``normalized`` is the mean of exp(score), the geometric mean of a token's probability, between 0 and 1.

    Of several references the best counts. ``avg_f`` is (a + b)/2 and ``harm_f`` a·b/(a + b), as in the authors' code, of
    a = ref_hyp and b = hyp_ref, which are parts beside it (of the reference that gave the score). Two things of that code are
    not copied: there, hyp_ref shows the demonstrations of ref_hyp, and GPT-3's last token is left out.

    An empty output, or no reference with any text where one is needed, leaves nothing to judge: skipped. Nothing that the
    model says is read, so no text can talk it into a score; the source needs no fence.

    Args:
        aspect: one of those in ``judges/prompts/gptscore.yaml``.
        instruction: instead of an aspect's, word for word.
        rubric: its criterion becomes the instruction, and its best-scored examples, for src_hyp, the demonstrations.
        likelihood: of which text behind which: src is the input, hyp the output, ref the reference.
        task: what the output is to the source; it words the instruction and sets the connector.
        connector: stands between source and target.
        demonstrations: each with the columns that the likelihood takes, such as ``{input: …, output: …}``.

    Misleads: a likelihood prefers short words, common names and the scoring model's own style. Different instructions,
    lengths and models are different scales: compare systems within one set-up only.

    Source: Fu et al. (2023), GPTScore: Evaluate as You Desire, arXiv:2302.04166, eq. 1.
    """

    aspect: str | None = None
    variant: Literal["ist", "direct"] = "ist"
    likelihood: Directed = "src_hyp"
    task: Task = "rewrite"
    instruction: str | None = None
    rubric: Document | Mapping[str, Any] | None = None
    demonstrations: tuple[Mapping[str, str], ...] = ()
    connector: str | None = None
    stride: int | None = None

    wants: ClassVar[frozenset[Capability]] = frozenset({"likelihood"})

    def __post_init__(self) -> None:
        chosen = [name for name in ("aspect", "instruction", "rubric") if getattr(self, name) is not None]
        known = texts()["aspects"]
        if self.variant == "direct" and (chosen or self.demonstrations):
            raise ValueError(f"`variant: direct` asks without an instruction; remove {', '.join(chosen or ['demonstrations'])}")
        if self.variant == "ist" and len(chosen) != 1:
            told = f"both {' and '.join(chosen)}" if chosen else "no aspect"
            raise ValueError(f"{told}; give one of `aspect:` ({', '.join(known)}), `instruction:` and `rubric:`")
        if self.aspect is not None and self.aspect not in known:
            close = nearest(self.aspect, known)
            hint = f"did you mean {close}?" if close else f"one of {', '.join(known)}, or write an `instruction:`"
            raise ValueError(f"no aspect is called {quote(self.aspect)}; {hint}")
        if self.stride is not None and self.stride < 1:
            raise ValueError(f"stride is a number of tokens from 1 up, not {self.stride}")
        for direction in self._directions:
            for place, demonstration in enumerate(self.demonstrations, 1):
                wrong = [name for name in _ENDS[direction] if not isinstance(demonstration.get(name), str)]
                if wrong:
                    raise ValueError(f"demonstration {place} lacks {' and '.join(wrong)}, which {direction} shows")
        self._heads()  # a rubric's problems, now

    @property
    def _directions(self) -> tuple[str, ...]:
        return _BOTH if self.likelihood in ("avg_f", "harm_f") else (self.likelihood,)

    @property
    def parts(self) -> tuple[str, ...]:
        return ("", "normalized", *(_BOTH if len(self._directions) > 1 else ()))

    @property
    def columns(self) -> tuple[str, ...]:
        return ("score", "normalized", *(_BOTH if len(self._directions) > 1 else ()), "records")

    def needs_of(self) -> tuple[str, ...]:
        used = {name for direction in self._directions for name in _ENDS[direction]}
        return tuple(name for name in ("output", "input", "reference") if name in used)

    def instead(self, lacking: frozenset[Capability]) -> str | None:
        return "take a backend with a language model (kind: vllm or transformers), or geval, which a chat is enough for"

    def range_of(self, part: str) -> tuple[float, float] | None:
        return -math.inf, math.inf

    def about(self) -> str:
        return "mean log-probability, at most 0"

    def prompts(self) -> dict[str, str]:
        places = {"source": "{source}", "target": "{target}"}
        return {f"gptscore {name}": "".join(self._prompt(head, **places)) for name, head in self._heads().items()}

    # --- the prompt: what all records share comes first ---

    def _heads(self) -> dict[str, str]:
        """What stands before the source, for each direction that is asked."""
        if self.variant == "direct":
            return dict.fromkeys(self._directions, "")
        told, shown = self._told(), list(self.demonstrations)
        if self.rubric is not None:
            rubric = read_rubric(self.rubric)
            if self.likelihood == "src_hyp" and not shown:
                best = [example for example in rubric.examples if example.score == rubric.high and example.input]
                shown = [{"input": example.input, "output": example.output} for example in best]
            told = fill(texts()["criterion"], {"task": told, "criteria": rubric.criteria})
        heads = {}
        for direction in self._directions:
            given, target = _ENDS[direction]
            demonstrations = ["".join(self._prompt("", one[given], one[target])) for one in shown]
            heads[direction] = "".join(f"{text}\n" for text in (told, *demonstrations))
        return heads

    def _told(self) -> str:
        if self.instruction is not None:
            return self.instruction
        aspect = texts()["aspects"][self.aspect] if self.aspect is not None else ""
        return fill(texts()["tasks"][self.task]["instruction"], {"aspect": aspect}).replace(" :", ":")

    def _prompt(self, head: str, source: str, target: str) -> tuple[str, str]:
        """What is given, and the target; a space between them belongs to the target, as tokenizers have it."""
        connector = texts()["tasks"][self.task]["connector"] if self.connector is None else self.connector
        before = f"{head}{source.strip()}{connector}"
        return (before[:-1], f" {target.strip()}") if before.endswith(" ") else (before, target.strip())

    # --- measuring ---

    async def measure(self, batch: Batch, tools: Tools) -> Rows:
        heads = self._heads()
        columns = [batch.texts("input"), batch.texts("output"), list(batch.lists("reference"))]
        asked = (self._one(tools, heads, *record) for record in zip(*columns))
        told = await asyncio.gather(*asked, return_exceptions=True)
        rows = Rows(np.full((len(batch), len(self.columns)), np.nan))
        came: Iterator[tuple[int, Score | str]] = rows.settled(told)
        for index, found in came:
            if isinstance(found, str):
                rows.skipped[index] = found
            else:
                both = (found.forward, found.backward) if len(self._directions) > 1 else ()
                rows.values[index] = (found.value, math.exp(found.value), *both, 1.0)
                if len(found.each) > 1:
                    rows.evidence[index] = {"references": list(found.each)}
        return rows

    async def _one(
        self, tools: Tools, heads: Mapping[str, str], source: str, output: str, references: Sequence[str]
    ) -> Score | str:
        """The score of one record, or why there is nothing to score."""
        if not output.strip():
            return "the output is empty: nothing to judge"
        if self.likelihood == "src_hyp":
            return Score(await self._mean(tools, heads["src_hyp"], source, output))
        filled = [text for text in references if text.strip()]
        if not filled:
            return "the reference is empty: nothing to judge by"
        asked = [
            self._mean(tools, head, *((text, output) if direction == "ref_hyp" else (output, text)))
            for text in filled
            for direction, head in heads.items()
        ]
        found = await asyncio.gather(*asked, return_exceptions=True)  # all, so that none is left under way
        for failed in found:
            if isinstance(failed, BaseException):
                raise failed
        means = np.array(found, dtype=np.float64).reshape(len(filled), -1)
        each = self._folded(means)
        best = int(each.argmax())
        return Score(float(each[best]), float(means[best, 0]), float(means[best, -1]), tuple(each.tolist()))

    def _folded(self, means: Floats) -> Floats:
        """Scores of references, shape (r,), from those of the directions that were asked, shape (r, 1 or 2)."""
        if self.likelihood == "avg_f":
            mean: Floats = means.mean(axis=1)
            return mean
        if self.likelihood == "harm_f":
            return ratio(means.prod(axis=1), means.sum(axis=1), empty=0.0)  # 0/0: both certain
        only: Floats = means[:, 0]
        return only

    async def _mean(self, tools: Tools, head: str, source: str, target: str) -> float:
        given, text = self._prompt(head, source, target)
        logprobs = (await tools.likelihood(text, given, stride=self.stride)).logprobs
        if not logprobs:
            raise BackendError("the model gave no token of the text a log-probability")
        mean = math.fsum(logprobs) / len(logprobs)
        if not math.isfinite(mean):
            raise BackendError(f"the model gave a token the log-probability {min(logprobs):g}")
        return mean

    def combine(self, totals: Floats) -> Floats:
        return ratio(totals[..., :-1], totals[..., -1:])


@cache
def texts() -> Any:
    """What ``judges/prompts/gptscore.yaml`` holds: tasks and aspects by name, and how a criterion is put."""
    return yaml.safe_load((content_root() / "judges" / "prompts" / "gptscore.yaml").read_text(encoding="utf-8"))
