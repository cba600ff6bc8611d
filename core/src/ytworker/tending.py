"""What people do to tasks that are there: cancel, retry, requeue and delete them, and see what happened to each."""

from collections.abc import Collection
from dataclasses import replace

from ytworker.errors import QueueError
from ytworker.failures import FailureGroup, by_cause
from ytworker.model import Clock, Task, TaskStatus
from ytworker.queue import Event, QueueCare, Requeued, TaskFilter, TaskQueue

REQUEUABLE = (TaskStatus.DEAD, TaskStatus.CANCELLED)
ENDED = (TaskStatus.COMPLETED, *REQUEUABLE)

MOST_COUNTED = 10_000
"""A dry run counts no further; whoever hits that many needs no exact number."""


class Tending:
    """The part of a service that changes the course of tasks.

    Args:
        queue: The queue.
        clock: Integer UTC microseconds.
    """

    def __init__(self, queue: TaskQueue, clock: Clock) -> None:
        self.queue = queue
        self._clock = clock

    def care(self) -> QueueCare:
        """Give the queue as one that can be checked, backed up, restored and vacuumed.

        Raises:
            QueueError: Its backend leaves that to its server.
        """
        if isinstance(self.queue, QueueCare):
            return self.queue
        scheme = self.queue.url.partition(":")[0][:20]  # the rest may hold a password
        msg = f"the backend of {scheme}: queues leaves this to its database server; use the tools of that server"
        raise QueueError(msg)

    def cancel(self, which: TaskFilter | Collection[int]) -> int:
        """End waiting and running tasks as cancelled and say how many; a running one stops at its next look.

        Args:
            which: Their ids, or a filter; an empty filter is all of them, an empty list of ids is none.
        """
        if isinstance(which, TaskFilter):
            return self.queue.cancel(which)
        return self.queue.cancel(TaskFilter(ids=which))

    def retry(self, task_id: int) -> Task:
        """Queue one dead or cancelled task again, with all its attempts before it, and give it.

        Raises:
            TaskNotFoundError: No task has this id.
            QueueError: It is in another state, or another live task has its key.
        """
        task = self.queue.get(task_id)
        if task.state in REQUEUABLE and self.queue.requeue(TaskFilter(ids=[task_id])).count:
            return self.queue.get(task_id)
        msg = f"task {task_id} {_why_no_retry(self.queue.get(task_id))}"
        raise QueueError(msg)

    def requeue(self, which: TaskFilter, *, dry_run: bool = False) -> Requeued:
        """Queue dead and cancelled tasks again with all their attempts before them, in chunks.

        Args:
            which: Which of them.
            dry_run: Only count them, up to :data:`MOST_COUNTED`; whether a key is taken shows when it is tried.
        """
        states = _within(which.states, REQUEUABLE)
        if not states:
            return Requeued(0, 0)
        which = replace(which, states=states)
        return Requeued(self._count(which), 0) if dry_run else self.queue.requeue(which)

    def purge(self, which: TaskFilter, *, dry_run: bool = False) -> int:
        """Delete tasks that have ended, with their history, and say how many; their items stay.

        Args:
            which: Which of them; those that have not ended are left.
            dry_run: Only count them, up to :data:`MOST_COUNTED`.
        """
        states = _within(which.states, ENDED)
        if not states:
            return 0
        which = replace(which, states=states)
        return self._count(which) if dry_run else self.queue.delete(which)

    def dead_letters(self, which: TaskFilter) -> list[FailureGroup]:
        """Group dead letters by their cause, the largest group first.

        Args:
            which: Which of them; ``limit`` is how many of the newest are looked at, :data:`MOST_COUNTED` by default.
        """
        most = MOST_COUNTED if which.limit is None else which.limit
        return by_cause(self.queue.tasks(replace(which, states=(TaskStatus.DEAD,), limit=most)))

    def _count(self, which: TaskFilter) -> int:
        most = MOST_COUNTED if which.limit is None else min(MOST_COUNTED, which.limit)
        return len(self.queue.tasks(replace(which, limit=most)))

    def events(self, task_id: int) -> list[Event]:
        """Give the changes of a task, oldest first: who, when, what; as far as ``events`` had them recorded.

        Raises:
            TaskNotFoundError: No task has this id.
        """
        self.queue.get(task_id)
        return self.queue.events(task_id)


def _within(states: Collection[TaskStatus] | None, among: Collection[TaskStatus]) -> list[TaskStatus]:
    return [state for state in among if states is None or state in states]


def _why_no_retry(task: Task) -> str:
    match task.state:
        case TaskStatus.QUEUED:
            return "is queued already; `ytworker run` does it"
        case TaskStatus.CLAIMED:
            return "is being worked on; wait until it has ended, or cancel it first"
        case TaskStatus.SCHEDULED:
            return (
                "waits for its time, and making it due at once is not supported; cancel it and retry it then: "
                "it starts over, with all its attempts before it"
            )
        case TaskStatus.COMPLETED:
            return "is completed; enqueue a new one to do it again"
        case _:
            return f"has the key {task.key!r}, which another live task has now; wait until that has ended, or cancel it"
