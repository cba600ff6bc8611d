"""Leases: who stops or hangs loses what it held, in one transaction."""

import os
import secrets
import socket
from dataclasses import replace

from ytworker._version import __version__
from ytworker.model import SECOND, ErrorClass, ErrorInfo, Microseconds, TaskStatus
from ytworker.queue import Attempt, WorkerInfo
from ytworker.testing.memory.claims import promote
from ytworker.testing.memory.states import end, let_wait
from ytworker.testing.memory.store import Store, StoredTask, Transaction


def add_worker(transaction: Transaction, lease_seconds: float, *, foreground: bool) -> int:
    """Register this process; the id is random, and not from the dice of the queue: a lease must not come back."""
    worker_id = secrets.randbits(53)
    worker = WorkerInfo(
        id=worker_id,
        host=socket.gethostname(),
        pid=os.getpid(),
        version=__version__,
        started_at=transaction.now,
        seen_at=transaction.now,
        lease_until=_until(transaction, lease_seconds),
        foreground=foreground,
    )
    transaction.put(transaction.store.workers, worker_id, worker)
    return worker_id


def renew(transaction: Transaction, worker_id: int, lease_seconds: float) -> bool:
    """Prolong a lease that is still there."""
    workers = transaction.store.workers
    if worker_id not in workers:
        return False
    lease_until = _until(transaction, lease_seconds)
    worker = replace(workers[worker_id], seen_at=transaction.now, lease_until=lease_until)
    transaction.put(workers, worker_id, worker)
    return True


def remove_worker(transaction: Transaction, worker_id: int) -> None:
    """Give a lease back in good order."""
    for task in _held_by(transaction.store, worker_id):
        let_wait(transaction, replace(task, attempt=task.attempt - 1), "returned", worker_id=worker_id)
    transaction.drop(transaction.store.workers, worker_id)


def rescue(transaction: Transaction) -> int:
    """Release what lapsed workers held, and make ready what is due."""
    promote(transaction)
    lapsed = [each for each in transaction.store.workers.values() if each.lease_until < transaction.now]
    number = sum(_rescue_from(transaction, worker) for worker in lapsed)
    transaction.count("lapsed_leases", len(lapsed))
    transaction.count("rescued", number)
    return number


def _rescue_from(transaction: Transaction, worker: WorkerInfo) -> int:
    held = _held_by(transaction.store, worker.id)
    for task in held:
        _rescue(transaction, task, worker)
    transaction.drop(transaction.store.workers, worker.id)
    return len(held)


def _rescue(transaction: Transaction, task: StoredTask, worker: WorkerInfo) -> None:
    lost = Attempt(number=task.attempt, at=transaction.now, error=_lost(worker), worker_id=worker.id)
    task = replace(task, errors=(*task.errors, lost))
    if task.attempt < task.max_attempts:
        let_wait(transaction, task, "rescued", worker_id=worker.id)
    else:
        note = lost.error.error_class.value
        end(transaction, task, TaskStatus.DEAD, "died", worker_id=worker.id, note=note)


def _held_by(store: Store, worker_id: int) -> list[StoredTask]:
    return [task for task in store.tasks.values() if (task.state, task.owner) == (TaskStatus.CLAIMED, worker_id)]


def _lost(worker: WorkerInfo) -> ErrorInfo:
    return ErrorInfo(
        error_class=ErrorClass.RESOURCE,
        type="ytworker.LeaseLapsed",
        message=f"the worker with process id {worker.pid} on {worker.host} stopped or hung while it held this task. "
        "Look for a crash or a lack of memory there",
        fingerprint="lease-lapsed",
    )


def _until(transaction: Transaction, lease_seconds: float) -> Microseconds:
    return transaction.now + round(lease_seconds * SECOND)
