"""Workers and their leases: who stops or hangs loses what it held, and nothing else is lost."""

import os
import socket
from typing import Any

import pytest

import ytworker
from ytworker.errors import StaleClaimError
from ytworker.model import SECOND, Claim, ErrorClass, ErrorInfo, Item, NewTask, Outcome, TaskStatus
from ytworker.queue import Enqueued, FIFOStrategy, ItemFilter
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.testing import FakeClock

FAILURE = ErrorInfo(error_class=ErrorClass.TRANSIENT, type="t", message="m")


def enqueue(queue: SQLiteQueue, number: int = 1, **fields: Any) -> list[Enqueued]:
    return queue.enqueue([NewTask(type="demo", params={}, **fields)] * number)


def claim_all(queue: SQLiteQueue, worker: int) -> list[Claim]:
    return queue.claim(worker, FIFOStrategy, ["demo"], limit=99)


def test_a_worker_is_registered_with_its_lease(queue: SQLiteQueue, clock: FakeClock) -> None:
    worker = queue.add_worker(lease_seconds=60)
    (info,) = queue.workers()
    assert (info.id, info.host, info.pid, info.version) == (
        worker,
        socket.gethostname(),
        os.getpid(),
        ytworker.__version__,
    )
    assert (info.started_at, info.seen_at, info.lease_until) == (clock(), clock(), clock() + 60 * SECOND)


def test_the_id_of_a_worker_is_random_and_fits_a_json_number(queue: SQLiteQueue) -> None:
    ids = {queue.add_worker(lease_seconds=60) for _ in range(50)}
    assert len(ids) == 50
    assert all(0 <= each < 2**53 for each in ids)
    assert max(ids) > 2**40


def test_a_lease_is_renewed(queue: SQLiteQueue, worker: int, clock: FakeClock) -> None:
    clock.advance(20)
    assert queue.renew(worker, lease_seconds=60)
    (info,) = queue.workers()
    assert (info.seen_at, info.lease_until, info.started_at) == (clock(), clock() + 60 * SECOND, clock() - 20 * SECOND)


def test_a_lease_that_was_taken_away_cannot_be_renewed_and_claims_nothing(
    queue: SQLiteQueue, worker: int, clock: FakeClock
) -> None:
    enqueue(queue)
    clock.advance(60.000001)
    assert queue.rescue() == 0
    assert queue.workers() == []
    assert not queue.renew(worker, lease_seconds=60)
    assert claim_all(queue, worker) == []
    assert queue.claim_task(worker, 1) is None


def test_a_lease_holds_to_its_last_microsecond(queue: SQLiteQueue, worker: int, clock: FakeClock) -> None:
    enqueue(queue)
    claim_all(queue, worker)
    clock.advance(60)
    assert queue.rescue() == 0
    assert queue.get(1).state is TaskStatus.CLAIMED
    clock.advance(0.000001)
    assert queue.rescue() == 1


def test_a_rescued_task_is_ready_again_and_its_attempt_has_counted(
    queue: SQLiteQueue, worker: int, clock: FakeClock
) -> None:
    enqueue(queue)
    (claim,) = claim_all(queue, worker)
    queue.checkpoint(claim, [], {"page": 2})
    clock.advance(61)
    assert queue.rescue() == 1
    task = queue.get(1)
    assert (task.state, task.attempt, task.error.error_class) == (TaskStatus.QUEUED, 1, ErrorClass.RESOURCE)
    assert f"process id {os.getpid()} on {socket.gethostname()}" in task.error.message
    (attempt,) = queue.attempts(1)
    assert (attempt.number, attempt.at, attempt.worker_id) == (1, clock(), worker)
    (again,) = claim_all(queue, queue.add_worker(lease_seconds=60))
    assert (again.task.attempt, again.fence, again.checkpoint) == (2, 2, {"page": 2})


def test_a_rescue_buries_a_task_whose_attempts_are_used_up(queue: SQLiteQueue, clock: FakeClock) -> None:
    enqueue(queue, max_attempts=2, key="k")
    for _ in range(2):
        claim_all(queue, queue.add_worker(lease_seconds=60))
        clock.advance(61)
        assert queue.rescue() == 1
    task = queue.get(1)
    assert (task.state, task.attempt, task.finished_at) == (TaskStatus.DEAD, 2, clock())
    assert [each.number for each in queue.attempts(1)] == [1, 2]
    assert enqueue(queue, key="k")[0].created


def test_a_rescue_takes_only_from_the_lapsed(queue: SQLiteQueue, clock: FakeClock) -> None:
    enqueue(queue, 3)
    quick, slow = queue.add_worker(lease_seconds=10), queue.add_worker(lease_seconds=60)
    queue.claim(quick, FIFOStrategy, ["demo"], limit=2)
    queue.claim(slow, FIFOStrategy, ["demo"])
    clock.advance(11)
    assert queue.rescue() == 2
    assert [queue.get(number).state for number in (1, 2, 3)] == [
        TaskStatus.QUEUED,
        TaskStatus.QUEUED,
        TaskStatus.CLAIMED,
    ]
    assert [each.id for each in queue.workers()] == [slow]
    assert queue.rescue() == 0


def test_a_worker_that_renewed_after_the_look_keeps_its_tasks(
    queue: SQLiteQueue, worker: int, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue(queue)
    claim_all(queue, worker)
    clock.advance(61)
    twin = queue.connect()
    execute = type(queue._database).execute

    def renewed_in_between(database: Any, sql: str, values: Any = ()) -> list[Any]:
        rows = execute(database, sql, values)
        if sql.startswith("SELECT id FROM worker WHERE lease_until"):
            assert rows == [(worker,)]
            assert twin.renew(worker, lease_seconds=60)
        return rows

    monkeypatch.setattr(type(queue._database), "execute", renewed_in_between)
    assert queue.rescue() == 0
    assert queue.get(1).state is TaskStatus.CLAIMED
    twin.close()


def test_q4_the_late_finish_of_a_rescued_worker_is_refused_and_counted(
    queue: SQLiteQueue, worker: int, clock: FakeClock
) -> None:
    enqueue(queue)
    (late,) = claim_all(queue, worker)
    clock.advance(61)
    queue.rescue()
    with pytest.raises(StaleClaimError, match="Its lease lapsed"):
        queue.finish(late, [Item(source="youtube", id="late")], Outcome.OK)
    (claim,) = claim_all(queue, queue.add_worker(lease_seconds=60))
    for write in (
        lambda: queue.finish(late, [Item(source="youtube", id="late")], Outcome.OK),
        lambda: queue.fail(late, FAILURE, retry_at=None),
        lambda: queue.checkpoint(late, [Item(source="youtube", id="late")], 1),
    ):
        with pytest.raises(StaleClaimError):
            write()
    assert queue.counter("stale_writes") == 4
    queue.finish(claim, [Item(source="youtube", id="good")], Outcome.OK)
    assert [item["id"] for item in queue.items(ItemFilter())] == ["good"]


def test_a_worker_that_leaves_gives_back_what_it_holds(queue: SQLiteQueue, worker: int, clock: FakeClock) -> None:
    other = queue.add_worker(lease_seconds=60)
    enqueue(queue, 3)
    queue.claim(worker, FIFOStrategy, ["demo"], limit=2)
    queue.claim(other, FIFOStrategy, ["demo"])
    queue.remove_worker(worker)
    assert [(queue.get(n).state, queue.get(n).attempt) for n in (1, 2, 3)] == [
        (TaskStatus.QUEUED, 0),
        (TaskStatus.QUEUED, 0),
        (TaskStatus.CLAIMED, 1),
    ]
    assert [each.id for each in queue.workers()] == [other]
    queue.remove_worker(worker)
    assert claim_all(queue, worker) == []
    assert [each.fence for each in claim_all(queue, other)] == [2, 2]


def test_a_clock_that_jumps_takes_leases_and_loses_nothing(queue: SQLiteQueue, worker: int, clock: FakeClock) -> None:
    enqueue(queue, 2)
    (claim,) = queue.claim(worker, FIFOStrategy, ["demo"])
    clock.advance(-3600)
    assert queue.rescue() == 0
    assert queue.renew(worker, lease_seconds=60)
    clock.advance(7200)
    assert queue.rescue() == 1
    with pytest.raises(StaleClaimError):
        queue.release(claim)
    assert queue.counts()[TaskStatus.QUEUED] == 2
