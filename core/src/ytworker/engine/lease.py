"""Keeping a worker's lease: a thread with its own connection, which a busy scrape cannot starve.

It renews only while the worker's loop is known to be alive. A worker that hangs must lose its lease, or its task would
hang with it for ever.
"""

import logging
import threading
import time
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
    """

    def __init__(self, queue: TaskQueue, worker_id: int, lease_seconds: float) -> None:
        self._queue = queue
        self._worker_id = worker_id
        self._lease_seconds = lease_seconds
        self._alive_until = time.monotonic() + lease_seconds
        self._stop = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="ytworker-lease", daemon=True)

    @property
    def lost(self) -> bool:
        """Whether the lease was taken away: nothing can be claimed with it any more."""
        return self._lost.is_set()

    def alive_for(self, seconds: float) -> None:
        """Say that the loop lives now and may be silent for so many seconds, and the length of a lease on top."""
        self._alive_until = time.monotonic() + max(0.0, seconds) + self._lease_seconds

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _keep(self) -> None:
        queue: TaskQueue | None = None
        try:
            while not self._stop.wait(self._lease_seconds / 3) and not self.lost:
                try:
                    queue = queue or self._queue.connect()
                    self._renew(queue)
                except StoreError as error:  # the next turn may be luckier; if none is, the lease lapses
                    log.warning("the lease could not be renewed: %s", error, extra=event(LogEvent.LEASE_NOT_RENEWED))
        finally:
            if queue is not None:
                queue.close()

    def _renew(self, queue: TaskQueue) -> None:
        if time.monotonic() > self._alive_until:
            log.warning("the worker is silent: its lease is not renewed", extra=event(LogEvent.LEASE_NOT_RENEWED))
            return
        if not queue.renew(self._worker_id, lease_seconds=self._lease_seconds):
            self._lost.set()
