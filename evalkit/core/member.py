"""A judge inside another one."""

from __future__ import annotations

from dataclasses import dataclass

from evalkit.core.contracts import ModelMetric


@dataclass(frozen=True)
class Member:
    """One of several judges that another one asks.

    Attributes:
        label: what it is called among them.
        backend: whom it asks; None: the backend of the one that asks it.
    """

    label: str
    metric: ModelMetric
    backend: str | None = None
