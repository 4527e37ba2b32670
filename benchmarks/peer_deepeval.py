"""DeepEval's GEval over records from stdin; runs in an environment of its own, started by model_geval.py."""

from __future__ import annotations

import asyncio
import json
import sys

from deepeval.metrics import GEval
from deepeval.models import GPTModel
from deepeval.test_case import LLMTestCase, SingleTurnParams

CRITERIA = (
    "Factual consistency: every statement of the actual output is supported by the input. What the input does not say, or says "
    "otherwise, counts against the output, even where it is true in the world. Leaving things out does not."
)
AT_ONCE = 8


async def main(url: str, model: str) -> None:
    records = json.load(sys.stdin)
    judge = GPTModel(model=model, base_url=url, api_key="none", temperature=0, cost_per_input_token=0, cost_per_output_token=0)
    params = [SingleTurnParams.INPUT, SingleTurnParams.ACTUAL_OUTPUT]
    first = GEval(name="Consistency", criteria=CRITERIA, evaluation_params=params, model=judge)
    steps = first._generate_evaluation_steps(multimodal=False)
    room = asyncio.Semaphore(AT_ONCE)

    async def one(record: dict[str, str]) -> float | None:
        metric = GEval(name="Consistency", criteria=CRITERIA, evaluation_steps=steps, evaluation_params=params, model=judge)
        case = LLMTestCase(input=record["input"], actual_output=record["output"])
        async with room:
            try:
                return float(await metric.a_measure(case, _show_indicator=False))
            except Exception as error:
                print(f"{record['id']}: {type(error).__name__}: {error}", file=sys.stderr)
                return None

    print(json.dumps(await asyncio.gather(*map(one, records))))


asyncio.run(main(*sys.argv[1:]))
