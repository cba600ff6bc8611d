"""What a worker costs while it lives: waking, idling, starting, memory."""

import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

from queue_bench.report import Row
from queue_bench.stores import Durability
from queue_bench.timing import quantile

from engine_bench.ground import (
    PATIENCE_SECONDS,
    PROGRAM,
    TYPE,
    cpu_seconds,
    environment,
    family,
    fill,
    resident,
    unfinished,
    worker,
)
from engine_bench.whole import Sizes
from ytworker.model import NewTask
from ytworker.queue import ItemFilter
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.settings import sqlite_url

FAMILY = "The life of a worker"
IDLE_SECONDS = 10.0
DURABILITIES: tuple[Durability, Durability] = ("normal", "full")
MIB = 1 << 20
_FLOOR = "import typer, pydantic_settings"


def waking(home: Path, folder: Path, sizes: Sizes) -> list[Row]:
    """Wake an idle worker again and again, and let it be idle.

    With full durability two syncs of the disk lie between the enqueue and the running; the bar is for what we add.
    """
    subject = "from before the enqueue until an idle worker's child runs the task, durability"
    rows = []
    for durability in DURABILITIES:
        took, share = _wake(home, folder, sizes, durability)
        p50, p95 = (quantile(took, part) / 1e6 for part in (0.5, 0.95))
        bar = "waking" if durability == "normal" else None
        rows += [
            Row(family=FAMILY, subject=f"{subject} {durability}", value=p50, of_what="ms at P50"),
            Row(family=FAMILY, subject=f"{subject} {durability}", value=p95, of_what="ms at P95", bar=bar),
        ]
    return [*rows, Row(family=FAMILY, subject="idle, all processes", value=share, of_what="% of a core", bar="idle")]


def _wake(home: Path, folder: Path, sizes: Sizes, durability: Durability) -> tuple[list[int], float]:
    """Give what each waking took in nanoseconds, and what a worker that waits uses of a core in percent."""
    chance, took, path = random.Random(1), [], folder / f"waking-{durability}.db"
    queue = fill(path, 4, durability)
    with worker(home, path, durability) as process:
        _wait_for(queue)
        for _ in range(sizes.waking):
            time.sleep(chance.uniform(0.03, 0.09))
            before = time.monotonic_ns()
            (put,) = queue.enqueue([NewTask(type=TYPE, params={"tell": True})])
            time.sleep(0.01)  # to look at once would take the processor from those who are to be woken
            _wait_for(queue)
            (item,) = queue.items(ItemFilter(task_id=put.id))
            took.append(int(item["id"]) - before)
        time.sleep(1)
        spent, started = cpu_seconds(process.pid), time.monotonic()
        time.sleep(IDLE_SECONDS)
        share = (cpu_seconds(process.pid) - spent) / (time.monotonic() - started)
    queue.close()
    return took, 100 * share


def starting(home: Path, folder: Path, sizes: Sizes) -> list[Row]:
    """Compare the start until the first claim with the import of what any program like this imports."""
    ratios = []
    for number in range(3 * sizes.rounds):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", _FLOOR], check=True, env=environment(home))
        floor = time.perf_counter() - started
        path = folder / f"start-{number}.db"
        queue = fill(path, 1, "full")
        settings = {"YTWORKER_QUEUE": sqlite_url(path), "YTWORKER_LOG_LEVEL": "warning"}
        before = time.time()
        subprocess.run([PROGRAM, "run", "--max-tasks", "1"], check=True, env=environment(home, **settings))
        (_, claimed, *_) = queue.events(1)
        ratios.append((claimed.at / 1e6 - before) / floor)
        queue.close()
    value = statistics.median(ratios)
    return [Row(family=FAMILY, subject="start to first claim", value=value, of_what=f"x {_FLOOR!r}", bar="start")]


def memory(home: Path, folder: Path, sizes: Sizes) -> list[Row]:
    """Look at the parent after many tasks and after many more."""
    # As many before: SQLite fills its page cache, which has a limit, and that is no leak.
    queue = fill(folder / "memory.db", 2 * sizes.growth, "normal")
    left = unfinished(queue)
    with worker(home, folder / "memory.db", "normal") as process:
        _wait_for(queue, left=sizes.growth)
        before = resident(process.pid)
        _wait_for(queue)
        after = resident(process.pid)
    assert left() == 0
    queue.close()
    growth = (after - before) / MIB * 100_000 / sizes.growth
    return [
        Row(family=FAMILY, subject="parent", value=after / MIB, of_what="MiB", bar="parent RSS"),
        Row(family=FAMILY, subject="parent, growth for 100,000 tasks", value=growth, of_what="MiB", bar="growth"),
    ]


def with_yt_dlp(home: Path, folder: Path, settings: dict[str, str]) -> list[Row]:
    """Look at the parent together with a child that has scraped a channel with yt-dlp."""
    queue = SQLiteQueue(sqlite_url(folder / "ytdlp.db"))
    queue.enqueue([NewTask(type="channel_scrape", params={"channel_url": "@bench", "top_n": 20})])
    os.environ.update(settings)
    with worker(home, folder / "ytdlp.db", "full", "--concurrency", "1") as process:
        _wait_for(queue)
        parent, _server, child = family(process.pid)
        held = resident(parent) + resident(child)
    queue.close()
    return [Row(family=FAMILY, subject="parent and a yt-dlp child", value=held / MIB, of_what="MiB", bar="with yt-dlp")]


def _wait_for(queue: SQLiteQueue, left: int = 0) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    count = unfinished(queue)
    while count() > left:
        if time.monotonic() > deadline:
            msg = f"{count()} tasks are left after {PATIENCE_SECONDS:g} s: {queue.counts()}"
            raise TimeoutError(msg)
        time.sleep(0.002)
