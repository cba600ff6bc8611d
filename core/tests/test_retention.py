"""When ended tasks are deleted, and which: pure decisions under a fake clock."""

import pytest

from ytworker import TaskStatus
from ytworker.engine.retention import DAY, PASS_EVERY, STEP, Retention, Rule, Step, rules
from ytworker.model import SECOND
from ytworker.testing import FakeClock

DEAD = Rule((TaskStatus.DEAD,), 7 * DAY)
DONE = Rule((TaskStatus.COMPLETED, TaskStatus.CANCELLED), DAY)


def test_a_pass_goes_through_the_queue_once_for_each_rule(clock: FakeClock) -> None:
    retention = Retention([DONE, DEAD])
    assert retention.next_step(clock()) == Step(DONE.states, clock() - DAY, 0, STEP)
    retention.did(1000)
    clock.advance(20)
    assert retention.next_step(clock()) == Step(DONE.states, clock() - DAY, 1000)
    retention.did(None)
    assert retention.next_step(clock()) == Step(DEAD.states, clock() - 7 * DAY, 0)
    retention.did(2000)
    assert retention.next_step(clock()) == Step(DEAD.states, clock() - 7 * DAY, 2000)
    retention.did(None)
    assert retention.next_step(clock()) is None


def test_it_starts_over_an_hour_after_it_began(clock: FakeClock) -> None:
    retention = Retention([DEAD])
    start = clock()
    for _ in range(2):
        assert retention.next_step(clock()) is not None
        retention.did(None)
        clock.now = start + PASS_EVERY - 1
        assert retention.next_step(clock()) is None
        clock.now = start = start + PASS_EVERY


def test_a_long_pass_is_finished_before_the_next(clock: FakeClock) -> None:
    retention = Retention([DONE, DEAD])
    seen = []
    for following in (10, 20, None, 10, None):
        step = retention.next_step(clock())
        assert step is not None
        seen.append((step.states, step.after))
        retention.did(following)
        clock.advance(3000)
    assert seen == [(DONE.states, 0), (DONE.states, 10), (DONE.states, 20), (DEAD.states, 0), (DEAD.states, 10)]
    step = retention.next_step(clock())
    assert step is not None
    assert (step.states, step.after) == (DONE.states, 0)


def test_a_step_that_failed_is_asked_for_again(clock: FakeClock) -> None:
    retention = Retention([DEAD])
    first = retention.next_step(clock())
    assert first is not None
    assert retention.next_step(clock()) == first


def test_without_rules_there_is_nothing_to_do(clock: FakeClock) -> None:
    retention = Retention([])
    for _ in range(3):
        assert retention.next_step(clock()) is None
        clock.advance(PASS_EVERY / SECOND)


@pytest.mark.parametrize(
    ("completed", "dead", "expected"),
    [
        (30, 180, [((TaskStatus.COMPLETED, TaskStatus.CANCELLED), 30 * DAY), ((TaskStatus.DEAD,), 180 * DAY)]),
        (0, 1, [((TaskStatus.DEAD,), DAY)]),
        (0.5, 0, [((TaskStatus.COMPLETED, TaskStatus.CANCELLED), DAY // 2)]),
        (0, 0, []),
    ],
)
def test_the_settings_become_rules_and_no_days_are_for_ever(
    completed: float, dead: float, expected: list[tuple[tuple[TaskStatus, ...], int]]
) -> None:
    assert rules(keep_completed_days=completed, keep_dead_days=dead) == [Rule(*each) for each in expected]
