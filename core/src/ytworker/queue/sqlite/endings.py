"""How claims end, and what may happen while they hold: every statement here carries the fence.

The fence is (task, worker, number). A worker that was stopped past its lease and comes back finds that its fence no
longer fits: its write changes nothing, is counted, and is reported as stale.
"""

import json
from collections.abc import Sequence
from itertools import groupby
from typing import Any, TypeGuard

from ytworker.model import Claim, Doubted, ErrorInfo, Microseconds, Outcome
from ytworker.queue.payload import encode_json
from ytworker.queue.records import Completion, Deferral, Ending, Failure, Return
from ytworker.queue.settling import stale_claim
from ytworker.queue.sqlite import events, items, sources
from ytworker.queue.sqlite.counters import count
from ytworker.queue.sqlite.database import Database
from ytworker.queue.sqlite.enqueueing import enqueue_tasks, texts_of
from ytworker.queue.sqlite.failures import add_error, trim_errors
from ytworker.queue.sqlite.schema import FLAG_ERRORS, FLAG_ITEMS, FLAG_RUN, OUTCOME_CODES, READY_KEYS

_FENCE = "id = ? AND status = 1 AND owner = ? AND fence = ?"
_OK, _EMPTY = OUTCOME_CODES[Outcome.OK], OUTCOME_CODES[Outcome.EMPTY]
# A task that an earlier attempt stored items for is not empty.
_OUTCOME = f"CASE WHEN {{0}} = {_EMPTY} AND flags & {FLAG_ITEMS} THEN {_OK} ELSE {{0}} END"
_COMPLETE = f"""
UPDATE task SET status = 3, at = ?1, outcome = {_OUTCOME.format("?2")}
 WHERE id = ?3 AND status = 1 AND owner = ?4 AND fence = ?5
"""
# The fences of one worker's tasks, as a JSON object by id: an array for each task would have to be parsed again.
_COMPLETE_MANY = f"""
UPDATE task SET status = 3, at = ?1, outcome = {_OUTCOME.format("?2")} FROM json_each(?4) AS done
 WHERE task.id = CAST(done.key AS INTEGER) AND task.status = 1 AND task.owner = ?3 AND task.fence = done.value
RETURNING id
"""
_KILL = f"UPDATE task SET status = 4, at = ?, owner = NULL, flags = flags | {FLAG_ERRORS} WHERE {_FENCE}"
_RETRY = f"UPDATE task SET status = 2, at = ?, owner = NULL, flags = flags | {FLAG_ERRORS} WHERE {_FENCE}"
_DEFER = f"""
UPDATE task SET status = 2, at = ?, owner = NULL, attempt = attempt - 1, flags = flags | {FLAG_RUN} | ? WHERE {_FENCE}
"""
_RETURN = f"""
UPDATE task SET status = 0, at = ?, owner = NULL, attempt = attempt - 1, flags = flags | ?, {READY_KEYS} WHERE {_FENCE}
"""
_HOLDS = f"SELECT 1 FROM task WHERE {_FENCE}"
# Only a cancellation leaves a task with the owner of a claim that is over; queueing it again keeps that, too.
_CANCELLED = "SELECT 1 FROM task WHERE id = ? AND owner = ? AND fence = ? AND status IN (0, 5)"
_MARK = f"UPDATE task SET flags = flags | ? WHERE {_FENCE}"
_WAITS = """
INSERT INTO run (id, reason, source) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO UPDATE SET reason = ?2, source = ?3
"""
_WAITS_NO_MORE = "UPDATE run SET reason = NULL, source = NULL WHERE id = ? AND reason IS NOT NULL"
_SAVE = "INSERT INTO run (id, checkpoint) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET checkpoint = ?2"
_PROGRESS = """
INSERT INTO run (id, done, total, note) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (id) DO UPDATE SET done = ?2, total = ?3, note = ?4
"""

Texts = dict[int, list[str]]
"""The follow-up tasks' parameters of each ending, by its place, as JSON."""


def written(endings: Sequence[Ending]) -> Texts:
    """Write the parameters of follow-up tasks before the transaction, so that what cannot be written stops nothing."""
    return {
        place: texts_of(ending.follow_ups)
        for place, ending in enumerate(endings)
        if isinstance(ending, Completion) and ending.follow_ups
    }


def is_plain(ending: Ending) -> TypeGuard[Completion]:
    """Tell whether an ending is a completion with nothing to store: the common case, one statement for any number."""
    return isinstance(ending, Completion) and not (ending.items or ending.apart or ending.sources or ending.follow_ups)


def complete_one(database: Database, ending: Completion, now: Microseconds) -> bool:
    """Complete a plain ending by one statement; False when it is stale, which is then counted."""
    if _complete(database, ending, now):
        return True
    with database.write():
        _count_stale(database, [ending])
    return False


def settle(database: Database, endings: Sequence[Ending], texts: Texts, now: Microseconds) -> list[Ending]:
    """End attempts inside a transaction of the caller's, and give those that are stale."""
    if len(endings) == 1 and is_plain(endings[0]) and _complete(database, endings[0], now):
        return []  # by far the most frequent
    stale: list[Ending] = []
    for plain, group in groupby(enumerate(endings), key=lambda each: is_plain(each[1])):
        numbered = list(group)
        if plain and len(numbered) > 1:
            completions = [ending for _, ending in numbered if isinstance(ending, Completion)]
            stale += _complete_many(database, completions, now)
        else:
            stale += [ending for place, ending in numbered if not _end(database, ending, texts.get(place, []), now)]
    _count_stale(database, stale)
    return stale


def _end(database: Database, ending: Ending, texts: list[str], now: Microseconds) -> bool:
    match ending:
        case Completion():
            return _complete_with(database, ending, texts, now)
        case Failure():
            return _fail(database, ending, now)
        case Deferral():
            return _put_off(database, ending, now)
        case Return():
            return _put_back(database, ending, now)


def _complete_with(database: Database, ending: Completion, texts: list[str], now: Microseconds) -> bool:
    if not _complete(database, ending, now):
        return False
    _store(database, ending, now)
    enqueue_tasks(database, ending.follow_ups, texts, now)
    sources.forgive(database, ending.sources, ending.settings, now)
    return True


def _complete(database: Database, ending: Completion, now: Microseconds) -> bool:
    return database.change(_COMPLETE, (now, OUTCOME_CODES[_outcome(ending)], *_fence(ending.claim))) == 1


def _complete_many(database: Database, endings: Sequence[Completion], now: Microseconds) -> list[Ending]:
    groups: dict[tuple[int, int], dict[int, int]] = {}
    first: dict[int, Ending] = {}
    for ending in endings:
        claim = ending.claim
        if first.setdefault(claim.task.id, ending) is ending:
            group = groups.setdefault((OUTCOME_CODES[_outcome(ending)], claim.worker_id), {})
            group[claim.task.id] = claim.fence
    done: set[int] = set()
    for (outcome, worker_id), fences in groups.items():
        values = (now, outcome, worker_id, json.dumps(fences))
        done.update(task_id for (task_id,) in database.execute(_COMPLETE_MANY, values))
    stale: list[Ending] = []
    for ending in endings:
        task_id = ending.claim.task.id
        if first[task_id] is ending and task_id in done:
            done.discard(task_id)  # said twice in one batch, the second is stale
        elif not _complete(database, ending, now):  # mostly stale, or the first to name its task was
            stale.append(ending)
    return stale


def _fail(database: Database, ending: Failure, now: Microseconds) -> bool:
    # Whatever was decided: nobody runs more often than the task allows.
    dies = ending.retry_at is None or ending.claim.task.attempt >= ending.claim.task.max_attempts
    at, sql = (now, _KILL) if dies else (ending.retry_at, _RETRY)
    if not database.change(sql, (at, *_fence(ending.claim))):
        return False
    items.keep_apart(database, ending.claim.task, ending.apart, now)
    _remember(database, ending.claim, ending.error, ending.plugin_version, now)
    if not dies:
        database.rings = True
        database.change(_WAITS_NO_MORE, (ending.claim.task.id,))
    _tell(database, "died" if dies else "retried", ending.claim, ending.error.error_class.value, now)
    return True


def _put_off(database: Database, ending: Deferral, now: Microseconds) -> bool:
    claim, errors = ending.claim, FLAG_ERRORS if ending.error else 0
    if not database.change(_DEFER, (ending.until, errors, *_fence(claim))):
        return False
    database.rings = True
    if ending.error is not None:
        _remember(database, claim, ending.error, ending.plugin_version, now)
        trim_errors(database, claim.task.id, claim.task.attempt)
    database.change(_WAITS, (claim.task.id, ending.reason, ending.source))
    if ending.cool_down is not None:
        sources.cool_down(database, ending.cool_down)
    _tell(database, "deferred", claim, ending.reason, now, counted=False)
    return True


def _put_back(database: Database, ending: Return, now: Microseconds) -> bool:
    claim, run = ending.claim, FLAG_RUN if ending.reason else 0
    if not database.change(_RETURN, (now, run, *_fence(claim))):
        return False
    database.rings = True
    if ending.reason is None:
        database.change(_WAITS_NO_MORE, (claim.task.id,))
    else:
        database.change(_WAITS, (claim.task.id, ending.reason, None))
    _tell(database, "returned", claim, ending.reason, now, counted=False)
    return True


# -- while a claim holds


def save_checkpoint(
    database: Database, claim: Claim, value: Any, stored: Completion, texts: list[str], now: Microseconds
) -> bool:
    """Store what ``stored`` carries together with what a retry will find; False when the claim is stale."""
    text = encode_json(value, "the checkpoint")
    kept = FLAG_ITEMS if stored.items and stored.suspect is None else 0
    if not _mark(database, claim, FLAG_RUN | kept):
        return False
    _store(database, stored, now)
    enqueue_tasks(database, stored.follow_ups, texts, now)
    database.change(_SAVE, (claim.task.id, text))
    return True


def save_progress(database: Database, claim: Claim, done: int, total: int | None, note: str | None) -> bool:
    """Keep how far a task is; False when the claim is stale."""
    if not _mark(database, claim, FLAG_RUN):
        return False
    database.change(_PROGRESS, (claim.task.id, done, total, note))
    return True


def holds(database: Database, claim: Claim) -> bool:
    """Tell whether a claim still holds."""
    return bool(database.execute(_HOLDS, _fence(claim)))


def _mark(database: Database, claim: Claim, flags: int) -> bool:
    if database.change(_MARK, (flags, *_fence(claim))):
        return True
    _count_stale(database, [Return(claim=claim)])
    return False


# -- parts


def _outcome(ending: Completion) -> Outcome:
    stored = ending.items and ending.suspect is None
    return Outcome.OK if stored and ending.outcome is Outcome.EMPTY else ending.outcome


def _store(database: Database, ending: Completion, now: Microseconds) -> None:
    task, suspect = ending.claim.task, ending.suspect
    if suspect is None:
        items.store_items(database, task, ending.items, now)
    else:
        items.keep_apart(database, task, [Doubted(item, suspect) for item in ending.items], now)
    items.keep_apart(database, task, ending.apart, now)


def _remember(
    database: Database, claim: Claim, error: ErrorInfo, plugin_version: str | None, now: Microseconds
) -> None:
    add_error(
        database,
        claim.task.id,
        claim.task.attempt,
        error,
        worker_id=claim.worker_id,
        plugin_version=plugin_version,
        now=now,
    )


def _tell(
    database: Database, kind: str, claim: Claim, note: str | None, now: Microseconds, *, counted: bool = True
) -> None:
    attempts = claim.task.attempt if counted else claim.task.attempt - 1
    events.record(database, kind, claim.task.id, now, attempts=attempts, ends=events.attempt_of(claim), note=note)


def _count_stale(database: Database, stale: Sequence[Ending]) -> None:
    """Count late writers; one whose task was cancelled under its hands has lost no lease and is not counted."""
    lost = sum(not database.execute(_CANCELLED, _fence(ending.claim)) for ending in stale)
    count(database, "stale_writes", lost)


def _fence(claim: Claim) -> tuple[int, int, int]:
    return claim.task.id, claim.worker_id, claim.fence


__all__ = [
    "complete_one", "holds", "is_plain", "save_checkpoint", "save_progress", "settle", "stale_claim", "written",
]  # fmt: skip
