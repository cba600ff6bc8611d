"""Children whose endings come together: each of them is buried, whatever goes wrong with another."""

import os
import signal
import socket
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from plugin_helpers import MakeService, Zoo
from ytworker.engine.children import ForkServer
from ytworker.engine.crew import Crew
from ytworker.engine.member import Member
from ytworker.errors import PluginsRefusedError, StoreError
from ytworker.model import NewTask, TaskStatus
from ytworker.queue import ClaimRequest, Ending, Settled, TaskFilter
from ytworker.queue.sqlite import SQLiteQueue

pytest_plugins = ["plugin_fixtures"]
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

TOGETHER = 4


@pytest.fixture
def patience() -> Iterator[None]:
    """Fail where a worker waits for ever."""

    def too_late(*_: object) -> None:
        pytest.fail("the worker waits for a child that was never buried")

    before = signal.signal(signal.SIGALRM, too_late)
    signal.setitimer(signal.ITIMER_REAL, 30, 5)  # again and again, because leaving the worker may hang, too
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch, patience: None) -> None:
    """Let the first endings be told together."""
    endings, heard = ForkServer.endings, list[tuple[int, int]]()
    told = 0

    def gathered(self: ForkServer) -> list[tuple[int, int]]:
        nonlocal told
        heard.extend(endings(self))
        if told + len(heard) < TOGETHER:
            return []
        found, heard[:] = list(heard), []
        told += len(found)
        return found

    monkeypatch.setattr(ForkServer, "endings", gathered)


def test_p1_a_worker_that_must_stop_for_a_plugin_buries_all_first(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue
) -> None:
    zoo.worker("demo")
    zoo.extension("deadly", "import os\nos._exit(3)")
    queue.enqueue([NewTask(type="demo", params={}, max_attempts=1) for _ in range(TOGETHER)])
    with pytest.raises(PluginsRefusedError):
        make_service(strict_plugins=True).run(concurrency=TOGETHER, until_empty=True)
    assert queue.counts()[TaskStatus.QUEUED] == TOGETHER


def test_p1_a_worker_that_must_stop_for_a_plugin_says_so_also_while_the_store_fails(
    zoo: Zoo,
    make_service: MakeService,
    queue: SQLiteQueue,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settle = queue.settle

    def full(endings: Sequence[Ending], then: ClaimRequest | None = None) -> Settled:
        if endings:
            msg = "the disk is full"
            raise StoreError(msg)
        return settle(endings, then)

    monkeypatch.setattr(queue, "settle", full)
    zoo.worker("demo")
    zoo.extension("deadly", "import os\nos._exit(3)")
    queue.enqueue([NewTask(type="demo", params={}, max_attempts=1) for _ in range(TOGETHER)])
    with pytest.raises(PluginsRefusedError):
        make_service(strict_plugins=True).run(concurrency=TOGETHER)
    assert "tasks ended could not be written, they run again: the disk is full" in caplog.text


def test_d1_a_store_that_fails_at_the_last_words_of_a_child_keeps_nobody_from_being_buried(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words lie unread until the child is dead, as in a worker that is busy elsewhere."""
    serve, save = Crew._serve, queue.checkpoint
    failures = [StoreError("the disk is full, once")]

    def busy(self: Crew, member: Member, events: int) -> None:
        if b'"checkpoint"' not in member.channel._sock.recv(1 << 16, socket.MSG_PEEK):
            serve(self, member, events)

    def once(*what: Any, **more: Any) -> None:
        if failures:
            raise failures.pop()
        save(*what, **more)

    monkeypatch.setattr(Crew, "_serve", busy)
    monkeypatch.setattr(queue, "checkpoint", once)
    zoo.worker(
        "demo",
        "import os, threading\nthreading.Timer(0.2, lambda: os._exit(3)).start()\ncontext.checkpoint.save(1)",
    )
    queue.enqueue([NewTask(type="demo", params={}) for _ in range(TOGETHER)])
    make_service().run(concurrency=TOGETHER, max_tasks=TOGETHER)
    assert queue.counts()[TaskStatus.SCHEDULED] == TOGETHER
    assert [len(queue.attempts(task.id)) for task in queue.tasks(TaskFilter())] == [1] * TOGETHER
