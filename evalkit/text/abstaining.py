"""Answers that say that they do not know, told by their words, in six languages."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

REACH = 240  # characters in which it must be said

# What was given, and does not say: the context, the passages, the text …
_GIVEN = {
    "en": (
        r"(?:the |this |these |your |any )?(?:\w+ )?"
        r"(?:contexts?|passages?|texts?|documents?|sources?|articles?|information|excerpts?|search results)"
    ),
    "de": (
        r"(?:de[mnr]|die|das|dies\w+) (?:\w+ )?"
        r"(?:Kontext|Text\w*|Abschnitt\w*|Dokument\w*|Quelle\w*|Information\w*|Passage\w*)"
    ),
    "fr": r"(?:le|les|la|l'|ce|ces|cette) ?(?:contextes?|textes?|passages?|documents?|sources?|informations?)",
    "es": r"(?:el|los|la|las|este|estos) (?:contextos?|textos?|pasajes?|documentos?|fuentes?|información)",
}
_SAYS = r"(?:mention|state|say|specif|contain|provide|includ|give|address|discuss|cover|found|answer|describ|explain)\w*"
_NOT = r"(?:not|n't|n’t|never)"
_PATTERNS = (
    # English
    r"\bI (?:really |honestly |simply )?(?:do not|don't|don’t) (?:know|have (?:an answer|(?:\w+ )?information|enough))\b",
    r"\b(?:I(?:'m| am|’m)|we(?:'re| are)) (?:not (?:sure|certain|aware)|unable to|unsure)\b",
    r"\b(?:I|we|one) (?:can ?not|can't|can’t|could not|couldn't) (?:answer|determine|tell|say|find|know|provide|confirm)\b",
    rf"{_NOT} (?:\w+ )?{_SAYS}\b.{{0,80}}\b{_GIVEN['en']}\b",
    rf"\b{_GIVEN['en']} (?:\w+ )?(?:do|does|did|is|are){{0,1}} ?{_NOT} (?:\w+ )?{_SAYS}\b",
    r"\b(?:no|insufficient|not enough|lack of) (?:\w+ )?(?:information|details?|data|answer|mention|context)\b",
    r"\b(?:is|are|was|were) ?(?:not|n't) (?:known(?! as| for)|mentioned|stated|specified|provided|given|answerable)\b",
    r"\A\W*(?:unknown|unanswerable|no answer|n/a|not (?:stated|mentioned|specified|given|known|applicable|found))\W*\Z",
    # German
    r"\b(?:ich weiß|weiß ich) (?:es |das )?(?:leider )?nicht\b",
    rf"\b(?:geht|steht|ist|wird|enthält|enthalten|sag\w+|erwähn\w+)\b.{{0,80}}\bnicht\b.{{0,60}}\b{_GIVEN['de']}\b",
    rf"\b{_GIVEN['de']}\b.{{0,60}}\b(?:nicht|kein\w*)\b",
    r"\b(?:keine|nicht genug|nicht genügend) (?:Informationen|Angaben|Auskunft)\b",
    # French
    r"\bje ne (?:sais|peux|connais) pas\b",
    rf"\b{_GIVEN['fr']}\b.{{0,20}}\bne\b.{{0,60}}\b(?:pas|aucun\w*)\b",
    # Spanish
    r"\bno (?:lo )?sé\b",
    rf"\b{_GIVEN['es']}\b.{{0,20}}\bno (?:mencion|dic|contien|especific|proporcion|inclu)\w+",
    r"\bno (?:hay|tengo|dispongo de) (?:suficiente )?información\b",
    # Italian, Portuguese
    r"\bnon (?:lo )?so\b",
    r"\bnão sei\b",
)
_ANY = re.compile("|".join(f"(?:{pattern})" for pattern in _PATTERNS), re.IGNORECASE)


def abstaining(texts: list[str]) -> tuple[NDArray[np.bool_], list[str]]:
    """Whether each text says near its beginning that it does not know, shape (n,), and the words that say so ("" where none).

    "I don't know", "the passages do not mention it", "not stated in the text" and the like in English, German, French, Spanish,
    Italian and Portuguese, among the first 240 characters. What comes behind is not looked at: an answer that hedges, and then
    answers, counts as one that abstains.
    """
    said = [match[0] if (match := _ANY.search(text[:REACH])) else "" for text in texts]
    return np.array([bool(words) for words in said], dtype=bool), said
