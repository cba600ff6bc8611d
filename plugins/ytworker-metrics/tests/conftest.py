"""An empty home, a queue with a history, and the program."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ytworker import Service, TaskStatus
from ytworker.cli import main
from ytworker.model import SECOND, ErrorClass, ErrorInfo, NewTask, Outcome
from ytworker.plugins.registry import PluginRegistry
from ytworker.queue import CoolDown, get_strategy
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.settings import load_settings, sqlite_url
from ytworker.testing import FakeClock


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, and no setting of ours in the environment."""
    for name in [name for name in os.environ if name.upper().startswith("YTWORKER_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("XDG_DATA_HOME", str(folder / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    return folder


@dataclass(frozen=True)
class Done:
    """How a run of the program ended."""

    code: int
    out: str
    err: str


class Program:
    """The command line: called, it runs in this process; ``start`` runs the console script."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, captured: pytest.CaptureFixture[str]) -> None:
        self._folder = folder
        self._patch = patch
        self._captured = captured

    def __call__(self, *arguments: str) -> Done:
        self._patch.setattr("sys.argv", ["ytworker", *arguments])
        code = None
        try:
            main()
        except SystemExit as left:
            code = left.code
        finally:
            logging.getLogger("ytworker").handlers[:] = []
        return Done(int(code or 0), *self._captured.readouterr())

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        script = Path(sys.executable).with_name("ytworker")
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [script, *arguments],
            cwd=self._folder,
            stdout=pipe,
            stderr=pipe,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - see below
        )  # a suite that some shell runs in the background is deaf to Ctrl-C, and so would this one be


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(tmp_path, monkeypatch, capsys)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def queue(tmp_path: Path, clock: FakeClock) -> Iterator[SQLiteQueue]:
    queue = SQLiteQueue(sqlite_url(tmp_path / "queue" / "work.db"), durability="normal", clock=clock)
    yield queue
    queue.close()


@pytest.fixture
def service(queue: SQLiteQueue, clock: FakeClock) -> Service:
    return Service(queue, PluginRegistry(catalogue={}), load_settings(), clock=clock)


@pytest.fixture
def history(queue: SQLiteQueue, clock: FakeClock) -> SQLiteQueue:
    """A queue in which something of every kind has happened."""
    fifo = get_strategy("fifo")
    worker, dead = (queue.add_worker(lease_seconds=seconds) for seconds in (600, 30))
    queue.enqueue([NewTask(type="demo", params={}) for _ in range(5)])
    (done,) = queue.claim(worker, fifo, ["demo"])
    queue.finish(done, [], Outcome.EMPTY)
    (failed,) = queue.claim(worker, fifo, ["demo"])
    queue.fail(failed, ErrorInfo(error_class=ErrorClass.GONE, type="t", message="m"), retry_at=None)
    (late,) = queue.claim(worker, fifo, ["demo"])
    rest = CoolDown(source="site", error_class=ErrorClass.QUOTA, reason="used up", until=clock() + 900 * SECOND)
    queue.defer(late, clock() + 900 * SECOND, "used up", source="site", cool_down=rest)
    (lost,) = queue.claim(dead, fifo, ["demo"])
    queue.pause("other", clock() + 900 * SECOND, "by me")
    clock.advance(60)
    queue.rescue()
    assert not queue.settle([]).stale
    with pytest.raises(Exception, match="claim"):
        queue.release(lost)
    queue.renew(worker, lease_seconds=600)
    queue.add_worker(lease_seconds=1)
    clock.advance(5)
    assert queue.counts()[TaskStatus.QUEUED] == 2
    return queue
