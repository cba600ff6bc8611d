"""The queue against a model of it that fits on a page: in whatever order, nothing is lost and nothing doubled."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from ytworker.errors import StaleClaimError
from ytworker.model import SECOND, Claim, ErrorClass, ErrorInfo, Item, NewTask, Outcome, TaskStatus
from ytworker.queue import ItemFilter, TaskFilter, get_strategy
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.settings import sqlite_url
from ytworker.testing import FakeClock

TYPES = ["a", "b", "c"]
LEASE = 60
LIVE = {TaskStatus.QUEUED, TaskStatus.SCHEDULED, TaskStatus.CLAIMED}
FAILURE = ErrorInfo(error_class=ErrorClass.TRANSIENT, type="t", message="m")


@dataclass
class ModelTask:
    type: str
    key: str | None
    max_attempts: int
    state: TaskStatus
    at: int | None = None
    attempt: int = 0
    fence: int = 0
    owner: int | None = None
    failures: int = 0
    checkpoint: object = None
    items: list[str] = field(default_factory=list)
    outcome: Outcome | None = None


class QueueMachine(RuleBasedStateMachine):
    """Every rule does one thing to the queue and to the model; the invariants compare the two."""

    workers = Bundle("workers")
    claims = Bundle("claims")

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clock = FakeClock()
        url = sqlite_url(Path(self.folder.name, "queue.db"))
        self.queues = [SQLiteQueue(url, durability="normal", clock=self.clock)]
        self.queues.append(self.queues[0].connect())
        self.model: dict[int, ModelTask] = {}
        self.leases: dict[int, int] = {}
        self.stale = 0
        self.yielded = 0

    def teardown(self) -> None:
        for queue in getattr(self, "queues", ()):
            queue.close()
        if hasattr(self, "folder"):
            self.folder.cleanup()

    @property
    def queue(self) -> SQLiteQueue:
        """Every other call goes through the other connection."""
        self.queues.reverse()
        return self.queues[0]

    # -- time

    @rule(seconds=st.sampled_from([0.5, 1, 7, 30, 61, 3600, -1, -45, -3600]))
    def the_clock_steps(self, seconds: float) -> None:
        self.clock.advance(seconds)

    # -- tasks come in

    @rule(
        new=st.lists(
            st.tuples(
                st.sampled_from(TYPES), st.sampled_from([None, None, "k", "l"]), st.integers(1, 3), st.integers(-2, 9)
            ),
            min_size=1,
            max_size=3,
        )
    )
    def enqueue(self, new: list[tuple[str, str | None, int, int]]) -> None:
        now = self.clock()
        tasks = [
            NewTask(
                type=kind, params={"n": n}, key=key, max_attempts=most, run_at=now + wait * SECOND if wait else None
            )
            for n, (kind, key, most, wait) in enumerate(new)
        ]
        for task, enqueued in zip(tasks, self.queue.enqueue(tasks), strict=True):
            holder = self.holder(task.type, task.key)
            assert enqueued.created is (holder is None)
            if holder is None:
                assert enqueued.id not in self.model
                self.add(enqueued.id, task)
            else:
                assert enqueued.id == holder

    def add(self, number: int, task: NewTask) -> None:
        later = task.run_at is not None and task.run_at > self.clock()
        self.model[number] = ModelTask(
            task.type,
            task.key,
            task.max_attempts,
            TaskStatus.SCHEDULED if later else TaskStatus.QUEUED,
            at=task.run_at if later else None,
        )

    def holder(self, kind: str, key: str | None) -> int | None:
        holders = [n for n, each in self.model.items() if each.state in LIVE and (each.type, each.key) == (kind, key)]
        return holders[0] if key is not None and holders else None

    @rule(target=claims, worker=workers, kind=st.sampled_from(TYPES), key=st.sampled_from([None, "k"]))
    def enqueue_and_claim(self, worker: int, kind: str, key: str | None) -> Any:
        task = NewTask(type=kind, params={}, key=key)
        holder = self.holder(kind, key)
        got = self.queue.enqueue_and_claim(task, worker)
        if holder is not None:
            assert (got.id, got.created) == (holder, False)
            return multiple()
        if not isinstance(got, Claim):
            assert worker not in self.leases
            assert got.created
            self.add(got.id, task)
            return multiple()
        self.add(got.task.id, task)
        return self.claimed(got, worker)

    # -- workers

    @rule(target=workers)
    def a_worker_starts(self) -> int:
        worker = self.queue.add_worker(lease_seconds=LEASE)
        assert worker not in self.leases
        self.leases[worker] = self.clock() + LEASE * SECOND
        return worker

    @rule(worker=workers)
    def a_worker_renews(self, worker: int) -> None:
        assert self.queue.renew(worker, lease_seconds=LEASE) is (worker in self.leases)
        if worker in self.leases:
            self.leases[worker] = self.clock() + LEASE * SECOND

    @rule(worker=consumes(workers))
    def a_worker_leaves(self, worker: int) -> None:
        self.queue.remove_worker(worker)
        self.leases.pop(worker, None)
        for task in self.held_by(worker):
            self.requeue(task)
            task.attempt -= 1

    @rule()
    def somebody_rescues(self) -> None:
        lapsed = [worker for worker, until in self.leases.items() if until < self.clock()]
        held = [task for worker in lapsed for task in self.held_by(worker)]
        assert self.queue.rescue() == len(held)
        for worker in lapsed:
            del self.leases[worker]
        for task in held:
            task.failures += 1
            if task.attempt >= task.max_attempts:
                self.end(task, TaskStatus.DEAD)
            else:
                self.requeue(task)

    # -- claims

    @rule(
        target=claims,
        worker=workers,
        types=st.lists(st.sampled_from([*TYPES, "unknown"]), min_size=1, unique=True),
        order=st.sampled_from(["fifo", "lifo"]),
        limit=st.integers(1, 3),
    )
    def claim(self, worker: int, types: list[str], order: str, limit: int) -> Any:
        got = self.queue.claim(worker, get_strategy(order), types, limit=limit)
        if any(task.type in types for task in self.model.values()) or self.known(types):
            self.promote()
        ready = [n for n, task in self.model.items() if task.state is TaskStatus.QUEUED and task.type in types]
        expected = sorted(ready, reverse=order == "lifo")[:limit] if worker in self.leases else []
        assert [claim.task.id for claim in got] == expected
        return multiple(*(self.claimed(claim, worker) for claim in got))

    def known(self, types: list[str]) -> bool:
        return any(task.type in types for task in self.model.values())

    @rule(target=claims, worker=workers, pick=st.integers(0, 30))
    def claim_one(self, worker: int, pick: int) -> Any:
        claim = self.queue.claim_task(worker, pick)
        task = self.model.get(pick)
        ready = task is not None and (
            task.state is TaskStatus.QUEUED or (task.state is TaskStatus.SCHEDULED and task.at <= self.clock())
        )
        assert (claim is not None) is (ready and worker in self.leases)
        return multiple() if claim is None else self.claimed(claim, worker)

    def promote(self) -> None:
        for task in self.model.values():
            if task.state is TaskStatus.SCHEDULED and task.at <= self.clock():
                task.state, task.at = TaskStatus.QUEUED, None

    def claimed(self, claim: Claim, worker: int) -> Claim:
        task = self.model[claim.task.id]
        assert task.owner is None
        assert claim.fence == task.fence + 1
        assert claim.checkpoint == task.checkpoint
        task.state, task.owner, task.at = TaskStatus.CLAIMED, worker, self.clock()
        task.fence, task.attempt = claim.fence, task.attempt + 1
        assert claim.task.attempt == task.attempt <= task.max_attempts
        return claim

    # -- what becomes of them

    def write(self, claim: Claim, call: Callable[[SQLiteQueue], None]) -> ModelTask | None:
        """Do a fenced write; give the model's task if it had to be accepted, else None."""
        task = self.model[claim.task.id]
        if task.owner == claim.worker_id and task.fence == claim.fence:
            call(self.queue)
            return task
        with pytest.raises(StaleClaimError):
            call(self.queue)
        self.stale += 1
        return None

    def new_items(self, number: int) -> list[Item]:
        self.yielded += number
        return [Item(source="s", id=str(self.yielded - n)) for n in range(number)]

    @rule(claim=claims, number=st.integers(0, 2))
    def finish(self, claim: Claim, number: int) -> None:
        items = self.new_items(number)
        outcome = Outcome.OK if items else Outcome.EMPTY
        task = self.write(claim, lambda queue: queue.finish(claim, items, outcome))
        if task:
            task.items += [item.id for item in items]
            task.outcome = Outcome.OK if task.items else Outcome.EMPTY  # an earlier checkpoint counts, too
            self.end(task, TaskStatus.COMPLETED)

    @rule(claim=claims, number=st.integers(0, 2), value=st.integers())
    def checkpoint(self, claim: Claim, number: int, value: int) -> None:
        items = self.new_items(number)
        task = self.write(claim, lambda queue: queue.checkpoint(claim, items, value))
        if task:
            task.items += [item.id for item in items]
            task.checkpoint = value

    @rule(claim=claims)
    def progress(self, claim: Claim) -> None:
        self.write(claim, lambda queue: queue.progress(claim, 1, None, None))

    @rule(claim=claims, wait=st.integers(-1, 9))
    def fail(self, claim: Claim, wait: int) -> None:
        last = claim.task.attempt >= claim.task.max_attempts
        retry_at = None if last else self.clock() + wait * SECOND
        task = self.write(claim, lambda queue: queue.fail(claim, FAILURE, retry_at=retry_at))
        if task:
            task.failures += 1
            if last:
                self.end(task, TaskStatus.DEAD)
            else:
                self.schedule(task, retry_at)

    @rule(claim=claims, wait=st.integers(-1, 9), with_error=st.booleans())
    def defer(self, claim: Claim, wait: int, with_error: bool) -> None:
        until = self.clock() + wait * SECOND
        error = FAILURE if with_error else None
        task = self.write(claim, lambda queue: queue.defer(claim, until, "later", error=error))
        if task:
            task.failures += with_error
            task.attempt -= 1
            self.schedule(task, until)

    @rule(claim=claims)
    def release(self, claim: Claim) -> None:
        task = self.write(claim, lambda queue: queue.release(claim))
        if task:
            task.attempt -= 1
            self.requeue(task)

    def held_by(self, worker: int) -> list[ModelTask]:
        return [task for task in self.model.values() if task.owner == worker]

    def requeue(self, task: ModelTask) -> None:
        task.state, task.owner, task.at = TaskStatus.QUEUED, None, None

    def schedule(self, task: ModelTask, moment: int) -> None:
        task.state, task.owner, task.at = TaskStatus.SCHEDULED, None, moment

    def end(self, task: ModelTask, state: TaskStatus) -> None:
        task.state, task.owner, task.at, task.checkpoint = state, None, self.clock(), None

    # -- what always holds

    @invariant()
    def the_queue_is_as_the_model_says(self) -> None:
        found = {task.id: task for task in self.queue.tasks(TaskFilter())}
        assert sorted(found) == sorted(self.model)
        for number, task in self.model.items():
            seen = found[number]
            moment = seen.run_at or seen.started_at or seen.finished_at
            assert (seen.type, seen.key, seen.state, seen.attempt) == (task.type, task.key, task.state, task.attempt)
            assert (moment, seen.outcome) == (task.at, task.outcome)
            assert 0 <= seen.attempt <= seen.max_attempts == task.max_attempts
            assert (seen.error is not None) is bool(task.failures)

    @invariant()
    def every_holder_has_a_lease(self) -> None:
        assert {worker.id for worker in self.queue.workers()} == set(self.leases)
        assert {task.owner for task in self.model.values()} - {None} <= set(self.leases)

    @invariant()
    def stale_writes_are_counted(self) -> None:
        assert self.queue.counter("stale_writes") == self.stale

    @invariant()
    def a_key_is_unique_while_live(self) -> None:
        live = [(task.type, task.key) for task in self.model.values() if task.key and task.state in LIVE]
        assert len(live) == len(set(live))
        assert len(live) == self.queue._database.execute("SELECT count(*) FROM live_key")[0][0]

    @invariant()
    def the_counts_add_up(self) -> None:
        states = [task.state for task in self.model.values()]
        assert self.queue.counts() == {state: states.count(state) for state in TaskStatus}

    @invariant()
    def items_are_those_of_accepted_writes(self) -> None:
        for number, task in self.model.items():
            assert [item["id"] for item in self.queue.items(ItemFilter(task_id=number))] == task.items


QueueMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=50)
test_any_order_of_events = QueueMachine.TestCase
