"""Budgets: what all processes together may ask of a source."""
# ruff: noqa: D102, PLR2004, S101 - tests: their names say what they show

from collections import Counter
from dataclasses import replace

import pytest

from ytworker.errors import StaleClaimError
from ytworker.model import SECOND, Claim, Outcome, to_datetime
from ytworker.pacing import Ask, Pace, Quota, QuotaUse, SourceUse
from ytworker.queue import TaskQueue
from ytworker.testing.clock import FakeClock
from ytworker.testing.queue_conformance.base import (
    LEASE,
    WAYS_BACK,
    Suite,
    come_back,
    in_threads,
    later,
    put,
    take,
    take_one,
)
from ytworker.testing.queue_conformance.sources import cool_down, pause

HOUR = 3600 * SECOND
PACE = Pace(interval=2.5, burst=3, per_hour=5, in_flight=1)
WIDE = Pace(interval=0.001, burst=1000, per_hour=1000, in_flight=2)
SEARCH = Quota("search", 100, "America/Los_Angeles")


def turn(queue: TaskQueue, pace: Pace = PACE, cost: int = 1, source: str = "youtube") -> float:
    """Pay for requests and give the seconds until their turn."""
    admission = queue.admit(Ask(source=source, pace=pace, cost=cost))
    assert admission.barred is None
    return admission.wait / SECOND


def enter(queue: TaskQueue, claim: Claim, pace: Pace = WIDE, source: str = "youtube") -> bool:
    """Look for a place in flight for a request that is paid for."""
    admission = queue.admit(Ask(source=source, pace=pace, cost=0, holder=claim))
    assert admission.barred is None
    assert (admission.wait > 0) is admission.crowded
    return not admission.crowded


def claims_of(queue: TaskQueue, worker: int, number: int) -> list[Claim]:
    """Claim some tasks."""
    for _ in range(number):
        put(queue)
    return take(queue, worker, limit=number)


class BudgetTests(Suite):
    """Pace, places in flight and quotas, shared by every handle."""

    def test_a_burst_passes_and_then_the_interval_holds_for_all_handles(
        self, queue: TaskQueue, twin: TaskQueue
    ) -> None:
        wide = replace(PACE, per_hour=100)
        assert [turn(each, wide) for each in (queue, twin, queue, twin, queue)] == [0, 0, 0, 2.5, 5]
        assert turn(twin, wide, source="another") == 0

    def test_no_hour_has_more_requests_than_its_ceiling(
        self, queue: TaskQueue, twin: TaskQueue, clock: FakeClock
    ) -> None:
        for each in (queue, twin, queue, twin, queue):
            assert turn(each) == 0
            clock.advance(60)
        assert turn(twin) == 3600 - 5 * 60
        assert turn(queue) == 3600 - 4 * 60
        clock.advance(3600)
        assert turn(queue, cost=2) == 0

    def test_a_turn_that_is_too_far_off_is_not_paid_for(self, queue: TaskQueue, clock: FakeClock) -> None:
        pace = Pace(interval=2.5, burst=3, per_hour=100)
        for _ in range(3):
            turn(queue, pace)
        far = queue.admit(Ask(source="youtube", pace=pace, cost=3, patience=5 * SECOND))
        assert (far.far, far.wait) == (True, round(7.5 * SECOND))
        assert turn(queue, pace) == 2.5  # as if nobody had asked
        near = queue.admit(Ask(source="youtube", pace=pace, patience=5 * SECOND))
        assert (near.far, near.wait) == (False, 5 * SECOND)
        clock.advance(-3600)
        assert queue.admit(Ask(source="youtube", pace=pace, patience=0)).wait == round(7.5 * SECOND)
        assert turn(queue, pace) == 7.5

    def test_a_rest_gives_no_more_than_the_burst(self, queue: TaskQueue, clock: FakeClock) -> None:
        turn(queue)
        clock.advance(7200)
        assert [turn(queue) for _ in range(4)] == [0, 0, 0, 2.5]

    def test_a_clock_that_was_set_back_stalls_nobody_and_gives_nothing_away(
        self, queue: TaskQueue, clock: FakeClock
    ) -> None:
        assert [turn(queue) for _ in range(4)] == [0, 0, 0, 2.5]
        clock.advance(-86_400)
        assert [turn(queue), turn(queue)] == [5, 3600]
        clock.advance(3601)
        assert [turn(queue), turn(queue)] == [0, 0]

    def test_requests_at_the_same_time_share_one_budget(self, queue: TaskQueue) -> None:
        pace = Pace(interval=10, burst=4, per_hour=1000)
        waits = in_threads(queue, 8, lambda handle, _: [turn(handle, pace) for _ in range(3)])
        assert sorted(wait for each in waits for wait in each) == [0] * 4 + [10 * n for n in range(1, 21)]

    def test_a_source_that_rests_is_not_asked_and_nothing_is_paid(self, queue: TaskQueue, clock: FakeClock) -> None:
        cool_down(queue, until=later(clock, 10))
        ask = Ask(source="youtube", pace=PACE, cost=3)
        admission = queue.admit(ask)
        assert (admission.wait, admission.barred) == (0, queue.source("youtube"))
        assert queue.reserve("youtube", SEARCH, 1).barred == queue.source("youtube")
        clock.advance(10)
        assert (queue.admit(ask).wait, queue.reserve("youtube", SEARCH, 1).used) == (0, 1)

    def test_a_pause_counts_under_its_settings_and_one_by_hand_always(self, queue: TaskQueue, clock: FakeClock) -> None:
        pause(queue, until=later(clock, 10), paused_by="mine")
        asks = [Ask(source="youtube", pace=WIDE, settings=settings) for settings in ("mine", "other", None)]
        assert [queue.admit(ask).barred is None for ask in asks] == [False, True, True]
        queue.pause("youtube", later(clock, 10), "by hand")
        assert [queue.admit(ask).barred is None for ask in asks] == [False, False, False]

    def test_places_in_flight_are_limited_and_given_back(self, queue: TaskQueue, twin: TaskQueue, worker: int) -> None:
        one, two, three = claims_of(queue, worker, 3)
        assert [enter(queue, one), enter(twin, two), enter(queue, three), enter(queue, one)] == [
            True,
            True,
            False,
            True,
        ]
        assert enter(queue, three, source="another")
        twin.leave("youtube", one)
        twin.leave("youtube", three)  # it has none
        assert [enter(queue, three), enter(queue, one)] == [True, False]

    @pytest.mark.parametrize("way", WAYS_BACK)
    def test_a_place_is_free_when_its_attempt_ends(
        self, queue: TaskQueue, worker: int, clock: FakeClock, way: str
    ) -> None:
        (claim,) = claims_of(queue, worker, 1)
        pace = replace(WIDE, in_flight=1)
        assert enter(queue, claim, pace)
        come_back(queue, claim, clock, way)
        other = queue.add_worker(lease_seconds=LEASE)
        again = take_one(queue, other)
        put(queue)
        waits = take_one(queue, other)
        assert [enter(queue, waits, pace), enter(queue, again, pace)] == [True, False]
        queue.leave("youtube", claim)  # an old attempt of a task frees nothing of its new one
        queue.finish(waits, [], Outcome.EMPTY)
        assert enter(queue, again, pace)

    def test_a_place_is_free_as_soon_as_the_lease_of_its_worker_has_lapsed(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        (dead,) = claims_of(queue, worker, 1)
        pace = replace(WIDE, in_flight=1)
        assert enter(queue, dead, pace)
        clock.advance(LEASE + 1)
        other = queue.add_worker(lease_seconds=LEASE)
        put(queue)
        assert enter(queue, take_one(queue, other), pace)

    def test_a_claim_that_is_lost_gets_no_place(self, queue: TaskQueue, worker: int) -> None:
        (claim,) = claims_of(queue, worker, 1)
        queue.release(claim)
        with pytest.raises(StaleClaimError):
            queue.admit(Ask(source="youtube", pace=PACE, holder=claim))
        assert [turn(queue) for _ in range(3)] == [0, 0, 0]

    def test_a_refused_source_is_cooled_down_in_the_transaction_that_frees_the_place(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        claim, other = claims_of(queue, worker, 2)
        pace = replace(WIDE, in_flight=1)
        assert enter(queue, claim, pace)
        assert not enter(queue, other, pace)
        cool_down(queue, until=later(clock, 300))
        queue.release(claim)
        assert queue.admit(Ask(source="youtube", pace=pace, cost=0, holder=other)).barred is not None

    def test_a_request_that_failed_closes_all_places_until_its_own_is_free(
        self, queue: TaskQueue, twin: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        one, two, three = claims_of(queue, worker, 3)
        assert [enter(queue, one), enter(queue, two)] == [True, True]
        queue.hesitate("youtube", two)
        queue.hesitate("youtube", three)  # it has no place
        queue.hesitate("never heard of", one)
        wide = replace(WIDE, in_flight=3)
        assert [enter(twin, claim, wide) for claim in (one, two, three)] == [False, True, False]
        twin.leave("youtube", two)
        assert [enter(twin, claim, wide) for claim in (one, three)] == [True, True]
        queue.hesitate("youtube", one)
        cool_down(queue, until=later(clock, 300))
        queue.release(one)
        assert queue.admit(Ask(source="youtube", pace=wide, cost=0, holder=three)).barred is not None

    def test_two_whose_requests_failed_do_not_wait_for_each_other(self, queue: TaskQueue, worker: int) -> None:
        first, second = sorted(claims_of(queue, worker, 2), key=lambda claim: claim.task.id)
        for claim in (second, first):
            assert enter(queue, claim)
        for claim in (first, second):
            queue.hesitate("youtube", claim)
        assert [enter(queue, second), enter(queue, first)] == [False, True]
        queue.finish(first, [], Outcome.EMPTY)
        assert enter(queue, second)

    @pytest.mark.parametrize("way", WAYS_BACK)
    def test_a_new_attempt_does_not_inherit_the_failure_of_an_old_one(
        self, queue: TaskQueue, worker: int, clock: FakeClock, way: str
    ) -> None:
        (claim,) = claims_of(queue, worker, 1)
        assert enter(queue, claim)
        queue.hesitate("youtube", claim)
        come_back(queue, claim, clock, way)
        other = queue.add_worker(lease_seconds=LEASE)
        again = take_one(queue, other)
        put(queue)
        waits = take_one(queue, other)
        assert [enter(queue, again), enter(queue, waits)] == [True, True]

    def test_a_quota_is_exact_and_there_anew_at_midnight(
        self, queue: TaskQueue, twin: TaskQueue, clock: FakeClock
    ) -> None:
        assert queue.quota_used("api", SEARCH) == 0
        first, second = queue.reserve("api", SEARCH, 60), twin.reserve("api", SEARCH, 60)
        third = queue.reserve("api", SEARCH, 40)
        assert [(each.granted, each.used) for each in (first, second, third)] == [(True, 60), (False, 60), (True, 100)]
        assert twin.quota_used("api", SEARCH) == 100
        assert queue.reserve("api", replace(SEARCH, bucket="stats"), 1).granted
        assert queue.reserve("another", SEARCH, 1).granted
        assert to_datetime(first.reset) == to_datetime(SEARCH.next_reset(clock()))
        clock.now = first.reset - 1
        assert not queue.reserve("api", SEARCH, 1).granted
        clock.now = first.reset
        assert twin.quota_used("api", SEARCH) == 0
        assert twin.reserve("api", SEARCH, 100).granted

    def test_a_quota_that_the_server_calls_used_up_is_used_up(
        self, queue: TaskQueue, twin: TaskQueue, clock: FakeClock
    ) -> None:
        queue.reserve("api", SEARCH, 30)
        queue.exhaust("api", SEARCH)
        assert (twin.quota_used("api", SEARCH), twin.reserve("api", SEARCH, 1).granted) == (100, False)
        clock.now = SEARCH.next_reset(clock())
        assert twin.reserve("api", SEARCH, 1).granted

    def test_reservations_at_the_same_time_never_exceed_the_limit(self, queue: TaskQueue) -> None:
        got = in_threads(queue, 8, lambda handle, _: [handle.reserve("api", SEARCH, 7).granted for _ in range(4)])
        assert Counter(granted for each in got for granted in each) == {True: 14, False: 18}
        assert queue.quota_used("api", SEARCH) == 98

    def test_what_is_used_can_be_looked_at(
        self, queue: TaskQueue, twin: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        assert queue.usage() == []
        (claim,) = claims_of(queue, worker, 1)
        queue.admit(Ask(source="site", pace=WIDE, cost=2, holder=claim))
        clock.advance(1800)
        turn(queue, WIDE, source="site")
        reset = queue.reserve("api", SEARCH, 60).reset
        quota = QuotaUse(bucket="search", used=60, limit=100, reset=reset)
        site = SourceUse(name="site", requests=3, last_hour=3, per_hour=1000, in_flight=0, places=2)
        assert twin.usage() == [SourceUse(name="api", quotas=(quota,)), site]
        clock.advance(1800)
        assert (twin.usage()[1].requests, twin.usage()[1].last_hour) == (3, 1)
        clock.now = reset
        assert twin.usage()[0].quotas[0].used == 0
