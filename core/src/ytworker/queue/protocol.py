"""What every queue backend can do, whatever it stores its tasks in.

A backend is a class that is called with the queue's URL and keyword options, and that an entry point in the group
``ytworker.queues`` names after the URL scheme it serves.

Every method either takes effect as a whole and durably before it returns, or raises and changes nothing. Methods that
take a :class:`~ytworker.model.Claim` are fenced: they raise :class:`~ytworker.errors.StaleClaimError` and change
nothing when the claim no longer holds its task.
"""

from collections.abc import Collection, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

from ytworker.model import (
    Claim,
    Doubted,
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
from ytworker.queue.records import (
    Attempt,
    ClaimRequest,
    CoolDown,
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
from ytworker.queue.strategies import ClaimingStrategy


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

    def add_worker(self, *, lease_seconds: float, foreground: bool = False) -> int:
        """Register a worker of this process and give its random id.

        Args:
            lease_seconds: How long its lease holds.
            foreground: Whether it comes for a task of its own and goes again; it does not show that a worker lives.
        """

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
        all the same. A failure of the last attempt is a dead letter, whatever ``retry_at`` says. An order that is not
        offered gives no claims here, and the endings stand. Any other error undoes the whole.
        """

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
        settings: str | None = None,
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

    def counts_by_type(self) -> dict[str, dict[TaskStatus, int]]:
        """Count tasks by type and state; a type that no task has any more may be there with nothing."""

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

    def hesitate(self, source: str, claim: Claim) -> None:
        """Close the source to all but this claim for as long as it has its place: a request of it failed.

        That may be a refusal, whose cool-down is written when the attempt ends. Of several such claims the one with the
        lowest task goes on, or they would wait for each other for ever.
        """

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
        """Give a counter; one that never counted is 0.

        The queue's own: ``stale_writes``, ``lapsed_leases``, ``rescued`` tasks, ``parked`` unreadable tasks. Where its
        callers share a lock, ``busy`` counts how often one had to wait for it, and ``claim_conflicts`` how often that
        was for a claim. In the transaction that stores them it counts new tasks
        (:func:`~ytworker.queue.counts_of_enqueued`) and what items changed (:func:`~ytworker.queue.counts_of_items`).
        """

    def count(
        self, counts: Mapping[str, int], *, latest: Mapping[str, int] | None = None, forget: Collection[str] = ()
    ) -> None:
        """Let counters of callers rise, all in one transaction; metrics read them.

        Args:
            counts: By how much each rises.
            latest: What each is at least from now on, such as the moment of a success.
            forget: Beginnings of names: the counters that have one are deleted first.
        """

    def counters(self, prefix: str) -> dict[str, int]:
        """Give every counter whose name begins with ``prefix``."""

    def version(self) -> int:
        """A number that changes when another connection changes the queue; cheap enough to ask every few ms."""


class Waker(Protocol):
    """What one waiting worker sleeps on: it becomes readable when somebody commits work that is ready.

    It may also wake for nothing, and it may miss something: whoever waits still looks at
    :meth:`TaskQueue.version` now and then.
    """

    def fileno(self) -> int:
        """Give the descriptor, for a selector."""

    def clear(self) -> None:
        """Take in what woke it, without waiting; look for work after this and not before."""

    def close(self) -> None:
        """Wake no more; safe to call twice."""


@runtime_checkable
class QueueWakes(Protocol):
    """What a backend offers that can wake a worker at once: by a doorbell, by LISTEN and NOTIFY."""

    def waker(self) -> Waker | None:
        """Wake the caller from now on, after every commit that makes a task ready or due at another time.

        Commits of every process count, and those of this very handle. None where this store has no means for it.
        """


@runtime_checkable
class QueueHurries(Protocol):
    """What a backend offers that may wait for a store that is locked, or does not answer."""

    def hurry(self, seconds: float) -> None:
        """Wait no longer than that, from now on: whoever wanted it wants to leave.

        This counts for all handles that this one was connected to or from, and for a wait that is going on. It may be
        called at any time, also in a signal's handler.
        """


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
