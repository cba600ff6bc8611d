"""Many processes on one file at once: nobody is turned away, nobody starves, nothing is claimed twice."""

import json
import os
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from crash_helpers import fork, in_child, join

from ytworker.model import NewTask, Outcome, TaskStatus
from ytworker.queue import ORDERS, ClaimRequest, Completion, get_strategy
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.settings import sqlite_url

PROCESSES = 8
TASKS = 4_000
EACH_ENQUEUES = 200
TYPES = ("a", "b", "n")


def together(number: int, run: Callable[[int], object], folder: Path) -> list[Any]:
    """Run something in as many processes, all from the same moment on, and give what they return."""
    ready, go = os.pipe(), os.pipe()

    def live(n: int) -> None:
        os.close(go[1])
        os.write(ready[1], b".")
        os.read(go[0], 1)  # ends when nobody can write any more
        (folder / f"answer-{n}").write_text(json.dumps(run(n)))

    children = [fork(partial(live, n)) for n in range(number)]
    for _ in children:
        os.read(ready[0], 1)
    os.close(go[1])
    ended = [join(child) for child in children]
    for end in (*ready, go[0]):
        os.close(end)
    assert ended == [0] * number
    return [json.loads((folder / f"answer-{n}").read_text()) for n in range(number)]


def open_queue(file: Path, number: int) -> SQLiteQueue:
    durability = "full" if number % 2 else "normal"
    return SQLiteQueue(sqlite_url(file), durability=durability, random=random.Random(number))


def hammer(file: Path, number: int) -> tuple[int, int]:
    """Work until nothing is left, and bring new tasks at the same time; gives how many were claimed and brought."""
    queue, draw = open_queue(file, number), random.Random(number)
    worker = queue.add_worker(lease_seconds=300)
    claimed = brought = 0
    while True:
        if brought < EACH_ENQUEUES:
            tasks = [NewTask(type="n", params={"by": number}) for _ in range(draw.choice([1, 4]))]
            brought += len(queue.enqueue(tasks))
        strategy = get_strategy(draw.choice(ORDERS))
        claims = queue.claim(worker, strategy, TYPES, limit=draw.choice([1, 3]))
        claimed += len(claims)
        assert {claim.fence for claim in claims} <= {1}, "a task was claimed twice"
        if not claims:
            break
        if draw.random() < 0.5:
            request = ClaimRequest(worker_id=worker, strategy=strategy, types=TYPES)
            endings = [Completion(claim=claim, outcome=Outcome.EMPTY) for claim in claims]
            settled = queue.settle(endings, request)
            assert settled.stale == []
            claims = settled.claims
            assert {claim.fence for claim in claims} <= {1}, "a task was claimed twice"
            claimed += len(claims)
        for claim in claims:
            queue.finish(claim, [], Outcome.EMPTY)
    queue.remove_worker(worker)
    queue.close()
    return claimed, brought


def fill(file: Path) -> None:
    queue = open_queue(file, 0)
    queue.enqueue([NewTask(type=TYPES[n % 2], params={"n": n}, priority=1 + n % 10) for n in range(TASKS)])
    queue.close()


def test_eight_processes_share_one_file_and_nobody_is_turned_away(queue_file: Path, tmp_path: Path) -> None:
    assert in_child(partial(fill, queue_file)) == 0
    figures = together(PROCESSES, partial(hammer, queue_file), tmp_path)
    claimed, brought = ([pair[n] for pair in figures] for n in (0, 1))
    queue = open_queue(queue_file, 0)
    counts = queue.counts()
    assert counts[TaskStatus.COMPLETED] == sum(claimed) == TASKS + sum(brought) == sum(counts.values())
    assert queue.counter("stale_writes") == 0
    assert queue.check() == []
    queue.close()
    # Half of them sync the disk at every step, and the machine may be busy; an equal share would be 1 in 8.
    assert min(claimed) > sum(claimed) / 800, f"somebody starved: {claimed}"


def make(file: Path, number: int) -> int:
    queue = open_queue(file, number)
    (enqueued,) = queue.enqueue([NewTask(type="a", params={}, key="one")])
    queue.close()
    return enqueued.id


@pytest.mark.parametrize("go", range(6))
def test_eight_processes_may_make_a_new_file_at_once(queue_file: Path, tmp_path: Path, go: int) -> None:
    assert together(PROCESSES, partial(make, queue_file), tmp_path) == [1] * PROCESSES
    queue = open_queue(queue_file, 0)
    assert queue.check() == []
    queue.close()


def test_a_file_that_another_process_makes_in_the_same_moment_is_opened(
    queue_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, made = os.open, []

    def late(path: Any, flags: int, mode: int = 0o777, **options: Any) -> int:
        if path == queue_file and flags & os.O_CREAT and not made:
            made.append(os.close(real(path, os.O_RDWR | os.O_CREAT, 0o600)))
        return real(path, flags, mode, **options)

    monkeypatch.setattr(os, "open", late)
    queue = open_queue(queue_file, 0)
    assert made
    assert queue.enqueue([NewTask(type="a", params={})])[0].id == 1
    queue.close()
