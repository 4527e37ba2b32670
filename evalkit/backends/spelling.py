"""Tokens as pieces of text: which characters each token of a reply brought."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"
_BEHIND = 6  # tokens that are decoded again with a new one: what joins to what


class Spelling:
    """Texts of tokens by one tokenizer of transformers."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._alone: dict[int, str] = {}

    def text(self, ids: Sequence[int]) -> str:
        """What tokens say together; control tokens say nothing."""
        said: str = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return said

    def pieces(self, ids: Sequence[int], whole: str | None = None) -> list[str]:
        """What each token adds to those before it; joined, they are `text`.

        A character of several tokens is the last one's, and the others are empty.

        Args:
            whole: the text, where somebody else has put it together.
        """
        pieces = list[str]()
        whole = self.text(ids) if whole is None else whole
        start = done = 0  # tokens whose characters are out; of which the last few give context
        for index in range(len(ids)):
            before, now = self.text(ids[start:done]), self.text(ids[start : index + 1])
            last = index + 1 == len(ids)
            if (now.endswith(_UNFINISHED) and not last) or not now.startswith(before):
                pieces.append("")
                continue
            pieces.append(now[len(before) :])
            done = index + 1
            start = max(start, done - _BEHIND)
        return pieces if "".join(pieces) == whole else self._cut(ids, whole)

    def _cut(self, ids: Sequence[int], whole: str) -> list[str]:
        """The text cut where the tokens so far end: for tokenizers that join tokens from afar, and other people's texts."""
        ends, most = [0], 0
        for count in range(1, len(ids)):
            most = max(most, len(self.text(ids[:count]).rstrip(_UNFINISHED)))
            ends.append(min(most, len(whole)))
        return [whole[low:high] for low, high in zip(ends, [*ends[1:], len(whole)])]

    def alone(self, token: int) -> str:
        """One token by itself, with the space that it begins with."""
        if token not in self._alone:
            said = str(self._tokenizer.decode([token], clean_up_tokenization_spaces=False))
            piece = self._tokenizer.convert_ids_to_tokens(token)
            space = isinstance(piece, str) and piece.startswith("▁") and not said.startswith(" ")
            self._alone[token] = f" {said}" if space else said
        return self._alone[token]
