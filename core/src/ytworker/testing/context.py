"""A context without an engine, for the tests of a plugin's ``scrape``."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel

from ytworker.context import Cancelled, Context, Deferred
from ytworker.model import Microseconds, Task, TaskStatus, to_datetime, to_microseconds
from ytworker.pacing import Quota


@dataclass
class FakePort:
    """Remembers everything a scrape said; asks nobody and never waits.

    Attributes:
        acquired: (source, cost) of every request for budget.
        checkpoints: Every saved value.
        progressed: (done, total, note) of every call.
        slept: Every wait inside the attempt, in seconds.
        suspected: Every reason given to ``context.suspect``.
        enqueued: (task type, params, options) of every follow-up.
        stop: Set it to make ``context.cancelled`` true; like the engine, it then ends the scrape at its next
            ``progress`` or ``acquire``.
        cooling: Sources that answer ``acquire`` and ``reserve`` by deferring, with the reason.
        held: Sources of which a place in flight is held.
        reserved: (source, bucket, cost) of every reservation that was granted.
        quotas: Units used and the next reset of every quota, by source and bucket.
        clock: What time it is, aware; quotas go by it.
    """

    acquired: list[tuple[str, int]] = field(default_factory=list)
    checkpoints: list[Any] = field(default_factory=list)
    progressed: list[tuple[int, int | None, str | None]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    suspected: list[str] = field(default_factory=list)
    enqueued: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = field(default_factory=list)
    stop: bool = False
    cooling: dict[str, str] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    reserved: list[tuple[str, str, int]] = field(default_factory=list)
    quotas: dict[tuple[str, str], tuple[int, Microseconds]] = field(default_factory=dict)
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def progress(self, done: int, total: int | None, note: str | None) -> None:
        """See :meth:`ytworker.Context.progress`."""
        self._stop()
        self.progressed.append((done, total, note))

    def checkpoint(self, value: Any) -> None:
        """See :meth:`ytworker.Checkpoint.save`."""
        self.checkpoints.append(value)

    def acquire(self, source: str, cost: int, *, hold: bool) -> None:
        """See :meth:`ytworker.context.Budget.acquire`."""
        self._stop()
        self._refuse_cooling(source)
        self.acquired.append((source, cost))
        if hold:
            self.held.add(source)

    def leave(self, source: str) -> None:
        """See :meth:`ytworker.context.Budget.request`."""
        self.held.discard(source)

    def hesitate(self, source: str) -> None:
        """See :meth:`ytworker.context.Budget.request`; nobody else is there."""

    def reserve(self, source: str, quota: Quota, cost: int) -> int:
        """See :meth:`ytworker.context.Budget.reserve`."""
        self._refuse_cooling(source)
        used, reset = self._used(source, quota)
        if used + cost > quota.limit:
            raise Deferred(to_datetime(reset), quota.why(source, used))
        self.quotas[source, quota.bucket] = used + cost, reset
        self.reserved.append((source, quota.bucket, cost))
        return quota.limit - used - cost

    def left(self, source: str, quota: Quota) -> int:
        """See :meth:`ytworker.context.Budget.left`."""
        return max(0, quota.limit - self._used(source, quota)[0])

    def exhaust(self, source: str, quota: Quota) -> None:
        """See :meth:`ytworker.context.Budget.exhaust`."""
        used, reset = self._used(source, quota)
        self.quotas[source, quota.bucket] = max(used, quota.limit), reset

    def _refuse_cooling(self, source: str) -> None:
        if source in self.cooling:
            raise Deferred(self.clock() + timedelta(hours=1), self.cooling[source])

    def _used(self, source: str, quota: Quota) -> tuple[int, Microseconds]:
        used, reset = self.quotas.get((source, quota.bucket), (0, 0))
        return quota.current(used, reset, to_microseconds(self.clock()))

    def sleep(self, seconds: float) -> None:
        """See :meth:`ytworker.Context.sleep`."""
        self.slept.append(seconds)

    def suspect(self, reason: str) -> None:
        """See :meth:`ytworker.Context.suspect`."""
        self.suspected.append(reason)

    def enqueue(self, task_type: str, params: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        """See :meth:`ytworker.Context.enqueue`."""
        self.enqueued.append((task_type, params, options))

    def cancelled(self) -> bool:
        """See :attr:`ytworker.Context.cancelled`."""
        return self.stop

    def _stop(self) -> None:
        if self.stop:
            msg = "the worker is stopping"
            raise Cancelled(msg)


def make_context(
    task_type: str = "test",
    *,
    params: Mapping[str, Any] | None = None,
    settings: Mapping[str, BaseModel] | None = None,
    checkpoint: Any = None,
    port: FakePort | None = None,
    attempt: int = 1,
    stored: int | None = None,
) -> Context:
    """Make a context for a direct call of ``scrape``.

    Args:
        task_type: The type of the task it carries.
        params: The parameters of the task it carries.
        settings: Validated sections by name.
        checkpoint: What an earlier attempt is to have saved.
        port: Where to look afterwards; a new :class:`FakePort` by default.
        attempt: Which attempt this is.
        stored: How many items are to be stored with the checkpoint; None asks for no least number then.
    """
    task = Task(
        id=1,
        type=task_type,
        state=TaskStatus.CLAIMED,
        params=params or {},
        priority=5,
        attempt=attempt,
        max_attempts=5,
        timeout_seconds=900.0,
        created_at=0,
    )
    return Context(
        task=task,
        port=port or FakePort(),
        logger=logging.getLogger(f"ytworker.test.{task_type}"),
        deadline=datetime.now(UTC) + timedelta(seconds=900),
        settings=settings,
        checkpoint=checkpoint,
        stored=stored,
    )
