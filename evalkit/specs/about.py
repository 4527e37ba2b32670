"""What there is to say of a registered metric or backend: one card, of which `evalkit show` and the pages in docs/ are made."""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from evalkit.core.content import Document
from evalkit.core.contracts import CorpusMetric, Measure, ModelMetric
from evalkit.core.errors import EvalkitError, quote
from evalkit.core.member import Member
from evalkit.core.registry import Entry
from evalkit.specs.options import option_types
from evalkit.specs.single import metric_of

# What a suite must at least say of metrics that cannot do without, as an example.
EXAMPLES: dict[str, dict[str, Any]] = {
    "regex": {"pattern": "\\b\\d{4}\\b"},
    "json_schema": {"schema": {"type": "object", "required": ["answer"]}},
    "meteor": {"stages": ["exact", "stem"]},
    "geval": {"rubric": "rubrics/consistency.yaml"},
    "dag": {"judge": "judges/support-answer.yaml"},
    "pairwise": {"against": {"column": "output_b"}},
    "panel": {
        "judges": [
            {"use": "yes_no", "as": label, "question": asked}
            for label, asked in {"true": "Is it true?", "signed": "Would an expert sign it?"}.items()
        ]
    },
    "yes_no": {"question": "Does the answer say what to do next?"},
    "gptscore": {"aspect": "fluency"},
}
NAMED = ("Formula", "Range", "Misleads", "Source")  # paragraphs of a docstring that begin so
_LIMITS = re.compile(r"[−-]?\d[\d.]* to \d+|from \d+ up|at most \d+|unbounded")
_ARGS = re.compile(r"^Args:\n((?:[ ]{4}.*\n?|\n(?=[ ]{4}))+)", re.MULTILINE)
_ARG = re.compile(r"^([a-z_]+(?:, [a-z_]+)*): ((?:.*\n?)(?:[ ]{4,}.*\n?)*)", re.MULTILINE)


@dataclass(frozen=True)
class Option:
    """One option as a suite's author thinks of it."""

    name: str
    type: str
    default: Any
    required: bool
    says: str = ""

    @property
    def spelled(self) -> str:
        """``required``, or the default as a suite would write it."""
        return "required" if self.required else spelled(self.default)


@dataclass(frozen=True)
class Part:
    """One value of a metric."""

    name: str  # "" is the bare metric
    range: str  # "0 to 1"; "" where neither the metric nor its docstring tells one of all parts
    better: str  # "higher", "lower", "neither"
    interval: str  # "Wilson", "bootstrap", "none"


@dataclass(frozen=True)
class About:
    """All of it.

    Attributes:
        text: the docstring's paragraphs that are no section.
        sections: those that begin with one of `NAMED`, by that word.
        parts: of the metric with its defaults, or with those of `EXAMPLES`, the main one first; none where it cannot be built.
        asks: whether it asks a model, by those options.
    """

    name: str
    kind: str
    family: str
    owner: str
    doc: str
    text: str
    sections: Mapping[str, str]
    needs: tuple[str, ...]
    options: tuple[Option, ...]
    parts: tuple[Part, ...] = ()
    asks: bool = False

    def to_json(self) -> dict[str, Any]:
        """What ``evalkit show NAME --json`` prints, prompts apart."""
        told: dict[str, Any] = {"name": self.name, "kind": self.kind, "family": self.family, "owner": self.owner}
        told |= {"about": self.doc, "needs": list(self.needs)}
        told |= {name.lower(): text for name, text in self.sections.items()}
        told["parts"] = {
            part.name: {"range": part.range, "better": part.better, "interval": part.interval} for part in self.parts
        }
        told["options"] = {
            one.name: {"type": one.type, "default": one.default, "required": one.required}
            | ({"about": one.says} if one.says else {})
            for one in self.options
        }
        return told


def about(entry: Entry) -> About:
    """The card of a registered name."""
    cls = entry.load()
    doc = inspect.getdoc(cls) or entry.summary
    text, sections, notes = taken_apart(doc)
    for base in cls.__mro__[1:]:  # options that several metrics share are described where they are declared
        if base.__module__.startswith(("evalkit.metrics", "evalkit.judges")) and base.__doc__:
            notes = taken_apart(inspect.cleandoc(base.__doc__))[2] | notes
    built = _built(entry) if entry.kind == "metric" else None
    return About(
        entry.name,
        entry.kind,
        entry.family,
        entry.owner,
        doc,
        text,
        sections,
        built.needs_of() if built is not None else tuple(getattr(cls, "needs", ())),
        _options(entry, cls, notes),
        _parts(built, _range_told(text, sections)) if built is not None else (),
        isinstance(built, ModelMetric) and bool(built.wants_of()) if built is not None else issubclass(cls, ModelMetric),
    )


def taken_apart(doc: str) -> tuple[str, dict[str, str], dict[str, str]]:
    """A docstring's prose, its named paragraphs, and what it says of each option.

    A paragraph is named where one of `NAMED` and a colon stand at its beginning, or "Source:" behind a full stop within it.
    """
    notes: dict[str, str] = {}
    found = _ARGS.search(doc)
    if found is not None:
        for names, told in _ARG.findall(inspect.cleandoc(found[1]) + "\n"):
            notes |= dict.fromkeys(names.split(", "), " ".join(told.split()))
        doc = doc[: found.start()] + doc[found.end() :]
    prose, sections = [], {}
    for paragraph in re.split(r"\n\s*\n", doc.strip()):
        inline = re.search(r"(?<=[.)])\s+(?=Source: )", paragraph)
        pieces = [paragraph[: inline.start()], paragraph[inline.end() :]] if inline else [paragraph]
        for piece in pieces:
            name, colon, rest = piece.partition(": ")
            if colon and name in NAMED:
                sections[name] = " ".join(rest.split())
            elif piece.strip():
                prose.append(piece.strip("\n"))
    return "\n\n".join(prose), sections, notes


def _built(entry: Entry) -> Measure | None:
    """The metric with its defaults, or as in `EXAMPLES`; None where it cannot be had without more."""
    try:
        return metric_of(entry.name, EXAMPLES.get(entry.name, {}))
    except (EvalkitError, TypeError, ImportError):
        return None


def _range_told(text: str, sections: Mapping[str, str]) -> str:
    """The range in words, of parts that are no plain mean: the one that the docstring gives, if it gives one for all."""
    found = set(_LIMITS.findall(sections.get("Range") or text.partition("\n\n")[0]))
    return found.pop() if len(found) == 1 else ""


def _parts(metric: Measure, told: str) -> tuple[Part, ...]:
    return tuple(
        Part(name, _range(metric.range_of(name)) or told, _better(metric.direction(name)), _interval(metric, name))
        for name in sorted(metric.parts, key=lambda part: part != metric.main)
    )


def _range(limits: tuple[float, float] | None) -> str:
    if limits is None:
        return ""
    low, high = limits
    if math.isfinite(low) and math.isfinite(high):
        return f"{low:g} to {high:g}"
    if math.isfinite(low) or math.isfinite(high):
        return f"from {low:g} up" if math.isfinite(low) else f"at most {high:g}"
    return "no limits"


def _better(direction: bool | None) -> str:
    return {True: "higher", False: "lower", None: "neither"}[direction]


def _interval(metric: Measure, part: str) -> str:
    if isinstance(metric, CorpusMetric) or metric.interval_of(part) == "none":
        return "none"
    return "Wilson" if metric.interval_of(part) == "wilson" else "bootstrap-t" if metric.open_ended(part) else "bootstrap"


def _options(entry: Entry, cls: type, notes: Mapping[str, str]) -> tuple[Option, ...]:
    if not dataclasses.is_dataclass(cls):
        return ()
    types, found = option_types(cls), []
    for field in dataclasses.fields(cls):
        if field.name in entry.preset or field.name.startswith("_") or (entry.name.endswith(":") and field.name == "module"):
            continue
        default: Any = None
        if field.default is not dataclasses.MISSING:
            default = field.default
        elif field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        told = type_told(types.get(field.name, field.type))
        found.append(Option(field.name, told, default, required, notes.get(field.name, "")))
    return tuple(found)


def type_told(annotation: Any) -> str:
    """A type as a suite's author thinks of it: ``any | all`` for a choice, ``list of text`` for a tuple of strings."""
    plain = {str: "text", int: "whole number", float: "number", bool: "true | false", type(None): "none", Any: "anything"}
    plain |= {Path: "path", Member: "judge"}
    inner = get_args(annotation)
    origin = get_origin(annotation) or annotation
    if annotation in plain:
        return plain[annotation]
    if origin is Literal:
        return " | ".join(map(str, inner))
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return "mapping"
    if origin in (tuple, list) and inner:
        return f"list of {type_told(inner[0])}"
    if inner:  # a union
        return " | ".join(map(type_told, inner))
    return "file" if annotation is Document else str(getattr(annotation, "__name__", annotation))


def spelled(value: Any) -> str:
    """A default as a suite would write it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(spelled, value)) + "]"
    return str(value) if str(value).strip() else quote(value)
