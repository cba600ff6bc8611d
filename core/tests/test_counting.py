"""The names of counters, the words in them, and what the SQLite queue counts of its lock."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ytworker.errors import StoreError
from ytworker.model import Author, Item, Metrics, NewTask, Outcome
from ytworker.queue import (
    DURATIONS,
    ITEM_FIELDS,
    WAITS,
    ClaimRequest,
    Completion,
    FIFOStrategy,
    TaskQueue,
    bucket_names,
    counter_name,
    labels_of,
)
from ytworker.queue.counting import missing_fields
from ytworker.queue.sqlite import SQLiteQueue

# -- names


@pytest.mark.parametrize("labels", [("demo",), ("demo", "ok"), ("a|b", "ok", "+Inf"), ("", ""), ("|", "x")])
def test_the_labels_of_a_name_are_those_it_was_made_of(labels: tuple[str, ...]) -> None:
    assert labels_of(counter_name("kind", *labels), len(labels)) == labels


def test_buckets_are_named_as_stored_counters_always_were() -> None:
    assert bucket_names(DURATIONS) == ("0.1", "0.5", "1", "5", "10", "30", "60", "300", "900", "+Inf")
    hours = ("3600", "21600", "86400", "+Inf")
    assert bucket_names(WAITS) == ("0.01", "0.1", "1", "10", "60", "300", "600", *hours)


# -- fields


def test_the_fields_are_the_known_ones_and_no_key_of_extra() -> None:
    names = {"title", "description", "text", "tags", "published_at", "duration_seconds", "author.name"}
    assert names | {"metrics.views", "metrics.likes", "metrics.comments"} < set(ITEM_FIELDS)
    assert not {"source", "kind", "id", "author", "metrics", "context", "extra"} & set(ITEM_FIELDS)
    assert not [name for name in ITEM_FIELDS if "precision" in name]
    assert len(ITEM_FIELDS) < 30  # a line of metrics for each, and for each task type


def test_what_is_none_is_missing_and_what_is_zero_or_empty_is_there() -> None:
    hollow = Item(source="s", id="1", extra={"title": "no"})
    assert missing_fields(hollow) == list(ITEM_FIELDS)
    there = Item(source="s", id="1", tags=(), title="", is_short=False, author=Author(id=""), metrics=Metrics(likes=0))
    gone = set(ITEM_FIELDS) - set(missing_fields(there))
    assert gone == {"tags", "title", "is_short", "author.id", "metrics.likes"}


# -- the lock of a SQLite file


@pytest.fixture
def other(queue: SQLiteQueue, queue_file: Path, worker: int) -> Iterator[sqlite3.Connection]:
    """Another process, so to say, that holds the lock."""
    with closing(sqlite3.connect(queue_file, isolation_level=None)) as connection:
        queue.enqueue([NewTask(type="demo", params={}) for _ in range(3)])
        connection.execute("BEGIN IMMEDIATE")
        yield connection


@pytest.fixture
def lets_go(queue: SQLiteQueue, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the other process give the lock back as soon as somebody waits for it."""

    def wait_for(attempt: Callable[[], Any]) -> Any:
        if other.in_transaction:
            other.execute("ROLLBACK")
        return attempt()

    monkeypatch.setattr(queue._database._line, "wait_for", wait_for)


def counted(queue: TaskQueue) -> tuple[int, int]:
    return queue.counter("busy"), queue.counter("claim_conflicts")


@pytest.mark.usefixtures("lets_go")
def test_a_wait_for_the_lock_is_counted_by_the_transaction_that_waited(queue: SQLiteQueue) -> None:
    queue.enqueue([NewTask(type="demo", params={})])
    assert counted(queue) == (1, 0)
    queue.enqueue([NewTask(type="demo", params={})])
    assert counted(queue) == (1, 0)


@pytest.mark.usefixtures("lets_go")
def test_a_claim_that_meets_the_lock_is_a_conflict(queue: SQLiteQueue, worker: int) -> None:
    assert len(queue.claim(worker, FIFOStrategy, ["demo"])) == 1
    queue.count({"x": 1})  # a claim alone is no transaction of ours; the next one adds what it met
    assert counted(queue) == (1, 1)


@pytest.mark.usefixtures("lets_go")
def test_endings_with_a_claim_that_meet_the_lock_are_a_conflict(
    queue: SQLiteQueue, worker: int, other: sqlite3.Connection
) -> None:
    request = ClaimRequest(worker_id=worker, strategy=FIFOStrategy, types=["demo"], limit=2)
    claims = queue.settle([], request).claims
    other.execute("BEGIN IMMEDIATE")
    assert queue.settle([Completion(claim=claims[0], outcome=Outcome.EMPTY)]).stale == []
    other.execute("BEGIN IMMEDIATE")
    assert len(queue.settle([Completion(claim=claims[1], outcome=Outcome.EMPTY)], request).claims) == 1
    other.execute("BEGIN IMMEDIATE")
    assert queue.claim_task(worker, 1) is None
    queue.count({"x": 1})
    assert counted(queue) == (4, 3)


def test_a_claim_that_is_refused_is_counted_by_whoever_comes_next(
    queue: SQLiteQueue, worker: int, monkeypatch: pytest.MonkeyPatch, queue_file: Path
) -> None:
    with closing(sqlite3.connect(queue_file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(queue._database.patience, "seconds", 0.0)
        for _ in range(2):
            with pytest.raises(StoreError, match="held the queue for too long"):
                queue.claim(worker, FIFOStrategy, ["demo"])
        other.execute("ROLLBACK")
    assert counted(queue) == (0, 0)
    queue.enqueue([NewTask(type="demo", params={})])
    assert counted(queue) == (2, 2)


def test_what_a_transaction_that_fails_met_is_kept_for_the_next(
    queue: SQLiteQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = queue._database
    database.uncounted["busy"] = 3

    def fails(*_values: object) -> None:
        msg = "the disk is gone"
        raise StoreError(msg)

    with monkeypatch.context() as patch:
        patch.setattr("ytworker.queue.sqlite.counters.count_all", fails)
        with pytest.raises(StoreError):
            queue.count({"x": 1})
    assert counted(queue) == (0, 0)
    queue.count({"x": 1})
    assert counted(queue) == (3, 0)
