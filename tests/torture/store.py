"""What the queue itself says at the end, as plain data."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ytworker.model import Task, TaskStatus
from ytworker.queue import Attempt, Event, ItemFilter, TaskFilter
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.settings import sqlite_url

ENDED = {TaskStatus.COMPLETED: "completed", TaskStatus.DEAD: "died", TaskStatus.CANCELLED: "cancelled"}
"""The states in which a task has ended, and the event that each begins with."""
FATES = ("completed", "retried", "deferred", "returned", "rescued", "died", "cancelled")
"""The kinds of events that end a run."""
LAPSED = "ytworker.LeaseLapsed"


@dataclass(slots=True)
class Run:
    """One claim of a task, as the queue's own events tell it: its number, who claimed it, and how it ended."""

    fence: int
    worker: int | None
    fate: str | None = None


@dataclass
class Stored:
    """One task with all that hangs on it."""

    task: Task
    attempts: Sequence[Attempt] = ()
    items: Sequence[str] = ()
    events: Sequence[Event] = ()

    @cached_property
    def runs(self) -> list[Run]:
        runs: list[Run] = []
        for event in self.events:
            if event.kind == "claimed":
                runs.append(Run(len(runs) + 1, event.worker_id))
            elif event.kind in FATES and runs and runs[-1].fate is None:
                runs[-1].fate = event.kind
        return runs

    @property
    def tag(self) -> str:
        return str(self.task.params.get("tag"))


@dataclass
class Store:
    """All tasks, and what was counted."""

    tasks: dict[int, Stored]
    items: Sequence[str] = ()
    counts: dict[TaskStatus, int] = field(default_factory=dict)
    stale_writes: int = 0
    rescued: int = 0
    problems: Sequence[str] = ()

    def runs(self) -> Iterator[tuple[int, Run]]:
        """Give all runs, each with the number of its task."""
        return ((number, run) for number, stored in self.tasks.items() for run in stored.runs)

    def run(self, key: tuple[int, int]) -> Run | None:
        """Give one run by its task and its fence."""
        task, fence = key
        runs = self.tasks[task].runs if task in self.tasks else []
        return runs[fence - 1] if fence <= len(runs) else None

    def state(self, task: int) -> TaskStatus | None:
        """Tell where a task is."""
        return self.tasks[task].task.state if task in self.tasks else None


def load(file: Path) -> Store:
    """Read everything through the queue's own front door, and let SQLite and the queue look for damage."""
    queue = SQLiteQueue(sqlite_url(file))
    try:
        damage = [str(text) for (text,) in queue._database.execute("PRAGMA integrity_check") if text != "ok"]
        return Store(
            tasks={task.id: _stored(queue, task) for task in queue.tasks(TaskFilter())},
            items=[item["id"] for item in queue.items(ItemFilter())],
            counts=queue.counts(),
            stale_writes=queue.counter("stale_writes"),
            rescued=queue.counter("rescued"),
            problems=[*damage, *(f"{problem.code}: {problem.message}" for problem in queue.check())],
        )
    finally:
        queue.close()


def _stored(queue: SQLiteQueue, task: Task) -> Stored:
    return Stored(
        task=task,
        attempts=queue.attempts(task.id),
        items=[item["id"] for item in queue.items(ItemFilter(task_id=task.id))],
        events=queue.events(task.id),
    )
