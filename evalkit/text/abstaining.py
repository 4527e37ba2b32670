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
_SAYS = r"(?:mention|state|say|specify|contain|provide|include|give|address|discuss|cover|answer|describe|explain)s?"
_SAID = (
    r"(?:mentioned|stated|said|specified|contained|provided|included|given|addressed|discussed|covered|described|"
    r"explained|found|answered|available)"
)
_NOT = r"(?:not|n't|n’t|never)"
_LACKS = r"(?:no|insufficient|not enough|too little) (?:\w+ )?(?:information|answer|mention|context)"
_SAGT = r"(?:sagt|sagen|enthält|enthalten|erwähnt|erwähnen|nennt|nennen|beantwortet|hergibt)"
_DIT = r"(?:dit|disent|précise|précisent|mentionne|mentionnent|contient|contiennent|donne|donnent)"
_PATTERNS = (
    # English
    r"\bI (?:really |honestly |simply )?(?:do not|don't|don’t) (?:know|have (?:an answer|(?:\w+ )?information|enough))\b",
    r"\bI have no (?:idea|clue|answer|information)\b",
    r"\b(?:I(?:'m| am|’m)|we(?:'re| are)) (?:not (?:sure|certain|aware)|unable to|unsure)\b",
    r"\b(?:I|we|one) (?:can ?not|can't|can’t|could not|couldn't) (?:answer|determine|tell|say|find|know|provide|confirm)\b",
    r"\b(?:can ?not|can't|could not|couldn't) be (?:determined|answered|known|told|established|inferred)\b",
    rf"\b(?:is|are|was|were) ?{_NOT} (?:\w+ )?{_SAID} (?:\w+ )?(?:in|by|from) (?:any of )?{_GIVEN['en']}\b",
    rf"\b{_GIVEN['en']} (?:do|does|did) ?{_NOT} (?:\w+ )?{_SAYS}\b",
    rf"\b(?:there (?:is|was)|provides?|contains?|gives?|have|has|find|found|offers?) {_LACKS}\b",
    rf"\A\W*{_LACKS}\b",
    r"(?:\A|[.!?]\s+)(?:It|This|That) (?:is|was) ?(?:not|n't) (?:known(?! as| for)|mentioned|stated|specified)\b",
    r"\A\W*(?:information )?(?:unknown|unanswerable|no answer|n/a)\W*\Z",
    rf"\A\W*(?:information )?not {_SAID}\W*\Z",
    # German
    r"\b(?:ich weiß|weiß ich) (?:es |das )?(?:leider )?nicht\b",
    r"\bkeine Ahnung\b",
    rf"\b(?:geht|steht) (?:\w+ )?(?:aus|in|im) {_GIVEN['de']} (?:\w+ )?nicht\b",
    rf"\b(?:geht|steht|wird) (?:\w+ )?nicht (?:in|im|aus) {_GIVEN['de']}\b",
    rf"\b{_GIVEN['de']} {_SAGT} (?:\w+ ){{0,3}}(?:nicht|kein\w*|nichts)\b",
    r"\b(?:gibt es|enthält|habe ich|liegen) (?:\w+ )?(?:keine|nicht genug|nicht genügend) (?:Informationen|Angaben|Auskunft)\b",
    # French
    r"\bje ne (?:sais|peux|connais) pas\b",
    rf"\b{_GIVEN['fr']} ne (?:l[ea'] ?)?{_DIT} (?:pas|aucun\w*)\b",
    # Spanish
    r"\bno (?:lo )?sé\b",
    rf"\b{_GIVEN['es']} no (?:lo )?(?:mencion|dic|contien|especific|proporcion|inclu)\w+",
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


_BESIDE = re.compile(
    r"[,;:]|\b(?:but|however|and|yet|so|although|though|while|if|aber|jedoch|und|mais|et|pero|y|ma|mas|e)\b", re.IGNORECASE
)
_BRIEF = 14  # words


def only_abstaining(sentence: str) -> bool:
    """Whether a sentence says that something is not known, and nothing else: it is short, and has no second part."""
    bare = re.sub(r"\A\W*(?:sorry|unfortunately|leider|no|nein|désolé|lo siento)\b[,.!]?\s*", "", sentence, flags=re.IGNORECASE)
    if len(bare.split()) > _BRIEF or _BESIDE.search(bare):
        return False
    return bool(_ANY.search(bare))
