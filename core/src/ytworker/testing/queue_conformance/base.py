"""What all parts of the suite share: the queue under test, and the words in which the tests speak."""
# ruff: noqa: S101 - assert is how pytest works

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pytest

from ytworker.model import SECOND, Claim, Clock, ErrorClass, ErrorInfo, Item, NewTask, Outcome, TaskStatus
from ytworker.queue import CoolDown, ItemFilter, TaskFilter, TaskQueue, get_strategy
from ytworker.testing.clock import FakeClock

T = TypeVar("T")

FAILURE = ErrorInfo(
    error_class=ErrorClass.TRANSIENT,
    type="builtins.ConnectionError",
    message="it broke; try again",
    traceback="Traceback …",
    fingerprint="abc",
    retry_after=1.5,
    source="youtube",
)
ITEM = Item(source="youtube", id="a", title="t")
COOL_DOWN = CoolDown(source="youtube", error_class=ErrorClass.THROTTLED, reason="slow down", until=1)
LEASE = 60.0
NOBODY = 42
"""The id of a worker that is not registered."""
LIVE = (TaskStatus.QUEUED, TaskStatus.SCHEDULED, TaskStatus.CLAIMED)
ENDED = (TaskStatus.COMPLETED, TaskStatus.DEAD, TaskStatus.CANCELLED)
NO_IDS = (0, -1, 2**63, -(2**63), 10**30)
"""What no task can be called."""


class Suite:
    """The seams of the suite and its fixtures; see :class:`ytworker.testing.QueueConformance`."""

    def make_queue(self, tmp_path: Path, clock: Clock, random: Random, *, events: bool = True) -> TaskQueue:
        """Open a new queue that offers all orders; a subclass must say how.

        Args:
            tmp_path: An empty folder, a new one for every queue.
            clock: Where the queue gets the time from, always.
            random: Where its order weighted random and its aging get their dice from.
            events: Whether this handle records events.
        """
        msg = f"{type(self).__name__} must define make_queue(self, tmp_path, clock, random, *, events=True)"
        raise NotImplementedError(msg)

    def damage(self, queue: TaskQueue, task_id: int) -> None:  # noqa: ARG002 - for those who override it
        """Make the stored parameters of a task unreadable; a subclass may say how, else those tests are skipped."""
        pytest.skip(f"{type(self).__name__} has no damage(self, queue, task_id); see its docstring in the suite")

    @pytest.fixture
    def clock(self) -> FakeClock:
        """The clock of the queue."""
        return FakeClock()

    @pytest.fixture
    def dice(self) -> Random:
        """The dice of the queue."""
        return Random(20260523)

    @pytest.fixture
    def queue(self, tmp_path: Path, clock: FakeClock, dice: Random) -> Iterator[TaskQueue]:
        """A new queue."""
        folder = tmp_path / "queue-under-test"
        folder.mkdir()
        queue = self.make_queue(folder, clock, dice)
        yield queue
        queue.close()

    @pytest.fixture
    def twin(self, queue: TaskQueue) -> Iterator[TaskQueue]:
        """A second handle of the same queue."""
        twin = queue.connect()
        yield twin
        twin.close()

    @pytest.fixture
    def worker(self, queue: TaskQueue) -> int:
        """A worker with a lease of 60 s."""
        return queue.add_worker(lease_seconds=LEASE)


def new(kind: str = "demo", **fields: Any) -> NewTask:
    """Make a task that only differs from others where a test says so."""
    return NewTask(type=kind, **{"params": {}, **fields})


def put(queue: TaskQueue, *tasks: NewTask) -> list[int]:
    """Enqueue tasks, one by default, and give their ids."""
    return [enqueued.id for enqueued in queue.enqueue(tasks or (new(),))]


def take(
    queue: TaskQueue, worker: int, *types: str, order: str = "fifo", limit: int = 1, aging: float | None = None
) -> list[Claim]:
    """Claim tasks; of the type ``demo`` unless told otherwise."""
    return queue.claim(worker, get_strategy(order, aging_seconds=aging), types or ("demo",), limit=limit)


def take_one(queue: TaskQueue, worker: int, *types: str, order: str = "fifo") -> Claim:
    """Claim a task that must be there."""
    claims = take(queue, worker, *types, order=order)
    assert len(claims) == 1
    return claims[0]


def ids(claims: Iterable[Claim]) -> list[int]:
    """Give the ids of what was claimed, in its order."""
    return [claim.task.id for claim in claims]


def states(queue: TaskQueue, numbers: Iterable[int]) -> list[TaskStatus]:
    """Give the states of some tasks."""
    return [queue.get(number).state for number in numbers]


def listed(queue: TaskQueue, **which: Any) -> list[int]:
    """Give the ids of the tasks that a filter lets through, in the order of the list."""
    return [task.id for task in queue.tasks(TaskFilter(**which))]


def stored(queue: TaskQueue, **which: Any) -> list[str]:
    """Give the ids of stored items."""
    return [item["id"] for item in queue.items(ItemFilter(**which))]


def kinds(queue: TaskQueue, number: int) -> list[str]:
    """Give the history of a task as words."""
    return [event.kind for event in queue.events(number)]


def everything(queue: TaskQueue) -> list[Any]:
    """Give all that can be seen of a queue, but for its counters."""
    tasks = queue.tasks(TaskFilter())
    histories = [(queue.attempts(task.id), queue.events(task.id), stored(queue, task_id=task.id)) for task in tasks]
    items = list(queue.items(ItemFilter()))
    workers = sorted(queue.workers(), key=lambda worker: worker.id)
    return [
        tasks,
        histories,
        items,
        workers,
        queue.sources(),
        queue.usage(),
        queue.counts(),
        queue.waiting(),
        queue.orders(),
    ]


def bring(queue: TaskQueue, worker: int, state: TaskStatus, task: NewTask | None = None) -> int:
    """Enqueue a task, bring it into a state and give its id."""
    task = task or new()
    if state is TaskStatus.SCHEDULED:
        (number,) = put(queue, replace(task, run_at=2**52))
        return number
    (number,) = put(queue, task)
    if state is TaskStatus.CANCELLED:
        assert queue.cancel(TaskFilter(ids=[number])) == 1
    elif state is not TaskStatus.QUEUED:
        claim = queue.claim_task(worker, number)
        assert claim is not None
        if state is TaskStatus.COMPLETED:
            queue.finish(claim, [], Outcome.EMPTY)
        elif state is TaskStatus.DEAD:
            queue.fail(claim, FAILURE, retry_at=None)
    assert queue.get(number).state is state
    return number


def one_of_each(queue: TaskQueue, worker: int, task: NewTask | None = None) -> dict[TaskStatus, int]:
    """Enqueue tasks until there is one in every state."""
    return {state: bring(queue, worker, state, task) for state in TaskStatus}


def die(queue: TaskQueue, worker: int, error_class: ErrorClass, fingerprint: str, kind: str = "demo") -> int:
    """Enqueue a task, let it fail for good, and give its id."""
    (number,) = put(queue, new(kind))
    claim = queue.claim_task(worker, number)
    assert claim is not None
    error = ErrorInfo(error_class=error_class, type="t", message="m", fingerprint=fingerprint)
    queue.fail(claim, error, retry_at=None)
    return number


def come_back(queue: TaskQueue, claim: Claim, clock: FakeClock, way: str) -> None:
    """Let a claimed task wait again, in one of the ways of :data:`WAYS_BACK`; it is ready afterwards."""
    if way == "returned":
        queue.release(claim)
    elif way == "retried":
        queue.fail(claim, FAILURE, retry_at=clock())
    elif way == "deferred":
        queue.defer(claim, clock(), "later")
    elif way == "rescued":
        clock.advance(LEASE + 1)
        queue.rescue()
    elif way == "given back":
        queue.remove_worker(claim.worker_id)
    else:
        queue.cancel(TaskFilter(ids=[claim.task.id]))
        assert queue.requeue(TaskFilter(ids=[claim.task.id])).count == 1


WAYS_BACK = ("returned", "retried", "deferred", "rescued", "given back", "requeued")


def in_threads(queue: TaskQueue, number: int, work: Callable[[TaskQueue, int], T]) -> list[T]:
    """Do the same in several threads at once, each with a handle of its own, and give what came of it."""

    def run(place: int) -> T:
        handle = queue.connect()
        try:
            return work(handle, place)
        finally:
            handle.close()

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(run, range(number)))


def chi_squared(counted: Sequence[int], shares: Sequence[float]) -> float:
    """Measure how far counts are from the shares that they should have of all."""
    total, whole = sum(counted), sum(shares)
    expected = [share * total / whole for share in shares]
    return sum((count - wanted) ** 2 / wanted for count, wanted in zip(counted, expected, strict=True))


def later(clock: FakeClock, seconds: float) -> int:
    """Give the moment that is so many seconds away."""
    return clock() + round(seconds * SECOND)
