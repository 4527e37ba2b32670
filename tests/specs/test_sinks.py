"""The ``alerts:`` of a monitor's file: everything wrong is told at once, with its line, before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import evalkit
from evalkit.core.registry import entries, forget
from evalkit.monitor.sinks.email import Email
from evalkit.specs.home import Home
from evalkit.specs.node import Node
from evalkit.specs.sinks import SinkSpec, read_alerts
from evalkit.specs.tree import read_tree

Read = Callable[..., tuple[tuple[SinkSpec, ...], list[str]]]
SECRET = "https://hooks.example.org/services/T0AAAAAAA/B0BBBBBBB/canary7f3a9c51"


@pytest.fixture
def read(project: Path) -> Read:
    """The sinks of a list in YAML, and what is wrong with it."""

    def reading(text: str, environment: Mapping[str, str] | None = None) -> tuple[tuple[SinkSpec, ...], list[str]]:
        tree = read_tree(f"name: shop\nalerts:\n{text}", "m.yaml")
        told = read_alerts(Node(tree).get("alerts"), Home.of(project / "m.yaml", project), environment)
        return told, [str(problem) for problem in tree.problems]

    return reading


def test_a_file_without_alerts_has_no_sinks(read: Read) -> None:
    assert read_alerts(None, Home.of(None, Path.cwd())) == ()
    assert read("  []") == ((), [])


def test_every_sink_is_built_from_its_options(read: Read, project: Path) -> None:
    sinks, wrong = read(
        "  - {kind: jsonl, path: out/alerts.jsonl}\n"
        "  - {kind: webhook, url_env: HOOK, headers_env: {Authorization: TOKEN}, secret_env: KEY, timeout_s: 5}\n"
        "  - {kind: slack, url_env: SLACK, as: team, examples: 0}\n"
        "  - {kind: email, host: mail.example.org, from: a@example.org, to: [b@example.org]}\n"
        "  - {kind: prometheus, path: /var/lib/node_exporter/shop.prom}\n"
    )
    assert not wrong
    assert [(one.name, one.kind, one.line) for one in sinks] == [
        *(("jsonl", "jsonl", 3), ("webhook", "webhook", 4), ("team", "slack", 5), ("email", "email", 6)),
        ("prometheus", "prometheus", 7),
    ]
    assert sinks[0].sink.path == project / "out/alerts.jsonl"
    assert [one.takes_alerts for one in sinks] == [True, True, True, True, False]
    assert isinstance(sinks[3].sink, Email)
    assert sinks[3].sink.sender == "a@example.org"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("  - {kind: webhok, url_env: H}", 'm.yaml:3: alerts[0] names no sink "webhok"; did you mean "webhook"?'),
        ("  - {kind: pager}", 'm.yaml:3: alerts[0] names no sink "pager"; one of jsonl, webhook, slack, email, prometheus'),
        ("  - {path: x}", "m.yaml:3: alerts[0] lacks `kind`; one of jsonl, webhook, slack, email, prometheus"),
        ("  - jsonl", "m.yaml:3: alerts[0] wants a mapping such as {kind: slack, url_env: SLACK_URL}"),
        ("  {kind: jsonl, path: x}", "write `- kind: jsonl`"),
        ("  - {kind: jsonl, pth: x}", 'm.yaml:3: the sink jsonl has no option "pth"; did you mean "path"?'),
        ("  - {kind: slack}", 'm.yaml:3: alerts[0] (the sink slack) lacks the option "url_env"; add `url_env: …`'),
        ("  - kind: slack\n    url_env: H\n    timeout_s: fast", "m.yaml:5: alerts[0].timeout_s wants a number"),
        ("  - {kind: slack, url_env: H, examples: 9}", "examples are from 0 to 5"),
        ("  - {kind: email, host: h, from: 7, to: a@b.org}", "m.yaml:3: alerts[0].sender wants text, and found the number 7"),
        ('  - {kind: email, host: h, from: "a@b\\nBcc: x@y", to: a@b.org}', "is no address of mail"),
        ("  - {kind: jsonl, path: ../../x.jsonl}", 'm.yaml:3: alerts[0].path leads out of the project: "../../x.jsonl"'),
        ("  - {kind: prometheus, path: x.txt}", "path ends in .prom"),
        ("  - {kind: webhook, url_env: H, headers_env: {Host: X}}", "headers_env names a header that cannot be set"),
        ("  - {kind: webhook, url_env: H, headers_env: {A: not a name}}", "alerts[0].headers_env.A wants the name"),
        ("  - {kind: slack, url_env: H}\n  - {kind: slack, url_env: G}", 'm.yaml:4: alerts[1]: two sinks are called "slack"'),
        ("  - {kind: jsonl, path: x, as: a b}", "m.yaml:3: alerts[0].as wants letters, digits"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_the_nearest_right_thing(read: Read, text: str, said: str) -> None:
    _, wrong = read(text)
    assert [line for line in wrong if said in line], wrong


def test_everything_wrong_is_told_at_once(read: Read) -> None:
    _, wrong = read("  - {kind: webhok}\n  - {kind: slack, ulr_env: H}\n  - {kind: email, host: h}\n")
    assert [line.split(" ", 1)[0] for line in wrong] == ["m.yaml:3:", "m.yaml:4:", "m.yaml:4:", "m.yaml:5:", "m.yaml:5:"]


def test_variables_that_are_not_set_are_told_before_anything_runs(read: Read) -> None:
    text = "  - {kind: webhook, url_env: HOOK, headers_env: {Authorization: TOKEN}}\n  - {kind: slack, url_env: SLACK}\n"
    assert read(text)[1] == [], "the file itself is right"
    sinks, wrong = read(text, {"HOOK": " "})
    assert sinks == ()
    assert wrong == [
        "m.yaml:3: alerts[0].url_env: the environment variable HOOK is not set; set HOOK before the monitor runs",
        "m.yaml:3: alerts[0].headers_env.Authorization: the environment variable TOKEN is not set; set TOKEN before the monitor runs",
        "m.yaml:4: alerts[1].url_env: the environment variable SLACK is not set; set SLACK before the monitor runs",
    ]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("HOOK", SECRET.replace("https:", "canary7f3a9c51:"), "the variable HOOK holds no address that begins with http"),
        ("HOOK", "http://", "the variable HOOK holds no address"),
        ("HOOK", "http://[canary7f3a9c51", "the variable HOOK holds no address"),
        ("TOKEN", "Bearer canary7f3a9c51\r\nX-Other: 1", "the variable TOKEN holds signs that no header holds"),
        ("KEY", "whsec_canary7f3a9c51!", "the variable KEY begins with whsec_, and what follows is no base64"),
    ],
)
def test_a_variable_that_holds_nothing_of_use_is_told_without_its_value(
    read: Read, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    import os

    for each, good in (("HOOK", SECRET), ("TOKEN", "Bearer x"), ("KEY", "whsec_c2VjcmV0")):
        monkeypatch.setenv(each, good)
    text = "  - {kind: webhook, url_env: HOOK, headers_env: {Authorization: TOKEN}, secret_env: KEY}"
    assert read(text, os.environ)[1] == []
    monkeypatch.setenv(name, value)
    sinks, wrong = read(text, os.environ)
    assert sinks == ()
    assert said in wrong[0]
    assert "canary7f3a9c51" not in "".join(wrong)


@pytest.mark.parametrize("key", ["url", "url_env", "ulr_env", "headers_env", "as", "kind"])
def test_a_secret_written_into_the_file_is_told_without_it(read: Read, key: str) -> None:
    value = f"{{Authorization: '{SECRET}'}}" if key == "headers_env" else f"'{SECRET}'"
    kind = "" if key == "kind" else "kind: webhook, "
    _, wrong = read(f"  - {{{kind}{key}: {value}}}")
    assert wrong
    told = "".join(wrong)
    assert key in ("as", "kind") or "canary7f3a9c51" not in told


# --- a sink of a third party --------------------------------------------------------------------------------------------


@pytest.fixture
def third_party() -> Iterator[None]:
    @evalkit.sink("pager")
    @dataclass(frozen=True)
    class Pager:
        """Wakes somebody up."""

        key_env: str
        level: int = 1

        async def send(self, alerts: Any) -> None:
            """Nobody is woken up here."""

    @evalkit.sink("deaf")
    @dataclass(frozen=True)
    class Deaf:
        """Takes nothing."""

    @evalkit.sink("blocking")
    @dataclass(frozen=True)
    class Blocking:
        """Returns nothing to wait for."""

        def send(self, alerts: Any) -> None:
            """At once."""

    yield
    for name in ("pager", "deaf", "blocking"):
        forget("sink", name)


@pytest.mark.usefixtures("third_party")
def test_a_sink_of_a_third_party_is_checked_like_ours(read: Read) -> None:
    sinks, wrong = read("  - {kind: pager, key_env: PAGER_KEY, level: 2}", {"PAGER_KEY": "x"})
    assert not wrong
    assert (sinks[0].sink.level, sinks[0].sink.key_env) == (2, "PAGER_KEY")
    assert isinstance(sinks[0].sink, evalkit.Sink)
    assert "did you mean" in read("  - {kind: pager, key_env: K, levle: 2}")[1][0]
    assert "PAGER_KEY is not set" in read("  - {kind: pager, key_env: PAGER_KEY}", {})[1][0]


@pytest.mark.usefixtures("third_party")
def test_a_class_that_cannot_be_sent_to_is_told(read: Read) -> None:
    assert 'the sink "deaf" has neither `async def send` nor `async def export`' in read("  - {kind: deaf}")[1][0]
    assert '`send` of the sink "blocking" is not async' in read("  - {kind: blocking}")[1][0]


def test_every_built_in_sink_has_its_class_where_the_table_says() -> None:
    for entry in entries("sink"):
        if entry.owner == "evalkit":
            assert entry.load().name == entry.name  # type: ignore[attr-defined]
