"""An encoder or a sequence classifier of transformers in memory: token vectors, text vectors, logits."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final, Literal

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


VECTOR: Final = "vector"
Need = int | None | Literal["vector"]
"""Token vectors behind so many layers, behind all (None), or the one vector of a text."""

Passed = Mapping[Need, Any]
"""What a pass gave of a text: `Encoded` for a layer, an array for its vector."""

_READ = 4096  # texts whose tokens are remembered


@dataclass(frozen=True)
class Text:
    """A text, or a pair, as tokens; special ones are among them, and marked."""

    ids: tuple[int, ...]
    types: tuple[int, ...] | None  # which text of a pair each token is of
    special: tuple[bool, ...]
    sentence: bool = False  # read as a text that is to have one vector

    @property
    def length(self) -> int:
        return len(self.ids)

    @cached_property
    def key(self) -> tuple[bytes, bytes]:
        """What makes two texts one to a model."""
        return array("i", self.ids).tobytes(), bytes(self.types or ())


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
        self._sentence_most = min(self.most, self.sentence.most or self.most)
        self._remembered = lru_cache(_READ)(self._read)
        self._probe = self.read("Ab cd")
        self._one_reading = self.read_sentence("Ab cd").ids == self._probe.ids  # a sentence is read as any other text
        self._tried: dict[int, bool] = {}  # by layer: whether a deeper pass gives it on its way

    # --- texts as tokens ---

    def read(self, text: str, pair: str | None = None) -> Text:
        """The tokens of a text; what is too long is cut at its end, of a pair the longer one first."""
        return self._remembered(text, pair, self.most, False)

    def read_sentence(self, text: str) -> Text:
        """The tokens of a text that is to have one vector."""
        shown = self.sentence.prompt + text
        return self._remembered(shown.lower() if self.sentence.lower else shown, None, self._sentence_most, True)

    def _read(self, text: str, pair: str | None, most: int, sentence: bool) -> Text:
        pairs = [pair] if pair is not None else None  # lists, for by itself an empty second text would be taken for none
        told = self.tokenizer([text], pairs, truncation=True, max_length=most, return_special_tokens_mask=True)
        types = told.get("token_type_ids")
        special = tuple(bool(mark) for mark in told["special_tokens_mask"][0])
        return Text(tuple(told["input_ids"][0]), tuple(types[0]) if types is not None else None, special, sentence)

    # --- batches ---

    def looked_up(self, texts: Sequence[Text]) -> list[Encoded]:
        """Token vectors of each text before the first layer."""
        return [made[0] for made in self._pass(texts, [0])]

    def passed(self, texts: Sequence[Text], wanted: Collection[Need]) -> list[Passed]:
        """What is wanted of each text, from one pass through the layers; token vectors have those of special tokens too.

        Where sentences are read otherwise than other texts (a prompt stands before them), they give their vector alone, and
        the others none. Where something follows the layers (a last norm), which each layer's vectors are to have behind
        them, there is a pass for every layer.
        """
        answers: list[dict[Need, Any]] = [{} for _ in texts]
        for needs, rows in self._alike(texts, {self.settled(need) for need in wanted}).items():
            some = [texts[row] for row in rows]
            for together in self._together(needs):
                for row, made in zip(rows, self._pass(some, together)):
                    answers[row].update(made)
        return list(answers)

    def _alike(self, texts: Sequence[Text], wanted: Collection[Need]) -> Mapping[frozenset[Need], list[int]]:
        """The rows of texts of which the same is to be given; as one, where they differ by a vector too many."""
        layers = frozenset(need for need in wanted if need != VECTOR and self.lacks(need) is None)
        if VECTOR not in wanted or self._one_reading:
            short = VECTOR in wanted and any(text.length <= self._sentence_most for text in texts)
            return {layers | {VECTOR} if short else layers: list(range(len(texts)))}
        found: dict[frozenset[Need], list[int]] = {}
        for row, text in enumerate(texts):
            found.setdefault(frozenset({VECTOR}) if text.sentence else layers, []).append(row)
        return found

    def _together(self, needs: frozenset[Need]) -> list[list[Need]]:
        """What one pass can give, by passes."""
        deepest = [need for need in needs if need is None or need == VECTOR]
        counted = sorted((need for need in needs if isinstance(need, int)), reverse=True)
        alone: list[Need] = [need for need in counted[0 if deepest else 1 :] if not self._on_the_way(need)]
        together: list[Need] = [*deepest, *(need for need in counted if need not in alone)]
        passes = [together, *([need] for need in alone)]
        return [needs_of_one for needs_of_one in passes if needs_of_one]

    def _pass(self, texts: Sequence[Text], needs: Sequence[Need]) -> list[dict[Need, Any]]:
        """One pass through as many layers as the needs take."""
        import torch

        with torch.inference_mode():
            given = self._padded(texts)
            last, between = self._run(given, needs)
            found: dict[Need, Any] = {need: last if need is None else between.get(need, last) for need in needs}
            if VECTOR in found:
                found[VECTOR] = self._pooled(last, given["attention_mask"])
            arrays = {need: value.float().cpu().numpy() for need, value in found.items()}
        return [
            {need: values[row].copy() if need == VECTOR else _encoded(text, values[row]) for need, values in arrays.items()}
            for row, text in enumerate(texts)
        ]

    def _run(self, given: Mapping[str, Any], needs: Sequence[Need]) -> tuple[Any, dict[Need, Any]]:
        """The last of the layers' outputs, with what follows them, and those of the layers on the way."""
        counted = sorted(need for need in needs if isinstance(need, int))
        to_the_end = len(counted) < len(needs)
        deepest = None if to_the_end else counted[-1]
        between: dict[Need, Any] = {}
        hooks = []
        try:
            for layer in counted if to_the_end else counted[:-1]:

                def note(module: Any, given: Any, output: Any, layer: int = layer) -> None:  # noqa: ARG001
                    between[layer] = output[0] if isinstance(output, tuple) else output

                owner, name = self._list
                hooks.append(getattr(owner, name)[layer - 1].register_forward_hook(note))
            with self._layers(deepest):
                return self._base(**given)[0], between
        finally:
            for hook in hooks:
                hook.remove()

    def _pooled(self, vectors: Any, mask: Any) -> Any:
        import torch

        found = self.sentence.pooled(vectors.float(), mask)
        for linear in self._dense:
            found = linear(found)
        return torch.nn.functional.normalize(found, dim=-1) if self.sentence.normalised else found

    def classified(self, texts: Sequence[Text]) -> list[list[float]]:
        """The logits of each text."""
        import torch

        if not self._classifies:
            raise BackendRefused("this model has no classifier's head")
        with torch.inference_mode():
            logits: list[list[float]] = self.model(**self._padded(texts)).logits.float().tolist()
        return logits

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

    # --- layers ---

    def lacks(self, layer: int | None) -> str | None:
        """Why the model has no such layer."""
        if layer is None:
            return None
        if self._list is None:
            return "its layers cannot be told apart"
        total = self._base.config.num_hidden_layers
        return None if 0 <= layer <= total else f"the model has the layers 0 to {total}, and no layer {layer}"

    def settled(self, need: Need) -> Need:
        """The same need under one name: behind the last layer is behind all."""
        return None if isinstance(need, int) and need == self._base.config.num_hidden_layers else need

    @cached_property
    def _list(self) -> Any:
        """Where the layers are: the module and the name of its list; None where that cannot be told."""
        import torch

        total = self._base.config.num_hidden_layers
        return next(
            (
                (module, name)
                for module in self._base.modules()
                for name, child in module.named_children()
                if isinstance(child, torch.nn.ModuleList) and len(child) == total
            ),
            None,
        )

    @contextmanager
    def _layers(self, count: int | None) -> Iterator[None]:
        """Only the first layers of the model, for as long: what lies above the one that is wanted is not computed."""
        if count is None:
            yield
            return
        why = self.lacks(count)
        if why is not None:
            raise BackendRefused(why)
        owner, name = self._list
        whole = getattr(owner, name)
        setattr(owner, name, whole[:count])
        try:
            yield
        finally:
            setattr(owner, name, whole)

    def _on_the_way(self, layer: int) -> bool:
        """Whether a pass through all layers gives this layer's vectors on its way; tried out on a few tokens."""
        if layer not in self._tried:
            import torch

            given = self._padded([self._probe])
            with torch.inference_mode():
                between, alone = self._run(given, [layer, None])[1].get(layer), self._run(given, [layer])[0]
            alike = isinstance(between, torch.Tensor) and between.shape == alone.shape
            self._tried[layer] = alike and torch.allclose(between, alone, rtol=1e-4, atol=1e-5)
        return self._tried[layer]


def _encoded(text: Text, vectors: NDArray[np.float32]) -> Encoded:
    """Without what was filled up; the copy lets go of the batch's memory."""
    ids, special = np.array(text.ids, dtype=np.int64), np.array(text.special, dtype=bool)
    return Encoded(ids, vectors[: text.length].copy(), special)


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
