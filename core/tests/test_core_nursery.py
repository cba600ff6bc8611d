"""Children that cannot be had: the system refuses them, or a plugin kills what starts them. The worker goes on."""

import json
import os
import resource
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plugin_helpers import PROGRAM, Done, Program, Until, Zoo, hear
from ytworker.engine.children import ForkServer
from ytworker.engine.gate import Gate
from ytworker.engine.suspects import ALONE_SECONDS, Suspects
from ytworker.errors import ChildrenError

pytest_plugins = ["plugin_fixtures"]
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
PRLIMIT = pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits another process")

NOTE_PID = "import os, pathlib, signal, time\npathlib.Path(os.environ['HOME'], f'pid-{os.getpid()}').touch()\n"
KILL_SERVER = "os.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(600)"
REFUSING = """
import errno, os, pathlib, sys
if sys.orig_argv[-1].endswith("forkserver.py"):
    fork, answers = os.fork, iter({answers})
    def refuse():
        if next(answers, {rest}):
            return fork()
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    os.fork = refuse
"""


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker of this process try again soon."""
    monkeypatch.setattr("ytworker.engine.backoff.FIRST_SECONDS", 0.01)
    monkeypatch.setattr("ytworker.engine.backoff.LONGEST_SECONDS", 0.05)


@pytest.fixture
def server_forks(zoo: Zoo) -> Callable[..., None]:
    """Tell which forks of each fork server succeed, one after the other, and whether the rest does."""

    def write(*answers: bool, rest: bool) -> None:
        (zoo.folder / "sitecustomize.py").write_text(REFUSING.format(answers=answers, rest=rest), "utf-8")

    return write


def all_tasks(program: Program) -> list[tuple[str, str, int]]:
    """Give the type, the state and the attempts of every task, the oldest first."""
    found = json.loads(program("tasks", "list", "--json").out)
    return [(task["type"], task["state"], task["attempt"]) for task in reversed(found)]


def quick_retries(home: Path) -> None:
    file = home / "config" / "ytworker" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("[retry.default]\nbase = 0.001\ncap = 0.001\n", "utf-8")


def run(program: Program, *options: str) -> Done:
    return program("run", "--strategy", "fifo", *options)


# -- refused


def test_a_refused_child_costs_no_attempt_and_is_tried_again(
    program: Program, zoo: Zoo, server_forks: Callable[..., None]
) -> None:
    server_forks(False, rest=True)
    zoo.worker("demo")
    for _ in range(2):
        program("enqueue", "demo")
    done = program.apart("run", "--until-empty", "--concurrency", "1")
    assert done.code == 0, done.err
    assert done.err.count("no child process can be started: Resource temporarily unavailable") == 1
    assert "it tries again in 1 s" in done.err
    assert all_tasks(program) == [("demo", "completed", 1)] * 2


def test_a_worker_goes_on_with_the_children_that_it_has(
    program: Program, zoo: Zoo, home: Path, at_once: None, server_forks: Callable[..., None]
) -> None:
    server_forks(True, rest=False)
    zoo.worker("demo", f"{NOTE_PID}return []")
    for _ in range(20):
        program("enqueue", "demo")
    done = run(program, "--until-empty", "--concurrency", "3")
    assert done.code == 0, done.err
    assert all_tasks(program) == [("demo", "completed", 1)] * 20
    assert len(list(home.glob("pid-*"))) == 1


def test_a_worker_that_never_gets_a_child_ends_where_it_would_wait_for_ever(
    program: Program, zoo: Zoo, at_once: None, server_forks: Callable[..., None]
) -> None:
    server_forks(rest=False)
    zoo.worker("demo")
    program("enqueue", "demo", "--max-attempts", "1")
    done = run(program, "--until-empty")
    assert done.code == 1
    assert "no child process can be started" in done.err, done.err
    assert "Traceback" not in done.err
    assert all_tasks(program) == [("demo", "queued", 0)]
    assert json.loads(program("status", "--json").out)["workers"] == []


def test_a_signal_ends_the_wait_for_a_child(
    program: Program, zoo: Zoo, server_forks: Callable[..., None], home: Path
) -> None:
    server_forks(rest=False)
    zoo.worker("demo")
    program("enqueue", "demo")
    process = program.start("run")
    try:
        hear(process, b"no child process can be started")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert all_tasks(program) == [("demo", "queued", 0)]


def test_a_worker_without_room_for_a_socket_waits_and_leaks_none(
    program: Program, zoo: Zoo, at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([False, False])

    def gate() -> Gate:
        if next(answers, True):
            return Gate()
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("ytworker.engine.nursery.Gate", gate)
    zoo.worker("demo")
    program("enqueue", "demo", "--max-attempts", "1")
    done = run(program, "--until-empty")
    assert done.code == 0, done.err
    assert done.err.count("Too many open files; allow more (`ulimit -n`") == 2
    assert all_tasks(program) == [("demo", "completed", 1)]


@PRLIMIT
def test_a_worker_out_of_descriptors_goes_on_when_there_are_some_again(
    program: Program, zoo: Zoo, until: Until
) -> None:
    zoo.worker("demo")
    process = program.start("run")
    try:
        until(lambda: json.loads(program("status", "--json").out)["workers"])
        open_ones = Path(f"/proc/{process.pid}/fd")
        before = sorted(int(file.name) for file in open_ones.iterdir())
        _, most = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        free = next(number for number in range(4096) if number not in before)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (free + 1, most))  # one is not enough for a pair
        program("enqueue", "demo", "--max-attempts", "1")
        hear(process, b"no child process can be started: Too many open files")
        assert sorted(int(file.name) for file in open_ones.iterdir()) == before
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (most, most))
        until(lambda: all_tasks(program) == [("demo", "completed", 1)])
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0


@PRLIMIT
def test_a_fork_server_out_of_descriptors_refuses_and_lives_on() -> None:
    server, gate = ForkServer(), Gate()
    try:
        server.start(gate.far)[1].close()
        number = server._process.pid
        _, most = resource.prlimit(number, resource.RLIMIT_NOFILE)
        used = {int(file.name) for file in Path(f"/proc/{number}/fd").iterdir()}
        free = next(n for n in range(4096) if n not in used)
        resource.prlimit(number, resource.RLIMIT_NOFILE, (free + 1, most))
        with pytest.raises(ChildrenError, match="no child process can be started: Too many open files"):
            server.start(gate.far)
        resource.prlimit(number, resource.RLIMIT_NOFILE, (most, most))
        server.start(gate.far)[1].close()
    finally:
        gate.close()
        server.close()


@pytest.mark.parametrize("most", [8, 14, 20])
def test_so_few_descriptors_are_an_error_in_one_line_if_they_are_too_few(program: Program, zoo: Zoo, most: int) -> None:
    soon = "import ytworker.engine.backoff as backoff\nbackoff.FIRST_SECONDS = 0.01"
    (zoo.folder / "sitecustomize.py").write_text(soon, "utf-8")
    zoo.worker("demo")
    program("enqueue", "demo", "--max-attempts", "1")
    line = f"ulimit -n {most}; exec '{PROGRAM}' --log-level warning --log-format console run --until-empty"
    done = subprocess.run(["/bin/sh", "-c", line], env=program.env(), capture_output=True, check=False, timeout=60)
    last = done.stderr.decode().splitlines()[-1]
    if done.returncode == 0:
        assert (last, all_tasks(program)) == ("1 task done", [("demo", "completed", 1)])
    else:
        assert done.returncode == 1
        assert last.startswith("error: ")
        assert "Too many open files" in last
        assert "Traceback" not in done.stderr.decode()
        assert all_tasks(program) == [("demo", "queued", 0)]


# -- killed


def test_q1_a_scrape_that_kills_the_fork_server_costs_only_its_own_attempts(
    program: Program, zoo: Zoo, at_once: None
) -> None:
    zoo.worker("demo", f"{NOTE_PID}{KILL_SERVER}")
    zoo.worker("good")
    for name in ("good", "demo", "good"):
        program("enqueue", name, "--max-attempts", "1")
    done = run(program, "--until-empty", "--concurrency", "1")
    assert done.code == 0, done.err
    assert all_tasks(program) == [("good", "completed", 1), ("demo", "dead", 1), ("good", "completed", 1)]
    (dead,) = json.loads(program("dead", "list", "--flat", "--json").out)
    assert dead["error_class"] == "resource"
    assert "the process that starts children was killed by SIGKILL" in dead["error"]


def test_q1_a_scrape_that_kills_the_fork_server_dies_after_its_attempts(
    program: Program, zoo: Zoo, home: Path, at_once: None
) -> None:
    quick_retries(home)
    zoo.worker("demo", f"{NOTE_PID}{KILL_SERVER}")
    zoo.worker("good")
    program("enqueue", "demo", "--max-attempts", "3")
    for _ in range(2):
        program("enqueue", "good", "--max-attempts", "1")
    done = run(program, "--max-tasks", "5", "--concurrency", "1")
    assert done.code == 0, done.err
    assert all_tasks(program) == [("demo", "dead", 3), *[("good", "completed", 1)] * 2]
    assert len(list(home.glob("pid-*"))) == 3


def test_q1_what_ran_beside_a_scrape_that_kills_the_fork_server_loses_one_attempt(
    program: Program, zoo: Zoo, home: Path, at_once: None
) -> None:
    """Each waits for the others, if they are there, so that they meet whenever they can."""
    quick_retries(home)
    meet = (
        f"{NOTE_PID}home = pathlib.Path(os.environ['HOME'])\nme = home / f'here-{{context.task.id}}'\nme.touch()\n"
        "for _ in range(patience):\n    time.sleep(0.01)\n    if met := len(list(home.glob('here-*'))) == 3: break\n"
    )
    first = "patience = 3000 if context.task.attempt == 1 else 100\n"
    zoo.worker("demo", f"{first}{meet}for each in home.glob('here-*'): each.unlink()\n{KILL_SERVER}")
    zoo.worker("good", f"{first}{meet}time.sleep(600 if met else 0)\nme.unlink()\nreturn []")
    program("enqueue", "demo", "--max-attempts", "3")
    for _ in range(2):
        program("enqueue", "good", "--max-attempts", "2")
    done = run(program, "--max-tasks", "7", "--concurrency", "3")
    assert done.code == 0, done.err
    assert all_tasks(program) == [("demo", "dead", 3), *[("good", "completed", 2)] * 2]
    assert "3 tasks ran then" in done.err


def test_suspects_are_forgotten_when_their_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    suspects, now = Suspects(), [0.0]
    monkeypatch.setattr("ytworker.engine.suspects.time.monotonic", lambda: now[0])
    suspects.accuse({1})
    assert not suspects
    suspects.accuse({1, 2})
    suspects.acquit(1)
    assert suspects
    now[0] = ALONE_SECONDS
    assert not suspects
    suspects.accuse({3, 4})
    suspects.acquit(3)
    suspects.acquit(4)
    assert not suspects


def test_q1_what_was_handed_ahead_goes_back_unburned_when_the_fork_server_is_killed(
    program: Program, zoo: Zoo, at_once: None
) -> None:
    zoo.worker(
        "demo", f"{NOTE_PID}if context.task.id == 10:\n    {KILL_SERVER.replace(chr(10), chr(10) + '    ')}\nreturn []"
    )
    for _ in range(40):
        program("enqueue", "demo", "--max-attempts", "1")
    done = run(program, "--until-empty", "--concurrency", "1")
    assert done.code == 0, done.err
    states = all_tasks(program)
    assert states.pop(9) == ("demo", "dead", 1)
    assert states == [("demo", "completed", 1)] * 39


def test_q1_a_scrape_that_stops_the_fork_server_is_killed_all_the_same(program: Program, zoo: Zoo, home: Path) -> None:
    file = home / "config" / "ytworker" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("grace_seconds = 0.2\ntimeout_seconds = 1\n", "utf-8")
    zoo.worker("demo", f"{NOTE_PID}os.kill(os.getppid(), signal.SIGSTOP)\ntime.sleep(600)")
    program("enqueue", "demo", "--max-attempts", "1")
    done = program.apart("run", "--until-empty")
    assert done.code == 0, done.err
    assert all_tasks(program) == [("demo", "dead", 1)]


def test_a_fork_server_that_always_dies_ends_a_worker_that_would_wait_for_ever(
    program: Program, zoo: Zoo, at_once: None
) -> None:
    dying = "import os, sys\nif sys.orig_argv[-1].endswith('forkserver.py'): os._exit(9)\n"
    (zoo.folder / "sitecustomize.py").write_text(dying, "utf-8")
    zoo.worker("demo")
    program("enqueue", "demo", "--max-attempts", "1")
    done = run(program, "--until-empty")
    assert done.code == 1
    assert "the process that starts children has ended" in done.err
    assert all_tasks(program) == [("demo", "queued", 0)]


def test_what_the_fork_server_told_before_it_died_is_heard(until: Until) -> None:
    server = ForkServer()
    try:
        pid, sock = server.start()
        sock.close()
        heard: list[Any] = []
        until(lambda: server._process.pid and not Path(f"/proc/{pid}").exists())
        server._process.kill()
        server._process.wait()
        heard += server.endings()
        assert heard == [(pid, 0)]
        with pytest.raises(ChildrenError, match="has ended"):
            server.endings()
    finally:
        server.close()
