"""Sentences of a text, by rules: no model, no download, the same everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator

SPLITTER = "rules-1"
"""The rules' name in signatures; another one as soon as some text is split otherwise."""

WRAPPED = 60  # characters from which a line without an end is taken to go on in the next one

_LINE = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_BULLET = re.compile(r"(?:[-*+•‣◦▪●–—]|#{1,6}|\(?(?:\d{1,3}|[A-Za-z]|[ivx]{1,5})[.)])\s|```|\|")
_CLOSING = r"(?:[\"'”’»›)\]}*_`]|[ \xa0](?:[”»›)\]}]|''))*+"  # tokenised text has a space before some
_OPENING = "\"'“‘„«‹([{*_`¿¡-–—"
# Behind marks of the first kind white space must follow; those of the second need none. "…" may be spelled ". . .".
_SPACED = rf"(?<![.!?…])(?P<mark>[.!?…‽؟۔।॥]++(?:[ \xa0][.…]++){{0,3}}+){_CLOSING}(?=\s|\Z)"
_UNSPACED = rf"[。！？｡]++[」』）】〉》]*+{_CLOSING}"
_END = re.compile(rf"(?:{_SPACED}|{_UNSPACED})\s*+")
_SPACE_AND_BULLETS = " \t\xa0-*+•‣◦▪●–—#"
_DRAWN = " \t\xa0-–—*_=#|~+:."  # what rules across a page and borders of tables are made of
_NUMBER = re.compile(r"\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})\Z")


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


# A name or a thing follows these.
_BEFORE_NAME = _words(
    """mr mrs ms mx dr prof rev hon gen col lt sgt cpl capt cmdr maj adm sen rep gov pres supt messrs mme mlle fr sr sra st mt
    e.g i.e eg ie viz cf vs approx ca incl excl resp esp dept univ hr"""
)
# A number follows these, or the sentence is over.
_BEFORE_NUMBER = _words("no nos n° nr p pp par para pg fig figs eq eqs vol vols ch chap sec sect art ver tab op cit")
# These may stand at the end of a sentence: it is over when the next word is one that begins sentences.
_ANYWHERE = _words(
    """etc al inc ltd co corp llc plc bros jr sr esq ph.d m.d b.a m.a b.sc m.sc ave blvd rd hwy eds est ext misc
    jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur thurs fri
    ft oz lb lbs kg km cm mm hrs hr min mins secs usw bzw evtl ggf"""
)
_BEGINS = _words(
    """A An The This That These Those It Its He His She Her They Their We Our You Your My There Here What When Where Who Why
    How Which While With Without Although Though If In On At As For From By To After Before Since Because Until Unless During
    However Moreover Furthermore Therefore Thus Then So But And Or Yet Also Both Each Every Some Many Most Several All Another
    Other Such No Not Now Once Did Does Do Is Are Was Were Has Have Had Can Could Would Will Should May Might Despite Later
    Finally First Second Next Instead"""
)
_DOTTED = re.compile(r"[^\W\d_]{1,3}(?:\.[^\W\d_]{1,3})+\Z")  # u.s, p.m, z.b
_WORD = re.compile(r"[^\W\d_]+")


def sentences(text: str) -> list[str]:
    """The sentences of a text, in order, without the white space around them.

    They are slices of the text: none is empty, and nothing is lost but white space between them and rules drawn across the
    page. A line break ends a sentence, unless the line looks wrapped: the next begins with a small letter, or this one is long,
    and the next is no item of a list. Full stops of abbreviations (mostly English), initials, numbers, ellipses before a small
    letter and list markers end none. A small letter begins a sentence only in a text without capitals.
    """
    small = text == text.lower()
    return [found for low, high in _blocks(text) for found in _split(text[low:high], small=small)]


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Runs of lines that belong together, as places in the text."""
    begun: int | None = None
    last = ""  # the block's last line
    end = 0
    for low, high in _lines(text):
        line = text[low:high].strip()
        if begun is not None and not (line and _goes_on(last, line)):
            yield begun, end
            begun = None
        if line:
            begun, last, end = low if begun is None else begun, line, high
    if begun is not None:
        yield begun, end


def _lines(text: str) -> Iterator[tuple[int, int]]:
    low = 0
    for found in _LINE.finditer(text):
        yield low, found.start()
        low = found.end()
    yield low, len(text)


def _goes_on(line: str, following: str) -> bool:
    """Whether a line break is only a wrap."""
    if _BULLET.match(following):
        return False
    return following[0].islower() or (len(line) >= WRAPPED and line[-1] not in ":;|")


def _split(block: str, *, small: bool) -> Iterator[str]:
    """The sentences of a block; marks without a word stay with the words beside them."""
    if not block.strip(_DRAWN):
        return
    begin = held = 0  # of the piece under way, and of the sentence that further marks may still join
    worded = False
    for end in _ends(block, small=small):
        word = any(map(str.isalnum, block[begin:end]))
        if word and worded:
            yield block[held:begin].strip()
            held = begin
        begin, worded = end, worded or word
    yield block[held:].strip()


def _ends(block: str, *, small: bool) -> Iterator[int]:
    """Where pieces end, the last at the block's own end."""
    begin = 0
    for found in _END.finditer(block):
        if found.end() < len(block) and _is_end(block, begin, found, small=small):
            begin = found.end()
            yield begin
    yield len(block)


def _is_end(block: str, begin: int, found: re.Match[str], *, small: bool) -> bool:
    """Whether a mark with text behind it ends the sentence that began at ``begin``."""
    mark = found["mark"]
    if mark is None:  # a mark of a script without capitals
        return True
    following = block[found.end() : found.end() + 40].lstrip(_OPENING)
    if following[:1].islower() and not small:
        return False
    if mark != ".":
        return True
    word = _before(block, begin, found.start())
    if not word:
        return True
    if _NUMBER.match(word) and not block[begin : found.start() - len(word)].strip(_SPACE_AND_BULLETS):  # "1." begins it
        return False
    plain = word.lstrip(_OPENING).lower()
    if plain in _BEFORE_NAME:
        return False
    if plain in _BEFORE_NUMBER:
        return not following[:1].isdigit()
    if plain in _ANYWHERE or _DOTTED.match(plain) or (len(plain) == 1 and word[-1].isupper()):
        first = _WORD.match(following)
        return first is not None and first[0].capitalize() in _BEGINS
    return True


def _before(block: str, begin: int, end: int) -> str:
    """The word before a mark, without what is in front of it."""
    low = end
    while low > begin and not block[low - 1].isspace():
        low -= 1
    return block[low:end]
