"""How often a source may be asked and how much of it may be used a day, as values: what every store must compute alike.

Nothing here waits, writes or looks at a clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from ytworker.model import MAX_COUNT, SECOND, Claim, Microseconds, SourceState, to_datetime, to_microseconds

HOUR: Microseconds = 3600 * SECOND
PLACE_SECONDS = 0.25
"""How soon whoever found no place in flight looks for one again."""
STEP_BACK: Microseconds = SECOND
"""A clock that is behind by less has been read by two processes; by more, it was set back."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a source may be asked, by all processes together.

    A guest may ask YouTube about 1,000 times an hour, by yt-dlp's wiki (Extractors); the defaults stay at 60 % of that.

    Attributes:
        interval: Seconds between two requests in the mean.
        burst: How many may follow each other at once after a rest.
        per_hour: How many in any hour.
        in_flight: How many at a time.
    """

    interval: float = 2.5
    burst: int = 30
    per_hour: int = 600
    in_flight: int = 1

    def turn(
        self, full_at: Microseconds, cost: int, now: Microseconds, before: Microseconds | None
    ) -> tuple[Microseconds, Microseconds]:
        """Say when a request has its turn, and when the bucket is full again after it.

        A token bucket kept as one moment: the "theoretical arrival time" of the generic cell rate algorithm (ITU-T
        I.371, annex A), with ``burst`` tokens and one more every ``interval``. Tokens may be spent in advance; the debt
        is the wait.

        Args:
            full_at: When the bucket is full again.
            cost: How many tokens are taken.
            now: What time it is.
            before: When the request was made that is ``per_hour`` places ahead of this one, if that is known.
        """
        full_at = max(full_at, now) + round(cost * self.interval * SECOND)
        turn = max(now, full_at - round(self.burst * self.interval * SECOND))
        return (turn if before is None else max(turn, before + HOUR)), full_at


PACES: Mapping[str, Pace] = {
    "careful": Pace(interval=6.0, burst=10, per_hour=300),
    "normal": Pace(),
    "fast": Pace(interval=1.5, burst=60, per_hour=1000, in_flight=2),
}
"""The paces in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """The question whether a source may be asked.

    Attributes:
        source: Whom.
        pace: How often it may be.
        cost: How many requests follow; 0 if they were paid for when this was asked before.
        holder: Takes one of the places in flight; None to take none.
        patience: The longest wait that is worth paying for, in microseconds; None is any.
        settings: Digest of the settings in force: a pause for other settings does not count. None overlooks every
            pause but one by hand, and the rest of a source that was not reached.
    """

    source: str
    pace: Pace
    cost: int = 1
    holder: Claim | None = None
    patience: Microseconds | None = None
    settings: str | None = None

    def finds_far(self, wait: Microseconds) -> bool:
        """Tell whether a wait is longer than the patience."""
        return self.patience is not None and wait > self.patience


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer.

    Attributes:
        wait: How long to wait, and then to ask again with a cost of 0; 0 is to go ahead.
        barred: Why nobody asks this source now, and nothing was paid; None where it may be asked.
        crowded: Whether the wait is for a place in flight.
        far: Whether the wait is longer than the patience. Nothing was paid then.
    """

    wait: Microseconds = 0
    barred: SourceState | None = None
    crowded: bool = False
    far: bool = False


@dataclass(frozen=True, slots=True)
class Quota:
    """How many units of something a source gives a day.

    Attributes:
        bucket: Which of the source's quotas.
        limit: Units a day.
        zone: The time zone at whose midnight they are there anew.

    Raises:
        ValueError: The zone is not known here, or the limit is no number that makes sense.
    """

    bucket: str
    limit: int
    zone: str

    def __post_init__(self) -> None:
        if not 0 <= self.limit <= MAX_COUNT:
            msg = f"a quota has 0 to {MAX_COUNT} units a day, not {self.limit}; look at the limit of {self.bucket!r}"
            raise ValueError(msg)
        try:
            ZoneInfo(self.zone)
        except (ValueError, OSError, LookupError):
            msg = f"the time zone {self.zone!r} is not known here; write one such as America/Los_Angeles, and where no "
            msg += "zone is known at all `pip install tzdata`"
            raise ValueError(msg) from None

    def next_reset(self, now: Microseconds) -> Microseconds:
        """Give the next midnight in the zone, after ``now``; a day is 23 to 25 hours long when the clocks change."""
        zone = ZoneInfo(self.zone)
        tomorrow = to_datetime(now).astimezone(zone).date() + timedelta(days=1)
        return to_microseconds(datetime.combine(tomorrow, time(), zone))

    def current(self, used: int, reset: Microseconds, now: Microseconds) -> tuple[int, Microseconds]:
        """Bring what a store knows of the quota up to now.

        A clock that was set back over midnight must not bring the new day's units a second time: the day goes on. One
        that had been far ahead must not lock the quota for as long: what is used counts for today then.

        Args:
            used: How many units were used until ``reset``.
            reset: When they are there anew; 0 where nothing is known yet.
            now: What time it is.

        Returns:
            The units used, and the next reset.
        """
        if reset <= now:
            return 0, self.next_reset(now)
        today = self.next_reset(now)
        return used, reset if reset <= self.next_reset(today) else today

    def why(self, source: str, used: int) -> str:
        """Say why a call has to wait for the reset."""
        return f"{source}: {used} of the {self.limit} units of today's quota {self.bucket!r} are used"


@dataclass(frozen=True, slots=True)
class Reserved:
    """What became of a reservation.

    Attributes:
        granted: Whether the units are taken.
        used: How many are used now.
        reset: When they are there anew.
        barred: Why nobody uses this source now, and nothing was taken.
    """

    granted: bool
    used: int = 0
    reset: Microseconds = 0
    barred: SourceState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaUse:
    """What is used of a quota until its reset."""

    bucket: str
    used: int
    limit: int
    reset: Microseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceUse:
    """How much a source is asked.

    Attributes:
        name: The source.
        requests: How many requests were let go in all.
        last_hour: How many of them in the last hour, those that wait for their turn included.
        per_hour: How many are allowed, by the pace of whoever asked last; None where only quotas are known.
        in_flight: How many places are taken.
        places: How many there are.
        quotas: Its quotas that were used, by name.
    """

    name: str
    requests: int = 0
    last_hour: int = 0
    per_hour: int | None = None
    in_flight: int = 0
    places: int | None = None
    quotas: tuple[QuotaUse, ...] = ()
