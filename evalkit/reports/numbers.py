"""Numbers as every report writes them: one place decides digits, signs, dashes and separators."""

from __future__ import annotations

import math

NOTHING = "–"
MINUS = "−"


def decimals(value: float, *others: float, width: float = 0.0) -> int:
    """How many decimals suit a value and what is shown beside it: about three significant digits.

    Args:
        value: what counts; 0.98 keeps three decimals though its interval ends at 1.002.
        others: decide where the value is tiny beside them, zero or missing (0.001, 0.000 – 0.020).
        width: of the interval, if any: decimals are added (three at most) until it does not round to nothing.
    """
    sizes = [abs(size) for size in (value, *others) if math.isfinite(size)]
    size = abs(value) if math.isfinite(value) and abs(value) >= 0.05 else max(sizes, default=0.0)
    if size >= 1_000:
        digits = 0
    elif size >= 10:
        digits = 1
    elif size > 1:
        digits = 2
    elif 0 < size < 0.05:
        digits = min(2 - math.floor(math.log10(size)), 12)
    else:
        digits = 3
    if 0 < width < math.inf:
        most = digits + 3
        while width * 10**digits < 2 and digits < most:
            digits += 1
    return digits


def number(value: float, digits: int | None = None) -> str:
    """A value: ``0.412``, ``1,234``, ``−3.20``; NaN is an en dash."""
    if math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    if value and (abs(value) >= 1e15 or abs(value) < 1e-9):
        return f"{value:.3g}".replace("-", MINUS).replace("e+", "e")
    text = f"{value:,.{decimals(value) if digits is None else digits}f}"
    if text.startswith("-"):
        text = MINUS + text[1:] if text.strip("-0.,") else text[1:]
    return text


def signed(value: float, digits: int | None = None) -> str:
    """A difference: ``+0.012``, ``−0.030``, ``0.000``; more digits where a real difference would show as nothing."""
    if not math.isfinite(value):
        return number(value)
    shown = decimals(value) if digits is None else digits
    while value and abs(value) >= 1e-9 and not number(value, shown).strip("0.,") and shown < 12:
        shown += 1
    text = number(value, shown)
    return text if text.startswith(MINUS) or not text.strip("0.,") else f"+{text}"


def interval(low: float, high: float, digits: int | None = None) -> str:
    """A range: ``0.389 – 0.436``."""
    if math.isnan(low) and math.isnan(high):
        return NOTHING
    shown = decimals(low, high, width=high - low) if digits is None else digits
    return f"{number(low, shown)} – {number(high, shown)}"


def signed_interval(low: float, high: float, digits: int | None = None) -> str:
    """A range of a difference: ``−0.05 to +0.03``; an end that is 0 but for rounding is ``0.00``."""
    reach = max(abs(low), abs(high))
    ends = (0.0 if abs(end) < 1e-12 * reach else end for end in (low, high))
    return " to ".join(signed(end, digits) for end in ends)


def score(value: float, digits: int | None = None) -> str:
    """One record's score: whole numbers without decimals, ``1`` and ``0``; others as `number`."""
    if math.isfinite(value) and value == int(value) and abs(value) < 1e15:
        return count(int(value))
    return number(value, digits)


def count(value: int) -> str:
    """A count: ``1,234``."""
    return f"{value:,}".replace("-", MINUS)


def counted(value: int, noun: str, plural: str | None = None) -> str:
    """A count and its noun: ``1 record``, ``300 records``."""
    return f"{count(value)} {noun if value == 1 else plural or noun + 's'}"


def percent(share: float) -> str:
    """A share as a percentage: ``95%``, ``0.3%``, ``12.5%``."""
    if not math.isfinite(share):
        return number(share)
    return f"{share * 100:.1f}".removesuffix(".0").replace("-", MINUS) + "%"


def p_value(p: float) -> str:
    """A p value: ``0.213``, ``0.0031``, ``< 0.0001``; NaN is an en dash."""
    if math.isnan(p):
        return NOTHING
    if p < 0.0001:
        return "< 0.0001"
    return f"{p:.4f}" if p < 0.01 else f"{p:.3f}"


def p_equals(p: float) -> str:
    """The same in a sentence: ``p = 0.213``, ``p < 0.0001``."""
    told = p_value(p)
    return f"p {told}" if told.startswith("<") else f"p = {told}"


def duration(seconds: float) -> str:
    """A time span as a clock shows it: ``0:04``, ``12:30``, ``1:02:03``."""
    if not math.isfinite(seconds):
        return "-:--"
    whole = round(max(seconds, 0.0))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def spoken_duration(seconds: float) -> str:
    """A time span in words: ``0.8 s``, ``42 s``, ``3 min 5 s``, ``2 h 14 min``."""
    if not math.isfinite(seconds) or seconds < 10:
        return f"{number(seconds, 1)} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{count(whole // 3_600)} h {whole % 3_600 // 60} min"


def rate(per_second: float) -> str:
    """A speed without a unit: ``82``, ``0.4``, ``12,400``."""
    if not math.isfinite(per_second):
        return NOTHING
    if per_second >= 10_000:
        return count(round(per_second, -2).__trunc__())
    return number(per_second, 0 if per_second >= 10 else 1)
