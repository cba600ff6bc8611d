"""Leases: one row for each worker, taken away in one transaction together with what it held."""

import json
import os
import secrets
import socket

from ytworker._version import __version__
from ytworker.model import SECOND, ErrorClass, ErrorInfo, Microseconds
from ytworker.queue.records import WorkerInfo
from ytworker.queue.sqlite import events
from ytworker.queue.sqlite.counters import count
from ytworker.queue.sqlite.database import Database, Row
from ytworker.queue.sqlite.failures import add_error
from ytworker.queue.sqlite.schema import FLAG_ERRORS, READY_KEYS

_ADD = """
INSERT INTO worker (id, host, pid, version, started_at, seen_at, lease_until, foreground)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_RENEW = "UPDATE worker SET seen_at = ?, lease_until = ? WHERE id = ? AND NOT lost"
# `lost` keeps a worker from claiming. It also says how its tasks are released by whoever comes to it: those of a worker
# that left in good order cost no attempt, even if it was killed on its way out.
LAPSED, LEFT = 1, 2
_LAPSED = "SELECT id FROM worker WHERE lease_until < ?1 OR lost"
_MARK_LAPSED = f"UPDATE worker SET lost = max(lost, {LAPSED}) WHERE id = ? AND (lease_until < ? OR lost)"
_MARK_LEFT = f"UPDATE worker SET lost = {LEFT} WHERE id = ? AND NOT lost"
_REMOVE = "DELETE FROM worker WHERE id = ? RETURNING host, pid, lost"
_ANY_CLAIMED = "SELECT 1 FROM task_type WHERE claimed > 0 LIMIT 1"
# No index: it would cost every claim and every finish a third more. This reads the narrow rows once, and only when
# somebody died or left in the middle of something.
_HELD = "SELECT id FROM task WHERE status = 1 AND owner = ?"
_STILL_HELD = """
SELECT t.id, t.attempt, t.claimed_at, t.attempt >= b.max_attempts FROM task t LEFT JOIN body b ON b.id = t.id
 WHERE t.id IN (SELECT value FROM json_each(?)) AND t.status = 1 AND t.owner = ?
"""
_REQUEUE = f"UPDATE task SET status = 0, at = ?, owner = NULL, flags = flags | ?, {READY_KEYS} WHERE id = ?"
_TAKE_BACK = f"UPDATE task SET status = 0, at = ?, owner = NULL, attempt = attempt - 1, {READY_KEYS} WHERE id = ?"
_BURY = f"UPDATE task SET status = 4, at = ?, owner = NULL, flags = flags | {FLAG_ERRORS} WHERE id = ?"
_WAITS_NO_MORE = "UPDATE run SET reason = NULL, source = NULL WHERE id = ? AND reason IS NOT NULL"
_WORKERS = """
SELECT foreground, id, host, pid, version, started_at, seen_at, lease_until FROM worker
 WHERE NOT lost ORDER BY started_at
"""


def add_worker(database: Database, now: Microseconds, lease_seconds: float, *, foreground: bool) -> int:
    """Register this process. The id is random: host names and process ids come back, and a lease must not."""
    worker_id = secrets.randbits(53)  # fits a JSON number everywhere
    until = _until(now, lease_seconds)
    values = (worker_id, socket.gethostname(), os.getpid(), __version__, now, now, until, foreground)
    database.change(_ADD, values)
    return worker_id


def renew(database: Database, worker_id: int, now: Microseconds, lease_seconds: float) -> bool:
    """Prolong a lease that is still there."""
    return database.change(_RENEW, (now, _until(now, lease_seconds), worker_id)) == 1


def list_workers(database: Database) -> list[WorkerInfo]:
    """Read the workers with their leases."""
    names = ("id", "host", "pid", "version", "started_at", "seen_at", "lease_until")
    return [
        WorkerInfo(**dict(zip(names, row, strict=True)), foreground=bool(foreground))
        for foreground, *row in database.execute(_WORKERS)
    ]


def remove_worker(database: Database, worker_id: int, now: Microseconds) -> None:
    """Give a lease back in good order; one that has lapsed is left to the rescue, for which the attempts count."""
    if database.change(_MARK_LEFT, (worker_id,)):
        _release_all(database, worker_id, now)


def rescue(database: Database, now: Microseconds) -> int:
    """Release what lapsed workers held, and finish for those that were killed while they left.

    Three steps: mark the worker as lost, after which it cannot claim; look for its tasks outside of any write lock;
    release them and remove the worker in one transaction. Whoever dies in between leaves a marked worker to the next.
    """
    return sum(_rescue_from(database, worker_id, now) for (worker_id,) in database.execute(_LAPSED, (now,)))


def _rescue_from(database: Database, worker_id: int, now: Microseconds) -> int:
    if not database.change(_MARK_LAPSED, (worker_id, now)):  # renewed, or rescued by another worker, since we looked
        return 0
    return _release_all(database, worker_id, now)


def _release_all(database: Database, worker_id: int, now: Microseconds) -> int:
    """Remove a marked worker together with what it holds; gives how many tasks were rescued."""
    held = _held(database, worker_id)
    with database.write():
        for host, pid, lost in database.execute(_REMOVE, (worker_id,)):
            tasks = database.execute(_STILL_HELD, (held, worker_id))
            for task in tasks:
                if lost == LEFT:
                    _give_back(database, worker_id, task, now)
                else:
                    _take_away(database, worker_id, task, _lapsed(host, pid), now)
            if lost == LEFT:
                return 0
            count(database, "lapsed_leases")
            count(database, "rescued", len(tasks))
            return len(tasks)
    return 0


def _give_back(database: Database, worker_id: int, task: Row, now: Microseconds) -> None:
    task_id, attempt, claimed_at, _ = task
    database.change(_TAKE_BACK, (now, task_id))
    database.rings = True
    database.change(_WAITS_NO_MORE, (task_id,))
    ended = events.Attempt(worker_id, claimed_at, attempt)
    events.record(database, "returned", task_id, now, attempts=attempt - 1, ends=ended)


def _take_away(database: Database, worker_id: int, task: Row, error: ErrorInfo, now: Microseconds) -> None:
    task_id, attempt, claimed_at, exhausted = task
    add_error(database, task_id, attempt, error, worker_id=worker_id, plugin_version=None, now=now)
    if exhausted:
        database.change(_BURY, (now, task_id))
    else:
        database.change(_REQUEUE, (now, FLAG_ERRORS, task_id))
        database.rings = True
        database.change(_WAITS_NO_MORE, (task_id,))
    kind, note = ("died", error.error_class.value) if exhausted else ("rescued", None)
    ended = events.Attempt(worker_id, claimed_at, attempt)
    events.record(database, kind, task_id, now, attempts=attempt, ends=ended, note=note)


def _held(database: Database, worker_id: int) -> str:
    """Find what a worker that can claim no more holds, as a JSON array."""
    if not database.execute(_ANY_CLAIMED):
        return "[]"
    return json.dumps([task_id for (task_id,) in database.execute(_HELD, (worker_id,))])


def _lapsed(host: str, pid: int) -> ErrorInfo:
    return ErrorInfo(
        error_class=ErrorClass.RESOURCE,
        type="ytworker.LeaseLapsed",
        message=f"the worker with process id {pid} on {host} stopped or hung while it held this task. "
        "Look for a crash or a lack of memory there",
        fingerprint="lease-lapsed",
    )


def _until(now: Microseconds, lease_seconds: float) -> Microseconds:
    return now + round(lease_seconds * SECOND)
