"""What every queue backend can do, whatever it stores its tasks in.

A backend is a class that is called with the queue's URL and keyword options, and that an entry point in the group
``ytworker.queues`` names after the URL scheme it serves.

Every method either takes effect as a whole and durably before it returns, or raises and changes nothing. Methods that
take a :class:`~ytworker.model.Claim` are fenced: they raise :class:`~ytworker.errors.StaleClaimError` and change
nothing when the claim no longer holds its task.
"""

from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

from ytworker.model import (
    Claim,
    ErrorClass,
    ErrorInfo,
    Item,
    Microseconds,
    NewTask,
    Outcome,
    SourceState,
    Task,
    TaskStatus,
)
from ytworker.queue.strategies import ClaimingStrategy


@dataclass(frozen=True, slots=True)
class Enqueued:
    """What became of one enqueued task: ``created`` is False when its key was live and ``id`` is that task."""

    id: int
    created: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """A worker that holds a lease; ``id`` is random per start."""

    id: int
    host: str
    pid: int
    version: str
    started_at: Microseconds
    seen_at: Microseconds
    lease_until: Microseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One failed attempt in the history of a task."""

    number: int
    at: Microseconds
    error: ErrorInfo
    worker_id: int
    plugin_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CoolDown:
    """A change to a source that goes with the deferral of a task, in the same transaction.

    Attributes:
        source: Whom it concerns.
        error_class: Why: throttled, blocked, quota or config.
        reason: In words.
        until: When it ends; a pause also ends when the settings change.
        paused_by: Digest of the settings under which the source is paused; None for a cool-down.
        strikes: The new count of strikes.
    """

    source: str
    error_class: ErrorClass
    reason: str
    until: Microseconds
    paused_by: str | None = None
    strikes: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Which tasks to list, newest first; empty means any."""

    states: Collection[TaskStatus] = ()
    types: Collection[str] = ()
    error_classes: Collection[ErrorClass] = ()
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFilter:
    """Which items to list; empty means any.

    With ``task_id`` the items come in the order in which that task yielded them and carry its context; otherwise the
    most recently seen come first.
    """

    task_id: int | None = None
    task_type: str | None = None
    source: str | None = None
    kind: str | None = None
    limit: int | None = None


class TaskQueue(Protocol):
    """A durable queue of tasks with the items they yield."""

    url: str

    def connect(self) -> Self:
        """Open the same queue once more, for another thread."""

    def close(self) -> None:
        """Let go of the store."""

    # -- putting tasks in

    def enqueue(self, tasks: Sequence[NewTask]) -> list[Enqueued]:
        """Store all tasks or none; once this returns they are on disk."""

    def enqueue_and_claim(self, task: NewTask, worker_id: int) -> Claim | Enqueued:
        """Store one task and claim it in the same transaction; an ``Enqueued`` when its key was live already."""

    # -- working on them

    def add_worker(self, *, lease_seconds: float) -> int:
        """Register a worker of this process and give its random id."""

    def renew(self, worker_id: int, *, lease_seconds: float) -> bool:
        """Prolong a lease; False when it has lapsed and was taken away, after which nothing can be claimed with it."""

    def remove_worker(self, worker_id: int) -> None:
        """Give a lease back; what the worker still holds is queued again with its attempt taken back."""

    def rescue(self) -> int:
        """Release the tasks of every worker whose lease lapsed; the attempt has counted. Gives how many."""

    def claim(self, worker_id: int, strategy: ClaimingStrategy, types: Sequence[str], *, limit: int = 1) -> list[Claim]:
        """Claim up to ``limit`` ready tasks of these types in the strategy's order; what is due becomes ready first."""

    def claim_task(self, worker_id: int, task_id: int) -> Claim | None:
        """Claim this very task if it is ready or due, else None."""

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
        """Store items and follow-up tasks and complete the task; ``sources`` answered well and lose their strikes.

        A task that an earlier attempt stored items for is not ``empty``.
        """

    def checkpoint(
        self,
        claim: Claim,
        items: Sequence[Item],
        value: Any,
        *,
        suspect: str | None = None,
        follow_ups: Sequence[NewTask] = (),
    ) -> None:
        """Store the items and follow-up tasks so far together with the value that a retry will find."""

    def progress(self, claim: Claim, done: int, total: int | None, note: str | None) -> None:
        """Show how far a task is."""

    def fail(
        self, claim: Claim, error: ErrorInfo, *, retry_at: Microseconds | None, plugin_version: str | None = None
    ) -> None:
        """Record a failure, and schedule the retry or, without one, let the task die."""

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
        """Put a task off with its attempt taken back, and cool its source down.

        ``source`` is whom it waits for: when that is resumed or its pause ends, the task is due.
        """

    def release(self, claim: Claim, reason: str | None = None) -> None:
        """Put a task back as if it had not been claimed; ``reason`` is shown while it waits."""

    # -- looking

    def get(self, task_id: int) -> Task:
        """Give one task.

        Raises:
            TaskNotFoundError: No task has this id.
        """

    def tasks(self, which: TaskFilter) -> list[Task]:
        """List tasks, newest first."""

    def attempts(self, task_id: int) -> list[Attempt]:
        """Give the failures of a task, oldest first."""

    def items(self, which: ItemFilter) -> Generator[dict[str, Any], None, None]:
        """Give stored items as JSON objects, from one consistent snapshot; close it if it is left early."""

    def counts(self) -> dict[TaskStatus, int]:
        """Count tasks by state, every state included."""

    def waiting(self) -> dict[str, int]:
        """Count the queued and scheduled tasks by type."""

    def oldest_ready_at(self) -> Microseconds | None:
        """When the longest-waiting ready task became ready, or None."""

    def next_due_at(self, types: Sequence[str]) -> Microseconds | None:
        """When the next scheduled task of these types becomes due, or None."""

    def workers(self) -> list[WorkerInfo]:
        """List workers with their leases."""

    # -- sources

    def source(self, name: str) -> SourceState:
        """Give what is known of a source; an unknown one is free."""

    def sources(self) -> list[SourceState]:
        """List every source that ever cooled down or was paused."""

    def resume(self, name: str) -> None:
        """End a source's cool-down and pause, by hand."""

    def unpause(self, name: str) -> None:
        """End a source's pause because the settings changed; a cool-down goes on."""

    def counter(self, name: str) -> int:
        """Give one of the queue's own counters, such as ``stale_writes``."""

    def version(self) -> int:
        """A number that changes when another connection changes the queue; cheap enough to ask every few ms."""
