"""``ytworker db``: check, backup, restore, migrate and vacuum, with their exit codes."""

import json
import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from plugin_helpers import Program, Zoo
from ytworker import TaskStatus
from ytworker.cli import db
from ytworker.cli.output import bytes_in_words
from ytworker.model import NewTask
from ytworker.queue import TaskFilter
from ytworker.queue.sqlite import SQLiteQueue, schema
from ytworker.settings import sqlite_url

pytest_plugins = ["plugin_fixtures"]

CANARY = "c4n4ry"


@pytest.fixture
def file(home: Path) -> Path:
    """The file of the user's queue."""
    return home / "data" / "ytworker" / "queue.db"


@pytest.fixture
def with_queue(file: Path) -> Callable[[], Any]:
    """Opens the user's queue from this process."""
    return lambda: closing(SQLiteQueue(sqlite_url(file), durability="normal"))


@pytest.fixture
def filled(program: Program, with_queue: Callable[[], Any]) -> Program:
    """The program, with two tasks in the queue."""
    with with_queue() as queue:
        queue.enqueue([NewTask(type="demo", params={"n": n}) for n in (1, 2)])
    return program


def kinds(file: Path) -> list[tuple[int, str]]:
    with closing(SQLiteQueue(sqlite_url(file), durability="normal")) as queue:
        return [(task.id, task.state.value) for task in queue.tasks(TaskFilter())]


def change(file: Path, sql: str) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute(sql)


# -- check


def test_a_sound_queue_has_no_problems(filled: Program) -> None:
    done = filled("db", "check")
    assert (done.code, done.out) == (0, "")
    assert "nothing is wrong" in done.err
    assert json.loads(filled("db", "check", "--json").out) == []


def test_what_does_not_fit_is_told_and_can_be_mended(filled: Program, file: Path) -> None:
    change(file, "UPDATE task_type SET queued = 7")
    done = filled("db", "check")
    assert done.code == 1
    assert done.out.startswith("wrong_count: ")
    assert "ytworker db check --repair" in done.err
    (problem,) = json.loads(filled("db", "check", "--json").out)
    assert list(problem) == ["code", "message", "count", "examples", "repaired"]
    assert (problem["code"], problem["count"], problem["repaired"]) == ("wrong_count", 1, False)
    assert all(isinstance(each, str) for each in problem["examples"])
    mended = filled("db", "check", "--repair")
    assert (mended.code, mended.out.split(":")[0]) == (0, "repaired")
    assert "all of it repaired" in mended.err
    assert filled("db", "check").code == 0


def test_what_takes_guessing_is_left_and_fails(filled: Program, file: Path) -> None:
    change(file, "DELETE FROM body WHERE id = 1")
    for arguments in ([], ["--repair"]):
        done = filled("db", "check", *arguments)
        assert done.code == 1
        assert "task_without_body" in done.out
    assert "cannot be mended without guessing" in done.err


def test_a_damaged_file_is_told(filled: Program, file: Path, with_queue: Callable[[], Any]) -> None:
    with with_queue() as queue:
        queue.enqueue([NewTask(type="demo", params={"text": "x" * 500}) for _ in range(500)])
    with file.open("r+b") as damaged:
        damaged.seek(20 * 2048)
        damaged.write(b"\xff" * 40 * 2048)
    done = filled("db", "check")
    assert done.code == 1
    assert "damaged" in done.out + done.err
    assert "Traceback" not in done.err


# -- backup and restore


def test_a_backup_is_a_whole_queue_for_its_owner_only(filled: Program, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    done = filled("db", "backup", str(target))
    assert (done.code, done.out) == (0, "")
    assert f"ytworker db restore {target}" in done.err
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert kinds(target) == [(2, "queued"), (1, "queued")]


def test_a_backup_replaces_only_what_it_is_told_to(filled: Program, file: Path, tmp_path: Path) -> None:
    target, link, folder = tmp_path / "backup.db", tmp_path / "link", tmp_path / "folder"
    target.write_text("precious")
    link.symlink_to(target)
    folder.mkdir()
    for path, arguments in ((target, []), (link, []), (link, ["--force"]), (folder, ["--force"])):
        done = filled("db", "backup", str(path), *arguments)
        assert (done.code, done.out) == (2, "")
        assert "is there already" in done.err
    assert target.read_text() == "precious"
    assert filled("db", "backup", str(target), "--force").code == 0
    assert len(kinds(target)) == 2
    done = filled("db", "backup", str(tmp_path / "nowhere" / "backup.db"))
    assert done.code == 2
    assert "make it first" in done.err
    done = filled("db", "backup", str(file), "--force")
    assert done.code == 1
    assert "is the queue itself" in done.err
    assert len(kinds(file)) == 2


def test_a_restore_brings_everything_back(filled: Program, file: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    filled("db", "backup", str(target))
    before = target.read_bytes()
    filled("tasks", "cancel", "--all")
    done = filled("db", "restore", str(target), "--yes")
    assert (done.code, done.out) == (0, "")
    assert "2 tasks" in done.err
    assert kinds(file) == [(2, "queued"), (1, "queued")]
    assert target.read_bytes() == before
    assert filled("db", "check").code == 0


def test_a_restore_asks_first(filled: Program, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "backup.db"
    filled("db", "backup", str(target))
    filled("tasks", "cancel", "1")
    done = filled("db", "restore", str(target))  # nobody is there who could answer
    assert done.code == 2
    assert "--yes" in done.err
    monkeypatch.setattr(db, "_somebody_is_there", lambda: True)
    assert filled("db", "restore", str(target), stdin="n\n").code == 1
    assert kinds(file) == [(2, "queued"), (1, "cancelled")]
    assert filled("db", "restore", str(target), stdin="y\n").code == 0
    assert kinds(file) == [(2, "queued"), (1, "queued")]


def test_a_restore_is_refused_while_a_worker_lives(
    filled: Program, file: Path, tmp_path: Path, with_queue: Callable[[], Any]
) -> None:
    target = tmp_path / "backup.db"
    filled("db", "backup", str(target))
    filled("tasks", "cancel", "1")
    with with_queue() as queue:
        worker = queue.add_worker(lease_seconds=60)
        done = filled("db", "restore", str(target), "--yes")
        assert done.code == 1
        assert f"process {os.getpid()}" in done.err
        assert queue.get(1).state is TaskStatus.CANCELLED
        queue.renew(worker, lease_seconds=-1)  # a dead one, whose lease has lapsed, does not count
        assert filled("db", "restore", str(target), "--yes").code == 0
    assert kinds(file)[1] == (1, "queued")


def test_what_was_running_at_the_backup_is_rescued_afterwards(
    filled: Program, tmp_path: Path, with_queue: Callable[[], Any]
) -> None:
    target = tmp_path / "backup.db"
    with with_queue() as queue:
        worker = queue.add_worker(lease_seconds=3600)
        assert queue.claim_task(worker, 1) is not None
        filled("db", "backup", str(target))
        queue.remove_worker(worker)
        assert filled("db", "restore", str(target), "--yes").code == 0
        assert queue.rescue() == 1
        assert (queue.get(1).state, queue.get(1).attempt) == (TaskStatus.QUEUED, 1)


@pytest.mark.parametrize("what", ["nothing", "a folder", "a text", "another database"])
def test_only_a_backup_is_restored(filled: Program, file: Path, tmp_path: Path, what: str) -> None:
    source = tmp_path / "source"
    if what == "a folder":
        source.mkdir()
    elif what == "a text":
        source.write_text("hello " * 1000)
    elif what == "another database":
        change(source, "CREATE TABLE other (x)")
    done = filled("db", "restore", str(source), "--yes")
    assert done.code == (1 if source.is_file() else 2)
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err
    assert len(kinds(file)) == 2
    assert [each.name for each in file.parent.iterdir() if ".part" in each.name] == []


# -- migrate and vacuum


def test_a_migration_says_from_where_to_where(program: Program, file: Path) -> None:
    done = program("db", "migrate")
    assert done.code == 0
    assert f"made new, with schema version {schema.VERSION}" in done.err
    assert "nothing to do" in program("db", "migrate").err
    file.unlink()
    with closing(sqlite3.connect(file, isolation_level=None)) as old:
        for statement in schema.MIGRATIONS[0]:
            old.execute(statement)
        old.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        old.execute("PRAGMA user_version = 1")
    done = program("db", "migrate")
    assert done.code == 0
    assert f"had version 1 and has version {schema.VERSION} now" in done.err


def test_a_vacuum_gives_space_back(program: Program, file: Path, with_queue: Callable[[], Any]) -> None:
    with with_queue() as queue:
        queue.enqueue([NewTask(type="demo", params={"text": "x" * 5000}) for _ in range(200)])
        queue.cancel(TaskFilter())
        assert queue.purge(2**62, [TaskStatus.CANCELLED]).count == 200
    assert program("db", "check").code == 0
    size = file.stat().st_size
    done = program("db", "vacuum")
    assert (done.code, done.out) == (0, "")
    assert "were given back" in done.err
    assert file.stat().st_size < size / 4


# -- other backends


@pytest.mark.parametrize("command", [("check",), ("backup", "b.db"), ("restore", "b.db", "--yes"), ("vacuum",)])
def test_a_backend_without_a_store_of_its_own_says_so(
    program: Program, zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    if command[0] == "restore":
        Path("b.db").touch()
    zoo.install("m", entry_points={"ytworker.queues": {"cheese": "ytworker.testing:MemoryQueue"}})
    done = program("--queue", f"cheese://user:{CANARY}@brie/x", "db", *command)
    assert (done.code, done.out) == (1, "")
    assert "the tools of that server" in done.err
    assert CANARY not in done.err


def test_a_backend_without_schema_versions_says_so(program: Program, zoo: Zoo) -> None:
    zoo.install("m", entry_points={"ytworker.queues": {"cheese": "ytworker.testing:MemoryQueue"}})
    done = program("--queue", "cheese:", "db", "migrate")
    assert done.code == 1
    assert "no schema versions" in done.err


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1000, "1.0 kB"), (65_536, "65.5 kB"), (10**13, "10.0 TB")],
)
def test_sizes_are_said_in_words(size: int, words: str) -> None:
    assert bytes_in_words(size) == words
