"""Frozen records that travel between the parts: tasks, claims, results and items.

Times inside the program are integer UTC microseconds; in JSON they are RFC 3339. Task ids are integers inside and
strings in JSON, because JavaScript loses integers past 2**53.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

Microseconds = int
Clock = Callable[[], Microseconds]
MAX_COUNT = 2**53
"""What is counted goes so far at the most: beyond it JSON loses digits, and nobody counts so far."""
SECOND: Microseconds = 1_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_datetime(moment: Microseconds) -> datetime:
    """Turn integer UTC microseconds into an aware datetime, exactly."""
    return _EPOCH + timedelta(microseconds=moment)


def to_microseconds(moment: datetime) -> Microseconds:
    """Turn an aware datetime into integer UTC microseconds, exactly."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def rfc3339(moment: Microseconds | None) -> str | None:
    """Write integer UTC microseconds the way our JSON shows them, such as ``2026-11-23T22:36:26.000001Z``."""
    if moment is None:
        return None
    return to_datetime(moment).isoformat(timespec="microseconds").replace("+00:00", "Z")


class TaskStatus(StrEnum):
    """Where a task is: ``queued → claimed → completed | queued | scheduled | dead | cancelled``."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    SCHEDULED = "scheduled"
    COMPLETED = "completed"
    DEAD = "dead"
    CANCELLED = "cancelled"


class Outcome(StrEnum):
    """How a completed task ended: with items, legally without any, or with items that are kept apart."""

    OK = "ok"
    EMPTY = "empty"
    SUSPECT = "suspect"


class ErrorClass(StrEnum):
    """What kind of failure this is; the class alone decides what happens next.

    ======================  ==========================================================================
    class                   what happens
    ======================  ==========================================================================
    transient, resource     retried with backoff; the attempt counts
    bug, suspect            one retry, then dead
    throttled, blocked,     the source cools down, its tasks wait, nothing counts
    quota
    not_yet                 deferred to the time that the error names; does not count
    gone, restricted,       dead at once
    invalid
    config                  the source is paused until the settings change; does not count
    unavailable             the plugin is missing, blocked or broken: the task stays queued
    store                   the store cannot be written: the worker stops claiming; does not count
    ======================  ==========================================================================
    """

    TRANSIENT = "transient"
    RESOURCE = "resource"
    BUG = "bug"
    SUSPECT = "suspect"
    THROTTLED = "throttled"
    BLOCKED = "blocked"
    QUOTA = "quota"
    NOT_YET = "not_yet"
    GONE = "gone"
    RESTRICTED = "restricted"
    INVALID = "invalid"
    CONFIG = "config"
    UNAVAILABLE = "unavailable"
    STORE = "store"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorInfo:
    """One failure as data: what a child reports, what the store keeps, what the operator reads.

    Attributes:
        error_class: What the failure is; decides the consequence.
        type: Qualified name of the exception, such as ``builtins.KeyError``.
        message: What happened, why, and what to do next.
        traceback: The formatted traceback, or an empty string.
        fingerprint: Equal for failures of one cause, so that a thousand of them are one group.
        retry_after: Seconds that the far side asked us to wait, or None.
        source: Whom the failure is about (the identity that cools down or pauses), or None.
        offline: True when nobody could be reached at all: no network on this machine, or no proxy.
    """

    error_class: ErrorClass
    type: str
    message: str
    traceback: str = ""
    fingerprint: str = ""
    retry_after: float | None = None
    source: str | None = None
    offline: bool = False


class UniqueWhile(StrEnum):
    """For how long a key keeps others out: while its task has not ended, or only while it waits to be claimed."""

    LIVE = "live"
    QUEUED = "queued"


class OnConflict(StrEnum):
    """What enqueueing does when a task with the same key is there: nothing, or a change to that task while it waits."""

    KEEP = "keep"
    REPLACE = "replace"
    RAISE_PRIORITY = "raise_priority"


class Origin(StrEnum):
    """Who puts a task into the queue: a command line, the task that it follows, or a program through Python."""

    CLI = "cli"
    PARENT = "parent"
    API = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A task as it is handed to the queue: already validated, parameters as plain JSON values.

    Attributes:
        type: The task type, which is the entry-point name of the plugin that answers it.
        params: JSON object.
        priority: 1 to 10, 10 first.
        run_at: Earliest moment to run, or None for now.
        key: Makes the task unique among those of its type, or None.
        max_attempts: How many attempts may count before the task is dead.
        timeout_seconds: How long one attempt may take.
        unique: For how long the key keeps others out.
        on_conflict: What becomes of a task that has the key already. A task that is being worked on is never changed.
        depth: How many tasks led to this one, each as the follow-up of the one before.
        origin: Who puts it in; only counted, and not kept with the task.
    """

    type: str
    params: Mapping[str, Any]
    priority: int = 5
    run_at: Microseconds | None = None
    key: str | None = None
    max_attempts: int = 5
    timeout_seconds: float = 900.0
    unique: UniqueWhile = UniqueWhile.LIVE
    on_conflict: OnConflict = OnConflict.KEEP
    depth: int = 0
    origin: Origin = Origin.API


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task as the queue knows it at one moment.

    Attributes:
        id: Its number in the queue; a string in JSON.
        type: The task type.
        state: Where it is.
        params: Its parameters, a JSON object.
        priority: 1 to 10, 10 first.
        attempt: How many attempts have counted so far.
        max_attempts: How many may count.
        timeout_seconds: How long one attempt may take.
        created_at: When it was enqueued.
        run_at: When a scheduled task becomes due, else None.
        started_at: When the running attempt was claimed, else None.
        finished_at: When it ended, else None.
        key: Its unique key, if any.
        outcome: How it completed, else None.
        error: Its latest failure, else None.
        reason: Why it waits (a deferral), else None.
        depth: How many tasks led to this one, each as the follow-up of the one before.
    """

    id: int
    type: str
    state: TaskStatus
    params: Mapping[str, Any]
    priority: int
    attempt: int
    max_attempts: int
    timeout_seconds: float
    created_at: Microseconds
    run_at: Microseconds | None = None
    started_at: Microseconds | None = None
    finished_at: Microseconds | None = None
    key: str | None = None
    outcome: Outcome | None = None
    error: ErrorInfo | None = None
    reason: str | None = None
    depth: int = 0

    def to_json(self) -> dict[str, Any]:
        """Give the stable JSON shape of ``tasks list`` and ``dead list``."""
        return {
            "id": str(self.id),
            "type": self.type,
            "state": self.state.value,
            "priority": self.priority,
            "attempt": self.attempt,
            "max_attempts": self.max_attempts,
            "timeout_seconds": self.timeout_seconds,
            "created_at": rfc3339(self.created_at),
            "run_at": rfc3339(self.run_at),
            "started_at": rfc3339(self.started_at),
            "finished_at": rfc3339(self.finished_at),
            "key": self.key,
            "params": dict(self.params),
            "outcome": self.outcome.value if self.outcome else None,
            "error_class": self.error.error_class.value if self.error else None,
            "error": self.error.message if self.error else None,
            "fingerprint": self.error.fingerprint if self.error else None,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on one task, until somebody else holds a higher fence.

    Attributes:
        task: The task as claimed; ``task.attempt`` already counts this attempt.
        worker_id: Who claimed it.
        fence: Rises at every claim of the task and never falls; every later write carries it.
        checkpoint: What an earlier attempt saved last, or None.
        ready_at: Since when the task was ready, or due; None where the queue does not tell.
        stored: How many items earlier attempts stored, if there is a checkpoint; None where the queue does not tell.
    """

    task: Task
    worker_id: int
    fence: int
    checkpoint: Any = None
    ready_at: Microseconds | None = None
    stored: int | None = None


@dataclass(frozen=True, slots=True)
class Sights:
    """What an attempt saw and went through, for metrics.

    Attributes:
        items: How many items it yielded, doubted ones included.
        missing: How many of them lack which field.
        waited: For how long it waited for its turn with each source.
    """

    items: int = 0
    missing: Mapping[str, int] = field(default_factory=dict)
    waited: Mapping[str, Microseconds] = field(default_factory=dict)


NO_SIGHTS = Sights()


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What one attempt came to.

    Attributes:
        success: Whether the scrape ran to its end.
        data: The items that are not yet stored, in the order of the scrape. Empty on failure.
        error: The failure, or None.
        suspect: Why the items are doubted and kept apart, or None.
        deferred_until: When a scrape that asked to wait wants to go on, or None.
        reason: Why it asked to wait, or None.
        earlier: How many items this attempt has already stored with its checkpoints.
        sources: Whom the attempt asked.
        settings_digest: Digest of the plugin settings that it ran under.
        plugin_version: Version of the plugin that ran, if known.
        waits_for: The source that a deferred scrape waits for, if any.
        follow_ups: The tasks that it asked for since its last checkpoint.
        requests: How many requests the attempt was allowed to make.
        apart: The items that are doubted one by one, with the reason of each.
        sights: What it saw and went through, for metrics.
        lasted: How long it took, by a clock that nobody sets; None where only the queue's moments tell.
    """

    success: bool
    data: tuple["Item", ...] = ()
    error: ErrorInfo | None = None
    suspect: str | None = None
    deferred_until: Microseconds | None = None
    reason: str | None = None
    earlier: int = 0
    sources: frozenset[str] = frozenset()
    settings_digest: str = ""
    plugin_version: str | None = None
    waits_for: str | None = None
    follow_ups: tuple[NewTask, ...] = ()
    requests: int = 0
    apart: tuple["Doubted", ...] = ()
    sights: Sights = NO_SIGHTS
    lasted: Microseconds | None = None

    def took(self, claim: Claim, now: Microseconds) -> Microseconds | None:
        """Say how long the attempt took, or None where nobody knows when it began."""
        if self.lasted is not None or claim.task.started_at is None:
            return self.lasted
        return max(0, now - claim.task.started_at)

    @property
    def outcome(self) -> Outcome:
        """How a successful attempt completes its task."""
        if self.suspect is not None:
            return Outcome.SUSPECT
        return Outcome.OK if self.data or self.earlier else Outcome.EMPTY


# --- items ---------------------------------------------------------------------------------------------------------

Precision = Literal["exact", "rounded"]
Count = Annotated[int, Field(ge=0, lt=2**63)]


class _Record(BaseModel):
    """Frozen, and strict about names and numbers: a misspelt field is an error, not a silent loss; JSON has no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Author(_Record):
    """Who made it: ``followers`` is what the site shows, on YouTube always rounded."""

    id: str | None = None
    name: str | None = None
    url: str | None = None
    followers: Count | None = None


class MetricPrecision(_Record):
    """How far each count can be trusted: ``rounded`` is what "1.2M views" becomes."""

    views: Precision | None = None
    likes: Precision | None = None
    comments: Precision | None = None


class Metrics(_Record):
    """Counts at one moment. None means unknown or hidden, which is not 0."""

    views: Count | None = None
    likes: Count | None = None
    comments: Count | None = None
    precision: MetricPrecision = MetricPrecision()


class ItemContext(_Record):
    """How this scrape came upon the item; belongs to the hit, not to the item."""

    query: str | None = None
    rank: int | None = None
    country: str | None = None
    category: str | None = None
    list: str | None = None


class Item(_Record):
    """What a scrape yields: one video ("idea") as a typed record.

    Identity is (``source``, ``kind``, ``id``): the same video from a channel and from a search is one item.

    Attributes:
        source: The site, such as ``youtube``.
        kind: What it is, such as ``video``.
        id: The site's own id, a string that is stable over scrapes.
        url: Where a person can look at it.
        title: Its title.
        description: Its description, or the part that a list shows.
        text: The transcript as plain text.
        tags: Its tags in the order of the site; None is unknown, an empty list is none.
        author: Who made it.
        published_at: When it became public.
        duration_seconds: Its length; None for a live stream or where the list does not say.
        language: BCP 47 tag.
        thumbnail_url: A still picture.
        is_short: Whether the site shows it as a short; None is unknown.
        live_status: ``not_live``, ``is_live``, ``is_upcoming``, ``was_live`` or ``post_live``.
        availability: ``public``, ``unlisted``, ``members_only``, ``private``, ``gone``, ``restricted`` and the like.
        metrics: Counts at the time of the scrape.
        context: How the scrape came upon it.
        extra: Anything else, as JSON.
    """

    source: str = Field(min_length=1, max_length=100)
    kind: str = Field(default="video", min_length=1, max_length=100)
    id: str = Field(min_length=1, max_length=500)
    url: str | None = None
    title: str | None = None
    description: str | None = None
    text: str | None = None
    tags: tuple[str, ...] | None = None
    author: Author = Author()
    published_at: AwareDatetime | None = None
    duration_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    language: str | None = None
    thumbnail_url: str | None = None
    is_short: bool | None = None
    live_status: str | None = None
    availability: str | None = None
    metrics: Metrics = Metrics()
    context: ItemContext = ItemContext()
    extra: dict[str, JsonValue] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Doubted:
    """An item that does not look as it should, and why: it is kept apart and never overwrites a good one."""

    item: Item
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """What all workers know of one source.

    Attributes:
        name: The identity that is asked: an IP or proxy, a cookie jar, an API key.
        cooling_until: Nobody asks it before this moment; None when it is free.
        reason: Why it cools down or is paused.
        strikes: How many cool-downs followed each other without a success between.
        error_class: The class of the latest strike; a strike of another class starts a new count.
        paused_until: Until when it is paused, because the settings seem wrong or by hand; None when it is not.
        pause_reason: Why it is paused.
        paused_by: Digest of the settings under which it was paused; under others it may be asked at once. None where it
            was paused by hand.
    """

    name: str
    cooling_until: Microseconds | None = None
    reason: str | None = None
    strikes: int = 0
    error_class: ErrorClass | None = None
    paused_until: Microseconds | None = None
    pause_reason: str | None = None
    paused_by: str | None = field(default=None, repr=False)

    def bars(self, now: Microseconds, settings: str | None) -> bool:
        """Tell whether nobody asks it now under these settings.

        Without any, somebody sits in front of it who may have mended the cause: a pause for settings does not count
        then, and neither does the rest after finding no network, which spares nobody but us.
        """
        paused = self.paused_until is not None and self.paused_until > now and self.paused_by in {None, settings}
        overlooked = settings is None and self.error_class is ErrorClass.TRANSIENT
        return paused or (self.cooling_until is not None and self.cooling_until > now and not overlooked)
