"""Processes that die at a chosen moment, and what can be said of the queue that they leave behind.

A fork copies what SQLite knows of the locks of this process, but not the locks. So whoever forks must have closed every
connection to the file before, and the child leaves without closing anything.
"""

import contextlib
import hashlib
import itertools
import os
import random
import sqlite3
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ytworker.model import Clock, Outcome, TaskStatus
from ytworker.queue import Completion, FIFOStrategy
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.settings import sqlite_url
from ytworker.testing import FakeClock

DIED, NOT_HERE, FAILED = 77, 75, 1
"""Exit codes of a child: it died where it was told to, it cannot do here what is wanted, or an error surfaced."""
LIVE = (TaskStatus.QUEUED, TaskStatus.SCHEDULED, TaskStatus.CLAIMED)
A_DAY = 86_400
WAL_HEADER, WAL_FRAME = 32, 24
"""Bytes before the first frame of a log, and before the page in each frame; see SQLite's file format."""

Rows = dict[str, list[tuple[Any, ...]]]


# -- processes


def fork(run: Callable[[], object]) -> int:
    """Run something in a child and give its process id; an error goes to stderr."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork while other threads run: there are none of ours
        if pid := os.fork():
            return pid
    ended = FAILED
    try:
        run()
        ended = 0
    except BaseException:  # noqa: BLE001 - the parent sees that it failed
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(ended)


def join(pid: int) -> int:
    """Wait for a child and give its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def in_child(run: Callable[[], object]) -> int:
    """Run something in a child to its end, see :func:`fork`."""
    return join(fork(run))


def die_at_statement(number: int, *connections: sqlite3.Connection) -> None:
    """End this process, as it stands, right before statement ``number`` of these connections and of all later ones."""
    statements = itertools.count(1)

    def step(_: str) -> None:
        if next(statements) == number:
            os._exit(DIED)

    connect = sqlite3.connect

    def traced(*args: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*args, **options)
        connection.set_trace_callback(step)
        return connection

    sqlite3.connect = traced
    for connection in connections:
        connection.set_trace_callback(step)


# -- what is left


@contextlib.contextmanager
def opened(file: Path, clock: Clock, *, events: bool = True) -> Iterator[SQLiteQueue]:
    """Open a queue for a while; it draws the same numbers every time, and syncs nothing.

    What a process wrote outlives it without a sync; those are for a power cut, and take most of the time of a test.
    """
    queue = SQLiteQueue(sqlite_url(file), durability="normal", clock=clock, random=random.Random(1), events=events)
    try:
        queue._database.execute("PRAGMA synchronous = OFF")
        yield queue
    finally:
        queue.close()


def rows_of(queue: SQLiteQueue) -> Rows:
    """Give every row of every table: two queues with equal rows answer every question alike."""
    rows = {}
    for (table,) in queue._database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'"):
        rows[table] = sorted(queue._database.execute(f"SELECT * FROM {table}"), key=repr)  # noqa: S608 - our own name
    return rows


def content_of(file: Path) -> bytes:
    """Digest what a dead process left in the database and in its log, without what is random there.

    The log of every run has salts of its own, which go into its checksums. Reading the files is safe only while this
    process has no connection to them.
    """
    digest = hashlib.sha256(file.read_bytes())
    log = file.with_name(file.name + "-wal")
    content = log.read_bytes() if log.exists() else b""
    page = int.from_bytes(content[8:12], "big")
    for start in range(WAL_HEADER, len(content), WAL_FRAME + page):
        digest.update(content[start : start + 8])  # the number of the page, and the size after a commit
        digest.update(content[start + WAL_FRAME : start + WAL_FRAME + page])
    return digest.digest()


def drain(queue: SQLiteQueue, clock: FakeClock) -> None:
    """Let all leases lapse and everything become due, then work on all that is there: nothing may be left over."""
    clock.advance(A_DAY)
    queue.rescue()
    worker = queue.add_worker(lease_seconds=A_DAY)
    types = list(queue.waiting())
    while claims := queue.claim(worker, FIFOStrategy, types, limit=100):
        settled = queue.settle([Completion(claim=claim, outcome=Outcome.EMPTY) for claim in claims])
        assert settled.stale == []
    queue.remove_worker(worker)
    counts = queue.counts()
    assert {state: counts[state] for state in LIVE} == dict.fromkeys(LIVE, 0)
