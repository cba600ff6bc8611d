"""What can be seen: tasks by id and by filter, counts, moments and the events of a task."""
# ruff: noqa: D102, S101 - tests: their names say what they show

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ytworker.errors import TaskNotFoundError
from ytworker.model import Claim, ErrorClass, ErrorInfo, OnConflict, Outcome, TaskStatus
from ytworker.queue import Event, Requeued, Return, TaskFilter, TaskQueue
from ytworker.queue.history import HISTORY_END
from ytworker.testing.clock import FakeClock
from ytworker.testing.queue_conformance.base import (
    ENDED,
    FAILURE,
    ITEM,
    LEASE,
    LIVE,
    NO_IDS,
    Suite,
    bring,
    die,
    everything,
    ids,
    kinds,
    later,
    listed,
    new,
    one_of_each,
    put,
    take,
    take_one,
)


class LookingTests(Suite):
    """Single tasks, counts and moments."""

    @pytest.mark.parametrize("number", [1_000_000, *NO_IDS])
    def test_a_task_that_is_not_there_says_so(self, queue: TaskQueue, number: int) -> None:
        put(queue)
        with pytest.raises(TaskNotFoundError, match=f"no task {number}"):
            queue.get(number)

    def test_every_state_is_counted(self, queue: TaskQueue, worker: int) -> None:
        assert queue.counts() == dict.fromkeys(TaskStatus, 0)
        for times, state in enumerate(TaskStatus, 1):
            for _ in range(times):
                bring(queue, worker, state)
        assert queue.counts() == {state: times for times, state in enumerate(TaskStatus, 1)}

    def test_what_waits_is_counted_by_type(self, queue: TaskQueue, worker: int, clock: FakeClock) -> None:
        assert queue.waiting() == {}
        put(queue, new("a"), new("b"), new("b", run_at=later(clock, 1)), new("c"))
        assert queue.waiting() == {"a": 1, "b": 2, "c": 1}
        claim = take_one(queue, worker, "a")
        take(queue, worker, "b")
        queue.cancel(TaskFilter(types=["c"]))
        assert queue.waiting() == {"b": 1}
        queue.fail(claim, FAILURE, retry_at=later(clock, 9))
        queue.requeue(TaskFilter())
        assert queue.waiting() == {"a": 1, "b": 1, "c": 1}

    def test_the_longest_waiting_task_is_known(self, queue: TaskQueue, worker: int, clock: FakeClock) -> None:
        assert queue.oldest_ready_at() is None
        start = clock()
        for kind in "aab":
            put(queue, new(kind, run_at=start))
            clock.advance(1)
        put(queue, new(run_at=later(clock, 1)))
        assert queue.oldest_ready_at() == start
        take(queue, worker, "a")
        assert queue.oldest_ready_at() == later(clock, -2)
        take(queue, worker, "a")
        assert queue.oldest_ready_at() == later(clock, -1)
        take(queue, worker, "b")
        assert queue.oldest_ready_at() is None

    def test_a_retried_task_does_not_hide_the_longest_waiting(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        put(queue, new(), new())
        waiting_since = clock()
        claim = take_one(queue, worker)
        clock.advance(5)
        queue.release(claim)
        assert queue.oldest_ready_at() == waiting_since

    def test_a_counter_that_never_counted_is_zero(self, queue: TaskQueue) -> None:
        for name in ("stale_writes", "lapsed_leases", "rescued", "parked", "busy", "claim_conflicts", "unknown"):
            assert queue.counter(name) == 0

    def test_counters_of_callers_rise_and_are_found_by_their_beginning(self, queue: TaskQueue) -> None:
        queue.count({"jobs|demo|ok": 2, "jobs|demo|dead": 1, "errors|demo|bug": 1})
        queue.count({"jobs|demo|ok": 3})
        queue.count({})
        assert queue.counters("jobs|") == {"jobs|demo|dead": 1, "jobs|demo|ok": 5}
        assert queue.counters("jobs|demo|o") == {"jobs|demo|ok": 5}
        assert queue.counters("jobs|%") == {}
        assert queue.counter("errors|demo|bug") == 1


class FilterTests(Suite):
    """Which tasks a filter lets through."""

    def test_an_empty_filter_lets_all_through_newest_first(self, queue: TaskQueue, worker: int) -> None:
        numbers = list(one_of_each(queue, worker).values())
        assert listed(queue) == numbers[::-1]
        assert listed(queue, limit=2) == numbers[:-3:-1]
        assert listed(queue, limit=0) == []

    def test_tasks_are_found_by_id_state_and_type(self, queue: TaskQueue, worker: int) -> None:
        a, b = one_of_each(queue, worker, new("a")), one_of_each(queue, worker, new("b"))
        for state in TaskStatus:
            assert listed(queue, states=[state]) == [b[state], a[state]]
            assert listed(queue, states={state}, types=["a", "'"]) == [a[state]]
        assert listed(queue, ids=[a[TaskStatus.DEAD], b[TaskStatus.QUEUED], *NO_IDS]) == [
            b[TaskStatus.QUEUED],
            a[TaskStatus.DEAD],
        ]
        assert listed(queue, ids=[a[TaskStatus.DEAD]], types=["b"]) == []
        assert listed(queue, ids=NO_IDS) == listed(queue, types=["unknown"]) == []
        assert listed(queue, ids=None, states=None, types=None) == listed(queue)
        assert listed(queue, types=["a"], states=ENDED, limit=1) == [a[TaskStatus.CANCELLED]]

    @pytest.mark.parametrize("part", ["ids", "states", "types", "error_classes", "fingerprints"])
    def test_an_empty_choice_is_a_choice_of_nothing(self, queue: TaskQueue, worker: int, part: str) -> None:
        one_of_each(queue, worker)
        before = everything(queue)
        nothing: dict[str, Any] = {part: []}
        which = TaskFilter(**nothing)
        assert queue.tasks(which) == []
        assert (queue.cancel(which), queue.requeue(which), queue.delete(which)) == (0, Requeued(0, 0), 0)
        assert everything(queue) == before

    def test_thousands_of_ids_can_be_asked_for(self, queue: TaskQueue) -> None:
        numbers = put(queue, *[new()] * 3)
        assert listed(queue, ids=range(numbers[0] + 1, numbers[0] + 40_000)) == numbers[:0:-1]

    def test_tasks_are_found_by_their_latest_failure(self, queue: TaskQueue, worker: int, clock: FakeClock) -> None:
        gone = die(queue, worker, ErrorClass.GONE, "x")
        bug = die(queue, worker, ErrorClass.BUG, "y")
        (retried,) = put(queue)
        queue.fail(take_one(queue, worker), FAILURE, retry_at=clock())
        queue.fail(
            take_one(queue, worker), ErrorInfo(error_class=ErrorClass.BUG, type="t", message="m"), retry_at=clock()
        )
        put(queue)
        assert listed(queue, error_classes=[ErrorClass.GONE]) == [gone]
        assert listed(queue, error_classes=[ErrorClass.BUG]) == [retried, bug]
        assert listed(queue, error_classes=[ErrorClass.BUG], states=[TaskStatus.DEAD]) == [bug]
        assert listed(queue, error_classes=[FAILURE.error_class]) == []
        assert listed(queue, fingerprints=["x", "y", FAILURE.fingerprint]) == [bug, gone]
        assert listed(queue, fingerprints=["x"], error_classes=[ErrorClass.BUG]) == []

    def test_tasks_are_found_by_when_they_ended(self, queue: TaskQueue, worker: int, clock: FakeClock) -> None:
        for state in LIVE:
            bring(queue, worker, state)
        first = bring(queue, worker, TaskStatus.COMPLETED)
        clock.advance(1)
        second = bring(queue, worker, TaskStatus.DEAD)
        clock.advance(1)
        third = bring(queue, worker, TaskStatus.CANCELLED)
        assert listed(queue, ended_before=later(clock, 9)) == [third, second, first]
        assert listed(queue, ended_before=later(clock, -1)) == [first]
        assert listed(queue, ended_since=later(clock, -1)) == [third, second]
        assert listed(queue, ended_since=later(clock, -1), ended_before=clock()) == [second]


class EventTests(Suite):
    """Who changed a task, when and how."""

    def test_an_event_says_who_did_what_when(self, queue: TaskQueue, worker: int, clock: FakeClock) -> None:
        (number,) = put(queue)
        clock.advance(1)
        claim = take_one(queue, worker)
        clock.advance(1)
        queue.finish(claim, [ITEM], Outcome.OK)
        assert queue.events(number) == [
            Event(task_id=number, at=later(clock, -2), kind="enqueued", worker_id=None, attempt=0),
            Event(task_id=number, at=later(clock, -1), kind="claimed", worker_id=worker, attempt=1),
            Event(task_id=number, at=clock(), kind="completed", worker_id=worker, attempt=1, note="ok"),
        ]

    def test_every_ending_is_an_event(self, queue: TaskQueue, worker: int, clock: FakeClock) -> None:
        (number,) = put(queue, new(run_at=clock()))
        queue.fail(take_one(queue, worker), FAILURE, retry_at=clock())
        queue.defer(take_one(queue, worker), clock(), "the premiere")
        queue.release(take_one(queue, worker), "not started")
        queue.release(take_one(queue, worker))
        queue.fail(take_one(queue, worker), FAILURE, retry_at=None)
        endings = [event for event in queue.events(number) if event.kind not in {"enqueued", "claimed"}]
        assert [(event.kind, event.note, event.attempt) for event in endings] == [
            ("retried", "transient", 1),
            ("deferred", "the premiere", 1),
            ("returned", "not started", 1),
            ("returned", None, 1),
            ("died", "transient", 2),
        ]
        assert {event.worker_id for event in endings} == {worker}

    def test_a_history_of_deferrals_keeps_its_beginning_and_its_end(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        (number,) = put(queue, new())
        queue.fail(take_one(queue, worker), FAILURE, retry_at=clock())
        for turn in range(3 * HISTORY_END):
            error = replace(FAILURE, message=f"not reached {turn}")
            queue.defer(take_one(queue, worker), clock(), f"waits {turn}", error=error)
        numbers = [*range(HISTORY_END), *range(2 * HISTORY_END, 3 * HISTORY_END)]
        told = [(each.number, each.error.message) for each in queue.attempts(number)]
        assert told == [(1, FAILURE.message), *((2, f"not reached {turn}") for turn in numbers)]
        changes = queue.events(number)[1:]  # after the first, which tells that it was enqueued
        assert [event.kind for event in changes] == ["claimed", "retried", *["claimed", "deferred"] * 99]
        notes = [event.note for event in changes if event.kind == "deferred"]
        assert notes == [f"waits {turn}" for turn in [*range(49), *range(100, 150)]]

    def test_an_outcome_is_told_as_it_was_kept(self, queue: TaskQueue, worker: int) -> None:
        (number,) = put(queue)
        claim = take_one(queue, worker)
        queue.checkpoint(claim, [ITEM], 1)
        queue.progress(claim, 1, 2, "x")
        queue.finish(claim, [], Outcome.EMPTY)
        assert kinds(queue, number) == ["enqueued", "claimed", "completed"]
        assert queue.events(number)[-1].note == "ok"

    def test_what_people_do_is_an_event_of_nobody(self, queue: TaskQueue, worker: int, clock: FakeClock) -> None:
        (number,) = put(queue, new(key="k"))
        claim = take_one(queue, worker)
        queue.release(claim)
        put(queue, new(key="k", params={"x": 1}, on_conflict=OnConflict.REPLACE))
        put(queue, new(key="k", priority=10, on_conflict=OnConflict.RAISE_PRIORITY))
        put(queue, new(key="k", priority=10, on_conflict=OnConflict.RAISE_PRIORITY), new(key="k"))
        clock.advance(1)
        queue.cancel(TaskFilter())
        queue.requeue(TaskFilter())
        events = queue.events(number)
        assert [event.kind for event in events[3:]] == ["changed", "changed", "cancelled", "requeued"]
        assert {event.worker_id for event in events[3:]} == {None}
        assert events[-1].at == clock()
        assert events[-1].note is None

    def test_lost_and_returned_tasks_have_events(self, queue: TaskQueue, clock: FakeClock) -> None:
        (number,) = put(queue, new(max_attempts=2))
        leaving = queue.add_worker(lease_seconds=LEASE)
        take_one(queue, leaving)
        queue.remove_worker(leaving)
        for _ in range(2):
            take_one(queue, queue.add_worker(lease_seconds=LEASE))
            clock.advance(LEASE + 1)
            queue.rescue()
        assert [(event.kind, event.attempt) for event in queue.events(number)] == [
            ("enqueued", 0),
            ("claimed", 1),
            ("returned", 0),
            ("claimed", 1),
            ("rescued", 1),
            ("claimed", 2),
            ("died", 2),
        ]
        assert queue.events(number)[-1].note == "resource"

    def test_becoming_due_is_no_event(self, queue: TaskQueue, worker: int, clock: FakeClock) -> None:
        first, second = put(queue, *[new(run_at=later(clock, 1))] * 2)
        clock.advance(1)
        queue.rescue()
        take(queue, worker)
        assert kinds(queue, first) == ["enqueued", "claimed"]
        assert kinds(queue, second) == ["enqueued"]

    def test_other_ways_in_and_out_are_the_same_events(self, queue: TaskQueue, worker: int) -> None:
        claim = queue.enqueue_and_claim(new(), worker)
        assert isinstance(claim, Claim)
        (number,) = put(queue)
        queue.claim_task(worker, number)
        assert kinds(queue, claim.task.id) == kinds(queue, number) == ["enqueued", "claimed"]

    def test_a_follow_up_is_enqueued_by_nobody(self, queue: TaskQueue, worker: int) -> None:
        put(queue)
        queue.finish(take_one(queue, worker), [], Outcome.EMPTY, follow_ups=[new("next")])
        (follow_up,) = queue.tasks(TaskFilter(types=["next"]))
        assert kinds(queue, follow_up.id) == ["enqueued"]

    def test_a_stale_write_is_no_event(self, queue: TaskQueue, worker: int) -> None:
        (number,) = put(queue)
        claim = take_one(queue, worker)
        queue.release(claim)
        before = queue.events(number)
        queue.settle([Return(claim=claim)])
        assert queue.events(number) == before
        assert queue.events(number + 1) == []

    def test_q6_a_task_that_is_parked_has_died(self, queue: TaskQueue, worker: int) -> None:
        (number,) = put(queue)
        self.damage(queue, number)
        take(queue, worker)
        assert kinds(queue, number)[-1] == "died"
        assert queue.events(number)[-1].note == ErrorClass.INVALID

    def test_a_handle_without_events_records_none(self, tmp_path: Path, clock: FakeClock, dice: Random) -> None:
        folder = tmp_path / "silent"
        folder.mkdir()
        queue = self.make_queue(folder, clock, dice, events=False)
        worker = queue.add_worker(lease_seconds=LEASE)
        numbers = put(queue, new(), new())
        assert ids(take(queue, worker)) == numbers[:1]
        queue.cancel(TaskFilter())
        assert not {"claimed", "cancelled"}.intersection(kinds(queue, numbers[0]) + kinds(queue, numbers[1]))
        queue.close()
