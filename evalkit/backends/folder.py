"""Models by name: where their files are, what these say the model is, and what it can therefore do."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from evalkit.core.asking import Capability
from evalkit.core.errors import quote

Kind = Literal["causal", "classifier", "encoder"]

CACHE = "cache:"
_SAMPLES, _SAMPLE = 512, 2048  # of a file of weights: how many pieces, and how many bytes of each
_WHOLE = 64 * 2**20  # bytes of a file that is read whole
_LITTLE = (".json", ".txt", ".jinja", ".model", ".py")
_WEIGHTS = (".safetensors", ".bin", ".pt", ".gguf")


def models_folder() -> Path:
    """Where evalkit keeps the models that it fetched or converted: in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "evalkit" / "models"


@dataclass(frozen=True)
class Card:
    """A causal language model, an encoder or a sequence classifier, as its own files tell; nothing of it is loaded.

    Attributes:
        name: for people.
        path: its folder, or its name on the hub.
        revision: of the hub; None for a folder.
    """

    name: str
    path: str
    revision: str | None
    read: Callable[[str], bytes | None]  # a file of it, if it is there

    @classmethod
    def of(cls, model: str, revision: str | None = None) -> Card:
        """From what a suite calls it: a folder, ``cache:NAME`` for one that `models_folder` holds, or a name on the hub.

        Raises:
            ValueError: there is no such folder, or it is no model's.
        """
        if model.startswith(CACHE):
            folder = models_folder() / model.removeprefix(CACHE)
            if not folder.is_dir():
                raise ValueError(
                    f"the model {quote(model)} is not in {models_folder()}; `make judge-model` fetches those that evalkit knows"
                )
        else:
            folder = Path(model).expanduser()
        if folder.suffix == ".gguf":
            made = f"`python -m evalkit.backends.gguf {model} NAME`, and then `model: {CACHE}NAME`"
            raise ValueError(f"a GGUF file is converted once, by {made}")
        if folder.is_dir():
            if not (folder / "config.json").is_file():
                raise ValueError(f"the folder {quote(model)} holds no model: there is no config.json in it")
            return cls(folder.resolve().name, str(folder.resolve()), None, lambda name: _content(folder / name))
        if model.startswith((".", "/", "~")) or model.count("/") > 1 or not model.strip():
            raise ValueError(f"there is no folder {quote(model)}")
        return cls(model, model, revision, _Hub(model, revision))

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """Its config.json."""
        told = self.json("config.json")
        if not told:
            raise ValueError(f"{quote(self.name)} has no config.json: it is no model that transformers or vLLM can load")
        return told

    @cached_property
    def architecture(self) -> str:
        """The class that it is an object of; empty where the config does not tell."""
        named = self.config.get("architectures") or [""]
        return str(named[0])

    @cached_property
    def kind(self) -> Kind:
        """What it was trained for, by its architecture's name.

        Raises:
            ValueError: something else than these, or not told.
        """
        name = self.architecture
        if name.endswith("ForSequenceClassification"):
            return "classifier"
        if name.endswith(("ForCausalLM", "LMHeadModel")) and not self.config.get("is_encoder_decoder"):
            return "causal"
        if name.endswith(("Model", "ForMaskedLM", "ForPreTraining", "ForTokenClassification", "ForQuestionAnswering")):
            return "encoder"
        raise ValueError(
            f"{quote(self.name)} is {quote(name or 'of no architecture that its config.json names')}: "
            "neither a causal language model, nor an encoder, nor a sequence classifier"
        )

    @cached_property
    def chats(self) -> bool:
        """Whether it comes with a template for chats."""
        if self.read("chat_template.jinja") is not None or self.read("chat_template.json") is not None:
            return True
        return bool(self.json("tokenizer_config.json").get("chat_template"))

    @cached_property
    def can(self) -> frozenset[Capability]:
        """What transformers can do with it."""
        if self.kind == "classifier":
            return frozenset({"classify", "encode"})
        if self.kind == "encoder" or self.embeds:
            return frozenset({"encode", "embed"})
        told: frozenset[Capability] = frozenset({"likelihood", "encode"})
        return told | {"chat", "logprobs"} if self.chats else told

    @cached_property
    def embeds(self) -> bool:
        """Whether it is a folder of sentence-transformers."""
        return self.read("modules.json") is not None

    @cached_property
    def identity(self) -> str:
        """The name, and a hash of what moves its answers; on the hub, the commit.

        Of a file of weights its size and 512 pieces of 2 KiB count, evenly spread: weights trained further differ everywhere,
        and reading all of a large model would take longer than many a run.
        """
        if isinstance(self.read, _Hub):
            return f"{self.name}@{self.read.commit or self.revision or 'main'}"
        return f"{self.name}@{_digest(Path(self.path))[:16]}"

    def json(self, name: str) -> Mapping[str, Any]:
        """One of its files of JSON; empty where it has none of that name."""
        content = self.read(name)
        if content is None:
            return {}
        try:
            told = json.loads(content)
        except ValueError as error:
            raise ValueError(f"{name} of {quote(self.name)} is not JSON") from error
        return told if isinstance(told, dict) else {}


@dataclass
class _Hub:
    """The small files of a model on the hub, from the local cache of the hub or fetched."""

    model: str
    revision: str | None
    commit: str | None = None

    def __call__(self, name: str) -> bytes | None:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

        try:
            path = Path(hf_hub_download(self.model, name, revision=self.revision))
        except (LocalEntryNotFoundError, OSError) as error:
            if name != "config.json" and self.commit is not None:  # in the cache, and without this file
                return None
            if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
                return None
            why = "no such folder is here, and the model hub cannot be reached or does not know it"
            raise ValueError(f"{quote(self.model)}: {why} ({type(error).__name__})") from error
        except EntryNotFoundError:
            return None
        except (HFValidationError, HfHubHTTPError) as error:
            raise ValueError(f"{quote(self.model)} is neither a folder here nor a model on the hub") from error
        if path.parent.parent.name == "snapshots":
            self.commit = path.parent.name
        return path.read_bytes()


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _digest(folder: Path) -> str:
    """sha256 of a model's folder: names, small files whole, weights by samples."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in (*_LITTLE, *_WEIGHTS)):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder)}\0{size}\0".encode())
        with path.open("rb") as file:
            if size <= _WHOLE and path.suffix in _LITTLE:
                digest.update(file.read())
                continue
            for number in range(_SAMPLES):
                file.seek(number * max(size - _SAMPLE, 0) // (_SAMPLES - 1))
                digest.update(file.read(_SAMPLE))
    return digest.hexdigest()
