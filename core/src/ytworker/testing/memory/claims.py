"""Claiming: what is due becomes ready, and the first in the order of a strategy go to the worker."""

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from ytworker.errors import OrderNotOfferedError
from ytworker.model import SECOND, Claim, ErrorClass, ErrorInfo, NewTask, TaskStatus
from ytworker.queue import AGED_SHARE, ORDERS, Attempt, ClaimingStrategy, ClaimRequest, Enqueued
from ytworker.testing.memory import states
from ytworker.testing.memory.store import Store, StoredTask, Transaction
from ytworker.testing.memory.tasks import enqueue_all

_ALWAYS = ("fifo", "lifo")

# Who draws the smallest of the exponential times is a task with a probability exactly proportional to its priority,
# and who draws the next smallest is the same among the others.
_PLACES: dict[str, Callable[[StoredTask, random.Random], tuple[float, ...]]] = {
    "fifo": lambda task, _: (task.id,),
    "lifo": lambda task, _: (-task.id,),
    "priority": lambda task, _: (-task.priority, task.id),
    "weighted_random": lambda task, dice: (dice.expovariate(task.priority),),
}


def offer(transaction: Transaction, orders: Collection[str]) -> None:
    """Offer these orders, and those that are always offered.

    Raises:
        ValueError: One of them is none.
    """
    for name in orders:
        if name not in ORDERS:
            msg = f"unknown claim order {name!r}; choose from: {', '.join(ORDERS)}"
            raise ValueError(msg)
    for name in ORDERS:
        if name not in {*orders, *_ALWAYS}:
            transaction.drop(transaction.store.orders, name)
        elif name not in transaction.store.orders:
            transaction.put(transaction.store.orders, name, None)


def promote(transaction: Transaction, types: Collection[str] | None = None) -> None:
    """Make ready what is due, of these types or of all."""
    tasks = transaction.store.tasks
    for task in [tasks[task_id] for task_id in transaction.store.waiting]:
        if _is_due(task, transaction) and (types is None or task.type in types):
            states.save(transaction, replace(task, state=TaskStatus.QUEUED))


def claim(transaction: Transaction, request: ClaimRequest, dice: random.Random) -> list[Claim]:
    """Claim the first tasks of an order.

    Raises:
        OrderNotOfferedError: It is not offered.
    """
    _require(transaction.store, request.strategy)
    if request.worker_id not in transaction.store.workers or request.limit <= 0:
        return []
    promote(transaction, request.types)
    line = _line(transaction.store, request, dice)
    claims: list[Claim] = []
    while line and len(claims) < request.limit:
        place = _aged_place(line, request.strategy, transaction.now, dice)
        claimed = _take(transaction, line.pop(place), request.worker_id)
        claims += [claimed] if claimed else []
    return claims


def claim_task(transaction: Transaction, worker_id: int, task_id: int) -> Claim | None:
    """Claim this very task if it is ready or due."""
    task = transaction.store.tasks.get(task_id)
    if task is None or worker_id not in transaction.store.workers:
        return None
    return (
        _take(transaction, task, worker_id) if task.state is TaskStatus.QUEUED or _is_due(task, transaction) else None
    )


def enqueue_and_claim(transaction: Transaction, task: NewTask, worker_id: int) -> Claim | Enqueued:
    """Store one task and claim it."""
    (enqueued,) = enqueue_all(transaction, [task])
    claimed = claim_task(transaction, worker_id, enqueued.id) if enqueued.created else None
    return claimed or enqueued


def _require(store: Store, strategy: ClaimingStrategy) -> None:
    if strategy.name not in store.orders:
        offered = ", ".join(sorted(store.orders))
        msg = f"this queue does not offer the claim order {strategy.name!r}; it offers: {offered}"
        raise OrderNotOfferedError(msg)


def _line(store: Store, request: ClaimRequest, dice: random.Random) -> list[StoredTask]:
    tasks = (store.tasks[task_id] for task_id in store.waiting)
    ready = [task for task in tasks if task.state is TaskStatus.QUEUED and task.type in request.types]
    place = _PLACES[request.strategy.name]
    return sorted(ready, key=lambda task: place(task, dice))


def _aged_place(line: Sequence[StoredTask], strategy: ClaimingStrategy, now: int, dice: random.Random) -> int:
    """Give the place in the line of who goes next: the first, or now and then the one that has waited for too long."""
    if strategy.aging_seconds is None or dice.random() >= AGED_SHARE:
        return 0
    oldest = min(range(len(line)), key=lambda place: (line[place].at, line[place].id))
    return oldest if now - line[oldest].at >= strategy.aging_seconds * SECOND else 0


def _is_due(task: StoredTask, transaction: Transaction) -> bool:
    return task.state is TaskStatus.SCHEDULED and task.at <= transaction.now


def _take(transaction: Transaction, task: StoredTask, worker_id: int) -> Claim | None:
    problem = states.problem_of(task)
    if problem is None:
        return states.claim_task(transaction, task, worker_id)
    _park(transaction, task, worker_id, problem)
    return None


def _park(transaction: Transaction, task: StoredTask, worker_id: int, problem: str) -> None:
    """Put aside what cannot be read, with the reason, so that the others go on."""
    error = ErrorInfo(
        error_class=ErrorClass.INVALID,
        type="ytworker.Unreadable",
        message=f"the stored task cannot be read: {problem}. Enqueue it again, and look for what damaged the store",
        fingerprint="unreadable",
    )
    attempt = Attempt(number=task.attempt, at=transaction.now, error=error, worker_id=worker_id)
    task = replace(task, errors=(*task.errors, attempt))
    states.end(transaction, task, TaskStatus.DEAD, "died", worker_id=worker_id, note=error.error_class.value)
    transaction.count("parked")
