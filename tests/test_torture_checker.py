"""The checker of the torture: an honest history passes, and each kind of lie is found."""

import copy
import inspect
import itertools
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from torture import belongings, explanations, promises
from torture.checker import check
from torture.enqueuer import Enqueuer
from torture.history import Event, read
from torture.process import Place
from torture.store import LAPSED, Store, Stored, load
from torture.worker import Worker

from ytworker import queue
from ytworker.model import ErrorClass, ErrorInfo, Task, TaskStatus
from ytworker.queue import Attempt
from ytworker.queue.sqlite import claims

FIRST, SECOND = 71, 72
"""Two workers; the first one dies while it holds a task."""
FAILED, LOST = "torture.Failure", LAPSED


@dataclass
class Past:
    """A history and the queue that it led to, told event by event."""

    seen: list[Event] = field(default_factory=list)
    store: Store = field(default_factory=lambda: Store(tasks={}))
    ticks: Any = field(default_factory=lambda: itertools.count(100, 10))

    def see(self, event: str, **more: Any) -> None:
        self.seen.append({"t": next(self.ticks), "who": f"process-{more.get('worker', 1)}", "event": event, **more})

    def tell(self, number: int, kind: str, worker: int | None = None) -> None:
        stored = self.store.tasks[number]
        attempt, now = stored.task.attempt, next(self.ticks)
        told = queue.Event(task_id=number, at=now, kind=kind, worker_id=worker, attempt=attempt)
        stored.events = [*stored.events, told]

    def enqueue(self, tags: dict[int, str], key: str | None = None) -> None:
        self.see("enqueuing", tags=list(tags.values()), keyed=key is not None)
        for number, tag in tags.items():
            self.add(number, tag, key)
            self.see("enqueued", task=number, tag=tag, created=True, key=key)

    def add(self, number: int, tag: str, key: str | None = None) -> None:
        task = Task(
            id=number, type="a", state=TaskStatus.QUEUED, params={"tag": tag}, priority=5, attempt=0, max_attempts=3,
            timeout_seconds=1, created_at=0, key=key,
        )  # fmt: skip
        self.store.tasks[number] = Stored(task)
        self.tell(number, "enqueued")

    def change(self, number: int, **fields: Any) -> None:
        stored = self.store.tasks[number]
        stored.task = replace(stored.task, **fields)

    def claim(self, number: int, fence: int, worker: int) -> None:
        self.change(number, attempt=self.store.tasks[number].task.attempt + 1)
        self.tell(number, "claimed", worker)
        self.receive(number, fence, worker)

    def receive(self, number: int, fence: int, worker: int) -> None:
        self.see("claimed", task=number, fence=fence, worker=worker, asked=next(self.ticks))

    def end(
        self, number: int, fence: int, worker: int, what: str, fate: str, *, answer: str | None = "done", **found: Any
    ) -> None:
        found = {"items": [], "follow_ups": [], **found} if what == "finish" else found
        self.see("try", task=number, fence=fence, worker=worker, what=what, **found)
        self.tell(number, fate, worker)
        if fate in {"deferred", "returned"}:
            self.change(number, attempt=self.store.tasks[number].task.attempt - 1)
        if fate in {"retried", "died"}:
            self.fail(number, worker, FAILED)
        self.settle(number, fate)
        self.store.tasks[number].items = [*self.store.tasks[number].items, *found.get("items", ())]
        if answer is not None:
            self.see(answer, task=number, fence=fence, worker=worker, what=what, **found)

    def fail(self, number: int, worker: int, kind: str) -> None:
        stored = self.store.tasks[number]
        error = ErrorInfo(error_class=ErrorClass.TRANSIENT, type=kind, message="m")
        failed = Attempt(number=stored.task.attempt, at=next(self.ticks), error=error, worker_id=worker)
        stored.attempts = [*stored.attempts, failed]

    def settle(self, number: int, fate: str) -> None:
        ended = {"completed": TaskStatus.COMPLETED, "died": TaskStatus.DEAD, "cancelled": TaskStatus.CANCELLED}
        self.change(number, state=ended.get(fate, TaskStatus.QUEUED))

    def close(self) -> None:
        tasks = self.store.tasks.values()
        self.store.counts = dict(Counter(stored.task.state for stored in tasks))
        self.store.items = [item for stored in tasks for item in stored.items]
        self.store.rescued = sum(each.error.type == LAPSED for stored in tasks for each in stored.attempts)


def honest() -> Past:
    """Everything that may happen: answers, deaths before the answer, a lapsed lease, a cancellation, a refusal."""
    past = Past()
    past.see("leased", worker=FIRST, until=200)
    past.enqueue({1: "e1"})
    past.enqueue({2: "e2"})
    past.enqueue({3: "e3"}, key="live-1")
    past.enqueue({4: "e4", 5: "e5"})
    past.claim(1, 1, FIRST)
    past.see("try", task=1, fence=1, worker=FIRST, what="checkpoint", items=["1-1-c"])
    past.store.tasks[1].items = ["1-1-c"]
    past.see("done", task=1, fence=1, worker=FIRST, what="checkpoint", items=["1-1-c"])
    past.end(1, 1, FIRST, "finish", "completed", items=["1-1-0"], follow_ups=["f1-1-0"])
    past.add(6, "f1-1-0")
    past.claim(2, 1, FIRST)
    past.tell(2, "rescued", FIRST)
    past.fail(2, FIRST, LOST)
    past.see("leased", worker=SECOND, until=9_000)
    past.claim(2, 2, SECOND)
    past.see("try", task=2, fence=1, worker=FIRST, what="finish", items=["2-1-0"], follow_ups=["f2-1-0"])
    past.see("refused", task=2, fence=1, worker=FIRST, what="finish", items=["2-1-0"], follow_ups=["f2-1-0"])
    past.store.stale_writes = 1
    past.end(2, 2, SECOND, "retry", "retried")
    past.claim(2, 3, SECOND)
    past.end(2, 3, SECOND, "finish", "completed", items=["2-3-0"])
    past.claim(3, 1, SECOND)
    past.end(3, 1, SECOND, "defer", "deferred")
    past.claim(3, 2, SECOND)
    past.end(3, 2, SECOND, "finish", "completed")
    past.enqueue({7: "e7"}, key="live-1")
    past.see("cancelling", tasks=[4, 1])
    past.tell(4, "cancelled")
    past.settle(4, "cancelled")
    past.see("cancelled", tasks=[4, 1], count=1)
    past.claim(5, 1, SECOND)
    past.end(5, 1, SECOND, "bury", "died")
    past.claim(6, 1, SECOND)
    past.end(6, 1, SECOND, "finish", "completed", answer=None, items=["6-1-0"])  # killed before the answer
    past.claim(7, 1, SECOND)
    past.see("leaving", worker=SECOND)
    past.tell(7, "returned", SECOND)
    past.change(7, attempt=0)
    past.claim(7, 2, SECOND)
    past.end(7, 2, SECOND, "finish", "completed")
    past.close()
    return past


def test_an_honest_history_passes() -> None:
    past = honest()
    assert [str(violation) for violation in check(past.seen, past.store)] == []


# -- lies


def drop(past: Past, number: int) -> None:
    del past.store.tasks[number]


def drop_seen(past: Past, **like: Any) -> None:
    past.seen = [event for event in past.seen if not like.items() <= event.items()]


def unanswered_bulk(past: Past) -> None:
    drop_seen(past, event="enqueued", task=4)
    drop_seen(past, event="enqueued", task=5)
    drop(past, 5)


def again(past: Past, number: int, tag: str) -> None:
    twin = copy.copy(past.store.tasks[5])
    twin.task = replace(twin.task, id=number, params={"tag": tag})
    past.store.tasks[number] = twin


def retell(past: Past, number: int, old: str, new: str | None) -> None:
    """Let the queue tell another fate, or nothing."""
    stored = past.store.tasks[number]
    told = [replace(event, kind=new or "") if event.kind == old else event for event in stored.events]
    past.store.tasks[number] = replace(stored, events=[event for event in told if event.kind])


def finish_late(past: Past) -> None:
    """The zombie's finish is acknowledged."""
    for event in past.seen:
        if event["event"] == "refused":
            event["event"] = "done"
    past.store.stale_writes = 0


def finish_late_and_tell(past: Past) -> None:
    """The queue agrees; only the order of the witnesses tells."""
    finish_late(past)
    retell(past, 2, "rescued", "completed")


def finish_twice(past: Past) -> None:
    (done,) = (each for each in past.seen if each["event"] == "done" and each["what"] == "finish" and each["task"] == 1)
    past.seen.append({**done, "t": 5_000, "who": "process-9"})


def own_items(past: Past, number: int, items: list[str]) -> None:
    past.store.tasks[number].items = items


def hold_key_at_once(past: Past) -> None:
    """The second holder of the key is created while the first one is live."""
    calls = [event for event in past.seen if "e7" in (event.get("tag"), *event.get("tags", ()))]
    acknowledged = next(event["t"] for event in past.seen if event.get("tag") == "e3")
    for step, event in enumerate(calls, 1):
        event["t"] = acknowledged + step
    past.seen.sort(key=lambda event: event["t"])


def hold_key_after_the_end(past: Past) -> None:
    past.see("enqueuing", tags=["e9"], keyed=True)
    past.see("enqueued", tag="e9", task=3, created=False, key="live-1")


LIES: dict[str, tuple[str, Callable[[Past], object]]] = {
    "a task is gone": ("lost", lambda past: drop(past, 4)),
    "a task is still waiting": ("unfinished", lambda past: past.change(4, state=TaskStatus.QUEUED)),
    "a task that nobody enqueued": ("invented", lambda past: again(past, 8, "e8")),
    "a task is there twice": ("doubled", lambda past: again(past, 8, "e5")),
    "half of a bulk": ("torn_bulk", unanswered_bulk),
    "two claims of one fence": ("two_winners", lambda past: past.receive(1, 1, SECOND)),
    "two acknowledged finishes": ("done_twice", finish_twice),
    "two ends in the queue": ("done_twice", lambda past: past.tell(1, "completed", FIRST)),
    "a late finish is accepted": ("stale_accepted", finish_late),
    "a late finish is accepted and told": ("stale_accepted", finish_late_and_tell),
    "an ending is accepted twice": ("stale_accepted", finish_twice),
    "an acknowledged retry did not happen": ("forgotten", lambda past: retell(past, 2, "retried", "returned")),
    "an acknowledged finish did not happen": ("forgotten", lambda past: retell(past, 1, "completed", None)),
    "a failure has no record": ("forgotten", lambda past: setattr(past.store.tasks[5], "attempts", [])),
    "a refused finish happened": ("refused", lambda past: retell(past, 2, "rescued", "completed")),
    "more runs than allowed": ("too_many_runs", lambda past: past.change(2, max_attempts=2)),
    "attempts that do not count": ("too_many_runs", lambda past: past.change(2, attempt=1)),
    "an end that the queue does not tell": ("story", lambda past: retell(past, 4, "cancelled", None)),
    "a claim that the queue does not know": ("story", lambda past: past.receive(1, 2, FIRST)),
    "a claim by somebody else": ("story", lambda past: past.seen[-3].update(worker=FIRST)),
    "a second run without a reason": ("unexplained_run", lambda past: drop_seen(past, task=3, fence=1, what="defer")),
    "a claim of a claimed task": ("unexplained_run", lambda past: retell(past, 2, "rescued", None)),
    "a return by nobody": ("unexplained_run", lambda past: drop_seen(past, event="leaving")),
    "a rescue of nobody": ("unexplained_run", lambda past: setattr(past.store.tasks[2], "attempts", [])),
    "a cancellation by nobody": ("unexplained_run", lambda past: retell(past, 5, "died", "cancelled")),
    "a claim with a lost lease": ("lost_claim", lambda past: past.receive(1, 2, FIRST)),
    "a rescue from a live lease": ("early_rescue", lambda past: past.seen[0].update(until=8_000)),
    "an item is gone": ("items", lambda past: own_items(past, 2, [])),
    "an item of a checkpoint is gone": ("items", lambda past: own_items(past, 1, ["1-1-0"])),
    "an item of a refused finish": ("items", lambda past: own_items(past, 2, ["2-1-0", "2-3-0"])),
    "an item twice": ("items", lambda past: own_items(past, 2, ["2-3-0", "2-3-0"])),
    "an item of no task": ("items", lambda past: past.store.items.append("9-9-9")),
    "a follow-up is gone": ("follow_ups", lambda past: drop(past, 6)),
    "a follow-up of a refused finish": ("follow_ups", lambda past: again(past, 8, "f2-1-0")),
    "a cancelled task was done": ("cancelled", lambda past: past.change(4, state=TaskStatus.COMPLETED)),
    "a key with two holders": ("key", hold_key_at_once),
    "a key held by an ended task": ("key", hold_key_after_the_end),
    "a stale write that is not counted": ("counter", lambda past: setattr(past.store, "stale_writes", 0)),
    "too many stale writes": ("counter", lambda past: setattr(past.store, "stale_writes", 9)),
    "rescues that are not counted": ("counter", lambda past: setattr(past.store, "rescued", 0)),
    "an error that surfaced": ("error", lambda past: past.see("error", text="database is locked")),
    "a damaged file": ("damage", lambda past: setattr(past.store, "problems", ["row missing from index"])),
    "wrong counts": ("damage", lambda past: setattr(past.store, "counts", {TaskStatus.COMPLETED: 1})),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_every_kind_of_lie_is_found(lie: str) -> None:
    past = honest()
    code, tell = LIES[lie]
    tell(past)
    assert code in {violation.code for violation in check(past.seen, past.store)}


# -- a queue that lets a lost worker claim


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "unguarded"])
def test_a_lost_worker_that_may_claim_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """What a process does that hangs past its lease, one step after the other."""
    if not guarded:
        claim_sql, guard = claims._claim_sql, "EXISTS (SELECT 1 FROM worker WHERE id = ?1 AND NOT lost)"
        monkeypatch.setattr(claims, "_claim_sql", lambda *of, **how: claim_sql(*of, **how).replace(guard, "TRUE"))
    place = Place(tmp_path)
    hangs, lives = Worker(place, "hangs", "1", lease_seconds=-1.0), Worker(place, "lives", "1", lease_seconds=600.0)
    enqueuer = Enqueuer(place, "enqueuer", "1", range(1))
    enqueuer.enqueue(range(1))
    (late,) = hangs.claim(1)
    assert lives.queue.rescue() == 1
    taken = lives.claim(1)
    enqueuer.enqueue(range(1, 2))
    place.all_enqueued.touch()
    for claim in [late, *hangs.claim(1)]:
        hangs.end(claim)
    while taken or not lives.is_over():
        taken = lives.go_on(taken)
    for process in (hangs, lives, enqueuer):
        process.queue.close()
    found = {violation.code for violation in check(read(place.histories), load(place.queue))}
    assert ("lost_claim" in found) is not guarded
    assert guarded is (found == set())


def test_every_kind_of_violation_is_tried() -> None:
    sources = "".join(map(inspect.getsource, (belongings, explanations, promises)))
    assert set(re.findall(r'Violation\(\s*"(\w+)"', sources)) <= {code for code, _ in LIES.values()}
