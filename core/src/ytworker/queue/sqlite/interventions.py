"""What people and the background do to tasks: cancel, queue again, delete. All in chunks, so that nobody waits long."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator

from ytworker.errors import StoreError
from ytworker.model import Microseconds, TaskStatus
from ytworker.queue.records import Purged, Requeued, TaskFilter
from ytworker.queue.sqlite import events
from ytworker.queue.sqlite.database import Database
from ytworker.queue.sqlite.schema import READY_KEYS, STATUS_CODES
from ytworker.queue.sqlite.tasks import list_ids

CHUNK = 500

_LIVE_ONES = """
SELECT id, attempt, owner, CASE status WHEN 1 THEN claimed_at END FROM task
 WHERE id IN (SELECT value FROM json_each(?)) AND status IN (0, 1, 2)
"""
# Whoever held it stays its owner, so that its late write can be told from that of a worker which lost its lease.
_CANCEL = "UPDATE task SET status = 5, at = ? WHERE id = ?"
_KEY_IS_TAKEN = """
EXISTS (SELECT 1 FROM body b JOIN live_key k ON k.type = b.type AND k.key = b.key WHERE b.id = task.id)
"""
_REQUEUE = f"""
UPDATE task SET status = 0, attempt = 0, at = ?, outcome = NULL, {READY_KEYS}
 WHERE id = ? AND status IN (4, 5) AND NOT {_KEY_IS_TAKEN}
"""
_ENDED = "SELECT 1 FROM task WHERE id = ? AND status IN (4, 5)"
_FOLLOWING = "SELECT id, status, at FROM task WHERE id > ? ORDER BY id LIMIT ?"
_STILL_ENDED = """
SELECT id FROM task WHERE id IN (SELECT value FROM json_each(?1)) AND at < ?2
   AND status IN (SELECT value FROM json_each(?3))
"""
_DELETE = tuple(
    f"DELETE FROM {table} WHERE {column} IN (SELECT value FROM json_each(?))"
    for table, column in (
        ("error", "task"), ("event", "task"), ("suspect_item", "task"), ("run", "id"), ("task", "id"), ("body", "id"),
    )
)  # fmt: skip

_ENDED_STATES = frozenset({TaskStatus.COMPLETED, TaskStatus.DEAD, TaskStatus.CANCELLED})
_LIVE = (TaskStatus.QUEUED, TaskStatus.SCHEDULED, TaskStatus.CLAIMED)
_ALWAYS: Microseconds = 2**63 - 1
_BURIED = (TaskStatus.DEAD, TaskStatus.CANCELLED)


def cancel(database: Database, which: TaskFilter, clock: Callable[[], Microseconds]) -> int:
    """End waiting and claimed tasks; the triggers free their keys and forget their runs."""
    return _in_steps("cancelled", _chunks(database, which, _LIVE), lambda ids: _cancel(database, ids, clock()))


def requeue(database: Database, which: TaskFilter, clock: Callable[[], Microseconds]) -> Requeued:
    """Queue dead and cancelled tasks again; the triggers take their keys again where those are free."""
    skipped: list[int] = []
    chunks = _chunks(database, which, _BURIED)
    done = _in_steps("queued again", chunks, lambda ids: _requeue(database, ids, skipped, clock()))
    return Requeued(done, len(skipped))


def delete(database: Database, which: TaskFilter) -> int:
    """Delete ended tasks with their history."""
    codes = {STATUS_CODES[state] for state in _ENDED_STATES}
    chunks = _chunks(database, which, _ENDED_STATES)
    return _in_steps("deleted", chunks, lambda ids: _delete(database, ids, _ALWAYS, codes))


def purge(database: Database, before: Microseconds, states: Collection[TaskStatus], after: int, limit: int) -> Purged:
    """Delete what ended long ago among the next tasks; the looking is outside of the write lock."""
    codes = {STATUS_CODES[state] for state in states if state in _ENDED_STATES}
    rows = database.execute(_FOLLOWING, (after, limit))
    old = [task_id for task_id, status, at in rows if status in codes and at is not None and at < before]
    deleted = _delete(database, old, before, codes) if old else 0
    return Purged(deleted, rows[-1][0] if len(rows) == limit else None)


def _in_steps(what: str, chunks: Iterable[list[int]], step: Callable[[list[int]], int]) -> int:
    """Do chunk by chunk, and say how many were done; an error that comes in between says it, too."""
    done = 0
    for ids in chunks:
        try:
            done += step(ids)
        except StoreError as error:
            if not done:
                raise
            msg = f"{error}. Before that {done:,} tasks were {what} and stay so; the same command goes on from there"
            raise type(error)(msg) from error
    return done


def _cancel(database: Database, ids: list[int], now: Microseconds) -> int:
    with database.write():
        rows = database.execute(_LIVE_ONES, (json.dumps(ids),))
        for task_id, attempt, owner, claimed_at in rows:
            database.change(_CANCEL, (now, task_id))
            ended = events.Attempt(owner, claimed_at, attempt)
            events.record(database, "cancelled", task_id, now, attempts=attempt, ends=ended)
    return len(rows)


def _requeue(database: Database, ids: list[int], skipped: list[int], now: Microseconds) -> int:
    done, taken = 0, []
    with database.write():
        for task_id in ids:  # one by one, since each may take the key of the next
            if database.change(_REQUEUE, (now, task_id)):
                database.rings = True
                events.record(database, "requeued", task_id, now, attempts=0)
                done += 1
            elif database.execute(_ENDED, (task_id,)):
                taken.append(task_id)
    skipped += taken
    return done


def _delete(database: Database, ids: list[int], before: Microseconds, codes: Collection[int]) -> int:
    with database.write():
        values = (json.dumps(ids), before, json.dumps(sorted(codes)))
        still = [task_id for (task_id,) in database.execute(_STILL_ENDED, values)]
        for statement in _DELETE:
            database.change(statement, (json.dumps(still),))
    return len(still)


def _chunks(database: Database, which: TaskFilter, states: Collection[TaskStatus]) -> Iterator[list[int]]:
    """Give the ids of a filter in chunks, newest first, each looked up when it is its turn."""
    left, below = which.limit, None
    while left is None or left > 0:
        size = CHUNK if left is None else min(CHUNK, left)
        ids = list_ids(database, which, states, below=below, limit=size)
        if not ids:
            return
        yield ids
        below = ids[-1]
        left = None if left is None else left - len(ids)
