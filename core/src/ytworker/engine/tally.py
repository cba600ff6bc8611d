"""What a worker counts of its attempts, for metrics: by type and outcome, by class of error, by how long they took.

It is kept in memory and added to the queue's counters now and then, in one small transaction, so that counting costs
the work nothing. What a killed worker had not added yet is not counted.

The share of items that lack a field tells of drift only while it is young. So items are counted in windows of
:data:`WINDOW` and more: whoever adds to a window that is full opens the next, and forgets all but the one before it.
"""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from ytworker.engine.retry import Decision
from ytworker.engine.telling import outcome_of
from ytworker.errors import StoreError
from ytworker.model import NO_SIGHTS, SECOND, Claim, Microseconds, Sights, TaskResult
from ytworker.queue import DURATIONS, WAITS, TaskQueue, bucket_names, counter_name, labels_of

EVERY: Microseconds = 10 * SECOND
"""How often the counts go to the queue; shorter than anybody scrapes metrics."""
WINDOW = 500
"""So many items of a type are looked at for the share that lacks a field, at least; and up to twice as many."""

_SUCCESSES = frozenset({"ok", "empty"})


@dataclass(slots=True)
class _Times:
    """How long something took, by buckets."""

    bounds: tuple[float, ...]
    total: Microseconds = 0
    buckets: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.buckets = [0] * (len(self.bounds) + 1)

    def add(self, taken: Microseconds) -> None:
        self.total += taken
        self.buckets[bisect_left(self.bounds, taken / SECOND)] += 1

    def counts(self, kind: str, *labels: str) -> dict[str, int]:
        """Name the counters."""
        names = bucket_names(self.bounds)
        filled = {counter_name(kind, *labels, name): n for name, n in zip(names, self.buckets, strict=True) if n}
        return {**filled, counter_name(f"{kind}_sum", *labels): self.total} if filled else {}


@dataclass(slots=True)
class _Ended:
    """The attempts of one type with one outcome."""

    number: int = 0
    latest: Microseconds = 0
    took: _Times = field(default_factory=lambda: _Times(DURATIONS))


class Tally:
    """The counts of one worker; names are made when they are added, since counting happens with every attempt.

    Args:
        queue: Whose counters rise.
    """

    def __init__(self, queue: TaskQueue) -> None:
        self._queue = queue
        self._since: Microseconds | None = None
        self._clear()

    def _clear(self) -> None:
        self._ended: dict[tuple[str, str], _Ended] = {}
        self._waits = _Times(WAITS)
        self._counts: Counter[str] = Counter()
        self._items: dict[str, Counter[str]] = {}

    @property
    def holds(self) -> bool:
        """Whether there is something to add."""
        return bool(self._ended or self._counts or self._items)

    def take(self, claim: Claim, result: TaskResult, decision: Decision | None, now: Microseconds) -> None:
        """Count an attempt whose ending is written down."""
        outcome = outcome_of(result, decision)
        if result.sights is not NO_SIGHTS:
            self._take_sights(claim.task.type, result.sights)
        if outcome != "returned":  # else nothing was tried
            self._take_ending(claim, outcome, result.took(claim, now), now)
            if result.error is not None:
                self._counts[counter_name("errors", claim.task.type, result.error.error_class)] += 1
        if self._since is None and self.holds:
            self._since = now
        self.add_if_due(now)

    def add_if_due(self, now: Microseconds) -> None:
        """Add what was counted if that was long enough ago."""
        if self._since is not None and not 0 <= now - self._since < EVERY:
            self.add(now)

    def add(self, now: Microseconds | None = None) -> None:
        """Add what was counted to the queue's counters; what cannot be written now is kept for the next time."""
        self._since = now
        if not self.holds:
            return
        try:
            items, old = self._in_windows()
            self._queue.count({**self._counts, **self._endings(), **items}, latest=self._successes(), forget=old)
        except StoreError:
            return
        self._clear()

    def _take_ending(self, claim: Claim, outcome: str, took: Microseconds | None, now: Microseconds) -> None:
        which, started_at = (claim.task.type, outcome), claim.task.started_at
        ended = self._ended.get(which)
        if ended is None:
            ended = self._ended[which] = _Ended()
        ended.number += 1
        ended.latest = now
        if took is not None:
            ended.took.add(took)
        if started_at is not None and claim.ready_at is not None:
            self._waits.add(max(0, started_at - claim.ready_at))

    def _take_sights(self, kind: str, sights: Sights) -> None:
        for source, waited in sights.waited.items():
            self._counts[counter_name("paced", source)] += waited
        if sights.items:
            items = self._items.setdefault(kind, Counter())
            items.update(sights.missing)
            items[""] += sights.items

    def _endings(self) -> dict[str, int]:
        """Name the counters of the attempts."""
        counts = self._waits.counts("wait")
        for which, ended in self._ended.items():
            counts[counter_name("jobs", *which)] = ended.number
            counts |= ended.took.counts("duration", *which)
        return counts

    def _successes(self) -> dict[str, Microseconds]:
        """Name the moments of the latest successes."""
        latest: dict[str, Microseconds] = {}
        for (kind, outcome), ended in self._ended.items():
            if outcome in _SUCCESSES:
                name = counter_name("success", kind)
                latest[name] = max(ended.latest, latest.get(name, 0))
        return latest

    def _in_windows(self) -> tuple[dict[str, int], list[str]]:
        """Name the counters of the items by their windows, and the windows that are to be forgotten."""
        counts: dict[str, int] = {}
        old: list[str] = []
        for kind, items in self._items.items():
            sizes = self._windows_of(kind)
            latest = max(sizes, default=0)
            window = latest + (sizes.get(latest, 0) >= WINDOW)
            counts |= {counter_name("fields", kind, str(window), name): number for name, number in items.items()}
            old += [counter_name("fields", kind, str(each), "") for each in sizes if each < window - 1]
        return counts, old

    def _windows_of(self, kind: str) -> dict[int, int]:
        """Give how many items each window of a type holds."""
        sizes: dict[int, int] = {}
        for name, number in self._queue.counters(counter_name("fields", kind, "")).items():
            found, window, field = labels_of(name, 3)
            if found == kind:
                sizes[int(window)] = sizes.get(int(window), 0) + (0 if field else number)
        return sizes
