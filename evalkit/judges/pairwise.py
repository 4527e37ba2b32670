"""Which of two answers is better: asked in both orders, so that a preference for a place counts for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from evalkit.core.asking import Messages, Reply, Tools
from evalkit.core.batch import Batch
from evalkit.core.content import Document
from evalkit.core.contracts import IntervalKind, ModelMetric
from evalkit.core.errors import Malformed, quote
from evalkit.core.registry import judge
from evalkit.core.rows import Floats, Rows
from evalkit.judges.prompt import fenced, load
from evalkit.judges.verdict import Form, Told, schema, told
from evalkit.specs.comparison import Scale, read_comparison
from evalkit.stats.confusion import PARTS as AGREEMENT
from evalkit.stats.confusion import agreement
from evalkit.stats.length_control import length_controlled
from evalkit.stats.ratio import ratio

Winner = Literal["output", "other", "tie"]

WINNERS: tuple[Winner, ...] = ("output", "other", "tie")
CRITERIA = (
    "Which answer serves whoever wrote the input better: it does what was asked, and it is correct, complete and clear. "
    "Padding, flattery and confidence earn nothing."
)
STRONG = 3.0  # what a strong verdict weighs in Arena-Hard
_WORDS: Mapping[Form, Mapping[Scale, str]] = {
    "json": {
        "three": '"A" if answer A is better, "B" if answer B is better, "tie" if neither is',
        "five": '"A>>B" if answer A is much better, "A>B" if it is a little better, "A=B" if neither is better, '
        '"B>A" if answer B is a little better, "B>>A" if it is much better',
    },
    "brackets": {
        "three": "[[A]] if answer A is better, [[B]] if answer B is better, [[C]] if neither is",
        "five": "[[A>>B]] if answer A is much better, [[A>B]] if it is a little better, [[A=B]] if neither is better, "
        "[[B>A]] if answer B is a little better, [[B>>A]] if it is much better",
    },
    "first_line": {"three": "1 if answer 1 is better, 2 if answer 2 is better, Tie if neither is"},
}
# What people write for a verdict in a column of labels, of the output and of the other answer.
_LABELS: Mapping[str, Winner] = {
    **dict.fromkeys(("a", "1", "output"), "output"),
    **dict.fromkeys(("b", "2", "other"), "other"),
    **dict.fromkeys(("tie", "0", "c"), "tie"),
}


class Game(NamedTuple):
    """One order's verdict: the level is that of the output (positive: preferred), wherever it stood."""

    level: int
    reason: str
    garbage: bool = False  # a reply that is no verdict, and counts as a tie

    @property
    def winner(self) -> Winner:
        return WINNERS[(self.level < 0) + 2 * (self.level == 0)]


@judge("pairwise")
@dataclass(frozen=True)
class Pairwise(ModelMetric):
    """How often a judge prefers the output to another answer, ties half: a win rate from 0 to 1.

    The other answer is a column, ``against: {column: output_b}``, or what another run answered to the same records,
    ``against: RUN``: an id, ``latest:SUITE`` or a path to its results.json. A record is asked about twice, the answers
    exchanged, and only a preference for the same answer both times counts: judges favour a place, and a verdict that changes
    with the order is a tie. ``orders: given`` asks once, with the output first.

    Parts: the bare win rate; ``tie``, the share of ties; ``order_dependent``, the share of records whose verdict changed with
    the order; ``length_controlled``, the win rate were both answers equally long (none of fewer than five records, nor of a
    single one). ``scale: five`` tells strong verdicts from slight ones; a strong one weighs 3 as in Arena-Hard, the mean of
    both orders. ``labels: COLUMN`` holds people's own verdicts (A or 1, B or 2, tie or 0) and adds ``accuracy``, ``kappa`` and
    ``macro_precision``, ``macro_recall``, ``macro_f1`` over the three verdicts.

    ``reply`` is the form of the judge's answer: JSON, a label in [[ ]], or PandaLM's first line. A reply without exactly one
    verdict is asked for again, then an error; ``compat: garbage_as_tie`` counts it as a tie instead, as PandaLM's published
    figures do. Where both answers are empty there is nothing to judge.

    Misleads: judges prefer the longer answer; look at `length_controlled`. Many ties by order say that the judge cannot
    tell, not that the answers are equal. A win rate is against this opponent only.

    Range: 0 to 1.

    Source: Zheng et al. (2023), Judging LLM-as-a-Judge, arXiv:2306.05685, section 3.4; for length control Dubois et al. (2024),
    arXiv:2404.04475; for five levels Li et al. (2024), Arena-Hard, arXiv:2406.11939.
    """

    against: str | dict[str, str]
    judge: Document | None = None  # a file with criteria and scale
    criteria: str | None = None
    scale: Scale | None = None  # three unless the judge's file says five
    orders: Literal["both", "given"] = "both"
    reply: Form = "json"
    reference: bool = False  # whether the judge is shown the reference
    labels: str | None = None
    compat: Literal["garbage_as_tie"] | None = None
    max_tokens: int = 600
    _run: str = ""  # the id of the run compared with, and the sha256 of its outputs
    _outputs: str = ""

    additive: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if isinstance(self.against, Mapping) and set(self.against) != {"column"}:
            raise ValueError("against wants a run, or {column: NAME}")
        if not self._opposite.strip():
            raise ValueError("against names nothing; write {column: output_b}, or a run such as latest:quickstart")
        if self._opposite == "output" and isinstance(self.against, Mapping):
            raise ValueError("against names the output itself; name the column of the other answer")
        if self.judge is not None:
            if self.criteria is not None:
                raise ValueError("give either `judge` or `criteria`, not both")
            defined = read_comparison(self.judge)
            object.__setattr__(self, "criteria", defined.criteria)
            object.__setattr__(self, "scale", self.scale or defined.scale)
            object.__setattr__(self, "judge", None)
        if self.reply == "first_line" and self.scale == "five":
            raise ValueError("reply: first_line has three verdicts; for five write `reply: json` or `reply: brackets`")
        object.__setattr__(self, "criteria", (self.criteria or CRITERIA).strip())
        object.__setattr__(self, "scale", self.scale or "three")

    # --- what it needs and gives ---

    @property
    def _opposite(self) -> str:
        return self.against if isinstance(self.against, str) else self.against["column"]

    @property
    def _column(self) -> str:
        """Where the other answers stand in a batch."""
        return f"output@{self.against}" if isinstance(self.against, str) else self._opposite

    def opponent(self) -> str | None:
        return self._run or None

    def outputs_of(self) -> str | None:
        return self.against if isinstance(self.against, str) else None

    def pinned(self, run_id: str, sha256: str) -> Self:
        return replace(self, _run=run_id, _outputs=sha256)

    def options(self) -> dict[str, Any]:
        """Without the criteria, which stand in the prompt; with the outputs of a run that was looked up."""
        told = super().options()
        del told["judge"], told["criteria"]
        told["against"] = self.against if self.outputs_of() else f"column {self._opposite}"
        return told | ({"outputs": self._outputs} if self._outputs else {})

    def needs_of(self) -> tuple[str, ...]:
        other = () if self.outputs_of() else (self._column,)
        return (
            "input",
            "output",
            *other,
            *(("reference",) if self.reference else ()),
            *((self.labels,) if self.labels else ()),
        )

    def lacking(self, batch: Batch) -> dict[int, str]:
        why = super().lacking(batch)
        if self.outputs_of():
            for index in np.flatnonzero(batch.missing(self._column)):
                why.setdefault(int(index), f"the run {self._run or self._opposite} has no output for this record")
        return why

    @property
    def parts(self) -> tuple[str, ...]:
        swapped = ("order_dependent",) if self.orders == "both" else ()
        return ("", "tie", *swapped, "length_controlled", *(AGREEMENT if self.labels else ()))

    @property
    def columns(self) -> tuple[str, ...]:
        counts = [f"{true}:{given}" for true in WINNERS for given in WINNERS] if self.labels else []
        return ("wins", "weight", "ties", "order_dependent", "shorter", "records", *counts)

    def direction(self, part: str) -> bool | None:
        return {"tie": None, "order_dependent": False}.get(part, True)

    def interval_of(self, part: str) -> IntervalKind:
        return "wilson" if part in ("tie", "order_dependent", "accuracy") else "bootstrap"

    def range_of(self, part: str) -> tuple[float, float] | None:
        if part == "":
            return (0.0, 1.0) if self.scale == "three" else None  # strong verdicts weigh more: a ratio of two sums
        return super().range_of(part)

    def about(self) -> str:
        orders = "both orders" if self.orders == "both" else "one order"
        return f"win rate against {self._run or self._opposite}, {orders}"

    def prompts(self) -> dict[str, str]:
        told = self._messages("{input}", "{reference}", "{first}", "{second}")
        return {"pairwise": "\n\n".join(str(message["content"]) for message in told)}

    # --- asking ---

    async def measure(self, batch: Batch, tools: Tools) -> Rows:
        names, pairs = batch.texts("id"), list(zip(batch.texts("output"), batch.texts(self._column)))
        found = await asyncio.gather(
            *(self._games(batch, index, pair, tools.on(names[index])) for index, pair in enumerate(pairs)),
            return_exceptions=True,
        )
        truth = self._truth(batch)
        rows = Rows(np.full((len(batch), len(self.columns)), np.nan))
        for index, games in rows.settled(found):
            true = truth[index] if truth else None
            if games is None:
                rows.skipped[index] = "both answers are empty: nothing to judge"
            elif truth and true is None:
                rows.errors[index] = f"{self.labels} is {quote(batch.column(str(self.labels))[index])}, not A, B or tie"
            else:
                output, other = pairs[index]
                rows.values[index] = self._row(games, len(other) - len(output), true)
                rows.reasons[index] = reason(games)
                rows.evidence[index] = evidence(games)
        return rows

    async def _games(self, batch: Batch, index: int, pair: tuple[str, str], tools: Tools) -> list[Game] | None:
        """The verdict of every order, the given one first; None where there is nothing to judge."""
        output, other = pair
        if not output.strip() and not other.strip():
            return None
        shown = batch.texts("input")[index], "\n\n".join(_references(batch, index)) if self.reference else ""
        asked = [self._game(tools, "given", self._messages(*shown, output, other), 1)]
        if self.orders == "both":
            asked.append(self._game(tools, "swapped", self._messages(*shown, other, output), -1))
        return list(await asyncio.gather(*asked))

    async def _game(self, tools: Tools, call: str, messages: Messages, sign: int) -> Game:
        assert self.scale is not None
        wanted = schema(self.scale) if self.reply == "json" else None
        try:
            verdict: Told = await tools.ask(messages, wanted, call=call, parse=self._parse, max_tokens=self.max_tokens)
        except Malformed as error:
            if self.compat != "garbage_as_tie":
                raise
            return Game(0, f"counted as a tie: {error}", garbage=True)
        return Game(sign * verdict.level, verdict.reason)

    def _parse(self, reply: Reply) -> Told:
        assert self.scale is not None
        return told(reply.text, self.reply, self.scale)

    def _messages(self, question: str, reference: str, first: str, second: str) -> Messages:
        one, two = ("1", "2") if self.reply == "first_line" else ("A", "B")
        blocks = [fenced("INPUT", question)]
        blocks += [fenced("REFERENCE", reference)] if self.reference else []
        blocks += [fenced(f"ANSWER {one}", first), fenced(f"ANSWER {two}", second)]
        form = load(f"pairwise-{self.reply.replace('_', '-')}")
        verdicts = _WORDS[self.reply][self.scale or "three"]
        asked = str(form.messages(verdicts=verdicts)[-1]["content"])
        return load("pairwise").messages(criteria=str(self.criteria), fields="\n\n".join(blocks), form=asked)

    # --- rows and values ---

    def _truth(self, batch: Batch) -> list[Winner | None]:
        """People's verdicts; None where a label is none of them."""
        if self.labels is None:
            return []
        return [_LABELS.get(_plain(value)) for value in batch.column(self.labels)]

    def _row(self, games: Sequence[Game], shorter: int, true: Winner | None) -> list[float]:
        winner, weight = verdict_of(games)
        wins = {"output": 1.0, "tie": 0.5, "other": 0.0}[winner]
        row = [wins * weight, weight, float(winner == "tie"), float(order_dependent(games)), float(shorter), 1.0]
        if true is not None:
            counts = np.zeros((3, 3))
            counts[WINNERS.index(true), WINNERS.index(winner)] = 1.0
            row += counts.ravel().tolist()
        return row

    def combine(self, totals: Floats) -> Floats:
        """All but the length-controlled win rate, which is no sum."""
        records = totals[..., 5]
        values = [ratio(totals[..., 0], totals[..., 1]), ratio(totals[..., 2], records)]
        values += [ratio(totals[..., 3], records)] if self.orders == "both" else []
        values.append(np.full(records.shape, np.nan))
        plain = np.stack(values, axis=-1)
        if not self.labels:
            return plain
        return np.concatenate([plain, agreement(totals[..., 6:].reshape(*totals.shape[:-1], 3, 3))], axis=-1)

    def combine_rows(self, values: Floats, weights: NDArray[np.float64]) -> Floats:
        found = self.combine(weights @ values)
        preference, weight = ratio(values[:, 0], values[:, 1], 0.5), values[:, 1]
        found[:, self.parts.index("length_controlled")] = length_controlled(preference, weight, values[:, 4], weights)
        return found


def verdict_of(games: Sequence[Game]) -> tuple[Winner, float]:
    """Who wins, and what that weighs: a preference that the order changes is a tie (Zheng et al. 2023, section 3.4)."""
    if order_dependent(games) or games[0].winner == "tie":
        return "tie", 1.0
    return games[0].winner, float(np.mean([STRONG if abs(game.level) == 2 else 1.0 for game in games]))


def order_dependent(games: Sequence[Game]) -> bool:
    """Whether the verdict changed when the answers were exchanged."""
    return len({game.winner for game in games}) > 1


def reason(games: Sequence[Game]) -> str:
    """What the judge said, in words."""
    if order_dependent(games):
        first, second = games
        return f"order-dependent: {first.winner}, then {second.winner} ({first.reason} / {second.reason})"
    return games[0].reason


def evidence(games: Sequence[Game]) -> dict[str, Any]:
    """Both verdicts, told of the answers rather than of their places."""
    orders = {}
    for order, game in zip(("given", "swapped"), games):
        told_of: dict[str, Any] = {"winner": game.winner, "reason": game.reason}
        told_of |= {"strong": True} if abs(game.level) == 2 else {}
        orders[order] = told_of | ({"garbage": True} if game.garbage else {})
    return {"winner": verdict_of(games)[0], "order_dependent": order_dependent(games), "orders": orders}


def _references(batch: Batch, index: int) -> list[str]:
    references = batch.lists("reference")
    low, high = references.offsets[index : index + 2].tolist()
    return references.flat[low:high]


def _plain(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if isinstance(value, bool) else str(value).strip().casefold()
