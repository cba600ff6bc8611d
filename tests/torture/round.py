"""One round: a fresh queue, workers and enqueuers that are killed and replaced at random moments, and the check."""

import ctypes
import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from torture.checker import check
from torture.enqueuer import Enqueuer
from torture.history import Event, History, read
from torture.process import FAILED, LEFT, OVER, Place, Process
from torture.store import Store, load
from torture.witnesses import Violation
from torture.worker import Worker

ENQUEUERS = 2
LEASE_SECONDS = 0.3
STOPPED_SHARE = 0.15
"""Of the blows that stop a process for longer than its lease instead of killing it."""
TICK_SECONDS = 0.002
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a round is like.

    Attributes:
        tasks: How many are enqueued, besides follow-ups.
        workers: How many processes work at a time.
        seed: Of every choice; the timing is the machine's.
        blow_seconds: The mean time between two blows.
        limit_seconds: A round that takes longer hangs.
    """

    tasks: int
    workers: int
    seed: str
    blow_seconds: float = 0.08
    limit_seconds: float = 300.0


@dataclass
class Outcome:
    """What a round came to: its blows and figures, and what the checker found."""

    figures: Counter[str]
    violations: list[Violation]


@dataclass
class _Child:
    pid: int
    replace: Callable[[], "_Child | None"]
    enqueues: bool = False
    wakes_at: float | None = None


@dataclass
class Round:
    """Runs one round in a folder of its own. Nothing here opens the queue before all processes are gone."""

    place: Place
    plan: Plan
    figures: Counter[str] = field(default_factory=Counter)
    children: list[_Child] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.draw = random.Random(f"{self.plan.seed}:blows")
        self.violations: list[Violation] = []

    def run(self) -> Outcome:
        """Run it to its end and check it."""
        try:
            self._start()
            self._torment()
        finally:
            self._stop()
        events, store = read(self.place.histories), load(self.place.queue)
        self._measure(events, store)
        return Outcome(self.figures, self.violations + check(events, store))

    # -- processes

    def _start(self) -> None:
        self.place.folder.mkdir(parents=True)
        self.children = [self._worker() for _ in range(self.plan.workers)]
        share = -(-self.plan.tasks // ENQUEUERS)
        for first in range(0, self.plan.tasks, share):
            self.children.append(self._enqueuer(range(first, min(first + share, self.plan.tasks))))

    def _worker(self) -> _Child:
        who = self._name("worker")
        pid = _fork(self.place, who, lambda: Worker(self.place, who, self.plan.seed, LEASE_SECONDS))
        return _Child(pid, self._worker)

    def _enqueuer(self, numbers: range) -> _Child:
        who = self._name("enqueuer")
        pid = _fork(self.place, who, lambda: Enqueuer(self.place, who, self.plan.seed, numbers))
        return _Child(pid, lambda: self._next_enqueuer(who, numbers), enqueues=True)

    def _next_enqueuer(self, who: str, numbers: range) -> _Child | None:
        """Go on behind the last number that was tried: whether that one is stored is for the checker to find out."""
        tried = [tag for event in read(self.place.histories, who) for tag in event.get("tags", ())]
        left = range(int(tried[-1][1:]) + 1, numbers.stop) if tried else numbers
        return self._enqueuer(left) if left else None

    def _name(self, role: str) -> str:
        self.figures[role] += 1
        return f"{role}-{self.figures[role]}"

    # -- blows

    def _torment(self) -> None:
        """Hit somebody now and then until all is done, or a process fails by itself."""
        ends_at = time.monotonic() + self.plan.limit_seconds
        strikes_at = 0.0
        while self.children and not self.violations:
            now = time.monotonic()
            if now > ends_at:
                self.violations.append(Violation("hang", f"it did not end within {self.plan.limit_seconds} s"))
            if now >= strikes_at:
                self._strike(now)
                strikes_at = now + self.draw.expovariate(1 / self.plan.blow_seconds)
            self._wake(now)
            self._reap()
            time.sleep(TICK_SECONDS)

    def _strike(self, now: float) -> None:
        """Hit somebody who is awake; whoever was stopped is to come back and write too late."""
        awake = [child for child in self.children if child.wakes_at is None]
        if not awake:
            return
        child = self.draw.choice(awake)
        if self.draw.random() < STOPPED_SHARE:
            os.kill(child.pid, signal.SIGSTOP)
            child.wakes_at = now + LEASE_SECONDS * 1.4
            self.figures["stopped"] += 1
        else:
            os.kill(child.pid, signal.SIGKILL)
            self.figures["killed"] += 1

    def _wake(self, now: float) -> None:
        for child in self.children:
            if child.wakes_at is not None and now >= child.wakes_at:
                child.wakes_at = None
                os.kill(child.pid, signal.SIGCONT)

    def _reap(self) -> None:
        for child in list(self.children):
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                self.children.remove(child)
                self._replace(child, status)

    def _replace(self, child: _Child, status: int) -> None:
        """Whoever was killed or has left gets a successor, until everything has been enqueued and has ended."""
        ended = os.waitstatus_to_exitcode(status)
        if ended not in {OVER, LEFT, -signal.SIGKILL}:
            self.violations.append(Violation("error", f"a process ended with exit code {ended}"))
        successor = None if ended == OVER else child.replace()
        if successor is not None:
            self.children.append(successor)
        if not any(child.enqueues for child in self.children):
            self.place.all_enqueued.touch()

    def _stop(self) -> None:
        for child in self.children:
            os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
        self.children.clear()

    def _measure(self, events: list[Event], store: Store) -> None:
        self.figures["tasks"] = len(store.tasks)
        self.figures["rescued"] = store.rescued
        self.figures["stale writes"] = store.stale_writes
        self.figures.update(f"{stored.task.state}" for stored in store.tasks.values())
        self.figures["claims"] = sum(len(stored.runs) for stored in store.tasks.values())
        self.figures["events"] = len(events)


def _fork(place: Place, who: str, make: Callable[[], Process]) -> int:
    """Live in a child; a fork is ready at once, where a new interpreter takes as long as many tasks.

    An error that surfaces is what the torture is after, so it goes into the history, also one of the opening.
    """
    if pid := os.fork():
        return pid
    ended = FAILED
    try:
        _die_with_the_runner()
        ended = make().live()
    except BaseException:  # noqa: BLE001 - whatever it is
        History(place.histories, who).write({"event": "error", "text": traceback.format_exc()})
    finally:
        os._exit(ended)


def _die_with_the_runner() -> None:
    """Leave nobody behind, working or stopped for ever, when somebody ends the runner; where the system knows how."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
