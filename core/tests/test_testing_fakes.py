from datetime import UTC, datetime, timedelta

import pytest
from pydantic import BaseModel

import ytworker.testing
from ytworker import ConfigError, Deferred, Task
from ytworker.model import SECOND
from ytworker.testing import FakeClock, FakePort, make_context


def test_all_that_is_public_is_there() -> None:
    assert sorted(ytworker.testing.__all__) == ytworker.testing.__all__
    assert all(hasattr(ytworker.testing, name) for name in ytworker.testing.__all__)


def test_the_clock_moves_when_it_is_told_to() -> None:
    clock = FakeClock(5)
    assert (clock(), clock()) == (5, 5)
    clock.advance(1.5)
    assert clock() == 5 + 1_500_000
    clock.advance(-2)
    assert clock() == 5 - 500_000
    clock.sleep(10)
    assert clock() == 5 - 500_000 + 10 * SECOND


def test_two_clocks_start_at_the_same_moment() -> None:
    assert FakeClock()() == FakeClock()()


def test_a_context_of_the_fakes_remembers_what_a_scrape_said() -> None:
    port = FakePort()
    context = make_context("demo", port=port)
    context.progress(1, 3, "page 1")
    context.progress(2)
    context.budget("youtube").acquire()
    context.budget("youtube").acquire(100)
    context.checkpoint.save({"page": 2})
    context.sleep(2.5)
    context.suspect("hollow")
    context.enqueue("other", {"q": "x"}, priority=9)
    context.enqueue("other", {})
    assert port.progressed == [(1, 3, "page 1"), (2, None, None)]
    assert port.acquired == [("youtube", 1), ("youtube", 100)]
    assert port.checkpoints == [{"page": 2}]
    assert context.checkpoint.value == {"page": 2}
    assert port.slept == [2.5]
    assert port.suspected == ["hollow"]
    assert port.enqueued == [("other", {"q": "x"}, {"priority": 9}), ("other", {}, {})]


def test_a_context_of_the_fakes_carries_what_it_is_given() -> None:
    class Section(BaseModel):
        proxy: str = "p"

    context = make_context("demo", params={"q": 1}, settings={"x": Section()}, checkpoint=[1], attempt=3)
    assert isinstance(context.task, Task)
    assert (context.task.type, context.task.params, context.task.attempt) == ("demo", {"q": 1}, 3)
    assert context.settings == {"x": Section()}
    assert context.checkpoint.value == [1]
    assert context.deadline > datetime.now(UTC)
    assert context.logger.name == "ytworker.test.demo"


def test_a_context_of_the_fakes_can_be_stopped() -> None:
    port = FakePort()
    context = make_context(port=port)
    assert not context.cancelled
    port.stop = True
    assert context.cancelled


def test_a_cooling_source_defers() -> None:
    port = FakePort(cooling={"youtube": "it rests"})
    context = make_context(port=port)
    context.budget("other").acquire()
    with pytest.raises(Deferred, match="it rests") as caught:
        context.budget("youtube").acquire()
    assert caught.value.until > datetime.now(UTC)
    assert port.acquired == [("other", 1)]


def test_a_context_defers_to_aware_times_only() -> None:
    context = make_context()
    later = datetime.now(UTC) + timedelta(hours=1)
    with pytest.raises(Deferred) as caught:
        context.defer(later, "the premiere starts then")
    assert (caught.value.until, caught.value.reason) == (later, "the premiere starts then")
    with pytest.raises(ValueError, match="aware"):
        context.defer(later.replace(tzinfo=None), "x")


def test_a_place_in_flight_is_held_by_a_request_and_stays_held_when_it_fails() -> None:
    port = FakePort()
    budget = make_context(port=port).budget("youtube")
    with budget.request():
        assert port.held == {"youtube"}
    assert port.held == set()
    with pytest.raises(ZeroDivisionError), budget.request(2):
        _ = 1 / 0
    assert (port.held, port.acquired) == ({"youtube"}, [("youtube", 1), ("youtube", 2)])


def test_requests_that_are_judged_together_hold_one_place_until_the_last_is_over() -> None:
    port = FakePort()
    budget = make_context(port=port).budget("youtube")
    with budget.hold():
        assert not port.held  # it waits for nothing, and takes nothing, by itself
        with budget.request(), budget.request():
            pass
        assert port.held == {"youtube"}
    assert not port.held

    def refused() -> None:
        with budget.hold():
            with budget.request():
                pass
            raise ConnectionError

    with pytest.raises(ConnectionError):
        refused()
    with budget.hold():
        pass
    assert port.held == {"youtube"}  # what asked nobody gives nothing back
    with budget.request():
        pass
    assert not port.held


def test_a_quota_is_reserved_ahead_and_there_again_after_midnight_in_its_zone() -> None:
    now = datetime(2026, 3, 8, 9, 30, tzinfo=UTC)  # half past one in Los Angeles, where the day has 23 hours
    port = FakePort(clock=lambda: now)
    budget = make_context(port=port).budget("api")
    day = {"limit": 10, "zone": "America/Los_Angeles"}
    assert [budget.reserve("search", 4, **day), budget.reserve("search", **day)] == [6, 5]
    assert (budget.left("search", **day), budget.left("stats", **day)) == (5, 10)
    with pytest.raises(Deferred, match="5 of the 10 units of today's quota 'search'") as caught:
        budget.reserve("search", 6, **day)
    assert caught.value.until == datetime(2026, 3, 9, 7, tzinfo=UTC)
    budget.exhaust("search", **day)
    assert budget.left("search", **day) == 0
    now = caught.value.until
    assert budget.reserve("search", 10, **day) == 0
    assert port.reserved == [("api", "search", 4), ("api", "search", 1), ("api", "search", 10)]


def test_a_quota_that_cannot_be_is_refused() -> None:
    budget = make_context(port=FakePort(cooling={"api": "it rests"})).budget("api")
    with pytest.raises(ConfigError, match="raise its limit"):
        budget.reserve("search", 11, limit=10, zone="UTC")
    with pytest.raises(ValueError, match="at least 1"):
        budget.reserve("search", 0, limit=10, zone="UTC")
    with pytest.raises(ValueError, match="time zone 'Mars/Base'"):
        budget.left("search", limit=10, zone="Mars/Base")
    with pytest.raises(Deferred, match="it rests"):
        budget.reserve("search", limit=10, zone="UTC")
