"""An alarm: a window, or many together, that the reference does not explain, at a stated number of false ones a month.

Every track is one number a window. Half the budget of false alarms goes to *jumps* (a window's innovation, Benjamini-Hochberg
over all tracks), half to *slow* shifts (CUSUM charts of two speeds, Page 1954). Both need an effect too: a shift of the track's
floor. A track that alarms is open until windows like the reference's outweigh those like the shift, and raises none meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.core.times import MONTH
from evalkit.core.watched import Status
from evalkit.detection.look import Expectations, Look
from evalkit.detection.season import SHIFTS, Expectation
from evalkit.detection.tails import LIMIT, evidence, quantile, stretched
from evalkit.stats.multiple import adjust
from evalkit.stats.normal import normal_quantile
from evalkit.stats.sums import Floats

Kind = Literal["jump", "slow"]
Flags = NDArray[np.bool_]

LOCATING = 4.0  # standard deviations of the chart that dates jumps; it raises no alarm
CHARTS = (*SHIFTS, LOCATING)
SIDES = (1.0, -1.0)
_SURE, _SUREST = normal_quantile(0.9), normal_quantile(0.99)  # that a slow chart allows for its level's error
_HEIGHTS = np.array([10.0 / shift for shift in CHARTS])  # of a threshold, in standard deviations, about
_OVERSHOOT = 1.166  # Siegmund (1985), p. 210
_CEILING = 1.2  # how far above the reference's own highest a chart must rise
_LEAST_OF_SHIFT = 0.6  # of what was seen: the least that a shift is taken to be when its end is looked for
_OVER = math.log(1e5)  # evidence that closes an incident: windows would have to mislead 100,000 : 1


@dataclass(frozen=True)
class Reading:
    """A track's window: NaN where nothing was measured.

    Attributes:
        variance: of sampling, under the reference: p (1 - p) / n of a rate, s² / n of a mean.
        n: rows behind it.
    """

    value: float = math.nan
    variance: float = math.nan
    n: int = 0


@dataclass(frozen=True)
class Plan:
    """What is watched, and how many false alarms may come of it.

    Attributes:
        tracks: signals and their slices, all together.
        width: of a window, seconds.
        false_alarms_per_month: over all tracks.
        minimum: rows below which a window is not judged.
        calm: windows like the reference's, at least, before an incident is over.
        cooldown: windows after it in which the track does not alarm again.
    """

    tracks: int
    width: float
    false_alarms_per_month: float = 1.0
    minimum: int = 20
    calm: int = 3
    cooldown: int = 6

    @property
    def level(self) -> float:
        """Chance of any jump in a window where nothing happened: half the budget."""
        return min(self._half, 0.25)

    @property
    def _half(self) -> float:
        """Half the budget, a window."""
        return 0.5 * self.false_alarms_per_month * self.width / MONTH

    def threshold(self, shift: float, df: float = math.inf) -> float:
        """Log-likelihood ratio at which a slow chart alarms, so that all charts of all tracks spend the other half.

        With a spread estimated on ``df`` degrees of freedom, the mean number of false alarms over references is held.

        Source: Siegmund (1985), Sequential Analysis, eq. 2.57; the average run length of a one-sided CUSUM of normal values.
        """
        level = self._half / (max(self.tracks, 1) * len(SHIFTS) * len(SIDES))
        wanted = 0.5 * shift**2 / max(level, 1e-15)  # exp(b) - b - 1
        bound = math.log(wanted + 1.0)
        for _ in range(50):
            bound = math.log(wanted + bound + 1.0)
        return max(bound - _OVERSHOOT * shift, 0.5) * (_widened(bound, df) if math.isfinite(df) else 1.0)


@dataclass(frozen=True)
class State:
    """What the tracks remember between windows: arrays of shape (tracks, …), in the order of ``names``.

    Attributes:
        latent, spread: mean and variance of the noise that remembers.
        offset: how far the level is known to have moved from the reference's, by less than matters.
        time: of the last window; NaN before the first.
        rise, since: of each chart and side, shape (tracks, charts, 2): its height, and the start of its rise.
        sums: since that start, of weights, weighted residuals and weighted expectations, shape (tracks, charts, 2, 3).
        side: of the open incident, ±1; 0 while none is open. ``slow`` is 1 where many windows found it.
        begun, told: start of the incident, and the same sums since then, shape (tracks, 3).
        over, over_since, over_windows: evidence that it has ended, when it began to rise, and for how many windows.
        quiet: until when a track that has closed does not alarm.
    """

    names: tuple[str, ...]
    latent: Floats
    spread: Floats
    offset: Floats
    time: Floats
    rise: Floats
    since: Floats
    sums: Floats
    side: Floats
    slow: Floats
    begun: Floats
    told: Floats
    over: Floats
    over_since: Floats
    over_windows: Floats
    quiet: Floats

    @property
    def open(self) -> tuple[str, ...]:
        """Tracks with an open incident."""
        return tuple(name for name, side in zip(self.names, self.side) if side)

    def to_json(self) -> dict[str, dict[str, Any]]:
        """By track; NaN and infinities are null."""
        return {name: {field: _plain(getattr(self, field)[at]) for field in _SHAPES} for at, name in enumerate(self.names)}


@dataclass(frozen=True)
class Verdict:
    """What one window of one track came to.

    Attributes:
        expected, low, high: given the windows before; outside of the band, a window would alarm alone.
        z: normal score of the window; p, q: two-sided, q after Benjamini-Hochberg over the tracks of the window.
        opened, closed: whether an incident of this track began or ended with this window.
        kind, since, before, after: of the incident that is open, was opened or was closed: when it began, what was expected and
            seen since then. A closed one's ``since`` is the first window of the calm that ended it.
        size: the shift since then in standard deviations of a window.
    """

    value: float
    expected: float
    low: float
    high: float
    n: int
    z: float
    p: float
    q: float
    status: Status
    opened: bool = False
    closed: bool = False
    kind: Kind | None = None
    since: float = math.nan
    before: float = math.nan
    after: float = math.nan
    size: float = math.nan


@dataclass(frozen=True)
class Verdicts:
    """A window's verdicts as arrays of shape (tracks,), where a mapping of thousands would be slow; see `Verdict`."""

    columns: Mapping[str, NDArray[Any]]

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    def of(self, at: int) -> Verdict:
        """One track's."""
        row = {name: column[at].item() for name, column in self.columns.items()}
        incident = row["side"] != 0.0 or row["closed"]
        kind: Kind = "slow" if row.pop("slow") else "jump"
        del row["side"]
        return Verdict(**row | {"n": int(row["n"]), "status": _STATUS[int(row["status"])], "kind": kind if incident else None})


class Watcher:
    """Judges window after window; all it knows of the past is the state it is given.

    Args:
        expectations: of every track, by name.
        floors: the least shift of each that matters, in its own unit; 0 where none is given.
    """

    def __init__(self, plan: Plan, expectations: Mapping[str, Expectation], floors: Mapping[str, float] | None = None) -> None:
        self.plan, self.names = plan, tuple(expectations)
        self._tracks = Expectations.of(list(expectations.values()), plan.width)
        self._floors = np.array([(floors or {}).get(name, 0.0) for name in self.names])
        self._bounds = np.array([_bounds(plan, one) for one in expectations.values()]).reshape(-1, len(CHARTS))
        df = np.minimum(self._tracks.df, self._tracks.tail)
        self._reach = quantile(plan.level / max(plan.tracks, 1), df) * self._tracks.scale

    def start(self, told: Mapping[str, Mapping[str, Any]] | None = None) -> State:
        """The state before the first window, or the one that was kept as `State.to_json`; tracks that it lacks begin."""
        n = len(self.names)
        state = State(self.names, **{name: np.zeros((n, *shape)) for name, shape in _SHAPES.items()})
        state.time[:], state.spread[:], state.quiet[:] = np.nan, self._tracks.variance, -np.inf
        for at, name in enumerate(self.names):
            for field, value in (told or {}).get(name, {}).items():
                getattr(state, field)[at] = (-np.inf if field == "quiet" else np.nan) if value is None else value
        return state

    def step(self, state: State, time: float, readings: Mapping[str, Reading]) -> tuple[State, dict[str, Verdict]]:
        """The window that starts at ``time``; times rise, and may leave windows out.

        Raises:
            KeyError: a reading of a track that has no expectation.
        """
        unknown = readings.keys() - set(self.names)
        if unknown:
            raise KeyError(f"no expectation of {', '.join(sorted(unknown))}")
        rows = [readings.get(name, _NOTHING) for name in self.names]
        columns = ([row.value for row in rows], [row.variance for row in rows], [row.n for row in rows])
        new, verdicts = self.judge(state, time, *(np.array(column, dtype=np.float64) for column in columns))
        return new, {name: verdicts.of(at) for at, name in enumerate(self.names)}

    def judge(self, state: State, time: float, values: Floats, variances: Floats, sizes: Floats) -> tuple[State, Verdicts]:
        """`step` on arrays of shape (tracks,), in the order of ``names``."""
        plan, tracks = self.plan, self._tracks
        there = np.isfinite(values) & np.isfinite(variances) & (variances > 0.0)
        judged = there & (sizes >= plan.minimum)
        passed = np.maximum(np.round((time - state.time) / plan.width), 1.0)
        steps = np.where(np.isnan(passed), 1.0, passed)
        look = tracks.look(
            state.latent, state.spread, state.offset, steps, time,
            np.where(judged, values, np.nan), np.where(judged, variances, np.nan),
        )  # fmt: skip
        was_open = state.side != 0.0
        q = self._adjusted(look.p)
        if was_open.any():  # what is open already must not make the others' alarms cheaper
            q = np.where(was_open, q, self._adjusted(np.where(was_open, np.nan, look.p)))
        charts = self._charts(state, time, look, judged & ~was_open)
        found = self._found(charts, time, look, q, judged & ~was_open & (time >= state.quiet))
        taken: dict[str, Any] = {
            name: np.where(_like(found["opened"], found[name]), found[name], getattr(state, name)) for name in _FOUND
        }
        state = replace(state, **taken)
        ending: dict[str, Any] = self._ending(state, time, look, judged & was_open)
        opened, closed = found["opened"], ending.pop("closed")
        state = replace(state, **ending)

        with np.errstate(invalid="ignore", divide="ignore"):
            shift, before = state.told[:, 1] / state.told[:, 0], state.told[:, 2] / state.told[:, 0]
        shown = state.side != 0.0
        status = np.select([~there, ~judged, shown & ~closed], [3, 2, 1], 0)
        low, high = (look.centre + look.deviation * stretched(sign * self._reach, look.skew) for sign in (-1.0, 1.0))
        verdicts = Verdicts({
            "value": values, "expected": look.centre, "low": tracks.inside(low),
            "high": tracks.inside(high), "n": sizes, "z": look.t, "p": look.p, "q": q, "status": status,
            "opened": opened, "closed": closed, "side": state.side, "slow": state.slow,
            "since": np.where(closed, state.over_since, np.where(shown, state.begun, np.nan)),
            "before": np.where(shown, before, np.nan), "after": np.where(shown, before + shift, np.nan),
            "size": np.where(shown, shift / look.deviation, np.nan),
        })  # fmt: skip

        # While an incident is open, and where one begins or ends, the noise and the charts start anew.
        # So they do where a shift is certain and too small to matter: it is the new level then, as long as it stays that small.
        anew = was_open | opened | found["small"]
        learns = judged & ~anew
        limit = LIMIT * tracks.scale * look.unit
        kept: dict[str, Any] = charts | {"rise": np.where(found["spent"], 0.0, charts["rise"])}
        kept = {name: np.where(_like(anew, values_of), 0.0, values_of) for name, values_of in kept.items()}
        return replace(
            state,
            latent=np.where(
                learns, look.latent + look.gain * np.clip(look.step, -limit, limit), np.where(anew, 0.0, look.latent)
            ),
            spread=np.where(learns, (1.0 - look.gain) * look.spread, np.where(anew, tracks.variance, look.spread)),
            offset=np.where(found["small"], found["offset"], state.offset),
            time=np.full(len(values), float(time)),
            **kept,
            side=np.where(closed, 0.0, state.side),
            over=np.where(closed | opened, 0.0, state.over),
            over_windows=np.where(closed | opened, 0.0, state.over_windows),
            quiet=np.where(closed, time + (plan.cooldown + 1) * plan.width, state.quiet),
        ), verdicts

    def _adjusted(self, p: Floats) -> Floats:
        """Benjamini-Hochberg over all tracks; simulations of many services at once have it service by service."""
        return adjust(p, "bh")

    def _charts(self, state: State, time: float, look: Look, watched: Flags) -> dict[str, Floats]:
        """Page's charts with this window: they rise with the evidence of a shift, and begin anew at 0."""
        doubt = self._tracks.level_stderr * look.lasting / look.deviation
        allowed = np.minimum(np.maximum(_SURE * doubt[:, None], _HEIGHTS * doubt[:, None] ** 2), _SUREST * doubt[:, None])
        sides, shifts = np.array(SIDES), np.array(CHARTS)[:, None]
        z = look.counted[:, None, None] - sides * allowed[:, :, None]
        gained = np.where(_like(watched, z), evidence(z, look.skew[:, None, None], shifts, sides), 0.0)
        begins = _like(watched, z) & (state.rise <= 0.0)
        rise = np.maximum(state.rise + gained, 0.0)
        sums = np.where(begins[..., None], 0.0, state.sums) + np.where(
            _like(watched, state.sums), look.terms[:, None, None, :], 0.0
        )
        return {"rise": rise, "since": np.where(begins, time, state.since), "sums": np.where(rise[..., None] > 0.0, sums, 0.0)}

    def _found(self, charts: Mapping[str, Floats], time: float, look: Look, q: Floats, free: Flags) -> dict[str, NDArray[Any]]:
        """Alarms: significant and large enough; ``small`` are tracks with a shift that is significant and does not matter.

        ``spent`` are charts whose evidence was told, or came while the track was quiet.
        """
        rise, sums = charts["rise"], charts["sums"]
        with np.errstate(invalid="ignore", divide="ignore"):
            shifts = np.where(sums[..., 0] > 0.0, sums[..., 1] / sums[..., 0], 0.0)
        floors = self._floors
        over = rise > self._bounds[:, :, None]
        matters = np.array(SIDES) * shifts >= floors[:, None, None]
        alarms = over & matters & _like(free, rise)
        slow = alarms.any(axis=(1, 2))
        idle = np.where(over & ~matters, rise, 0.0).reshape(len(q), -1)
        offset = np.clip(
            np.take_along_axis(shifts.reshape(len(q), -1), idle.argmax(axis=1)[:, None], axis=1)[:, 0], -floors, floors
        )
        # A jump is dated by the chart of large shifts; where that has not risen, or for something smaller, it is this window.
        every, upward = np.arange(len(q)), np.where(look.t < 0.0, 1, 0)
        located = (every, len(SHIFTS), upward)
        signs = np.where(upward, -1.0, 1.0)
        alone = (rise[located] <= 0.0) | (signs * shifts[located] < floors)
        jump = free & (q <= self.plan.level) & (signs * np.where(alone, look.residual, shifts[located]) >= floors)
        best = np.argmax(np.where(alarms, rise / self._bounds[:, :, None], -1.0).reshape(len(q), -1), axis=1)
        side = np.where(jump, upward, best % 2)
        picked = (every, np.where(jump, len(SHIFTS), best // 2), side)
        this = jump & alone
        return {
            "opened": jump | slow, "small": (idle.max(axis=1) > 0.0) & ~jump & ~slow, "offset": offset,
            "spent": over & ~alarms, "side": np.where(side, -1.0, 1.0), "slow": np.where(jump, 0.0, 1.0),
            "begun": np.where(this, time, charts["since"][picked]), "told": np.where(this[:, None], look.terms, sums[picked]),
        }  # fmt: skip

    def _ending(self, state: State, time: float, look: Look, inside: Flags) -> dict[str, NDArray[Any]]:
        """Evidence that an incident is over: a chart of no shift against most of the shift, which else gathers the window."""
        with np.errstate(invalid="ignore", divide="ignore"):
            moved = state.side * (state.told[:, 1] / state.told[:, 0] - state.offset) / look.deviation
        size = np.clip(_LEAST_OF_SHIFT * moved, 0.4, LIMIT)
        seen = np.clip(state.side * (look.residual - state.offset) / look.deviation, -LIMIT, LIMIT)
        gained = np.where(inside, np.minimum(size * (0.5 * size - seen), LIMIT) / look.persistence, 0.0)
        begins = inside & (state.over <= 0.0)
        over = np.maximum(state.over + gained, 0.0)
        windows = np.where(over > 0.0, np.where(begins, 0.0, state.over_windows) + inside, 0.0)
        gathers = inside & (over <= 0.0)
        return {
            "closed": inside & (over >= _OVER) & (windows >= self.plan.calm),
            "over": over, "over_windows": windows, "over_since": np.where(begins, time, state.over_since),
            "told": state.told + np.where(gathers[:, None], look.terms, 0.0),
        }  # fmt: skip


def _bounds(plan: Plan, one: Expectation) -> list[float]:
    """How high each chart of a track must rise; the one that only locates has no bound."""
    peaks = one.peaks or (0.0,) * len(SHIFTS)
    told = [max(plan.threshold(shift, one.df) * one.persistence, _CEILING * peak) for shift, peak in zip(SHIFTS, peaks)]
    return [*told, math.inf]


def _like(flags: Flags, values: NDArray[Any]) -> Flags:
    """``flags`` (tracks,) with as many dimensions as ``values``."""
    return flags.reshape(-1, *(1,) * (values.ndim - 1))


def _widened(bound: float, df: float) -> float:
    """What a threshold is multiplied by for a spread that is estimated: chi-square averaged, exp(-bound) stays itself."""
    exponent = 2.0 * bound / df
    return min(math.expm1(exponent) / exponent, 50.0) if exponent < 20.0 else 50.0


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [_plain(one) for one in value]
    number = float(value)
    return number if math.isfinite(number) else None


_PAIRS = (len(CHARTS), len(SIDES))
_SHAPES: dict[str, tuple[int, ...]] = {field.name: () for field in fields(State) if field.name != "names"} | {
    "rise": _PAIRS, "since": _PAIRS, "sums": (*_PAIRS, 3), "told": (3,),
}  # fmt: skip
_FOUND = ("side", "slow", "begun", "told")
_STATUS: tuple[Status, ...] = ("ok", "drifted", "few", "none")
_NOTHING = Reading()
