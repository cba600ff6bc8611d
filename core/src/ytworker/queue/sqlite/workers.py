"""Leases: one row for each worker, one transaction to take it away together with what it held."""

import os
import secrets
import socket

from ytworker._version import __version__
from ytworker.model import SECOND, ErrorClass, ErrorInfo, Microseconds
from ytworker.queue.sqlite.database import Database
from ytworker.queue.sqlite.endings import add_error, end

_ADD = "INSERT INTO worker (id, host, pid, version, started_at, seen_at, lease_until) VALUES (?, ?, ?, ?, ?, ?, ?)"
_RENEW = "UPDATE worker SET seen_at = ?, lease_until = ? WHERE id = ?"
_REMOVE = "DELETE FROM worker WHERE id = ?"
_TAKE_BACK = """
UPDATE state SET status = 0, at = ?, owner = NULL, attempt = attempt - 1 WHERE status = 1 AND owner = ?
"""
_LAPSED = "SELECT id FROM worker WHERE lease_until < ?"
_TAKE_AWAY = "DELETE FROM worker WHERE id = ? AND lease_until < ? RETURNING host, pid"
_HELD = """
SELECT s.id, s.attempt, s.attempt >= b.max_attempts FROM state s JOIN body b ON b.id = s.id
 WHERE s.status = 1 AND s.owner = ?
"""
_REQUEUE = "UPDATE state SET status = 0, at = ?, owner = NULL WHERE id = ?"
_BURY = "UPDATE state SET status = 4, at = ?, owner = NULL WHERE id = ?"


def add_worker(database: Database, now: Microseconds, lease_seconds: float) -> int:
    """Register this process. The id is random: host names and process ids come back, and a lease must not."""
    worker_id = secrets.randbits(53)  # fits a JSON number everywhere
    values = (worker_id, socket.gethostname(), os.getpid(), __version__, now, now, _until(now, lease_seconds))
    database.change(_ADD, values)
    return worker_id


def renew(database: Database, worker_id: int, now: Microseconds, lease_seconds: float) -> bool:
    """Prolong a lease that is still there."""
    return database.change(_RENEW, (now, _until(now, lease_seconds), worker_id)) == 1


def remove_worker(database: Database, worker_id: int, now: Microseconds) -> None:
    """Give a lease back in good order."""
    with database.write():
        database.change(_TAKE_BACK, (now, worker_id))
        database.change(_REMOVE, (worker_id,))


def rescue(database: Database, now: Microseconds) -> int:
    """Release what lapsed workers held; the looking is outside of any write lock, and mostly finds nobody."""
    return sum(_rescue_from(database, worker_id, now) for (worker_id,) in database.execute(_LAPSED, (now,)))


def _rescue_from(database: Database, worker_id: int, now: Microseconds) -> int:
    with database.write():
        taken = database.execute(_TAKE_AWAY, (worker_id, now))
        if not taken:  # renewed, or rescued by another worker, since we looked
            return 0
        held = database.execute(_HELD, (worker_id,))
        for task_id, attempt, exhausted in held:
            error = _lost(*taken[0])
            add_error(database, task_id, attempt, error, worker_id=worker_id, plugin_version=None, now=now)
            if exhausted:
                database.change(_BURY, (now, task_id))
                end(database, task_id)
            else:
                database.change(_REQUEUE, (now, task_id))
        return len(held)


def _lost(host: str, pid: int) -> ErrorInfo:
    return ErrorInfo(
        error_class=ErrorClass.RESOURCE,
        type="ytworker.LeaseLapsed",
        message=f"the worker with process id {pid} on {host} stopped or hung while it held this task. "
        "Look for a crash or a lack of memory there",
        fingerprint="lease-lapsed",
    )


def _until(now: Microseconds, lease_seconds: float) -> Microseconds:
    return now + round(lease_seconds * SECOND)
