"""A causal language model of transformers in memory: replies written in batches, and texts read for their likelihood."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from evalkit.backends.chat import seed_of
from evalkit.backends.spelling import Spelling
from evalkit.backends.windows import Window
from evalkit.core.asking import Reply, Request, Token
from evalkit.core.errors import BackendError

_SHARED = 16  # tokens, from which it pays to read a common beginning once
_LOGITS = {"cpu": 2**27, "cuda": 2**29}  # numbers of a block of logits in memory at once


@dataclass(frozen=True)
class Draw:
    """A reply to be written: the prompt's tokens, and how."""

    ids: tuple[int, ...]
    request: Request

    @property
    def length(self) -> int:
        """Tokens that it may come to hold in memory."""
        return len(self.ids) + self.request.max_tokens


@dataclass
class _Writing:
    """A reply on its way."""

    draw: Draw
    place: int  # in the batch
    room: int  # tokens that it may have
    generator: Any
    ids: list[int] = field(default_factory=list)
    told: list[tuple[float, list[tuple[int, float]]]] = field(default_factory=list)  # log-probability and alternatives of each
    ended: bool = False


class CausalModel:
    """Weights and tokenizer of a causal language model; used by one thread.

    Args:
        context: tokens that it reads at once.
        stopped: asked before every token; True ends the work with an error.
    """

    def __init__(self, model: Any, tokenizer: Any, context: int, stopped: Callable[[], bool], name: str = "") -> None:
        self.model, self.tokenizer, self.context, self.name = model, tokenizer, context, name
        self._stopped = stopped
        self._spelling = Spelling(tokenizer)
        self._takes = set(inspect.signature(model.forward).parameters)
        told = model.generation_config.eos_token_id if model.generation_config is not None else None
        ends = {*(told if isinstance(told, (list, tuple)) else [told]), tokenizer.eos_token_id}
        self._ends = {end for end in ends if end is not None}
        pad = tokenizer.pad_token_id
        self._pad = pad if pad is not None else min(self._ends, default=0)

    # --- writing ---

    def replies(self, draws: Sequence[Draw]) -> list[Reply | Exception]:
        """The replies to a batch; a prompt that is longer than the context is an error of its own."""
        answers: list[Reply | Exception] = [self._too_long(draw) for draw in draws]
        fitting = [place for place, draw in enumerate(draws) if len(draw.ids) < self.context]
        if fitting:
            import torch

            with torch.inference_mode():
                for writing in self._written([draws[place] for place in fitting]):
                    answers[fitting[writing.place]] = self._reply(writing)
        return answers

    def _too_long(self, draw: Draw) -> BackendError:
        return BackendError(f"the prompt has {len(draw.ids)} tokens, and the model reads {self.context} at once")

    def _written(self, draws: Sequence[Draw]) -> list[_Writing]:
        import torch
        from transformers import DynamicCache

        device = self.model.device
        all_of_them = [
            _Writing(
                draw,
                place,
                min(draw.request.max_tokens, self.context - len(draw.ids)),
                torch.Generator("cpu").manual_seed(seed_of(draw.request)),
            )
            for place, draw in enumerate(draws)
        ]
        cache = DynamicCache(config=self.model.config)
        shared = common_beginning([draw.ids for draw in draws]) if len(draws) > 1 else 0
        if shared >= _SHARED:
            self._forward(torch.tensor([draws[0].ids[:shared]], device=device), None, None, cache, keep=1)
            cache.batch_repeat_interleave(len(draws))
        else:
            shared = 0
        rests = [draw.ids[shared:] for draw in draws]
        width = max(map(len, rests))
        ids = torch.tensor([[self._pad] * (width - len(rest)) + list(rest) for rest in rests], device=device)
        seen = torch.ones(len(draws), shared + width, dtype=torch.long, device=device)
        for row, rest in enumerate(rests):
            seen[row, shared : shared + width - len(rest)] = 0
        places = (seen.cumsum(-1) - 1).clamp(min=0)[:, shared:]
        logits = self._forward(ids, seen, places, cache, keep=1)[:, -1]
        writing = list(all_of_them)
        places = places[:, -1:]
        while True:
            if self._stopped():
                raise BackendError("stopped")
            chosen = self._chosen(logits, writing)
            kept = [row for row, each in enumerate(writing) if not each.ended and len(each.ids) < each.room]
            if not kept:
                return all_of_them
            if len(kept) < len(writing):
                rows = torch.tensor(kept, device=device)
                cache.batch_select_indices(rows)
                seen, places = seen[rows], places[rows]
                writing = [writing[row] for row in kept]
                chosen = [chosen[row] for row in kept]
            seen = torch.cat([seen, seen.new_ones(len(writing), 1)], dim=1)
            places = places + 1
            logits = self._forward(torch.tensor(chosen, device=device)[:, None], seen, places, cache, keep=1)[:, -1]

    def _chosen(self, logits: Any, writing: Sequence[_Writing]) -> list[int]:
        """The next token of each; what was asked about it is noted."""
        logits = logits.float()
        best = logits.argmax(-1).tolist()
        wanted = max(each.draw.request.logprobs for each in writing)
        if wanted:
            logprobs = logits.log_softmax(-1)
            values, tokens = logprobs.topk(min(wanted, logits.shape[-1]), dim=-1)
            tops = [list(zip(*row)) for row in zip(tokens.tolist(), values.tolist())]
        chosen = []
        for row, each in enumerate(writing):
            request = each.draw.request
            token = best[row] if request.temperature <= 0 else drawn(logits[row], request, each.generator)
            chosen.append(token)
            if request.logprobs:
                own = float(logprobs[row, token])
                top = tops[row][: request.logprobs]
                each.told.append((own, top if any(token == other for other, _ in top) else [*top, (token, own)]))
            each.ids.append(token)
            each.ended = token in self._ends
        return chosen

    def _reply(self, writing: _Writing) -> Reply:
        ids = writing.ids[:-1] if writing.ended else writing.ids
        tokens: tuple[Token, ...] = ()
        if writing.draw.request.logprobs:
            tokens = tuple(
                Token(
                    piece, own, tuple((piece if token == other else self._spelling.alone(other), value) for other, value in top)
                )
                for token, piece, (own, top) in zip(ids, self._spelling.pieces(ids), writing.told)
            )
        return Reply(
            self._spelling.text(ids),
            tokens,
            "stop" if writing.ended else "length",
            len(writing.draw.ids),
            len(writing.ids),
            model=self.name,
        )

    # --- reading ---

    def scores(self, windows: Sequence[Window]) -> list[list[float]]:
        """Natural log-probabilities of the counted tokens of each window."""
        import torch
        from transformers import DynamicCache

        device = self.model.device
        width = max(len(window.ids) for window in windows)
        ids = torch.tensor([[*window.ids, *[self._pad] * (width - len(window.ids))] for window in windows], device=device)
        found = torch.zeros(len(windows), width, dtype=torch.float64)
        start = min(len(window.ids) - window.counted for window in windows) - 1  # its logits tell of the first that counts
        block = max(_LOGITS.get(device.type, 2**27) // (len(windows) * self.model.get_output_embeddings().weight.shape[0]), 1)
        with torch.inference_mode():
            cache = DynamicCache(config=self.model.config)
            if start > 0:
                self._read(ids, 0, start, cache, keep=1)
            while start < width - 1:
                if self._stopped():
                    raise BackendError("stopped")
                end = min(start + block, width - 1)
                logits = self._read(ids, start, end, cache).float()
                target = ids[:, start + 1 : end + 1, None]
                found[:, start + 1 : end + 1] = (logits.gather(-1, target)[..., 0] - logits.logsumexp(-1)).cpu()
                del logits
                start = end
        return [row[len(w.ids) - w.counted : len(w.ids)] for row, w in zip(found.tolist(), windows)]

    def _read(self, ids: Any, start: int, end: int, cache: Any, keep: int = 0) -> Any:
        """Logits of a block of columns behind those in the cache; padding at the right is seen by padding alone."""
        import torch

        places = torch.arange(start, end, device=ids.device).expand(len(ids), -1)
        return self._forward(ids[:, start:end], None, places, cache, keep=keep)

    def _forward(self, ids: Any, seen: Any, places: Any, cache: Any, *, keep: int) -> Any:
        options = {"attention_mask": seen, "position_ids": places, "logits_to_keep": keep}
        taken = {name: value for name, value in options.items() if name in self._takes and value is not None}
        return self.model(input_ids=ids, past_key_values=cache, use_cache=True, **taken).logits


def common_beginning(prompts: Sequence[Sequence[int]]) -> int:
    """How many tokens all prompts begin with; one token at least is left to each."""
    low, high = min(map(tuple, prompts)), max(map(tuple, prompts))  # what these share, all between them share
    most = min(map(len, prompts)) - 1
    return next((index for index in range(most) if low[index] != high[index]), most)


def drawn(logits: Any, request: Request, generator: Any) -> int:
    """A token drawn from the nucleus: the likeliest tokens whose probabilities, tempered, first reach ``top_p`` together.

    Source: Holtzman et al. (2020), The curious case of neural text degeneration, section 3.1.
    """
    import torch

    probabilities = (logits.cpu() / request.temperature).softmax(-1)
    if request.top_p < 1:
        ordered, order = probabilities.sort(descending=True)
        ordered[ordered.cumsum(-1) - ordered >= request.top_p] = 0
        return int(order[torch.multinomial(ordered, 1, generator=generator)])
    return int(torch.multinomial(probabilities, 1, generator=generator))
