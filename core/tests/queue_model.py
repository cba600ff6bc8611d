"""The queue as the contract has it, on two pages: what the real ones are compared with in ``test_queue_machine.py``."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ytworker.model import Claim, NewTask, OnConflict, Outcome, TaskStatus, UniqueWhile
from ytworker.queue import (
    ORDERS,
    Completion,
    Deferral,
    Ending,
    Enqueued,
    Failure,
    Requeued,
    Return,
    TaskFilter,
)
from ytworker.testing import FakeClock

TYPES = ("a", "b")

QUEUED, SCHEDULED, CLAIMED = TaskStatus.QUEUED, TaskStatus.SCHEDULED, TaskStatus.CLAIMED
WAITING = {QUEUED, SCHEDULED}
LIVE = {*WAITING, CLAIMED}
BURIED = {TaskStatus.DEAD, TaskStatus.CANCELLED}


@dataclass
class ModelTask:
    """A task; ``at`` is the moment of its state: ready since, due, claimed or ended."""

    type: str
    key: str | None
    unique: UniqueWhile
    priority: int
    params: Any
    max_attempts: int
    state: TaskStatus = QUEUED
    at: int = 0
    attempt: int = 0
    fence: int = 0
    owner: int | None = None
    cancelled: tuple[int | None, int] | None = None
    failures: int = 0
    checkpoint: Any = None
    outcome: Outcome | None = None
    reason: str | None = None
    history: list[str] = field(default_factory=lambda: ["enqueued"])


class Model:
    """What a queue is: a few dictionaries, without indexes and transactions.

    Where several tasks came back at once, the contract does not say who of them got a key that they share. Then
    ``who_has`` asks the real queue, by enqueueing one more with that key.
    """

    def __init__(self, clock: FakeClock, who_has: Callable[[NewTask], Enqueued]) -> None:
        self.clock = clock
        self.who_has = who_has
        self.tasks: dict[int, ModelTask] = {}
        self.keys: dict[tuple[str, str | None], int] = {}
        self.leases: dict[int, int] = {}
        self.items: dict[int, list[str]] = {}
        self.orders = set(ORDERS)
        self.stale = self.rescued = self.last = 0

    def enqueue(self, new: NewTask, got: int) -> Enqueued:
        """Give what enqueueing must have given, if a fresh task got this number."""
        holder = self.keys.get((new.type, new.key))
        if holder is not None:
            return Enqueued(holder, created=False, changed=self.change(self.tasks[holder], new))
        assert got > self.last
        self.last = got
        task = ModelTask(new.type, new.key, new.unique, new.priority, new.params, new.max_attempts)
        later = new.run_at is not None and new.run_at > self.clock()
        task.state, task.at = (SCHEDULED, new.run_at) if later else (QUEUED, self.clock())
        self.tasks[got], self.items[got] = task, []
        self.take_keys([got])
        return Enqueued(got, created=True)

    def change(self, holder: ModelTask, new: NewTask) -> bool:
        before = (holder.params, holder.priority)
        if holder.state in WAITING and new.on_conflict is OnConflict.REPLACE and new.params != holder.params:
            holder.params, holder.checkpoint = new.params, None
        if holder.state in WAITING and new.on_conflict is OnConflict.RAISE_PRIORITY:
            holder.priority = max(holder.priority, new.priority)
        changed = before != (holder.params, holder.priority)
        holder.history += ["changed"] * changed
        return changed

    def take_keys(self, numbers: Iterable[int], freed: Collection[tuple[str, str | None]] = ()) -> None:
        """Let tasks that wait again take their keys; ``freed`` are keys that others lost in the same step."""
        wanted: dict[tuple[str, str | None], list[int]] = {}
        for number in numbers:
            task = self.tasks[number]
            if task.key is not None and (task.type, task.key) not in self.keys:
                wanted.setdefault((task.type, task.key), []).append(number)
        for key, claimants in wanted.items():
            if len(claimants) == 1 and key not in freed:
                self.keys[key] = claimants[0]
            else:
                self.ask(key, claimants, maybe_nobody=key in freed)

    def ask(self, key: tuple[str, str | None], claimants: Collection[int], *, maybe_nobody: bool) -> None:
        new = NewTask(type=key[0], params={}, key=key[1])
        got = self.who_has(new)
        if got.created:
            assert maybe_nobody
            assert self.enqueue(new, got.id) == got
        else:
            assert got.id in claimants
            self.keys[key] = got.id

    def free_key(self, number: int) -> None:
        task = self.tasks[number]
        if self.keys.get((task.type, task.key)) == number:
            del self.keys[task.type, task.key]

    def promote(self, types: Collection[str] = TYPES) -> None:
        for task in self.tasks.values():
            if task.state is SCHEDULED and task.at <= self.clock() and task.type in types:
                task.state = QUEUED

    def ready(self, types: Collection[str] = TYPES) -> list[int]:
        return [number for number, task in self.tasks.items() if task.state is QUEUED and task.type in types]

    def first(self, order: str, types: Collection[str], limit: int) -> list[int]:
        places = {"fifo": lambda n: n, "lifo": lambda n: -n, "priority": lambda n: (-self.tasks[n].priority, n)}
        return sorted(self.ready(types), key=places[order])[:limit]

    def claim(self, number: int, worker: int) -> ModelTask:
        task = self.tasks[number]
        if task.unique is UniqueWhile.QUEUED:
            self.free_key(number)
        task.state, task.at, task.owner, task.reason = CLAIMED, self.clock(), worker, None
        task.attempt, task.fence, task.cancelled = task.attempt + 1, task.fence + 1, None
        task.history.append("claimed")
        return task

    def wait(self, number: int, state: TaskStatus, at: int, event: str, *, back: int = 0, reason: Any = None) -> None:
        """Let a task wait again, with 0 or 1 attempts taken back; its key is another matter."""
        task = self.tasks[number]
        task.state, task.at, task.owner, task.reason = state, at, None, reason
        task.attempt -= back
        task.history.append(event)

    def end(self, number: int, state: TaskStatus, event: str, outcome: Outcome | None = None) -> None:
        self.free_key(number)
        task = self.tasks[number]
        task.state, task.at, task.owner = state, self.clock(), None
        task.checkpoint, task.reason, task.outcome = None, None, outcome
        task.history.append(event)

    def holds(self, claim: Claim) -> bool:
        task = self.tasks.get(claim.task.id)
        return task is not None and task.owner == claim.worker_id and task.fence == claim.fence

    def refuse(self, claim: Claim) -> None:
        """Count a stale write, unless the task was cancelled under this claim."""
        task = self.tasks.get(claim.task.id)
        self.stale += not (task and task.cancelled == (claim.worker_id, claim.fence))

    def settle(self, ending: Ending, items: Sequence[str]) -> bool:
        number, now = ending.claim.task.id, self.clock()
        if not self.holds(ending.claim):
            self.refuse(ending.claim)
            return False
        match ending:
            case Completion():
                self.items[number] += items
                self.end(number, TaskStatus.COMPLETED, "completed", Outcome.OK if self.items[number] else Outcome.EMPTY)
            case Failure():
                task = self.tasks[number]
                task.failures += 1
                if ending.retry_at is None or task.attempt >= task.max_attempts:
                    self.end(number, TaskStatus.DEAD, "died")
                else:
                    self.wait(number, SCHEDULED, ending.retry_at, "retried")
            case Deferral():
                self.tasks[number].failures += ending.error is not None
                self.wait(number, SCHEDULED, ending.until, "deferred", back=1, reason=ending.reason)
            case Return():
                self.wait(number, QUEUED, now, "returned", back=1, reason=ending.reason)
        if self.tasks[number].state in WAITING:
            self.take_keys([number])
        return True

    def held_by(self, workers: Collection[int]) -> list[int]:
        return [number for number, task in self.tasks.items() if task.owner in workers]

    def remove(self, worker: int) -> None:
        held = self.held_by({worker})
        for number in held:
            self.wait(number, QUEUED, self.clock(), "returned", back=1)
        self.take_keys(held)
        self.leases.pop(worker, None)

    def rescue(self) -> int:
        self.promote()
        lapsed = {worker for worker, until in self.leases.items() if until < self.clock()}
        held, before = self.held_by(lapsed), set(self.keys)
        for number in held:
            task = self.tasks[number]
            task.failures += 1
            if task.attempt >= task.max_attempts:
                self.end(number, TaskStatus.DEAD, "died")
            else:
                self.wait(number, QUEUED, self.clock(), "rescued")
        self.leases = {worker: until for worker, until in self.leases.items() if worker not in lapsed}
        self.rescued += len(held)
        returned = [number for number in held if self.tasks[number].state is QUEUED]
        self.take_keys(returned, freed=before - set(self.keys))
        return len(held)

    def find(self, which: TaskFilter, among: Collection[TaskStatus]) -> list[int]:
        found = [
            number
            for number, task in sorted(self.tasks.items(), reverse=True)
            if task.state in among
            and (which.states is None or task.state in which.states)
            and (which.types is None or task.type in which.types)
            and (which.ids is None or number in which.ids)
        ]
        return found[: which.limit]

    def cancel(self, which: TaskFilter) -> int:
        found = self.find(which, LIVE)
        for number in found:
            task = self.tasks[number]
            if task.owner is not None:
                task.cancelled = (task.owner, task.fence)
            self.end(number, TaskStatus.CANCELLED, "cancelled")
        return len(found)

    def requeue(self, which: TaskFilter) -> Requeued:
        count, found = 0, self.find(which, BURIED)
        for number in found:
            task = self.tasks[number]
            if (task.type, task.key) not in self.keys:
                count, task.attempt = count + 1, 0
                self.wait(number, QUEUED, self.clock(), "requeued")
                self.take_keys([number])
        return Requeued(count, skipped=len(found) - count)

    def purge(self, before: int, states: Collection[TaskStatus]) -> int:
        old = [n for n, task in self.tasks.items() if task.state in set(states) - LIVE and task.at < before]
        for number in old:
            del self.tasks[number]
        return len(old)
