"""Judge cards in a store: ``cards/FINGERPRINT.json``, so that a run finds the card of the very judge that it used."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from evalkit.core.card import Card
from evalkit.core.errors import StoreError, quote
from evalkit.store.files import write_text

FOLDER = "cards"
MOST_BYTES = 200 << 20
_NAME = re.compile(r"[0-9a-f]{64}\Z")


def write_card(home: Path, card: Card) -> Path:
    """Keep a card; a newer one of the same judge takes an older one's place.

    Raises:
        StoreError: it cannot be written.
    """
    path = card_path(home, card.judge.fingerprint)
    write_text(path, card_json(card))
    return path


def card_json(card: Card) -> str:
    """A card as text, with two-space indents."""
    return msgspec.json.format(msgspec.json.encode(card.to_json()), indent=2).decode() + "\n"


def card_path(home: Path, fingerprint: str) -> Path:
    """Where the card of a judge lies.

    Raises:
        StoreError: the fingerprint is none, and may be a path out of the store.
    """
    if not is_fingerprint(fingerprint):
        raise StoreError(f"{quote(fingerprint)} is no fingerprint of a judge, by which its card could be found")
    return home / FOLDER / f"{fingerprint}.json"


def read_card(home: Path, fingerprint: str) -> Card | None:
    """The card of a judge; None where there is none.

    Raises:
        StoreError: the file is no card.
    """
    if not is_fingerprint(fingerprint):
        return None
    path = card_path(home, fingerprint)
    return _read(path) if path.is_file() else None


def is_fingerprint(text: str) -> bool:
    """Whether a text is the sha256 of a judge; that of a file from outside may be anything."""
    return _NAME.match(text) is not None


def cards_of(home: Path, label: str, suite: str) -> list[Card]:
    """All cards of a judge of this name in this suite, whatever its fingerprint was, newest first; damaged ones left out."""
    found = []
    for path in sorted((home / FOLDER).glob("*.json")):
        try:
            card = _read(path)
        except StoreError:
            continue
        if (card.judge.label, card.suite) == (label, suite):
            found.append(card)
    return sorted(found, key=lambda card: card.made_at, reverse=True)


def _read(path: Path) -> Card:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it is larger than {MOST_BYTES >> 20} MB")
        card = Card.from_json(msgspec.json.decode(path.read_bytes()), str(path))
        judge = card.judge
        if not all(isinstance(told, str) for told in (judge.label, judge.metric, judge.value, judge.fingerprint)):
            raise ValueError("judge does not fit")
        return card
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        said = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise StoreError(
            f"{path}: this is no judge card ({said}); remove it, or make it again with evalkit calibrate"
        ) from error
