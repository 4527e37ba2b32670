"""An alarm: a window, or many together, that the reference does not explain, at a stated number of false ones a month.

Every track is one number a window. Half the budget of false alarms goes to *jumps* (a window's innovation, Benjamini-Hochberg
over all tracks), half to *slow* shifts (CUSUM charts of two speeds, Page 1954). Both need an effect too: a shift of the track's
floor. A track that alarms is open until windows like the reference's outweigh those like the shift, and raises none meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.core.times import MONTH
from evalkit.core.watched import Status
from evalkit.detection.season import MOST, SHIFTS, Expectation, Terms, average, design
from evalkit.detection.tails import LIMIT, evidence, p_value, quantile, score, tempered
from evalkit.stats.multiple import adjust
from evalkit.stats.normal import normal_quantile
from evalkit.stats.sums import Floats

Kind = Literal["jump", "slow"]

LOCATING = 4.0  # standard deviations of the chart that dates jumps; it raises no alarm
CHARTS = (*SHIFTS, LOCATING)
SIDES = (1.0, -1.0)
_CONFIDENCE = normal_quantile(0.9)  # that a slow chart's level is no further off than it allows for
_OVERSHOOT = 1.166  # Siegmund (1985), p. 210
_CEILING = 1.2  # how far above the reference's own highest a chart must rise
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
        return min(0.5 * self.false_alarms_per_month * self.width / MONTH, 0.25)

    def threshold(self, shift: float, df: float = math.inf) -> float:
        """Log-likelihood ratio at which a slow chart alarms, so that all charts of all tracks spend the other half.

        With a spread estimated on ``df`` degrees of freedom, the mean number of false alarms over references is held.

        Source: Siegmund (1985), Sequential Analysis, eq. 2.57; the average run length of a one-sided CUSUM of normal values.
        """
        level = self.level / (max(self.tracks, 1) * len(SHIFTS) * len(SIDES))
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
        time: of the last window judged; NaN before the first.
        rise, since, weight, shift, level: of each chart and side, shape (tracks, charts, 2): its height, the start of its rise,
            and sums since then of weights, weighted residuals and weighted expectations.
        side: of the open incident, ±1; 0 while none is open.
        begun, weighed, moved, meant: start of the open incident, and the same sums since then.
        over, over_since, over_windows: evidence that it has ended, when it began to rise, and for how many windows.
        quiet: until when a track that has closed does not alarm; -inf for any time.
        slow: 1 where the incident was found by many windows.
    """

    names: tuple[str, ...]
    latent: Floats
    spread: Floats
    time: Floats
    rise: Floats
    since: Floats
    weight: Floats
    shift: Floats
    level: Floats
    side: Floats
    begun: Floats
    weighed: Floats
    moved: Floats
    meant: Floats
    over: Floats
    over_since: Floats
    over_windows: Floats
    quiet: Floats
    slow: Floats

    def to_json(self) -> dict[str, dict[str, Any]]:
        """By track; NaN and infinities are null."""
        return {
            name: {field: _plain(getattr(self, field)[at]) for field in _FIELDS} for at, name in enumerate(self.names)
        }  # fmt: skip

    @property
    def open(self) -> tuple[str, ...]:
        """Tracks with an open incident."""
        return tuple(name for name, side in zip(self.names, self.side) if side)


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
        self._tracks = _Tracks.of(plan, list(expectations.values()), [(floors or {}).get(name, 0.0) for name in self.names])

    def start(self, told: Mapping[str, Mapping[str, Any]] | None = None) -> State:
        """The state before the first window, or the one that was kept as `State.to_json`; tracks that it lacks begin."""
        n = len(self.names)
        state = State(self.names, **{name: np.zeros((n, *shape)) for name, shape in _FIELDS.items()})
        state.time[:], state.spread[:], state.quiet[:] = np.nan, self._tracks.variance, -np.inf
        for at, name in enumerate(self.names):
            for field, value in (told or {}).get(name, {}).items():
                getattr(state, field)[at] = _EMPTY.get(field, np.nan) if value is None else value
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
        tracks, plan = self._tracks, self.plan
        there = np.isfinite(values) & np.isfinite(variances) & (variances > 0.0)
        judged = there & (sizes >= plan.minimum)
        open_before = state.side != 0.0

        # What is expected, given the windows before.
        expected, leverage, ratio = tracks.at(time)
        passed = np.maximum(np.round((time - state.time) / plan.width), 1.0)
        decay = tracks.memory ** np.where(np.isnan(passed), 1.0, passed)
        latent = decay * state.latent
        spread = decay**2 * state.spread + (1.0 - decay**2) * tracks.variance
        sampling = np.where(there, variances, np.nan) / ratio  # in latent units, as both above
        estimated = leverage / ratio**2
        total = spread + sampling + estimated
        deviation = np.sqrt(total) * ratio
        residual = values - expected
        z = (residual - ratio * latent) / deviation
        skew = tracks.skews(expected) * np.sqrt(np.where(there, variances, np.nan) * ratio) * (sampling / total) ** 1.5
        normal = np.where(judged, score(np.where(judged, z, 0.0), np.where(judged, skew, 0.0)), np.nan)
        t = normal / tracks.scale
        p = p_value(t, np.minimum(tracks.df, tracks.tail))
        q = adjust(p, "bh")

        # Slow charts rise with the evidence of a shift, and start anew at 0.
        counted = np.where(judged, tempered(z, normal, t, tracks.tail), 0.0)
        watched = judged & ~open_before
        gain = spread / total
        lasting = (1.0 - decay) / np.maximum(1.0 - decay * (1.0 - gain), 1e-12)  # what the filter leaves of a shift
        doubt = _CONFIDENCE * tracks.level_stderr * lasting / deviation
        weight = 1.0 / (ratio**2 * (sampling + tracks.variance))
        rise, since = state.rise.copy(), state.since.copy()
        sums = [state.weight.copy(), state.shift.copy(), state.level.copy()]
        terms = [weight, weight * residual, weight * expected]
        for chart, looked_for in enumerate(CHARTS):
            for side, sign in enumerate(SIDES):
                at = np.s_[:, chart, side]
                step = evidence(counted - sign * np.where(judged, doubt, 0.0), np.where(judged, skew, 0.0), looked_for, sign)
                begins = watched & (rise[at] <= 0.0)
                since[at] = np.where(begins, time, since[at])
                height = np.where(watched, np.maximum(rise[at] + step, 0.0), rise[at])
                rise[at] = height
                for total_of, term in zip(sums, terms):
                    carried = np.where(begins, 0.0, total_of[at])
                    total_of[at] = np.where(watched, np.where(height > 0.0, carried + term, 0.0), total_of[at])

        with np.errstate(invalid="ignore", divide="ignore"):
            shifts = np.where(sums[0] > 0.0, sums[1] / sums[0], 0.0)
        free = watched & (time >= state.quiet)
        # Significant and too small to matter: the evidence is dropped, so that it does not hide what comes later.
        over = (rise > tracks.bounds[:, :, None]) & watched[:, None, None]
        matters = np.abs(shifts) >= tracks.floors[:, None, None]
        slow_at = over & matters & free[:, None, None]
        rise = np.where(over & ~slow_at, 0.0, rise)

        # A jump is dated by the chart for large shifts; where that has not risen, it is this window.
        upward = np.where(normal >= 0.0, 0, 1)
        every = np.arange(len(values))
        jump_chart = (every, len(SHIFTS), upward)
        dated = rise[jump_chart] > 0.0
        jump_shift = np.where(dated, shifts[jump_chart], residual)
        jump = free & (q <= plan.level) & (np.where(upward, -1.0, 1.0) * jump_shift >= tracks.floors)
        slow = slow_at.any(axis=(1, 2))
        opened = jump | slow
        best = np.argmax(np.where(slow_at, rise / tracks.bounds[:, :, None], -1.0).reshape(len(values), -1), axis=1)
        found_side = np.where(jump, upward, best % 2)
        picked = (every, np.where(jump, len(SHIFTS), best // 2), found_side)
        alone = jump & ~dated
        new = {
            "side": np.where(opened, np.where(found_side, -1.0, 1.0), state.side),
            "slow": np.where(opened, ~jump, state.slow),
            "begun": np.where(opened, np.where(alone, time, since[picked]), state.begun),
            **{
                name: np.where(opened, np.where(alone, term, total_of[picked]), getattr(state, name))
                for name, term, total_of in zip(("weighed", "moved", "meant"), terms, sums)
            },
        }

        # An open incident gathers its windows, and the evidence that it is over.
        inside = judged & open_before
        moved = state.side * np.where(state.weighed > 0.0, state.moved / np.maximum(state.weighed, 1e-300), 0.0)
        size = np.clip(moved / deviation, 0.5, 6.0)
        calm = np.clip(size * (0.5 * size - state.side * np.clip(residual / deviation, -LIMIT, LIMIT)), None, LIMIT)
        calm = calm / (1.0 + 2.0 * tracks.variance * tracks.memory / (1.0 - tracks.memory) / total)
        ends = inside & (state.over <= 0.0)
        ending = np.where(inside, np.maximum(state.over + calm, 0.0), state.over)
        windows = np.where(ending > 0.0, np.where(ends, 0.0, state.over_windows) + inside, 0.0)
        ended = np.where(ends, time, state.over_since)
        closed = inside & (ending >= _OVER) & (windows >= plan.calm)
        gathers = inside & (ending <= 0.0)
        for name, term in zip(("weighed", "moved", "meant"), terms):
            new[name] = new[name] + np.where(gathers, term, 0.0)
        shown_since = np.where(closed, ended, np.where(new["side"] != 0.0, new["begun"], np.nan))
        with np.errstate(invalid="ignore", divide="ignore"):
            shift, meant = new["moved"] / new["weighed"], new["meant"] / new["weighed"]
        shows = (new["side"] != 0.0) | closed

        status = np.where(~there, 3, np.where(~judged, 2, np.where((new["side"] != 0.0) & ~closed, 1, 0)))
        reach = tracks.reach * tracks.scale * deviation
        centre = expected + ratio * latent
        verdicts = Verdicts(
            {
                "value": values, "expected": centre, "n": sizes,
                "low": tracks.bounded(centre - reach), "high": tracks.bounded(centre + reach),
                "z": t, "p": p, "q": q, "status": status, "opened": opened, "closed": closed,
                "side": np.where(closed, 0.0, new["side"]), "slow": new["slow"], "since": shown_since,
                "before": np.where(shows, meant, np.nan), "after": np.where(shows, meant + shift, np.nan),
                "size": np.where(shows, shift / deviation, np.nan),
            }
        )  # fmt: skip

        # While an incident is open, and where one begins or ends, the noise and the charts start anew.
        anew = open_before | opened
        learns = judged & ~anew
        clipped = np.clip(z, -LIMIT * tracks.scale, LIMIT * tracks.scale) * deviation / ratio
        gain = spread / np.where(judged, total, np.inf)
        reset = anew[:, None, None] & judged[:, None, None]
        return replace(
            state,
            latent=np.where(learns, latent + gain * clipped, np.where(anew, 0.0, latent)),
            spread=np.where(learns, (1.0 - gain) * spread, np.where(anew, tracks.variance, spread)),
            time=np.full(len(values), time),
            rise=np.where(reset, 0.0, rise),
            since=since,
            weight=np.where(reset, 0.0, sums[0]),
            shift=np.where(reset, 0.0, sums[1]),
            level=np.where(reset, 0.0, sums[2]),
            side=np.where(closed, 0.0, new["side"]),
            begun=new["begun"], weighed=new["weighed"], moved=new["moved"], meant=new["meant"],
            over=np.where(closed | opened, 0.0, ending),
            over_since=ended,
            over_windows=np.where(closed | opened, 0.0, windows),
            quiet=np.where(closed, time + (plan.cooldown + 1) * plan.width, state.quiet),
            slow=np.asarray(new["slow"], dtype=np.float64),
        ), verdicts  # fmt: skip


# --- expectations side by side ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Tracks:
    """The expectations as arrays, so that a window of all tracks is a handful of operations."""

    width: float
    coefficients: Floats  # (tracks, columns of the widest design)
    covariance: Floats  # (tracks, columns, columns)
    variance: Floats
    memory: Floats
    df: Floats
    tail: Floats
    scale: Floats
    skew: Floats
    rate: Floats  # NaN where the track is none
    level_stderr: Floats
    floors: Floats
    bounds: Floats  # (tracks, charts): infinite for the chart that only locates
    reach: Floats  # half a band, in standard deviations

    @staticmethod
    def of(plan: Plan, expectations: Sequence[Expectation], floors: Sequence[float]) -> _Tracks:
        n, columns = len(expectations), MOST.columns
        coefficients, covariance = np.zeros((n, columns)), np.zeros((n, columns, columns))
        for at, one in enumerate(expectations):
            places = _places(one.terms)
            coefficients[at, places] = one.coefficients
            covariance[at][np.ix_(places, places)] = one.covariance
        bounds = np.full((n, len(CHARTS)), np.inf)
        for at, one in enumerate(expectations):
            for chart, shift in enumerate(SHIFTS):
                peak = one.peaks[chart] if one.peaks else 0.0
                bounds[at, chart] = max(plan.threshold(shift, one.df), _CEILING * peak)
        df, tail = (np.array([getattr(one, name) for one in expectations], dtype=np.float64) for name in ("df", "tail"))
        mean = average(MOST)
        return _Tracks(
            plan.width, coefficients, covariance,
            np.array([one.noise.variance for one in expectations]), np.array([one.noise.memory for one in expectations]),
            df, tail, np.array([one.scale for one in expectations]), np.array([one.skew for one in expectations]),
            np.array([math.nan if one.rate is None else one.rate for one in expectations]),
            np.sqrt(np.maximum(np.einsum("i,tij,j->t", mean, covariance, mean), 0.0)),
            np.array(floors, dtype=np.float64), bounds,
            quantile(plan.level / max(plan.tracks, 1), np.minimum(df, tail)),
        )  # fmt: skip

    @cached_property
    def is_rate(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.rate)

    def at(self, time: float) -> tuple[Floats, Floats, Floats]:
        """Means, variances of their estimates, and ratios of sampling variances at a time."""
        row = design(np.array(time, dtype=np.float64), self.width, MOST)
        expected = self.coefficients @ row
        leverage = np.maximum((self.covariance @ row) @ row, 0.0)
        if not self.is_rate.any():
            return expected, leverage, np.ones_like(expected)
        rate = np.where(self.is_rate, self.rate, 0.5)
        inside = np.clip(expected, 0.25 * rate, 1.0 - 0.25 * (1.0 - rate))
        expected = np.where(self.is_rate, inside, expected)
        return expected, leverage, np.where(self.is_rate, inside * (1.0 - inside) / (rate * (1.0 - rate)), 1.0)

    def skews(self, expected: Floats) -> Floats:
        """Skewness of a value over its sampling standard deviation."""
        inside = np.where(self.is_rate, expected, 0.5)
        return np.where(self.is_rate, (1.0 - 2.0 * inside) / (inside * (1.0 - inside)), self.skew)

    def bounded(self, values: Floats) -> Floats:
        """Bands of rates stay within 0 and 1."""
        return np.where(self.is_rate, np.clip(values, 0.0, 1.0), values)


def _places(terms: Terms) -> list[int]:
    """Where the columns of a design lie in the widest one."""
    places = list(range(1 + 2 * terms.daily))
    start = 1 + 2 * MOST.daily
    places += range(start, start + 2 * terms.weekly)
    start += 2 * MOST.weekly
    return [*places, *range(start, start + (2 * terms.weekend - 1 if terms.weekend else 0))]


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
_FIELDS: dict[str, tuple[int, ...]] = {
    field.name: _PAIRS if field.name in ("rise", "since", "weight", "shift", "level") else ()
    for field in fields(State)
    if field.name != "names"
}
_EMPTY = {"quiet": -math.inf}
_STATUS: tuple[Status, ...] = ("ok", "drifted", "few", "none")
_NOTHING = Reading()
