"""``health`` and ``doctor``: what supervisors and people are told, and when it is a failure."""

import importlib
import json
import os
import socket
import zlib
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from plugin_helpers import MakeService, Program, Until, Zoo, make_distribution
from ytworker import doctor
from ytworker.errors import StoreError
from ytworker.health import Check, Status, clock, disk, liveness, overall, readiness
from ytworker.model import SECOND, NewTask
from ytworker.online import of_sites
from ytworker.plugins.discovery import Policy
from ytworker.queue import WorkerInfo
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.testing import FakeClock, MemoryQueue

pytest_plugins = ["plugin_fixtures"]

NOW = 1_800_000_000 * SECOND
HERE = "here"


def worker(**fields: Any) -> WorkerInfo:
    told = {"id": 1, "host": HERE, "pid": 7, "version": "1", "started_at": NOW, "seen_at": NOW, "lease_until": NOW}
    return WorkerInfo(**{**told, **fields})


def found(checks: list[Check]) -> dict[str, Status]:
    return {check.name: check.status for check in checks}


def test_the_worst_status_is_that_of_the_whole() -> None:
    ok, degraded, failed = (Check("x", status, "") for status in Status)
    assert overall([]) is Status.OK
    assert overall([ok, degraded, ok]) is Status.DEGRADED
    assert overall([failed, degraded, ok]) is Status.FAILED


@pytest.mark.parametrize(
    ("workers", "status", "words"),
    [
        ([worker()], Status.OK, "process 7 lives"),
        ([worker(lease_until=NOW - 1), worker(pid=8)], Status.OK, "process 8 lives"),
        ([worker(lease_until=NOW - 1)], Status.FAILED, "process 7 was silent"),
        ([worker(host="elsewhere")], Status.FAILED, "no worker runs on here"),
        ([], Status.FAILED, "`ytworker run` starts one"),
        ([worker(foreground=True)], Status.FAILED, "no worker runs on here"),
        ([worker(foreground=True), worker(pid=8)], Status.OK, "process 8 lives"),
    ],
)
def test_a_worker_lives_while_its_lease_is_renewed(workers: list[WorkerInfo], status: Status, words: str) -> None:
    (check,) = liveness(workers, host=HERE, now=NOW)
    assert check.status is status
    assert words in check.message


@pytest.mark.parametrize(
    ("workers", "status", "words"),
    [
        ([worker(), worker(pid=8)], Status.OK, "process 7 lives"),
        ([worker(lease_until=NOW - 1), worker(pid=8)], Status.FAILED, "process 7 was silent"),
        ([worker(lease_until=NOW - 1), worker()], Status.OK, "process 7 lives"),  # started anew under its number
        ([worker(pid=8), worker(pid=9)], Status.FAILED, "no worker with the process id 7 on here; there are 8, 9"),
        ([worker(host="elsewhere")], Status.FAILED, "no worker with the process id 7 on here; there is none"),
        ([worker(foreground=True)], Status.FAILED, "no worker with the process id 7 on here; there is none"),
    ],
)
def test_one_worker_is_asked_for_by_its_process(workers: list[WorkerInfo], status: Status, words: str) -> None:
    (check,) = liveness(workers, host=HERE, now=NOW, pid=7)
    assert check.status is status
    assert words in check.message


@pytest.mark.parametrize(
    ("workers", "now", "status"),
    [
        ([], NOW, Status.OK),
        ([worker(seen_at=NOW + 4 * SECOND)], NOW, Status.OK),
        ([worker(seen_at=NOW + 6 * SECOND)], NOW, Status.FAILED),
        ([worker(seen_at=NOW - 999 * SECOND)], NOW, Status.OK),
        # Who has a lease of 60 s renews it every 20 s.
        ([worker(seen_at=NOW - 24 * SECOND, lease_until=NOW + 36 * SECOND)], NOW, Status.OK),
        ([worker(seen_at=NOW - 26 * SECOND, lease_until=NOW + 34 * SECOND)], NOW, Status.DEGRADED),
        ([worker(seen_at=NOW - 70 * SECOND, lease_until=NOW - 10 * SECOND)], NOW, Status.OK),  # gone, not behind
        ([], 0, Status.FAILED),
    ],
)
def test_the_clock_is_compared_with_those_of_others(workers: list[WorkerInfo], now: int, status: Status) -> None:
    assert clock(workers, now).status is status


def test_a_queue_is_ready(make_service: MakeService, queue: SQLiteQueue) -> None:
    checks = readiness(make_service(), now=NOW)
    assert found(checks) == dict.fromkeys(("store", "schema", "disk", "clock", "sources", "plugins"), Status.OK)
    assert queue.workers() == []  # the one that tried to write is gone


def test_what_cannot_be_written_is_not_ready(make_service: MakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_queue: object, **_options: object) -> int:
        msg = "the disk is full. Free some space"
        raise StoreError(msg)

    monkeypatch.setattr(SQLiteQueue, "add_worker", fails)
    (store, *_) = readiness(make_service(), now=NOW)
    assert (store.status, store.message) == (Status.FAILED, "the disk is full. Free some space")


def test_too_little_space_is_not_ready(make_service: MakeService) -> None:
    (check,) = disk(make_service(), 10**18)
    assert check.status is Status.FAILED
    assert "Free some" in check.message


def test_what_has_no_disk_is_not_asked_for_space(make_service: MakeService) -> None:
    service = make_service()
    service.queue = MemoryQueue()
    assert disk(service, 10**18) == []


def test_what_a_restart_does_not_mend_is_degraded(make_service: MakeService, queue: SQLiteQueue) -> None:
    queue.pause("site", NOW + SECOND, "by me")
    queue.enqueue([NewTask(type="nobody", params={})])
    checks = readiness(make_service(), now=NOW)
    assert found(checks)["sources"] is Status.DEGRADED
    assert found(checks)["plugins"] is Status.DEGRADED
    assert overall(checks) is Status.DEGRADED


# -- doctor


def test_libraries_that_carry_their_day_grow_old(zoo: Zoo) -> None:
    zoo.worker("demo", requires=["ytworker-lib>=1", "plainlib", "extralib; extra == 'x'", "gone-lib", "not a name!"])
    zoo.install("ytworker-lib", requires=["datedlib[default]>=2020"], version="1.0")
    zoo.install("datedlib", version="2026.9.1", requires=["deeplib"])
    for name in ("deeplib", "extralib"):
        zoo.install(name, version="2001.1.1")
    zoo.install("plainlib", version="2026.99.99")
    (info,) = [info for info in doctor_infos() if info.name == "demo"]
    plugin, library = doctor.of_plugins([info], date(2026, 10, 16))
    assert (plugin.name, plugin.status) == ("plugin demo", Status.OK)
    assert (library.name, library.status, library.message) == ("datedlib", Status.OK, "2026.9.1")
    (_, library) = doctor.of_plugins([info], date(2026, 10, 17))
    assert library.status is Status.DEGRADED
    assert "46 days old" in library.message
    assert "pip install --upgrade datedlib" in library.message


def doctor_infos() -> Iterator[Any]:
    from ytworker.plugins.registry import PluginRegistry

    yield from PluginRegistry().infos()


def test_a_plugin_that_cannot_be_used_is_odd_and_no_failure(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", requires=["ytworker>=9"])
    done = program("doctor", "--json")
    assert done.code == 0
    told = json.loads(done.out)
    assert told["status"] == "degraded"
    (check,) = [check for check in told["checks"] if check["name"] == "plugin demo"]
    assert (check["status"], "incompatible" in check["message"]) == ("degraded", True)


def test_the_doctor_tells_about_the_store(make_service: MakeService, queue: SQLiteQueue, queue_file: Path) -> None:
    checks = {check.name: check for check in doctor.of_queue(make_service(), now=NOW)}
    assert checks["file"].message == str(queue_file)
    assert checks["journal mode"].message == "wal"
    assert {"sqlite", "schema", "file system", "bytes", "log bytes", "disk", "clock", "check"} <= set(checks)
    assert "workers" not in checks
    assert doctor._journal("delete").status is Status.DEGRADED


def test_damage_and_old_workers_are_told(
    make_service: MakeService, queue: SQLiteQueue, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.add_worker(lease_seconds=60)
    monkeypatch.setattr(doctor, "__version__", "0.9")
    queue._database.change("INSERT INTO run (id) VALUES (99)")
    checks = {check.name: check for check in doctor.of_queue(make_service(), now=NOW)}
    assert checks["check"].status is Status.FAILED
    assert "`ytworker db check`" in checks["check"].message
    assert "start them anew" in checks["workers"].message


def test_a_backend_that_tells_nothing_is_looked_at_all_the_same(make_service: MakeService) -> None:
    service = make_service()
    service.queue = MemoryQueue()
    assert [check.name for check in doctor.of_queue(service, now=NOW)] == ["clock", "check"]


def test_few_open_files_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (64, 64))
    assert found(doctor.of_program())["open files"] is Status.DEGRADED


# -- the program


def test_the_exit_code_tells_whether_it_is_ready(program: Program) -> None:
    done = program("health")
    assert done.code == 0
    assert "ok        store: it can be written" in done.out
    told = json.loads(program("health", "--ready", "--json").out)
    assert list(told) == ["status", "checks"]
    assert [list(check) for check in told["checks"]] == [["name", "status", "message"]] * 6
    assert program("health", "--disk-floor", str(10**9)).code == 1
    assert "failed    disk:" in program("doctor", "--disk-floor", str(10**9)).out


def test_the_exit_code_tells_whether_it_lives(program: Program, home: Path) -> None:
    assert program("health", "--live").code == 1
    queue = SQLiteQueue(f"sqlite://{home}/data/ytworker/queue.db")
    queue.add_worker(lease_seconds=60)
    assert queue.workers()[0].host == socket.gethostname()
    queue.close()
    done = program("health", "--live")
    assert (done.code, done.out) == (0, f"ok        worker: process {os.getpid()} lives\n")
    told = json.loads(program("health", "--live", "--ready", "--json").out)
    assert [check["name"] for check in told["checks"]][:2] == ["worker", "store"]


def test_a_scrape_in_the_foreground_is_no_worker_that_lives(
    program: Program, zoo: Zoo, home: Path, until: Until
) -> None:
    body = "import os, pathlib\npathlib.Path(os.environ['HOME'], 'began').touch()\ncontext.sleep(600)"
    zoo.worker("demo", body)
    process = program.start("scrape", "demo")
    try:
        until((home / "began").exists)
        done = program("health", "--live")
        assert (done.code, "no worker runs on" in done.out) == (1, True)
        assert json.loads(program("workers", "--json").out)[0]["pid"] == process.pid
    finally:
        process.kill()
        process.communicate(timeout=30)


def test_a_supervisor_asks_for_its_own_worker(program: Program, zoo: Zoo, until: Until) -> None:
    zoo.worker("demo")
    process = program.start("run", "--inline")
    try:
        until(lambda: program("health", "--live").code == 0)
        assert program("health", "--live", "--pid", str(process.pid)).code == 0
        done = program("health", "--pid", str(os.getpid()))
        assert done.code == 1
        assert f"no worker with the process id {os.getpid()}" in done.out
        assert f"there is {process.pid}" in done.out
        assert "schema" not in done.out
    finally:
        process.kill()
        process.communicate(timeout=30)
    assert program("health", "--live", "--pid", "0").code == 2


@pytest.mark.parametrize("command", ["health", "doctor"])
def test_a_queue_that_cannot_be_opened_is_a_failure_that_is_told(
    program: Program, tmp_path: Path, command: str
) -> None:
    (tmp_path / "not a queue").write_text("hello " * 1000)
    done = program("--queue", str(tmp_path / "not a queue"), command, "--json")
    assert done.code == 1
    told = json.loads(done.out)
    assert told["status"] == "failed"
    assert "not a queue of ytworker" in told["checks"][-1]["message"]


# -- doctor --online

CANARY = """
from ytworker.context import Deferred
def check(context):
    context.budget("bird").acquire()
    context.progress(1); context.sleep(0); context.cancelled
    {body}
"""


@pytest.fixture
def canary(zoo: Zoo) -> Callable[[str], None]:
    """Install a distribution whose check has this body."""

    def install(body: str) -> None:
        code = CANARY.format(body=body)
        module = f"birdsong_{zlib.crc32(code.encode()):x}"
        declared = {"ytworker.checks": {"bird": module}}
        make_distribution(zoo.folder, "bird-lib", entry_points=declared, modules={module: code})
        importlib.invalidate_caches()

    return install


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("return f'it sings, {context.task.type}'", "ok", "it sings, bird"),
        ("print('{'); return 'it prints'", "ok", "it prints"),
        ("raise RuntimeError('silence')", "failed", "RuntimeError: silence"),
        ("raise SystemExit(3)", "failed", "SystemExit: 3"),
        ("context.suspect('hollow')", "failed", "hollow"),
        ("context.checkpoint.save(1)", "failed", "RuntimeError: a check is no task, so it cannot checkpoint"),
        ("context.enqueue('x', {})", "failed", "RuntimeError: a check is no task, so it cannot enqueue"),
    ],
)
def test_a_canary_says_what_it_saw(
    program: Program, canary: Callable[[str], None], body: str, status: str, said: str
) -> None:
    canary(body)
    assert ask_sites(program) == [{"name": "online bird", "status": status, "message": said}]


def test_a_canary_that_cannot_be_used_says_why(program: Program, canary: Callable[[str], None], zoo: Zoo) -> None:
    canary("return ''")
    (module,) = zoo.folder.glob("birdsong_*.py")
    for source, reason in (("check = 5", "no function check(context)"), ("raise ImportError('wings')", "wings")):
        module.write_text(source)
        zoo.forget()
        (asked,) = ask_sites(program)
        assert (asked["status"], reason in asked["message"]) == ("failed", True)
        assert "plugins block bird" in asked["message"]


def test_a_canary_that_is_blocked_or_whose_source_rests_is_not_asked(
    program: Program, canary: Callable[[str], None]
) -> None:
    canary("raise AssertionError")
    assert program("sources", "pause", "bird").code == 0
    (resting,) = ask_sites(program)
    assert resting["status"] == "degraded"
    assert "bird rests until" in resting["message"]
    (blocked,) = ask_sites(program, "--block", "bird")
    assert (blocked["status"], "blocked by you" in blocked["message"]) == ("degraded", True)


def test_nothing_is_asked_unless_told_to(program: Program, canary: Callable[[str], None]) -> None:
    canary("raise AssertionError")
    assert "online" not in program("doctor", "--json").out


def test_without_a_canary_there_is_nothing_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ytworker.online.discover", lambda *_: {})
    (only,) = of_sites(Policy(), {}, [], NOW)
    assert only == Check("online", Status.OK, "no installed plugin has anything to ask")


def ask_sites(program: Program, *flags: str) -> list[dict[str, str]]:
    """Run ``doctor --online`` without the canaries that happen to be installed: no test asks a real site."""
    done = program("--block", "ytdlp", *flags, "doctor", "--online", "--json")
    checks = json.loads(done.out)["checks"]
    return [each for each in checks if each["name"].startswith("online") and each["name"] != "online ytdlp"]
