"""The embedded backend: one SQLite file in the user's data folder, shared by any number of processes."""

import os
import random as random_module
import time
from collections.abc import Collection, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote_to_bytes, urlsplit

from ytworker.errors import StoreError, StoreMovedError
from ytworker.model import Claim, Clock, Doubted, Item, Microseconds, NewTask, Outcome, SourceState, Task, TaskStatus
from ytworker.pacing import Admission, Ask, Quota, Reserved, SourceUse
from ytworker.queue.records import (
    Attempt,
    ClaimRequest,
    Completion,
    Ending,
    Enqueued,
    Event,
    ItemFilter,
    Problem,
    Purged,
    Requeued,
    Settled,
    TaskFilter,
    WorkerInfo,
)
from ytworker.queue.settling import SettleOneByOne, stale_claim
from ytworker.queue.sqlite import (
    budgets,
    care,
    check,
    claims,
    counters,
    endings,
    enqueueing,
    events,
    facts,
    interventions,
    items,
    leases,
    orders,
    sources,
    tasks,
)
from ytworker.queue.sqlite.bells import Bell
from ytworker.queue.sqlite.database import Database, Durability
from ytworker.queue.sqlite.schema import VERSION
from ytworker.queue.strategies import ClaimingStrategy

_DATA_VERSION = "PRAGMA data_version"


def utc_now() -> Microseconds:
    """Give the wall clock as integer UTC microseconds."""
    return time.time_ns() // 1000


class SQLiteQueue(SettleOneByOne):
    """See :class:`ytworker.queue.TaskQueue` for the contract of every method.

    Args:
        url: ``sqlite:///absolute/path`` or ``sqlite:relative/path``; percent-encoding is undone.
        durability: ``full`` or ``normal``, see :class:`~ytworker.queue.sqlite.database.Database`.
        clock: Integer UTC microseconds; tests put their own here.
        random: Where weighted random and aging draw from; tests put a seeded one here.
        events: Whether to record who changed which task and when; costs each change a row.
    """

    def __init__(
        self,
        url: str,
        *,
        durability: Durability = "full",
        clock: Clock = utc_now,
        random: random_module.Random | None = None,
        events: bool = True,
    ) -> None:
        self.url = url
        self._durability: Durability = durability
        self._clock = clock
        self._database = Database(path_of(url), durability, draws=random, events=events)

    def connect(self) -> Self:
        database = self._database
        twin = type(self)(
            self.url, durability=self._durability, clock=self._clock, random=database.draws, events=database.events
        )
        twin._database.patience = database.patience  # noqa: SLF001 - one of us
        return twin

    def hurry(self, seconds: float) -> None:
        self._database.patience.seconds = min(seconds, self._database.patience.seconds)

    def close(self) -> None:
        self._database.close()

    # -- putting tasks in

    def enqueue(self, tasks: Sequence[NewTask]) -> list[Enqueued]:
        texts = enqueueing.texts_of(tasks)
        self._refuse_moved()
        with self._database.write():
            return enqueueing.enqueue_tasks(self._database, tasks, texts, self._clock())

    def enqueue_and_claim(self, task: NewTask, worker_id: int) -> Claim | Enqueued:
        texts = enqueueing.texts_of([task])
        self._refuse_moved()
        now = self._clock()
        with self._database.write():
            (enqueued,) = enqueueing.enqueue_tasks(self._database, [task], texts, now)
            rows = claims.claim_one(self._database, worker_id, enqueued.id, now) if enqueued.created else []
            if rows:
                self._database.rings = False  # it is taken already
        claimed = claims.read_claims(self._database, worker_id, rows, now)
        return claimed[0] if claimed else enqueued

    # -- working on them

    def add_worker(self, *, lease_seconds: float, foreground: bool = False) -> int:
        return leases.add_worker(self._database, self._clock(), lease_seconds, foreground=foreground)

    def renew(self, worker_id: int, *, lease_seconds: float) -> bool:
        self._refuse_moved()
        return leases.renew(self._database, worker_id, self._clock(), lease_seconds)

    def remove_worker(self, worker_id: int) -> None:
        leases.remove_worker(self._database, worker_id, self._clock())

    def rescue(self) -> int:
        now = self._clock()
        claims.promote_all(self._database, now)
        return leases.rescue(self._database, now)

    def claim(self, worker_id: int, strategy: ClaimingStrategy, types: Sequence[str], *, limit: int = 1) -> list[Claim]:
        request = ClaimRequest(worker_id=worker_id, strategy=strategy, types=types, limit=limit)
        return claims.claim_next(self._database, request, self._clock())

    def claim_task(self, worker_id: int, task_id: int) -> Claim | None:
        now, busy = self._clock(), self._database.busy
        try:
            with self._database.write():
                rows = claims.claim_one(self._database, worker_id, task_id, now)
        finally:
            claims.count_conflict(self._database, busy)
        claimed = claims.read_claims(self._database, worker_id, rows, now)
        return claimed[0] if claimed else None

    def settle(self, endings: Sequence[Ending], then: ClaimRequest | None = None) -> Settled:
        self._refuse_moved()
        now = self._clock()
        if then is None and len(endings) == 1 and _is_plain(endings[0]):
            done = _complete_one(self._database, endings[0], now)
            return Settled([], [] if done else list(endings))
        texts = {} if len(endings) == 1 and _is_plain(endings[0]) else _written(endings)
        busy = self._database.busy
        try:
            with self._database.write():
                stale = _settle(self._database, endings, texts, now)
                rows = [] if then is None else claims.claim_rows(self._database, then, now)
        finally:
            if then is not None:
                claims.count_conflict(self._database, busy)
        if then is None:
            return Settled([], stale)
        fresh = claims.read_claims(self._database, then.worker_id, rows, now)
        if rows and not fresh:  # none of them could be read
            fresh = claims.claim_next(self._database, then, now)
        return Settled(fresh, stale)

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
        now = self._clock()
        stored = Completion(
            claim=claim, outcome=Outcome.OK, items=items, suspect=suspect, apart=apart, follow_ups=follow_ups
        )
        texts = enqueueing.texts_of(follow_ups)
        self._refuse_moved()
        with self._database.write():
            held = endings.save_checkpoint(self._database, claim, value, stored, texts, now)
        if not held:
            raise stale_claim(claim)

    def progress(self, claim: Claim, done: int, total: int | None, note: str | None) -> None:
        with self._database.unsynced(), self._database.write():
            held = endings.save_progress(self._database, claim, done, total, note)
        if not held:
            raise stale_claim(claim)

    def holds(self, claim: Claim) -> bool:
        return endings.holds(self._database, claim)

    # -- by people and in the background

    def cancel(self, which: TaskFilter) -> int:
        return interventions.cancel(self._database, which, self._clock)

    def requeue(self, which: TaskFilter) -> Requeued:
        return interventions.requeue(self._database, which, self._clock)

    def delete(self, which: TaskFilter) -> int:
        return interventions.delete(self._database, which)

    def purge(
        self, before: Microseconds, states: Collection[TaskStatus], *, after: int = 0, limit: int = 1000
    ) -> Purged:
        return interventions.purge(self._database, before, states, after, limit)

    # -- orders

    def orders(self) -> frozenset[str]:
        return orders.offered(self._database)

    def offer(self, orders: Collection[str]) -> None:
        _offer(self._database, orders)

    # -- looking

    def get(self, task_id: int) -> Task:
        return tasks.get_task(self._database, task_id)

    def tasks(self, which: TaskFilter) -> list[Task]:
        return tasks.list_tasks(self._database, which)

    def attempts(self, task_id: int) -> list[Attempt]:
        return tasks.list_attempts(self._database, task_id)

    def events(self, task_id: int) -> list[Event]:
        return events.list_events(self._database, task_id)

    def items(self, which: ItemFilter) -> Generator[dict[str, Any], None, None]:
        return items.list_items(self._database, which)

    def counts(self) -> dict[TaskStatus, int]:
        return tasks.count_tasks(self._database)

    def counts_by_type(self) -> dict[str, dict[TaskStatus, int]]:
        return tasks.count_by_type(self._database)

    def waiting(self) -> dict[str, int]:
        return tasks.count_waiting(self._database)

    def oldest_ready_at(self) -> Microseconds | None:
        return tasks.oldest_ready_at(self._database)

    def next_due_at(self, types: Sequence[str]) -> Microseconds | None:
        return claims.next_due_at(self._database, types)

    def workers(self) -> list[WorkerInfo]:
        return leases.list_workers(self._database)

    # -- sources

    def source(self, name: str) -> SourceState:
        return sources.get_source(self._database, name)

    def sources(self) -> list[SourceState]:
        return sources.list_sources(self._database)

    def pause(self, name: str, until: Microseconds, reason: str) -> None:
        with self._database.write():
            sources.pause(self._database, name, until, reason)

    def resume(self, name: str) -> None:
        with self._database.write():
            sources.resume(self._database, name, self._clock())

    def unpause(self, name: str) -> None:
        with self._database.write():
            sources.unpause(self._database, name, self._clock())

    # -- budgets

    def admit(self, ask: Ask) -> Admission:
        return budgets.admit(self._database, ask, self._clock)

    def leave(self, source: str, claim: Claim) -> None:
        budgets.leave(self._database, source, claim)

    def hesitate(self, source: str, claim: Claim) -> None:
        budgets.hesitate(self._database, source, claim)

    def reserve(self, source: str, quota: Quota, cost: int, *, settings: str | None = None) -> Reserved:
        return budgets.reserve(self._database, source, quota, cost, settings, self._clock)

    def exhaust(self, source: str, quota: Quota) -> None:
        budgets.exhaust(self._database, source, quota, self._clock)

    def quota_used(self, source: str, quota: Quota) -> int:
        return budgets.quota_used(self._database, source, quota, self._clock())

    def usage(self) -> list[SourceUse]:
        return budgets.usage(self._database, self._clock())

    def counter(self, name: str) -> int:
        return counters.get_counter(self._database, name)

    def count(
        self, counts: Mapping[str, int], *, latest: Mapping[str, int] | None = None, forget: Collection[str] = ()
    ) -> None:
        with self._database.write():
            counters.forget(self._database, forget)
            counters.count_all(self._database, counts)
            counters.raise_all(self._database, latest or {})

    def counters(self, prefix: str) -> dict[str, int]:
        return counters.list_counters(self._database, prefix)

    def version(self) -> int:
        ((version,),) = self._database.execute(_DATA_VERSION)
        return int(version)

    def waker(self) -> Bell | None:
        return self._database.bells.hang()

    # -- care

    def check(self, *, repair: bool = False) -> list[Problem]:
        return check.check(self._database, repair=repair)

    def backup(self, target: Path, *, force: bool = False) -> None:
        care.backup(self._database, target, force=force)

    def restore(self, source: Path) -> None:
        care.restore(self._database, source)

    def vacuum(self) -> tuple[int, int]:
        return care.vacuum(self._database)

    def facts(self) -> dict[str, str | int]:
        return facts.facts_of(self._database)

    def schema_versions(self) -> tuple[int, int]:
        """Give the schema version that the file had when it was opened (0 for a new one), and the present one."""
        return self._database.found_version, VERSION

    def _refuse_moved(self) -> None:
        if self._database.moved:
            msg = (
                f"{self._database.path} was moved, deleted or replaced while it was open: what is written now would be "
                "lost. Put it back or restore a backup, and start the worker again"
            )
            raise StoreMovedError(msg)


# These are also names of arguments and methods.
_settle, _written, _is_plain, _complete_one = endings.settle, endings.written, endings.is_plain, endings.complete_one
_offer = orders.offer


def path_of(url: str) -> Path:
    """Give the file behind a ``sqlite:`` URL.

    Raises:
        StoreError: The URL names a host, or no file, or goes on after the path.
    """
    try:
        parts = urlsplit(url)
        path = os.fsdecode(unquote_to_bytes(parts.path))
        fits = parts.scheme == "sqlite" and path.strip("/") and "\0" not in path
        if fits and not (parts.netloc or parts.query or parts.fragment):
            return Path(path).expanduser().absolute()
    except (ValueError, RuntimeError):  # no URL at all, or the home of nobody
        pass
    scheme = url.partition(":")[0][:20]  # the rest may hold a password
    msg = f"this {scheme}: URL names no SQLite file; write sqlite:///absolute/path/to/queue.db, ? as %3F and # as %23"
    raise StoreError(msg)
