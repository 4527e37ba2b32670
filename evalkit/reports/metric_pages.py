"""The pages of docs/metrics/: one a metric and an index, written from what `specs.about` says of each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import yaml

from evalkit.core.registry import Entry
from evalkit.specs.about import EXAMPLES, About, about

# Families in the order of the index, and what they are called there.
FAMILIES = {
    "match": "Right or wrong",
    "overlap": "Shared wording",
    "structure": "Structure",
    "retrieval": "Retrieval",
    "rag": "Answers from contexts",
    "summary": "Summaries",
    "safety": "Safety",
    "judge": "Judges",
    "model": "With a model that reads",
    "operation": "Operation",
    "hf": "Hugging Face's evaluate",
}
_NOTE = "<!-- Written by `make docs-metrics` from the metric's docstring; change that. -->"
_TITLES = {"Formula": "Formula", "Range": "Range", "Misleads": "When it misleads", "Source": "Source"}


def metric_pages(entries: Iterable[Entry]) -> dict[str, str]:
    """File names of docs/metrics/ and what they hold, of our own metrics."""
    own = [entry for entry in entries if entry.owner == "evalkit"]
    names = {entry.name for entry in own}
    pages = {f"{_slug(entry.name)}.md": _page(about(entry), entry.summary, names) for entry in own}
    return {"README.md": _index(own)} | pages


def _index(own: Sequence[Entry]) -> str:
    lines = [_NOTE, "", "# Every metric", ""]
    lines += ["A page for each; [metrics](../metrics.md) is the overview, with what they have in common.", ""]
    families = [*FAMILIES, *sorted({entry.family for entry in own} - FAMILIES.keys())]
    for family in families:
        of = [entry for entry in own if entry.family == family]
        if of:
            lines += [f"## {FAMILIES.get(family, family.capitalize())}", "", "| metric | what |", "| --- | --- |"]
            lines += [f"| [`{_shown(entry.name)}`]({_slug(entry.name)}.md) | {_cell(entry.summary)} |" for entry in of]
            lines.append("")
    return "\n".join(lines)


def _page(card: About, summary: str, names: set[str]) -> str:
    lines = [_NOTE, "", f"# {_shown(card.name)}", ""]
    lines += [_head(card, summary), "", _linked(card.text, names, card.name), ""]
    for name in ("Formula", "Range"):
        if name in card.sections:
            lines += [f"**{name}**: {_linked(card.sections[name], names, card.name)}", ""]
    if card.parts:
        lines += ["## Values", "", "| value | range | better | interval |", "| --- | --- | --- | --- |"]
        for part in card.parts:
            name = f"{card.name}.{part.name}" if part.name else card.name
            lines.append(f"| `{name}` | {part.range or 'see above'} | {part.better} | {part.interval} |")
        lines.append("")
    if card.options:
        lines += ["## Options", "", "| option | type | default | |", "| --- | --- | --- | --- |"]
        for one in card.options:
            says = _cell(_linked(one.says, names, card.name))
            lines.append(f"| `{one.name}` | {_cell(one.type)} | {_default(one.spelled)} | {says} |")
        lines.append("")
    for name in ("Misleads", "Source"):
        if name in card.sections:
            text = _linked(card.sections[name], names, card.name)
            lines += [f"## {_TITLES[name]}", "", text[0].upper() + text[1:], ""]
    lines += ["## In a suite", "", "```yaml", _example(card), "```", ""]
    lines += ["[Every metric](README.md) · [overview](../metrics.md)", ""]
    return "\n".join(lines)


def _head(card: About, summary: str) -> str:
    needs = ", ".join(f"`{name}`" for name in card.needs) or "what its options name"
    could = not card.asks and any("judge" in one.type for one in card.options)
    asks = "asks a model" if card.asks else "asks no model, unless an option says so" if could else "asks no model"
    return f"*{FAMILIES.get(card.family, card.family)}: {summary}.* Needs {needs}; {asks}."


def _example(card: About) -> str:
    """How a suite names it: with what it cannot do without."""
    name = _shown(card.name)
    told = {"use": name, **EXAMPLES.get(card.name, {}), **({"backend": "judge"} if card.asks else {})}
    flow = yaml.safe_dump(told if len(told) > 1 else name, default_flow_style=True, sort_keys=False, width=1_000)
    return f"metrics:\n  - {flow.removesuffix('...' + chr(10)).rstrip()}"


def _linked(text: str, names: set[str], own: str) -> str:
    """Docstring marks as Markdown's: double backticks become single ones, names of other metrics become links."""

    def single(found: re.Match[str]) -> str:
        name = found[2]
        if found[1] == "`" and name in names and name != own:
            return f"[`{name}`]({_slug(name)}.md)"
        return f"`{name}`"

    return re.sub(r"(``?)([^`]+)\1", single, text)


def _default(text: str) -> str:
    return "required" if text == "required" else f"`{_cell(text)}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _shown(name: str) -> str:
    return f"{name}NAME" if name.endswith(":") else name


def _slug(name: str) -> str:
    return name.rstrip(":")
