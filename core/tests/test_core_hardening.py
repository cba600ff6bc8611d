"""Plugins that break what ties a worker to its children, and stores, pipes and systems that break what it needs."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from plugin_helpers import PROGRAM, MakeService, Program, Until, Zoo, lives
from ytworker.engine.children import ForkServer
from ytworker.engine.crew import Crew
from ytworker.engine.member import Member
from ytworker.errors import ChildrenError, StoreError
from ytworker.model import NewTask, TaskStatus
from ytworker.queue import ClaimRequest, Ending, Settled, TaskFilter
from ytworker.queue.sqlite import SQLiteQueue

pytest_plugins = ["plugin_fixtures"]
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has ended")

HOME = "import os, pathlib, signal, time\nhome = pathlib.Path(os.environ['HOME'])\n"
WAIT = "while not (home / '{name}').exists(): time.sleep(0.01)\n"
KILL_SERVER = "os.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(600)\n"
SHUT_GATE = """
import gc, socket
from ytworker.engine.child import Wire
gate = next(each for each in gc.get_objects() if isinstance(each, Wire))._gate
"""


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker of this process try again soon."""
    monkeypatch.setattr("ytworker.engine.backoff.FIRST_SECONDS", 0.01)
    monkeypatch.setattr("ytworker.engine.backoff.LONGEST_SECONDS", 0.05)


def configure(home: Path, *lines: str) -> None:
    file = home / "config" / "ytworker" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("\n".join(lines), "utf-8")


def all_tasks(program: Program) -> list[tuple[str, str, int]]:
    """Give the type, the state and the attempts of every task, the oldest first."""
    found = json.loads(program("tasks", "list", "--json").out)
    return [(task["type"], task["state"], task["attempt"]) for task in reversed(found)]


# -- the gate


def test_q1_a_scrape_that_shuts_the_gate_of_its_child_harms_no_other(program: Program, zoo: Zoo) -> None:
    zoo.worker("bad", f"{SHUT_GATE}gate.shutdown(socket.SHUT_RDWR)\nreturn []")
    zoo.worker("good", "return []")
    for name in ("bad", "good", "good", "good"):
        program("enqueue", name, "--max-attempts", "1")
    done = program.apart("run", "--until-empty", "--concurrency", "1", "--strategy", "fifo")
    assert done.code == 0, done.err
    assert all_tasks(program) == [("bad", "completed", 1), *[("good", "completed", 1)] * 3]


@pytest.mark.parametrize("steal", ["", "gate.recv(100)\n"], ids=["tokens left", "no token left"])
def test_q1_what_waits_behind_a_shut_gate_goes_back_and_who_shut_it_is_to_blame(
    program: Program, zoo: Zoo, monkeypatch: pytest.MonkeyPatch, home: Path, steal: str
) -> None:
    # Even on a slow machine the fourth is short, so that more are handed ahead; the first takes the start of a child.
    monkeypatch.setattr("ytworker.engine.member.SHORT_SECONDS", 3.0)
    configure(home, "timeout_seconds = 30", "grace_seconds = 1")
    zoo.worker("good", "return []")
    zoo.worker("bad", f"{SHUT_GATE}{steal}gate.shutdown(socket.SHUT_RDWR)\nimport time\ntime.sleep(600)")
    for name in [*["good"] * 4, "bad", "good", "good"]:
        program("enqueue", name, "--max-attempts", "1")
    done = program("run", "--until-empty", "--concurrency", "1", "--strategy", "fifo")
    assert done.code == 0, done.err
    good = ("good", "completed", 1)
    assert all_tasks(program) == [good, good, good, good, ("bad", "dead", 1), good, good]
    (dead,) = json.loads(program("dead", "list", "--flat", "--json").out)
    assert "shut the gate" in dead["error"]


# -- a fork server that is stopped


@LINUX
@pytest.mark.parametrize("hide", ["", "if os.fork() == 0: os.setsid()\n"], ids=["in its group", "in another session"])
def test_q1_nothing_outlives_a_killed_worker_whose_fork_server_is_stopped(
    program: Program, zoo: Zoo, until: Until, home: Path, hide: str
) -> None:
    note = "(home / f'stopped-{os.getpid()}-{server}').touch()\nwhile True: time.sleep(600)"
    zoo.worker("demo", f"{HOME}server = os.getppid()\n{hide}os.kill(server, signal.SIGSTOP)\n{note}")
    program("enqueue", "demo")
    process = program.start("run", "--concurrency", "1")
    try:
        until(lambda: len(list(home.glob("stopped-*"))) == (2 if hide else 1))
        server = next(home.glob("stopped-*")).name.split("-")[2]
        os.kill(int(server), signal.SIGSTOP)  # the worker may have asked it for something
    finally:
        process.kill()
        process.communicate(timeout=30)
    pids = {int(pid) for file in home.glob("stopped-*") for pid in file.name.split("-")[1:]}
    try:
        until(lambda: not any(map(lives, pids)))
    finally:
        for pid in filter(lives, pids):
            os.kill(pid, signal.SIGKILL)


@LINUX
def test_q1_a_scrape_that_stops_the_fork_server_again_and_again_is_killed(
    program: Program, zoo: Zoo, home: Path
) -> None:
    configure(home, "grace_seconds = 0.2", "timeout_seconds = 1")
    zoo.worker("demo", f"{HOME}server = os.getppid()\nwhile True: os.kill(server, signal.SIGSTOP)")
    zoo.worker("good", "return []")
    program("enqueue", "demo", "--max-attempts", "1")
    program("enqueue", "good", "--max-attempts", "1")
    done = program.apart("run", "--until-empty", "--concurrency", "1", "--strategy", "fifo")
    assert done.code == 0, done.err
    assert all_tasks(program) == [("demo", "dead", 1), ("good", "completed", 1)]


def test_a_fork_server_that_is_stopped_while_it_is_asked_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ytworker.engine.children.ANSWER_SECONDS", 10.0)
    with ForkServer() as server:
        server.start()[1].close()
        send, told = server._process.send_signal, []

        def too_early(number: int) -> None:
            told.append(number)
            send(signal.SIGSTOP if len(told) < 3 else number)

        monkeypatch.setattr(server._process, "send_signal", too_early)
        os.kill(server._process.pid, signal.SIGSTOP)
        server.start()[1].close()


def test_a_fork_server_that_does_not_answer_counts_as_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    with ForkServer() as server:
        server.start()[1].close()
        monkeypatch.setattr("ytworker.engine.children.ANSWER_SECONDS", 0.1)
        with monkeypatch.context() as stopped:
            stopped.setattr(server._process, "send_signal", lambda _number: None)
            os.kill(server._process.pid, signal.SIGSTOP)
            with pytest.raises(ChildrenError, match="does not answer"):
                server.start()
        assert server.gone
        assert server.close() == -signal.SIGKILL


# -- an answer of the store that is lost


def test_d1_tasks_whose_claim_was_committed_and_not_told_are_done_by_a_worker_that_lives_on(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle, lost = queue.settle, []

    def loses_one(endings: Sequence[Ending], then: ClaimRequest | None = None) -> Settled:
        settled = settle(endings, then)
        if settled.claims and not lost:
            lost.extend(settled.claims)
            msg = "the connection was lost after COMMIT was sent"
            raise StoreError(msg)
        return settled

    monkeypatch.setattr(queue, "settle", loses_one)
    zoo.worker("demo", "return []")
    queue.enqueue([NewTask(type="demo", params={}, max_attempts=1) for _ in range(4)])
    until = time.monotonic() + 30
    make_service().run(concurrency=2, max_tasks=4, stopping=lambda: time.monotonic() > until)
    assert lost
    assert queue.counts()[TaskStatus.COMPLETED] == 4
    assert [task.attempt for task in queue.tasks(TaskFilter())] == [1] * 4


# -- who is suspected


def test_tasks_that_died_with_the_fork_server_keep_nobody_alone(
    program: Program, zoo: Zoo, home: Path, at_once: None
) -> None:
    zoo.worker("killer", f"{HOME}{WAIT.format(name='runs')}{KILL_SERVER}")
    zoo.worker("victim", f"{HOME}(home / 'runs').touch()\ntime.sleep(600)")
    meet = "(home / f'here-{context.task.id}').touch()\nuntil = time.monotonic() + 30\n"
    zoo.worker(
        "pair",
        f"{HOME}{meet}while len(list(home.glob('here-*'))) < 2:\n"
        "    assert time.monotonic() < until, 'the other one never came'\n    time.sleep(0.01)\nreturn []",
    )
    for name in ("killer", "victim", "pair", "pair"):
        program("enqueue", name, "--max-attempts", "1")
    done = program("run", "--until-empty", "--concurrency", "2", "--strategy", "fifo")
    assert done.code == 0, done.err
    assert all_tasks(program) == [
        ("killer", "dead", 1),
        ("victim", "dead", 1),
        ("pair", "completed", 1),
        ("pair", "completed", 1),
    ]


def test_a_task_that_was_done_before_the_fork_server_died_is_not_suspected(
    program: Program, zoo: Zoo, home: Path, at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last words lie unread until then, as in a worker that is busy elsewhere."""
    serve = Crew._serve

    def busy(self: Crew, member: Member, events: int) -> None:
        if b'"done"' in member.channel._sock.recv(1 << 16, 2):  # MSG_PEEK
            (home / "said").touch()
        else:
            serve(self, member, events)

    monkeypatch.setattr(Crew, "_serve", busy)
    zoo.worker("killer", f"{HOME}{WAIT.format(name='said')}{KILL_SERVER}")
    zoo.worker("good", "return []")
    for name in ("killer", "good"):
        program("enqueue", name, "--max-attempts", "2" if name == "killer" else "1")
    done = program("run", "--max-tasks", "2", "--concurrency", "2", "--strategy", "fifo")
    assert done.code == 0, done.err
    assert "tasks ran then" not in done.err
    assert all_tasks(program)[1] == ("good", "completed", 1)


def test_p1_a_plugin_that_was_loading_when_another_killed_the_fork_server_is_not_blamed(
    program: Program, zoo: Zoo, home: Path, at_once: None
) -> None:
    zoo.worker("killer", f"{HOME}{WAIT.format(name='loads')}{KILL_SERVER}")
    slow = (
        "if sys.orig_argv[-1].endswith('forkserver.py') and not (home / 'loads').exists():\n"
        "    (home / 'loads').touch()\n    time.sleep(600)"
    )
    zoo.worker("slow", "return []", imported=f"import sys\n{HOME}{slow}")
    for name in ("killer", "slow"):
        program("enqueue", name, "--max-attempts", "1")
    done = program("run", "--until-empty", "--concurrency", "2", "--strategy", "fifo")
    assert done.code == 0, done.err
    assert all_tasks(program) == [("killer", "dead", 1), ("slow", "completed", 1)]
    assert "while it loaded the" not in done.err


# -- a stderr that nobody reads


@pytest.fixture
def full() -> Iterator[tuple[int, Callable[[], None]]]:
    """A pipe that nobody reads, and how to fill it."""
    unread, pipe = os.pipe()

    def fill() -> None:
        os.set_blocking(pipe, False)
        for size in (4096, 1):
            with suppress(BlockingIOError):
                while True:
                    os.write(pipe, b"x" * size)
        os.set_blocking(pipe, True)

    yield pipe, fill
    os.close(unread)
    os.close(pipe)


@pytest.mark.parametrize("how", ["--concurrency=1", "--inline"])
@pytest.mark.parametrize("form", ["json", "console"])
def test_d1_signals_end_a_worker_whose_stderr_nobody_reads(
    program: Program, zoo: Zoo, home: Path, until: Until, full: tuple[int, Callable[[], None]], how: str, form: str
) -> None:
    pipe, fill = full
    zoo.worker("demo", f"{HOME}(home / 'started').touch()\ntime.sleep(600)")
    program("enqueue", "demo")
    command = [PROGRAM, "--log-format", form, "run", how]
    process = subprocess.Popen(command, env=program.env(), stdout=subprocess.DEVNULL, stderr=pipe)
    try:
        until((home / "started").exists)
        fill()

        def has_left() -> bool:
            process.send_signal(signal.SIGTERM)  # one that comes too early after another is not a second one
            return process.poll() is not None

        until(has_left)
    finally:
        process.kill()
        process.wait()
    assert process.returncode in {1, -signal.SIGTERM}  # it may meet one more when it has left already


# -- a system that gives no thread


@pytest.mark.parametrize("how", ["--concurrency=1", "--inline"])
def test_a_worker_that_gets_no_thread_says_so_and_leaves_no_lease(
    program: Program, zoo: Zoo, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "ytworker-lease":
            msg = "can't start new thread"
            raise RuntimeError(msg)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    zoo.worker("demo")
    program("enqueue", "demo")
    done = program("run", "--until-empty", how)
    assert done.code == 1
    assert "no thread can be started" in done.err
    assert "Traceback" not in done.err
    assert json.loads(program("status", "--json").out)["workers"] == []


def test_a_worker_that_gets_no_thread_for_a_new_lease_tries_again(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, refusals = threading.Thread.start, ["once"]

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "ytworker-lease" and queue.counts()[TaskStatus.COMPLETED] and refusals:
            refusals.pop()
            msg = "can't start new thread"
            raise RuntimeError(msg)
        start(thread)

    renew = queue.renew
    lost: list[Any] = []

    def loses_one(worker_id: int, *, lease_seconds: float) -> bool:
        if not lost and queue.counts()[TaskStatus.COMPLETED]:
            lost.append(worker_id)
            return False
        return renew(worker_id, lease_seconds=lease_seconds)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr(queue, "renew", loses_one)
    zoo.worker("demo", "return []")
    queue.enqueue([NewTask(type="demo", params={}) for _ in range(2)])
    until = time.monotonic() + 30
    make_service().run(concurrency=1, max_tasks=2, stopping=lambda: time.monotonic() > until)
    assert queue.counts()[TaskStatus.COMPLETED] == 2
