"""Queues to measure: made once by a bulk enqueue through the public interface, then copied as closed files."""

import random
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ytworker.model import SECOND, Claim, NewTask, Outcome
from ytworker.queue import (
    ClaimingStrategy,
    Completion,
    FIFOStrategy,
    LIFOStrategy,
    PriorityStrategy,
    TaskQueue,
    WeightedRandomStrategy,
)
from ytworker.queue.sqlite import SQLiteQueue, path_of, utc_now

Durability = Literal["full", "normal"]

TYPE = "bench"
TYPES = (TYPE,)
ORDERS: Sequence[ClaimingStrategy] = (FIFOStrategy, LIFOStrategy, PriorityStrategy, WeightedRandomStrategy)
ONE_ORDER = ("lifo",)
LEASE_SECONDS = 24 * 3600.0
WORN_IN_AFTER = 3_000
"""So many tasks write more pages than the log takes in before it starts over."""
_CHUNK = 10_000
_BLOCK = 1 << 22
_LATER: int = 24 * 3600 * SECOND


def new_tasks(count: int, *, later: float = 0.0, keys: str | None = None, seed: int = 1) -> list[NewTask]:
    """Make tasks with about 60 bytes of parameters and priorities from 1 to 10.

    Args:
        count: How many.
        later: The share of tasks that are dated a day and more ahead.
        keys: What the unique keys start with, or None for tasks without keys.
        seed: Of the priorities and the choice of the later ones.
    """
    chance = random.Random(seed)
    due = utc_now() + _LATER
    return [
        NewTask(
            type=TYPE,
            params={"channel_url": f"https://www.youtube.com/@channel{number:010}", "limit": 50},
            priority=chance.randint(1, 10),
            run_at=due + number * 1000 if chance.random() < later else None,
            key=None if keys is None else f"{keys}{number:010}",
        )
        for number in range(count)
    ]


def chunks(count: int) -> Iterator[int]:
    """Split a number into transactions of a sane size."""
    for start in range(0, count, _CHUNK):
        yield min(_CHUNK, count - start)


def open_queue(path: Path, *, durability: Durability, events: bool = True) -> SQLiteQueue:
    """Open a queue file the way a program does."""
    return SQLiteQueue(f"sqlite://{path}", durability=durability, events=events)


def build(path: Path, count: int, *, later: float = 0.0) -> Path:
    """Make a queue of ``count`` tasks with every order offered, and close it."""
    queue = open_queue(path, durability="normal")
    for number, size in enumerate(chunks(count)):
        queue.enqueue(new_tasks(size, later=later, seed=number))
    queue.close()
    return path


def copy(source: Path, target: Path, *, orders: Collection[str] | None = None) -> Path:
    """Copy a closed queue, and narrow what it offers."""
    shutil.copy(source, target)  # with its mode: others may not read it
    if orders is not None:
        queue = open_queue(target, durability="normal")
        queue.offer(orders)
        queue.close()
    return target


def warm(path: Path) -> None:
    """Read a file once, so that the system keeps it in memory: the queue is measured, not the reading of the disk."""
    with path.open("rb") as file:
        while file.read(_BLOCK):
            pass


@dataclass(slots=True)
class Bench:
    """An open queue with a worker, and how to keep its depth: what was claimed ends, and as much comes in."""

    queue: TaskQueue
    worker: int

    @classmethod
    def open(cls, path: Path, *, durability: Durability, events: bool = True) -> "Bench":
        """Open a queue, register a worker, and wear the log in."""
        queue = open_queue(path, durability=durability, events=events)
        bench = cls(queue, queue.add_worker(lease_seconds=LEASE_SECONDS))
        bench.wear_in()
        return bench

    def wear_in(self) -> None:
        """Let the write-ahead log reach its full size, since a sync of a growing file takes longer.

        A second connection does it without syncs; the log stays as long as the first one is open.
        """
        quick = open_queue(path_of(self.queue.url), durability="normal")
        worker = quick.add_worker(lease_seconds=LEASE_SECONDS)
        for _ in range(WORN_IN_AFTER):
            (claim,) = quick.claim(worker, FIFOStrategy, TYPES)
            quick.finish(claim, (), Outcome.EMPTY)
        quick.remove_worker(worker)
        quick.close()
        self.refill(WORN_IN_AFTER)

    def refill(self, count: int) -> None:
        """Put in as many tasks as were taken out, with no date."""
        self.queue.enqueue(new_tasks(count, seed=count))

    def end(self, claims: Sequence[Claim]) -> None:
        """Complete what was claimed."""
        self.queue.settle([completion(claim) for claim in claims])

    def close(self) -> None:
        """Leave in good order."""
        self.queue.remove_worker(self.worker)
        self.queue.close()


def completion(claim: Claim) -> Completion:
    """End a task that had nothing to do."""
    return Completion(claim=claim, outcome=Outcome.EMPTY)
