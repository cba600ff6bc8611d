"""Children: what a plugin may do to its own process, and what never reaches anybody else."""

import errno
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plugin_helpers import ONE_ITEM, PROGRAM, Done, MakeService, Program, Until, Zoo
from ytworker.engine.channel import Channel, LineTooLongError
from ytworker.engine.child import Wire
from ytworker.engine.children import ForkServer, describe
from ytworker.engine.forkserver import REFUSED
from ytworker.errors import ChildrenError
from ytworker.model import NewTask, TaskStatus
from ytworker.queue.sqlite import SQLiteQueue, database
from ytworker.settings import sqlite_url

pytest_plugins = ["plugin_fixtures"]
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@pytest.fixture
def url(home: Path) -> str:
    """The queue of the program."""
    return sqlite_url(home / "data" / "ytworker" / "queue.db")


@pytest.fixture
def settings(home: Path, program: Program) -> Any:
    """Write settings for the program."""

    def write(text: str) -> None:
        file = home / "config" / "ytworker" / "config.toml"
        file.parent.mkdir(parents=True)
        file.write_text(text, "utf-8")

    return write


@pytest.fixture
def reap(until: Until, home: Path) -> Iterator[Any]:
    """Wait until every process that wrote its number into the home folder is gone; whatever is left is killed."""

    def left() -> list[int]:
        numbers = [int(file.name.partition("-")[2]) for file in home.glob("pid-*")]
        return [number for number in numbers if alive(number)]

    yield lambda: until(lambda: not left())
    for number in left():
        os.kill(number, signal.SIGKILL)


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and was not buried yet does not."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat")
        return not stat.exists() or stat.read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


NOTE_PID = "import os, pathlib\npathlib.Path(os.environ['HOME'], f'pid-{os.getpid()}').touch()\n"


def tasks(program: Program) -> dict[str, Any]:
    return {task["type"]: task for task in json.loads(program("tasks", "list", "--json").out)}


def enqueue_once(program: Program, seconds: float) -> None:
    """Enqueue what may be tried once, and for so long; only this task, or a slow machine would end others by it."""
    file = program.folder / "task.jsonl"
    file.write_text(json.dumps({"params": {}, "max_attempts": 1, "timeout": seconds}), "utf-8")
    assert program("enqueue", "demo", "--from-file", str(file)).code == 0


def work(program: Program, *options: str) -> Done:
    return program.apart("run", "--until-empty", *options)


# -- poison: a scrape that takes its process down, one that does not stop, and one that takes all it can get

NONSENSE = """
import os, time
for n in range(3, 64):
    try: os.write(n, b'{"kind":"nope"}\\n')
    except OSError: pass
time.sleep(60)
"""
DEADLY = {
    "os._exit": ("import os\nos._exit(3)", "ended with exit code 3", "bug"),
    "success at once": ("import os\nos._exit(0)", "ended with exit code 0", "bug"),
    "segmentation fault": ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "killed by SIGSEGV", "bug"),
    "abort": ("import os\nos.abort()", "killed by SIGABRT", "bug"),
    "killed": ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL", "resource"),
    "its group killed": ("import os, signal\nos.killpg(0, signal.SIGTERM)", "killed by SIGTERM", "bug"),
    "every descriptor closed": ("import os, time\nos.closerange(3, 4096)\ntime.sleep(60)", "SIGKILL", "resource"),
    "nonsense on its socket": (
        NONSENSE,
        "does not understand",
        "bug",
    ),
    "a sleep beyond all numbers": ("context.sleep(2**2000)", "takes 0 to 86400 seconds", "bug"),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", "raised KeyboardInterrupt", "bug"),
}


@pytest.mark.parametrize(("body", "words", "error_class"), DEADLY.values(), ids=DEADLY)
def test_q1_a_scrape_that_takes_its_process_down_harms_no_other(
    program: Program, zoo: Zoo, body: str, words: str, error_class: str
) -> None:
    zoo.worker("demo", body)
    zoo.worker("good")
    program("enqueue", "good")
    program("enqueue", "demo", "--max-attempts", "1")
    program("enqueue", "good")
    done = work(program, "--concurrency", "1", "--strategy", "fifo")
    assert done.code == 0, done.err
    shown = json.loads(program("tasks", "list", "--json").out)
    assert sorted(task["state"] for task in shown if task["type"] == "good") == ["completed", "completed"]
    (dead,) = json.loads(program("dead", "list", "--flat", "--json").out)
    assert (dead["attempt"], dead["error_class"]) == (1, error_class)
    assert words in dead["error"]
    assert json.loads(program("status", "--json").out)["workers"] == []


HANGING = {
    "an endless loop": "while True: pass",
    "an endless loop in C": "sum(iter(int, 1))",
    "an endless search": "import re\nre.match('(a+)+$', 'a' * 64 + 'b')",
    "a sleep": "import time\ntime.sleep(600)",
    "deaf to SIGTERM": (
        "import signal, time\nfor n in (signal.SIGTERM, signal.SIGINT): signal.signal(n, signal.SIG_IGN)\n"
        "time.sleep(600)"
    ),
    "stopped": "import signal\nos.kill(os.getpid(), signal.SIGSTOP)",
    "with children of its own": (
        "import subprocess, time\n"
        "for n in range(20):\n    p = subprocess.Popen(['sleep', '600'])\n"
        "    pathlib.Path(os.environ['HOME'], f'pid-{p.pid}').touch()\ntime.sleep(600)"
    ),
    "a fork bomb with a fuse": (
        "import time\nfor n in range(5): os.fork()\n"
        "pathlib.Path(os.environ['HOME'], f'pid-{os.getpid()}').touch()\ntime.sleep(600)"
    ),
    "swallowing what should stop it": ("while True:\n    try: context.sleep(0.01)\n    except BaseException: pass"),
}


@pytest.mark.parametrize("body", HANGING.values(), ids=HANGING)
def test_q1_a_scrape_that_does_not_stop_is_killed_with_all_that_it_started(
    program: Program, zoo: Zoo, settings: Any, reap: Any, body: str
) -> None:
    settings("grace_seconds = 0.2")
    zoo.worker("demo", NOTE_PID + body)
    zoo.worker("good")
    enqueue_once(program, seconds=1)
    program("enqueue", "good")
    done = work(program)
    assert done.code == 0, done.err
    reap()
    found = tasks(program)
    assert found["good"]["state"] == "completed"
    assert (found["demo"]["state"], found["demo"]["error_class"]) == ("dead", "resource")
    assert "took longer than 1 s" in found["demo"]["error"]


ESCAPING = {
    "a session of its own": "p = subprocess.Popen(['sleep', '600'], start_new_session=True)\nnote(p.pid)",
    "a daemon": (
        "if os.fork() == 0:\n    os.setsid()\n    pid = os.fork()\n    if pid: note(pid)\n"
        "    else: os.execvp('sleep', ['sleep', '600'])\n    os._exit(0)\nos.wait()"
    ),
    "a daemon with children that hide as well": (
        "if os.fork() == 0:\n    os.setsid()\n    for n in range(3):\n        if os.fork() == 0: os.setsid()\n"
        "    note(os.getpid())\n    time.sleep(600)\n"
        "while len(list(pathlib.Path(os.environ['HOME']).glob('pid-*'))) < 9: time.sleep(0.01)"
    ),
}
LINUX = pytest.mark.skipif(
    not Path(f"/proc/self/task/{os.getpid()}/children").exists(), reason="only Linux tells who descends from whom"
)
NOTE = "import subprocess, time\ndef note(pid): pathlib.Path(os.environ['HOME'], f'pid-{pid}').touch()\n"


@LINUX
@pytest.mark.parametrize(
    ("body", "end"),
    [
        (ESCAPING["a session of its own"], "while True: pass"),
        (ESCAPING["a daemon"], "return []"),
        (ESCAPING["a daemon with children that hide as well"], "os._exit(3)"),
    ],
    ids=ESCAPING,
)
def test_q1_what_leaves_its_group_is_found_and_killed(
    program: Program, zoo: Zoo, settings: Any, reap: Any, body: str, end: str
) -> None:
    settings("grace_seconds = 0.2")
    zoo.worker("demo", f"{NOTE_PID}{NOTE}{body}\n{end}")
    zoo.worker("good")
    enqueue_once(program, seconds=2 if end.startswith("while") else 900)
    program("enqueue", "good")
    done = work(program)
    assert done.code == 0, done.err
    reap()
    found = tasks(program)
    assert found["good"]["state"] == "completed"
    assert found["demo"]["state"] == ("completed" if end == "return []" else "dead")


def killed_beside_a_good_one(program: Program, zoo: Zoo, reap: Any, body: str) -> str:
    """Do a task of this body beside a good one; it must die for what it used, with all its processes. Gives why."""
    zoo.worker("demo", NOTE_PID + body)
    zoo.worker("good")
    program("enqueue", "demo", "--max-attempts", "1")
    program("enqueue", "good")
    done = work(program)
    assert done.code == 0, done.err
    reap()
    found = tasks(program)
    assert found["good"]["state"] == "completed"
    assert (found["demo"]["state"], found["demo"]["error_class"]) == ("dead", "resource")
    return str(found["demo"]["error"])


MULTIPLYING = {
    "children": (
        "import subprocess, time\nfor n in range(20):\n    p = subprocess.Popen(['sleep', '600'])\n"
        "    pathlib.Path(os.environ['HOME'], f'pid-{p.pid}').touch()\ntime.sleep(600)"
    ),
    "daemons": "import time\nfor n in range(12):\n    "
    + ESCAPING["a daemon"].replace("\n", "\n    ")
    + "\ntime.sleep(600)",
    "children of children": (
        "import time\nfor n in range(5): os.fork()\n"
        "pathlib.Path(os.environ['HOME'], f'pid-{os.getpid()}').touch()\ntime.sleep(600)"
    ),
}


@LINUX
@pytest.mark.parametrize("body", MULTIPLYING.values(), ids=MULTIPLYING)
def test_q1_a_scrape_that_starts_very_many_processes_is_ended_with_all_of_them(
    program: Program, zoo: Zoo, settings: Any, reap: Any, body: str
) -> None:
    settings("max_processes = 8")
    assert "more than 8 processes" in killed_beside_a_good_one(program, zoo, reap, NOTE + body)


@LINUX
def test_q1_processes_that_ended_count_no_more(program: Program, zoo: Zoo, settings: Any) -> None:
    settings("max_processes = 2")
    ended = (
        "for n in range(9):\n    pid = os.fork()\n    if pid == 0: os._exit(0)\n"
        "    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)\n"  # it has ended, and nobody has buried it
    )
    zoo.worker("demo", f"import os, time\n{ended}for n in range(8): context.sleep(0.1)\nreturn []")
    program("enqueue", "demo", "--max-attempts", "1")
    assert work(program).code == 0
    assert tasks(program)["demo"]["state"] == "completed"


def test_q1_a_plugin_whose_import_hangs_is_killed_at_the_deadline(
    program: Program, zoo: Zoo, settings: Any, reap: Any, url: str
) -> None:
    settings("grace_seconds = 0.2")
    zoo.worker("demo", imported=f"{NOTE_PID}import time\ntime.sleep(600)")
    zoo.worker("good")
    queue = SQLiteQueue(url)  # `enqueue` asks the plugin for its parameters, and would hang here
    for name, seconds in (("good", 60), ("demo", 1), ("good", 60)):
        queue.enqueue([NewTask(type=name, params={}, max_attempts=1, timeout_seconds=seconds)])
    queue.close()
    done = work(program, "--concurrency", "1", "--strategy", "fifo")
    assert done.code == 0, done.err
    reap()
    assert [(each["type"], each["state"], each["attempt"]) for each in all_tasks(program)] == [
        ("good", "completed", 1),
        ("demo", "dead", 1),
        ("good", "completed", 1),
    ]
    assert tasks(program)["demo"]["error_class"] == "resource"


@pytest.mark.parametrize("options", [(), ("--inline",)], ids=["children", "inline"])
@pytest.mark.parametrize("how", ["yielded", "saved"])
def test_p3_what_the_store_refuses_costs_no_other_task(
    program: Program, zoo: Zoo, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], how: str
) -> None:
    connect = database._connect

    def narrow(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 200_000)
        return connection

    monkeypatch.setattr(database, "_connect", narrow)
    save = "\ncontext.checkpoint.save(1)" if how == "saved" else ""
    zoo.worker("demo", f"yield {{'source': 's', 'kind': 'video', 'id': '1', 'text': 'x' * 300_000}}{save}")
    zoo.worker("good")
    for name in ("good", "demo", "good", "demo", "good"):
        program("enqueue", name, "--max-attempts", "1")
    done = program("run", "--until-empty", *options)
    assert done.code == 0, done.err
    states = [(task["type"], task["state"]) for task in json.loads(program("tasks", "list", "--json").out)]
    assert sorted(states) == [("demo", "dead")] * 2 + [("good", "completed")] * 3
    dead = json.loads(program("dead", "list", "--flat", "--json").out)
    assert {each["error_class"] for each in dead} == {"invalid" if how == "saved" else "bug"}
    assert all("cannot be stored" in each["error"] for each in dead)


def test_a_scrape_that_looks_is_told_of_its_deadline_before_it_is_killed(
    program: Program, zoo: Zoo, settings: Any
) -> None:
    settings("grace_seconds = 30\ntimeout_seconds = 0.3")
    note = "import pathlib, os\npathlib.Path(os.environ['HOME'], 'looked').touch()\n"
    zoo.worker("demo", f"import time\nwhile not context.cancelled: time.sleep(0.02)\n{note}return []")
    program("enqueue", "demo", "--max-attempts", "1")
    assert work(program).code == 0
    assert Path(os.environ["HOME"], "looked").exists()
    assert tasks(program)["demo"]["error_class"] == "resource"


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system does not enforce RLIMIT_DATA")
def test_q1_two_gigabytes_are_a_memory_error(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", "data = bytearray(2 << 30)\nreturn []")
    zoo.worker("good")
    program("enqueue", "good")
    program("enqueue", "demo", "--max-attempts", "1")
    assert work(program).code == 0
    found = tasks(program)
    assert (found["demo"]["state"], found["demo"]["error_class"]) == ("dead", "resource")
    assert found["good"]["state"] == "completed"


TOO_LARGE = {
    "shared memory": "import mmap\ndata = mmap.mmap(-1, 300 << 20)",
    "a file in memory": (
        "import mmap\nfile = os.memfd_create('data')\nos.ftruncate(file, 300 << 20)\ndata = mmap.mmap(file, 300 << 20)"
    ),
    "helpers that are small each": (
        "for n in range(3):\n    if os.fork() == 0:\n        data = bytearray(b'x') * (90 << 20)\n"
        "        pathlib.Path(os.environ['HOME'], f'pid-{os.getpid()}').touch()\n        time.sleep(600)\n"
        "        os._exit(0)\ndata = bytearray(4096)"
    ),
}


@LINUX
@pytest.mark.parametrize("body", TOO_LARGE.values(), ids=TOO_LARGE)
def test_q1_memory_that_no_allocation_counts_ends_a_scrape_as_well(
    program: Program, zoo: Zoo, settings: Any, reap: Any, body: str
) -> None:
    settings("memory_mb = 200")
    touch = "for place in range(0, len(data), 4096): data[place] = 1\n"
    body = f"import time\n{body}\n{touch}for n in range(300): context.sleep(0.1)\nreturn []"
    why = killed_beside_a_good_one(program, zoo, reap, body)
    assert "MB of memory, more than the 200 MB that memory_mb allows" in why


@LINUX
def test_q1_what_processes_share_counts_once(program: Program, zoo: Zoo, settings: Any) -> None:
    settings("memory_mb = 200")
    helpers = (
        "helpers = []\nfor n in range(9):\n    helpers.append(os.fork())\n    if helpers[-1] == 0:\n"
        "        time.sleep(3)\n        os._exit(0)\nfor helper in helpers: os.waitpid(helper, 0)"
    )
    zoo.worker("demo", f"import os, time\ndata = bytearray(b'x') * (60 << 20)\n{helpers}\nreturn []")
    program("enqueue", "demo", "--max-attempts", "1")
    assert work(program).code == 0
    assert tasks(program)["demo"]["state"] == "completed"


@pytest.mark.parametrize(
    "harm",
    [
        "os.close(1)",
        "sys.stdout.close()",
        "os.close(1); os.close(2)",
        "sys.stderr.close()",
        "sys.stdout.detach(); sys.stderr = None",
        "import io; sys.stdout = sys.stderr = io.StringIO()",
    ],
)
def test_q1_streams_that_a_task_closed_are_there_for_the_next(program: Program, zoo: Zoo, harm: str) -> None:
    zoo.worker("demo", f"import os, sys\n{harm}\nyield {{'source': 's', 'kind': 'video', 'id': '1'}}")
    zoo.worker("good", f"import sys\nprint('to whom it may concern', file=sys.stderr)\nprint('loud')\n{ONE_ITEM}")
    for name in ("good", "demo", "good"):
        program("enqueue", name)
    done = work(program, "--concurrency", "1")
    assert done.stdout == b""
    assert done.err.count("loud") == done.err.count("to whom it may concern") == 2
    assert [task["state"] for task in json.loads(program("tasks", "list", "--json").out)] == ["completed"] * 3


# -- what a child is given


def test_s1_a_child_sees_no_variable_of_ours_and_only_the_sections_it_asked_for(
    program: Program, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YTWORKER_PLUGINS__OTHER__KEY", "canary-4711")
    monkeypatch.setenv("YTWORKER_PLUGINS__DEMO__KEY", "mine-4711")
    extra = "class S(BaseModel):\n    key: str\n@hookimpl\ndef get_settings():\n    return {'demo': S}\n"
    body = (
        "import gc, os\nassert not [n for n in os.environ if n.upper().startswith('YTWORKER_')]\n"
        "assert context.settings['demo'].key == 'mine-4711'\n"
        "word = 'canary' + '-4711'\n"
        "assert not [o for o in gc.get_objects() if isinstance(o, dict) and word in map(str, list(o.values())[:99])]\n"
        "return []"
    )
    zoo.worker("demo", body, extra=extra, imported="from pydantic import BaseModel")
    program("enqueue", "demo", "--max-attempts", "1")
    assert work(program).code == 0
    assert tasks(program)["demo"]["state"] == "completed", tasks(program)["demo"]["error"]


def test_the_parent_imports_no_plugin_and_hears_which_are_broken(program: Program, zoo: Zoo, url: str) -> None:
    mark = "import os, pathlib\npathlib.Path(os.environ['HOME'], f'loaded-{os.getpid()}').touch()"
    zoo.worker("demo", "context.enqueue('later', {'n': 1})\nreturn []", imported=mark)
    zoo.worker("later", "return []", imported=mark)
    zoo.worker("broken", imported=f"{mark}\nraise ImportError('a part is missing')")
    queue = SQLiteQueue(url)
    queue.enqueue([NewTask(type=name, params={}) for name in ("demo", "broken", "broken")])
    queue.close()
    process = program.start("run", "--until-empty")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    found = tasks(program)
    assert [found[name]["state"] for name in ("demo", "later", "broken")] == ["completed", "completed", "queued"]
    assert found["broken"]["attempt"] == 0
    loaded = {int(file.name.partition("-")[2]) for file in Path(os.environ["HOME"]).glob("loaded-*")}
    assert loaded
    assert process.pid not in loaded


def test_async_plugins_and_what_is_logged_cross_over(program: Program, zoo: Zoo) -> None:
    zoo.worker(
        "demo", f"async def each():\n    context.logger.warning('a \\x1b[31mred word')\n    {ONE_ITEM}\nreturn each()"
    )
    program("enqueue", "demo")
    done = program.apart("--log-format", "json", "run", "--until-empty")
    records = [json.loads(line) for line in done.err.splitlines() if line.startswith("{")]
    (said,) = [each for each in records if each["logger"] == "ytworker.plugin.demo"]
    assert (said["message"], said["job_id"], said["attempt"]) == ("a red word", "1", 1)
    assert tasks(program)["demo"]["state"] == "completed"


def test_p3_a_million_items_are_stopped_by_their_bound(program: Program, zoo: Zoo) -> None:
    body = """
    for n in range(10**6):
        try:
            yield {"source": "s", "kind": "video", "id": str(n)}
        except Exception:
            pass
    """
    zoo.worker("demo", body)
    program("enqueue", "demo", "--max-attempts", "1")
    assert work(program).code == 0
    assert tasks(program)["demo"]["error_class"] == "invalid"
    assert "10000 items" in tasks(program)["demo"]["error"]


def test_p3_an_item_of_twenty_megabytes_is_refused(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", "yield {'source': 's', 'kind': 'video', 'id': '1', 'text': 'x' * (20 << 20)}")
    program("enqueue", "demo", "--max-attempts", "1")
    assert work(program).code == 0
    assert "16 MiB are the most" in tasks(program)["demo"]["error"]


NONSENSICAL = {
    "nothing that JSON knows": ("yield {'source': 's', 'kind': 'video', 'id': '1', 'extra': {'a': {1, 2}}}", "no item"),
    "a wrong type": ("yield {'source': 's', 'kind': 'video', 'id': '1', 'metrics': {'views': '1.2M'}}", "no item"),
    "an unknown field": ("yield {'source': 's', 'kind': 'video', 'id': '1', 'nope': 1}", "no item"),
    "no id": ("yield {'source': 's', 'kind': 'video', 'id': ''}", "without id"),
    "an endless id": ("yield {'source': 's', 'kind': 'video', 'id': 'x' * 501}", "no item"),
    "an item that was not checked": ("yield Item.model_construct(source='s', kind='v', id=7)", ""),
    "a number": ("yield 7", "yield ytworker.Item or a dict"),
    "no list": ("return 7", "return a list of items"),
    "one that contains itself": ("v = []\nv.append(v)\nyield {'source': 's', 'id': '1', 'extra': {'v': v}}", ""),
}


def test_p3_what_is_no_item_is_a_bug_of_its_plugin_alone(program: Program, zoo: Zoo) -> None:
    for number, (body, _) in enumerate(NONSENSICAL.values()):
        zoo.worker(f"demo{number}", body)
        program("enqueue", f"demo{number}", "--max-attempts", "1")
    zoo.worker("good")
    program("enqueue", "good")
    done = work(program)
    assert done.code == 0, done.err
    found = tasks(program)
    assert found["good"]["state"] == "completed"
    for number, (name, (_, words)) in enumerate(NONSENSICAL.items()):
        task = found[f"demo{number}"]
        assert (task["state"], task["error_class"]) == ("dead", "bug"), name
        assert words in task["error"], name


def test_p3_items_after_a_cancel_are_not_kept(program: Program, zoo: Zoo, until: Until, home: Path) -> None:
    body = """
    import time
    pathlib.Path(os.environ["HOME"], f"pid-{os.getpid()}").touch()
    while not pathlib.Path(os.environ["HOME"], "cancelled").exists(): time.sleep(0.01)
    for n in range(500):
        try: yield {"source": "s", "kind": "video", "id": str(n)}
        except Exception: pass
    """
    zoo.worker("demo", body, imported="import os, pathlib")
    program("enqueue", "demo")
    process = program.start("run", "--max-tasks", "1", "--until-empty")
    until(lambda: list(home.glob("pid-*")))
    assert program("tasks", "cancel", "1").code == 0
    (home / "cancelled").touch()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert tasks(program)["demo"]["state"] == "cancelled"
    assert json.loads(program("items", "list", "--json").out) == []


def test_q3_one_attempt_can_enqueue_only_so_many_tasks(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", "for n in range(10**6): context.enqueue('later', {'n': n})")
    zoo.worker("later", "return []")
    program("enqueue", "demo", "--max-attempts", "1")
    assert work(program).code == 0
    found = tasks(program)
    assert set(found) == {"demo"}, "a failed attempt leaves no follow-ups behind"
    assert (found["demo"]["state"], found["demo"]["error_class"]) == ("dead", "invalid")
    assert "at most 1000 follow-up tasks" in found["demo"]["error"]


def test_q3_who_swallows_the_refusal_gets_no_more(program: Program, zoo: Zoo) -> None:
    body = """
    for n in range(1200):
        try: context.enqueue("later", {"n": n})
        except Exception: pass
    return []
    """
    zoo.worker("demo", body)
    zoo.worker("later", "return []")
    program("enqueue", "demo", "--max-attempts", "1")
    assert work(program, "--max-tasks", "1").code == 0
    assert json.loads(program("status", "--json").out)["tasks"]["queued"] == 1000


def test_a_child_makes_room_for_a_fresh_one(program: Program, zoo: Zoo, settings: Any) -> None:
    settings("recycle_after_tasks = 3")
    zoo.worker("demo", f"{NOTE_PID}return []")
    for _ in range(8):
        program("enqueue", "demo")
    assert work(program, "--concurrency", "1").code == 0
    assert len(list(Path(os.environ["HOME"]).glob("pid-*"))) == 3
    assert tasks(program)["demo"]["attempt"] == 1


def test_a_child_that_has_grown_makes_room_for_a_fresh_one(program: Program, zoo: Zoo, settings: Any) -> None:
    settings("recycle_rss_mb = 120")
    zoo.worker("demo", f"{NOTE_PID}kept.append(b'x' * (100 << 20))\nreturn []", extra="kept = []")
    for _ in range(3):
        program("enqueue", "demo")
    assert work(program, "--concurrency", "1").code == 0
    assert len(list(Path(os.environ["HOME"]).glob("pid-*"))) == 3


def test_plugins_are_closed_at_the_end(program: Program, zoo: Zoo, home: Path) -> None:
    source = """
        import os, pathlib
        from ytworker import *
        class Plugin(PluginBase):
            def get_task_type(self): return "demo"
            def close(self): pathlib.Path(os.environ["HOME"], "closed").touch()
            def scrape(self, params, context): return []
    """
    zoo.install("d", entry_points={"ytworker.workers": {"demo": "demo_p:Plugin"}}, modules={"demo_p": source})
    program("enqueue", "demo")
    assert work(program).code == 0
    assert (home / "closed").exists()


# -- the life of the worker


SLOW = NOTE_PID + "import time\ntime.sleep(600)\nreturn []"


OUTLIVING = [SLOW, NOTE_PID + "while True: pass", HANGING["with children of its own"]]
HIDING = NOTE + ESCAPING["a daemon with children that hide as well"] + "\ntime.sleep(600)"


@pytest.mark.parametrize("body", [*OUTLIVING, pytest.param(HIDING, marks=LINUX)])
def test_q1_nothing_outlives_a_worker_that_is_killed(
    program: Program, zoo: Zoo, until: Until, home: Path, reap: Any, body: str
) -> None:
    zoo.worker("demo", NOTE_PID + body)
    for _ in range(2):
        program("enqueue", "demo")
    process = program.start("run")
    try:
        until(lambda: len(list(home.glob("pid-*"))) >= 2)
    finally:
        process.kill()
        process.communicate(timeout=30)
    reap()


def test_one_handed_ahead_goes_back_unburned_when_the_task_before_it_is_long(
    program: Program, zoo: Zoo, until: Until, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Even on a slow machine the third is short; the first takes the start of a child as well.
    monkeypatch.setattr("ytworker.engine.member.SHORT_SECONDS", 3.0)
    body = (
        "import time\nif context.task.id == 4:\n"
        "    while not pathlib.Path(os.environ['HOME'], 'go').exists(): time.sleep(0.02)\nreturn []"
    )
    zoo.worker("demo", NOTE_PID + body)
    for _ in range(6):
        program("enqueue", "demo")
    began: list[tuple[str, int]] = []

    def watch() -> None:
        def events() -> list[str]:
            return [each["event"] for each in json.loads(program.apart("tasks", "show", "5", "--json").out)["events"]]

        try:
            until(lambda: "returned" in events())
            found = json.loads(program.apart("tasks", "list", "--json").out)
            began.extend((task["state"], task["attempt"]) for task in reversed(found))
        finally:
            (home / "go").touch()

    watcher = threading.Thread(target=watch)
    watcher.start()
    done = program("run", "--concurrency", "1", "--strategy", "fifo", "--until-empty")
    watcher.join()
    assert done.code == 0, done.err
    assert began == [("completed", 1)] * 3 + [("claimed", 1)] + [("queued", 0)] * 2
    assert [(task["state"], task["attempt"]) for task in all_tasks(program)] == [("completed", 1)] * 6


def shown(program: Program, task_id: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(program("tasks", "show", str(task_id), "--json").out)
    return found


def all_tasks(program: Program) -> list[dict[str, Any]]:
    return list(reversed(json.loads(program("tasks", "list", "--json").out)))


def test_several_tasks_run_at_a_time(program: Program, zoo: Zoo) -> None:
    body = (
        "import time\nhome = pathlib.Path(os.environ['HOME'])\n"
        "while len(list(home.glob('pid-*'))) < 3: time.sleep(0.02)\nreturn []"
    )
    zoo.worker("demo", NOTE_PID + body)
    for _ in range(3):
        program("enqueue", "demo")
    assert work(program, "--concurrency", "3").code == 0
    assert [task["state"] for task in all_tasks(program)] == ["completed"] * 3


def test_what_was_handed_ahead_goes_back_at_the_first_signal(
    program: Program, zoo: Zoo, until: Until, home: Path
) -> None:
    body = """
    import time
    (pathlib.Path(os.environ["HOME"]) / f"began-{context.task.id}").touch()
    if context.task.id == 10:
        os.kill(int(pathlib.Path(os.environ["HOME"], "worker").read_text()), signal.SIGTERM)
    return []
    """
    zoo.worker("demo", body, imported="import os, pathlib, signal")
    for _ in range(40):
        program("enqueue", "demo")
    process = program.start("run", "--concurrency", "1", "--strategy", "fifo")
    (home / "worker").write_text(str(process.pid))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    found = all_tasks(program)
    assert {(task["state"], task["attempt"]) for task in found} == {("completed", 1), ("queued", 0)}
    done = [int(task["id"]) for task in found if task["state"] == "completed"]
    assert sorted(int(file.name.partition("-")[2]) for file in home.glob("began-*")) == done
    assert 10 <= max(done) < 40


def test_ctrl_c_in_a_terminal_reaches_the_worker_and_not_its_children(
    program: Program, zoo: Zoo, until: Until, home: Path
) -> None:
    body = "import time\nwhile not pathlib.Path(os.environ['HOME'], 'go').exists(): time.sleep(0.02)\nreturn []"
    zoo.worker("demo", NOTE_PID + body)
    program("enqueue", "demo")
    process = subprocess.Popen(
        [PROGRAM, "run"], env=program.env(), stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        until(lambda: list(home.glob("pid-*")))
        os.killpg(process.pid, signal.SIGINT)
        assert process.stderr is not None
        heard = b""
        while b"stopping" not in heard:
            heard += process.stderr.readline()
        (home / "go").touch()
        process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert tasks(program)["demo"]["state"] == "completed"


def test_a_cancelled_task_that_does_not_look_is_killed(
    program: Program, zoo: Zoo, until: Until, home: Path, settings: Any, reap: Any
) -> None:
    settings("grace_seconds = 0.2")
    zoo.worker("demo", SLOW)
    program("enqueue", "demo")
    process = program.start("run", "--until-empty")
    try:
        until(lambda: list(home.glob("pid-*")))
        assert program("tasks", "cancel", "1").code == 0
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, err
    reap()
    assert tasks(program)["demo"]["state"] == "cancelled"


def test_the_lease_of_a_worker_with_busy_children_is_kept(
    program: Program, zoo: Zoo, until: Until, home: Path, settings: Any, url: str
) -> None:
    settings("lease_seconds = 9")
    zoo.worker("demo", SLOW)
    program("enqueue", "demo")
    process = program.start("run")
    try:
        until(lambda: list(home.glob("pid-*")))
        queue = SQLiteQueue(url)
        (before,) = queue.workers()
        until(lambda: queue.workers()[0].lease_until > before.lease_until)
        queue.close()
        assert tasks(program)["demo"]["attempt"] == 1
    finally:
        process.kill()
        process.communicate(timeout=30)


# -- the fork server


@pytest.fixture
def server() -> Iterator[ForkServer]:
    server = ForkServer()
    yield server
    server.close()


def ended(server: ForkServer, until: Until) -> tuple[int, int]:
    found: list[tuple[int, int]] = []
    until(lambda: found.extend(server.endings()) or found)
    (ending,) = found
    return ending


def test_a_child_is_started_killed_and_reported(server: ForkServer, until: Until) -> None:
    pid, sock = server.start()
    with sock:
        until(lambda: os.getpgid(pid) == pid)  # it makes its group itself, right after the fork
        assert server.endings() == []
        server.kill(pid)
        assert ended(server, until) == (pid, -signal.SIGKILL)
    server.kill(pid)  # it is not there any more, and its number may be another's


def test_a_child_leaves_when_nobody_is_at_the_other_end(server: ForkServer, until: Until) -> None:
    pid, sock = server.start()
    sock.close()
    assert ended(server, until) == (pid, 0)


def test_a_fork_server_that_dies_is_told(until: Until) -> None:
    server = ForkServer()
    pid, sock = server.start()
    with sock:
        server._process.kill()
        server._process.wait()
        with pytest.raises(ChildrenError, match="start the worker again"):
            server.start()
        server.close()
        until(lambda: not alive(pid))


def test_a_worker_whose_fork_server_is_killed_counts_what_ran_and_goes_on_with_another(
    program: Program, zoo: Zoo, until: Until, home: Path, reap: Any
) -> None:
    zoo.worker("demo", f"{NOTE_PID}pathlib.Path(os.environ['HOME'], 'server').write_text(str(os.getppid()))\n{SLOW}")
    zoo.worker("good")
    for _ in range(2):
        program("enqueue", "demo", "--max-attempts", "1")
    process = program.start("run")
    try:
        until(lambda: len(list(home.glob("pid-*"))) == 2 and (home / "server").exists())
        os.kill(int((home / "server").read_text()), signal.SIGKILL)
        reap()
        program("enqueue", "good", "--max-attempts", "1")
        until(lambda: tasks(program)["good"]["state"] == "completed")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert err.count(b"the process that starts children was killed by SIGKILL") == 3  # said once, and of each task
    dead = [task for task in all_tasks(program) if task["type"] == "demo"]
    assert [(task["state"], task["attempt"], task["error_class"]) for task in dead] == [("dead", 1, "resource")] * 2
    assert json.loads(program("status", "--json").out)["workers"] == []


@LINUX
def test_what_has_left_its_group_is_killed_when_the_fork_server_is(
    program: Program, zoo: Zoo, home: Path, reap: Any
) -> None:
    body = ESCAPING["a daemon with children that hide as well"]
    kill = "os.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(600)"
    zoo.worker("demo", f"import signal\n{NOTE_PID}{NOTE}{body}\n{kill}")
    program("enqueue", "demo", "--max-attempts", "1")
    done = work(program)
    assert done.code == 0, done.err
    assert len(list(home.glob("pid-*"))) == 9
    reap()


def test_an_end_that_is_heard_while_another_child_starts_is_not_lost(server: ForkServer, until: Until) -> None:
    first, sock = server.start()
    server.kill(first)
    sock.close()
    until(lambda: not alive(first))
    second, sock = server.start()
    with sock:
        found = server.endings() if server.has_news else [ended(server, until)]
        assert (second != first, [pid for pid, _ in found]) == (True, [first])


def test_a_system_without_room_for_a_process_is_told(server: ForkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.start()[1].close()
    monkeypatch.setattr(server, "_answer", lambda: (REFUSED, 0, errno.EAGAIN))
    with pytest.raises(ChildrenError, match="no child process can be started: Resource temporarily unavailable"):
        server.start()


# -- the worker's end of a socket


@pytest.fixture
def pair() -> Iterator[tuple[Channel, socket.socket]]:
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    with theirs:
        yield channel, theirs
    channel.close()


def test_lines_come_whole_however_they_were_cut(pair: tuple[Channel, socket.socket]) -> None:
    channel, far = pair
    got = []
    for part in (b'{"a":', b"1}\n{", b'"b":2}\n\n{"c"', b":3}\n"):
        far.sendall(part)
        got += channel.receive()
    assert got == ['{"a":1}', '{"b":2}', "", '{"c":3}']
    assert channel.receive() == []
    far.close()
    assert (channel.receive(), channel.ended) == ([], True)


def test_what_does_not_fit_waits_for_room(pair: tuple[Channel, socket.socket]) -> None:
    channel, far = pair
    channel.send("x" * (4 << 20))
    assert channel.wants_to_write
    got = 0
    while got < (4 << 20) + 1:
        got += len(far.recv(1 << 20))
        channel.flush()
    assert not channel.wants_to_write


def test_a_line_without_an_end_is_refused(pair: tuple[Channel, socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    channel, far = pair
    monkeypatch.setattr("ytworker.engine.channel.MAX_LINE", 100)
    far.sendall(b"x" * 101)
    with pytest.raises(LineTooLongError):
        channel.receive()


def test_words_to_one_who_has_gone_are_dropped(pair: tuple[Channel, socket.socket]) -> None:
    channel, far = pair
    far.close()
    channel.send("hello")
    assert not channel.wants_to_write
    channel.finish()
    assert (channel.receive(), channel.ended) == ([], True)


# -- the child's end of a socket


def test_a_task_that_comes_before_an_answer_waits_for_its_turn() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire = Wire(theirs)
        ours.sendall(b'{"kind":"task","id":2}\n{"stop":"x"}\n')
        assert wire.conversation()('{"kind":"poll"}').strip() == '{"stop":"x"}'
        ours.shutdown(socket.SHUT_WR)
        assert [line.strip() for line in wire.tasks()] == ['{"kind":"task","id":2}']
        wire._reader.close()


def test_a_thread_that_outlives_its_task_does_not_speak_for_the_next(program: Program, zoo: Zoo) -> None:
    body = """
    if late:
        told.set()
        late.pop().join()
        assert len(refused) == 1, refused
    else:
        def outlive():
            told.wait(30)
            try:
                context.checkpoint.save("not mine")
            except RuntimeError as error:
                refused.append(str(error))
        late.append(threading.Thread(target=outlive))
        late[0].start()
    return []
    """
    zoo.worker("demo", body, imported="import threading\nlate, refused, told = [], [], threading.Event()")
    for _ in range(2):
        program("enqueue", "demo", "--max-attempts", "1")
    assert work(program, "--concurrency", "1").code == 0
    assert [(task["state"], task["error"]) for task in all_tasks(program)] == [("completed", None)] * 2


def test_a_process_that_a_plugin_forks_cannot_speak_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire = Wire(theirs)
        monkeypatch.setattr(wire, "_owner", -1)
        wire.tell("never sent")
        with pytest.raises(RuntimeError, match="before you fork"):
            wire.conversation()("never sent")
        ours.setblocking(False)
        with pytest.raises(BlockingIOError):
            ours.recv(1)
        wire._reader.close()


def test_without_fork_the_refusal_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fork")
    with pytest.raises(ChildrenError, match="--inline"):
        ForkServer()


def test_endings_are_told_in_words() -> None:
    assert describe(3) == "ended with exit code 3"
    assert describe(-11) == "was killed by SIGSEGV"
    assert describe(-9).startswith("was killed by SIGKILL (out of memory")
    assert describe(-64) == "was killed by SIGRTMAX"
    assert describe(-99) == "was killed by signal 99"


def test_the_fork_server_is_started_before_the_rest_is_loaded() -> None:
    heavy = "{'pydantic', 'ytworker.model', 'ytworker.service'} & set(sys.modules)"
    for module in ("ytworker.cli.run", "ytworker.engine.children"):
        done = subprocess.run(
            [sys.executable, "-c", f"import sys, {module}\nprint({heavy})"], capture_output=True, check=True, timeout=60
        )
        assert done.stdout.strip() == b"set()", module


# -- D1: a store that cannot be written


def test_d1_a_worker_with_children_sits_out_a_full_disk_and_then_goes_on_by_itself(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue
) -> None:
    zoo.worker("demo")
    service = make_service()
    for _ in range(2):
        service.enqueue("demo", {})
    queue._database.execute(
        "CREATE TEMP TRIGGER full BEFORE UPDATE OF status ON main.task WHEN NEW.status = 3 "
        "BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
    )
    waits: list[float] = []

    def free_some_space(seconds: float) -> None:
        waits.append(seconds)
        queue._database.execute("DROP TRIGGER full")

    service._sleep = free_some_space
    done = service.run(concurrency=1, stopping=lambda: queue.counts()[TaskStatus.COMPLETED] == 2)
    assert (done, waits) == (2, [1.0])
    assert [queue.get(n).attempt for n in (1, 2)] == [1, 1]


def test_a_process_that_ends_while_its_children_are_looked_for_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from ytworker.engine.forkserver import children_of

    def vanished(self: Path, pattern: str) -> Iterator[Path]:
        raise FileNotFoundError(self, pattern)

    monkeypatch.setattr(Path, "glob", vanished)
    assert children_of(os.getpid()) == []
