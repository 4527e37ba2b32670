"""The one table of plug-in parts: built-ins by lazy reference, third parties by decorator or entry point."""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

from evalkit.core.builtins import BUILTINS
from evalkit.core.errors import DuplicatePlugin, MissingExtra, UnknownName, quote

C = TypeVar("C", bound=type)
KINDS = ("metric", "judge", "backend", "signal", "sink")
GROUP = "evalkit.plugins"


class BrokenPlugin(UserWarning):
    """An installed plug-in distribution could not be loaded; everything else works on."""


@dataclass(frozen=True)
class Entry:
    """A registered name: where its class is, who owns it, and one line on it."""

    kind: str
    name: str
    target: str  # "package.module:Class"
    owner: str
    summary: str
    family: str
    cls: type | None = None
    preset: Mapping[str, Any] = field(default_factory=dict)  # options that the name itself sets

    def load(self) -> type:
        """The class itself; importing it is what may cost something."""
        if self.cls is not None:
            return self.cls
        module, _, attribute = self.target.partition(":")
        return getattr(importlib.import_module(module), attribute)  # type: ignore[no-any-return]


def _built_in() -> dict[tuple[str, str], Entry]:
    return {
        (kind, name): Entry(kind, name, target, "evalkit", summary, family)
        for kind, table in BUILTINS.items()
        for name, (target, family, summary) in table.items()
    }


_table: dict[tuple[str, str], Entry] = _built_in()
_content: list[Path] = []
_loaded_plugins = False


def register(kind: str, name: str) -> Callable[[C], C]:
    """A decorator that enters a class under ``name``; one that ends in a colon stands for all names that begin so.

    What follows the colon in such a name is the class's option ``module``: `lookup` of ``evaluate:rouge`` gives the entry of
    ``evaluate:`` with the preset ``{"module": "rouge"}``.

    Raises:
        DuplicatePlugin: somebody else owns the name already.
    """

    def enter(cls: C) -> C:
        target = f"{cls.__module__}:{cls.__qualname__}"
        held = _table.get((kind, name))
        if held is not None and held.target != target:
            raise DuplicatePlugin(kind, name, _owner_text(held), target)
        cls.name = name  # type: ignore[attr-defined]
        cls.__pydantic_config__ = {"extra": "forbid", "strict": False}  # type: ignore[attr-defined]
        if held is None or held.owner != "evalkit":
            summary = (inspect.getdoc(cls) or "").partition("\n")[0]
            _table[kind, name] = Entry(kind, name, target, cls.__module__.partition(".")[0], summary, "plug-in", cls)
        return cls

    return enter


def metric(name: str) -> Callable[[C], C]:
    """Register a `Metric` or `ModelMetric` class under ``name``."""
    return register("metric", name)


def judge(name: str) -> Callable[[C], C]:
    """Register a judge: a `ModelMetric` that suites use like any metric."""
    return register("metric", name)


def backend(name: str) -> Callable[[C], C]:
    """Register a `Backend` class under the ``kind:`` that suites use."""
    return register("backend", name)


def signal(name: str) -> Callable[[Any], Any]:
    """Register a drift signal: a class with ``needs``, ``kind`` and ``measure(frame)``, or a function of one row's values.

    The parameters of a function are the columns that it reads; it is asked for a sample of the rows.
    """

    def enter(found: Any) -> Any:
        if isinstance(found, type):
            return register("signal", name)(found)
        told = {"function": staticmethod(found), "__doc__": found.__doc__, "__module__": found.__module__ or "__main__"}
        register("signal", name)(type(found.__name__, (), told))
        return found

    return enter


def sink(name: str) -> Callable[[C], C]:
    """Register an alert sink."""
    return register("sink", name)


def find(kind: str, name: str) -> type:
    """The class behind a name.

    Raises:
        UnknownName: nothing is registered under it; the nearest name is suggested.
        MissingExtra: it needs a package that is not installed.
    """
    entry = lookup(kind, name)
    try:
        return entry.load()
    except ModuleNotFoundError as error:
        if error.name and not error.name.startswith("evalkit"):
            raise MissingExtra(f"the {kind} {quote(name)}", error.name, entry.family) from error
        raise


def lookup(kind: str, name: str) -> Entry:
    """The entry of a name, without importing its class; its ``preset`` goes before the options that a suite gives."""
    prefix, colon, rest = name.partition(":")
    entered = prefix + colon if rest else name
    if (kind, entered) not in _table:
        load_plugins()
    if (kind, entered) not in _table:
        raise UnknownName(kind, name, [known for of, known in _table if of == kind])
    entry = _table[kind, entered]
    return replace(entry, name=name, preset={"module": rest}) if rest else entry


def build_name(name: str, kind: str = "metric") -> tuple[Entry, dict[str, Any]]:
    """The entry of a name, and the options that the name itself sets: ``evaluate:rouge`` sets ``module``."""
    entry = lookup(kind, name)
    return entry, dict(entry.preset)


def entries(kind: str) -> list[Entry]:
    """Everything registered of a kind, built-ins first in their own order."""
    load_plugins()
    return [entry for (of, _), entry in _table.items() if of == kind]


def content_folders() -> tuple[Path, ...]:
    """Folders of installed plug-ins, searched for content after the project."""
    load_plugins()
    return tuple(_content)


def load_plugins() -> None:
    """Import every distribution of the entry-point group once; a broken one is a warning that names it."""
    global _loaded_plugins
    if _loaded_plugins:
        return
    _loaded_plugins = True
    for point in entry_points(group=GROUP):
        owner = point.dist.name if point.dist else point.value
        try:
            loaded = point.load()
            module = inspect.getmodule(loaded)
            if module is not None and module.__file__:
                _content.append(Path(module.__file__).parent)
        except DuplicatePlugin as error:
            warnings.warn(f"the plug-in {quote(owner)} was left out: {error}", BrokenPlugin, stacklevel=2)
        except Exception as error:
            warnings.warn(
                f"the plug-in {quote(owner)} could not be loaded ({type(error).__name__}: {error}); it was left out",
                BrokenPlugin,
                stacklevel=2,
            )


def _owner_text(entry: Entry) -> str:
    return f"{entry.owner} ({entry.target})"


def forget(kind: str, name: str) -> None:
    """Take a third party's name out again (for tests and notebooks that define a metric twice)."""
    entry: Any = _table.get((kind, name))
    if entry is not None and entry.owner != "evalkit":
        del _table[kind, name]
