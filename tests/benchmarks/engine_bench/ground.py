"""What all measures of the engine stand on: a plugin that does nothing, a worker as people run it, and its figures."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from queue_bench.stores import Durability, open_queue

from ytworker.model import NewTask, TaskStatus
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.settings import sqlite_url

PROGRAM = str(Path(sys.executable).with_name("ytworker"))
TYPE = "bench_noop"
CHILDREN = 2
PATIENCE_SECONDS = 600.0
LOOK_SECONDS = 0.02
_TICK = os.sysconf("SC_CLK_TCK")
_SOURCE = f"""
import time
from ytworker import hookimpl

@hookimpl
def get_task_type():
    return {TYPE!r}

@hookimpl
def scrape(params, context):
    at = time.monotonic_ns()
    return [{{"source": "bench", "kind": "video", "id": str(at)}}] if params.get("tell") else []
"""


def install_plugin(folder: Path) -> Path:
    """Write the plugin as pip would, and give the folder for PYTHONPATH."""
    info = folder / "bench_noop-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-noop\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text(f"[ytworker.workers]\n{TYPE} = bench_noop_plugin\n", "utf-8")
    (folder / "bench_noop_plugin.py").write_text(_SOURCE, "utf-8")
    return folder


def environment(home: Path, **more: str) -> dict[str, str]:
    """Give an environment with an empty home, the plugin on the path, and no setting of the user's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("YTWORKER_", "XDG_"))}
    return {**kept, "HOME": str(home), "PYTHONPATH": str(home / "site"), **more}


def fill(path: Path, count: int, durability: Durability) -> SQLiteQueue:
    """Open a queue with so many tasks that do nothing."""
    queue = open_queue(path, durability=durability)
    for start in range(0, count, 10_000):
        queue.enqueue([NewTask(type=TYPE, params={"n": number}) for number in range(start, min(count, start + 10_000))])
    return queue


@contextmanager
def worker(home: Path, path: Path, durability: Durability, *options: str) -> Generator[subprocess.Popen[bytes]]:
    """Run a worker with two children on a queue file, and end it the polite way."""
    settings = {"YTWORKER_QUEUE": sqlite_url(path), "YTWORKER_DURABILITY": durability, "YTWORKER_LOG_LEVEL": "warning"}
    process = subprocess.Popen(
        [PROGRAM, "run", "--concurrency", str(CHILDREN), *options], env=environment(home, **settings)
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def rate(left: Callable[[], int], count: int) -> float:
    """Watch a backlog shrink and give the tasks done in a second, from when a tenth was done: the start is excluded."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    began = before = 0.0
    while time.monotonic() < deadline:
        rest, now = left(), time.monotonic()
        if began and not rest:
            return before / (now - began)
        if not began and rest <= count * 0.9:
            began, before = now, rest
        time.sleep(LOOK_SECONDS)
    msg = f"{left()} of {count} tasks are left after {PATIENCE_SECONDS:g} s"
    raise TimeoutError(msg)


def unfinished(queue: SQLiteQueue) -> Callable[[], int]:
    """Give what counts the tasks that are not completed."""

    def left() -> int:
        counts: Mapping[TaskStatus, int] = queue.counts()
        return sum(counts.values()) - counts[TaskStatus.COMPLETED]

    return left


def resident(pid: int) -> int:
    """Give the bytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def family(pid: int) -> list[int]:
    """Give a process and all that descend from it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    return [pid, *(each for child in children for each in family(int(child)))]


def cpu_seconds(pid: int) -> float:
    """Give the processor time of a process and of all that descend from it."""
    total = 0
    for each in family(pid):
        fields = Path(f"/proc/{each}/stat").read_text("ascii").rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICK
