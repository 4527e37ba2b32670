"""Replies as bytes: what the cache keeps."""

from __future__ import annotations

import msgspec

from evalkit.core.asking import Reply, Token

_Packed = tuple[str, list[tuple[str, float, list[tuple[str, float]]]], str, int, int, int, float | None, str]
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Packed)


def packed(reply: Reply) -> bytes:
    """A reply as the cache keeps it."""
    return _encoder.encode(
        (
            reply.text,
            reply.tokens,
            reply.finish,
            reply.prompt_tokens,
            reply.completion_tokens,
            reply.cached_prompt_tokens,
            reply.cost,
            reply.model,
        )
    )


def unpacked(kept: bytes) -> Reply:
    """What `packed` made."""
    text, tokens, *rest = _decoder.decode(kept)
    return Reply(text, tuple(Token(token, logprob, tuple(top)) for token, logprob, top in tokens), *rest)
