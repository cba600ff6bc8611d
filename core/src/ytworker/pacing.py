"""How often a source may be asked and how much of it may be used a day, as values: what every store must compute alike.

Nothing here waits, writes or looks at a clock.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from ytworker.model import Microseconds, to_datetime, to_microseconds


@dataclass(frozen=True, slots=True)
class Quota:
    """How many units of something a source gives a day.

    Attributes:
        bucket: Which of the source's quotas.
        limit: Units a day.
        zone: The time zone at whose midnight they are there anew.

    Raises:
        ValueError: The zone is not known here.
    """

    bucket: str
    limit: int
    zone: str

    def __post_init__(self) -> None:
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
