"""Putting tasks in, one or thousands in a transaction, with unique keys and what follows when one is taken."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ytworker.model import Microseconds, NewTask, OnConflict, Origin, UniqueWhile
from ytworker.queue.counting import counter_name
from ytworker.queue.payload import encode_task
from ytworker.queue.records import Enqueued
from ytworker.queue.sqlite import events
from ytworker.queue.sqlite.counters import count
from ytworker.queue.sqlite.database import Database, Row, storable
from ytworker.queue.sqlite.schema import FLAG_KEY_LIVE, FLAG_KEY_QUEUED

_FILLING = "SELECT 1 FROM claim_order WHERE name = 'priority' AND filling"
_TYPE = "SELECT id, clock FROM task_type WHERE name = ?"
_ADD_TYPE = """
INSERT INTO task_type (name, clock)
VALUES (?, (SELECT 0 FROM claim_order WHERE name = 'weighted_random' AND filling)) RETURNING id, clock
"""
_LAST_ID = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'body'"
# OR FAIL, because SQLite otherwise keeps a copy of what a statement changes, to take back half of its rows. Here the
# whole transaction is taken back.
_ADD_BODIES = """
INSERT OR FAIL INTO body (id, type, created_at, max_attempts, timeout_seconds, key, params, depth) VALUES
"""
_BODY = "(?, ?, ?, ?, ?, ?, ?, ?)"
_ADD_TASKS = """
INSERT OR FAIL INTO task (id, type, status, priority, at, flags, rank, weight_key, claimed_at, reserve) VALUES
"""
_TASK = "(?, ?, ?, ?, ?, ?, ?, ?, ?, zeroblob(12))"
_ADD_KEYS = "INSERT OR FAIL INTO live_key (type, key, id) VALUES "
_KEY = "(?, ?, ?)"
_COUNT = "UPDATE task_type SET queued = queued + ?, scheduled = scheduled + ? WHERE id = ?"
_KEYS_AT_ONCE = 40
_HOLDER = "SELECT key, id FROM live_key WHERE type = ? AND key = ?"
_HOLDERS = f"SELECT key, id FROM live_key WHERE type = ? AND key IN ({', '.join('?' * _KEYS_AT_ONCE)})"
_REPLACE = """
UPDATE body SET params = ?2 WHERE id = ?1 AND params <> ?2
   AND EXISTS (SELECT 1 FROM task WHERE id = ?1 AND status IN (0, 2))
"""
# What is left of an exponential wait scales with the weight, so the order stays exact without a new draw.
_RAISE = """
UPDATE task SET priority = ?2, rank = CASE WHEN rank IS NULL THEN NULL ELSE -?2 END,
       weight_key = (SELECT clock FROM task_type WHERE id = task.type)
                    + (weight_key - (SELECT clock FROM task_type WHERE id = task.type)) * priority / ?2
 WHERE id = ?1 AND status IN (0, 2) AND priority < ?2
"""
# What an attempt found under the old parameters says nothing under the new ones; for whom the task waits stays true.
_START_OVER = "UPDATE run SET checkpoint = NULL, done = NULL, total = NULL, note = NULL WHERE id = ?"
_ATTEMPT = "SELECT attempt FROM task WHERE id = ?"

_ORIGINS = tuple(Origin)
_UNIQUE_FLAGS = {UniqueWhile.LIVE: FLAG_KEY_LIVE, UniqueWhile.QUEUED: FLAG_KEY_QUEUED}


def texts_of(tasks: Sequence[NewTask]) -> list[str]:
    """Check tasks and write their parameters as JSON; done before the transaction, so that nobody waits for it."""
    return [encode_task(task) for task in tasks]


def enqueue_tasks(
    database: Database, tasks: Sequence[NewTask], texts: Sequence[str], now: Microseconds
) -> list[Enqueued]:
    """Store tasks, inside a transaction of the caller's."""
    if not tasks:
        return []
    bulk = _Bulk(database, now)
    bulk.find_holders(tasks)
    results = [bulk.add(task, text) for task, text in zip(tasks, texts, strict=True)]
    bulk.flush()
    return results


@dataclass(slots=True)
class _Type:
    """What is known of a task type, and what is added to it until the next flush."""

    number: int
    clock: float | None
    queued: int = 0
    scheduled: int = 0
    origins: list[Origin] = field(default_factory=list)


@dataclass(slots=True)
class _Bulk:
    """Rows that are gathered and written table by table; ``holders`` knows the holder of each key that is asked for."""

    database: Database
    now: Microseconds
    ranked: bool = False
    last_id: int = 0
    stored_id: int = 0
    types: dict[str, _Type] = field(default_factory=dict)
    bodies: list[tuple[object, ...]] = field(default_factory=list)
    rows: list[tuple[object, ...]] = field(default_factory=list)
    keys: list[tuple[int, str, int]] = field(default_factory=list)
    holders: dict[tuple[int, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ranked = bool(self.database.execute(_FILLING))
        self.last_id = self.stored_id = self.database.execute(_LAST_ID)[0][0]

    def find_holders(self, tasks: Sequence[NewTask]) -> None:
        """Look up who holds the keys; nobody else can take one before the end of the transaction."""
        wanted: dict[str, list[str]] = {}
        for task in tasks:
            if task.key is not None:
                wanted.setdefault(task.type, []).append(storable(task.key))
        for name, keys in wanted.items():
            number = self._type(name).number
            for first in range(0, len(keys), _KEYS_AT_ONCE):
                for key, holder in self._holders(number, keys[first : first + _KEYS_AT_ONCE]):
                    self.holders[number, key] = holder

    def add(self, task: NewTask, text: str) -> Enqueued:
        kind = self.types.get(task.type) or self._type(task.type)
        key = None if task.key is None else storable(task.key)
        holder = None if key is None else self.holders.get((kind.number, key))
        if holder is None:
            return Enqueued(self._append(kind, task, key, text), created=True)
        if holder > self.stored_id:
            self.flush()  # a conflict within one bulk: the policy needs the row
        return self._meet(holder, task, text)

    def flush(self) -> None:
        self.database.insert_many(_ADD_BODIES, _BODY, self.bodies)
        self.database.insert_many(_ADD_TASKS, _TASK, self.rows)
        if self.keys:
            self.database.insert_many(_ADD_KEYS, _KEY, self.keys)
        for name, kind in self.types.items():
            if kind.queued or kind.scheduled:
                self.database.change(_COUNT, (kind.queued, kind.scheduled, kind.number))
                self.database.rings = True
                kind.queued = kind.scheduled = 0
                self._count_origins(name, kind.origins)
                kind.origins.clear()
        self.bodies, self.rows, self.keys, self.stored_id = [], [], [], self.last_id

    def _count_origins(self, name: str, origins: list[Origin]) -> None:
        for origin in _ORIGINS:
            number = origins.count(origin)  # much faster than a Counter, since an enum has a hash in Python
            if number:
                count(self.database, counter_name("enqueued", name, origin), number)

    def _type(self, name: str) -> _Type:
        (found,) = self.database.execute(_TYPE, (name,)) or self.database.execute(_ADD_TYPE, (name,))
        kind = self.types[name] = _Type(*found)
        return kind

    def _holders(self, number: int, keys: list[str]) -> list[Row]:
        if len(keys) == 1:
            return self.database.execute(_HOLDER, (number, *keys))
        padding = [None] * (_KEYS_AT_ONCE - len(keys))
        return self.database.execute(_HOLDERS, (number, *keys, *padding))

    def _append(self, kind: _Type, task: NewTask, key: str | None, text: str) -> int:
        self.last_id = task_id = self.last_id + 1
        number, priority, run_at, now, flags = kind.number, task.priority, task.run_at, self.now, 0
        if key is not None:
            self.holders[number, key] = task_id
            self.keys.append((number, key, task_id))
            flags = _UNIQUE_FLAGS[task.unique]
        kind.origins.append(task.origin)
        self.bodies.append((task_id, number, now, task.max_attempts, task.timeout_seconds, key, text, task.depth))
        if run_at is not None and run_at > now:
            kind.scheduled += 1
            self.rows.append((task_id, number, 2, priority, run_at, flags, None, None, run_at))
        else:
            kind.queued += 1
            rank = -priority if self.ranked else None
            clock = kind.clock
            weight_key = None if clock is None else clock + self.database.draws.expovariate(priority)
            self.rows.append((task_id, number, 0, priority, now, flags, rank, weight_key, now))
        return task_id

    def _meet(self, holder: int, task: NewTask, text: str) -> Enqueued:
        changed = False
        if task.on_conflict == OnConflict.REPLACE:
            changed = self.database.change(_REPLACE, (holder, text)) == 1
            if changed:
                self.database.change(_START_OVER, (holder,))
        elif task.on_conflict == OnConflict.RAISE_PRIORITY:
            changed = self.database.change(_RAISE, (holder, task.priority)) == 1
        if changed:
            ((attempts,),) = self.database.execute(_ATTEMPT, (holder,))
            events.record(self.database, "changed", holder, self.now, attempts=attempts, note=str(task.on_conflict))
        return Enqueued(holder, created=False, changed=changed)
