"""What the core promises to plugins and operators when something goes wrong, one promise a test."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from plugin_helpers import ONE_ITEM, PROGRAM, MakeService, Program, Zoo
from ytworker import ErrorClass, Outcome, Task, TaskStatus
from ytworker.engine.retry import DAY, HOUR
from ytworker.errors import StoreError
from ytworker.model import SECOND, NewTask
from ytworker.queue import FIFOStrategy, ItemFilter, LIFOStrategy, TaskFilter
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.service import Service
from ytworker.settings import sqlite_url
from ytworker.testing import FakeClock

pytest_plugins = ["plugin_fixtures"]

DEMO = '{"source": "test", "kind": "video", "id": str(n), "title": f"Video {n}"}'
ASK = "context.budget('site').acquire()\n"
DATES = "from datetime import *"


def run_to_the_end(service: Service, queue: SQLiteQueue, clock: FakeClock, *types: str) -> None:
    """Run, and go to the next due time, until nothing is due any more; a task that goes on for ever fails here."""
    for _ in range(20):
        service.run(until_empty=True)
        due = queue.next_due_at(types)
        if due is None:
            return
        clock.now = max(clock.now, due)
    pytest.fail("it never ended")


def add(queue: SQLiteQueue, name: str = "demo", **options: Any) -> int:
    return queue.enqueue([NewTask(type=name, params={}, **options)])[0].id


def states(queue: SQLiteQueue) -> list[tuple[str, int]]:
    return [(task.state.value, task.attempt) for task in reversed(queue.tasks(TaskFilter()))]


def seconds(until: int | None, clock: FakeClock) -> float:
    assert until is not None
    return (until - clock()) / SECOND


# -- (1) errors that are hard to look at

ODD = {
    "retry_after inf": ("RetryableError('odd', retry_after=float('inf'))", ErrorClass.TRANSIENT),
    "retry_after -inf": ("RetryableError('odd', retry_after=float('-inf'))", ErrorClass.TRANSIENT),
    "retry_after nan": ("RetryableError('odd', retry_after=float('nan'))", ErrorClass.TRANSIENT),
    "retry_after huge": ("RetryableError('odd', retry_after=10**400)", ErrorClass.TRANSIENT),
    "retry_after timedelta": ("RetryableError('odd', retry_after=timedelta(minutes=1))", ErrorClass.TRANSIENT),
    "retry_after text": ("RetryableError('odd', retry_after='soon')", ErrorClass.TRANSIENT),
    "retry_after set later": ("late('retry_after', float('inf'))", ErrorClass.TRANSIENT),
    "retry_after set to text": ("late('retry_after', 'soon')", None),
    "retry_after set to a list": ("late('retry_after', [5])", None),
    "source set to an object": ("late('source', object())", None),
    "source set to a list": ("late('source', ['site'])", None),
    "offline set to a list": ("late('offline', [])", None),
    "class set to text": ("late('error_class', 'nonsense')", ErrorClass.BUG),
    "an error that skipped its base": ("Bare()", None),
    "a naive deferral": ("Deferred(datetime(2030, 1, 1), 'odd')", ErrorClass.BUG),
    "a deferral without a time": ("Deferred(None, 'odd')", ErrorClass.BUG),
    "a naive deferral that went round the check": ("Sneaky()", ErrorClass.BUG),
    "status raises": ("Status()", ErrorClass.BUG),
    "status leaves": ("Leaving()", ErrorClass.BUG),
    "words raise": ("Words()", ErrorClass.BUG),
    "class is text": ("TaskError('odd', error_class='nonsense')", ErrorClass.BUG),
}
ODD_CLASSES = """
class Sneaky(Deferred):
    def __init__(self): self.until = datetime(2030, 1, 1)
class Bare(RetryableError):
    def __init__(self): pass
class Status(Exception):
    @property
    def status(self): raise RuntimeError("no status")
class Leaving(Exception):
    @property
    def status(self): raise SystemExit("no status")
class Words(Exception):
    def __str__(self): raise RuntimeError("no words")
def late(name, value):
    error = RetryableError("odd")
    setattr(error, name, value)
    return error
"""


@pytest.mark.parametrize(("raised", "error_class"), ODD.values(), ids=ODD)
def test_an_odd_error_ends_its_task_and_no_other(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, clock: FakeClock, raised: str, error_class: Any
) -> None:
    imported = f"{DATES}\nfrom ytworker.context import Deferred"
    zoo.worker("demo", f"seen.append(1)\nraise {raised}", imported=imported, extra=ODD_CLASSES)
    zoo.worker("healthy")
    service = make_service()
    service.enqueue("healthy", {})
    service.enqueue("demo", {}, max_attempts=2)
    assert service.run(until_empty=True) == 2  # the odd one was first
    assert states(queue) == [("completed", 1), ("scheduled", 1)]
    assert seconds(queue.get(2).run_at, clock) <= DAY
    run_to_the_end(service, queue, clock, "demo")
    assert states(queue)[1] == ("dead", 2)
    assert len(zoo.seen("demo_plugin")) == 2
    error = queue.get(2).error
    assert error is not None
    assert error.error_class is (error_class or error.error_class)
    assert error.error_class in {ErrorClass.TRANSIENT, ErrorClass.BUG}
    assert error.message


def test_a_retry_after_that_is_a_timedelta_is_honoured(zoo: Zoo, make_service: MakeService, clock: FakeClock) -> None:
    zoo.worker("demo", "raise RetryableError('later', retry_after=timedelta(minutes=7))", imported=DATES)
    service = make_service()
    done = service.scrape(service.check("demo", {}))
    assert seconds(done.task.run_at, clock) == 420


# -- (2) classes that are not a plugin's to give

CLASSIFY = "@hookimpl\ndef classify_error(error):\n    return {}\n"
NOT_ITS_OWN = {
    "it raises PluginUnavailableError": ("PluginUnavailableError('demo', 'missing', 'gone')", ""),
    "it raises StoreError": ("StoreError('full')", ""),
    "it leaves unasked": ("Cancelled('enough')", ""),
    "it says unavailable": ("TaskError('x', error_class=ErrorClass.UNAVAILABLE)", ""),
    "it says store": ("TaskError('x', error_class=ErrorClass.STORE)", ""),
    "it classifies as unavailable": ("KeyError('x')", CLASSIFY.format("ErrorClass.UNAVAILABLE")),
    "it classifies as store": ("KeyError('x')", CLASSIFY.format("ErrorClass.STORE")),
    "it classifies as store in words": ("KeyError('x')", CLASSIFY.format("'store'")),
}


@pytest.mark.parametrize("extended", [False, True], ids=["the plugin", "an extension"])
@pytest.mark.parametrize(("raised", "extra"), NOT_ITS_OWN.values(), ids=NOT_ITS_OWN)
def test_a_plugin_cannot_put_its_task_back_for_ever(
    zoo: Zoo,
    make_service: MakeService,
    queue: SQLiteQueue,
    clock: FakeClock,
    raised: str,
    extra: str,
    extended: bool,
) -> None:
    imported = "from ytworker import Cancelled\nfrom ytworker.errors import *"
    zoo.worker("demo", f"seen.append(1)\nraise {raised}", imported=imported, extra="" if extended else extra)
    if extended:
        zoo.extension("words", extra)
    service = make_service()
    service.enqueue("demo", {})
    run_to_the_end(service, queue, clock, "demo")
    assert states(queue) == [("dead", 2)]
    assert len(zoo.seen("demo_plugin")) == 2
    assert [each.error.error_class for each in queue.attempts(1)] == [ErrorClass.BUG] * 2


# -- (3) no network


def test_an_outage_burns_no_attempt_however_long_it_lasts(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, clock: FakeClock
) -> None:
    body = f"seen.append(context.task.attempt)\nif not online:\n    raise OfflineError('no network')\n{ONE_ITEM}"
    module = zoo.worker("demo", body, extra="online = []")
    service = make_service()
    service._sleep = lambda _seconds: clock.advance(5)
    service.enqueue("demo", {}, max_attempts=1)
    end = clock() + round(6 * HOUR * SECOND)
    service.run(stopping=lambda: clock() >= end)
    assert states(queue) == [("scheduled", 0)]
    seen = zoo.seen(module)
    assert set(seen) == {1}
    assert len(queue.attempts(1)) == 100  # of some hundreds: a long night needs no long history
    assert 6 * 40 <= len(seen) <= 6 * 125  # every 30 to 90 s, and a worker that looks every 5
    sys.modules[module].online.append(True)
    service.run(max_tasks=1)
    assert states(queue) == [("completed", 1)]


# -- (4) wrong settings pause a source

PICKY = (
    f"{ASK}seen.append(context.task.id)\nif not mended:\n    raise ConfigError('wrong key', source='site')\n{ONE_ITEM}"
)


@pytest.fixture
def mend(zoo: Zoo) -> Callable[[], None]:
    """A plugin that refuses its settings until this is called."""
    module = zoo.worker("demo", PICKY, extra="mended = []")
    return lambda: sys.modules[module].mended.append(True)


def test_a_pause_lasts_an_hour_and_then_one_task_tries(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, clock: FakeClock, mend: Callable[[], None]
) -> None:
    service = make_service(plugins={"demo": {"key": "bad"}})
    service.enqueue("demo", {})
    start = clock()
    service.run(until_empty=True)
    assert states(queue) == [("scheduled", 0)]
    source = queue.source("site")
    assert seconds(source.paused_until, clock) == HOUR
    assert (source.pause_reason, source.cooling_until, source.strikes) == ("wrong key", None, 0)
    clock.advance(HOUR - 1)
    service.enqueue("demo", {})
    service.run(until_empty=True)
    assert states(queue) == [("scheduled", 0)] * 2
    assert queue.get(2).run_at == start + round(HOUR * SECOND)
    assert "site is paused: wrong key" in (queue.get(2).reason or "")
    assert zoo.seen("demo_plugin") == [1]  # nobody asked before the hour was over
    clock.advance(1)
    service.run(until_empty=True)
    assert zoo.seen("demo_plugin") == [1, 2]  # one tried and was refused, the other did not even ask
    assert seconds(queue.source("site").paused_until, clock) == HOUR
    clock.advance(HOUR)
    mend()
    service.run(until_empty=True)
    assert states(queue) == [("completed", 1)] * 2
    source = queue.source("site")
    assert (source.paused_until, source.paused_by, source.pause_reason) == (None, None, None)


def test_changed_settings_make_waiting_tasks_due_when_a_worker_starts(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, mend: Callable[[], None]
) -> None:
    bad = make_service(plugins={"demo": {"key": "bad"}})
    for _ in range(2):
        bad.enqueue("demo", {})
    bad.run(until_empty=True)
    assert states(queue) == [("scheduled", 0)] * 2
    mend()
    again = make_service(plugins={"demo": {"key": "bad"}})
    assert again.run(until_empty=True) == 0
    good = make_service(plugins={"demo": {"key": "good"}})
    assert good.run(until_empty=True) == 2
    assert states(queue) == [("completed", 1)] * 2
    assert queue.source("site").paused_until is None


def test_somebody_in_front_of_it_may_ask_a_paused_source(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, mend: Callable[[], None]
) -> None:
    service = make_service(plugins={"demo": {"key": "bad"}})
    assert service.scrape(service.check("demo", {})).task.state is TaskStatus.SCHEDULED
    assert service.scrape(service.check("demo", {})).task.state is TaskStatus.SCHEDULED
    assert zoo.seen("demo_plugin") == [1, 2]
    mend()
    assert service.scrape(service.check("demo", {})).task.state is TaskStatus.COMPLETED
    assert queue.source("site").paused_until is None
    assert service.run(until_empty=True) == 2  # what waited for the source is due
    assert states(queue) == [("completed", 1)] * 3


# -- (5) nobody named


@pytest.mark.parametrize(("error", "wait"), [("ConfigError", HOUR), ("ThrottledError", 300.0), ("BlockedError", 21600)])
def test_an_error_without_a_source_concerns_its_task_only(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, clock: FakeClock, error: str, wait: float
) -> None:
    zoo.worker("demo", f"{ASK}if params.get('bad'):\n    raise {error}('x')\n{ONE_ITEM}")
    service = make_service()
    service.enqueue("demo", {})
    service.enqueue("demo", {"bad": True})
    service.run(until_empty=True)
    assert states(queue) == [("completed", 1), ("scheduled", 0)]
    assert seconds(queue.get(2).run_at, clock) == wait
    assert queue.sources() == []


# -- (6) strikes


def test_several_tasks_that_meet_one_refusal_are_one_strike(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, clock: FakeClock
) -> None:
    zoo.worker("demo", "seen.append(1)\ncontext.sleep(2)\nraise BlockedError('bot?', source='site')")
    service = make_service()
    for _ in range(3):
        service.enqueue("demo", {})
    for strike, hours in ((1, 6), (2, 24), (3, 72)):
        service.run(until_empty=True)
        assert len(zoo.seen("demo_plugin")) == 3 * strike
        source = queue.source("site")
        assert (source.strikes, seconds(source.cooling_until, clock)) == (strike, hours * HOUR)
        assert states(queue) == [("scheduled", 0)] * 3
        clock.advance(hours * HOUR)


def test_a_tiny_retry_after_is_honoured_once(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, clock: FakeClock
) -> None:
    zoo.worker("demo", f"{ASK}raise ThrottledError('slow down', source='site', retry_after=2)")
    service = make_service()
    service.enqueue("demo", {})
    waits = []
    for _ in range(4):
        service.run(until_empty=True)
        waits.append(seconds(queue.source("site").cooling_until, clock))
        clock.advance(waits[-1])
    assert waits == [2, 600, 1200, 2400]


# -- (7) follow-up tasks


def follow_ups(queue: SQLiteQueue) -> list[Any]:
    return [task.params["n"] for task in reversed(queue.tasks(TaskFilter(types=["other"])))]


def test_follow_ups_come_with_a_checkpoint_or_with_the_end(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue
) -> None:
    zoo.worker("other")
    zoo.worker(
        "demo",
        """
        context.enqueue("other", {"n": 1})
        context.progress(1)
        context.checkpoint.save("x")
        context.enqueue("other", {"n": 2})
        context.progress(2)
        return []
        """,
    )
    service = make_service()
    found: list[Any] = []
    service.scrape(service.check("demo", {}), observe=lambda *_: found.append(follow_ups(queue)))
    assert [*found, follow_ups(queue)] == [[], [1], [1, 2]]


LEAVES_NONE = {
    "it dies": "raise GoneError('x')",
    "it waits": "context.defer(datetime(2100, 1, 1, tzinfo=UTC), 'x')",
    "it is late": "context.sleep(1000)\ncontext.progress(1)",
}


@pytest.mark.parametrize("ending", LEAVES_NONE.values(), ids=LEAVES_NONE)
def test_an_attempt_that_fails_leaves_no_follow_ups(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, ending: str
) -> None:
    zoo.worker("other")
    zoo.worker("demo", f"context.enqueue('other', {{'n': 1}})\n{ending}", imported=DATES)
    service = make_service()
    service.scrape(service.check("demo", {}, max_attempts=1))
    assert follow_ups(queue) == []


@pytest.mark.parametrize("save", [False, True], ids=["at the end", "with a checkpoint"])
def test_a_retry_makes_no_second_follow_up(zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, save: bool) -> None:
    zoo.worker("other")
    zoo.worker(
        "demo",
        f"""
        seen.append(context.checkpoint.value)
        if context.checkpoint.value is None:
            context.enqueue("other", {{"n": 1}})
            if {save}:
                context.checkpoint.save("enqueued")
        if len(seen) < 3:
            raise RetryableError("hiccup")
        return []
        """,
    )
    service = make_service()
    done = service.scrape(service.check("demo", {}))
    assert (done.task.state, done.task.attempt) == (TaskStatus.COMPLETED, 3)
    assert follow_ups(queue) == [1]


# -- (8) items of an earlier attempt


def test_what_an_earlier_attempt_stored_makes_the_task_ok(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue
) -> None:
    body = f"n = 1\nif context.checkpoint.value is None:\n    yield {DEMO}\n    context.checkpoint.save(1)\n"
    zoo.worker("demo", f"{body}    raise RetryableError('hiccup')")
    service = make_service()
    task = service.scrape(service.check("demo", {})).task
    assert (task.state, task.attempt, task.outcome) == (TaskStatus.COMPLETED, 2, Outcome.OK)
    assert [item["id"] for item in queue.items(ItemFilter(task_id=1))] == ["1"]


# -- (9) our own pace


def test_waiting_for_our_own_pace_takes_no_time_of_the_deadline(
    zoo: Zoo, make_service: MakeService, clock: FakeClock
) -> None:
    zoo.worker("demo", f"for n in range(60):\n    {ASK}    seen.append(context.deadline)\nreturn []")
    service = make_service()
    start = clock()
    task = service.scrape(service.check("demo", {}, timeout_seconds=10)).task
    assert (task.state, task.attempt) == (TaskStatus.COMPLETED, 1)
    waited = (clock() - start) / SECOND
    assert waited == pytest.approx(75)  # 30 at once, 30 more after 2.5 s each
    deadlines = zoo.seen("demo_plugin")
    assert deadlines == sorted(deadlines)
    assert deadlines[29] == deadlines[0]
    assert (deadlines[-1] - deadlines[0]) / timedelta(seconds=1) == pytest.approx(waited)


def test_what_hangs_beside_the_pace_is_late_all_the_same(zoo: Zoo, make_service: MakeService) -> None:
    zoo.worker("demo", f"for n in range(60):\n    {ASK}    context.sleep(1)\nreturn []")
    service = make_service()
    done = service.scrape(service.check("demo", {}, timeout_seconds=10, max_attempts=1))
    assert done.task.state is TaskStatus.DEAD
    assert done.error is not None
    assert done.error.error_class is ErrorClass.RESOURCE


# -- (10) a lost lease


def lapse(queue: SQLiteQueue, clock: FakeClock) -> int:
    """Let every lease lapse and take it away, as another process does after a suspend of the machine."""
    clock.advance(3600)
    return queue.rescue()


def test_a_worker_without_a_lease_gets_one_at_its_next_claim(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, clock: FakeClock
) -> None:
    zoo.worker("demo")
    service = make_service()
    service.enqueue("demo", {})
    with service.worker_factory().create() as worker:
        lost = worker.id
        lapse(queue, clock)
        assert queue.workers() == []
        claim = worker.claim_task()
        assert claim is not None
        assert claim.worker_id == worker.id != lost
        assert [each.id for each in queue.workers()] == [worker.id]
    assert queue.workers() == []


def test_a_run_whose_lease_is_lost_on_the_way_does_all_tasks(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, clock: FakeClock
) -> None:
    module = zoo.worker("demo", "seen.append(context.task.id)\ncontext.sleep(1)\nreturn []")
    service = make_service()
    for _ in range(3):
        service.enqueue("demo", {}, timeout_seconds=7200)
    rescued: list[int] = []

    def sleep(_seconds: float) -> None:
        if not rescued:
            rescued.append(lapse(queue, clock))

    service._sleep = sleep
    assert service.run(until_empty=True) == 3
    assert rescued == [1]
    assert zoo.seen(module) == [3, 3, 2, 1]  # the first report of task 3 came too late
    assert states(queue) == [("completed", 1), ("completed", 1), ("completed", 2)]
    assert queue.counter("stale_writes") == 1


# -- (11) tasks of a broken plugin


@pytest.fixture
def own_queue(home: Path) -> Iterator[SQLiteQueue]:
    """The queue that the program uses."""
    file = home / "data" / "ytworker" / "queue.db"
    queue = SQLiteQueue(sqlite_url(file), durability="normal")
    yield queue
    queue.close()


def test_a_released_task_is_not_done_and_says_why(program: Program, zoo: Zoo, own_queue: SQLiteQueue) -> None:
    zoo.worker("broken", imported="raise ImportError('a part is missing')")
    zoo.worker("demo")
    for name in ("broken", "demo"):
        add(own_queue, name)
    done = program("run", "--until-empty")
    assert done.code == 0
    assert "1 task done" in done.err
    shown = {task["type"]: task for task in json.loads(program("tasks", "list", "--json").out)}
    assert shown["demo"]["state"] == "completed"
    assert (shown["broken"]["state"], shown["broken"]["attempt"]) == ("queued", 0)
    assert "a part is missing" in shown["broken"]["reason"]
    assert "a part is missing" in program("tasks", "list").out


# -- (12) a store that cannot be written

SAVE = {
    "it lets it pass": "context.checkpoint.save(1)\nreturn []",
    "it notes it": "try:\n    context.checkpoint.save(1)\nexcept BaseException as error:\n"
    "    seen.append(type(error).__name__)\n    raise\nreturn []",
    "it swallows it": "try:\n    context.checkpoint.save(1)\nexcept BaseException as error:\n"
    "    seen.append(type(error).__name__)\nreturn []",
    "it turns it into another": "try:\n    context.checkpoint.save(1)\nexcept BaseException as error:\n"
    "    seen.append(type(error).__name__)\n    raise GoneError('x') from error",
}


@pytest.mark.parametrize("body", SAVE.values(), ids=SAVE)
def test_a_store_that_fails_in_a_checkpoint_stops_the_worker_and_not_the_task(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    def full(*_arguments: Any, **_options: Any) -> None:
        msg = "the disk is full"
        raise StoreError(msg)

    module = zoo.worker("demo", body)
    service = make_service()
    for _ in range(2):
        service.enqueue("demo", {})
    monkeypatch.setattr(queue, "checkpoint", full)
    with pytest.raises(StoreError, match="the disk is full"):
        service.run(until_empty=True)
    assert states(queue) == [("queued", 0)] * 2
    assert queue.attempts(2) == []
    assert queue.workers() == []
    assert set(zoo.seen(module)) <= {"Cancelled"}


# -- (13) claiming several at once


@pytest.mark.parametrize(("strategy", "order"), [(FIFOStrategy, [1, 2, 3]), (LIFOStrategy, [5, 4, 3])])
def test_three_are_claimed_in_order(queue: SQLiteQueue, worker: int, strategy: Any, order: list[int]) -> None:
    for _ in range(5):
        add(queue)
    claimed = queue.claim(worker, strategy, ["demo"], limit=3)
    assert [claim.task.id for claim in claimed] == order
    assert {claim.worker_id for claim in claimed} == {worker}
    assert queue.counts()[TaskStatus.CLAIMED] == 3
    assert len(queue.claim(worker, strategy, ["demo"], limit=3)) == 2


def test_three_are_claimed_together_or_not_at_all(
    queue: SQLiteQueue, worker: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        add(queue)
    queue._database.execute(
        "CREATE TEMP TRIGGER third BEFORE UPDATE OF status ON main.task WHEN NEW.id = 3 "
        "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
    )
    with pytest.raises(StoreError):
        queue.claim(worker, FIFOStrategy, ["demo"], limit=3)
    assert states(queue) == [("queued", 0)] * 5


# -- (14) how long the oldest has waited


def test_a_scheduled_task_waits_from_when_it_became_due(
    make_service: MakeService, queue: SQLiteQueue, worker: int, clock: FakeClock
) -> None:
    start = clock()
    add(queue, run_at=start + 100 * SECOND)
    assert queue.oldest_ready_at() is None
    clock.advance(150)
    add(queue, "other")
    queue.rescue()  # as every worker does now and then, whatever types it claims
    assert queue.get(1).state is TaskStatus.QUEUED
    assert queue.oldest_ready_at() == start + 100 * SECOND
    assert make_service().oldest_ready_age() == 50


# -- (15) a deferral in the foreground


def test_a_deferral_is_waited_for_once(zoo: Zoo, make_service: MakeService, clock: FakeClock) -> None:
    body = "seen.append(1)\ncontext.defer(context.deadline - timedelta(seconds=890), 'not now')"
    zoo.worker("demo", body, imported=DATES)
    service = make_service()
    told: list[Task] = []
    start = clock()
    task = service.scrape(service.check("demo", {}), waiting=told.append).task
    assert (task.state, task.attempt, task.reason) == (TaskStatus.SCHEDULED, 0, "not now")
    assert (len(told), len(zoo.seen("demo_plugin"))) == (1, 2)
    assert clock() - start == 10 * SECOND


# -- (17) the program


def test_a_worker_for_a_type_that_is_not_there_leaves_at_once(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo")
    done = program("run", "--type", "nope")
    assert done.code == 2
    assert "nope" in done.err
    assert done.out == ""


def in_shell(program: Program, script: str) -> subprocess.CompletedProcess[str]:
    """Run a line of sh in which ``$0`` is the program."""
    return subprocess.run(
        ["sh", "-c", script, PROGRAM],
        env=program.env(),
        cwd=program.folder,
        capture_output=True,
        check=False,
        timeout=60,
        text=True,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize(
    "arguments", ["items list", "items list --json", "items export", "enqueue demo", "tasks list", "status"]
)
def test_a_closed_stdout_is_no_reason_to_crash(
    program: Program, zoo: Zoo, own_queue: SQLiteQueue, arguments: str
) -> None:
    zoo.worker("demo")
    assert program("scrape", "demo").code == 0
    done = in_shell(program, f'"$0" {arguments} >&-')
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert own_queue.counts()[TaskStatus.QUEUED] == (1 if arguments.startswith("enqueue") else 0)


def test_an_export_into_a_pipe_that_closes_early_is_quiet(program: Program, zoo: Zoo) -> None:
    item = "{'source': 't', 'kind': 'video', 'id': str(n), 'description': 'x' * 500}"
    zoo.worker("demo", f"for n in range(1000):\n    yield {item}")
    assert program("scrape", "demo", "--jsonl").code == 0
    done = in_shell(program, '"$0" items export | head -1')
    assert json.loads(done.stdout)["source"] == "t"
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("name", ["", " ", "\n", "a\tb"])
def test_no_plugin_has_such_a_name_to_block(program: Program, zoo: Zoo, name: str, home: Path) -> None:
    zoo.worker("demo")
    done = program("plugins", "block", name)
    assert done.code == 2
    assert "Traceback" not in done.err
    assert program("scrape", "demo").code == 0
