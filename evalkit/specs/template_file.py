"""Prompt files read: front matter, few-shot examples, the template, what it includes, and what it reads of a record."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import meta, nodes

from evalkit.core.content import content_root
from evalkit.core.errors import Problem, SpecError, quote
from evalkit.core.registry import content_folders
from evalkit.specs.home import Home
from evalkit.specs.node import Node
from evalkit.specs.template import RECORD, Template, Unrendered, environment, rendered
from evalkit.specs.tree import Tree, read_tree

KEYS = ("name", "version", "system", "examples", "turns")
_FRONT = re.compile(r"---[ \t]*\r?\n(?P<yaml>.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_BLOCK = re.compile(r":\s*[|>][-+0-9]*\s*(#.*)?\Z")  # a YAML text that begins on the next line
_TESTS, _DEFAULTS = ("defined", "undefined", "none"), ("default", "d")


def read_template(node: Node, path: str, home: Home) -> Template | None:
    """The prompt file that a suite names at ``node``; None after noting what is wrong with it."""
    document = home.document(node, path)
    if document is None:
        return None
    source = home.shown(Path(document.path))
    front, offset, body = _split(document.text, source)
    problems, top = node.tree.problems, Node(front)
    before = len(problems)
    if not top.mapping(KEYS, "a mapping such as {system: …, examples: […]} between the two lines ---"):
        problems += front.problems
        return None
    files = _Files(home, Path(document.path).resolve().parent, source)
    system = _text_of(top, "system", document.text)
    files.add("system", system)
    files.add("user", "\n" * offset + body if body.strip() else None)
    files.follow()
    found = files.found
    name, version, turns = top.get("name"), top.get("version"), top.get("turns")
    template = Template(
        name=_name(name, Path(document.path).stem),
        version=_version(version) or hashlib.sha256(files.text(document.text).encode()).hexdigest()[:8],
        source=source,
        text=files.text(document.text),
        sha256=hashlib.sha256(files.text(document.text).encode()).hexdigest(),
        columns=dict(found.required),
        known=frozenset(found.known),
        turns=turns.text("the name of a column") if turns is not None else None,
        _system=files.template("system"),
        _user=files.template("user"),
    )
    if not body.strip() and template.turns is None and not files.problems:
        front.problems.append(Problem(source, "the prompt file is empty", "write what the model is to be asked: {{ input }}"))
    columns = dict(template.columns)
    if template.turns is not None:
        columns.setdefault(template.turns, top.child("turns").tree.where(("turns",)))
    examples = _examples(top, template, source) if not files.problems else ()
    problems += [problem for problem in (*front.problems, *files.problems) if problem not in problems]
    if len(problems) > before:
        return None
    return replace(template, columns=columns, examples=examples)


def _split(text: str, source: str) -> tuple[Tree, int, str]:
    """The front matter, how many lines stand before the body, and the body."""
    text = text.removeprefix("\ufeff")
    if not re.match(r"---[ \t]*\r?\n", text):
        return Tree({}, source, called="the prompt"), 0, text
    match = _FRONT.match(text)
    if match is None:
        tree = Tree({}, source, called="the prompt")
        tree.problems.append(Problem(f"{source}:1", "the front matter that begins here has no end", "close it with a line ---"))
        return tree, 0, ""
    try:
        tree = read_tree("\n" + match["yaml"], source)
        tree.called = "the prompt"
        if tree.value is None:
            tree.value = {}
    except SpecError as error:
        tree = Tree({}, source, called="the prompt")
        tree.problems.extend(error.problems)
    return tree, text.count("\n", 0, match.end()), text[match.end() :]


def _text_of(top: Node, key: str, text: str) -> str | None:
    """A text of the front matter, behind as many line breaks as stand before it in the file: so lines have their numbers."""
    node = top.get(key)
    if node is None:
        return None
    told = node.text()
    if told is None:
        return None
    line = node.line
    lines = text.split("\n")
    block = line <= len(lines) and _BLOCK.search(lines[line - 1].rstrip()) is not None
    return "\n" * (line if block else line - 1) + told


def _name(node: Node | None, stem: str) -> str:
    told = node.text("a name") if node is not None else stem
    return re.sub(r"[^\w.-]+", "-", told or stem).strip("-.") or "prompt"


def _version(node: Node | None) -> str | None:
    if node is None:
        return None
    if isinstance(node.value, bool) or not isinstance(node.value, (str, int, float)):
        node.wants("a number or a short text")
        return None
    return str(node.value).strip()[:40] or None


def _examples(top: Node, template: Template, source: str) -> tuple[Mapping[str, str], ...]:
    """Turns of user and assistant: the file's own text over each example's columns, and the example's ``output``."""
    node = top.get("examples")
    if node is None:
        return ()
    if not isinstance(node.value, list):
        node.wants("a list of examples, each with `output` and the columns that the prompt writes")
        return ()
    told: list[Mapping[str, str]] = []
    for entry in node.items():
        if not entry.mapping(expected="a mapping such as {input: …, output: …}"):
            continue
        given = dict(entry.value)
        if set(given) == {"user", "assistant"}:
            asked, answered = entry.child("user").text(), entry.child("assistant").text()
        else:
            answer = entry.get("output")
            if answer is None:
                entry.fault(f"{entry.label} lacks `output`", "write what the model should have answered")
                continue
            answered = answer.text()
            asked = _asked(entry, template, source, given)
        if asked and answered:
            told += [{"role": "user", "content": asked.strip()}, {"role": "assistant", "content": answered.strip()}]
    return tuple(told)


def _asked(entry: Node, template: Template, source: str, given: Mapping[str, Any]) -> str | None:
    """The user's turn of an example."""
    own = {name: value for name, value in given.items() if name != "output"}
    try:
        if template._user is not None:
            return rendered(template._user, source, template.known, own)
        if isinstance(own.get(template.turns or ""), str):
            return str(own[template.turns or ""])
        entry.fault(f"{entry.label} lacks `{template.turns}`, a text", "write what the model was asked")
    except Unrendered as error:
        entry.fault(f"{entry.label} does not fit the prompt: {error.what.replace('this record', 'it')}", f"see {error.place}")
    return None


@dataclass
class _Found:
    """Columns that a prompt and what it includes mention: those it cannot do without, with the line, and all."""

    required: dict[str, str] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)


class _Files(jinja2.BaseLoader):
    """The texts of a prompt by name, read once from the project; nothing is read when a prompt is made."""

    def __init__(self, home: Home, beside: Path, source: str) -> None:
        self.home = Home(beside, home.root, home.cwd, home.documents)
        self.source, self.found, self.problems = source, _Found(), list[Problem]()
        self._texts: dict[str, tuple[str, str]] = {}  # name → text, and the file as messages name it
        self._included: list[tuple[str, str]] = []
        self.environment = environment(self)

    def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str, None]:  # noqa: ARG002
        if template not in self._texts:
            raise jinja2.TemplateNotFound(template)
        return (*self._texts[template], None)

    def add(self, name: str, text: str | None) -> None:
        """A text of the prompt file itself."""
        if text is not None:
            self._texts[f" {name}"] = (text, self.source)  # no file is called so

    def template(self, name: str) -> jinja2.Template | None:
        """One of the prompt file's own texts, compiled."""
        if self.problems or f" {name}" not in self._texts:
            return None
        try:
            return self.environment.get_template(f" {name}")
        except jinja2.TemplateSyntaxError as error:
            self._broken(error)
            return None

    def text(self, whole: str) -> str:
        """The prompt file and what it includes, as one text."""
        return "\n".join([whole, *(f"\n--- {name} ---\n{text}" for name, text in self._included)])

    def follow(self) -> None:
        """Read what is included, and find out what is read of a record."""
        trees: list[tuple[str, nodes.Template]] = []
        todo = list(self._texts)
        while todo:
            name = todo.pop(0)
            text, source = self._texts[name]
            try:
                tree = self.environment.parse(text, filename=source)
            except jinja2.TemplateSyntaxError as error:
                self._broken(error)
                continue
            trees.append((source, tree))
            todo += self._includes(tree, source)
        assigned = {name.name for _, tree in trees for name in tree.find_all(nodes.Name) if name.ctx in ("store", "param")} | {
            macro.name for _, tree in trees for macro in tree.find_all(nodes.Macro)
        }
        for source, tree in trees:
            self._reads(tree, source, assigned)

    def _includes(self, tree: nodes.Template, source: str) -> Iterator[str]:
        kinds = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
        for node in tree.find_all(kinds):
            where = f"{source}:{node.lineno}"
            told = node.template  # type: ignore[attr-defined]
            if not isinstance(told, nodes.Const) or not isinstance(told.value, str):
                what, hint = "the name of an included file must stand in the template", "write it in quotes"
                self.problems.append(Problem(where, what, hint))
            elif told.value not in self._texts and self._include(told.value, where):
                yield told.value

    def _include(self, name: str, where: str) -> bool:
        """Whether a file of the project could be read."""
        finding = Tree(name, "", {(): where}, self.problems, called="the prompt")
        homes = [folder.resolve() for folder in (self.home.root, *content_folders(), content_root())]
        if Path(name).is_absolute():
            Node(finding).fault(f"the prompt includes an absolute path: {quote(name)}", "write it from the project's root")
            return False
        document = self.home.document(Node(finding), name)
        if document is None:
            return False
        if not any(Path(document.path).resolve().is_relative_to(folder) for folder in homes):
            Node(finding).fault(f"the prompt leads out of the project: {quote(name)}", "keep what it includes in the project")
            return False
        self._texts[name] = (document.text, self.home.shown(Path(document.path)))
        self._included.append((name, document.text))
        return True

    def _reads(self, tree: nodes.Template, source: str, assigned: set[str]) -> None:
        guarded = {
            node.node.name
            for kind, names in ((nodes.Test, _TESTS), (nodes.Filter, _DEFAULTS))
            for node in tree.find_all(kind)
            if node.name in names and isinstance(node.node, nodes.Name)
        }
        free = meta.find_undeclared_variables(tree) - assigned - set(self.environment.globals)
        first: dict[str, int] = {}
        for name in tree.find_all(nodes.Name):
            if name.name in free and name.name != RECORD:
                first[name.name] = min(name.lineno, first.get(name.name, name.lineno))
        for item in tree.find_all(nodes.Getitem):
            of_record = isinstance(item.node, nodes.Name) and item.node.name == RECORD and RECORD in free
            if of_record and isinstance(item.arg, nodes.Const) and isinstance(item.arg.value, str):
                first.setdefault(item.arg.value, item.lineno)
        for name_, line in sorted(first.items(), key=lambda each: each[1]):
            self.found.known.add(name_)
            if name_ not in guarded:
                self.found.required.setdefault(name_, f"{source}:{line}")

    def _broken(self, error: jinja2.TemplateSyntaxError) -> None:
        where = f"{error.filename or self.source}:{error.lineno}"
        problem = Problem(where, f"the template is broken: {_small(str(error.message))}")
        if problem not in self.problems:
            self.problems.append(problem)


def _small(text: str) -> str:
    """A library's message as a part of a sentence."""
    return (text[:1].lower() + text[1:]).removesuffix(".")
