"""The judge pipeline: how near it comes to the ideal rate, and what client CPU a call takes, against five peers.

A server in a process of its own answers chat completions after a fixed time (judge_server.py), and counts. `evalkit run` judges
2,000 records with geval over the openai backend, 64 in flight, its cache empty. The rate is calls over the seconds from the
first request to the last answer as the server saw them; ideal is 64 over the latency, of which whole rounds alone leave 97.7 %
(2,000 calls are 31.25 rounds of 64). CPU a call is user and system time of the whole command, children included, less that of
the same command over 20 records, over the calls between: start-up is subtracted, the runner, cache, parsing, intervals and
reports are not. Peers are measured the same way, in environments of their own (`make peers`; one that is not installed is
left out, aloud): each with its own judge metric, one call a record, 64 at once by its own means, the same records, criteria and
steps, outputs given. Every side must end with the score that the server gave for each record, and the server must have
counted as many calls as there were records. evalkit is measured before and after the peers: a machine's speed drifts.

    python benchmarks/bench_judges.py [--quick] [--out FOLDER]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _common import Bar, Benchmark, Measured, at_least, at_most, command, median, times
from _texts import DATA, pairs
from judge_server import FAIL_BELOW, served

HERE = Path(__file__).resolve().parent
RUBRIC = DATA.parent.parent.parent / "rubrics" / "consistency.yaml"
AT_ONCE = 64
QUIET = {
    "DEEPEVAL_TELEMETRY_OPT_OUT": "YES", "PROMPTFOO_DISABLE_TELEMETRY": "1", "PROMPTFOO_DISABLE_UPDATE": "1",
    "RAGAS_DO_NOT_TRACK": "true", "DO_NOT_TRACK": "1",
}  # fmt: skip


@dataclass(frozen=True)
class Peer:
    """Another tool: how it is called, and the score it must give for a grade."""

    name: str
    folder: str  # under .peers/, also the model's name
    package: str
    metric: str
    score: Callable[[int], Any]
    calls: int  # those that take half a minute for a thousand get fewer

    @property
    def python(self) -> Path:
        """The interpreter that runs it; promptfoo is a command of Node's, and its script any Python's."""
        return Path(sys.executable) if self.folder == "promptfoo" else HERE / ".peers" / self.folder / "bin" / "python"

    def version(self) -> str | None:
        """The one installed; None where there is none."""
        if self.folder == "promptfoo":
            told = HERE / ".peers" / "promptfoo" / "node_modules" / "promptfoo" / "package.json"
            return str(json.loads(told.read_text(encoding="utf-8"))["version"]) if told.is_file() else None
        asked = f"from importlib.metadata import version; print(version('{self.package}'))"
        if not self.python.exists():
            return None
        done = subprocess.run([str(self.python), "-c", asked], capture_output=True, text=True, check=False)
        return done.stdout.strip() or None


def _passed(grade: int) -> str:
    return "C" if grade >= FAIL_BELOW else "I"


PEERS = (
    Peer("DeepEval", "deepeval", "deepeval", "GEval, LocalModel", lambda grade: grade / 5, 500),
    Peer("Ragas", "ragas", "ragas", "SimpleCriteriaScore", float, 1_000),
    Peer("Inspect AI", "inspect", "inspect-ai", "model_graded_qa", _passed, 500),
    Peer("promptfoo", "promptfoo", "promptfoo", "llm-rubric", lambda grade: grade / 5, 1_000),
    Peer("pydantic-evals", "pydantic", "pydantic-evals", "LLMJudge", lambda grade: grade / 5, 2_000),
)
MODES = {"evalkit": "mode: single", "evalkit-tokens": "mode: logprob, reason: none"}  # by the model's name


@dataclass(frozen=True)
class Ran:
    """One command that judged, and what the server saw of it."""

    measured: Measured
    calls: int
    most: int
    seconds: float
    held_s: float
    server_cpu_s: float

    def share(self, latency_ms: int) -> float:
        """Per cent of the ideal rate."""
        return 100 * (self.calls / self.seconds) / (AT_ONCE / (latency_ms / 1000))


class Bench:
    """Records, a server, and commands over them."""

    def __init__(self, url: str, folder: Path, most: int) -> None:
        import yaml

        self.url, self.folder = url, folder
        told = yaml.safe_load(RUBRIC.read_text(encoding="utf-8"))
        self.rubric = folder / "rubric.json"
        self.rubric.write_text(json.dumps({"criteria": told["criteria"], "steps": told["steps"]}), encoding="utf-8")
        self.grades = [1 + index * 7919 % 97 % 5 for index in range(most)]
        texts = zip(*pairs(most, 40, 80), self.grades)
        self.records = [
            {"id": f"r{index}", "input": f"Entry {index}. {source}", "output": f"{said} [grade {grade}]"}
            for index, (said, source, grade) in enumerate(texts)
        ]
        self._runs = 0

    def fresh(self, n: int) -> Path:
        """A new folder with the first n records."""
        self._runs += 1
        folder = self.folder / str(self._runs)
        folder.mkdir()
        with (folder / "records.jsonl").open("w", encoding="utf-8") as out:
            out.writelines(json.dumps(record) + "\n" for record in self.records[:n])
        return folder

    def counts(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/counts", timeout=30) as answer:
            return json.load(answer)

    def _ran(self, model: str, calls: int, arguments: Sequence[str], folder: Path, **environment: str) -> Ran:
        self.counts()
        measured = command(arguments, cwd=folder, environment=environment)
        told = self.counts()
        seen = told["models"].pop(model, {"calls": 0, "most": 0, "seconds": 0.0, "held_s": 0.0})
        assert not told["models"], told
        assert seen["calls"] == calls, f"{model}: {seen['calls']} calls, not {calls}"
        assert seen["most"] <= AT_ONCE, f"{model}: {seen['most']} in flight"
        return Ran(measured, seen["calls"], seen["most"], seen["seconds"], seen["held_s"], told["cpu_s"])

    def evalkit(self, n: int, latency_ms: int, model: str = "evalkit", *, again: bool = False) -> Ran:
        """A run over n records; again: the run that follows it in the same folder."""
        folder = self.fresh(n)
        backend = f"{{kind: openai, base_url: '{self.url}/{latency_ms}/v1', model: {model}, max_concurrency: {AT_ONCE}}}"
        metric = f"{{use: geval, as: consistency, rubric: rubrics/consistency.yaml, {MODES[model]}, backend: judge}}"
        suite = f"dataset: {{path: records.jsonl}}\nbackends: {{judge: {backend}}}\nmetrics: [{metric}]\n"
        (folder / "suite.yaml").write_text(suite, encoding="utf-8")
        run = [sys.executable, "-m", "evalkit", "run", "suite.yaml", "--out"]
        ran = self._ran(model, n, [*run, "run"], folder)
        if again:
            ran = self._ran(model, 0, [*run, "again"], folder)
        import pyarrow.parquet as pq

        scores = pq.read_table(folder / ("again" if again else "run") / "scores.parquet")["consistency"].to_pylist()
        assert len(scores) == n
        assert all(abs(score - grade) < 1e-9 for score, grade in zip(scores, self.grades)), "evalkit: other scores"
        return ran

    def peer(self, peer: Peer, n: int, latency_ms: int) -> Ran:
        """A peer over n records."""
        folder = self.fresh(n)
        script = str(HERE / "judge_peers" / f"with_{peer.folder}.py")
        url = f"{self.url}/{latency_ms}/v1"
        home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CACHE_HOME": str(folder)}
        ran = self._ran(
            peer.folder, n, [str(peer.python), script, url, "records.jsonl", str(self.rubric)], folder, **QUIET, **home
        )
        scores = json.loads(ran.measured.result.strip().splitlines()[-1])
        wanted = [peer.score(grade) for grade in self.grades[:n]]
        same = [one == other if isinstance(other, str) else abs(one - other) < 1e-9 for one, other in zip(scores, wanted)]
        assert len(scores) == n, f"{peer.name}: {len(scores)} scores"
        assert all(same), f"{peer.name}: other scores"
        return ran


@dataclass(frozen=True)
class Cost:
    """What a call took: the medians of whole commands over many records and over few."""

    many: Ran
    few: Ran
    n: int
    small: int

    @property
    def ms(self) -> float:
        """CPU a call; with `--quick`, where noise is all, not below a microsecond."""
        return max(1000 * (self.many.measured.cpu_s - self.few.measured.cpu_s) / (self.n - self.small), 0.001)

    def told(self) -> dict[str, Any]:
        """Both figures, for the JSON."""
        return {
            "cpu_s": self.many.measured.cpu_s, "cpu_s_of_few": self.few.measured.cpu_s, "wall_s": self.many.measured.wall_s,
            "calls": self.n, "calls_of_few": self.small, "most_in_flight": self.many.most,
        }  # fmt: skip


def middle(runs: Sequence[Ran]) -> Ran:
    """The run of median CPU."""
    chosen = median([run.measured for run in runs])
    return next(run for run in runs if run.measured is chosen)


def main() -> None:
    bench = Benchmark(__file__, __doc__)
    n, small = bench.size(2_000, 400), bench.size(20, 8)
    calls = {peer.name: bench.size(peer.calls, 40) for peer in PEERS}
    versions = {peer.name: peer.version() for peer in PEERS}
    for name, version in versions.items():
        if version is None:
            print(f"LEFT OUT: {name} is not installed; `make peers` installs it", file=sys.stderr, flush=True)
    there = [peer for peer in PEERS if versions[peer.name]]
    with served() as url, tempfile.TemporaryDirectory() as held:
        judged = Bench(url, Path(held), n)
        slow = [judged.evalkit(n, 500) for _ in range(bench.repeats)]
        runs: dict[tuple[str, int], list[Ran]] = {}
        pieces: list[tuple[str, int, Callable[[int], Ran]]] = []
        for size in (small, n):
            pieces.append(("evalkit", size, lambda size: judged.evalkit(size, 50)))
            pieces.append(("evalkit-tokens", size, lambda size: judged.evalkit(size, 50, "evalkit-tokens")))
            pieces.append(("again", size, lambda size: judged.evalkit(size, 50, again=True)))
        for peer in there:
            sizes = (small, calls[peer.name])
            pieces += [(peer.name, size, lambda size, peer=peer: judged.peer(peer, size, 50)) for size in sizes]
        if there and not bench.quick:  # before and after the peers: a machine's speed drifts
            pieces += [piece for piece in pieces if piece[0] == "evalkit"]
        for _ in range(bench.repeats):
            for name, size, piece in pieces:
                runs.setdefault((name, size), []).append(piece(size))

    def cost(name: str, size: int) -> Cost:
        return Cost(middle(runs[name, size]), middle(runs[name, small]), size, small)

    asked = f"{n:,} records of 40 to 80 words, {AT_ONCE} in flight"
    equal = "every score, and the calls that the server counted"
    load = {"load": round(os.getloadavg()[0], 2)}
    for latency_ms, found, least in ((500, slow, 94), (50, runs["evalkit", n], 75)):
        run = sorted(found, key=lambda run: run.share(latency_ms))[len(found) // 2]
        bench.row(
            f"judge calls a second, share of the ideal at {latency_ms} ms", inputs=asked, unit="%",
            evalkit=run.share(latency_ms), bar=at_least(least), equal=equal, rate=run.calls / run.seconds, held_ms=1000 * run.held_s,
            most_in_flight=run.most, server_cpu_ms_a_call=1000 * run.server_cpu_s / run.calls,
            all_shares=[round(run.share(latency_ms), 2) for run in found], **load,
        )  # fmt: skip
    own = cost("evalkit", n)

    def row(work: str, ours: Cost, bar: Bar | None = None) -> None:
        bench.row(work, inputs=asked, unit="ms", evalkit=ours.ms, bar=bar, equal=equal, **ours.told(), **load)

    row("judge call, one JSON verdict with its reason", own, at_most(0.5))
    bench.row(
        "judge call, with its share of the start-up", inputs=asked, unit="ms", evalkit=1000 * own.many.measured.cpu_s / n,
        equal=equal, **load,
    )  # fmt: skip
    row("judge call, one token and the 20 likeliest in its place", cost("evalkit-tokens", n))
    row("judge call that the cache answers", cost("again", n))
    for peer in there:
        theirs = cost(peer.name, calls[peer.name])
        bench.row(
            "judge call, against a peer", inputs=f"the same; {calls[peer.name]:,} records for {peer.name}", unit="ms", evalkit=own.ms,
            peer=f"{peer.name}, {peer.metric}", theirs=theirs.ms, bar=times(12), equal=equal, version=versions[peer.name],
            share_of_ideal=round(theirs.many.share(50), 1), **theirs.told(), **load,
        )  # fmt: skip
    bench.finish("aiohttp", "msgspec", "pyarrow")


if __name__ == "__main__":
    main()
