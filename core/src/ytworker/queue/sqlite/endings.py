"""How a claim ends, and what may happen while it holds: every statement here carries the fence.

The fence is (task, worker, number). A worker that was stopped past its lease and comes back finds that its fence no
longer fits: its write changes nothing, is counted, and raises.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ytworker.errors import StaleClaimError
from ytworker.model import Claim, ErrorInfo, Microseconds, Outcome
from ytworker.queue.sqlite.database import Database
from ytworker.queue.sqlite.schema import OUTCOME_CODES

_FENCE = "id = ? AND status = 1 AND owner = ? AND fence = ?"
_HOLDS = f"SELECT 1 FROM state WHERE {_FENCE}"
_COMPLETE = f"UPDATE state SET status = 3, at = ?, outcome = ?, owner = NULL WHERE {_FENCE}"
_KILL = f"UPDATE state SET status = 4, at = ?, owner = NULL WHERE {_FENCE}"
_RETRY = f"UPDATE state SET status = 2, at = ?, owner = NULL WHERE {_FENCE}"
_DEFER = f"UPDATE state SET status = 2, at = ?, owner = NULL, attempt = attempt - 1 WHERE {_FENCE}"
_RELEASE = f"UPDATE state SET status = 0, at = ?, owner = NULL, attempt = attempt - 1 WHERE {_FENCE}"
_FREE_KEY = "DELETE FROM live_key WHERE id = ?1 AND (type, key) = (SELECT type, key FROM body WHERE id = ?1)"
_FORGET_RUN = "DELETE FROM run WHERE id = ?"
_WAITS = """
INSERT INTO run (id, reason, source) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO UPDATE SET reason = ?2, source = ?3
"""
_SAVE = "INSERT INTO run (id, checkpoint) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET checkpoint = ?2"
_PROGRESS = """
INSERT INTO run (id, done, total, note) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (id) DO UPDATE SET done = ?2, total = ?3, note = ?4
"""
_ADD_ERROR = """
INSERT INTO error (task, attempt, at, class, type, message, traceback, fingerprint, retry_after, source, worker,
                   plugin_version)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_COUNT = "INSERT INTO counter (name, value) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"


@contextmanager
def fenced(database: Database, claim: Claim) -> Iterator[None]:
    """Run a write transaction under a claim; a stale one is counted after its rollback."""
    try:
        with database.write():
            if not database.execute(_HOLDS, _fence(claim)):
                raise _stale(claim)
            yield
    except StaleClaimError:
        database.change(_COUNT, ("stale_writes",))
        raise


def complete(database: Database, claim: Claim, outcome: Outcome, now: Microseconds) -> None:
    """End a task well, inside a fenced transaction."""
    database.change(_COMPLETE, (now, OUTCOME_CODES[outcome], *_fence(claim)))
    end(database, claim.task.id)


def kill(database: Database, claim: Claim, now: Microseconds) -> None:
    """End a task as a dead letter, inside a fenced transaction."""
    database.change(_KILL, (now, *_fence(claim)))
    end(database, claim.task.id)


def retry(database: Database, claim: Claim, at: Microseconds) -> None:
    """Schedule another attempt, inside a fenced transaction."""
    database.change(_RETRY, (at, *_fence(claim)))
    database.change(_WAITS, (claim.task.id, None, None))


def put_off(database: Database, claim: Claim, until: Microseconds, reason: str, source: str | None) -> None:
    """Schedule a task for later and take its attempt back, inside a fenced transaction."""
    database.change(_DEFER, (until, *_fence(claim)))
    database.change(_WAITS, (claim.task.id, reason, source))


def put_back(database: Database, claim: Claim, reason: str | None, now: Microseconds) -> None:
    """Queue a task again as if it had not been claimed, inside a fenced transaction."""
    database.change(_RELEASE, (now, *_fence(claim)))
    database.change(_WAITS, (claim.task.id, reason, None))


def save_checkpoint(database: Database, claim: Claim, value: Any) -> None:
    """Keep what a retry will find, inside a fenced transaction."""
    database.change(_SAVE, (claim.task.id, json.dumps(value, allow_nan=False)))


def save_progress(database: Database, claim: Claim, done: int, total: int | None, note: str | None) -> None:
    """Keep how far a task is, inside a fenced transaction."""
    database.change(_PROGRESS, (claim.task.id, done, total, note))


def end(database: Database, task_id: int) -> None:
    """Free the unique key of a task that has ended, and forget its run."""
    database.change(_FREE_KEY, (task_id,))
    database.change(_FORGET_RUN, (task_id,))


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
    """Add one failure to the history of a task."""
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
    database.change(_ADD_ERROR, values)


def _stale(claim: Claim) -> StaleClaimError:
    return StaleClaimError(
        f"task {claim.task.id}: the claim of worker {claim.worker_id} (fence {claim.fence}) no longer holds. "
        "Its lease lapsed and the task went on without it; nothing was written"
    )


def _fence(claim: Claim) -> tuple[int, int, int]:
    return claim.task.id, claim.worker_id, claim.fence
