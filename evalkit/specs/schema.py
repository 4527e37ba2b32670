"""The JSON Schema of a suite file, for editors: every key, every metric with its options and what they mean."""

from __future__ import annotations

import dataclasses
import inspect
import re
import tokenize
import typing
from collections.abc import Mapping
from io import StringIO
from typing import Any

from evalkit.core.content import Document
from evalkit.core.errors import EvalkitError
from evalkit.core.registry import Entry, entries
from evalkit.specs.gates import INCONCLUSIVE
from evalkit.specs.generate import schema as generate_schema
from evalkit.specs.metrics import MODEL, own_keys
from evalkit.specs.mutate import mutate_schema
from evalkit.specs.options import holds_document, option_fields, option_types
from evalkit.specs.validate import INTERVALS, PRICES, REPORTS
from evalkit.specs.variants import schema as variants_schema

DRAFT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
SHARE: Schema = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
SCALAR: Schema = {"type": ["string", "number", "boolean", "null"]}


def suite_schema() -> Schema:
    """The schema of a suite, with everything registered now; a metric whose package is missing takes any option."""
    from evalkit.records.canonical import COLUMNS

    listed = [(entry, _class(entry)) for entry in entries("metric")]
    kinds = [(entry, _class(entry)) for entry in entries("backend")]
    fields = {column.name: {**TEXT, "description": column.description} for column in COLUMNS.values()}
    dataset = _mapping(
        {
            "path": {
                **TEXT,
                "description": 'a JSONL, CSV or Parquet file, a pattern such as data/*.jsonl, "-", or hf:NAME',
            },
            "fields": {
                "description": "column → the file's own name for it",
                "type": "object",
                "properties": fields,
                "additionalProperties": TEXT,
            },
            "limit": {"type": "integer", "minimum": 1, "description": "only so many records"},
            "shuffle": {
                "type": "integer",
                "minimum": 0,
                "description": "a seed: records in random order, before `limit`",
            },
            "mutate": {"description": "requests also dressed up in other ways", **mutate_schema()},
        },
        required=["path"],
    )
    properties: dict[str, Schema] = {
        "name": {"type": "string", "pattern": r"^\w[\w.-]{0,79}$", "description": "by default the file's name"},
        "dataset": {"description": "the records to score", "if": {"type": "string"}, "then": TEXT, "else": dataset},
        "variants": {
            "description": "the records as several systems left them, by name: a run each, compared with the first",
            **variants_schema(dataset["properties"]["path"], dataset["properties"]["fields"]),
        },
        "control": {**TEXT, "description": "the variant that the others are compared with; by default the first"},
        "backends": {
            "description": "models that metrics may ask, by a name of your own",
            "type": "object",
            "additionalProperties": {"anyOf": [_backend(entry, cls) for entry, cls in kinds]},
        },
        "generate": {"description": "answers that are produced first", **generate_schema()},
        "metrics": {
            "description": "what is measured; `evalkit list metrics` shows the names",
            "type": "array",
            "minItems": 1,
            "items": _metric_entry(listed),
        },
        "slices": {
            "description": "columns; every metric per value too",
            "anyOf": [TEXT, {"type": "array", "items": TEXT}],
        },
        "gates": {
            "description": "what must hold for the run to pass",
            "type": "array",
            "items": {"$ref": "#/$defs/gate"},
        },
        "report": {
            "description": "which reports are written; results.json always is",
            "anyOf": [{"enum": list(REPORTS)}, {"type": "array", "items": {"enum": list(REPORTS)}}],
        },
        "seed": {"type": "integer", "minimum": 0, "default": 0, "description": "of all resampling"},
        "confidence": {**SHARE, "default": 0.95, "description": "level of the intervals"},
        "resamples": {"type": "integer", "minimum": 100, "maximum": 1_000_000, "default": 1_000},
        "interval": {
            "enum": list(INTERVALS),
            "default": "auto",
            "description": "kind of the bootstrap bounds",
        },
        "baseline": {**TEXT, "description": "a run's id, latest:SUITE, or the path of a results.json"},
        "store": {**TEXT, "description": "where runs are kept; by default .evalkit in the project"},
        "budget": _mapping({"max_cost": _least(0), "max_calls": {"type": "integer", "minimum": 1}}),
        "prices": {
            "description": "model → price of a million tokens",
            "type": "object",
            "additionalProperties": _mapping({name: _least(0) for name in PRICES}),
        },
    }
    definitions = {f"metric.{entry.name}": _options(entry, cls) for entry, cls in listed}
    return {
        "$schema": DRAFT,
        "title": "evalkit suite",
        "description": "What `evalkit run` scores, and what must hold.",
        **_mapping(properties, required=["metrics"]),
        "anyOf": [{"required": ["dataset"]}, {"required": ["variants"]}],
        "$defs": {"gate": _gate(), **definitions},
    }


def _metric_entry(listed: list[tuple[Entry, type | None]]) -> Schema:
    """An entry in one of its forms: a name, ``name: {options}``, or ``{use: name, options}``.

    Forms are told apart by if and then, not tried one after the other: so an editor can say what is wrong inside one.
    """
    names = {"anyOf": [{**_named(entry), "description": entry.summary} for entry, _ in listed]}
    plain = [entry for entry, _ in listed if not entry.name.endswith(":")]
    families = [entry for entry, _ in listed if entry.name.endswith(":")]
    long_form = {
        "properties": {"use": names},
        "allOf": [{"if": {"properties": {"use": _named(entry)}}, "then": _reference(entry)} for entry, _ in listed],
    }
    short_form = {
        "minProperties": 1,
        "maxProperties": 1,
        "properties": {entry.name: {"if": {"type": "null"}, "else": _reference(entry)} for entry in plain},
        "patternProperties": {_named(entry)["pattern"]: _reference(entry) for entry in families},
        "additionalProperties": False,
    }
    mapping = {"type": "object", "if": {"required": ["use"]}, "then": long_form, "else": short_form}
    return {"if": {"type": "string"}, "then": names, "else": mapping}


def _named(entry: Entry) -> Schema:
    """The name of a metric; of a family, with anything behind its colon."""
    return {"pattern": f"^{re.escape(entry.name)}.+"} if entry.name.endswith(":") else {"const": entry.name}


def _reference(entry: Entry) -> Schema:
    return {"$ref": f"#/$defs/metric.{entry.name}"}


def _options(entry: Entry, cls: type | None) -> Schema:
    """What may stand beside ``use`` of one metric."""
    own: dict[str, Schema] = {
        "use": TEXT,
        "as": {"type": "string", "pattern": r"^\w[\w:/@+-]*$", "description": "what gates and results call it"},
    }
    if cls is None:
        return {"type": "object", "description": entry.summary, "properties": own}
    if getattr(cls, "may_ask", False):
        own["backend"] = {**TEXT, "description": "one of `backends`; not needed where there is one"}
        if MODEL in own_keys(cls):
            own[MODEL] = {**TEXT, "description": "instead of a backend: the path of a model, or its name on the hub"}
    preset = ("module",) if entry.name.endswith(":") else ()
    options, required = _fields(cls, preset)
    return {"description": _about(cls) or entry.summary, **_mapping({**own, **options}, required=required)}


def _backend(entry: Entry, cls: type | None) -> Schema:
    kind: Schema = {"const": entry.name, "description": entry.summary}
    if cls is None or not option_fields(cls):
        return {"type": "object", "properties": {"kind": kind}, "required": ["kind"]}
    options, required = _fields(cls)
    variables = {f"{name}_env": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"} for name in options}
    about = {"description": _about(cls) or entry.summary}
    return {**about, **_mapping({**variables, **options, "kind": kind}, required=["kind", *required])}


def _fields(cls: type, preset: tuple[str, ...] = ()) -> tuple[dict[str, Schema], list[str]]:
    """The schema of each option of a class, and which must be given."""
    hints, comments = option_types(cls), _comments(cls)
    told: dict[str, Schema] = {}
    required = []
    for name, field in option_fields(cls).items():
        if name in preset:
            continue
        schema = _type_schema(hints[name])
        if name in comments:
            schema = {**schema, "description": comments[name]}
        if field.default is not dataclasses.MISSING:
            if _is_plain(field.default):
                schema = {
                    **schema,
                    "default": list(field.default) if isinstance(field.default, tuple) else field.default,
                }
        elif field.default_factory is dataclasses.MISSING:
            required.append(name)
        told[name] = schema
    return told, required


def _type_schema(annotation: Any) -> Schema:
    """One annotation; a document is the path of a file."""
    if holds_document(annotation):
        others = [_type_schema(inner) for inner in typing.get_args(annotation) if inner is not Document]
        return {"anyOf": [{**TEXT, "description": "path of a file"}, *others]} if others else dict(TEXT)
    if annotation is Any:
        return {}
    from pydantic import PydanticUserError, TypeAdapter
    from pydantic.errors import PydanticInvalidForJsonSchema

    try:
        schema = TypeAdapter(annotation).json_schema()
    except (PydanticUserError, PydanticInvalidForJsonSchema):
        return {}
    if "$defs" in schema:  # a reference inside would point to the wrong place
        return {}
    return schema


def _about(cls: type) -> str:
    """The first sentence or two of a class's docstring."""
    paragraph = (inspect.getdoc(cls) or "").partition("\n\n")[0]
    return " ".join(paragraph.replace("``", "`").split())


def _comments(cls: type) -> dict[str, str]:
    """The comments behind the fields of a dataclass, by field; none where the source is out of reach."""
    told: dict[str, str] = {}
    try:
        source = inspect.getsource(cls)
    except (OSError, TypeError):
        return told
    lines: dict[int, str] = {}
    try:
        for token in tokenize.generate_tokens(StringIO(inspect.cleandoc(source)).readline):
            if token.type == tokenize.COMMENT:
                lines[token.start[0]] = token.string.lstrip("# ")
    except (tokenize.TokenError, IndentationError):
        return told
    for number, line in enumerate(inspect.cleandoc(source).split("\n"), 1):
        match = re.match(r"\s+(\w+)\s*:[^:]", line)
        if match and number in lines:
            told.setdefault(match[1], lines[number])
    return told


def _gate() -> Schema:
    """A gate with its rules: min, max or both; no_worse_than; or every."""
    number: Schema = {"type": "number"}
    described: Mapping[str, Schema] = {
        "metric": {**TEXT, "description": "a metric of this suite, one of its parts (rouge.rougeL), or errors"},
        "min": {**number, "description": "the interval's lower end must reach it"},
        "max": {**number, "description": "the interval's upper end must not pass it"},
        "no_worse_than": {**TEXT, "description": "`baseline`, or a run's name"},
        "margin": {**_least(0), "default": 0, "description": "how much worse still passes"},
        "confidence": {**SHARE, "description": "by default the suite's"},
        "where": {
            "description": "column → value, or values: only these records",
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"anyOf": [SCALAR, {"type": "array", "minItems": 1, "items": SCALAR}]},
        },
        "threshold": {
            **number,
            "description": "a record passes from here; min and max then bound the share that passes",
        },
        "every": {"type": "boolean", "description": "each record must pass the threshold; those that fail are named"},
        "on_inconclusive": {"enum": list(INCONCLUSIVE), "default": "fail"},
        "sequential": {
            "type": "boolean",
            "default": False,
            "description": "judge records in random order, and stop asking once this is decided",
        },
    }
    return {
        **_mapping(described, required=["metric"]),
        "anyOf": [
            {"required": ["min"]},
            {"required": ["max"]},
            {"required": ["no_worse_than"]},
            {"required": ["every", "threshold"], "properties": {"every": {"const": True}}},
        ],
    }


def _class(entry: Entry) -> type | None:
    """A registered class; None where it cannot be imported here."""
    try:
        return entry.load()
    except (ImportError, AttributeError, EvalkitError):
        return None


def _mapping(properties: Mapping[str, Schema], required: list[str] | None = None) -> Schema:
    schema: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {**schema, "required": required} if required else schema


def _least(bound: float) -> Schema:
    return {"type": "number", "minimum": bound}


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (str, int, float, bool))
