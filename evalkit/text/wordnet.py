"""WordNet's synonyms, read straight from its database files; where those files may be."""

from __future__ import annotations

import mmap
import os
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from evalkit.core.errors import EvalkitError

_PARTS = ("noun", "verb", "adj", "adv")
FILES = tuple(f"{kind}.{part}" for part in _PARTS for kind in ("index", "data")) + tuple(f"{part}.exc" for part in _PARTS)
_DEBIAN = Path("/usr/share/wordnet")

# What may be taken off a word to find its base form: WordNet's rules of detachment (morphy(7WN)).
_ENDINGS = {
    "noun": (("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"),
             ("men", "man"), ("ies", "y")),
    "verb": (("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")),
    "adj": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "adv": (),
}  # fmt: skip


class MissingWordNet(EvalkitError, LookupError):
    """METEOR's synonyms were asked for, and WordNet is nowhere on this machine."""

    def __init__(self) -> None:
        super().__init__(
            "METEOR's synonym stage needs WordNet 3.0, which is not on this machine; get it with `make setup` or "
            "`python -m evalkit.text.wordnet_data` (no root needed), or install Debian's packages wordnet-base and "
            "wordnet-sense-index, or run `python -m nltk.downloader wordnet`, or do without: `stages: [exact, stem]`"
        )


def cache_folder() -> Path:
    """evalkit's own folder in the layout that NLTK reads: ``corpora/wordnet`` below it."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "evalkit" / "nltk_data"


def nltk_folders() -> list[Path]:
    """The folders in which NLTK looks for its data, in its order; a program's own additions first where NLTK is loaded."""
    loaded = sys.modules.get("nltk.data")
    if loaded is not None:
        return [Path(folder) for folder in loaded.path]
    given = [Path(folder).expanduser() for folder in os.environ.get("NLTK_DATA", "").split(os.pathsep) if folder]
    prefix = Path(sys.prefix)
    own = [Path.home() / "nltk_data", prefix / "nltk_data", prefix / "share/nltk_data", prefix / "lib/nltk_data"]
    shared = ["/usr/share", "/usr/local/share", "/usr/lib", "/usr/local/lib"]
    return [*given, *own, *(Path(folder) / "nltk_data" for folder in shared)]


def places() -> Iterator[Path]:
    """Every place where WordNet is: NLTK's data (a folder or the zip file it downloads), Debian's, evalkit's own."""
    for folder in nltk_folders():
        corpus = folder / "corpora" / "wordnet"
        if _complete(corpus):
            yield corpus
        elif corpus.with_suffix(".zip").is_file():
            yield corpus.with_suffix(".zip")
    for corpus in (_DEBIAN, cache_folder() / "corpora" / "wordnet"):
        if _complete(corpus):
            yield corpus


def find_wordnet() -> Path:
    """The first place where WordNet is.

    Raises:
        MissingWordNet: there is none; the message says how to get it.
    """
    for place in places():
        return place
    raise MissingWordNet


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in FILES)


class WordNet:
    """The synonyms in a folder (or NLTK's zip file) of WordNet database files; about 0.1 s and 40 MB to open."""

    def __init__(self, place: Path) -> None:
        self.place = place
        try:
            read = _zipped(place) if place.suffix == ".zip" else _mapped(place)
            self._data = {part: read[f"data.{part}"] for part in _PARTS}
            self._index = {part: _index(read[f"index.{part}"]) for part in _PARTS}
            self._irregular = {part: _irregular(read[f"{part}.exc"]) for part in _PARTS}
        except (OSError, KeyError, BadZipFile, ValueError) as error:
            raise EvalkitError(f"{place}: WordNet cannot be read ({error}); remove it and run `make setup`") from error

    @property
    def version(self) -> str:
        """The release that the files name, such as ``3.0``."""
        found = re.search(rb"Word[nN]et (\d+\.\d+|\d+\+?) Copyright", self._data["adj"][:2000])
        return found[1].decode() if found else "unknown"

    def synonyms(self, word: str) -> frozenset[str]:
        """Single words in lower case that share a synset with a base form of ``word``, without the word itself.

        As METEOR in NLTK sees them: lemmas of several words are left out, and so are those with capitals, which no
        lower-cased reference can contain.
        """
        word = word.lower()
        found: set[str] = set()
        for part in _PARTS:
            index = self._index[part]
            for form in self._forms(word, part):
                if form in index:
                    fields = index[form].split()
                    for offset in fields[-int(fields[1]) :]:
                        found.update(self._lemmas(part, int(offset)))
        found.discard(word)
        return frozenset(found)

    def _forms(self, word: str, part: str) -> set[str]:
        """The word, and what it may be an inflection of: its exceptions, or else what the rules give."""
        irregular = self._irregular[part].get(word)
        if irregular is not None:
            return {word, *irregular}
        return {word, *(word[: -len(old)] + new for old, new in _ENDINGS[part] if word.endswith(old))}

    def _lemmas(self, part: str, offset: int) -> list[str]:
        data = self._data[part]
        head = offset + 17  # "00001740 03 n 01 ": offset, file, kind, count in hexadecimal
        count = int(data[head - 3 : head - 1], 16)
        line = data[head : data.find(b"\n", head)].decode()
        # An adjective may carry a syntactic mark, as in "galore(ip)".
        names = (name.partition("(")[0] for name in line.split(" ", 2 * count)[: 2 * count : 2])
        return [name for name in names if "_" not in name and name == name.lower()]


@cache
def open_wordnet(place: Path) -> WordNet:
    """The WordNet at ``place``, opened once per process."""
    return WordNet(place)


def _mapped(folder: Path) -> dict[str, mmap.mmap]:
    """The files as memory maps, whose pages all processes share."""
    maps = {}
    for name in FILES:
        with (folder / name).open("rb") as file:
            maps[name] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return maps


def _zipped(place: Path) -> dict[str, bytes]:
    with ZipFile(place) as archive:
        return {name: archive.read(f"wordnet/{name}") for name in FILES}


def _index(data: mmap.mmap | bytes) -> dict[str, str]:
    """Lemma → the rest of its line in an index file; the licence at the top is indented."""
    lines = bytes(data).decode().rstrip("\n").split("\n")
    index = dict([line.split(" ", 1) for line in lines])
    index.pop("", None)
    return index


def _irregular(data: mmap.mmap | bytes) -> dict[str, list[str]]:
    rows = (line.split() for line in bytes(data).decode().splitlines())
    return {row[0]: row[1:] for row in rows if row}
