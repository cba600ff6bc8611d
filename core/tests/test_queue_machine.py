"""The queues against a model of them: in whatever order, nothing is lost and nothing doubled.

``pytest core/tests/test_queue_machine.py --hypothesis-profile=thorough`` takes 50,000 steps with each queue.
"""

import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from queue_model import QUEUED, SCHEDULED, TYPES, WAITING, Model

from ytworker.errors import OrderNotOfferedError, StaleClaimError, TaskNotFoundError
from ytworker.model import (
    SECOND,
    Claim,
    ErrorClass,
    ErrorInfo,
    Item,
    NewTask,
    OnConflict,
    Outcome,
    TaskStatus,
    UniqueWhile,
)
from ytworker.queue import (
    ORDERS,
    ClaimRequest,
    Completion,
    Deferral,
    Ending,
    Enqueued,
    Failure,
    ItemFilter,
    Return,
    TaskFilter,
    TaskQueue,
    get_strategy,
)
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.settings import sqlite_url
from ytworker.testing import FakeClock, MemoryQueue

T = TypeVar("T")

KEYS = ("k", "l")
LEASE = 60
FAILURE = ErrorInfo(error_class=ErrorClass.TRANSIENT, type="t", message="m")

# The usual profile has no number of its own; `thorough` (see conftest.py) has 1,000.
EXAMPLES = 120 if settings().max_examples == 100 else settings().max_examples
STEPS = 50

SECONDS = st.integers(-2, 9)
TASKS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(TYPES),
        "key": st.sampled_from([None, *KEYS]),
        "unique": st.sampled_from(UniqueWhile),
        "on_conflict": st.sampled_from(OnConflict),
        "max_attempts": st.integers(1, 3),
        "priority": st.sampled_from([1, 5, 5, 10]),
    }
)
WAITS = st.sampled_from([None, None, None, None, -2, 0, 1, 9])
NEW = st.tuples(TASKS, WAITS)
CLAIMS = st.tuples(
    st.integers(0, 9),
    st.sampled_from(ORDERS),
    st.sampled_from([TYPES, TYPES, TYPES, TYPES, ("b", "unknown", "b")]),
    st.sampled_from([1, 1, 2, 2, 3, 4, 5, 0]),
)
ENDINGS = st.tuples(
    st.integers(0, 9), st.sampled_from(["finish", "fail", "die", "defer", "return"]), SECONDS, st.integers(0, 2)
)
FILTERS = st.builds(
    TaskFilter,
    ids=st.none() | st.none() | st.lists(st.integers(1, 20), max_size=5),
    states=st.none() | st.lists(st.sampled_from(TaskStatus), max_size=3),
    types=st.none() | st.lists(st.sampled_from(TYPES), max_size=2),
    limit=st.sampled_from([1, 2, 3, 0, None]),
)

STATES = st.just(set(TaskStatus)) | st.sets(st.sampled_from(TaskStatus))
INTERVENTIONS = (
    st.tuples(st.just("cancel"), FILTERS)
    | st.tuples(st.just("requeue"), FILTERS)
    | st.tuples(st.just("purge"), st.tuples(st.sampled_from([0, 0, 30, -9999]), STATES, st.integers(1, 9)))
)

needs_claim = precondition(lambda machine: machine.claims)


class QueueMachine(RuleBasedStateMachine):
    """Every rule does one thing to the queue and to the model; the invariants compare the two.

    A number picks a worker or a claim: mostly one that holds, and now and then one that holds no more.
    """

    def open_queue(self, folder: str, clock: FakeClock) -> TaskQueue:
        raise NotImplementedError

    @initialize(tasks=st.lists(NEW, min_size=4, max_size=8))
    def open(self, tasks: list[Any]) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clock = FakeClock()
        first = self.open_queue(self.folder.name, self.clock)
        self.queues = [first, first.connect()]
        self.model = Model(self.clock, self.who_has)
        self.workers: list[int] = []
        self.claims: list[Claim] = []
        self.yielded = self.numbered = 0
        self.enqueue(tasks)
        self.start()

    def teardown(self) -> None:
        for queue in getattr(self, "queues", ()):
            queue.close()
        if hasattr(self, "folder"):
            self.folder.cleanup()

    @property
    def queue(self) -> TaskQueue:
        """Every other call goes through the other handle."""
        self.queues.reverse()
        return self.queues[0]

    def who_has(self, new: NewTask) -> Enqueued:
        return self.queue.enqueue([new])[0]

    # -- time and handles

    @rule(seconds=st.sampled_from([0.5, 1, 1, 2, 7, 20, 61, -1, -45, -3600]))
    def the_clock_steps(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(orders=st.sets(st.sampled_from(ORDERS)))
    def a_process_crashes_and_the_next_one_has_other_settings(self, orders: set[str]) -> None:
        """Nobody gives the lease of the first one back."""
        self.queues.pop(0).close()
        self.queues.append(self.queues[0].connect())
        self.queue.offer(orders)
        self.model.orders = {"fifo", "lifo", *orders}

    # -- tasks come in

    def new(self, fields: dict[str, Any], wait: int | None) -> NewTask:
        self.numbered += 1
        run_at = None if wait is None else self.clock() + wait * SECOND
        return NewTask(params={"n": self.numbered // 2}, run_at=run_at, **fields)

    @rule(tasks=st.lists(NEW, min_size=1, max_size=4))
    def enqueue(self, tasks: list[Any]) -> None:
        new = [self.new(*task) for task in tasks]
        got = self.queue.enqueue(new)
        assert got == [self.model.enqueue(task, each.id) for task, each in zip(new, got, strict=True)]

    @rule(pick=st.integers(0, 9), task=TASKS, wait=WAITS)
    def enqueue_and_claim(self, pick: int, task: dict[str, Any], wait: int | None) -> None:
        worker, new = self.worker(pick), self.new(task, wait)
        got = self.queue.enqueue_and_claim(new, worker)
        if isinstance(got, Claim):
            assert self.model.enqueue(new, got.task.id).created
            assert worker in self.model.leases
            self.check_claim(got, worker)
        else:
            assert got == self.model.enqueue(new, got.id)
            waits = self.model.tasks[got.id].state is SCHEDULED
            assert not got.created or waits or worker not in self.model.leases

    # -- workers

    def worker(self, pick: int) -> int:
        leased = [worker for worker in self.workers if worker in self.model.leases]
        return _pick(leased or [self.start()], self.workers, pick)

    @rule(what=st.sampled_from(["start", "start", "renew", "leave"]), pick=st.integers(0, 9))
    def a_worker_comes_or_goes(self, what: str, pick: int) -> None:
        if what == "start" or not self.workers:
            self.start()
            return
        worker = self.worker(pick)
        if what == "leave":
            self.queue.remove_worker(worker)
            self.model.remove(worker)
            return
        assert self.queue.renew(worker, lease_seconds=LEASE) is (worker in self.model.leases)
        if worker in self.model.leases:
            self.model.leases[worker] = self.clock() + LEASE * SECOND

    def start(self) -> int:
        worker = self.queue.add_worker(lease_seconds=LEASE)
        assert worker not in self.workers
        self.workers.append(worker)
        self.model.leases[worker] = self.clock() + LEASE * SECOND
        return worker

    @rule(late=st.sampled_from([False, False, True]))
    def somebody_rescues(self, late: bool) -> None:
        self.clock.advance((LEASE + 1) * late)
        assert self.queue.rescue() == self.model.rescue()

    # -- claims

    @rule(new=st.lists(NEW, max_size=2), asked=CLAIMS)
    def claim(self, new: list[Any], asked: Any) -> None:
        self.enqueue(new)
        pick, order, types, limit = asked
        worker, strategy = self.worker(pick), get_strategy(order)
        if order not in self.model.orders:
            with pytest.raises(OrderNotOfferedError, match=order):
                self.queue.claim(worker, strategy, types, limit=max(limit, 1))
            return
        self.check_claims(self.queue.claim(worker, strategy, types, limit=limit), worker, order, types, limit)

    @rule(pick=st.integers(0, 9), number=st.integers(0, 20))
    def claim_by_id(self, pick: int, number: int) -> None:
        worker, task = self.worker(pick), self.model.tasks.get(number)
        got = self.queue.claim_task(worker, number)
        due = task is not None and task.state in WAITING and (task.state is QUEUED or task.at <= self.clock())
        assert (got is not None) is (due and worker in self.model.leases)
        if got:
            self.check_claim(got, worker)

    def check_claims(self, got: list[Claim], worker: int, order: str, types: Sequence[str], limit: int) -> None:
        claimed = [claim.task.id for claim in got]
        if worker not in self.model.leases or order not in self.model.orders or not limit:
            assert claimed == []
            self.accept_promotion(types)
            return
        self.model.promote(types)
        if order == "weighted_random":
            ready = self.model.ready(types)
            assert len(set(claimed)) == len(claimed) == min(limit, len(ready))
            assert set(claimed) <= set(ready)
        else:
            assert claimed == self.model.first(order, types, limit)
        for claim in got:
            self.check_claim(claim, worker)

    def check_claim(self, claim: Claim, worker: int) -> None:
        task = self.model.claim(claim.task.id, worker)
        assert (claim.worker_id, claim.fence, claim.checkpoint) == (worker, task.fence, task.checkpoint)
        assert (claim.task.attempt, claim.task.params) == (task.attempt, task.params)
        self.claims.append(claim)

    def accept_promotion(self, types: Sequence[str]) -> None:
        """A claim that can give nothing may make ready what is due, or leave it."""
        for number, task in self.model.tasks.items():
            if task.type in types and task.state is SCHEDULED and task.at <= self.clock():
                task.state = self.queue.get(number).state
                assert task.state in WAITING

    # -- what becomes of them

    def picked(self, pick: int) -> Claim:
        return _pick([claim for claim in self.claims if self.model.holds(claim)], self.claims, pick)

    def new_items(self, number: int) -> list[Item]:
        self.yielded += number
        return [Item(source="s", id=str(self.yielded - n)) for n in range(number)]

    def ending(self, pick: int, kind: str, wait: int, number: int) -> Ending:
        claim, moment = self.picked(pick), self.clock() + wait * SECOND
        if kind == "finish":
            items = self.new_items(number)
            return Completion(claim=claim, items=items, outcome=Outcome.OK if items else Outcome.EMPTY)
        if kind == "defer":
            return Deferral(claim=claim, until=moment, reason="later", error=FAILURE if number else None)
        if kind == "return":
            return Return(claim=claim, reason="unstarted" if number else None)
        return Failure(claim=claim, error=FAILURE, retry_at=None if kind == "die" else moment)

    @needs_claim
    @rule(endings=st.lists(ENDINGS, min_size=1, max_size=4))
    def settle(self, endings: list[Any]) -> None:
        made = [self.ending(*each) for each in endings]
        settled = self.queue.settle(made)
        assert settled.claims == []
        self.check_settled(made, settled.stale)

    @needs_claim
    @rule(endings=st.lists(ENDINGS, max_size=4), then=CLAIMS)
    def settle_and_claim(self, endings: list[Any], then: Any) -> None:
        made, (pick, order, types, limit) = [self.ending(*each) for each in endings], then
        worker = self.worker(pick)
        request = ClaimRequest(worker_id=worker, strategy=get_strategy(order), types=types, limit=limit)
        settled = self.queue.settle(made, request)
        self.check_settled(made, settled.stale)
        self.check_claims(settled.claims, worker, order, types, limit)

    def check_settled(self, made: list[Ending], stale: list[Ending]) -> None:
        assert stale == [ending for ending in made if not self.model.settle(ending, _ids(ending))]

    @needs_claim
    @rule(pick=st.integers(0, 9), number=st.integers(0, 2))
    def finish(self, pick: int, number: int) -> None:
        made = self.ending(pick, "finish", 0, number)
        assert isinstance(made, Completion)
        if self.write(made.claim, lambda queue: queue.finish(made.claim, made.items, made.outcome)):
            self.model.settle(made, _ids(made))

    @needs_claim
    @rule(pick=st.integers(0, 9), number=st.integers(0, 2), value=st.integers())
    def checkpoint(self, pick: int, number: int, value: int) -> None:
        claim, items = self.picked(pick), self.new_items(number)
        if self.write(claim, lambda queue: queue.checkpoint(claim, items, value)):
            self.model.items[claim.task.id] += [item.id for item in items]
            self.model.tasks[claim.task.id].checkpoint = value

    @needs_claim
    @rule(pick=st.integers(0, 9))
    def progress(self, pick: int) -> None:
        claim = self.picked(pick)
        self.write(claim, lambda queue: queue.progress(claim, 1, None, None))

    def write(self, claim: Claim, call: Callable[[TaskQueue], None]) -> bool:
        """Do a fenced write, and say whether it had to be accepted."""
        if self.model.holds(claim):
            call(self.queue)
            return True
        with pytest.raises(StaleClaimError):
            call(self.queue)
        self.model.refuse(claim)
        return False

    # -- by people and in the background

    @rule(intervention=INTERVENTIONS)
    def somebody_intervenes(self, intervention: tuple[str, Any]) -> None:
        name, what = intervention
        getattr(self, name)(what)

    def cancel(self, which: TaskFilter) -> None:
        assert self.queue.cancel(which) == self.model.cancel(which)

    def requeue(self, which: TaskFilter) -> None:
        assert self.queue.requeue(which) == self.model.requeue(which)

    def purge(self, what: tuple[int, set[TaskStatus], int]) -> None:
        age, states, limit = what
        before, count, after = self.clock() - age * SECOND, 0, 0
        while after is not None:
            step = self.queue.purge(before, states, after=after, limit=limit)
            assert step.count <= limit
            assert step.next is None or step.next > after
            count, after = count + step.count, step.next
        assert count == self.model.purge(before, states)

    # -- what always holds

    @invariant()
    def the_tasks_are_as_the_model_says(self) -> None:
        found = {task.id: task for task in self.queue.tasks(TaskFilter())}
        assert list(found) == sorted(self.model.tasks, reverse=True)
        for number, task in self.model.tasks.items():
            seen = found[number]
            moment = seen.run_at or seen.started_at or seen.finished_at
            assert (seen.type, seen.key, seen.state, seen.attempt) == (task.type, task.key, task.state, task.attempt)
            assert (seen.params, seen.priority, seen.reason) == (task.params, task.priority, task.reason)
            assert (moment, seen.outcome) == (None if task.state is QUEUED else task.at, task.outcome)
            assert 0 <= seen.attempt <= seen.max_attempts == task.max_attempts
            assert (seen.error is not None) is bool(task.failures)

    @invariant()
    def every_holder_has_a_lease(self) -> None:
        assert {worker.id for worker in self.queue.workers()} == set(self.model.leases)
        assert {task.owner for task in self.model.tasks.values()} - {None} <= set(self.model.leases)
        for claim in self.claims[-3:]:
            assert self.queue.holds(claim) is self.model.holds(claim)

    @invariant()
    def the_counts_add_up(self) -> None:
        tasks = self.model.tasks.values()
        waiting = [task.type for task in tasks if task.state in WAITING]
        due = [task.at for task in tasks if task.state is SCHEDULED]
        states = [task.state for task in tasks]
        assert self.queue.counts() == {state: states.count(state) for state in TaskStatus}
        assert self.queue.waiting() == {kind: waiting.count(kind) for kind in waiting}
        assert self.queue.next_due_at(TYPES) == min(due, default=None)
        assert self.queue.oldest_ready_at() == min((task.at for task in tasks if task.state is QUEUED), default=None)
        assert (self.queue.counter("stale_writes"), self.queue.counter("rescued")) == (
            self.model.stale,
            self.model.rescued,
        )
        assert self.queue.orders() == self.model.orders

    @rule()
    def somebody_looks_closely(self) -> None:
        """What would take too long after every step."""
        for number, task in self.model.tasks.items():
            assert [event.kind for event in self.queue.events(number)] == task.history
            assert len(self.queue.attempts(number)) == task.failures
        for number, items in self.model.items.items():
            assert [item["id"] for item in self.queue.items(ItemFilter(task_id=number))] == items
            if number not in self.model.tasks:
                with pytest.raises(TaskNotFoundError):
                    self.queue.get(number)


def _pick(good: list[T], known: list[T], pick: int) -> T:
    bad = [each for each in known if each not in good]
    candidates = (bad if pick > 7 else good) or known
    return candidates[-1 - pick % len(candidates)]


def _ids(ending: Ending) -> list[str]:
    return [item.id for item in ending.items] if isinstance(ending, Completion) else []


class SQLiteMachine(QueueMachine):
    def open_queue(self, folder: str, clock: FakeClock) -> SQLiteQueue:
        url = sqlite_url(Path(folder, "queue.db"))
        return SQLiteQueue(url, durability="normal", clock=clock, random=random.Random(1))


class MemoryMachine(QueueMachine):
    def open_queue(self, folder: str, clock: FakeClock) -> MemoryQueue:
        return MemoryQueue(folder, clock=clock, random=random.Random(1))


TestSQLiteQueue = SQLiteMachine.TestCase
TestMemoryQueue = MemoryMachine.TestCase
TestSQLiteQueue.settings = TestMemoryQueue.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=STEPS, report_multiple_bugs=False
)
