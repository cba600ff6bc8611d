"""How often a source may be asked: a token bucket and an hourly ceiling for each, and the cool-downs of the queue.

The bucket is this process's own; the cool-downs are shared through the queue.
"""

from collections import deque
from dataclasses import dataclass, field

from ytworker.model import SECOND, Clock, Microseconds
from ytworker.queue import TaskQueue

_HOUR: Microseconds = 3600 * SECOND


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a source may be asked.

    The defaults stay at 60 % of what YouTube tolerates from a guest: about 1,000 requests an hour by yt-dlp's wiki.

    Attributes:
        interval: Seconds between two requests in the mean.
        burst: How many may follow each other at once after a rest.
        per_hour: How many in any hour.
    """

    interval: float = 2.5
    burst: int = 30
    per_hour: int = 600


@dataclass(frozen=True, slots=True)
class Granted:
    """Go ahead after so many seconds; the request is already counted."""

    wait: float


@dataclass(frozen=True, slots=True)
class Refused:
    """Nobody asks this source before ``until``."""

    until: Microseconds
    reason: str


class Bucket:
    """A token bucket with an hourly ceiling; tokens may be spent in advance, and the debt is the wait.

    Args:
        pace: The rate.
        now: When it starts, full.
    """

    def __init__(self, pace: Pace, now: Microseconds) -> None:
        self._pace = pace
        self._tokens = float(pace.burst)
        self._filled_at = now
        self._spent: deque[Microseconds] = deque()

    def take(self, cost: int, now: Microseconds) -> float:
        """Spend ``cost`` tokens and give the seconds to wait before their use."""
        rested = max(0, now - self._filled_at) / SECOND
        self._tokens = min(float(self._pace.burst), self._tokens + rested / self._pace.interval)
        self._filled_at = max(now, self._filled_at)
        self._tokens -= cost
        wait = max(0.0, -self._tokens * self._pace.interval)
        return max(wait, self._hourly(cost, now + round(wait * SECOND), now))

    def _hourly(self, cost: int, at: Microseconds, now: Microseconds) -> float:
        while self._spent and self._spent[0] <= at - _HOUR:
            self._spent.popleft()
        over = len(self._spent) + cost - self._pace.per_hour
        if over > 0 and self._spent:
            at = self._spent[min(over, len(self._spent)) - 1] + _HOUR
        self._spent.extend([at] * cost)
        return max(0, at - now) / SECOND


@dataclass(slots=True)
class Budgets:
    """The budgets of all sources that this process asks.

    Attributes:
        queue: Where the cool-downs are kept.
        clock: Integer UTC microseconds.
        pace: The rate of a source.
        ignore_pauses: Ask a source that is paused for its settings all the same: somebody sits in front of it and has
            perhaps mended the cause. What was paused by hand stays paused.
    """

    queue: TaskQueue
    clock: Clock
    pace: Pace = field(default_factory=Pace)
    ignore_pauses: bool = False
    _buckets: dict[str, Bucket] = field(default_factory=dict)

    def acquire(self, source: str, cost: int, settings_digest: str) -> Granted | Refused:
        """Ask to use a source ``cost`` times.

        Args:
            source: Whom to ask.
            cost: How many requests follow.
            settings_digest: Digest of the settings in force; a pause under other settings is over.
        """
        now = self.clock()
        state = self.queue.source(source)
        if state.paused_until is not None and state.paused_until > now:
            if state.paused_by is None:
                resume = f"`ytworker sources resume '{source}'` ends that"
                return Refused(state.paused_until, f"{source} is paused by hand: {state.pause_reason}; {resume}")
            if state.paused_by == settings_digest and not self.ignore_pauses:
                return Refused(state.paused_until, f"{source} is paused: {state.pause_reason}")
            if not self.ignore_pauses:
                self.queue.unpause(source)
        if state.cooling_until is not None and state.cooling_until > now:
            return Refused(state.cooling_until, f"{source} cools down: {state.reason}")
        bucket = self._buckets.setdefault(source, Bucket(self.pace, now))
        return Granted(bucket.take(cost, now))
