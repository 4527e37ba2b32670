"""Fixed replies in place of a model: for tests, dry runs and demonstrations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import regex

from evalkit.core.asking import Reply, Request
from evalkit.core.errors import BackendError
from evalkit.core.registry import backend


@backend("scripted")
@dataclass(frozen=True)
class Scripted:
    """Answers with the first reply whose pattern is found in the request's text; no pattern that fits is an error.

    Options: ``replies``, a list of ``{when: PATTERN, say: TEXT}`` (or ``fail: MESSAGE``); ``otherwise``, the reply to
    anything else. Token counts are counts of white-space words.
    """

    replies: tuple[dict[str, Any], ...] = ()
    otherwise: str | None = None
    max_concurrency: int = 8
    attempts: int = 1  # the script says the same again
    model: str = field(default="scripted")

    @property
    def identity(self) -> str:
        """The whole script: another script is another model."""
        return f"scripted:{self.model}:{self.replies!r}:{self.otherwise!r}"

    async def complete(self, request: Request) -> Reply:
        """The scripted answer to ``request``."""
        text = "\n".join(str(message.get("content", "")) for message in request.messages)
        for rule in self.replies:
            if regex.search(str(rule.get("when", "")), text):
                if "fail" in rule:
                    raise BackendError(str(rule["fail"]))
                return self._reply(text, str(rule["say"]))
        if self.otherwise is None:
            raise BackendError("the script has no reply to this request; add a rule, or `otherwise:`")
        return self._reply(text, self.otherwise)

    def _reply(self, asked: str, said: str) -> Reply:
        return Reply(said, prompt_tokens=len(asked.split()), completion_tokens=len(said.split()))
