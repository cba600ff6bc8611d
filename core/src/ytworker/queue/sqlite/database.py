"""One SQLite connection: private files, write transactions that start as such, and errors in words."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from ytworker.errors import StoreError
from ytworker.queue.sqlite.schema import migrate

Durability = Literal["full", "normal"]
Row = tuple[Any, ...]

_PRAGMAS = (
    "PRAGMA page_size = 2048",  # fewer bytes in the log for each narrow row; only takes effect on a new file
    "PRAGMA journal_mode = WAL",
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -16000",
)
_BUSY_TIMEOUT_SECONDS = 30.0


class Database:
    """A connection to one file; belongs to the thread that made it.

    Args:
        path: The file; made with mode 0600 in a folder of mode 0700 if it is not there.
        durability: ``full`` syncs the disk at every commit, so that what was acknowledged survives a power cut;
            ``normal`` survives the death of every process, and a power cut may take the last commits.

    Raises:
        StoreError: The file cannot be opened, in words that say why.
        SchemaError: It was made by another program or a newer ytworker.
    """

    def __init__(self, path: Path, durability: Durability) -> None:
        self.path = path
        with self._translated():
            _make_private(path)
            self._connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_SECONDS, isolation_level=None)
            try:
                self._configure(durability)
            except BaseException:
                self._connection.close()
                raise

    def _configure(self, durability: Durability) -> None:
        for pragma in _PRAGMAS:
            self._connection.execute(pragma).fetchall()
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if durability == 'full' else 'NORMAL'}")
        migrate(self._connection)

    def close(self) -> None:
        """Close the connection; safe to call twice."""
        self._connection.close()

    def execute(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Run one statement and fetch everything: an open RETURNING cursor would keep the write lock."""
        with self._translated():
            return self._connection.execute(sql, values).fetchall()

    def change(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run one statement and give how many rows it changed."""
        with self._translated():
            return self._connection.execute(sql, values).rowcount

    def insert(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run one INSERT and give the new row's number."""
        with self._translated():
            return self._connection.execute(sql, values).lastrowid or 0

    def stream(self, sql: str, values: Sequence[Any] = ()) -> Iterator[Row]:
        """Run one SELECT and give its rows one by one; they all come from one snapshot."""
        with self._translated():
            yield from self._connection.execute(sql, values)

    @contextmanager
    def write(self) -> Iterator[None]:
        """Run a write transaction. IMMEDIATE, because a read that turns into a write cannot wait for its turn."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            msg = f"{self.path}: {_explain(error)}"
            raise StoreError(msg) from error


def _make_private(path: Path) -> None:
    """Make file and folder for their owner only; SQLite gives its log files the mode of the database."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _explain(error: sqlite3.Error | OSError) -> str:
    text = str(error)
    for sign, meaning in _MEANINGS.items():
        if sign in text:
            return f"{meaning} ({text})"
    return text


_MEANINGS = {
    "disk is full": "the disk is full. Nothing was lost; free some space and start again",
    "readonly": "the queue cannot be written. Check the permissions of the file and of its folder",
    "Read-only file system": "the file system is read-only. Name another place with --queue",
    "Permission denied": "permission denied. Check who owns the file, or name another with --queue",
    "Is a directory": "this is a folder, a file is wanted. Name one in it with --queue",
    "Not a directory": "a part of this path is a file. Name another place with --queue",
    "unable to open": "the queue cannot be opened. Check that the folder exists and may be written",
    "not a database": "this is not a queue of ytworker. Name another file with --queue",
    "malformed": "the file is damaged. Keep a copy, and restore a backup",
    "locked": "another process held the queue for too long. Try again",
}
