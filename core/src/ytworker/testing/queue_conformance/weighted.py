"""Weighted random: exactly proportional to the priority, whatever happens between the draws.

A test here draws with a fixed seed and measures with chi-squared. Its limit is passed by chance once in ten thousand
seeds; the usual mistakes (a key that is drawn once and for all, a task that comes back with its old key, a clock of its
own for each type) miss it by a factor of ten and more.
"""
# ruff: noqa: D102, PLR2004, S101 - tests: their names say what they show

import random
from collections import Counter
from itertools import permutations

import pytest

from ytworker.model import OnConflict, Outcome
from ytworker.queue import ORDERS, TaskFilter, TaskQueue
from ytworker.testing.clock import FakeClock
from ytworker.testing.queue_conformance.base import (
    LEASE,
    WAYS_BACK,
    Suite,
    chi_squared,
    come_back,
    ids,
    later,
    new,
    put,
    take,
    take_one,
)

PRIORITIES = range(1, 11)
TYPES = ("a", "b", "c")
LIMITS = {2: 18.4, 5: 25.7, 9: 33.7}
"""Chi-squared by degrees of freedom, at a probability of 1 in 10,000."""


def fill(queue: TaskQueue) -> list[int]:
    """Enqueue two tasks of each priority, in mixed types."""
    types = (TYPES[n % 3] for n in range(20))
    return put(queue, *(new(kind, priority=n % 10 + 1, max_attempts=10**6) for n, kind in enumerate(types)))


def assert_proportional(drawn: Counter[int]) -> None:
    """Check that each priority was drawn in proportion."""
    assert chi_squared([drawn[priority] for priority in PRIORITIES], PRIORITIES) < LIMITS[9]


class WeightedTests(Suite):
    """The order ``weighted_random``."""

    @pytest.mark.parametrize("way", [*WAYS_BACK, "replaced"])
    def test_draws_are_proportional_when_tasks_come_back(self, queue: TaskQueue, clock: FakeClock, way: str) -> None:
        fill(queue)
        drawn: Counter[int] = Counter()
        worker = queue.add_worker(lease_seconds=LEASE)
        for _ in range(400):
            if way in {"rescued", "given back"}:
                worker = queue.add_worker(lease_seconds=LEASE)
            claim = take_one(queue, worker, *TYPES, order="weighted_random")
            drawn[claim.task.priority] += 1
            if way == "replaced":
                queue.finish(claim, [], Outcome.EMPTY)
                put(queue, new(claim.task.type, priority=claim.task.priority))
            else:
                come_back(queue, claim, clock, way)
        assert_proportional(drawn)

    def test_draws_are_proportional_whatever_happens_between(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        fill(queue)
        drawn: Counter[int] = Counter()
        dice = random.Random(7)
        for _ in range(800):
            claim = take_one(queue, worker, *TYPES, order="weighted_random")
            drawn[claim.task.priority] += 1
            come_back(queue, claim, clock, dice.choice(["returned", "retried", "deferred", "requeued"]))
            self.disturb(queue, worker, clock, dice)
        assert_proportional(drawn)

    def disturb(self, queue: TaskQueue, worker: int, clock: FakeClock, dice: random.Random) -> None:
        """Do what must not matter, such that the same priorities are ready afterwards."""
        queue.renew(worker, lease_seconds=LEASE)
        claims = take(queue, worker, dice.choice(TYPES), order=dice.choice(ORDERS), limit=dice.randrange(3))
        for claim in claims:
            come_back(queue, claim, clock, dice.choice(["returned", "retried"]))
        numbers = put(queue, new("a", priority=10), new("b", priority=1, run_at=later(clock, 1)), new("unasked"))
        clock.advance(dice.choice([0, 1]))
        queue.rescue()
        assert queue.cancel(TaskFilter(ids=numbers)) == 3

    def test_a_task_that_was_scheduled_for_long_has_no_head_start(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        drawn: Counter[int] = Counter()
        put(queue, new(priority=5))
        for _ in range(300):
            (late,) = put(queue, new(priority=5, run_at=later(clock, 1)))
            for _ in range(5):
                queue.release(take_one(queue, worker, order="weighted_random"))
            clock.advance(1)
            claim = take_one(queue, worker, order="weighted_random")
            drawn[claim.task.id == late] += 1
            queue.release(claim)
            queue.cancel(TaskFilter(ids=[late]))
        assert abs(drawn[True] - 150) < 35  # four standard deviations

    def test_a_batch_is_drawn_without_putting_back(self, queue: TaskQueue, worker: int) -> None:
        numbers = put(queue, new("a", priority=1), new("b", priority=3), new("c", priority=8))
        weights = dict(zip(numbers, (1, 3, 8), strict=True))
        drawn: Counter[tuple[int, ...]] = Counter()
        for _ in range(600):
            claims = take(queue, worker, *TYPES, order="weighted_random", limit=2)
            drawn[tuple(ids(claims))] += 1
            for claim in claims:
                queue.release(claim)
        pairs = list(permutations(weights, 2))
        shares = [weights[one] / 12 * weights[two] / (12 - weights[one]) for one, two in pairs]
        assert chi_squared([drawn[pair] for pair in pairs], shares) < LIMITS[5]

    def test_types_do_not_share_by_their_number_but_by_their_tasks(self, queue: TaskQueue, worker: int) -> None:
        put(queue, new("a", priority=1), *[new("b", priority=2)] * 4, *[new("c", priority=1)] * 11)
        drawn = Counter[str]()
        for _ in range(400):
            claim = take_one(queue, worker, *TYPES, order="weighted_random")
            drawn[claim.task.type] += 1
            queue.release(claim)
            queue.release(take_one(queue, worker, "a", order="weighted_random"))
        assert chi_squared([drawn[kind] for kind in TYPES], [1, 8, 11]) < LIMITS[2]

    def test_a_raised_priority_has_its_weight_at_once(self, queue: TaskQueue, worker: int) -> None:
        drawn = Counter[bool]()
        put(queue, new(priority=5))
        for n in range(300):
            (raised,) = put(queue, new(key=str(n), priority=1))
            put(queue, new(key=str(n), priority=10, on_conflict=OnConflict.RAISE_PRIORITY))
            claim = take_one(queue, worker, order="weighted_random")
            drawn[claim.task.id == raised] += 1
            queue.release(claim)
            queue.cancel(TaskFilter(ids=[raised]))
        assert abs(drawn[True] - 200) < 33  # four standard deviations

    def test_draws_are_proportional_when_the_order_was_not_offered_for_a_while(
        self, queue: TaskQueue, worker: int
    ) -> None:
        fill(queue)
        drawn: Counter[int] = Counter()
        for _ in range(40):
            for _ in range(10):
                claim = take_one(queue, worker, *TYPES, order="weighted_random")
                drawn[claim.task.priority] += 1
                queue.release(claim)
            queue.offer(["fifo"])
            queue.release(take_one(queue, worker, *TYPES))
            queue.offer(ORDERS)
        assert_proportional(drawn)

    def test_a_drained_queue_draws_as_a_new_one(self, queue: TaskQueue, worker: int) -> None:
        drawn: Counter[int] = Counter()
        for _ in range(200):
            fill(queue)
            claims = take(queue, worker, *TYPES, order="weighted_random", limit=99)
            assert len(claims) == 2 * len(PRIORITIES)
            drawn[claims[0].task.priority] += 1
            assert take(queue, worker, *TYPES, order="weighted_random") == []
        assert_proportional(drawn)
