"""What a task leaves behind in its child, and what the next one finds there."""

import json
import resource
import sys

import pytest

from plugin_helpers import ONE_ITEM, MakeService, Program, Zoo
from ytworker import ErrorClass, TaskStatus
from ytworker.model import NewTask
from ytworker.plugins.discovery import PluginState
from ytworker.queue import TaskFilter, get_strategy
from ytworker.queue.sqlite import SQLiteQueue

pytest_plugins = ["plugin_fixtures"]
# -- what a scrape leaves behind in its child

LEAVES = {
    "open files": "import builtins, os\nbuiltins.kept = []\ntry:\n"
    "    while True: kept.append(os.open('/dev/null', 0))\nexcept OSError: pass\nreturn []",
    "a limit": "import resource\nhard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
    "resource.setrlimit(resource.RLIMIT_NOFILE, (8, hard))\nreturn []",
}


@pytest.mark.parametrize("what", LEAVES)
def test_p1_a_scrape_that_leaves_nothing_to_open_harms_no_other_plugin(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, what: str
) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    zoo.worker("leaky", LEAVES[what])
    zoo.worker("good", f"import json.tool, wave\n{ONE_ITEM}", imported="import colorsys, tabnanny")
    service = make_service()
    for _ in range(3):
        queue.enqueue([NewTask(type=name, params={}) for name in ("leaky", "good")])
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        service.run(concurrency=1, until_empty=True, strategy=get_strategy("fifo"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert [task.state for task in queue.tasks(TaskFilter())] == [TaskStatus.COMPLETED] * 6
    assert [task.attempt for task in queue.tasks(TaskFilter())] == [1] * 6
    assert service.registry.info("good").state is PluginState.FOUND


def test_a_plugin_that_cannot_be_loaded_for_want_of_something_is_not_broken(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue
) -> None:
    zoo.worker("good", imported="import os\nif os.environ.get('WANT'): raise OSError(24, 'Too many open files')")
    service = make_service()
    queue.enqueue([NewTask(type="good", params={}, max_attempts=1)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANT", "1")
        service.run(concurrency=1, until_empty=True)
    (task,) = queue.tasks(TaskFilter())
    assert task.error is not None
    assert (task.state, task.error.error_class) == (TaskStatus.DEAD, ErrorClass.RESOURCE)
    assert "short of memory or open files" in task.error.message
    assert service.registry.info("good").state is PluginState.FOUND


SILENCES = {
    "logging is switched off": "import logging\nlogging.disable(logging.CRITICAL)",
    "loggers are switched off": "import logging.config\nlogging.config.dictConfig({'version': 1})",
    "our handlers are gone": "import logging\nlogging.getLogger('ytworker').handlers.clear()\n"
    "logging.getLogger().handlers.clear()\nlogging.getLogger().setLevel(60)",
}


@pytest.mark.parametrize("what", SILENCES)
def test_a_task_silences_no_other(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    zoo.worker("quiet", f"{SILENCES[what]}\nreturn []")
    zoo.worker(
        "loud",
        "context.logger.warning('hear me')\nlogging.getLogger('lib').warning('and me')\nreturn []",
        imported="import logging",
    )
    queue.enqueue([NewTask(type=name, params={}) for name in ("loud", "quiet", "loud")])
    make_service().run(concurrency=1, until_empty=True, strategy=get_strategy("fifo"))
    told = [record.getMessage() for record in caplog.records if record.name.startswith("ytworker.plugin.")]
    assert told == ["hear me", "and me"] * 2


def test_an_alarm_that_a_task_leaves_behind_kills_no_other(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue
) -> None:
    zoo.worker("alarming", "import signal\nsignal.setitimer(signal.ITIMER_REAL, 0.3)\nreturn []")
    zoo.worker("good", f"import time\ntime.sleep(0.6)\n{ONE_ITEM}")
    queue.enqueue([NewTask(type=name, params={}, max_attempts=1) for name in ("alarming", "good")])
    make_service().run(concurrency=1, until_empty=True, strategy=get_strategy("fifo"))
    assert [task.state for task in queue.tasks(TaskFilter())] == [TaskStatus.COMPLETED] * 2


# -- in the foreground, where there is no child


def test_a_process_that_a_plugin_forks_does_not_go_on_as_a_second_program(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", f"os.fork()\n{ONE_ITEM}", imported="import os")
    done = program.apart("scrape", "demo", "--jsonl")
    assert done.code == 0
    assert len(done.out.splitlines()) == 1
    program("enqueue", "demo")
    program("enqueue", "demo")
    done = program.apart("--log-format", "console", "run", "--inline", "--until-empty")
    assert done.err.count("2 tasks done") == 1
    assert [task["state"] for task in json.loads(program("tasks", "list", "--json").out)] == ["completed"] * 3


def test_what_programs_of_a_plugin_write_is_no_data(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", f"os.write(1, b'raw')\nos.system('echo shell')\n{ONE_ITEM}", imported="import os")
    done = program.apart("scrape", "demo", "--jsonl")
    (line,) = done.out.splitlines()
    assert json.loads(line)["id"] == "1"
    assert "shell" in done.err


ODD_CALLS = {
    "context.budget('site').reserve('b', 1.5, limit=10, zone='UTC')": "cannot be interpreted as an integer",
    "context.budget(5)": "takes the name of a source, such as 'youtube', not 5",
    "context.budget(' ')": "takes the name of a source",
    "context.sleep(10**400)": "takes 0 to 86400 seconds",
    "context.sleep(-1)": "takes 0 to 86400 seconds",
    "context.sleep(float('nan'))": "takes 0 to 86400 seconds",
    "raise SystemExit(0)": "wanted to end the program (SystemExit 0)",
}


@pytest.mark.parametrize("call", ODD_CALLS)
def test_odd_calls_are_refused_in_words(zoo: Zoo, make_service: MakeService, call: str) -> None:
    zoo.worker("demo", f"{call}\nreturn []")
    service = make_service()
    done = service.scrape(service.check("demo", {}, max_attempts=1))
    assert done.error is not None
    assert done.error.error_class is ErrorClass.BUG
    assert ODD_CALLS[call] in done.error.message


def test_a_request_in_a_generator_that_is_closed_early_gives_its_place_back(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue
) -> None:
    body = "def pages():\n    with context.budget('site').request():\n        yield 1\n        yield 2\n"
    zoo.worker("demo", f"{body}for page in pages(): break\nseen.append(looks[0]())\nreturn []", extra="looks = []")
    service = make_service()
    task = service.check("demo", {})
    sys.modules["demo_plugin"].looks.append(lambda: queue.usage()[0].in_flight)
    service.scrape(task)
    assert zoo.seen("demo_plugin") == [0]
