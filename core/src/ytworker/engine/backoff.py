"""How long to leave alone what does not work at the moment: longer each time, and never deaf to a signal."""

import time
from collections.abc import Callable

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 30.0
LOOK_SECONDS = 0.05
"""How often a wait looks whether it is to end."""


class Backoff:
    """The waits after failures in a row: 1 s, 2 s, 4 s … 30 s."""

    def __init__(self) -> None:
        self._next = FIRST_SECONDS

    def grow(self) -> float:
        """Give the next wait, and let the one after it be twice as long."""
        seconds, self._next = self._next, min(2 * self._next, LONGEST_SECONDS)
        return seconds

    def reset(self) -> None:
        """Begin anew, since it works again."""
        self._next = FIRST_SECONDS


def sleep_until(over: Callable[[], bool]) -> Callable[[float], None]:
    """Give a sleep that ends early as soon as ``over`` says so: ``time.sleep`` goes on after a signal."""

    def sleep(seconds: float) -> None:
        until = time.monotonic() + seconds
        while not over() and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, LOOK_SECONDS))

    return sleep
