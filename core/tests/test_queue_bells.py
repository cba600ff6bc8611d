"""Doorbells beside a queue file: who hears them, and that they never harm anybody."""

import os
import select
import shutil
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from plugin_helpers import MakeService, Until, Zoo
from ytworker.model import NewTask
from ytworker.queue.sqlite import SQLiteQueue, bells
from ytworker.queue.sqlite.bells import Bell, Bells

pytest_plugins = ["plugin_fixtures"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "queue.db-bells"


def hung(folder: Path) -> Bell:
    bell = Bells(folder).hang()
    assert bell is not None
    return bell


def rung(bell: Bell) -> bool:
    return bool(select.select([bell], [], [], 0)[0])


def test_bells_are_for_their_owner_only_and_gone_with_the_last_of_them(folder: Path) -> None:
    with hung(folder) as one, hung(folder) as other:
        modes = {stat.filemode(file.stat().st_mode) for file in folder.iterdir()}
        assert (stat.filemode(folder.stat().st_mode), modes) == ("drwx------", {"prw-------"})
        other.close()
        Bells(folder).ring()
        assert rung(one)
    assert not folder.exists()


def test_nobody_rings_where_nobody_waits(folder: Path) -> None:
    Bells(folder).ring()
    assert not folder.exists()


def test_a_full_bell_holds_up_nobody(folder: Path) -> None:
    with hung(folder) as bell:
        rope = os.open(next(folder.iterdir()), os.O_WRONLY | os.O_NONBLOCK)
        with suppress(BlockingIOError):
            while True:
                os.write(rope, b"x" * 4096)
        os.close(rope)
        Bells(folder).ring()
        assert rung(bell)
        bell.clear()
        assert not rung(bell)


def test_the_bell_of_a_dead_worker_is_removed_when_somebody_rings(folder: Path) -> None:
    with hung(folder) as bell:
        os.mkfifo(folder / "4711-dead.bell")
        (folder / "notes.txt").write_text("mine", "utf-8")
        Bells(folder).ring()
        assert rung(bell)
        assert sorted(file.suffix for file in folder.iterdir()) == [".bell", ".txt"]
    assert [file.name for file in folder.iterdir()] == ["notes.txt"]


def test_what_was_left_half_made_is_swept(folder: Path) -> None:
    folder.mkdir()
    for name, age in (("old.new", 3600), ("fresh.new", 0)):
        os.mkfifo(folder / name)
        os.utime(folder / name, (time.time() - age,) * 2)
    with hung(folder):
        assert [file.name for file in folder.glob("*.new")] == ["fresh.new"]


def test_a_path_of_any_length_will_do(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 200) / "bells"  # a socket's path takes 108 bytes at the most
    folder.parent.mkdir()
    with hung(folder) as bell:
        Bells(folder).ring()
        assert rung(bell)


@pytest.mark.parametrize("harm", ["no pipes here", "no pipes in this system", "a file in its place", "half way"])
def test_without_bells_a_queue_works_and_says_so(
    queue: SQLiteQueue, queue_file: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    if harm == "no pipes here":
        monkeypatch.setattr(os, "mkfifo", refuse)
    elif harm == "no pipes in this system":
        monkeypatch.delattr(os, "mkfifo")
    elif harm == "half way":
        monkeypatch.setattr(Path, "rename", refuse)
    else:
        queue_file.with_name(queue_file.name + "-bells").touch()
    assert queue.waker() is None
    assert queue.enqueue([NewTask(type="demo", params={})])[0].created
    assert list(queue_file.parent.glob("*-bells/*")) == []


def test_a_folder_that_goes_away_in_between_is_made_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep, gone = Bells._sweep, []

    def unlucky(self: Bells) -> None:
        sweep(self)
        if not gone:
            gone.append(folder.rmdir())

    monkeypatch.setattr(bells.Bells, "_sweep", unlucky)
    hung(folder).close()


def test_a_copy_of_the_whole_folder_rings_nothing_and_is_a_queue(queue: SQLiteQueue, tmp_path: Path) -> None:
    bell = queue.waker()
    assert bell is not None
    copy = tmp_path / "copy"
    copy.mkdir()
    queue.backup(copy / "queue.db")
    bells_of_copy = copy / "queue.db-bells"
    bells_of_copy.mkdir()
    os.mkfifo(bells_of_copy / "1-copied.bell")
    twin = SQLiteQueue(f"sqlite://{copy / 'queue.db'}")
    twin.enqueue([NewTask(type="demo", params={})])
    assert (twin.check(), rung(bell), list(bells_of_copy.iterdir())) == ([], False, [])
    twin.close()
    bell.close()
    shutil.rmtree(copy)


def test_the_bells_are_no_place_for_a_backup(queue: SQLiteQueue, queue_file: Path) -> None:
    with pytest.raises(Exception, match="belongs to it"):
        queue.backup(queue_file.with_name("queue.db-bells"))


def test_a_restored_backup_wakes(queue: SQLiteQueue, tmp_path: Path) -> None:
    queue.enqueue([NewTask(type="demo", params={})])
    queue.backup(tmp_path / "backup.db")
    bell = queue.waker()
    assert bell is not None
    queue.restore(tmp_path / "backup.db")
    assert rung(bell)
    bell.close()


# -- pollers: what only the bell can tell them, since the queue seems never to change


@pytest.fixture
def deaf(queue: SQLiteQueue, monkeypatch: pytest.MonkeyPatch) -> SQLiteQueue:
    """A queue whose version stands still, under a clock that does, too."""
    monkeypatch.setattr(queue, "version", lambda: 0)
    return queue


def enqueue_when_somebody_waits(queue: SQLiteQueue, queue_file: Path, until: Until) -> threading.Thread:
    other = queue.connect

    def work() -> None:
        handle = other()
        until(lambda: handle.workers() and list(queue_file.parent.glob("*-bells/*.bell")))
        handle.enqueue([NewTask(type="demo", params={})])
        handle.close()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.parametrize("concurrency", [None, 1])
def test_a_worker_hears_the_bell(
    zoo: Zoo, make_service: MakeService, deaf: SQLiteQueue, queue_file: Path, until: Until, concurrency: int | None
) -> None:
    zoo.worker("demo", "return []")
    service = make_service(lease_seconds=3600)
    service._sleep = time.sleep
    thread = enqueue_when_somebody_waits(deaf, queue_file, until)
    assert service.run(concurrency=concurrency, max_tasks=1) == 1
    thread.join()
    assert not list(queue_file.parent.glob("*-bells"))
