"""Which claim orders are offered, and how one comes and goes while the queue works.

An order is an index over a column that is NULL for rows outside of it. So an index is never made or dropped: a new
order is filled row by row in short transactions, and offered when every ready row has its key. An order that is not
wanted any more is cleared in the same way, and then costs nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass

from ytworker.queue.sqlite.database import Database
from ytworker.queue.strategies import FIFOStrategy, LIFOStrategy, PriorityStrategy, WeightedRandomStrategy

CHUNK = 1_000

ALWAYS = frozenset({FIFOStrategy.name, LIFOStrategy.name})

_OFFERED = "SELECT name FROM claim_order WHERE filling AND complete"
_STATE = "SELECT filling, complete, cursor, generation FROM claim_order WHERE name = ?"
_START = """
UPDATE claim_order SET filling = ?2, complete = 0, cursor = 0, generation = generation + 1
 WHERE name = ?1 AND filling <> ?2 AND complete
"""
_START_CLOCK = "UPDATE task_type SET clock = CASE WHEN ? THEN 0 END"
_NEXT = "SELECT max(id) FROM (SELECT id FROM task WHERE id > ? ORDER BY id LIMIT ?)"
_IS_AT = "SELECT 1 FROM claim_order WHERE name = ? AND generation = ? AND cursor = ? AND NOT complete"
_MOVE = "UPDATE claim_order SET cursor = ? WHERE name = ?"
_DONE = "UPDATE claim_order SET complete = 1, cursor = 0 WHERE name = ?"

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


@dataclass(frozen=True, slots=True)
class _State:
    """Where an order is: which way its keys go, whether all have gone there, and how far they are."""

    filling: bool
    complete: bool
    cursor: int
    generation: int


def _bring(database: Database, name: str, *, filling: bool) -> None:
    """Work off what another direction left undone, turn round if need be, and work off that."""
    while True:
        _work_off(database, name)
        if _state(database, name).filling == filling or _turn(database, name, filling=filling):
            break
    _work_off(database, name)


def _turn(database: Database, name: str, *, filling: bool) -> bool:
    """Start the other direction, unless somebody else was faster; the clocks start over with the keys."""
    with database.write():
        turned = database.change(_START, (name, int(filling))) == 1
        if turned and name == WeightedRandomStrategy.name:
            database.change(_START_CLOCK, (int(filling),))
    return turned


def _work_off(database: Database, name: str) -> None:
    """Fill or clear what was ready before, chunk by chunk; gone on with after an interruption, by anybody."""
    while not (state := _state(database, name)).complete:
        last = _last_of_chunk(database, state.cursor)
        with database.write():
            if not database.execute(_IS_AT, (name, state.generation, state.cursor)):
                continue  # somebody else has done this chunk, or has turned round
            if last is None:
                database.change(_DONE, (name,))
            else:
                database.change(_chunk_sql(name, filling=state.filling), (state.cursor, last))
                database.change(_MOVE, (last, name))


def _chunk_sql(name: str, *, filling: bool) -> str:
    key = _KEY[name]
    step, todo = (_FILL[name], "IS NULL") if filling else (f"{key} = NULL", "IS NOT NULL")
    return f"UPDATE task SET {step} WHERE id > ?1 AND id <= ?2 AND status = 0 AND {key} {todo}"


def _last_of_chunk(database: Database, cursor: int) -> int | None:
    ((last,),) = database.execute(_NEXT, (cursor, CHUNK))
    return last if last is None else int(last)


def _state(database: Database, name: str) -> _State:
    ((filling, complete, cursor, generation),) = database.execute(_STATE, (name,))
    return _State(bool(filling), bool(complete), int(cursor), int(generation))
