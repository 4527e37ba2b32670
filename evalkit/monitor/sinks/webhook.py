"""Alerts as JSON to any address, signed where wanted."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from evalkit.core.registry import sink
from evalkit.core.secret import secret
from evalkit.core.watched import Alert
from evalkit.monitor.sinks.http import check_address, check_header, post
from evalkit.monitor.wording import EXAMPLES, alert_json

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
_OURS = frozenset({"content-type", "content-length", "host", "webhook-id", "webhook-timestamp", "webhook-signature"})


@sink("webhook")
@dataclass(frozen=True)
class Webhook:
    """``{"alerts": […]}`` by POST; anything between 200 and 299 is an arrival.

    The header ``webhook-id`` is the same whenever the same alerts are sent. With a secret, ``webhook-signature`` proves who
    sent them and when. Source: Standard Webhooks 1.0 (standardwebhooks.com), whose libraries verify it.
    """

    at_once: ClassVar[int] = 50

    url_env: str  # the variable that holds the address
    headers_env: Mapping[str, str] = field(default_factory=dict)  # header → the variable that holds its value
    secret_env: str | None = None  # the variable that holds the key to sign with: whsec_… (base64), or any text
    timeout_s: float = 10.0
    examples: int = EXAMPLES  # rows that an alert carries; 0 keeps them here

    def __post_init__(self) -> None:
        if self.timeout_s <= 0 or not 0 <= self.examples <= EXAMPLES:
            raise ValueError(f"timeout_s is more than 0, and examples are from 0 to {EXAMPLES}")
        for name in self.headers_env:
            if not _NAME.match(name) or name.lower() in _OURS:
                raise ValueError("headers_env names a header that cannot be set; its keys are headers such as Authorization")

    def verify(self) -> None:
        """Whether the variables hold what can be used; raises `ValueError`."""
        check_address(self.url_env)
        for variable in self.headers_env.values():
            check_header(variable)
        if self.secret_env is not None:
            _key(self.secret_env)

    async def send(self, alerts: Sequence[Alert]) -> None:
        """All of them in one request."""
        body = json.dumps({"alerts": [alert_json(alert, self.examples) for alert in alerts]}).encode()
        number = message_id([alert.id for alert in alerts])
        headers = {name: secret(variable) for name, variable in self.headers_env.items()} | {"webhook-id": number}
        if self.secret_env is not None:
            moment = int(time.time())
            headers |= {
                "webhook-timestamp": str(moment),
                "webhook-signature": signature(_key(self.secret_env), number, moment, body),
            }
        await post(self, self.url_env, body, headers, self.timeout_s)


def message_id(ids: Sequence[str]) -> str:
    """What tells a message apart: the same for the same alerts."""
    return f"msg_{hashlib.sha256(json.dumps(sorted(ids)).encode()).hexdigest()[:32]}"


def signature(key: bytes, number: str, moment: int, body: bytes) -> str:
    """What ``webhook-signature`` holds: HMAC-SHA256 over id, time and body."""
    signed = hmac.new(key, f"{number}.{moment}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


def _key(variable: str) -> bytes:
    value = secret(variable)
    if not value.startswith("whsec_"):
        return value.encode("utf-8", "surrogateescape")
    try:
        return base64.b64decode(value.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"the variable {variable} begins with whsec_, and what follows is no base64") from None
