"""Plugins that end the children that load them: no task pays for it, and the worker goes on without them."""

import json
import logging
import os
import time
from dataclasses import replace
from typing import Any

import pytest

from plugin_helpers import MakeService, Program, Zoo
from ytworker.errors import PluginsRefusedError
from ytworker.model import NewTask, TaskStatus
from ytworker.plugins.discovery import PluginKind
from ytworker.queue import TaskFilter
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.service import Service
from ytworker.settings import left_out_plugins

pytest_plugins = ["plugin_fixtures"]
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

WAYS_TO_DIE = {
    "os._exit": ("import os\nos._exit(3)", "ended with exit code 3"),
    "success": ("import os\nos._exit(0)", "ended with exit code 0"),
    "segmentation fault": ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "killed by SIGSEGV"),
}


def listed(program: Program, name: str) -> dict[str, Any]:
    (info,) = [each for each in json.loads(program("plugins", "list", "--json").out) if each["name"] == name]
    return dict(info)


def states(program: Program) -> list[tuple[str, int]]:
    return [(task["state"], task["attempt"]) for task in json.loads(program("tasks", "list", "--json").out)]


@pytest.mark.parametrize(("source", "words"), WAYS_TO_DIE.values(), ids=WAYS_TO_DIE)
def test_p1_an_extension_that_ends_its_process_at_import_is_left_out(
    program: Program, zoo: Zoo, source: str, words: str
) -> None:
    zoo.worker("demo")
    zoo.extension("deadly", source)
    for _ in range(4):
        program("enqueue", "demo", "--max-attempts", "1")
    done = program.apart("run", "--until-empty", "--concurrency", "1")
    assert done.code == 0, done.err
    assert states(program) == [("completed", 1)] * 4
    assert words in done.err
    assert "the extension deadly of deadly-dist, 3 times in a row" in done.err
    assert "`ytworker plugins block deadly`" in done.err
    info = listed(program, "deadly")
    assert info["status"] == "broken"
    assert "a worker goes on without it" in info["reason"]
    assert "plugin deadly" in program("doctor").out
    assert "a worker goes on without it" in program("doctor").out
    assert listed(program, "demo")["status"] == "found"


def test_p1_an_extension_that_loads_again_is_not_left_out_any_more(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo")
    zoo.extension("deadly", "import os\nos._exit(3)")
    program("enqueue", "demo")
    assert program.apart("run", "--until-empty").code == 0
    assert listed(program, "deadly")["status"] == "broken"
    assert program("plugins", "check", "deadly").code == 1
    (zoo.folder / "deadly_extension.py").write_text("")
    program("enqueue", "demo")
    assert program.apart("run", "--until-empty").code == 0
    assert listed(program, "deadly")["status"] == "found"


def test_a_check_that_loads_what_was_left_out_forgets_that(program: Program, zoo: Zoo) -> None:
    zoo.extension("deadly", "")
    left_out_plugins().write(["extension deadly deadly-dist 1.0", "extension deadly deadly-dist 0.9"])
    assert listed(program, "deadly")["status"] == "broken"
    assert program("plugins", "check", "deadly").code == 0
    assert listed(program, "deadly")["status"] == "found"
    assert left_out_plugins().read() == ("extension deadly deadly-dist 0.9",)


def test_p1_a_worker_plugin_that_ends_its_process_at_import_burns_no_attempt(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, caplog: pytest.LogCaptureFixture
) -> None:
    zoo.worker("demo", imported="import os\nos._exit(3)")
    zoo.worker("good")
    queue.enqueue([NewTask(type=name, params={}, max_attempts=1) for name in ("demo", "good", "demo")])
    service = make_service()
    with caplog.at_level(logging.WARNING, "ytworker"):
        assert service.run(concurrency=1, until_empty=True) == 1
    found = [(task.type, task.state, task.attempt) for task in queue.tasks(TaskFilter())]
    assert sorted(found) == [
        ("demo", TaskStatus.QUEUED, 0),
        ("demo", TaskStatus.QUEUED, 0),
        ("good", TaskStatus.COMPLETED, 1),
    ]
    assert "the worker demo of demo-dist, 3 times in a row" in caplog.text
    assert "3 times in a row" in service.waiting_for_plugins()["demo"]


def test_two_deaths_are_no_reason_to_leave_a_plugin_out(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, home: Any
) -> None:
    zoo.worker("demo", "context.checkpoint.save(loaded)\nreturn []", imported="from flaky_extension import loaded")
    zoo.extension(
        "flaky",
        "import os, pathlib\nhome = pathlib.Path(os.environ['HOME'])\nloaded = len(list(home.glob('try-*')))\n"
        "if loaded < 2:\n    (home / f'try-{loaded}').touch()\n    os._exit(3)",
    )
    queue.enqueue([NewTask(type="demo", params={}, max_attempts=1)])
    service = make_service()
    assert service.run(concurrency=1, until_empty=True) == 1
    (task,) = queue.tasks(TaskFilter())
    assert (task.state, task.attempt) == (TaskStatus.COMPLETED, 1)
    assert service.registry.info("flaky", PluginKind.EXTENSION).state == "found"
    assert left_out_plugins().read() == ()


@pytest.mark.parametrize("by", ["the time to load", "the deadline"])
def test_p1_an_extension_that_hangs_at_import_is_left_out(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    zoo.worker("demo")
    zoo.extension("slow", "import time\ntime.sleep(600)")
    service = make_service(grace_seconds=0.1)
    seconds = 900.0
    if by == "the deadline":
        seconds = 0.2
        service._clock = service._steady = lambda: time.time_ns() // 1000
    else:
        limits = replace(service._limits(), load_seconds=0.2)
        monkeypatch.setattr(Service, "_limits", lambda _self: limits)
    queue.enqueue([NewTask(type="demo", params={}, max_attempts=1, timeout_seconds=seconds)])
    service.run(concurrency=1, until_empty=True)
    info = service.registry.info("slow", PluginKind.EXTENSION)
    assert info.state == "broken"
    assert "did not come back while it loaded the extension slow of slow-dist" in (info.reason or "")


def test_p1_an_extension_that_is_required_stops_the_worker(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue
) -> None:
    zoo.worker("demo")
    zoo.extension("deadly", "import os\nos._exit(3)")
    queue.enqueue([NewTask(type="demo", params={}, max_attempts=1) for _ in range(2)])
    with pytest.raises(PluginsRefusedError, match=r"strict_plugins is on, and a process ended with .* deadly"):
        make_service(strict_plugins=True).run(concurrency=1, until_empty=True)
    assert queue.counts()[TaskStatus.QUEUED] == 2
    assert {task.attempt for task in queue.tasks(TaskFilter())} == {0}
    assert left_out_plugins().read() == ()
