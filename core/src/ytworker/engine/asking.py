"""How one attempt asks its sources: for its turn, for a place in flight, for units of a quota."""

from collections.abc import Callable, Mapping
from typing import ClassVar

from ytworker.engine.budgets import Granted, Refused
from ytworker.engine.messages import Message
from ytworker.engine.sharing import AttemptDeps
from ytworker.engine.sighting import Lookout
from ytworker.model import SECOND, Claim, Microseconds
from ytworker.pacing import Quota
from ytworker.redaction import source_name

PLACE_PATIENCE: Microseconds = 600 * SECOND
"""After so long without a place in flight a task is put off: two that wait for each other's would do so for ever."""
_PLACE_PAUSE: Microseconds = 10 * SECOND
TOLD_SECONDS = 5.0
"""A wait that is at least as long is shown to whoever watches: others may have used up the hour."""
PATIENCE_SECONDS = 60.0
"""A turn that is farther off is worth no child: its task is put off, and others get their turn with other sources."""
_DRAINED: Message = {"stop": "the worker is stopping, and this task would have to wait"}


class Asking:
    """Answers what the scrape of one attempt asks about its sources.

    Args:
        claim: The task.
        deps: Gives what it shares with others.
        lookout: Told how long it waits.

    Attributes:
        requests: How many requests it was allowed to make.
        sources: Whom it asked.
        waits_for: Who refused it last.
        unsaved: Whether it has asked since its last checkpoint: what it found would be lost.
    """

    def __init__(self, claim: Claim, deps: Callable[[], AttemptDeps], lookout: Lookout) -> None:
        self._claim = claim
        self._deps_now = deps
        self._lookout = lookout
        self._crowded_since: Microseconds | None = None
        self.unsaved = False
        self.requests = 0
        self.sources: set[str] = set()
        self.waits_for: str | None = None

    def answer(self, message: Message) -> Message:
        """Answer one message: with what it asked for, or why it gets it later (``until``) or never (``error``)."""
        return self.handlers[message["kind"]](self, message)

    @property
    def _deps(self) -> AttemptDeps:
        return self._deps_now()

    def saved(self) -> None:
        """Take notice that what was found is stored: nothing would be lost if the attempt ended here."""
        self.unsaved = False

    def _acquire(self, message: Message) -> Message:
        source, cost = _source(message), int(message["cost"])
        per_hour = self._deps.budgets.pace.per_hour
        if cost > per_hour:
            cure = "ask for less at a time, or raise the setting pace_per_hour"
            return {"error": f"{source}: {cost} requests at once are more than the pace of {per_hour} an hour; {cure}"}
        holder = self._claim if message["hold"] else None
        price = 0 if message["paid"] else cost
        answer = self._deps.budgets.acquire(source, price, self._deps.settings_digest, holder, self._patience())
        if isinstance(answer, Refused):
            return self._refuse(source, answer)
        if answer.wait:
            return self._wait(source, answer)
        self._crowded_since = None
        self.sources.add(source)
        self.requests += cost
        self.unsaved = True
        return {"wait": 0.0}

    def _patience(self) -> float | None:
        """Say which wait is worth it; who would lose what it has asked for waits on, or might never come to an end."""
        usual = max(PATIENCE_SECONDS, 2 * self._deps.budgets.pace.interval)
        if self._deps.draining():
            return usual if self.unsaved else 0.0
        return None if self._deps.patient or self.unsaved else usual

    def _wait(self, source: str, answer: Granted) -> Message:
        if self._deps.draining() and (answer.far or not self.unsaved):
            return _DRAINED
        if answer.far:
            until = self._deps.clock() + round(answer.wait * SECOND)
            return self._refuse(source, Refused(until, f"{source}: its next turn is {answer.wait:.0f} s off"))
        if answer.crowded and self._is_crowded_for_long():
            reason = f"{source}: all its places in flight were taken for {PLACE_PATIENCE // SECOND} s"
            return self._refuse(source, Refused(self._deps.clock() + _PLACE_PAUSE, reason))
        self._lookout.wait(source, answer.wait)
        return {"wait": answer.wait}

    def _is_crowded_for_long(self) -> bool:
        now = self._deps.steady()
        self._crowded_since = now if self._crowded_since is None else self._crowded_since
        return now - self._crowded_since >= PLACE_PATIENCE

    def _leave(self, message: Message) -> Message:
        self._deps.queue.leave(_source(message), self._claim)
        return {}

    def _hesitate(self, message: Message) -> Message:
        self._deps.budgets.hesitate(_source(message), self._claim)
        return {}

    def _reserve(self, message: Message) -> Message:
        source = _source(message)
        answer = self._deps.budgets.reserve(source, _quota(message), int(message["cost"]), self._deps.settings_digest)
        return self._refuse(source, answer) if isinstance(answer, Refused) else {"left": answer.units}

    def _left(self, message: Message) -> Message:
        quota = _quota(message)
        return {"left": max(0, quota.limit - self._deps.queue.quota_used(_source(message), quota))}

    def _exhaust(self, message: Message) -> Message:
        self._deps.queue.exhaust(_source(message), _quota(message))
        return {}

    def _refuse(self, source: str, answer: Refused) -> Message:
        self.waits_for = source
        return {"until": answer.until, "reason": answer.reason}

    handlers: ClassVar[Mapping[str, Callable[["Asking", Message], Message]]] = {
        "acquire": _acquire,
        "leave": _leave,
        "hesitate": _hesitate,
        "reserve": _reserve,
        "left": _left,
        "exhaust": _exhaust,
    }


def _source(message: Message) -> str:
    """Read whom a child asks; once more without secrets, because the worker may know more of them."""
    return source_name(message["source"])


def _quota(message: Message) -> Quota:
    return Quota(source_name(message["bucket"]), int(message["limit"]), str(message["zone"]))
