"""The look at what children have started, now and then: how many processes, and how much memory they hold."""

import time
from collections.abc import Iterable

from ytworker.engine.descendants import are_too_many, too_many
from ytworker.engine.forkserver import descendants_of
from ytworker.engine.member import Limits
from ytworker.engine.memory import Scales, too_much
from ytworker.model import ErrorInfo

COUNT_SECONDS = 0.25
"""How often the processes that children started are counted and weighed, at least while a task runs: a fork bomb
doubles fast."""


class Headcount:
    """Counts and weighs the processes of children.

    Args:
        limits: What they may use.

    Attributes:
        watches: Whether there is anything to look at.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._scales = Scales(limits.memory_mb)
        self._counted_at = 0.0
        self.watches = limits.max_processes > 0 or limits.memory_mb > 0

    def look(self, pids: Iterable[int]) -> dict[int, ErrorInfo]:
        """Give the children that are to die, and why, if it is time to look.

        Args:
            pids: The children.
        """
        now = time.monotonic()
        if not self.watches or now - self._counted_at < COUNT_SECONDS:
            return {}
        self._counted_at = now
        most, memory_mb = self._limits.max_processes, self._limits.memory_mb
        families = {pid: descendants_of(pid) for pid in pids}
        verdicts = {pid: too_many(most) for pid, started in families.items() if are_too_many(started, most)}
        weighed = self._scales.overweight((pid, [pid, *started]) for pid, started in families.items())
        return {pid: too_much(weight, memory_mb) for pid, weight in weighed.items()} | verdicts
