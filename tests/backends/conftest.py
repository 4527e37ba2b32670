"""Tiny models with random weights, made here in seconds: what every backend that loads a model is tested on."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SENTENCES = (
    "The server sends a fresh answer when its cached copy is stale, and no client asked for 304 again.",
    "A summary of 25 words that holds { braces }, \"quotes\" and a newline:\nyes, no, 1 2 3 4 5 6 7 8 9 10.",
    "Évaluation naïve d’un modèle: 42 % — ça marche? 日本語のテキスト。 Größe, façade, emoji 🙂🙃.",
    "user assistant system question answer score reason verdict true false null good bad",
)  # fmt: skip
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tiny_tokenizer(*, bos: bool = False, template: bool = True) -> Any:
    """A byte-level BPE tokenizer of 600 tokens, as Qwen2's; with a token that begins a text, as Llama's, if asked."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *(["<s>"] if bos else [])]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>"],
        **({"bos_token": "<s>"} if bos else {}),
    )
    if template:
        made.chat_template = CHATML
    return made


def tiny_causal(folder: Path, *, bos: bool = False, template: bool = True, context: int = 512, seed: int = 0) -> Path:
    """A Qwen2 of two layers and half a million parameters."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    tokenizer = tiny_tokenizer(bos=bos, template=template)
    config = Qwen2Config(
        vocab_size=640,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        initializer_range=0.2,  # so that the next token is far from a matter of chance
        tie_word_embeddings=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(seed)
    Qwen2ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _bert(**more: Any) -> Any:
    from transformers import BertConfig

    return BertConfig(
        vocab_size=640,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=128,
        initializer_range=0.2,
        pad_token_id=0,
        **more,
    )


def _bert_tokenizer() -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(SENTENCES, trainers.WordPieceTrainer(vocab_size=500, special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=128,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


def tiny_encoder(folder: Path, *, seed: int = 0) -> Path:
    """A BERT of three layers and 64 dimensions."""
    import torch
    from transformers import BertModel

    torch.manual_seed(seed)
    BertModel(_bert()).eval().save_pretrained(folder)
    _bert_tokenizer().save_pretrained(folder)
    return folder


def tiny_classifier(folder: Path, *, labels: int = 3, seed: int = 0) -> Path:
    """A BERT with a head of so many classes."""
    import torch
    from transformers import BertForSequenceClassification

    torch.manual_seed(seed)
    BertForSequenceClassification(_bert(num_labels=labels)).eval().save_pretrained(folder)
    _bert_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Folders of tiny models: ``tiny("causal", bos=True)``; each is made once a session."""
    pytest.importorskip("torch", reason="NOT TESTED: the model backends, for torch is not installed")
    pytest.importorskip("transformers", reason="NOT TESTED: the model backends, for transformers is not installed")
    makers = {"causal": tiny_causal, "encoder": tiny_encoder, "classifier": tiny_classifier}
    made: dict[str, Path] = {}

    def folder(kind: str, **options: Any) -> Path:
        key = f"{kind}{sorted(options.items())}"
        if key not in made:
            made[key] = makers[kind](tmp_path_factory.mktemp("model") / f"tiny-{kind}", **options)
        return made[key]

    return folder


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Two workers share two cores with whatever else runs there."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
