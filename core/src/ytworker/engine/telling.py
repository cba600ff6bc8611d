"""What a worker logs of its tasks: one wide line for each attempt, so that nobody has to put it together from many."""

import logging
from collections.abc import Mapping
from typing import Any

from ytworker.engine.retry import Bury, Decision, Defer, Release, Retry
from ytworker.errors import StaleClaimError
from ytworker.logs import KEYS, LogEvent, event
from ytworker.model import Claim as Claimed
from ytworker.model import ErrorInfo, Microseconds, TaskResult
from ytworker.queue import queue_name

log = logging.getLogger("ytworker.engine.worker")

_UNKNOWN: Mapping[str, None] = dict.fromkeys(name for name in KEYS if name != "count")


def tell_claim(claim: Claimed, url: str) -> None:
    """Log that a task was claimed."""
    if not log.isEnabledFor(logging.DEBUG):
        return
    task = claim.task
    told = event(LogEvent.JOB_CLAIMED, **_identity(claim, url))
    log.debug("task %d (%s), attempt %d: claimed", task.id, task.type, task.attempt, extra=told)


def tell_late(claim: Claimed, url: str, error: StaleClaimError) -> None:
    """Log that a report came too late and changed nothing."""
    log.warning("%s", error, extra=event(LogEvent.JOB_FENCED, **_identity(claim, url)))


def tell_result(claim: Claimed, result: TaskResult, decision: Decision | None, *, url: str, now: Microseconds) -> None:
    """Log how an attempt ended, with all that is known of it.

    Args:
        claim: The attempt.
        result: What it came to.
        decision: What followed a failure; None for a success, and for a task that was put off by its own wish.
        url: The queue.
        now: When it was reported.
    """
    task, error = claim.task, result.error
    if not log.isEnabledFor(logging.INFO):
        return
    if not result.success and error is None and result.reason is None:
        return  # it goes back as it came: nothing was tried
    known = {
        **_UNKNOWN,
        **_identity(claim, url),
        "plugin_version": result.plugin_version,
        "source": _source(result, error),
        "outcome": outcome_of(result, decision),
        "error_class": error.error_class.value if error else None,
        "fingerprint": error.fingerprint if error else None,
        "duration_ms": None if (took := result.took(claim, now)) is None else took // 1000,
        "requests": result.requests,
        "items": len(result.data) + result.earlier,
    }
    sentence = f"task {task.id} ({task.type}), attempt {task.attempt}: {_in_words(result, decision)}"
    log.info("%s", sentence, extra=event(LogEvent.JOB_FINISHED, **known))
    _tell_more(known, result, decision)


def outcome_of(result: TaskResult, decision: Decision | None) -> str:
    """Give how an attempt ended as one word: ok, empty, suspect, retry, dead, deferred or returned."""
    if result.success:
        return result.outcome.value
    match decision:
        case Retry():
            return "retry"
        case Bury():
            return "dead"
        case Release():
            return "returned"
    return "deferred" if isinstance(decision, Defer) or result.deferred_until is not None else "returned"


def _tell_more(known: Mapping[str, Any], result: TaskResult, decision: Decision | None) -> None:
    """Log what somebody may want to be woken for: a source that must rest, items that are doubted."""
    error = result.error
    if error is not None and error.source is not None and isinstance(decision, Defer):
        name = LogEvent.SOURCE_PAUSED if decision.pause else LogEvent.SOURCE_THROTTLED
        keys = ("job_id", "queue", "worker", "error_class", "source")
        if decision.pause or decision.cool_down:
            told = event(name, **{key: known[key] for key in keys})
            log.info("%s rests for %.0f s: %s", error.source, decision.delay, error.message, extra=told)
    if result.suspect is not None or result.apart:
        count = len(result.apart) + (0 if result.suspect is None else len(result.data))
        about = {key: known[key] for key in ("job_id", "queue", "worker")}
        told = event(LogEvent.ITEM_SUSPECT, **about, items=count)
        why = result.suspect or result.apart[0].reason
        log.info("%d items of task %s are kept apart: %s", count, known["job_id"], why, extra=told)


def _identity(claim: Claimed, url: str) -> dict[str, Any]:
    task = claim.task
    return {
        "job_id": str(task.id),
        "attempt": task.attempt,
        "fence": claim.fence,
        "queue": queue_name(url),
        "worker": task.type,
        "worker_id": str(claim.worker_id),
        "target": task.key,
    }


def _source(result: TaskResult, error: ErrorInfo | None) -> str | None:
    if error is not None and error.source is not None:
        return error.source
    return result.waits_for or ", ".join(sorted(result.sources)) or None


def _in_words(result: TaskResult, decision: Decision | None) -> str:
    if result.success:
        return f"{result.outcome}, {len(result.data) + result.earlier} items"
    if result.error is not None:
        return f"{result.error.error_class}: {result.error.message} -> {decision}"
    return f"put off: {result.reason}"
