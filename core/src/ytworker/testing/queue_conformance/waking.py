"""Waking: whoever waits hears of every commit that makes work ready, from whichever handle it comes."""
# ruff: noqa: D102, S101 - tests: their names say what they show

import select
from collections.abc import Callable, Iterator

import pytest

from ytworker.model import Claim, Outcome
from ytworker.queue import (
    Completion,
    CoolDown,
    Deferral,
    Ending,
    Failure,
    QueueWakes,
    Return,
    TaskFilter,
    TaskQueue,
    Waker,
)
from ytworker.testing.clock import FakeClock
from ytworker.testing.queue_conformance.base import COOL_DOWN, FAILURE, LEASE, Suite, later, new, put, take, take_one

PATIENCE_SECONDS = 30.0
"""A wait that ends as soon as there is something; only a failure takes so long."""

ENDINGS: dict[str, Callable[[Claim], Ending]] = {
    "a follow-up": lambda claim: Completion(claim=claim, outcome=Outcome.EMPTY, follow_ups=[new("next")]),
    "a retry": lambda claim: Failure(claim=claim, error=FAILURE, retry_at=1),
    "a deferral into the past": lambda claim: Deferral(claim=claim, until=1, reason="busy"),
    "a return": lambda claim: Return(claim=claim),
}


def woken(waker: Waker) -> bool:
    """Wait for the waker, and take in what woke it."""
    rung = bool(select.select([waker], [], [], PATIENCE_SECONDS)[0])
    waker.clear()
    return rung


def _waker(queue: TaskQueue) -> Waker:
    found = queue.waker() if isinstance(queue, QueueWakes) else None
    if found is None:
        pytest.skip("this backend wakes nobody; workers look at the queue now and then")
    return found


class WakingTests(Suite):
    """Waking a worker that waits."""

    @pytest.fixture
    def waker(self, queue: TaskQueue) -> Iterator[Waker]:
        """A waker of the queue."""
        waker = _waker(queue)
        yield waker
        waker.close()

    def test_a_waker_sleeps_while_nothing_happens(self, waker: Waker) -> None:
        waker.clear()
        assert select.select([waker], [], [], 0)[0] == []

    def test_an_enqueued_task_wakes_whoever_waits_until_that_is_taken_in(
        self, queue: TaskQueue, twin: TaskQueue, waker: Waker, clock: FakeClock
    ) -> None:
        for handle in (queue, twin):
            put(handle)
            assert woken(waker)
            put(handle, new(run_at=later(clock, 60)))  # the next moment to look at has come nearer
            assert woken(waker)
        assert select.select([waker], [], [], 0)[0] == []

    def test_everybody_who_waits_is_woken(self, queue: TaskQueue, twin: TaskQueue, waker: Waker) -> None:
        other = _waker(twin)
        put(queue)
        assert (woken(waker), woken(other)) == (True, True)
        other.close()
        other.close()
        put(queue)
        assert woken(waker)

    @pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
    def test_an_ending_that_makes_work_ready_wakes(
        self, queue: TaskQueue, worker: int, waker: Waker, ending: Callable[[Claim], Ending]
    ) -> None:
        put(queue)
        claim = take_one(queue, worker)
        waker.clear()
        assert queue.settle([ending(claim)]).stale == []
        assert woken(waker)

    def test_follow_ups_of_a_checkpoint_wake(self, queue: TaskQueue, worker: int, waker: Waker) -> None:
        put(queue)
        claim = take_one(queue, worker)
        waker.clear()
        queue.checkpoint(claim, [], 1, follow_ups=[new("next")])
        assert woken(waker)

    def test_what_a_worker_leaves_behind_wakes_others(self, queue: TaskQueue, clock: FakeClock, waker: Waker) -> None:
        put(queue, new(), new())
        leaving, dying = (queue.add_worker(lease_seconds=LEASE) for _ in range(2))
        take(queue, leaving), take(queue, dying)
        waker.clear()
        queue.remove_worker(leaving)
        assert woken(waker)
        clock.advance(LEASE + 1)
        assert queue.rescue() == 1
        assert woken(waker)

    def test_people_wake_workers(self, queue: TaskQueue, worker: int, clock: FakeClock, waker: Waker) -> None:
        numbers = put(queue, new(), new())
        queue.cancel(TaskFilter(ids=numbers[:1]))
        claim, until = take_one(queue, worker), later(clock, 60)
        cool_down = CoolDown(
            source=COOL_DOWN.source, error_class=COOL_DOWN.error_class, reason=COOL_DOWN.reason, until=until
        )
        queue.settle([Deferral(claim=claim, until=until, reason="busy", source=COOL_DOWN.source, cool_down=cool_down)])
        waker.clear()
        assert queue.requeue(TaskFilter(ids=numbers[:1])).count == 1
        assert woken(waker)
        queue.resume(COOL_DOWN.source)
        assert woken(waker)
