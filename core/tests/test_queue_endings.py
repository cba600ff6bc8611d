"""How a claim ends: every ending is one fenced transaction."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ytworker.errors import StaleClaimError, StoreError
from ytworker.model import SECOND, Claim, ErrorClass, ErrorInfo, Item, NewTask, Outcome, TaskStatus
from ytworker.queue import Attempt, CoolDown, FIFOStrategy, ItemFilter, TaskFilter
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.testing import FakeClock

Write = Callable[[SQLiteQueue, Claim], None]

FAILURE = ErrorInfo(
    error_class=ErrorClass.TRANSIENT,
    type="builtins.ConnectionError",
    message="it broke; try again",
    traceback="Traceback …",
    fingerprint="abc",
    retry_after=1.5,
    source="youtube",
)
COOL_DOWN = CoolDown(source="youtube", error_class=ErrorClass.THROTTLED, reason="slow down", until=1)
ITEM = Item(source="youtube", id="a", title="t")

WRITES = {
    "finish": lambda queue, claim: queue.finish(claim, [ITEM], Outcome.OK, sources=["youtube"]),
    "finish as suspect": lambda queue, claim: queue.finish(claim, [ITEM], Outcome.SUSPECT, suspect="hollow"),
    "checkpoint": lambda queue, claim: queue.checkpoint(claim, [ITEM], {"page": 2}),
    "progress": lambda queue, claim: queue.progress(claim, 1, 2, "x"),
    "fail and retry": lambda queue, claim: queue.fail(claim, FAILURE, retry_at=5),
    "fail and die": lambda queue, claim: queue.fail(claim, FAILURE, retry_at=None),
    "defer": lambda queue, claim: queue.defer(claim, 5, "later", error=FAILURE, cool_down=COOL_DOWN),
    "release": lambda queue, claim: queue.release(claim),
}
ENDINGS = {name: write for name, write in WRITES.items() if name not in {"checkpoint", "progress"}}


@pytest.fixture
def claim(queue: SQLiteQueue, worker: int) -> Claim:
    queue.enqueue([NewTask(type="demo", params={}, key="k")])
    (claim,) = queue.claim(worker, FIFOStrategy, ["demo"])
    return claim


@pytest.fixture
def sabotage(queue_file: Path) -> Callable[[str], None]:
    """Make every change of one kind fail, from another connection."""

    def make(event: str) -> None:
        with closing(sqlite3.connect(queue_file)) as connection:
            connection.execute(f"CREATE TRIGGER sabotage BEFORE {event} BEGIN SELECT RAISE(ABORT, 'sabotage'); END")

    return make


def reclaim(queue: SQLiteQueue, worker: int) -> Claim:
    (claim,) = queue.claim(worker, FIFOStrategy, ["demo"])
    return claim


def dump(queue_file: Path) -> list[str]:
    """Give everything that is stored, but for the counters."""
    with closing(sqlite3.connect(queue_file)) as connection:
        return [line for line in connection.iterdump() if '"counter"' not in line]


def test_a_finished_task_is_completed_with_its_items(queue: SQLiteQueue, claim: Claim, clock: FakeClock) -> None:
    clock.advance(5)
    queue.finish(claim, [ITEM], Outcome.OK)
    task = queue.get(claim.task.id)
    assert (task.state, task.outcome, task.finished_at) == (TaskStatus.COMPLETED, Outcome.OK, clock())
    assert (task.started_at, task.run_at, task.attempt) == (None, None, 1)
    assert [item["id"] for item in queue.items(ItemFilter(task_id=task.id))] == ["a"]


@pytest.mark.parametrize("outcome", Outcome)
def test_an_outcome_is_kept(queue: SQLiteQueue, claim: Claim, outcome: Outcome) -> None:
    queue.finish(claim, [], outcome)
    assert queue.get(1).outcome is outcome


@pytest.mark.parametrize(
    "event", ["INSERT ON item", "INSERT ON hit", "INSERT ON item_version", "INSERT ON observation", "UPDATE ON task"]
)
def test_a_finish_that_cannot_be_stored_changes_nothing(
    queue: SQLiteQueue, claim: Claim, sabotage: Callable[[str], None], queue_file: Path, event: str
) -> None:
    good = Item(source="youtube", id="b", title="t", metrics={"views": 1})
    sabotage(event)
    before = dump(queue_file)
    with pytest.raises(StoreError, match="sabotage"):
        queue.finish(claim, [good], Outcome.OK)
    assert dump(queue_file) == before
    assert queue.get(1).state is TaskStatus.CLAIMED


def test_a_finish_that_failed_once_can_be_repeated(
    queue: SQLiteQueue, claim: Claim, sabotage: Callable[[str], None], queue_file: Path
) -> None:
    sabotage("INSERT ON hit")
    with pytest.raises(StoreError):
        queue.finish(claim, [ITEM], Outcome.OK)
    with closing(sqlite3.connect(queue_file)) as connection:
        connection.execute("DROP TRIGGER sabotage")
    queue.finish(claim, [ITEM], Outcome.OK)
    assert queue.get(1).state is TaskStatus.COMPLETED
    assert queue.counter("stale_writes") == 0


# -- failures


def test_a_failure_is_recorded_and_its_retry_scheduled(queue: SQLiteQueue, claim: Claim, clock: FakeClock) -> None:
    retry_at = clock() + 8 * SECOND
    queue.fail(claim, FAILURE, retry_at=retry_at, plugin_version="1.2")
    task = queue.get(1)
    assert (task.state, task.run_at, task.attempt, task.error) == (TaskStatus.SCHEDULED, retry_at, 1, FAILURE)
    assert queue.attempts(1) == [
        Attempt(number=1, at=clock(), error=FAILURE, worker_id=claim.worker_id, plugin_version="1.2")
    ]


def test_a_failure_without_a_retry_is_a_dead_letter_with_its_whole_history(
    queue: SQLiteQueue, claim: Claim, worker: int, clock: FakeClock
) -> None:
    queue.fail(claim, FAILURE, retry_at=clock())
    again = reclaim(queue, worker)
    assert again.task.attempt == 2
    clock.advance(1)
    gone = ErrorInfo(error_class=ErrorClass.GONE, type="x.Gone", message="gone")
    queue.fail(again, gone, retry_at=None)
    task = queue.get(1)
    assert (task.state, task.finished_at, task.error, task.attempt) == (TaskStatus.DEAD, clock(), gone, 2)
    assert [(each.number, each.error) for each in queue.attempts(1)] == [(1, FAILURE), (2, gone)]
    assert queue.enqueue([NewTask(type="demo", params={}, key="k")])[0].created


@pytest.mark.parametrize("event", ["UPDATE ON task", "DELETE ON live_key"])
def test_a_dead_letter_and_its_error_are_one_transaction(
    queue: SQLiteQueue, claim: Claim, sabotage: Callable[[str], None], queue_file: Path, event: str
) -> None:
    sabotage(event)
    before = dump(queue_file)
    with pytest.raises(StoreError, match="sabotage"):
        queue.fail(claim, FAILURE, retry_at=None)
    assert dump(queue_file) == before
    assert (queue.get(1).state, queue.attempts(1)) == (TaskStatus.CLAIMED, [])


def test_a_failure_that_is_retried_keeps_key_and_checkpoint(
    queue: SQLiteQueue, claim: Claim, worker: int, clock: FakeClock
) -> None:
    queue.checkpoint(claim, [], {"page": 2})
    queue.fail(claim, FAILURE, retry_at=clock())
    assert not queue.enqueue([NewTask(type="demo", params={}, key="k")])[0].created
    assert reclaim(queue, worker).checkpoint == {"page": 2}


# -- deferrals and releases


def test_a_deferral_takes_the_attempt_back_and_says_why(
    queue: SQLiteQueue, claim: Claim, worker: int, clock: FakeClock
) -> None:
    until = clock() + 60 * SECOND
    queue.defer(claim, until, "the premiere starts then")
    task = queue.get(1)
    assert (task.state, task.run_at, task.attempt) == (TaskStatus.SCHEDULED, until, 0)
    assert (task.reason, task.error, queue.attempts(1)) == ("the premiere starts then", None, [])
    clock.advance(60)
    again = reclaim(queue, worker)
    assert (again.task.attempt, again.fence, again.task.reason) == (1, 2, None)


def test_a_reason_is_over_when_the_waiting_is(queue: SQLiteQueue, claim: Claim, worker: int, clock: FakeClock) -> None:
    queue.defer(claim, clock(), "it cools down")
    queue.release(reclaim(queue, worker))
    assert queue.get(1).reason is None
    queue.defer(reclaim(queue, worker), clock() + SECOND, "it cools down again")
    assert queue.get(1).reason == "it cools down again"
    clock.advance(1)
    queue.fail(reclaim(queue, worker), FAILURE, retry_at=clock() + SECOND)
    assert queue.get(1).reason is None


def test_a_deferral_with_a_failure_records_it_and_cools_the_source_down_in_one_transaction(
    queue: SQLiteQueue, claim: Claim, sabotage: Callable[[str], None], queue_file: Path, clock: FakeClock
) -> None:
    cool_down = CoolDown(source="youtube", error_class=ErrorClass.BLOCKED, reason="bot check", until=clock() + SECOND)
    sabotage("INSERT ON source")
    before = dump(queue_file)
    with pytest.raises(StoreError):
        queue.defer(claim, clock() + SECOND, "blocked", error=FAILURE, cool_down=cool_down)
    assert dump(queue_file) == before
    with closing(sqlite3.connect(queue_file)) as connection:
        connection.execute("DROP TRIGGER sabotage")
    queue.defer(claim, clock() + SECOND, "blocked", error=FAILURE, cool_down=cool_down)
    assert (queue.get(1).error, queue.get(1).attempt) == (FAILURE, 0)
    assert queue.source("youtube").reason == "bot check"


def test_a_release_leaves_the_task_as_if_it_had_not_been_claimed(
    queue: SQLiteQueue, worker: int, clock: FakeClock
) -> None:
    queue.enqueue([NewTask(type="demo", params={})])
    before = queue.get(1)
    clock.advance(3)
    queue.release(reclaim(queue, worker))
    assert queue.get(1) == before


# -- checkpoints and progress


def test_a_checkpoint_stores_items_and_value_and_the_task_goes_on(
    queue: SQLiteQueue, claim: Claim, worker: int, clock: FakeClock
) -> None:
    queue.checkpoint(claim, [ITEM], {"page": [1, None, "ü"]})
    assert queue.get(1).state is TaskStatus.CLAIMED
    assert [item["id"] for item in queue.items(ItemFilter(task_id=1))] == ["a"]
    queue.fail(claim, FAILURE, retry_at=clock())
    again = reclaim(queue, worker)
    assert again.checkpoint == {"page": [1, None, "ü"]}
    queue.finish(again, [Item(source="youtube", id="b")], Outcome.OK)
    assert [item["id"] for item in queue.items(ItemFilter(task_id=1))] == ["a", "b"]


@pytest.mark.parametrize("value", [None, 0, "", [], {"deep": [{}]}, 2**70])
def test_any_json_value_is_a_checkpoint(queue: SQLiteQueue, claim: Claim, worker: int, value: Any) -> None:
    queue.checkpoint(claim, [], value)
    queue.release(claim)
    assert reclaim(queue, worker).checkpoint == value


def test_the_latest_checkpoint_counts(queue: SQLiteQueue, claim: Claim, worker: int) -> None:
    queue.checkpoint(claim, [], 1)
    queue.progress(claim, 1, 2, "x")
    queue.checkpoint(claim, [], 2)
    queue.release(claim)
    assert reclaim(queue, worker).checkpoint == 2


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_a_checkpoint_that_is_no_json_stores_nothing(queue: SQLiteQueue, claim: Claim, value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        queue.checkpoint(claim, [ITEM], value)
    assert list(queue.items(ItemFilter())) == []


def test_a_checkpoint_and_its_items_are_one_transaction(
    queue: SQLiteQueue, claim: Claim, sabotage: Callable[[str], None], queue_file: Path
) -> None:
    sabotage("INSERT ON run")
    before = dump(queue_file)
    with pytest.raises(StoreError):
        queue.checkpoint(claim, [ITEM], 1)
    assert dump(queue_file) == before


def test_progress_is_kept_while_the_task_runs_and_forgotten_when_it_ends(queue: SQLiteQueue, claim: Claim) -> None:
    for done in (1, 2):
        queue.progress(claim, done, None, f"page {done}")
    progress = "SELECT done, total, note FROM run"
    assert queue._database.execute(progress) == [(2, None, "page 2")]
    queue.finish(claim, [], Outcome.EMPTY)
    assert queue._database.execute(progress) == []


# -- the fence


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_q4_a_write_with_an_old_fence_is_refused_and_counted(
    queue: SQLiteQueue, claim: Claim, worker: int, queue_file: Path, write: Write
) -> None:
    queue.release(claim)
    newer = reclaim(queue, worker)
    before = dump(queue_file)
    with pytest.raises(StaleClaimError, match=r"task 1: the claim of worker \d+ \(fence 1\) no longer holds"):
        write(queue, claim)
    assert dump(queue_file) == before
    assert queue.counter("stale_writes") == 1
    write(queue, newer)
    assert queue.counter("stale_writes") == 1


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_q4_nothing_can_be_written_after_the_end(
    queue: SQLiteQueue, claim: Claim, queue_file: Path, ending: Write, write: Write
) -> None:
    ending(queue, claim)
    before = dump(queue_file)
    for expected in (1, 2):
        with pytest.raises(StaleClaimError):
            write(queue, claim)
        assert queue.counter("stale_writes") == expected
    assert dump(queue_file) == before


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_q4_a_foreign_worker_cannot_write_with_somebodys_fence(
    queue: SQLiteQueue, claim: Claim, queue_file: Path, write: Write
) -> None:
    stranger = queue.add_worker(lease_seconds=60)
    before = dump(queue_file)
    with pytest.raises(StaleClaimError):
        write(queue, type(claim)(claim.task, stranger, claim.fence))
    assert dump(queue_file) == before


def test_a_counter_that_never_counted_is_zero(queue: SQLiteQueue) -> None:
    assert queue.counter("stale_writes") == queue.counter("unknown") == 0


# -- looking


def test_dead_letters_can_be_listed_by_class(queue: SQLiteQueue, worker: int, clock: FakeClock) -> None:
    queue.enqueue([NewTask(type=kind, params={}) for kind in "aabb"])
    for number, error_class in enumerate([ErrorClass.GONE, ErrorClass.BUG, ErrorClass.GONE, ErrorClass.BUG], 1):
        claim = queue.claim_task(worker, number)
        error = ErrorInfo(error_class=error_class, type="t", message="m")
        queue.fail(claim, error, retry_at=None if number < 4 else clock() + 1)

    def listed(**which: Any) -> list[int]:
        return [task.id for task in queue.tasks(TaskFilter(**which))]

    assert listed() == [4, 3, 2, 1]
    assert listed(states=[TaskStatus.DEAD]) == [3, 2, 1]
    assert listed(states=[TaskStatus.DEAD, TaskStatus.SCHEDULED], error_classes=[ErrorClass.BUG]) == [4, 2]
    assert listed(types=["a"], error_classes=[ErrorClass.GONE]) == [1]
    assert listed(types=["a", "b"], limit=2) == [4, 3]
    assert listed(limit=0) == listed(types=["'"]) == []


def test_tasks_are_counted_by_state_and_type(queue: SQLiteQueue, worker: int, clock: FakeClock) -> None:
    queue.enqueue([NewTask(type="a", params={}), NewTask(type="b", params={}, run_at=clock() + SECOND)] * 2)
    queue.finish(queue.claim_task(worker, 1), [], Outcome.EMPTY)
    counts = dict.fromkeys(TaskStatus, 0) | {TaskStatus.QUEUED: 1, TaskStatus.SCHEDULED: 2, TaskStatus.COMPLETED: 1}
    assert queue.counts() == counts
    assert queue.waiting() == {"a": 1, "b": 2}


def test_the_longest_waiting_task_is_known(queue: SQLiteQueue, worker: int, clock: FakeClock) -> None:
    assert queue.oldest_ready_at() is None
    start = clock()
    for kind in "aab":
        queue.enqueue([NewTask(type=kind, params={})])
        clock.advance(1)
    assert queue.oldest_ready_at() == start
    queue.claim(worker, FIFOStrategy, ["a"])
    assert queue.oldest_ready_at() == start + SECOND
    queue.claim(worker, FIFOStrategy, ["a"])
    assert queue.oldest_ready_at() == start + 2 * SECOND
    queue.claim(worker, FIFOStrategy, ["b"])
    assert queue.oldest_ready_at() is None
