"""Sources: cool-downs and pauses that every worker sees."""

from collections.abc import Callable
from typing import Any

import pytest

from ytworker.model import SECOND, ErrorClass, NewTask, Outcome, SourceState
from ytworker.queue import CoolDown, FIFOStrategy
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.testing import FakeClock


@pytest.fixture
def cool_down(queue: SQLiteQueue, worker: int, clock: FakeClock) -> Callable[..., None]:
    def change(source: str = "youtube", **fields: Any) -> None:
        values = {"error_class": ErrorClass.THROTTLED, "reason": "slow down", **fields}
        queue.enqueue([NewTask(type="demo", params={})])
        (claim,) = queue.claim(worker, FIFOStrategy, ["demo"])
        queue.defer(claim, clock() + 10**6 * SECOND, "wait", cool_down=CoolDown(source=source, **values))

    return change


@pytest.fixture
def succeed(queue: SQLiteQueue, worker: int) -> Callable[..., None]:
    def run(*sources: Any) -> None:
        queue.enqueue([NewTask(type="other", params={})])
        (claim,) = queue.claim(worker, FIFOStrategy, ["other"])
        queue.finish(claim, [], Outcome.EMPTY, sources=sources)

    return run


def test_an_unknown_source_is_free(queue: SQLiteQueue) -> None:
    assert queue.source("youtube") == SourceState(name="youtube")
    assert queue.sources() == []
    queue.resume("youtube")
    assert queue.sources() == []


def test_a_cool_down_is_seen_by_every_connection(
    queue: SQLiteQueue, clock: FakeClock, cool_down: Callable[..., None]
) -> None:
    cool_down(until=clock() + 300 * SECOND)
    twin = queue.connect()
    assert twin.source("youtube") == SourceState(
        name="youtube",
        cooling_until=clock() + 300 * SECOND,
        reason="slow down",
        strikes=1,
        error_class=ErrorClass.THROTTLED,
    )
    twin.close()


def test_sources_are_listed_by_name(queue: SQLiteQueue, cool_down: Callable[..., None]) -> None:
    for name in ("b", "c", "a"):
        cool_down(name, until=1)
    assert [each.name for each in queue.sources()] == ["a", "b", "c"]


def test_a_later_strike_prolongs_and_never_shortens(
    queue: SQLiteQueue, clock: FakeClock, cool_down: Callable[..., None]
) -> None:
    cool_down(until=clock() + 600 * SECOND, strikes=1)
    cool_down(until=clock() + 300 * SECOND, strikes=2, reason="again")
    state = queue.source("youtube")
    assert (state.cooling_until, state.strikes, state.reason) == (clock() + 600 * SECOND, 1, "slow down")
    cool_down(until=clock() + 1200 * SECOND, strikes=3, error_class=ErrorClass.BLOCKED)
    state = queue.source("youtube")
    assert (state.cooling_until, state.strikes, state.error_class) == (clock() + 1200 * SECOND, 3, ErrorClass.BLOCKED)


def pause(until: int, paused_by: str = "digest", reason: str = "the key is wrong") -> dict[str, Any]:
    return {"until": until, "paused_by": paused_by, "error_class": ErrorClass.CONFIG, "reason": reason}


def test_a_pause_remembers_the_settings_it_is_for(queue: SQLiteQueue, cool_down: Callable[..., None]) -> None:
    cool_down(**pause(5))
    assert queue.source("youtube") == SourceState(
        name="youtube", paused_until=5, pause_reason="the key is wrong", paused_by="digest"
    )


def test_a_pause_and_a_cool_down_do_not_touch_each_other(
    queue: SQLiteQueue, clock: FakeClock, cool_down: Callable[..., None]
) -> None:
    cool_down(until=clock() + 9 * SECOND, strikes=2, error_class=ErrorClass.BLOCKED)
    cool_down(**pause(clock() + SECOND))
    state = queue.source("youtube")
    assert (state.cooling_until, state.strikes, state.error_class) == (clock() + 9 * SECOND, 2, ErrorClass.BLOCKED)
    assert (state.paused_by, state.pause_reason) == ("digest", "the key is wrong")
    queue.unpause("youtube")
    state = queue.source("youtube")
    assert (state.paused_by, state.cooling_until, state.strikes) == (None, clock() + 9 * SECOND, 2)


def test_a_source_can_be_resumed_by_hand(queue: SQLiteQueue, clock: FakeClock, cool_down: Callable[..., None]) -> None:
    cool_down(until=clock() + SECOND, strikes=3)
    cool_down(**pause(clock() + SECOND))
    queue.resume("youtube")
    state = queue.source("youtube")
    assert (state.paused_by, state.cooling_until, state.reason, state.strikes) == (None, None, None, 3)


def test_strikes_are_forgiven_to_a_source_that_answers_well(
    queue: SQLiteQueue, clock: FakeClock, cool_down: Callable[..., None], succeed: Callable[..., None]
) -> None:
    cool_down("youtube", until=clock() + SECOND, strikes=3)
    cool_down("other", until=clock() + SECOND, strikes=2)
    clock.advance(1)
    succeed("youtube", "never heard of")
    assert queue.source("youtube") == SourceState(name="youtube")
    assert queue.source("other").strikes == 2
    assert [each.name for each in queue.sources()] == ["other", "youtube"]


def test_a_success_that_was_on_its_way_ends_no_cool_down_of_others(
    queue: SQLiteQueue, clock: FakeClock, cool_down: Callable[..., None], succeed: Callable[..., None]
) -> None:
    cool_down(until=clock() + 300 * SECOND, strikes=2)
    before = queue.source("youtube")
    succeed("youtube")
    assert queue.source("youtube") == before


def test_a_success_ends_a_pause(
    queue: SQLiteQueue, cool_down: Callable[..., None], succeed: Callable[..., None]
) -> None:
    cool_down(**pause(5))
    succeed("youtube")
    assert queue.source("youtube") == SourceState(name="youtube")
