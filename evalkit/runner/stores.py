"""Which store a command means: its folder, its catalog."""

from __future__ import annotations

from pathlib import Path

from evalkit.specs.suite import Suite
from evalkit.store.catalog import Catalog


def open_catalog(suite: Suite, store: str | None) -> Catalog:
    """The store of a suite: named on the command line, in the suite, or ``.evalkit/`` in the project root."""
    return catalog_at(store or suite.store, suite.root)


def catalog_at(store: str | None, root: Path) -> Catalog:
    """The store at a folder or a database URL; None is ``.evalkit/`` in ``root``."""
    return Catalog(home_of(store, root), store if store and "://" in store else None)


def home_of(store: str | None, root: Path) -> Path:
    """The folder of a store: runs, and what arrived on stdin, lie there, wherever the catalog is."""
    if store is None or "://" in store:
        return root / ".evalkit"
    return Path.cwd() / Path(store).expanduser()


def spool_of(suite: Suite, store: str | None) -> Path:
    """Where data from stdin or a hub is kept."""
    return home_of(store or suite.store, suite.root) / "spool"
