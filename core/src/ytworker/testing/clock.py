"""A clock that moves when it is told to."""

from ytworker.model import SECOND, Microseconds

START: Microseconds = 1_780_000_000 * SECOND
"""Where a fake clock starts unless told otherwise: 2026-05-28T20:26:40Z."""


class FakeClock:
    """Integer UTC microseconds under the control of a test; pass it wherever a ``Clock`` is wanted."""

    def __init__(self, now: Microseconds = START) -> None:
        self.now = now
        self._steadily = 0

    def __call__(self) -> Microseconds:
        """Give the time."""
        return self.now

    def set(self, seconds: float) -> None:
        """Do what an administrator does to the clock of a machine: only the time of day moves."""
        self._steadily -= round(seconds * SECOND)
        self.advance(seconds)

    def steady(self) -> Microseconds:
        """Give the time of a clock that nobody sets."""
        return self.now + self._steadily

    def advance(self, seconds: float) -> None:
        """Move forward, or back with a negative number."""
        self.now += round(seconds * SECOND)

    def sleep(self, seconds: float) -> None:
        """Stand in for ``time.sleep``: nothing waits, the clock moves."""
        self.advance(seconds)
