"""How a folder of sentence-transformers makes one vector of a text: limits, pooling, layers behind it, normalisation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.backends.folder import Card
from evalkit.core.errors import BackendRefused

_MODES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}  # in the order in which their vectors stand


@dataclass(frozen=True)
class Sentence:
    """What its modules.json and the files that this names say; without one: mean of the tokens, normalised.

    Attributes:
        modes: of pooling; the vectors of several stand one behind the other.
        dense: folders of linear layers behind the pooling, with the name of each one's activation in ``torch.nn``.
        most: tokens of a text that are read; None: as many as the model takes.
        prompt: goes before every text.
    """

    modes: tuple[str, ...] = ("mean",)
    dense: tuple[tuple[str, str], ...] = ()
    normalised: bool = True
    most: int | None = None
    lower: bool = False
    prompt: str = ""

    @classmethod
    def of(cls, card: Card) -> Sentence:
        """From a model's files.

        Raises:
            BackendRefused: it makes its vectors in a way that is not known here.
        """
        listed = card.read("modules.json")
        if listed is None:
            return cls()
        modes: tuple[str, ...] = ("mean",)
        dense: list[tuple[str, str]] = []
        normalised = False
        limits, prompts = card.json("sentence_bert_config.json"), card.json("config_sentence_transformers.json")
        prompt = str((prompts.get("prompts") or {}).get(prompts.get("default_prompt_name") or "") or "")
        for module in json.loads(listed):
            kind, path = str(module["type"]).rpartition(".")[2], str(module.get("path") or "")
            told = card.json(f"{path}/config.json") if path else {}
            if kind == "Pooling" and (told.get("include_prompt", True) or not prompt):
                modes = _modes(told)
            elif kind == "Dense" and not told.get("use_residual"):
                dense.append((path, str(told.get("activation_function", "Tanh")).rpartition(".")[2]))
            elif kind == "Normalize":
                normalised = True
            elif kind != "Transformer":
                raise BackendRefused(f"{card.name} makes its vectors in a way that evalkit does not know ({kind})")
        return cls(modes, tuple(dense), normalised, limits.get("max_seq_length"), bool(limits.get("do_lower_case")), prompt)

    def pooled(self, vectors: Any, mask: Any) -> Any:
        """One vector of the token vectors, (n, length, d), whose mask, (n, length), is 1: (n, d) for each mode."""
        import torch

        rows = torch.arange(len(vectors), device=vectors.device)
        weight = mask[..., None].to(vectors.dtype)
        made = []
        for mode in self.modes:
            if mode == "cls":
                made.append(vectors[rows, mask.int().argmax(1)])
            elif mode == "lasttoken":
                made.append(vectors[rows, mask.shape[1] - 1 - mask.flip(1).int().argmax(1)])
            elif mode == "max":
                made.append(vectors.masked_fill(weight == 0, -torch.inf).amax(1))
            else:
                share = weight * mask.cumsum(1)[..., None] if mode == "weightedmean" else weight
                total = share.sum(1).clamp(min=1e-9)
                made.append((vectors * share).sum(1) / (total.sqrt() if mode == "mean_sqrt_len_tokens" else total))
        return torch.cat(made, -1)


def _modes(told: Mapping[str, Any]) -> tuple[str, ...]:
    named = told.get("pooling_mode")
    if named is None:
        return tuple(mode for key, mode in _MODES.items() if told.get(key)) or ("mean",)
    modes = (named,) if isinstance(named, str) else tuple(named)
    unknown = [mode for mode in modes if mode not in _MODES.values()]
    if unknown:
        raise BackendRefused(f"evalkit does not know the pooling {', '.join(map(repr, unknown))}")
    return modes
