"""A queue in memory, for tests: the whole protocol in plain Python, gone when nothing refers to it any more."""
# ruff: noqa: D102 - the contract of each method stands in queue/protocol.py

import random
import time
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Self

from ytworker.errors import StoreError
from ytworker.model import (
    Claim,
    Clock,
    Doubted,
    Item,
    Microseconds,
    NewTask,
    Outcome,
    SourceState,
    Task,
    TaskStatus,
)
from ytworker.pacing import Admission, Ask, Quota, Reserved, SourceUse
from ytworker.queue import (
    Attempt,
    ClaimingStrategy,
    ClaimRequest,
    Completion,
    Ending,
    Enqueued,
    Event,
    ItemFilter,
    Purged,
    Requeued,
    Settled,
    SettleOneByOne,
    TaskFilter,
    WorkerInfo,
)
from ytworker.queue.settling import stale_claim
from ytworker.testing.memory import budgets, claims, endings, items, sources, states, tasks, workers
from ytworker.testing.memory.store import Store, StoredTask, Transaction
from ytworker.testing.memory.waking import MemoryWaker


def _utc_now() -> Microseconds:
    return time.time_ns() // 1000


class MemoryQueue(SettleOneByOne):
    """See :class:`ytworker.queue.TaskQueue` for the contract of every method.

    It does everything that a durable queue does but last: each call takes effect as a whole or not at all, any number
    of threads may share it (one handle each, or one for all), and what is stored goes through JSON. It looks at every
    waiting task at each claim, so it is for thousands of tasks and not for millions.

    Args:
        url: Any; it is only shown.
        durability: Taken for the likeness to real backends, and ignored.
        clock: Integer UTC microseconds, such as a :class:`~ytworker.testing.FakeClock`.
        random: What weighted random and aging draw from; give a seeded one.
        events: Whether this handle records the changes that it makes.
    """

    def __init__(
        self,
        url: str = "memory:",
        *,
        durability: str = "full",  # noqa: ARG002 - any backend is made with it
        clock: Clock = _utc_now,
        random: random.Random | None = None,
        events: bool = True,
    ) -> None:
        self.url = url
        self._clock = clock
        self._random = random or _system_random()
        self._events = events
        self._store = Store()
        self._closed = False

    def connect(self) -> Self:
        twin = type(self)(self.url, clock=self._clock, random=self._random, events=self._events)
        twin._store = self._store  # noqa: SLF001 - a handle of this very class
        return twin

    def close(self) -> None:
        self._closed = True

    # -- putting tasks in

    def enqueue(self, tasks: Sequence[NewTask]) -> list[Enqueued]:
        with self._write() as transaction:
            return _enqueue(transaction, tasks)

    def enqueue_and_claim(self, task: NewTask, worker_id: int) -> Claim | Enqueued:
        with self._write() as transaction:
            return claims.enqueue_and_claim(transaction, task, worker_id)

    # -- working on them

    def add_worker(self, *, lease_seconds: float, foreground: bool = False) -> int:
        with self._write() as transaction:
            return workers.add_worker(transaction, lease_seconds, foreground=foreground)

    def renew(self, worker_id: int, *, lease_seconds: float) -> bool:
        with self._write() as transaction:
            return workers.renew(transaction, worker_id, lease_seconds)

    def remove_worker(self, worker_id: int) -> None:
        with self._write() as transaction:
            workers.remove_worker(transaction, worker_id)

    def rescue(self) -> int:
        with self._write() as transaction:
            return workers.rescue(transaction)

    def claim(self, worker_id: int, strategy: ClaimingStrategy, types: Sequence[str], *, limit: int = 1) -> list[Claim]:
        request = ClaimRequest(worker_id=worker_id, strategy=strategy, types=types, limit=limit)
        with self._write() as transaction:
            return claims.claim(transaction, request, self._random)

    def claim_task(self, worker_id: int, task_id: int) -> Claim | None:
        with self._write() as transaction:
            return claims.claim_task(transaction, worker_id, task_id)

    def settle(self, endings: Sequence[Ending], then: ClaimRequest | None = None) -> Settled:
        with self._write() as transaction:
            return _settle(transaction, endings, then, self._random)

    def checkpoint(
        self,
        claim: Claim,
        items: Sequence[Item],
        value: Any,
        *,
        suspect: str | None = None,
        apart: Sequence[Doubted] = (),
        follow_ups: Sequence[NewTask] = (),
    ) -> None:
        stored = Completion(
            claim=claim, outcome=Outcome.OK, items=items, suspect=suspect, apart=apart, follow_ups=follow_ups
        )
        with self._hold(claim) as (transaction, task):
            endings.save_checkpoint(transaction, task, stored, value)

    def progress(self, claim: Claim, done: int, total: int | None, note: str | None) -> None:
        with self._hold(claim) as (transaction, task):
            states.save(transaction, replace(task, progress=(done, total, note)))

    def holds(self, claim: Claim) -> bool:
        with self._read() as store:
            return endings.holds(store, claim)

    # -- by people and in the background

    def cancel(self, which: TaskFilter) -> int:
        with self._write() as transaction:
            return tasks.cancel(transaction, which)

    def requeue(self, which: TaskFilter) -> Requeued:
        with self._write() as transaction:
            return tasks.requeue(transaction, which)

    def delete(self, which: TaskFilter) -> int:
        with self._write() as transaction:
            return tasks.delete(transaction, which)

    def purge(
        self, before: Microseconds, states: Collection[TaskStatus], *, after: int = 0, limit: int = 1000
    ) -> Purged:
        with self._write() as transaction:
            return tasks.purge(transaction, before, states, after=after, limit=limit)

    # -- orders

    def orders(self) -> frozenset[str]:
        with self._read() as store:
            return frozenset(store.orders)

    def offer(self, orders: Collection[str]) -> None:
        with self._write() as transaction:
            claims.offer(transaction, orders)

    # -- looking

    def get(self, task_id: int) -> Task:
        with self._read() as store:
            return states.view(tasks.get(store, task_id))

    def tasks(self, which: TaskFilter) -> list[Task]:
        with self._read() as store:
            return [states.view(task) for task in tasks.find(store, which)]

    def attempts(self, task_id: int) -> list[Attempt]:
        with self._read() as store:
            return list(store.tasks[task_id].errors) if task_id in store.tasks else []

    def items(self, which: ItemFilter) -> Generator[dict[str, Any], None, None]:
        with self._read() as store:
            found = items.find_items(store, which)
        yield from found

    def events(self, task_id: int) -> list[Event]:
        with self._read() as store:
            return list(store.tasks[task_id].events) if task_id in store.tasks else []

    def counts(self) -> dict[TaskStatus, int]:
        with self._read() as store:
            return tasks.counts(store)

    def counts_by_type(self) -> dict[str, dict[TaskStatus, int]]:
        with self._read() as store:
            return tasks.counts_by_type(store)

    def waiting(self) -> dict[str, int]:
        with self._read() as store:
            return tasks.waiting(store)

    def oldest_ready_at(self) -> Microseconds | None:
        with self._read() as store:
            return tasks.oldest_ready_at(store)

    def next_due_at(self, types: Sequence[str]) -> Microseconds | None:
        with self._read() as store:
            return tasks.next_due_at(store, types)

    def workers(self) -> list[WorkerInfo]:
        with self._read() as store:
            return sorted(store.workers.values(), key=lambda worker: worker.started_at)

    # -- sources

    def source(self, name: str) -> SourceState:
        with self._read() as store:
            return store.sources.get(name, SourceState(name=name))

    def sources(self) -> list[SourceState]:
        with self._read() as store:
            return sorted(store.sources.values(), key=lambda source: source.name)

    def pause(self, name: str, until: Microseconds, reason: str) -> None:
        with self._write() as transaction:
            sources.pause(transaction, name, until, reason)

    def resume(self, name: str) -> None:
        with self._write() as transaction:
            sources.resume(transaction, name)

    def unpause(self, name: str) -> None:
        with self._write() as transaction:
            sources.unpause(transaction, name)

    # -- budgets

    def admit(self, ask: Ask) -> Admission:
        with self._write() as transaction:
            return budgets.admit(transaction, ask)

    def leave(self, source: str, claim: Claim) -> None:
        with self._write() as transaction:
            budgets.leave(transaction, source, claim)

    def hesitate(self, source: str, claim: Claim) -> None:
        with self._write() as transaction:
            budgets.hesitate(transaction, source, claim)

    def reserve(self, source: str, quota: Quota, cost: int, *, settings: str | None = None) -> Reserved:
        with self._write() as transaction:
            return budgets.reserve(transaction, source, quota, cost, settings)

    def exhaust(self, source: str, quota: Quota) -> None:
        with self._write() as transaction:
            budgets.exhaust(transaction, source, quota)

    def quota_used(self, source: str, quota: Quota) -> int:
        with self._read() as store:
            return budgets.quota_of(store, source, quota, self._clock())[0]

    def usage(self) -> list[SourceUse]:
        with self._read() as store:
            return budgets.usage(store, self._clock())

    def counter(self, name: str) -> int:
        with self._read() as store:
            return store.counters.get(name, 0)

    def count(
        self, counts: Mapping[str, int], *, latest: Mapping[str, int] | None = None, forget: Collection[str] = ()
    ) -> None:
        with self._write() as transaction:
            transaction.forget(forget)
            for name, number in counts.items():
                transaction.count(name, number)
            for name, number in (latest or {}).items():
                transaction.count(name, max(0, number - transaction.store.counters.get(name, 0)))

    def counters(self, prefix: str) -> dict[str, int]:
        with self._read() as store:
            return {name: value for name, value in sorted(store.counters.items()) if name.startswith(prefix)}

    def version(self) -> int:
        with self._read() as store:
            return store.version

    def waker(self) -> MemoryWaker:
        with self._read() as store:
            return MemoryWaker(store.wakers)

    # -- transactions

    @contextmanager
    def _read(self) -> Iterator[Store]:
        with self._store.lock:
            if self._closed:
                msg = "this handle of the queue is closed; `connect` another one before closing it"
                raise StoreError(msg)
            yield self._store

    @contextmanager
    def _write(self) -> Iterator[Transaction]:
        with self._read() as store:
            transaction = Transaction(store, self._clock(), events=self._events)
            try:
                yield transaction
            except BaseException:
                transaction.undo()
                raise
            transaction.commit()

    @contextmanager
    def _hold(self, claim: Claim) -> Iterator[tuple[Transaction, StoredTask]]:
        """Open a transaction under a claim; a stale one is counted in one of its own."""
        with self._write() as transaction:
            task = endings.held(transaction, claim)
            if task is not None:
                yield transaction, task
        if task is None:
            raise stale_claim(claim)


_enqueue, _settle, _system_random = tasks.enqueue_all, endings.settle, random.Random  # arguments have their names, too
