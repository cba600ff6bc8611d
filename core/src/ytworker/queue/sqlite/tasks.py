"""Reading tasks: rows into records."""

import json
from collections.abc import Sequence
from typing import Any

from ytworker.errors import TaskNotFoundError
from ytworker.model import ErrorClass, ErrorInfo, Microseconds, Task, TaskStatus
from ytworker.queue.protocol import Attempt, TaskFilter, WorkerInfo
from ytworker.queue.sqlite.database import Database, Row
from ytworker.queue.sqlite.schema import OUTCOME_CODES, STATUS_CODES

STATUSES = {code: status for status, code in STATUS_CODES.items()}
_OUTCOMES = {code: outcome for outcome, code in OUTCOME_CODES.items()}

_NO_ROWID = 2**63
_ERROR = "class, type, message, traceback, fingerprint, retry_after, source"
_SELECT = """
SELECT s.id, t.name, s.status, b.params, s.priority, s.attempt, b.max_attempts, b.timeout_seconds, b.created_at, s.at,
       b.key, s.outcome, r.reason,
       e.class, e.type, e.message, e.traceback, e.fingerprint, e.retry_after, e.source
  FROM state s JOIN body b ON b.id = s.id JOIN task_type t ON t.id = s.type
  LEFT JOIN run r ON r.id = s.id
  LEFT JOIN error e ON e.id = (SELECT max(id) FROM error WHERE task = s.id)
"""
_GET = _SELECT + " WHERE s.id = ?"
# A filter is a JSON array; NULL means any. So the text of the statement never depends on what is asked for.
_LIST = (
    _SELECT
    + """
 WHERE (?1 IS NULL OR s.status IN (SELECT value FROM json_each(?1)))
   AND (?2 IS NULL OR t.name IN (SELECT value FROM json_each(?2)))
   AND (?3 IS NULL OR e.class IN (SELECT value FROM json_each(?3)))
 ORDER BY s.id DESC LIMIT ?4
"""
)
_ATTEMPTS = f"SELECT attempt, at, worker, plugin_version, {_ERROR} FROM error WHERE task = ? ORDER BY id"
_COUNTS = "SELECT status, count(*) FROM state GROUP BY status"
_WAITING = """
SELECT t.name, count(*) FROM state s JOIN task_type t ON t.id = s.type WHERE s.status IN (0, 2) GROUP BY t.name
"""
_OLDEST = "SELECT min(at) FROM state INDEXED BY ready_id WHERE status = 0"
_WORKERS = "SELECT id, host, pid, version, started_at, seen_at, lease_until FROM worker ORDER BY started_at"


def get_task(database: Database, task_id: int) -> Task:
    """Read one task."""
    rows = database.execute(_GET, (task_id,)) if abs(task_id) < _NO_ROWID else []
    if not rows:
        msg = f"there is no task {task_id}; `ytworker tasks list` shows those that exist"
        raise TaskNotFoundError(msg)
    return _task(rows[0])


def list_tasks(database: Database, which: TaskFilter) -> list[Task]:
    """Read the tasks that a filter lets through, newest first."""
    states = [STATUS_CODES[state] for state in which.states]
    values = (_any(states), _any(which.types), _any(which.error_classes), -1 if which.limit is None else which.limit)
    return [_task(row) for row in database.execute(_LIST, values)]


def list_attempts(database: Database, task_id: int) -> list[Attempt]:
    """Read the failures of a task, oldest first."""
    return [
        Attempt(number=number, at=at, worker_id=worker, plugin_version=version, error=_error(error))
        for number, at, worker, version, *error in database.execute(_ATTEMPTS, (task_id,))
    ]


def count_tasks(database: Database) -> dict[TaskStatus, int]:
    """Count tasks by state."""
    found: dict[int, int] = dict(database.execute(_COUNTS))
    return {status: found.get(code, 0) for status, code in STATUS_CODES.items()}


def count_waiting(database: Database) -> dict[str, int]:
    """Count the tasks that are still to run, by type."""
    return dict(database.execute(_WAITING))


def oldest_ready_at(database: Database) -> Microseconds | None:
    """Find when the longest-waiting ready task became ready; looks at every ready row, and is asked by people only."""
    ((oldest,),) = database.execute(_OLDEST)
    return oldest if oldest is None else int(oldest)


def list_workers(database: Database) -> list[WorkerInfo]:
    """Read the workers with their leases."""
    names = ("id", "host", "pid", "version", "started_at", "seen_at", "lease_until")
    return [WorkerInfo(**dict(zip(names, row, strict=True))) for row in database.execute(_WORKERS)]


def _any(values: Any) -> str | None:
    return json.dumps(list(values)) if values else None


def _task(row: Row) -> Task:
    (
        (task_id, name, code, params, priority, attempt, max_attempts, timeout, created_at, at, key, outcome, reason),
        error,
    ) = (row[:13], row[13:])
    status = STATUSES[code]
    ended = status in {TaskStatus.COMPLETED, TaskStatus.DEAD, TaskStatus.CANCELLED}
    return Task(
        id=task_id,
        type=name,
        state=status,
        params=json.loads(params),
        priority=priority,
        attempt=attempt,
        max_attempts=max_attempts,
        timeout_seconds=timeout,
        created_at=created_at,
        run_at=at if status is TaskStatus.SCHEDULED else None,
        started_at=at if status is TaskStatus.CLAIMED else None,
        finished_at=at if ended else None,
        key=key,
        outcome=None if outcome is None else _OUTCOMES[outcome],
        error=None if error[0] is None else _error(error),
        reason=reason if status in {TaskStatus.QUEUED, TaskStatus.SCHEDULED} else None,
    )


def _error(values: Sequence[Any]) -> ErrorInfo:
    error_class, kind, message, traceback, fingerprint, retry_after, source = values
    return ErrorInfo(
        error_class=ErrorClass(error_class),
        type=kind,
        message=message,
        traceback=traceback,
        fingerprint=fingerprint,
        retry_after=retry_after,
        source=source,
    )
