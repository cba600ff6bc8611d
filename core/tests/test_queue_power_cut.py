"""The power fails: what was synced is there, what was not is gone as a whole, and the file opens.

With the durability ``full`` the log is synced up to its end before an operation is acknowledged. So a cut is simulated
by the database and the log as they were, the log cut off or spoiled anywhere behind that end. A cut before it is what
the durability ``normal`` may lose: the latest changes, never some in the middle.
"""

import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest
from crash_helpers import WAL_FRAME, WAL_HEADER, Rows, drain, opened, rows_of

from ytworker.model import SECOND, ErrorClass, ErrorInfo, Item, NewTask, Outcome
from ytworker.queue import FIFOStrategy, TaskFilter, WeightedRandomStrategy
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.settings import sqlite_url
from ytworker.testing import FakeClock

PAGE = 2048
SECTOR = 512
FAILURE = ErrorInfo(error_class=ErrorClass.TRANSIENT, type="t", message="m")


@dataclass
class Past:
    """A history of acknowledged operations, and the files at its end.

    Attributes:
        ends: How long the log was when each operation was acknowledged; the first entry is before all of them.
        states: All rows at that moment.
        database: The bytes of the file; nothing of this past is in it yet.
        log: The bytes of its log.
        settled: The bytes of the file after a checkpoint.
    """

    ends: list[int] = field(default_factory=list)
    states: list[Rows] = field(default_factory=list)
    database: bytes = b""
    log: bytes = b""
    settled: bytes = b""

    def note(self, queue: SQLiteQueue, file: Path) -> None:
        self.ends.append(log_of(file).stat().st_size)
        self.states.append(rows_of(queue))

    def at(self, length: int) -> int:
        """Tell the number of the last operation that lies within so many bytes of the log."""
        return max((number for number, end in enumerate(self.ends) if end <= length), default=0)


def log_of(file: Path) -> Path:
    return file.with_name(file.name + "-wal")


def life(queue: SQLiteQueue, clock: FakeClock, name: str) -> Iterator[None]:
    """Do a bit of everything, each step one transaction, with task types of this name."""
    a, b, c = (f"{name}-{kind}" for kind in "abc")
    worker = queue.add_worker(lease_seconds=60)
    yield
    for number in range(4):
        queue.enqueue([NewTask(type=a, params={"n": number, "long": "x" * 700}, key=f"k{number}")])
        yield
    queue.enqueue([NewTask(type=b, params={"n": n, "long": "y" * 300}, priority=1 + n % 10) for n in range(40)])
    yield
    first, second, third, fourth = queue.claim(worker, FIFOStrategy, [a], limit=4)
    yield
    queue.checkpoint(first, [Item(source="s", id=str(n), description="d" * 400) for n in range(5)], {"page": 1})
    yield
    queue.finish(first, [Item(source="s", id="last")], Outcome.OK, follow_ups=[NewTask(type=c, params={})])
    yield
    queue.fail(second, FAILURE, retry_at=clock() + SECOND)
    yield
    queue.defer(third, clock() + SECOND, "later")
    yield
    queue.release(fourth)
    yield
    queue.cancel(TaskFilter(types=[b], limit=5))
    yield
    clock.advance(2)
    for _ in range(3):
        claims = queue.claim(worker, WeightedRandomStrategy, [a, b, c], limit=2)
        yield
        for claim in claims:
            queue.progress(claim, 1, None, None)
            yield
    queue.enqueue([NewTask(type=c, params={})])
    yield


def bytes_of(file: Path) -> bytes:
    """Read a file in a process that has no locks to lose: closing it here would let go of those that SQLite holds."""
    return subprocess.run(["cat", str(file)], check=True, capture_output=True).stdout


def remember(file: Path, name: str) -> Past:
    """Live on a file, from an empty log on, and close it."""
    past, clock = Past(), FakeClock()
    queue = SQLiteQueue(sqlite_url(file), durability="full", clock=clock, random=random.Random(1))
    queue._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    past.note(queue, file)
    for _ in life(queue, clock, name):
        past.note(queue, file)
    past.database, past.log = bytes_of(file), bytes_of(log_of(file))
    queue._database.execute("PRAGMA wal_checkpoint(PASSIVE)")
    past.settled = bytes_of(file)
    queue.close()
    return past


@pytest.fixture(scope="module")
def pasts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Past, Past]:
    """Two lives on one file, one after the other."""
    file = tmp_path_factory.mktemp("past") / "queue.db"
    return remember(file, "one"), remember(file, "two")


class After(Protocol):
    def __call__(self, database: bytes, log: bytes, *, goes_on: bool = False) -> Rows: ...


@pytest.fixture
def after(tmp_path: Path) -> After:
    """Give what a queue says that is opened on these bytes; it has to be sound, and to go on."""

    def after(database: bytes, log: bytes, *, goes_on: bool = False) -> Rows:
        folder = tmp_path / "cut"
        folder.mkdir()
        file = folder / "queue.db"
        file.touch(0o600)
        file.write_bytes(database)
        log_of(file).write_bytes(log)
        file.with_name("queue.db-shm").write_bytes(b"\x07" * 32768)  # the memory of those who had it open
        clock = FakeClock()
        with opened(file, clock) as queue:
            assert queue.check() == []
            rows = rows_of(queue)
            if goes_on:
                drain(queue, clock)
                assert queue.check() == []
        shutil.rmtree(folder)
        return rows

    return after


def cuts(past: Past, draw: random.Random, number: int) -> list[int]:
    """Give places to cut the log at: just before, at and behind the end of each operation, and anywhere."""
    near = [end + step for end in past.ends for step in (-1, 0, 1, WAL_FRAME, WAL_FRAME + PAGE // 2)]
    anywhere = [draw.randrange(len(past.log)) for _ in range(number)]
    return sorted(cut for cut in {*draw.sample(near, number), *anywhere} if 0 <= cut <= len(past.log))


TAILS: dict[str, Callable[[bytes, int], bytes]] = {
    "nothing": lambda _log, _cut: b"",
    "zeros": lambda log, cut: bytes(len(log) - cut),
    "garbage": lambda log, cut: random.Random(cut).randbytes(len(log) - cut),
    "a_torn_page": lambda log, cut: log[cut : cut + SECTOR] + random.Random(cut).randbytes(PAGE),
}


@pytest.mark.parametrize("tail", TAILS)
def test_what_was_acknowledged_before_a_cut_is_there(pasts: tuple[Past, Past], after: After, tail: str) -> None:
    for past in pasts:
        for cut in cuts(past, random.Random(tail), 20):
            rows = after(past.database, past.log[:cut] + TAILS[tail](past.log, cut), goes_on=cut % 3 == 0)
            last = past.at(cut)
            # What was not acknowledged yet may be there too, but only as a whole.
            assert rows in past.states[last : last + 2]


def test_an_operation_is_there_as_soon_as_it_is_acknowledged(pasts: tuple[Past, Past], after: After) -> None:
    for past in pasts:
        assert past.ends == sorted(set(past.ends)), "an operation wrote nothing"
        for number in range(0, len(past.ends), 3):
            assert after(past.database, past.log[: past.ends[number]]) == past.states[number]


def test_a_hole_in_the_log_loses_what_comes_behind_and_nothing_before(pasts: tuple[Past, Past], after: After) -> None:
    """Without a sync the disk may have written later parts of the log and not an earlier one."""
    past, draw = pasts[1], random.Random(5)
    for start in draw.sample(range(WAL_HEADER, len(past.log), SECTOR), 30):
        holed = past.log[:start] + bytes(SECTOR) + past.log[start + SECTOR :]
        rows = after(past.database, holed)
        assert rows in past.states
        assert past.states.index(rows) >= past.at(start)


def test_a_log_that_began_anew_is_not_continued_by_the_old_one(pasts: tuple[Past, Past], after: After) -> None:
    """After a checkpoint the log is written from its beginning again, and old frames stand behind the new ones."""
    old, past = pasts
    for cut in cuts(past, random.Random(6), 20):
        rows = after(past.database, past.log[:cut] + old.log[cut:])
        assert rows in past.states[past.at(cut) : past.at(cut) + 2]


def test_a_checkpoint_that_was_cut_is_made_again(pasts: tuple[Past, Past], after: After) -> None:
    """The log is synced before its pages go into the file, so it heals whatever a cut made of them."""
    for past in pasts:
        for seed in range(20):
            torn = torn_checkpoint(past, random.Random(seed))
            assert torn not in (past.database, past.settled)
            assert after(torn, past.log, goes_on=seed % 4 == 0) == past.states[-1]


def torn_checkpoint(past: Past, draw: random.Random) -> bytes:
    """Give the file as a cut may leave it: each page that is in the log is old, new, half of each, or spoiled."""
    pages = {int.from_bytes(past.log[start : start + 4], "big") for start in frames(past.log)}
    torn = bytearray(past.database.ljust(len(past.settled), b"\0"))
    for page in pages:
        start, end = (page - 1) * PAGE, page * PAGE
        new = past.settled[start:end]
        half = draw.randrange(0, PAGE + SECTOR, SECTOR)
        kind = draw.choice(["old", "new", "torn", "spoiled"] if page > 1 else ["old", "new", "torn"])
        torn[start:end] = {
            "old": torn[start:end],
            "new": new,
            "torn": new[:half] + torn[start + half : end],
            "spoiled": draw.randbytes(PAGE),
        }[kind]
    return bytes(torn[: draw.choice([len(past.database), len(torn)])])


def frames(log: bytes) -> range:
    return range(WAL_HEADER, len(log), WAL_FRAME + PAGE)


# -- whether it is synced at all

SCRIPT = """
import os, sys
from ytworker.model import NewTask, Outcome
from ytworker.queue import FIFOStrategy
from ytworker.queue.sqlite import SQLiteQueue
queue = SQLiteQueue(sys.argv[1], durability=sys.argv[2])
worker = queue.add_worker(lease_seconds=60)
def step(name, call):
    os.write(2, f"begin {name}".encode())
    result = call()
    os.write(2, f"end {name}".encode())
    return result
step("enqueue", lambda: queue.enqueue([NewTask(type="a", params={})] * 3))
claims = step("claim", lambda: queue.claim(worker, FIFOStrategy, ["a"], limit=3))
step("checkpoint", lambda: queue.checkpoint(claims[0], [], 1))
step("finish", lambda: queue.finish(claims[0], [], Outcome.EMPTY))
step("release", lambda: queue.release(claims[1]))
step("leave", lambda: queue.remove_worker(worker))
"""
STEPS = ["enqueue", "claim", "checkpoint", "finish", "release", "leave"]


def traced(tmp_path: Path, durability: str) -> list[str]:
    """Tell what the operating system was asked for, one call a line, with the names of the files."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed: whether the log is synced before an answer is not looked at")
    output = tmp_path / "calls"
    command = [strace, "-f", "-y", "-e", "trace=write,pwrite64,fsync,fdatasync", "-o", str(output)]
    command += [sys.executable, "-c", SCRIPT, sqlite_url(tmp_path / "queue.db"), durability]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "ptrace" in done.stderr:
        pytest.skip("this process may not trace another one: whether the log is synced is not looked at")
    assert done.returncode == 0, done.stderr
    return output.read_text().splitlines()


@pytest.mark.parametrize(("durability", "synced"), [("full", STEPS), ("normal", [])])
def test_the_log_is_synced_before_an_answer_unless_told_otherwise(
    tmp_path: Path, durability: str, synced: list[str]
) -> None:
    found, pending = [], False
    for call in traced(tmp_path, durability):
        if "queue.db-wal" in call:
            pending = "write" in call
        elif (end := re.search(r'"end (\w+)"', call)) and not pending:
            found.append(end[1])
        elif "begin" in call:
            pending = True
    assert found == synced
