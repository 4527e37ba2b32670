"""Names in English texts: runs of capitalised words, acronyms and codes, and where a source has them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from evalkit.text.entity_words import ABBREVIATIONS, CONNECTORS, DEMONYMS, ENDINGS, NO_NAMES, OPENERS, SAME, TITLES

_TOKEN = re.compile(r"[^\W\d_](?:\.[^\W\d_])+\b\.?|[^\W_]+(?:['’][^\W\d_]+)*")  # U.S., and words
_POSSESSIVE = re.compile(r"(?:['’]s|(?<=s)['’])\Z", re.I)
_STARTS = frozenset('.!?:;…\n\r"“”`«»•|*(\u201a\u201e[')  # between two words: the second may begin a sentence
_SPACED = frozenset(("'", "''", "‘", "-", "–", "—"))  # likewise, with white space beside it
_LONGEST = 8  # capitalised words of a name; more are the next one
_HEADLINE = 0.7  # share of capitalised words from which capitals in a sentence say nothing


class Word(NamedTuple):
    """A word of a text."""

    start: int
    end: int
    text: str
    key: str  # what it is compared by
    first: bool  # whether it may begin a sentence, so that a capital says nothing

    @property
    def capital(self) -> bool:
        return self.text[0].isupper()

    @property
    def code(self) -> bool:
        """Letters and digits, or capitals alone."""
        return any(map(str.isdigit, self.text)) or (len(self.key) > 1 and self.text.replace(".", "").isupper())


class Name(NamedTuple):
    """A name in a text: its words without the small ones between them."""

    text: str
    start: int
    end: int
    words: tuple[str, ...]
    acronyms: frozenset[str] = frozenset()  # those of its words that are capitals alone


@lru_cache(maxsize=100_000)
def folded(word: str) -> str:
    """A word without case, marks on letters, its possessive ending, apostrophes and full stops."""
    plain = unicodedata.normalize("NFKD", _POSSESSIVE.sub("", word).casefold())
    kept = "".join(character for character in plain if not unicodedata.combining(character))
    return kept.replace("'", "").replace("’", "").replace(".", "")


def words(text: str) -> list[Word]:
    """The words of a text; parts of hyphenated ones are words."""
    found: list[Word] = []
    end = 0
    for match in _TOKEN.finditer(text):
        if match[0].isdigit():
            continue
        between = text[end : match.start()]
        before = found[-1].text.rstrip(".").lower() if found else ""
        if not found:
            first = True
        elif between.strip() == "." and (before in ABBREVIATIONS or len(before) == 1):
            first = False
        else:
            apart = between != between.strip() and between.strip() in _SPACED
            first = apart or not _STARTS.isdisjoint(between) or "--" in between
        found.append(Word(match.start(), match.end(), match[0], folded(match[0]), first))
        end = match.end()
    return found


def names(text: str, elsewhere: frozenset[str] = frozenset(), small: frozenset[str] = frozenset()) -> Iterator[Name]:
    """The names of a text, in order.

    A run of capitalised words, joined by white space, a hyphen, "&" or small words such as "of", is a name. A word that
    begins a sentence belongs to one when it is seen with a capital within a sentence, here or in ``elsewhere``, or when
    another capitalised word follows and it is not seen with a small letter, here or in ``small``. Where most words of a
    sentence are capitalised, as in a headline, capitals say nothing and only codes with digits are names.

    Args:
        elsewhere: keys of words that the source has with a capital within a sentence.
        small: keys of words that it has with a small letter.
    """
    found = words(text)
    inner = elsewhere | {word.key for word in found if word.capital and not word.first}
    lower = small | {word.key for word in found if not word.capital}
    loud = _headlines(found)
    for run in _runs(text, found):
        kept = list(run)
        if kept[0].first and not kept[0].code:
            alone = len([word for word in kept if word.capital or word.code]) == 1
            if kept[0].key not in inner and (alone or kept[0].key in lower or kept[0].key in OPENERS):
                kept = kept[1:]
        while kept and not (kept[0].capital or kept[0].code):
            kept = kept[1:]
        if kept and kept[0].start in loud:
            kept = [word for word in kept if any(map(str.isdigit, word.text))][:1]
        told = [word for word in kept if word.capital or word.code]
        if all(word.key in NO_NAMES or (not word.code and (word.key in OPENERS or len(word.key) < 2)) for word in told):
            continue
        end = kept[-1].end - (len(kept[-1].text) - len(_POSSESSIVE.sub("", kept[-1].text)))
        acronyms = frozenset(word.key for word in told if word.code and word.key.isalpha())
        yield Name(text[kept[0].start : end], kept[0].start, end, tuple(word.key for word in told), acronyms)


def _runs(text: str, found: Sequence[Word]) -> Iterator[list[Word]]:
    """Capitalised words and codes that stand together, with small words between them."""
    run: list[Word] = []
    held: list[Word] = []  # small words that belong to the run if a capital follows
    for word in found:
        joins = bool(run) and not word.first and _joined(text[(held or run)[-1].end : word.start], (held or run)[-1])
        named = (word.capital or word.code) and word.key not in NO_NAMES
        if run and (not joins or len(run) >= _LONGEST or run[-1].text != _POSSESSIVE.sub("", run[-1].text)):
            yield run  # a possessive ends a name: Obama's White House
            run, held, joins = [], [], False
        if named:
            run = [*run, *held, word] if joins else [word]
            held = []
        elif joins and word.key in CONNECTORS and word.key != "and" and len(held) < 2:
            held = [*held, word]
        elif run:
            yield run
            run, held = [], []
    if run:
        yield run


def _joined(between: str, before: Word) -> bool:
    if between in (" ", "-", "", "\u00a0", " & ", "&", "‑"):
        return True
    return between.strip() == "." and (before.key in ABBREVIATIONS or len(before.key) == 1)


def _headlines(found: Sequence[Word]) -> set[int]:
    """Where the words of sentences begin in which most words are capitalised."""
    loud: set[int] = set()
    sentence: list[Word] = []
    for word in [*found, None]:
        if word is None or word.first:
            content = [one for one in sentence if one.key not in CONNECTORS]
            capital = sum(one.capital for one in content)
            if len(content) >= 4 and (capital == len(content) or (len(content) > 6 and capital > _HEADLINE * len(content))):
                loud |= {one.start for one in sentence}
            sentence = []
        if word is not None:
            sentence.append(word)
    return loud


class Gazetteer:
    """The words of a source, asked whether they hold a name."""

    def __init__(self, texts: Iterable[str]) -> None:
        found = [words(text) for text in texts]
        flat = [word for each in found for word in each]
        self.keys = frozenset(word.key for word in flat)
        self.capitals = frozenset(word.key for word in flat if word.capital and not word.first)
        self.small = frozenset(word.key for word in flat if not word.capital)
        self._roots = {_root(key) for key in self.keys} | {SAME[key] for key in self.keys if key in SAME}
        self._roots |= {place for key in self.keys for place in _places(key)}
        self._pairs = {(one.key, other.key) for each in found for one, other in pairwise(each)}
        runs = [run for each, text in zip(found, texts) for run in _runs(text, each)]
        self.runs = {text_of(run): tuple(word.key for word in run if word.capital or word.code) for run in runs}
        self._followed = {a for keys in self.runs.values() for a, _ in pairwise(keys)}
        self._preceded = {b for keys in self.runs.values() for _, b in pairwise(keys)}
        self._together = {(a, b) for keys in self.runs.values() for a in keys for b in keys}
        self._initials = {"".join(key[0] for key in keys if key) for keys in self.runs.values() if len(keys) > 1}
        self._roots |= {SAME[short] for short in self._initials if short in SAME}
        self._letters = "".join(word.key[:1] for word in flat if word.key not in CONNECTORS)

    def holds(self, name: Name) -> bool:
        """Whether every word of a name stands here, and no two of them are taken from two different names."""
        short = "".join(key[0] for key in name.words if key)
        if len(name.words) > 1 and (short in self.keys or SAME.get(short, "") in self._roots):
            return True  # World Health Organization, where the source has WHO
        lacking = [key for key in name.words if not self._has(key, short=key in name.acronyms)]
        if lacking and (len(lacking) == len(name.words) or any(key not in TITLES for key in lacking)):
            return False
        return not any(self._mixes(one, other) for one, other in pairwise(name.words))

    def _has(self, key: str, *, short: bool) -> bool:
        if (
            key in self.keys
            or (short and key in self._initials)
            or not {SAME.get(key, key), _root(key)}.isdisjoint(self._roots)
        ):
            return True
        if any(place in self.keys or SAME.get(place, place) in self._roots for place in _places(key)):
            return True
        if key.removesuffix("s") in self.keys or f"{key}s" in self.keys:  # URIs
            return True
        return short and len(key) > 2 and key in self._letters  # the first letters of words in a row, small ones left out

    def _mixes(self, one: str, other: str) -> bool:
        """Whether the source has other names' words behind the first and before the second, and never both in one name."""
        if one in TITLES or other in TITLES or (one, other) in self._pairs or (one, other) in self._together:
            return False
        return one in self._followed and other in self._preceded

    def nearest(self, name: Name) -> str | None:
        """The name here that shares a word with it or is spelled most alike; None: none does."""
        from rapidfuzz import fuzz, process

        sharing = [(len(set(keys) & set(name.words) - TITLES), text) for text, keys in self.runs.items()]
        best = max(sharing, default=(0, ""), key=lambda pair: pair[0])
        if best[0]:
            return best[1]
        spelled = {text: " ".join(keys) for text, keys in self.runs.items()}
        found = process.extractOne(" ".join(name.words), spelled, scorer=fuzz.ratio, score_cutoff=70)
        if found is not None:
            return str(found[2])
        word = process.extractOne(name.words[-1], sorted(self.keys), scorer=fuzz.ratio, score_cutoff=80)
        return str(word[0]) if word is not None else None


def text_of(run: Sequence[Word]) -> str:
    """The words of a run, one space between two."""
    return " ".join(_POSSESSIVE.sub("", word.text) for word in run)


@lru_cache(maxsize=100_000)
def _root(key: str) -> str:
    """A name's word without the endings by which a country becomes its people."""
    for ending in ENDINGS:
        if key.endswith(ending) and len(key) - len(ending) >= 4:
            return key[: -len(ending)]
    return key


def _places(key: str) -> tuple[str, ...]:
    """The countries of a people's word."""
    return tuple(DEMONYMS.get(key) or DEMONYMS.get(key.removesuffix("s")) or ())
