import itertools
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytworker.engine.budgets import Bucket, Budgets, Granted, Pace, Refused
from ytworker.model import SECOND, ErrorClass, NewTask
from ytworker.queue import CoolDown, LIFOStrategy
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.testing import FakeClock

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


def uses(pace: Pace, visits: Visits) -> Iterator[float]:
    """Give the moments at which requests go out, as microseconds."""
    now = 0
    bucket = Bucket(pace, now)
    for pause, cost in visits:
        now += round(pause * SECOND)
        yield from [now + bucket.take(cost, now) * SECOND] * cost


def test_a_burst_passes_at_once_and_then_the_interval_holds() -> None:
    bucket = Bucket(Pace(interval=2.5, burst=3), 0)
    assert [bucket.take(1, 0) for _ in range(5)] == [0, 0, 0, 2.5, 5.0]


def test_a_rest_fills_the_bucket_up_to_the_burst() -> None:
    bucket = Bucket(Pace(interval=2.5, burst=3), 0)
    assert bucket.take(3, 0) == 0
    assert [bucket.take(1, HOUR) for _ in range(4)] == [0, 0, 0, 2.5]


def test_a_clock_that_steps_back_gives_nothing_away_and_breaks_nothing() -> None:
    bucket = Bucket(Pace(interval=2.5, burst=1), HOUR)
    assert bucket.take(1, HOUR) == 0
    assert bucket.take(1, 0) == 2.5
    assert bucket.take(1, HOUR) == 5.0


def test_the_hourly_ceiling_waits_until_the_oldest_use_is_an_hour_old() -> None:
    bucket = Bucket(Pace(interval=0.1, burst=100, per_hour=2), 0)
    assert [bucket.take(1, 0), bucket.take(1, 60 * SECOND)] == [0, 0]
    assert bucket.take(1, 120 * SECOND) == 3600 - 120
    assert bucket.take(1, 120 * SECOND) == 3600 - 60


@pytest.mark.parametrize("before", [0, 1])
def test_a_cost_above_the_hourly_ceiling_is_granted_rather_than_never(before: int) -> None:
    bucket = Bucket(Pace(interval=0.001, burst=10_000, per_hour=2), 0)
    assert [bucket.take(1, 0) for _ in range(before)] == [0] * before
    assert bucket.take(700, 0) in {0, 3600}
    assert bucket.take(1, 0) >= 3600


@given(PACES, VISITS)
def test_no_hour_has_more_uses_than_the_ceiling(pace: Pace, visits: Visits) -> None:
    moments = list(uses(pace, visits))
    limit = max(pace.per_hour, 3)  # one visit may cost more than a small ceiling
    for first, later in zip(moments, moments[limit:], strict=False):
        assert later - first >= HOUR - 2


@given(PACES, VISITS)
def test_the_wait_is_never_negative_and_never_endless(pace: Pace, visits: Visits) -> None:
    bucket = Bucket(pace, 0)
    spent, now = 0, 0
    for pause, cost in visits:
        now += round(pause * SECOND)
        spent += cost
        longest = spent * pace.interval + 3600 * (spent / pace.per_hour + 1)
        assert 0 <= bucket.take(cost, now) <= longest + MICROSECOND


@given(st.floats(0.1, 60), st.integers(1, 40), VISITS)
def test_no_stretch_has_more_uses_than_the_burst_and_the_interval_allow(
    interval: float, burst: int, visits: Visits
) -> None:
    moments = sorted(uses(Pace(interval, burst, per_hour=10_000), [(pause, 1) for pause, _ in visits]))
    for (i, first), (j, last) in itertools.combinations(enumerate(moments), 2):
        assert j - i + 1 <= burst + (last - first) / SECOND / interval + 1 + 1e-6


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


def test_other_settings_resume_a_paused_source_for_good(
    budgets: Budgets, clock: FakeClock, cool_down: Callable[..., None], queue: SQLiteQueue
) -> None:
    cool_down(seconds=3600, paused_by="old", error_class=ErrorClass.CONFIG)
    assert budgets.acquire("youtube", 1, "new") == Granted(0)
    assert queue.source("youtube").paused_by is None
    assert budgets.acquire("youtube", 1, "old") == Granted(0)


def test_a_source_that_was_paused_by_hand_is_refused_whatever_the_settings_and_whoever_asks(
    budgets: Budgets, queue: SQLiteQueue, clock: FakeClock
) -> None:
    queue.pause("youtube", clock() + HOUR, "the exhibition is on")
    why = "youtube is paused by hand: the exhibition is on; `ytworker sources resume 'youtube'` ends that"
    for budgets.ignore_pauses in (False, True):
        for settings in ("old", "new"):
            assert budgets.acquire("youtube", 1, settings) == Refused(clock() + HOUR, why)
    clock.advance(3600)
    assert budgets.acquire("youtube", 1, "old") == Granted(0.0)
