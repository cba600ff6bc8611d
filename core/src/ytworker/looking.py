"""What people want to see of a queue: its tasks and items, what waits and why, and who works."""

from collections.abc import Generator
from dataclasses import replace
from typing import Any

from ytworker.model import SECOND, Clock, Task, TaskStatus
from ytworker.plugins.discovery import USABLE
from ytworker.plugins.registry import PluginRegistry
from ytworker.queue import ItemFilter, TaskFilter, TaskQueue, WorkerInfo
from ytworker.tending import Tending


class Looking(Tending):
    """The part of a service that only looks, on top of the one that changes the course of tasks.

    Args:
        queue: The queue.
        registry: The plugins, which a task may wait for.
        clock: Integer UTC microseconds.
    """

    def __init__(self, queue: TaskQueue, registry: PluginRegistry, clock: Clock) -> None:
        super().__init__(queue, clock)
        self.registry = registry

    def task(self, task_id: int) -> Task:
        """Give one task; one whose plugin is not there says so."""
        return self._explained(self.queue.get(task_id))

    def tasks(self, which: TaskFilter | None = None) -> list[Task]:
        """List tasks, newest first."""
        return [self._explained(task) for task in self.queue.tasks(which or TaskFilter())]

    def items(self, which: ItemFilter | None = None) -> Generator[dict[str, Any], None, None]:
        """Give stored items as JSON objects."""
        return self.queue.items(which or ItemFilter())

    def waiting_for_plugins(self) -> dict[str, str]:
        """Give the reason for each task type whose tasks wait because their plugin cannot be used."""
        infos = {name: self.registry.info(name) for name in self.queue.waiting()}
        return {name: f"{info.state}: {info.reason}" for name, info in infos.items() if info.state not in USABLE}

    def living_workers(self) -> list[WorkerInfo]:
        """List the workers whose lease has not lapsed."""
        return [worker for worker in self.queue.workers() if worker.lease_until >= self._clock()]

    def oldest_ready_age(self) -> float | None:
        """Give for how many seconds the oldest ready task has waited, or None."""
        oldest = self.queue.oldest_ready_at()
        return None if oldest is None else max(0.0, (self._clock() - oldest) / SECOND)

    def _explained(self, task: Task) -> Task:
        if task.state is not TaskStatus.QUEUED:
            return task
        info = self.registry.info(task.type)
        if info.state in USABLE:
            return task
        return replace(task, reason=f"waits for its plugin, which is {info.state}: {info.reason}")
