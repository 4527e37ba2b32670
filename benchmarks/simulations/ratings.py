"""Bradley-Terry ratings of four systems by a pairwise judge, each prompt judged for every system against the baseline.

A prompt suits some systems more than others (log odds of standard deviation 1.5), so that both orders of a game and all games
of a prompt go together; a fifth of the verdicts are ties. *win rate* is how often the 95 % interval of the chance to beat the
baseline holds that chance over all prompts, *by game* the same with every game taken for a draw of its own, and *found* how
often a system as good as the baseline is said to be another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from evalkit.stats.ranking import rank
from simulations._run import Case, Measure, at_most, rate, within

NAME = "Ratings of a pairwise judge"
STRENGTH = np.array([0.0, 0.0, 0.8, -1.2])
PLAYERS = ("baseline", "equal", "better", "worse")


def cases() -> Iterator[Case]:
    for prompts in (20, 50, 200, 1_000):
        yield Case(f"{prompts} prompts, both orders", 2_000, {"prompts": prompts})


def simulate(case: Case, rng: Any) -> dict[str, Measure]:
    prompts = case["prompts"]
    mood = rng.normal(0.0, 1.5, 1_000_000)
    truth = [float((0.8 / (1.0 + np.exp(-(one + mood)))).mean() + 0.1) for one in STRENGTH]
    found: dict[str, list[bool]] = {"win rate": [], "by game": [], "found": []}
    other, prompt = np.tile([1, 2, 3], 2 * prompts), np.repeat(np.arange(prompts), 6)
    swapped = np.tile(np.repeat([False, True], 3), prompts)
    base = np.zeros(len(other), dtype=int)
    for _ in range(case.trials):
        odds = STRENGTH[other] + rng.normal(0.0, 1.5, (prompts, 4))[prompt, other]
        won = np.where(rng.random(len(odds)) < 0.2, 0.5, rng.random(len(odds)) < 1.0 / (1.0 + np.exp(-odds)))
        games = (np.where(swapped, base, other), np.where(swapped, other, base), np.where(swapped, 1.0 - won, won))
        for name, labels in (("win rate", prompt), ("by game", None)):
            told = rank(*games, players=PLAYERS, prompts=labels)
            for at in (1, 2, 3):
                if not told.why[at]:
                    _, low, high = told.chance(at, 0)
                    found[name].append(low <= truth[at] <= high)
            if labels is not None and not told.why[1]:
                low, high = told.bounds()
                found["found"].append(not low[1] <= 0.0 <= high[1])
    bar = within(0.94, 0.96) if prompts >= 200 else None
    bars = {"win rate": bar, "by game": None, "found": at_most(0.06)}
    return {name: rate(held, bar=bars[name]) for name, held in found.items()}
