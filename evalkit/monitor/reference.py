"""What a monitor learns from its reference: a profile, how its windows vary, and what to expect of each hour."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.core.drift import Off
from evalkit.core.errors import Problem, SpecError
from evalkit.core.times import iso, span
from evalkit.detection.frame import Frame
from evalkit.detection.profile import Profile, sampled
from evalkit.detection.sample import KEY
from evalkit.detection.season import LEAST_WINDOWS, Expectation, Season
from evalkit.detection.signal import Signal
from evalkit.detection.switch import Switched
from evalkit.detection.tracks import Ruler, Sums, added
from evalkit.monitor.embedding import WINDOW
from evalkit.monitor.reading import Reading, between, profile
from evalkit.specs.drift import DriftSpec

PER_WINDOW = 200  # sampled rows of a window, on average
MONDAY = 345_600.0  # 1970-01-05: weeks begin there, all shorter windows at 0
WEEK = 604_800.0
_CHUNK = 5_000  # windows measured together


@dataclass(frozen=True)
class History:
    """The reference's windows: starts (w,), and by track values and rows (w,)."""

    starts: NDArray[np.float64]
    values: Mapping[str, NDArray[np.float64]]
    sizes: Mapping[str, NDArray[np.float64]]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "starts": self.starts.tolist(),
            "values": {name: one.tolist() for name, one in self.values.items()},
            "sizes": {name: one.tolist() for name, one in self.sizes.items()},
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> History:
        """Of `to_json`."""

        def arrays(part: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
            return {name: np.array(one, dtype=np.float64) for name, one in part.items()}

        return cls(np.array(told["starts"], dtype=np.float64), arrays(told["values"]), arrays(told["sizes"]))


@dataclass(frozen=True)
class Learned:
    """A reference, ready to be held against later windows.

    Attributes:
        share: of the rows that sampled signals are measured on, in the reference and later.
        dark: signals that cannot be watched, with reasons.
    """

    profile: Profile
    ruler: Ruler
    expectations: Mapping[str, Expectation]
    history: History
    share: float
    dark: tuple[Off, ...]
    width: float = 0.0  # of a window, seconds

    def embedded(self, spec: DriftSpec) -> float:
        """The share of rows that are embedded, where the logs carry no vectors."""
        return share_of(spec.embed_rows or WINDOW, len(self.history.starts), self.profile.n, self.share)

    def facts(self) -> str:
        """All but the profile, as JSON."""
        told = {
            "width": self.width,
            "expectations": {name: one.to_json() for name, one in self.expectations.items()},
            "history": self.history.to_json(),
            "share": self.share,
            "dark": [[one.name, one.why] for one in self.dark],
        }
        return json.dumps(_nulls(told))

    @classmethod
    def kept(cls, found: Profile, facts: str, signals: Sequence[Signal], seed: int) -> Learned:
        """From its file; signals that it does not know are dark."""
        told = json.loads(facts)
        ruler = Ruler(signals, found, seed)
        dark = dict.fromkeys(ruler.dark, "the reference does not have it") | dict(told["dark"])
        return cls(
            found,
            ruler,
            {name: Expectation.from_json(one) for name, one in told["expectations"].items()},
            History.from_json(told["history"]),
            float(told["share"]),
            tuple(Off(name, why) for name, why in dark.items()),
            float(told["width"]),
        )


def learn(
    reading: Reading,
    switched: Switched,
    spec: DriftSpec,
    *,
    start: float,
    end: float,
    width: float,
    season: Season,
    minimum: int,
) -> Learned:
    """Two passes over the rows of the reference: what they are, and how their windows vary.

    Raises:
        SpecError: there are no rows, or too few windows of them.
    """
    where = between(reading, start, end)
    whole = replace(spec, embed_rows=0)  # windows have few
    found = profile(reading, switched, whole, where=where, label=f"{iso(start)} – {iso(end)}")
    place = spec.source or reading.log.label
    if not found.n:
        raise SpecError(Problem(place, f"reference: the logs have no rows from {iso(start)} to {iso(end)}"))
    windows = starts_between(start, end, width)
    if len(windows) < LEAST_WINDOWS:
        what = f"the reference has {len(windows)} windows of {span(width)}; at least {LEAST_WINDOWS} are needed"
        raise SpecError(Problem(place, what, "take a longer reference, or narrower windows"))
    ruler = Ruler(switched.signals, found, spec.seed)
    share = share_of(PER_WINDOW, len(windows), found.n)
    embedded = share_of(spec.embed_rows or WINDOW, len(windows), found.n, share)
    sums = measured(reading, switched, ruler, windows, width, share, own=True, embedded=embedded)
    history = _history(windows, sums)
    expectations, dark = _expected(ruler, history, width, season, minimum)
    if reading.embedder is not None and reading.embedder.refused:
        why = "the reference was not embedded, for the backend answered nobody; `evalkit monitor run --fresh` learns it anew"
        made = {one.name for one in switched.signals if set(one.needs) & set(reading.made)}
        dark = [replace(one, why=why) if one.name in made else one for one in dark]
    return Learned(found, ruler, expectations, history, share, tuple(dark), width)


def measured(
    reading: Reading, switched: Switched, ruler: Ruler, windows: NDArray[np.float64], width: float, share: float, *,
    own: bool = False, embedded: float = 0.0,
) -> Sums:  # fmt: skip
    """Sums of every track over windows that follow each other: one pass over all rows, and one over the sampled ones.

    Args:
        embedded: share of the rows that get vectors where the log has none.
    """
    start, end, count = float(windows[0]), float(windows[-1]) + width, len(windows)
    where = between(reading, start, end)

    def codes(times: NDArray[np.float64]) -> NDArray[np.int64]:
        at = np.floor((times - start) / width)
        return np.where(np.isfinite(at) & (at >= 0) & (at < count), at, -1).astype(np.int64)

    def parts() -> Iterable[Sums]:
        for frame in reading.frames([*switched.columns, "timestamp"], where):
            yield ruler.measure(frame, codes(frame.numbers("timestamp")), count)
        if any(signal.sampled or signal.kind == "terms" or signal.compare for signal in ruler.signals):
            for sample in reading.some(switched, share, where):
                times = Frame(sample.table).numbers("raw:timestamp")
                below = np.searchsorted(sample.table.column(KEY).to_numpy(), np.uint64(min(int(embedded * 2.0**64), 2**64 - 1)))
                sample = reading.embedded(sample, ruler.signals, int(below))
                yield ruler.measure_sample(sampled(sample, ruler.signals), codes(times), count, own=own)

    return added(parts())


def share_of(rows: int, windows: int, n: int, most: float = 1.0) -> float:
    """The share of ``n`` rows that is so many in each window, on average."""
    return min(most, rows * windows / n)


def starts_between(start: float, end: float, width: float) -> NDArray[np.float64]:
    """Starts of the whole windows from ``start`` to ``end``."""
    origin = origin_of(width)
    first = math.ceil((start - origin) / width - 1e-9)
    last = math.floor((end - origin) / width + 1e-9)
    return origin + width * np.arange(first, max(last, first), dtype=np.float64)


def origin_of(width: float) -> float:
    """Where windows of a width begin to count: weeks on a Monday."""
    return MONDAY if width % WEEK == 0.0 else 0.0


def _history(windows: NDArray[np.float64], sums: Sums) -> History:
    with np.errstate(invalid="ignore", divide="ignore"):
        return History(
            windows,
            {name: np.where(sizes > 0, total / sizes, np.nan) for name, (total, sizes) in sums.items()},
            {name: sizes for name, (_, sizes) in sums.items()},
        )


def _expected(
    ruler: Ruler, history: History, width: float, season: Season, minimum: int
) -> tuple[dict[str, Expectation], list[Off]]:
    expectations: dict[str, Expectation] = {}
    dark = [Off(name, "the reference has too few rows of it, or they are all alike") for name in ruler.dark]
    for name, track in ruler.tracks.items():
        values, sizes = history.values.get(name), history.sizes.get(name)
        if values is None or sizes is None:
            continue
        values = np.where(sizes >= minimum, values, np.nan)
        known = int((~np.isnan(values)).sum())
        if known < LEAST_WINDOWS:
            if not track.part and track.by is None:
                dark.append(
                    Off(name, f"{known} of the reference's windows have {minimum} rows of it; {LEAST_WINDOWS} are needed")
                )
            continue
        with np.errstate(divide="ignore"):
            variances = np.where(sizes > 0, track.variance / sizes, np.nan)
        expectations[name] = Expectation.fit(history.starts, values, variances, width, season=season, rate=track.rate)
    seen = {ruler.tracks[name].signal for name in expectations} | {one.name for one in dark}
    few = f"fewer than {LEAST_WINDOWS} windows of the reference have {minimum} rows of it"
    dark += [Off(signal.name, few) for signal in ruler.signals if signal.name not in seen]
    return expectations, dark


def _nulls(told: Any) -> Any:
    if isinstance(told, Mapping):
        return {key: _nulls(value) for key, value in told.items()}
    if isinstance(told, (list, tuple)):
        return [_nulls(value) for value in told]
    return None if isinstance(told, float) and not math.isfinite(told) else told
