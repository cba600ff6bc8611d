"""What happens after a failure, as values: nothing here sleeps, writes, logs or looks at a clock."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ytworker.model import ErrorClass, ErrorInfo

HOUR = 3600.0
DAY = 24 * HOUR
LONGEST_DAY = 25 * HOUR
"""The day on which the clocks are set back: a quota that was used up at its beginning is there anew after so long."""
YEAR = 366 * DAY

RETRIED = frozenset({ErrorClass.TRANSIENT, ErrorClass.RESOURCE})
RETRIED_ONCE = frozenset({ErrorClass.BUG, ErrorClass.SUSPECT})
COOLING = frozenset({ErrorClass.THROTTLED, ErrorClass.BLOCKED, ErrorClass.QUOTA})

THROTTLED_SECONDS = 300.0
"""First cool-down of a throttled source, doubling up to an hour."""
BLOCKED_SECONDS = (6 * HOUR, 24 * HOUR, 72 * HOUR)
"""Cool-downs of a source that refuses us, one after the other."""
PAUSED_SECONDS = HOUR
"""A paused source is tried once again after so long: the cause may lie outside the settings (a captive portal)."""
OFFLINE_SECONDS = 60.0
"""How long nobody asks, in the mean, where there was no network; an outage must not burn the attempts of a backlog."""
OUTAGE_SECONDS = DAY
"""How long no network may last for one task whose failures name no source; after that its attempts count."""

Growth = Literal["exponential", "linear"]
Jitter = Literal["full", "tenth", "none"]


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after so many seconds; the attempt counts."""

    delay: float


@dataclass(frozen=True, slots=True)
class Defer:
    """Put the task off for so many seconds; the attempt does not count.

    Attributes:
        delay: Seconds until the task is due again.
        cool_down: Whether the source rests for as long.
        pause: Whether the source is paused until the settings change.
    """

    delay: float
    cool_down: bool = False
    pause: bool = False


@dataclass(frozen=True, slots=True)
class Release:
    """Put the task back unburned: its plugin cannot be used here, or the store cannot be written."""


@dataclass(frozen=True, slots=True)
class Bury:
    """The task is dead."""


Decision = Retry | Defer | Release | Bury


def clamp(retry_after: float, most: float = DAY) -> float:
    """Bound what the far side asks of us to 1 s .. ``most`` (24 h); nonsense (negative, NaN) becomes 1 s."""
    return min(max(1.0, retry_after), most) if retry_after == retry_after else 1.0  # noqa: PLR0124 - NaN is not itself


def cool_down_seconds(error: ErrorInfo, strikes: int) -> float:
    """Say how long a source rests after its failure number ``strikes`` in a row (1 for the first)."""
    if error.error_class is ErrorClass.QUOTA:  # a plugin that knows the reset says so with retry_after
        return HOUR if error.retry_after is None else clamp(error.retry_after, LONGEST_DAY)
    ours = _ladder(error.error_class, strikes)
    if error.retry_after is None:
        return ours
    # Two seconds are fine once. A source that says so again and again does not mean it.
    return clamp(error.retry_after) if strikes == 1 else max(clamp(error.retry_after), ours)


def _ladder(error_class: ErrorClass, strikes: int) -> float:
    if error_class is ErrorClass.BLOCKED:
        return BLOCKED_SECONDS[min(strikes, len(BLOCKED_SECONDS)) - 1]
    return min(THROTTLED_SECONDS * 2.0 ** min(strikes - 1, 16), HOUR)


@dataclass(frozen=True, slots=True)
class RetryStrategy:
    """When to try again.

    Attributes:
        base: Seconds; the unit of the delay.
        cap: Seconds; no delay is longer.
        growth: ``exponential`` doubles at each failure, ``linear`` adds one base.
        jitter: ``full`` draws from 0 to the delay, ``tenth`` stays within 10 % of it, ``none`` keeps it.
    """

    base: float = 1.0
    cap: float = 300.0
    growth: Growth = "exponential"
    jitter: Jitter = "full"

    def should_retry(self, error_class: ErrorClass, attempt: int, max_attempts: int) -> bool:
        """Say whether a failure of this class is tried again after ``attempt`` attempts have counted."""
        if error_class in RETRIED:
            return attempt < max_attempts
        if error_class in RETRIED_ONCE:
            return attempt < min(2, max_attempts)
        return False

    def get_retry_delay(self, n: int) -> float:
        """Give the exact delay in seconds after failure ``n`` (1 for the first), without jitter.

        ``min(cap, base * 2**n)`` or ``min(cap, base * n)``.

        Raises:
            ValueError: ``n`` is less than 1.
        """
        if n < 1:
            msg = f"n counts failures from 1, not {n}"
            raise ValueError(msg)
        factor = 2.0 ** min(n, 64) if self.growth == "exponential" else float(n)
        return min(self.cap, self.base * factor)

    def decide(
        self, error: ErrorInfo, *, attempt: int, max_attempts: int, strikes: int, random: Callable[[], float]
    ) -> Decision:
        """Decide what follows a failure.

        Args:
            error: The failure.
            attempt: How many attempts have counted, this one included.
            max_attempts: How many may count.
            strikes: Which failure in a row this is for its source, 1 for the first.
            random: Draws from [0, 1), for the jitter.
        """
        error_class = error.error_class
        if error_class in COOLING:
            return Defer(cool_down_seconds(error, strikes), cool_down=True)
        if error_class is ErrorClass.CONFIG:
            return Defer(PAUSED_SECONDS, pause=True)
        if error_class is ErrorClass.NOT_YET:
            return Defer(HOUR if error.retry_after is None else min(max(1.0, error.retry_after), YEAR))
        if error_class in {ErrorClass.UNAVAILABLE, ErrorClass.STORE}:
            return Release()
        if error.offline:
            return Defer(OFFLINE_SECONDS * (0.5 + random()), cool_down=True)
        if self.should_retry(error_class, attempt, max_attempts):
            return Retry(self._delay(error, attempt, random))
        return Bury()

    def _delay(self, error: ErrorInfo, attempt: int, random: Callable[[], float]) -> float:
        if error.retry_after is not None:
            return clamp(error.retry_after)
        exact = self.get_retry_delay(attempt)
        if self.jitter == "full":
            return exact * random()
        return exact if self.jitter == "none" else exact * (0.9 + 0.2 * random())
