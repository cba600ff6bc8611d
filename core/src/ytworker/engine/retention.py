"""When ended tasks are deleted, and which: decided here, done by the poller, a small step at a time.

A pass goes over the queue once for each rule, oldest task first, and then rests. Each step looks at a bounded number
of tasks, so that a worker which deletes a million old tasks never holds the queue for long. How far a pass has come is
kept in memory only: what is deleted is gone, so a pass that starts over finds the rest.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from ytworker.model import SECOND, Microseconds, TaskStatus

DAY: Microseconds = 86_400 * SECOND
PASS_EVERY: Microseconds = 3_600 * SECOND
STEP = 1_000
"""Tasks that one step looks at."""
STEPS = 10
"""Steps at each look for lapsed leases: three looks a minute keep up with 500 tasks a second."""


@dataclass(frozen=True, slots=True)
class Rule:
    """For how long tasks that ended in one of these states are kept."""

    states: Collection[TaskStatus]
    keep: Microseconds


@dataclass(frozen=True, slots=True)
class Step:
    """One step: delete what ended in these states before this moment, among the next ``limit`` tasks after an id."""

    states: Collection[TaskStatus]
    before: Microseconds
    after: int
    limit: int = STEP


def rules(*, keep_completed_days: float, keep_dead_days: float) -> Sequence[Rule]:
    """Make the rules of the settings; 0 days is for ever, and gives no rule."""
    ended = (TaskStatus.COMPLETED, TaskStatus.CANCELLED)
    both = ((ended, keep_completed_days), ((TaskStatus.DEAD,), keep_dead_days))
    return [Rule(states, round(days * DAY)) for states, days in both if days > 0]


@dataclass(slots=True)
class Retention:
    """Says what to delete next: ask :meth:`next_step`, do it, and tell :meth:`did` where it ended.

    Attributes:
        rules: What is kept for how long.
    """

    rules: Sequence[Rule]
    _pending: list[Rule] = field(default_factory=list)
    _after: int = 0
    _next_pass_at: Microseconds | None = None

    def next_step(self, now: Microseconds) -> Step | None:
        """Give the next step, or None while there is nothing to do."""
        if not self._pending and (self._next_pass_at is None or now >= self._next_pass_at):
            self._pending, self._next_pass_at = list(self.rules), now + PASS_EVERY
        if not self._pending:
            return None
        rule = self._pending[0]
        return Step(rule.states, now - rule.keep, self._after)

    def did(self, following: int | None) -> None:
        """Take notice of a step that was done: ``following`` is the id to go on after, None at the end of the queue."""
        if following is None:
            self._pending.pop(0)
        self._after = following or 0
