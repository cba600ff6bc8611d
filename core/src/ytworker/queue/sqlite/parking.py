"""Tasks that cannot be read any more: parked as dead letters with the reason, so that the worker goes on."""

from ytworker.model import ErrorClass, ErrorInfo, Microseconds
from ytworker.queue.sqlite import events
from ytworker.queue.sqlite.counters import count
from ytworker.queue.sqlite.database import Database, Row
from ytworker.queue.sqlite.failures import add_error
from ytworker.queue.sqlite.schema import FLAG_ERRORS

_PARK = f"""
UPDATE task SET status = 4, at = ?, owner = NULL, flags = flags | {FLAG_ERRORS}
 WHERE id = ? AND status = 1 AND owner = ? AND fence = ?
"""


def park(database: Database, worker_id: int, row: Row, problem: Exception, now: Microseconds) -> None:
    """Bury a task that was just claimed and cannot be read."""
    task_id, fence, attempt = row[:3]
    error = ErrorInfo(
        error_class=ErrorClass.INVALID,
        type="ytworker.Unreadable",
        message=f"the stored task cannot be read: {problem}. `ytworker db check` looks for more of them; "
        "enqueue it again, or restore a backup",
        fingerprint="unreadable",
    )
    with database.write():
        if database.change(_PARK, (now, task_id, worker_id, fence)):
            add_error(database, task_id, attempt, error, worker_id=worker_id, plugin_version=None, now=now)
            ended = events.Attempt(worker_id, now, attempt)
            note = error.error_class.value
            events.record(database, "died", task_id, now, attempts=attempt, ends=ended, note=note)
            count(database, "parked")
