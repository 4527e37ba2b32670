"""What form texts have: JSON, Markdown, code blocks, links."""

from __future__ import annotations

import numpy as np

from evalkit.text.bytes import Block, Bytes, Flags, places
from evalkit.text.ngrams import Ints

_FEED, _SPACE = 10, 32


# --- JSON ------------------------------------------------------------------------------------------------------------


def json_valid(block: Block) -> Flags:
    """Whether each whole text, white space around it aside, is a JSON object or array (RFC 8259, as msgspec reads it).

    Numbers beyond a double, halves of surrogate pairs and nesting deeper than Python's stack are not valid here.
    """
    valid, _ = _json(block)
    return valid


def json_broken(block: Block) -> Flags:
    """Whether each text begins like JSON and is none.

    It begins with ``{`` and, after white space, ``"`` or ``}``; or with ``[`` and, after white space, ``{``, ``[`` or ``"``.
    """
    valid, begun = _json(block)
    return begun & ~valid


def _json(block: Block) -> tuple[Flags, Flags]:
    """Which texts are JSON, and which begin like it; each that begins and ends with brackets is read."""
    import msgspec

    data = block.data
    first = _skip_space(data, block.starts)
    opened = np.flatnonzero(_among(data[first], b"{[") & (first < block.ends))
    valid, begun = np.zeros(len(block), dtype=bool), np.zeros(len(block), dtype=bool)
    if not len(opened):
        return valid, begun
    first = first[opened]
    after = _skip_space(data, first + 1)
    likely = np.where(data[first] == ord("{"), _among(data[after], b'"}'), _among(data[after], b'{["'))
    begun[opened] = likely & (after < block.ends[opened])
    decode = msgspec.json.Decoder().decode
    for row, low, high in zip(opened.tolist(), first.tolist(), block.ends[opened].tolist()):
        text = data[low:high].tobytes().rstrip(b" \t\r\n")
        if text[-1:] not in (b"}", b"]"):
            continue
        try:
            decode(text)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            continue
        valid[row] = True
    return valid, begun


def _skip_space(data: Bytes, begin: Ints) -> Ints:
    """The first place from each on that is no JSON white space, or the line feed behind the last text."""
    at = begin.copy()
    last = len(data) - 1
    left = np.flatnonzero(_among(data[at], b" \t\r\n"))
    rounds = 0
    while len(left) and rounds < 8:
        at[left] += 1
        left = left[_among(data[at[left]], b" \t\r\n") & (at[left] < last)]
        rounds += 1
    if len(left):  # much white space: jump to where it ends
        solid = np.append(np.flatnonzero(~_among(data, b" \t\r\n")), last)
        at[left] = solid[np.searchsorted(solid, at[left])]
    return at


# --- Markdown --------------------------------------------------------------------------------------------------------


def markdown(block: Block) -> Flags:
    """Whether each text shows Markdown: at least one of

    - a line that, after up to three spaces, begins with one to six ``#`` and a space; with ``-``, ``*``, ``+`` or ``>`` and a
      space; with one to three digits, ``.`` or ``)`` and a space; with ``|``; or with a fence (see `code_block`);
    - ``**`` before anything but white space, and a later ``**`` after anything but white space, with something between;
    - two backticks in a line with something other than backticks between them;
    - ``](``.
    """
    data = block.data
    found = np.zeros(len(block), dtype=bool)
    begin = _line_begins(block)
    first = data[begin]
    one_on = data[begin + 1] == _SPACE
    marked = (_among(first, b"-*+>") & one_on) | (first == ord("|")) | _fenced(data, begin) | _numbered(data, begin)
    marked |= _headed(data, begin)
    found[block.rows_of(begin[marked])] = True
    found |= _bold(block) | _inline_code(block)
    linked = places((data[:-1] == ord("]")) & (data[1:] == ord("(")))
    found[block.rows_of(linked)] = True
    return found


def code_block(block: Block) -> Flags:
    """Whether each text has a fence: a line that begins, after up to three spaces, with three backticks or three tildes."""
    flags: Flags = _fences(block) > 0
    return flags


def open_code_block(block: Block) -> Flags:
    """Whether each text has an odd number of fences, as when an answer was cut off inside its code."""
    flags: Flags = _fences(block) % 2 == 1
    return flags


def _fences(block: Block) -> Ints:
    begin = _line_begins(block)
    return block.count_at(begin[_fenced(block.data, begin)])


def _line_begins(block: Block) -> Ints:
    """Where lines begin, up to three spaces after it; also of empty texts, at the line feed behind them."""
    begin = block.feeds[:-1] + 1
    for _ in range(3):
        begin = begin + (block.data[begin] == _SPACE)
    return begin


def _fenced(data: Bytes, begin: Ints) -> Flags:
    first = data[begin]
    flags: Flags = _among(first, b"`~") & (data[begin + 1] == first) & (data[begin + 2] == first)
    return flags


def _numbered(data: Bytes, begin: Ints) -> Flags:
    at = begin
    for _ in range(3):
        at = at + _digit(data[at])
    flags: Flags = (at > begin) & _among(data[at], b".)") & (data[at + 1] == _SPACE)
    return flags


def _headed(data: Bytes, begin: Ints) -> Flags:
    at = begin
    for _ in range(6):
        at = at + (data[at] == ord("#"))
    flags: Flags = (at > begin) & (data[at] == _SPACE)
    return flags


def _bold(block: Block) -> Flags:
    stars = block.data == ord("*")
    pairs = places(stars[:-1] & stars[1:])
    opening, closing = pairs[~block.space[pairs + 2]], pairs[~block.space[pairs - 1]]
    if not len(opening) or not len(closing):
        return np.zeros(len(block), dtype=bool)
    first = np.append(opening, len(block.data))[np.searchsorted(opening, block.starts)]
    last = np.append(closing, -1)[np.searchsorted(closing, block.ends) - 1]
    flags: Flags = last > first + 2
    return flags


def _inline_code(block: Block) -> Flags:
    found = np.zeros(len(block), dtype=bool)
    ticks = places(block.data == ord("`"))
    lines = np.searchsorted(block.feeds, ticks)
    between = (np.diff(ticks) > 1) & (np.diff(lines) == 0)
    found[block.rows_of(ticks[1:][between])] = True
    return found


# --- links -----------------------------------------------------------------------------------------------------------


def links(block: Block) -> Ints:
    """Links of each text, shape (n,): ``http://`` and ``https://`` before anything but white space, in any case, and
    ``www.`` before an ASCII letter or digit and behind none of those, nor ``/``, ``.``, ``-``, ``@`` or a byte beyond ASCII."""
    data = block.data
    at = places((data[:-3] == ord(":")) & (data[1:-2] == ord("/")) & (data[2:-1] == ord("/")) & ~block.space[3:])
    schemes = at[_behind(data, at, b"http") | _behind(data, at, b"https")]
    w = (data | np.uint8(32)) == ord("w")
    at = places(w[1:-4] & w[2:-3] & w[3:-2] & (data[4:-1] == ord(".")) & block.alphanumeric[5:]) + 1
    before = data[at - 1]
    hosts = at[~(block.alphanumeric[at - 1] | (before >= 128) | _among(before, b"/.-@"))]
    return block.count_at(schemes) + block.count_at(hosts)


def _behind(data: Bytes, at: Ints, word: bytes) -> Flags:
    """Which places have these small letters right before them, in any case."""
    same = np.ones(len(at), dtype=bool)
    for step, letter in enumerate(reversed(word), start=1):
        same &= (data[np.maximum(at - step, 0)] | np.uint8(32)) == letter
    return same


def _digit(data: Bytes) -> Flags:
    return (data >= ord("0")) & (data <= ord("9"))


def _among(data: Bytes, characters: bytes) -> Flags:
    """Which bytes are one of a few."""
    flags = np.zeros(data.shape, dtype=bool)
    for character in characters:
        flags |= data == character
    return flags
