"""One SQLite connection: private files, write transactions that start as such, and errors in words."""

import os
import sqlite3
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from ytworker.errors import StoreError
from ytworker.queue.sqlite.schema import check_owner, migrate

Durability = Literal["full", "normal"]
Row = tuple[Any, ...]

_PRAGMAS = (
    "PRAGMA page_size = 2048",  # fewer bytes in the log for each narrow row; only takes effect on a new file
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -16000",
)
_WAL = "PRAGMA journal_mode = WAL"
_BUSY_TIMEOUT_SECONDS = 30.0
_WAL_RETRY_SECONDS = 0.005


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
        check_owner(self._connection)  # before the pragmas: journal_mode changes the file
        for pragma in _PRAGMAS:
            self._connection.execute(pragma).fetchall()
        self._use_wal()
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if durability == 'full' else 'NORMAL'}")
        migrate(self._connection)

    def _use_wal(self) -> None:
        """Switch a new file to the write-ahead log; on a file that has one this only looks.

        The switch needs the file for itself, and SQLite does not wait for that: where several processes open a new file
        at once, all but one are refused at the first try, whatever the busy timeout.
        """
        deadline = time.monotonic() + _BUSY_TIMEOUT_SECONDS
        while True:
            try:
                self._connection.execute(_WAL).fetchall()
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() >= deadline:
                    raise
                time.sleep(_WAL_RETRY_SECONDS)
            else:
                return

    def close(self) -> None:
        """Close the connection; safe to call twice."""
        self._connection.close()

    def execute(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Run one statement and fetch everything: an open RETURNING cursor would keep the write lock."""
        with self._translated():
            return self._run(sql, values).fetchall()

    def change(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run one statement and give how many rows it changed."""
        with self._translated():
            return self._run(sql, values).rowcount

    def insert(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run one INSERT and give the new row's number."""
        with self._translated():
            return self._run(sql, values).lastrowid or 0

    def stream(self, sql: str, values: Sequence[Any] = ()) -> Generator[Row, None, None]:
        """Run one SELECT and give its rows one by one; they all come from one snapshot."""
        with self._translated():
            yield from self._run(sql, values)

    @contextmanager
    def write(self) -> Iterator[None]:
        """Run a write transaction. IMMEDIATE, because a read that turns into a write cannot wait for its turn."""
        try:
            self.execute("BEGIN IMMEDIATE")
            yield
            self.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _run(self, sql: str, values: Sequence[Any]) -> sqlite3.Cursor:
        try:
            return self._connection.execute(sql, values)
        except UnicodeEncodeError:  # half a surrogate pair, from a text that was cut; nothing has run yet
            return self._connection.execute(sql, [_encodable(value) for value in values])

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            msg = f"{self.path}: {_explain(error)}"
            raise StoreError(msg) from error


def _encodable(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _make_private(path: Path) -> None:
    """Make file and folder for their owner only; SQLite gives its log files the mode of the database."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        status = os.fstat(descriptor)
        if status.st_mode & 0o077 and status.st_uid == os.geteuid():
            os.fchmod(descriptor, 0o600)  # somebody copied it there; parameters are nobody else's business
    finally:
        os.close(descriptor)


def _explain(error: sqlite3.Error | OSError) -> str:
    text = str(error)
    for sign, meaning in _MEANINGS.items():
        if sign in text:
            return f"{meaning} ({text})"
    return text


_MEANINGS = {
    "disk I/O error": "the disk could not be read or written; it may be full or failing. Look at its free space",
    "disk is full": "the disk is full. Nothing was lost; free some space and start again",
    "readonly": "the queue cannot be written. Check the permissions of the file and of its folder",
    "Read-only file system": "the file system is read-only. Name another place with --queue",
    "Permission denied": "permission denied. Check who owns the file, or name another with --queue",
    "Is a directory": "this is a folder, a file is wanted. Name one in it with --queue",
    "File exists": "the folder of this path is a file. Name another place with --queue",
    "Not a directory": "a part of this path is a file. Name another place with --queue",
    "unable to open": "the queue cannot be opened. Check that the folder exists and may be written",
    "not a database": "this is not a queue of ytworker. Name another file with --queue",
    "malformed": "the file is damaged. Keep a copy, and restore a backup",
    "locked": "another process held the queue for too long. Try again",
}
