"""The process dies right before every statement of every operation, and the queue is either as before or as after."""

import itertools
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from crash_helpers import DIED, NOT_HERE, Rows, content_of, die_at_statement, drain, in_child, opened, rows_of
from disk_helpers import Write, at_each_write
from queue_world import COOL_DOWN, FAILURE, ITEMS, LEASE, World, build, look

from ytworker.model import SECOND, Claim, ErrorClass, NewTask, OnConflict, Outcome, TaskStatus
from ytworker.queue import (
    ORDERS,
    Ask,
    ClaimRequest,
    Completion,
    Deferral,
    Failure,
    Pace,
    Quota,
    Return,
    TaskFilter,
    get_strategy,
)
from ytworker.queue.sqlite import SQLiteQueue, schema
from ytworker.testing import FakeClock


@dataclass(frozen=True)
class Operation:
    """What a process does when it dies.

    Attributes:
        run: The operation.
        wait: How many seconds pass before it.
        steps: It takes several transactions: every row by itself is as before or as after.
        events: Whether events are recorded.
    """

    run: Callable[[SQLiteQueue, World], object]
    wait: float = 0
    steps: bool = False
    events: bool = True


def keyed(on_conflict: OnConflict) -> NewTask:
    return NewTask(type="a", params={"n": 30}, key="live", priority=10, on_conflict=on_conflict)


def settle(*endings: Callable[[Claim], object], then: str | None = None) -> Callable[[SQLiteQueue, World], object]:
    """End one claim of the world in each of these ways, and claim the next."""

    def run(queue: SQLiteQueue, world: World) -> object:
        request = None
        if then is not None:
            request = ClaimRequest(
                worker_id=world.worker, strategy=get_strategy(then), types=["a", "b", "none"], limit=3
            )
        return queue.settle([end(claim) for end, claim in zip(endings, world.claims, strict=False)], request)

    return run


def completion(claim: Claim) -> Completion:
    follow_ups = [NewTask(type="f", params={}), NewTask(type="f", params={}, key="followed")]
    return Completion(claim=claim, outcome=Outcome.OK, items=ITEMS, sources=["s"], follow_ups=follow_ups)


def suspicion(claim: Claim) -> Completion:
    return Completion(claim=claim, outcome=Outcome.SUSPECT, items=ITEMS, suspect="hollow")


def retry(claim: Claim) -> Failure:
    return Failure(claim=claim, error=FAILURE, retry_at=FakeClock()() + SECOND)


def death(claim: Claim) -> Failure:
    return Failure(claim=claim, error=FAILURE, retry_at=None)


def deferral(claim: Claim) -> Deferral:
    until = FakeClock()() + 60 * SECOND
    return Deferral(claim=claim, until=until, reason="later", source="s", error=FAILURE, cool_down=COOL_DOWN)


def give_back(claim: Claim) -> Return:
    return Return(claim=claim, reason="no time")


def stale(claim: Claim) -> Completion:
    old = Claim(task=claim.task, worker_id=claim.worker_id, fence=claim.fence - 1)
    return Completion(claim=old, outcome=Outcome.OK, items=ITEMS)


def claim(order: str, limit: int) -> Callable[[SQLiteQueue, World], object]:
    return lambda queue, world: queue.claim(world.worker, get_strategy(order), ["a", "b"], limit=limit)


OPERATIONS = {
    "enqueue_one": Operation(lambda queue, world: queue.enqueue([world.new])),
    "enqueue_many": Operation(
        lambda queue, _: queue.enqueue(
            [
                NewTask(type="n", params={}),
                NewTask(type="a", params={}, run_at=FakeClock()() + SECOND),
                NewTask(type="a", params={}, key="fresh"),
                NewTask(type="a", params={"n": 1}, key="fresh", on_conflict=OnConflict.REPLACE),
                NewTask(type="a", params={}, key="live"),
            ]
        )
    ),
    **{
        f"enqueue_keyed_{policy.value}": Operation(lambda queue, _, policy=policy: queue.enqueue([keyed(policy)]))
        for policy in OnConflict
    },
    "enqueue_and_claim": Operation(lambda queue, world: queue.enqueue_and_claim(world.new, world.worker)),
    **{f"claim_{order}": Operation(claim(order, 1)) for order in ORDERS},
    **{f"claim_many_{order}": Operation(claim(order, 3)) for order in ("priority", "weighted_random")},
    "claim_what_is_due": Operation(claim("weighted_random", 4), wait=2),
    "claim_task": Operation(lambda queue, world: queue.claim_task(world.worker, 13)),
    "claim_task_that_is_due": Operation(lambda queue, world: queue.claim_task(world.worker, 17), wait=2),
    "finish": Operation(lambda queue, world: queue.finish(world.claims[1], [], Outcome.EMPTY)),
    "finish_without_events": Operation(
        lambda queue, world: queue.finish(world.claims[1], [], Outcome.EMPTY), events=False
    ),
    "finish_with_items_and_follow_ups": Operation(settle(completion)),
    "finish_suspect": Operation(settle(suspicion)),
    "fail": Operation(settle(retry)),
    "fail_for_good": Operation(settle(death)),
    "defer": Operation(settle(deferral)),
    "give_back": Operation(settle(give_back)),
    "settle_stale": Operation(settle(stale)),
    "settle_all_then_claim": Operation(settle(completion, retry, deferral, death, give_back, then="weighted_random")),
    "settle_then_claim_what_is_due": Operation(settle(stale, suspicion, then="fifo"), wait=2),
    "checkpoint": Operation(
        lambda queue, world: queue.checkpoint(world.claims[0], ITEMS, {"page": 3}, follow_ups=[world.new])
    ),
    "first_checkpoint": Operation(lambda queue, world: queue.checkpoint(world.claims[1], ITEMS, 1, suspect="hollow")),
    "progress": Operation(lambda queue, world: queue.progress(world.claims[1], 3, 4, "nearly")),
    "rescue": Operation(lambda queue, _: queue.rescue(), wait=LEASE + 1, steps=True),
    "renew": Operation(lambda queue, world: queue.renew(world.lapsing, lease_seconds=99), wait=LEASE + 1),
    "add_worker": Operation(lambda queue, _: queue.add_worker(lease_seconds=60)),
    "remove_worker": Operation(lambda queue, world: queue.remove_worker(world.worker), steps=True),
    "cancel": Operation(lambda queue, _: queue.cancel(TaskFilter(types=["a", "c"], limit=5))),
    "requeue": Operation(lambda queue, _: queue.requeue(TaskFilter(types=["e"]))),
    "purge": Operation(lambda queue, world: queue.purge(world.clock() + 1, list(TaskStatus))),
    "narrow_the_orders": Operation(lambda queue, _: queue.offer(["priority"]), steps=True),
    "resume": Operation(lambda queue, _: queue.resume("s")),
    "admit": Operation(
        lambda queue, world: queue.admit(Ask(source="free", pace=Pace(), cost=2, holder=world.claims[0]))
    ),
    "reserve": Operation(lambda queue, _: queue.reserve("free", Quota("search", 100, "UTC"), 60)),
    "exhaust": Operation(lambda queue, _: queue.exhaust("free", Quota("search", 100, "UTC"))),
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build(tmp_path_factory.mktemp("template") / "queue.db")


def deaths(template: World, operation: Operation, folder: Path) -> Iterator[World]:
    """Let a process die at each statement of an operation, until one comes through; give what each of them leaves."""
    for number in itertools.count(1):
        world = template.copy(folder / str(number))
        world.clock.advance(operation.wait)
        ended = in_child(partial(_act, world, operation, number))
        assert ended in {0, DIED}
        yield world
        shutil.rmtree(world.file.parent)
        if ended == 0:
            return


def different(worlds: Iterator[World]) -> Iterator[World]:
    """Leave out those whose files are like those of an earlier one."""
    known = set()
    for world in worlds:
        content = content_of(world.file)
        if content not in known:
            known.add(content)
            yield world


def _act(world: World, operation: Operation, number: int) -> None:
    secrets.randbits = lambda _: 4242  # a new worker gets the same id in every run
    with opened(world.file, world.clock, events=operation.events) as queue:
        die_at_statement(number, queue._database._connection)
        operation.run(queue, world)
        queue._database._connection.set_trace_callback(None)


def agrees(rows: Rows, before: Rows, after: Rows) -> bool:
    """Whether every row is as before or as after; for what takes several transactions."""
    return all(
        set(before[table]) & set(after[table]) <= set(rows[table]) <= set(before[table]) | set(after[table])
        for table in rows.keys() - SUMS
    )


SUMS = {"sqlite_sequence", "task_type", "worker", "claim_order"}
"""What sums the others up, which `check` compares, and how far somebody is on the way out or an order on its way."""


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_death_at_any_statement_leaves_all_or_nothing(template: World, tmp_path: Path, name: str) -> None:
    operation = OPERATIONS[name]
    known: dict[bytes, Rows] = {}
    found = []
    for world in itertools.chain([template.copy(tmp_path / "before")], deaths(template, operation, tmp_path)):
        content = content_of(world.file)
        if content not in known:
            known[content] = look(world)
        found.append(known[content])
    before, after = found[0], found[-1]
    changed = [rows != before for rows in found]
    assert len(found) > 2, "nothing was run"
    assert changed[-1] is (name != "enqueue_keyed_keep"), "nothing was done"
    assert changed == sorted(changed), "what was there once has gone again"
    allowed = partial(agrees, before=before, after=after) if operation.steps else (before, after).__contains__
    assert [number for number, rows in enumerate(found) if not allowed(rows)] == []


@pytest.mark.parametrize("name", ["enqueue_many", "settle_all_then_claim", "purge"])
def test_a_death_in_the_middle_of_any_write_leaves_all_or_nothing(template: World, tmp_path: Path, name: str) -> None:
    """The log is written at the commit, page by page; half a page is the last that reaches the disk."""
    before = look(template.copy(tmp_path / "before"))
    found: list[Rows] = []
    for number in itertools.count(1):
        world = template.copy(tmp_path / str(number))
        ended = in_child(partial(_act_until_write, world, OPERATIONS[name], number))
        if ended == NOT_HERE:
            pytest.skip("the writes of this Python's SQLite cannot be intercepted")
        assert ended in {0, DIED}
        found.append(look(world, goes_on=number % 8 == 0))
        if ended == 0:
            break
    assert len(found) > 3
    assert all(rows == before for rows in found[:-1]), "a commit that was cut off took effect"
    assert found[-1] != before


def _act_until_write(world: World, operation: Operation, number: int) -> None:
    writes = itertools.count(1)

    def die(write: Write) -> bool:
        if armed and next(writes) == number:
            write.half()
            os._exit(DIED)
        return True

    armed = False
    try:
        at_each_write(die)
    except OSError:
        os._exit(NOT_HERE)
    with opened(world.file, world.clock) as queue:
        armed = True
        operation.run(queue, world)
        armed = False


def test_an_order_that_was_cut_off_is_filled_by_the_next_call(template: World, tmp_path: Path) -> None:
    narrow = template.copy(tmp_path / "narrow")
    with opened(narrow.file, narrow.clock) as queue:
        queue.offer([])
        assert queue.orders() == {"fifo", "lifo"}
    widen = Operation(lambda queue, _: queue.offer(ORDERS))
    for world in different(deaths(narrow, widen, tmp_path)):
        with opened(world.file, world.clock) as queue:
            assert queue.check() == []
            ready = queue.counts()[TaskStatus.QUEUED]
            queue.offer(ORDERS)
            assert queue.orders() == set(ORDERS)
            assert queue.check() == []
            claims = queue.claim(world.worker, get_strategy("weighted_random"), list(queue.waiting()), limit=100)
            assert len(claims) == ready
            drain(queue, world.clock)


def test_q6_a_death_while_an_unreadable_task_is_parked_leaves_it_to_the_next(template: World, tmp_path: Path) -> None:
    odd = template.copy(tmp_path / "odd")
    with opened(odd.file, odd.clock) as queue:
        queue._database.execute("UPDATE body SET params = '[]' WHERE id = 13")
    claims = Operation(lambda queue, world: queue.claim(world.worker, get_strategy("fifo"), ["a"], limit=2))
    for world in different(deaths(odd, claims, tmp_path)):
        with opened(world.file, world.clock) as queue:
            drain(queue, world.clock)
            assert queue.get(13).state is TaskStatus.DEAD
            assert [attempt.error.error_class for attempt in queue.attempts(13)][-1] is ErrorClass.INVALID
            assert queue.counter("parked") == 1
            assert [problem.code for problem in queue.check()] == ["unreadable_params"]


def test_a_death_while_a_new_file_is_made_leaves_one_that_opens(tmp_path: Path, clock: FakeClock) -> None:
    with opened(tmp_path / "whole.db", clock) as queue:
        whole = rows_of(queue)
    known = set()
    for number in itertools.count(1):
        file = tmp_path / str(number) / "queue.db"
        ended = in_child(partial(_make, file, clock, number))
        assert ended in {0, DIED}
        if (content := content_of(file)) not in known:
            known.add(content)
            with opened(file, clock) as queue:
                assert rows_of(queue) == whole
                assert queue.check() == []
                assert queue.enqueue([NewTask(type="a", params={})])[0].id == 1
                drain(queue, clock)
        if ended == 0:
            break
    assert number > sum(map(len, schema.MIGRATIONS))


def _make(file: Path, clock: FakeClock, number: int) -> None:
    die_at_statement(number)
    with opened(file, clock):
        pass
