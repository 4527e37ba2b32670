"""Draws four weeks of requests, asks two models one after the other, writes what the log of such a service would hold.

    python make_logs.py answer --model NAME --label 0.5b    # asks for days 1 to 21, at a server that holds that model
    python make_logs.py answer --model NAME --label 1.5b    # asks for days 22 to 28
    python make_logs.py pace --model NAME --pid PID         # CPU time per token of the process that holds the model
    python make_logs.py write                               # logs.jsonl, of all that is answered
    python make_logs.py tell                                # the figures of the README

Answers are appended to `answered.jsonl` as they come: an interrupted run continues where it stopped.
"""

import argparse
import json
import math
import os
import random
import re
import statistics
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, groupby
from pathlib import Path
from threading import Lock
from typing import Any

from jinja2.sandbox import SandboxedEnvironment

HERE = Path(__file__).parent
HTTP = HERE.parent / "http"
PROMPT = "answer-v2"
TEMPERATURE = 0.8
MAX_TOKENS = 64
ASKED = 100  # the first questions, the most frequent ones: what there was time for; 191 answers the others too

SEED = 7
START = datetime(2026, 9, 1, tzinfo=UTC)
SWITCH = datetime(2026, 9, 22, tzinfo=UTC)
DAYS = 28
SESSIONS_A_WEEKDAY, SESSIONS_A_WEEKEND_DAY = 36.0, 19.5
GOES_ON = 1 / 3  # the chance that a session has another question: 1.5 questions on average
USERS = 240
RATED = 0.4  # of the answers to CLOSED questions: about 30% of all
CLOSED = ("number", "term", "yesno")  # kinds of question whose reference can be looked for in the answer


@dataclass(frozen=True)
class Pace:
    """How long a model computes on one core, one request at a time; `pace` measured it."""

    name: str
    ms_a_prompt_token: float
    ms_a_token: float


PACES = {
    "0.5b": Pace("qwen2.5-coder-0.5b-instruct", 9.19, 134.6),
    "1.5b": Pace("qwen2.5-coder-1.5b-instruct", 33.58, 448.9),
}
OVERHEAD_MS, SPREAD = 40.0, 0.2  # of a network and a queue that there was not: a constant, and the sigma of a log-normal factor

Record = dict[str, Any]


def poisson(mean: float, dice: random.Random) -> int:
    """A Poisson number: how many unit steps of exponential waiting fit into the mean."""
    count, waited = 0, dice.expovariate(1.0)
    while waited < mean:
        count, waited = count + 1, waited + dice.expovariate(1.0)
    return count


def busy(hour: int) -> float:
    """The share of a day's sessions that begin in an hour (UTC): most at 14, fewest at 2, one to nine."""
    return (1 + 0.8 * math.cos((hour - 14) * math.pi / 12)) / 24


def popular(size: int, count: int, dice: random.Random) -> list[int]:
    """So many different places of a list, drawn with weights that fall like 1 / (place + 5): the first are drawn most."""
    weights, drawn = list(accumulate(1 / (place + 5) for place in range(size))), dict[int, None]()
    while len(drawn) < count:
        drawn.setdefault(dice.choices(range(size), cum_weights=weights)[0])
    return list(drawn)


def requests(questions: Sequence[Record]) -> list[Record]:
    """Everything about every request but its answer, in order of time; the same on every call.

    Requests for questions that are not asked leave gaps in the numbers.
    """
    dice = random.Random(SEED)
    drawn, sessions = [], 0
    for day in range(DAYS):
        weekend = (START + timedelta(day)).weekday() >= 5
        for hour in range(24):
            for _ in range(poisson(busy(hour) * (SESSIONS_A_WEEKEND_DAY if weekend else SESSIONS_A_WEEKDAY), dice)):
                sessions += 1
                session, user = sessions, popular(USERS, 1, dice)[0]
                moment = START + timedelta(days=day, hours=hour, milliseconds=dice.randrange(3_600_000))
                for place in popular(len(questions), length(dice), dice):
                    drawn.append({"moment": moment, "session": session, "user": user, "question": questions[place]})
                    moment += timedelta(milliseconds=dice.randint(20_000, 240_000))
    drawn = [request for request in drawn if request["moment"] < START + timedelta(DAYS)]
    drawn.sort(key=lambda request: (request["moment"], request["session"]))
    asked = {question["id"] for question in questions[:ASKED]}
    return [
        {**request, "number": number, "id": f"r-{number:04}", "label": "0.5b" if request["moment"] < SWITCH else "1.5b"}
        for number, request in enumerate(drawn, 1)
        if request["question"]["id"] in asked
    ]


def length(dice: random.Random) -> int:
    """Questions of a session."""
    count = 1
    while count < 6 and dice.random() < GOES_ON:
        count += 1
    return count


@dataclass(frozen=True)
class Endpoint:
    """A server that speaks the OpenAI chat protocol."""

    url: str
    model: str
    key: str = ""

    def chat(self, prompt: str, **options: Any) -> Record:
        body = {"model": self.model, "messages": [{"role": "user", "content": prompt}], **options}
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {self.key}"} if self.key else {})}
        request = urllib.request.Request(f"{self.url}/chat/completions", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=7200) as response:
            reply: Record = json.load(response)
        return reply


def answer(request: Record, prompt: str, endpoint: Endpoint) -> Record:
    """One sampled answer; its seed is the number of the request."""
    reply = endpoint.chat(prompt, temperature=TEMPERATURE, top_p=1.0, seed=request["number"], max_tokens=MAX_TOKENS)
    return {
        "id": request["id"],
        "output": reply["choices"][0]["message"]["content"].strip(),
        "prompt_tokens": reply["usage"]["prompt_tokens"],
        "completion_tokens": reply["usage"]["completion_tokens"],
    }


def ask(todo: Sequence[Record], endpoint: Endpoint, at_once: int, path: Path) -> None:
    """Appends the answers as they come, question after question, so that a server with a prefix cache reads a prompt once.

    When one call fails, those under way are still kept, no other is begun, and then the failure is told.
    """
    template = SandboxedEnvironment().from_string((HTTP / "prompts" / f"{PROMPT}.md").read_text("utf-8"))
    ordered = sorted(todo, key=lambda request: (request["question"]["id"], request["number"]))
    writing = Lock()

    def keep(request: Record) -> None:
        line = json.dumps(answer(request, template.render(request["question"]), endpoint), ensure_ascii=False) + "\n"
        with writing, path.open("a", encoding="utf-8") as file:
            file.write(line)

    with ThreadPoolExecutor(at_once) as pool:
        try:
            for done, future in enumerate(as_completed([pool.submit(keep, request) for request in ordered]), 1):
                future.result()
                if done % 20 == 0:
                    print(f"{done} of {len(ordered)}", flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def cpu_ms(pid: int) -> float:
    """The CPU time that a process has had, on Linux: user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def pace(questions: Sequence[Record], endpoint: Endpoint, pid: int) -> None:
    """Prints the CPU time per token of five prompts that are new to the server, each read and then answered with 24 tokens."""
    template = SandboxedEnvironment().from_string((HTTP / "prompts" / f"{PROMPT}.md").read_text("utf-8"))
    reading, writing = [], []
    for number, question in enumerate(questions[:5]):
        prompt = f"({time.time()}, {number}) " + template.render(question)
        started = cpu_ms(pid)
        tokens = endpoint.chat(prompt, temperature=0, max_tokens=1)["usage"]["prompt_tokens"]
        read_at = cpu_ms(pid)
        endpoint.chat(prompt, temperature=0, max_tokens=24, min_tokens=24)
        reading.append((read_at - started) / tokens)
        writing.append((cpu_ms(pid) - read_at) / 24)
    print(f"ms_a_prompt_token {statistics.median(reading):.2f}, ms_a_token {statistics.median(writing):.1f}")


def contains(output: str, reference: str | Sequence[str]) -> bool:
    """Does one of the references stand in the answer as a whole word, case and final stop aside?"""
    wanted = [reference] if isinstance(reference, str) else reference
    return any(re.search(rf"(?<!\w){re.escape(text.rstrip('.'))}(?!\w)", output, re.IGNORECASE) for text in wanted)


def row(request: Record, answered: Mapping[str, Any]) -> Record:
    """A line of the log."""
    question, dice = request["question"], random.Random(f"{SEED}/{request['id']}")
    model = PACES[request["label"]]
    thought = model.ms_a_prompt_token * answered["prompt_tokens"] + model.ms_a_token * answered["completion_tokens"]
    rated = dice.random() < RATED and question["kind"] in CLOSED
    return {
        "id": request["id"],
        "timestamp": request["moment"].isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "session_id": f"s-{request['session']:04}",
        "user_id": f"u-{request['user'] + 1:03}",
        "input": question["input"],
        "output": answered["output"],
        "reference": question["reference"],
        "model": "assistant",
        "prompt_version": PROMPT,
        "latency_ms": round((OVERHEAD_MS + thought) * dice.lognormvariate(0, SPREAD)),
        "prompt_tokens": answered["prompt_tokens"],
        "completion_tokens": answered["completion_tokens"],
        "feedback": (1 if contains(answered["output"], question["reference"]) else -1) if rated else None,
        "topic": question["topic"],
        "kind": question["kind"],
        "cluster": question["id"],
        "answered_by": model.name,
    }


def read(path: Path) -> list[Record]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def write(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Replaces the file in one step, so that a reader never sees half of it."""
    draft = path.with_suffix(".draft")
    draft.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")
    draft.replace(path)


def figures(rows: Sequence[Record]) -> Iterator[str]:
    """What is counted of the log: by model, then by day."""
    yield "| | rows | words | tokens | contains, of the closed | median latency | feedback +1 / −1 |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    by_model = groupby(rows, key=lambda r: r["answered_by"])
    by_day = groupby(rows, key=lambda r: r["timestamp"][:10])
    for name, group in [*((k, list(g)) for k, g in by_model), *((k, list(g)) for k, g in by_day)]:
        words = statistics.fmean(len(r["output"].split()) for r in group)
        tokens = statistics.fmean(r["completion_tokens"] for r in group)
        hits = [contains(r["output"], r["reference"]) for r in group if r["kind"] in CLOSED]
        thumbs = [sum(r["feedback"] == sign for r in group) for sign in (1, -1)]
        latency = statistics.median(r["latency_ms"] for r in group)
        share = f"{sum(hits)} of {len(hits)}, {statistics.fmean(hits):.1%}"
        yield f"| {name} | {len(group)} | {words:.1f} | {tokens:.1f} | {share} | {latency:.0f} ms | {thumbs[0]} / {thumbs[1]} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["answer", "pace", "write", "tell"])
    parser.add_argument("--url", default="http://127.0.0.1:8000/v1")
    parser.add_argument("--model", help="the name under which the server knows the model")
    parser.add_argument("--label", choices=list(PACES), help="which of the two models it is")
    parser.add_argument("--pid", type=int, help="of the process that holds the model, to measure its pace")
    parser.add_argument("--at-once", type=int, default=8, metavar="N", help="requests in flight")
    parser.add_argument("--folder", type=Path, default=HERE, help="where answers and log are written")
    options = parser.parse_args()

    log, kept = options.folder / "logs.jsonl", options.folder / "answered.jsonl"
    questions = read(HTTP / "questions.jsonl")
    answered = {record["id"]: record for record in [*read(log), *read(kept)]}
    everything = requests(questions)
    if options.step == "write":
        write(log, [row(request, answered[request["id"]]) for request in everything if request["id"] in answered])
        return
    if options.step == "tell":
        print("\n".join(figures(read(log))))
        return
    if not options.model:
        parser.error("this step needs --model")
    endpoint = Endpoint(options.url, options.model, os.environ.get("OPENAI_API_KEY", ""))
    if options.step == "pace":
        if not options.pid:
            parser.error("this step needs --pid")
        pace(questions, endpoint, options.pid)
    else:
        if not options.label:
            parser.error("this step needs --label")
        todo = [request for request in everything if request["label"] == options.label and request["id"] not in answered]
        ask(todo, endpoint, options.at_once, kept)


if __name__ == "__main__":
    main()
