"""Task events: who changed what and when, in the transaction of the change.

The usual course of a task costs nothing. When it was enqueued stands in its body; who claimed it last and when, and
that it was completed, stands in its row. Only what would be overwritten there gets a row here: when an attempt ends in
another way than by completion, its claim and its ending are written together.
"""

from dataclasses import dataclass
from typing import Any

from ytworker.model import Claim, Microseconds, Outcome
from ytworker.queue.history import EVENTS_AT_LEAST, UNCOUNTED
from ytworker.queue.records import Event
from ytworker.queue.sqlite.database import Database
from ytworker.queue.sqlite.schema import OUTCOMES

_NEXT = "(SELECT coalesce(max(no), 0) + 1 FROM event WHERE task = ?1)"
_ADD = f"INSERT INTO event (task, no, at, kind, worker, attempt, note) VALUES (?1, {_NEXT}, ?2, ?3, ?4, ?5, ?6)"
# A claim that led to nothing, and what followed it, from the middle of a long history.
_OLDEST_SPARE = f"""
SELECT min(one.no) FROM event one JOIN event next ON next.task = one.task AND next.no = one.no + 1
 WHERE one.task = ?1 AND one.no > {EVENTS_AT_LEAST} AND one.kind = 'claimed' AND next.kind IN {UNCOUNTED}
"""
_TRIM = f"""
DELETE FROM event WHERE task = ?1 AND no - ({_OLDEST_SPARE}) IN (0, 1)
   AND (SELECT count(*) FROM event WHERE task = ?1) > {2 * EVENTS_AT_LEAST}
"""
_CREATED = "SELECT created_at FROM body WHERE id = ?"
_LIST = "SELECT at, kind, worker, attempt, note FROM event WHERE task = ? ORDER BY no"
_ROW = """
SELECT status, at, claimed_at, owner, attempt, outcome FROM task
 WHERE id = ? AND status IN (1, 3) AND claimed_at IS NOT NULL
"""
_COMPLETED = 3


@dataclass(frozen=True, slots=True)
class Attempt:
    """A claim that is about to be overwritten: whose it was, since when, and the number of the attempt."""

    worker_id: int | None
    claimed_at: Microseconds | None
    number: int


def attempt_of(claim: Claim) -> Attempt:
    """Give what a claim would leave behind."""
    return Attempt(claim.worker_id, claim.task.started_at, claim.task.attempt)


def record(
    database: Database,
    kind: str,
    task_id: int,
    now: Microseconds,
    *,
    attempts: int,
    ends: Attempt | None = None,
    note: str | None = None,
) -> None:
    """Record one change of a task, inside a transaction of the caller's.

    Args:
        database: The queue.
        kind: What happened, see :class:`ytworker.queue.Event`.
        task_id: The task.
        now: When.
        attempts: How many attempts have counted afterwards.
        ends: The attempt that it ended, whose claim is recorded before it; None when nobody had the task.
        note: The error class or the reason.
    """
    if not database.events:
        return
    worker_id = None
    if ends is not None and ends.claimed_at is not None:
        worker_id = ends.worker_id
        database.change(_ADD, (task_id, ends.claimed_at, "claimed", worker_id, ends.number, None))
    by_worker = worker_id if kind in _BY_WORKERS else None
    database.change(_ADD, (task_id, now, kind, by_worker, attempts, note))
    if kind in UNCOUNTED:
        database.change(_TRIM, (task_id,))


_BY_WORKERS = frozenset({"retried", "deferred", "returned", "rescued", "died"})


def list_events(database: Database, task_id: int) -> list[Event]:
    """Read the changes of a task, oldest first."""
    told: list[tuple[Any, ...]] = [(at, "enqueued", None, 0, None) for (at,) in database.execute(_CREATED, (task_id,))]
    told += database.execute(_LIST, (task_id,))
    for status, at, claimed_at, owner, attempt, outcome in database.execute(_ROW, (task_id,)):
        told.append((claimed_at, "claimed", owner, attempt, None))
        if status == _COMPLETED:
            told.append((at, "completed", owner, attempt, OUTCOMES.get(outcome, Outcome.SUSPECT).value))
    return [
        Event(task_id=task_id, at=at, kind=kind, worker_id=worker, attempt=attempt, note=note)
        for at, kind, worker, attempt, note in told
    ]
