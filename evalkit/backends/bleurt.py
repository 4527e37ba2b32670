"""BLEURT checkpoints whose config names a model type of their own: loaded as the models of transformers that they are."""

from __future__ import annotations

from typing import Any

from evalkit.backends.folder import Card

MODEL_TYPE = "bleurt"
_SAME = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act"),
    *("max_position_embeddings", "type_vocab_size", "layer_norm_eps", "pad_token_id", "initializer_range"),
)  # keys of a config that mean the same everywhere


def load_bleurt(card: Card, **given: Any) -> tuple[Any, Any]:
    """Model and tokenizer of a checkpoint of ``BleurtForSequenceClassification``.

    The layout of the bleurt-pytorch conversions: the weights of the first releases are a BERT's with one label; those of
    BLEURT-20, whose embeddings are smaller than its layers, are a RemBERT's. Only names differ. The tokenizer is word pieces
    (tokenizer.json or vocab.txt), or sentencepiece (spm.model) with BERT's marks around and between the two texts.

    Args:
        given: passed on to ``from_pretrained``.
    """
    import transformers

    told = {key: value for key, value in card.config.items() if key in _SAME}
    narrow = card.config.get("embedding_size")
    config: Any
    if narrow is None:
        maker: Any = transformers.BertForSequenceClassification
        config = transformers.BertConfig(**told, num_labels=1)
        names = {r"^bleurt\.": "bert."}
    else:
        maker = transformers.RemBertForSequenceClassification
        config = transformers.RemBertConfig(**told, input_embedding_size=narrow, num_labels=1)
        names = {
            r"^bleurt\.encoder\.embedding_projection\.": "rembert.encoder.embedding_hidden_mapping_in.",
            r"^bleurt\.": "rembert.",
        }
    tokenizer = _tokenizer(card)
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]  # without types both texts are one
    return maker.from_pretrained(card.path, config=config, key_mapping=names, **given), tokenizer


def _tokenizer(card: Card) -> Any:
    import transformers

    where = {"revision": card.revision}
    if card.read("tokenizer.json") is not None:
        return transformers.PreTrainedTokenizerFast.from_pretrained(card.path, **where)
    if card.read("vocab.txt") is not None:
        return transformers.BertTokenizer.from_pretrained(card.path, **where)
    return transformers.DebertaV2Tokenizer.from_pretrained(card.path, **where)
