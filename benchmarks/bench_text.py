"""Descriptors of texts: length, words, sentences and refusals against Evidently's; and all seventeen with the terms, at once.

Texts of 40 to 80 words are passages with edited words; of a hundred, four begin with a refusal, four are Markdown, two JSON and
one a loop. Both sides get them from Parquet, read before the clock starts: evalkit as Arrow, Evidently as pandas, as each asks for
them. Evidently runs in an environment of its own (`make peers`), with its TextLength, WordCount, SentenceCount and, for
refusals, TextMatch with evalkit's own patterns, over the beginnings of the texts in a column of their own; what it takes with a
short pattern of English phrases instead is a row too. On two threads, one batch of 25,000 texts after the other goes to whichever is free;
how much faster that is, is in wall time, and says nothing on a machine that is busy otherwise.

    python benchmarks/bench_text.py [--quick] [--out FOLDER]
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from _common import Benchmark, Measured, apart, at_most, command, median, times
from _texts import pairs

HERE = Path(__file__).resolve().parent
PEER = HERE / ".peers" / "evidently" / "bin" / "python"
FOUR = ("characters", "words", "sentences", "refusal")
BATCH = 65_536
DECLINED = (
    "I'm sorry, but I can't help with that.", "As an AI language model, I don't have access to real-time data.",
    "I cannot provide instructions for this.", "Es tut mir leid, aber dabei kann ich Ihnen nicht helfen.",
)  # fmt: skip
PHRASES = r"i can't|i cannot|as an ai|i'm sorry|unable to"
LETTER = re.compile("[a-zA-Z]")


def texts(n: int) -> Iterator[str]:
    """Texts as of a log of answers."""
    rng = random.Random(1)
    for index, text in enumerate(pairs(n, 40, 80)[0]):
        kind = rng.randrange(100)
        if kind < 4:
            yield f"{rng.choice(DECLINED)} {text}"
        elif kind < 8:
            words = text.split()
            yield "\n".join(
                ["## Answer", *(f"- **{words[0]}** {' '.join(words[at : at + 8])}" for at in range(0, len(words), 8))]
            )
        elif kind < 10:
            yield json.dumps({"answer": text, "id": index})
        elif kind < 11:
            yield " ".join([*text.split()[:6]] * 10)
        else:
            yield text


def beginnings(some: list[str]) -> list[str]:
    """What refusals are sought in."""
    from evalkit.text.refusal import REACH

    return [text.encode()[:REACH].decode("utf-8", "ignore") for text in some]


def patterns() -> str:
    """evalkit's own, as Python reads them."""
    from evalkit.text.refusal import expressions

    return "|".join(f"(?:{each})" for each in expressions())


def column(path: str) -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(path, memory_map=False)["text"].combine_chunks()


def ours(path: str, names: tuple[str, ...], terms: bool) -> Callable[[], dict[str, np.ndarray]]:
    from evalkit.text.descriptors import ALL_ROWS, describe

    array = column(path)
    describe(array[:500], names or ALL_ROWS, with_terms=terms)

    def work() -> dict[str, np.ndarray]:
        found: dict[str, list[np.ndarray]] = {}
        for low in range(0, len(array), BATCH):
            for name, values in describe(array[low : low + BATCH], names or ALL_ROWS, with_terms=terms).values.items():
                found.setdefault(name, []).append(values)
        return {name: np.concatenate(parts) for name, parts in found.items() if name in FOUR}

    return work


def threaded(path: str) -> Callable[[], tuple[float, float]]:
    """Wall seconds on one thread, and on two."""
    from evalkit.text.descriptors import describe

    array = column(path)
    size = len(array) // 4
    batches = [array[low : low + size] for low in range(0, len(array), size)]
    describe(array[:50])

    def once(threads: int) -> float:
        clock = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda batch: len(describe(batch, with_terms=True).values), batches))
        return time.perf_counter() - clock

    def work() -> tuple[float, float]:
        runs = [(once(1), once(2)) for _ in range(3)]
        return min(one for one, _ in runs), min(two for _, two in runs)

    return work


def theirs(path: Path, pattern: str) -> tuple[Measured, str]:
    """The peer in its environment; its CPU and memory are those it tells of itself."""
    import pyarrow.parquet as pq

    out, told_pattern = path.with_name("evidently.parquet"), path.with_name("pattern.txt")
    told_pattern.write_text(pattern, encoding="utf-8")
    home = {"HOME": str(path.parent), "DO_NOT_TRACK": "1"}
    done = command([str(PEER), str(HERE / "peer_evidently_text.py"), str(path), str(told_pattern), str(out)], environment=home)
    told = json.loads(done.result.splitlines()[-1])
    values = {name: np.asarray(held) for name, held in pq.read_table(out).to_pydict().items() if name in FOUR}
    return Measured(values, told["cpu_s"], told["wall_s"], told["peak_mb"]), told["version"]


def main() -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    bench = Benchmark(__file__, __doc__)
    n = bench.size(100_000, 2_000)
    there = (
        PEER.exists()
        and subprocess.run([str(PEER), "-c", "import evidently"], capture_output=True, check=False).returncode == 0
    )
    if not there:
        print("LEFT OUT: Evidently is not installed; `make peers` installs it", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.parquet"
        some = list(texts(n))
        pq.write_table(pa.table({"text": some, "beginning": beginnings(some)}), path)
        runs: list[Measured] = []
        whole: list[Measured] = []
        peers: list[tuple[Measured, str]] = []
        short: list[tuple[Measured, str]] = []
        for _ in range(bench.repeats):  # in turns: a machine's speed drifts
            runs += apart((ours, str(path), FOUR, False), repeats=1)
            peers += [theirs(path, patterns())] if there else []
            short += [theirs(path, PHRASES)] if there else []
            whole += apart((ours, str(path), (), True), repeats=1)
        (both,) = apart((threaded, str(path)), repeats=1)
    mine, everything = median(runs), median(whole)
    size = sum(map(len, (text.encode() for text in some))) / n
    told: dict[str, Any] = {"inputs": f"{n:,} texts of 40 to 80 words, {size:.0f} bytes each on average", "unit": "µs a text"}
    if there:
        peer, version = median([run for run, _ in peers]), peers[0][1]
        for name in ("characters", "refusal"):
            assert np.array_equal(mine.result[name], peer.result[name]), name
        spaced = np.array(
            [text.split() == text.split(" ") for text in some]
        )  # where other white space parts words, it sees one
        bare = np.array([sum(LETTER.search(word) is None for word in text.split()) for text in some])
        assert spaced.mean() > 0.9, spaced.mean()
        assert np.array_equal((mine.result["words"] - bare)[spaced], peer.result["words"][spaced])
        told |= {
            "peer": "evidently", "theirs": 1e6 * peer.cpu_s / n, "version": version, "bar": times(80),
            "equal": "characters and refusals, every value; words in all texts without line breaks "
            f"({100 * spaced.mean():.0f} %), less those without a letter of ASCII, which Evidently counts none",
            "refusals": int(mine.result["refusal"].sum()),
            "sentences": float(mine.result["sentences"].mean()), "their_sentences": float(peer.result["sentences"].mean()),
        }  # fmt: skip
    load = {"load": round(os.getloadavg()[0], 2)}
    bench.row("text descriptors: length, words, sentences, refusal", evalkit=1e6 * mine.cpu_s / n, **told, **load)
    if there:
        brief = median([run for run, _ in short])
        assert np.array_equal(mine.result["characters"], brief.result["characters"])
        bench.row(
            "the same, Evidently with a pattern of five English phrases", inputs=told["inputs"], unit="µs a text",
            evalkit=1e6 * mine.cpu_s / n, peer="evidently", theirs=1e6 * brief.cpu_s / n, version=version, equal="characters, every value",
            their_refusals=int(brief.result["refusal"].sum()), **load,
        )  # fmt: skip
    basic = {"inputs": told["inputs"], "unit": "µs a text", **load}
    bench.row("all text descriptors, and the terms", evalkit=1e6 * everything.cpu_s / n, bar=at_most(12), **basic)
    memory = {"theirs": peer.peak_mb, "peer": "evidently", "version": version, "equal": told["equal"]} if there else {}
    bench.row("text descriptors, peak memory", inputs=told["inputs"], unit="MiB", evalkit=mine.peak_mb, **memory)
    one, two = both.result
    bench.row(
        "all text descriptors on two threads, wall time of one", inputs=told["inputs"], unit="×", evalkit=one / two, **load
    )
    bench.finish("numpy", "pyarrow")


if __name__ == "__main__":
    main()
