"""Tasks that ran together when the fork server was killed: one of them may have done it, and nobody can tell which.

So they run again one at a time. Whoever kills it then is found out, and the others lose no more than that one attempt.
"""

import logging
import time
from collections.abc import Collection

log = logging.getLogger(__name__)

ALONE_SECONDS = 600.0
"""After so long the worker does several tasks at a time again: those may be with another worker, or due tomorrow."""


class Suspects:
    """The tasks of one worker that are to run alone."""

    def __init__(self) -> None:
        self._tasks: set[int] = set()
        self._until = 0.0

    def __bool__(self) -> bool:
        """Whether tasks are to run one at a time now."""
        if self._tasks and time.monotonic() >= self._until:
            self._tasks.clear()
        return bool(self._tasks)

    def accuse(self, tasks: Collection[int]) -> None:
        """Suspect the tasks that ran; if there was only one, nothing is left to find out."""
        if len(tasks) > 1:
            self._tasks.update(tasks)
            self._until = time.monotonic() + ALONE_SECONDS
            what = "%d tasks ran then: this worker does one at a time until each has run again, for %g minutes at most"
            log.warning(what, len(tasks), ALONE_SECONDS / 60)

    def acquit(self, task: int) -> None:
        """Take notice that an attempt of a task has ended."""
        self._tasks.discard(task)
