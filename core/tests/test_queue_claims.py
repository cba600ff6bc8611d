"""Putting tasks in and getting them out again, in the right order and by an index."""

import json
import re
from typing import Any

import pytest

from ytworker.model import SECOND, Claim, NewTask, TaskStatus
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


# -- claim


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


# -- scheduled tasks


def test_what_is_due_becomes_ready_when_its_type_is_asked_for_or_at_the_next_rescue(
    queue: SQLiteQueue, worker: int, clock: FakeClock
) -> None:
    queue.enqueue([new("a", run_at=clock() + SECOND), new("b")])
    clock.advance(1)
    assert ids(queue.claim(worker, FIFOStrategy, ["b"], limit=9)) == [2]
    assert queue.get(1).state is TaskStatus.SCHEDULED
    queue.rescue()
    assert queue.get(1).state is TaskStatus.QUEUED


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
