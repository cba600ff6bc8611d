"""The process is killed in the middle of a backup, a restore, a vacuum or an upgrade: the old file is whole, or the new."""

import itertools
import json
import os
import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from crash_helpers import DIED, NOT_HERE, Rows, content_of, die_at_statement, drain, fork, in_child, join, opened, rows_of
from disk_helpers import Write, at_each_write
from queue_world import World, build, look
from ytworker.model import NewTask
from ytworker.queue import TaskFilter
from ytworker.queue.sqlite import SQLiteQueue, schema
from ytworker.testing import FakeClock

Care = Callable[[SQLiteQueue, Path], object]

CARE: dict[str, Care] = {
    "backup": lambda queue, folder: queue.backup(folder / "backup.db"),
    "backup_over_another": lambda queue, folder: queue.backup(folder / "old.db", force=True),
    "restore": lambda queue, folder: queue.restore(folder / "old.db"),
    "vacuum": lambda queue, _: queue.vacuum(),
    "repair": lambda queue, _: queue.check(repair=True),
}


@dataclass
class Place:
    """A queue with an older backup beside it.

    Attributes:
        world: The queue as it is now.
        old: What the backup holds.
        now: What the queue holds.
    """

    world: World
    old: Rows
    now: Rows

    @property
    def folder(self) -> Path:
        return self.world.file.parent

    def copy(self, folder: Path) -> "Place":
        shutil.copytree(self.folder, folder)
        world = World(folder / "queue.db", FakeClock(), self.world.worker, self.world.lapsing, self.world.claims)
        return Place(world, self.old, self.now)


def prepare(folder: Path, size: int) -> Place:
    world = build(folder / "queue.db")
    with opened(world.file, world.clock) as queue:
        queue.backup(folder / "old.db")
        queue.enqueue([NewTask(type="big", params={"text": "x" * 1500}) for _ in range(size)])
        queue.cancel(TaskFilter(types=["big"]))
        queue.purge(world.clock() + 1, ["cancelled"], limit=size // 2)
        now = rows_of(queue)
    with opened(folder / "old.db", world.clock) as queue:
        old = rows_of(queue)
    return Place(world, old, now)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return prepare(tmp_path_factory.mktemp("small") / "place", 60)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return prepare(tmp_path_factory.mktemp("large") / "place", 4_000)
