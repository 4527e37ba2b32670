"""The cache of replies: what was put is there, after a kill and for other processes too."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.backends.kept import packed, unpacked
from evalkit.core.asking import Reply, Token
from evalkit.core.errors import StoreError
from evalkit.store.replies import NAME, Replies

KEYS = st.integers(0, 7).map(lambda number: bytes([number]) * 32)


@given(st.lists(st.tuples(KEYS, st.binary(max_size=50), st.booleans()), max_size=40))
@settings(max_examples=60, deadline=None)
def test_it_is_a_dictionary_that_outlives_its_process(steps: list[tuple[bytes, bytes, bool]]) -> None:
    async def play(folder: Path) -> dict[bytes, bytes]:
        replies, model = Replies(folder), dict[bytes, bytes]()
        for key, value, wait in steps:
            assert replies.get(key) == model.get(key)
            replies.put(key, value)
            model[key] = value
            assert replies.get(key) == value, "there at once"
            if wait:
                await asyncio.sleep(0)
        await asyncio.sleep(0)
        other = Replies(folder)  # as another process sees it, one step later
        assert all(other.get(key) == value for key, value in model.items())
        other.close()
        replies.close()
        return model

    with tempfile.TemporaryDirectory() as held:
        model = asyncio.run(play(Path(held)))
        replies = Replies(Path(held))
        assert {key: replies.get(key) for key in model} == model
        replies.close()


text = st.text(max_size=20)
finite = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 10**9)


@given(
    st.builds(
        Reply, text, st.lists(st.builds(Token, text, finite, st.lists(st.tuples(text, finite), max_size=3).map(tuple)), max_size=4).map(tuple),
        st.sampled_from(["stop", "length"]), counts, counts, counts, st.none() | finite, text,
    )
)  # fmt: skip
def test_a_reply_comes_back_as_it_was(reply: Reply) -> None:
    assert unpacked(packed(reply)) == reply


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from evalkit.store.replies import Replies

async def main():
    replies = Replies(Path(sys.argv[1]))
    for number in range(10_000):
        replies.put(number.to_bytes(32, "big"), b"x" * 200)
        await asyncio.sleep(0)
        print(number, flush=True)
asyncio.run(main())
"""


def test_nothing_that_was_there_a_step_ago_is_lost_to_a_kill(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(300):
        last = int(process.stdout.readline())
    os.kill(process.pid, signal.SIGKILL)
    rest = process.communicate()[0].split()
    last = int(rest[-1]) if rest else last
    replies = Replies(tmp_path)
    assert all(replies.get(number.to_bytes(32, "big")) for number in range(last + 1))
    replies.close()


MANY = """
import os, sys
from pathlib import Path
from evalkit.store.replies import Replies

sys.stdin.readline()
replies = Replies(Path(sys.argv[1]))
for number in range(100):
    key = (number % 50).to_bytes(32, "big")
    assert replies.get(key) in (None, key * 5)
    replies.put(key, key * 5)
    replies.flush()
replies.close()
"""


def test_several_processes_may_open_and_use_it_at_once(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", MANY, str(tmp_path)], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0, 0], outputs
    with sqlite3.connect(tmp_path / NAME) as database:
        assert database.execute("SELECT count(*) FROM replies").fetchone() == (50,)


def test_a_file_that_is_no_database_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("not a database " * 100)
    with pytest.raises(StoreError, match=r"the cache of replies cannot be used .*; move it away to start an empty one"):
        Replies(tmp_path)


def test_a_file_damaged_later_is_a_clear_error(tmp_path: Path) -> None:
    replies = Replies(tmp_path)
    for number in range(500):
        replies.put(number.to_bytes(32, "big"), b"x" * 500)
    replies.close()
    damaged = bytearray((tmp_path / NAME).read_bytes())
    damaged[4096:] = b"\xff" * (len(damaged) - 4096)
    (tmp_path / NAME).write_bytes(damaged)
    replies = Replies(tmp_path)
    with pytest.raises(StoreError, match="malformed"):
        replies.get((7).to_bytes(32, "big"))
    replies._database.close()


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be used"):
        Replies(tmp_path / "file" / "store")


FULL = """
import asyncio, resource, sys
from pathlib import Path
from evalkit.core.errors import StoreError
from evalkit.store.replies import Replies

async def main():
    replies = Replies(Path(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))  # writes beyond fail, as on a full disk
    for number in range(2_000):
        replies.put(number.to_bytes(32, "big"), b"x" * 1_000)
        await asyncio.sleep(0)

import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    asyncio.run(main())
except StoreError as error:
    print("told:", error)
"""


def test_a_full_disk_is_told_and_what_was_kept_stays(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False)
    assert "told:" in done.stdout, done.stderr
    assert "the cache of replies cannot be used" in done.stdout
    replies = Replies(tmp_path)
    assert replies.get((0).to_bytes(32, "big")) == b"x" * 1_000
    replies.close()
