"""What a queue in memory consists of: frozen records in dictionaries, and transactions that can be undone.

Parameters, checkpoints and items are kept as JSON text, as a real store keeps them: what a test reads is what was
written, and not an object that it goes on changing.
"""

import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ytworker.model import Microseconds, Outcome, SourceState, TaskStatus, UniqueWhile
from ytworker.pacing import Pace, QuotaUse
from ytworker.queue import ORDERS, Attempt, Event, WorkerInfo
from ytworker.testing.memory.waking import MemoryWaker

K = TypeVar("K")
V = TypeVar("V")
ItemKey = tuple[str, str, str]

_ABSENT: Any = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTask:
    """A task with its history.

    Attributes:
        at: When it became ready while queued, ``run_at`` while scheduled, the time of the claim while claimed, and the
            time of the end afterwards.
        owner: The worker that holds it, or None.
        source: Whom a deferred task waits for.
        progress: done, total, note.
        kept_apart: Each item that was doubted as its JSON, with the moment and the reason.
    """

    id: int
    type: str
    params: str
    priority: int
    max_attempts: int
    timeout_seconds: float
    key: str | None
    unique: UniqueWhile
    created_at: Microseconds
    state: TaskStatus
    at: Microseconds
    depth: int = 0
    attempt: int = 0
    fence: int = 0
    owner: int | None = None
    outcome: Outcome | None = None
    reason: str | None = None
    source: str | None = None
    checkpoint: str | None = None
    progress: tuple[int, int | None, str | None] | None = None
    kept_apart: tuple[tuple[str, Microseconds, str], ...] = ()
    errors: tuple[Attempt, ...] = ()
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredItem:
    """An item as it was last seen; ``no`` is its place among all items."""

    no: int
    record: str
    content_hash: str
    first_seen_at: Microseconds
    last_seen_at: Microseconds
    last_changed_at: Microseconds


@dataclass(frozen=True, slots=True)
class StoredPace:
    """How much a source was asked.

    Attributes:
        full_at: When the token bucket is full again.
        asked_at: The latest moment that was seen.
        pace: Of whoever asked last.
        requests: The turn of every request that was ever let go.
    """

    full_at: Microseconds
    asked_at: Microseconds
    pace: Pace
    requests: tuple[Microseconds, ...]


@dataclass(slots=True)
class Store:
    """Everything that the handles of one queue share; whoever reads or writes it holds ``lock``.

    Attributes:
        waiting: The ids of the queued and scheduled tasks, so that a claim does not look at those that have ended.
        keys: Which task holds a (type, key).
        places: The fence of the task that holds a place in flight of a source.
        failed: The fence of the task whose request failed while it held that place.
        quotas: What is used of each (source, bucket).
        hits: For each task the items that it yielded, in its order, each with its context.
        numbers: The last number that was given to a task; it never comes back.
        version: Rises with every transaction that changed something.
        wakers: Whoever waits for such a transaction.
    """

    lock: threading.RLock = field(default_factory=threading.RLock)
    tasks: dict[int, StoredTask] = field(default_factory=dict)
    waiting: dict[int, None] = field(default_factory=dict)
    keys: dict[tuple[str, str], int] = field(default_factory=dict)
    workers: dict[int, WorkerInfo] = field(default_factory=dict)
    items: dict[ItemKey, StoredItem] = field(default_factory=dict)
    hits: dict[int, dict[ItemKey, str]] = field(default_factory=dict)
    sources: dict[str, SourceState] = field(default_factory=dict)
    paces: dict[str, StoredPace] = field(default_factory=dict)
    places: dict[tuple[str, int], int] = field(default_factory=dict)
    failed: dict[tuple[str, int], int] = field(default_factory=dict)
    quotas: dict[tuple[str, str], QuotaUse] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    orders: dict[str, None] = field(default_factory=lambda: dict.fromkeys(ORDERS))
    numbers: dict[str, int] = field(default_factory=dict)
    version: int = 0
    wakers: set[MemoryWaker] = field(default_factory=set)


class Transaction:
    """Changes to a store at one moment; every one of them goes through here, so that all can be undone.

    Args:
        store: What is changed.
        now: The one moment of everything in it.
        events: Whether the changes of tasks are recorded.
    """

    def __init__(self, store: Store, now: Microseconds, *, events: bool) -> None:
        self.store = store
        self.now = now
        self.events = events
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []

    def put(self, table: dict[K, V], key: K, value: V) -> None:
        """Set one entry of a table."""
        self._undo.append((table, key, table.get(key, _ABSENT)))
        table[key] = value

    def drop(self, table: dict[K, V], key: K) -> None:
        """Delete one entry of a table, if it is there."""
        if key in table:
            self._undo.append((table, key, table.pop(key)))

    def count(self, counter: str, number: int = 1) -> None:
        """Let a counter rise."""
        if number:
            self.put(self.store.counters, counter, self.store.counters.get(counter, 0) + number)

    def forget(self, beginnings: Collection[str]) -> None:
        """Delete the counters whose names begin like this."""
        for name in [each for each in self.store.counters if each.startswith(tuple(beginnings))]:
            self.drop(self.store.counters, name)

    def commit(self) -> None:
        """Let the other handles know, if there is something to know."""
        if self._undo:
            self.store.version += 1
            for waker in self.store.wakers:
                waker.ring()

    def undo(self) -> None:
        """Put everything back as it was."""
        for table, key, old in reversed(self._undo):
            if old is _ABSENT:
                del table[key]
            else:
                table[key] = old
