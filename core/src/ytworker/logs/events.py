"""What is logged: the closed list of events and the keys that go with them. Both only grow.

In logs and metrics the words follow the field: a *job* is a task, and its *worker* is the plugin that answers its type.
"""

from enum import StrEnum
from typing import Any


class LogEvent(StrEnum):
    """What happened; ``docs/reference/logs.md`` tells each in words."""

    JOB_CLAIMED = "job.claimed"
    JOB_FINISHED = "job.finished"
    JOB_FENCED = "job.fenced"
    JOBS_RESCUED = "jobs.rescued"
    JOBS_PURGED = "jobs.purged"
    ITEM_SUSPECT = "item.suspect"
    SOURCE_THROTTLED = "source.throttled"
    SOURCE_PAUSED = "source.paused"
    LEASE_LOST = "lease.lost"
    LEASE_NOT_RENEWED = "lease.not_renewed"
    QUEUE_PREPARED = "queue.prepared"
    QUEUE_EXPOSED = "queue.exposed"
    PLUGIN_FAILED = "plugin.failed"
    PLUGIN_MESSAGE = "plugin.message"
    WORKER_MESSAGE = "worker.message"
    LOG_MESSAGE = "log.message"


KEYS = (
    "job_id",
    "attempt",
    "fence",
    "queue",
    "worker",
    "worker_id",
    "plugin_version",
    "source",
    "target",
    "outcome",
    "error_class",
    "fingerprint",
    "duration_ms",
    "requests",
    "items",
    "count",
    "trace_id",
    "span_id",
)
"""What an event may tell beside ``ts``, ``level``, ``event``, ``message``, ``logger``, ``host`` and ``pid``."""

_FIELDS = "ytworker_fields"


def event(name: LogEvent, **fields: Any) -> dict[str, Any]:
    """Give the ``extra`` of a log call that tells an event.

    Args:
        name: What happened.
        **fields: Of :data:`KEYS`.

    Raises:
        ValueError: A field is none of ours; whoever reads the logs would not know it.
    """
    unknown = fields.keys() - set(KEYS)
    if unknown:
        msg = f"{', '.join(sorted(unknown))}: no key of our logs; add it to ytworker.logs.events.KEYS and to the docs"
        raise ValueError(msg)
    return {_FIELDS: {"event": name.value, **fields}}


def fields_of(record: Any) -> dict[str, Any]:
    """Give the event and the fields of a record; one that was not made with :func:`event` gets them by its logger."""
    fields = getattr(record, _FIELDS, None)
    if isinstance(fields, dict):
        return fields
    _, _, plugin = record.name.partition("ytworker.plugin.")
    if not plugin:
        return {"event": LogEvent.LOG_MESSAGE.value}
    task_id = getattr(record, "task_id", None)
    told = {
        "worker": getattr(record, "task_type", plugin) or None,  # a library's logger has no task type for a name
        "job_id": None if task_id is None else str(task_id),
        "attempt": getattr(record, "attempt", None),
    }
    return {
        "event": LogEvent.PLUGIN_MESSAGE.value,
        **{name: value for name, value in told.items() if value is not None},
    }
