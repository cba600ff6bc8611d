"""Budgets as the worker sees them: asks the queue, where all processes share them, and puts refusals into words."""

from dataclasses import dataclass, field

from ytworker.model import SECOND, Claim, Clock, Microseconds, SourceState
from ytworker.pacing import Ask, Pace, Quota
from ytworker.queue import TaskQueue


@dataclass(frozen=True, slots=True)
class Granted:
    """Go ahead, or wait for so many seconds and ask again; the request is paid for.

    Attributes:
        wait: Seconds.
        crowded: Whether the wait is for a place in flight.
        far: Whether it is longer than the patience of whoever asked. Nothing is paid then.
    """

    wait: float = 0.0
    crowded: bool = False
    far: bool = False


@dataclass(frozen=True, slots=True)
class Left:
    """So many units of a quota are left."""

    units: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Nobody asks this source before ``until``."""

    until: Microseconds
    reason: str


@dataclass(slots=True)
class Budgets:
    """The budgets of all sources that this process asks.

    Attributes:
        queue: Where they are kept.
        clock: Integer UTC microseconds.
        pace: The rate of a source.
        ignore_pauses: Ask a source that is paused for its settings all the same: somebody sits in front of it and has
            perhaps mended the cause. What was paused by hand stays paused.
    """

    queue: TaskQueue
    clock: Clock
    pace: Pace = field(default_factory=Pace)
    ignore_pauses: bool = False

    def acquire(
        self,
        source: str,
        cost: int,
        settings_digest: str,
        holder: Claim | None = None,
        patience: float | None = None,
    ) -> Granted | Refused:
        """Ask to use a source ``cost`` times.

        Args:
            source: Whom to ask.
            cost: How many requests follow; 0 if they are paid for.
            settings_digest: Digest of the settings in force; a pause under other settings does not count.
            holder: Takes a place in flight, or nobody does.
            patience: Seconds; a turn that is farther off is not paid for. None waits for any.
        """
        settings = self._settings(settings_digest)
        most = None if patience is None else round(patience * SECOND)
        ask = Ask(source=source, pace=self.pace, cost=cost, holder=holder, patience=most, settings=settings)
        admission = self.queue.admit(ask)
        if admission.barred is not None:
            return self._refusal(admission.barred, settings)
        return Granted(admission.wait / SECOND, admission.crowded, admission.far)

    def hesitate(self, source: str, holder: Claim) -> None:
        """Let nobody else ask a source that may have refused this attempt; with one place nobody could anyway."""
        if self.pace.in_flight > 1:
            self.queue.hesitate(source, holder)

    def reserve(self, source: str, quota: Quota, cost: int, settings_digest: str) -> Left | Refused:
        """Ask to use ``cost`` units of a daily quota; see :meth:`acquire`."""
        settings = self._settings(settings_digest)
        reserved = self.queue.reserve(source, quota, cost, settings=settings)
        if reserved.barred is not None:
            return self._refusal(reserved.barred, settings)
        if not reserved.granted:
            return Refused(reserved.reset, quota.why(source, reserved.used))
        return Left(quota.limit - reserved.used)

    def _settings(self, settings_digest: str) -> str | None:
        """Say under which settings to ask. A pause under others bars nobody here, and bars whoever still has them."""
        return None if self.ignore_pauses else settings_digest

    def _refusal(self, state: SourceState, settings: str | None) -> Refused:
        paused = state.paused_until is not None and state.paused_until > self.clock()
        if paused and state.paused_until is not None and state.paused_by is None:
            resume = f"`ytworker sources resume '{state.name}'` ends that"
            return Refused(state.paused_until, f"{state.name} is paused by hand: {state.pause_reason}; {resume}")
        if paused and state.paused_until is not None and state.paused_by == settings:
            return Refused(state.paused_until, f"{state.name} is paused: {state.pause_reason}")
        return Refused(state.cooling_until or 0, f"{state.name} cools down: {state.reason}")
