"""What metrics are made of: counters, and what a claim tells of the wait before it."""
# ruff: noqa: D102, PLR2004, S101 - tests: their names say what they show

import pytest

from ytworker.errors import PayloadError
from ytworker.model import SECOND, Claim, Doubted, Item, Metrics, Origin, Outcome, TaskStatus
from ytworker.queue import Completion, Enqueued, Failure, TaskQueue
from ytworker.testing.clock import FakeClock
from ytworker.testing.queue_conformance.base import (
    FAILURE,
    LEASE,
    Suite,
    bring,
    die,
    later,
    new,
    put,
    take,
    take_one,
)


def item(number: object = "a", **fields: object) -> Item:
    """Make an item of one source."""
    return Item.model_validate({"source": "youtube", "id": str(number), **fields})


def scrape(queue: TaskQueue, worker: int, *items: Item, kind: str = "demo") -> dict[str, int]:
    """Do one task that yields these items, and give the counters of its type."""
    put(queue, new(kind))
    queue.finish(take_one(queue, worker, kind), items, Outcome.OK)
    return items_of(queue, kind)


def items_of(queue: TaskQueue, kind: str = "demo") -> dict[str, int]:
    """Give what the items of a type changed."""
    beginning = f"items|{kind}|"
    return {name.removeprefix(beginning): number for name, number in queue.counters(beginning).items()}


class CountingTests(Suite):
    """Counters."""

    def test_a_counter_of_the_latest_never_falls(self, queue: TaskQueue) -> None:
        queue.count({}, latest={"success|demo": 7, "success|other": 1})
        queue.count({"jobs|demo|ok": 1}, latest={"success|demo": 5})
        assert queue.counters("success|") == {"success|demo": 7, "success|other": 1}
        queue.count({}, latest={"success|demo": 2**53})
        assert (queue.counter("success|demo"), queue.counter("jobs|demo|ok")) == (2**53, 1)

    def test_counters_are_forgotten_by_their_beginning_before_anything_rises(self, queue: TaskQueue) -> None:
        queue.count({"a|1|": 1, "a|1|x": 1, "a|1|é": 1, "a|11|": 1, "a|2|": 1, "b": 1})
        queue.count({"a|2|": 5, "a|1|x": 3}, forget=["a|1|", "a|3|"])
        assert queue.counters("") == {"a|1|x": 3, "a|11|": 1, "a|2|": 6, "b": 1}
        queue.count({}, forget=[])
        assert len(queue.counters("")) == 4

    def test_tasks_are_counted_by_type_and_state(self, queue: TaskQueue, worker: int) -> None:
        assert queue.counts_by_type() == {}
        for state in TaskStatus:
            bring(queue, worker, state, new("a"))
        put(queue, *[new("b")] * 2)
        found = queue.counts_by_type()
        assert found["a"] == dict.fromkeys(TaskStatus, 1)
        assert found["b"] == {**dict.fromkeys(TaskStatus, 0), TaskStatus.QUEUED: 2}

    # -- new tasks

    def test_new_tasks_are_counted_by_type_and_origin(self, queue: TaskQueue, worker: int) -> None:
        put(queue, *[new("a", origin=Origin.CLI)] * 3, new("a"), new("b", run_at=2**52))
        claim = queue.enqueue_and_claim(new("a", origin=Origin.CLI), worker)
        assert isinstance(claim, Claim)
        follow_up = new("b", origin=Origin.PARENT)
        queue.checkpoint(claim, [], 1, follow_ups=[follow_up] * 2)
        queue.finish(claim, [], Outcome.EMPTY, follow_ups=[follow_up])
        expected = {"enqueued|a|api": 1, "enqueued|a|cli": 4, "enqueued|b|api": 1, "enqueued|b|parent": 3}
        assert queue.counters("enqueued|") == expected

    def test_thousands_of_new_tasks_are_counted_one_by_one(self, queue: TaskQueue) -> None:
        put(queue, *(new("ab"[n % 2], origin=list(Origin)[n % 3], key=str(n % 2_000)) for n in range(2_500)))
        counted = queue.counters("enqueued|")
        assert sum(counted.values()) == 2_000
        assert len(counted) == 6
        assert max(counted.values()) - min(counted.values()) <= 1

    def test_only_what_was_enqueued_is_counted(self, queue: TaskQueue, worker: int) -> None:
        put(queue, new(key="k"))
        put(queue, new(key="k"), new(key="k", priority=10))
        with pytest.raises(PayloadError):
            queue.enqueue([new(), new(params={"x": object()})])
        assert isinstance(queue.enqueue_and_claim(new(key="k"), worker), Enqueued)
        claim = take_one(queue, worker)
        queue.release(claim)
        late = Completion(claim=claim, outcome=Outcome.OK, items=[item()], follow_ups=[new("next")])
        assert queue.settle([late]).stale == [late]
        assert queue.counters("enqueued|") == {"enqueued|demo|api": 1}
        assert items_of(queue) == {}

    def test_a_type_that_holds_the_separator_is_counted_too(self, queue: TaskQueue) -> None:
        put(queue, new("a|b"))
        assert queue.counters("enqueued|") == {"enqueued|a|b|api": 1}

    # -- items

    def test_a_sight_of_an_item_is_new_changed_or_the_same(self, queue: TaskQueue, worker: int) -> None:
        assert scrape(queue, worker, item("a", title="t"), item("b")) == {"new": 2}
        views = item("a", title="t", metrics=Metrics(views=7))
        assert scrape(queue, worker, views, item("a"), item("b", title="u")) == {"new": 2, "changed": 1, "same": 2}
        assert scrape(queue, worker, item("a", title="t"), kind="other") == {"same": 1}
        assert items_of(queue) == {"new": 2, "changed": 1, "same": 2}

    def test_an_item_is_a_tombstone_once(self, queue: TaskQueue, worker: int) -> None:
        scrape(queue, worker, item("a", title="t", availability="public"))
        gone = [item(each, availability="gone") for each in "ab"]
        assert scrape(queue, worker, *gone) == {"new": 1, "tombstone": 2}
        assert scrape(queue, worker, *gone, item("a")) == {"new": 1, "tombstone": 2, "same": 3}
        scrape(queue, worker, item("a", title="t", availability="public"))
        assert scrape(queue, worker, *gone)["tombstone"] == 3

    def test_what_is_kept_apart_is_suspect_and_nothing_else(self, queue: TaskQueue, worker: int) -> None:
        put(queue, *[new()] * 2)
        claim = take_one(queue, worker)
        apart = [Doubted(item("x"), "odd")]
        queue.checkpoint(claim, [item("a"), item("b")], 1, apart=apart)
        queue.checkpoint(claim, [item("c")], 2, suspect="odd")
        assert items_of(queue) == {"new": 2, "suspect": 2}
        queue.finish(claim, [item("d"), item("a")], Outcome.SUSPECT, suspect="odd")
        failure = Failure(claim=take_one(queue, worker), error=FAILURE, retry_at=None, apart=apart)
        assert queue.settle([failure]).stale == []
        assert items_of(queue) == {"new": 2, "suspect": 5}

    # -- leases

    def test_a_lease_that_lapsed_is_counted_once_whatever_it_held(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        put(queue, *[new()] * 3)
        take(queue, worker, limit=2)
        queue.add_worker(lease_seconds=LEASE)
        queue.remove_worker(queue.add_worker(lease_seconds=LEASE))
        clock.advance(LEASE + 1)
        assert (queue.rescue(), queue.rescue()) == (2, 0)
        assert (queue.counter("lapsed_leases"), queue.counter("rescued")) == (2, 2)

    # -- waits

    def test_a_claim_tells_since_when_its_task_was_ready(self, queue: TaskQueue, worker: int, clock: FakeClock) -> None:
        put(queue)
        ready = clock()
        clock.advance(5)
        claim = take_one(queue, worker)
        assert (claim.ready_at, claim.task.started_at) == (ready, ready + 5 * SECOND)
        assert queue.get(claim.task.id).started_at == ready + 5 * SECOND
        queue.release(claim)
        clock.advance(1)
        again = take_one(queue, worker)
        assert again.ready_at == later(clock, -1)
        queue.fail(again, FAILURE, retry_at=later(clock, 10))
        clock.advance(17)
        retried = queue.claim_task(worker, claim.task.id)
        assert retried is not None
        assert retried.ready_at == later(clock, -7)
        assert retried.task.started_at == clock()

    def test_a_scheduled_task_is_ready_when_it_is_due(self, queue: TaskQueue, worker: int, clock: FakeClock) -> None:
        put(queue, new(run_at=later(clock, 60)), new(run_at=later(clock, 61)))
        clock.advance(63)
        assert [claim.ready_at for claim in take(queue, worker, limit=2)] == [later(clock, -3), later(clock, -2)]

    def test_a_task_that_is_done_at_once_did_not_wait(self, queue: TaskQueue, worker: int, clock: FakeClock) -> None:
        claim = queue.enqueue_and_claim(new(), worker)
        assert isinstance(claim, Claim)
        assert claim.ready_at == claim.task.started_at == clock()

    def test_a_rescued_task_is_ready_again_from_then_on(self, queue: TaskQueue, worker: int, clock: FakeClock) -> None:
        put(queue)
        take_one(queue, worker)
        clock.advance(LEASE + 1)
        queue.rescue()
        rescued_at = clock()
        clock.advance(2)
        again = take_one(queue, queue.add_worker(lease_seconds=LEASE))
        assert again.ready_at == rescued_at
        assert queue.get(again.task.id).started_at == clock()

    def test_dead_letters_are_known_by_type(self, queue: TaskQueue, worker: int) -> None:
        die(queue, worker, FAILURE.error_class, "x", "a")
        assert queue.counts_by_type()["a"][TaskStatus.DEAD] == 1
