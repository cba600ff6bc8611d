"""Waiting for the write lock, fairly: SQLite's own waiting sleeps for up to 100 ms and lets one process starve another.

Whoever finds the lock taken becomes a waiter. Waiters try for a file lock of their own, every 0.5 ms, and only its
holder asks SQLite again, every 0.15 ms. So at most one process spins, however many wait, and a gap between two
transactions of a busy process is never missed for long. Who of the waiters comes next is chance, not a queue: a queue
would have to be waited in without a limit, and one stopped process in it would stop all. The line is about fairness
only: what must not happen at once is SQLite's own lock to prevent.
"""

import os
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ytworker.errors import StoreError

try:
    import fcntl
except ImportError as error:
    msg = (
        "the SQLite queue needs the file locks of Linux and macOS, which this system lacks. On Windows run ytworker in "
        "WSL (`wsl --install`), or name a queue on a server with --queue"
    )
    raise StoreError(msg) from error

T = TypeVar("T")

ASK_SECONDS = 0.00015
STAND_SECONDS = 0.0005
PATIENCE_SECONDS = 1.0
"""A head of the line that was stopped (SIGSTOP) must not stop the others: after so long they go past it."""


def is_busy(error: sqlite3.OperationalError) -> bool:
    """Tell whether somebody else holds the lock; every extended code of SQLITE_BUSY counts."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


@dataclass(slots=True)
class Patience:
    """How long the connections that share this wait for the lock; it may be changed while they do.

    Attributes:
        seconds: After so long the lock is given up.
    """

    seconds: float


class Line:
    """The line of one connection's waits.

    Args:
        path: The file that the line forms at; made when it is first needed, and left there.
        wait_seconds: After so long the lock is given up.

    Attributes:
        patience: The same, to be shared with other connections.
    """

    def __init__(self, path: Path, wait_seconds: float) -> None:
        self._path = path
        self.patience = Patience(wait_seconds)
        self._file: int | None = None

    def close(self) -> None:
        """Leave for good."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def wait_for(self, attempt: Callable[[], T]) -> T:
        """Call ``attempt`` until it is not busy any more, at the head of the line.

        Raises:
            sqlite3.OperationalError: What it raised last, when the lock was not free in time.
        """
        try:
            return attempt()
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
        return self._stand_and_ask(attempt)

    def _stand_and_ask(self, attempt: Callable[[], T]) -> T:
        began = time.monotonic()
        standing = self._stand(began + self.patience.seconds)
        try:
            while True:
                try:
                    return attempt()
                except sqlite3.OperationalError as error:
                    if not is_busy(error) or time.monotonic() >= began + self.patience.seconds:
                        raise
                time.sleep(ASK_SECONDS)
        finally:
            if standing is not None:
                fcntl.flock(standing, fcntl.LOCK_UN)

    def _stand(self, deadline: float) -> int | None:
        """Get to the head of the line; None where no line can be formed or its head does not move."""
        try:
            file = self._open()
        except OSError:
            return None
        patience = min(deadline, time.monotonic() + PATIENCE_SECONDS)
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() >= patience:
                    return None
                time.sleep(STAND_SECONDS)
            else:
                return file

    def _open(self) -> int:
        if self._file is None:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._file
