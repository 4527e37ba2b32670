"""An encoder or a sequence classifier of transformers in memory: token vectors, text vectors, logits."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.backends.folder import Card
from evalkit.backends.sentence import Sentence
from evalkit.core.asking import Encoded
from evalkit.core.errors import BackendRefused

# Whose positions are counted from behind the padding token's id.
_OFFSET = frozenset(
    {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "roberta-prelayernorm", "data2vec-text", "mpnet", "longformer"}
)


@dataclass(frozen=True)
class Text:
    """A text, or a pair, as tokens; special ones are among them, and marked."""

    ids: tuple[int, ...]
    types: tuple[int, ...] | None  # which text of a pair each token is of
    special: tuple[bool, ...]
    layer: int | None = None

    @property
    def length(self) -> int:
        return len(self.ids)


class EncoderModel:
    """Weights and tokenizer of an encoder, of a classifier, or of a causal model whose token vectors are wanted.

    Args:
        classifies: whether ``model`` has a classifier's head.
        most: tokens of a text that are read; None: as many as the model takes.
    """

    def __init__(self, model: Any, tokenizer: Any, card: Card, *, classifies: bool, most: int | None = None) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.sentence = Sentence.of(card)
        self._classifies = classifies
        config = model.config
        self._base = getattr(model, model.base_model_prefix, model) if hasattr(model, "base_model_prefix") else model
        if config.is_encoder_decoder:
            self._base = self._base.get_encoder()
        positions = getattr(config, "max_position_embeddings", None) or 2**30
        if config.model_type in _OFFSET:
            positions -= (config.pad_token_id or 0) + 1
        told = int(tokenizer.model_max_length or 2**30)
        self.most = min(positions, told, *([most] if most is not None else []))
        self._pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else config.pad_token_id or 0
        if classifies and config.pad_token_id is None:  # by which a causal classifier finds the last token
            config.pad_token_id = self._pad
        self._dense = [_linear(card, path, activation, model) for path, activation in self.sentence.dense]

    # --- texts as tokens ---

    def read(self, text: str, pair: str | None = None, layer: int | None = None) -> Text:
        """The tokens of a text; what is too long is cut at its end, of a pair the longer one first."""
        pairs = [pair] if pair is not None else None  # lists, for by itself an empty second text would be taken for none
        told = self.tokenizer([text], pairs, truncation=True, max_length=self.most, return_special_tokens_mask=True)
        types = told.get("token_type_ids")
        special = tuple(bool(mark) for mark in told["special_tokens_mask"][0])
        return Text(tuple(told["input_ids"][0]), tuple(types[0]) if types is not None else None, special, layer)

    def read_sentence(self, text: str) -> Text:
        """The tokens of a text that is to have one vector."""
        shown = self.sentence.prompt + text
        most = min(self.most, self.sentence.most or self.most)
        told = self.tokenizer(shown.lower() if self.sentence.lower else shown, truncation=True, max_length=most)
        types = told.get("token_type_ids")
        return Text(tuple(told["input_ids"]), tuple(types) if types is not None else None, ())

    # --- batches ---

    def encoded(self, texts: Sequence[Text]) -> list[Encoded]:
        """Token vectors of each text at its layer, those of special tokens among them, and marked."""
        import torch

        answers: dict[int, Encoded] = {}
        for layer in dict.fromkeys(text.layer for text in texts):
            rows = [row for row, text in enumerate(texts) if text.layer == layer]
            with torch.inference_mode(), self._layers(layer):
                vectors = self._vectors([texts[row] for row in rows])[0].float().cpu().numpy()
            for place, row in enumerate(rows):
                text = texts[row]
                ids, special = np.array(text.ids, dtype=np.int64), np.array(text.special, dtype=bool)
                answers[row] = Encoded(ids, vectors[place, : text.length].copy(), special)
        return [answers[row] for row in range(len(texts))]

    def embedded(self, texts: Sequence[Text]) -> list[NDArray[np.float32]]:
        """One vector of each text."""
        import torch

        with torch.inference_mode():
            vectors, mask = self._vectors(texts)
            found = self.sentence.pooled(vectors.float(), mask)
            for linear in self._dense:
                found = linear(found)
            if self.sentence.normalised:
                found = torch.nn.functional.normalize(found, dim=-1)
            return list(found.cpu().numpy())

    def classified(self, texts: Sequence[Text]) -> list[list[float]]:
        """The logits of each text."""
        import torch

        if not self._classifies:
            raise BackendRefused("this model has no classifier's head")
        with torch.inference_mode():
            logits: list[list[float]] = self.model(**self._padded(texts)).logits.float().tolist()
        return logits

    def _vectors(self, texts: Sequence[Text]) -> tuple[Any, Any]:
        given = self._padded(texts)
        return self._base(**given)[0], given["attention_mask"]

    def _padded(self, texts: Sequence[Text]) -> dict[str, Any]:
        import torch

        width = max(text.length for text in texts) or 1
        device = self.model.device

        def filled(rows: Sequence[Sequence[int]], filling: int) -> Any:
            return torch.tensor([[*row, *[filling] * (width - len(row))] for row in rows], device=device)

        given = {
            "input_ids": filled([text.ids for text in texts], self._pad),
            "attention_mask": filled([[1] * text.length for text in texts], 0),
        }
        if all(text.types is not None for text in texts):
            given["token_type_ids"] = filled([text.types or () for text in texts], 0)
        return given

    @contextmanager
    def _layers(self, count: int | None) -> Iterator[None]:
        """Only the first layers of the model, for as long: what lies above the one that is wanted is not computed."""
        import torch

        if count is None:
            yield
            return
        total = self._base.config.num_hidden_layers
        lists = [
            (module, name)
            for module in self._base.modules()
            for name, child in module.named_children()
            if isinstance(child, torch.nn.ModuleList) and len(child) == total
        ]
        if not 0 <= count <= total or not lists:
            raise BackendRefused(
                f"the model has the layers 0 to {total}, and no layer {count}" if lists else "its layers cannot be told apart"
            )
        owner, name = lists[0]
        whole = getattr(owner, name)
        setattr(owner, name, whole[:count])
        try:
            yield
        finally:
            setattr(owner, name, whole)


class Kept:
    """What was encoded, by layer and text: the latest, up to so many bytes."""

    def __init__(self, most: int) -> None:
        self.most, self.size = most, 0
        self._held: OrderedDict[tuple[int | None, str], Encoded] = OrderedDict()

    def get(self, key: tuple[int | None, str]) -> Encoded | None:
        """What is held under a key; it is the latest from now on."""
        found = self._held.get(key)
        if found is not None:
            self._held.move_to_end(key)
        return found

    def put(self, key: tuple[int | None, str], value: Encoded) -> None:
        """Hold a value, and let go of the oldest ones beyond the limit."""
        if key in self._held:
            return
        self._held[key] = value
        self.size += _bytes(key, value)
        while self.size > self.most:
            self.size -= _bytes(*self._held.popitem(last=False))

    def clear(self) -> None:
        """Let go of everything."""
        self._held.clear()
        self.size = 0


def _bytes(key: tuple[int | None, str], value: Encoded) -> int:
    return value.vectors.nbytes + value.ids.nbytes + 2 * len(key[1]) + 500


def _linear(card: Card, path: str, activation: str, model: Any) -> Any:
    """A linear layer behind the pooling, from its folder."""
    import torch
    from safetensors.torch import load

    weights = card.read(f"{path}/model.safetensors")
    if weights is None:
        raise BackendRefused(f"{card.name}: there is no {path}/model.safetensors")
    held = load(weights)
    rows, columns = held["linear.weight"].shape
    linear = torch.nn.Linear(columns, rows, bias="linear.bias" in held)
    linear.load_state_dict({name.removeprefix("linear."): value.float() for name, value in held.items()})
    return torch.nn.Sequential(linear, getattr(torch.nn, activation)()).to(model.device)
