"""Group commit: callers of many threads that enqueue at once share one transaction, and so one sync of the disk."""

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from ytworker.model import NewTask
from ytworker.queue.protocol import TaskQueue
from ytworker.queue.records import Enqueued

MAX_GROUP = 1_000
"""Tasks in one transaction; a lease renewal must not wait for longer."""


@dataclass(slots=True)
class _Call:
    tasks: Sequence[NewTask]
    future: Future[list[Enqueued]] = field(default_factory=Future)


class GroupCommit:
    """Lets any number of threads enqueue through one connection; use it as a context manager.

    While one transaction is synced the next calls gather, and the next transaction takes all of them. A caller returns
    when its own tasks are on disk. Where the tasks of one caller cannot be stored, only that caller gets the error.

    Args:
        queue: The queue; the committing thread opens a connection of its own to it.
    """

    def __init__(self, queue: TaskQueue) -> None:
        self._queue = queue
        self._calls: deque[_Call] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="ytworker-group-commit", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def enqueue(self, tasks: Sequence[NewTask]) -> list[Enqueued]:
        """Store all tasks of this call or none, from any thread; once this returns they are on disk.

        Raises:
            RuntimeError: It is closed.
            StoreError: As :meth:`ytworker.queue.TaskQueue.enqueue` raises.
        """
        call = _Call(list(tasks))
        with self._changed:
            if self._closing or not self._thread.is_alive():
                msg = "this group commit is not running; use it inside its `with` block"
                raise RuntimeError(msg)
            self._calls.append(call)
            self._changed.notify()
        return call.future.result()

    def close(self) -> None:
        """Store what was handed in, then stop; later calls are refused."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        try:
            queue = self._queue.connect()
        except Exception as error:  # noqa: BLE001 - each caller gets it
            self._refuse_all(error)
            return
        try:
            while group := self._next_group():
                _commit(queue, group)
        except BaseException as error:
            self._refuse_all(error)  # nobody must wait for a thread that is gone
            raise
        finally:
            queue.close()

    def _next_group(self) -> list[_Call]:
        with self._changed:
            while not self._calls and not self._closing:
                self._changed.wait()
            return self._take()

    def _take(self) -> list[_Call]:
        group: list[_Call] = []
        size = 0
        while self._calls and (not group or size + len(self._calls[0].tasks) <= MAX_GROUP):
            group.append(self._calls.popleft())
            size += len(group[-1].tasks)
        return group

    def _refuse_all(self, error: BaseException) -> None:
        with self._changed:
            self._closing = True
            calls = list(self._calls)
            self._calls.clear()
        for call in calls:
            call.future.set_exception(error)


def _commit(queue: TaskQueue, group: Sequence[_Call]) -> None:
    """Store a group at once; if that fails, each call for itself, so that the error reaches whose it is."""
    try:
        enqueued = queue.enqueue([task for call in group for task in call.tasks])
    except Exception as error:  # noqa: BLE001 - each caller gets its own
        if len(group) == 1:
            group[0].future.set_exception(error)
        else:
            for call in group:
                _commit(queue, [call])
        return
    start = 0
    for call in group:
        call.future.set_result(enqueued[start : start + len(call.tasks)])
        start += len(call.tasks)
