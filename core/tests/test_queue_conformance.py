"""Both backends keep every promise of the protocol."""

from dataclasses import replace
from pathlib import Path
from random import Random

from ytworker.model import Clock
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.settings import sqlite_url
from ytworker.testing import MemoryQueue, QueueConformance


class TestSQLiteQueue(QueueConformance):
    def make_queue(self, tmp_path: Path, clock: Clock, random: Random, *, events: bool = True) -> SQLiteQueue:
        url = sqlite_url(tmp_path / "queue.db")
        return SQLiteQueue(url, durability="normal", clock=clock, random=random, events=events)

    def damage(self, queue: SQLiteQueue, task_id: int) -> None:
        queue._database.change("UPDATE body SET params = '[1' WHERE id = ?", (task_id,))


class TestMemoryQueue(QueueConformance):
    def make_queue(self, _: Path, clock: Clock, random: Random, *, events: bool = True) -> MemoryQueue:
        return MemoryQueue(clock=clock, random=random, events=events)

    def damage(self, queue: MemoryQueue, task_id: int) -> None:
        tasks = queue._store.tasks
        tasks[task_id] = replace(tasks[task_id], params="[1")
