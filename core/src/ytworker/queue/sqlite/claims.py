"""Claiming: one statement, one winner, in any of four orders.

The claim is a single UPDATE whose subquery seeks the head of one index per task type, so its cost does not grow with
the number of queued tasks. ``INDEXED BY`` is a promise to ourselves: over several types the planner's own choice scans.

Weighted random is an exponential clock. A task that becomes ready gets the key ``clock + Exp(1) / weight``; the claim
takes the smallest key and moves the clock there. Exponential waits have no memory: given that a key is still ahead of
the clock, what is left of it is again ``Exp(1) / weight``. So the next winner is task i with the probability
``weight_i / sum of weights``, exactly, whatever was added, cancelled or claimed in another order in between, and the
k smallest keys are a sample of k without replacement. Each type has a clock of its own; over several types what is left
is compared, and all their clocks move by what was left of the winner.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache

from ytworker.errors import OrderNotOfferedError
from ytworker.model import SECOND, Claim, Microseconds, Task, TaskStatus
from ytworker.queue.payload import decode_json
from ytworker.queue.records import ClaimRequest
from ytworker.queue.sqlite.database import Database, Row
from ytworker.queue.sqlite.parking import park
from ytworker.queue.sqlite.schema import FLAG_ERRORS, FLAG_RUN, READY_KEYS
from ytworker.queue.sqlite.tasks import NO_ROWID, get_task
from ytworker.queue.strategies import (
    AGED_SHARE,
    ClaimingStrategy,
    FIFOStrategy,
    LIFOStrategy,
    PriorityStrategy,
    WeightedRandomStrategy,
)

PROMOTED_AT_ONCE = 200
"""Tasks of all types together that one look makes ready: others wait for the write lock meanwhile."""

MANY_TYPES = 8
"""From here on a claim asks for the types by a join: a statement with a part for each would have to be built and
planned for each number of them, and SQLite takes 500 parts at most."""

AGED_WINDOW = 256
"""Tasks that one look for an aged one passes by; the next look goes on after them."""

_HEADS = {
    FIFOStrategy.name: """
SELECT id, id AS place FROM task INDEXED BY ready_id
 WHERE status = 0 AND type = {type} ORDER BY id LIMIT ?3""",
    LIFOStrategy.name: """
SELECT id, -id AS place FROM task INDEXED BY ready_id
 WHERE status = 0 AND type = {type} ORDER BY id DESC LIMIT ?3""",
    PriorityStrategy.name: """
SELECT id, rank AS place FROM task INDEXED BY ready_priority
 WHERE status = 0 AND rank IS NOT NULL AND type = {type} ORDER BY rank, id LIMIT ?3""",
    WeightedRandomStrategy.name: """
SELECT id, weight_key - (SELECT clock FROM task_type WHERE name = {name}) AS place FROM task INDEXED BY ready_weight
 WHERE status = 0 AND weight_key IS NOT NULL AND type = {type} ORDER BY weight_key LIMIT ?3""",
}
"""The first of one type in each order; FIFO and LIFO share an index that is always there."""

_TAKES = {
    FIFOStrategy.name: ("ready_id", "TRUE", "id", "t.id"),
    LIFOStrategy.name: ("ready_id", "TRUE", "id DESC", "t.id DESC"),
    PriorityStrategy.name: ("ready_priority", "rank IS NOT NULL", "rank, id", "t.rank, t.id"),
    WeightedRandomStrategy.name: (
        "ready_weight", "weight_key IS NOT NULL", "weight_key", "t.weight_key - y.clock",
    ),
}  # fmt: skip
"""For many types: the index, what makes it fit, the order within a type, and the order over the first of each."""

_AGED = f"""
SELECT id, at FROM task INDEXED BY ready_id
 WHERE status = 0 AND type = (SELECT id FROM task_type WHERE name = ?1) AND id > ?2 ORDER BY id LIMIT {AGED_WINDOW}
"""

# What a claim holds comes back with it: a second statement would cost more. As bytes, since a damaged text must not
# stop the fetch of the others.
_NAME = "(SELECT name FROM task_type WHERE id = task.type)"
_HELD = """
(SELECT CAST(params AS BLOB) FROM body WHERE id = task.id),
(SELECT max_attempts FROM body WHERE id = task.id), (SELECT timeout_seconds FROM body WHERE id = task.id),
(SELECT created_at FROM body WHERE id = task.id), (SELECT key FROM body WHERE id = task.id),
(SELECT depth FROM body WHERE id = task.id), at
"""
_RESIDUAL = "weight_key - (SELECT clock FROM task_type WHERE id = task.type)"
_OFFERED = "SELECT 1 FROM claim_order WHERE name = ? AND filling AND complete"

_PROMOTE = f"""
UPDATE task SET status = 0, {READY_KEYS} WHERE id IN (
  SELECT id FROM task INDEXED BY due WHERE status = 2 AND type = (SELECT id FROM task_type WHERE name = ?1)
     AND at <= ?2 ORDER BY at LIMIT ?3)
"""
_ADVANCE = "UPDATE task_type SET clock = clock + ?1 WHERE name = ?2"
_REWIND = "UPDATE task_type SET clock = 0 WHERE name = ? AND clock > 0 AND queued = 0"
# A worker whose lease was taken away must not claim: nobody would ever rescue what it then holds.
_CLAIM_TASK = f"""
UPDATE task SET status = 1, attempt = attempt + 1, fence = fence + 1, owner = ?1, claimed_at = ?2, reserve = NULL
 WHERE id = ?3 AND (status = 0 OR status = 2 AND at <= ?2)
   AND EXISTS (SELECT 1 FROM worker WHERE id = ?1 AND NOT lost)
RETURNING id, fence, attempt, priority, flags, NULL, {_NAME}, {_HELD}
"""
_STORED = "SELECT count(*) FROM hit WHERE task = ?"
_CHECKPOINT = "SELECT CAST(checkpoint AS BLOB) FROM run WHERE id = ?"
_NEXT_DUE = """
SELECT min(at) FROM task INDEXED BY due WHERE status = 2 AND type = (SELECT id FROM task_type WHERE name = ?)
"""
_TYPES = "SELECT name FROM task_type"


def claim_next(database: Database, request: ClaimRequest, now: Microseconds) -> list[Claim]:
    """Claim the first of the order; where none of them can be read they are parked, and the next ones come."""
    while request.limit > 0 and request.types:
        busy = database.busy
        try:
            rows = _first_rows(database, request, now)
        finally:
            count_conflict(database, busy)
        claims = read_claims(database, request.worker_id, rows, now)
        if claims or not rows:
            return claims
    return []


def count_conflict(database: Database, before: int) -> None:
    """Count a claim that met the lock of another since ``database.busy`` was ``before``."""
    if database.busy > before:
        database.uncounted["claim_conflicts"] += 1


def claim_rows(database: Database, request: ClaimRequest, now: Microseconds) -> list[Row]:
    """Claim inside a transaction of the caller's; :func:`read_claims` gives the claims after its commit.

    The caller's other business must not fail for it, so an order that is not offered gives nothing here.
    """
    with suppress(OrderNotOfferedError):
        return _take(database, request, now) if request.types and request.limit > 0 else []
    return []


def _first_rows(database: Database, request: ClaimRequest, now: Microseconds) -> list[Row]:
    simple = request.strategy.name != WeightedRandomStrategy.name and request.strategy.aging_seconds is None
    if simple and (request.limit == 1 or len(request.types) < MANY_TYPES):
        rows = _claim_heads(database, request, request.limit, now, fresh=True)
        if rows:
            return rows
        if not _anything_due(database, request.types, now) and _is_offered(database, request.strategy):
            return []
    with database.write():
        return _take(database, request, now)


def _take(database: Database, request: ClaimRequest, now: Microseconds) -> list[Row]:
    """Claim inside a transaction; the usual case, where nothing is due, is one statement."""
    rows: list[Row] = []
    if request.strategy.aging_seconds is None:
        rows = _claim_in_order(database, request, request.limit, now, fresh=True)
    more = len(rows) < request.limit
    while more:
        more = promote(database, request.types, now)
        rows += _claim_aged(database, request, request.limit - len(rows), now)
        if len(rows) < request.limit:
            rows += _claim_in_order(database, request, request.limit - len(rows), now)
        more = more and len(rows) < request.limit
    if not rows:
        _explain_nothing(database, request)
    return rows


def _claim_in_order(
    database: Database, request: ClaimRequest, wanted: int, now: Microseconds, *, fresh: bool = False
) -> list[Row]:
    at_once = wanted if len(request.types) < MANY_TYPES else 1
    rows: list[Row] = []
    while len(rows) < wanted:
        found = _claim_heads(database, request, at_once, now, fresh=fresh)
        if found and request.strategy.name == WeightedRandomStrategy.name:
            database.many(_ADVANCE, [(found[-1][5], name) for name in set(request.types)])
        rows += found
        if len(found) < at_once or at_once == wanted:
            break
    return rows


def _claim_aged(database: Database, request: ClaimRequest, places: int, now: Microseconds) -> list[Row]:
    """Fill some of the places with tasks that have been ready for too long, longest first."""
    seconds = request.strategy.aging_seconds
    if seconds is None:
        return []
    rows: list[Row] = []
    for _ in range(sum(database.draws.random() < AGED_SHARE for _ in range(places))):
        overdue = [_overdue(database, name, now - round(seconds * SECOND)) for name in dict.fromkeys(request.types)]
        candidates = [each for each in overdue if each is not None]
        if not candidates:
            break
        _, task_id, name = min(candidates)
        database.aged[name] = task_id
        rows += claim_one(database, request.worker_id, task_id, now)
    return rows


def _overdue(database: Database, name: str, since: Microseconds) -> tuple[Microseconds, int, str] | None:
    """Find a task of one type that has been ready since before ``since``: when, its id, and the type.

    The look goes round: it starts after the task that was found last. Otherwise tasks that always come back, with the
    lowest ids, would hide those behind them for ever.
    """
    after = database.aged.get(name, 0)
    for start in (after, 0) if after else (0,):
        rows = database.execute(_AGED, (name, start))
        for task_id, at in rows:
            if at <= since:
                return at, task_id, name
        if len(rows) == AGED_WINDOW:
            database.aged[name] = rows[-1][0]
            return None
    return None


def _claim_heads(
    database: Database, request: ClaimRequest, wanted: int, now: Microseconds, *, fresh: bool = False
) -> list[Row]:
    """Claim the first of an order; with ``fresh`` only if nothing is due that would have to be promoted before."""
    order = request.strategy.name
    if order not in _HEADS:
        raise _not_offered(database, request.strategy)
    names = tuple(dict.fromkeys(request.types))
    if len(names) < MANY_TYPES:
        sql = _claim_sql(order, len(names), many=wanted > 1, fresh=fresh)
        rows = database.execute(sql, (request.worker_id, now, wanted, *names))
    else:
        sql = _claim_sql(order, 0, many=False, fresh=fresh)
        rows = database.execute(sql, (request.worker_id, now, 1, json.dumps(names)))
    return rows if len(rows) < 2 else sorted(rows, key=_PLACES[order])  # noqa: PLR2004 - RETURNING has no order


_PLACES = {
    FIFOStrategy.name: lambda row: row[0],
    LIFOStrategy.name: lambda row: -row[0],
    PriorityStrategy.name: lambda row: (-row[3], row[0]),
    WeightedRandomStrategy.name: lambda row: row[5],
}


def _explain_nothing(database: Database, request: ClaimRequest) -> None:
    """Refuse an order that is not offered; with nothing ready the clocks start over, which keeps their digits."""
    if not _is_offered(database, request.strategy):
        raise _not_offered(database, request.strategy)
    if request.strategy.name == WeightedRandomStrategy.name:
        database.many(_REWIND, [(name,) for name in set(request.types)])


def _is_offered(database: Database, strategy: ClaimingStrategy) -> bool:
    return strategy.name in _ALWAYS or bool(database.execute(_OFFERED, (strategy.name,)))


def _not_offered(database: Database, strategy: ClaimingStrategy) -> OrderNotOfferedError:
    offered = [name for name in _HEADS if name in _ALWAYS or database.execute(_OFFERED, (name,))]
    return OrderNotOfferedError(
        f"this queue does not offer the claim order {strategy.name!r}; it offers: {', '.join(sorted(offered))}. "
        "The setting `orders` says which orders it keeps"
    )


_ALWAYS = frozenset({FIFOStrategy.name, LIFOStrategy.name})


def promote(database: Database, types: Sequence[str], now: Microseconds) -> bool:
    """Make what is due ready, some at a time, inside a transaction of the caller's; tells whether more may be due."""
    names = set(types)
    share = max(1, PROMOTED_AT_ONCE // max(1, len(names)))
    made_ready = [database.change(_PROMOTE, (name, now, share)) for name in names]
    return share in made_ready


def promote_all(database: Database, now: Microseconds) -> None:
    """Make what is due ready whoever may claim it, some at a time; when nothing is, nothing is written."""
    types = [name for (name,) in database.execute(_TYPES)]
    if _anything_due(database, types, now):
        with database.write():
            promote(database, types, now)


def _anything_due(database: Database, types: Sequence[str], now: Microseconds) -> bool:
    due = next_due_at(database, types)
    return due is not None and due <= now


def claim_one(database: Database, worker_id: int, task_id: int, now: Microseconds) -> list[Row]:
    """Claim this very task if it is ready or due, inside a transaction of the caller's."""
    return database.execute(_CLAIM_TASK, (worker_id, now, task_id)) if abs(task_id) < NO_ROWID else []


def read_claims(database: Database, worker_id: int, rows: Sequence[Row], now: Microseconds) -> list[Claim]:
    """Turn the rows of fresh claims into claims, and park what cannot be read.

    Safe outside their transaction, since only the claimant may change the tasks now.
    """
    claims = []
    for row in rows:
        try:
            claims.append(_claim_of(database, worker_id, row, now))
        except (ValueError, TypeError, RecursionError) as error:
            park(database, worker_id, row, error, now)
    return claims


def _claim_of(database: Database, worker_id: int, row: Row, now: Microseconds) -> Claim:
    (
        task_id, fence, attempt, priority, flags, _, name, text, max_attempts, timeout_seconds, created_at, key, depth,
        ready_at,
    ) = row  # fmt: skip
    params = None if text is None else decode_json(text.decode())
    if not isinstance(params, dict):
        msg = "its parameters are gone" if text is None else "its parameters are no JSON object"
        raise TypeError(msg)
    if flags & (FLAG_RUN | FLAG_ERRORS):
        saved = database.execute(_CHECKPOINT, (task_id,))
        checkpoint = json.loads(saved[0][0].decode()) if saved and saved[0][0] is not None else None
        stored = database.execute(_STORED, (task_id,))[0][0] if checkpoint is not None else None
        return Claim(get_task(database, task_id), worker_id, fence, checkpoint, ready_at, stored)
    task = Task(
        id=task_id,
        type=name,
        state=TaskStatus.CLAIMED,
        params=params,
        priority=priority,
        attempt=attempt,
        max_attempts=max_attempts,
        timeout_seconds=timeout_seconds,
        created_at=created_at,
        started_at=now,
        key=key,
        depth=depth,
    )
    return Claim(task, worker_id, fence, None, ready_at)


def next_due_at(database: Database, types: Sequence[str]) -> Microseconds | None:
    """Find when the next scheduled task of these types becomes due."""
    found = [row[0] for name in types for row in database.execute(_NEXT_DUE, (name,)) if row[0] is not None]
    return min(found, default=None)


@lru_cache(maxsize=256)
def _claim_sql(order: str, types: int, *, many: bool, fresh: bool) -> str:
    """Build the claim from constants: ?1 the worker, ?2 now, ?3 how many, then the types, or for 0 all as JSON."""
    ids, due = _ids_of_few(order, types) if types else _ids_of_many(order)
    conditions = [
        f"id {'IN' if many else '='} ({ids})",
        "EXISTS (SELECT 1 FROM worker WHERE id = ?1 AND NOT lost)",
        *([f"NOT EXISTS ({due})"] if fresh else []),
        *([] if order in _ALWAYS else [f"EXISTS ({_OFFERED.replace('?', repr(order))})"]),
    ]
    residual = _RESIDUAL if order == WeightedRandomStrategy.name else "NULL"
    name = "?4" if types == 1 else _NAME
    return (
        "UPDATE task SET status = 1, attempt = attempt + 1, fence = fence + 1, owner = ?1, claimed_at = ?2, "
        "reserve = NULL "
        f"WHERE {' AND '.join(conditions)} RETURNING id, fence, attempt, priority, flags, {residual}, {name}, {_HELD}"
    )


def _ids_of_few(order: str, types: int) -> tuple[str, str]:
    """Give the statements that find the first tasks of some types, and whether any is due."""
    names = [f"?{4 + number}" for number in range(types)]
    numbers = [f"(SELECT id FROM task_type WHERE name = {name})" for name in names]
    heads = [_HEADS[order].format(name=name, type=number) for name, number in zip(names, numbers, strict=True)]
    chosen = heads[0] if types == 1 else " UNION ALL ".join(f"SELECT * FROM ({head})" for head in heads)
    ids = f"SELECT id FROM ({chosen})" + ("" if types == 1 else " ORDER BY place, id LIMIT ?3")
    among = f"= {numbers[0]}" if types == 1 else f"IN ({', '.join(numbers)})"  # IN builds a table of its own first
    due = f"SELECT 1 FROM task INDEXED BY due WHERE status = 2 AND type {among} AND at <= ?2"
    return ids, due


def _ids_of_many(order: str) -> tuple[str, str]:
    """Give the same for any number of types, whose names are a JSON array, and for one task."""
    index, fits, within, over = _TAKES[order]
    wanted = "y.name IN (SELECT value FROM json_each(?4))"
    head = (
        f"SELECT id FROM task INDEXED BY {index} WHERE status = 0 AND {fits} AND type = y.id ORDER BY {within} LIMIT 1"
    )
    due = "SELECT 1 FROM task INDEXED BY due WHERE status = 2 AND type = y.id AND at <= ?2"
    return (
        f"SELECT t.id FROM task_type y JOIN task t ON t.id = ({head}) WHERE {wanted} ORDER BY {over} LIMIT ?3",
        f"SELECT 1 FROM task_type y WHERE {wanted} AND EXISTS ({due})",
    )
