"""Signals that end ``scrape`` and ``run``: a task goes back as if nobody had touched it, also while a store fails."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from plugin_helpers import ONE_ITEM, Program, Until, Zoo, hear, lives
from ytworker.engine.worker import BaseWorker

pytest_plugins = ["plugin_fixtures"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_in_a_scrape_gives_the_task_back(
    program: Program, zoo: Zoo, until: Until, home: Path, number: signal.Signals
) -> None:
    started = "import os, pathlib\npathlib.Path(os.environ['HOME'], 'started').touch()\n"
    zoo.worker("demo", f"{started}{ONE_ITEM}\ncontext.sleep(60)")
    process = program.start("scrape", "demo")
    try:
        until((home / "started").exists)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, out) == (130, b"")
    assert b"queued again" in err
    assert b"Traceback" not in err
    (task,) = json.loads(program("tasks", "list", "--json").out)
    assert (task["state"], task["attempt"]) == ("queued", 0)
    assert json.loads(program("items", "list", "--json").out) == []


def test_a_worker_under_nohup_outlives_its_terminal(program: Program, zoo: Zoo, until: Until, home: Path) -> None:
    started = "import os, pathlib\npathlib.Path(os.environ['HOME'], 'started').touch()\n"
    body = f"{started}while not pathlib.Path(os.environ['HOME'], 'go').exists(): context.sleep(0.01)\n{ONE_ITEM}"
    zoo.worker("demo", body)
    program("enqueue", "demo")
    program("enqueue", "demo")
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = program.start("run", "--until-empty")
    finally:
        signal.signal(signal.SIGHUP, before)
    try:
        until((home / "started").exists)
        process.send_signal(signal.SIGHUP)
        (home / "go").touch()
        process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert [task["state"] for task in json.loads(program("tasks", "list", "--json").out)] == ["completed"] * 2


# -- a store that fails

HOW = ["--inline", "--concurrency=1"]
GO = "while not pathlib.Path(os.environ['HOME'], 'go').exists(): context.sleep(0.01)\n"
ENDLESS = 6_000.0
FULL = (
    "CREATE TRIGGER full BEFORE UPDATE OF status ON task WHEN NEW.status = 3 "
    "BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
)


@pytest.fixture
def worker(program: Program, zoo: Zoo) -> Any:
    """Start a worker in whose modules some constants are other ones, and give it."""

    @contextmanager
    def start(*options: str, **constants: float) -> Iterator[subprocess.Popen[bytes]]:
        lines = ["import ytworker.engine.backoff as backoff, ytworker.queue.sqlite.database as database"]
        lines += [f"{name.replace('__', '.')} = {value}" for name, value in constants.items()]
        (zoo.folder / "sitecustomize.py").write_text("\n".join(lines), "utf-8")
        process = program.start("--log-format", "console", "run", *options)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    return start


@pytest.fixture
def store(home: Path) -> Iterator[sqlite3.Connection]:
    """Somebody else's connection to the queue."""
    folder = home / "data" / "ytworker"
    folder.mkdir(parents=True)
    connection = sqlite3.connect(folder / "queue.db", isolation_level=None, timeout=30)
    yield connection
    connection.close()


def one_task(program: Program) -> tuple[str, int]:
    (task,) = json.loads(program("tasks", "list", "--json").out)
    return task["state"], task["attempt"]


def begin(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", f"import os, pathlib\npathlib.Path(os.environ['HOME'], 'started').touch()\n{GO}{ONE_ITEM}")
    assert program("enqueue", "demo").code == 0


@pytest.mark.parametrize("how", HOW)
def test_d1_a_signal_ends_the_wait_for_a_store_and_what_ended_is_written_down(
    program: Program, zoo: Zoo, home: Path, store: sqlite3.Connection, worker: Any, how: str
) -> None:
    begin(program, zoo)
    store.execute(FULL)
    (home / "go").touch()
    with worker(how, backoff__FIRST_SECONDS=ENDLESS) as process:
        hear(process, b"no task is claimed for 6000 s")
        store.execute("DROP TRIGGER full")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == (1 if how == "--inline" else 0)
    # Without children nobody keeps what the store refused: the task is given back, and runs again.
    assert one_task(program) == (("queued", 0) if how == "--inline" else ("completed", 1))


def test_d1_a_worker_that_is_to_leave_tries_once_to_write_down_what_ended_and_says_that_it_could_not(
    program: Program, zoo: Zoo, home: Path, store: sqlite3.Connection, worker: Any
) -> None:
    begin(program, zoo)
    store.execute(FULL)
    (home / "go").touch()
    with worker("--concurrency=1", backoff__FIRST_SECONDS=ENDLESS) as process:
        hear(process, b"no task is claimed for 6000 s")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"how the last 1 tasks ended could not be written" in err
    assert b"the disk is full" in err
    assert b"Traceback" not in err
    assert one_task(program) == ("queued", 0)


@pytest.mark.parametrize("how", HOW)
def test_d1_the_second_signal_is_obeyed_at_once_also_while_the_queue_is_locked(
    program: Program, zoo: Zoo, home: Path, until: Until, store: sqlite3.Connection, worker: Any, how: str
) -> None:
    begin(program, zoo)
    with worker(how, database___BUSY_TIMEOUT_SECONDS=ENDLESS) as process:
        until((home / "started").exists)
        store.execute("BEGIN IMMEDIATE")
        process.send_signal(signal.SIGTERM)
        hear(process, b"stopping after the current task")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)  # the lock is there until it has left
    store.execute("ROLLBACK")
    assert process.returncode == 1
    assert b"the queue could not be written in time" in err
    assert b"given back" not in err
    assert one_task(program) == ("claimed", 1)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who descends from whom")
def test_q1_the_second_signal_leaves_no_child_that_stops_the_fork_server(
    program: Program, zoo: Zoo, home: Path, until: Until, store: sqlite3.Connection, worker: Any
) -> None:
    note = "(pathlib.Path(os.environ['HOME']) / f'pid-{os.getpid()}-{os.getppid()}').touch()\n"
    zoo.worker("demo", f"import os, pathlib\n{note}server = os.getppid()\nwhile True: os.kill(server, 19)")  # SIGSTOP
    assert program("enqueue", "demo").code == 0
    with worker("--concurrency=1", database___BUSY_TIMEOUT_SECONDS=ENDLESS) as process:
        until(lambda: list(home.glob("pid-*")))
        store.execute("BEGIN IMMEDIATE")
        process.send_signal(signal.SIGTERM)
        hear(process, b"stopping after the current task")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    store.execute("ROLLBACK")
    assert process.returncode == 1
    (found,) = home.glob("pid-*")
    pids = [int(pid) for pid in found.name.split("-")[1:]]
    try:
        until(lambda: not any(map(lives, pids)))
    finally:
        for pid in filter(lives, pids):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("how", HOW)
def test_d1_a_task_that_could_not_be_given_back_is_not_said_to_be(
    program: Program, zoo: Zoo, home: Path, until: Until, store: sqlite3.Connection, worker: Any, how: str
) -> None:
    begin(program, zoo)
    with worker(how, database___BUSY_TIMEOUT_SECONDS=0.1) as process:
        until((home / "started").exists)
        store.execute("BEGIN IMMEDIATE")
        process.send_signal(signal.SIGTERM)
        hear(process, b"stopping after the current task")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    store.execute("ROLLBACK")
    assert process.returncode == 1
    assert b"given back to the queue" not in err
    assert b"could not be written" in err
    assert one_task(program) == ("claimed", 1)


@pytest.mark.parametrize("how", HOW)
def test_a_task_that_was_done_before_the_second_signal_is_not_said_to_be_given_back(
    program: Program, zoo: Zoo, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    settled = BaseWorker.was_settled

    def signals(self: BaseWorker, *result: Any, **late: Any) -> None:
        settled(self, *result, **late)
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(BaseWorker, "was_settled", signals)
    zoo.worker("demo", ONE_ITEM)
    program("enqueue", "demo")
    done = program("--log-format", "console", "run", how)
    assert done.code == 0, done.err
    assert "given back to the queue" not in done.err.replace("once more gives it back", "")
    assert one_task(program) == ("completed", 1)


def test_d1_an_idle_worker_leaves_also_while_the_queue_is_locked(
    program: Program, zoo: Zoo, until: Until, store: sqlite3.Connection
) -> None:
    zoo.worker("demo", ONE_ITEM)
    program("enqueue", "demo")
    process = program.start("run")
    try:
        until(lambda: one_task(program)[0] == "completed")
        store.execute("BEGIN IMMEDIATE")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)  # the lock is there until it has left
        store.execute("ROLLBACK")
    finally:
        process.kill()
        process.wait()


def test_a_terminal_that_goes_away_costs_no_task(program: Program, zoo: Zoo, until: Until, home: Path) -> None:
    started = "import os, pathlib\npathlib.Path(os.environ['HOME'], 'started').touch()\n"
    body = f"{started}while not pathlib.Path(os.environ['HOME'], 'go').exists(): context.sleep(0.01)\n{ONE_ITEM}"
    zoo.worker("demo", body)
    program("enqueue", "demo")
    process = program.start("--log-format", "console", "run")
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        until((home / "started").exists)
        process.stdout.close()
        process.stderr.close()
        process.send_signal(signal.SIGHUP)
        (home / "go").touch()
        process.wait(timeout=60)
    finally:
        process.kill()
        process.wait()
    (task,) = json.loads(program("tasks", "list", "--json").out)
    assert (task["state"], task["attempt"]) == ("completed", 1)


def test_the_last_error_of_a_worker_is_a_record_where_its_log_is_json(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", ONE_ITEM)
    done = program.apart("--log-format", "json", "run", "--type", "nothing")
    assert done.code == 2
    (line,) = [json.loads(line) for line in done.err.splitlines()]
    assert line["level"] == "error"
    assert "nothing" in line["message"]
