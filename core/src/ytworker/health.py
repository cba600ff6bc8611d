"""Whether a worker lives and whether the queue can be worked on, for supervisors: without HTTP, by exit code.

Live and ready are two questions. Who is not live is started anew; who is not ready gets no work until that is mended. A
source that must not be asked is neither: starting anew would not help, so it is *degraded* and nothing fails.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ytworker.errors import YtworkerError
from ytworker.model import SECOND, Microseconds, SourceState
from ytworker.queue import QueueFacts, WorkerInfo
from ytworker.service import Service

DISK_FLOOR = 100_000_000
"""Bytes that should be free: the log of the queue grows before it is taken in, and a full disk stops every worker."""
MOST_SKEW: Microseconds = 5 * SECOND
_OLDEST_NOW: Microseconds = 1_767_225_600 * SECOND  # 2026: a clock before our first release was never set
_PROBE_SECONDS = 5.0


class Status(StrEnum):
    """How a check came out; the worst one is that of the whole."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; the message says what to do where it is not ok."""

    name: str
    status: Status
    message: str

    def to_json(self) -> dict[str, str]:
        """Give the stable JSON shape of ``health`` and ``doctor``."""
        return {"name": self.name, "status": self.status.value, "message": self.message}


def overall(checks: Iterable[Check]) -> Status:
    """Give the worst status of all."""
    return max((check.status for check in checks), key=list(Status).index, default=Status.OK)


def liveness(workers: Sequence[WorkerInfo], *, host: str, now: Microseconds, pid: int | None = None) -> list[Check]:
    """Look whether a worker on this machine lives: it renews its lease only while its loop goes round.

    A scrape in the foreground is no worker: it does its own task and nothing else.

    Args:
        workers: All workers of the queue.
        host: This machine; in a container that is its own name.
        now: Integer UTC microseconds.
        pid: The process of the only one that is asked for; None is any.
    """
    there = [worker for worker in workers if worker.host == host and not worker.foreground]
    here = [worker for worker in there if pid in {None, worker.pid}]
    alive = [worker for worker in here if worker.lease_until >= now]
    if alive:
        return [Check("worker", Status.OK, f"process {', '.join(str(each.pid) for each in alive)} lives")]
    if here:
        pids = ", ".join(str(worker.pid) for worker in here)
        why = f"process {pids} was silent for longer than its lease: it hangs or is gone. Start it anew"
    elif pid is not None:
        others = ", ".join(str(worker.pid) for worker in there)
        present = f"there {'are' if len(there) > 1 else 'is'} {others or 'none'}"
        why = f"no worker with the process id {pid} on {host}; {present}. `ytworker workers` lists all of this queue"
    else:
        why = f"no worker runs on {host}; `ytworker run` starts one"
    return [Check("worker", Status.FAILED, why)]


def readiness(service: Service, *, now: Microseconds, disk_floor: int = DISK_FLOOR) -> list[Check]:
    """Look whether the queue can be worked on.

    Args:
        service: The queue; that it could be opened has shown that its schema is the present one.
        now: Integer UTC microseconds.
        disk_floor: Bytes that must be free.
    """
    checks = [_store(service), Check("schema", Status.OK, "it is the one that this ytworker knows")]
    checks += disk(service, disk_floor)
    checks.append(clock(service.queue.workers(), now))
    checks.append(_sources(service.queue.sources(), now))
    checks.append(_plugins(service))
    return checks


def _store(service: Service) -> Check:
    """Write for real: a worker that comes and goes. Looking at the file would not show a full or broken disk."""
    try:
        service.queue.remove_worker(service.queue.add_worker(lease_seconds=_PROBE_SECONDS, foreground=True))
    except YtworkerError as error:
        return Check("store", Status.FAILED, str(error))
    return Check("store", Status.OK, "it can be written")


def disk(service: Service, floor: int) -> list[Check]:
    """Look for free space, if the queue lies on a disk of this machine."""
    free = service.queue.facts().get("free_bytes") if isinstance(service.queue, QueueFacts) else None
    if not isinstance(free, int):
        return []
    there = f"{free // 1_000_000:,} MB are free beside the queue"
    if free >= floor:
        return [Check("disk", Status.OK, there)]
    cure = f"{floor // 1_000_000:,} MB should be. Free some; nothing that was stored is lost when it is full"
    return [Check("disk", Status.FAILED, f"{there}, {cure}")]


def clock(workers: Sequence[WorkerInfo], now: Microseconds) -> Check:
    """Compare this machine's clock with what others have written, and with what it cannot be.

    Who is ahead shows at once. Who is behind looks like one that is silent, so it is no failure: whoever holds a lease
    renews it at a third of its length.
    """
    ahead = max((worker.seen_at - now for worker in workers), default=0)
    behind = max((_overdue(worker, now) for worker in workers if worker.lease_until > now), default=0)
    if now < _OLDEST_NOW:
        return Check("clock", Status.FAILED, "this machine's clock was never set; switch on its time service")
    if ahead > MOST_SKEW:
        why = f"a worker's clock is {ahead // SECOND} s ahead of this one; switch on the time service of both machines"
        return Check("clock", Status.FAILED, why)
    if behind > MOST_SKEW:
        why = (
            f"a worker should have renewed its lease {behind // SECOND} s ago: it is silent, or its clock is behind. "
            "Look at the log of that worker, and at the time service of both machines"
        )
        return Check("clock", Status.DEGRADED, why)
    return Check("clock", Status.OK, "it agrees with that of the workers")


def _overdue(worker: WorkerInfo, now: Microseconds) -> Microseconds:
    return now - worker.seen_at - (worker.lease_until - worker.seen_at) // 3


def _sources(sources: Sequence[SourceState], now: Microseconds) -> Check:
    resting = [
        source.name for source in sources if max(source.cooling_until or 0, source.paused_until or 0) > now
    ]  # fmt: skip
    if not resting:
        return Check("sources", Status.OK, "all may be asked")
    why = f"{', '.join(resting)} must not be asked for now; `ytworker sources list` tells why. Their tasks wait"
    return Check("sources", Status.DEGRADED, why)


def _plugins(service: Service) -> Check:
    waiting = service.waiting_for_plugins()
    if not waiting:
        return Check("plugins", Status.OK, "every task that waits has its plugin")
    why = "; ".join(f"{name} is {reason}" for name, reason in waiting.items())
    return Check("plugins", Status.DEGRADED, f"tasks wait for their plugin: {why}")
