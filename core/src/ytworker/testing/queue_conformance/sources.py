"""Sources: cool-downs and pauses that every worker sees, and the tasks that wait for their end."""
# ruff: noqa: D102, PLR2004, S101 - tests: their names say what they show

from typing import Any

import pytest

from ytworker.model import ErrorClass, Microseconds, Outcome, SourceState, TaskStatus
from ytworker.queue import CoolDown, TaskQueue
from ytworker.testing.clock import FakeClock
from ytworker.testing.queue_conformance.base import FAILURE, LEASE, Suite, later, new, put, take_one


def cool_down(queue: TaskQueue, source: str = "youtube", *, until: Microseconds, **fields: Any) -> int:
    """Let a task find out that a source must rest; gives the task, which waits for it until far in the future."""
    worker = queue.add_worker(lease_seconds=LEASE)
    put(queue, new("finds out"))
    claim = take_one(queue, worker, "finds out")
    change = CoolDown(
        source=source, until=until, **{"error_class": ErrorClass.THROTTLED, "reason": "slow down", **fields}
    )
    queue.defer(claim, 2**52, "wait", source=source, cool_down=change)
    queue.remove_worker(worker)
    return claim.task.id


def pause(queue: TaskQueue, source: str = "youtube", *, until: Microseconds, paused_by: str = "digest") -> int:
    """The same with a source that is paused because the settings seem wrong."""
    wrong = {"paused_by": paused_by, "error_class": ErrorClass.CONFIG, "reason": "the key is wrong"}
    return cool_down(queue, source, until=until, **wrong)


def succeed(queue: TaskQueue, *sources: str, settings: str | None = None) -> None:
    """Do a task to which these sources answered well under these settings."""
    worker = queue.add_worker(lease_seconds=LEASE)
    put(queue, new("succeeds"))
    queue.finish(take_one(queue, worker, "succeeds"), [], Outcome.EMPTY, sources=sources, settings=settings)
    queue.remove_worker(worker)


class SourceTests(Suite):
    """What is known of sources, and what ends it."""

    def test_an_unknown_source_is_free_and_not_listed(self, queue: TaskQueue) -> None:
        assert queue.source("youtube") == SourceState(name="youtube")
        queue.resume("youtube")
        queue.unpause("youtube")
        succeed(queue, "youtube")
        assert queue.sources() == []

    def test_a_cool_down_is_seen_through_every_handle(
        self, queue: TaskQueue, twin: TaskQueue, clock: FakeClock
    ) -> None:
        cool_down(queue, until=later(clock, 300))
        state = SourceState(
            name="youtube",
            cooling_until=later(clock, 300),
            reason="slow down",
            strikes=1,
            error_class=ErrorClass.THROTTLED,
        )
        assert twin.source("youtube") == state
        assert twin.sources() == [state]

    def test_sources_are_listed_by_name(self, queue: TaskQueue) -> None:
        for name in ("b", "c", "a"):
            cool_down(queue, name, until=1)
        assert [state.name for state in queue.sources()] == ["a", "b", "c"]

    def test_a_later_strike_prolongs_and_never_shortens(self, queue: TaskQueue, clock: FakeClock) -> None:
        cool_down(queue, until=later(clock, 600))
        cool_down(queue, until=later(clock, 300), strikes=2, reason="again")
        state = queue.source("youtube")
        assert (state.cooling_until, state.strikes, state.reason) == (later(clock, 600), 1, "slow down")
        cool_down(queue, until=later(clock, 1200), strikes=3, error_class=ErrorClass.BLOCKED)
        state = queue.source("youtube")
        assert (state.cooling_until, state.strikes) == (later(clock, 1200), 3)
        assert state.error_class is ErrorClass.BLOCKED

    def test_whoever_reaches_a_source_ends_its_rest_after_an_outage(self, queue: TaskQueue, clock: FakeClock) -> None:
        waiting = cool_down(queue, until=later(clock, 60), strikes=3, error_class=ErrorClass.TRANSIENT)
        succeed(queue, "youtube")
        assert queue.source("youtube") == SourceState(name="youtube")
        assert queue.get(waiting).run_at == clock()

    def test_a_pause_remembers_the_settings_that_it_is_for(self, queue: TaskQueue) -> None:
        pause(queue, until=5)
        assert queue.source("youtube") == SourceState(
            name="youtube", paused_until=5, pause_reason="the key is wrong", paused_by="digest"
        )

    def test_a_newer_pause_takes_the_place_of_an_older_one(self, queue: TaskQueue) -> None:
        pause(queue, until=9)
        pause(queue, until=5, paused_by="newer")
        state = queue.source("youtube")
        assert (state.paused_until, state.paused_by) == (5, "newer")

    def test_a_pause_and_a_cool_down_do_not_touch_each_other(self, queue: TaskQueue, clock: FakeClock) -> None:
        cool_down(queue, until=later(clock, 9), strikes=2, error_class=ErrorClass.BLOCKED)
        pause(queue, until=later(clock, 1))
        state = queue.source("youtube")
        assert (state.cooling_until, state.strikes) == (later(clock, 9), 2)
        assert state.error_class is ErrorClass.BLOCKED
        assert (state.paused_by, state.pause_reason) == ("digest", "the key is wrong")
        queue.unpause("youtube")
        state = queue.source("youtube")
        assert (state.paused_by, state.paused_until, state.pause_reason) == (None, None, None)
        assert (state.cooling_until, state.strikes) == (later(clock, 9), 2)

    def test_a_source_is_resumed_by_hand_and_its_strikes_are_remembered(
        self, queue: TaskQueue, clock: FakeClock
    ) -> None:
        cool_down(queue, until=later(clock, 1), strikes=3)
        pause(queue, until=later(clock, 1))
        queue.resume("youtube")
        state = queue.source("youtube")
        assert (state.paused_by, state.cooling_until, state.reason, state.strikes) == (None, None, None, 3)

    def test_strikes_are_forgiven_to_a_source_that_answers_well(self, queue: TaskQueue, clock: FakeClock) -> None:
        cool_down(queue, "youtube", until=later(clock, 1), strikes=3)
        cool_down(queue, "other", until=later(clock, 1), strikes=2)
        clock.advance(1)
        succeed(queue, "youtube", "never heard of")
        assert queue.source("youtube") == SourceState(name="youtube")
        assert queue.source("other").strikes == 2
        assert [state.name for state in queue.sources()] == ["other", "youtube"]

    def test_a_success_that_was_on_its_way_ends_no_cool_down_of_others(
        self, queue: TaskQueue, clock: FakeClock
    ) -> None:
        cool_down(queue, until=later(clock, 300), strikes=2)
        before = queue.source("youtube")
        succeed(queue, "youtube")
        assert queue.source("youtube") == before

    def test_a_success_ends_a_pause(self, queue: TaskQueue) -> None:
        pause(queue, until=5)
        succeed(queue, "youtube")
        assert queue.source("youtube") == SourceState(name="youtube")

    def test_a_success_ends_the_pause_for_its_own_settings_and_for_no_others(self, queue: TaskQueue) -> None:
        pause(queue, until=5)
        before = queue.source("youtube")
        succeed(queue, "youtube", settings="others")
        assert queue.source("youtube") == before
        succeed(queue, "youtube", settings="digest")
        assert queue.source("youtube") == SourceState(name="youtube")

    def test_a_failure_forgives_nothing(self, queue: TaskQueue, worker: int, clock: FakeClock) -> None:
        cool_down(queue, until=clock(), strikes=2)
        put(queue)
        queue.release(take_one(queue, worker))
        assert queue.source("youtube").strikes == 2

    # -- paused by hand

    def test_a_source_is_paused_by_hand(self, queue: TaskQueue, twin: TaskQueue) -> None:
        queue.pause("youtube", 9, "the exhibition is on")
        state = SourceState(name="youtube", paused_until=9, pause_reason="the exhibition is on")
        assert twin.source("youtube") == state
        assert twin.sources() == [state]
        queue.pause("youtube", 5, "it ends earlier")
        state = queue.source("youtube")
        assert (state.paused_until, state.pause_reason, state.paused_by) == (5, "it ends earlier", None)

    def test_only_a_hand_ends_a_pause_by_hand(self, queue: TaskQueue, clock: FakeClock) -> None:
        queue.pause("youtube", later(clock, 60), "by me")
        queue.unpause("youtube")
        succeed(queue, "youtube")
        pause(queue, until=later(clock, 30))
        state = queue.source("youtube")
        assert (state.paused_until, state.pause_reason, state.paused_by) == (later(clock, 60), "by me", None)
        queue.resume("youtube")
        state = queue.source("youtube")
        assert (state.paused_until, state.pause_reason, state.paused_by) == (None, None, None)

    def test_a_longer_pause_for_the_settings_takes_the_place_of_one_by_hand(
        self, queue: TaskQueue, clock: FakeClock
    ) -> None:
        queue.pause("youtube", later(clock, 60), "by me")
        pause(queue, until=later(clock, 90))
        state = queue.source("youtube")
        assert (state.paused_until, state.paused_by) == (later(clock, 90), "digest")

    def test_a_hand_takes_over_any_pause_and_leaves_a_cool_down(self, queue: TaskQueue, clock: FakeClock) -> None:
        cool_down(queue, until=later(clock, 9), strikes=2)
        pause(queue, until=later(clock, 90))
        queue.pause("youtube", later(clock, 60), "by me")
        state = queue.source("youtube")
        assert (state.paused_until, state.paused_by) == (later(clock, 60), None)
        assert (state.cooling_until, state.strikes) == (later(clock, 9), 2)

    def test_what_waits_for_a_source_is_due_when_a_pause_by_hand_is_ended(self, queue: TaskQueue, worker: int) -> None:
        queue.pause("youtube", 2**52, "by me")
        put(queue)
        claim = take_one(queue, worker)
        queue.defer(claim, 2**52, "wait", source="youtube")
        queue.resume("youtube")
        assert take_one(queue, worker).task.id == claim.task.id

    # -- who waits for it

    @pytest.mark.parametrize("how", ["resume", "unpause", "success"])
    def test_what_waits_for_a_source_is_due_when_its_pause_ends(
        self, queue: TaskQueue, worker: int, clock: FakeClock, how: str
    ) -> None:
        waiting = pause(queue, until=2**52)
        other = cool_down(queue, "other", until=later(clock, 1))
        clock.advance(5)
        if how == "success":
            succeed(queue, "youtube")
        else:
            (queue.resume if how == "resume" else queue.unpause)("youtube")
        task = queue.get(waiting)
        assert (task.state, task.run_at, task.reason) == (TaskStatus.SCHEDULED, clock(), "wait")
        assert queue.get(other).run_at == 2**52
        assert take_one(queue, worker, "finds out").task.id == waiting

    def test_what_waits_for_a_source_is_due_when_it_is_resumed(self, queue: TaskQueue, worker: int) -> None:
        waiting = cool_down(queue, until=2**52)
        queue.unpause("youtube")  # it is not paused
        assert queue.get(waiting).run_at == 2**52
        queue.resume("youtube")
        assert take_one(queue, worker, "finds out").task.id == waiting

    def test_a_task_that_is_due_anyway_does_not_become_due_later(self, queue: TaskQueue, clock: FakeClock) -> None:
        pause(queue, until=2**52)
        worker = queue.add_worker(lease_seconds=LEASE)
        (number,) = put(queue)
        due = later(clock, 1)
        queue.defer(take_one(queue, worker), due, "wait", source="youtube")
        clock.advance(5)
        queue.unpause("youtube")
        assert queue.get(number).run_at == due

    def test_a_task_that_failed_since_waits_for_no_source(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        waiting = pause(queue, until=2**52)
        queue.resume("youtube")
        claim = take_one(queue, worker, "finds out")
        retry_at = later(clock, 60)
        queue.fail(claim, FAILURE, retry_at=retry_at)
        queue.resume("youtube")
        assert queue.get(waiting).run_at == retry_at
