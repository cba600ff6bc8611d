"""What people do to tasks that are there, through the service: cancel, retry, requeue, purge, and see what happened."""

import pytest

from plugin_helpers import MakeService
from ytworker import ErrorClass, Outcome, Service, TaskStatus, tending
from ytworker.errors import QueueError, TaskNotFoundError
from ytworker.model import SECOND, ErrorInfo, Microseconds, NewTask
from ytworker.queue import Requeued, TaskFilter
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.testing import FakeClock

pytest_plugins = ["plugin_fixtures"]

HOUR: Microseconds = 3600 * SECOND


@pytest.fixture
def service(make_service: MakeService) -> Service:
    return make_service()


def add(queue: SQLiteQueue, count: int = 1, name: str = "demo", key: str | None = None) -> list[int]:
    return [done.id for done in queue.enqueue([NewTask(type=name, params={}, key=key) for _ in range(count)])]


def kill(queue: SQLiteQueue, worker: int, *ids: int, error_class: ErrorClass = ErrorClass.GONE) -> None:
    """Let tasks end as dead letters."""
    for task_id in ids:
        claim = queue.claim_task(worker, task_id)
        assert claim is not None
        error = ErrorInfo(error_class=error_class, type="x.Y", message="x", fingerprint=error_class.value)
        queue.fail(claim, error, retry_at=None)


def states(queue: SQLiteQueue) -> dict[int, str]:
    return {task.id: task.state.value for task in queue.tasks(TaskFilter())}


# -- cancel


def test_ids_and_filters_are_cancelled(service: Service, queue: SQLiteQueue) -> None:
    add(queue, 3)
    add(queue, 2, "other")
    assert service.cancel([1, 3, 99]) == 2
    assert service.cancel(TaskFilter(types=["other"], limit=1)) == 1
    assert states(queue) == {1: "cancelled", 2: "queued", 3: "cancelled", 4: "queued", 5: "cancelled"}


@pytest.mark.parametrize("nothing", [[], (), set()])
def test_an_empty_list_of_ids_is_no_task_and_not_all(service: Service, queue: SQLiteQueue, nothing: list[int]) -> None:
    add(queue, 2)
    assert service.cancel(nothing) == 0
    assert set(states(queue).values()) == {"queued"}
    assert service.cancel(TaskFilter()) == 2


# -- retry


def test_a_dead_and_a_cancelled_task_start_over(service: Service, queue: SQLiteQueue, worker: int) -> None:
    dead, cancelled = add(queue, 2)
    kill(queue, worker, dead)
    queue.cancel(TaskFilter(ids=[cancelled]))
    for task_id in (dead, cancelled):
        task = service.retry(task_id)
        assert (task.id, task.state, task.attempt, task.finished_at) == (task_id, TaskStatus.QUEUED, 0, None)
    assert len(queue.attempts(dead)) == 1  # its history stays


def test_what_is_not_over_is_not_tried_again(
    service: Service, queue: SQLiteQueue, worker: int, clock: FakeClock
) -> None:
    done, claimed, queued = add(queue, 3)
    (later,) = (each.id for each in queue.enqueue([NewTask(type="demo", params={}, run_at=clock() + HOUR)]))
    claim = queue.claim_task(worker, done)
    assert claim is not None
    queue.finish(claim, [], Outcome.EMPTY)
    assert queue.claim_task(worker, claimed) is not None
    before = states(queue)
    for task_id, words in ((done, "completed"), (claimed, "worked on"), (queued, "queued"), (later, "cancel it and")):
        with pytest.raises(QueueError, match=f"task {task_id} .*{words}"):
            service.retry(task_id)
    with pytest.raises(TaskNotFoundError, match="no task 99"):
        service.retry(99)
    assert states(queue) == before


def test_a_key_that_is_taken_is_told(service: Service, queue: SQLiteQueue, worker: int) -> None:
    (first,) = add(queue, key="k")
    kill(queue, worker, first)
    add(queue, key="k")
    with pytest.raises(QueueError, match="has the key 'k', which another live task has now"):
        service.retry(first)


# -- requeue


def test_dead_letters_are_queued_again_by_filter(service: Service, queue: SQLiteQueue, worker: int) -> None:
    add(queue, 4)
    kill(queue, worker, 1, 2)
    kill(queue, worker, 3, error_class=ErrorClass.BUG)
    which = TaskFilter(error_classes=[ErrorClass.GONE])
    assert service.requeue(which, dry_run=True) == Requeued(2, 0)
    assert states(queue)[1] == "dead"
    assert service.requeue(which) == Requeued(2, 0)
    assert states(queue) == {1: "queued", 2: "queued", 3: "dead", 4: "queued"}


def test_only_dead_and_cancelled_tasks_are_requeued(service: Service, queue: SQLiteQueue, worker: int) -> None:
    add(queue, 3)
    kill(queue, worker, 1)
    queue.cancel(TaskFilter(ids=[2]))
    for dry_run in (True, False):
        assert service.requeue(TaskFilter(states=[TaskStatus.QUEUED]), dry_run=dry_run) == Requeued(0, 0)
        assert service.requeue(TaskFilter(states=[TaskStatus.DEAD]), dry_run=dry_run) == Requeued(1, 0)
    assert service.requeue(TaskFilter()) == Requeued(1, 0)
    assert set(states(queue).values()) == {"queued"}


def test_a_dry_run_does_not_count_for_ever(
    service: Service, queue: SQLiteQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tending, "MOST_COUNTED", 3)
    add(queue, 5)
    queue.cancel(TaskFilter())
    assert service.requeue(TaskFilter(), dry_run=True).count == 3
    assert service.purge(TaskFilter(), dry_run=True) == 3
    assert service.purge(TaskFilter(limit=2), dry_run=True) == 2
    assert len(states(queue)) == 5


# -- purge


@pytest.mark.parametrize(
    ("which", "left"),
    [
        (TaskFilter(), {4}),
        (TaskFilter(states=[TaskStatus.DEAD]), {3, 4}),
        (TaskFilter(states=[TaskStatus.QUEUED]), {1, 2, 3, 4}),
        (TaskFilter(states=[TaskStatus.QUEUED, TaskStatus.CANCELLED]), {1, 2, 4}),
        (TaskFilter(ids=[1, 4]), {2, 3, 4}),
        (TaskFilter(types=["other"]), {1, 2, 3, 4}),
        (TaskFilter(error_classes=[ErrorClass.BUG]), {1, 3, 4}),
        (TaskFilter(fingerprints=["gone"]), {2, 3, 4}),
        (TaskFilter(limit=1), {1, 2, 4}),
    ],
)
def test_what_has_ended_is_deleted_by_filter(
    service: Service, queue: SQLiteQueue, worker: int, which: TaskFilter, left: set[int]
) -> None:
    add(queue, 4)
    kill(queue, worker, 1)
    kill(queue, worker, 2, error_class=ErrorClass.BUG)
    queue.cancel(TaskFilter(ids=[3]))
    assert service.purge(which, dry_run=True) == 4 - len(left)
    assert len(states(queue)) == 4
    assert service.purge(which) == 4 - len(left)
    assert set(states(queue)) == left
    assert queue.check() == []


def test_what_ended_when_is_deleted(service: Service, queue: SQLiteQueue, clock: FakeClock) -> None:
    ids = add(queue, 4)
    moments = []
    for task_id in ids:
        queue.cancel(TaskFilter(ids=[task_id]))
        moments.append(clock())
        clock.advance(60)
    assert service.purge(TaskFilter(ended_before=moments[1])) == 1
    assert service.purge(TaskFilter(ended_since=moments[3])) == 1
    assert set(states(queue)) == {2, 3}
    assert service.purge(TaskFilter(ended_since=moments[1], ended_before=moments[2])) == 1
    assert set(states(queue)) == {3}


def test_a_purge_goes_through_the_whole_queue(service: Service, queue: SQLiteQueue) -> None:
    add(queue, 1005)
    add(queue, 10, "other")
    queue.cancel(TaskFilter())
    assert service.purge(TaskFilter(types=["other"])) == 10
    assert service.purge(TaskFilter()) == 1005
    assert service.purge(TaskFilter()) == 0


# -- events


def test_events_say_who_did_what(service: Service, queue: SQLiteQueue, worker: int) -> None:
    (task_id,) = add(queue)
    kill(queue, worker, task_id)
    service.retry(task_id)
    events = [(event.kind, event.worker_id, event.note) for event in service.events(task_id)]
    assert events == [
        ("enqueued", None, None),
        ("claimed", worker, None),
        ("died", worker, "gone"),
        ("requeued", None, None),
    ]
    with pytest.raises(TaskNotFoundError):
        service.events(99)


# -- care


def test_a_worker_lives_as_long_as_its_lease(service: Service, queue: SQLiteQueue, clock: FakeClock) -> None:
    worker = queue.add_worker(lease_seconds=60)
    assert [each.id for each in service.living_workers()] == [worker]
    clock.advance(61)
    assert service.living_workers() == []


def test_a_queue_with_a_store_of_its_own_is_cared_for(service: Service, queue: SQLiteQueue) -> None:
    assert service.care() is queue
