"""The moves of a task from state to state: each keeps its key, its place among the waiting and its events in step."""

import json
from dataclasses import replace
from typing import Any

from ytworker.model import Claim, Microseconds, Outcome, Task, TaskStatus, UniqueWhile
from ytworker.queue import Event
from ytworker.queue.history import EVENTS_AT_LEAST, UNCOUNTED
from ytworker.testing.memory.store import StoredTask, Transaction

WAITING = frozenset({TaskStatus.QUEUED, TaskStatus.SCHEDULED})
LIVE = WAITING | {TaskStatus.CLAIMED}
ENDED = frozenset(TaskStatus) - LIVE


def save(
    transaction: Transaction,
    task: StoredTask,
    event: str | None = None,
    *,
    worker_id: int | None = None,
    note: str | None = None,
) -> None:
    """Store a task as it now is, with the event that tells of the change."""
    if event is not None and transaction.events:
        happened = Event(
            task_id=task.id, at=transaction.now, kind=event, worker_id=worker_id, attempt=task.attempt, note=note
        )
        task = replace(task, events=_trimmed((*task.events, happened)))
    store = transaction.store
    transaction.put(store.tasks, task.id, task)
    if task.state not in WAITING:
        transaction.drop(store.waiting, task.id)
    elif task.id not in store.waiting:
        transaction.put(store.waiting, task.id, None)


def claim_task(transaction: Transaction, task: StoredTask, worker_id: int) -> Claim:
    """Give a task to a worker; the wait is over, and so is its reason."""
    if task.unique is UniqueWhile.QUEUED:
        _free_key(transaction, task)
    ready_at = task.at
    task = replace(
        task,
        state=TaskStatus.CLAIMED,
        at=transaction.now,
        owner=worker_id,
        attempt=task.attempt + 1,
        fence=task.fence + 1,
        reason=None,
        source=None,
    )
    save(transaction, task, "claimed", worker_id=worker_id)
    checkpoint = None if task.checkpoint is None else json.loads(task.checkpoint)
    stored = None if checkpoint is None else len(transaction.store.hits.get(task.id, ()))
    return Claim(view(task), worker_id, task.fence, checkpoint, ready_at, stored)


def let_wait(
    transaction: Transaction,
    task: StoredTask,
    event: str,
    *,
    state: TaskStatus = TaskStatus.QUEUED,
    at: Microseconds | None = None,
    worker_id: int | None = None,
    note: str | None = None,
) -> None:
    """Let a task wait, from now on or for a moment; it takes its key (again) if nobody else has it."""
    if task.key is not None and (task.type, task.key) not in transaction.store.keys:
        transaction.put(transaction.store.keys, (task.type, task.key), task.id)
    owner = task.owner if task.state is TaskStatus.CANCELLED else None
    task = replace(task, state=state, at=transaction.now if at is None else at, owner=owner)
    save(transaction, task, event, worker_id=worker_id, note=note)


def end(
    transaction: Transaction,
    task: StoredTask,
    state: TaskStatus,
    event: str,
    *,
    outcome: Outcome | None = None,
    worker_id: int | None = None,
    note: str | None = None,
) -> None:
    """End a task: its key is free, and what an attempt left behind is forgotten."""
    _free_key(transaction, task)
    task = replace(
        task,
        state=state,
        at=transaction.now,
        owner=task.owner if state is TaskStatus.CANCELLED else None,  # tells the late write from a stale one
        outcome=outcome,
        reason=None,
        source=None,
        checkpoint=None,
        progress=None,
    )
    save(transaction, task, event, worker_id=worker_id, note=note)


def _trimmed(events: tuple[Event, ...]) -> tuple[Event, ...]:
    """Take a claim that led to nothing out of the middle of a long history."""
    changes = events[1:]  # the first tells that the task was enqueued
    if events[-1].kind not in UNCOUNTED or len(changes) <= 2 * EVENTS_AT_LEAST:
        return events
    pairs = zip(range(1, len(events)), events[1:], events[2:], strict=False)
    spare = next(
        (
            place
            for place, one, following in pairs
            if place > EVENTS_AT_LEAST and one.kind == "claimed" and following.kind in UNCOUNTED
        ),
        None,
    )
    return events if spare is None else (*events[:spare], *events[spare + 2 :])


def view(task: StoredTask) -> Task:
    """Show a task to a caller; one that cannot be read any more shows no parameters and says so."""
    params = _read_params(task.params)
    return Task(
        id=task.id,
        type=task.type,
        state=task.state,
        params={} if params is None else params,
        priority=task.priority,
        attempt=task.attempt,
        max_attempts=task.max_attempts,
        timeout_seconds=task.timeout_seconds,
        created_at=task.created_at,
        run_at=task.at if task.state is TaskStatus.SCHEDULED else None,
        started_at=task.at if task.state is TaskStatus.CLAIMED else None,
        finished_at=task.at if task.state in ENDED else None,
        key=task.key,
        outcome=task.outcome,
        error=task.errors[-1].error if task.errors else None,
        reason=problem_of(task) or task.reason,
        depth=task.depth,
    )


def problem_of(task: StoredTask) -> str | None:
    """Say why a task cannot be read any more; None if it can."""
    if _read_params(task.params) is None:
        return "its parameters are no JSON object"
    if task.checkpoint is not None and not _is_json(task.checkpoint):
        return "its checkpoint is no JSON"
    return None


def _free_key(transaction: Transaction, task: StoredTask) -> None:
    keys = transaction.store.keys
    if task.key is not None and keys.get((task.type, task.key)) == task.id:
        transaction.drop(keys, (task.type, task.key))


def _read_params(text: str) -> dict[str, Any] | None:
    try:
        params = json.loads(text)
    except ValueError:
        return None
    return params if isinstance(params, dict) else None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
