"""The embedded backend: one SQLite file in the user's data folder, shared by any number of processes."""

import time
from collections.abc import Collection, Generator, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from ytworker.errors import StoreError
from ytworker.model import (
    Claim,
    Clock,
    ErrorInfo,
    Item,
    Microseconds,
    NewTask,
    Outcome,
    SourceState,
    Task,
    TaskStatus,
)
from ytworker.queue.protocol import Attempt, CoolDown, Enqueued, ItemFilter, TaskFilter, WorkerInfo
from ytworker.queue.sqlite import claims, endings, items, sources, tasks, workers
from ytworker.queue.sqlite.database import Database, Durability
from ytworker.queue.strategies import ClaimingStrategy

_COUNTER = "SELECT value FROM counter WHERE name = ?"
_VERSION = "PRAGMA data_version"


def utc_now() -> Microseconds:
    """Give the wall clock as integer UTC microseconds."""
    return time.time_ns() // 1000


class SQLiteQueue:
    """See :class:`ytworker.queue.TaskQueue` for the contract of every method.

    Args:
        url: ``sqlite:///absolute/path`` or ``sqlite:relative/path``; percent-encoding is undone.
        durability: ``full`` or ``normal``, see :class:`~ytworker.queue.sqlite.database.Database`.
        clock: Integer UTC microseconds; tests put their own here.
    """

    def __init__(self, url: str, *, durability: Durability = "full", clock: Clock = utc_now) -> None:
        self.url = url
        self._durability: Durability = durability
        self._clock = clock
        self._database = Database(path_of(url), durability)

    def connect(self) -> Self:
        return type(self)(self.url, durability=self._durability, clock=self._clock)

    def close(self) -> None:
        self._database.close()

    # -- putting tasks in

    def enqueue(self, tasks: Sequence[NewTask]) -> list[Enqueued]:
        now = self._clock()
        with self._database.write():
            return [claims.enqueue_task(self._database, task, now) for task in tasks]

    def enqueue_and_claim(self, task: NewTask, worker_id: int) -> Claim | Enqueued:
        now = self._clock()
        with self._database.write():
            enqueued = claims.enqueue_task(self._database, task, now)
            claim = claims.claim_one(self._database, worker_id, enqueued.id, now) if enqueued.created else None
        return claim or enqueued

    # -- working on them

    def add_worker(self, *, lease_seconds: float) -> int:
        return workers.add_worker(self._database, self._clock(), lease_seconds)

    def renew(self, worker_id: int, *, lease_seconds: float) -> bool:
        return workers.renew(self._database, worker_id, self._clock(), lease_seconds)

    def remove_worker(self, worker_id: int) -> None:
        workers.remove_worker(self._database, worker_id, self._clock())

    def rescue(self) -> int:
        return workers.rescue(self._database, self._clock())

    def claim(self, worker_id: int, strategy: ClaimingStrategy, types: Sequence[str], *, limit: int = 1) -> list[Claim]:
        if limit == 1:
            claim = claims.claim_next(self._database, worker_id, strategy, types, self._clock())
            return [claim] if claim else []
        with self._database.write():
            return claims.claim_many(self._database, worker_id, strategy, types, self._clock(), limit)

    def claim_task(self, worker_id: int, task_id: int) -> Claim | None:
        return claims.claim_one(self._database, worker_id, task_id, self._clock())

    def finish(
        self,
        claim: Claim,
        items: Sequence[Item],
        outcome: Outcome,
        *,
        suspect: str | None = None,
        sources: Collection[str] = (),
        follow_ups: Sequence[NewTask] = (),
    ) -> None:
        now = self._clock()
        with endings.fenced(self._database, claim):
            self._store(claim, items, suspect, now)
            self._follow(follow_ups, now)
            if outcome is Outcome.EMPTY and _has_items(self._database, claim.task.id):
                outcome = Outcome.OK
            endings.complete(self._database, claim, outcome, now)
            _forgive(self._database, sources, now)

    def checkpoint(
        self,
        claim: Claim,
        items: Sequence[Item],
        value: Any,
        *,
        suspect: str | None = None,
        follow_ups: Sequence[NewTask] = (),
    ) -> None:
        now = self._clock()
        with endings.fenced(self._database, claim):
            self._store(claim, items, suspect, now)
            self._follow(follow_ups, now)
            endings.save_checkpoint(self._database, claim, value)

    def progress(self, claim: Claim, done: int, total: int | None, note: str | None) -> None:
        with endings.fenced(self._database, claim):
            endings.save_progress(self._database, claim, done, total, note)

    def fail(
        self, claim: Claim, error: ErrorInfo, *, retry_at: Microseconds | None, plugin_version: str | None = None
    ) -> None:
        now = self._clock()
        with endings.fenced(self._database, claim):
            self._record(claim, error, plugin_version, now)
            if retry_at is None:
                endings.kill(self._database, claim, now)
            else:
                endings.retry(self._database, claim, retry_at)

    def defer(
        self,
        claim: Claim,
        until: Microseconds,
        reason: str,
        *,
        source: str | None = None,
        error: ErrorInfo | None = None,
        cool_down: CoolDown | None = None,
        plugin_version: str | None = None,
    ) -> None:
        with endings.fenced(self._database, claim):
            if error is not None:
                self._record(claim, error, plugin_version, self._clock())
            endings.put_off(self._database, claim, until, reason, source)
            if cool_down is not None:
                sources.cool_down(self._database, cool_down)

    def release(self, claim: Claim, reason: str | None = None) -> None:
        with endings.fenced(self._database, claim):
            endings.put_back(self._database, claim, reason, self._clock())

    # -- looking

    def get(self, task_id: int) -> Task:
        return tasks.get_task(self._database, task_id)

    def tasks(self, which: TaskFilter) -> list[Task]:
        return tasks.list_tasks(self._database, which)

    def attempts(self, task_id: int) -> list[Attempt]:
        return tasks.list_attempts(self._database, task_id)

    def items(self, which: ItemFilter) -> Generator[dict[str, Any], None, None]:
        return items.list_items(self._database, which)

    def counts(self) -> dict[TaskStatus, int]:
        return tasks.count_tasks(self._database)

    def waiting(self) -> dict[str, int]:
        return tasks.count_waiting(self._database)

    def oldest_ready_at(self) -> Microseconds | None:
        return tasks.oldest_ready_at(self._database)

    def next_due_at(self, types: Sequence[str]) -> Microseconds | None:
        return claims.next_due_at(self._database, types)

    def workers(self) -> list[WorkerInfo]:
        return tasks.list_workers(self._database)

    # -- sources

    def source(self, name: str) -> SourceState:
        return sources.get_source(self._database, name)

    def sources(self) -> list[SourceState]:
        return sources.list_sources(self._database)

    def resume(self, name: str) -> None:
        with self._database.write():
            sources.resume(self._database, name, self._clock())

    def unpause(self, name: str) -> None:
        with self._database.write():
            sources.unpause(self._database, name, self._clock())

    def counter(self, name: str) -> int:
        rows = self._database.execute(_COUNTER, (name,))
        return int(rows[0][0]) if rows else 0

    def version(self) -> int:
        ((version,),) = self._database.execute(_VERSION)
        return int(version)

    # -- parts

    def _store(self, claim: Claim, yielded: Sequence[Item], suspect: str | None, now: Microseconds) -> None:
        if suspect is None:
            items.store_items(self._database, claim.task.id, yielded, now)
        else:
            items.keep_apart(self._database, claim.task.id, yielded, suspect, now)

    def _follow(self, follow_ups: Sequence[NewTask], now: Microseconds) -> None:
        for task in follow_ups:
            claims.enqueue_task(self._database, task, now)

    def _record(self, claim: Claim, error: ErrorInfo, plugin_version: str | None, now: Microseconds) -> None:
        endings.add_error(
            self._database,
            claim.task.id,
            claim.task.attempt,
            error,
            worker_id=claim.worker_id,
            plugin_version=plugin_version,
            now=now,
        )


_forgive = sources.forgive  # `sources` and `items` are also names of arguments and methods
_has_items = items.has_items


def path_of(url: str) -> Path:
    """Give the file behind a ``sqlite:`` URL.

    Raises:
        StoreError: The URL names a host, or no file, or goes on after the path.
    """
    try:
        parts = urlsplit(url)
        path = unquote(parts.path)
        fits = parts.scheme == "sqlite" and path.strip("/") and "\0" not in path
        if fits and not (parts.netloc or parts.query or parts.fragment):
            return Path(path).expanduser().absolute()
    except (ValueError, RuntimeError):  # no URL at all, or the home of nobody
        pass
    scheme = url.partition(":")[0][:20]  # the rest may hold a password
    msg = f"this {scheme}: URL names no SQLite file; write sqlite:///absolute/path/to/queue.db, ? as %3F and # as %23"
    raise StoreError(msg)
