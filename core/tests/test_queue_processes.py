"""Several real processes on one real file, and some of them die."""

import collections
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ytworker.model import ErrorClass, NewTask, Outcome, TaskStatus
from ytworker.queue import FIFOStrategy, ItemFilter
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.settings import sqlite_url
from ytworker.testing import FakeClock

Start = Callable[..., list[subprocess.Popen[str]]]

# Each says when it is ready and waits for one line, so that all begin at the same moment.
PREAMBLE = """
import sys, json
from ytworker.errors import StaleClaimError
from ytworker.model import ErrorClass, ErrorInfo, Item, NewTask, Outcome
from ytworker.queue import Completion, FIFOStrategy, LIFOStrategy
from ytworker.queue.sqlite import SQLiteQueue
ERROR = ErrorInfo(error_class=ErrorClass.BUG, type="t", message="m")
ITEM = Item(source="s", id="late")
print("ready", flush=True)
sys.stdin.readline()
"""
OPEN = """
queue = SQLiteQueue(sys.argv[1])
print(queue.enqueue([NewTask(type="demo", params={}, key="one")])[0].id, flush=True)
"""
DRAIN = """
queue = SQLiteQueue(sys.argv[1], durability="normal")
worker = queue.add_worker(lease_seconds=60)
strategy = LIFOStrategy if int(sys.argv[2]) % 2 else FIFOStrategy
while claims := queue.claim(worker, strategy, ["a", "b"], limit=3):
    for claim in claims:
        print(json.dumps([claim.task.id, claim.task.attempt, claim.fence]), flush=True)
        queue.finish(claim, [], Outcome.EMPTY)
"""
HANG = """
queue = SQLiteQueue(sys.argv[1])
worker = queue.add_worker(lease_seconds=600)
(claim,) = queue.claim(worker, FIFOStrategy, ["demo"])
print(json.dumps([claim.task.id, worker]), flush=True)
sys.stdin.readline()
queue.finish(claim, [], Outcome.EMPTY)
"""
DIE = """
import os, signal
queue = SQLiteQueue(sys.argv[1])
worker = queue.add_worker(lease_seconds=60)
(claim,) = queue.claim(worker, FIFOStrategy, ["demo"])
queue._database._connection.create_function("die", 0, lambda: os.kill(os.getpid(), signal.SIGKILL))
queue._database._connection.execute(
    "CREATE TEMP TRIGGER die BEFORE DELETE ON main.live_key BEGIN SELECT die(); END")
queue.finish(claim, [], Outcome.EMPTY)
"""


@pytest.fixture
def start(queue_file: Path) -> Iterator[Start]:
    """Start processes that run a script on the queue; what is left of them at the end is killed."""
    running = []

    def start(script: str, number: int = 1) -> Iterator[Start]:
        new = [
            subprocess.Popen(
                [sys.executable, "-c", PREAMBLE + script, sqlite_url(queue_file), str(n)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for n in range(number)
        ]
        running.extend(new)
        for process in new:
            assert process.stdout.readline() == "ready\n"
        for process in new:
            process.stdin.write("go\n")
            process.stdin.flush()
        return new

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_several_processes_may_make_a_new_file_at_once(start: Start, queue_file: Path) -> None:
    processes = start(OPEN, 4)
    assert [process.communicate(timeout=30)[0].strip() for process in processes] == ["1"] * 4
    assert [process.returncode for process in processes] == [0] * 4
    queue = SQLiteQueue(sqlite_url(queue_file))
    assert sum(queue.counts().values()) == 1
    queue.close()


def test_four_processes_never_claim_a_task_twice(start: Start, queue: SQLiteQueue, clock: FakeClock) -> None:
    queue.enqueue([NewTask(type="ab"[n % 2], params={}, run_at=None if n % 3 else clock() + 1) for n in range(600)])
    processes = start(DRAIN, 4)
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    claimed = [json.loads(line) for output in outputs for line in output.splitlines()]
    counts = collections.Counter(task for task, _attempt, _fence in claimed)
    assert sorted(counts) == list(range(1, 601))
    assert set(counts.values()) == {1}
    assert {(attempt, fence) for _task, attempt, fence in claimed} == {(1, 1)}
    assert queue.counts()[TaskStatus.COMPLETED] == 600
    assert queue.counter("stale_writes") == 0


def test_the_task_of_a_killed_worker_is_rescued_after_its_lease(
    start: Start, queue: SQLiteQueue, clock: FakeClock
) -> None:
    queue.enqueue([NewTask(type="demo", params={})])
    (process,) = start(HANG)
    task, dead = json.loads(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    assert process.wait(timeout=30) == -signal.SIGKILL
    (info,) = queue.workers()
    assert (info.id, info.pid) == (dead, process.pid)
    clock.now = info.lease_until  # its clock was the real one
    assert queue.rescue() == 0
    clock.now += 1
    assert queue.rescue() == 1
    found = queue.get(task)
    assert (found.state, found.attempt, found.error.error_class) == (TaskStatus.QUEUED, 1, ErrorClass.RESOURCE)
    assert str(process.pid) in found.error.message
    worker = queue.add_worker(lease_seconds=60)
    (claim,) = queue.claim(worker, FIFOStrategy, ["demo"])
    assert claim.task.attempt == 2
    queue.finish(claim, [], Outcome.EMPTY)
    assert queue.get(task).state is TaskStatus.COMPLETED


def test_a_stopped_worker_that_comes_back_cannot_finish(start: Start, queue: SQLiteQueue, clock: FakeClock) -> None:
    queue.enqueue([NewTask(type="demo", params={})])
    (process,) = start(HANG)
    task, _worker = json.loads(process.stdout.readline())
    process.send_signal(signal.SIGSTOP)
    (info,) = queue.workers()
    clock.now = info.lease_until + 1
    assert queue.rescue() == 1
    (claim,) = queue.claim(queue.add_worker(lease_seconds=60), FIFOStrategy, ["demo"])
    queue.finish(claim, [], Outcome.OK)
    process.send_signal(signal.SIGCONT)
    _, complaint = process.communicate("go on\n", timeout=30)
    assert "StaleClaimError" in complaint
    assert (queue.get(task).outcome, queue.counter("stale_writes")) == (Outcome.OK, 1)


LATE_WRITES = """
queue = SQLiteQueue(sys.argv[1])
worker = queue.add_worker(lease_seconds=600)
claims = queue.claim(worker, FIFOStrategy, ["demo"], limit=7)
print(json.dumps([claim.task.id for claim in claims]), flush=True)
sys.stdin.readline()
def settle(claim):
    settled = queue.settle([Completion(claim=claim, outcome=Outcome.OK, items=[ITEM])])
    if settled.stale:
        raise StaleClaimError
writes = {
    "finish": lambda claim: queue.finish(claim, [ITEM], Outcome.OK),
    "fail": lambda claim: queue.fail(claim, ERROR, retry_at=None),
    "defer": lambda claim: queue.defer(claim, 0, "later"),
    "release": queue.release,
    "settle": settle,
    "checkpoint": lambda claim: queue.checkpoint(claim, [ITEM], 1),
    "progress": lambda claim: queue.progress(claim, 1, 2, None),
}
for (name, write), claim in zip(writes.items(), claims, strict=True):
    try:
        write(claim)
    except StaleClaimError:
        print(json.dumps([name, queue.counter("stale_writes")]), flush=True)
"""


def test_q4_a_stopped_worker_that_comes_back_cannot_write(start: Start, queue: SQLiteQueue, clock: FakeClock) -> None:
    queue.enqueue([NewTask(type="demo", params={})] * 7)
    (process,) = start(LATE_WRITES)
    held = json.loads(process.stdout.readline())
    process.send_signal(signal.SIGSTOP)
    (info,) = queue.workers()
    clock.now = info.lease_until + 1
    assert queue.rescue() == 7
    for claim in queue.claim(queue.add_worker(lease_seconds=60), FIFOStrategy, ["demo"], limit=7):
        queue.finish(claim, [], Outcome.EMPTY)
    before = [(queue.get(number), queue.events(number), queue.attempts(number)) for number in held]
    assert {task.outcome for task, _, _ in before} == {Outcome.EMPTY}
    process.send_signal(signal.SIGCONT)
    refused, _ = process.communicate("go on\n", timeout=30)
    names = ["finish", "fail", "defer", "release", "settle", "checkpoint", "progress"]
    assert [json.loads(line) for line in refused.splitlines()] == [[name, n] for n, name in enumerate(names, 1)]
    assert [(queue.get(number), queue.events(number), queue.attempts(number)) for number in held] == before
    assert list(queue.items(ItemFilter())) == []


def test_a_worker_that_dies_in_the_middle_of_a_finish_has_finished_nothing(start: Start, queue: SQLiteQueue) -> None:
    queue.enqueue([NewTask(type="demo", params={}, key="k")])
    (process,) = start(DIE)
    assert process.wait(timeout=30) == -signal.SIGKILL
    assert queue.get(1).state is TaskStatus.CLAIMED
    assert not queue.enqueue([NewTask(type="demo", params={}, key="k")])[0].created


def test_what_was_enqueued_survives_the_death_of_its_process(start: Start, queue_file: Path) -> None:
    (process,) = start(OPEN + "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert process.stdout.readline() == "1\n"
    assert process.wait(timeout=30) == -signal.SIGKILL
    queue = SQLiteQueue(sqlite_url(queue_file))
    assert queue.get(1).state is TaskStatus.QUEUED
    queue.close()
