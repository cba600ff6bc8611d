"""Files of an older schema: nothing is lost on the way, and an old process that is still there is stopped."""

import json
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ytworker.model import ErrorClass, NewTask, Outcome, TaskStatus
from ytworker.pacing import Ask, Pace
from ytworker.queue import FIFOStrategy, ItemFilter, PriorityStrategy, WeightedRandomStrategy
from ytworker.queue.sqlite import SQLiteQueue, schema
from ytworker.settings import sqlite_url
from ytworker.testing import FakeClock

# What version 1 said to claim and to enqueue, as it stood there.
OLD_CLAIM = """
UPDATE state SET status = 1, attempt = attempt + 1, fence = fence + 1, owner = ?1, at = ?2 WHERE id = (SELECT id FROM (
  SELECT id FROM (SELECT id FROM state INDEXED BY ready_id WHERE status = 0 AND type = ?3 ORDER BY id DESC LIMIT 1)))
AND EXISTS (SELECT 1 FROM worker WHERE id = ?1) RETURNING id, fence
"""
OLD_ENQUEUE = "INSERT INTO state (id, type, status, priority, at) VALUES (?, ?, ?, ?, ?)"
STATES = [0, 0, 1, 2, 3, 4, 5]


@pytest.fixture
def old(queue_file: Path, clock: FakeClock) -> Iterator[sqlite3.Connection]:
    """A connection of an old process to a file of version 1 with a task in every state."""
    queue_file.parent.mkdir(mode=0o700)
    queue_file.touch(mode=0o600)
    connection = sqlite3.connect(queue_file, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    for statement in schema.MIGRATIONS[0]:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 1")
    connection.execute("INSERT INTO task_type (name) VALUES ('demo')")
    now = clock()
    connection.execute("INSERT INTO worker VALUES (9, 'host', 1, '0', ?, ?, ?)", (now, now, now + 60_000_000))
    for number, status in enumerate(STATES, 1):
        key = f"k{number}"
        connection.execute(
            "INSERT INTO body VALUES (?, 1, ?, 5, 900, ?, ?)", (number, now, key, json.dumps({"n": number}))
        )
        connection.execute(
            "INSERT INTO state VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?)",
            (number, status, number, 1, 3, 9 if status == 1 else None, now, 0 if status == 3 else None),
        )
        if status < 3:
            connection.execute("INSERT INTO live_key VALUES (1, ?, ?)", (key, number))
    connection.execute("INSERT INTO run (id, checkpoint, reason) VALUES (1, '\"page 7\"', 'later')")
    connection.execute(
        "INSERT INTO error VALUES (NULL, 6, 1, ?, 'bug', 't', 'm', '', 'f', NULL, NULL, 9, NULL)", (now,)
    )
    record = {"source": "s", "kind": "video", "id": "v"}
    connection.execute("INSERT INTO item VALUES (1, 's', 'video', 'v', 1, 1, 1, 1, 'h', ?)", (json.dumps(record),))
    connection.execute("INSERT INTO hit VALUES (5, 1, 1, '{}')")
    yield connection
    connection.close()


@pytest.fixture
def queue(old: sqlite3.Connection, queue_file: Path, clock: FakeClock) -> Iterator[SQLiteQueue]:
    queue = SQLiteQueue(sqlite_url(queue_file), durability="normal", clock=clock, random=random.Random(1))
    yield queue
    queue.close()


def test_every_task_is_as_it_was(queue: SQLiteQueue, clock: FakeClock) -> None:
    assert queue.schema_versions() == (1, schema.VERSION)
    found = [queue.get(number) for number in range(1, 8)]
    assert [task.state for task in found] == [
        TaskStatus.QUEUED,
        TaskStatus.QUEUED,
        TaskStatus.CLAIMED,
        TaskStatus.SCHEDULED,
        TaskStatus.COMPLETED,
        TaskStatus.DEAD,
        TaskStatus.CANCELLED,
    ]
    assert [(task.key, task.params["n"], task.attempt) for task in found] == [(f"k{n}", n, 1) for n in range(1, 8)]
    assert (found[5].error.error_class, found[4].outcome, found[0].reason) == (ErrorClass.BUG, Outcome.OK, "later")
    assert (found[2].started_at, found[4].finished_at) == (clock(), clock())
    assert queue.check() == []
    assert sum(queue.counts().values()) == 7
    assert [item["id"] for item in queue.items(ItemFilter(task_type="demo"))] == ["v"]


@pytest.mark.parametrize("strategy", [PriorityStrategy, WeightedRandomStrategy])
def test_the_new_orders_know_the_old_tasks(queue: SQLiteQueue, strategy: object) -> None:
    worker = queue.add_worker(lease_seconds=60)
    claims = queue.claim(worker, strategy, ["demo"], limit=9)
    assert {claim.task.id for claim in claims} == {1, 2, 4}
    assert {claim.fence for claim in claims} == {4}
    assert {claim.task.id: claim.checkpoint for claim in claims}[1] == "page 7"


def test_the_keys_of_old_tasks_are_freed_when_they_end(queue: SQLiteQueue) -> None:
    assert not queue.enqueue([NewTask(type="demo", params={}, key="k1")])[0].created
    claim = queue.claim_task(queue.add_worker(lease_seconds=60), 1)
    queue.finish(claim, [], Outcome.EMPTY)
    assert queue.enqueue([NewTask(type="demo", params={}, key="k1")])[0].created
    assert queue.check() == []


def test_what_an_old_worker_held_is_rescued(queue: SQLiteQueue, clock: FakeClock) -> None:
    clock.advance(61)
    assert queue.rescue() == 1
    assert queue.get(3).state is TaskStatus.QUEUED


def test_an_old_process_is_stopped_by_the_upgrade(old: sqlite3.Connection, queue: SQLiteQueue) -> None:
    for statement, values in ((OLD_CLAIM, (9, 0, 1)), (OLD_ENQUEUE, (99, 1, 0, 5, 0))):
        with pytest.raises(sqlite3.OperationalError, match=r"no such table: .*state"):
            old.execute(statement, values)
    assert len(queue.claim(queue.add_worker(lease_seconds=60), FIFOStrategy, ["demo"], limit=9)) == 3


def test_a_process_of_this_version_says_so_when_a_later_one_has_changed_the_file(
    queue: SQLiteQueue, old: sqlite3.Connection
) -> None:
    old.execute("ALTER TABLE task RENAME TO something_later")
    with pytest.raises(schema.SchemaError, match=r"another version of ytworker has changed the queue.*Start again"):
        queue.claim(1, FIFOStrategy, ["demo"])


@pytest.fixture
def second(queue_file: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    """A connection of an old process to a file of version 2 with a source that cools down."""
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:2])
        patch.setattr(schema, "VERSION", 2)
        SQLiteQueue(sqlite_url(queue_file), durability="normal", clock=clock).close()
    connection = sqlite3.connect(queue_file, isolation_level=None)
    until = clock() + 300_000_000
    connection.execute(
        "INSERT INTO source (name, cooling_until, reason, strikes, class) VALUES ('s', ?, 'slow', 2, 'throttled')",
        (until,),
    )
    yield connection
    connection.close()


def test_sources_of_version_2_go_on_resting_and_whoever_paces_itself_is_stopped(
    second: sqlite3.Connection, queue_file: Path, clock: FakeClock
) -> None:
    queue = SQLiteQueue(sqlite_url(queue_file), durability="normal", clock=clock)
    assert queue.schema_versions() == (2, schema.VERSION)
    state = queue.source("s")
    assert (state.cooling_until, state.strikes, state.error_class) == (
        clock() + 300_000_000,
        2,
        ErrorClass.THROTTLED,
    )
    assert queue.admit(Ask(source="s", pace=Pace())).barred == state
    assert queue.usage() == []
    assert queue.check() == []
    with pytest.raises(sqlite3.OperationalError, match="no such table: source"):
        second.execute("SELECT name, cooling_until FROM source WHERE name = 's'")
    queue.close()
