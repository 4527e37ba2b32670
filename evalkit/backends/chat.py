"""Chat messages as a local model's tokens; a control token in what somebody wrote is text, and controls nothing."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from typing import Any

from evalkit.core.asking import Request
from evalkit.core.errors import BackendError
from evalkit.core.signature import canonical


class Template:
    """A tokenizer's chat template.

    Args:
        tokenizer: of transformers.
        options: further arguments of the template (``enable_thinking: false``).
    """

    def __init__(self, tokenizer: Any, options: Mapping[str, Any] | None = None) -> None:
        self._tokenizer, self._options = tokenizer, dict(options or {})
        known = {str(token) for token in getattr(tokenizer, "added_tokens_decoder", {}).values()} | set(
            tokenizer.all_special_tokens
        )
        longest_first = sorted(filter(None, known), key=len, reverse=True)
        self._control = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def tokens(self, messages: tuple[Mapping[str, Any], ...]) -> list[int]:
        """The prompt up to where the reply begins.

        A content that holds a control token (``<|im_end|>``) is cut out before the template is filled and spelled by its
        plain characters, so that it cannot end its own turn. Without one, the prompt is tokenised as a whole, as everywhere.

        Raises:
            BackendError: the template does not take these messages.
        """
        shown, held = [], dict[str, str]()
        for message in messages:
            content = message.get("content")
            if isinstance(content, str) and self._control.search(content):
                place = f"text-{secrets.token_hex(16)}"
                held[place] = content
                message = {**message, "content": place}
            shown.append(dict(message))
        try:
            text = self._tokenizer.apply_chat_template(shown, tokenize=False, add_generation_prompt=True, **self._options)
        except Exception as error:  # templates raise what they like
            raise BackendError(f"the model's chat template does not take these messages: {error}") from error
        if not held:
            return self._spelled(text)
        ids = list[int]()
        for piece in re.split(f"({'|'.join(held)})", text):
            ids += self._spelled(held[piece], plain=True) if piece in held else self._spelled(piece)
        return ids

    def _spelled(self, text: str, *, plain: bool = False) -> list[int]:
        if not text:
            return []
        ids: list[int] = self._tokenizer(text, add_special_tokens=False, **({"split_special_tokens": True} if plain else {}))[
            "input_ids"
        ]
        return ids


def seed_of(request: Request) -> int:
    """The seed of a draw: made of the request and of which draw and attempt it is, so that a rerun draws the same again."""
    told = {**request.content(), "attempt": request.attempt}
    return int.from_bytes(hashlib.sha256(canonical(told)).digest()[:4], "big") >> 1
