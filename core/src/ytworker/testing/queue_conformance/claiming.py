"""Getting tasks out: the orders, what is due, and what cannot be read."""
# ruff: noqa: D102, PLR2004, S101 - tests: their names say what they show

import pytest

from ytworker.errors import OrderNotOfferedError
from ytworker.model import ErrorClass, TaskStatus
from ytworker.queue import AGED_SHARE, ORDERS, ClaimingStrategy, FIFOStrategy, TaskQueue
from ytworker.testing.clock import FakeClock
from ytworker.testing.queue_conformance.base import (
    NO_IDS,
    NOBODY,
    Suite,
    everything,
    ids,
    in_threads,
    later,
    new,
    put,
    states,
    take,
    take_one,
)

# Places among the six tasks of types a, b, c, a, c, b with the priorities 2, 9, 2, 5, 9, 1.
PLACES = {"fifo": [0, 1, 2, 3, 4, 5], "lifo": [5, 4, 3, 2, 1, 0], "priority": [1, 4, 3, 0, 2, 5]}


class ClaimingTests(Suite):
    """Claims by order and by id."""

    def test_a_claim_counts_the_attempt_and_raises_the_fence(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        (number,) = put(queue)
        clock.advance(5)
        claim = take_one(queue, worker)
        assert (claim.task.id, claim.task.state, claim.task.attempt) == (number, TaskStatus.CLAIMED, 1)
        assert (claim.worker_id, claim.fence, claim.checkpoint) == (worker, 1, None)
        assert (claim.task.started_at, claim.task.created_at) == (clock(), later(clock, -5))
        assert queue.get(number) == claim.task
        queue.release(claim)
        again = take_one(queue, worker)
        assert (again.task.attempt, again.fence) == (1, 2)

    @pytest.mark.parametrize("order", PLACES)
    def test_tasks_come_in_order_over_all_types(self, queue: TaskQueue, worker: int, order: str) -> None:
        priorities = (2, 9, 2, 5, 9, 1)
        tasks = [new(kind, priority=priority) for kind, priority in zip("abcacb", priorities, strict=True)]
        numbers = put(queue, *tasks)
        expected = [numbers[place] for place in PLACES[order]]
        assert ids(take(queue, worker, "a", "b", "c", order=order, limit=2)) == expected[:2]
        assert ids(take(queue, worker, "c", "a", "b", order=order)) == expected[2:3]
        assert ids(take(queue, worker, "b", "b", "unknown", "c", "a", "b", order=order, limit=99)) == expected[3:]
        assert take(queue, worker, "a", "b", "c", order=order) == []

    @pytest.mark.parametrize("order", ORDERS)
    def test_only_the_given_types_are_claimed_and_each_task_once(
        self, queue: TaskQueue, worker: int, order: str
    ) -> None:
        mine = put(queue, *[new("mine")] * 5)
        others = put(queue, *[new("other")] * 5)
        claimed = take(queue, worker, "mine", "mine", "unknown", order=order, limit=4)
        claimed += take(queue, worker, "mine", order=order, limit=4)
        assert sorted(ids(claimed)) == mine
        assert states(queue, others) == [TaskStatus.QUEUED] * 5

    @pytest.mark.parametrize("order", ORDERS)
    def test_a_claim_of_nothing_gives_nothing(self, queue: TaskQueue, worker: int, order: str) -> None:
        (number,) = put(queue)
        assert take(queue, worker, order=order, limit=0) == take(queue, worker, order=order, limit=-1) == []
        assert take(queue, worker, "unknown", order=order) == []
        assert queue.claim(worker, FIFOStrategy, []) == []
        assert queue.get(number).state is TaskStatus.QUEUED

    @pytest.mark.parametrize("order", ORDERS)
    def test_a_worker_that_is_not_registered_claims_nothing(self, queue: TaskQueue, order: str) -> None:
        (number,) = put(queue)
        assert take(queue, NOBODY, order=order) == []
        assert queue.claim_task(NOBODY, number) is None
        assert queue.get(number).state is TaskStatus.QUEUED

    def test_an_order_that_is_none_is_refused_by_name(self, queue: TaskQueue, worker: int) -> None:
        (number,) = put(queue)
        mine = ClaimingStrategy("mine", "1; DROP TABLE state", "")
        with pytest.raises(OrderNotOfferedError, match=r"'mine'.*fifo"):
            queue.claim(worker, mine, ["demo"])
        assert queue.get(number).state is TaskStatus.QUEUED

    def test_a_callers_text_in_a_strategy_is_never_run(self, queue: TaskQueue, worker: int) -> None:
        numbers = put(queue, new(), new())
        assert ids(queue.claim(worker, ClaimingStrategy("fifo", "1; DROP TABLE state", ""), ["demo"])) == numbers[:1]

    def test_one_task_is_claimed_by_its_id(self, queue: TaskQueue, worker: int, clock: FakeClock) -> None:
        _, second, third = put(queue, new(), new(), new(run_at=later(clock, 1)))
        claim = queue.claim_task(worker, second)
        assert claim is not None
        assert (claim.task.id, claim.task.attempt, claim.fence) == (second, 1, 1)
        assert queue.claim_task(worker, second) is None
        assert queue.claim_task(worker, third) is None
        clock.advance(1)
        claim = queue.claim_task(worker, third)
        assert claim is not None
        assert claim.task.state is TaskStatus.CLAIMED

    @pytest.mark.parametrize("number", NO_IDS)
    def test_a_task_that_cannot_be_there_is_not_claimed(self, queue: TaskQueue, worker: int, number: int) -> None:
        put(queue)
        assert queue.claim_task(worker, number) is None

    @pytest.mark.parametrize("order", ORDERS)
    def test_workers_that_claim_at_once_never_get_the_same_task(self, queue: TaskQueue, order: str) -> None:
        numbers = put(queue, *[new("a"), new("b")] * 40)

        def work(handle: TaskQueue, place: int) -> list[int]:
            worker = handle.add_worker(lease_seconds=60)
            mine: list[int] = []
            while claims := take(handle, worker, "a", "b", order=order, limit=place):
                mine += ids(claims)
            return mine

        claimed = in_threads(queue, 4, lambda handle, place: work(handle, place + 1))
        assert sorted(number for mine in claimed for number in mine) == numbers


class SchedulingTests(Suite):
    """Tasks for later: when they become ready, and through whom."""

    def test_a_scheduled_task_becomes_ready_at_its_microsecond(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        (number,) = put(queue, new(run_at=later(clock, 60)))
        clock.advance(59.999999)
        assert take(queue, worker) == []
        assert queue.claim_task(worker, number) is None
        assert queue.get(number).state is TaskStatus.SCHEDULED
        clock.advance(0.000001)
        claim = take_one(queue, worker)
        assert (claim.task.id, claim.task.run_at, claim.task.started_at) == (number, None, clock())

    @pytest.mark.parametrize("order", PLACES)
    def test_a_due_task_takes_its_place_in_the_order(
        self, queue: TaskQueue, worker: int, clock: FakeClock, order: str
    ) -> None:
        moments = [later(clock, 1), None, later(clock, 2), None]
        tasks = [new(run_at=moment, priority=priority) for moment, priority in zip(moments, (5, 5, 9, 1), strict=True)]
        numbers = put(queue, *tasks)
        clock.advance(2)
        places = {"fifo": [0, 1, 2, 3], "lifo": [3, 2, 1, 0], "priority": [2, 0, 1, 3]}[order]
        assert ids(take(queue, worker, order=order, limit=9)) == [numbers[place] for place in places]

    def test_a_claim_makes_ready_what_is_due_of_its_types_only(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        numbers = put(queue, new("a", run_at=later(clock, 1)), new("b", run_at=later(clock, 1)), new("b"))
        clock.advance(1)
        assert ids(take(queue, worker, "b", order="lifo")) == numbers[2:]
        assert states(queue, numbers) == [TaskStatus.SCHEDULED, TaskStatus.QUEUED, TaskStatus.CLAIMED]

    def test_a_rescue_makes_ready_what_is_due_of_all_types(self, queue: TaskQueue, clock: FakeClock) -> None:
        numbers = put(queue, *(new(kind, run_at=later(clock, wait)) for kind, wait in (("a", 1), ("b", 1), ("a", 2))))
        clock.advance(1)
        assert queue.rescue() == 0
        assert states(queue, numbers) == [TaskStatus.QUEUED, TaskStatus.QUEUED, TaskStatus.SCHEDULED]

    def test_any_number_of_tasks_may_become_due_at_once(self, queue: TaskQueue, worker: int, clock: FakeClock) -> None:
        numbers = put(queue, *[new(run_at=later(clock, 1))] * 1_501)
        clock.advance(1)
        assert ids(take(queue, worker, limit=2_000)) == numbers

    def test_a_due_task_has_been_ready_since_it_was_due(self, queue: TaskQueue, worker: int, clock: FakeClock) -> None:
        due = later(clock, 1)
        put(queue, new(run_at=due))
        clock.advance(5)
        (newest,) = put(queue)
        assert ids(take(queue, worker, order="lifo")) == [newest]
        assert queue.oldest_ready_at() == due

    def test_a_clock_that_steps_back_hides_no_ready_task(self, queue: TaskQueue, worker: int, clock: FakeClock) -> None:
        numbers = put(queue, new(), new(run_at=later(clock, 1)), new(run_at=later(clock, 2)))
        clock.advance(1)
        queue.rescue()
        clock.advance(-3600)
        assert ids(take(queue, worker, limit=9)) == numbers[:2]
        clock.advance(3601)
        assert ids(take(queue, worker, limit=9)) == numbers[2:]

    def test_the_next_due_time_is_that_of_the_given_types(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        first, second = later(clock, 1), later(clock, 2)
        put(queue, new("a", run_at=second), new("b", run_at=first), new("a"))
        assert queue.next_due_at(["a"]) == second
        assert queue.next_due_at(["a", "unknown", "b", "a"]) == first
        assert queue.next_due_at(["unknown"]) is queue.next_due_at([]) is None
        clock.advance(1)
        assert queue.next_due_at(["b"]) == first
        take_one(queue, worker, "b")
        assert queue.next_due_at(["a", "b"]) == second


class UnreadableTests(Suite):
    """A task that something damaged must not stop those behind it."""

    @pytest.mark.parametrize("order", ORDERS)
    def test_q6_a_task_that_cannot_be_read_is_parked_and_the_claim_goes_on(
        self, queue: TaskQueue, worker: int, clock: FakeClock, order: str
    ) -> None:
        numbers = put(queue, *[new(key=key) for key in ("k", "l", "m")])
        for number in numbers[:2]:
            self.damage(queue, number)
        clock.advance(1)
        assert ids(take(queue, worker, order=order, limit=3)) == numbers[2:]
        task = queue.get(numbers[0])
        assert (task.state, task.finished_at, task.params) == (TaskStatus.DEAD, clock(), {})
        assert task.error is not None
        assert (task.error.error_class, task.error.type) == (ErrorClass.INVALID, "ytworker.Unreadable")
        assert queue.counter("parked") == 2
        assert queue.enqueue([new(key="k")])[0].created

    def test_q6_a_task_that_cannot_be_read_is_no_claim_by_its_id(self, queue: TaskQueue, worker: int) -> None:
        (number,) = put(queue)
        self.damage(queue, number)
        assert queue.claim_task(worker, number) is None
        assert queue.get(number).state is TaskStatus.DEAD
        assert [attempt.error.error_class for attempt in queue.attempts(number)] == [ErrorClass.INVALID]

    def test_q6_a_task_that_cannot_be_read_is_listed_with_the_reason(self, queue: TaskQueue, worker: int) -> None:
        number, other = put(queue, new(params={"x": 1}), new(params={"y": 2}))
        self.damage(queue, number)
        task = queue.get(number)
        assert (task.params, task.state) == ({}, TaskStatus.QUEUED)
        assert task.reason
        assert everything(queue)[0][0].params == {"y": 2}
        assert take_one(queue, worker).task.id == other


class AgingTests(Suite):
    """An order that starves nobody for ever."""

    @pytest.mark.parametrize("limit", [1, 50])
    @pytest.mark.parametrize(("order", "share"), [("lifo", 0), ("priority", 0), ("weighted_random", 300 / 3_300)])
    def test_the_oldest_goes_first_at_one_place_in_four(
        self, queue: TaskQueue, worker: int, clock: FakeClock, order: str, share: float, limit: int
    ) -> None:
        old = put(queue, *[new(priority=1)] * 300)
        clock.advance(10)
        put(queue, *[new(priority=10)] * 300)
        claims = [take(queue, worker, order=order, limit=limit, aging=10) for _ in range(200 // limit)]
        aged = [claim.task.id for batch in claims for claim in batch if claim.task.id in old]
        expected = 200 * (AGED_SHARE + (1 - AGED_SHARE) * share)
        assert abs(len(aged) - expected) < 30  # some five standard deviations
        assert share or aged == old[: len(aged)]

    def test_tasks_that_always_come_back_hide_nobody(self, queue: TaskQueue, worker: int, clock: FakeClock) -> None:
        returning, old = put(queue, *[new()] * 5), put(queue, *[new()] * 50)
        clock.advance(10)
        for number in returning:
            claim = queue.claim_task(worker, number)
            assert claim is not None
            queue.release(claim)
        put(queue, *[new()] * 100)
        claimed = [number for _ in range(100) for number in ids(take(queue, worker, order="lifo", aging=10))]
        assert 5 < len(set(claimed).intersection(old)) < 45  # some five standard deviations
        assert not set(claimed).intersection(returning)

    @pytest.mark.parametrize("order", ["lifo", "priority"])
    def test_nobody_goes_first_before_the_time(
        self, queue: TaskQueue, worker: int, clock: FakeClock, order: str
    ) -> None:
        old = put(queue, *[new(priority=1)] * 50)
        clock.advance(9.999999)
        put(queue, *[new(priority=10)] * 50)
        assert not set(old).intersection(ids(take(queue, worker, order=order, aging=10, limit=50)))

    def test_an_aged_task_that_always_comes_back_hides_no_other(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        restless, hidden = put(queue, new(), new())
        clock.advance(100)
        for _ in range(100):
            put(queue)
            (claim,) = take(queue, worker, order="lifo", aging=10)
            if claim.task.id == hidden:
                return
            if claim.task.id == restless:
                queue.release(claim)
            clock.advance(20)
        pytest.fail("the task behind the one that always comes back was never given")

    def test_without_aging_nobody_ever_goes_first(self, queue: TaskQueue, worker: int, clock: FakeClock) -> None:
        numbers = put(queue, *[new()] * 50)
        clock.advance(10**6)
        assert ids(take(queue, worker, order="lifo", limit=50)) == numbers[::-1]
