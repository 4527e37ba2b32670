"""DeepEval's GEval over a local model, its steps given, by its own evaluate(), 64 at once; started by bench_judges.py."""

from __future__ import annotations

import json
import sys

from deepeval import evaluate
from deepeval.evaluate import AsyncConfig, CacheConfig, DisplayConfig
from deepeval.metrics import GEval
from deepeval.models import LocalModel
from deepeval.test_case import LLMTestCase, SingleTurnParams

url, path, told = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    records = [json.loads(line) for line in file]
with open(told, encoding="utf-8") as file:
    rubric = json.load(file)
judge = LocalModel(model="deepeval", base_url=url, api_key="none", temperature=0)
metric = GEval(
    name="Consistency",
    criteria=rubric["criteria"],
    evaluation_steps=rubric["steps"],
    evaluation_params=[SingleTurnParams.INPUT, SingleTurnParams.ACTUAL_OUTPUT],
    model=judge,
)
result = evaluate(
    [LLMTestCase(input=record["input"], actual_output=record["output"], name=record["id"]) for record in records],
    [metric],
    async_config=AsyncConfig(max_concurrent=64, throttle_value=0),
    display_config=DisplayConfig(show_indicator=False, print_results=False, inspect_after_run=False),
    cache_config=CacheConfig(write_cache=False),
)
scores = {test.name: test.metrics_data[0].score for test in result.test_results}
print("\n" + json.dumps([scores[record["id"]] for record in records]))
