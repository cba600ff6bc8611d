"""One of several processes that work off one queue: waits for a line on its input, works, writes JSON and ends.

Started as ``python -m queue_bench.drain URL DURABILITY COUNT``.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass, field

from queue_bench.stores import LEASE_SECONDS, TYPES, completion
from queue_bench.timing import quiet
from ytworker.errors import QueueError
from ytworker.model import Claim
from ytworker.queue import LIFOStrategy
from ytworker.queue.sqlite import SQLiteQueue

_TOO_MANY = 20


@dataclass(slots=True)
class Work:
    """What one process did.

    Attributes:
        ids: The tasks that it finished.
        claims: What each claim took, in nanoseconds.
        finishes: What each finish took.
        errors: Whatever a call raised.
        seconds: From the start to its last task.
    """

    ids: list[int] = field(default_factory=list)
    claims: list[int] = field(default_factory=list)
    finishes: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0


def work(queue: SQLiteQueue, worker: int, count: int) -> Work:
    """Claim and finish so many tasks."""
    done = Work()
    with quiet():
        started = time.perf_counter_ns()
        while len(done.ids) < count and len(done.errors) < _TOO_MANY:
            try:
                if not _one(queue, worker, done):
                    break
            except QueueError as error:
                done.errors.append(str(error))
        done.seconds = (time.perf_counter_ns() - started) / 1e9
    return done


def _one(queue: SQLiteQueue, worker: int, done: Work) -> Claim | None:
    started = time.perf_counter_ns()
    claims = queue.claim(worker, LIFOStrategy, TYPES)
    done.claims.append(time.perf_counter_ns() - started)
    if not claims:
        return None
    started = time.perf_counter_ns()
    queue.finish(claims[0], (), completion(claims[0]).outcome)
    done.finishes.append(time.perf_counter_ns() - started)
    done.ids.append(claims[0].task.id)
    return claims[0]


def main(url: str, durability: str, count: str) -> None:
    """Get ready, say so, wait for the start, work, and report."""
    queue = SQLiteQueue(url, durability="full" if durability == "full" else "normal")
    worker = queue.add_worker(lease_seconds=LEASE_SECONDS)
    queue.counts()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    done = work(queue, worker, int(count))
    queue.close()
    sys.stdout.write(json.dumps(asdict(done)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
