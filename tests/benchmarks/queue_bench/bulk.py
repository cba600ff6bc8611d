"""Putting tasks in: many at once against a plain bulk insert, and many threads through one group commit."""

import itertools
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from queue_bench.floor import bulk_insert, texts_of
from queue_bench.report import Row, row
from queue_bench.sizes import Sizes
from queue_bench.stores import ONE_ORDER, Durability, new_tasks, open_queue
from queue_bench.timing import Nanoseconds, Series, quiet, take_turns, timed
from ytworker.model import NewTask
from ytworker.queue import GroupCommit, TaskQueue

FLOOR = "plain bulk insert"


@dataclass(frozen=True, slots=True)
class _Kind:
    """One way to enqueue many tasks."""

    name: str
    narrow: bool = False
    events: bool = True
    keys: bool = False
    bar: str | None = None


KINDS = (
    _Kind("bulk enqueue", bar="bulk enqueue"),
    _Kind("bulk enqueue, unique keys", keys=True, bar="bulk enqueue, unique keys"),
    _Kind("bulk enqueue, no events", events=False),
    _Kind("bulk enqueue, one order indexed", narrow=True),
    _Kind("bulk enqueue, one order indexed, no events", narrow=True, events=False),
)


def measure(folder: Path, sizes: Sizes) -> list[Row]:
    """Enqueue in bulks, in turn with a plain insert of the same texts, each into a fresh file."""
    numbers = itertools.count()
    texts = texts_of(sizes.bulk)
    subjects = {FLOOR: lambda: bulk_insert(folder / f"plain-{next(numbers)}.db", texts, "full")}
    for kind in KINDS:
        tasks = new_tasks(sizes.bulk, keys="k" if kind.keys else None)
        subjects[kind.name] = partial(_bulk, folder, kind, tasks)
    series = take_turns(subjects, sizes.rounds)
    for one in series.values():
        one.tasks = sizes.bulk
    return _rows(series, f"{sizes.bulk:,} tasks in one transaction, durability full")


def _bulk(folder: Path, kind: _Kind, tasks: Sequence[NewTask]) -> Nanoseconds:
    with _fresh(folder, "full", events=kind.events, narrow=kind.narrow) as queue:
        return timed([lambda: queue.enqueue(tasks)])


@contextmanager
def _fresh(folder: Path, durability: Durability, *, events: bool = True, narrow: bool = False) -> Iterator[TaskQueue]:
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        queue = open_queue(Path(fresh) / "bulk.db", durability=durability, events=events)
        if narrow:
            queue.offer(ONE_ORDER)
        try:
            yield queue
        finally:
            queue.close()


def _rows(series: dict[str, Series], family: str) -> list[Row]:
    rows = [row(family, FLOOR, series[FLOOR])]
    for kind in KINDS:
        value = series[kind.name].rate_ratio(series[FLOOR])
        rows.append(row(family, kind.name, series[kind.name], value=value, of_what="x plain insert", bar=kind.bar))
    return rows


def measure_group(folder: Path, sizes: Sizes) -> list[Row]:
    """Enqueue from many threads at once through one group commit, in turn with one thread that enqueues each alone."""
    count = sizes.threads * sizes.thread_tasks
    subjects = {"one by one": partial(_alone, folder, count), "group commit": partial(_group, folder, sizes)}
    series = take_turns(subjects, sizes.rounds)
    series["group commit"].tasks = count
    family = f"Enqueueing from {sizes.threads} threads, durability full"
    value = series["group commit"].rate_ratio(series["one by one"])
    name = f"{sizes.threads} threads through one group commit"
    return [
        row(family, "one thread, one transaction for each task", series["one by one"]),
        row(family, name, series["group commit"], value=value, of_what="x one by one"),
    ]


def _alone(folder: Path, count: int) -> Nanoseconds:
    with _fresh(folder, "full") as queue:
        return timed(partial(queue.enqueue, [task]) for task in new_tasks(count))


def _group(folder: Path, sizes: Sizes) -> Nanoseconds:
    with _fresh(folder, "full") as queue, GroupCommit(queue) as group:
        tasks = new_tasks(sizes.thread_tasks)
        gate = threading.Barrier(sizes.threads + 1)
        threads = [threading.Thread(target=_feed, args=(group, tasks, gate)) for _ in range(sizes.threads)]
        for thread in threads:
            thread.start()
        with quiet():
            gate.wait()
            started = time.perf_counter_ns()
            for thread in threads:
                thread.join()
            return [time.perf_counter_ns() - started]


def _feed(group: GroupCommit, tasks: Sequence[NewTask], gate: threading.Barrier) -> None:
    gate.wait()
    for task in tasks:
        group.enqueue([task])
