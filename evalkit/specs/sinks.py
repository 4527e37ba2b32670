"""The ``alerts:`` of a monitor's file: sinks looked up, their options checked, their variables there."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.core.content import PathEscape
from evalkit.core.errors import EvalkitError, quote
from evalkit.core.secret import variables
from evalkit.core.sink import Exporter, Sink
from evalkit.specs.home import Home
from evalkit.specs.node import Node
from evalkit.specs.options import build, option_fields
from evalkit.specs.registered import environment_name, listed, registered

OWN_KEYS = ("kind", "as")
_NAME = re.compile(r"\w[\w.-]{0,79}\Z")
_EXAMPLE = "{kind: slack, url_env: SLACK_URL}"


@dataclass(frozen=True)
class SinkSpec:
    """One entry of ``alerts:``, built; it holds the names of variables, and none of their values."""

    name: str  # `as`, or the kind: what the outbox calls it
    kind: str
    sink: Any
    line: int = 0

    @property
    def takes_alerts(self) -> bool:
        """Whether alerts go there; what takes figures only has no place in the outbox."""
        return isinstance(self.sink, Sink)


def read_alerts(node: Node | None, home: Home, environment: Mapping[str, str] | None = None) -> tuple[SinkSpec, ...]:
    """The sinks that could be built; every problem with the others is noted in the node's tree.

    Args:
        environment: variables that the sinks name must be in it, and hold what can be used (`os.environ`, before a run);
            None: only the file is checked.
    """
    if node is None:
        return ()
    if not isinstance(node.value, list):
        hint = f"write `- kind: {node.value['kind']}`" if isinstance(node.value, Mapping) and node.value.get("kind") else None
        node.wants(f"a list such as [{_EXAMPLE}]", hint)
        return ()
    specs: list[SinkSpec] = []
    first: dict[str, Node] = {}
    for entry in node.items():
        name, spec = _read(entry, home)
        if name is not None and name in first:
            at = f"line {first[name].line} has it already" if first[name].line else f"{first[name].label} has it already"
            hint = f"tell them apart with `as:`, for instance `as: {name}-2`"
            entry.fault(f'{entry.label}: two sinks are called "{name}" ({at})', hint)
            continue
        if name is not None:
            first[name] = entry
        if spec is not None and (environment is None or _has_variables(entry, spec.sink, environment)):
            specs.append(spec)
    return tuple(specs)


def _read(entry: Node, home: Home) -> tuple[str | None, SinkSpec | None]:
    if not entry.mapping(expected=f"a mapping such as {_EXAMPLE}"):
        return None, None
    kind_node = entry.get("kind")
    if kind_node is None:
        entry.fault(f"{entry.label} lacks `kind`", f"one of {listed('sink')}")
        return None, None
    kind = kind_node.text("the name of a sink")
    name = _name(entry, kind)
    cls = registered(kind_node, "sink", kind) if kind is not None else None
    if cls is None or kind is None or not _is_sink(kind_node, kind, cls):
        return name, None
    _rename(entry, cls)
    options = {key: value for key, value in entry.value.items() if key not in OWN_KEYS}
    named = [_variables_named(entry.child(key)) for key in options if key.endswith("_env") and key in option_fields(cls)]
    sink = build(
        entry, cls, options, called=f"the sink {kind}", read=home.document, find=lambda at, told: _to_write(at, told, home)
    )
    if sink is None or not all(named):
        return name, None
    return name, SinkSpec(name or kind, kind, sink, entry.line)


def _name(entry: Node, kind: str | None) -> str | None:
    chosen = entry.get("as")
    if chosen is None:
        return kind
    name = chosen.text("a name")
    if name is not None and not _NAME.match(name):
        chosen.fault(f"{chosen.label} wants letters, digits, dots, _ and -, and found {quote(name)}")
        return None
    return name


def _is_sink(node: Node, kind: str, cls: type) -> bool:
    """Whether a registered class can be sent to at all: what cannot be awaited would look undelivered for ever."""
    owner = Node(node.tree, node.steps[:-1])
    methods = [(name, getattr(cls, name)) for name, of in (("send", Sink), ("export", Exporter)) if issubclass(cls, of)]
    wrong = [name for name, method in methods if not inspect.iscoroutinefunction(method)]
    if not methods:
        owner.fault(f"{owner.label}: the sink {quote(kind)} has neither `async def send` nor `async def export`")
    for name in wrong:
        owner.fault(f"{owner.label}: `{name}` of the sink {quote(kind)} is not async", f"write `async def {name}`")
    return bool(methods) and not wrong


def _rename(entry: Node, cls: type) -> None:
    """Give an option that is written under another name (``from``, which no field can be called) its own."""
    for other, field in getattr(cls, "aliases", {}).items():
        if other in entry.value and field not in entry.value:
            entry.tree.move((*entry.steps, other), (*entry.steps, field))
            entry.value[field] = entry.value.pop(other)


def _variables_named(node: Node) -> bool:
    """Whether an option ``…_env`` holds the name of a variable, or a mapping to such names."""
    if node.value is None:
        return True
    nodes = list(node.items()) if isinstance(node.value, Mapping) else [node]
    return all([environment_name(each, "SLACK_URL") is not None for each in nodes])  # noqa: C419 - every wrong one is told


def _to_write(node: Node, name: str, home: Home) -> Path | None:
    """Where a file is to be written: an absolute path, or one in the project."""
    path = Path(name)
    try:
        if path.is_absolute():
            return path
        if not (home.root / path).resolve().is_relative_to(home.root.resolve()):
            raise PathEscape(name)
    except PathEscape:
        node.fault(f"{node.label} leads out of the project: {quote(name)}", "write an absolute path, or one in the project")
    except (OSError, ValueError, RuntimeError):
        node.fault(f"{node.label} is no path that can be written: {quote(name)}")
    else:
        return home.root / path
    return None


def _has_variables(entry: Node, sink: Any, environment: Mapping[str, str]) -> bool:
    """Whether every variable is set and holds what the sink can use; the values are not told."""
    absent = {option: name for option, name in variables(sink).items() if not environment.get(name, "").strip()}
    for option, name in absent.items():
        steps = option.split(".", 1)
        at = entry.child(steps[0]) if len(steps) == 1 else entry.child(steps[0]).child(steps[1])
        at.fault(f"{at.label}: the environment variable {name} is not set", f"set {name} before the monitor runs")
    verify = getattr(sink, "verify", None)
    if absent or verify is None:
        return not absent
    try:
        verify()
    except (ValueError, EvalkitError) as error:
        entry.fault(f"{entry.label}: {error}")
        return False
    return True
