"""Delivery: at least once, over real HTTP, with patience that ends; one sink's trouble is no other's."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from evalkit.core.sink import NotDelivered
from evalkit.core.watched import Alert, Figure
from evalkit.monitor.deliver import TRIES, Delivery, Parcel, deliver, export
from evalkit.monitor.sinks.jsonl import JsonLines
from evalkit.monitor.sinks.prometheus import Prometheus
from evalkit.monitor.sinks.slack import Slack
from evalkit.monitor.sinks.webhook import Webhook, message_id, signature

pytestmark = pytest.mark.usefixtures("quick")


def sent(alerts: Sequence[Alert], sinks: dict[str, Any], **more: Any) -> Delivery:
    """Every alert to every sink."""
    return asyncio.run(deliver([Parcel(alert, name) for alert in alerts for name in sinks], sinks, **more))


@pytest.fixture
def hook(receiver: Any, monkeypatch: pytest.MonkeyPatch) -> Webhook:
    monkeypatch.setenv("HOOK", f"{receiver.url}/hook?token=t0ken-9f8e7d6c")
    return Webhook("HOOK", timeout_s=2.0)


@dataclass
class Notebook:
    """A sink of a third party; ``raises`` come first."""

    at_once = 3
    raises: list[BaseException] = field(default_factory=list)
    got: list[list[str]] = field(default_factory=list)

    async def send(self, alerts: Sequence[Alert]) -> None:
        self.got.append([alert.id for alert in alerts])
        if self.raises:
            raise self.raises.pop(0)


def test_a_webhook_gets_every_alert_as_json(receiver, hook, alert):
    told = sent([alert(1), alert(2)], {"hook": hook})
    assert not told.failed
    assert [parcel.attempts for parcel in told.delivered] == [1, 1]
    (got,) = receiver.got  # of one window: one message
    assert got.path == "/hook?token=t0ken-9f8e7d6c"
    assert [one["id"] for one in got.told["alerts"]] == ["alert-1-opened", "alert-2-opened"]
    assert got.told["alerts"][0]["incident"]["since"] == "2026-11-30T01:00Z"
    assert got.headers["Content-Type"] == "application/json; charset=utf-8"


def test_a_webhook_can_be_signed_as_standard_webhooks_are(receiver, alert, monkeypatch):
    key = b"0123456789abcdef0123456789abcdef"
    monkeypatch.setenv("HOOK", receiver.url)
    monkeypatch.setenv("KEY", f"whsec_{base64.b64encode(key).decode()}")
    monkeypatch.setenv("TOKEN", "Bearer abc-123-def")
    sink = Webhook("HOOK", {"Authorization": "TOKEN"}, "KEY")
    sink.verify()
    assert not sent([alert()], {"hook": sink}).failed
    (got,) = receiver.got
    assert got.headers["Authorization"] == "Bearer abc-123-def"
    number, moment = got.headers["webhook-id"], got.headers["webhook-timestamp"]
    assert abs(time.time() - int(moment)) < 10
    signed = hmac.new(key, f"{number}.{moment}.".encode() + got.body, hashlib.sha256).digest()
    assert got.headers["webhook-signature"] == f"v1,{base64.b64encode(signed).decode()}"


def test_the_signature_is_the_one_that_the_specification_publishes():
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_same_alerts_have_the_same_message_id_in_any_order():
    assert message_id(["a", "b"]) == message_id(["b", "a"]) != message_id(["ab"])


@pytest.mark.parametrize("trouble", [[500], [503, 502], [(429, {"Retry-After": "0"}, "")], ["reset"], ["hang"], [408]])
def test_what_fails_in_passing_arrives_a_little_later(receiver, hook, alert, trouble):
    receiver.plan = list(trouble)
    told = sent([alert()], {"hook": hook})
    assert [parcel.attempts for parcel in told.delivered] == [len(trouble) + 1]
    assert len({got.headers["webhook-id"] for got in receiver.got}) == 1  # so that the receiver can tell


def test_retry_after_is_waited_for(receiver, hook, alert):
    receiver.plan = [(429, {"Retry-After": "0.7"}, "slow down")]
    assert not sent([alert()], {"hook": hook}).failed
    first, second = receiver.got
    assert second.at - first.at >= 0.7


def test_a_receiver_that_asks_for_more_time_than_there_is_gets_it_from_the_next_run(receiver, hook, alert):
    receiver.plan = [(429, {"Retry-After": "3600"}, "slow down")]
    before = time.monotonic()
    told = sent([alert()], {"hook": hook})
    assert time.monotonic() - before < 5
    assert len(receiver.got) == 1
    assert "(it asks to wait 3,600 s)" in told.failed[0].why
    assert told.failed[0].parcel.attempts == 1


def test_tries_end(receiver, hook, alert):
    receiver.plan = [500] * 100
    told = sent([alert()], {"hook": hook})
    assert len(receiver.got) == TRIES == told.failed[0].parcel.attempts
    assert told.failed[0].why == "the address in HOOK answered 500"
    assert told.warnings == (
        '1 alert for "hook" did not arrive: the address in HOOK answered 500. It is kept, and the next run tries again',
    )


def test_time_ends(receiver, alert, monkeypatch):
    monkeypatch.setenv("HOOK", receiver.url)
    receiver.plan = ["hang"] * 100
    before = time.monotonic()
    told = sent([alert()], {"hook": Webhook("HOOK", timeout_s=30)}, budget_s=0.5)
    assert time.monotonic() - before < 3
    assert "in the time that a delivery may take" in told.failed[0].why


@pytest.mark.parametrize(("status", "said"), [(404, "refused (404)"), (401, "refused (401)"), (410, "refused (410)")])
def test_what_is_refused_for_good_is_not_tried_again_and_kept(receiver, hook, alert, status, said):
    receiver.plan = [(status, {}, "no_service")] * 9
    told = sent([alert(hour=hour) for hour in range(3)], {"hook": hook})
    assert len(receiver.got) == 1
    assert len(told.failed) == 3
    assert said in told.failed[0].why
    assert "no_service" in told.failed[0].why
    assert [one.parcel.attempts for one in told.failed] == [1, 0, 0]


def test_a_redirection_is_not_followed(receiver, hook, alert):
    receiver.plan = [(307, {"Location": f"{receiver.url}/elsewhere"}, "")]
    told = sent([alert()], {"hook": hook})
    assert "sends elsewhere (307)" in told.failed[0].why
    assert [got.path for got in receiver.got] == ["/hook?token=t0ken-9f8e7d6c"]


def test_nobody_there_is_told_in_words(nobody, alert, monkeypatch):
    monkeypatch.setenv("HOOK", f"http://127.0.0.1:{nobody}/secret-path-12345")
    told = sent([alert()], {"hook": Webhook("HOOK")})
    assert told.failed[0].why == "the address in HOOK cannot be reached (connection refused)"


def test_one_alert_that_is_not_accepted_holds_no_other_up(receiver, hook, alert):
    receiver.refuses = lambda told: any(one["id"] == "alert-2-opened" for one in told["alerts"])
    told = sent([alert(1), alert(2), alert(3)], {"hook": hook})
    assert [parcel.alert.id for parcel in told.delivered] == ["alert-1-opened", "alert-3-opened"]
    (failure,) = told.failed
    assert failure.parcel.alert.id == "alert-2-opened"
    assert "does not take this (400); it says: invalid_payload" in failure.why


def test_one_sinks_trouble_is_no_other_sinks(receiver, hook, alert, nobody, monkeypatch, tmp_path):
    monkeypatch.setenv("DEAD", f"http://127.0.0.1:{nobody}")
    broken = Notebook([ZeroDivisionError("a defect of theirs")] * 9)
    sinks = {"dead": Slack("DEAD"), "broken": broken, "hook": hook, "file": JsonLines(tmp_path / "a.jsonl")}
    told = sent([alert()], sinks)
    assert {parcel.sink for parcel in told.delivered} == {"hook", "file"}
    assert {one.parcel.sink: one.why for one in told.failed} == {
        "dead": "the address in DEAD cannot be reached (connection refused)",
        "broken": "ZeroDivisionError: a defect of theirs",
    }
    assert len(told.warnings) == 2


def test_alerts_of_one_window_travel_together_and_never_more_than_the_sink_takes(alert):
    sink = Notebook()
    told = sent([*(alert(number, hour=8) for number in range(4)), alert(9, hour=9), alert(5, event="closed")], {"x": sink})
    assert [len(ids) for ids in sink.got] == [3, 1, 1, 1]
    assert len(told.delivered) == 6


def test_what_arrived_is_told_at_once_so_that_a_crash_repeats_only_what_was_on_its_way(alert):
    marked: list[str] = []
    sink = Notebook()

    async def crash_at_the_second() -> None:
        def mark(parcels: Sequence[Parcel]) -> None:
            marked.extend(parcel.alert.id for parcel in parcels)
            raise OSError("the database is gone")

        await deliver([Parcel(alert(n, hour=n), "x") for n in range(3)], {"x": sink}, arrived=mark)

    with pytest.raises(OSError, match="the database is gone"):
        asyncio.run(crash_at_the_second())
    assert marked == ["alert-0-opened"]


def test_an_error_of_the_network_is_tried_again_and_another_one_is_not(alert):
    passing, lasting = Notebook([ConnectionResetError()]), Notebook([KeyError("x")])
    told = sent([alert()], {"passing": passing, "lasting": lasting})
    assert len(passing.got) == 2
    assert len(lasting.got) == 1
    assert {parcel.sink for parcel in told.delivered} == {"passing"}


def test_a_sink_that_the_file_no_longer_names_keeps_its_alerts_and_says_so(alert):
    told = asyncio.run(deliver([Parcel(alert(), "gone")], {}))
    assert told.failed[0].why == "no sink of the monitor is called so any more"


def test_an_empty_outbox_sends_nothing():
    assert asyncio.run(deliver([], {"x": Notebook()})) == Delivery()


def test_a_variable_that_vanished_since_the_check_is_told_by_its_name(alert, monkeypatch):
    monkeypatch.delenv("HOOK", raising=False)
    told = sent([alert()], {"hook": Webhook("HOOK")})
    assert told.failed[0].why == "the environment variable HOOK is not set"


def test_slack_gets_text_and_blocks(receiver, alert, monkeypatch):
    monkeypatch.setenv("SLACK", f"{receiver.url}/services/T0001/B0001/secret")
    assert not sent([alert(1), alert(2)], {"slack": Slack("SLACK")}).failed
    (got,) = receiver.got
    assert got.told["text"].startswith("CRITICAL  shop: output.length rose from 312 to 405 characters, driven by model=b")
    assert [block["type"] for block in got.told["blocks"]] == [
        *("header", "section", "section", "section", "context", "divider"),
        *("header", "section", "section", "section", "context"),
    ]
    assert got.told["blocks"][4]["elements"][0]["text"] == "<https://reports.example.org/shop/index.html|report>"


def test_figures_go_to_a_file_that_is_whole_or_the_old_one(tmp_path):
    path = tmp_path / "textfile" / "shop.prom"
    figures = [Figure("output.length", {}, 405.0, 312.0, True, 200)]
    sinks = {"prometheus": Prometheus(path), "note": Notebook()}
    assert asyncio.run(export(figures, 'evalkit_signal{name="output.length"} 405\n', sinks)) == {}
    assert path.read_text() == 'evalkit_signal{name="output.length"} 405\n'
    assert [entry.name for entry in path.parent.iterdir()] == ["shop.prom"]
    blocked = Prometheus(path / "below" / "x.prom")
    told = asyncio.run(export(figures, "x 1\n", {"prometheus": blocked}))
    assert "a file stands where a folder is needed" in told["prometheus"]
    assert path.read_text() == 'evalkit_signal{name="output.length"} 405\n'


def test_figures_sinks_take_no_alerts_and_say_so(alert, tmp_path):
    told = sent([alert()], {"prometheus": Prometheus(tmp_path / "x.prom")})
    assert told.failed[0].why == "it takes no alerts"


def test_a_sink_may_say_how_long_it_wants_to_wait(alert):
    sink = Notebook([NotDelivered("busy", "passing", 0.3)])
    before = time.monotonic()
    assert not sent([alert()], {"x": sink}).failed
    assert time.monotonic() - before >= 0.3


# --- lines of a file --------------------------------------------------------------------------------------------------


def lines(path: Path) -> list[Any]:
    text = path.read_text()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_stands_once_however_often_it_is_sent(alert, tmp_path):
    sinks = {"file": JsonLines(tmp_path / "deep" / "a.jsonl")}
    for _ in range(3):
        assert not sent([alert(1), alert(2), alert(1)], sinks).failed
    sent([alert(3, hour=9)], sinks)
    assert [one["id"] for one in lines(tmp_path / "deep" / "a.jsonl")] == ["alert-1-opened", "alert-2-opened", "alert-3-opened"]


@pytest.mark.parametrize("torn", ['{"id": "alert-9', '{"id": "alert-1-opened", "mon', '{"i', "\0\0\0", '{"id": "x"\0\0'])
def test_half_a_line_that_a_power_cut_left_is_removed(alert, tmp_path, torn):
    path = tmp_path / "a.jsonl"
    sent([alert(2)], {"file": JsonLines(path)})
    with path.open("a") as out:
        out.write(torn)
    sent([alert(1)], {"file": JsonLines(path)})
    assert [one["id"] for one in lines(path)] == ["alert-2-opened", "alert-1-opened"]


def test_what_somebody_else_wrote_without_a_line_break_is_kept(alert, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"note": "mine"}')
    sent([alert()], {"file": JsonLines(path)})
    assert lines(path)[0] == {"note": "mine"}
    assert len(lines(path)) == 2


FULL = """
import asyncio, resource, signal, sys
sys.path.insert(0, {folder!r})
from conftest import made_alert
from pathlib import Path
from evalkit.monitor.deliver import Parcel, deliver
from evalkit.monitor.sinks.jsonl import JsonLines
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))  # a disk that is full in the midst of a line
for number in range(9):
    told = asyncio.run(deliver([Parcel(made_alert(number), "f")], {{"f": JsonLines(Path("a.jsonl"))}}))
print(told.failed[0].why)
"""


def test_a_disk_that_is_full_leaves_whole_lines_and_a_clear_reason(tmp_path):
    import subprocess
    import sys

    code = FULL.format(folder=str(Path(__file__).parent))
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "a.jsonl: File too large" in done.stdout
    assert len(lines(tmp_path / "a.jsonl")) >= 2


KILLED = """
import asyncio, sys
sys.path.insert(0, {folder!r})
from conftest import made_alert
from pathlib import Path
from evalkit.monitor.deliver import Parcel, deliver
from evalkit.monitor.sinks.jsonl import JsonLines
async def main():
    for number in range(60):
        await deliver([Parcel(made_alert(number), "f")], {{"f": JsonLines(Path("a.jsonl"))}})
print("ready", flush=True)
asyncio.run(main())
"""


def test_writers_that_are_killed_and_started_again_leave_each_line_once_and_whole(tmp_path):
    import subprocess
    import sys

    code = KILLED.format(folder=str(Path(__file__).parent))
    for wait_s in (0.02, 0.1):
        pair = [
            subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True) for _ in range(2)
        ]
        for process in pair:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        time.sleep(wait_s)
        for process in pair:
            process.kill()
            process.communicate()
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    ids = [one["id"] for one in lines(tmp_path / "a.jsonl")]
    assert len(ids) == len(set(ids)) == 60
