import heapq
import itertools
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ytworker.engine.budgets import Budgets, Granted, Left, Refused
from ytworker.model import SECOND, ErrorClass, NewTask, to_datetime, to_microseconds
from ytworker.pacing import Ask, Pace, Quota
from ytworker.queue import CoolDown, LIFOStrategy, TaskQueue
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.settings import sqlite_url
from ytworker.testing import FakeClock, MemoryQueue

Visits = list[tuple[float, int]]

HOUR = 3600 * SECOND
MICROSECOND = 1 / SECOND

PACES = st.builds(Pace, interval=st.floats(0.1, 60), burst=st.integers(1, 40), per_hour=st.integers(1, 50))
VISITS = st.lists(st.tuples(st.floats(0, 4000), st.integers(1, 3)), max_size=80)


@pytest.fixture
def cool_down(queue: SQLiteQueue, clock: FakeClock, worker: int) -> Callable[..., None]:
    """Cool a source down or pause it, the way a failed task does."""

    def change(
        source: str = "youtube",
        *,
        seconds: float = 300,
        paused_by: str | None = None,
        error_class: ErrorClass = ErrorClass.THROTTLED,
    ) -> None:
        queue.enqueue([NewTask(type="demo", params={})])
        (claim,) = queue.claim(worker, LIFOStrategy, ["demo"])
        until = clock() + round(seconds * SECOND)
        queue.defer(
            claim,
            clock() + HOUR,
            "wait",
            cool_down=CoolDown(
                source=source, error_class=error_class, reason="it asked us to", until=until, paused_by=paused_by
            ),
        )

    return change


@pytest.fixture
def budgets(queue: SQLiteQueue, clock: FakeClock) -> Budgets:
    return Budgets(queue, clock, Pace(interval=2.5, burst=3, per_hour=600))


def fresh(clock: FakeClock) -> list[MemoryQueue]:
    queue = MemoryQueue(clock=clock)
    return [queue, queue.connect(), queue.connect()]


def uses(pace: Pace, visits: Visits) -> Iterator[float]:
    """Give the moments at which requests go out, as microseconds; three processes make them by turns."""
    clock = FakeClock(0)
    queues = itertools.cycle(fresh(clock))
    for pause, cost in visits:
        clock.advance(pause)
        yield from [clock() + take(next(queues), pace, cost)] * cost


def take(queue: TaskQueue, pace: Pace, cost: int = 1, source: str = "youtube") -> int:
    """Pay for requests and give the microseconds until their turn."""
    admission = queue.admit(Ask(source=source, pace=pace, cost=cost))
    assert admission.barred is None
    return admission.wait


@pytest.mark.parametrize("kind", [MemoryQueue, SQLiteQueue])
def test_both_stores_give_the_same_turns_over_hours(kind: type, queue: SQLiteQueue, clock: FakeClock) -> None:
    """Four processes with children that ask as fast as they may: the ceiling of every hour, to the request."""
    first = queue if kind is SQLiteQueue else MemoryQueue(clock=clock)
    handles = [first, *(first.connect() for _ in range(3))]
    pace, turns = Pace(interval=2.5, burst=30, per_hour=600), []
    ready = [(clock(), number) for number in range(len(handles))]
    while len(turns) < 2000:
        now, number = heapq.heappop(ready)
        clock.now = now
        turns.append(now + take(handles[number], pace))
        heapq.heappush(ready, (turns[-1], number))
    for handle in handles[1:]:
        handle.close()
    start = turns[0]
    assert [turn - start for turn in turns[:31]] == [0] * 30 + [2_500_000]
    assert {later - first for first, later in zip(turns, turns[600:], strict=False)} == {HOUR}
    assert (turns[599] - start, turns[1999] - start) == (570 * 2_500_000, 3 * HOUR + 170 * 2_500_000)


@settings(max_examples=20)
@given(PACES, VISITS, st.integers(0, 79), st.floats(-90_000, 90_000))
def test_the_store_on_disk_gives_the_turns_of_the_one_in_memory(
    pace: Pace, visits: Visits, place: int, step: float
) -> None:
    clock = FakeClock(10**12)
    with tempfile.TemporaryDirectory() as folder:
        disk = SQLiteQueue(sqlite_url(Path(folder, "queue", "queue.db")), durability="normal", clock=clock)
        queues = [MemoryQueue(clock=clock), disk]
        for visit, (pause, cost) in enumerate(visits):
            clock.advance(step if visit == place else pause)
            assert len({take(queue, pace, cost) for queue in queues}) == 1
            assert queues[0].usage() == queues[1].usage()
        disk.close()


@given(PACES, VISITS)
def test_no_hour_has_more_uses_than_the_ceiling(pace: Pace, visits: Visits) -> None:
    moments = list(uses(pace, visits))
    limit = max(pace.per_hour, 3)  # one visit may cost more than a small ceiling
    for first, later in zip(moments, moments[limit:], strict=False):
        assert later - first >= HOUR - 2


@given(PACES, VISITS)
def test_the_wait_is_never_negative_and_never_endless(pace: Pace, visits: Visits) -> None:
    clock = FakeClock(0)
    queue, spent = MemoryQueue(clock=clock), 0
    for pause, cost in visits:
        clock.advance(pause)
        spent += cost
        longest = spent * pace.interval + 3600 * (spent / pace.per_hour + 1)
        assert 0 <= take(queue, pace, cost) / SECOND <= longest + MICROSECOND * spent


@given(st.floats(0.1, 60), st.integers(1, 40), VISITS)
def test_no_stretch_has_more_uses_than_the_burst_and_the_interval_allow(
    interval: float, burst: int, visits: Visits
) -> None:
    moments = sorted(uses(Pace(interval, burst, per_hour=10_000), [(pause, 1) for pause, _ in visits]))
    for (i, first), (j, last) in itertools.combinations(enumerate(moments), 2):
        assert j - i + 1 <= burst + (last - first) / SECOND / interval + 1 + 1e-3


@given(PACES, VISITS, st.integers(0, 79), st.floats(2, 90_000))
def test_a_clock_that_is_set_back_changes_no_wait(pace: Pace, visits: Visits, place: int, back: float) -> None:
    waits: list[list[int]] = [[], []]
    for number, step in enumerate((0.0, back)):
        clock = FakeClock(10**12)
        queues = itertools.cycle(fresh(clock))
        for visit, (pause, cost) in enumerate(visits):
            if visit == place:
                clock.advance(-step)
                waits[number].append(take(next(queues), pace))
            clock.advance(pause)
            waits[number].append(take(next(queues), pace, cost))
    assert waits[0] == waits[1]


def test_a_clock_that_two_processes_read_differently_loses_nothing(queue: SQLiteQueue, clock: FakeClock) -> None:
    pace = Pace(interval=2.5, burst=1)
    assert take(queue, pace) == 0
    clock.advance(-0.5)
    assert take(queue, pace) == 2_500_000


def test_a_rest_fills_the_bucket_up_to_the_burst(queue: SQLiteQueue, clock: FakeClock) -> None:
    pace = Pace(interval=2.5, burst=3)
    assert take(queue, pace, 3) == 0
    clock.advance(3600)
    assert [take(queue, pace) / SECOND for _ in range(4)] == [0, 0, 0, 2.5]


@pytest.mark.parametrize("before", [0, 1])
def test_a_cost_above_the_hourly_ceiling_is_granted_rather_than_never(queue: SQLiteQueue, before: int) -> None:
    pace = Pace(interval=0.001, burst=10_000, per_hour=2)
    assert [take(queue, pace) for _ in range(before)] == [0] * before
    assert take(queue, pace, 700) in {0, HOUR}
    assert take(queue, pace) >= HOUR


def test_requests_that_are_no_more_counted_are_forgotten(
    queue: SQLiteQueue, queue_file: Path, clock: FakeClock
) -> None:
    pace = Pace(interval=0.001, burst=1000, per_hour=1000)
    for _ in range(3):
        take(queue, pace, 10)
        clock.advance(1801)
    (use,) = queue.usage()
    assert (use.requests, use.last_hour, use.per_hour, use.places) == (30, 10, 1000, 1)
    with closing(sqlite3.connect(queue_file)) as connection:
        assert connection.execute("SELECT count(*) FROM request").fetchone() == (2,)
    assert queue.check() == []


def test_another_pace_counts_from_the_next_request_on(queue: SQLiteQueue, clock: FakeClock) -> None:
    slow, fast = Pace(interval=0.001, burst=100, per_hour=3), Pace(interval=0.001, burst=100, per_hour=5)
    assert [take(queue, slow) for _ in range(4)] == [0, 0, 0, HOUR]
    assert take(queue, fast) == 0


def test_a_free_source_is_granted_and_counted(budgets: Budgets) -> None:
    assert [budgets.acquire("youtube", 1, "d") for _ in range(4)] == [Granted(0), Granted(0), Granted(0), Granted(2.5)]


def test_every_source_has_its_own_budget(budgets: Budgets) -> None:
    budgets.acquire("youtube", 3, "d")
    assert budgets.acquire("youtube", 1, "d") == Granted(2.5)
    assert budgets.acquire("youtube via proxy", 1, "d") == Granted(0)


def test_a_cooling_source_is_refused_until_it_is_over(
    budgets: Budgets, clock: FakeClock, cool_down: Callable[..., None]
) -> None:
    cool_down(seconds=300)
    until = clock() + 300 * SECOND
    assert budgets.acquire("youtube", 1, "d") == Refused(until, "youtube cools down: it asked us to")
    assert budgets.acquire("other", 1, "d") == Granted(0)
    clock.advance(299)
    assert isinstance(budgets.acquire("youtube", 1, "d"), Refused)
    clock.advance(1)
    assert budgets.acquire("youtube", 1, "d") == Granted(0)


def test_a_refusal_spends_nothing(budgets: Budgets, clock: FakeClock, cool_down: Callable[..., None]) -> None:
    cool_down(seconds=1)
    for _ in range(10):
        budgets.acquire("youtube", 3, "d")
    clock.advance(1)
    assert budgets.acquire("youtube", 3, "d") == Granted(0)


def test_a_paused_source_is_refused_under_the_settings_that_paused_it(
    budgets: Budgets, clock: FakeClock, cool_down: Callable[..., None]
) -> None:
    cool_down(seconds=3600, paused_by="old", error_class=ErrorClass.CONFIG)
    refused = Refused(clock() + HOUR, "youtube is paused: it asked us to")
    assert budgets.acquire("youtube", 1, "old") == refused
    budgets.ignore_pauses = True
    assert budgets.acquire("youtube", 1, "old") == Granted(0)
    budgets.ignore_pauses = False
    clock.advance(3600)
    assert budgets.acquire("youtube", 1, "old") == Granted(0)  # the cause may lie outside the settings


def test_a_pause_bars_its_own_settings_only_and_goes_on_for_them(
    budgets: Budgets, clock: FakeClock, cool_down: Callable[..., None]
) -> None:
    """If a look under other settings ended it, two workers that are both wrong would send each other on for ever."""
    cool_down(seconds=3600, paused_by="old", error_class=ErrorClass.CONFIG)
    refused = Refused(clock() + HOUR, "youtube is paused: it asked us to")
    for _ in range(2):
        assert budgets.acquire("youtube", 1, "new") == Granted(0)
        assert budgets.acquire("youtube", 1, "old") == refused


def test_a_source_that_was_paused_by_hand_is_refused_whatever_the_settings_and_whoever_asks(
    budgets: Budgets, queue: SQLiteQueue, clock: FakeClock
) -> None:
    queue.pause("youtube", clock() + HOUR, "the exhibition is on")
    why = "youtube is paused by hand: the exhibition is on; `ytworker sources resume 'youtube'` ends that"
    for budgets.ignore_pauses in (False, True):
        for digest in ("old", "new"):
            assert budgets.acquire("youtube", 1, digest) == Refused(clock() + HOUR, why)
    clock.advance(3600)
    assert budgets.acquire("youtube", 1, "old") == Granted(0.0)


def test_whoever_waited_asks_again_and_is_refused_where_a_cool_down_began_meanwhile(
    budgets: Budgets, clock: FakeClock, cool_down: Callable[..., None]
) -> None:
    budgets.acquire("youtube", 3, "d")
    assert budgets.acquire("youtube", 1, "d") == Granted(2.5)
    cool_down(seconds=300)
    clock.advance(2.5)
    assert isinstance(budgets.acquire("youtube", 0, "d"), Refused)


def test_a_reservation_is_refused_while_its_source_rests(
    budgets: Budgets, queue: SQLiteQueue, clock: FakeClock, cool_down: Callable[..., None]
) -> None:
    quota = Quota("search", 100, "America/Los_Angeles")
    assert budgets.reserve("youtube", quota, 60, "d") == Left(40)
    answer = budgets.reserve("youtube", quota, 60, "d")
    assert answer == Refused(
        quota.next_reset(clock()), "youtube: 60 of the 100 units of today's quota 'search' are used"
    )
    cool_down(seconds=300)
    assert budgets.reserve("youtube", quota, 1, "d") == Refused(
        clock() + 300 * SECOND, "youtube cools down: it asked us to"
    )
    assert queue.quota_used("youtube", quota) == 60


@pytest.mark.parametrize("day", [date(2026, 3, 8), date(2026, 11, 1), date(2027, 3, 14), date(2027, 11, 7)])
def test_a_quota_is_there_once_a_day_also_when_the_clocks_change(
    queue: SQLiteQueue, clock: FakeClock, day: date
) -> None:
    quota, zone = Quota("search", 1, "America/Los_Angeles"), ZoneInfo("America/Los_Angeles")
    start = datetime.combine(day - timedelta(days=1), time(), zone)
    clock.now = to_microseconds(start)
    granted = []
    while (now := to_datetime(clock()).astimezone(zone)).date() < day + timedelta(days=3):
        if queue.reserve("api", quota, 1).granted:
            granted.append((now.date(), now.time()))
        clock.advance(600)
    assert granted == [(day + timedelta(days=number), time()) for number in range(-1, 3)]
