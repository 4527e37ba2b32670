"""One POST to an address that only a variable holds: what came of it, told without the address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from evalkit.core.secret import scrubbed, secret
from evalkit.core.sink import NotDelivered
from evalkit.core.wire import cause, proxy_to, retry_after_s
from evalkit.reports.safe import one_line

_PASSING = frozenset({408, 425, 429})  # and every 5xx
_CONTENT = frozenset({400, 413, 415, 422})
_READ = 2_000  # bytes of an answer that is not read on


async def post(sink: Any, variable: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> None:
    """Send JSON to the address in ``variable``; no redirection is followed, for it would take the alerts elsewhere.

    Args:
        sink: whose variables' values are taken out of what the other side says.

    Raises:
        NotDelivered: nothing between 200 and 299 came back.
    """
    import aiohttp

    address = secret(variable)
    told = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "evalkit", **headers}
    try:
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=timeout_s), cookie_jar=aiohttp.DummyCookieJar()
            ) as session,
            session.post(address, data=body, headers=told, allow_redirects=False, **proxy_to(address)) as response,
        ):
            if response.status < 300:
                return
            said = one_line((await response.content.read(_READ)).decode("utf-8", "replace"), 200)
            status, after_s = response.status, retry_after_s(response.headers)
    except TimeoutError:  # aiohttp's own among them
        raise NotDelivered(f"the address in {variable} gave no answer within {timeout_s:g} s") from None
    except aiohttp.InvalidURL:
        raise NotDelivered(f"{variable} holds no address", "refused") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:  # their texts may hold the address
        raise NotDelivered(f"the address in {variable} cannot be reached ({cause(error, quoted=False)})") from None
    said = f"; it says: {scrubbed(said, sink)}" if said else ""
    if status in _PASSING or status >= 500:
        raise NotDelivered(f"the address in {variable} answered {status}{said}", "passing", after_s)
    if status in _CONTENT:
        raise NotDelivered(f"the address in {variable} does not take this ({status}){said}", "content")
    if status < 400:
        raise NotDelivered(
            f"the address in {variable} sends elsewhere ({status}); put the address it should be there", "refused"
        )
    raise NotDelivered(f"the address in {variable} refused ({status}){said}", "refused")


def check_address(variable: str) -> None:
    """Whether a variable holds an address at all; what it holds is not told.

    Raises:
        ValueError: it does not.
    """
    address = secret(variable)
    try:
        parts = urlsplit(address)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine or not address.isprintable() or " " in address:
        raise ValueError(f"the variable {variable} holds no address that begins with http:// or https://")


def check_header(variable: str) -> None:
    """Whether what a variable holds can be sent as a header.

    Raises:
        ValueError: it cannot.
    """
    value = secret(variable)
    if not (value.isascii() and value.isprintable()):
        raise ValueError(f"the variable {variable} holds signs that no header holds")
