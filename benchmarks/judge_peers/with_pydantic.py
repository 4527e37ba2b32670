"""pydantic-evals' LLMJudge over outputs that are there already, 64 at once; started by bench_judges.py."""

from __future__ import annotations

import json
import sys

from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_evals import Case, Dataset
from pydantic_evals.evaluators import LLMJudge

url, path, told = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    records = [json.loads(line) for line in file]
with open(told, encoding="utf-8") as file:
    rubric = json.load(file)
outputs = {record["input"]: record["output"] for record in records}
judge = LLMJudge(
    rubric=rubric["criteria"] + "\n" + "\n".join(rubric["steps"]),
    model=OpenAIChatModel("pydantic", provider=OpenAIProvider(base_url=url, api_key="none")),
    include_input=True,
    score={"evaluation_name": "score", "include_reason": True},
    assertion=False,
)
dataset = Dataset(
    name="consistency", cases=[Case(name=record["id"], inputs=record["input"]) for record in records], evaluators=[judge]
)


async def known(question: str) -> str:
    return outputs[question]


report = dataset.evaluate_sync(known, max_concurrency=64, progress=False)
scores = {case.name: case.scores["score"].value for case in report.cases}
print("\n" + json.dumps([scores[record["id"]] for record in records]))
