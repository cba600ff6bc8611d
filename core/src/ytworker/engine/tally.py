"""What a worker counts of its attempts, for metrics: by type and outcome, by class of error, by how long they took.

It is kept in memory and added to the queue's counters now and then, in one small transaction, so that counting costs
the work nothing. What a killed worker had not added yet is not counted.
"""

from bisect import bisect_left
from collections import Counter

from ytworker.engine.retry import Decision
from ytworker.engine.telling import outcome_of
from ytworker.errors import StoreError
from ytworker.model import SECOND, Claim, Microseconds, TaskResult
from ytworker.queue import TaskQueue

EVERY: Microseconds = 10 * SECOND
"""How often the counts go to the queue; shorter than anybody scrapes metrics."""
DURATIONS = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)
"""Upper bounds of the histogram of durations, in seconds: from one request to the default deadline."""
SEPARATOR = "|"
"""Between the parts of a counter's name; no task type, outcome or class holds one."""


class Tally:
    """The counts of one worker.

    Args:
        queue: Whose counters rise.
    """

    def __init__(self, queue: TaskQueue) -> None:
        self._queue = queue
        self._counts: Counter[str] = Counter()
        self._added_at: Microseconds | None = None

    def take(self, claim: Claim, result: TaskResult, decision: Decision | None, now: Microseconds) -> None:
        """Count an attempt whose ending is written down."""
        outcome = outcome_of(result, decision)
        if outcome == "returned":  # nothing was tried
            return
        kind = claim.task.type
        self._counts[_name("jobs", kind, outcome)] += 1
        if result.error is not None:
            self._counts[_name("errors", kind, result.error.error_class)] += 1
        if claim.task.started_at is not None:
            took = max(0, now - claim.task.started_at)
            place = bisect_left(DURATIONS, took / SECOND)
            bound = f"{DURATIONS[place]:g}" if place < len(DURATIONS) else "+Inf"
            self._counts[_name("duration", kind, outcome, bound)] += 1
            self._counts[_name("duration_sum", kind, outcome)] += took
        self._added_at = now if self._added_at is None else self._added_at
        if not 0 <= now - self._added_at < EVERY:
            self.add(now)

    def add(self, now: Microseconds | None = None) -> None:
        """Add what was counted to the queue's counters; what cannot be written now is kept for the next time."""
        if not self._counts:
            return
        try:
            self._queue.count(dict(self._counts))
        except StoreError:
            return
        self._counts.clear()
        self._added_at = now


def _name(*parts: str) -> str:
    return SEPARATOR.join(parts)
