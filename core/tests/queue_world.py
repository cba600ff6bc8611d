"""A queue with a bit of everything, to do things to and to look at afterwards."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from crash_helpers import Rows, drain, opened, rows_of

from ytworker.model import SECOND, Claim, ErrorClass, ErrorInfo, Item, NewTask, Outcome, UniqueWhile
from ytworker.queue import CoolDown, FIFOStrategy, TaskFilter
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.testing import FakeClock

FAILURE = ErrorInfo(error_class=ErrorClass.TRANSIENT, type="t", message="m", fingerprint="f")
COOL_DOWN = CoolDown(
    source="s", error_class=ErrorClass.THROTTLED, reason="slow down", until=FakeClock()() + 90 * SECOND
)
ITEMS = [Item(source="s", id=name, title=name, metrics={"views": 7}) for name in ("x", "y")]
LEASE = 10
"""Seconds of the lease that lapses in some tests; the other one lasts."""


@dataclass
class World:
    """A queue with a bit of everything.

    Attributes:
        file: The queue.
        clock: Stands still while an operation runs.
        worker: Whose lease lasts.
        lapsing: Whose lease is short.
        claims: What ``worker`` holds: one with a checkpoint and items, a keyed one, and plain ones.
    """

    file: Path
    clock: FakeClock
    worker: int
    lapsing: int
    claims: list[Claim]

    @property
    def new(self) -> NewTask:
        return NewTask(type="n", params={"new": True})

    def copy(self, folder: Path) -> "World":
        """Give an equal world in another folder."""
        folder.mkdir()
        file = Path(shutil.copy(self.file, folder))
        return World(file, FakeClock(self.clock.now), self.worker, self.lapsing, self.claims)


def build(file: Path) -> World:
    """Fill a new queue with waiting, claimed and ended tasks, and all that can hang on them."""
    clock = FakeClock()
    with opened(file, clock) as queue:
        worker = queue.add_worker(lease_seconds=1000)
        lapsing = queue.add_worker(lease_seconds=LEASE)
        _end_some(queue, worker)
        queue.enqueue(
            [
                NewTask(type="c", params={"n": 1}),
                NewTask(type="c", params={"n": 2}, key="held"),
                NewTask(type="c", params={"n": 3}, key="claimed", unique=UniqueWhile.QUEUED),
                NewTask(type="c", params={"n": 4}, max_attempts=1),
                NewTask(type="c", params={"n": 5}),
                NewTask(type="l", params={}),
                NewTask(type="l", params={}, max_attempts=1),
            ]
        )
        claims = queue.claim(worker, FIFOStrategy, ["c"], limit=5)
        assert len(queue.claim(lapsing, FIFOStrategy, ["l"], limit=2)) == 2
        queue.checkpoint(claims[0], [Item(source="s", id="early")], {"page": 2})
        queue.progress(claims[0], 1, 2, "half")
        _wait_some(queue, clock)
    return World(file, clock, worker, lapsing, claims)


def _end_some(queue: SQLiteQueue, worker: int) -> None:
    queue.enqueue([NewTask(type="e", params={"n": n}, key=f"e{n}") for n in range(5)])
    first, second, third, fourth = queue.claim(worker, FIFOStrategy, ["e"], limit=4)
    queue.finish(first, [Item(source="s", id="old", title="old")], Outcome.OK)
    queue.finish(second, [Item(source="s", id="odd")], Outcome.SUSPECT, suspect="hollow")
    queue.fail(third, FAILURE, retry_at=None)
    queue.defer(fourth, FakeClock()() + 3600 * SECOND, "cools down", source="s", error=FAILURE, cool_down=COOL_DOWN)
    queue.cancel(TaskFilter(ids=[5]))


def _wait_some(queue: SQLiteQueue, clock: FakeClock) -> None:
    queue.enqueue(
        [
            NewTask(type="a", params={"n": 1}, priority=1),
            NewTask(type="b", params={"n": 2}, priority=9),
            NewTask(type="a", params={"n": 3}, key="live"),
            NewTask(type="b", params={"n": 4}, key="queued", unique=UniqueWhile.QUEUED),
            NewTask(type="a", params={"n": 5}, run_at=clock() + SECOND),
            NewTask(type="b", params={"n": 6}, run_at=clock() + SECOND, key="late"),
            NewTask(type="a", params={"n": 7}, run_at=clock() + 9000 * SECOND),
        ]
    )


def look(world: World, *, goes_on: bool = True) -> Rows:
    """Give what is there; it has to be sound, and to go on."""
    with opened(world.file, world.clock) as queue:
        rows = rows_of(queue)
        assert queue.check() == []
        if goes_on:
            drain(queue, world.clock)
            assert queue.check() == []
    return rows
