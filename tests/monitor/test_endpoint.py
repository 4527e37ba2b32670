"""The endpoint that Prometheus scrapes, over real HTTP."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from evalkit.core.errors import SpecError
from evalkit.monitor.endpoint import serve
from evalkit.monitor.schedule import Pulse

TEXT = '# HELP evalkit_signal Value.\n# TYPE evalkit_signal gauge\nevalkit_signal{name="é\\n"} 405\n'


def got(path: str, render: Callable[[], str] = lambda: TEXT, **options: Any) -> tuple[int, str, str]:
    """Status, content type and body."""

    def scrape(port: int) -> tuple[int, str, str]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
                return response.status, response.headers["Content-Type"], response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers["Content-Type"], error.read().decode()

    async def main() -> tuple[int, str, str]:
        async with serve("127.0.0.1", 0, render, **options) as port:
            return await asyncio.to_thread(scrape, port)

    return asyncio.run(main())


def test_figures_are_served_as_prometheus_reads_them():
    assert got("/metrics") == (200, "text/plain; version=0.0.4; charset=utf-8", TEXT)


def test_figures_that_cannot_be_written_are_an_error_without_detail(caplog):
    def broken() -> str:
        raise RuntimeError("the password is hunter2")

    status, _, body = got("/metrics", broken)
    assert status == 500
    assert "hunter2" not in body
    assert "could not be written" in caplog.text


def test_half_a_character_breaks_no_scrape():
    assert got("/metrics", lambda: 'x{y="\ud83d"} 1\n')[2] == 'x{y="?"} 1\n'


def test_health_is_well_until_runs_fail_again_and_again():
    pulse = Pulse()
    assert got("/healthz", trouble=pulse.trouble)[::2] == (200, "ok\n")
    pulse.failures = 1
    assert got("/healthz", trouble=pulse.trouble)[0] == 200
    pulse.failures = 3
    assert got("/healthz", trouble=pulse.trouble)[::2] == (503, "the last 3 runs failed; see the log\n")


def test_nothing_else_is_there():
    assert got("/")[0] == 404


def test_a_port_that_is_taken_is_one_clear_error(receiver):
    port = int(receiver.url.rpartition(":")[2])

    async def main() -> None:
        async with serve("127.0.0.1", port, lambda: ""):
            pass

    with pytest.raises(SpecError, match=rf'nothing can listen on "127.0.0.1", port {port} \(.*in use.*\); choose another'):
        asyncio.run(main())


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70_000), ("no-such-host.invalid", 0)])
def test_a_place_that_is_none_is_one_clear_error(host, port):
    async def main() -> None:
        async with serve(host, port, lambda: ""):
            pass

    with pytest.raises(SpecError, match="nothing can listen on"):
        asyncio.run(main())
