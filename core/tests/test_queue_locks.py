"""The locks of the file: whoever opens the queue once more must not let go of what SQLite holds.

POSIX drops every lock that a process has on a file as soon as the process closes *any* descriptor of that file. SQLite
knows and keeps its own descriptors open; a plain ``open`` and ``close`` beside it loses the locks, and the next process
that leaves the queue takes itself for the last one and removes the log under those who still write to it.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ytworker.queue.sqlite import SQLiteQueue
from ytworker.settings import sqlite_url

Start = Callable[[], "Process"]

# Runs one line of Python after the other and answers each with a line: the value of an expression, or nothing.
SERVE = """
import sys
from pathlib import Path
from ytworker.model import NewTask
from ytworker.queue.sqlite import SQLiteQueue
url = sys.argv[1]
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""
# Which process has a read lock on the bytes that SQLite's readers share? 0 is nobody, so that a writer could have them.
LOCK_HOLDER = """
import fcntl, os, struct, sys
PENDING, SHARED_FIRST, SHARED_SIZE = 0x40000000, 0x40000002, 510
file = os.open(sys.argv[1], os.O_RDWR)
asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, SHARED_FIRST, SHARED_SIZE, 0)
kind, _, _, _, holder = struct.unpack("hhqqi4x", fcntl.fcntl(file, fcntl.F_GETLK, asked))
print(0 if kind == fcntl.F_UNLCK else holder)
"""


class Process:
    """A process of its own that does what it is told, line by line."""

    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVE, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self._process.pid

    def do(self, *lines: str) -> None:
        for line in lines:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
            assert self._process.stdout.readline() == "done\n"

    def end(self) -> None:
        self._process.communicate()

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def start(queue_file: Path) -> Iterator[Start]:
    running: list[Process] = []

    def start() -> Process:
        running.append(Process(sqlite_url(queue_file)))
        return running[-1]

    yield start
    for process in running:
        process.kill()


OPEN = "queue = SQLiteQueue(url)"
ENQUEUE = "queue.enqueue([NewTask(type='demo', params={})])"
CLOSE = "queue.close()"


def lock_holder(file: Path) -> int:
    command = [sys.executable, "-S", "-c", LOCK_HOLDER, str(file)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def count(file: Path) -> int:
    """Ask a process that has nothing open: this one."""
    queue = SQLiteQueue(sqlite_url(file))
    try:
        return sum(queue.counts().values())
    finally:
        queue.close()


def test_opening_the_queue_once_more_does_not_lose_what_comes_after(start: Start, queue_file: Path) -> None:
    ours, theirs = start(), start()
    ours.do(OPEN, ENQUEUE, "twin = queue.connect()")
    theirs.do(OPEN, CLOSE)
    assert queue_file.with_name("queue.db-wal").exists(), "somebody else removed the log that we still write to"
    ours.do(ENQUEUE)
    ours.kill()
    assert count(queue_file) == 2


ACTIONS = [
    "queue.counts()",
    "twin = queue.connect()",
    "queue.connect().close()",
    "SQLiteQueue(url).close()",
    "queue.renew(1, lease_seconds=1)",
    "queue.check(repair=True)",
    "queue.backup(backup)",
    "queue.restore(backup)",
    "queue.vacuum()",
]


@pytest.mark.skipif(sys.platform != "linux", reason="the shape of a lock is Linux's")
def test_nothing_that_a_process_does_lets_go_of_its_lock(start: Start, queue_file: Path) -> None:
    ours = start()
    ours.do(f"backup = Path({str(queue_file.with_name('backup.db'))!r})", OPEN, ENQUEUE)
    assert lock_holder(queue_file) == ours.pid
    for action in ACTIONS:
        ours.do(action)
        assert lock_holder(queue_file) == ours.pid, action
    ours.do("twin.close()", CLOSE)
    assert lock_holder(queue_file) == 0
