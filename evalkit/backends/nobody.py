"""The backend of metrics that ask no model: it can do nothing."""

from __future__ import annotations

from evalkit.core.asking import Capability, Reply, Request
from evalkit.core.errors import BackendRefused

NOBODY = ""
"""Its name among the backends of a run, which no suite can give to one of its own."""


class Nobody:
    """Stands where a `ModelMetric` with no `wants_of` has its backend, so that it gets tools as all others do."""

    can: frozenset[Capability] = frozenset()
    identity = "nobody"
    model = "no model"

    async def complete(self, request: Request) -> Reply:
        """Refuses.

        Raises:
            BackendRefused: always.
        """
        who = request.origin.metric if request.origin is not None else "a metric"
        raise BackendRefused(f"{who} asks a model, and has no backend; name one with `backend:`")
