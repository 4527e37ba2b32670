"""sacrebleu's signatures, word for word, so that a score made here can be cited and compared."""

from __future__ import annotations

from evalkit.core.contracts import DataFacts

SACREBLEU = "2.6.0"  # the release whose results bleu, chrf and ter reproduce


def sacrebleu_signature(facts: DataFacts, **items: object) -> str:
    """``nrefs:1|case:mixed|…|version:2.6.0``, items in the order given; truth values read yes or no."""
    references = facts.min_references if facts.min_references == facts.max_references else "var"
    told = {"nrefs": references, **items, "version": SACREBLEU}
    return "|".join(f"{name}:{_spell(value)}" for name, value in told.items())


def _spell(value: object) -> object:
    return ("yes" if value else "no") if isinstance(value, bool) else value
