"""The history of failures: a row for each attempt that went wrong."""

from ytworker.model import ErrorInfo, Microseconds
from ytworker.queue.history import HISTORY_END
from ytworker.queue.sqlite.database import Database

_ADD = """
INSERT INTO error (task, attempt, at, class, type, message, traceback, fingerprint, retry_after, source, worker,
                   plugin_version)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

_TRIM = """
DELETE FROM error
 WHERE id = (SELECT id FROM error WHERE task = ?1 AND attempt = ?2 ORDER BY id LIMIT 1 OFFSET ?3)
   AND (SELECT count(*) FROM error WHERE task = ?1 AND attempt = ?2) > 2 * ?3
"""


def add_error(
    database: Database,
    task_id: int,
    attempt: int,
    error: ErrorInfo,
    *,
    worker_id: int,
    plugin_version: str | None,
    now: Microseconds,
) -> None:
    """Add one failure to the history of a task, inside a transaction of the caller's that also sets its flag."""
    values = (
        task_id,
        attempt,
        now,
        error.error_class.value,
        error.type,
        error.message,
        error.traceback,
        error.fingerprint,
        error.retry_after,
        error.source,
        worker_id,
        plugin_version,
    )
    database.change(_ADD, values)


def trim_errors(database: Database, task_id: int, attempt: int) -> None:
    """Keep the first and the last failures of an attempt that is put off again and again."""
    database.change(_TRIM, (task_id, attempt, HISTORY_END))
