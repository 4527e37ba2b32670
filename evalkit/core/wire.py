"""What every HTTP client here needs: how long to wait, which proxy, and what went wrong in a word."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """How long ``Retry-After`` asks to wait, in seconds; None where it is not there or says nothing."""
    told = headers.get("Retry-After")
    if told is None:
        return None
    try:
        seconds = float(told)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def proxy_to(address: str) -> dict[str, Any]:
    """The proxy that the environment names for an address, as aiohttp wants it."""
    from aiohttp.helpers import get_env_proxy_for_url
    from yarl import URL

    try:
        proxy, auth = get_env_proxy_for_url(URL(address))
    except LookupError:
        return {}
    return {"proxy": proxy, "proxy_auth": auth}


def cause(error: BaseException, *, quoted: bool = True) -> str:
    """Why a connection failed; without ``quoted`` never in the error's own words, which may hold an address."""
    if isinstance(error, asyncio.TimeoutError):
        return "timed out"
    told = getattr(error, "os_error", None) or error
    number = getattr(told, "errno", None)
    if isinstance(number, int) and number > 0:
        return os.strerror(number).lower()
    words: str | None = getattr(told, "strerror", None) if quoted else None
    return words or type(error).__name__
