"""Weighted random is exact: whatever happens between two draws, each task has its share of the chance."""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ytworker.model import SECOND, ErrorClass, ErrorInfo, NewTask, OnConflict, Outcome, TaskStatus
from ytworker.queue import (
    Claim,
    ClaimRequest,
    Ending,
    Failure,
    FIFOStrategy,
    LIFOStrategy,
    PriorityStrategy,
    Return,
    TaskFilter,
    WeightedRandomStrategy,
)
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.settings import sqlite_url
from ytworker.testing import FakeClock

WEIGHTS = range(1, 11)
LIMIT = 27.88
"""Chi-squared with 9 degrees of freedom exceeds this once in a thousand; any table of the distribution has it."""
DRAWS = 100_000
FAILURE = ErrorInfo(error_class=ErrorClass.TRANSIENT, type="t", message="m")


class Urn:
    """A queue of tasks of ten weights, the count of what was drawn, and the count that is to be expected."""

    def __init__(self, queue: SQLiteQueue, clock: FakeClock, seed: int) -> None:
        self.queue = queue
        self.clock = clock
        self.draws = random.Random(seed)
        self.worker = queue.add_worker(lease_seconds=10**6)
        self.ready = Counter[int]()
        self.drawn = Counter[int]()
        self.expected = Counter[int]()

    def add(self, weight: int, number: int = 1) -> None:
        self.queue.enqueue([NewTask(type="ab"[weight % 2], params={}, priority=weight, max_attempts=10**6)] * number)
        self.ready[weight] += number

    def draw(self, ending: Ending | None) -> Claim:
        total = sum(weight * number for weight, number in self.ready.items())
        for weight, number in self.ready.items():
            self.expected[weight] += weight * number / total
        request = ClaimRequest(worker_id=self.worker, strategy=WeightedRandomStrategy, types=["a", "b"])
        (claim,) = self.queue.settle([] if ending is None else [ending], request).claims
        self.drawn[claim.task.priority] += 1
        return claim

    def chi_squared(self) -> float:
        return sum((self.drawn[weight] - self.expected[weight]) ** 2 / self.expected[weight] for weight in WEIGHTS)

    def disturb(self, number: int) -> None:
        """Between two draws other orders claim, tasks are added, cancelled and retried."""
        match number % 40:
            case 0:
                strategy = self.draws.choice([FIFOStrategy, LIFOStrategy, PriorityStrategy])
                for claim in self.queue.claim(self.worker, strategy, self.draws.choice([["a"], ["a", "b"]]), limit=2):
                    self.queue.fail(claim, FAILURE, retry_at=self.clock() + SECOND)
                self.clock.advance(2)  # due again: they come back with the next draw
            case 10:
                self.add(self.draws.choice(WEIGHTS))
            case 20:
                (task,) = self.queue.tasks(TaskFilter(states=[TaskStatus.QUEUED], limit=1))
                self.queue.cancel(TaskFilter(ids=[task.id]))
                self.ready[task.priority] -= 1


@pytest.fixture
def fair(queue_file: Path, clock: FakeClock) -> Iterator[SQLiteQueue]:
    """A queue whose dice are known."""
    queue = SQLiteQueue(sqlite_url(queue_file), durability="normal", clock=clock, random=random.Random(7), events=False)
    queue._database.execute("PRAGMA synchronous = OFF")  # nobody cuts the power
    yield queue
    queue.close()


@pytest.fixture
def urn(fair: SQLiteQueue, clock: FakeClock) -> Urn:
    queue = fair
    urn = Urn(queue, clock, seed=11)
    for weight in WEIGHTS:
        urn.add(weight, 10)
    return urn


def test_a_hundred_thousand_draws_with_all_else_between_are_exact(urn: Urn) -> None:
    ending: Ending | None = None
    for number in range(DRAWS):
        if number % 10 == 0:
            if ending is not None:
                assert not urn.queue.settle([ending]).stale
                ending = None
            urn.disturb(number)
        claim = urn.draw(ending)
        ending = Return(claim=claim) if number % 9 else Failure(claim=claim, error=FAILURE, retry_at=urn.clock())
    assert sum(urn.drawn.values()) == DRAWS
    assert urn.chi_squared() < LIMIT


def test_a_fixed_key_or_a_product_with_a_random_number_would_be_found_out() -> None:
    """The test has teeth: what other queues do instead misses the limit by far."""
    draws = random.Random(3)
    tasks = [(weight, draws.random()) for weight in WEIGHTS for _ in range(10)]
    drawn = Counter(max(tasks, key=lambda task: draws.random() * task[0])[0] for _ in range(2_000))
    total = sum(weight for weight, _ in tasks)
    expected = {weight: 2_000 * 10 * weight / total for weight in WEIGHTS}
    assert sum((drawn[weight] - expected[weight]) ** 2 / expected[weight] for weight in WEIGHTS) > 10 * LIMIT


def test_a_batch_is_a_sample_without_replacement(fair: SQLiteQueue) -> None:
    """The first two of three tasks of weights 1, 2 and 7, against the probabilities worked out by hand."""
    queue = fair
    queue.enqueue([NewTask(type="demo", params={}, priority=weight) for weight in (1, 2, 7)])
    worker = queue.add_worker(lease_seconds=10**6)
    drawn = Counter[tuple[int, ...]]()
    rounds = 4_000
    for _ in range(rounds):
        claims = queue.claim(worker, WeightedRandomStrategy, ["demo"], limit=2)
        drawn[tuple(claim.task.priority for claim in claims)] += 1
        queue.settle([Return(claim=claim) for claim in claims])
    chance = {(a, b): a / 10 * b / (10 - a) for a in (1, 2, 7) for b in (1, 2, 7) if a != b}
    chi_squared = sum((drawn[pair] - rounds * p) ** 2 / (rounds * p) for pair, p in chance.items())
    assert chi_squared < 20.52  # five degrees of freedom, 0.1 %


def test_raising_a_priority_keeps_the_draw_exact(fair: SQLiteQueue) -> None:
    queue = fair
    worker = queue.add_worker(lease_seconds=10**6)
    first = 0
    rounds = 3_000
    for _ in range(rounds):
        queue.enqueue(
            [NewTask(type="demo", params={}, priority=1, key="k"), NewTask(type="demo", params={}, priority=3)]
        )
        raised = NewTask(type="demo", params={}, priority=6, key="k", on_conflict=OnConflict.RAISE_PRIORITY)
        assert queue.enqueue([raised])[0].changed
        claims = queue.claim(worker, WeightedRandomStrategy, ["demo"], limit=2)
        first += claims[0].task.key == "k"
        for claim in claims:
            queue.finish(claim, [], Outcome.EMPTY)
    # 6 of 9 with a standard deviation of sqrt(3000 * 2/9) = 25.8: 3.3 of them are the 0.1 % limit
    assert abs(first - rounds * 6 / 9) < 85


def test_the_clock_starts_over_when_nothing_is_ready(queue: SQLiteQueue, worker: int) -> None:
    clocks = "SELECT clock FROM task_type"
    queue.enqueue([NewTask(type="demo", params={})])
    (claim,) = queue.claim(worker, WeightedRandomStrategy, ["demo"])
    assert queue._database.execute(clocks)[0][0] > 0
    assert queue.claim(worker, WeightedRandomStrategy, ["demo"]) == []
    assert queue._database.execute(clocks) == [(0.0,)]
    queue.release(claim)
    assert queue.claim(worker, WeightedRandomStrategy, ["demo"])[0].task.id == claim.task.id
