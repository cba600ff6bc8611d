"""What workers count of their attempts, through the program and with a store that fails."""

from typing import Any

import pytest

from plugin_helpers import Program, Zoo
from ytworker.engine import BaseWorker, TaskPoller
from ytworker.engine.retry import Bury, Decision
from ytworker.engine.sighting import Lookout
from ytworker.engine.tally import EVERY, WINDOW, Tally
from ytworker.engine.worker import WorkerDeps
from ytworker.errors import StoreError
from ytworker.model import NO_SIGHTS, SECOND, Claim, ErrorClass, ErrorInfo, Item, Metrics, NewTask, Sights, TaskResult
from ytworker.queue import ClaimRequest, LIFOStrategy, TaskQueue
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.service import open as open_service
from ytworker.testing import FakeClock, MemoryQueue

pytest_plugins = ["plugin_fixtures"]


def test_attempts_are_counted_by_type_outcome_and_class(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", "if params.get('bad'): raise GoneError('x')\nyield {'source': 's', 'kind': 'video', 'id': '1'}")
    program("enqueue", "demo")
    program("enqueue", "demo", "--param", "bad=1")
    assert program("run", "--until-empty").code == 0
    assert program("scrape", "demo").code == 0
    with open_service() as service:
        counts = service.queue.counters("jobs|")
        assert counts == {"jobs|demo|dead": 1, "jobs|demo|ok": 2}
        assert service.queue.counters("errors|") == {"errors|demo|gone": 1}
        took = service.queue.counters("duration|")
        assert sum(value for name, value in took.items() if "|ok|" in name) == 2
        assert service.queue.counters("duration_sum|").keys() == {"duration_sum|demo|dead", "duration_sum|demo|ok"}


def test_what_cannot_be_written_is_kept_for_the_next_time(clock: FakeClock) -> None:
    class Full(MemoryQueue):
        full = True

        def count(self, counts: Any, **others: Any) -> None:
            if self.full:
                msg = "full"
                raise StoreError(msg)
            super().count(counts, **others)

    queue = Full(clock=clock)
    queue.enqueue([NewTask(type="demo", params={})])
    worker = queue.add_worker(lease_seconds=60)
    (claim,) = queue.settle([], ClaimRequest(worker_id=worker, strategy=LIFOStrategy, types=["demo"], limit=1)).claims
    tally = Tally(queue)
    error = ErrorInfo(error_class=ErrorClass.BUG, type="x", message="y")
    tally.take(claim, TaskResult(success=False, error=error), Bury(), clock())
    tally.take(claim, TaskResult(success=False, error=error), Bury(), clock() + EVERY)
    assert queue.counters("jobs|") == {}
    queue.full = False
    tally.add()
    assert queue.counters("jobs|") == {"jobs|demo|dead": 2}
    tally.add()
    assert queue.counters("jobs|") == {"jobs|demo|dead": 2}


# -- waits, successes and fields


@pytest.fixture
def memory(clock: FakeClock) -> MemoryQueue:
    return MemoryQueue(clock=clock)


def claim(queue: TaskQueue, clock: FakeClock, *, waits: float = 0.0, kind: str = "demo") -> Claim:
    queue.enqueue([NewTask(type=kind, params={})])
    clock.advance(waits)
    (claimed,) = queue.claim(queue.add_worker(lease_seconds=60), LIFOStrategy, [kind])
    return claimed


def seen(items: int, **missing: int) -> TaskResult:
    return TaskResult(success=True, sights=Sights(items=items, missing=missing))


def count(queue: TaskQueue, clock: FakeClock, result: TaskResult, kind: str = "demo") -> None:
    """Let a worker of its own count one attempt."""
    tally = Tally(queue)
    tally.take(claim(queue, clock, kind=kind), result, None, clock())
    tally.add()


def test_the_wait_before_a_claim_is_counted(memory: MemoryQueue, clock: FakeClock) -> None:
    tally = Tally(memory)
    for seconds in (0, 0.1, 3, 100_000):
        tally.take(claim(memory, clock, waits=seconds), TaskResult(success=True), None, clock())
    clock.advance(-50)  # set back between the enqueue and the claim
    tally.take(claim(memory, clock, waits=-20), TaskResult(success=True), None, clock())
    tally.add()
    assert memory.counters("wait|") == {"wait|0.01": 2, "wait|0.1": 1, "wait|10": 1, "wait|+Inf": 1}
    assert memory.counter("wait_sum") == round(100_003.1 * SECOND)


def test_a_backend_that_does_not_tell_the_wait_is_not_asked_for_it(memory: MemoryQueue, clock: FakeClock) -> None:
    told = claim(memory, clock)
    tally = Tally(memory)
    tally.take(Claim(told.task, told.worker_id, told.fence), TaskResult(success=True), None, clock())
    tally.add()
    assert memory.counters("wait") == {}
    assert memory.counters("jobs|") == {"jobs|demo|empty": 1}


ERROR = ErrorInfo(error_class=ErrorClass.BUG, type="x", message="y")
SUSPECT = TaskResult(success=True, data=(Item(source="s", id="1"),), suspect="odd")


@pytest.mark.parametrize(
    ("result", "decision", "counts"),
    [
        (TaskResult(success=True, data=(Item(source="s", id="1"),)), None, True),
        (TaskResult(success=True), None, True),
        (SUSPECT, None, False),
        (TaskResult(success=False, error=ERROR), Bury(), False),
        (TaskResult(success=False, deferred_until=1), None, False),
        (TaskResult(success=False), None, False),
    ],
    ids=["ok", "empty", "suspect", "dead", "deferred", "returned"],
)
def test_the_last_success_is_that_of_a_good_answer(
    memory: MemoryQueue, clock: FakeClock, result: TaskResult, decision: Decision | None, counts: bool
) -> None:
    tally = Tally(memory)
    tally.take(claim(memory, clock), result, decision, clock())
    tally.add()
    assert memory.counters("success|") == ({"success|demo": clock()} if counts else {})


def test_a_worker_with_an_older_success_does_not_set_it_back(memory: MemoryQueue, clock: FakeClock) -> None:
    slow = Tally(memory)
    slow.take(claim(memory, clock), TaskResult(success=True), None, clock())
    clock.advance(5)
    count(memory, clock, TaskResult(success=True))
    slow.add()
    assert memory.counters("success|") == {"success|demo": clock()}


def test_a_task_that_went_back_has_waited_and_seen_all_the_same(memory: MemoryQueue, clock: FakeClock) -> None:
    went_back = TaskResult(success=False, sights=Sights(3, {"title": 1}, {"site": 7}))
    count(memory, clock, went_back)
    assert memory.counters("jobs|") == {}
    assert memory.counters("paced|") == {"paced|site": 7}
    assert memory.counters("fields|") == {"fields|demo|0|": 3, "fields|demo|0|title": 1}


def test_fields_are_counted_in_windows_of_which_two_are_kept(memory: MemoryQueue, clock: FakeClock) -> None:
    count(memory, clock, seen(WINDOW - 1, title=5))
    count(memory, clock, seen(1))  # another worker
    count(memory, clock, seen(30, title=30), "demo|x")
    first = {"fields|demo|0|": WINDOW, "fields|demo|0|title": 5}
    assert memory.counters("fields|demo|0|") == first
    count(memory, clock, seen(3 * WINDOW, views=7))
    assert memory.counters("fields|demo|0|") == first
    count(memory, clock, seen(2, title=2))
    assert memory.counters("fields|") == {
        "fields|demo|1|": 3 * WINDOW,
        "fields|demo|1|views": 7,
        "fields|demo|2|": 2,
        "fields|demo|2|title": 2,
        "fields|demo|x|0|": 30,
        "fields|demo|x|0|title": 30,
    }


def test_the_fields_of_a_hundred_windows_leave_no_more_than_two(memory: MemoryQueue, clock: FakeClock) -> None:
    for _ in range(100):
        count(memory, clock, seen(WINDOW, title=1))
    assert set(memory.counters("fields|")) == {f"fields|demo|{n}|{name}" for n in (98, 99) for name in ("", "title")}


def test_a_lookout_gathers_what_is_missing_and_how_long_it_took() -> None:
    lookout = Lookout()
    assert lookout.tell() is NO_SIGHTS
    assert (lookout.wait("site", 0.0), lookout.wait("site", 1.5), lookout.wait("site", 1)) == (0, 1_500_000, SECOND)
    lookout.see(Item(source="s", id="1", title="t", metrics=Metrics(views=1)))
    lookout.see(Item(source="s", id="2", title="t", tags=()))
    told = lookout.tell()
    assert (told.items, told.waited) == (2, {"site": 2_500_000})
    assert (told.missing["metrics.views"], told.missing["metrics.likes"], told.missing["tags"]) == (1, 2, 1)
    assert "title" not in told.missing


# -- through workers


class Quick(BaseWorker):
    """Does every task at once."""

    def process_task(self, claim: Claim) -> TaskResult:  # noqa: ARG002
        return TaskResult(success=True)


def test_what_was_counted_goes_to_the_queue_while_its_worker_has_nothing_to_do(
    queue: SQLiteQueue, clock: FakeClock
) -> None:
    queue.enqueue([NewTask(type="demo", params={})])
    looks = iter(range(10_000, -1, -1))
    poller = TaskPoller(
        worker=Quick(WorkerDeps(queue=queue, types=lambda: ["demo"], clock=clock)),
        queue=queue,
        types=lambda: ["demo"],
        clock=clock,
        sleep=clock.sleep,
        stopping=lambda: bool(queue.counters("jobs|")) or next(looks) == 0,
    )
    started = clock()
    poller.run()  # it would leave for good only when it is told to
    assert queue.counters("jobs|") == {"jobs|demo|empty": 1}
    assert EVERY <= clock() - started < EVERY + SECOND


def test_a_store_that_cannot_be_written_is_asked_again_after_a_while_only(clock: FakeClock) -> None:
    class Full(MemoryQueue):
        tried = 0

        def count(self, *_counts: Any, **_others: Any) -> None:
            self.tried += 1
            msg = "full"
            raise StoreError(msg)

    queue = Full(clock=clock)
    tally = Tally(queue)
    tally.take(claim(queue, clock), TaskResult(success=True), None, clock())
    for _ in range(40):
        clock.advance(0.5)
        tally.add_if_due(clock())
    assert (queue.tried, tally.holds) == (2, True)


def test_origins_waits_and_items_are_counted_through_the_program(program: Program, zoo: Zoo) -> None:
    zoo.worker(
        "demo",
        "if not params.get('child'): context.enqueue('demo', {'child': 1})\n"
        "context.budget('site').acquire()\n"
        "yield {'source': 's', 'kind': 'video', 'id': '1', 'title': 't', 'metrics': {'views': 1}}",
    )
    program("enqueue", "demo")
    assert program("run", "--until-empty", "--concurrency", "1").code == 0
    assert program("scrape", "demo").code == 0
    with open_service() as service:
        service.enqueue("demo", {})
        queue = service.queue
        counts = queue.counters("enqueued|")
        assert counts == {"enqueued|demo|api": 1, "enqueued|demo|cli": 2, "enqueued|demo|parent": 2}
        assert queue.counters("items|") == {"items|demo|new": 1, "items|demo|same": 2}
        assert sum(queue.counters("wait|").values()) == 3
        fields = queue.counters("fields|")
        assert (fields["fields|demo|0|"], fields["fields|demo|0|tags"]) == (3, 3)
        assert {"fields|demo|0|title", "fields|demo|0|metrics.views"}.isdisjoint(fields)
        assert queue.counters("success|").keys() == {"success|demo"}
