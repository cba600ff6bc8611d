"""One budget for all: several worker processes with the real yt-dlp against a fake YouTube that counts."""

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from running import Program
from ytworker.model import SECOND, to_microseconds
from ytworker.queue.sqlite import SQLiteQueue, path_of
from ytworker.settings import sqlite_url
from ytworker_ytdlp.testing import FakeYouTube

WORKERS = 4
OLDEST = (3, 11)
MINUTE = 60 * SECOND
INTERVAL, BURST = 0.5, 10
FLOWING = BURST + round(0.9 * 60 / INTERVAL)
"""So many requests show that the pace is used and not only kept: nine in ten of what a minute lets go."""
PATIENCE = 240
"""Seconds. How many of them arrive in the very minute has no safe lower bound: a busy machine starves the workers, and
the limiter cannot make up for what nobody asked for. So they may take four times as long; one that stops after its
burst, or lets less than a quarter of the pace through, is found out."""

LISTING = {"channel_url": "@NASA", "content": "videos", "depth": "list", "route": "tab", "top_n": 3}


@pytest.fixture
def online(online: Program, tmp_path: Path) -> Program:
    online.environment["YTWORKER_QUEUE"] = sqlite_url(tmp_path / "shared" / "queue.db")
    return online


@pytest.fixture
def queue(online: Program) -> Iterator[SQLiteQueue]:
    queue = SQLiteQueue(online.environment["YTWORKER_QUEUE"])
    yield queue
    queue.close()


def enqueue(program: Program, number: int, **params: object) -> None:
    file = program.home / "tasks.jsonl"
    file.write_text(f"{json.dumps({'params': {**LISTING, **params}})}\n" * number, "utf-8")
    done = program("enqueue", "channel_scrape", "--from-file", str(file))
    assert done.returncode == 0, done.stderr


@contextmanager
def at_work(program: Program, *options: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Start workers, and let none of them stay."""
    workers = [program.start("run", "--concurrency", "1", *options) for _ in range(WORKERS)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate(timeout=30)


def work(program: Program) -> None:
    """Let four workers do what can be done now."""
    with at_work(program, "--until-empty") as workers:
        for worker in workers:
            _, told = worker.communicate(timeout=90)
            assert worker.returncode == 0, told


def waiting(program: Program) -> list[tuple[str, int, str]]:
    tasks = json.loads(program("tasks", "list", "--json").stdout)
    return [(task["state"], task["attempt"], task["error_class"] or "waits") for task in tasks]


def first_granted(program: Program) -> int:
    """Give the moment at which the first request was let go, which is before it arrived anywhere."""
    with closing(sqlite3.connect(path_of(program.environment["YTWORKER_QUEUE"]))) as connection:
        ((moment,),) = connection.execute("SELECT min(at) FROM request")
    return int(moment)


@pytest.mark.skipif(
    sys.version_info[:2] != OLDEST, reason="takes a minute of real time, so only the oldest Python of a run does it"
)
def test_four_workers_together_keep_the_pace_for_a_minute(online: Program, youtube: FakeYouTube) -> None:
    numbers = {"INTERVAL_SECONDS": INTERVAL, "BURST": BURST, "PER_HOUR": 100_000}
    online.environment.update({f"YTWORKER_PACE_{name}": str(number) for name, number in numbers.items()})
    enqueue(online, 300)
    with at_work(online):
        deadline = time.monotonic() + 30
        while not youtube.requests and time.monotonic() < deadline:
            time.sleep(0.02)  # a condition with a deadline: the first request has arrived
        time.sleep(60)
        deadline = time.monotonic() + PATIENCE - 60
        while len(youtube.requests) < FLOWING and time.monotonic() < deadline:
            time.sleep(0.1)
    arrived = [to_microseconds(request.at) for request in youtube.requests]
    in_a_minute = sum(at <= first_granted(online) + MINUTE for at in arrived)
    assert BURST < in_a_minute <= (BURST + 60 / INTERVAL) * 1.02
    assert len(arrived) >= FLOWING


def test_a_repeated_429_is_met_once_and_cools_the_source_down_for_everybody(
    online: Program, youtube: FakeYouTube, queue: SQLiteQueue
) -> None:
    youtube.fault("http429", times=-1)
    enqueue(online, 8)
    work(online)
    assert len(youtube.requests) == 2  # the second one after a pause, in which the place in flight stays held
    (source,) = queue.sources()
    assert (source.error_class, source.strikes) == ("throttled", 1)
    assert {state for state, _, _ in waiting(online)} == {"scheduled"}
    assert {attempt for _, attempt, _ in waiting(online)} == {0}
    enqueue(online, 2)
    assert online("run", "--until-empty").returncode == 0
    assert len(youtube.requests) == 2
    assert queue.source(source.name).strikes == 1


def test_after_a_bot_check_nobody_asks_again(online: Program, youtube: FakeYouTube, queue: SQLiteQueue) -> None:
    youtube.fault("bot", times=-1)
    enqueue(online, 8, depth="full")
    work(online)
    asked = len(youtube.requests)
    (source,) = queue.sources()
    assert (source.error_class, source.strikes) == ("blocked", 1)
    assert sum(request.path == "/watch" for request in youtube.requests) == 1  # the place is held until the verdict
    assert {(state, attempt) for state, attempt, _ in waiting(online)} == {("scheduled", 0)}
    enqueue(online, 2)
    assert online("run", "--until-empty").returncode == 0
    assert len(youtube.requests) == asked
    assert {(state, attempt) for state, attempt, _ in waiting(online)} == {("scheduled", 0)}
