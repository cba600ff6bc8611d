"""What all tests of the core share: an empty home, a clock that stands still, and a real queue in a file."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from ytworker import redaction
from ytworker.queue.sqlite import SQLiteQueue, database
from ytworker.queue.sqlite.database import _connect
from ytworker.settings import sqlite_url
from ytworker.testing import FakeClock

# The same examples in every run: a failure that somebody else sees is a failure that can be seen here.
hypothesis.settings.register_profile("ytworker", deadline=None, derandomize=True)
hypothesis.settings.register_profile("thorough", deadline=None, derandomize=False, max_examples=1_000)
hypothesis.settings.load_profile("ytworker")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, and no setting of ours in the environment."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name in [name for name in os.environ if name.upper().startswith("YTWORKER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("XDG_DATA_HOME", str(folder / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    return folder


@pytest.fixture(autouse=True)
def _forgetful() -> Iterator[None]:
    """What one test has set is no secret to the next."""
    yield
    redaction.forget()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def queue_file(tmp_path: Path) -> Path:
    return tmp_path / "queue" / "queue.db"


@pytest.fixture
def queue(queue_file: Path, clock: FakeClock) -> Iterator[SQLiteQueue]:
    """A real queue in a fresh file, under the clock of the test."""
    queue = SQLiteQueue(sqlite_url(queue_file), durability="normal", clock=clock)
    yield queue
    queue.close()


@pytest.fixture
def worker(queue: SQLiteQueue) -> int:
    """A worker of that queue with a lease of 60 s."""
    return queue.add_worker(lease_seconds=60)


@pytest.fixture(autouse=True)
def every_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close what a test leaves open, such as the queue of a plugin that it made up: Python 3.13 warns of it later."""
    opened: list[sqlite3.Connection] = []

    def connect(path: Path) -> sqlite3.Connection:
        opened.append(_connect(path))
        return opened[-1]

    monkeypatch.setattr(database, "_connect", connect)
    yield
    for connection in opened:
        with contextlib.suppress(sqlite3.ProgrammingError):  # another thread's, which closes its own
            connection.close()
