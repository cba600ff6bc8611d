import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytworker.engine.retry import (
    BLOCKED_SECONDS,
    DAY,
    HOUR,
    YEAR,
    Bury,
    Decision,
    Defer,
    Release,
    Retry,
    RetryStrategy,
    clamp,
    cool_down_seconds,
)
from ytworker.model import ErrorClass, ErrorInfo

ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True)
DRAWS = st.floats(0, 1, exclude_max=True)
ATTEMPTS = st.integers(1, 10_000)
STRATEGIES = st.builds(
    RetryStrategy,
    base=st.floats(0.001, 100),
    cap=st.floats(1, 10_000),
    growth=st.sampled_from(["exponential", "linear"]),
    jitter=st.sampled_from(["full", "tenth", "none"]),
)


def failure(error_class: ErrorClass, retry_after: float | None = None) -> ErrorInfo:
    return ErrorInfo(error_class=error_class, type="t", message="m", retry_after=retry_after)


def decide(
    error: ErrorInfo,
    *,
    attempt: int = 1,
    max_attempts: int = 5,
    strikes: int = 1,
    draw: float = 0.5,
    strategy: RetryStrategy | None = None,
) -> Decision:
    return (strategy or RetryStrategy()).decide(
        error, attempt=attempt, max_attempts=max_attempts, strikes=strikes, random=lambda: draw
    )


def test_the_delays_are_those_of_the_design() -> None:
    delays = [RetryStrategy().get_retry_delay(n) for n in range(1, 11)]
    assert delays == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_linear_delays_add_one_base_each() -> None:
    assert [RetryStrategy(base=10, growth="linear").get_retry_delay(n) for n in (1, 2, 3, 30, 31)] == [
        10,
        20,
        30,
        300,
        300,
    ]


@pytest.mark.parametrize("n", [0, -1])
def test_failures_are_counted_from_one(n: int) -> None:
    with pytest.raises(ValueError, match="from 1"):
        RetryStrategy().get_retry_delay(n)


@given(STRATEGIES, ATTEMPTS)
def test_delays_never_fall_and_never_pass_the_cap(strategy: RetryStrategy, n: int) -> None:
    assert 0 < strategy.get_retry_delay(n) <= strategy.get_retry_delay(n + 1) <= strategy.cap


@given(STRATEGIES, st.integers(1, 60))
def test_delays_are_the_formula(strategy: RetryStrategy, n: int) -> None:
    factor = 2**n if strategy.growth == "exponential" else n
    assert strategy.get_retry_delay(n) == min(strategy.cap, strategy.base * factor)


@given(STRATEGIES, ATTEMPTS, DRAWS)
def test_jitter_stays_within_its_bounds(strategy: RetryStrategy, attempt: int, draw: float) -> None:
    exact = strategy.get_retry_delay(attempt)
    low, high = {"full": (0, exact), "tenth": (0.9 * exact, 1.1 * exact), "none": (exact, exact)}[strategy.jitter]
    decision = decide(
        failure(ErrorClass.TRANSIENT), attempt=attempt, max_attempts=attempt + 1, draw=draw, strategy=strategy
    )
    assert isinstance(decision, Retry)
    assert low <= decision.delay <= high * (1 + 1e-12)


@given(ANY_FLOAT)
def test_clamp_gives_one_second_to_one_day_whatever_it_is_given(retry_after: float | None) -> None:
    assert 1.0 <= clamp(retry_after) <= DAY


@given(st.floats(1, DAY))
def test_clamp_keeps_what_is_reasonable(retry_after: float | None) -> None:
    assert clamp(retry_after) == retry_after
    assert clamp(clamp(retry_after)) == clamp(retry_after)


def test_clamp_turns_nonsense_into_a_second() -> None:
    assert clamp(math.nan) == clamp(-math.inf) == clamp(0) == 1.0
    assert clamp(math.inf) == DAY


@pytest.mark.parametrize("error_class", [ErrorClass.TRANSIENT, ErrorClass.RESOURCE])
def test_what_may_pass_is_retried_until_the_attempts_are_used_up(error_class: ErrorClass) -> None:
    decisions = [decide(failure(error_class), attempt=attempt) for attempt in range(1, 7)]
    assert [type(each) for each in decisions] == [Retry] * 4 + [Bury] * 2


@pytest.mark.parametrize("error_class", [ErrorClass.BUG, ErrorClass.SUSPECT])
def test_bugs_and_suspects_get_one_more_try(error_class: ErrorClass) -> None:
    decisions = [decide(failure(error_class), attempt=attempt) for attempt in (1, 2, 3)]
    assert [type(each) for each in decisions] == [Retry, Bury, Bury]
    assert decide(failure(error_class), max_attempts=1) == Bury()


@pytest.mark.parametrize("error_class", [ErrorClass.GONE, ErrorClass.RESTRICTED, ErrorClass.INVALID])
def test_what_is_final_is_buried_at_once(error_class: ErrorClass) -> None:
    assert decide(failure(error_class, retry_after=5.0)) == Bury()


@pytest.mark.parametrize("error_class", [ErrorClass.UNAVAILABLE, ErrorClass.STORE])
def test_what_is_no_fault_of_the_task_releases_it(error_class: ErrorClass) -> None:
    assert decide(failure(error_class), attempt=99) == Release()


def test_a_config_error_pauses_the_source() -> None:
    assert decide(failure(ErrorClass.CONFIG), attempt=99) == Defer(HOUR, pause=True)


@pytest.mark.parametrize("attempt", [1, 5, 99])
def test_waiting_for_a_source_never_uses_an_attempt_up(attempt: int) -> None:
    for error_class in (ErrorClass.THROTTLED, ErrorClass.BLOCKED, ErrorClass.QUOTA):
        decision = decide(failure(error_class), attempt=attempt)
        assert isinstance(decision, Defer)
        assert decision.cool_down


@pytest.mark.parametrize(
    ("error_class", "seconds"),
    [
        (ErrorClass.THROTTLED, [300, 600, 1200, 2400, 3600, 3600]),
        (ErrorClass.BLOCKED, [6 * HOUR, 24 * HOUR, 72 * HOUR, 72 * HOUR]),
        (ErrorClass.QUOTA, [HOUR, HOUR]),
    ],
)
def test_cool_downs_grow_with_the_strikes(error_class: ErrorClass, seconds: list[float]) -> None:
    error = failure(error_class)
    assert [cool_down_seconds(error, strikes) for strikes in range(1, len(seconds) + 1)] == seconds


@given(st.sampled_from([ErrorClass.THROTTLED, ErrorClass.BLOCKED, ErrorClass.QUOTA]), st.integers(1, 10**9))
def test_no_cool_down_is_longer_than_the_longest(error_class: ErrorClass, strikes: int) -> None:
    assert 300 <= cool_down_seconds(failure(error_class), strikes) <= BLOCKED_SECONDS[-1]


@given(ANY_FLOAT, st.sampled_from([ErrorClass.TRANSIENT, ErrorClass.THROTTLED, ErrorClass.QUOTA]))
def test_retry_after_is_honoured_within_bounds(retry_after: float | None, error_class: ErrorClass) -> None:
    most = 25 * HOUR if error_class is ErrorClass.QUOTA else DAY
    assert decide(failure(error_class, retry_after)).delay == clamp(retry_after, most)


def test_a_quota_that_is_used_up_at_the_beginning_of_the_longest_day_rests_for_all_of_it() -> None:
    assert decide(failure(ErrorClass.QUOTA, 24.9 * HOUR)).delay == 24.9 * HOUR


@pytest.mark.parametrize("attempt", [1, 5, 99])
def test_no_network_rests_the_source_for_about_a_minute_and_uses_no_attempt_up(attempt: int) -> None:
    offline = replace(failure(ErrorClass.TRANSIENT), offline=True)
    for draw, seconds in ((0.0, 30.0), (0.5, 60.0)):
        assert decide(offline, attempt=attempt, max_attempts=1, draw=draw) == Defer(seconds, cool_down=True)


def test_not_yet_waits_for_the_time_that_the_error_names() -> None:
    assert decide(failure(ErrorClass.NOT_YET, 3 * DAY), attempt=99) == Defer(3 * DAY)
    assert decide(failure(ErrorClass.NOT_YET)) == Defer(HOUR)


@given(ANY_FLOAT)
def test_not_yet_looks_again_within_a_year_whatever_it_is_told(retry_after: float | None) -> None:
    assert 1.0 <= decide(failure(ErrorClass.NOT_YET, retry_after)).delay <= YEAR


@given(st.sampled_from(ErrorClass), ATTEMPTS, st.integers(1, 100), st.integers(1, 100), DRAWS, st.none() | ANY_FLOAT)
def test_every_failure_has_a_finite_consequence(
    error_class: ErrorClass, attempt: int, max_attempts: int, strikes: int, draw: float, retry_after: float | None
) -> None:
    error = failure(error_class, retry_after)
    decision = decide(error, attempt=attempt, max_attempts=max_attempts, strikes=strikes, draw=draw)
    assert decision == decide(error, attempt=attempt, max_attempts=max_attempts, strikes=strikes, draw=draw)
    if isinstance(decision, Retry):
        assert attempt < max_attempts
    if isinstance(decision, Retry | Defer):
        assert 0 <= decision.delay <= YEAR
