"""An endless run in small: many tasks through children that crash, hang, raise and take too much memory."""

import time
from pathlib import Path

import pytest

from plugin_helpers import MakeService, Zoo
from ytworker.engine.child import resident
from ytworker.model import ErrorClass, NewTask, TaskStatus
from ytworker.queue import TaskFilter
from ytworker.queue.sqlite import SQLiteQueue

pytest_plugins = ["plugin_fixtures"]
pytestmark = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="this system does not enforce RLIMIT_DATA, or has no fork"
)

TASKS = 20_000
HANG, MEMORY, CRASH, RAISE = 2_000, 1_000, 250, 50
"""Every so-manieth task does that; where several fit, the first."""
EVERY = 500
MOST_GROWTH = 6 << 20
"""Bytes. A leak of a kilobyte a task would be 15 MiB; what is measured is 50 KiB in all."""

BODY = f"""
n = params["n"]
if n % {HANG} == 0:
    time.sleep(600)
elif n % {MEMORY} == 0:
    bytearray(2 << 30)
elif n % {CRASH} == 0:
    os._exit(3)
elif n % {RAISE} == 0:
    raise ValueError("as it does now and then")
return []
"""


def task(number: int) -> NewTask:
    return NewTask(type="demo", params={"n": number}, max_attempts=1, timeout_seconds=900 if number % HANG else 0.1)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_twenty_thousand_tasks_with_faults_leave_nothing_behind(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue
) -> None:
    zoo.worker("demo", BODY, imported="import os, time")
    service = make_service(grace_seconds=0.1, keep_completed_days=0, keep_dead_days=0)
    service._clock = service._steady = lambda: time.time_ns() // 1000
    queue.enqueue([task(1)])
    assert service.run(concurrency=2, until_empty=True) == 1  # opens what stays open
    # The lease is renewed through a second connection, in a run that takes long enough. SQLite keeps the descriptor of
    # a connection that was closed for the next one, as long as another has a lock on the file (os_unix.c, unixClose).
    queue.connect().close()
    queue.enqueue([task(number) for number in range(1, TASKS + 1)])
    sizes: list[int] = []

    def look() -> bool:
        if queue.counts()[TaskStatus.QUEUED] <= TASKS - len(sizes) * EVERY:
            sizes.append(resident())
        return False

    files = open_files()
    assert service.run(concurrency=2, until_empty=True, stopping=look) == TASKS
    assert open_files() <= files
    quarter = len(sizes) // 4
    assert max(sizes[-quarter:]) - max(sizes[quarter : 2 * quarter]) < MOST_GROWTH
    found = queue.tasks(TaskFilter(states=[TaskStatus.DEAD]))
    by_class = {each: queue.tasks(TaskFilter(error_classes=[each])) for each in ErrorClass}
    late_or_large, broken = TASKS // MEMORY, TASKS // RAISE - TASKS // MEMORY
    assert {each.value: len(tasks) for each, tasks in by_class.items() if tasks} == {
        "resource": late_or_large,
        "bug": broken,
    }
    assert len(found) == late_or_large + broken == TASKS + 1 - queue.counts()[TaskStatus.COMPLETED]
