"""evalkit: evaluate LLM systems and tell a difference from noise.

``score`` gives a metric's value per record, ``evaluate`` and ``run`` a whole run with intervals and gates, ``compare`` tells
two runs apart, ``drift`` two sets of logs; ``metric``, ``judge``, ``backend``, ``signal`` and ``sink`` register parts of
one's own. Everything is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from evalkit.core.version import VERSION as __version__

_PUBLIC = {
    "score": "evalkit.api",
    "Scores": "evalkit.api",
    "run": "evalkit.api",
    "matrix": "evalkit.api",
    "evaluate": "evalkit.api",
    "compare": "evalkit.api",
    "ab": "evalkit.api",
    "drift": "evalkit.api",
    "assert_passes": "evalkit.api",
    "metric": "evalkit.core.registry",
    "judge": "evalkit.core.registry",
    "backend": "evalkit.core.registry",
    "signal": "evalkit.core.registry",
    "sink": "evalkit.core.registry",
    "Batch": "evalkit.core.batch",
    "Rows": "evalkit.core.rows",
    "Metric": "evalkit.core.contracts",
    "CorpusMetric": "evalkit.core.contracts",
    "ModelMetric": "evalkit.core.contracts",
    "Backend": "evalkit.core.asking",
    "Request": "evalkit.core.asking",
    "Reply": "evalkit.core.asking",
    "Tools": "evalkit.core.asking",
    "Sink": "evalkit.core.sink",
    "NotDelivered": "evalkit.core.sink",
    "Alert": "evalkit.core.watched",
    "Figure": "evalkit.core.watched",
    "Run": "evalkit.core.run",
    "Value": "evalkit.core.run",
    "EvalkitError": "evalkit.core.errors",
    "SpecError": "evalkit.core.errors",
    "BackendError": "evalkit.core.errors",
}
__all__ = ["__version__", *_PUBLIC]

if TYPE_CHECKING:
    from evalkit.api import Scores, ab, assert_passes, compare, drift, evaluate, matrix, run, score
    from evalkit.core.asking import Backend, Reply, Request, Tools
    from evalkit.core.batch import Batch
    from evalkit.core.contracts import CorpusMetric, Metric, ModelMetric
    from evalkit.core.errors import BackendError, EvalkitError, SpecError
    from evalkit.core.registry import backend, judge, metric, signal, sink
    from evalkit.core.rows import Rows
    from evalkit.core.run import Run, Value
    from evalkit.core.sink import NotDelivered, Sink
    from evalkit.core.watched import Alert, Figure


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'evalkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
