"""What only the environment holds appears nowhere: not in reasons, warnings, logs, tracebacks, files, nor in how a sink is shown."""

from __future__ import annotations

import asyncio
import base64
import logging
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from evalkit.core.secret import scrubbed, variables
from evalkit.core.watched import Alert
from evalkit.monitor.deliver import Parcel, deliver
from evalkit.monitor.sinks.email import Email
from evalkit.monitor.sinks.jsonl import JsonLines
from evalkit.monitor.sinks.slack import Slack
from evalkit.monitor.sinks.webhook import Webhook

pytestmark = pytest.mark.usefixtures("quick")
CANARIES = {
    "URL_PATH": "T0CANARYxA7f3",
    "URL_QUERY": "canary-query-91d2e84b60",
    "TOKEN": "canary-bearer-5c0b7e1f22",
    "KEY": "canary-signing-8d41aa93c7",
    "USER": "canary-user-27be",
    "PASSWORD": "canary-pass-word-6610f0",
}


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch, receiver: Any) -> None:
    monkeypatch.setenv("HOOK", f"{receiver.url}/services/{CANARIES['URL_PATH']}/x?key={CANARIES['URL_QUERY']}")
    monkeypatch.setenv("TOKEN", f"Bearer {CANARIES['TOKEN']}")
    for name in ("KEY", "USER", "PASSWORD"):
        monkeypatch.setenv(name, CANARIES[name])


def nothing_leaks(*texts: object) -> None:
    for text in map(str, texts):
        for name, canary in CANARIES.items():
            assert canary not in text, name
            assert quote(canary, safe="") not in text, name
            assert base64.b64encode(canary.encode()).decode().rstrip("=") not in text, name


@dataclass(frozen=True)
class Careless:
    """A sink of a third party whose errors hold all that it knows."""

    url_env: str = "HOOK"
    headers_env: Any = None
    password_env: str = "PASSWORD"

    async def send(self, alerts: Sequence[Alert]) -> None:
        import os

        raise RuntimeError(f"POST {os.environ['HOOK']} with {CANARIES['PASSWORD']!r}: {quote(os.environ['HOOK'], safe='')}")


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 301, "reset", "hang"])
def test_a_receiver_that_repeats_everything_it_got_gives_nothing_away(receiver, alert, caplog, status):
    caplog.set_level(logging.DEBUG)
    echo = " ".join((CANARIES["URL_PATH"], CANARIES["URL_QUERY"], f"Bearer {CANARIES['TOKEN']}", CANARIES["KEY"]))
    receiver.plan = [status if isinstance(status, str) else (status, {"Location": f"{receiver.url}/{echo}"}, echo)] * 20
    sinks = {
        "webhook": Webhook("HOOK", {"Authorization": "TOKEN"}, "KEY", timeout_s=0.1),
        "slack": Slack("HOOK", timeout_s=0.1),
        "careless": Careless(),
    }
    told = asyncio.run(deliver([Parcel(alert(), name) for name in sinks], sinks))
    assert len(told.failed) == 3
    # A Slack sink knows nothing of the webhook's token: what a receiver makes up is no secret of that sink.
    ours = [one for one in told.failed if one.parcel.sink != "slack"]
    nothing_leaks(*ours, *(one.why for one in ours), caplog.text, *sinks.values())
    assert "[HOOK]" in next(one.why for one in ours if one.parcel.sink == "careless")


@pytest.mark.usefixtures("secrets")
def test_a_traceback_holds_no_address(alert, monkeypatch, nobody):
    monkeypatch.setenv("HOOK", f"http://127.0.0.1:{nobody}/{CANARIES['URL_PATH']}?k={CANARIES['URL_QUERY']}")
    for address in ("", "http://[", f"nonsense {CANARIES['URL_PATH']}"):
        if address:
            monkeypatch.setenv("HOOK", address)
        try:
            asyncio.run(Webhook("HOOK", {"Authorization": "TOKEN"}, "KEY").send([alert()]))
        except Exception:
            nothing_leaks(traceback.format_exc())
        else:
            raise AssertionError("nobody is there")


@pytest.mark.usefixtures("secrets")
def test_a_mail_server_that_repeats_the_login_gives_nothing_away(post, alert, caplog):
    from aiosmtpd.smtp import AuthResult

    caplog.set_level(logging.DEBUG, "evalkit")

    def refuse(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        said = f"535 {data.login.decode()} {data.password.decode()} " + base64.b64encode(data.password).decode()
        return AuthResult(success=False, handled=False, message=said)

    server = post(auth_require_tls=False, authenticator=refuse)
    sink = Email(
        "127.0.0.1", "a@example.org", "b@example.org", server.port, starttls=False, username_env="USER", password_env="PASSWORD"
    )
    told = asyncio.run(deliver([Parcel(alert(), "email")], {"email": sink}))
    assert "refused the login" in told.failed[0].why
    nothing_leaks(told, *told.warnings, caplog.text, sink, sink.mail([alert()]))


@pytest.mark.usefixtures("secrets")
def test_what_is_delivered_and_kept_holds_no_secret(receiver, alert, tmp_path):
    sinks = {
        "webhook": Webhook("HOOK", {"Authorization": "TOKEN"}, "KEY"),
        "slack": Slack("HOOK"),
        "file": JsonLines(tmp_path / "a.jsonl"),
    }
    told = asyncio.run(deliver([Parcel(alert(), name) for name in sinks], sinks))
    assert not told.failed
    nothing_leaks(told, (tmp_path / "a.jsonl").read_text(), *(got.body for got in receiver.got))
    assert any(got.headers.get("Authorization") == f"Bearer {CANARIES['TOKEN']}" for got in receiver.got), "it is sent"


@pytest.mark.usefixtures("secrets")
def test_variables_are_found_by_the_names_of_options_and_words_of_an_address_stay():
    sink = Webhook("HOOK", {"Authorization": "TOKEN"}, "KEY")
    assert variables(sink) == {"url_env": "HOOK", "headers_env.Authorization": "TOKEN", "secret_env": "KEY"}
    assert scrubbed("the services of 127.0.0.1", sink) == "the services of 127.0.0.1"
    assert scrubbed(f"x {CANARIES['TOKEN']} y", sink) == "x [TOKEN] y"
