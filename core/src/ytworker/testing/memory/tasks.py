"""Putting tasks in, finding them again, and what people do to them."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from ytworker.errors import TaskNotFoundError
from ytworker.model import Microseconds, NewTask, OnConflict, TaskStatus
from ytworker.queue import Enqueued, Purged, Requeued, TaskFilter, counts_of_enqueued, encode_task
from ytworker.testing.memory.states import ENDED, LIVE, WAITING, end, let_wait, save
from ytworker.testing.memory.store import Store, StoredTask, Transaction

_REVIVABLE = frozenset({TaskStatus.DEAD, TaskStatus.CANCELLED})


def enqueue_all(transaction: Transaction, tasks: Sequence[NewTask]) -> list[Enqueued]:
    """Store and count tasks."""
    enqueued = [enqueue(transaction, task) for task in tasks]
    created = [task for task, each in zip(tasks, enqueued, strict=True) if each.created]
    for name, number in counts_of_enqueued(created).items():
        transaction.count(name, number)
    return enqueued


def enqueue(transaction: Transaction, task: NewTask) -> Enqueued:
    """Store one task, unless its key is taken."""
    params = encode_task(task)
    holder = None if task.key is None else transaction.store.keys.get((task.type, task.key))
    if holder is not None:
        return Enqueued(holder, created=False, changed=_change(transaction, holder, task, params))
    number = transaction.store.numbers.get("task", 0) + 1
    transaction.put(transaction.store.numbers, "task", number)
    later = task.run_at is not None and task.run_at > transaction.now
    stored = StoredTask(
        id=number,
        type=task.type,
        params=params,
        priority=task.priority,
        max_attempts=task.max_attempts,
        timeout_seconds=task.timeout_seconds,
        key=task.key,
        unique=task.unique,
        created_at=transaction.now,
        state=TaskStatus.SCHEDULED if later else TaskStatus.QUEUED,
        at=transaction.now,
        depth=task.depth,
    )
    let_wait(transaction, stored, "enqueued", state=stored.state, at=task.run_at if later else None)
    return Enqueued(number, created=True)


def get(store: Store, task_id: int) -> StoredTask:
    """Find one task.

    Raises:
        TaskNotFoundError: There is none.
    """
    try:
        return store.tasks[task_id]
    except KeyError:
        msg = f"there is no task {task_id}; `ytworker tasks list` shows those that exist"
        raise TaskNotFoundError(msg) from None


def find(store: Store, which: TaskFilter, among: Collection[TaskStatus] = frozenset(TaskStatus)) -> list[StoredTask]:
    """Find the tasks in some states that a filter lets through, newest first; its limit counts these only."""
    newest_first = sorted(store.tasks, reverse=True)
    found = (task for task in map(store.tasks.__getitem__, newest_first) if task.state in among and _fits(task, which))
    return list(found if which.limit is None else islice(found, which.limit))


def cancel(transaction: Transaction, which: TaskFilter) -> int:
    """End what waits or runs."""
    found = find(transaction.store, which, LIVE)
    for task in found:
        end(transaction, task, TaskStatus.CANCELLED, "cancelled")
    return len(found)


def requeue(transaction: Transaction, which: TaskFilter) -> Requeued:
    """Queue dead and cancelled tasks again, but for those whose key is taken."""
    found = find(transaction.store, which, _REVIVABLE)
    count = sum(_revive(transaction, task) for task in found)
    return Requeued(count, skipped=len(found) - count)


def delete(transaction: Transaction, which: TaskFilter) -> int:
    """Delete ended tasks that a filter lets through."""
    found = find(transaction.store, which, ENDED)
    for task in found:
        transaction.drop(transaction.store.tasks, task.id)
    return len(found)


def purge(
    transaction: Transaction, before: Microseconds, states: Collection[TaskStatus], *, after: int, limit: int
) -> Purged:
    """Delete ended tasks; their history goes with them, since it is a part of the record."""
    tasks = transaction.store.tasks
    ahead = sorted(task_id for task_id in tasks if task_id > after)
    looked_at = ahead[:limit]
    old = [each for each in looked_at if tasks[each].state in ENDED.intersection(states) and tasks[each].at < before]
    for task_id in old:
        transaction.drop(tasks, task_id)
    return Purged(len(old), looked_at[-1] if len(ahead) > len(looked_at) > 0 else None)


def counts(store: Store) -> dict[TaskStatus, int]:
    """Count tasks by state."""
    return {**dict.fromkeys(TaskStatus, 0), **Counter(task.state for task in store.tasks.values())}


def counts_by_type(store: Store) -> dict[str, dict[TaskStatus, int]]:
    """Count tasks by type and state."""
    found: dict[str, dict[TaskStatus, int]] = {}
    for task in store.tasks.values():
        found.setdefault(task.type, dict.fromkeys(TaskStatus, 0))[task.state] += 1
    return found


def waiting(store: Store) -> dict[str, int]:
    """Count what waits by type."""
    return dict(Counter(store.tasks[task_id].type for task_id in store.waiting))


def oldest_ready_at(store: Store) -> Microseconds | None:
    """Find when the longest-waiting ready task became ready."""
    return min((task.at for task in _waiting(store, TaskStatus.QUEUED)), default=None)


def next_due_at(store: Store, types: Sequence[str]) -> Microseconds | None:
    """Find when the next scheduled task becomes due."""
    return min((task.at for task in _waiting(store, TaskStatus.SCHEDULED) if task.type in types), default=None)


def _change(transaction: Transaction, holder_id: int, task: NewTask, params: str) -> bool:
    """Let a new task change the one that has its key, while that waits."""
    holder = transaction.store.tasks[holder_id]
    changed = holder
    if task.on_conflict is OnConflict.REPLACE and params != holder.params:
        changed = replace(holder, params=params, checkpoint=None, progress=None)  # these tell of the old parameters
    elif task.on_conflict is OnConflict.RAISE_PRIORITY:
        changed = replace(holder, priority=max(holder.priority, task.priority))
    if holder.state not in WAITING or changed == holder:
        return False
    save(transaction, changed, "changed", note=task.on_conflict.value)
    return True


def _revive(transaction: Transaction, task: StoredTask) -> bool:
    if task.key is not None and (task.type, task.key) in transaction.store.keys:
        return False
    let_wait(transaction, replace(task, attempt=0, outcome=None), "requeued")
    return True


def _fits(task: StoredTask, which: TaskFilter) -> bool:
    error = task.errors[-1].error if task.errors else None
    ended_at = task.at if task.state in ENDED else None
    return (
        (which.ids is None or task.id in which.ids)
        and (which.states is None or task.state in which.states)
        and (which.types is None or task.type in which.types)
        and (which.error_classes is None or (error is not None and error.error_class in which.error_classes))
        and (which.fingerprints is None or (error is not None and error.fingerprint in which.fingerprints))
        and (which.ended_before is None or (ended_at is not None and ended_at < which.ended_before))
        and (which.ended_since is None or (ended_at is not None and ended_at >= which.ended_since))
    )


def _waiting(store: Store, state: TaskStatus) -> Iterator[StoredTask]:
    return (task for task in map(store.tasks.__getitem__, store.waiting) if task.state is state)
