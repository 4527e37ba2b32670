"""What can be known of a generation before anything is asked: columns, prompts over real records, prices."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from evalkit.core.errors import Problem, SpecError, quote
from evalkit.records.dataset import DataSet
from evalkit.specs.generate import GenerateSpec
from evalkit.specs.suite import Suite
from evalkit.specs.template import Unrendered, unknown_columns

TRIED = 200  # records for which every prompt is made
_DRAW = re.compile(r"(.+)#(\d+)\Z", re.DOTALL)


def check_generation(suite: Suite, data: DataSet) -> list[str]:
    """What is odd about a suite's generation, in words; none where it has none.

    Raises:
        SpecError: everything that keeps it from working, with the prompt's file and line.
    """
    spec = suite.generate
    if spec is None:
        return []
    columns = list(data.columns)
    problems = [problem for prompt in spec.prompts for problem in unknown_columns(prompt, columns, data.path)]
    problems += [] if problems else list(_unmade(spec, data))
    problems += _unpriced(suite, spec)
    problems += _taken(spec, data)
    if problems:
        raise SpecError(list(dict.fromkeys(problems)))
    if spec.repeats > 1 and spec.temperature == 0.0:
        what = f"generate: {spec.repeats} draws at temperature 0 differ only by what the server leaves to chance"
        warnings.warn(what, stacklevel=2)
    return list(_partly_unmade(spec, data))


def _unmade(spec: GenerateSpec, data: DataSet) -> Iterator[Problem]:
    """Prompts that cannot be made of any of the first records."""
    for failed, n in _tried(spec, data):
        if len(failed) == n:
            first = failed[0]
            yield Problem(first.place, f"{first.what}, and the prompt cannot be made of any of the first {n:,} records")


def _partly_unmade(spec: GenerateSpec, data: DataSet) -> Iterator[str]:
    for failed, n in _tried(spec, data):
        for (place, what), count in Counter((error.place, error.what) for error in failed).most_common(3):
            yield f"{place}: {what}, so no prompt can be made of {count:,} of the first {n:,} records"


def _tried(spec: GenerateSpec, data: DataSet) -> Iterator[tuple[list[Unrendered], int]]:
    """Of every prompt, what went wrong over the first records, and how many these are."""
    records = list(islice(_records(data), TRIED))
    for prompt in spec.prompts:
        failed = []
        for record in records:
            try:
                prompt.messages(record)
            except Unrendered as error:
                failed.append(error)
        yield failed, len(records)


def _records(data: DataSet) -> Iterator[Mapping[str, Any]]:
    for chunk in data.chunks:
        batch = chunk.read()
        for index in range(len(batch)):
            yield {name: values[index] for name, values in batch.columns.items()}


def _unpriced(suite: Suite, spec: GenerateSpec) -> Iterator[Problem]:
    """A cost that is to be scored and cannot be known."""
    asked = [scored for scored in suite.metrics if "cost" in scored.metric.needs_of()]
    for name in spec.backends if asked else ():
        model = str(suite.backends[name].options.get("model") or name)
        if suite.prices and model not in suite.prices:
            hint = f"add it: `prices: {{{model}: {{prompt: 0.15, completion: 0.6}}}}`, for a million tokens each"
            yield Problem("prices", f"{asked[0].label} needs the price of {quote(model)}, which answers the records", hint)
        elif not suite.prices:
            hint = f"add `prices: {{{model}: {{prompt: 0.15, completion: 0.6}}}}`, for a million tokens each"
            yield Problem("generate", f"{asked[0].label} needs to know what an answer of {quote(model)} costs", hint)


def _taken(spec: GenerateSpec, data: DataSet) -> Iterator[Problem]:
    """Ids that the draws of another record will have."""
    if spec.repeats == 1:
        return
    marked = {}
    for batch in data.batches():
        for name in batch.texts("id"):
            match = _DRAW.match(name)
            if match and 2 <= int(match[2]) <= spec.repeats:
                marked[name] = match[1]
    wanted = set(marked.values())
    known = {name for batch in data.batches() for name in batch.texts("id") if name in wanted} if wanted else set()
    for name, other in marked.items():
        if other in known:
            what = f"the id {quote(name)} is what a further draw of {quote(other)} would be called"
            yield Problem(data.path, what, "rename one of the two records")
            return
