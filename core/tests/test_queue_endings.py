"""How a claim ends: every ending is one fenced transaction."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ytworker.errors import StoreError
from ytworker.model import SECOND, Claim, ErrorClass, ErrorInfo, Item, NewTask, Outcome, TaskStatus
from ytworker.queue import CoolDown, FIFOStrategy
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


def test_a_deferral_with_a_failure_records_it_and_cools_the_source_down_in_one_transaction(
    queue: SQLiteQueue, claim: Claim, sabotage: Callable[[str], None], queue_file: Path, clock: FakeClock
) -> None:
    cool_down = CoolDown(source="youtube", error_class=ErrorClass.BLOCKED, reason="bot check", until=clock() + SECOND)
    sabotage("INSERT ON source_rest")
    before = dump(queue_file)
    with pytest.raises(StoreError):
        queue.defer(claim, clock() + SECOND, "blocked", error=FAILURE, cool_down=cool_down)
    assert dump(queue_file) == before
    with closing(sqlite3.connect(queue_file)) as connection:
        connection.execute("DROP TRIGGER sabotage")
    queue.defer(claim, clock() + SECOND, "blocked", error=FAILURE, cool_down=cool_down)
    assert (queue.get(1).error, queue.get(1).attempt) == (FAILURE, 0)
    assert queue.source("youtube").reason == "bot check"


# -- checkpoints and progress


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


# -- looking
