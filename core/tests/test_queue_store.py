"""The file: where it is, who may read it, how it is made, and what happens when it is not ours."""

import contextlib
import functools
import itertools
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytworker.errors import SchemaError, StoreError
from ytworker.model import NewTask, TaskStatus
from ytworker.queue import ItemFilter, TaskFilter
from ytworker.queue.sqlite import SQLiteQueue, path_of, schema, utc_now
from ytworker.queue.sqlite.database import Database
from ytworker.settings import default_queue, sqlite_url
from ytworker.testing import FakeClock

TABLES = {
    "body", "claim_order", "counter", "error", "event", "hit", "item", "item_version", "live_key", "observation",
    "pace", "place", "quota", "request", "run", "source_rest", "sqlite_sequence", "suspect_item", "task",
    "task_type", "worker",
}  # fmt: skip
# After the second step and after the first one.
SECOND_TABLES = TABLES - {"pace", "place", "quota", "request", "source_rest"} | {"source"}
FIRST_TABLES = SECOND_TABLES - {"claim_order", "event", "task"} | {"state"}


def mode(path: Any) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def pragma(queue: SQLiteQueue, name: str) -> Any:
    ((value,),) = queue._database.execute(f"PRAGMA {name}")
    return value


def tables(file: Path) -> set[str]:
    connection = sqlite3.connect(file)
    try:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    finally:
        connection.close()


def make_database(file: Path, *statements: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(file, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()
    return file


# -- URLs


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///a/b.db", "/a/b.db"),
        ("SQLITE:///a/b.db", "/a/b.db"),
        ("sqlite:///a%20b/100%25.db", "/a b/100%.db"),
        ("sqlite:///a b.db", "/a b.db"),
        ("sqlite:///a%23b%3Fc.db", "/a#b?c.db"),
        ("sqlite:///%C3%BC.db", "/ü.db"),
    ],
)
def test_a_url_names_a_file(url: str, path: Any) -> None:
    assert path_of(url) == Path(path)


def test_a_relative_url_names_a_file_here_and_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert path_of("sqlite:a/b.db") == tmp_path / "a" / "b.db"
    assert path_of("sqlite:~/b.db") == home / "b.db"
    assert path_of("sqlite::memory:") == tmp_path / ":memory:"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sqlite:",
        "sqlite:///",
        "sqlite://host/a.db",
        "sqlite://a.db",
        "postgresql:///a",
        "/a/b.db",
        "sqlite:///a#b.db",
        "sqlite:///a.db?mode=ro",
        "sqlite:///a%00b",
        "sqlite://[a",
        "sqlite:~nobody-of-this-name/a.db",
    ],
)
def test_a_url_that_names_no_file_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="names no SQLite file; write sqlite:///"):
        path_of(url)


@given(st.text() | st.text().map("sqlite:{}".format))
def test_any_text_names_a_file_or_is_refused(text: str) -> None:
    with contextlib.suppress(StoreError):
        assert path_of(text).is_absolute()


@given(st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1))
def test_the_url_of_a_file_leads_back_to_it(name: str) -> None:
    file = Path("/folder", name)
    assert path_of(sqlite_url(file)) == file


@pytest.mark.parametrize("name", ["a b.db", "100%.db", "a#b?c.db", "a%20b.db", "ü.db", "'; DROP.db"])
def test_a_queue_works_under_any_file_name(tmp_path: Path, name: str) -> None:
    queue = SQLiteQueue(sqlite_url(tmp_path / name))
    queue.enqueue([NewTask(type="demo", params={})])
    queue.close()
    assert (tmp_path / name).stat().st_size > 0
    assert not (tmp_path / name).with_name(name + "-wal").exists()


@pytest.mark.parametrize("name", [b"caf\xe9", b"\xff\xfe", "ü%20?#".encode(), b"*[a]"])
def test_d2_care_is_taken_of_a_queue_in_any_folder(tmp_path: Path, name: bytes) -> None:
    """A name of Latin-1, of no encoding at all, or full of what URLs and patterns mean something by."""
    folder = tmp_path / os.fsdecode(name)
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes no such name")
    queue = SQLiteQueue(sqlite_url(folder / "queue.db"))
    queue.enqueue([NewTask(type="demo", params={})])
    queue.backup(folder / "copy.db")
    queue.delete(TaskFilter(ids=[task.id for task in queue.tasks(TaskFilter()) if queue.cancel(TaskFilter())]))
    queue.vacuum()
    queue.restore(folder / "copy.db")
    assert [task.type for task in queue.tasks(TaskFilter())] == ["demo"]
    assert queue.check() == []
    assert list(queue.items(ItemFilter())) == []  # through a connection of its own
    queue.close()
    assert sorted(file.name for file in folder.iterdir()) == ["copy.db", "queue.db"]


# -- who may read it


def test_q7_file_and_folder_belong_to_their_owner_alone(queue: SQLiteQueue, queue_file: Path) -> None:
    queue.enqueue([NewTask(type="demo", params={})])
    assert mode(queue_file.parent) == 0o700
    files = {file.name: mode(file) for file in queue_file.parent.iterdir()}
    assert files == {"queue.db": 0o600, "queue.db-wal": 0o600, "queue.db-shm": 0o600}


def test_q7_the_default_queue_is_private_too(home: Path) -> None:
    SQLiteQueue(default_queue()).close()
    file = path_of(default_queue())
    assert file.is_relative_to(home)
    assert (mode(file.parent), mode(file)) == (0o700, 0o600)


def test_a_folder_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    SQLiteQueue(sqlite_url(tmp_path / "queue.db")).close()
    assert mode(tmp_path) == 0o755
    assert mode(tmp_path / "queue.db") == 0o600


# -- how it is opened


def test_what_was_acknowledged_survives_a_power_cut_unless_told_otherwise(queue_file: Path) -> None:
    full, normal = SQLiteQueue(sqlite_url(queue_file)), SQLiteQueue(sqlite_url(queue_file), durability="normal")
    twin = normal.connect()
    assert [pragma(each, "synchronous") for each in (full, normal, twin)] == [2, 1, 1]
    assert [pragma(each, "journal_mode") for each in (full, normal, twin)] == ["wal"] * 3
    for each in (full, normal, twin):
        each.close()


def test_a_new_file_has_the_pages_that_narrow_rows_like(queue: SQLiteQueue) -> None:
    assert pragma(queue, "page_size") == 2048
    assert pragma(queue, "application_id") == schema.APPLICATION_ID
    assert pragma(queue, "user_version") == schema.VERSION


def test_a_connected_queue_sees_the_same_tasks_under_the_same_clock(queue: SQLiteQueue, clock: FakeClock) -> None:
    twin = queue.connect()
    before = twin.version()
    queue.enqueue([NewTask(type="demo", params={})])
    assert twin.get(1).created_at == clock()
    assert twin.version() != before
    assert twin.version() == twin.version()
    assert twin.url == queue.url
    twin.close()


def test_a_queue_may_be_closed_twice_and_then_says_so(queue: SQLiteQueue) -> None:
    queue.close()
    queue.close()
    with pytest.raises(StoreError, match="closed"):
        queue.counts()


def test_the_clock_is_the_wall_clock_unless_told_otherwise(queue_file: Path) -> None:
    queue = SQLiteQueue(sqlite_url(queue_file))
    before = utc_now()
    queue.enqueue([NewTask(type="demo", params={})])
    assert before <= queue.get(1).created_at <= utc_now()
    queue.close()


class RefusedConnection(sqlite3.Connection):
    """Finds the file taken at the first tries to start the log, as happens when several processes open a new file."""

    refusals = 3

    def execute(self, *args: Any) -> sqlite3.Cursor:
        if args[0].startswith("PRAGMA journal_mode") and self.refusals:
            self.refusals -= 1
            msg = "database is locked"
            raise sqlite3.OperationalError(msg)
        return super().execute(*args)


def test_a_new_file_that_other_processes_open_too_is_waited_for(
    queue_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    connect = functools.partial(sqlite3.connect, factory=RefusedConnection)
    monkeypatch.setattr("ytworker.queue.sqlite.database.sqlite3.connect", connect)
    monkeypatch.setattr("ytworker.queue.sqlite.database.time.sleep", waits.append)
    queue = SQLiteQueue(sqlite_url(queue_file))
    assert pragma(queue, "journal_mode") == "wal"
    assert len(waits) == RefusedConnection.refusals
    queue.close()


def test_a_new_file_that_is_never_free_says_so(queue_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ytworker.queue.sqlite.database._BUSY_TIMEOUT_SECONDS", 0)
    queue_file.parent.mkdir()
    other = sqlite3.connect(queue_file, isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT * FROM sqlite_schema").fetchall()
    with pytest.raises(StoreError, match="another process held the queue for too long"):
        SQLiteQueue(sqlite_url(queue_file))
    other.close()


# -- what cannot be opened


def test_a_folder_is_no_queue(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="this is a folder"):
        SQLiteQueue(sqlite_url(tmp_path))


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="the folder of this path is a file"):
        SQLiteQueue(sqlite_url(tmp_path / "file" / "queue.db"))
    with pytest.raises(StoreError, match="a part of this path is a file"):
        SQLiteQueue(sqlite_url(tmp_path / "file" / "deep" / "queue.db"))


def test_a_folder_that_may_not_be_written_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("this user may write everywhere: permissions have no effect")
    with pytest.raises(StoreError, match="permission denied"):
        SQLiteQueue(sqlite_url(folder / "queue.db"))


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to be one " * 20, b"short"])
def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "notes.txt"
    file.write_bytes(content)
    with pytest.raises(StoreError, match="this is not a queue of ytworker"):
        SQLiteQueue(sqlite_url(file))
    assert file.read_bytes() == content
    assert sorted(file.name for file in tmp_path.iterdir()) == ["home", "notes.txt"]


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = make_database(tmp_path / "app.db", "CREATE TABLE precious (x)", "INSERT INTO precious VALUES (1)")
    before = file.read_bytes()
    with pytest.raises(SchemaError, match="belongs to another program; name another file with --queue"):
        SQLiteQueue(sqlite_url(file))
    assert file.read_bytes() == before
    assert tables(file) == {"precious"}


def test_q6_a_schema_from_the_future_is_refused_and_left_alone(queue: SQLiteQueue, queue_file: Path) -> None:
    queue.enqueue([NewTask(type="demo", params={})])
    queue.close()
    make_database(queue_file, "PRAGMA user_version = 99")
    before = queue_file.read_bytes()
    with pytest.raises(SchemaError, match=r"schema version 99.*Upgrade ytworker here"):
        SQLiteQueue(sqlite_url(queue_file))
    assert queue_file.read_bytes() == before


def test_a_damaged_file_says_so(queue: SQLiteQueue, queue_file: Path) -> None:
    queue.enqueue([NewTask(type="demo", params={"x": "y" * 50_000})])
    queue.close()
    content = bytearray(queue_file.read_bytes())
    content[2048:] = b"\xff" * (len(content) - 2048)
    queue_file.write_bytes(content)
    with pytest.raises(StoreError, match="the file is damaged"):
        SQLiteQueue(sqlite_url(queue_file))


def test_a_queue_that_somebody_else_holds_for_too_long_says_so(
    queue: SQLiteQueue, queue_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ytworker.queue.sqlite.database._BUSY_TIMEOUT_SECONDS", 0)
    impatient = queue.connect()
    with queue._database.write(), pytest.raises(StoreError, match="another process held the queue for too long"):
        impatient.enqueue([NewTask(type="demo", params={})])
    impatient.close()


def test_a_read_does_not_wait_for_a_writer(queue: SQLiteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ytworker.queue.sqlite.database._BUSY_TIMEOUT_SECONDS", 0)
    reader = queue.connect()
    with queue._database.write():
        assert sum(reader.counts().values()) == 0
    reader.close()


def test_a_full_disk_loses_nothing_and_says_so(queue: SQLiteQueue) -> None:
    queue.enqueue([NewTask(type="demo", params={})])
    queue._database.execute(f"PRAGMA max_page_count = {pragma(queue, 'page_count')}")
    with pytest.raises(StoreError, match="the disk is full"):
        queue.enqueue([NewTask(type="demo", params={"x": "y" * 10_000})] * 100)
    assert len(queue._database.execute("SELECT id FROM body")) == 1
    queue._database.execute("PRAGMA max_page_count = 1000000")
    assert queue.enqueue([NewTask(type="demo", params={})])[0].created


@pytest.mark.parametrize(("way", "words"), [("cancel", "cancelled"), ("requeue", "queued again")])
def test_d1_what_is_done_in_chunks_says_how_far_it_came(queue_file: Path, way: str, words: str) -> None:
    """The store fails between the first chunk and the second, each of which asks for the time once."""
    calls = itertools.count(1)
    fails = 0

    def clock() -> int:
        if next(calls) == fails:
            queue._database.execute("PRAGMA query_only = ON")
        return utc_now()

    queue = SQLiteQueue(sqlite_url(queue_file), clock=clock)
    queue.enqueue([NewTask(type="demo", params={}) for _ in range(1_200)])
    if way == "requeue":
        queue.cancel(TaskFilter())
    calls, fails = itertools.count(1), 2
    expected = f"cannot be written.*Before that 500 tasks were {words} and stay so; the same command goes on"
    with pytest.raises(StoreError, match=expected):
        getattr(queue, way)(TaskFilter())
    queue._database.execute("PRAGMA query_only = OFF")
    counts = queue.counts()
    assert {counts[TaskStatus.CANCELLED], counts[TaskStatus.QUEUED]} == {500, 700}
    getattr(queue, way)(TaskFilter())
    assert max(queue.counts().values()) == 1_200
    queue.close()


def test_a_store_that_cannot_be_written_says_so(queue: SQLiteQueue) -> None:
    queue._database.execute("PRAGMA query_only = 1")
    with pytest.raises(StoreError, match="the queue cannot be written"):
        queue.enqueue([NewTask(type="demo", params={})])


# -- transactions


def test_an_interrupt_in_the_middle_leaves_no_transaction_open(queue: SQLiteQueue) -> None:
    def interrupted() -> None:
        with queue._database.write():
            queue._database.change("INSERT INTO counter VALUES ('x', 1)")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert queue.counter("x") == 0
    assert queue.enqueue([NewTask(type="demo", params={})])[0].created


def test_an_interrupt_right_at_the_begin_leaves_no_transaction_open(
    queue: SQLiteQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = Database.execute

    def interrupted(self: Database, sql: str, values: Any = ()) -> list[Any]:
        rows = execute(self, sql, values)
        if sql.startswith("BEGIN"):
            raise KeyboardInterrupt
        return rows

    with monkeypatch.context() as patch:
        patch.setattr(Database, "execute", interrupted)
        with pytest.raises(KeyboardInterrupt):
            queue.enqueue([NewTask(type="demo", params={})])
    assert queue.enqueue([NewTask(type="demo", params={})])[0].id == 1


def test_half_a_surrogate_pair_can_be_stored(queue: SQLiteQueue) -> None:
    queue.enqueue([NewTask(type="demo", params={"q": "cut \ud83d"}, key="cut \ud83d")])
    task = queue.get(1)
    assert (task.params, task.key) == ({"q": "cut \ud83d"}, "cut ?")


# -- migrations


class InterruptedMigrationError(Exception):
    pass


class Faulty(sqlite3.Connection):
    """Breaks off at one statement, counted from 0."""

    break_at = -1

    def execute(self, *args: Any) -> sqlite3.Cursor:
        self.break_at -= 1
        if self.break_at == -1:
            raise InterruptedMigrationError
        return super().execute(*args)


def test_a_fresh_file_has_the_whole_schema(queue: SQLiteQueue, queue_file: Path) -> None:
    assert tables(queue_file) == TABLES


def test_every_table_is_strict(queue: SQLiteQueue, queue_file: Path) -> None:
    rows = queue._database.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main'")
    assert {name for name, strict in rows if not strict} == {"sqlite_schema", "sqlite_sequence"}


def test_an_interrupted_migration_is_redone(tmp_path: Path) -> None:
    done = False
    for number in itertools.count():
        file = tmp_path / f"{number}.db"
        connection = sqlite3.connect(file, isolation_level=None, factory=Faulty)
        connection.execute("PRAGMA synchronous = OFF")  # nobody cuts the power
        connection.break_at = number
        try:
            schema.migrate(connection)
            done = True
        except InterruptedMigrationError:
            assert tables(file) in (set(), FIRST_TABLES, SECOND_TABLES, TABLES)
        finally:
            connection.close()
        queue = SQLiteQueue(sqlite_url(file), durability="normal")
        assert queue.enqueue([NewTask(type="demo", params={})])[0].id == 1
        queue.close()
        assert tables(file) == TABLES
        if done:
            break
    assert number > sum(map(len, schema.MIGRATIONS))


def test_a_process_that_dies_in_a_migration_leaves_a_file_that_opens(queue_file: Path) -> None:
    script = """
import os, signal, sqlite3, sys
from ytworker.queue.sqlite import schema
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")  # so that half of it is already in the file
connection.execute("PRAGMA journal_mode = WAL")
schema.MIGRATIONS = ((*schema.MIGRATIONS[0], "SELECT die()"),)
connection.create_function("die", 0, lambda: os.kill(os.getpid(), signal.SIGKILL))
schema.migrate(connection)
"""
    queue_file.parent.mkdir()
    done = subprocess.run([sys.executable, "-c", script, str(queue_file)], check=False)
    assert done.returncode == -9
    queue = SQLiteQueue(sqlite_url(queue_file))
    assert queue.enqueue([NewTask(type="demo", params={})])[0].id == 1
    queue.close()
    assert tables(queue_file) == TABLES


def test_an_old_file_gets_the_steps_that_it_lacks(
    queue: SQLiteQueue, queue_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.enqueue([NewTask(type="demo", params={})])
    queue.close()
    steps = (*schema.MIGRATIONS, ("CREATE TABLE new (x)",), ("ALTER TABLE new ADD y",))
    monkeypatch.setattr(schema, "MIGRATIONS", steps)
    monkeypatch.setattr(schema, "VERSION", len(steps))
    newer = SQLiteQueue(sqlite_url(queue_file))
    assert pragma(newer, "user_version") == len(steps)
    assert newer._database.execute("SELECT x, y FROM new") == []
    assert newer.get(1).type == "demo"
    newer.close()


def test_a_file_that_another_process_is_just_making_is_no_strangers(tmp_path: Path) -> None:
    file = tmp_path / "queue.db"

    class Slow(sqlite3.Connection):
        """Somebody else makes the whole schema after the first look of ours."""

        looked = False

        def execute(self, *args: Any) -> sqlite3.Cursor:
            result = super().execute(*args)
            if not self.looked:
                self.looked = True
                rows = result.fetchall()
                SQLiteQueue(sqlite_url(file)).close()
                return super().execute("SELECT * FROM (VALUES (?))", rows[0])
            return result

    connection = sqlite3.connect(file, isolation_level=None, factory=Slow)
    schema.migrate(connection)
    connection.close()
    assert tables(file) == TABLES


def test_a_step_that_another_process_made_first_is_not_made_twice(tmp_path: Path) -> None:
    file = tmp_path / "queue.db"

    class Slow(sqlite3.Connection):
        """Somebody else makes the whole schema just before we begin."""

        def execute(self, *args: Any) -> sqlite3.Cursor:
            if args[0] == "BEGIN IMMEDIATE":
                SQLiteQueue(sqlite_url(file)).close()
            return super().execute(*args)

    connection = sqlite3.connect(file, isolation_level=None, factory=Slow)
    schema.migrate(connection)
    connection.close()
    assert tables(file) == TABLES
