"""What people do to tasks, by filters: cancel them, queue them again, delete them."""
# ruff: noqa: D102, PLR2004, S101 - tests: their names say what they show

from typing import Any

import pytest

from ytworker.errors import TaskNotFoundError
from ytworker.model import ErrorClass, Outcome, TaskStatus
from ytworker.queue import Completion, Purged, Requeued, TaskFilter, TaskQueue
from ytworker.testing.clock import FakeClock
from ytworker.testing.queue_conformance.base import (
    ENDED,
    FAILURE,
    LEASE,
    LIVE,
    NO_IDS,
    Suite,
    bring,
    die,
    everything,
    ids,
    later,
    listed,
    new,
    one_of_each,
    put,
    states,
    take,
    take_one,
)


class CancelTests(Suite):
    """Cancelling."""

    def test_live_tasks_are_cancelled_and_ended_ones_left_alone(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        tasks = one_of_each(queue, worker)
        clock.advance(5)
        assert queue.cancel(TaskFilter()) == 3
        for state in LIVE:
            task = queue.get(tasks[state])
            assert (task.state, task.finished_at, task.outcome) == (TaskStatus.CANCELLED, clock(), None)
            assert (task.run_at, task.started_at, task.reason) == (None, None, None)
        for state in ENDED:
            task = queue.get(tasks[state])
            assert (task.state, task.finished_at) == (state, later(clock, -5))
        assert queue.cancel(TaskFilter()) == 0
        assert take(queue, worker) == []

    @pytest.mark.parametrize(
        ("which", "places"),
        [
            ({"types": ["a"]}, [0, 2]),
            ({"types": ["a", "b"], "limit": 3}, [1, 2, 3]),
            ({"states": [TaskStatus.SCHEDULED]}, [3]),
            ({"states": ENDED}, []),
            ({"limit": 0}, []),
            ({"types": ["unknown"]}, []),
            ({"error_classes": [ErrorClass.BUG]}, []),
            ({"ended_before": 2**52}, []),
        ],
    )
    def test_tasks_are_cancelled_by_a_filter(
        self, queue: TaskQueue, clock: FakeClock, which: dict[str, Any], places: list[int]
    ) -> None:
        numbers = put(queue, new("a"), new("b"), new("a"), new("b", run_at=later(clock, 1)))
        assert queue.cancel(TaskFilter(**which)) == len(places)
        assert listed(queue, states=[TaskStatus.CANCELLED]) == [numbers[place] for place in reversed(places)]

    def test_tasks_are_cancelled_by_id(self, queue: TaskQueue) -> None:
        numbers = put(queue, *[new()] * 3)
        assert queue.cancel(TaskFilter(ids=[numbers[1], numbers[1], *NO_IDS])) == 1
        assert queue.cancel(TaskFilter(ids=NO_IDS)) == 0
        assert states(queue, numbers) == [TaskStatus.QUEUED, TaskStatus.CANCELLED, TaskStatus.QUEUED]

    def test_the_limit_counts_those_that_can_be_cancelled(self, queue: TaskQueue, worker: int) -> None:
        (number,) = put(queue)
        bring(queue, worker, TaskStatus.COMPLETED, new("other"))
        assert queue.cancel(TaskFilter(limit=1)) == 1
        assert queue.get(number).state is TaskStatus.CANCELLED

    def test_more_tasks_than_fit_a_chunk_are_cancelled(self, queue: TaskQueue) -> None:
        put(queue, *[new()] * 1_201)
        assert queue.cancel(TaskFilter(limit=600)) == 600
        assert queue.cancel(TaskFilter()) == 601
        assert queue.counts()[TaskStatus.CANCELLED] == 1_201

    def test_a_cancelled_task_forgets_its_checkpoint(self, queue: TaskQueue, worker: int) -> None:
        put(queue)
        queue.checkpoint(take_one(queue, worker), [], 1)
        queue.cancel(TaskFilter())
        queue.requeue(TaskFilter())
        assert take_one(queue, worker).checkpoint is None

    def test_the_worker_of_a_cancelled_task_keeps_its_lease_and_its_other_tasks(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        first, second = put(queue, new(), new())
        _, other = take(queue, worker, limit=2)
        queue.cancel(TaskFilter(ids=[first]))
        assert queue.holds(other)
        queue.remove_worker(worker)
        assert states(queue, [first, second]) == [TaskStatus.CANCELLED, TaskStatus.QUEUED]
        clock.advance(LEASE + 1)
        assert queue.rescue() == 0


class RequeueTests(Suite):
    """Queueing ended tasks again."""

    def test_dead_and_cancelled_tasks_are_queued_as_if_new(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        tasks = one_of_each(queue, worker)
        before = {number: queue.get(number) for number in tasks.values()}
        clock.advance(5)
        assert queue.requeue(TaskFilter()) == Requeued(2, skipped=0)
        for state, number in tasks.items():
            task = queue.get(number)
            if state not in {TaskStatus.DEAD, TaskStatus.CANCELLED}:
                assert task == before[number]
                continue
            assert (task.state, task.attempt, task.outcome) == (TaskStatus.QUEUED, 0, None)
            assert (task.finished_at, task.run_at, task.started_at) == (None, None, None)
            assert task.created_at == before[number].created_at
        claims = take(queue, worker, limit=9)
        assert ids(claims) == [tasks[state] for state in (TaskStatus.QUEUED, TaskStatus.DEAD, TaskStatus.CANCELLED)]
        assert [(claim.task.attempt, claim.fence) for claim in claims] == [(1, 1), (1, 2), (1, 1)]

    def test_the_history_of_a_dead_letter_stays(self, queue: TaskQueue, worker: int) -> None:
        number = bring(queue, worker, TaskStatus.DEAD)
        history = queue.attempts(number)
        queue.requeue(TaskFilter())
        assert (queue.get(number).error, queue.attempts(number)) == (FAILURE, history)
        queue.fail(take_one(queue, worker), FAILURE, retry_at=None)
        assert [attempt.number for attempt in queue.attempts(number)] == [1, 1]

    def test_a_task_queued_again_is_ready_since_now(self, queue: TaskQueue, worker: int, clock: FakeClock) -> None:
        bring(queue, worker, TaskStatus.DEAD)
        clock.advance(5)
        queue.requeue(TaskFilter())
        assert queue.oldest_ready_at() == clock()

    def test_tasks_are_queued_again_by_a_filter(self, queue: TaskQueue, worker: int, clock: FakeClock) -> None:
        gone = die(queue, worker, ErrorClass.GONE, "x")
        bug = die(queue, worker, ErrorClass.BUG, "y", "other")
        clock.advance(1)
        last = die(queue, worker, ErrorClass.BUG, "x")

        def requeued(**which: Any) -> list[int]:
            count = queue.requeue(TaskFilter(**which)).count
            found = listed(queue, states=[TaskStatus.QUEUED])
            assert count == len(found)
            for claim in take(queue, worker, "demo", "other", limit=9):
                assert claim.task.error is not None
                queue.fail(claim, claim.task.error, retry_at=None)
            return found

        assert requeued(error_classes=[ErrorClass.BUG], limit=1) == [last]
        assert requeued(error_classes=[ErrorClass.BUG], types=["other"]) == [bug]
        assert requeued(fingerprints=["x"]) == [last, gone]
        assert requeued(ids=[gone, bug, *NO_IDS]) == [bug, gone]
        assert requeued(states=[TaskStatus.CANCELLED]) == requeued(states=[TaskStatus.COMPLETED]) == []
        assert requeued(ended_before=clock()) == []
        assert requeued(ended_since=clock()) == [last, bug, gone]

    def test_more_tasks_than_fit_a_chunk_are_queued_again(self, queue: TaskQueue) -> None:
        numbers = put(queue, *(new(key=str(n % 1_100)) for n in range(1_100)))
        queue.cancel(TaskFilter())
        put(queue, *(new(key=str(n)) for n in range(0, 1_100, 11)))
        assert queue.requeue(TaskFilter(ids=numbers)) == Requeued(1_000, skipped=100)
        assert queue.counts()[TaskStatus.QUEUED] == 1_100


class PurgeTests(Suite):
    """Deleting what ended long ago, in steps."""

    def test_old_ended_tasks_are_deleted_with_their_history(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        dead = bring(queue, worker, TaskStatus.DEAD)
        clock.advance(1)
        younger = bring(queue, worker, TaskStatus.DEAD)
        assert queue.purge(clock(), [TaskStatus.DEAD]) == Purged(1, None)
        with pytest.raises(TaskNotFoundError):
            queue.get(dead)
        assert (queue.attempts(dead), queue.events(dead)) == ([], [])
        assert listed(queue) == [younger]
        assert queue.counts()[TaskStatus.DEAD] == 1
        assert queue.attempts(younger) != []

    def test_only_ended_tasks_in_the_given_states_are_deleted(self, queue: TaskQueue, worker: int) -> None:
        tasks = one_of_each(queue, worker)
        assert queue.purge(2**53, LIVE) == queue.purge(2**53, []) == Purged(0, None)
        assert queue.purge(2**53, [TaskStatus.COMPLETED, TaskStatus.QUEUED]) == Purged(1, None)
        assert queue.purge(2**53, list(TaskStatus)) == Purged(2, None)
        assert listed(queue) == [tasks[state] for state in reversed(TaskStatus) if state in LIVE]

    def test_what_a_filter_finds_is_deleted_and_what_has_not_ended_is_left(self, queue: TaskQueue, worker: int) -> None:
        tasks = one_of_each(queue, worker)
        assert queue.delete(TaskFilter(types=["unknown"])) == queue.delete(TaskFilter(states=LIVE)) == 0
        assert queue.delete(TaskFilter(states=[TaskStatus.DEAD])) == 1
        with pytest.raises(TaskNotFoundError):
            queue.get(tasks[TaskStatus.DEAD])
        assert queue.delete(TaskFilter(limit=1)) == 1
        assert queue.delete(TaskFilter()) == 1
        assert queue.delete(TaskFilter()) == 0
        assert sorted(listed(queue)) == sorted(tasks[state] for state in LIVE)

    def test_a_purge_goes_in_steps(self, queue: TaskQueue, worker: int) -> None:
        numbers = put(queue, *[new()] * 25)
        queue.cancel(TaskFilter(ids=numbers[::2]))
        after: int | None = 0
        counts = []
        while after is not None:
            step = queue.purge(2**53, [TaskStatus.CANCELLED], after=after, limit=10)
            assert step.next is None or step.next > after
            counts.append(step.count)
            after = step.next
        assert (sum(counts), max(counts)) == (13, 5)
        assert listed(queue) == numbers[-2::-2]
        assert ids(take(queue, worker, limit=99)) == numbers[1::2]

    def test_a_purge_starts_after_an_id(self, queue: TaskQueue) -> None:
        numbers = put(queue, *[new()] * 4)
        queue.cancel(TaskFilter())
        assert queue.purge(2**53, ENDED, after=numbers[1]) == Purged(2, None)
        assert listed(queue) == numbers[1::-1]
        assert queue.purge(2**53, ENDED, after=numbers[3]) == Purged(0, None)

    def test_an_id_never_comes_back(self, queue: TaskQueue) -> None:
        numbers = put(queue, new(), new())
        queue.cancel(TaskFilter())
        queue.purge(2**53, ENDED)
        assert put(queue)[0] > numbers[-1]

    def test_q4_a_purged_task_cannot_be_written_to(self, queue: TaskQueue, worker: int) -> None:
        put(queue)
        claim = take_one(queue, worker)
        queue.finish(claim, [], Outcome.EMPTY)
        queue.purge(2**53, ENDED)
        before = everything(queue)
        assert len(queue.settle([Completion(claim=claim, outcome=Outcome.OK)]).stale) == 1
        assert everything(queue) == before
