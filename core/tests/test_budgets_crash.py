"""Processes that die while they hold a place in flight or take units of a quota."""

import os
import select
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from crash_helpers import fork, join

from ytworker.model import NewTask
from ytworker.pacing import Ask, Pace, Quota
from ytworker.queue import FIFOStrategy
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.settings import sqlite_url

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

QUOTA = Quota("search", 300, "America/Los_Angeles")


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[], SQLiteQueue]]:
    """Open the queue, which all processes have under the clock of the system."""
    url, queues = sqlite_url(tmp_path / "queue" / "queue.db"), []

    def opened() -> SQLiteQueue:
        queues.append(SQLiteQueue(url, durability="normal"))
        return queues[-1]

    yield opened
    for queue in queues:
        queue.close()


def spend(opened: Callable[[], SQLiteQueue], pipe: int) -> None:
    """Take units as long as there are some, and tell of each once it is taken."""
    queue = opened()
    while queue.reserve("api", QUOTA, 1).granted:
        os.write(pipe, b".")


def spender(opened: Callable[[], SQLiteQueue]) -> tuple[int, int]:
    """Start a process that spends; gives its number and where it tells of it."""
    heard, told = os.pipe()
    pid = fork(lambda: spend(opened, told))
    os.close(told)
    return pid, heard


def read(heard: int, at_least: int = 0) -> int:
    """Count what a process told, to its end or until it was enough."""
    count = 0
    while (not at_least or count < at_least) and select.select([heard], [], [], 60)[0]:
        told = os.read(heard, 4096)
        if not told:
            break
        count += len(told)
    return count


def test_a_quota_is_exact_when_processes_are_killed_in_the_middle(opened: Callable[[], SQLiteQueue]) -> None:
    opened().close()
    killed = [spender(opened) for _ in range(3)]
    told = [read(heard, at_least=5) for _, heard in killed]
    for pid, _ in killed:
        os.kill(pid, signal.SIGKILL)
    told = [count + read(heard) for count, (_, heard) in zip(told, killed, strict=True)]
    assert {join(pid) for pid, _ in killed} <= {-signal.SIGKILL, 0}  # a fast one may have been done before
    queue = opened()
    used = queue.quota_used("api", QUOTA)
    assert sum(told) <= used <= sum(told) + len(killed)  # one that was taken and not told of is spent all the same
    queue.close()
    rest = [spender(opened) for _ in range(2)]
    assert sum(read(heard) for _, heard in rest) == QUOTA.limit - used
    assert [join(pid) for pid, _ in rest] == [0, 0]
    assert opened().quota_used("api", QUOTA) == QUOTA.limit
    for _, heard in (*killed, *rest):
        os.close(heard)


def test_the_place_of_a_process_that_was_killed_is_free_when_its_lease_lapses(
    opened: Callable[[], SQLiteQueue],
) -> None:
    queue = opened()
    queue.enqueue([NewTask(type="demo", params={}) for _ in range(2)])
    queue.close()
    heard, told = os.pipe()

    def hold() -> None:
        queue = opened()
        (claim,) = queue.claim(queue.add_worker(lease_seconds=0.01), FIFOStrategy, ["demo"])
        queue.admit(Ask(source="site", pace=Pace(), holder=claim))
        os.write(told, b"!")
        signal.pause()

    pid = fork(hold)
    assert os.read(heard, 1) == b"!"
    os.kill(pid, signal.SIGKILL)
    assert join(pid) == -signal.SIGKILL
    queue = opened()
    worker = queue.add_worker(lease_seconds=600)
    (claim,) = queue.claim(worker, FIFOStrategy, ["demo"])
    while (found := queue.admit(Ask(source="site", pace=Pace(), cost=0, holder=claim))).crowded:
        pass  # its lease lapses in a hundredth of a second
    assert found.barred is None
    assert queue.usage()[0].in_flight == 1
    for end in (heard, told):
        os.close(end)
