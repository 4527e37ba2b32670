"""Porter's stemmer with NLTK's extensions: the stems of `nltk.stem.PorterStemmer()`, without importing NLTK."""

from __future__ import annotations

_IRREGULAR = {
    "sky": "sky", "skies": "sky", "dying": "die", "lying": "lie", "tying": "tie", "news": "news",
    "innings": "inning", "inning": "inning", "outings": "outing", "outing": "outing", "cannings": "canning",
    "canning": "canning", "howe": "howe", "proceed": "proceed", "exceed": "exceed", "succeed": "succeed",
}  # fmt: skip
_VOWELS = frozenset("aeiou")
_SHAPES = "".join("v" if chr(code) in _VOWELS else "y" if chr(code) == "y" else "c" for code in range(128))

# (suffix, what replaces it); the first suffix that fits decides, whether or not its condition holds.
_STEP2 = (
    ("ational", "ate"), ("tional", "tion"), ("enci", "ence"), ("anci", "ance"), ("izer", "ize"), ("bli", "ble"),
    ("alli", "al"), ("entli", "ent"), ("eli", "e"), ("ousli", "ous"), ("ization", "ize"), ("ation", "ate"),
    ("ator", "ate"), ("alism", "al"), ("iveness", "ive"), ("fulness", "ful"), ("ousness", "ous"), ("aliti", "al"),
    ("iviti", "ive"), ("biliti", "ble"), ("fulli", "ful"),
)  # fmt: skip
_STEP3 = (
    ("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", ""),
)  # fmt: skip
_STEP4 = (
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism", "ate", "iti",
    "ous", "ive", "ize",
)  # fmt: skip
_ENDS2 = (*(suffix for suffix, _ in _STEP2), "logi")
_ENDS3 = tuple(suffix for suffix, _ in _STEP3)


def porter(word: str) -> str:
    """The stem of a word, lower-cased.

    Source: Porter (1980), Program 14(3), with the deviations of NLTK's default mode (irregular forms, ``ies``/``ied``
    in short words, ``y`` after a consonant only, ``alli`` before ``bli``, ``fulli`` and ``logi``).
    """
    stem = word.lower()
    if stem in _IRREGULAR:
        return _IRREGULAR[stem]
    if len(word) <= 2:
        return stem
    stem = _past_and_gerund(_plural(stem))
    if stem[-1:] == "y" and len(stem) > 2 and _shape(stem[:-1])[-1] == "c":
        stem = stem[:-1] + "i"
    return _final_e_and_l(_strip(_nominal(_derived(stem))))


def _shape(word: str) -> str:
    """``c`` or ``v`` for each letter; a y is a vowel after a consonant."""
    if word.isascii():
        shape = word.translate(_SHAPES)
    else:
        shape = "".join("v" if letter in _VOWELS else "y" if letter == "y" else "c" for letter in word)
    if "y" not in shape:
        return shape
    letters: list[str] = []
    before = "v"
    for letter in shape:
        if letter == "y":
            letter = "v" if before == "c" else "c"
        letters.append(letter)
        before = letter
    return "".join(letters)


def _measure(stem: str) -> int:
    """How many vowel-consonant sequences a stem has: Porter's m."""
    return _shape(stem).count("vc")


def _ends_cvc(stem: str) -> bool:
    shape = _shape(stem)
    return (shape[-3:] == "cvc" and stem[-1] not in "wxy") or shape == "vc"


def _plural(word: str) -> str:
    """Step 1a."""
    if not word.endswith("s"):
        return word
    if word.endswith("ies"):
        return word[:-1] if len(word) == 4 else word[:-2]
    if word.endswith("sses"):
        return word[:-2]
    return word if word.endswith("ss") else word[:-1]


def _past_and_gerund(word: str) -> str:
    """Step 1b."""
    if word.endswith("ied"):
        return word[:-1] if len(word) == 4 else word[:-2]
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    if word.endswith("ed"):
        stem = word[:-2]
    elif word.endswith("ing"):
        stem = word[:-3]
    else:
        return word
    shape = _shape(stem)
    if "v" not in shape:
        return word
    if stem.endswith(("at", "bl", "iz")):
        return stem + "e"
    if len(stem) >= 2 and stem[-1] == stem[-2] and shape[-1] == "c":
        return stem if stem[-1] in "lsz" else stem[:-1]
    if stem.endswith("*d"):  # NLTK spells the rule for double consonants "*d" and tries that as a suffix as well
        return stem[:-2] + "d"
    return stem + "e" if shape.count("vc") == 1 and _ends_cvc(stem) else stem


def _derived(word: str) -> str:
    """Step 2."""
    if not word.endswith(_ENDS2):
        return word
    if word.endswith("alli") and _measure(word[:-4]) > 0:
        return _derived(word[:-2])
    for suffix, replacement in _STEP2:
        if word.endswith(suffix):
            stem = word[: -len(suffix)]
            return stem + replacement if _measure(stem) > 0 else word
    return word[:-1] if _measure(word[:-3]) > 0 else word  # logi: the l counts as the stem's


def _nominal(word: str) -> str:
    """Step 3."""
    if not word.endswith(_ENDS3):
        return word
    for suffix, replacement in _STEP3:
        if word.endswith(suffix):
            stem = word[: -len(suffix)]
            return stem + replacement if _measure(stem) > 0 else word
    return word


def _strip(word: str) -> str:
    """Step 4."""
    if not word.endswith(_STEP4):
        return word
    for suffix in _STEP4:
        if word.endswith(suffix):
            stem = word[: -len(suffix)]
            if _measure(stem) > 1 and (suffix != "ion" or stem[-1] in "st"):
                return stem
            return word
    return word


def _final_e_and_l(word: str) -> str:
    """Step 5."""
    if word.endswith("e"):
        stem = word[:-1]
        measure = _measure(stem)
        if measure > 1 or (measure == 1 and not _ends_cvc(stem)):
            word = stem
    if word.endswith("ll") and _measure(word[:-1]) > 1:
        return word[:-1]
    return word
