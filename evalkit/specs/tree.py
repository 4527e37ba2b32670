"""YAML text as plain values, with the line of every one: read safely, bounded, and with errors a person can act on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar

import yaml

from evalkit.core.errors import Problem, SpecError

Steps = tuple[str | int, ...]

MAX_BYTES = 1_000_000
MAX_VALUES = 100_000
MAX_DEPTH = 50

_PLAIN = "plain"  # the tag that our loader gives to every unquoted, untagged scalar
_STANDARD = "tag:yaml.org,2002:"
_INT = re.compile(r"[-+]?[0-9]+\Z")
_BASED = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


@dataclass
class Tree:
    """A parsed file: ``value`` in plain Python, and where each part of it was written.

    ``places`` maps the steps to a value, ``("metrics", 2, "stemmer")``, to its line, or to words as ``--set seed=1``.
    """

    value: Any
    source: str  # the file as messages show it; "" for a mapping that was made in Python
    places: dict[Steps, int | str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    called: str = "the suite"  # the whole of it, in messages

    def place(self, steps: Steps) -> int | str:
        """The line of a value, or of the nearest thing around it that has one."""
        while steps and steps not in self.places:
            steps = steps[:-1]
        return self.places.get(steps, 1)

    def line(self, steps: Steps) -> int:
        """The line of a value; 0 when it was not written in the file."""
        place = self.place(steps)
        return place if isinstance(place, int) and self.source else 0

    def where(self, steps: Steps) -> str:
        """A value's place as a message begins with it: ``suites/x.yaml:12``."""
        place = self.place(steps)
        if isinstance(place, str):
            return place
        return f"{self.source}:{place}" if self.source else ""

    def fault(self, steps: Steps, what: str, hint: str | None = None) -> None:
        """Note a problem; the same one is noted once."""
        problem = Problem(self.where(steps), what, hint)
        if problem not in self.problems:
            self.problems.append(problem)

    def move(self, old: Steps, new: Steps) -> None:
        """What was written at ``old``, and below it, now stands at ``new``."""
        for steps in [steps for steps in self.places if steps[: len(old)] == old]:
            self.places[new + steps[len(old) :]] = self.places[steps]

    def raise_problems(self) -> None:
        """Raise everything noted so far, in the order of the file."""
        if self.problems:
            raise SpecError(sorted(self.problems, key=self._by_line))

    def _by_line(self, problem: Problem) -> tuple[bool, bool, str, int]:
        """The file's own lines first, then those of files that it names."""
        file, _, line = problem.where.rpartition(":")
        return not line.isdigit(), file != self.source, file, int(line) if line.isdigit() else 0


def decode(data: bytes, source: str, size: int | None = None) -> str:
    """The text of a YAML file; ``size`` is the whole file's, where ``data`` is only its beginning.

    Raises:
        SpecError: it is too large, not UTF-8, or holds control characters.
    """
    if len(data) > MAX_BYTES:
        raise SpecError(
            Problem(
                source,
                f"the file has {(size or len(data)) / 1e6:,.1f} MB, and a suite has at most {MAX_BYTES / 1e6:.0f} MB",
                "was a data file meant? Data goes under `dataset: {path: …}`",
            )
        )
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SpecError(Problem(source, "the file is in UTF-16", "save it as UTF-8"))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = f"0x{data[error.start]:02x}"
        raise SpecError(Problem(f"{source}:{line}", f"the byte {byte} is not UTF-8", "save the file as UTF-8")) from None
    found = re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]", text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        code = f"U+{ord(found[0]):04X}"
        raise SpecError(Problem(f"{source}:{line}", f"the control character {code} cannot stand in YAML", "remove it"))
    return text


def read_tree(text: str, source: str) -> Tree:
    """Parse one YAML document; duplicate keys and foreign tags are noted as problems of the tree.

    Scalars follow the YAML 1.2 core schema, as JSON and editors do: only ``true`` and ``false`` are booleans (``no``
    and ``on`` are text), ``1e-3`` is a number, and a date is text.

    Raises:
        SpecError: this is no YAML, not one document, or one that expands beyond all measure.
    """
    try:
        node = yaml.compose(text, Loader=_loader())
    except yaml.YAMLError as error:
        raise SpecError(_explain(error, text, source)) from None
    except RecursionError:
        raise SpecError(Problem(source, f"the file nests deeper than {MAX_DEPTH} levels", None)) from None
    tree = Tree(None, source)
    if node is not None:
        tree.value = _Builder(tree).build(node, (), 0)
    return tree


def parse_value(text: str) -> Any:
    """A value given on the command line, read as YAML.

    Raises:
        SpecError: it is no YAML.
    """
    tree = read_tree(text, "")
    tree.raise_problems()
    return tree.value


@cache
def _loader() -> Any:
    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]
        """The fast loader, told to leave the meaning of plain scalars to us."""

        yaml_implicit_resolvers: ClassVar[dict[Any, Any]] = {None: [(_PLAIN, re.compile(r".*\Z", re.DOTALL))]}

    return Loader


class _Builder:
    """Turns composed nodes into values, counting what aliases expand to."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.values = 0

    def build(self, node: yaml.Node, steps: Steps, depth: int) -> Any:
        self.values += 1
        self.tree.places.setdefault(steps, node.start_mark.line + 1)
        self._guard(node, depth)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, steps)
        wanted = f"{_STANDARD}{'map' if isinstance(node, yaml.MappingNode) else 'seq'}"
        if node.tag != wanted:
            self.tree.fault(steps, f"the tag {_tag(node)} is not allowed here", "remove it")
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*steps, index), depth + 1) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.MappingNode)
        return self._mapping(node, steps, depth)

    def _mapping(self, node: yaml.MappingNode, steps: Steps, depth: int) -> dict[str, Any]:
        told: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key, value in self._pairs(node, steps, depth):
            line = key.start_mark.line + 1
            name = key.value
            if name in lines:
                self.tree.problems.append(
                    Problem(
                        f"{self.tree.source}:{line}",
                        f'the key "{name}" stands twice',
                        f"line {lines[name]} has it already",
                    )
                )
                continue
            lines[name] = line
            self.tree.places[(*steps, name)] = line
            told[name] = self.build(value, (*steps, name), depth + 1)
        for key, value in self._pairs(node, steps, depth, merged=True):
            if key.value not in told:
                self.tree.places[(*steps, key.value)] = key.start_mark.line + 1
                told[key.value] = self.build(value, (*steps, key.value), depth + 1)
        return told

    def _pairs(
        self, node: yaml.MappingNode, steps: Steps, depth: int, merged: bool = False
    ) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        """A mapping's own pairs, or those that its merge keys (``<<: *base``) bring in, nearest first."""
        self.values += merged
        self._guard(node, depth)
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                if not merged:
                    where = f"{self.tree.source}:{key.start_mark.line + 1}"
                    self.tree.problems.append(Problem(where, "a key is a list or a mapping", "a key is text; quote it"))
            elif key.value == "<<" and key.tag == _PLAIN:
                if merged:
                    sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
                    for source in sources:
                        if isinstance(source, yaml.MappingNode):
                            yield from self._pairs(source, steps, depth + 1)
                            yield from self._pairs(source, steps, depth + 1, merged=True)
                        else:
                            self.tree.fault(steps, "the merge key << takes a mapping", "write <<: *name of a mapping")
            elif not merged:
                yield key, value

    def _scalar(self, node: yaml.ScalarNode, steps: Steps) -> Any:
        if node.tag == _PLAIN:
            return scalar(node.value)
        kind = node.tag.removeprefix(_STANDARD)
        if kind == "str" or node.tag == "!":
            return node.value
        value = scalar(node.value)
        fits = {"int": (int,), "float": (int, float), "bool": (bool,), "null": (type(None),)}.get(kind)
        if fits is None or not isinstance(value, fits) or (isinstance(value, bool) and kind != "bool"):
            self.tree.fault(steps, f"the tag {_tag(node)} is not allowed here", "remove it")
        return value

    def _guard(self, node: yaml.Node, depth: int) -> None:
        where = f"{self.tree.source}:{node.start_mark.line + 1}"
        if self.values > MAX_VALUES:
            hint = "write less, or use fewer aliases (*name)"
            raise SpecError(Problem(where, f"the file expands to more than {MAX_VALUES:,} values", hint))
        if depth > MAX_DEPTH:
            hint = "does an alias (*name) contain itself?"
            raise SpecError(Problem(where, f"the file nests deeper than {MAX_DEPTH} levels", hint))


def scalar(text: str) -> Any:
    """The value of an unquoted scalar, by the YAML 1.2 core schema."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) < 400:  # longer digits are an identifier, and Python would refuse them
        if _INT.match(text):
            return int(text)
        if _BASED.match(text):
            return int(text, 0)
        if _FLOAT.match(text):
            return float(text)
    return text


def _tag(node: yaml.Node) -> str:
    return str(node.tag).replace(_STANDARD, "!!")


def _explain(error: yaml.YAMLError, text: str, source: str) -> Problem:
    """A parser's complaint in plain words, at the line where something can be done about it."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = mark.line + 1 if mark is not None else 1
    said = str(getattr(error, "problem", "") or error).replace("\n", " ")
    context = str(getattr(error, "context", "") or "")
    opened = getattr(error, "context_mark", None)
    lines = text.split("\n")
    here = lines[line - 1] if line <= len(lines) else ""
    where = f"{source}:{line}"
    if "cannot start any token" in said:
        if "\t" in here[: mark.column + 1 if mark else None]:
            return Problem(where, "a tab indents this line", "YAML is indented with spaces")
        sign = here[mark.column : mark.column + 1] if mark else ""
        return Problem(where, f'the character "{sign}" cannot begin a value', "put the value in quotes")
    if "\t" in here[: len(here) - len(here.lstrip())]:
        return Problem(where, "a tab indents this line", "YAML is indented with spaces")
    if "expected a single document" in context or "another document" in said:
        return Problem(where, "a second document (---) begins here", "a suite is one document; remove the line ---")
    if "undefined alias" in said:
        return Problem(where, "an undefined alias stands here", "an anchor (&name) must stand before its alias (*name)")
    if "mapping values are not allowed" in said:
        return Problem(where, "a colon stands where none is expected", "check the indentation, or quote the value")
    if opened is not None and ("flow" in context or "quoted" in context):
        start = opened.line + 1
        kind = "quotation mark" if "quoted" in context else "bracket"
        return Problem(
            f"{source}:{start}", f"a {kind} opened here is not closed, or lacks a comma or quotation mark", "close it"
        )
    if "could not find expected ':'" in said or "expected key" in said or "block end" in said:
        return Problem(where, "this line does not fit the ones before it", "check its indentation and its colon")
    return Problem(where, f"this is not YAML: {said}", None)
