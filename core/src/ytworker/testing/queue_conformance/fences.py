"""The fence: who lost its task, or has ended it already, changes nothing any more."""
# ruff: noqa: D102, PLR2004, S101 - tests: their names say what they show

from collections.abc import Callable
from dataclasses import replace

import pytest

from ytworker.errors import StaleClaimError
from ytworker.model import Claim, Outcome, TaskStatus
from ytworker.queue import (
    Completion,
    Deferral,
    Ending,
    Failure,
    Return,
    Settled,
    TaskFilter,
    TaskQueue,
)
from ytworker.testing.queue_conformance.base import (
    COOL_DOWN,
    FAILURE,
    ITEM,
    LEASE,
    NOBODY,
    Suite,
    everything,
    new,
    put,
    take_one,
)

Write = Callable[[TaskQueue, Claim], None]

ENDINGS: dict[str, Callable[[Claim], Ending]] = {
    "finish": lambda claim: Completion(
        claim=claim, items=[ITEM], outcome=Outcome.OK, sources=["youtube"], follow_ups=[new("next")]
    ),
    "finish as suspect": lambda claim: Completion(claim=claim, items=[ITEM], outcome=Outcome.SUSPECT, suspect="odd"),
    "fail and retry": lambda claim: Failure(claim=claim, error=FAILURE, retry_at=5),
    "fail and die": lambda claim: Failure(claim=claim, error=FAILURE, retry_at=None),
    "defer": lambda claim: Deferral(claim=claim, until=5, reason="later", error=FAILURE, cool_down=COOL_DOWN),
    "return": lambda claim: Return(claim=claim, reason="not started"),
}


def _defer(queue: TaskQueue, claim: Claim) -> None:
    queue.defer(claim, 5, "later", error=FAILURE, cool_down=COOL_DOWN)


WRITES: dict[str, Write] = {
    "finish": lambda queue, claim: queue.finish(claim, [ITEM], Outcome.OK, follow_ups=[new("next")]),
    "finish as suspect": lambda queue, claim: queue.finish(claim, [ITEM], Outcome.SUSPECT, suspect="odd"),
    "checkpoint": lambda queue, claim: queue.checkpoint(claim, [ITEM], 1, follow_ups=[new("next")]),
    "progress": lambda queue, claim: queue.progress(claim, 1, 2, "x"),
    "fail and retry": lambda queue, claim: queue.fail(claim, FAILURE, retry_at=5),
    "fail and die": lambda queue, claim: queue.fail(claim, FAILURE, retry_at=None),
    "defer": _defer,
    "return": lambda queue, claim: queue.release(claim, "not started"),
}

each_write = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
each_ending = pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)


class FenceTests(Suite):
    """Writes under a claim that does not hold; Q4 is the name of this danger among ytworker's abuse cases."""

    @pytest.fixture
    def claim(self, queue: TaskQueue, worker: int) -> Claim:
        """A claim of the only task."""
        put(queue, new(key="k"))
        return take_one(queue, worker)

    @each_write
    def test_q4_a_write_with_an_old_fence_is_refused_and_counted(
        self, queue: TaskQueue, worker: int, claim: Claim, write: Write
    ) -> None:
        queue.release(claim)
        newer = take_one(queue, worker)
        before = everything(queue)
        with pytest.raises(StaleClaimError, match=rf"task {claim.task.id}: .* no longer holds"):
            write(queue, claim)
        assert everything(queue) == before
        assert queue.counter("stale_writes") == 1
        write(queue, newer)
        assert queue.counter("stale_writes") == 1

    @each_write
    @pytest.mark.parametrize("fence", [0, 2, 2**40])
    def test_q4_a_fence_that_was_never_given_is_refused(
        self, queue: TaskQueue, claim: Claim, write: Write, fence: int
    ) -> None:
        before = everything(queue)
        with pytest.raises(StaleClaimError):
            write(queue, replace(claim, fence=fence))
        assert everything(queue) == before
        assert queue.counter("stale_writes") == 1

    @each_write
    def test_q4_a_foreign_worker_cannot_write_with_somebodys_fence(
        self, queue: TaskQueue, claim: Claim, write: Write
    ) -> None:
        stranger = queue.add_worker(lease_seconds=LEASE)
        before = everything(queue)
        for worker_id in (stranger, NOBODY):
            with pytest.raises(StaleClaimError):
                write(queue, replace(claim, worker_id=worker_id))
        assert everything(queue) == before
        assert queue.counter("stale_writes") == 2
        assert queue.holds(claim)

    @each_write
    def test_q4_a_task_that_is_not_there_cannot_be_written_to(
        self, queue: TaskQueue, claim: Claim, write: Write
    ) -> None:
        before = everything(queue)
        with pytest.raises(StaleClaimError):
            write(queue, replace(claim, task=replace(claim.task, id=claim.task.id + 1)))
        assert everything(queue) == before

    @each_write
    @each_ending
    def test_q4_nothing_can_be_written_after_the_end(
        self, queue: TaskQueue, claim: Claim, ending: Callable[[Claim], Ending], write: Write
    ) -> None:
        assert queue.settle([ending(claim)]) == Settled([], [])
        before = everything(queue)
        for expected in (1, 2):
            with pytest.raises(StaleClaimError):
                write(queue, claim)
            assert queue.counter("stale_writes") == expected
        assert everything(queue) == before
        assert not queue.holds(claim)

    @each_ending
    def test_q4_a_replayed_ending_comes_back_as_stale(
        self, queue: TaskQueue, claim: Claim, ending: Callable[[Claim], Ending]
    ) -> None:
        once = ending(claim)
        assert queue.settle([once, once]) == Settled([], [once])
        before = everything(queue)
        assert queue.settle([once]) == Settled([], [once])
        assert everything(queue) == before
        assert queue.counter("stale_writes") == 2

    @each_ending
    def test_q4_the_first_of_two_endings_counts(
        self, queue: TaskQueue, claim: Claim, ending: Callable[[Claim], Ending]
    ) -> None:
        first, second = Completion(claim=claim, outcome=Outcome.EMPTY), ending(claim)
        assert queue.settle([first, second]) == Settled([], [second])
        assert queue.get(claim.task.id).outcome is Outcome.EMPTY
        assert queue.attempts(claim.task.id) == []

    # -- cancelled under its worker's hands

    @each_write
    def test_q4_a_write_for_a_cancelled_task_is_refused_and_no_sign_of_a_lost_lease(
        self, queue: TaskQueue, claim: Claim, write: Write
    ) -> None:
        assert queue.cancel(TaskFilter(ids=[claim.task.id])) == 1
        before = everything(queue)
        with pytest.raises(StaleClaimError, match="cancelled"):
            write(queue, claim)
        assert everything(queue) == before
        assert queue.counter("stale_writes") == 0

    @each_ending
    def test_q4_an_ending_of_a_cancelled_task_comes_back_as_stale_uncounted(
        self, queue: TaskQueue, claim: Claim, ending: Callable[[Claim], Ending]
    ) -> None:
        queue.cancel(TaskFilter())
        late = ending(claim)
        assert queue.settle([late]) == Settled([], [late])
        assert queue.get(claim.task.id).state is TaskStatus.CANCELLED
        assert queue.counter("stale_writes") == 0

    def test_q4_an_older_claim_of_a_cancelled_task_is_a_sign_of_a_lost_lease(
        self, queue: TaskQueue, worker: int, claim: Claim
    ) -> None:
        queue.release(claim)
        newer = take_one(queue, worker)
        queue.cancel(TaskFilter())
        assert len(queue.settle([Return(claim=claim), Return(claim=newer)]).stale) == 2
        assert queue.counter("stale_writes") == 1

    def test_q4_a_cancelled_task_that_is_queued_again_stays_out_of_reach(
        self, queue: TaskQueue, worker: int, claim: Claim
    ) -> None:
        queue.cancel(TaskFilter())
        queue.requeue(TaskFilter())
        assert not queue.holds(claim)
        with pytest.raises(StaleClaimError):
            queue.finish(claim, [ITEM], Outcome.OK)
        assert queue.counter("stale_writes") == 0  # nobody lost a lease
        queue.remove_worker(worker)
        assert queue.get(claim.task.id).attempt == 0
        again = take_one(queue, queue.add_worker(lease_seconds=LEASE))
        assert (again.fence, again.task.attempt) == (2, 1)
        with pytest.raises(StaleClaimError):
            queue.finish(claim, [ITEM], Outcome.OK)
        assert queue.counter("stale_writes") == 1  # the next claim knows nothing of the cancellation
        assert queue.holds(again)

    # -- asking

    def test_a_claim_holds_until_the_task_ends_or_moves_on(self, queue: TaskQueue, worker: int, claim: Claim) -> None:
        stranger = replace(claim, worker_id=NOBODY)
        assert (queue.holds(claim), queue.holds(stranger)) == (True, False)
        queue.checkpoint(claim, [], 1)
        queue.progress(claim, 1, None, None)
        assert queue.holds(claim)
        queue.release(claim)
        assert not queue.holds(claim)
        newer = take_one(queue, worker)
        assert (queue.holds(claim), queue.holds(newer)) == (False, True)
        queue.cancel(TaskFilter())
        assert not queue.holds(newer)
        assert not queue.holds(replace(claim, task=replace(claim.task, id=claim.task.id + 1)))
        assert queue.counter("stale_writes") == 0
