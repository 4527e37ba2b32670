"""A key is sent to its endpoint and appears nowhere else; what a model says is text wherever it goes."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

KEY = "sk-canary-7f3a9c51d2e84b60"
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`$(touch stolen)`; {{7*7}} ../../stolen \x1b[31m"


@pytest.fixture
def suite(project: Path, endpoint: Any) -> Path:
    rows = [{"id": f"r{i}", "input": f"q{i}", "output": f"answer {i}"} for i in range(12)]
    (project / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (project / "s.yaml").write_text(
        "name: s\ndataset: {path: d.jsonl}\n"
        f"backends: {{judge: {{kind: openai, base_url: {endpoint.url}, model: small, api_key_env: JUDGE_KEY, attempts: 2}}}}\n"
        "metrics: [{use: yes_no, as: good, question: Is it good?, backend: judge}]\n"
        "report: [json, html, junit, markdown, prometheus]\nresamples: 100\n"
    )
    return project / "s.yaml"


def everything(folder: Path) -> Iterator[tuple[str, str]]:
    """Every file of a folder as text, what is packed in it unpacked; and every file's name."""
    for path in folder.rglob("*"):
        yield "a name", str(path.relative_to(folder))
        if not path.is_file():
            continue
        data = path.read_bytes()
        yield str(path), data.decode("utf-8", "replace") + data.decode("utf-16", "replace")
        if path.suffix == ".parquet":
            yield str(path), repr(pq.read_table(path).to_pydict()) + repr(pq.read_schema(path).metadata)
        if path.suffix == ".sqlite":
            with closing(sqlite3.connect(path)) as database:
                for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                    yield f"{path}:{table}", repr(database.execute(f'SELECT * FROM "{table}"').fetchall())


def no_key(folder: Path, *texts: str) -> None:
    for where, text in (*everything(folder), *(("the output", text) for text in texts)):
        assert KEY not in text, where
        assert KEY[:16] not in text, f"a part of the key in {where}"
        assert KEY[-12:] not in text, f"a part of the key in {where}"


@pytest.mark.parametrize(
    ("behaviour", "codes"),
    [
        ({}, {0}),
        ({"echo": True}, {3}),
        ({"key": "sk-another-0123456789"}, {2}),
        ({"echo": True, "faults": {"500": 1.0}}, {3}),
        ({"echo": True, "faults": {"429": 1.0}, "retry_after_s": 0}, {3}),
        ({"echo": True, "unknown": ["temperature"]}, {3}),
        ({"echo": True, "model": "large"}, {2}),
        ({"say": f"the key is {KEY}"}, {3}),
        ({"say": json.dumps({"reason": f"the key is {KEY}", "verdict": "yes"})}, {0}),
    ],
    ids=str,
)
def test_a_key_appears_in_nothing_that_a_run_writes_or_says(
    suite: Path, endpoint: Any, call: Any, monkeypatch: pytest.MonkeyPatch, behaviour: dict[str, Any], codes: set[int]
) -> None:
    from evalkit.backends import pipeline

    monkeypatch.setattr(pipeline, "FIRST_WAIT_S", 0.001)
    monkeypatch.setenv("JUDGE_KEY", KEY)
    monkeypatch.setenv("EVALKIT_DEBUG", "1")
    endpoint.reset(**behaviour)
    record = suite.parent / "replies.jsonl"
    code, out, err = call("run", suite, "--json", "--record", record)
    assert code in codes, err
    assert endpoint.log()
    more = [text for name in ("show", "list", "check") for text in call(name, *_shown(name, suite))[1:]]
    no_key(suite.parent, out, err, *more)


def _shown(name: str, suite: Path) -> list[str]:
    return {"show": ["latest"], "list": ["runs"], "check": [str(suite)]}[name]


def test_a_key_appears_in_no_traceback(
    suite: Path, endpoint: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    from evalkit.backends.openai import OpenAI
    from evalkit.cli.app import guarded

    monkeypatch.setenv("JUDGE_KEY", KEY)
    monkeypatch.setenv("EVALKIT_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["evalkit", "run", str(suite)])

    def broken(self: Any, *arguments: Any) -> Any:
        raise RuntimeError(f"a defect, met with {self!r}")

    monkeypatch.setattr("evalkit.runner.ask.write_part", lambda *_: broken(OpenAI("http://h/v1", "small", api_key=KEY)))
    assert guarded() == 2
    out, err = capsys.readouterr()
    assert "Traceback" in err
    assert "a defect, met with OpenAI(" in err
    no_key(suite.parent, out, err)


def test_a_key_appears_in_nothing_that_a_process_says(suite: Path, endpoint: Any, cli: Any) -> None:
    endpoint.reset(echo=True, faults={"reset": 0.3, "truncated": 0.2, "500": 0.2})
    done = cli("run", suite, JUDGE_KEY=KEY, EVALKIT_DEBUG="1", PYTHONASYNCIODEBUG="1", PYTHONDEVMODE="1")
    assert done.returncode in (0, 3), done.stderr
    no_key(suite.parent, done.stdout, done.stderr)


@pytest.mark.parametrize("key", [f"{KEY}\r\nX-Other: 1", f"{KEY}é", f"{KEY}\x07"])
def test_a_key_that_cannot_be_sent_is_told_without_it(
    suite: Path, endpoint: Any, call: Any, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("JUDGE_KEY", key)
    code, out, err = call("run", suite)
    assert code == 2
    assert "backends.judge: the API key holds signs that no key holds" in err
    assert not endpoint.log()
    no_key(suite.parent, out, err)


def test_a_key_written_where_a_variables_name_belongs_is_told_without_it(suite: Path, call: Any) -> None:
    suite.write_text(suite.read_text().replace("JUDGE_KEY", KEY))
    code, out, err = call("run", suite)
    assert code == 2
    assert "never the key itself" in err
    suite.unlink()
    no_key(suite.parent, out, err)


def test_a_key_does_not_follow_a_redirection(suite: Path, endpoint: Any, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket
    import threading

    listener = socket.create_server(("127.0.0.1", 0))

    def redirect() -> None:
        for _ in range(12):
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(
                    f"HTTP/1.1 307 X\r\nLocation: {endpoint.url}/chat/completions\r\nContent-Length: 0\r\n\r\n".encode()
                )

    thread = threading.Thread(target=redirect, daemon=True)
    thread.start()
    monkeypatch.setenv("JUDGE_KEY", KEY)
    suite.write_text(suite.read_text().replace(endpoint.url, f"http://127.0.0.1:{listener.getsockname()[1]}/v1"))
    code, _, err = call("run", suite)
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)
    assert code == 2
    assert "sends elsewhere (307)" in err
    assert not endpoint.log()


# --- what a model says -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parses", [True, False])
def test_what_a_model_says_is_text_in_every_report(
    suite: Path, endpoint: Any, call: Any, monkeypatch: pytest.MonkeyPatch, parses: bool
) -> None:
    monkeypatch.setenv("JUDGE_KEY", KEY)
    endpoint.reset(say=json.dumps({"reason": HOSTILE, "verdict": "no"}) if parses else HOSTILE)
    suite.write_text(suite.read_text() + "gates: [{metric: good, threshold: 1, every: true}]\n")  # which lists every record
    code, out, err = call("run", suite)
    assert code in ((1,) if parses else (1, 3)), err
    (folder,) = (suite.parent / ".evalkit/runs").iterdir()
    html = (folder / "report.html").read_text()
    assert "<script>alert(1)" not in html
    assert "<img src=x" not in html
    assert "alert(1)" in html, "it is shown, as text"
    for told in (out, err, (folder / "report.md").read_text()):
        assert "\x1b[31m" not in told
        assert "<script>alert(1)" not in told
    assert "<script>alert(1)" not in (folder / "junit.xml").read_text()
    assert not list(suite.parent.parent.rglob("stolen*"))
    scores = pq.read_table(folder / "scores.parquet").to_pylist()
    assert (HOSTILE in scores[0]["good.reason"]) if parses else ("the reply is not JSON" in scores[0]["good.error"])


def test_what_is_judged_is_text_in_reports_and_names_no_file(
    suite: Path, endpoint: Any, call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", KEY)
    row = {"id": f"../../{HOSTILE}", "input": HOSTILE, "output": HOSTILE}
    (suite.parent / "d.jsonl").write_text(json.dumps(row) + "\n" + json.dumps({**row, "id": "/etc/stolen"}) + "\n")
    suite.write_text(suite.read_text().replace("as: good", f"as: {json.dumps('../../stolen')}"))
    code, _, err = call("run", suite)
    assert code in (0, 2), err
    assert not list(suite.parent.parent.rglob("stolen*"))
    assert not os.path.exists("/etc/stolen")
    if code == 2:
        suite.write_text(suite.read_text().replace('as: "../../stolen"', "as: good"))
        code, _, err = call("run", suite)
        assert code == 0, err
    (folder,) = (suite.parent / ".evalkit/runs").iterdir()
    assert "<script>alert(1)" not in (folder / "report.html").read_text()
    assert not list(suite.parent.parent.rglob("stolen*"))
