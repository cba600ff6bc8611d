"""Reading tasks: rows into records. What cannot be read any more is shown as far as it can be."""

import json
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

from ytworker.errors import TaskNotFoundError
from ytworker.model import ErrorClass, ErrorInfo, Microseconds, Outcome, Task, TaskStatus
from ytworker.queue.records import Attempt, TaskFilter
from ytworker.queue.sqlite.database import Database, Row
from ytworker.queue.sqlite.schema import OUTCOMES, STATUS_CODES

STATUSES = {code: status for status, code in STATUS_CODES.items()}
_ENDED = {TaskStatus.COMPLETED, TaskStatus.DEAD, TaskStatus.CANCELLED}

NO_ROWID = 2**63
_FIRST_IN_LINE = 256
_ERROR = "class, type, message, traceback, fingerprint, retry_after, source"
_SELECT = """
SELECT s.id, t.name, s.status, CAST(b.params AS BLOB), s.priority, s.attempt, b.max_attempts, b.timeout_seconds,
       b.created_at, CASE s.status WHEN 1 THEN coalesce(s.claimed_at, s.at) ELSE s.at END, b.key, s.outcome, b.depth,
       r.reason,
       e.class, e.type, e.message, e.traceback, e.fingerprint, e.retry_after, e.source
"""
_FROM = """
  FROM task s LEFT JOIN body b ON b.id = s.id LEFT JOIN task_type t ON t.id = s.type
"""
_DETAILS = """
  LEFT JOIN run r ON r.id = s.id
  LEFT JOIN error e ON e.id = (SELECT max(id) FROM error WHERE task = s.id)
"""
_GET = _SELECT + _FROM + _DETAILS + " WHERE s.id = ?"
_IDS_OF = """
SELECT id FROM task WHERE id IN (SELECT value FROM json_each(?1))
   AND (?2 IS NULL OR status IN (SELECT value FROM json_each(?2))) AND (?3 IS NULL OR id < ?3) ORDER BY id DESC LIMIT ?4
"""
# A filter is a JSON array; NULL means any. So the text of the statement never depends on what is asked for.
_WHERE = """
 WHERE (?1 IS NULL OR s.id IN (SELECT value FROM json_each(?1)))
   AND (?2 IS NULL OR s.status IN (SELECT value FROM json_each(?2)))
   AND (?3 IS NULL OR s.type IN (SELECT id FROM task_type WHERE name IN (SELECT value FROM json_each(?3))))
   AND (?4 IS NULL OR e.class IN (SELECT value FROM json_each(?4)))
   AND (?5 IS NULL OR e.fingerprint IN (SELECT value FROM json_each(?5)))
   AND (?6 IS NULL OR s.status > 2 AND s.at < ?6) AND (?7 IS NULL OR s.status > 2 AND s.at >= ?7)
   AND (?8 IS NULL OR s.id < ?8)
 ORDER BY s.id DESC LIMIT ?9
"""
_LIST = _SELECT + _FROM + _DETAILS + _WHERE
_IDS = "SELECT s.id FROM task s" + _DETAILS + _WHERE
_ATTEMPTS = f"SELECT attempt, at, worker, plugin_version, {_ERROR} FROM error WHERE task = ? ORDER BY id"
_COUNTS = "SELECT " + ", ".join(f"coalesce(sum({status.value}), 0)" for status in STATUS_CODES) + " FROM task_type"
_COUNTS_BY_TYPE = "SELECT name, " + ", ".join(status.value for status in STATUS_CODES) + " FROM task_type"
_WAITING = "SELECT name, queued + scheduled FROM task_type WHERE queued + scheduled > 0"
_OLDEST = f"""
SELECT min((SELECT min(at) FROM (
         SELECT at FROM task INDEXED BY ready_id WHERE status = 0 AND type = task_type.id
          ORDER BY id LIMIT {_FIRST_IN_LINE}))) FROM task_type
"""


def get_task(database: Database, task_id: int) -> Task:
    """Read one task."""
    rows = database.execute(_GET, (task_id,)) if abs(task_id) < NO_ROWID else []
    if not rows:
        msg = f"there is no task {task_id}; `ytworker tasks list` shows those that exist"
        raise TaskNotFoundError(msg)
    return _task(rows[0])


def list_tasks(database: Database, which: TaskFilter) -> list[Task]:
    """Read the tasks that a filter lets through, newest first."""
    limit = -1 if which.limit is None else which.limit
    return [_task(row) for row in database.execute(_LIST, _values(which, None, None, limit))]


def list_ids(
    database: Database, which: TaskFilter, states: Collection[TaskStatus], *, below: int | None, limit: int
) -> list[int]:
    """Read the ids of the tasks in ``states`` that a filter lets through, newest first, below an id."""
    values = _values(which, states, below, limit)
    if which == TaskFilter(ids=which.ids, states=which.states, limit=which.limit) and which.ids is not None:
        return [row[0] for row in database.execute(_IDS_OF, (values[0], values[1], below, limit))]
    return [row[0] for row in database.execute(_IDS, values)]


def list_attempts(database: Database, task_id: int) -> list[Attempt]:
    """Read the failures of a task, oldest first."""
    return [
        Attempt(number=number, at=at, worker_id=worker, plugin_version=version, error=_error(error))
        for number, at, worker, version, *error in database.execute(_ATTEMPTS, (task_id,))
    ]


def count_tasks(database: Database) -> dict[TaskStatus, int]:
    """Count tasks by state, from the counts that are kept."""
    (row,) = database.execute(_COUNTS)
    return dict(zip(STATUS_CODES, row, strict=True))


def count_by_type(database: Database) -> dict[str, dict[TaskStatus, int]]:
    """Count tasks by type and state, from the counts that are kept."""
    return {name: dict(zip(STATUS_CODES, row, strict=True)) for name, *row in database.execute(_COUNTS_BY_TYPE)}


def count_waiting(database: Database) -> dict[str, int]:
    """Count the tasks that are still to run, by type."""
    return dict(database.execute(_WAITING))


def oldest_ready_at(database: Database) -> Microseconds | None:
    """Find when the longest-waiting of the first in line became ready."""
    ((oldest,),) = database.execute(_OLDEST)
    return oldest if oldest is None else int(oldest)


def _values(which: TaskFilter, states: Collection[TaskStatus] | None, below: int | None, limit: int) -> tuple[Any, ...]:
    wanted = states
    if which.states is not None:
        wanted = [state for state in which.states if states is None or state in states]
    codes = None if wanted is None else json.dumps([STATUS_CODES[state] for state in wanted])
    return (
        _any(which.ids),
        codes,
        _any(which.types),
        _any(which.error_classes),
        _any(which.fingerprints),
        which.ended_before,
        which.ended_since,
        below,
        limit,
    )


def _any(values: Collection[Any] | None) -> str | None:
    return None if values is None else json.dumps(list(values))


def _task(row: Row) -> Task:
    (
        (
            task_id,
            name,
            code,
            params,
            priority,
            attempt,
            max_attempts,
            timeout,
            created_at,
            at,
            key,
            outcome,
            depth,
            reason,
        ),
        error,
    ) = (row[:14], row[14:])
    status = STATUSES.get(code, TaskStatus.DEAD)
    odd = None if code in STATUSES else f"its state is {code}, which this version does not know; it is left alone"
    readable, known = _params(params)
    return Task(
        id=task_id,
        type=name or "unknown",
        state=status,
        params=known,
        priority=priority,
        attempt=attempt,
        max_attempts=max_attempts or 0,
        timeout_seconds=timeout or 0.0,
        created_at=created_at or 0,
        run_at=at if status is TaskStatus.SCHEDULED else None,
        started_at=at if status is TaskStatus.CLAIMED else None,
        finished_at=at if status in _ENDED else None,
        key=key,
        outcome=OUTCOMES.get(outcome, Outcome.SUSPECT) if outcome is not None else None,
        error=None if error[0] is None else _error(error),
        reason=odd
        or ((reason if status in {TaskStatus.QUEUED, TaskStatus.SCHEDULED} else None) if readable else _LOST),
        depth=depth or 0,
    )


_LOST = "its parameters cannot be read; `ytworker db check` tells more"


def _params(text: bytes | None) -> tuple[bool, dict[str, Any]]:
    with suppress(ValueError, RecursionError):
        params = json.loads(text.decode()) if text is not None else None
        if isinstance(params, dict):
            return True, params
    return False, {}


def _error(values: Sequence[Any]) -> ErrorInfo:
    error_class, kind, message, traceback, fingerprint, retry_after, source = values
    known = error_class in set(ErrorClass)
    return ErrorInfo(
        error_class=ErrorClass(error_class) if known else ErrorClass.BUG,
        type=kind,
        message=message,
        traceback=traceback,
        fingerprint=fingerprint,
        retry_after=retry_after,
        source=source,
    )
