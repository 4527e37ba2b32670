"""A catalogue of wrong suites and wrong data: what a user might hand in, and what evalkit must say to it.

Every case is a folder of files, the suite to run in it, and for every problem the place and the words that its message
must have. It is used twice: in process (`test_wrong_suites`), and through the real command.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

GOOD_ROWS = [
    {
        "id": f"r{n}",
        "input": f"How much is {n} and {n}?",
        "output": str(2 * n),
        "reference": str(2 * n),
        "model": "abc"[n % 3],
    }
    for n in range(20)
]
GOOD_DATA = "".join(json.dumps(row) + "\n" for row in GOOD_ROWS)
GOOD_SUITE = "dataset: {path: ../data/x.jsonl}\nmetrics: [exact_match]\n"
SUITE = "suites/x.yaml"


@dataclass(frozen=True)
class Link:
    """A symbolic link to write instead of a file; ``{outside}`` stands for a folder beside the project."""

    target: str


@dataclass(frozen=True)
class Case:
    """One wrong thing a user might do.

    ``problems`` has an entry per message that must appear: the place it begins with (``suites/x.yaml:3``, empty where the
    words are enough), then words that it must contain. No other problem may be reported.
    """

    name: str
    problems: tuple[tuple[str, ...], ...]
    files: Mapping[str, str | bytes | Link] = field(default_factory=dict)
    suite: str = SUITE
    sets: tuple[str, ...] = ()
    outside: Mapping[str, str] = field(default_factory=dict)  # files beside the project

    def write(self, project: Path) -> None:
        """Make the project: its own marker, good data and a good suite where the case has none, and the case's files."""
        base: dict[str, str | bytes | Link] = {"pyproject.toml": "", "data/x.jsonl": GOOD_DATA, SUITE: GOOD_SUITE}
        beside = project.parent / "outside"
        for name, text in self.outside.items():
            path = beside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for name, content in {**base, **self.files}.items():
            path = project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Link):
                path.unlink(missing_ok=True)
                path.symlink_to(content.target.format(outside=beside))
            elif isinstance(content, bytes):
                path.write_bytes(content)
            else:
                path.write_text(content, encoding="utf-8")

    def missed(self, message: str) -> list[str]:
        """What the message lacks, or has too much: empty when it is as it should be."""
        lines = message.strip().split("\n")
        wrong = []
        for place, *words in self.problems:
            if not any(
                line.startswith(f"{place}: " if place else "") and all(word in line for word in words) for line in lines
            ):
                wrong.append(f"no line begins with {place!r} and has {words}")
        if len(lines) != len(self.problems):
            wrong.append(f"{len(lines)} lines instead of {len(self.problems)}")
        return wrong


def wrong_suites() -> Iterator[Case]:
    """Suites that cannot be loaded."""
    yield from _files_and_yaml()
    yield from _keys_and_types()
    yield from _metrics()
    yield from _gates()
    yield from _paths()
    yield from _overrides()


def wrong_data() -> Iterator[Case]:
    """Good suites over data that cannot be scored."""
    yield from _data()


# --- suites ----------------------------------------------------------------------------------------------------------


def _suite(name: str, text: str | bytes, *problems: tuple[str, ...], **more: object) -> Case:
    """A case whose suite is ``text``; a place that begins with a colon is a line of that suite."""
    placed = tuple((f"{SUITE}{place}" if place.startswith(":") else place, *words) for place, *words in problems)
    files = {SUITE: text, **more.pop("files", {})}  # type: ignore[dict-item]
    return Case(name, placed, files, **more)  # type: ignore[arg-type]


def _over(name: str, body: str, *problems: tuple[str, ...], **more: object) -> Case:
    """A case whose suite begins with good data in line 1."""
    return _suite(name, f"dataset: {{path: ../data/x.jsonl}}\n{body}", *problems, **more)


def _files_and_yaml() -> Iterator[Case]:
    whole = SUITE
    yield Case("no such suite", (("suites/y.yaml", "no such suite", 'did you mean "suites/x.yaml"?'),), suite="suites/y.yaml")
    yield Case("no such shipped suite", (("zzyzx", "no such suite", "evalkit init"),), suite="zzyzx")
    yield Case("the suite is a folder", (("suites", "a folder", "suites/x.yaml"),), suite="suites")
    yield Case(
        "the suite is a data file",
        (("data/x.jsonl", "a data file, not a suite", "evalkit init"),),
        suite="data/x.jsonl",
    )
    yield _suite("empty suite", "", (":1", "the suite is empty", "dataset"))
    yield _suite("only comments", "# name: x\n", (":1", "the suite is empty"))
    yield _suite("a list at the top", "- exact_match\n", (":1", "found a list"))
    yield _suite("a text at the top", "exact_match\n", (":1", 'found the text "exact_match"'))
    yield _suite("a tab", "name: x\ndataset:\n\tpath: ../data/x.jsonl\n", (":3", "a tab indents this line", "spaces"))
    yield _suite("bad indentation", "name: x\n  dataset: y\n", (":2", "a colon", "indentation"))
    yield _suite("an open bracket", "name: x\nmetrics: [exact_match,\n  contains\ngates: []\n", (":2", "a bracket opened here"))
    yield _suite("an open quotation mark", 'name: "x\nmetrics: [exact_match]\n', (":1", "a quotation mark opened here"))
    yield _over("a line without colon", "metrics:\n  - exact_match\nseed\n", (":5", "does not fit", "colon"))
    yield _suite("two documents", GOOD_SUITE + "---\nname: y\n", (":3", "a second document"))
    yield _over("a key twice", "metrics: [exact_match]\nseed: 1\nseed: 2\n", (":4", 'the key "seed" stands twice', "line 3"))
    yield _over(
        "a key twice, deep",
        "metrics:\n  - {use: contains, mode: any, mode: all}\n",
        (":3", 'the key "mode" stands twice'),
    )
    yield _suite("a list as a key", GOOD_SUITE + "? [a, b]\n: 1\n", (":3", "a key is a list"))
    yield _over("an undefined alias", "metrics: *mine\n", (":2", "undefined alias", "anchor"))
    yield _over(
        "a tag that runs code",
        "metrics: [exact_match]\nname: !!python/object/apply:os.system [ls]\n",
        (":3", "tag"),
        (":3", "name wants"),
    )
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 10)}]\n" for n in range(9)
    )
    yield _suite("a YAML bomb", bomb, (":1", "expands to more than", "aliases"))
    merged = "a: &a {k: 1}\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)}\n  <<: [{', '.join([f'*{chr(97 + n)}'] * 10)}]\n" for n in range(9)
    )
    yield _suite("a YAML bomb of merge keys", merged, (":1", "expands to more than"))
    yield _suite("an alias inside itself", "metrics: &m [*m]\n", (":1", "nests deeper", "contain itself"))
    yield _suite("nested beyond reason", "name: " + "[" * 200 + "]" * 200 + "\n", (":1", "nests deeper than"))
    yield _suite("a huge suite", b"# " + b"x" * 1_100_000 + b"\n", (whole, "1.1 MB", "a data file"))
    yield _suite(
        "a suite in Latin-1", "name: x\nbaseline: né\n".encode("latin-1"), (":2", "0xe9 is not UTF-8", "save the file")
    )
    yield _suite("a suite in UTF-16", GOOD_SUITE.encode("utf-16"), (whole, "UTF-16", "UTF-8"))
    yield _suite("a control character", "name: x\nstore: a\x07b\n", (":2", "U+0007"))
    yield _suite("a binary file", b"name: x\n\x00\x01\x02", (":2", "U+0000"))


def _keys_and_types() -> Iterator[Case]:
    yield _over(
        "an unknown key",
        "metrcs: [exact_match]\n",
        (":2", 'the suite has no key "metrcs"', 'did you mean "metrics"?'),
        (":1", "lacks `metrics`"),
    )
    yield _over(
        "another tool's key",
        "metrics: [exact_match]\nasserts: []\n",
        (":3", 'no key "asserts"', 'did you mean "gates"?'),
    )
    yield _over(
        "an unknown key far from any",
        "metrics: [exact_match]\nzzz: 1\n",
        (":3", 'no key "zzz"', "it takes name, dataset"),
    )
    yield _over("limit at the top", "metrics: [exact_match]\nlimit: 10\n", (":3", 'no key "limit"', "under `dataset:`"))
    yield _suite("no dataset", "metrics: [exact_match]\n", (":1", "lacks `dataset`"))
    yield _over("no metrics", "seed: 1\n", (":1", "lacks `metrics`"))
    yield _over("an empty list of metrics", "metrics: []\n", (":2", "metrics is empty"))
    yield _over(
        "metrics that are a text",
        "metrics: exact_match\n",
        (":2", "metrics wants a list", 'found the text "exact_match"'),
    )
    yield _suite(
        "an unknown key of dataset",
        "dataset: {path: ../data/x.jsonl, limti: 5}\nmetrics: [exact_match]\n",
        (":1", 'dataset has no key "limti"', 'did you mean "limit"?'),
    )
    yield _suite("a dataset without path", "dataset: {limit: 5}\nmetrics: [exact_match]\n", (":1", "dataset lacks `path`"))
    yield _suite(
        "a dataset that is a list",
        "dataset: [../data/x.jsonl]\nmetrics: [exact_match]\n",
        (":1", "dataset wants", "found a list"),
    )
    yield _suite(
        "a limit of zero",
        "dataset:\n  path: ../data/x.jsonl\n  limit: 0\nmetrics: [exact_match]\n",
        (":3", "dataset.limit wants a whole number of 1 or more", "the number 0"),
    )
    yield _suite(
        "a shuffle that is true",
        "dataset: {path: ../data/x.jsonl, shuffle: true}\nmetrics: [exact_match]\n",
        (":1", "dataset.shuffle wants a whole number", "found true"),
    )
    yield _suite(
        "a misspelt column in fields",
        "dataset:\n  path: ../data/x.jsonl\n  fields:\n    ouput: model\nmetrics: [exact_match]\n",
        (":4", 'no column "ouput"', 'did you mean "output"?'),
    )
    yield _suite(
        "fields the wrong way round",
        "dataset: {path: ../data/x.jsonl, fields: {answer: output}}\nmetrics: [exact_match]\n",
        (":1", "the wrong way round", "output: answer"),
    )
    yield _suite(
        "a column that is a number",
        "dataset: {path: ../data/x.jsonl, fields: {output: 3}}\nmetrics: [exact_match]\n",
        (":1", "dataset.fields.output wants", "the number 3", '"3"'),
    )
    yield _over("a seed in words", "metrics: [exact_match]\nseed: ten\n", (":3", "seed wants a whole number", 'the text "ten"'))
    yield _over("a negative seed", "metrics: [exact_match]\nseed: -1\n", (":3", "seed wants a whole number of 0 or more"))
    yield _over(
        "confidence in percent",
        "metrics: [exact_match]\nconfidence: 95\n",
        (":3", "confidence wants", "did you mean 0.95?"),
    )
    yield _over(
        "confidence of one",
        "metrics: [exact_match]\nconfidence: 1\n",
        (":3", "confidence wants a number between 0 and 1"),
    )
    yield _over(
        "too few resamples",
        "metrics: [exact_match]\nresamples: 10\n",
        (":3", "resamples wants a whole number from 100 to 1,000,000", "the number 10"),
    )
    yield _over("a name that is a path", "metrics: [exact_match]\nname: ../x y\n", (":3", "name wants", "name: x-y"))
    yield _over("a name that is a number", "metrics: [exact_match]\nname: 2024\n", (":3", "name wants", '"2024"'))
    yield _over(
        "an unknown report",
        "metrics: [exact_match]\nreport: [json, htlm]\n",
        (":3", "report[1] wants one of json, html", 'did you mean "html"?'),
    )
    yield _over(
        "slices that are numbers",
        "metrics: [exact_match]\nslices: [model, 3]\n",
        (":3", "slices[1] wants text", "the number 3"),
    )
    yield _over("a slice twice", "metrics: [exact_match]\nslices: [model, model]\n", (":3", 'slices names "model" twice'))
    yield _over(
        "a budget in words",
        "metrics: [exact_match]\nbudget: {max_cost: cheap, max_call: 3}\n",
        (":3", "budget.max_cost wants a number"),
        (":3", 'budget has no key "max_call"', 'did you mean "max_calls"?'),
    )
    yield _over(
        "prices below zero",
        "metrics: [exact_match]\nprices:\n  m: {prompt: -1}\n",
        (":4", "prices.m.prompt wants a number of 0 or more"),
    )
    yield _over(
        "generate with a backend that is not declared",
        "metrics: [exact_match]\ngenerate: {backends: [a]}\n",
        (":3", 'generate.backends names no backend "a" of this suite'),
    )
    yield _over(
        "many things at once",
        "metrics: [rogue]\nseed: x\nreport: [pdf]\ngates:\n  - {metric: rouge}\nfoo: 1\n",
        (":2", '"rogue"', '"rouge"'), (":3", "seed wants"), (":4", "report[0] wants"), (":6", "has no rule"),
        (":6", 'does not score "rouge"'), (":7", 'no key "foo"'),
    )  # fmt: skip


def _metrics() -> Iterator[Case]:
    yield _over(
        "an unknown metric",
        "metrics:\n  - exact_match\n  - contains\n  - rogue\n",
        (":5", 'metrics[2] names no metric "rogue"', 'did you mean "rouge"?'),
    )
    yield _over("a metric in capitals", "metrics: [ROUGE]\n", (":2", 'no metric "ROUGE"', 'did you mean "rouge"?'))
    yield _over("a metric like no other", "metrics: [xyzzy]\n", (":2", 'no metric "xyzzy"', "evalkit list metrics"))
    yield _over("a metric that is a number", "metrics: [3]\n", (":2", "metrics[0] wants a metric's name", "the number 3"))
    yield _over(
        "an unknown option",
        "metrics:\n  - contains: {mod: all}\n",
        (":3", 'contains has no option "mod"', 'did you mean "mode"?'),
    )
    yield _over(
        "an option where there are none",
        "metrics:\n  - token_f1: {x: 1}\n",
        (":3", 'token_f1 has no option "x"', "it takes no options"),
    )
    yield _over(
        "an option of the wrong type",
        "metrics:\n  - exact_match:\n      ignore_case: maybe\n",
        (":4", "metrics[0].ignore_case wants true or false", 'the text "maybe"'),
    )
    yield _over(
        "yes instead of true",
        "metrics:\n  - exact_match: {ignore_case: yes}\n",
        (":3", "wants true or false", 'the text "yes"'),
    )
    yield _over(
        "a choice that is none",
        "metrics:\n  - contains: {mode: every}\n",
        (":3", "metrics[0].mode wants one of any, all", 'the text "every"'),
    )
    yield _over(
        "a number in quotes",
        'metrics:\n  - numeric_match: {rel_tol: "0.1"}\n',
        (":3", "rel_tol wants a number", 'the text "0.1"'),
    )
    yield _over(
        "a list with a number in it",
        "metrics:\n  - exact_match: {regexes_to_ignore: [a, 3]}\n",
        (":3", "regexes_to_ignore[1] wants text", "the number 3"),
    )
    yield _over("a pattern that is none", "metrics:\n  - {use: regex, pattern: '('}\n", (":3", "metrics[0] (regex)"))
    yield _over("an option that is missing", "metrics: [regex]\n", (":2", 'metrics[0] (regex) lacks the option "pattern"'))
    yield _over("options that are no mapping", "metrics:\n  - contains: all\n", (":3", "the options of contains are a mapping"))
    yield _over(
        "options beside the name",
        "metrics:\n  - contains:\n    mode: all\n",
        (":3", "the options of contains beside its name", "indent"),
    )
    yield _over("an entry without use", "metrics:\n  - {as: x, mode: all}\n", (":3", "does not say which metric", "use: NAME"))
    yield _over(
        "a label twice",
        "metrics:\n  - exact_match\n  - {use: exact_match, ignore_case: true}\n",
        (":4", 'two metrics are called "exact_match"', "line 3", "as: exact_match_2"),
    )
    yield _over("a label that is taken", "metrics:\n  - {use: exact_match, as: errors}\n", (":3", '"errors" is taken'))
    yield _over(
        "a label with a dot",
        "metrics:\n  - {use: exact_match, as: em.loose}\n",
        (":3", "metrics[0].as wants a name", "as: em_loose"),
    )
    yield _over(
        "an unknown backend kind",
        "metrics: [exact_match]\nbackends:\n  judge: {kind: scriptd}\n",
        (":4", 'backends.judge names no backend "scriptd"', 'did you mean "scripted"?'),
    )
    yield _over(
        "a backend without kind",
        "metrics: [exact_match]\nbackends:\n  judge: {model: x}\n",
        (":4", "backends.judge lacks `kind`"),
    )
    yield _over(
        "a backend with an unknown option",
        "metrics: [exact_match]\nbackends:\n  judge: {kind: scripted, othrwise: x}\n",
        (":4", 'the backend scripted has no option "othrwise"', '"otherwise"'),
    )
    yield _over(
        "a backend whose address is none",
        "metrics: [exact_match]\nbackends:\n  judge: {kind: openai, base_url: localhost, model: x}\n",
        (":4", "backends.judge: base_url begins with http:// or https://"),
    )
    yield _over(
        "a judge whose backend cannot do what it wants",
        "backends:\n  judge: {kind: scripted}\nmetrics:\n"
        "  - {use: geval, mode: logprob, rubric: {criteria: Is it kind?, steps: [Read it.]}}\n",
        (":5", "the backend judge (kind: scripted) cannot give the log-probabilities of a reply", "mode: sampled"),
    )
    yield _over(
        "a rubric with a wrong key",
        "backends:\n  judge: {kind: scripted}\nmetrics:\n  - {use: geval, rubric: {criteria: Is it kind?, stepps: [Read.]}}\n",
        (":5", 'the rubric has no key "stepps"', 'did you mean "steps"?'),
    )
    yield _over(
        "a rubric that is not there",
        "backends:\n  judge: {kind: scripted}\nmetrics:\n  - {use: geval, rubric: rubrics/consistancy.yaml}\n",
        (":5", "names no file", "rubrics/consistency.yaml"),
    )
    yield _over(
        "a backend of the wrong type",
        "metrics: [exact_match]\nbackends:\n  judge: {kind: scripted, max_concurrency: many}\n",
        (":4", "backends.judge.max_concurrency wants a whole number"),
    )
    yield _over(
        "a key instead of its variable",
        "metrics: [exact_match]\nbackends:\n  judge: {kind: scripted, model_env: sk-1234567890abcdefghijkl}\n",
        (":4", "backends.judge.model_env wants the name of an environment variable", "never the key"),
    )
    yield _over(
        "an unknown backend",
        "metrics:\n  - {use: yes_no, question: ok?, backend: jugde}\nbackends:\n  judge: {kind: scripted, otherwise: x}\n",
        (":3", 'names no backend "jugde"', 'did you mean "judge"?'),
    )
    yield _over(
        "no backend at all",
        "metrics:\n  - {use: yes_no, question: ok?}\n",
        (":3", "yes_no asks a model", "declares none", "backends"),
    )
    yield _over(
        "which of two backends",
        "metrics:\n  - {use: yes_no, question: ok?}\nbackends:\n  a: {kind: scripted}\n  b: {kind: scripted}\n",
        (":3", "declares several", "one of a, b"),
    )
    yield _over(
        "a backend that is not needed",
        "metrics:\n  - {use: exact_match, backend: a}\nbackends:\n  a: {kind: scripted}\n",
        (":3", "exact_match asks no model"),
    )


def _gate(name: str, gate: str, *words: str) -> Case:
    """A case with one wrong gate, in line 4."""
    return _over(
        name,
        f"metrics: [exact_match, latency, tokens, {{use: numeric_match, as: num}}]\ngates:\n  - {gate}\n",
        (":4", *words),
    )


def _gates() -> Iterator[Case]:
    yield _gate(
        "a gate on an unknown metric",
        "{metric: exct_match, min: 0.5}",
        "gates[0] names no metric",
        'did you mean "exact_match"?',
    )
    yield _gate(
        "a gate on an unknown part",
        "{metric: latency.p59, max: 100}",
        'latency has no part "p59"',
        'did you mean "latency.p9',
    )
    yield _gate("a part of a metric that has none", "{metric: exact_match.f1, min: 0.5}", "exact_match has no parts")
    yield _gate("a part without its metric", "{metric: p95, max: 100}", 'names no metric "p95"', 'did you mean "latency.p95"?')
    yield _gate(
        "a gate on a metric that is not scored",
        "{metric: bleu, min: 20}",
        'the suite does not score "bleu"',
        "metrics:",
    )
    yield _gate("a gate without metric", "{min: 0.5}", "gates[0] lacks `metric`")
    yield _gate("a gate without rule", "{metric: exact_match}", "gates[0] has no rule", "min, max, no_worse_than, every")
    yield _gate("a threshold without rule", "{metric: exact_match, threshold: 1}", "gates[0] has no rule", "every: true")
    yield _gate("several rules", "{metric: exact_match, min: 0.1, every: true, threshold: 1}", "several rules: min and every")
    yield _gate("min above max", "{metric: latency, min: 9, max: 3}", "min 9 is more than max 3")
    yield _gate("a bound in percent", "{metric: exact_match, min: 80}", "exact_match lies between 0 and 1", "did you mean 0.8?")
    yield _gate("a bound below zero", "{metric: errors, max: -0.1}", "the share of errors lies between 0 and 1")
    yield _gate("a bound in words", "{metric: exact_match, min: high}", "gates[0].min wants a number", 'the text "high"')
    yield _gate("a bound that is no number", "{metric: exact_match, min: .nan}", "gates[0].min wants a number", "nan")
    yield _gate("every without threshold", "{metric: exact_match, every: true}", "no `threshold`", "threshold: 1")
    yield _gate("a misspelt rule", "{metric: exact_match, mni: 0.5}", 'gates[0] has no key "mni"', 'did you mean "min"?')
    yield _gate(
        "a negative margin",
        "{metric: exact_match, no_worse_than: latest, margin: -0.1}",
        "gates[0].margin wants a number of 0 or more",
    )
    yield _gate("a margin without comparison", "{metric: exact_match, min: 0.1, margin: 0.1}", "margin goes with no_worse_than")
    yield _gate("errors for every record", "{metric: errors, every: true, threshold: 0}", "takes only min or max")
    yield _gate(
        "a gate's confidence in percent",
        "{metric: exact_match, min: 0.1, confidence: 90}",
        "gates[0].confidence wants",
        "did you mean 0.9?",
    )
    yield _gate("where that is a text", "{metric: exact_match, min: 0.1, where: model}", "gates[0].where wants a mapping")
    yield _gate(
        "where with a mapping in it",
        "{metric: exact_match, min: 0.1, where: {model: {a: 1}}}",
        "gates[0].where.model wants a value or a list",
    )
    yield _gate(
        "an unknown on_inconclusive",
        "{metric: exact_match, min: 0.1, on_inconclusive: ignore}",
        "on_inconclusive wants one of fail, pass",
    )
    yield _over(
        "gates that are a mapping",
        "metrics: [exact_match]\ngates: {metric: exact_match, min: 1}\n",
        (":3", "gates wants a list of gates"),
    )
    yield _gate("a gate that is a text", "exact_match", "gates[0] wants a gate")


def _paths() -> Iterator[Case]:
    def data(path: str) -> str:
        return f"name: x\ndataset:\n  path: {path}\nmetrics: [exact_match]\n"

    outside = {"secret.jsonl": GOOD_DATA}
    schema = "metrics:\n  - json_schema: {schema: %s}\n"
    yield _suite(
        "no such data file",
        data("../data/y.jsonl"),
        (":3", 'dataset.path names no data file "../data/y.jsonl"', 'did you mean "../data/x.jsonl"?'),
    )
    yield _suite(
        "data beside the suite that is elsewhere",
        data("x.jsonl"),
        (":3", "names no data file", 'did you mean "data/x.jsonl"?'),
    )
    yield _suite("data that is a folder", data("../data"), (":3", "is a folder", "../data/*.jsonl"))
    yield _suite("a pattern that matches nothing", data("../data/*.csv"), (":3", "matches no file"))
    yield _suite("an absolute path to nothing", data("/nowhere/at/all.jsonl"), (":3", "names no data file"))
    yield _suite("an escape by dots", data("../../outside/secret.jsonl"), (":3", "leads out of the project"), outside=outside)
    yield _suite(
        "an escape by a link",
        data("../data/link.jsonl"),
        (":3", "leads out of the project"),
        outside=outside,
        files={"data/link.jsonl": Link("{outside}/secret.jsonl")},
    )
    yield _suite(
        "an escape by a linked folder",
        data("../data/more/*.jsonl"),
        (":3", "leads out of the project"),
        outside=outside,
        files={"data/more": Link("{outside}")},
    )
    yield _suite("an escape by a pattern", data("../../outside/*.jsonl"), (":3", "leads out of the project"), outside=outside)
    yield _suite(
        "a link to itself",
        data("../data/loop.jsonl"),
        (":3", "dataset.path"),
        files={"data/loop.jsonl": Link("loop.jsonl")},
    )
    yield _suite("a path with a null character", data('"../data/x\\0.jsonl"'), (":3", "no path that can be opened"))
    yield _suite("a path too long", data("x" * 5000), (":3", "dataset.path"))
    yield _suite("hf without a name", data('"hf:"'), (":3", "hf:NAME"))
    yield _over(
        "no such schema",
        schema % "answer.json",
        (":3", 'names no file "answer.json"', 'did you mean "answers.json"?'),
        files={"suites/answers.json": "{}"},
    )
    yield _over(
        "a schema outside",
        schema % "../../outside/s.json",
        (":3", "leads out of the project"),
        outside={"s.json": "{}"},
    )
    yield _over("a schema in Latin-1", schema % "s.json", (":3", "not UTF-8"), files={"suites/s.json": b'{"title": "\xe9"}'})
    yield _over(
        "a schema that is none",
        schema % "s.json",
        (":3", "metrics[0] (json_schema)"),
        files={"suites/s.json": '{"type": "strng"}'},
    )
    yield _over(
        "a baseline that is not there",
        "metrics: [exact_match]\nbaseline: main/results.json\n",
        (":3", 'baseline names no file "main/results.json"'),
    )


def _overrides() -> Iterator[Case]:
    def over(name: str, pair: str, *words: str) -> Case:
        return Case(name, ((f"--set {pair}", *words),), sets=(pair,))

    yield over("set an unknown key", "sed=3", 'the suite has no key "sed"', 'did you mean "seed"?')
    yield over("set an unknown key of dataset", "dataset.limt=3", 'dataset has no key "limt"', 'did you mean "limit"?')
    yield over("set a wrong type", "dataset.limit=few", "dataset.limit wants a whole number", 'the text "few"')
    yield over("set an entry that is not there", "metrics.3.mode=all", 'metrics has no entry "3"', "1 entry, 0 to 0")
    yield over(
        "set an option of a metric by a wrong name",
        "metrics.exact_mtch.ignore_case=true",
        'no entry "exact_mtch"',
        '"exact_match"',
    )
    yield over("set an unknown option", "metrics.0.ignore_cas=true", 'exact_match has no option "ignore_cas"', '"ignore_case"')
    yield over("set what is no YAML", "seed=[1", "bracket")
    yield over("set inside a number", "dataset.path.x=1", 'dataset.path is the text "../data/x.jsonl"')
    yield over("set in a backend that is not there", "backends.judge.model=x", 'backends has no "judge"')


# --- data ------------------------------------------------------------------------------------------------------------


def _rows(
    name: str,
    content: str | bytes,
    *problems: tuple[str, ...],
    file: str = "data/x.jsonl",
    fields: str = "",
    metrics: str = "[exact_match]",
) -> Case:
    """A case whose data is ``content``; a place that begins with a colon is a line of that file."""
    path = f"../{file}"
    suite = f"dataset: {{path: {path}{fields}}}\nmetrics: {metrics}\n"
    placed = tuple((f"{path}{place}" if place.startswith(":") else place or path, *words) for place, *words in problems)
    return Case(name, placed, {SUITE: suite, file: content})


def _line(number: int, text: str) -> str:
    """Good data with one line replaced; lines count from 1."""
    lines = GOOD_DATA.split("\n")
    lines[number - 1] = text
    return "\n".join(lines)


def _data() -> Iterator[Case]:
    yield _rows("an empty file", "", ("", "no records"))
    yield _rows("a file of blank lines", "\n\n\n", ("", "no records"))
    yield _rows("broken JSON in line 17", _line(17, '{"id": "r16", "output": "32" "reference": "32"}'), (":17", "broken JSON"))
    yield _rows("JSON cut off in the last line", GOOD_DATA + '{"id": "r20", "output": "4', (":21", "broken JSON"))
    yield _rows(
        "two objects on a line",
        _line(3, '{"id": "a", "output": "1"} {"id": "b", "output": "2"}'),
        (":3", "broken JSON"),
    )
    yield _rows("a line that is no object", _line(4, "[1, 2]"), (":4", "not an object"))
    yield _rows("one array instead of lines", json.dumps(GOOD_ROWS), (":1", "a JSON array"))
    yield _rows("NaN in a line", _line(5, '{"id": "r4", "output": "8", "reference": "8", "cost": NaN}'), (":5", "NaN"))
    yield _rows("a duplicate id", GOOD_DATA + GOOD_DATA.split("\n")[2] + "\n", (":21", "r2", "line 3"))
    yield _rows(
        "wrong encoding",
        _line(7, "@").encode().replace(b"@", b'{"id": "r6", "output": "caf\xe9", "reference": "x"}'),
        (":7", "UTF-8"),
    )
    yield _rows("UTF-16 data", GOOD_DATA.encode("utf-16"), ("", "UTF-16"))
    yield _rows("a NUL byte", _line(9, "@").encode().replace(b"@", b'{"id": "r8\x00"}'), (":9", "NUL"))
    yield _rows(
        "a missing column",
        GOOD_DATA.replace("reference", "gold"),
        ("", '"reference"', "exact_match needs", "fields: {reference: gold}"),
    )
    yield _rows(
        "a missing column without a likely one",
        GOOD_DATA.replace("reference", "zzz"),
        ("", '"reference"', "exact_match needs", "it has"),
    )
    yield _rows(
        "a column of nulls",
        "".join(json.dumps({**row, "reference": None}) + "\n" for row in GOOD_ROWS),
        ("", "null in every record"),
    )
    yield _rows(
        "fields that name nothing",
        GOOD_DATA,
        ("", '"outpt"', 'did you mean "output"?'),
        fields=", fields: {output: outpt}",
    )
    yield _rows(
        "a number column of texts",
        _line(6, '{"id": "r5", "output": "1", "reference": "1", "latency_ms": "fast"}'),
        (":6", "latency_ms", "fast"),
    )
    yield _rows(
        "a reference that is an object",
        _line(8, '{"id": "r7", "output": "1", "reference": {"a": 1}}'),
        (":8", "reference", "an object"),
    )
    yield _rows(
        "contexts that are a text",
        _line(8, '{"id": "r7", "output": "1", "reference": "1", "contexts": "one text"}'),
        (":8", "contexts"),
    )
    yield _rows(
        "feedback of five stars",
        _line(2, '{"id": "r1", "output": "1", "reference": "1", "feedback": 5}'),
        (":2", "feedback"),
    )
    yield _rows(
        "a time that is none",
        _line(2, '{"id": "r1", "output": "1", "reference": "1", "timestamp": [2024]}'),
        (":2", "timestamp"),
    )
    yield _rows("one line of 10 MB, broken", "{" + '"output": "' + "x" * 10_000_000, (":1", "broken JSON"))
    yield _rows("a spreadsheet", b"PK\x03\x04rest", ("", "CSV"), file="data/x.xlsx")
    yield _rows("a JSON file", json.dumps(GOOD_ROWS), ("", "one object a line"), file="data/x.json")
    yield _rows("a compressed file", gzip.compress(GOOD_DATA.encode()), ("", "gzip"))
    yield _rows("a CSV row too long", "id,output,reference\na,1,1\nb,2,2,2\n", (":3", "4"), file="data/x.csv")
    yield _rows("a CSV with a column twice", "id,output,output\na,1,1\n", (":1", "output"), file="data/x.csv")
    yield _rows("a CSV with an open quotation mark", 'id,output,reference\na,"1,1\nb,2,2\n', (":2", "quot"), file="data/x.csv")
    yield _rows("an empty CSV", "id,output,reference\n", ("", "no records"), file="data/x.csv")
    yield _rows("a Parquet file that is none", b"PAR1 and then nothing of the sort", ("", "Parquet"), file="data/x.parquet")
    yield _rows(
        "a slice that the data lacks",
        GOOD_DATA,
        ("", '"modle"', "slices needs"),
        metrics="[exact_match]\nslices: [modle]",
    )
    yield _rows(
        "a where that the data lacks",
        GOOD_DATA,
        ("", '"tga"', "gates[0].where needs"),
        metrics="[exact_match]\ngates: [{metric: exact_match, min: 0, where: {tga: x}}]",
    )
    yield _rows(
        "two things at once",
        _line(2, "nonsense") + '{"id": "r3", "output": 1}\n',
        (":2", "broken JSON"),
        (":21", "r3", "line 4"),
    )
