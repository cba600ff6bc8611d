"""Keeping a worker's lease: a thread with its own connection, which a busy scrape cannot starve.

It renews only while the worker's loop is known to be alive. A worker that hangs must lose its lease, or its task would
hang with it for ever: it does so a lease and a third of one after it was last heard at the latest, and never before a
whole lease has passed.
"""

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from ytworker.errors import StoreError
from ytworker.logs import LogEvent, event
from ytworker.queue import TaskQueue

log = logging.getLogger(__name__)


class LeaseKeeper:
    """Renews one worker's lease at a third of its length; use it as a context manager.

    Args:
        queue: The worker's queue; the thread opens its own connection to it.
        worker_id: Whose lease.
        lease_seconds: How long a renewal holds.
        monotonic: Seconds that never go back.
    """

    def __init__(
        self,
        queue: TaskQueue,
        worker_id: int,
        lease_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._worker_id = worker_id
        self._lease_seconds = lease_seconds
        self._monotonic = monotonic
        self._wake = threading.Event()
        self._stopping = self._skipped = False
        self.alive_for(0.0)
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="ytworker-lease", daemon=True)

    @property
    def lost(self) -> bool:
        """Whether the lease was taken away: nothing can be claimed with it any more."""
        return self._lost.is_set()

    def alive_for(self, seconds: float) -> None:
        """Say that the loop lives now and may be silent for so many seconds, and a third of a lease on top.

        The last renewal holds for another lease. One that was left out because of a silence is made up for at once.
        """
        self._alive_until = self._monotonic() + max(0.0, seconds) + self._lease_seconds / 3
        if self._skipped:
            self._skipped = False
            self._wake.set()

    def __enter__(self) -> Self:
        try:
            self._thread.start()
        except RuntimeError as error:  # the system gives no more
            msg = "no thread can be started to renew the lease; close other programs or raise the limit (`ulimit -u`)"
            raise StoreError(msg) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def _keep(self) -> None:
        queue: TaskQueue | None = None
        try:
            while self._wait() and not self.lost:
                try:
                    queue = queue or self._queue.connect()
                    self.renew_if_alive(queue)
                except StoreError as error:  # the next turn may be luckier; if none is, the lease lapses
                    log.warning("the lease could not be renewed: %s", error, extra=event(LogEvent.LEASE_NOT_RENEWED))
        finally:
            if queue is not None:
                queue.close()

    def _wait(self) -> bool:
        """Wait for the next turn; False at the end."""
        self._wake.wait(self._lease_seconds / 3)
        self._wake.clear()
        return not self._stopping

    def renew_if_alive(self, queue: TaskQueue) -> None:
        """Renew the lease, unless the loop has been silent for too long.

        Raises:
            StoreError: It cannot be written.
        """
        self._skipped = True  # before the look, so that a loop which speaks after it is never overheard
        if self._monotonic() > self._alive_until:
            log.warning("the worker is silent: its lease is not renewed", extra=event(LogEvent.LEASE_NOT_RENEWED))
            return
        self._skipped = False
        if not queue.renew(self._worker_id, lease_seconds=self._lease_seconds):
            self._lost.set()
