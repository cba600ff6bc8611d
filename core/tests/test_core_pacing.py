"""Waiting for a turn, as tasks and workers live it: who waits, who goes back, and by which clock."""

import json
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from plugin_helpers import ONE_ITEM, MakeService, Program, Until, Zoo
from ytworker import ErrorClass, Outcome, TaskStatus
from ytworker.holds import Holds
from ytworker.logs import JSONFormatter
from ytworker.model import SECOND, NewTask, to_microseconds
from ytworker.pacing import Pace
from ytworker.queue import Ask, ItemFilter, TaskFilter
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.testing import FakeClock

pytest_plugins = ["plugin_fixtures"]

ASK = "context.budget('site').acquire()\nseen.append(1)\n"


def use_up(queue: SQLiteQueue, number: int, pace: Pace | None = None) -> None:
    """Ask as other processes do."""
    for _ in range(number):
        queue.admit(Ask(source="site", pace=pace or Pace()))


# -- who waits, and who goes back


def test_a_task_whose_turn_is_far_off_is_put_off_and_pays_nothing(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, clock: FakeClock
) -> None:
    zoo.worker("demo", f"{ASK}return []")
    use_up(queue, 600)
    (before,) = queue.usage()
    service = make_service()
    service.enqueue("demo", {})
    service.run(until_empty=True)
    task = queue.get(1)
    assert (task.state, task.attempt, zoo.seen("demo_plugin")) == (TaskStatus.SCHEDULED, 0, [])
    assert "site: its next turn is" in (task.reason or "")
    assert queue.usage() == [before]
    assert task.run_at is not None
    clock.advance((task.run_at - clock()) / SECOND)
    service.run(until_empty=True)
    assert queue.get(1).outcome is Outcome.EMPTY


def test_a_task_that_would_lose_what_it_asked_for_waits_however_long(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, clock: FakeClock
) -> None:
    zoo.worker("demo", "for n in range(12):\n    context.budget('site').acquire()\nreturn []")
    service = make_service(pace_per_hour=10, pace_interval_seconds=1)
    service.enqueue("demo", {})
    began = clock()
    service.run(until_empty=True)  # put off again and again it would never get beyond the tenth
    assert queue.get(1).outcome is Outcome.EMPTY
    assert clock() - began >= 3590 * SECOND


def test_a_task_that_has_saved_what_it_found_is_put_off(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue
) -> None:
    body = "for n in range(12):\n    context.budget('site').acquire()\n    context.checkpoint.save(n)\nreturn []"
    zoo.worker("demo", body)
    service = make_service(pace_per_hour=10, pace_interval_seconds=1)
    service.enqueue("demo", {})
    service.run(until_empty=True)
    assert (queue.get(1).state, queue.get(1).attempt) == (TaskStatus.SCHEDULED, 0)


def test_whoever_sits_in_front_of_a_scrape_gets_it_however_long_it_takes(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue
) -> None:
    zoo.worker("demo", f"{ASK}return []")
    use_up(queue, 600)
    service = make_service()
    assert service.scrape(service.check("demo", {})).task.outcome is Outcome.EMPTY


@pytest.mark.parametrize("interval", [300.0, 2000.0])
def test_a_pace_that_is_slower_than_our_patience_makes_progress(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, interval: float
) -> None:
    zoo.worker("demo", f"{ASK}context.checkpoint.save(1)\n{ASK}return []")
    use_up(queue, 1, Pace(interval=interval, burst=1))
    service = make_service(pace_interval_seconds=interval, pace_burst=1)
    service.enqueue("demo", {})
    service.run(until_empty=True)
    assert queue.get(1).outcome is Outcome.EMPTY


@pytest.mark.parametrize("cost", [601, 10**18, 2**64, 10**100], ids=str)
def test_a_request_that_costs_more_than_an_hour_gives_is_refused_in_words(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, cost: int
) -> None:
    zoo.worker("demo", f"context.budget('site').acquire({cost})\nreturn []")
    service = make_service()
    done = service.scrape(service.check("demo", {}))
    assert done.error is not None
    assert done.error.error_class is ErrorClass.INVALID
    assert f"{cost} requests at once are more than the pace of 600 an hour" in done.error.message
    assert "pace_per_hour" in done.error.message
    assert queue.usage() == []


@pytest.mark.parametrize("call", ["reserve('b', 1, limit=2**63, zone='UTC')", "exhaust('b', limit=-1, zone='UTC')"])
def test_a_quota_that_makes_no_sense_is_refused_in_words(zoo: Zoo, make_service: MakeService, call: str) -> None:
    zoo.worker("demo", f"context.budget('site').{call}\nreturn []")
    service = make_service()
    done = service.scrape(service.check("demo", {}))
    assert done.error is not None
    assert "a quota has 0 to" in done.error.message


# -- a worker that is asked to stop


WAITS: dict[str, str] = {
    "for its turn": "context.budget('site').acquire(599)",
    "because its plugin wants to": "context.sleep(600)",
}


@pytest.mark.parametrize("wait", WAITS)
def test_a_worker_that_drains_gives_back_what_only_waits(
    program: Program, zoo: Zoo, until: Until, home: Path, wait: str
) -> None:
    body = f"pathlib.Path(os.environ['HOME'], 'waits').touch()\n{WAITS[wait]}\nreturn []"
    zoo.worker("demo", f"import os, pathlib\ncontext.budget('site').acquire()\n{body}")
    program("enqueue", "demo")
    process = program.start("run")
    try:
        until((home / "waits").exists)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    (task,) = json.loads(program("tasks", "list", "--json").out)
    assert (process.returncode, task["state"], task["attempt"]) == (0, "queued", 0)


def test_a_worker_that_drains_lets_end_what_need_not_wait(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue
) -> None:
    zoo.worker("demo", f"stop.append(1)\n{ASK}{ONE_ITEM}", extra="stop = []")
    service = make_service()
    service.enqueue("demo", {})
    service.enqueue("demo", {})
    service.run(stopping=lambda: bool(sys.modules["demo_plugin"].stop))
    assert sorted(task.state for task in queue.tasks(TaskFilter())) == [TaskStatus.COMPLETED, TaskStatus.QUEUED]


def test_a_worker_that_drains_asks_for_no_turn_that_has_not_come(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue
) -> None:
    zoo.worker("demo", f"stop.append(1)\n{ASK}{ONE_ITEM}", extra="stop = []")
    use_up(queue, 30)
    (before,) = queue.usage()
    service = make_service()
    service.enqueue("demo", {})
    service.run(stopping=lambda: bool(sys.modules["demo_plugin"].stop))
    assert (queue.get(1).state, queue.get(1).attempt, queue.get(1).reason) == (
        TaskStatus.QUEUED,
        0,
        "the worker is stopping, and this task would have to wait",
    )
    assert queue.usage() == [before]


PAGES = """
stop.append(1)
for n in range(40):
    context.budget('site').acquire()
    yield {'source': 'test', 'kind': 'video', 'id': str(n)}
    if n == save: context.checkpoint.save(n)
"""


@pytest.mark.parametrize(
    ("save", "state", "stored"), [(-1, TaskStatus.COMPLETED, 40), (32, TaskStatus.QUEUED, 33)], ids=["never", "then"]
)
def test_a_worker_that_drains_lets_nobody_lose_what_was_found(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, save: int, state: TaskStatus, stored: int
) -> None:
    zoo.worker("demo", PAGES, extra=f"stop = []\nsave = {save}")
    service = make_service()
    service.enqueue("demo", {})
    service.run(stopping=lambda: bool(sys.modules["demo_plugin"].stop))
    assert queue.get(1).state is state
    assert len(list(queue.items(ItemFilter()))) == stored


def test_whoever_stops_a_worker_is_told_what_went_back(program: Program, zoo: Zoo, until: Until, home: Path) -> None:
    zoo.worker("demo", "import os, pathlib\npathlib.Path(os.environ['HOME'], 'waits').touch()\ncontext.sleep(600)")
    program("enqueue", "demo")
    process = program.start("--log-format", "console", "run")
    try:
        until((home / "waits").exists)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert b"0 tasks done; 1 task went back to the queue" in err


# -- a clock that is set


@pytest.fixture
def at_the_clock(zoo: Zoo, make_service: MakeService, clock: FakeClock) -> Callable[..., Any]:
    """Do one task that may set the clock of the machine."""

    def run(body: str) -> Any:
        module = zoo.worker("demo", body, extra="hands = []")
        service = make_service()
        task = service.check("demo", {}, timeout_seconds=10, max_attempts=1)
        sys.modules[module].hands.append(clock.set)
        return service.scrape(task), zoo.seen(module)

    return run


def test_a_clock_that_is_set_forward_ends_no_task(at_the_clock: Callable[..., Any]) -> None:
    done, _ = at_the_clock("hands[0](3600)\ncontext.progress(1)\ncontext.sleep(9)\nreturn []")
    assert done.task.outcome is Outcome.EMPTY


def test_a_clock_that_is_set_back_lets_no_task_run_on(at_the_clock: Callable[..., Any]) -> None:
    done, _ = at_the_clock("hands[0](-3600)\nfor n in range(9):\n    context.sleep(2)\nreturn []")
    assert done.error.type == "ytworker.DeadlineExceeded"


def test_the_deadline_that_a_scrape_sees_is_by_the_clock_of_the_day(
    at_the_clock: Callable[..., Any], clock: FakeClock
) -> None:
    _, (deadline,) = at_the_clock(
        "hands[0](3600)\ncontext.budget('site').acquire()\nseen.append(context.deadline)\nreturn []"
    )
    assert to_microseconds(deadline) - clock() == 10 * SECOND


def test_a_duration_is_what_passed_and_not_what_the_clock_says(
    at_the_clock: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "ytworker"):
        at_the_clock("hands[0](-3600)\ncontext.sleep(2)\nreturn []")
    told = [json.loads(JSONFormatter().format(record)) for record in caplog.records]
    assert [line["duration_ms"] for line in told if line["event"] == "job.finished"] == [2000]


def test_a_task_that_was_put_off_waits_by_the_clock_of_the_day(queue: SQLiteQueue, clock: FakeClock) -> None:
    queue.enqueue([NewTask(type="demo", params={}, run_at=clock() + 3600 * SECOND)])
    clock.set(3600)
    assert queue.next_due_at(["demo"]) == clock()


# -- one request at a time, also from one scrape

TOGETHER = """
import threading
from concurrent.futures import ThreadPoolExecutor
both = threading.Barrier(2)
def fetch(_):
    with context.budget('site').request():
        try:
            both.wait(0.2)
        except threading.BrokenBarrierError:
            return 'alone'
        return 'together'
with ThreadPoolExecutor(2) as pool:
    seen.extend(pool.map(fetch, range(2)))
return []
"""


def test_threads_of_a_scrape_ask_one_after_the_other(zoo: Zoo, make_service: MakeService, queue: SQLiteQueue) -> None:
    module = zoo.worker("demo", TOGETHER)
    service = make_service()
    assert service.scrape(service.check("demo", {})).task.outcome is Outcome.EMPTY
    assert zoo.seen(module) == ["alone", "alone"]
    (use,) = queue.usage()
    assert (use.requests, use.in_flight) == (2, 0)


COROUTINES = """
import asyncio
async def fetch():
    with context.budget('site').request():
        await asyncio.sleep(0)
async def scrape():
    {}
    return []
return scrape()
"""


def test_coroutines_that_ask_at_a_time_are_told_how_not_to(zoo: Zoo, make_service: MakeService) -> None:
    zoo.worker("demo", COROUTINES.format("await asyncio.gather(fetch(), fetch())"))
    service = make_service()
    done = service.scrape(service.check("demo", {}, max_attempts=1))
    assert done.error is not None
    assert done.error.error_class is ErrorClass.BUG
    assert "another coroutine of this scrape is asking site" in done.error.message
    assert "asyncio.Lock" in done.error.message


ALLOWED = {
    "one after the other": "await fetch(); await fetch()",
    "guarded": (
        "lock = asyncio.Lock()\n    async def guarded():\n        async with lock: await fetch()\n"
        "    await asyncio.gather(guarded(), guarded())"
    ),
    "one inside of another": "with context.budget('site').request(): await asyncio.create_task(fetch())",
    "in a thread that was given the context": (
        "with context.budget('site').request(): await asyncio.to_thread(lambda: asyncio.run(fetch()))"
    ),
    "of two sources": "with context.budget('other').request(): await fetch()",
}


@pytest.mark.parametrize("case", ALLOWED)
def test_what_asks_one_request_at_a_time_goes_on(zoo: Zoo, make_service: MakeService, case: str) -> None:
    zoo.worker("demo", COROUTINES.format(ALLOWED[case]))
    service = make_service()
    done = service.scrape(service.check("demo", {}, max_attempts=1))
    assert done.error is None
    assert done.task.outcome is Outcome.EMPTY


def test_an_async_generator_may_yield_while_it_asks(zoo: Zoo, make_service: MakeService) -> None:
    body = "async def each():\n    for n in range(3):\n        with context.budget('site').request():\n"
    zoo.worker("demo", f"{body}            yield {{'source': 'test', 'kind': 'video', 'id': str(n)}}\nreturn each()")
    service = make_service()
    assert service.scrape(service.check("demo", {}, max_attempts=1)).task.outcome is Outcome.OK


def test_a_thread_that_is_waited_for_inside_of_a_request_is_told_so() -> None:
    holds = Holds(patience=0.01)
    holds.begin("site")
    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="another thread of this scrape"):
        pool.submit(holds.begin, "site").result()
    assert not holds.end("site")
