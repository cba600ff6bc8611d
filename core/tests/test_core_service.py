"""The service: checking, enqueueing, doing in the foreground, and what each class of failure comes to."""

import json
import threading
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import ytworker
from plugin_helpers import ONE_ITEM, MakeService, Program, Zoo
from ytworker import ErrorClass, ParametersError, PluginUnavailableError, Service, SettingsError, Task, TaskStatus
from ytworker.engine.retry import DAY, HOUR
from ytworker.errors import QueueError, StoreError
from ytworker.model import SECOND, NewTask, OnConflict, UniqueWhile
from ytworker.plugins.discovery import Policy
from ytworker.plugins.parameters import MAX_BYTES, as_json, validate
from ytworker.plugins.registry import PluginRegistry
from ytworker.queue import TaskFilter, get_strategy
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.settings import ALL_ORDERS, load_settings
from ytworker.testing import FakeClock, MemoryQueue

pytest_plugins = ["plugin_fixtures"]

MODEL = """
from datetime import date
from pydantic import BaseModel, Field, field_validator
class P(BaseModel):
    url: str
    top_n: int = Field(default=10, ge=1, le=500)
    since: date | None = None
    @field_validator("url")
    @classmethod
    def check(cls, value):
        if "://" in value: raise ValueError("give a handle")
        return value
@hookimpl
def get_parameters():
    return P
"""

# error -> (state, attempts counted, seconds until run_at, class in dead list)
TABLE: dict[str, tuple[str, str, int, float | None]] = {
    "transient": ("RetryableError('x')", "dead", 5, None),
    "offline": ("OfflineError('x')", "scheduled", 0, None),
    "resource": ("MemoryError('x')", "dead", 5, None),
    "bug": ("KeyError('x')", "dead", 2, None),
    "suspect": ("SuspectError('x')", "dead", 2, None),
    "throttled": ("ThrottledError('x', source='site')", "scheduled", 0, 300),
    "throttled for so long": ("ThrottledError('x', source='site', retry_after=900)", "scheduled", 0, 900),
    "blocked": ("BlockedError('x', source='site')", "scheduled", 0, 6 * HOUR),
    "quota": ("QuotaError('x', source='site')", "scheduled", 0, HOUR),
    "quota until its reset": ("QuotaError('x', source='site', retry_after=7200)", "scheduled", 0, 7200),
    "not yet": ("NotYetError('x', retry_after=172800)", "scheduled", 0, 2 * DAY),
    "gone": ("GoneError('x')", "dead", 1, None),
    "restricted": ("RestrictedError('x')", "dead", 1, None),
    "invalid": ("PermanentError('x')", "dead", 1, None),
    "config": ("ConfigError('x', source='site')", "scheduled", 0, HOUR),
    "unavailable": ("TaskError('x', error_class=ErrorClass.UNAVAILABLE)", "dead", 2, None),
    "store": ("TaskError('x', error_class=ErrorClass.STORE)", "dead", 2, None),
    "a broken connection": ("ConnectionResetError('x')", "dead", 5, None),
    "a status": ("type('E', (Exception,), {'status': 404})('x')", "dead", 1, None),
}
COOLED = {
    "throttled": 300,
    "throttled for so long": 900,
    "blocked": 6 * HOUR,
    "quota": HOUR,
    "quota until its reset": 7200,
}


@pytest.mark.parametrize("case", TABLE)
def test_each_class_of_failure_ends_as_the_design_says(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, clock: FakeClock, case: str
) -> None:
    raised, state, attempts, wait = TABLE[case]
    zoo.worker("demo", f"seen.append(1)\n{ONE_ITEM}\nraise {raised}")
    service = make_service()
    done = service.scrape(service.check("demo", {}))
    task = done.task
    assert (task.state.value, task.attempt) == (state, attempts)
    assert done.error is not None
    assert done.error.message.strip("'") == "x"
    assert len(zoo.seen("demo_plugin")) == max(1, attempts)
    if wait is not None:
        assert task.run_at == clock() + round(wait * SECOND)
    if state == "dead":
        assert [each.number for each in queue.attempts(1)] == list(range(1, attempts + 1))
        assert all("demo_plugin.py" in each.error.traceback for each in queue.attempts(1))
        assert {each.plugin_version for each in queue.attempts(1)} == {"1.0"}
    source = queue.source("site")
    if case in COOLED:
        assert source.cooling_until == clock() + round(COOLED[case] * SECOND)
        assert (source.strikes, source.reason, source.paused_by) == (1, "x", None)
    else:
        assert source.cooling_until is None
        assert (source.paused_by is not None) == (case == "config")
    assert list(service.items()) == []


def test_an_outage_burns_no_attempt_and_whoever_is_there_tries_again_at_once(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, clock: FakeClock
) -> None:
    body = "context.budget('site').acquire()\nseen.append(1)\n"
    zoo.worker("demo", body + "if params.get('ok'):\n    return []\nraise OfflineError('no network', source='site')")
    service = make_service()
    for _ in range(3):  # each of them asks: a rest after an outage spares nobody
        task = service.scrape(service.check("demo", {}, max_attempts=1)).task
        assert (task.state, task.attempt) == (TaskStatus.SCHEDULED, 0)
        state = queue.source("site")
        assert state.cooling_until is not None
        assert 30 * SECOND <= state.cooling_until - clock() <= 90 * SECOND
    assert len(zoo.seen("demo_plugin")) == 3
    service.scrape(service.check("demo", {"ok": True}))
    assert queue.source("site").cooling_until is None
    assert {task.run_at for task in queue.tasks(TaskFilter(states=[TaskStatus.SCHEDULED]))} == {clock()}


def test_after_an_outage_was_found_a_worker_asks_no_more_for_a_while(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue
) -> None:
    body = "context.budget('site').acquire()\nseen.append(1)\n"
    zoo.worker("demo", body + "raise OfflineError('no network', source='site')")
    service = make_service()
    for _ in range(10):
        service.enqueue("demo", {})
    service.run(until_empty=True)
    assert len(zoo.seen("demo_plugin")) == 1
    assert [queue.get(number).attempt for number in range(1, 11)] == [0] * 10
    assert sum(len(queue.attempts(number)) for number in range(1, 11)) == 1


def test_an_outage_forgives_nobody_who_was_blocked(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, clock: FakeClock
) -> None:
    raised = "OfflineError('x', source='site')", "BlockedError('x', source='site')"
    zoo.worker("demo", f"raise {raised[0]} if params['offline'] else {raised[1]}")
    service = make_service()
    hours = []
    for offline in (True, False, True, True, False, True, False):
        service.scrape(service.check("demo", {"offline": offline}))
        until = queue.source("site").cooling_until
        assert until is not None
        if not offline:
            hours.append((until - clock()) / SECOND / HOUR)
        clock.advance((until - clock()) / SECOND)
    assert hours == [6, 24, 72]


def test_one_name_whose_servers_fail_for_a_day_is_no_outage(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, clock: FakeClock
) -> None:
    zoo.worker("demo", "raise socket.gaierror(socket.EAI_AGAIN, 'Temporary failure')", imported="import socket")
    service = make_service()
    service.enqueue("demo", {}, max_attempts=2)
    days = []
    while queue.get(1).state is not TaskStatus.DEAD:
        service.run(until_empty=True)
        task = queue.get(1)
        days.append((clock(), task.attempt))
        assert len(days) < 5000
        if task.run_at is not None:
            clock.advance((task.run_at - clock()) / SECOND)
    counted = [at for at, attempt in days if attempt]
    assert (counted[0] - days[0][0]) / SECOND == pytest.approx(DAY, abs=100)
    assert queue.get(1).attempt == 2


def test_strikes_make_a_cool_down_longer_and_a_success_forgives(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, clock: FakeClock
) -> None:
    body = "context.budget('site').acquire()\n"
    zoo.worker("demo", body + "if params.get('ok'):\n    return []\nraise ThrottledError('x', source='site')")
    service = make_service()
    waits = []
    for _ in range(6):
        service.scrape(service.check("demo", {}))
        until = queue.source("site").cooling_until
        assert until is not None
        waits.append((until - clock()) / SECOND)
        clock.advance(waits[-1])
    assert waits == [300, 600, 1200, 2400, 3600, 3600]
    assert queue.source("site").strikes == 6
    service.scrape(service.check("demo", {"ok": True}))
    assert (queue.source("site").strikes, queue.source("site").cooling_until) == (0, None)


def test_dead_letters_are_listed_with_their_class(program: Program, zoo: Zoo) -> None:
    zoo.worker("gone", "raise GoneError('it was removed')")
    zoo.worker("wrong", "raise PermanentError('no such thing')")
    for name in ("gone", "wrong"):
        assert program("scrape", name).code == 1
    found = json.loads(program("dead", "list", "--flat", "--json").out)
    assert [(each["type"], each["error_class"], each["error"], each["state"]) for each in found] == [
        ("wrong", "invalid", "no such thing", "dead"),
        ("gone", "gone", "it was removed", "dead"),
    ]
    only = json.loads(program("dead", "list", "--flat", "--class", "gone", "--json").out)
    assert [each["type"] for each in only] == ["gone"]
    assert json.loads(program("dead", "list", "--flat", "--type", "nothing", "--json").out) == []
    assert "it was removed" in program("dead", "list").out


def test_a_retry_within_a_minute_is_waited_for(zoo: Zoo, make_service: MakeService, clock: FakeClock) -> None:
    zoo.worker("demo", "seen.append(1)\nif len(seen) < 3:\n    raise RetryableError('x', retry_after=50)\nreturn []")
    service = make_service()
    told: list[Task] = []
    start = clock()
    done = service.scrape(service.check("demo", {}), waiting=told.append)
    assert (done.task.state, done.task.attempt, done.error) == (TaskStatus.COMPLETED, 3, None)
    assert clock() - start == 100 * SECOND
    assert [(task.attempt, task.state) for task in told] == [(1, TaskStatus.SCHEDULED), (2, TaskStatus.SCHEDULED)]


def test_a_retry_after_a_minute_is_left_to_a_worker(zoo: Zoo, make_service: MakeService, clock: FakeClock) -> None:
    zoo.worker("demo", "raise RetryableError('x', retry_after=61)")
    service = make_service()
    start = clock()
    done = service.scrape(service.check("demo", {}))
    assert (done.task.state, done.task.attempt) == (TaskStatus.SCHEDULED, 1)
    assert clock() == start


def test_an_interrupt_leaves_the_task_queued_with_its_attempt_taken_back(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue
) -> None:
    zoo.worker("demo", "raise KeyboardInterrupt")
    service = make_service()
    with pytest.raises(KeyboardInterrupt):
        service.scrape(service.check("demo", {}))
    task = queue.get(1)
    assert (task.state, task.attempt, queue.workers()) == (TaskStatus.QUEUED, 0, [])


def test_a_live_key_is_not_scraped_twice(zoo: Zoo, make_service: MakeService) -> None:
    zoo.worker("demo")
    service = make_service()
    service.enqueue("demo", {}, key="k")
    with pytest.raises(QueueError, match="task 1 with the key 'k' is live already"):
        service.scrape(service.check("demo", {}, key="k"))
    assert service.queue.workers() == []


# -- checking


def test_every_problem_is_told_at_once(zoo: Zoo, make_service: MakeService, queue: SQLiteQueue) -> None:
    zoo.worker("demo", extra=MODEL)
    service = make_service()
    params = {"url": "http://x", "top_n": "many", "topn": 1, "color": 2}
    with pytest.raises(ParametersError) as caught:
        service.enqueue("demo", params, priority=0, speed=1, key="")
    told = "\n".join(caught.value.problems)
    assert "url: give a handle" in told
    assert "top_n: Input should be a valid integer" in told
    assert "topn: unknown parameter; did you mean top_n?" in told
    assert "color: unknown parameter; known are since, top_n, url" in told
    assert "priority: a whole number from 1 to 10" in told
    assert "speed: unknown option" in told
    assert "key: 1 to 200 printable characters" in told
    assert len(caught.value.problems) == 7
    assert sum(queue.counts().values()) == 0


def test_a_missing_parameter_is_required(zoo: Zoo, make_service: MakeService) -> None:
    zoo.worker("demo", extra=MODEL)
    with pytest.raises(ParametersError, match="url: is required"):
        make_service().check("demo", {})


BAD_OPTIONS = {
    "priority": [0, 11, True, 5.0, "5"],
    "max_attempts": [0, 101, 1.5, False],
    "timeout_seconds": [0, -1, 86_401, float("nan"), float("inf"), "9", True],
    "key": ["", "x" * 201, "a\nb", "\x1b", 5],
    "run_at": [datetime(2026, 1, 1), "2026-01-01", 5],  # noqa: DTZ001 - the point
    "unique": ["", "always", 5, True, ["live"]],
    "on_conflict": ["", "ignore", 5, "raise", OnConflict],
}


@pytest.mark.parametrize(("option", "value"), [(name, value) for name in BAD_OPTIONS for value in BAD_OPTIONS[name]])
def test_an_option_that_does_not_fit_is_told(zoo: Zoo, make_service: MakeService, option: str, value: Any) -> None:
    zoo.worker("demo")
    with pytest.raises(ParametersError, match=option):
        make_service().check("demo", {}, **{option: value})


def test_options_are_kept_and_defaults_come_from_the_settings(zoo: Zoo, make_service: MakeService) -> None:
    zoo.worker("demo", extra=MODEL)
    service = make_service(max_attempts=7, timeout_seconds=33)
    assert service.check("demo", {"url": "@a"}, priority=None, key=None) == NewTask(
        type="demo", params={"url": "@a"}, max_attempts=7, timeout_seconds=33
    )
    when = datetime(2026, 12, 1, 9, tzinfo=UTC)
    task = service.check("demo", {"url": "@a"}, priority=9, run_at=when, key="k", max_attempts=1, timeout_seconds=0.5)
    assert (task.priority, task.key, task.max_attempts, task.timeout_seconds) == (9, "k", 1, 0.5)
    assert task.run_at == int(when.timestamp()) * SECOND


@pytest.mark.parametrize("unique", ["live", "queued", "Queued", UniqueWhile.QUEUED, None])
@pytest.mark.parametrize("conflict", ["keep", "replace", "raise-priority", "raise_priority", OnConflict.REPLACE, None])
def test_how_a_key_is_unique_may_be_said_in_words(
    zoo: Zoo, make_service: MakeService, unique: Any, conflict: Any
) -> None:
    zoo.worker("demo")
    task = make_service().check("demo", {}, key="k", unique=unique, on_conflict=conflict)
    assert task.unique is UniqueWhile((unique or "live").lower())
    assert task.on_conflict is OnConflict((conflict or "keep").replace("-", "_"))


def test_what_is_said_about_a_key_needs_one(zoo: Zoo, make_service: MakeService) -> None:
    zoo.worker("demo")
    with pytest.raises(ParametersError) as caught:
        make_service().check("demo", {}, unique="live", on_conflict="replace", key=None)
    assert caught.value.option_problems == (
        "unique: means nothing without a key",
        "on_conflict: means nothing without a key",
    )


def test_a_follow_up_may_say_how_its_key_is_unique(zoo: Zoo, make_service: MakeService, queue: SQLiteQueue) -> None:
    asks = "context.enqueue('demo', {'n': n}, key='k', unique='queued', on_conflict='replace')"
    zoo.worker("demo", f"for n in (1, 2):\n    {asks}\nreturn []")
    service = make_service()
    service.scrape(service.check("demo", {}))
    assert [task.params for task in service.tasks()] == [{"n": 2}, {}]


def test_parameters_are_stored_as_json_and_only_what_was_given(zoo: Zoo, make_service: MakeService) -> None:
    zoo.worker("demo", extra=MODEL)
    params = make_service().check("demo", {"url": "@a", "since": "2026-01-02"}).params
    assert params == {"url": "@a", "since": "2026-01-02"}


@pytest.mark.parametrize("params", [{"a": {1}}, {"a": float("nan")}, {"a": b"x"}, {"a": object()}])
def test_parameters_are_json(params: dict[str, Any]) -> None:
    with pytest.raises(ParametersError, match="must be JSON"):
        validate("demo", None, params)


def test_parameters_that_are_circular_or_too_deep_are_refused() -> None:
    loop: dict[str, Any] = {}
    loop["loop"] = loop
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"d": deep}
    for params in (loop, deep):
        with pytest.raises(ParametersError, match="must be JSON"):
            validate("demo", None, params)
    while deep:
        deep = deep.pop("d")  # let go of it piece by piece


def test_parameters_are_instructions_and_no_data() -> None:
    with pytest.raises(ParametersError, match="pass a reference instead"):
        validate("demo", None, {"a": "x" * MAX_BYTES})
    assert as_json(validate("demo", None, {"a": 1})) == {"a": 1}


def test_an_unknown_type_is_refused_before_anything_is_stored(make_service: MakeService, queue: SQLiteQueue) -> None:
    service = make_service()
    with pytest.raises(PluginUnavailableError, match="missing"):
        service.enqueue("nobody", {})
    assert sum(queue.counts().values()) == 0


def test_many_are_enqueued_in_one_go_and_a_key_gives_the_live_task(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue
) -> None:
    zoo.worker("demo")
    service = make_service()
    tasks = [service.check("demo", {"n": n}, key=key) for n, key in enumerate([None, "k", "k"])]
    assert service.enqueue_many(tasks) == ["1", "2", "2"]
    assert service.enqueue("demo", {}, key="k") == "2"


def test_many_threads_enqueue_through_one_connection(zoo: Zoo, make_service: MakeService, queue: SQLiteQueue) -> None:
    zoo.worker("demo")
    service = make_service()
    found: list[int] = []
    with service.group_commit() as group:

        def enqueue(number: int) -> None:
            found.extend(done.id for done in group.enqueue([service.check("demo", {"n": number})]))

        threads = [threading.Thread(target=enqueue, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(found) == list(range(1, 9))
    assert sorted(task.params["n"] for task in service.tasks()) == list(range(8))


# -- orders


class Ordered(MemoryQueue):
    """Remembers what it was told to offer."""

    told: list[tuple[str, ...]]

    def offer(self, orders: Collection[str]) -> None:
        self.told = [*getattr(self, "told", []), tuple(orders)]
        super().offer(orders)


@pytest.mark.parametrize(
    ("before", "flags", "strategy", "told"),
    [
        (ALL_ORDERS, {}, None, []),
        (ALL_ORDERS, {}, "weighted_random", []),
        (ALL_ORDERS, {"orders": ALL_ORDERS}, None, [ALL_ORDERS]),
        (ALL_ORDERS, {"orders": "priority"}, "priority", [("fifo", "lifo", "priority")]),
        (["fifo"], {}, "fifo", []),
        (["fifo"], {}, "priority", [ALL_ORDERS]),
        (["priority"], {"strategy": "weighted-random"}, None, [ALL_ORDERS]),
    ],
)
def test_a_worker_makes_ready_what_the_settings_name(
    zoo: Zoo, before: Any, flags: Any, strategy: str | None, told: list[Any], clock: FakeClock
) -> None:
    zoo.worker("demo")
    queue = Ordered(clock=clock)
    queue.offer(before)
    queue.told = []
    service = Service(queue, PluginRegistry(), load_settings(flags), clock=clock, sleep=clock.sleep)
    service.enqueue("demo", {})
    assert service.run(strategy=get_strategy(strategy) if strategy else None, until_empty=True) == 1
    assert queue.told == told


def test_an_order_that_the_settings_leave_out_is_refused(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue
) -> None:
    zoo.worker("demo")
    service = make_service(orders=["lifo"], strategy="priority")
    service.enqueue("demo", {})
    with pytest.raises(SettingsError, match=r"the order priority is not among .* \(fifo, lifo\)"):
        service.run(until_empty=True)
    assert queue.workers() == []
    assert queue.orders() == set(ALL_ORDERS)  # nothing was narrowed on the way


def test_a_worker_ages_as_the_settings_say(
    zoo: Zoo, make_service: MakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    claim = SQLiteQueue.claim

    def spy(self: SQLiteQueue, worker_id: int, strategy: Any, types: Any, *, limit: int = 1) -> Any:
        seen.append((strategy.name, strategy.aging_seconds))
        return claim(self, worker_id, strategy, types, limit=limit)

    monkeypatch.setattr(SQLiteQueue, "claim", spy)
    zoo.worker("demo")
    make_service(strategy="priority", aging_seconds=600).run(until_empty=True)
    make_service(aging_seconds=0).run(until_empty=True)
    assert set(seen) == {("priority", 600.0), ("lifo", None)}


# -- waiting for plugins


@pytest.mark.parametrize("why", ["missing", "blocked", "incompatible", "conflict"])
def test_a_task_without_its_plugin_stays_queued_and_burns_nothing(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, why: str
) -> None:
    queue.enqueue([NewTask(type="demo", params={}), NewTask(type="healthy", params={})])
    zoo.worker("healthy")
    if why == "incompatible":
        zoo.worker("demo", requires=["ytworker<0.1"])
    elif why != "missing":
        zoo.worker("demo")
    if why == "conflict":
        zoo.install("rival", entry_points={"ytworker.workers": {"demo": "x"}})
    service = make_service(Policy(block=["demo"] if why == "blocked" else []))
    assert service.run(until_empty=True) == 1
    task = service.task(1)
    assert (task.state, task.attempt) == (TaskStatus.QUEUED, 0)
    assert f"waits for its plugin, which is {why}" in (task.reason or "")
    assert [each.reason for each in service.tasks()] == [None, task.reason]
    assert list(service.waiting_for_plugins()) == ["demo"]
    assert service.waiting_for_plugins()["demo"].startswith(f"{why}: ")


def test_the_oldest_ready_task_has_an_age(
    zoo: Zoo, make_service: MakeService, clock: FakeClock, queue: SQLiteQueue
) -> None:
    zoo.worker("demo")
    service = make_service()
    assert service.oldest_ready_age() is None
    service.enqueue("demo", {})
    clock.advance(90)
    service.enqueue("demo", {})
    assert service.oldest_ready_age() == 90


# -- opening


def test_open_gives_a_service_on_the_users_queue(zoo: Zoo, home: Path) -> None:
    zoo.worker("demo")
    with ytworker.open() as service:
        assert service.enqueue("demo", {"a": 1}) == "1"
        assert service.run(until_empty=True) == 1
        assert [item["id"] for item in service.items()] == ["1"]
    assert (home / "data" / "ytworker" / "queue.db").is_file()


def test_open_takes_a_path_a_url_and_a_policy(zoo: Zoo, tmp_path: Path) -> None:
    zoo.worker("demo")
    with ytworker.open(str(tmp_path / "plain.db"), policy=Policy(no_plugins=True)) as service:
        assert service.registry.task_types() == []
    with ytworker.open(f"sqlite://{tmp_path}/url.db") as service:
        assert "demo" in service.registry.task_types()
    assert (tmp_path / "plain.db").is_file()
    assert (tmp_path / "url.db").is_file()


def test_open_respects_the_environment(zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zoo.worker("demo")
    zoo.worker("other")
    monkeypatch.setenv("YTWORKER_QUEUE", str(tmp_path / "env.db"))
    monkeypatch.setenv("YTWORKER_ONLY", "demo,third")
    with ytworker.open() as service:
        assert service.registry.task_types() == ["demo"]
    assert (tmp_path / "env.db").is_file()


def test_open_reads_the_config_file_it_is_given(zoo: Zoo, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f"queue = '{tmp_path / 'toml.db'}'\nmax_attempts = 2\n")
    zoo.worker("demo")
    with ytworker.open(config=file) as service:
        assert service.check("demo", {}).max_attempts == 2
    assert (tmp_path / "toml.db").is_file()


def test_a_queue_of_an_unknown_kind_says_what_there_is() -> None:
    with pytest.raises(QueueError, match="no backend for the queue cheese://"):
        ytworker.open("cheese://brie")


def test_a_backend_of_a_plugin_serves_its_scheme(zoo: Zoo) -> None:
    source = "def make(url, **options):\n    seen.append((url, options))\n    return 'queue'\nseen = []\n"
    zoo.install("q", entry_points={"ytworker.queues": {"cheese": "q_p:make"}}, modules={"q_p": source})
    service = ytworker.open("cheese://user@brie/x")
    assert service.queue == "queue"
    assert zoo.seen("q_p") == [("cheese://user@brie/x", {"durability": "full", "events": True})]


def test_settings_say_how_a_backend_writes(zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YTWORKER_EVENTS", "no")
    monkeypatch.setenv("YTWORKER_DURABILITY", "normal")
    zoo.worker("demo")
    with ytworker.open(str(tmp_path / "q.db")) as service:
        service.enqueue("demo", {})
        service.cancel([1])
        assert [event.kind for event in service.events(1) if event.kind != "enqueued"] == []


def test_a_queue_that_cannot_be_opened_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        ytworker.open(str(tmp_path / "file" / "queue.db"))


def test_a_task_that_is_not_due_is_not_scraped(zoo: Zoo, make_service: MakeService, clock: FakeClock) -> None:
    zoo.worker("demo")
    service = make_service()
    when = datetime(2026, 5, 28, 20, 26, 40, tzinfo=UTC) + timedelta(hours=1)
    with pytest.raises(QueueError, match="not due"):
        service.scrape(service.check("demo", {}, run_at=when))


def test_a_class_of_an_error_is_what_the_plugin_says(zoo: Zoo, make_service: MakeService) -> None:
    taxonomy = "@hookimpl\ndef classify_error(error):\n    return ErrorClass.GONE if 'mine' in str(error) else None"
    zoo.worker("demo", "raise KeyError(params['what'])", extra=taxonomy)
    zoo.extension(
        "helper",
        "@hookimpl\ndef classify_error(error):\n    return ErrorClass.RESTRICTED if 'yours' in str(error) else None",
    )
    zoo.extension("fails", "@hookimpl\ndef classify_error(error):\n    raise RuntimeError('oops')")
    service = make_service()
    classes = []
    for what in ("mine", "yours", "nobody's"):
        error = service.scrape(service.check("demo", {"what": what}, max_attempts=1)).error
        classes.append(error.error_class if error else None)
    assert classes == [ErrorClass.GONE, ErrorClass.RESTRICTED, ErrorClass.BUG]


# -- what the settings say of retries


def test_a_retry_waits_as_the_settings_of_its_type_say(
    zoo: Zoo, queue: SQLiteQueue, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("slow", "quick"):
        zoo.worker(name, "raise RetryableError('x')")
    flags = {"retry": {"default": {"jitter": "none"}, "slow": {"growth": "linear", "base": 100, "cap": 150}}}
    service = Service(queue, PluginRegistry(), load_settings(flags), clock=clock, sleep=clock.sleep)
    waits = {}
    for name in ("slow", "quick"):
        number = int(service.enqueue(name, {}))
        waits[name] = []
        for _ in range(2):
            service.run(types=[name], until_empty=True)
            run_at = queue.get(number).run_at
            assert run_at is not None
            waits[name].append((run_at - clock()) / SECOND)
            clock.now = run_at
    assert waits == {"slow": [100, 150], "quick": [2, 4]}


def test_a_retry_for_no_type_is_told(zoo: Zoo, make_service: MakeService) -> None:
    zoo.worker("channel")
    service = make_service(retry={"default": {}, "channel": {}, "chanel": {}, "else": {}})
    assert service.misspelt_retries() == {"chanel": "channel", "else": ""}


# -- what a scrape warned of


def test_what_a_scrape_warned_of_is_evidence(zoo: Zoo, make_service: MakeService, queue: SQLiteQueue) -> None:
    zoo.worker("demo", "context.logger.warning('HTTP Error %d: %s', 503, 'busy')\nraise ValueError('no data')")
    zoo.worker("mute", "context.logger.info('HTTP Error 503: busy')\nraise ValueError('no data')")
    service = make_service()
    for name, error_class in (("demo", ErrorClass.TRANSIENT), ("mute", ErrorClass.BUG)):
        service.enqueue(name, {})
        service.run(types=[name], until_empty=True)
        (attempt,) = queue.attempts(queue.tasks(TaskFilter(types=[name]))[0].id)
        assert attempt.error.error_class is error_class
        assert ("warning: HTTP Error 503: busy" in attempt.error.traceback) is (name == "demo")


def test_what_a_plugin_that_is_a_class_warned_of_with_its_own_logger_is_evidence(
    zoo: Zoo, make_service: MakeService, caplog: pytest.LogCaptureFixture
) -> None:
    source = """
        from ytworker import *
        class Plugin(PluginBase):
            def get_task_type(self): return "demo"
            def scrape(self, params, context):
                self.logger.warning("HTTP Error %d: busy", 503, extra={"target": "x"})
                raise ValueError("no data")
    """
    zoo.install("d", entry_points={"ytworker.workers": {"demo": "demo_p:Plugin"}}, modules={"demo_p": source})
    service = make_service()
    error = service.scrape(service.check("demo", {}, max_attempts=1)).error
    assert error.error_class is ErrorClass.TRANSIENT
    assert "warning: HTTP Error 503: busy" in error.traceback
    (record,) = [each for each in caplog.records if each.name == "ytworker.plugin.demo"]
    assert (record.target, record.funcName) == ("x", "scrape")


def test_a_taxonomy_sees_what_a_scrape_warned_of(zoo: Zoo, make_service: MakeService) -> None:
    taxonomy = (
        "@hookimpl\ndef classify_error(error):\n    return 'gone' if 'warning: deleted' in error.__notes__ else None\n"
    )
    zoo.worker("demo", "context.logger.warning('deleted')\nraise ValueError('x')", extra=taxonomy)
    service = make_service()
    assert service.scrape(service.check("demo", {})).error.error_class is ErrorClass.GONE


def test_run_and_config_tell_of_retries(program: Program, zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    zoo.worker("demo")
    monkeypatch.setenv("YTWORKER_RETRY__DEMMO__BASE", "2")
    done = program("run", "--until-empty", "--inline")
    assert "retry.demmo in the settings is no task type; did you mean retry.demo?" in done.err
    assert "nothing reads" not in done.err
    (base,) = [row for row in json.loads(program("config", "show", "--json").out) if row["name"] == "retry.demmo.base"]
    assert (base["value"], base["origin"]) == (2.0, "YTWORKER_RETRY__DEMMO__BASE")
    monkeypatch.setenv("YTWORKER_RETRY__DEMO__GROWHT", "linear")
    refused = program("run", "--until-empty")
    assert refused.code == 2
    assert "YTWORKER_RETRY__DEMO__GROWHT" in refused.err
