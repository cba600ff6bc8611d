"""The stable JSON shapes of the command line, without the secrets that somebody put into a task."""

from typing import Any

from ytworker.model import Microseconds, SourceState, Task, rfc3339
from ytworker.pacing import SourceUse
from ytworker.queue import WorkerInfo
from ytworker.redaction import masked, redact

FOREVER: Microseconds = 253_402_214_400_000_000
"""The last day that calendars have: until then a source is paused that waits to be resumed."""


def shape_of(task: Task) -> dict[str, Any]:
    """Give a task as ``tasks list --json`` shows it."""
    shape = task.to_json()
    texts = {name: redact(shape[name]) for name in ("error", "reason") if shape[name]}
    return {**shape, **texts, "params": shown_params(task)}


def shown_params(task: Task) -> dict[str, Any]:
    """Give the parameters of a task; values of telling names are hidden."""
    return {name: masked(name, value) for name, value in task.params.items()}


def worker_shape(worker: WorkerInfo) -> dict[str, Any]:
    """Give a worker as ``status --json`` and ``workers --json`` show it."""
    return {
        "id": str(worker.id),
        "host": worker.host,
        "pid": worker.pid,
        "version": worker.version,
        "started_at": rfc3339(worker.started_at),
        "seen_at": rfc3339(worker.seen_at),
        "lease_until": rfc3339(worker.lease_until),
    }


def source_shape(source: SourceState, now: Microseconds) -> dict[str, Any]:
    """Give a source as ``status --json`` and ``sources list --json`` show it; ``until`` is null for an open end."""
    paused = source.paused_until is not None and source.paused_until > now
    cooling = source.cooling_until is not None and source.cooling_until > now
    until = source.paused_until if paused else source.cooling_until
    by_settings = "config" if source.paused_by else None
    return {
        "name": source.name,
        "state": "paused" if paused else ("cooling" if cooling else "free"),
        "until": None if until is not None and until >= FOREVER else rfc3339(until),
        "class": by_settings if paused else (source.error_class.value if source.error_class else None),
        "reason": redact((source.pause_reason if paused else source.reason) or "") or None,
    }


def use_shape(use: SourceUse) -> dict[str, Any]:
    """Give how much a source is asked, as ``sources list --json`` shows it."""
    quotas = [
        {"bucket": each.bucket, "used": each.used, "limit": each.limit, "resets_at": rfc3339(each.reset)}
        for each in use.quotas
    ]
    return {
        "requests": use.requests,
        "requests_last_hour": use.last_hour,
        "requests_per_hour": use.per_hour,
        "in_flight": use.in_flight,
        "places": use.places,
        "quotas": quotas,
    }
