"""What a stored run scored and answered: read again from its data, if these are still what they were."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.core.errors import Problem, SpecError
from evalkit.core.run import Run
from evalkit.core.signature import canonical
from evalkit.records.dataset import DataSet, scan
from evalkit.specs.home import shown

_HINT = "keep the outputs of every version in a file of its own, or compare two columns: against: {column: …}"


@dataclass(frozen=True)
class Outputs:
    """The outputs of a run by record id; ``sha256`` is that of its data and of how they were read."""

    run_id: str
    sha256: str
    by_id: Mapping[str, Any]


def outputs_of(run: Run, root: Path) -> Outputs:
    """The outputs that a run scored.

    Raises:
        SpecError: its data cannot be had any more.
    """
    data, how = data_of(run, root)
    sha256 = hashlib.sha256(canonical({"data": data.sha256, **how})).hexdigest()
    return Outputs(run.run_id, sha256, _by_id(data))


def data_of(run: Run, root: Path) -> tuple[DataSet, dict[str, Any]]:
    """The records that a run scored, and how they were read.

    Raises:
        SpecError: they cannot be had any more.
    """
    told = run.dataset
    generated = told.get("generated")
    if generated is not None and run.folder is not None:
        files, how = [run.folder / str(generated["file"])], {}
    elif told.get("files"):
        files, how = [root / name for name in told["files"]], told
    else:
        what = f"the run {run.run_id} does not tell where its data lies: they were given in Python, or its evalkit is older"
        raise SpecError(Problem("", what, _HINT))
    for file in files:
        if not file.is_file():
            raise SpecError(Problem("", f"the data of the run {run.run_id} are gone: there is no {shown(file, root)}", _HINT))
    options: dict[str, Any] = {key: how.get(key) for key in ("fields", "limit", "shuffle")}
    data = scan(files, label=str(told["path"]), needs={"output": f"the run {run.run_id}"}, **options)
    if data.sha256 != told["sha256"]:
        listed = ", ".join(shown(file, root) for file in files)
        raise SpecError(Problem("", f"the data of the run {run.run_id} have changed since it ran: {listed}", _HINT))
    return data, options


def _by_id(data: DataSet) -> dict[str, Any]:
    return {name: output for batch in data.batches() for name, output in zip(batch.texts("id"), batch.column("output"))}
