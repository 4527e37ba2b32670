"""The ``generate:`` of a suite: which models answer the records under which prompts, how often, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evalkit.core.errors import EvalkitError, quote
from evalkit.core.registry import find
from evalkit.specs.node import Node, suggest

if TYPE_CHECKING:
    from evalkit.specs.home import Home
    from evalkit.specs.suite import BackendSpec, Suite
    from evalkit.specs.template import Template

KEYS = ("backends", "prompts", "repeats", "temperature", "top_p", "max_tokens", "samples", "routes")
MOST_DRAWS = 1_000
SAMPLES_AT = 1.0  # the temperature of further samples beside an answer at 0, as SelfCheckGPT draws them
_ROUTE = "for instance {by: difficulty, use: {hard: answer@large}, else: answer@small}"

# Columns that generating fills, whatever the data had there. `samples` and `cluster` are added where they are drawn.
PRODUCED = (
    *("output", "model", "prompt_version", "variant", "latency_ms", "prompt_tokens", "completion_tokens", "cost"),
    *("finish", "repeat", "generation_error"),
)


@dataclass(frozen=True)
class Variant:
    """One prompt with one backend: a run of its own."""

    name: str
    prompt: Template
    backend: str


@dataclass(frozen=True)
class Route:
    """A rule that picks a variant for each record, by the value of a column."""

    name: str
    by: str
    use: Mapping[str, str]  # value of the column, as text → variant
    otherwise: str
    line: int = 0


@dataclass(frozen=True)
class GenerateSpec:
    """What is generated before anything is scored.

    Attributes:
        repeats: answers drawn for each record; each is a record of its own, and they share a cluster.
        samples: further answers for the column ``samples``, drawn at ``samples_temperature``.
    """

    backends: tuple[str, ...]
    prompts: tuple[Template, ...]
    repeats: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 1024
    samples: int = 0
    samples_temperature: float = SAMPLES_AT
    routes: tuple[Route, ...] = ()
    line: int = 0
    variants: tuple[Variant, ...] = field(init=False)

    def __post_init__(self) -> None:
        made = [Variant(f"{prompt.name}@{name}", prompt, name) for prompt in self.prompts for name in self.backends]
        object.__setattr__(self, "variants", tuple(made))

    @property
    def produced(self) -> frozenset[str]:
        """The columns that generating fills."""
        more = ("samples", "samples_error") if self.samples else ()
        return frozenset((*PRODUCED, *more, *(("cluster",) if self.repeats > 1 else ())))

    @property
    def draws(self) -> int:
        """Calls for one record and variant."""
        return self.repeats + self.samples

    def identity(self, variant: Variant, backend: str) -> dict[str, Any]:
        """All that moves the answers of a variant but the records, as JSON; ``backend`` is the model's own identity."""
        return {
            "variant": variant.name,
            "prompt": [variant.prompt.label, variant.prompt.sha256],
            "backend": backend,
            "repeats": self.repeats,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "samples": [self.samples, self.samples_temperature] if self.samples else None,
        }


def produced(suite: Suite) -> frozenset[str]:
    """The columns that a suite's ``generate:`` fills; none without one."""
    return suite.generate.produced if suite.generate is not None else frozenset()


def read_generate(node: Node | None, backends: Mapping[str, BackendSpec], home: Home) -> GenerateSpec | None:
    """What a suite generates; None where it does not, or after noting a problem."""
    if node is None:
        return None
    if not node.mapping(KEYS, "a mapping such as {backends: [local], prompts: [prompts/answer.md]}"):
        return None
    before = len(node.tree.problems)
    repeats, samples, more_at = _draws(node)
    heat = node.get("temperature")
    temperature = heat.number(least=0, most=5) if heat is not None else 0.0
    if repeats > 1 and heat is None:
        hint = "add `temperature: 0.7`, or whatever the system will run at"
        node.fault(f"{node.label}: {repeats} draws of a record are the same at temperature 0", hint)
    top_p, most = node.get("top_p"), node.get("max_tokens")
    told: dict[str, Any] = {
        "backends": _backends(node, backends),
        "prompts": _prompts(node, home),
        "repeats": repeats,
        "temperature": temperature or 0.0,
        "top_p": top_p.number(least=0, most=1) if top_p is not None else 1.0,
        "max_tokens": most.whole(least=1) if most is not None else 1024,
        "samples": samples,
        "samples_temperature": more_at or temperature or SAMPLES_AT,
        "line": node.line,
    }
    if len(node.tree.problems) > before:
        return None
    spec = GenerateSpec(**told)
    routes = _routes(node.get("routes"), [variant.name for variant in spec.variants])
    return GenerateSpec(**told, routes=routes) if len(node.tree.problems) == before else None


def _draws(node: Node) -> tuple[int, int, float | None]:
    """Repeats, samples, and the temperature of the samples where one is named."""
    at, more = node.get("repeats"), node.get("samples")
    repeats = at.whole(least=1, most=MOST_DRAWS) if at is not None else 1
    if more is None:
        return repeats or 1, 0, None
    if not isinstance(more.value, Mapping):
        return repeats or 1, more.whole(least=0, most=MOST_DRAWS) or 0, None
    more.mapping(("n", "temperature"), "a number, or a mapping such as {n: 5, temperature: 1}")
    count, heat = more.get("n"), more.get("temperature")
    if count is None:
        more.fault(f"{more.label} lacks `n`", "add how many samples are drawn for each record, `n: 5`")
        return repeats or 1, 0, None
    hot = heat.number(least=0, most=5) if heat is not None else None
    if hot == 0.0 and heat is not None:
        heat.fault(f"{heat.label}: samples at temperature 0 are all the same", "write a temperature above 0")
    return repeats or 1, count.whole(least=1, most=MOST_DRAWS) or 0, hot


def _backends(node: Node, known: Mapping[str, BackendSpec]) -> tuple[str, ...]:
    at = node.get("backends")
    if at is None:
        if len(known) == 1:
            return tuple(known)
        hint: str | None = (
            f"add `backends:`, of {', '.join(known)}" if known else "add `backends: {local: {kind: …}}` to the suite"
        )
        node.fault(f"{node.label} does not say which backend answers", hint)
        return ()
    names = at.texts("a list of names of backends") or []
    for index, name in enumerate(names):
        place = _item(at, index, names)
        if name in names[:index]:
            place.fault(f"{at.label} names {quote(name)} twice", "remove one")
        elif name not in known:
            hint = suggest(name, known) if known else f"add `backends: {{{name}: {{kind: …}}}}` to the suite"
            place.fault(f"{at.label} names no backend {quote(name)} of this suite", hint)
        elif not _chats(known[name]):
            place.fault(f"{at.label}: the backend {name} (kind: {known[name].kind}) cannot answer a chat", "name another one")
    if not names and isinstance(at.value, list) and not at.value:
        at.fault(f"{at.label} is empty", "name at least one")
    return tuple(names)


def _chats(spec: BackendSpec) -> bool:
    """Whether a backend can answer; of one that cannot even be made, `specs.capable` tells what is wrong."""
    if not spec.kind:
        return True
    try:
        backend = find("backend", spec.kind)(**{key: value for key, value in spec.options.items() if not key.endswith("_env")})
        return "chat" in getattr(backend, "can", ("chat",))
    except (EvalkitError, TypeError, ValueError, OSError):
        return True


def _prompts(node: Node, home: Home) -> tuple[Template, ...]:
    from evalkit.specs.template import plain_input
    from evalkit.specs.template_file import read_template

    at = node.get("prompts")
    if at is None:
        return (plain_input(),)
    paths = at.texts("a list of prompt files") or []
    found: dict[str, str] = {}
    templates = []
    for index, path in enumerate(paths):
        place = _item(at, index, paths)
        template = read_template(place, path, home)
        if template is None:
            continue
        if template.name in found:
            what = f"{at.label}: {found[template.name]} and {template.source} are both called {quote(template.name)}"
            place.fault(what, "give one a `name:` of its own, between two lines --- at its top")
        found.setdefault(template.name, template.source)
        templates.append(template)
    if not paths and isinstance(at.value, list) and not at.value:
        at.fault(f"{at.label} is empty", "name at least one, or leave it out to send each record's input as it is")
    return tuple(templates)


def _item(at: Node, index: int, items: Sequence[str]) -> Node:
    """The place of an item; of a single text, that of the text."""
    return at.child(index) if isinstance(at.value, list) and len(at.value) == len(items) else at


def _routes(node: Node | None, variants: Sequence[str]) -> tuple[Route, ...]:
    """Rules that pick a variant by a column; each becomes a row of the matrix."""
    if node is None or not node.mapping(expected=f"a mapping of names to rules, {_ROUTE}"):
        return ()
    routes = []
    for entry in node.items():
        name = str(entry.steps[-1])
        if name in variants:
            entry.fault(f"{node.label}: {quote(name)} is the name of a variant", "call the rule something else")
        if not entry.mapping(("by", "use", "else"), f"a rule, {_ROUTE}"):
            continue
        by, use, otherwise = entry.get("by"), entry.get("use"), entry.get("else")
        if by is None or otherwise is None:
            entry.fault(f"{entry.label} lacks `{'by' if by is None else 'else'}`", _ROUTE)
            continue
        column = by.text("the name of a column")
        picked: dict[str, str] = {}
        if use is not None and use.mapping(expected="a mapping of the column's values to variants"):
            picked = {str(each.steps[-1]): to for each in use.items() if (to := variant_named(each, variants)) is not None}
        rest = variant_named(otherwise, variants)
        if column is not None and rest is not None:
            routes.append(Route(name, column, picked, rest, entry.line))
    return tuple(routes)


def variant_named(node: Node, variants: Sequence[str]) -> str | None:
    """The variant that a node names; None after saying that there is none."""
    name = node.text("the name of a variant")
    if name is not None and name not in variants:
        node.fault(f"{node.label} names no variant {quote(name)}", suggest(name, variants))
        return None
    return name


def schema() -> dict[str, Any]:
    """The JSON Schema of ``generate:``, for editors."""
    text = {"type": "string", "minLength": 1}
    texts = {"anyOf": [text, {"type": "array", "minItems": 1, "items": text}]}
    count = {"type": "integer", "minimum": 1, "maximum": MOST_DRAWS}
    heat = {"type": "number", "minimum": 0, "maximum": 5}
    samples = {
        "type": "object",
        "properties": {"n": count, "temperature": heat},
        "required": ["n"],
        "additionalProperties": False,
    }
    route = {
        "type": "object",
        "properties": {"by": text, "use": {"type": "object", "additionalProperties": text}, "else": text},
        "required": ["by", "else"],
        "additionalProperties": False,
    }
    properties: dict[str, Any] = {
        "backends": {**texts, "description": "which of `backends` answer; not needed where there is one"},
        "prompts": {**texts, "description": "prompt files (Jinja2 over the record's columns); by default the input as it is"},
        "repeats": {**count, "default": 1, "description": "answers drawn for each record"},
        "temperature": {**heat, "default": 0},
        "top_p": {"type": "number", "minimum": 0, "maximum": 1, "default": 1},
        "max_tokens": {"type": "integer", "minimum": 1, "default": 1024},
        "samples": {
            "description": "further answers for the column `samples`",
            "anyOf": [{"type": "integer", "minimum": 0, "maximum": MOST_DRAWS}, samples],
        },
        "routes": {
            "description": "rules that pick a variant by a column's value; each is a row of the matrix",
            "type": "object",
            "additionalProperties": route,
        },
    }
    return {"type": "object", "properties": properties, "additionalProperties": False}
