"""What the reference leads one to expect of an hour and a weekday: mean, spread, memory and tails of one track."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.detection.memory import Learned, Noise, fit_noise, whiten
from evalkit.detection.tails import evidence, score, tails_of, tempered
from evalkit.stats.sums import Floats

Season = Literal["auto", "none", "daily", "weekly"]

DAY, WEEK = 86_400.0, 604_800.0
SHIFTS = (1.0, 0.4)  # standard deviations of a window that slow charts look for
LEAST_WINDOWS = 3
_MOST_DAILY, _MOST_WEEKLY, _MOST_WEEKEND = 6, 3, 3
_WINDOWS_A_TERM = 6  # at least, else the term is not looked for
_OUTLYING = 3.0
_RARELY = 0.25  # of a rate: seasons take it no lower
_UNLIKELY = 14.0  # of BIC over the least: choices of terms a thousandth as likely as the best, and less, are left out
_GOLDEN = 0.5 * (math.sqrt(5.0) - 1.0)  # its multiples spread evenly over 0 to 1
_SKEWED = 50  # windows from which skewness is learned


class Terms(NamedTuple):
    """How many harmonics of the day and of the week; ``weekend`` is 1 for a level of its own, 1 + k with k harmonics."""

    daily: int = 0
    weekly: int = 0
    weekend: int = 0

    @property
    def columns(self) -> int:
        """Columns of the design, with the intercept."""
        return 1 + 2 * self.daily + 2 * self.weekly + (2 * self.weekend - 1 if self.weekend else 0)


MOST = Terms(_MOST_DAILY, _MOST_WEEKLY, _MOST_WEEKEND)


@dataclass(frozen=True)
class Expectation:
    """Level and seasons of a track, learned from the windows of a reference.

    Attributes:
        width: of a window, seconds.
        windows: of the reference that had a value.
        coefficients, covariance: of the design's columns, shapes (k,) and (k, k).
        noise: what windows vary beyond sampling, in the track's squared units (for rates: at the mean rate).
        df: degrees of freedom left for the spread.
        tail, scale: Student's t of the reference's normal scores; tail is infinite for normal ones.
        skew: skewness of a window's value over its sampling standard deviation; of rates it follows from the rate.
        rate: the probability under which variances are told, for rates; else None.
        persistence: long-run variance of residuals over that of ``noise``, at the most with 90 % confidence.
        peaks: the highest each slow chart rose within the reference, in the order of `SHIFTS`.
    """

    width: float
    windows: int
    terms: Terms
    coefficients: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    noise: Noise
    df: float
    tail: float = math.inf
    scale: float = 1.0
    skew: float = 0.0
    rate: float | None = None
    persistence: float = 1.0
    peaks: tuple[float, ...] = ()

    @staticmethod
    def fit(
        times: ArrayLike,
        values: ArrayLike,
        variances: ArrayLike,
        width: float,
        *,
        season: Season = "auto",
        rate: float | None = None,
    ) -> Expectation:
        """Generalised least squares on harmonics of the day and the week, averaged over how many there might be.

        A reference gets daily terms from two days on and weekly ones from two weeks on, and never more than a sixth as many as
        it has windows. What windows vary beyond their sampling variance, and for how long, is estimated with it.

        Args:
            times: starts of windows, seconds since 1970, shape (n,), in any order.
            values: NaN where nothing was measured.
            variances: sampling variances; windows without one, or with 0, are left out.
            rate: for shares and rates, the probability p of ``variances = p (1 - p) / n``. Variances then follow the season,
                and tails are those of counts. Give (hits + ½) / (rows + 1) of the reference, so that it is never 0.

        Raises:
            ValueError: fewer than three windows have a value and a variance.

        Source: Dynamic harmonic regression, Hyndman & Athanasopoulos (2021), Forecasting, §10.5; model averaging by BIC,
            Raftery (1995), Sociological Methodology 25, eq. 35.
        """
        return _fit(_Windows.of(times, values, variances, width, rate), season)

    def at(self, time: ArrayLike, variance: ArrayLike) -> tuple[Floats, Floats]:
        """Mean, and standard deviation of a window of this sampling variance when nothing is known of those before."""
        expected, leverage = self.level(time)
        ratio = self.ratio(expected)
        spread = np.asarray(variance) * ratio + self.noise.variance * ratio**2 + leverage
        return expected, self.scale * np.sqrt(spread)

    def level(self, time: ArrayLike) -> tuple[Floats, Floats]:
        """Mean at a time, and the variance of its estimate."""
        columns = design(np.asarray(time, dtype=np.float64), self.width, self.terms)
        expected = columns @ np.array(self.coefficients)
        leverage = np.einsum("...i,ij,...j->...", columns, np.array(self.covariance), columns)
        return bounded(expected, self.rate), leverage

    @property
    def level_stderr(self) -> float:
        """Standard error of the mean over a whole week."""
        column = average(self.terms)
        return math.sqrt(max(float(column @ np.array(self.covariance) @ column), 0.0))

    def ratio(self, expected: Floats) -> Floats:
        """Sampling variance at this mean over the one that is told: 1, but for rates."""
        return variance_ratio(expected, self.rate)

    def innovations(self, times: ArrayLike, values: ArrayLike, variances: ArrayLike) -> Floats:
        """Residuals given those before, standardised: shape (n,), NaN where there is no value. Times must rise."""
        windows = _Windows.of(times, values, variances, self.width, self.rate)
        expected, _ = self.level(windows.times)
        told = np.full(len(np.asarray(values)), np.nan)
        told[windows.kept] = _innovations(windows, expected, self.noise)[0] / self.scale
        return told

    def to_json(self) -> dict[str, Any]:
        """Plain data; infinities are null."""
        return asdict(self) | {"terms": list(self.terms), "tail": self.tail if math.isfinite(self.tail) else None}

    @staticmethod
    def from_json(told: Mapping[str, Any]) -> Expectation:
        """Of `to_json`."""
        return Expectation(
            **dict(told)
            | {
                "terms": Terms(*told["terms"]),
                "coefficients": tuple(told["coefficients"]),
                "covariance": tuple(tuple(row) for row in told["covariance"]),
                "noise": Noise(**told["noise"]),
                "tail": math.inf if told["tail"] is None else told["tail"],
                "peaks": tuple(told["peaks"]),
            }
        )


def design(times: Floats, width: float, terms: Terms) -> Floats:
    """Columns of the regression at the middle of windows, shape (..., terms.columns)."""
    middle = times + 0.5 * width
    day, week = 2.0 * math.pi * middle / DAY, 2.0 * math.pi * middle / WEEK
    columns = [np.ones_like(middle)]
    for harmonic in range(1, terms.daily + 1):
        columns += [np.cos(harmonic * day), np.sin(harmonic * day)]
    for harmonic in range(1, terms.weekly + 1):
        columns += [np.cos(harmonic * week), np.sin(harmonic * week)]
    if terms.weekend:
        weekend = ((np.floor(middle / DAY) + 3.0) % 7.0 >= 5.0).astype(np.float64)  # 1970 began on a Thursday
        columns.append(weekend)
        for harmonic in range(1, terms.weekend):
            columns += [weekend * np.cos(harmonic * day), weekend * np.sin(harmonic * day)]
    return np.stack(columns, axis=-1)


def average(terms: Terms) -> Floats:
    """The design's mean over a week."""
    column = np.zeros(terms.columns)
    column[0] = 1.0
    if terms.weekend:
        column[1 + 2 * terms.daily + 2 * terms.weekly] = 2.0 / 7.0
    return column


def bounded(expected: Floats, rate: float | None) -> Floats:
    """A rate stays off 0 and 1, so that a count of any size is possible."""
    if rate is None:
        return expected
    return np.clip(expected, _RARELY * rate, 1.0 - _RARELY * (1.0 - rate))


def variance_ratio(expected: Floats, rate: float | None) -> Floats:
    """Sampling variance at this mean over the one that is told."""
    if rate is None:
        return np.ones_like(expected)
    return expected * (1.0 - expected) / (rate * (1.0 - rate))


def bounded_rates(expected: Floats, rates: Floats, is_rate: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """`bounded`, `variance_ratio` and skewness over standard deviation of many tracks, (tracks,); those without a rate stay."""
    rate = np.where(is_rate, rates, 0.5)
    inside = np.where(is_rate, np.clip(expected, _RARELY * rate, 1.0 - _RARELY * (1.0 - rate)), 0.5)
    spread = inside * (1.0 - inside)
    ratio = np.where(is_rate, spread / (rate * (1.0 - rate)), 1.0)
    return np.where(is_rate, inside, expected), ratio, (1.0 - 2.0 * inside) / spread


# --- fitting ---------------------------------------------------------------------------------------------------------


class _Windows(NamedTuple):
    """The windows that say something, in order of time."""

    times: Floats
    values: Floats
    variances: Floats
    steps: Floats  # windows since the one before
    kept: NDArray[np.int64]  # their places in what was given
    width: float
    rate: float | None

    @staticmethod
    def of(times: ArrayLike, values: ArrayLike, variances: ArrayLike, width: float, rate: float | None) -> _Windows:
        moments, value, variance = (np.asarray(one, dtype=np.float64) for one in (times, values, variances))
        known = np.flatnonzero(np.isfinite(value) & np.isfinite(variance) & (variance > 0.0))
        kept = known[np.argsort(moments[known], kind="stable")]
        moments = moments[kept]
        steps = np.maximum(np.round(np.diff(moments, prepend=moments[:1] - width) / width), 1.0)
        return _Windows(moments, value[kept], variance[kept], steps, kept, width, rate)


def _fit(windows: _Windows, season: Season) -> Expectation:
    n = len(windows.times)
    if n < LEAST_WINDOWS:
        raise ValueError(f"an expectation needs {LEAST_WINDOWS} windows with a value; the reference has {n}")
    widest = _admissible(windows, season)
    columns = design(windows.times, windows.width, widest)
    weights: NDArray[Any] = np.ones(n)
    centre = float(np.average(windows.values, weights=1.0 / windows.variances))  # taken out for the digits' sake
    expected = bounded(np.full(n, centre), windows.rate)
    noise, terms, count = Noise(float(np.var(windows.values))), widest, float(widest.columns)
    coefficients, covariance, learned = np.zeros(0), np.zeros((0, 0)), Learned(noise, 1.0)
    # All terms at first, then as likely ones have them on average; the noise is learned from what they leave.
    for average_of, last in ((False, False), (True, False), (True, True)):
        white = _whitened(windows, np.column_stack([columns, windows.values - centre]), expected, noise)
        white *= np.sqrt(weights)[:, None]
        gram, moment = white.T @ white, float(np.std(windows.values))
        if average_of:
            terms, coefficients, covariance, count = _averaged(gram, n, widest, moment)
        else:
            coefficients, covariance = _solved(gram, _picked(terms, widest), terms, moment)
        expected = bounded(centre + columns[:, _picked(terms, widest)] @ coefficients, windows.rate)
        innovations = _innovations(windows, expected, noise)[0]
        weights = np.minimum(1.0, _OUTLYING / np.maximum(np.abs(innovations), 1e-9))
        ratio = variance_ratio(expected, windows.rate)
        short = math.sqrt(n / max(n - count, 1.0))  # residuals are smaller than errors
        residuals = (windows.values - expected) / ratio * short
        learned = fit_noise(residuals, windows.variances / ratio, windows.steps, rough=not last)
        noise = learned.noise
    coefficients[0] += centre
    return _finished(windows, terms, coefficients, covariance, count, expected, learned)


def _finished(
    windows: _Windows, terms: Terms, coefficients: Floats, covariance: Floats, count: float, expected: Floats, learned: Learned
) -> Expectation:
    """The shape of what is left: skewness, tails, and how high the charts rose."""
    n = len(windows.times)
    short = math.sqrt(n / max(n - count, 1.0))
    noise = learned.noise
    z, share = _innovations(windows, expected, noise)
    z = z * short
    skew = 0.0
    if windows.rate is None:
        power = float(share @ share)
        if n >= _SKEWED and power > 0.0:
            skew = float((np.clip(z, -6.0, 6.0) ** 3) @ share) / power
            if abs(skew) < 2.0 * math.sqrt(15.0 / power):  # the third power of a normal variable has variance 15
                skew = 0.0
        skews = skew * share
    else:
        skews = (1.0 - 2.0 * expected) / (expected * (1.0 - expected)) * share
    scores = score(z, skews)
    # Scores of few counts have few values; spread over each, they are as normal as the counts are Poisson.
    spread = scores if windows.rate is None else score(z, skews, np.arange(1.0, n + 1.0) * _GOLDEN % 1.0)
    tail, scale = tails_of(spread) if n >= 20 else (math.inf, float(np.sqrt(np.mean(spread**2))))
    scale = max(scale, 1.0) if tail == math.inf else scale
    counted = tempered(z, scores, scores / scale, np.full(n, tail))
    return Expectation(
        width=windows.width, windows=n, terms=terms, coefficients=tuple(coefficients.tolist()),
        covariance=tuple(tuple(row) for row in covariance.tolist()), noise=noise, df=max(n - count - 1.0, 1.0),
        tail=tail, scale=scale, skew=skew, rate=windows.rate, persistence=learned.persistence,
        peaks=tuple(max(_peak(evidence(counted, skews, shift, side)) for side in (1.0, -1.0)) for shift in SHIFTS),
    )  # fmt: skip


def _admissible(windows: _Windows, season: Season) -> Terms:
    """The most terms that a reference of this length can tell apart."""
    n = len(windows.times)
    span, width = windows.times[-1] - windows.times[0] + windows.width, windows.width
    room = n // _WINDOWS_A_TERM - 1
    daily = weekly = weekend = 0
    if season != "none" and width <= DAY / 3.0 and span >= 2.0 * DAY:
        daily = min(_MOST_DAILY, int((DAY / width - 1.0) // 2.0), max(room // 2, 0))
    room -= 2 * daily
    if season in ("auto", "weekly") and width <= DAY and span >= 2.0 * WEEK:
        weekly = min(_MOST_WEEKLY, max(room // 2, 0))
        room -= 2 * weekly
        if width < DAY and weekly:
            weekend = min(_MOST_WEEKEND, 1 + daily, max((room + 1) // 2, 0))
    return Terms(daily, weekly, weekend)


def _whitened(windows: _Windows, columns: Floats, expected: Floats, noise: Noise) -> Floats:
    ratio = variance_ratio(expected, windows.rate)
    return whiten(columns / ratio[:, None], windows.variances / ratio, windows.steps, noise)


def _innovations(windows: _Windows, expected: Floats, noise: Noise) -> tuple[Floats, Floats]:
    """Standardised, and for each the sampling standard deviation times its share of the innovation's, to the third power."""
    ratio = variance_ratio(expected, windows.rate)
    residuals = (windows.values - expected) / ratio
    sampling = windows.variances / ratio
    white = whiten(np.column_stack([residuals, np.ones_like(residuals)]), sampling, windows.steps, noise)
    total = sampling + noise.variance * (1.0 - noise.memory**2)  # at the least: a filter that knows the state
    deviation = np.sqrt(windows.variances * ratio)
    return white[:, 0], deviation * (sampling / total) ** 1.5


def _picked(terms: Terms, widest: Terms) -> list[int]:
    """The columns of a design within a wider one."""
    places = list(range(1 + 2 * terms.daily))
    start = 1 + 2 * widest.daily
    places += range(start, start + 2 * terms.weekly)
    start += 2 * widest.weekly
    return [*places, *range(start, start + (2 * terms.weekend - 1 if terms.weekend else 0))]


def _solved(gram: Floats, picked: list[int], terms: Terms, deviation: float) -> tuple[Floats, Floats]:
    """Coefficients with their covariance; harmonics are drawn to 0, the more the higher, by a prior as wide as the values."""
    order = [0.0]
    order += [float(harmonic) for harmonic in range(1, terms.daily + 1) for _ in range(2)]
    order += [float(harmonic) for harmonic in range(1, terms.weekly + 1) for _ in range(2)]
    if terms.weekend:
        order += [1.0] + [float(harmonic) for harmonic in range(1, terms.weekend) for _ in range(2)]
    penalty = (np.array(order) / (2.0 * deviation or 1.0)) ** 2
    covariance: NDArray[Any] = np.linalg.inv(gram[np.ix_(picked, picked)] + np.diag(penalty))
    return covariance @ gram[picked, -1], covariance


def _averaged(gram: Floats, n: int, widest: Terms, deviation: float) -> tuple[Terms, Floats, Floats, float]:
    """Coefficients over all choices of terms, each as likely as its BIC says, and their covariance, which knows of the choice.

    The terms are those of any likely choice; last comes how many there are on average.
    """
    fits = []
    for daily in range(widest.daily + 1):
        for weekly in range(widest.weekly + 1):
            for weekend in range(min(widest.weekend, 1 + daily) + 1):
                terms = Terms(daily, weekly, weekend)
                picked = _picked(terms, widest)
                coefficients, covariance = _solved(gram, picked, terms, deviation)
                moments = gram[picked, -1]
                left = gram[-1, -1] - 2.0 * coefficients @ moments + coefficients @ gram[np.ix_(picked, picked)] @ coefficients
                criterion = n * math.log(max(left, 1e-12) / n) + terms.columns * math.log(n)
                fits.append((criterion, terms, coefficients, covariance))
    least = min(fit[0] for fit in fits)
    likely = [(math.exp(0.5 * (least - fit[0])), *fit[1:]) for fit in fits if fit[0] - least < _UNLIKELY]
    total = sum(fit[0] for fit in likely)
    kept = Terms(*(max(places) for places in zip(*(fit[1] for fit in likely))))
    mean, spread, columns = np.zeros(kept.columns), np.zeros((kept.columns, kept.columns)), 0.0
    for weight, terms, coefficients, covariance in likely:
        places = _picked(terms, kept)
        padded = np.zeros(kept.columns)
        padded[places] = coefficients
        mean += weight / total * padded
        spread += weight / total * np.outer(padded, padded)
        spread[np.ix_(places, places)] += weight / total * covariance
        columns += weight / total * terms.columns
    return kept, mean, spread - np.outer(mean, mean), columns


def _peak(steps: Floats) -> float:
    """The highest that Page's chart of these steps rises."""
    path = np.cumsum(steps)
    return float(np.max(path - np.minimum(np.minimum.accumulate(path), 0.0)))
