"""Waiting for the write lock: one at a time asks, a stopped head of the line stops nobody, and other errors pass."""

import fcntl
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ytworker.errors import StoreError
from ytworker.model import NewTask
from ytworker.queue.sqlite import SQLiteQueue, turns
from ytworker.queue.sqlite.turns import Line, is_busy
from ytworker.settings import sqlite_url


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "queue.db-line"


@pytest.fixture
def line(place: Path) -> Iterator[Line]:
    line = Line(place, wait_seconds=30)
    yield line
    line.close()


def busy() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    return error


def answers(*given: object) -> Callable[[], object]:
    left = list(given)

    def attempt() -> object:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return attempt


@pytest.mark.parametrize("code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_SNAPSHOT, sqlite3.SQLITE_BUSY_RECOVERY])
def test_every_kind_of_busy_is_one(code: int) -> None:
    error = busy()
    error.sqlite_errorcode = code
    assert is_busy(error)
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    assert not is_busy(error)


def test_a_free_lock_costs_no_line(line: Line, place: Path) -> None:
    assert line.wait_for(answers(1)) == 1
    assert not place.exists()


def test_a_busy_lock_is_asked_for_again_from_the_head_of_the_line(line: Line, place: Path) -> None:
    assert line.wait_for(answers(busy(), busy(), busy(), 2)) == 2
    assert place.stat().st_mode & 0o777 == 0o600


def test_whoever_has_waited_leaves_the_line(line: Line, place: Path) -> None:
    line.wait_for(answers(busy(), 1))
    with place.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize("before", [(), (busy(),)])
def test_another_error_passes_at_once_and_leaves_the_line(line: Line, place: Path, before: tuple[Exception]) -> None:
    with pytest.raises(sqlite3.OperationalError, match="disk is full"):
        line.wait_for(answers(*before, sqlite3.OperationalError("disk is full")))
    place.touch()
    with place.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_nobody_waits_for_ever(place: Path) -> None:
    line = Line(place, wait_seconds=0)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        line.wait_for(answers(busy(), busy()))
    line.close()


def test_a_stopped_head_of_the_line_is_passed_by(line: Line, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 0.0)
    place.touch()
    with place.open() as stopped:
        fcntl.flock(stopped, fcntl.LOCK_EX)
        assert line.wait_for(answers(busy(), 1)) == 1


def test_only_the_head_of_the_line_asks(place: Path) -> None:
    """Eight waiters, a lock that comes free after fifty questions: no two of them ask at the same time."""
    asking, most, questions = 0, 0, 0
    guard = threading.Lock()

    def attempt() -> None:
        nonlocal asking, most, questions
        with guard:
            asking += 1
            most = max(most, asking)
            questions += 1
            free = questions > 58
        with guard:
            asking -= 1
        if not free:
            raise busy()

    def wait() -> None:
        line = Line(place, wait_seconds=30)
        started.wait()
        line._stand_and_ask(attempt)
        line.close()

    started = threading.Barrier(8)
    threads = [threading.Thread(target=wait) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (asking, most) == (0, 1)


def test_a_system_without_file_locks_is_refused_in_words() -> None:
    """Windows, for one."""
    code = "import sys; sys.modules['fcntl'] = None; from ytworker.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "status"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the SQLite queue needs the file locks of Linux and macOS" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_whoever_is_in_a_hurry_ends_the_waits_of_all_its_handles(queue_file: Path) -> None:
    queue = SQLiteQueue(sqlite_url(queue_file))
    failures: list[str] = []

    def wait() -> None:
        with closing(queue.connect()) as twin:
            waiting.set()
            try:
                twin.enqueue([NewTask(type="demo", params={})])
            except StoreError as error:
                failures.append(str(error))

    waiting = threading.Event()
    with closing(queue), closing(sqlite3.connect(queue_file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        thread = threading.Thread(target=wait)
        thread.start()
        waiting.wait()
        queue.hurry(0)
        thread.join()
        with pytest.raises(StoreError):
            queue.enqueue([NewTask(type="demo", params={})])
        other.execute("ROLLBACK")
        queue.enqueue([NewTask(type="demo", params={})])
    assert len(failures) == 1
