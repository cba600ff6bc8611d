"""Backup, restore and vacuum, while others work on the queue."""

import sqlite3
from pathlib import Path

import pytest

from ytworker.errors import SchemaError, StaleClaimError, StoreError
from ytworker.model import NewTask, Outcome, TaskStatus
from ytworker.queue import ClaimRequest, FIFOStrategy, LIFOStrategy, Return, Settled, TaskFilter
from ytworker.queue.sqlite import SQLiteQueue, care, schema
from ytworker.settings import sqlite_url
from ytworker.testing import FakeClock


def add(queue: SQLiteQueue, number: int = 1, **params: object) -> list[int]:
    return [each.id for each in queue.enqueue([NewTask(type="demo", params=params)] * number)]


def test_a_backup_is_a_queue_of_its_own(queue: SQLiteQueue, tmp_path: Path, worker: int, clock: FakeClock) -> None:
    add(queue, 3)
    queue.claim(worker, LIFOStrategy, ["demo"])
    target = tmp_path / "copy.db"
    queue.backup(target)
    add(queue)
    assert target.stat().st_mode & 0o777 == 0o600
    copy = SQLiteQueue(sqlite_url(target), clock=clock)
    assert [task.id for task in copy.tasks(TaskFilter())] == [3, 2, 1]
    assert copy.check() == []
    copy.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["copy.db", "home", "queue"]


def test_a_backup_overwrites_nothing_unasked(queue: SQLiteQueue, queue_file: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("precious")
    with pytest.raises(StoreError, match="exists; name another file, or overwrite it with --force"):
        queue.backup(target)
    assert target.read_text() == "precious"
    queue.backup(target, force=True)
    assert target.read_bytes()[:6] == b"SQLite"
    with pytest.raises(StoreError, match="is the queue itself"):
        queue.backup(queue_file, force=True)


def test_a_backup_that_cannot_be_written_says_so_and_leaves_nothing(queue: SQLiteQueue, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="check the path, the permissions and the free space"):
        queue.backup(tmp_path / "nowhere" / "copy.db")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["home", "queue"]


def test_a_restore_brings_back_what_was_there_under_the_eyes_of_others(
    queue: SQLiteQueue, tmp_path: Path, clock: FakeClock
) -> None:
    add(queue, 3, x=1)
    queue.backup(tmp_path / "copy.db")
    other = queue.connect()
    worker = other.add_worker(lease_seconds=600)
    for claim in other.claim(worker, LIFOStrategy, ["demo"], limit=9):
        other.finish(claim, [], Outcome.EMPTY)
    add(other, 5)
    before = other.version()
    queue.restore(tmp_path / "copy.db")
    assert other.version() != before
    assert [(task.id, task.state) for task in other.tasks(TaskFilter())] == [(n, TaskStatus.QUEUED) for n in (3, 2, 1)]
    assert add(other) == [4]
    assert other.check() == []
    assert not other.renew(worker, lease_seconds=600)
    assert queue._database.execute("PRAGMA journal_mode") == [("wal",)]
    other.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["copy.db", "home", "queue"]


def test_tasks_that_were_claimed_when_the_backup_was_made_are_rescued(
    queue: SQLiteQueue, tmp_path: Path, worker: int
) -> None:
    add(queue)
    queue.claim(worker, LIFOStrategy, ["demo"])
    queue.backup(tmp_path / "copy.db")
    queue.restore(tmp_path / "copy.db")
    assert queue.get(1).state is TaskStatus.CLAIMED
    assert queue.rescue() == 1


def test_d2_a_worker_that_lives_through_a_restore_has_lost_its_lease(
    queue: SQLiteQueue, tmp_path: Path, worker: int
) -> None:
    """It claims nothing, its tasks are rescued once, and what it then writes is refused, under old and new fences."""
    add(queue, 2)
    (old,) = queue.claim(worker, FIFOStrategy, ["demo"])
    queue.backup(tmp_path / "copy.db")
    queue.release(old)
    (late,) = queue.claim(worker, FIFOStrategy, ["demo"])
    other = queue.connect()
    queue.restore(tmp_path / "copy.db")
    assert queue.workers() == []
    assert queue.claim(worker, FIFOStrategy, ["demo"]) == []
    assert queue.claim_task(worker, 2) is None
    request = ClaimRequest(worker_id=worker, strategy=FIFOStrategy, types=["demo"])
    assert queue.settle([Return(claim=late)], request) == Settled([], [Return(claim=late)])
    assert not queue.renew(worker, lease_seconds=600)
    assert (other.rescue(), other.rescue()) == (1, 0)
    (again,) = other.claim(other.add_worker(lease_seconds=60), FIFOStrategy, ["demo"])
    assert (again.task.id, again.task.attempt, again.fence) == (1, 2, 2)
    for claim in (old, late):
        with pytest.raises(StaleClaimError):
            queue.finish(claim, [], Outcome.EMPTY)
    assert other.holds(again)
    assert other.check() == []
    other.close()


def test_a_backup_of_an_older_version_is_brought_up_to_date_and_not_changed(
    queue: SQLiteQueue, tmp_path: Path, clock: FakeClock
) -> None:
    old = tmp_path / "old.db"
    connection = sqlite3.connect(old, isolation_level=None)
    for statement in schema.MIGRATIONS[0]:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    before = old.read_bytes()
    add(queue)
    queue.restore(old)
    assert queue.tasks(TaskFilter()) == []
    assert add(queue) == [1]
    assert old.read_bytes() == before


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda _file: None, StoreError, "there is no backup"),
        (lambda file: file.write_bytes(b"not a database " * 100), StoreError, "not a database"),
        (lambda file: sqlite3.connect(file).execute("CREATE TABLE x (y)").connection.close(), SchemaError, "belongs"),
    ],
)
def test_what_is_no_backup_is_refused_and_the_queue_left_as_it_is(
    queue: SQLiteQueue, tmp_path: Path, make: object, error: type[Exception], words: str
) -> None:
    add(queue)
    make(tmp_path / "copy.db")
    with pytest.raises(error, match=words):
        queue.restore(tmp_path / "copy.db")
    assert [task.id for task in queue.tasks(TaskFilter())] == [1]


def test_a_damaged_backup_is_refused(queue: SQLiteQueue, tmp_path: Path) -> None:
    add(queue, 500, x="y" * 100)
    target = tmp_path / "copy.db"
    queue.backup(target)
    content = bytearray(target.read_bytes())
    content[2048 * 40 : 2048 * 42] = b"\xff" * 4096
    target.write_bytes(content)
    with pytest.raises(StoreError, match=r"(?s)is damaged .* the queue was left as it is"):
        queue.restore(target)
    assert queue.counts()[TaskStatus.QUEUED] == 500


def test_a_backup_of_a_later_version_is_refused(queue: SQLiteQueue, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    queue.backup(target)
    connection = sqlite3.connect(target, isolation_level=None)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(SchemaError, match=r"has schema version 99.*upgrade ytworker here"):
        queue.restore(target)


def test_the_queue_itself_is_no_backup(queue: SQLiteQueue, queue_file: Path) -> None:
    with pytest.raises(StoreError, match="is the queue itself; name a backup"):
        queue.restore(queue_file)


def test_a_vacuum_gives_space_back(queue: SQLiteQueue, clock: FakeClock) -> None:
    add(queue, 2_000, x="y" * 200)
    queue.cancel(TaskFilter())
    clock.advance(1)
    assert queue.purge(clock(), [TaskStatus.CANCELLED], limit=5_000).count == 2_000
    before, after = queue.vacuum()
    assert after < before / 5
    assert queue.check() == []
    assert add(queue) == [2_001]  # ids are never used twice


def test_a_vacuum_without_the_room_for_it_is_refused(queue: SQLiteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    add(queue)
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(care.shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(StoreError, match=r"a vacuum needs .* bytes of free space"):
        queue.vacuum()
    assert add(queue) == [2]
