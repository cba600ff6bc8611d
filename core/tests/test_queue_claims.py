"""Putting tasks in and getting them out again, in the right order and by an index."""

import json
import re
from typing import Any

import pytest

from ytworker.errors import TaskNotFoundError
from ytworker.model import SECOND, Claim, NewTask, Outcome, TaskStatus
from ytworker.queue import (
    ClaimingStrategy,
    ClaimRequest,
    Enqueued,
    FIFOStrategy,
    LIFOStrategy,
    PriorityStrategy,
    WeightedRandomStrategy,
    get_strategy,
)
from ytworker.queue.sqlite import SQLiteQueue, claims
from ytworker.testing import FakeClock

STRATEGIES = [FIFOStrategy, LIFOStrategy, PriorityStrategy, WeightedRandomStrategy]


def new(kind: str = "demo", **fields: Any) -> NewTask:
    return NewTask(type=kind, **{"params": {}, **fields})


def ids(claimed: list[Claim]) -> list[int]:
    return [claim.task.id for claim in claimed]


# -- enqueue


def test_an_enqueued_task_is_as_it_was_given(queue: SQLiteQueue, clock: FakeClock) -> None:
    task = new(params={"q": "ü", "n": [1, None]}, priority=9, max_attempts=3, timeout_seconds=1.5, key="k")
    assert queue.enqueue([task]) == [Enqueued(1, created=True)]
    found = queue.get(1)
    assert (found.type, found.params, found.priority, found.key) == ("demo", {"q": "ü", "n": [1, None]}, 9, "k")
    assert (found.max_attempts, found.timeout_seconds, found.attempt) == (3, 1.5, 0)
    assert (found.state, found.created_at, found.run_at) == (TaskStatus.QUEUED, clock(), None)
    assert (found.started_at, found.finished_at, found.outcome, found.error, found.reason) == (None,) * 5


def test_many_tasks_are_enqueued_in_their_order(queue: SQLiteQueue) -> None:
    assert [each.id for each in queue.enqueue([new(str(n)) for n in range(5)])] == [1, 2, 3, 4, 5]
    assert [task.type for task in map(queue.get, range(1, 6))] == list("01234")


def test_nothing_is_enqueued_when_nothing_is_given(queue: SQLiteQueue) -> None:
    assert queue.enqueue([]) == []


@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}, b"pickle"])
def test_q2_all_tasks_are_stored_or_none(queue: SQLiteQueue, value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        queue.enqueue([new(), new(params={"x": value}), new()])
    cyclic = {}
    cyclic["self"] = cyclic
    with pytest.raises(ValueError, match="Circular"):
        queue.enqueue([new(), new(params=cyclic)])
    assert sum(queue.counts().values()) == 0
    assert queue.enqueue([new()]) == [Enqueued(1, created=True)]


def test_a_key_is_unique_while_its_task_is_live(queue: SQLiteQueue, worker: int) -> None:
    (first,) = queue.enqueue([new(key="k")])
    assert queue.enqueue([new(key="k"), new(key="l")]) == [Enqueued(first.id, created=False), Enqueued(2, created=True)]
    (claim,) = queue.claim(worker, FIFOStrategy, ["demo"])
    assert queue.enqueue([new(key="k")]) == [Enqueued(first.id, created=False)]
    queue.finish(claim, [], Outcome.EMPTY)
    assert queue.enqueue([new(key="k")]) == [Enqueued(3, created=True)]
    assert queue.get(first.id).key == "k"


def test_a_key_is_unique_within_one_bulk(queue: SQLiteQueue) -> None:
    assert queue.enqueue([new(key="k")] * 3) == [
        Enqueued(1, created=True),
        Enqueued(1, created=False),
        Enqueued(1, created=False),
    ]


def test_keys_of_several_types_do_not_meet(queue: SQLiteQueue) -> None:
    assert all(each.created for each in queue.enqueue([new("a", key="k"), new("b", key="k"), new("a"), new("a")]))


def test_a_task_is_enqueued_and_claimed_in_one_step(queue: SQLiteQueue, worker: int) -> None:
    claim = queue.enqueue_and_claim(new(key="k", params={"x": 1}), worker)
    assert (claim.task.state, claim.task.attempt, claim.task.params) == (TaskStatus.CLAIMED, 1, {"x": 1})
    assert claim.worker_id == worker
    assert queue.enqueue_and_claim(new(key="k"), worker) == Enqueued(claim.task.id, created=False)


def test_a_later_task_is_enqueued_and_not_claimed(queue: SQLiteQueue, worker: int, clock: FakeClock) -> None:
    later = new(run_at=clock() + SECOND)
    assert queue.enqueue_and_claim(later, worker) == Enqueued(1, created=True)


# -- claim


def test_a_claim_counts_the_attempt_and_raises_the_fence(queue: SQLiteQueue, worker: int, clock: FakeClock) -> None:
    queue.enqueue([new()])
    clock.advance(5)
    (claim,) = queue.claim(worker, FIFOStrategy, ["demo"])
    assert (claim.task.state, claim.task.attempt, claim.fence, claim.checkpoint) == (TaskStatus.CLAIMED, 1, 1, None)
    assert claim.task.started_at == clock()
    queue.release(claim)
    (again,) = queue.claim(worker, FIFOStrategy, ["demo"])
    assert (again.task.attempt, again.fence) == (1, 2)


@pytest.mark.parametrize(
    ("strategy", "order"), [(FIFOStrategy, [1, 2, 3, 4, 5, 6]), (LIFOStrategy, [6, 5, 4, 3, 2, 1])]
)
def test_tasks_are_claimed_in_the_order_of_the_strategy_over_all_types(
    queue: SQLiteQueue, worker: int, strategy: ClaimingStrategy, order: list[int]
) -> None:
    queue.enqueue([new(kind, priority=n + 1) for n, kind in enumerate("abcacb")])
    assert ids(queue.claim(worker, strategy, ["a", "b", "c"], limit=2)) == order[:2]
    assert ids(queue.claim(worker, strategy, ["c", "a", "b"], limit=99)) == order[2:]
    assert queue.claim(worker, strategy, ["a", "b", "c"]) == []


def test_only_the_given_types_are_claimed(queue: SQLiteQueue, worker: int) -> None:
    queue.enqueue([new("a"), new("b")])
    assert queue.claim(worker, FIFOStrategy, []) == []
    assert queue.claim(worker, FIFOStrategy, ["unknown"]) == []
    assert ids(queue.claim(worker, FIFOStrategy, ["b", "unknown"], limit=9)) == [2]


def test_a_claim_of_nothing_takes_nothing(queue: SQLiteQueue, worker: int) -> None:
    queue.enqueue([new()])
    assert queue.claim(worker, FIFOStrategy, ["demo"], limit=0) == []


def test_an_order_without_an_index_is_refused(queue: SQLiteQueue, worker: int) -> None:
    queue.enqueue([new()])
    foreign = ClaimingStrategy("mine", "1; DROP TABLE task", "")
    offered = "it offers: fifo, lifo, priority, weighted_random"
    with pytest.raises(ValueError, match=f"does not offer the claim order 'mine'; {offered}"):
        queue.claim(worker, foreign, ["demo"])
    assert queue.get(1).state is TaskStatus.QUEUED


def test_a_callers_text_in_a_strategy_never_reaches_the_database(queue: SQLiteQueue, worker: int) -> None:
    queue.enqueue([new(), new()])
    hostile = ClaimingStrategy("fifo", "1; DROP TABLE task", "")
    assert ids(queue.claim(worker, hostile, ["demo"])) == [1]


def test_hostile_names_are_only_names(queue: SQLiteQueue, worker: int) -> None:
    name = "'; DROP TABLE task; --%\"" + "x" * 300
    queue.enqueue([new(name, key=name)])
    assert ids(queue.claim(worker, FIFOStrategy, [name])) == [1]
    assert queue.get(1).type == name


def test_a_worker_that_is_not_registered_cannot_claim(queue: SQLiteQueue) -> None:
    queue.enqueue([new()])
    assert queue.claim(42, FIFOStrategy, ["demo"]) == []
    assert queue.claim_task(42, 1) is None
    assert queue.enqueue_and_claim(new(), 42) == Enqueued(2, created=True)
    assert queue.counts()[TaskStatus.QUEUED] == 2


# -- scheduled tasks


def test_a_scheduled_task_becomes_claimable_when_it_is_due(queue: SQLiteQueue, worker: int, clock: FakeClock) -> None:
    due = clock() + 60 * SECOND
    queue.enqueue([new(run_at=due)])
    assert (queue.get(1).state, queue.get(1).run_at) == (TaskStatus.SCHEDULED, due)
    assert queue.next_due_at(["demo", "unknown"]) == due
    clock.advance(59.999999)
    assert queue.claim(worker, FIFOStrategy, ["demo"]) == []
    assert queue.claim_task(worker, 1) is None
    clock.advance(0.000001)
    (claim,) = queue.claim(worker, FIFOStrategy, ["demo"])
    assert (claim.task.id, claim.task.run_at) == (1, None)
    assert queue.next_due_at(["demo"]) is None


def test_a_task_for_a_time_that_has_passed_is_ready(queue: SQLiteQueue, clock: FakeClock) -> None:
    queue.enqueue([new(run_at=clock()), new(run_at=clock() - SECOND)])
    assert queue.counts()[TaskStatus.QUEUED] == 2


def test_a_due_task_takes_its_place_in_the_order(queue: SQLiteQueue, worker: int, clock: FakeClock) -> None:
    queue.enqueue([new(run_at=clock() + SECOND), new()])
    clock.advance(1)
    assert ids(queue.claim(worker, FIFOStrategy, ["demo"], limit=2)) == [1, 2]


def test_what_is_due_becomes_ready_when_its_type_is_asked_for_or_at_the_next_rescue(
    queue: SQLiteQueue, worker: int, clock: FakeClock
) -> None:
    queue.enqueue([new("a", run_at=clock() + SECOND), new("b")])
    clock.advance(1)
    assert ids(queue.claim(worker, FIFOStrategy, ["b"], limit=9)) == [2]
    assert queue.get(1).state is TaskStatus.SCHEDULED
    queue.rescue()
    assert queue.get(1).state is TaskStatus.QUEUED


def test_any_number_of_tasks_may_become_due_at_once(queue: SQLiteQueue, worker: int, clock: FakeClock) -> None:
    many = claims.PROMOTED_AT_ONCE * 2 + 1
    queue.enqueue([new(run_at=clock() + SECOND)] * many)
    clock.advance(1)
    assert ids(queue.claim(worker, FIFOStrategy, ["demo"], limit=many + 1)) == list(range(1, many + 1))


@pytest.mark.parametrize("look", ["claim", "settle", "rescue"])
def test_one_look_makes_few_ready_however_many_types_are_due(
    queue: SQLiteQueue, worker: int, clock: FakeClock, look: str
) -> None:
    """Others wait for the write lock meanwhile."""
    types = [f"t{number}" for number in range(10)]
    queue.enqueue([NewTask(type=name, params={}, run_at=clock() + SECOND) for name in types for _ in range(90)])
    clock.advance(1)
    request = ClaimRequest(worker_id=worker, strategy=FIFOStrategy, types=types)
    looks = {
        "claim": lambda: len(queue.claim(worker, FIFOStrategy, types)),
        "settle": lambda: len(queue.settle([], request).claims),
        "rescue": queue.rescue,
    }
    assert looks[look]() == (look != "rescue")
    assert queue.counts()[TaskStatus.SCHEDULED] == 900 - claims.PROMOTED_AT_ONCE
    assert len(queue.claim(worker, FIFOStrategy, types, limit=1000)) == 900 - (look != "rescue")


def test_the_next_due_time_is_that_of_the_given_types(queue: SQLiteQueue, clock: FakeClock) -> None:
    queue.enqueue([new("a", run_at=clock() + 2 * SECOND), new("b", run_at=clock() + SECOND)])
    assert queue.next_due_at(["a"]) == clock() + 2 * SECOND
    assert queue.next_due_at(["a", "b"]) == clock() + SECOND
    assert queue.next_due_at([]) is None


def test_one_task_can_be_claimed_by_its_id(queue: SQLiteQueue, worker: int, clock: FakeClock) -> None:
    queue.enqueue([new(), new(), new(run_at=clock() + SECOND)])
    assert queue.claim_task(worker, 2).task.id == 2
    assert queue.claim_task(worker, 2) is None
    assert queue.claim_task(worker, 3) is None
    assert queue.claim_task(worker, 99) is None
    clock.advance(1)
    assert queue.claim_task(worker, 3).task.state is TaskStatus.CLAIMED


def test_a_clock_that_steps_back_hides_no_ready_task(queue: SQLiteQueue, worker: int, clock: FakeClock) -> None:
    queue.enqueue([new(), new(run_at=clock() + SECOND)])
    clock.advance(-3600)
    assert ids(queue.claim(worker, FIFOStrategy, ["demo"], limit=9)) == [1]
    clock.advance(3601)
    assert ids(queue.claim(worker, FIFOStrategy, ["demo"], limit=9)) == [2]


# -- the price of a claim


def plan(queue: SQLiteQueue, sql: str, values: Any) -> list[str]:
    return [row[3] for row in queue._database.execute("EXPLAIN QUERY PLAN " + sql, values)]


INDEXES = {"fifo": "ready_id", "lifo": "ready_id", "priority": "ready_priority", "weighted_random": "ready_weight"}


@pytest.mark.parametrize("order", INDEXES)
@pytest.mark.parametrize("types", [1, 2, 7, 8, 300, 600])
@pytest.mark.parametrize("many", [True, False])
def test_a_claim_never_looks_through_the_table(
    queue: SQLiteQueue, worker: int, order: str, types: int, many: bool
) -> None:
    names = [str(n) for n in range(types)]
    queue.enqueue([new(name) for name in names])
    queue._database.execute("ANALYZE")
    few = types < claims.MANY_TYPES
    for fresh in (True, False):
        sql = claims._claim_sql(order, types if few else 0, many=many, fresh=fresh)
        steps = plan(queue, sql, (worker, 0, 1, *(names if few else [json.dumps(names)])))
        seeks = [step for step in steps if f"INDEX {INDEXES[order]} (type=?" in step]
        assert len(seeks) == (types if few else 1)
        assert not [step for step in steps if re.search(r"SCAN (task|t)\b(?!_)", step) or "LAST TERM" in step]
    strategy = get_strategy(order)
    assert len(queue.claim(worker, strategy, names)) == 1
    assert len(queue.claim(worker, strategy, names, limit=5)) == min(5, types - 1)


def test_looking_for_what_is_due_never_looks_through_the_table(queue: SQLiteQueue) -> None:
    for sql, values in ((claims._PROMOTE, ("a", 0, 9)), (claims._NEXT_DUE, ("a",)), (claims._AGED, ("a", 0))):
        steps = plan(queue, sql, values)
        assert any("INDEX due (type=?" in step or "INDEX ready_id (type=? AND rowid>?" in step for step in steps)
        assert not [step for step in steps if re.search(r"SCAN task\b(?!_)", step)]


# -- strategies


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_strategy_is_found_by_its_name_in_any_case(strategy: ClaimingStrategy) -> None:
    assert get_strategy(strategy.name) is get_strategy(f" {strategy.name.upper()} ") is strategy
    assert strategy.summary


def test_a_strategy_gives_its_order_as_a_constant() -> None:
    assert FIFOStrategy.get_order_by_clause() == "id ASC"
    assert LIFOStrategy.get_order_by_clause() == "id DESC"
    assert PriorityStrategy.get_order_by_clause() == "priority DESC, id ASC"
    assert WeightedRandomStrategy.get_order_by_clause() == "weight_key ASC"


def test_a_strategy_may_age_its_tasks() -> None:
    assert get_strategy("weighted-random") is WeightedRandomStrategy
    assert get_strategy("lifo", aging_seconds=60).aging_seconds == 60
    assert LIFOStrategy.aging_seconds is None


def test_an_unknown_strategy_names_those_that_exist() -> None:
    with pytest.raises(ValueError, match="unknown claim order 'x'; choose one of: fifo, lifo, prio"):
        get_strategy("x")


# -- looking


def test_a_task_that_is_not_there_says_so(queue: SQLiteQueue) -> None:
    for number in (1, 0, -1, 2**63, -(2**63), 10**30):
        with pytest.raises(TaskNotFoundError, match=f"no task {number}; `ytworker tasks list`"):
            queue.get(number)
