"""``ytworker enqueue`` and ``ytworker run``."""

import json
import signal
import subprocess
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from plugin_helpers import Program, Until, Zoo
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.settings import sqlite_url

pytest_plugins = ["plugin_fixtures"]

MODEL = """
from pydantic import BaseModel
class P(BaseModel):
    url: str = "@a"
    n: int = 1
    priority: int = 0
@hookimpl
def get_parameters():
    return P
"""


@pytest.fixture
def demo(zoo: Zoo) -> str:
    return zoo.worker("demo", "return []", extra=MODEL)


def tasks(program: Program) -> list[dict[str, Any]]:
    """Give all tasks, oldest first."""
    return list(reversed(json.loads(program("tasks", "list", "--json").out)))


@pytest.mark.usefixtures("demo")
def test_it_prints_the_id(program: Program) -> None:
    done = program("enqueue", "demo", "--url", "@b", "--priority", "9", "--max-attempts", "2", "--param-priority", "7")
    assert (done.code, done.out, done.err) == (0, "1\n", "")
    assert json.loads(program("enqueue", "demo", "--json").out) == {"ids": ["2"]}
    first, second = tasks(program)
    assert (first["params"], first["priority"], first["max_attempts"]) == ({"url": "@b", "priority": 7}, 9, 2)
    assert (first["state"], first["attempt"], first["type"]) == ("queued", 0, "demo")
    assert (second["params"], second["priority"], second["max_attempts"]) == ({}, 5, 5)


@pytest.mark.usefixtures("demo")
def test_a_key_gives_the_live_task(program: Program) -> None:
    assert [program("enqueue", "demo", "--key", "k", "--n", str(n)).out for n in (1, 2)] == ["1\n", "1\n"]
    (task,) = tasks(program)
    assert (task["key"], task["params"]) == ("k", {"n": 1})
    program("run", "--until-empty")
    assert program("enqueue", "demo", "--key", "k").out == "2\n"


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize(
    ("conflict", "told", "params", "priority"),
    [
        ([], "left as it is", {"n": 1}, 5),
        (["--on-conflict", "keep"], "left as it is", {"n": 1}, 5),
        (["--on-conflict", "replace"], "changed", {"n": 2}, 5),
        (["--on-conflict", "raise-priority"], "changed", {"n": 1}, 9),
        (["--on-conflict", "raise_priority"], "changed", {"n": 1}, 9),
    ],
)
def test_what_becomes_of_the_task_that_has_the_key(
    program: Program, conflict: list[str], told: str, params: dict[str, int], priority: int
) -> None:
    program("enqueue", "demo", "--key", "k", "--n", "1")
    done = program("enqueue", "demo", "--key", "k", "--n", "2", "--priority", "9", *conflict)
    assert (done.code, done.out) == (0, "1\n")
    assert f"task 1 has this key already; it was {told}" in done.err
    (task,) = tasks(program)
    assert (task["params"], task["priority"]) == (params, priority)


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize(("unique", "second"), [("live", "1"), ("queued", "2")])
def test_a_key_holds_until_its_task_ends_or_starts(program: Program, home: Path, unique: str, second: str) -> None:
    program("enqueue", "demo", "--key", "k", "--unique", unique)
    with closing(SQLiteQueue(sqlite_url(home / "data" / "ytworker" / "queue.db"))) as queue:
        assert queue.claim_task(queue.add_worker(lease_seconds=60), 1) is not None
        assert program("enqueue", "demo", "--key", "k").out == f"{second}\n"


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize(
    ("time", "stored"),
    [
        ("2031-12-01T09:00Z", "2031-12-01T09:00:00.000000Z"),
        ("2031-12-01T09:00:00+02:00", "2031-12-01T07:00:00.000000Z"),
        ("2031-12-01", datetime(2031, 12, 1).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")),
    ],
)
def test_at_is_a_time_with_or_without_a_zone(program: Program, time: str, stored: str) -> None:
    assert program("enqueue", "demo", "--at", time).code == 0
    (task,) = tasks(program)
    assert (task["state"], task["run_at"]) == ("scheduled", stored)


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize(
    ("span", "length"), [("90s", {"seconds": 90}), ("10m", {"minutes": 10}), ("2 h", {"hours": 2}), ("1d", {"days": 1})]
)
def test_in_is_a_span(program: Program, span: str, length: dict[str, int]) -> None:
    before = datetime.now(UTC)
    assert program("enqueue", "demo", "--in", span).code == 0
    (task,) = tasks(program)
    late = datetime.fromisoformat(task["run_at"]) - before - timedelta(**length)
    assert timedelta(0) <= late < timedelta(seconds=30)


BAD: dict[str, tuple[list[str], str]] = {
    "both times": (["--at", "2031-01-01", "--in", "5m"], "--at or --in"),
    "no time": (["--at", "tomorrow"], "'tomorrow' is no time"),
    "no span": (["--in", "soon"], "'soon' is no span"),
    "a span without a unit": (["--in", "5"], "no span"),
    "priority": (["--priority", "11"], "--priority: a whole number from 1 to 10"),
    "a priority that is none": (["--priority", "high"], "--priority"),
    "key": (["--key", ""], "--key: 1 to 200 printable characters"),
    "unique": (["--key", "k", "--unique", "always"], "--unique: live (until it has ended) or queued"),
    "on conflict": (["--key", "k", "--on-conflict", "shout"], "--on-conflict: keep, replace or raise-priority"),
    "unique without a key": (["--unique", "queued"], "--unique: means nothing without a key"),
    "on conflict without a key": (["--on-conflict", "replace"], "--on-conflict: means nothing without a key"),
    "parameter": (["--n", "x", "--priority", "0"], "--n: Input should be a valid integer"),
    "a field named like ours": (["--param-priority", "x"], "--param-priority: Input"),
    "a file that is not there": (["--from-file", "nowhere.jsonl"], "nowhere.jsonl cannot be read"),
}


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize(("arguments", "problem"), BAD.values(), ids=BAD)
def test_what_does_not_fit_is_told_and_nothing_is_enqueued(
    program: Program, arguments: list[str], problem: str
) -> None:
    done = program("enqueue", "demo", *arguments)
    assert (done.code, done.out) == (2, "")
    assert problem in " ".join(done.err.split())
    assert "Traceback" not in done.err
    assert tasks(program) == []


# -- files


@pytest.mark.usefixtures("demo")
def test_a_file_is_enqueued_line_by_line(program: Program, zoo: Zoo, tmp_path: Path) -> None:
    zoo.worker("free")
    file = tmp_path / "tasks.jsonl"
    lines = [
        {},
        {"params": {"url": "line\u2028separator\u0085in a text"}},
        {"type": "free", "params": {"a": [1]}, "priority": 9, "key": "k", "max_attempts": 2, "timeout": 30},
        {"at": "2031-12-01T09:00Z", "key": None},
    ]
    file.write_text("\r\n\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n", "utf-8")
    done = program("enqueue", "demo", "--from-file", str(file))
    assert (done.code, done.out.split()) == (0, ["1", "2", "3", "4"]), done.err
    first, second, third, fourth = tasks(program)
    assert (first["type"], first["params"]) == ("demo", {})
    assert second["params"] == {"url": "line\u2028separator\u0085in a text"}
    assert (third["type"], third["params"], third["priority"]) == ("free", {"a": [1]}, 9)
    assert (third["key"], third["max_attempts"], third["timeout_seconds"]) == ("k", 2, 30)
    assert fourth["run_at"] == "2031-12-01T09:00:00.000000Z"


@pytest.mark.usefixtures("demo")
def test_lines_of_a_file_may_meet_each_other(program: Program) -> None:
    lines = [
        {"params": {"n": 1}, "key": "k", "unique": "queued"},
        {"params": {"n": 2}, "key": "k", "on_conflict": "replace"},
        {"params": {"n": 3}, "key": "k"},
        {"params": {"n": 4}},
    ]
    done = program("enqueue", "demo", "--from-file", "-", stdin="\n".join(map(json.dumps, lines)))
    assert (done.code, done.out.split()) == (0, ["1", "1", "1", "2"]), done.err
    assert "2 lines met a task with the same key; 1 of these tasks changed" in done.err
    assert [task["params"] for task in tasks(program)] == [{"n": 2}, {"n": 4}]


@pytest.mark.usefixtures("demo")
def test_a_dash_is_standard_input(program: Program) -> None:
    done = program("enqueue", "demo", "--from-file", "-", "--json", stdin='{"params": {"n": 1}}\n{"params": {"n": 2}}')
    assert json.loads(done.out) == {"ids": ["1", "2"]}


@pytest.mark.usefixtures("demo")
def test_an_empty_file_enqueues_nothing(program: Program) -> None:
    done = program("enqueue", "demo", "--from-file", "-", "--json", stdin="\n\n")
    assert (done.code, json.loads(done.out)) == (0, {"ids": []})


@pytest.mark.usefixtures("demo")
def test_every_bad_line_is_told_and_nothing_is_enqueued(program: Program) -> None:
    lines = [
        '{"params": {"n": 1}}',
        "{",
        "[1]",
        '{"parms": {}}',
        '{"params": [1]}',
        '{"params": {"n": "x", "m": 1}, "priority": 11}',
        '{"type": "nobody"}',
        '{"at": "soon"}',
        '{"params": {"n": NaN}}',
        "[" * 200_000,
        '{"timeout": 0}',
    ]
    done = program("enqueue", "demo", "--from-file", "-", stdin="\n".join(lines))
    assert (done.code, done.out) == (2, "")
    told = done.err.splitlines()
    assert "nothing was enqueued" in told[0]
    assert [line.split(":")[0].strip() for line in told[1:]] == [f"line {n}" for n in range(2, 12)]
    for words in ("parms", "n: Input", "m: unknown", "priority:", "nobody is missing"):
        assert words in done.err
    assert tasks(program) == []


@pytest.mark.usefixtures("demo")
def test_a_file_that_is_no_text_is_refused(program: Program, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    done = program("enqueue", "demo", "--from-file", str(tmp_path / "binary"))
    assert done.code == 2
    assert "cannot be read" in done.err


@pytest.mark.usefixtures("demo")
@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no endless file")
def test_q2_an_endless_file_is_refused_with_its_line(program: Program) -> None:
    done = program("enqueue", "demo", "--from-file", "/dev/zero")
    assert (done.code, done.out) == (2, "")
    assert "/dev/zero: line 1 is longer than 8,388,608 characters; nothing was enqueued" in done.err
    assert "write one task a line" in done.err


@pytest.mark.usefixtures("demo")
def test_q2_a_line_too_long_enqueues_nothing_of_what_came_before(program: Program) -> None:
    lines = ['{"params": {"n": 1}}', "", '{"params": {"n": 2}}' + " " * (8 << 20)]
    done = program("enqueue", "demo", "--from-file", "-", stdin="\n".join(lines))
    assert (done.code, done.out) == (2, "")
    assert "-: line 3 is longer than" in done.err
    assert tasks(program) == []


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_any_system_ends_them(program: Program, tmp_path: Path, end: str) -> None:
    (tmp_path / "tasks.jsonl").write_bytes(
        ("\ufeff" + end.join(['{"params": {"n": 1}, "key": "a"}', '{"params": {"n": 2}}'])).encode()
    )
    done = program("enqueue", "demo", "--from-file", str(tmp_path / "tasks.jsonl"), "--json")
    assert done.code == 0, done.err
    assert len(json.loads(done.out)["ids"]) == 2


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize(
    "other", [["--priority", "9"], ["--key", "k"], ["--n", "5"], ["--in", "5m"], ["--unique", "live"]]
)
def test_a_file_and_options_are_not_mixed_silently(program: Program, other: list[str]) -> None:
    done = program("enqueue", "demo", "--from-file", "-", *other, stdin="{}")
    assert (done.code, done.out) == (2, "")
    assert "--from-file" in done.err
    assert tasks(program) == []


# -- run


@pytest.mark.usefixtures("demo")
def test_until_empty_does_what_is_ready(program: Program) -> None:
    for arguments in ([], [], ["--in", "1h"]):
        program("enqueue", "demo", *arguments)
    done = program("run", "--until-empty")
    assert (done.code, done.out) == (0, "")
    assert "2 tasks done" in done.err
    assert [task["state"] for task in tasks(program)] == ["completed", "completed", "scheduled"]


@pytest.mark.usefixtures("demo")
def test_max_tasks_order_and_type(program: Program, zoo: Zoo) -> None:
    zoo.worker("other", "return []")
    for name in ("demo", "other", "demo"):
        program("enqueue", name)
    assert program("run", "--max-tasks", "1", "--strategy", "fifo", "--type", "other").code == 0
    assert [task["state"] for task in tasks(program)] == ["queued", "completed", "queued"]
    assert program("run", "--max-tasks", "1").code == 0
    assert [task["state"] for task in tasks(program)] == ["queued", "completed", "completed"]


@pytest.mark.usefixtures("demo")
def test_an_unknown_order_names_those_that_exist(program: Program) -> None:
    done = program("run", "--strategy", "cheapest", "--until-empty")
    assert done.code == 2
    assert "fifo, lifo, priority, weighted_random" in done.err


def test_each_order_is_followed(program: Program, zoo: Zoo, home: Path) -> None:
    seen_file = home / "seen"
    body = f"with Path({str(seen_file)!r}).open('a') as file:\n    print(context.task.id, file=file)\nreturn []"
    zoo.worker("demo", body, imported="from pathlib import Path")
    expected = {"fifo": [1, 2, 3], "lifo": [6, 5, 4], "priority": [8, 7, 9], "Weighted-Random": None}
    for order, numbers in expected.items():
        for priority in ("2", "9", "1") if order == "priority" else ("5", "5", "5"):
            program("enqueue", "demo", "--priority", priority)
        seen_file.unlink(missing_ok=True)
        done = program("run", "--until-empty", "--concurrency", "1", "--strategy", order)
        assert done.code == 0, done.err
        seen = [int(line) for line in seen_file.read_text().split()]
        assert seen == numbers or (numbers is None and sorted(seen) == [10, 11, 12])


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize("aging", ["10m", "2 h", "0", "0s"])
def test_aging_is_a_span_or_off(program: Program, aging: str) -> None:
    program("enqueue", "demo")
    assert "1 task done" in program("run", "--until-empty", "--aging", aging).err


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize("aging", ["soon", "5", "-1", "1y"])
def test_an_aging_that_is_no_span_is_told(program: Program, aging: str) -> None:
    done = program("run", "--until-empty", f"--aging={aging}")
    assert done.code == 2
    assert "is no span" in done.err


@pytest.mark.usefixtures("demo")
def test_an_order_that_the_queue_does_not_keep_is_told(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YTWORKER_ORDERS", "priority")
    done = program("run", "--until-empty", "--strategy", "weighted_random")
    assert done.code == 2
    assert "weighted_random is not among those that the setting orders keeps ready (fifo, lifo, priority)" in done.err
    assert program("run", "--until-empty", "--strategy", "priority").code == 0
    monkeypatch.delenv("YTWORKER_ORDERS")  # what was narrowed is widened again when somebody wants it
    done = program("run", "--until-empty", "--strategy", "weighted_random")
    assert done.code == 0
    assert "making ready the order weighted_random" in done.err


def test_a_worker_says_what_waits_for_which_plugin(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo")
    program("enqueue", "demo")
    done = program("--block", "demo", "run", "--until-empty")
    assert done.code == 0
    assert "demo: tasks wait for their plugin, which is blocked" in done.err
    assert "0 tasks done" in done.err
    (task,) = json.loads(program("--block", "demo", "tasks", "list", "--json").out)
    assert (task["state"], task["attempt"]) == ("queued", 0)
    assert "waits for its plugin, which is blocked" in task["reason"]
    assert "waits for its plugin" in program("--block", "demo", "tasks", "list").out
    status = json.loads(program("--block", "demo", "status", "--json").out)
    assert status["waiting_for_plugins"]["demo"].startswith("blocked: ")
    assert "demo: tasks wait for their plugin" in program("--block", "demo", "status").err


def test_a_worker_without_any_plugin_says_so(program: Program) -> None:
    done = program("--no-plugins", "run", "--until-empty")
    assert done.code == 0
    assert "no worker plugin" in done.err


def test_the_log_of_a_worker_is_talkative_unless_told_otherwise(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", "context.logger.info('on it')\nreturn []")
    for arguments, talks in (([], True), (["--log-level", "warning"], False), (["--log-level", "debug"], True)):
        program("enqueue", "demo")
        assert ("on it" in program(*arguments, "run", "--until-empty").err) is talks
    program("enqueue", "demo")
    done = program("--log-format", "json", "run", "--until-empty")
    records = [json.loads(line) for line in done.err.splitlines() if line.startswith("{")]
    assert "on it" in [record["message"] for record in records]
    assert {"ts", "level", "logger", "message", "pid"} <= set(records[0])


SLOW = """
import os, pathlib, time
home = pathlib.Path(os.environ["HOME"])
(home / f"started-{context.task.id}").touch()
while not (home / "go").exists():
    context.sleep(0.02)
yield {"source": "test", "kind": "video", "id": str(context.task.id)}
"""


def drain(
    program: Program, until: Until, home: Path, how: str, *numbers: signal.Signals, go: bool
) -> tuple[subprocess.Popen[bytes], str]:
    process = program.start("run", "--strategy", "fifo", how)
    try:
        until((home / "started-1").exists)
        heard = b""
        for number in numbers:
            process.send_signal(number)
            if number is numbers[0]:
                assert process.stderr is not None
                while b"stopping" not in heard:
                    heard += process.stderr.readline()
        if go:
            (home / "go").touch()
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    return process, (heard + err).decode()


HOW = ["--inline", "--concurrency=1"]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_lets_the_task_finish(
    program: Program, zoo: Zoo, until: Until, home: Path, number: signal.Signals, how: str
) -> None:
    zoo.worker("demo", SLOW)
    for _ in range(2):
        program("enqueue", "demo")
    process, err = drain(program, until, home, how, number, go=True)
    assert process.returncode == 0
    assert "1 task done" in err
    assert [(task["state"], task["attempt"]) for task in tasks(program)] == [("completed", 1), ("queued", 0)]


@pytest.mark.parametrize("how", HOW)
def test_two_signals_give_the_task_back(program: Program, zoo: Zoo, until: Until, home: Path, how: str) -> None:
    zoo.worker("demo", SLOW)
    program("enqueue", "demo")
    process, err = drain(program, until, home, how, signal.SIGTERM, signal.SIGTERM, go=False)
    assert process.returncode == 1
    assert "given back to the queue" in err
    assert "Traceback" not in err
    assert [(task["state"], task["attempt"]) for task in tasks(program)] == [("queued", 0)]
    assert json.loads(program("status", "--json").out)["workers"] == []
