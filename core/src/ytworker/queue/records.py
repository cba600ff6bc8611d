"""What callers and backends hand each other: frozen records, each a question or an answer of the queue."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ytworker.model import (
    Claim,
    Doubted,
    ErrorClass,
    ErrorInfo,
    Item,
    Microseconds,
    NewTask,
    Outcome,
    TaskStatus,
)
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
    """A worker that holds a lease; ``id`` is random per start, ``foreground`` is who goes again after its own task."""

    id: int
    host: str
    pid: int
    version: str
    started_at: Microseconds
    seen_at: Microseconds
    lease_until: Microseconds
    foreground: bool = False


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
        apart: More items, doubted one by one; they are kept apart, too.
        sources: Who answered well, and loses its strikes and its pause.
        follow_ups: The tasks that it asked for.
        settings: Digest of the settings that it ran under: a pause for others stays, because those may still be wrong.
            None ends a pause for any.
    """

    claim: Claim
    outcome: Outcome
    items: Sequence[Item] = ()
    suspect: str | None = None
    apart: Sequence[Doubted] = ()
    sources: Collection[str] = ()
    follow_ups: Sequence[NewTask] = ()
    settings: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An attempt that failed: scheduled again for ``retry_at``; without one, or with no attempt left, a dead letter.

    What it found and nobody may take for data (``apart``) is kept apart.
    """

    claim: Claim
    error: ErrorInfo
    retry_at: Microseconds | None
    plugin_version: str | None = None
    apart: Sequence[Doubted] = ()


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

    With ``suspect`` those come that were kept apart, the latest first: as they were yielded, with ``observed_at``, the
    ``reason`` and the id of the task.
    """

    task_id: int | None = None
    task_type: str | None = None
    source: str | None = None
    kind: str | None = None
    limit: int | None = None
    suspect: bool = False
