"""Replies as bytes: what the cache keeps."""

from __future__ import annotations

import msgspec

from evalkit.core.asking import Reply, Token


class _Packed(msgspec.Struct, array_like=True):
    """A reply as a row of values; those that were added later have defaults."""

    text: str
    tokens: list[tuple[str, float, list[tuple[str, float]]]]
    finish: str
    prompt_tokens: int
    completion_tokens: int
    cached_prompt_tokens: int
    cost: float | None
    model: str
    seconds: float = 0.0


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
            reply.seconds,
        )
    )


def unpacked(kept: bytes) -> Reply:
    """What `packed` made."""
    held = _decoder.decode(kept)
    return Reply(
        held.text,
        tuple(Token(token, logprob, tuple(top)) for token, logprob, top in held.tokens),
        held.finish,
        held.prompt_tokens,
        held.completion_tokens,
        held.cached_prompt_tokens,
        held.cost,
        held.model,
        held.seconds,
    )
