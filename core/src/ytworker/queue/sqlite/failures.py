"""The history of failures: a row for each attempt that went wrong."""

from ytworker.model import ErrorInfo, Microseconds
from ytworker.queue.sqlite.database import Database

_ADD = """
INSERT INTO error (task, attempt, at, class, type, message, traceback, fingerprint, retry_after, source, worker,
                   plugin_version)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
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
