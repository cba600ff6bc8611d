"""What a plugin writes to the worker's socket by itself harms its own task, and nobody else's."""

import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plugin_helpers import Done, Program, Zoo
from ytworker import TaskStatus
from ytworker.engine.channel import MOST_UNREAD, Channel
from ytworker.engine.child import Wire
from ytworker.engine.loop import CrewWorker
from ytworker.engine.member import Ended
from ytworker.engine.messages import encode, encode_about, is_a
from ytworker.engine.port import EX_FORKED
from ytworker.engine.suspects import Suspects
from ytworker.engine.worker import BaseWorker, WorkerDeps
from ytworker.errors import UnstorableError
from ytworker.model import ErrorClass, ErrorInfo, Item, NewTask, TaskResult
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.testing import FakeClock

pytest_plugins = ["plugin_fixtures"]
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

RAW = """
import gc, json, os, pathlib, time
from ytworker.engine.child import Wire

def raw(line):
    wire = next(each for each in gc.get_objects() if isinstance(each, Wire))
    wire._sock.sendall(line.encode() + b"\\n")

def ran(name):
    with pathlib.Path(os.environ["HOME"], name).open("a") as file:
        file.write("x")
"""
"""For a plugin that finds the socket which its child speaks through."""


@pytest.fixture
def impatient(home: Path) -> Callable[[float], None]:
    """Sets after how many seconds a task is late; what failed is tried again at once."""

    def write(seconds: float) -> None:
        file = home / "config" / "ytworker" / "config.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        words = f"timeout_seconds = {seconds}\ngrace_seconds = 0.5\n[retry.default]\nbase = 0.001\ncap = 0.001\n"
        file.write_text(words, "utf-8")

    write(50)
    return write


@pytest.fixture
def pair() -> Iterator[tuple[Channel, socket.socket]]:
    """A worker's and a child's end."""
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    yield channel, theirs
    channel.close()
    theirs.close()


def listed(program: Program) -> list[dict[str, Any]]:
    return list(reversed(json.loads(program("tasks", "list", "--json").out)))


def work(program: Program) -> Done:
    done = program.apart("run", "--strategy", "fifo", "--concurrency", "1", "--until-empty")
    assert done.code == 0, done.err
    return done


# -- fields

WRONG = [None, True, 1, -1, 2**63, 10**400, 0.5, 1e300, "x", [], ["x"], {}, {"a": 1}]
ERROR = {
    "error_class": "throttled",
    "type": "x",
    "message": "m",
    "traceback": "",
    "fingerprint": "f",
    "retry_after": None,
    "source": None,
    "offline": False,
}
QUOTA = {"source": "s", "bucket": "b", "limit": 5, "zone": "UTC", "cost": 1}
GOOD: dict[str, dict[str, Any]] = {
    "need": {"sections": ["demo"]},
    "items": {"items": [{"source": "s", "kind": "video", "id": "1"}], "doubts": {"0": "odd"}},
    "checkpoint": {"value": 1},
    "acquire": {"source": "s", "cost": 1, "hold": False, "paid": False},
    "leave": {"source": "s"},
    "hesitate": {"source": "s"},
    "reserve": QUOTA,
    "left": QUOTA,
    "exhaust": QUOTA,
    "enqueue": {"type": "good", "params": {}, "options": {}, "problems": []},
    "suspect": {"reason": "r"},
    "poll": {"sleep": 0.5, "progress": {"done": 1, "total": 2, "note": "n"}},
    "done": {},
    "failed": {"error": ERROR},
    "deferred": {"until": 1, "reason": "r"},
}
FITS: dict[str, list[Any]] = {
    "sections": [[], ["x"]],
    "items": [[]],
    "doubts": [{}],
    "value": WRONG,
    "source": ["x"],
    "bucket": ["x"],
    "zone": [],
    "cost": [1, -1, 2**63, 10**400],
    "limit": [1],
    "hold": [True],
    "paid": [True],
    "type": ["x"],
    "params": [{}, {"a": 1}],
    "options": [{}, {"a": 1}],
    "problems": [[], ["x"]],
    "reason": ["x"],
    "sleep": [True, 1, -1, 2**63, 0.5, 1e300],
    "done": [1, -1],
    "total": [None, 1, -1],
    "note": [None, "x"],
    "error_class": [],
    "message": ["x"],
    "traceback": ["x"],
    "fingerprint": ["x"],
    "retry_after": [None, True, 1, -1, 2**63, 0.5, 1e300],
    "offline": [True],
    "until": [None, 1, -1],
    "progress": [],
    "error": [],
}
"""Which of these wrong values are right for a field of that name."""


def variants(kind: str) -> Iterator[dict[str, Any]]:
    """Give messages of this kind, each with one field that is wrong, or without one that must be there."""

    def within(fields: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for name, right in fields.items():
            allowed = [None, *FITS[name]] if fields is ERROR and name == "source" else FITS[name]
            yield from ({**fields, name: value} for value in WRONG if _differs(value, allowed))
            if isinstance(right, dict) and name in {"error", "progress"}:
                yield from ({**fields, name: inner} for inner in within(right))

    return within(GOOD[kind])


def _differs(value: Any, allowed: list[Any]) -> bool:
    return not any(type(value) is type(each) and value == each for each in allowed)


@pytest.mark.parametrize("kind", [kind for kind in GOOD if GOOD[kind]])
def test_p3_no_field_of_a_message_is_taken_for_what_it_is_not(queue: SQLiteQueue, clock: FakeClock, kind: str) -> None:
    """Each is refused where a child can be killed for it, before anything is done about it."""
    from ytworker.engine.attempt import Attempt
    from ytworker.engine.budgets import Budgets
    from ytworker.engine.hearing import _SIGNS_OF_NONSENSE
    from ytworker.engine.messages import name_of
    from ytworker.engine.sharing import AttemptDeps

    def refuse(*_: Any, **__: Any) -> NewTask:
        pytest.fail("it was believed")

    deps = AttemptDeps(
        queue=queue,
        budgets=Budgets(queue, clock),
        sections={},
        settings_digest="",
        clock=clock,
        beat=lambda _seconds: None,
        check=refuse,
        steady=clock.steady,
    )
    queue.enqueue([NewTask(type="demo", params={})])
    (claim,) = queue.claim(queue.add_worker(lease_seconds=60), _fifo(), ["demo"])
    for fields in variants(kind):
        attempt = Attempt(claim, deps)
        with pytest.raises(_SIGNS_OF_NONSENSE):
            pytest.fail(f"{fields}: {attempt.exchange(encode_about(name_of(claim), {'kind': kind, **fields}))}")
        assert attempt.result is None


def _fifo() -> Any:
    from ytworker.queue import FIFOStrategy

    return FIFOStrategy


def line_of(kind: str, **fields: Any) -> str:
    """Give the source of a line that says this about the task of the plugin that writes it."""
    rest = f", **json.loads({json.dumps(fields)!r})"
    return f'raw(json.dumps({{"kind": {kind!r}, "of": OF{rest}}}, separators=(",", ":")))'


OF = 'OF = context._port._attempt if hasattr(context._port, "_attempt") else None'

ATTACKS = {
    "until is a text": line_of("deferred", until="soon", reason="x"),
    "until is beyond all time": line_of("deferred", until=2**63, reason="x"),
    "a reason is a list": line_of("deferred", until=None, reason=[]),
    "retry_after is a text": line_of("failed", error={**ERROR, "retry_after": "soon"}),
    "a fingerprint is a list": line_of("failed", error={**ERROR, "error_class": "bug", "fingerprint": ["f"]}),
    "an error lacks its class": line_of("failed", error={}),
    "progress counts objects": line_of("poll", progress={"done": {}, "total": None, "note": None}),
    "progress beyond all counting": line_of("poll", progress={"done": 2**63, "total": None, "note": None}),
    "a checkpoint that is infinite": 'raw(\'{"kind":"checkpoint","of":"%s","value":1e999}\' % OF)',
    "a memory that is no number": 'raw(\'{"kind":"state","rss":NaN}\')',
    "a plugin of others that is broken": line_of("state", plugin={"name": "good", "state": "broken", "reason": "x"}),
    "no kind": "raw('{}')",
    "nobody's message": 'raw(\'{"kind":"poll"}\')',
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.usefixtures("impatient")
def test_p3_a_line_that_a_plugin_writes_itself_ends_its_own_attempts_only(
    program: Program, zoo: Zoo, attack: str
) -> None:
    zoo.worker("bad", f"ran('bad')\n{OF}\n{attack}\ntime.sleep(50)\nreturn []", imported=RAW)
    zoo.worker("good")
    program("enqueue", "bad", "--max-attempts", "2")
    program("enqueue", "good")
    work(program)
    bad, good = listed(program)
    assert (bad["state"], bad["error_class"], good["state"]) == ("dead", "bug", "completed")
    assert "does not understand" in bad["error"]
    assert Path(os.environ["HOME"], "bad").read_text() == "xx"


@pytest.mark.parametrize("word", ["unavailable", "store"])
@pytest.mark.usefixtures("impatient")
def test_p3_nobody_runs_uncounted_by_his_own_word(program: Program, zoo: Zoo, word: str) -> None:
    line = line_of("failed", error={**ERROR, "error_class": word})
    zoo.worker("bad", f"ran('bad')\n{OF}\n{line}\nos._exit(0)", imported=RAW)
    program("enqueue", "bad", "--max-attempts", "2")
    work(program)
    (bad,) = listed(program)
    assert (bad["state"], bad["attempt"], bad["error_class"]) == ("dead", 2, "bug")
    assert Path(os.environ["HOME"], "bad").read_text() in {"x", "xx"}  # a child may end with the next one in its hands


def test_p3_forged_last_words_are_not_taken_for_those_of_the_next_task(program: Program, zoo: Zoo) -> None:
    """The worker turns to the next task, which the child has not begun when it says more of the one before."""
    zoo.worker("bad", f"{OF}\n{line_of('done')}\ntime.sleep(0.3)\nreturn []", imported=RAW)
    good = "ran(str(context.task.id))\nyield {'source': 's', 'kind': 'v', 'id': str(context.task.id)}"
    zoo.worker("good", good, imported=RAW)
    for name in ("good", "good", "good", "bad", "good", "good", "good", "good"):
        program("enqueue", name, "--max-attempts", "1")
    work(program)
    tasks = listed(program)
    assert [(task["state"], task["attempt"], task["error"]) for task in tasks] == [("completed", 1, None)] * 8
    ids = sorted(task["id"] for task in tasks if task["type"] == "good")
    items = [json.loads(line) for line in program("items", "export", "--format", "jsonl").out.splitlines()]
    assert sorted(item["id"] for item in items) == ids
    runs = [Path(os.environ["HOME"], each).read_text() for each in ids]
    assert set(runs) <= {"x", "xx"}  # the next may just have begun
    assert runs.count("xx") <= 1


@pytest.mark.usefixtures("impatient")
def test_p3_who_speaks_of_a_task_that_is_over_pays_with_the_one_that_it_has_begun(program: Program, zoo: Zoo) -> None:
    """Else a plugin that names another task than its own would run for ever."""
    body = f"ran('bad')\n{OF}\nOF = '0-0'\n{line_of('done')}\ntime.sleep(50)\nreturn []"
    zoo.worker("bad", body, imported=RAW)
    program("enqueue", "bad", "--max-attempts", "2")
    work(program)
    assert [(task["state"], task["attempt"]) for task in listed(program)] == [("dead", 2)]


@pytest.mark.usefixtures("impatient")
def test_p3_who_speaks_for_the_task_before_it_is_spared_only_once(program: Program, zoo: Zoo) -> None:
    """From the outside it looks as if a thread of that one did."""
    first = "Path = pathlib.Path\nPath(os.environ['HOME'], 'first').write_text(context._port._attempt)\nreturn []"
    zoo.worker("first", first, imported=RAW)
    body = f"ran('bad')\nOF = pathlib.Path(os.environ['HOME'], 'first').read_text()\n{line_of('done')}\ntime.sleep(50)"
    zoo.worker("bad", body, imported=RAW)
    for name in ("first", "bad", *["first"] * 8):
        program("enqueue", name, "--max-attempts", "1")
    work(program)
    states = [(task["type"], task["state"], task["attempt"]) for task in listed(program)]
    assert states == [("first", "completed", 1), ("bad", "dead", 1), *[("first", "completed", 1)] * 8]
    assert Path(os.environ["HOME"], "bad").read_text() in {"x", "xx"}


# -- what cannot be written down


def test_p3_a_result_of_which_no_ending_can_be_made_costs_only_its_task(queue: SQLiteQueue, clock: FakeClock) -> None:
    until: Any = "soon"
    odd = ErrorInfo(error_class=ErrorClass.THROTTLED, type="x", message="m", source="s", retry_after=until)
    results = [
        TaskResult(success=True, data=(Item(source="s", kind="video", id="a"),)),
        TaskResult(success=False, deferred_until=until),
        TaskResult(success=False, error=odd),
        TaskResult(success=True),
    ]
    queue.enqueue([NewTask(type="demo", params={}, max_attempts=1) for _ in results])
    nothing: Any = None
    crew: Any = SimpleNamespace(suspects=Suspects())
    worker = CrewWorker(WorkerDeps(queue=queue, types=lambda: ["demo"], clock=clock), nothing, crew)
    BaseWorker.__enter__(worker)
    try:
        claims = worker.settle([], len(results))
        ended = list(map(Ended, claims, results))
        worker.settle(ended, 0)
    finally:
        BaseWorker.__exit__(worker, None, None, None)
    states = [queue.get(claim.task.id).state for claim in claims]
    assert states == [TaskStatus.COMPLETED, TaskStatus.DEAD, TaskStatus.DEAD, TaskStatus.COMPLETED]
    assert ended == []


@pytest.mark.parametrize("value", [{}, [], 2**63, object()], ids=["object", "list", "number", "python"])
def test_p3_what_the_store_has_no_column_for_is_the_values_fault(queue: SQLiteQueue, value: Any) -> None:
    queue.enqueue([NewTask(type="demo", params={})])
    (claim,) = queue.claim(queue.add_worker(lease_seconds=60), _fifo(), ["demo"])
    with pytest.raises(UnstorableError, match="cannot be stored"):
        queue.progress(claim, value, None, None)


# -- answers that nobody reads


def test_p3_who_asks_and_does_not_listen_is_heard_no_more(
    program: Program, zoo: Zoo, impatient: Callable[[float], None]
) -> None:
    """It is left alone until its deadline, when there is no room for more of its words."""
    impatient(2)
    fields = {"type": "good", "params": {}, "options": {}, "problems": ["x" * 10_000]}
    ask = f"ask = {line_of('enqueue', **fields).removeprefix('raw')}"
    zoo.worker("bad", f"{OF}\n{ask}\nwhile True:\n    raw(ask)\n    ran('asked')", imported=RAW)
    zoo.worker("good")
    program("enqueue", "bad", "--max-attempts", "1")
    program("enqueue", "good")
    work(program)
    assert [task["state"] for task in listed(program)] == ["dead", "completed"]
    asked = len(Path(os.environ["HOME"], "asked").read_text())
    assert asked * 10_000 < 4 * MOST_UNREAD  # the kernel holds some, too


def test_p3_answers_that_nobody_reads_clog_a_channel_until_they_are_read(pair: tuple[Channel, socket.socket]) -> None:
    channel, theirs = pair
    answer = "x" * 1_000
    sent = 0
    while not channel.is_clogged:
        channel.send(answer)
        sent += len(answer) + 1
        assert sent < 16 * MOST_UNREAD
    while channel.wants_to_write:
        sent -= len(theirs.recv(1 << 16))
        channel.flush()
    assert not channel.is_clogged


def test_tasks_that_were_handed_ahead_do_not_clog_a_channel(pair: tuple[Channel, socket.socket]) -> None:
    """A child that says something long cannot read them, and would wait for ever."""
    channel, _theirs = pair
    channel.hand("x" * 4 * MOST_UNREAD)
    channel.send("an answer")
    assert channel.wants_to_write
    assert not channel.is_clogged


# -- processes that come back


FORKS = {
    "raises": "if os.fork() == 0: raise OSError('exec failed')\nreturn []",
    "returns": "if os.fork() == 0: return []\nreturn []",
    "leaves": "import sys\nif os.fork() == 0: sys.exit()\nreturn []",
}


@pytest.mark.parametrize("body", FORKS.values(), ids=FORKS)
@pytest.mark.usefixtures("impatient")
def test_q1_a_process_that_a_plugin_forked_does_not_take_the_next_task(program: Program, zoo: Zoo, body: str) -> None:
    zoo.worker("bad", body, imported=RAW)
    zoo.worker("good", "time.sleep(0.02)\nran(str(context.task.id))\nreturn []", imported=RAW)
    for name in ("bad", *["good"] * 6):
        program("enqueue", name, "--max-attempts", "1")
    work(program)
    tasks = listed(program)
    assert [(task["state"], task["attempt"]) for task in tasks] == [("completed", 1)] * 7
    assert [Path(os.environ["HOME"], task["id"]).read_text() for task in tasks[1:]] == ["x"] * 6


def test_q1_a_process_that_came_back_ends_without_a_word() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire = Wire(theirs)
        ours.sendall(b'{"kind":"task"}\n')
        pid = os.fork()
        if pid == 0:
            list(wire.tasks())
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == EX_FORKED
        ours.shutdown(socket.SHUT_WR)
        assert [line.strip() for line in wire.tasks()] == ['{"kind":"task"}']
        wire._reader.close()


def test_a_message_names_its_attempt_right_after_its_kind() -> None:
    line = encode_about("7-3", {"kind": "poll", "sleep": 1})
    assert line == encode({"kind": "poll", "of": "7-3", "sleep": 1})
    assert is_a("poll", line)
