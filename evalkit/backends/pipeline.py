"""One order for every model call: in-flight de-duplication → limiter → transport → accounting."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.core.contracts import Backend, Messages, Reply, Request
from evalkit.core.errors import BackendError
from evalkit.core.run import Usage
from evalkit.core.signature import canonical


@dataclass
class Account:
    """What the calls of a run took so far."""

    calls: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None

    def add(self, reply: Reply) -> None:
        """Enter one reply."""
        self.calls += 1
        self.prompt_tokens += reply.prompt_tokens
        self.completion_tokens += reply.completion_tokens
        if reply.cost is not None:
            self.cost = (self.cost or 0.0) + reply.cost

    def usage(self) -> Usage:
        """As results.json tells it."""
        return Usage(self.calls, self.cached, self.prompt_tokens, self.completion_tokens, self.cost)


class Pipeline:
    """The `Tools` of one backend; made inside the event loop that uses it."""

    def __init__(self, backend: Backend, account: Account) -> None:
        self.backend, self.account = backend, account
        self._limit = asyncio.Semaphore(int(getattr(backend, "max_concurrency", 16)))
        self._in_flight: dict[bytes, asyncio.Task[Reply]] = {}

    async def ask(self, messages: Messages, schema: Mapping[str, Any] | None = None, *, repeat: int = 0) -> Any:
        """The reply's text; with a schema, the parsed JSON value that meets it.

        Raises:
            BackendError: the model gave no reply, or one that does not meet the schema.
        """
        request = Request(tuple(messages), schema, repeat)
        key = canonical({"messages": list(messages), "schema": schema, "repeat": repeat})
        task = self._in_flight.get(key)
        if task is None:
            task = self._in_flight[key] = asyncio.ensure_future(self._call(request))
            task.add_done_callback(lambda _: self._in_flight.pop(key, None))
        else:
            self.account.cached += 1
        reply = await asyncio.shield(task)
        return reply.text if schema is None else parsed(reply.text, schema)

    async def _call(self, request: Request) -> Reply:
        async with self._limit:
            reply = await self.backend.complete(request)
        self.account.add(reply)
        return reply


def parsed(text: str, schema: Mapping[str, Any]) -> Any:
    """A reply as JSON that meets ``schema``; a code fence around it is accepted, anything else is not.

    Raises:
        BackendError: it is no JSON, or breaks the schema; the message quotes its beginning.
    """
    import jsonschema
    import msgspec

    body = text.strip()
    if body.startswith("```"):
        body = body.partition("\n")[2].rpartition("```")[0]
    quoted = repr(text if len(text) <= 80 else text[:77] + "…")
    try:
        value = msgspec.json.decode(body.encode())
    except msgspec.DecodeError as error:
        raise BackendError(f"the reply is not JSON: {quoted}") from error
    try:
        jsonschema.validate(value, dict(schema))
    except jsonschema.ValidationError as error:
        raise BackendError(f"the reply does not fit its schema ({error.message}): {quoted}") from error
    return value
