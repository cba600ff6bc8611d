"""The log: one wide line for each attempt, a closed list of events, and lines that nothing from outside can break."""

import json
import logging
import sys
from typing import Any

import pytest

from plugin_helpers import Done, Program, Zoo, quiet_log
from ytworker import ErrorClass, Outcome, redaction
from ytworker.cli.state import State
from ytworker.engine.retry import Bury, Defer, Release, Retry
from ytworker.engine.telling import outcome_of, tell_result
from ytworker.logs import KEYS, MAX_LINE, ConsoleFormatter, JSONFormatter, LogEvent, event
from ytworker.model import SECOND, Claim, ErrorInfo, Task, TaskResult, TaskStatus
from ytworker.queue import queue_name

pytest_plugins = ["plugin_fixtures"]


def record(message: str, *, name: str = "ytworker.engine.worker", **extra: Any) -> logging.LogRecord:
    made = logging.makeLogRecord(
        {"name": name, "levelno": 20, "levelname": "INFO", "msg": message, "process": 7, **extra}
    )
    made.created = 1_790_000_000.1234
    return made


def raised(text: str) -> Any:
    try:
        int(text)
    except ValueError as error:
        error.args = (text,)
        return sys.exc_info()


def lines(done: Done) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.err.splitlines()]


def test_a_line_has_stable_keys() -> None:
    extra = event(LogEvent.JOB_CLAIMED, job_id="4", attempt=2)
    entry = json.loads(JSONFormatter().format(record("hello", **extra)))
    assert list(entry) == ["ts", "level", "event", "message", "job_id", "attempt", "logger", "host", "pid"]
    assert entry["ts"] == "2026-09-21T14:13:20.123Z"
    assert (entry["event"], entry["job_id"], entry["attempt"], entry["pid"]) == ("job.claimed", "4", 2, 7)


def test_what_is_not_ours_is_told_apart() -> None:
    plugin = record("hi", name="ytworker.plugin.demo", task_id=4, attempt=1)
    entry = json.loads(JSONFormatter().format(plugin))
    assert (entry["event"], entry["worker"], entry["job_id"]) == ("plugin.message", "demo", "4")
    assert json.loads(JSONFormatter().format(record("hi", name="urllib3")))["event"] == "log.message"


def test_a_key_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="colour: no key of our logs"):
        event(LogEvent.JOB_CLAIMED, colour="red")


@pytest.mark.parametrize("text", ["x" * 100_000, "\U0001f600" * 50_000, "\x00" * 100_000, '"\\' * 50_000])
@pytest.mark.parametrize("formatter", [JSONFormatter(), ConsoleFormatter()], ids=["json", "console"])
def test_o6_a_line_is_never_longer_than_8_kib(formatter: logging.Formatter, text: str) -> None:
    every = {name: text for name in KEYS if name != "count"}
    made = record("%s", args=(text,), exc_info=raised(text), **event(LogEvent.JOB_FINISHED, **every))
    line = formatter.format(made)
    assert len(line.encode()) < MAX_LINE
    assert line.splitlines() == [line]
    if isinstance(formatter, JSONFormatter):
        assert json.loads(line)["event"] == "job.finished"


def test_o6_a_traceback_keeps_its_end() -> None:
    made = record("oops", exc_info=raised("a\x1b[2J" * 20_000 + "the end"))
    entry = json.loads(JSONFormatter().format(made))
    assert "\x1b" not in entry["traceback"]
    assert entry["truncated"] is True
    assert entry["traceback"].endswith("the end")


def test_o6_a_secret_that_a_cut_goes_through_is_not_told() -> None:
    secret = "my-long-secret-word"
    redaction.remember({"key": secret})
    made = record("x" * (64_000 - 5) + secret)
    assert secret[:4] not in ConsoleFormatter().format(made)
    short = record("oops", exc_info=raised("y" * 30_000 + "the end"))
    line = ConsoleFormatter().format(short)
    assert line.startswith("info: oops Traceback")
    assert line.endswith("the end")


# -- one wide line for each attempt

TASK = Task(
    id=2**60, type="demo", state=TaskStatus.CLAIMED, params={}, priority=5, attempt=2, max_attempts=5,
    timeout_seconds=9, created_at=0, started_at=10 * SECOND, key="k",
)  # fmt: skip
CLAIM = Claim(TASK, worker_id=77, fence=3)
ERROR = ErrorInfo(error_class=ErrorClass.QUOTA, type="t", message="used up", fingerprint="1f0c", source="site")


def test_one_line_tells_everything_about_an_attempt(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "ytworker")
    result = TaskResult(success=False, error=ERROR, earlier=3, requests=12, plugin_version="3.1")
    tell_result(CLAIM, result, Defer(60, cool_down=True), url="postgres://me:pw@host/work", now=11 * SECOND)
    finished, throttled = (json.loads(JSONFormatter().format(each)) for each in caplog.records)
    assert {name: finished[name] for name in KEYS if name != "count"} == {
        "job_id": str(2**60),
        "attempt": 2,
        "fence": 3,
        "queue": "work",
        "worker": "demo",
        "worker_id": "77",
        "plugin_version": "3.1",
        "source": "site",
        "target": "k",
        "outcome": "deferred",
        "error_class": "quota",
        "fingerprint": "1f0c",
        "duration_ms": 1000,
        "requests": 12,
        "items": 3,
        "trace_id": None,
        "span_id": None,
    }
    assert (throttled["event"], throttled["source"]) == ("source.throttled", "site")


@pytest.mark.parametrize(
    ("result", "decision", "outcome"),
    [
        (TaskResult(success=True), None, "empty"),
        (TaskResult(success=True, earlier=1), None, "ok"),
        (TaskResult(success=True, suspect="odd"), None, "suspect"),
        (TaskResult(success=False, error=ERROR), Retry(1), "retry"),
        (TaskResult(success=False, error=ERROR), Bury(), "dead"),
        (TaskResult(success=False, error=ERROR), Release(), "returned"),
        (TaskResult(success=False, error=ERROR), Defer(1), "deferred"),
        (TaskResult(success=False, deferred_until=1), None, "deferred"),
        (TaskResult(success=False), None, "returned"),
    ],
)
def test_an_outcome_is_one_word(result: TaskResult, decision: Any, outcome: str) -> None:
    assert outcome_of(result, decision) == outcome
    assert set(Outcome) < {"ok", "empty", "suspect", "retry", "dead", "returned", "deferred"}


def test_what_goes_back_untried_is_no_attempt(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "ytworker")
    tell_result(CLAIM, TaskResult(success=False), None, url="sqlite:///a/q.db", now=0)
    assert caplog.records == []


def test_doubted_items_and_a_pause_are_events_of_their_own(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "ytworker")
    tell_result(CLAIM, TaskResult(success=True, suspect="odd"), None, url="sqlite:///a/q.db", now=0)
    tell_result(CLAIM, TaskResult(success=False, error=ERROR), Defer(1, pause=True), url="sqlite:///a/q.db", now=0)
    told = [json.loads(JSONFormatter().format(each))["event"] for each in caplog.records]
    assert told == ["job.finished", "item.suspect", "job.finished", "source.paused"]


@pytest.mark.parametrize(
    ("url", "name"), [("sqlite:///home/me/queue.db", "queue.db"), ("postgres://a:b@h/w?x=1", "w"), ("memory:", "queue")]
)
def test_a_queue_is_named_without_its_folder_and_login(url: str, name: str) -> None:
    assert queue_name(url) == name


# -- the program


def test_a_worker_without_a_terminal_writes_json_lines_and_nothing_else(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", "context.logger.info('on it')\ncontext.budget('site').acquire()\nreturn []")
    program("enqueue", "demo")
    told = lines(program("run", "--until-empty"))
    assert [line["event"] for line in told] == ["plugin.message", "job.finished", "worker.message"]
    assert (told[1]["outcome"], told[1]["requests"], told[1]["source"]) == ("empty", 1, "site")
    program("enqueue", "demo")
    told = lines(program("--log-level", "debug", "run", "--until-empty"))
    assert [line["job_id"] for line in told if line["event"] == "job.claimed"] == ["2"]


@pytest.mark.parametrize(("terminal", "formatter"), [(True, ConsoleFormatter), (False, JSONFormatter)])
def test_a_worker_on_a_terminal_speaks_to_people(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, formatter: type[logging.Formatter]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    try:
        assert State().log_as_worker() is not terminal
        assert isinstance(logging.getLogger("ytworker").handlers[0].formatter, formatter)
    finally:
        quiet_log()


def test_people_who_ask_for_sentences_get_them(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo")
    program("enqueue", "demo")
    err = program("--log-format", "console", "run", "--until-empty").err
    assert "info: task 1 (demo), attempt 1: ok, 1 items" in err
    assert "1 task done" in err
