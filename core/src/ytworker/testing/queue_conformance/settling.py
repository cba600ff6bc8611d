"""Many endings and the next claims in one step, all or nothing."""
# ruff: noqa: D102, PLR2004, S101 - tests: their names say what they show

import pytest

from ytworker.errors import OrderNotOfferedError, PayloadError
from ytworker.model import ErrorClass, ErrorInfo, Outcome, TaskStatus
from ytworker.queue import (
    ClaimRequest,
    Completion,
    Deferral,
    Ending,
    Failure,
    FIFOStrategy,
    LIFOStrategy,
    Return,
    Settled,
    TaskQueue,
    get_strategy,
)
from ytworker.testing.clock import FakeClock
from ytworker.testing.queue_conformance.base import (
    FAILURE,
    ITEM,
    NOBODY,
    Suite,
    everything,
    ids,
    later,
    listed,
    new,
    put,
    states,
    stored,
    take,
    take_one,
)

GONE = ErrorInfo(error_class=ErrorClass.GONE, type="x.Gone", message="gone")
UNSTORABLE = new("next", params={"x": object()})


class SettlingTests(Suite):
    """The batch form of the endings, with a claim."""

    def test_nothing_is_settled_when_nothing_is_given(self, queue: TaskQueue) -> None:
        assert queue.settle([]) == Settled([], [])

    def test_endings_of_all_kinds_are_settled_at_once(self, queue: TaskQueue, worker: int, clock: FakeClock) -> None:
        numbers = put(queue, *[new()] * 5)
        one, two, three, four, five = take(queue, worker, limit=5)
        settled = queue.settle(
            [
                Completion(claim=one, outcome=Outcome.OK, items=[ITEM], follow_ups=[new("next")]),
                Failure(claim=two, error=FAILURE, retry_at=later(clock, 1)),
                Failure(claim=three, error=GONE, retry_at=None),
                Deferral(claim=four, until=later(clock, 1), reason="later"),
                Return(claim=five),
            ]
        )
        assert settled == Settled([], [])
        assert states(queue, numbers) == [
            TaskStatus.COMPLETED,
            TaskStatus.SCHEDULED,
            TaskStatus.DEAD,
            TaskStatus.SCHEDULED,
            TaskStatus.QUEUED,
        ]
        assert [queue.get(number).attempt for number in numbers] == [1, 1, 1, 0, 0]
        assert (stored(queue), len(listed(queue, types=["next"]))) == (["a"], 1)
        assert queue.counter("stale_writes") == 0

    def test_a_hundred_tasks_are_settled_and_the_next_hundred_claimed(self, queue: TaskQueue, worker: int) -> None:
        numbers = put(queue, *[new()] * 200)
        claims = take(queue, worker, limit=100)
        then = ClaimRequest(worker_id=worker, strategy=FIFOStrategy, types=["demo"], limit=150)
        settled = queue.settle([Completion(claim=claim, outcome=Outcome.EMPTY) for claim in claims], then)
        assert ids(settled.claims) == numbers[100:]
        assert all(queue.holds(claim) for claim in settled.claims)
        assert queue.counts()[TaskStatus.COMPLETED] == 100

    @pytest.mark.parametrize("order", ["fifo", "lifo", "priority", "weighted_random"])
    def test_the_claim_sees_what_the_endings_did(
        self, queue: TaskQueue, worker: int, clock: FakeClock, order: str
    ) -> None:
        numbers = put(queue, *[new()] * 3)
        one, two, three = take(queue, worker, limit=3)
        then = ClaimRequest(worker_id=worker, strategy=get_strategy(order), types=["demo", "next"], limit=9)
        settled = queue.settle(
            [
                Return(claim=one),
                Failure(claim=two, error=FAILURE, retry_at=clock()),
                Completion(claim=three, outcome=Outcome.EMPTY, follow_ups=[new("next")]),
            ],
            then,
        )
        (follow_up,) = listed(queue, types=["next"])
        assert sorted(ids(settled.claims)) == [*numbers[:2], follow_up]
        fences = {claim.task.id: (claim.fence, claim.task.attempt) for claim in settled.claims}
        assert fences == {numbers[0]: (2, 1), numbers[1]: (2, 2), follow_up: (1, 1)}

    def test_two_claims_of_one_task_in_one_batch_are_told_apart(self, queue: TaskQueue, worker: int) -> None:
        (number,) = put(queue)
        old = take_one(queue, worker)
        queue.release(old)
        present = take_one(queue, worker)
        late, right = Completion(claim=old, outcome=Outcome.SUSPECT), Completion(claim=present, outcome=Outcome.EMPTY)
        twice = Completion(claim=present, outcome=Outcome.SUSPECT)
        assert queue.settle([late, right, twice]).stale == [late, twice]
        assert queue.get(number).outcome is Outcome.EMPTY
        assert queue.counter("stale_writes") == 2

    def test_a_claim_alone_is_a_settlement(self, queue: TaskQueue, worker: int) -> None:
        numbers = put(queue, *[new()] * 3)
        then = ClaimRequest(worker_id=worker, strategy=LIFOStrategy, types=["demo"])
        assert ids(queue.settle([], then).claims) == numbers[2:]
        queue.claim_task(worker, numbers[1])
        queue.claim_task(worker, numbers[0])
        assert queue.settle([], then) == Settled([], [])

    def test_the_work_of_one_worker_is_settled_for_another_to_claim(self, queue: TaskQueue, worker: int) -> None:
        (number,) = put(queue)
        other = queue.add_worker(lease_seconds=60)
        then = ClaimRequest(worker_id=other, strategy=FIFOStrategy, types=["demo"])
        (claim,) = queue.settle([Return(claim=take_one(queue, worker))], then).claims
        assert (claim.task.id, claim.worker_id, claim.fence) == (number, other, 2)

    def test_a_worker_without_a_lease_settles_nothing_and_claims_nothing(self, queue: TaskQueue, worker: int) -> None:
        put(queue, new(), new())
        claim = take_one(queue, worker)
        then = ClaimRequest(worker_id=NOBODY, strategy=FIFOStrategy, types=["demo"])
        assert queue.settle([Completion(claim=claim, outcome=Outcome.EMPTY)], then) == Settled([], [])
        assert queue.get(claim.task.id).state is TaskStatus.COMPLETED

    # -- what comes too late

    def test_q4_stale_endings_come_back_and_the_others_count(self, queue: TaskQueue, worker: int) -> None:
        numbers = put(queue, *[new()] * 5)
        claims = take(queue, worker, limit=4)
        for claim in claims[::2]:
            queue.release(claim)
        endings = [Completion(claim=claim, outcome=Outcome.OK, items=[ITEM], sources=["s"]) for claim in claims]
        then = ClaimRequest(worker_id=worker, strategy=FIFOStrategy, types=["demo"], limit=9)
        settled = queue.settle(endings, then)
        assert settled.stale == endings[::2]
        assert ids(settled.claims) == [numbers[0], numbers[2], numbers[4]]
        assert states(queue, numbers[1:4:2]) == [TaskStatus.COMPLETED] * 2
        assert stored(queue, task_id=numbers[0]) == []
        assert queue.counter("stale_writes") == 2

    def test_q4_stale_endings_alone_are_counted(self, queue: TaskQueue, worker: int) -> None:
        put(queue)
        claim = take_one(queue, worker)
        queue.release(claim)
        before = everything(queue)
        late: list[Ending] = [Failure(claim=claim, error=FAILURE, retry_at=None), Return(claim=claim)]
        assert queue.settle(late) == Settled([], late)
        assert everything(queue) == before
        assert queue.counter("stale_writes") == 2

    # -- all or nothing

    def test_an_ending_that_cannot_be_stored_undoes_the_whole(self, queue: TaskQueue, worker: int) -> None:
        put(queue, *[new()] * 4)
        stale, *claims = take(queue, worker, limit=3)
        queue.release(stale)
        before = everything(queue)
        endings: list[Ending] = [
            Return(claim=stale),
            Completion(claim=claims[0], outcome=Outcome.OK, items=[ITEM], follow_ups=[new("next")]),
            Completion(claim=claims[1], outcome=Outcome.OK, items=[ITEM], follow_ups=[UNSTORABLE]),
        ]
        then = ClaimRequest(worker_id=worker, strategy=FIFOStrategy, types=["demo"])
        with pytest.raises(PayloadError):
            queue.settle(endings, then)
        assert everything(queue) == before
        assert queue.counter("stale_writes") == 0
        assert queue.settle(endings[:2], then).stale == endings[:1]

    def test_an_order_that_is_not_offered_costs_no_endings(self, queue: TaskQueue, worker: int) -> None:
        put(queue, new(), new())
        claim = take_one(queue, worker)
        queue.offer(["fifo"])
        then = ClaimRequest(worker_id=worker, strategy=get_strategy("priority"), types=["demo"])
        ending = Completion(claim=claim, outcome=Outcome.OK, items=[ITEM])
        assert queue.settle([ending], then) == Settled([], [])
        assert (queue.get(claim.task.id).state, stored(queue)) == (TaskStatus.COMPLETED, ["a"])
        with pytest.raises(OrderNotOfferedError, match="priority"):
            take(queue, worker, order="priority")
