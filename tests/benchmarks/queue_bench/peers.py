"""Other embedded queues, worked through their own interfaces: fill with tasks one by one, then work all of them off.

Every queue starts empty in every round, takes the same tasks in, and gives them back in the order of their arrival.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import litequeue
import persistqueue
from huey import SqliteHuey

from queue_bench.report import Row, row
from queue_bench.sizes import Sizes
from queue_bench.stores import LEASE_SECONDS, ONE_ORDER, TYPES, Durability, completion, new_tasks, open_queue
from queue_bench.timing import Series, quiet, timed
from ytworker.model import NewTask
from ytworker.queue import ClaimRequest, FIFOStrategy

HUEY, HUEY_OFF = "huey, default", "huey, fsync=False"
PERSIST, LITE = "persist-queue, acknowledged", "litequeue"
THEN = "ytworker: claim, then finish"
TOGETHER = "ytworker: finish and claim in one transaction"
BATCH_SIZE = 10
BATCH = f"ytworker: the same, {BATCH_SIZE} at once"
BARE = "ytworker without events: claim, then finish"
ALL = "ytworker, all orders indexed: claim, then finish"


class Peer(Protocol):
    """A queue of some kind, open and empty."""

    def put(self, task: NewTask) -> object:
        """Take one task in, durably."""

    def take(self) -> object:
        """Give the next task out."""

    def end(self, taken: Any) -> object:
        """Mark it as done."""

    def close(self) -> None:
        """Close the file."""


class Huey:
    """A task is gone once it is taken; what comes after the taking is the running of an empty function."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self._huey = SqliteHuey(filename=str(folder / "huey.db"), **settings)
        self._task = self._huey.task()(_nothing)

    def put(self, task: NewTask) -> object:
        return self._huey.enqueue(self._task.s(**task.params))

    def take(self) -> object:
        return self._huey.dequeue()

    def end(self, taken: Any) -> object:
        return self._huey.execute(taken)

    def close(self) -> None:
        self._huey.storage.close()


def _nothing(channel_url: str, limit: int) -> None:
    """Be a task of huey's."""


class PersistQueue:
    """A taken task is marked, and marked again when it is acknowledged."""

    def __init__(self, folder: Path) -> None:
        self._queue = persistqueue.SQLiteAckQueue(str(folder))

    def put(self, task: NewTask) -> object:
        return self._queue.put(dict(task.params))

    def take(self) -> object:
        return self._queue.get(block=False)

    def end(self, taken: Any) -> object:
        return self._queue.ack(taken)

    def close(self) -> None:
        self._queue.close()


class LiteQueue:
    """A taken task is locked, and marked when it is done."""

    def __init__(self, folder: Path) -> None:
        self._queue = litequeue.LiteQueue(folder / "lite.db")

    def put(self, task: NewTask) -> object:
        return self._queue.put(json.dumps(task.params))

    def take(self) -> object:
        message = self._queue.pop()
        return message.message_id, json.loads(message.data)

    def end(self, taken: Any) -> object:
        return self._queue.done(taken[0])

    def close(self) -> None:
        self._queue.close()


class Ours:
    """The queue of this project, with one order unless told otherwise: the others have only one."""

    def __init__(self, folder: Path, *, durability: Durability, events: bool = True, narrow: bool = True) -> None:
        self.queue = open_queue(folder / "ours.db", durability=durability, events=events)
        if narrow:
            self.queue.offer(ONE_ORDER)
        self.worker = self.queue.add_worker(lease_seconds=LEASE_SECONDS)

    def put(self, task: NewTask) -> object:
        return self.queue.enqueue([task])

    def take(self) -> object:
        (claim,) = self.queue.claim(self.worker, FIFOStrategy, TYPES)
        return claim

    def end(self, taken: Any) -> object:
        self.queue.finish(taken, (), completion(taken).outcome)
        return None

    def close(self) -> None:
        self.queue.close()


@dataclass(frozen=True, slots=True)
class Contender:
    """A queue with a way to work it off.

    Attributes:
        name: What the table calls it.
        open: Makes an empty queue in a folder.
        batch: How many tasks each transaction finishes and claims; 0 takes and ends one at a time.
    """

    name: str
    open: Callable[[Path], Peer]
    batch: int = 0


@dataclass(slots=True)
class Figures:
    """What filling, taking and whole tasks took."""

    put: Series = field(default_factory=Series)
    take: Series = field(default_factory=Series)
    whole: Series = field(default_factory=Series)


def ours(durability: Durability) -> list[Contender]:
    """Name the ways to use the queue of this project."""
    narrow = partial(Ours, durability=durability)
    return [
        Contender(THEN, narrow),
        Contender(TOGETHER, narrow, batch=1),
        Contender(BATCH, narrow, batch=BATCH_SIZE),
        Contender(BARE, partial(Ours, durability=durability, events=False)),
        Contender(ALL, partial(Ours, durability=durability, narrow=False)),
    ]


def contenders(durability: Durability) -> list[Contender]:
    """Name the queues that promise the same about a power cut."""
    if durability == "full":
        return [Contender(HUEY, Huey), Contender(PERSIST, PersistQueue), *ours(durability)]
    return [Contender(HUEY_OFF, partial(Huey, fsync=False)), Contender(LITE, LiteQueue), *ours(durability)]


def measure(folder: Path, sizes: Sizes, durability: Durability) -> list[Row]:
    """Let all queues of one durability take turns at filling up and working off."""
    field_of = contenders(durability)
    figures = {one.name: Figures() for one in field_of}
    for number in range(sizes.rounds + 1):
        for one in field_of:
            os.sync()
            put, take, whole = _round(one, folder, sizes.peers)
            if number:
                figures[one.name].put.rounds.append(put)
                figures[one.name].take.rounds.append(take)
                figures[one.name].whole.rounds.append(whole)
    for one in field_of:
        figures[one.name].whole.tasks = one.batch or 1
    return _rows(figures, sizes, durability)


def _round(one: Contender, folder: Path, count: int) -> tuple[list[int], list[int], list[int]]:
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        peer = one.open(Path(fresh))
        put = timed(partial(peer.put, task) for task in new_tasks(count))
        take, whole = ([], _swap(peer, count, one.batch)) if one.batch else _work(peer, count)
        peer.close()
    return put, take, whole


def _work(peer: Peer, count: int) -> tuple[list[int], list[int]]:
    clock, take, end = time.perf_counter_ns, peer.take, peer.end
    takes: list[int] = []
    wholes: list[int] = []
    with quiet():
        for _ in range(count):
            started = clock()
            taken = take()
            took = clock()
            end(taken)
            wholes.append(clock() - started)
            takes.append(took - started)
    return takes, wholes


def _swap(peer: Any, count: int, batch: int) -> list[int]:
    request = ClaimRequest(worker_id=peer.worker, strategy=FIFOStrategy, types=TYPES, limit=batch)
    claims = peer.queue.claim(peer.worker, FIFOStrategy, TYPES, limit=batch)

    def swap() -> None:
        nonlocal claims
        claims = peer.queue.settle([completion(claim) for claim in claims], request).claims

    return timed(swap for _ in range(count // batch))


def _rows(figures: dict[str, Figures], sizes: Sizes, durability: Durability) -> list[Row]:
    family = f"{sizes.peers:,} tasks put in and worked off, durability {durability}"
    rows = [row(family, f"{name}: claim and finish", one.whole) for name, one in figures.items() if name in _PEERS]
    rows += [row(family, f"{name}: claim alone", one.take) for name, one in figures.items() if one.take.rounds[0]]
    rows += [row(family, f"{name}: enqueue", one.put) for name, one in figures.items() if name in (*_PEERS, THEN)]
    for peer, bar in _PEERS.items():
        if peer in figures:
            rows += _against(figures, peer, bar, family)
    return rows


def _against(figures: dict[str, Figures], peer: str, bar: str, family: str) -> list[Row]:
    bars = {THEN: bar, TOGETHER: bar, BATCH: _BATCH_BARS.get(peer)}
    theirs = figures[peer].whole
    return [
        row(
            family,
            name,
            figures[name].whole,
            value=figures[name].whole.rate_ratio(theirs),
            of_what=f"x {peer}",
            bar=bars.get(name),
        )
        for name in (THEN, TOGETHER, BATCH, BARE, ALL)
    ]


_PEERS = {
    HUEY: "against huey, full",
    PERSIST: "against persist-queue, full",
    HUEY_OFF: "against huey without fsync, normal",
    LITE: "against litequeue, normal",
}
_BATCH_BARS = {HUEY: "batches of 10 against huey, full"}
