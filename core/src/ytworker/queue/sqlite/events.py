"""Task events: who changed what and when, in the transaction of the change.

``enqueued`` has no row of its own: when a task was made stands in its body, and a row more for each of a million tasks
would say nothing new.
"""

from collections.abc import Sequence

from ytworker.model import Microseconds
from ytworker.queue.protocol import Event
from ytworker.queue.sqlite.database import Database

_NEXT = "(SELECT coalesce(max(no), 0) + 1 FROM event WHERE task = ?1)"
_ADD = f"INSERT INTO event (task, no, at, kind, worker, attempt, note) VALUES (?1, {_NEXT}, ?2, ?3, ?4, ?5, ?6)"
_CREATED = "SELECT created_at FROM body WHERE id = ?"
_LIST = "SELECT task, at, kind, worker, attempt, note FROM event WHERE task = ? ORDER BY no"

Happening = tuple[int, int, str | None]
"""A task, its attempts so far, and a note."""


def record(
    database: Database, kind: str, happenings: Sequence[Happening], now: Microseconds, worker_id: int | None = None
) -> None:
    """Record one kind of change of some tasks, inside a transaction of the caller's."""
    if database.events:
        for task_id, attempt, note in happenings:
            database.change(_ADD, (task_id, now, kind, worker_id, attempt, note))


def list_events(database: Database, task_id: int) -> list[Event]:
    """Read the changes of a task, oldest first."""
    created = [
        Event(task_id=task_id, at=at, kind="enqueued", worker_id=None, attempt=0)
        for (at,) in database.execute(_CREATED, (task_id,))
    ]
    names = ("task_id", "at", "kind", "worker_id", "attempt", "note")
    return created + [Event(**dict(zip(names, row, strict=True))) for row in database.execute(_LIST, (task_id,))]
