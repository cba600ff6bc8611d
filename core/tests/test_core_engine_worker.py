"""Workers over time: the lease, the poller, and what is given back."""

import json
import sys
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from plugin_helpers import ONE_ITEM, MakeService, Program, Until, Zoo
from ytworker import TaskStatus
from ytworker.engine import BaseWorker, TaskPoller
from ytworker.engine.lease import LeaseKeeper
from ytworker.engine.retention import DAY, STEPS, Retention, rules
from ytworker.engine.worker import WorkerDeps
from ytworker.errors import StoreError
from ytworker.model import SECOND, Claim, NewTask, TaskResult, to_datetime
from ytworker.queue import Purged, TaskFilter, get_strategy
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.settings import sqlite_url
from ytworker.testing import FakeClock

pytest_plugins = ["plugin_fixtures"]

LEASE = 0.3


class Counting(BaseWorker):
    """A worker that does every task at once."""

    def process_task(self, claim: Claim) -> TaskResult:  # noqa: ARG002
        return TaskResult(success=True)


def deps(queue: SQLiteQueue, clock: Callable[[], int], **more: Any) -> WorkerDeps:
    return WorkerDeps(queue=queue, types=lambda: ["demo"], clock=clock, **more)


def add(queue: SQLiteQueue, name: str = "demo", **options: Any) -> int:
    return queue.enqueue([NewTask(type=name, params={}, **options)])[0].id


@pytest.fixture
def live(queue_file: Path) -> Any:
    """A queue on the wall clock."""
    queue = SQLiteQueue(sqlite_url(queue_file), durability="normal")
    yield queue
    queue.close()


# -- the lease


def test_a_lease_is_renewed_while_the_loop_lives(live: SQLiteQueue, until: Until) -> None:
    with Counting(deps(live, lambda: time.time_ns() // 1000, lease_seconds=LEASE)) as worker:
        (first,) = live.workers()
        worker.keep_alive(60)
        until(lambda: live.workers()[0].lease_until > first.lease_until + LEASE * SECOND)
        assert live.rescue() == 0
    assert live.workers() == []


def test_the_lease_of_a_silent_loop_lapses(live: SQLiteQueue, until: Until) -> None:
    add(live)
    with Counting(deps(live, lambda: time.time_ns() // 1000, lease_seconds=LEASE)) as worker:
        claim = worker.claim_task()
        assert claim is not None
        until(lambda: live.rescue() == 1)  # nobody says that the loop lives
        task = live.get(claim.task.id)
        assert (task.state, task.attempt) == (TaskStatus.QUEUED, 1)
        lost = worker.id
        until(lambda: worker.keep_alive() or worker.id != lost)  # the loss is found at the next renewal
        again = worker.claim_task()
        assert again is not None
        assert again.fence > claim.fence
        assert worker.report_result(claim, TaskResult(success=True)) is None  # stale, refused and logged
        assert live.get(claim.task.id).state is TaskStatus.CLAIMED
        worker.report_result(again, TaskResult(success=True))
    assert live.get(claim.task.id).state is TaskStatus.COMPLETED
    assert live.counter("stale_writes") == 1


class Renewals:
    """Renews every lease, and tells."""

    def __init__(self) -> None:
        self.renewed = threading.Event()

    def connect(self) -> "Renewals":
        return self

    def close(self) -> None:
        pass

    def renew(self, _worker_id: int, *, lease_seconds: float) -> bool:  # noqa: ARG002
        self.renewed.set()
        return True


def keep(*, said_at: float, announced: float, ticks: list[float]) -> list[float]:
    """Tell at which of these moments a lease of 60 s is renewed for a loop that spoke once."""
    now = said_at
    queue = Renewals()
    keeper = LeaseKeeper(queue, 1, 60.0, lambda: now)  # type: ignore[arg-type]
    keeper.alive_for(announced)
    renewed: list[float] = []
    for now in ticks:
        queue.renewed.clear()
        keeper.renew_if_alive(queue)  # type: ignore[arg-type]
        renewed += [now] * queue.renewed.is_set()
    return renewed


@pytest.mark.parametrize(("announced", "last"), [(0.0, 120.0), (-5.0, 120.0), (100.0, 220.0)])
def test_a_silent_loop_loses_its_lease_a_third_after_its_length_at_the_latest(announced: float, last: float) -> None:
    every_second = [100.0 + second for second in range(300)]
    assert keep(said_at=100.0, announced=announced, ticks=every_second)[-1] == last


@pytest.mark.parametrize("phase", [0.0, 7.0, 19.9])
def test_a_loop_that_is_silent_for_less_than_a_lease_keeps_it(phase: float) -> None:
    ticks = [100.0 + phase + 20 * number for number in range(9)]  # a third of it apart
    last = keep(said_at=100.0, announced=0.0, ticks=ticks)[-1]
    assert last + 60.0 >= 100.0 + 60.0
    assert last + 60.0 <= 100.0 + 80.0


def test_the_lease_of_a_loop_that_speaks_again_is_renewed_at_once() -> None:
    queue, now = Renewals(), 0.0
    keeper = LeaseKeeper(queue, 1, 3600.0, lambda: now)  # type: ignore[arg-type]
    now = 2000.0
    keeper.renew_if_alive(queue)  # type: ignore[arg-type]
    assert not queue.renewed.is_set()
    keeper.alive_for(0)
    with keeper:
        assert queue.renewed.wait(60)  # its next turn would come after 20 minutes


class Moody:
    """A queue whose connections fail as often as they are told to."""

    def __init__(self, queue: SQLiteQueue) -> None:
        self._queue = queue
        self.no_connection = self.no_renewal = 0
        self.renewed = threading.Event()

    def connect(self) -> "Moody":
        if self.no_connection:
            self.no_connection -= 1
            msg = "cannot connect"
            raise StoreError(msg)
        copy = Moody(self._queue.connect())
        copy.no_renewal, copy.renewed = self.no_renewal, self.renewed
        return copy

    def close(self) -> None:
        self._queue.close()

    def renew(self, worker_id: int, *, lease_seconds: float) -> bool:
        if self.no_renewal:
            self.no_renewal -= 1
            msg = "the disk is full"
            raise StoreError(msg)
        self.renewed.set()
        return self._queue.renew(worker_id, lease_seconds=lease_seconds)


@pytest.mark.parametrize("trouble", ["no_connection", "no_renewal"])
def test_a_lease_survives_a_store_that_fails_for_a_while(live: SQLiteQueue, trouble: str) -> None:
    moody = Moody(live)
    setattr(moody, trouble, 2)
    with LeaseKeeper(moody, live.add_worker(lease_seconds=60), 0.1) as keeper:  # type: ignore[arg-type]
        keeper.alive_for(60)
        assert moody.renewed.wait(30)
        assert not keeper.lost


def test_a_worker_gives_back_what_it_holds(queue: SQLiteQueue, clock: FakeClock) -> None:
    add(queue)
    with Counting(deps(queue, clock)) as worker:
        assert worker.claim_task() is not None
        assert worker.claim_task() is None
    task = queue.get(1)
    assert (task.state, task.attempt) == (TaskStatus.QUEUED, 0)


def test_a_store_that_fails_at_the_end_is_left_to_the_lease(
    queue: SQLiteQueue, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_worker: int) -> None:
        msg = "the disk is full"
        raise StoreError(msg)

    with Counting(deps(queue, clock)) as worker:
        monkeypatch.setattr(queue, "remove_worker", full)
    assert [each.id for each in queue.workers()] == [worker.id]


def test_run_once_says_whether_there_was_work(queue: SQLiteQueue, clock: FakeClock) -> None:
    add(queue)
    with Counting(deps(queue, clock)) as worker:
        assert [worker.run_once(), worker.run_once()] == [True, False]
    assert queue.get(1).state is TaskStatus.COMPLETED


def test_an_executor_without_a_result_is_a_bug_of_ours(zoo: Zoo, make_service: MakeService) -> None:
    zoo.worker("demo")
    service = make_service()
    service.enqueue("demo", {})
    with service.worker_factory().create() as worker:
        claim = worker.claim_task()
        assert claim is not None
        worker._executor = type("Nothing", (), {"run": lambda *_: None, "close": lambda _: None})()
        with pytest.raises(RuntimeError, match="without a result"):
            worker.process_task(claim)


# -- the poller


def poller(queue: SQLiteQueue, clock: FakeClock, worker: BaseWorker | None = None, **more: Any) -> TaskPoller:
    options: dict[str, Any] = {"types": lambda: ["demo"], "sleep": clock.sleep, "stopping": lambda: False, **more}
    return TaskPoller(worker=worker or Counting(deps(queue, clock)), queue=queue, clock=clock, **options)


def states(queue: SQLiteQueue) -> list[str]:
    return [task.state.value for task in reversed(queue.tasks(TaskFilter()))]


def test_until_empty_leaves_what_is_scheduled(queue: SQLiteQueue, clock: FakeClock) -> None:
    for run_at in (None, None, clock() + 3600 * SECOND):
        add(queue, run_at=run_at)
    assert poller(queue, clock).run(until_empty=True) == 2
    assert states(queue) == ["completed", "completed", "scheduled"]


def test_max_tasks_is_the_most(queue: SQLiteQueue, clock: FakeClock) -> None:
    for _ in range(5):
        add(queue)
    assert poller(queue, clock).run(max_tasks=2) == 2
    assert poller(queue, clock).run(max_tasks=0) == 0
    assert queue.counts()[TaskStatus.COMPLETED] == 2
    assert queue.workers() == []


def test_it_stops_after_the_current_task(queue: SQLiteQueue, clock: FakeClock) -> None:
    for _ in range(3):
        add(queue)
    done = queue.counts
    assert poller(queue, clock, stopping=lambda: done()[TaskStatus.COMPLETED] == 1).run() == 1


def test_it_wakes_when_something_becomes_due(queue: SQLiteQueue, clock: FakeClock) -> None:
    add(queue, run_at=clock() + 7 * SECOND)
    start = clock()
    assert poller(queue, clock).run(max_tasks=1) == 1
    assert 7 <= (clock() - start) / SECOND < 7.2


def test_it_wakes_when_another_process_enqueues(queue: SQLiteQueue, clock: FakeClock) -> None:
    other = queue.connect()
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        slept.append(seconds)
        if len(slept) == 3:
            add(other)

    assert poller(queue, clock, sleep=sleep).run(max_tasks=1) == 1
    assert len(slept) == 3
    other.close()


def test_what_is_enqueued_between_a_look_and_a_sleep_is_not_missed(queue: SQLiteQueue, clock: FakeClock) -> None:
    other = queue.connect()

    class Unlucky(Counting):
        looks = 0

        def run_once(self) -> bool:
            found = super().run_once()
            self.looks += 1
            if self.looks == 1:
                add(other)  # nothing was ready when we looked, and it is when we go to sleep
            return found

    start = clock()
    assert poller(queue, clock, Unlucky(deps(queue, clock))).run(max_tasks=1) == 1
    assert (clock() - start) / SECOND < 1
    other.close()


def test_it_rescues_what_a_dead_worker_held(queue: SQLiteQueue, clock: FakeClock) -> None:
    dead = queue.add_worker(lease_seconds=5)
    add(queue)
    assert queue.claim_task(dead, 1) is not None
    start = clock()
    assert poller(queue, clock, rescue_seconds=2).run(max_tasks=1) == 1
    assert 5 < (clock() - start) / SECOND < 8
    task = queue.get(1)
    assert (task.state, task.attempt) == (TaskStatus.COMPLETED, 2)


def test_a_worker_of_some_types_sleeps_while_others_are_due(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, clock: FakeClock
) -> None:
    zoo.worker("demo")
    zoo.worker("other")
    service = make_service(lease_seconds=3600)
    service.enqueue("other", {}, run_at=to_datetime(clock() + SECOND))
    clock.advance(86_400)
    looks: list[int] = []

    def stopping() -> bool:
        looks.append(clock())
        return len(looks) > 50

    start = clock()
    service.run(types=["demo"], stopping=stopping)
    assert clock() - start >= 2 * SECOND  # fifty looks of 50 ms each, not fifty in no time


def test_a_worker_claims_only_the_types_it_is_told(zoo: Zoo, make_service: MakeService, queue: SQLiteQueue) -> None:
    zoo.worker("demo")
    zoo.worker("other")
    service = make_service()
    for name in ("demo", "other", "demo"):
        service.enqueue(name, {})
    assert service.run(types=["demo"], until_empty=True) == 2
    assert states(queue) == ["completed", "queued", "completed"]


@pytest.mark.parametrize(("strategy", "order"), [("fifo", [1, 2, 3]), ("lifo", [3, 2, 1]), (None, [3, 2, 1])])
def test_the_order_is_chosen(zoo: Zoo, make_service: MakeService, strategy: str | None, order: list[int]) -> None:
    module = zoo.worker("demo", "seen.append(context.task.id)\nreturn []")
    service = make_service()
    for _ in range(3):
        service.enqueue("demo", {})
    service.run(strategy=get_strategy(strategy) if strategy else None, until_empty=True)
    assert zoo.seen(module) == order


def test_open_and_close_run_once_in_a_worker(zoo: Zoo, make_service: MakeService) -> None:
    source = """
        from ytworker import *
        seen = []
        class Plugin(PluginBase):
            def get_task_type(self): return "demo"
            def open(self): seen.append("open")
            def close(self): seen.append("close")
            def scrape(self, params, context):
                seen.append(context.task.id)
                return []
    """
    zoo.install("d", entry_points={"ytworker.workers": {"demo": "demo_p:Plugin"}}, modules={"demo_p": source})
    service = make_service()
    for _ in range(2):
        service.enqueue("demo", {})
    service.run(until_empty=True)
    assert zoo.seen("demo_p") == ["open", 2, 1, "close"]


def test_an_interrupt_inside_a_scrape_leaves_the_task_queued(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue
) -> None:
    zoo.worker("demo", f"{ONE_ITEM}\nraise KeyboardInterrupt")
    service = make_service()
    service.enqueue("demo", {})
    with pytest.raises(KeyboardInterrupt):
        service.run(until_empty=True)
    task = queue.get(1)
    assert (task.state, task.attempt, queue.workers()) == (TaskStatus.QUEUED, 0, [])


def test_a_claimed_task_of_a_broken_plugin_waits_and_the_worker_goes_on(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue
) -> None:
    zoo.worker("broken", imported="raise ImportError('a part is missing')")
    zoo.worker("healthy")
    for name in ("broken", "healthy", "broken"):
        add(queue, name)
    service = make_service()
    assert service.run(until_empty=True) == 1  # the look at a broken one is neither a task done nor an attempt
    assert states(queue) == ["queued", "completed", "queued"]
    assert [task.attempt for task in queue.tasks(TaskFilter())] == [0, 1, 0]
    assert "a part is missing" in service.waiting_for_plugins()["broken"]
    assert "waits for its plugin, which is broken" in (service.task(1).reason or "")


def test_a_worker_changes_its_order_while_it_works(queue: SQLiteQueue, clock: FakeClock) -> None:
    for priority in (1, 1, 9, 1, 1):
        add(queue, priority=priority)
    with Counting(deps(queue, clock)) as worker:
        order = []
        for name in ("lifo", "fifo", "priority", "fifo", "lifo"):
            setter = threading.Thread(target=setattr, args=(worker, "strategy", get_strategy(name)))
            setter.start()  # an operator's page lives in another thread
            setter.join()
            assert worker.strategy.name == name
            claim = worker.claim_task()
            assert claim is not None
            order.append(claim.task.id)
            worker.report_result(claim, worker.process_task(claim))
    assert order == [5, 1, 3, 2, 4]


def test_an_order_that_is_not_offered_is_an_error_that_names_those_that_are(
    queue: SQLiteQueue, clock: FakeClock
) -> None:
    queue.offer(["fifo"])
    add(queue)
    with Counting(deps(queue, clock)) as worker:
        worker.strategy = get_strategy("priority")
        with pytest.raises(ValueError, match="fifo, lifo"):
            worker.claim_task()
        worker.strategy = get_strategy("fifo")
        assert worker.run_once()


# -- cancelled while it runs


@pytest.fixture
def asked(queue: SQLiteQueue, monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> list[int]:
    """When the queue was asked whether a claim holds, in microseconds."""
    moments: list[int] = []
    holds = queue.holds

    def spy(claim: Claim) -> bool:
        moments.append(clock())
        return holds(claim)

    monkeypatch.setattr(queue, "holds", spy)
    return moments


def hook(module: str, *hooks: Callable[..., Any]) -> None:
    sys.modules[module].hooks.extend(hooks)


LOOP = """
hooks[0](context.task.id)
while not context.cancelled:
    seen.append("goes on")
    hooks[1](0.25)
seen.append("stops")
yield {"source": "test", "kind": "video", "id": "1"}
"""


def test_a_cancelled_task_stops_at_its_next_look(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, clock: FakeClock, asked: list[int]
) -> None:
    module = zoo.worker("demo", LOOP, extra="hooks = []")
    zoo.worker("other")
    service = make_service()
    service.enqueue("other", {})
    service.enqueue("demo", {})
    hook(module, lambda task_id: service.cancel([task_id]), clock.advance)
    assert service.run(until_empty=True) == 1  # the worker goes on with the other
    assert zoo.seen(module) == ["goes on"] * 4 + ["stops"]
    assert [(task.state, task.attempt) for task in service.tasks()] == [
        (TaskStatus.CANCELLED, 1),
        (TaskStatus.COMPLETED, 1),
    ]
    assert [item["id"] for item in service.items()] == ["1"]  # that of the other
    assert len(asked) == 1
    assert queue.counter("stale_writes") == 0  # nobody lost a lease


@pytest.mark.parametrize("look", ["context.progress(1)", "context.sleep(0)", "context.budget('site').acquire()"])
def test_every_look_ends_a_cancelled_task(zoo: Zoo, make_service: MakeService, clock: FakeClock, look: str) -> None:
    body = f"hooks[0](context.task.id)\nhooks[1](2)\n{look}\nseen.append('never')\nreturn []"
    module = zoo.worker("demo", body, extra="hooks = []")
    service = make_service()
    service.enqueue("demo", {})
    hook(module, lambda task_id: service.cancel([task_id]), clock.advance)
    service.run(until_empty=True)
    assert zoo.seen(module) == []
    assert service.task(1).state is TaskStatus.CANCELLED


def test_p3_items_that_come_after_a_cancellation_are_not_stored(zoo: Zoo, make_service: MakeService) -> None:
    module = zoo.worker("demo", f"hooks[0](context.task.id)\n{ONE_ITEM}", extra="hooks = []")
    service = make_service()
    service.enqueue("demo", {})
    hook(module, lambda task_id: service.cancel([task_id]))
    assert service.run(until_empty=True) == 0
    assert service.task(1).state is TaskStatus.CANCELLED
    assert list(service.items()) == []


def test_the_queue_is_asked_once_a_second_at_most(
    zoo: Zoo, make_service: MakeService, clock: FakeClock, asked: list[int]
) -> None:
    body = "for n in range(1000):\n    assert not context.cancelled\n    hooks[0](0.01)\nreturn []"
    module = zoo.worker("demo", body, extra="hooks = []")
    service = make_service()
    service.enqueue("demo", {})
    hook(module, clock.advance)
    assert service.run(until_empty=True) == 1
    assert 8 <= len(asked) <= 10
    assert all(late - early >= SECOND for early, late in pairwise(asked))


def test_a_clock_that_is_set_back_does_not_silence_the_question(
    zoo: Zoo, make_service: MakeService, clock: FakeClock
) -> None:
    body = "hooks[1](-3600)\nhooks[0](context.task.id)\ncontext.sleep(1)\nseen.append(context.cancelled)\nreturn []"
    module = zoo.worker("demo", body, extra="hooks = []")
    service = make_service()
    service.enqueue("demo", {})
    hook(module, lambda task_id: service.cancel([task_id]), clock.set)
    service.run(until_empty=True)
    assert zoo.seen(module) == [True]


def test_a_task_that_another_worker_took_over_stops_here(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, clock: FakeClock, worker: int
) -> None:
    def take_over(task_id: int) -> None:
        queue.remove_worker(queue.workers()[-1].id)
        assert queue.claim_task(worker, task_id) is not None

    module = zoo.worker("demo", LOOP, extra="hooks = []")
    service = make_service()
    clock.advance(1)  # so that the workers come in order of their start
    service.enqueue("demo", {})
    hook(module, take_over, clock.advance)
    service.run(until_empty=True)
    assert zoo.seen(module)[-1] == "stops"
    assert service.task(1).state is TaskStatus.CLAIMED
    assert queue.counter("stale_writes") == 1


# -- retention in the background


def test_tasks_that_ended_long_ago_are_deleted_in_passing(
    zoo: Zoo, make_service: MakeService, queue: SQLiteQueue, clock: FakeClock
) -> None:
    zoo.worker("demo")
    zoo.worker("gone", "raise GoneError('x')")
    service = make_service(keep_completed_days=2, keep_dead_days=0)
    for name in ("demo", "demo", "gone"):
        service.enqueue(name, {})
    service.cancel([2])
    assert service.run(until_empty=True) == 2
    clock.advance(2 * 86_400)
    service.run(until_empty=True)
    assert states(queue) == ["completed", "cancelled", "dead"]  # not a microsecond too early
    clock.advance(1)
    service.enqueue("demo", {})
    assert service.run(until_empty=True) == 1
    assert [(task.id, task.state.value) for task in queue.tasks(TaskFilter())] == [(4, "completed"), (3, "dead")]
    assert [item["id"] for item in service.items()] == ["1"]


def test_a_worker_deletes_some_small_steps_at_a_time(
    queue: SQLiteQueue, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[float, int, int]] = []
    start = clock()

    def endless(before: int, states: Any, *, after: int = 0, limit: int = 0) -> Purged:
        assert (before, states) == (clock() - DAY, (TaskStatus.DEAD,))
        steps.append(((clock() - start) / SECOND, after, limit))
        return Purged(1, after + limit)

    monkeypatch.setattr(queue, "purge", endless)
    retention = Retention(rules(keep_completed_days=0, keep_dead_days=1))
    stop = start + 65 * SECOND
    poller(queue, clock, rescue_seconds=20, retention=retention, stopping=lambda: clock() >= stop).run()
    turns = [0] * STEPS + [20] * STEPS + [40] * STEPS + [60] * STEPS
    assert [(round(at), after, limit) for at, after, limit in steps] == [
        (turn, number * 1000, 1000) for number, turn in enumerate(turns)
    ]


# -- processes


def test_a_task_of_a_worker_process_is_cancelled_from_another(
    program: Program, zoo: Zoo, home: Path, until: Until
) -> None:
    started = f"Path({str(home)!r}, 'started').touch()"
    body = f"{started}\nwhile not context.cancelled:\n    context.sleep(0.05)\nreturn []"
    zoo.worker("demo", body, imported="from pathlib import Path")
    zoo.worker("other")
    for name in ("other", "demo"):
        program("enqueue", name)
    worker = program.start("run", "--until-empty")
    try:
        until((home / "started").exists)
        assert program("tasks", "cancel", "2").code == 0
        _, err = worker.communicate(timeout=30)
    finally:
        worker.kill()
        worker.wait()
    assert worker.returncode == 0, err
    assert b"1 task done" in err
    shown = json.loads(program("tasks", "list", "--json").out)
    assert [task["state"] for task in shown] == ["cancelled", "completed"]


def test_a_worker_process_wakes_for_a_task_of_another_process(
    program: Program, zoo: Zoo, home: Path, until: Until
) -> None:
    zoo.worker("demo")
    worker = program.start("run", "--max-tasks", "1")
    url = sqlite_url(home / "data" / "ytworker" / "queue.db")
    try:
        until((home / "data" / "ytworker" / "queue.db").exists)
        queue = SQLiteQueue(url)
        until(queue.workers)
        add(queue)
        out, err = worker.communicate(timeout=30)
        queue.close()
    finally:
        worker.kill()
        worker.wait()
    assert worker.returncode == 0, err
    assert b"1 task" in err
    assert out == b""


# -- D1: a store that cannot be written


def test_d1_a_worker_sits_out_a_full_disk_and_then_goes_on_by_itself(
    queue: SQLiteQueue, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    queue.enqueue([NewTask(type="demo", params={}) for _ in range(3)])
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock.advance(seconds)
        if len(waits) == 3:  # somebody frees space
            queue._database.execute("DROP TRIGGER full")

    queue._database.execute(
        "CREATE TEMP TRIGGER full BEFORE UPDATE OF status ON main.task BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
    )
    done = poller(queue, clock, sleep=sleep, stopping=lambda: queue.counts()[TaskStatus.COMPLETED] == 3).run()
    assert done == 3
    assert waits == [1.0, 2.0, 4.0]
    assert caplog.text.count("no task is claimed") == 3
    assert [queue.get(n).attempt for n in (1, 2, 3)] == [1, 1, 1]
    assert queue.workers() == []


def test_a_worker_whose_file_is_gone_leaves(queue: SQLiteQueue, queue_file: Path, clock: FakeClock) -> None:
    queue.enqueue([NewTask(type="demo", params={})])
    queue_file.rename(queue_file.with_name("elsewhere.db"))
    with pytest.raises(StoreError, match="was moved, deleted or replaced"):
        poller(queue, clock).run()


def test_a_clock_that_was_set_back_does_not_keep_a_worker_from_rescuing(
    queue: SQLiteQueue, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    monkeypatch.setattr(queue, "rescue", lambda: looks.append(clock()) or 0)
    stop: list[int] = []

    def sleep(seconds: float) -> None:
        clock.advance(seconds)
        stop.append(1)
        if len(stop) == 3:
            clock.advance(-3600)

    poller(queue, clock, sleep=sleep, rescue_seconds=20, stopping=lambda: len(stop) > 600).run()
    assert len(looks) == 3  # at once, after the step back, and 20 s later
