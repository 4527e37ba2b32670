"""The replies of models, kept between runs in one SQLite file that several processes may use at once."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from evalkit.core.errors import StoreError

NAME = "replies.sqlite"
_TABLE = "CREATE TABLE IF NOT EXISTS replies (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"


class Replies:
    """A cache of replies: a key of 32 bytes → a value, both opaque.

    Everything that comes within one step of the event loop is written in one transaction, so a killed process loses nothing
    that was answered a moment ago. Not synced to the disk: a power cut may cost the last replies, never the file.

    Raises:
        StoreError: the file cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = OFF")
            self._database.execute(_TABLE)
        except (sqlite3.Error, OSError) as error:
            raise self._broken(error) from error
        self._pending: dict[bytes, bytes] = {}
        self._scheduled = False
        self._failed: StoreError | None = None

    def get(self, key: bytes) -> bytes | None:
        """What was kept under a key, by this run or another."""
        if key in self._pending:
            return self._pending[key]
        try:
            found = self._database.execute("SELECT value FROM replies WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            raise self._broken(error) from error
        return found[0] if found else None

    def put(self, key: bytes, value: bytes) -> None:
        """Keep a value; a newer one takes an older one's place.

        Raises:
            StoreError: it cannot be written, or what came before could not.
        """
        if self._failed is not None:
            raise self._failed
        self._pending[key] = value
        if self._scheduled:
            return
        try:
            asyncio.get_running_loop().call_soon(self._flush_later)
        except RuntimeError:  # no loop: at once
            self.flush()
        else:
            self._scheduled = True

    def flush(self) -> None:
        """Write what is pending."""
        self._scheduled = False
        if not self._pending:
            return
        try:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("INSERT OR REPLACE INTO replies VALUES (?, ?)", self._pending.items())
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise self._broken(error) from error
        self._pending.clear()

    def _flush_later(self) -> None:
        try:
            self.flush()
        except StoreError as error:
            self._failed = error

    def close(self) -> None:
        """Write what is pending and close the file."""
        try:
            self.flush()
        finally:
            self._database.close()

    def _broken(self, error: Exception) -> StoreError:
        told = str(error)
        hint = "free some space and run the same command again" if "full" in told else "move it away to start an empty one"
        return StoreError(f"{self.path}: the cache of replies cannot be used ({told}); {hint}")
