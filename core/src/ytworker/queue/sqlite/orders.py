"""Which claim orders are offered, and how one comes and goes while the queue works.

An order is an index over a column that is NULL for rows outside of it. So an index is never made or dropped: a new
order is filled row by row in short transactions, and offered when every ready row has its key. An order that is not
wanted any more is cleared in the same way, and then costs nothing.
"""

from collections.abc import Collection

from ytworker.queue.sqlite.database import Database
from ytworker.queue.strategies import FIFOStrategy, LIFOStrategy, PriorityStrategy, WeightedRandomStrategy

CHUNK = 1_000

ALWAYS = frozenset({FIFOStrategy.name, LIFOStrategy.name})

_OFFERED = "SELECT name FROM claim_order WHERE offered"
_STATE = "SELECT filling, offered, cursor FROM claim_order WHERE name = ?"
_NEXT = "SELECT max(id) FROM (SELECT id FROM task WHERE id > ? ORDER BY id LIMIT ?)"
_MOVE = "UPDATE claim_order SET cursor = ? WHERE name = ?"
_DONE = "UPDATE claim_order SET offered = filling, cursor = 0 WHERE name = ?"
_START = "UPDATE claim_order SET filling = ?2, offered = 0, cursor = 0 WHERE name = ?1"
_START_CLOCK = "UPDATE task_type SET clock = CASE WHEN ? THEN 0 END"

_KEY = {PriorityStrategy.name: "rank", WeightedRandomStrategy.name: "weight_key"}
_FILL = {
    PriorityStrategy.name: "rank = -priority",
    WeightedRandomStrategy.name: """
weight_key = (SELECT clock FROM task_type WHERE id = task.type) + exponential() / priority""",
}


def offered(database: Database) -> frozenset[str]:
    """Name the orders that can be claimed by."""
    return ALWAYS | {name for (name,) in database.execute(_OFFERED)}


def offer(database: Database, wanted: Collection[str]) -> None:
    """Narrow or widen the orders; returns when they are complete."""
    unknown = set(wanted) - ALWAYS - set(_KEY)
    if unknown:
        msg = f"there is no claim order {min(unknown)!r}; choose from: {', '.join(sorted(ALWAYS | set(_KEY)))}"
        raise ValueError(msg)
    for name in _KEY:
        _bring(database, name, filling=name in wanted)


def _bring(database: Database, name: str, *, filling: bool) -> None:
    now_filling, is_offered, _ = _state(database, name)
    if now_filling != filling:
        if filling:
            _work_off(database, name)  # keys of an earlier time must be gone before new ones come
        with database.write():
            database.change(_START, (name, int(filling)))
            if name == WeightedRandomStrategy.name:
                database.change(_START_CLOCK, (int(filling),))
    elif is_offered == filling and not _unfinished(database, name):
        return
    _work_off(database, name)


def _work_off(database: Database, name: str) -> None:
    """Fill or clear what was ready before, chunk by chunk; gone on with after an interruption."""
    filling, is_offered, cursor = _state(database, name)
    if is_offered:
        return
    while (last := _last_of_chunk(database, cursor)) is not None:
        with database.write():
            if _state(database, name)[0] != filling:  # somebody else wants it the other way round by now
                return
            database.change(_chunk_sql(name, filling=filling), (cursor, last))
            database.change(_MOVE, (last, name))
        cursor = last
    with database.write():
        if _state(database, name)[0] == filling:
            database.change(_DONE, (name,))


def _chunk_sql(name: str, *, filling: bool) -> str:
    key = _KEY[name]
    step, todo = (_FILL[name], "IS NULL") if filling else (f"{key} = NULL", "IS NOT NULL")
    return f"UPDATE task SET {step} WHERE id > ?1 AND id <= ?2 AND status = 0 AND {key} {todo}"


def _last_of_chunk(database: Database, cursor: int) -> int | None:
    ((last,),) = database.execute(_NEXT, (cursor, CHUNK))
    return last if last is None else int(last)


def _unfinished(database: Database, name: str) -> bool:
    return _state(database, name)[2] > 0


def _state(database: Database, name: str) -> tuple[bool, bool, int]:
    ((filling, is_offered, cursor),) = database.execute(_STATE, (name,))
    return bool(filling), bool(is_offered), int(cursor)
