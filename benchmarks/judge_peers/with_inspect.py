"""Inspect AI's model_graded_qa over outputs that are there already, 64 at once; started by bench_judges.py."""

from __future__ import annotations

import json
import os
import sys

url, path, told = sys.argv[1:]
os.environ["LOCAL_API_KEY"], os.environ["LOCAL_BASE_URL"] = "none", url

from inspect_ai import Task, eval  # noqa: E402
from inspect_ai.dataset import MemoryDataset, Sample  # noqa: E402
from inspect_ai.model import ModelOutput  # noqa: E402
from inspect_ai.scorer import model_graded_qa  # noqa: E402
from inspect_ai.solver import solver  # noqa: E402

with open(path, encoding="utf-8") as file:
    records = [json.loads(line) for line in file]
with open(told, encoding="utf-8") as file:
    rubric = json.load(file)
outputs = {record["id"]: record["output"] for record in records}


@solver
def known():
    async def solve(state, generate):  # noqa: ARG001
        state.output = ModelOutput.from_content("known", outputs[state.sample_id])
        return state

    return solve


criterion = rubric["criteria"] + "\n" + "\n".join(rubric["steps"])
samples = [Sample(id=record["id"], input=record["input"], target=criterion) for record in records]
(log,) = eval(
    Task(dataset=MemoryDataset(samples), solver=known(), scorer=model_graded_qa(model="openai-api/local/inspect")),
    model=None,
    display="none",
    log_dir="logs",
    max_samples=64,
    max_connections=64,
    temperature=0,
)
assert log.status == "success", log.error
grades = {sample.id: sample.scores["model_graded_qa"].value for sample in log.samples}
print("\n" + json.dumps([grades[record["id"]] for record in records]))
