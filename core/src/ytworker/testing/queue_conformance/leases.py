"""Workers and their leases: who stops or hangs loses what it held, and nothing else is lost."""
# ruff: noqa: D102, PLR2004, S101 - tests: their names say what they show

import os
import socket

import pytest

import ytworker
from ytworker.errors import StaleClaimError
from ytworker.model import ErrorClass, Item, Outcome, TaskStatus
from ytworker.queue import TaskQueue
from ytworker.testing.clock import FakeClock
from ytworker.testing.queue_conformance.base import (
    FAILURE,
    LEASE,
    NOBODY,
    Suite,
    ids,
    later,
    new,
    put,
    states,
    stored,
    take,
    take_one,
)


class LeaseTests(Suite):
    """Adding, renewing, removing and losing workers."""

    def test_a_worker_is_registered_with_its_lease(self, queue: TaskQueue, clock: FakeClock) -> None:
        worker = queue.add_worker(lease_seconds=1.5)
        (info,) = queue.workers()
        assert (info.id, info.host, info.pid) == (worker, socket.gethostname(), os.getpid())
        assert info.version == ytworker.__version__
        assert (info.started_at, info.seen_at, info.lease_until) == (clock(), clock(), later(clock, 1.5))

    def test_who_comes_for_a_task_of_its_own_is_told_from_those_that_stay(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        passing = queue.add_worker(lease_seconds=LEASE, foreground=True)
        assert {each.id: each.foreground for each in queue.workers()} == {worker: False, passing: True}
        clock.advance(1)
        assert queue.renew(passing, lease_seconds=LEASE)
        assert {each.id: each.foreground for each in queue.workers()} == {worker: False, passing: True}

    def test_ids_of_workers_are_random_and_fit_a_json_number(self, queue: TaskQueue) -> None:
        numbers = [queue.add_worker(lease_seconds=LEASE) for _ in range(50)]
        assert len(set(numbers)) == 50
        assert numbers != sorted(numbers)
        assert all(0 <= number < 2**53 for number in numbers)
        assert {worker.id for worker in queue.workers()} == set(numbers)

    def test_a_lease_is_renewed(self, queue: TaskQueue, worker: int, clock: FakeClock) -> None:
        clock.advance(20)
        assert queue.renew(worker, lease_seconds=30)
        (info,) = queue.workers()
        assert (info.seen_at, info.lease_until, info.started_at) == (clock(), later(clock, 30), later(clock, -20))

    def test_a_lease_that_lapsed_unnoticed_can_be_renewed(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        put(queue)
        claim = take_one(queue, worker)
        clock.advance(LEASE + 1)
        assert queue.renew(worker, lease_seconds=LEASE)
        assert queue.rescue() == 0
        assert queue.holds(claim)

    def test_a_worker_that_is_not_registered_has_no_lease(self, queue: TaskQueue) -> None:
        assert not queue.renew(NOBODY, lease_seconds=LEASE)
        queue.remove_worker(NOBODY)
        assert queue.workers() == []

    def test_a_lease_that_was_taken_away_is_gone_for_good(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        (number,) = put(queue)
        clock.advance(LEASE + 1)
        assert queue.rescue() == 0
        assert queue.workers() == []
        assert not queue.renew(worker, lease_seconds=LEASE)
        assert take(queue, worker) == []
        assert queue.claim_task(worker, number) is None

    def test_a_lease_holds_to_its_last_microsecond(self, queue: TaskQueue, worker: int, clock: FakeClock) -> None:
        (number,) = put(queue)
        take_one(queue, worker)
        clock.advance(LEASE)
        assert queue.rescue() == 0
        assert queue.get(number).state is TaskStatus.CLAIMED
        clock.advance(0.000001)
        assert queue.rescue() == 1
        assert queue.get(number).state is TaskStatus.QUEUED

    # -- rescue

    def test_a_rescued_task_is_ready_again_and_its_attempt_has_counted(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        (number,) = put(queue)
        queue.checkpoint(take_one(queue, worker), [], {"page": 2})
        clock.advance(LEASE + 1)
        assert queue.rescue() == 1
        task = queue.get(number)
        assert (task.state, task.attempt, task.started_at, task.run_at) == (TaskStatus.QUEUED, 1, None, None)
        assert queue.oldest_ready_at() == clock()
        (attempt,) = queue.attempts(number)
        assert (attempt.number, attempt.at, attempt.worker_id) == (1, clock(), worker)
        assert attempt.error == task.error
        assert (attempt.error.error_class, attempt.error.type) == (ErrorClass.RESOURCE, "ytworker.LeaseLapsed")
        assert attempt.error.fingerprint == "lease-lapsed"
        assert f"process id {os.getpid()} on {socket.gethostname()}" in attempt.error.message
        again = take_one(queue, queue.add_worker(lease_seconds=LEASE))
        assert (again.task.attempt, again.fence, again.checkpoint) == (2, 2, {"page": 2})

    def test_a_rescue_buries_a_task_whose_attempts_are_used_up(self, queue: TaskQueue, clock: FakeClock) -> None:
        (number,) = put(queue, new(max_attempts=2, key="k"))
        for _ in range(2):
            take_one(queue, queue.add_worker(lease_seconds=LEASE))
            clock.advance(LEASE + 1)
            assert queue.rescue() == 1
        task = queue.get(number)
        assert (task.state, task.attempt, task.finished_at) == (TaskStatus.DEAD, 2, clock())
        assert [attempt.number for attempt in queue.attempts(number)] == [1, 2]
        assert queue.enqueue([new(key="k")])[0].created
        assert queue.counter("rescued") == 2

    def test_a_rescue_takes_only_from_the_lapsed(self, queue: TaskQueue, clock: FakeClock) -> None:
        numbers = put(queue, *[new()] * 3)
        quick, slow = queue.add_worker(lease_seconds=10), queue.add_worker(lease_seconds=60)
        take(queue, quick, limit=2)
        take(queue, slow)
        clock.advance(11)
        assert queue.rescue() == 2
        assert states(queue, numbers) == [TaskStatus.QUEUED, TaskStatus.QUEUED, TaskStatus.CLAIMED]
        assert [info.id for info in queue.workers()] == [slow]
        assert queue.rescue() == 0
        assert queue.counter("rescued") == 2

    def test_a_rescue_takes_from_all_of_the_lapsed_however_much_they_hold(
        self, queue: TaskQueue, clock: FakeClock
    ) -> None:
        numbers = put(queue, *[new()] * 1_200)
        for limit in (1_100, 60, 40):
            take(queue, queue.add_worker(lease_seconds=LEASE), limit=limit)
        queue.add_worker(lease_seconds=LEASE)
        clock.advance(LEASE + 1)
        assert queue.rescue() == 1_200
        assert queue.workers() == []
        assert queue.counts()[TaskStatus.QUEUED] == len(numbers)
        assert queue.counter("rescued") == 1_200

    def test_a_reason_to_wait_is_over_after_a_rescue_or_a_farewell(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        first, second = put(queue, new(), new())
        for claim in take(queue, worker, limit=2):
            queue.defer(claim, clock(), "it cools down")
        leaving = queue.add_worker(lease_seconds=LEASE)
        queue.claim_task(worker, first)
        queue.claim_task(leaving, second)
        queue.remove_worker(leaving)
        clock.advance(LEASE + 1)
        assert queue.rescue() == 1
        assert [queue.get(number).reason for number in (first, second)] == [None, None]

    def test_q4_the_late_writes_of_a_rescued_worker_are_refused_and_counted(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        put(queue)
        late = take_one(queue, worker)
        clock.advance(LEASE + 1)
        queue.rescue()
        item = Item(source="youtube", id="late")
        with pytest.raises(StaleClaimError, match="lease"):
            queue.finish(late, [item], Outcome.OK)
        claim = take_one(queue, queue.add_worker(lease_seconds=LEASE))
        with pytest.raises(StaleClaimError):
            queue.finish(late, [item], Outcome.OK)
        with pytest.raises(StaleClaimError):
            queue.fail(late, FAILURE, retry_at=None)
        with pytest.raises(StaleClaimError):
            queue.checkpoint(late, [item], 1)
        assert queue.counter("stale_writes") == 4
        queue.finish(claim, [Item(source="youtube", id="good")], Outcome.OK)
        assert stored(queue) == ["good"]

    # -- leaving in good order

    def test_a_worker_that_leaves_gives_back_what_it_holds(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        numbers = put(queue, *[new()] * 3)
        other = queue.add_worker(lease_seconds=LEASE)
        first, _ = take(queue, worker, limit=2)
        queue.checkpoint(first, [], "kept")
        take(queue, other)
        clock.advance(5)
        queue.remove_worker(worker)
        assert states(queue, numbers) == [TaskStatus.QUEUED, TaskStatus.QUEUED, TaskStatus.CLAIMED]
        assert [queue.get(number).attempt for number in numbers] == [0, 0, 1]
        assert [queue.attempts(number) for number in numbers] == [[], [], []]
        assert queue.oldest_ready_at() == clock()
        assert [info.id for info in queue.workers()] == [other]
        queue.remove_worker(worker)
        assert take(queue, worker) == []
        claims = take(queue, other, limit=9)
        assert [(claim.task.attempt, claim.fence, claim.checkpoint) for claim in claims] == [
            (1, 2, "kept"),
            (1, 2, None),
        ]

    def test_a_worker_that_has_left_writes_no_more(self, queue: TaskQueue, worker: int) -> None:
        put(queue)
        claim = take_one(queue, worker)
        queue.remove_worker(worker)
        assert not queue.holds(claim)
        with pytest.raises(StaleClaimError):
            queue.release(claim)
        assert queue.counter("stale_writes") == 1

    def test_a_clock_that_jumps_takes_leases_and_loses_nothing(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        numbers = put(queue, new(), new())
        claim = take_one(queue, worker)
        clock.advance(-3600)
        assert queue.rescue() == 0
        assert queue.renew(worker, lease_seconds=LEASE)
        clock.advance(7200)
        assert queue.rescue() == 1
        with pytest.raises(StaleClaimError):
            queue.release(claim)
        other = queue.add_worker(lease_seconds=LEASE)
        assert ids(take(queue, other, limit=9)) == numbers
