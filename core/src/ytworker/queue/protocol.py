"""What every queue backend can do, whatever it stores its tasks in.

A backend is a class that is called with the queue's URL and keyword options, and that an entry point in the group
``ytworker.queues`` names after the URL scheme it serves.

Every method either takes effect as a whole and durably before it returns, or raises and changes nothing. Methods that
take a :class:`~ytworker.model.Claim` are fenced: they raise :class:`~ytworker.errors.StaleClaimError` and change
nothing when the claim no longer holds its task.
"""

from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

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
from ytworker.pacing import Admission, Ask, Quota, Reserved, SourceUse
from ytworker.queue.strategies import ClaimingStrategy


@dataclass(frozen=True, slots=True)
class Enqueued:
    """What became of one enqueued task.

    Attributes:
        id: The task.
        created: False when a task with its key was there; then ``id`` is that task.
        changed: Whether that task took over the parameters or the priority.
    """

    id: int
    created: bool
    changed: bool = False


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
class Completion:
    """A task that ended well.

    Attributes:
        claim: The right to say so.
        outcome: How it ended; a task that an earlier attempt stored items for is not ``empty``.
        items: What it found since its last checkpoint.
        suspect: Why the items are doubted and kept apart, or None.
        sources: Who answered well, and loses its strikes and its pause.
        follow_ups: The tasks that it asked for.
    """

    claim: Claim
    outcome: Outcome
    items: Sequence[Item] = ()
    suspect: str | None = None
    sources: Collection[str] = ()
    follow_ups: Sequence[NewTask] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An attempt that failed: scheduled again for ``retry_at``; without one, or with no attempt left, a dead letter."""

    claim: Claim
    error: ErrorInfo
    retry_at: Microseconds | None
    plugin_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferral:
    """A task that is put off with its attempt taken back, and its source cooled down.

    Attributes:
        claim: The right to say so.
        until: When it becomes due.
        reason: Shown while it waits.
        source: Whom it waits for: when that is resumed or its pause ends, the task is due.
        error: A failure to remember, or None.
        cool_down: What its source goes through, or None.
        plugin_version: Of the plugin that ran.
    """

    claim: Claim
    until: Microseconds
    reason: str
    source: str | None = None
    error: ErrorInfo | None = None
    cool_down: CoolDown | None = None
    plugin_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """A task that is queued again as if it had not been claimed; ``reason`` is shown while it waits."""

    claim: Claim
    reason: str | None = None


Ending = Completion | Failure | Deferral | Return


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRequest:
    """Up to ``limit`` ready tasks of these types for a worker, in the order of a strategy."""

    worker_id: int
    strategy: ClaimingStrategy
    types: Sequence[str]
    limit: int = 1


@dataclass(frozen=True, slots=True)
class Settled:
    """What :meth:`TaskQueue.settle` did: the fresh claims, and the endings that came too late and changed nothing."""

    claims: list[Claim]
    stale: list[Ending]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Which tasks, newest first; None means any, and an empty collection means none.

    Attributes:
        ids: These very tasks.
        states: In one of these states.
        types: Of one of these types.
        error_classes: Whose latest failure is of one of these classes.
        fingerprints: Whose latest failure has one of these fingerprints.
        ended_before: That ended before this moment.
        ended_since: That ended at this moment or later.
        limit: At most so many.
    """

    ids: Collection[int] | None = None
    states: Collection[TaskStatus] | None = None
    types: Collection[str] | None = None
    error_classes: Collection[ErrorClass] | None = None
    fingerprints: Collection[str] | None = None
    ended_before: Microseconds | None = None
    ended_since: Microseconds | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Requeued:
    """How many ended tasks were queued again, and how many were left because their key is taken by a live task."""

    count: int
    skipped: int


@dataclass(frozen=True, slots=True)
class Purged:
    """How many ended tasks a step of a purge deleted, and the id after which to go on (None at the end)."""

    count: int
    next: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One change of a task: who, when, what.

    Attributes:
        task_id: The task.
        at: When.
        kind: What, as one word: ``enqueued``, ``changed``, ``claimed``, ``completed``, ``retried``, ``deferred``,
            ``returned``, ``rescued``, ``died``, ``cancelled`` or ``requeued``.
        worker_id: Which worker did it; None for whoever enqueues, cancels and requeues.
        attempt: How many attempts had counted afterwards.
        note: The outcome, the error class or the reason.
    """

    task_id: int
    at: Microseconds
    kind: str
    worker_id: int | None
    attempt: int
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that :meth:`QueueCare.check` found.

    Attributes:
        code: A stable word, such as ``orphan_key``.
        message: What is wrong, and what to do about it.
        count: How many rows are concerned.
        examples: Some of their ids.
        repaired: Whether it has been put right.
    """

    code: str
    message: str
    count: int = 1
    examples: Sequence[int] = ()
    repaired: bool = False


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
        """Claim up to ``limit`` ready tasks of these types in the strategy's order; what is due becomes ready first.

        Where thousands are due at the same moment a claim need not make all of them ready before it chooses: it makes
        ready the longest due, and as many as it needs.

        A task that cannot be read any more is not given: it becomes a dead letter that says why.

        Raises:
            ValueError: This queue does not offer the order.
        """

    def claim_task(self, worker_id: int, task_id: int) -> Claim | None:
        """Claim this very task if it is ready or due, else None."""

    def settle(self, endings: Sequence[Ending], then: ClaimRequest | None = None) -> Settled:
        """End any number of attempts and claim the next tasks, all in one transaction.

        An ending whose claim no longer holds changes nothing, is counted and comes back in ``stale``; the others count
        all the same. Any other error undoes the whole.
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

    def holds(self, claim: Claim) -> bool:
        """Tell whether a claim still holds its task; cheap enough to ask every second."""

    # -- working on them, one at a time: each is a `settle` that raises StaleClaimError

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
        """Complete a task; see :class:`Completion`."""

    def fail(
        self, claim: Claim, error: ErrorInfo, *, retry_at: Microseconds | None, plugin_version: str | None = None
    ) -> None:
        """Record a failure; see :class:`Failure`."""

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
        """Put a task off; see :class:`Deferral`."""

    def release(self, claim: Claim, reason: str | None = None) -> None:
        """Put a task back; see :class:`Return`."""

    # -- by people and in the background

    def cancel(self, which: TaskFilter) -> int:
        """End waiting and claimed tasks as cancelled, in chunks, and say how many.

        Whoever works on one finds out with its next write, which is refused, or by asking :meth:`holds`.
        """

    def requeue(self, which: TaskFilter) -> Requeued:
        """Queue dead and cancelled tasks again with all their attempts before them, in chunks; their history stays."""

    def delete(self, which: TaskFilter) -> int:
        """Delete ended tasks with their history, in chunks, and say how many; items stay, as with :meth:`purge`."""

    def purge(
        self, before: Microseconds, states: Collection[TaskStatus], *, after: int = 0, limit: int = 1000
    ) -> Purged:
        """Delete tasks that ended in one of these states before a moment, with their history; items stay.

        One step looks at the ``limit`` tasks that follow the id ``after`` and is short enough for the background.
        """

    # -- orders

    def orders(self) -> frozenset[str]:
        """Name the orders that can be claimed by."""

    def offer(self, orders: Collection[str]) -> None:
        """Narrow or widen the orders; fifo and lifo are always offered, since the others stand on them.

        A new order is filled in chunks while the queue goes on, and offered when it is complete. One that was cut off
        is gone on with at the next call.
        """

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

    def events(self, task_id: int) -> list[Event]:
        """Give the changes of a task, oldest first, as far as they were recorded."""

    def counts(self) -> dict[TaskStatus, int]:
        """Count tasks by state, every state included; the counts are kept, no task is looked at."""

    def waiting(self) -> dict[str, int]:
        """Count the queued and scheduled tasks by type."""

    def oldest_ready_at(self) -> Microseconds | None:
        """When the longest-waiting ready task became ready, or None.

        Looks at the first in line of each type only, so that asking is cheap; a task that was retried lately may hide
        one behind it.
        """

    def next_due_at(self, types: Sequence[str]) -> Microseconds | None:
        """When the next scheduled task of these types becomes due, or None."""

    def workers(self) -> list[WorkerInfo]:
        """List workers with their leases."""

    # -- sources

    def source(self, name: str) -> SourceState:
        """Give what is known of a source; an unknown one is free."""

    def sources(self) -> list[SourceState]:
        """List every source that ever cooled down or was paused."""

    def pause(self, name: str, until: Microseconds, reason: str) -> None:
        """Pause a source by hand: nobody asks it before ``until``, whatever the settings are.

        Only :meth:`resume` and another pause by hand end or change it; a pause that a task found out about takes its
        place only where it lasts longer.
        """

    def resume(self, name: str) -> None:
        """End a source's cool-down and pause, by hand; what waits for it is due."""

    def unpause(self, name: str) -> None:
        """End a source's pause because the settings changed; a cool-down and a pause by hand go on."""

    # -- budgets

    def admit(self, ask: Ask) -> Admission:
        """Let a request go, or say how long to wait or that nobody asks its source; all in one transaction.

        Every process shares what is spent: at its turn a request is at least ``interval`` behind in the mean, no hour
        has more than ``per_hour`` of them, and no more than ``in_flight`` places are held. The turn that was paid for
        stays spent, also when its process dies. A clock that is set back changes no wait and gives nothing away.

        A place belongs to a claim, and one of a source is the most that a claim has. It is free as soon as the claim
        does not hold its task any more or its worker's lease lapses, and so in the very transaction that ends an
        attempt and cools its source down.

        Raises:
            StaleClaimError: The claim that is to hold a place does not hold its task any more. Nothing was paid.
        """

    def leave(self, source: str, claim: Claim) -> None:
        """Give a claim's place in flight back, if it has one."""

    def reserve(self, source: str, quota: Quota, cost: int, *, settings: str | None = None) -> Reserved:
        """Take units of a daily quota if they suffice and the source may be asked; see :class:`Ask` for ``settings``.

        What was taken stays taken until the reset, also when its process dies.
        """

    def exhaust(self, source: str, quota: Quota) -> None:
        """Leave nothing of a daily quota until its reset."""

    def quota_used(self, source: str, quota: Quota) -> int:
        """Say how many units of a daily quota are used; nothing is written."""

    def usage(self) -> list[SourceUse]:
        """Say how much every source is asked that ever was, by name."""

    def counter(self, name: str) -> int:
        """Give one of the queue's own counters: ``stale_writes``, ``rescued`` tasks, ``parked`` unreadable tasks."""

    def version(self) -> int:
        """A number that changes when another connection changes the queue; cheap enough to ask every few ms."""


@runtime_checkable
class QueueFacts(Protocol):
    """What a backend may tell of its store, for people and metrics; every part of it is optional."""

    def facts(self) -> Mapping[str, str | int]:
        """Give what is known, such as ``file``, ``file_system``, ``journal_mode``, ``bytes`` and ``free_bytes``."""


@runtime_checkable
class QueueCare(Protocol):
    """What a backend with a store of its own offers for its care; a backend on a server leaves it to the server."""

    def check(self, *, repair: bool = False) -> list[Problem]:
        """Look for damage and for broken invariants; ``repair`` mends what can be mended without guessing."""

    def backup(self, target: Path, *, force: bool = False) -> None:
        """Write a consistent copy while the queue goes on; the copy appears whole or not at all."""

    def restore(self, source: Path) -> None:
        """Replace everything by a backup, in one transaction."""

    def vacuum(self) -> tuple[int, int]:
        """Give unused space back to the file system; gives the size in bytes before and afterwards."""
