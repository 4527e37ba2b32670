"""Ragas' SimpleCriteriaScore by its own evaluate(), 64 workers; started by bench_judges.py."""

from __future__ import annotations

import json
import sys
import warnings

warnings.simplefilter("ignore")

from langchain_openai import ChatOpenAI  # noqa: E402
from ragas import EvaluationDataset, RunConfig, evaluate  # noqa: E402
from ragas.llms import LangchainLLMWrapper  # noqa: E402
from ragas.metrics import SimpleCriteriaScore  # noqa: E402

url, path, told = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    records = [json.loads(line) for line in file]
with open(told, encoding="utf-8") as file:
    rubric = json.load(file)
definition = rubric["criteria"] + " Score 1 to 5. Steps:\n" + "\n".join(rubric["steps"])
result = evaluate(
    EvaluationDataset.from_list([{"user_input": record["input"], "response": record["output"]} for record in records]),
    metrics=[SimpleCriteriaScore(name="consistency", definition=definition)],
    llm=LangchainLLMWrapper(ChatOpenAI(model="ragas", base_url=url, api_key="none", temperature=0)),
    run_config=RunConfig(max_workers=64),
    show_progress=False,
    raise_exceptions=True,
)
print("\n" + json.dumps([score["consistency"] for score in result.scores]))
