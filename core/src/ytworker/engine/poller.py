"""The loop of a worker process: claim, do, report; wait when nothing is ready.

Now and then it rescues what other workers left behind, and deletes a few of the tasks that ended long ago.
"""

import logging
import selectors
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from ytworker.engine.backoff import Backoff
from ytworker.engine.retention import STEPS, Retention
from ytworker.engine.worker import BaseWorker
from ytworker.logs import LogEvent, event
from ytworker.model import SECOND, Clock, Microseconds
from ytworker.queue import SchemaError, StoreError, StoreMovedError, TaskQueue, Waker

log = logging.getLogger(__name__)

POLL_SECONDS = 0.05


@dataclass(slots=True, kw_only=True)
class TaskPoller:
    """Keeps one worker busy.

    Attributes:
        worker: Who does the tasks; the poller enters and leaves it.
        queue: Where they come from.
        types: Names the task types to wait for.
        clock: Integer UTC microseconds.
        sleep: How to wait between two looks; it should come back early when ``stopping`` says so.
        stopping: Tells whether to stop after the current task.
        rescue_seconds: How often to look for tasks of workers that died, and to delete some that ended long ago.
        retention: Which ended tasks are deleted; all are kept unless it has rules.
        waker: Ends a wait as soon as there is work; without one, and beside it, the queue is looked at now and then.
    """

    worker: BaseWorker
    queue: TaskQueue
    types: Callable[[], Sequence[str]]
    clock: Clock
    sleep: Callable[[float], None]
    stopping: Callable[[], bool]
    rescue_seconds: float = 20.0
    retention: Retention = field(default_factory=lambda: Retention(()))
    waker: Waker | None = None
    _rescue_at: Microseconds = 0
    _backoff: Backoff = field(default_factory=Backoff)

    def run(self, *, until_empty: bool = False, max_tasks: int | None = None) -> int:
        """Do tasks until told to stop.

        Args:
            until_empty: Stop when nothing is ready; what is scheduled for later is left.
            max_tasks: Stop after so many tasks.

        Returns:
            How many tasks were done; one that went back to the queue is not.
        """
        with self.worker:
            while not self.stopping() and (max_tasks is None or self.worker.done < max_tasks):
                try:
                    going_on = self._turn(until_empty=until_empty)
                except (SchemaError, StoreMovedError):  # waiting does not mend these
                    raise
                except StoreError as error:
                    if until_empty:
                        raise
                    going_on = self._sit_out(error)
                if not going_on:
                    break
        return self.worker.done

    def _turn(self, *, until_empty: bool) -> bool:
        """Do a task, or wait for one; False when there is nothing left to stay for."""
        self._rescue()
        if self.waker is not None:
            self.waker.clear()
        seen = self.queue.version()  # before the look: what another process adds after it must wake us
        if self.worker.run_once():
            self._backoff.reset()
        elif until_empty:
            return False
        else:
            self._wait(seen)
        return True

    def _sit_out(self, error: StoreError) -> bool:
        """Stop claiming while the store cannot be written, and say so; then go on under a new lease.

        What was claimed, and perhaps never came back from the store, is given back with the old lease and its attempt.
        """
        self._hold_back(error)
        if self.stopping():  # leaving gives it back as well
            return False
        with suppress(StoreError):  # the next turn meets it again
            self.worker.start_over()
        return True

    def _hold_back(self, error: StoreError) -> None:
        seconds = self._backoff.grow()
        log.error("the queue cannot be used, no task is claimed for %g s: %s", seconds, error)
        self.sleep(seconds)

    def _rescue(self) -> None:
        now = self.clock()
        if 0 < self._rescue_at - now <= round(self.rescue_seconds * SECOND):  # further off after the clock was set back
            return
        self._rescue_at = now + round(self.rescue_seconds * SECOND)
        self.worker.renew_lease()
        rescued = self.queue.rescue()
        if rescued:
            told = event(LogEvent.JOBS_RESCUED, count=rescued)
            log.warning("took over %d tasks of workers that stopped without finishing them", rescued, extra=told)
        self._purge(now)

    def _purge(self, now: Microseconds) -> None:
        """Delete what ended long ago, some short steps at a time."""
        count = 0
        for _ in range(STEPS):
            step = self.retention.next_step(now)
            if step is None:
                break
            purged = self.queue.purge(step.before, step.states, after=step.after, limit=step.limit)
            self.retention.did(purged.next)
            count += purged.count
        if count:
            told = event(LogEvent.JOBS_PURGED, count=count)
            log.info("deleted %d tasks that ended long ago; their items stay", count, extra=told)

    def _wait(self, seen: int) -> None:
        """Sleep until the queue changes, something becomes due, or it is time to rescue."""
        due = self.queue.next_due_at(self.types())
        wake_at = self._rescue_at if due is None else min(due, self._rescue_at)
        began = self.clock()  # one that is set back must not make this wait longer
        while not self.stopping() and began <= (now := self.clock()) < wake_at and self.queue.version() == seen:
            self.worker.keep_alive()
            if self._nap(min(POLL_SECONDS, (wake_at - now) / SECOND)):
                return

    def _nap(self, seconds: float) -> bool:
        """Sleep; True when the waker cut it short."""
        if self.waker is None:
            self.sleep(seconds)
            return False
        with selectors.DefaultSelector() as selector:
            selector.register(self.waker, selectors.EVENT_READ)
            return bool(selector.select(seconds))
