"""Claiming: one statement, one winner.

The claim is a single UPDATE whose subquery seeks the head of one index per task type, so its cost does not grow with
the number of queued tasks. ``INDEXED BY`` is a promise to ourselves: over several types the planner's own choice scans.
"""

import json
from collections.abc import Sequence
from functools import lru_cache

from ytworker.model import Claim, Microseconds, NewTask
from ytworker.queue.protocol import Enqueued
from ytworker.queue.sqlite.database import Database
from ytworker.queue.sqlite.tasks import get_task
from ytworker.queue.strategies import ClaimingStrategy, FIFOStrategy, LIFOStrategy

_PROMOTED_AT_ONCE = 200

_ORDERS = {FIFOStrategy.name: "ASC", LIFOStrategy.name: "DESC"}

_TYPE = "SELECT id FROM task_type WHERE name = ?"
_ADD_TYPE = "INSERT INTO task_type (name) VALUES (?) ON CONFLICT DO NOTHING"
_LIVE = "SELECT id FROM live_key WHERE type = ? AND key = ?"
_ADD_KEY = "INSERT INTO live_key (type, key, id) VALUES (?, ?, ?)"
_ADD_BODY = """
INSERT INTO body (type, created_at, max_attempts, timeout_seconds, key, params) VALUES (?, ?, ?, ?, ?, ?)
"""
_ADD_STATE = "INSERT INTO state (id, type, status, priority, at) VALUES (?, ?, ?, ?, ?)"

_ANYTHING_DUE = "SELECT 1 FROM state INDEXED BY due WHERE status = 2 AND at <= ? LIMIT 1"
_PROMOTE = f"""
UPDATE state SET status = 0 WHERE id IN (
  SELECT id FROM state INDEXED BY due WHERE status = 2 AND at <= ? ORDER BY at LIMIT {_PROMOTED_AT_ONCE})
"""
# A worker whose lease was taken away must not claim: nobody would ever rescue what it then holds.
_CLAIM_TASK = """
UPDATE state SET status = 1, attempt = attempt + 1, fence = fence + 1, owner = ?1, at = ?2
 WHERE id = ?3 AND (status = 0 OR status = 2 AND at <= ?2) AND EXISTS (SELECT 1 FROM worker WHERE id = ?1)
RETURNING id, fence
"""
_CHECKPOINT = "SELECT checkpoint FROM run WHERE id = ?"
_NEXT_DUE = "SELECT min(at) FROM state INDEXED BY due WHERE status = 2 AND type IN (SELECT value FROM json_each(?))"


def enqueue_task(database: Database, task: NewTask, now: Microseconds) -> Enqueued:
    """Store one task, inside a transaction of the caller's."""
    type_id = type_number(database, task.type)
    if task.key is not None:
        live = database.execute(_LIVE, (type_id, task.key))
        if live:
            return Enqueued(live[0][0], created=False)
    body = (
        type_id,
        now,
        task.max_attempts,
        task.timeout_seconds,
        task.key,
        json.dumps(dict(task.params), allow_nan=False),
    )
    task_id = database.insert(_ADD_BODY, body)
    later = task.run_at is not None and task.run_at > now
    database.change(_ADD_STATE, (task_id, type_id, 2 if later else 0, task.priority, task.run_at if later else now))
    if task.key is not None:
        database.change(_ADD_KEY, (type_id, task.key, task_id))
    return Enqueued(task_id, created=True)


def type_number(database: Database, name: str) -> int:
    """Give the number of a task type, inside a transaction of the caller's."""
    rows = database.execute(_TYPE, (name,))
    return int(rows[0][0]) if rows else database.insert(_ADD_TYPE, (name,))


def promote(database: Database, now: Microseconds) -> int:
    """Make what is due ready, some at a time, and say how many; when nothing is, this is one seek and no write."""
    return database.change(_PROMOTE, (now,)) if database.execute(_ANYTHING_DUE, (now,)) else 0


def claim_next(
    database: Database,
    worker_id: int,
    strategy: ClaimingStrategy,
    types: Sequence[str],
    now: Microseconds,
) -> Claim | None:
    """Claim the head of the order, or nothing."""
    numbers = _numbers(database, types)
    if not numbers:
        return None
    if not database.execute(_ANYTHING_DUE, (now,)):
        return _claim_head(database, worker_id, strategy, numbers, now)
    with database.write():
        promote(database, now)
        return _claim_head(database, worker_id, strategy, numbers, now)


def claim_many(
    database: Database,
    worker_id: int,
    strategy: ClaimingStrategy,
    types: Sequence[str],
    now: Microseconds,
    limit: int,
) -> list[Claim]:
    """Claim up to ``limit`` heads of the order, inside a transaction of the caller's."""
    numbers = _numbers(database, types)
    claims: list[Claim] = []
    if numbers:
        promote(database, now)
    while numbers and len(claims) < limit:
        claim = _claim_head(database, worker_id, strategy, numbers, now)
        if claim is not None:
            claims.append(claim)
        elif not promote(database, now):
            break
    return claims


def _claim_head(
    database: Database, worker_id: int, strategy: ClaimingStrategy, numbers: Sequence[int], now: Microseconds
) -> Claim | None:
    rows = database.execute(_claim_sql(strategy.name, len(numbers)), (worker_id, now, *numbers))
    return claim_of(database, worker_id, *rows[0]) if rows else None


def _numbers(database: Database, types: Sequence[str]) -> list[int]:
    return [row[0] for name in types for row in database.execute(_TYPE, (name,))]


def claim_one(database: Database, worker_id: int, task_id: int, now: Microseconds) -> Claim | None:
    """Claim this very task if it is ready or due."""
    rows = database.execute(_CLAIM_TASK, (worker_id, now, task_id))
    return claim_of(database, worker_id, *rows[0]) if rows else None


def claim_of(database: Database, worker_id: int, task_id: int, fence: int) -> Claim:
    """Read what a fresh claim holds; safe outside its transaction, since only the claimant may change it now."""
    rows = database.execute(_CHECKPOINT, (task_id,))
    checkpoint = json.loads(rows[0][0]) if rows and rows[0][0] is not None else None
    return Claim(task=get_task(database, task_id), worker_id=worker_id, fence=fence, checkpoint=checkpoint)


def next_due_at(database: Database, types: Sequence[str]) -> Microseconds | None:
    """Find when the next scheduled task of these types becomes due."""
    numbers = _numbers(database, types)
    ((due,),) = database.execute(_NEXT_DUE, (json.dumps(numbers),))
    return due if due is None else int(due)


@lru_cache(maxsize=64)
def _claim_sql(order: str, types: int) -> str:
    direction = _ORDERS.get(order)
    if direction is None:
        msg = f"this queue has no index for the claim order {order!r}; it offers: {', '.join(sorted(_ORDERS))}"
        raise ValueError(msg)
    heads = " UNION ALL ".join(
        f"SELECT id FROM (SELECT id FROM state INDEXED BY ready_id WHERE status = 0 AND type = ?{3 + number} "
        f"ORDER BY id {direction} LIMIT 1)"
        for number in range(types)
    )
    return (
        "UPDATE state SET status = 1, attempt = attempt + 1, fence = fence + 1, owner = ?1, at = ?2 "
        f"WHERE id = (SELECT id FROM ({heads}) ORDER BY id {direction} LIMIT 1) "
        "AND EXISTS (SELECT 1 FROM worker WHERE id = ?1) RETURNING id, fence"
    )
