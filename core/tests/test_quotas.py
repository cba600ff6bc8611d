from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytworker.model import SECOND, to_datetime, to_microseconds
from ytworker.pacing import Quota

PACIFIC = Quota("search", 100, "America/Los_Angeles")
HOUR = 3600 * SECOND
# The days on which the clocks change in the United States, and how many hours they have.
CHANGES = [((2026, 3, 8), 23), ((2026, 11, 1), 25), ((2027, 3, 14), 23), ((2027, 11, 7), 25)]


def pacific_midnight(day: tuple[int, int, int], offset: int) -> int:
    return to_microseconds(datetime(*day, offset, tzinfo=UTC))


@pytest.mark.parametrize(("day", "hours"), CHANGES)
def test_a_day_on_which_the_clocks_change_ends_at_midnight_and_only_once(day: tuple[int, int, int], hours: int) -> None:
    start = pacific_midnight(day, 8 if hours == 23 else 7)  # UTC-8 before the spring day, UTC-7 before the autumn one
    resets = {PACIFIC.next_reset(start + minute * 60 * SECOND) for minute in range(hours * 60)}
    assert resets == {start + hours * HOUR}
    assert PACIFIC.next_reset(start - 1) == start
    used, reset, times = 100, start, 0
    for minute in range(-120, (hours + 24) * 60):
        before = reset
        used, reset = PACIFIC.current(used, reset, start + minute * 60 * SECOND)
        times += reset != before
    assert (used, times) == (0, 2)


@given(
    st.integers(to_microseconds(datetime(2025, 1, 1, tzinfo=UTC)), to_microseconds(datetime(2035, 1, 1, tzinfo=UTC))),
    st.sampled_from(["America/Los_Angeles", "Asia/Beirut", "America/Santiago", "America/Havana", "UTC"]),
)
def test_the_reset_is_ahead_and_at_most_a_day_and_an_hour_away(now: int, zone: str) -> None:
    reset = Quota("b", 1, zone).next_reset(now)
    assert timedelta(0) < to_datetime(reset) - to_datetime(now) <= timedelta(hours=25)


def test_a_clock_that_is_set_back_over_midnight_brings_nothing_back() -> None:
    midnight = pacific_midnight((2026, 6, 2), 7)
    used, reset = PACIFIC.current(100, midnight, midnight)
    assert (used, reset) == (0, midnight + 24 * HOUR)
    assert PACIFIC.current(70, reset, midnight - 60 * SECOND) == (70, reset)


def test_a_clock_that_was_far_ahead_does_not_lock_the_quota() -> None:
    midnight = pacific_midnight((2026, 6, 2), 7)
    assert PACIFIC.current(70, midnight + 365 * 24 * HOUR, midnight - HOUR) == (70, midnight)
