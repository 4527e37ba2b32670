"""Any module of Hugging Face `evaluate`, as ``evaluate:NAME``."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from evalkit.core.batch import Batch
from evalkit.core.contracts import CorpusMetric
from evalkit.core.errors import EvalkitError, MissingExtra, quote
from evalkit.core.registry import metric
from evalkit.core.rows import Floats

# What well-known modules call the results that one wants, where it is not the module's own name.
RESULTS: dict[str, tuple[str, ...]] = {
    "bertscore": ("f1", "precision", "recall"),
    "bleurt": ("scores",),
    "chrf": ("score",),
    "perplexity": ("mean_perplexity",),
    "rouge": ("rouge1", "rouge2", "rougeL", "rougeLsum"),
    "sacrebleu": ("score",),
    "ter": ("score",),
}
ERRORS = frozenset({"brier_score", "cer", "character", "mae", "mape", "mse", "perplexity", "smape", "ter", "wer"})
_QUIET = {"HF_HUB_DISABLE_TELEMETRY": "1", "DISABLE_TELEMETRY": "1", "HF_UPDATE_DOWNLOAD_COUNTS": "0"}


class ModuleFailed(EvalkitError, RuntimeError):
    """A module of `evaluate` could not be loaded, or raised, or gave no number where one was asked for."""


@metric("evaluate:")
@dataclass(frozen=True)
class HuggingFace(CorpusMetric):
    """What a module of `evaluate` makes of all outputs and references in one call; no interval is possible.

    Such a module is a black box from columns to results.  Some results are means over records (accuracy), some are not
    (BLEU, a correlation, MAUVE), and none says which.  So single records are never put to it: their mean could be
    another number than the one its authors define.  The price is that it has no rows, hence no interval, no record
    values and no paired comparison, and that the columns of all records are in memory at once.  Where evalkit has a
    metric of its own, that one gives all of these.

    Without ``results``, those are kept that the module is known for, else the one called like the module, else its only
    number.  A list of numbers, one per record, is averaged.

    Range: the module's own.

    Misleads: without an interval two values cannot be told from noise, and a module may change on the hub while its name
    stays: pin a local script where it matters.

    Source: Hugging Face's evaluate, and the module's own page.
    """

    higher_is_better: ClassVar[bool | None] = None
    module: str  # what follows `evaluate:`: a name on the hub, or the path of a script or of its folder
    config: str | None = None  # the module's configuration, such as `mrpc` of `glue`
    results: tuple[str, ...] = ()  # which of its results to keep; the first is the main one
    compute: Mapping[str, Any] = field(default_factory=dict)  # what its `compute` takes beside the columns
    predictions: str = "output"
    references: str | None = "reference"  # none for a module that takes predictions only
    better: Literal["higher", "lower"] | None = None  # none: lower for the error rates that are known, else not said

    def __post_init__(self) -> None:
        if find_spec("evaluate") is None:
            raise MissingExtra(f"evaluate:{self.module}", "evaluate", "hf")
        if not self.module:
            raise ValueError("evaluate: lacks the name of a module, as in `evaluate:accuracy`")
        if self._script() is None and (self.module.endswith(".py") or Path(self.module).is_absolute()):
            raise ValueError(f"evaluate:{self.module}: no such script; a folder NAME must hold NAME.py")

    @property
    def parts(self) -> tuple[str, ...]:
        return self.results or RESULTS.get(self._title, ("",))

    def direction(self, part: str) -> bool | None:  # noqa: ARG002 - one for all
        if self.better is not None:
            return self.better == "higher"
        return False if self._title in ERRORS else None

    def needs_of(self) -> tuple[str, ...]:
        return (self.predictions, *([self.references] if self.references else []))

    def prepare(self) -> None:
        """Load the module.

        Raises:
            ModuleFailed: there is none, or a package that it imports is missing.
        """
        self._load()

    def corpus(self, batch: Batch) -> Floats:
        """The results over all records of the batch, shape (parts,); NaN for none.

        Raises:
            ModuleFailed: the module could not be loaded, raised, or lacks a result.
        """
        if not len(batch):
            return np.full(len(self.parts), np.nan)
        columns = {"predictions": _given(batch, self.predictions)}
        if self.references:
            columns["references"] = _given(batch, self.references)
        module = self._load()
        try:
            told = module.compute(**columns, **self.compute)
        except Exception as error:  # whatever a stranger's module raises
            raise ModuleFailed(f"evaluate:{self._title} failed on {len(batch)} records: {_said(error)}") from error
        return np.array([self._picked(told, part, len(batch)) for part in self.parts])

    def options(self) -> dict[str, Any]:
        """The options, with a local script by its content instead of its path: they are what moves the score."""
        script = self._script()
        return super().options() | {
            "module": self._title,
            "script": hashlib.sha256(script.read_bytes()).hexdigest() if script else None,
            "package": version("evaluate"),
        }

    @property
    def _title(self) -> str:
        """The module's bare name, also of a path or of `owner/name` on the hub."""
        return Path(self.module).stem if self._script() else self.module.rpartition("/")[2]

    def _script(self) -> Path | None:
        """The local script, found as `evaluate` itself finds it; None for a module on the hub."""
        path = Path(self.module)
        candidates = (path, path / path.name) if path.suffix == ".py" else (path / f"{path.name}.py",)
        return next((candidate for candidate in candidates if candidate.is_file()), None)

    def _load(self) -> Any:
        try:
            return _loaded(self.module, self.config)
        except Exception as error:  # the hub, the file system, a module's own imports
            hint = "" if self._script() else "; without the hub, name the path of its script: `evaluate:PATH`"
            raise ModuleFailed(f"evaluate:{self._title} could not be loaded: {_said(error)}{hint}") from error

    def _picked(self, told: Any, part: str, n: int) -> float:
        """One result as a number."""
        results = dict(told) if isinstance(told, Mapping) else {self._title: told}
        numbers = {name: number for name, value in results.items() if (number := _number(value, n)) is not None}
        if part:
            if part in numbers:
                return numbers[part]
            problem = "is no number" if part in results else "is not among them"
            known = ", ".join(map(repr, numbers)) or "none"
            raise ModuleFailed(f"evaluate:{self._title}: the result {quote(part)} {problem}; its numbers are {known}")
        if self._title in numbers:
            return numbers[self._title]
        if len(numbers) == 1:
            return next(iter(numbers.values()))
        known = ", ".join(numbers)
        advice = f"several numbers; say which to keep, `results: [{known}]`" if numbers else "no number"
        raise ModuleFailed(f"evaluate:{self._title} gives {advice}")


@lru_cache(maxsize=8)
def _loaded(module: str, config: str | None) -> Any:
    """A module, ready to compute in memory; the packages below report to nobody."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import evaluate  # type: ignore[import-untyped,unused-ignore]

    evaluate.config.HF_UPDATE_DOWNLOAD_COUNTS = False  # had it been imported before
    return evaluate.load(module, config_name=config, keep_in_memory=True)


def _given(batch: Batch, column: str) -> Sequence[Any]:
    """A column as modules take it: numbers as they are, one text a record, or lists where a record has several."""
    values = batch.column(column)
    if set(map(type, values)) <= {int, float, bool}:
        return values
    if column == "input":  # a list there is a conversation, not several texts
        return batch.texts(column)
    texts = batch.lists(column)
    return texts.flat if texts.single else list(texts)


def _number(value: Any, n: int) -> float | None:
    """A result as a number; the mean of a list with one number per record; None for anything else."""
    array = np.asarray(value) if not isinstance(value, (str, bytes)) else np.asarray(None)
    if array.dtype.kind not in "biuf":
        return None
    if array.ndim == 0:
        return float(array)
    return float(array.mean()) if array.shape == (n,) else None


def _said(error: Exception) -> str:
    """An exception on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
