"""How a claim ends, and what may happen while it holds."""

import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ytworker.errors import OrderNotOfferedError
from ytworker.model import Claim, Doubted, ErrorInfo, NewTask, Outcome, TaskStatus
from ytworker.queue import (
    Attempt,
    ClaimRequest,
    Completion,
    Deferral,
    Ending,
    Failure,
    Return,
    Settled,
    encode_json,
)
from ytworker.queue.history import HISTORY_END
from ytworker.testing.memory.claims import claim
from ytworker.testing.memory.items import keep_apart, store_items
from ytworker.testing.memory.sources import cool_down, forgive
from ytworker.testing.memory.states import end, let_wait, save
from ytworker.testing.memory.store import Store, StoredTask, Transaction
from ytworker.testing.memory.tasks import enqueue_all


def settle(
    transaction: Transaction, endings: Sequence[Ending], then: ClaimRequest | None, dice: random.Random
) -> Settled:
    """End attempts in their order, then claim; that an order is not offered is no reason to lose the endings."""
    stale = [ending for ending in endings if not _end(transaction, ending)]
    claims: list[Claim] = []
    if then is not None:
        with suppress(OrderNotOfferedError):
            claims = claim(transaction, then, dice)
    return Settled(claims=claims, stale=stale)


def holds(store: Store, claim: Claim) -> bool:
    """Tell whether a claim still holds its task."""
    task = store.tasks.get(claim.task.id)
    return (
        task is not None
        and task.state is TaskStatus.CLAIMED
        and (task.owner, task.fence) == (claim.worker_id, claim.fence)
    )


def held(transaction: Transaction, claim: Claim) -> StoredTask | None:
    """Give the task that a claim holds, or count a stale write and give None."""
    if holds(transaction.store, claim):
        return transaction.store.tasks[claim.task.id]
    if not _was_cancelled(transaction.store, claim):
        transaction.count("stale_writes")
    return None


def save_checkpoint(transaction: Transaction, task: StoredTask, stored: Completion, value: Any) -> None:
    """Store what a task has found so far, and what a retry will find."""
    text = encode_json(value, "the checkpoint")
    task = _store(transaction, task, stored)
    _enqueue(transaction, stored.follow_ups)
    save(transaction, replace(task, checkpoint=text))


def _was_cancelled(store: Store, claim: Claim) -> bool:
    """Tell whether a task was cancelled under its worker's hands, which is no sign of a lost lease."""
    task = store.tasks.get(claim.task.id)
    return (
        task is not None
        and task.state in {TaskStatus.CANCELLED, TaskStatus.QUEUED}  # perhaps it has been queued again
        and (task.owner, task.fence) == (claim.worker_id, claim.fence)
    )


def _end(transaction: Transaction, ending: Ending) -> bool:
    task = held(transaction, ending.claim)
    if task is None:
        return False
    if isinstance(ending, Completion):
        _complete(transaction, task, ending)
    elif isinstance(ending, Failure):
        _fail(transaction, task, ending)
    elif isinstance(ending, Deferral):
        _defer(transaction, task, ending)
    else:
        _return(transaction, task, ending)
    return True


def _complete(transaction: Transaction, task: StoredTask, ending: Completion) -> None:
    task = _store(transaction, task, ending)
    outcome = ending.outcome
    if outcome is Outcome.EMPTY and transaction.store.hits.get(task.id):
        outcome = Outcome.OK
    forgive(transaction, ending.sources, ending.settings)
    worker_id = ending.claim.worker_id
    end(
        transaction,
        task,
        TaskStatus.COMPLETED,
        "completed",
        outcome=outcome,
        worker_id=worker_id,
        note=outcome.value,
    )
    _enqueue(transaction, ending.follow_ups)  # now that its key is free: a follow-up may have the same one


def _fail(transaction: Transaction, task: StoredTask, ending: Failure) -> None:
    task = keep_apart(transaction, task, ending.apart)
    task = _add_error(transaction, task, ending.claim, ending.error, ending.plugin_version)
    worker_id, note = ending.claim.worker_id, ending.error.error_class.value
    if ending.retry_at is None or task.attempt >= task.max_attempts:
        end(transaction, task, TaskStatus.DEAD, "died", worker_id=worker_id, note=note)
    else:
        let_wait(
            transaction,
            task,
            "retried",
            state=TaskStatus.SCHEDULED,
            at=ending.retry_at,
            worker_id=worker_id,
            note=note,
        )


def _defer(transaction: Transaction, task: StoredTask, ending: Deferral) -> None:
    if ending.error is not None:
        task = _trim_errors(_add_error(transaction, task, ending.claim, ending.error, ending.plugin_version))
    let_wait(
        transaction,
        replace(task, attempt=task.attempt - 1, reason=ending.reason, source=ending.source),
        "deferred",
        state=TaskStatus.SCHEDULED,
        at=ending.until,
        worker_id=ending.claim.worker_id,
        note=ending.reason,
    )
    if ending.cool_down is not None:
        cool_down(transaction, ending.cool_down)


def _return(transaction: Transaction, task: StoredTask, ending: Return) -> None:
    task = replace(task, attempt=task.attempt - 1, reason=ending.reason)
    let_wait(transaction, task, "returned", worker_id=ending.claim.worker_id, note=ending.reason)


def _store(transaction: Transaction, task: StoredTask, ending: Completion) -> StoredTask:
    doubted = list(ending.apart)
    if ending.suspect is not None:
        doubted = [*(Doubted(item, ending.suspect) for item in ending.items), *doubted]
    elif ending.items:
        store_items(transaction, task, ending.items)
    return keep_apart(transaction, task, doubted)


def _enqueue(transaction: Transaction, follow_ups: Sequence[NewTask]) -> None:
    enqueue_all(transaction, follow_ups)


def _add_error(
    transaction: Transaction, task: StoredTask, claim: Claim, error: ErrorInfo, plugin_version: str | None
) -> StoredTask:
    attempt = Attempt(
        number=task.attempt,
        at=transaction.now,
        error=error,
        worker_id=claim.worker_id,
        plugin_version=plugin_version,
    )
    return replace(task, errors=(*task.errors, attempt))


def _trim_errors(task: StoredTask) -> StoredTask:
    """Keep the first and the last failures of an attempt that is put off again and again."""
    of_this = [error for error in task.errors if error.number == task.attempt]
    if len(of_this) <= 2 * HISTORY_END:
        return task
    spare = of_this[HISTORY_END]
    return replace(task, errors=tuple(error for error in task.errors if error is not spare))
