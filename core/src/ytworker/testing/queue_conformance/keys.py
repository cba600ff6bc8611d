"""Keys: how long they keep others out, and what becomes of the task that has one already."""
# ruff: noqa: D102, PLR2004, S101 - tests: their names say what they show

import pytest

from ytworker.model import OnConflict, Outcome, TaskStatus, UniqueWhile
from ytworker.queue import Enqueued, Requeued, TaskFilter, TaskQueue
from ytworker.testing.clock import FakeClock
from ytworker.testing.queue_conformance.base import (
    ENDED,
    FAILURE,
    LIVE,
    WAYS_BACK,
    Suite,
    bring,
    come_back,
    ids,
    later,
    listed,
    new,
    put,
    take,
    take_one,
)

CHANGES = [OnConflict.REPLACE, OnConflict.RAISE_PRIORITY]

live = new(key="k")
queued = new(key="k", unique=UniqueWhile.QUEUED)


class KeyTests(Suite):
    """Keys with both rules and all three policies."""

    def test_a_key_is_unique_within_one_bulk(self, queue: TaskQueue) -> None:
        first, *others, another = queue.enqueue([live, live, queued, new(key="l")])
        assert others == [Enqueued(first.id, created=False)] * 2
        assert (first.created, another.created) == (True, True)
        assert sum(queue.counts().values()) == 2

    def test_keys_of_several_types_do_not_meet_and_no_key_meets_nothing(self, queue: TaskQueue) -> None:
        tasks = [new("a", key="k"), new("b", key="k"), new("a"), new("a"), new("a", key="")]
        assert all(each.created for each in queue.enqueue(tasks))

    @pytest.mark.parametrize("state", LIVE)
    def test_a_live_key_is_held_while_its_task_is_live(self, queue: TaskQueue, worker: int, state: TaskStatus) -> None:
        number = bring(queue, worker, state, live)
        assert queue.enqueue([live, queued]) == [Enqueued(number, created=False)] * 2

    @pytest.mark.parametrize("unique", UniqueWhile)
    @pytest.mark.parametrize("state", ENDED)
    def test_a_key_is_free_when_its_task_has_ended(
        self, queue: TaskQueue, worker: int, state: TaskStatus, unique: UniqueWhile
    ) -> None:
        number = bring(queue, worker, state, new(key="k", unique=unique))
        (enqueued,) = queue.enqueue([live])
        assert enqueued.created
        assert queue.get(number).key == "k"

    @pytest.mark.parametrize("way", WAYS_BACK)
    def test_a_live_key_is_held_when_the_task_comes_back(
        self, queue: TaskQueue, worker: int, clock: FakeClock, way: str
    ) -> None:
        (number,) = put(queue, live)
        come_back(queue, take_one(queue, worker), clock, way)
        assert queue.enqueue([live]) == [Enqueued(number, created=False)]

    # -- unique while queued

    @pytest.mark.parametrize("state", [TaskStatus.QUEUED, TaskStatus.SCHEDULED])
    def test_a_queued_key_is_held_while_its_task_waits(self, queue: TaskQueue, worker: int, state: TaskStatus) -> None:
        number = bring(queue, worker, state, queued)
        assert queue.enqueue([live, queued]) == [Enqueued(number, created=False)] * 2

    def test_a_queued_key_is_freed_by_the_claim(self, queue: TaskQueue, worker: int) -> None:
        put(queue, queued)
        take_one(queue, worker)
        first, second = queue.enqueue([queued, queued])
        assert (first.created, second) == (True, Enqueued(first.id, created=False))

    def test_a_queued_key_is_free_for_the_task_that_was_claimed_at_once(self, queue: TaskQueue, worker: int) -> None:
        queue.enqueue_and_claim(queued, worker)
        assert queue.enqueue([queued])[0].created

    @pytest.mark.parametrize("way", WAYS_BACK)
    def test_a_queued_key_is_taken_again_when_the_task_comes_back(
        self, queue: TaskQueue, worker: int, clock: FakeClock, way: str
    ) -> None:
        (number,) = put(queue, queued)
        come_back(queue, take_one(queue, worker), clock, way)
        assert queue.enqueue([queued]) == [Enqueued(number, created=False)]

    @pytest.mark.parametrize("way", [way for way in WAYS_BACK if way != "requeued"])
    def test_a_task_whose_key_was_taken_meanwhile_waits_without_it(
        self, queue: TaskQueue, worker: int, clock: FakeClock, way: str
    ) -> None:
        (first,) = put(queue, queued)
        claim = take_one(queue, worker)
        (second,) = put(queue, queued)
        come_back(queue, claim, clock, way)
        assert queue.enqueue([live]) == [Enqueued(second, created=False)]
        assert queue.get(first).key == "k"
        queue.cancel(TaskFilter(ids=[first]))
        assert queue.enqueue([live]) == [Enqueued(second, created=False)]
        queue.cancel(TaskFilter(ids=[second]))
        assert queue.enqueue([live])[0].created

    def test_the_end_of_a_task_that_lost_its_key_frees_nobodys(self, queue: TaskQueue, worker: int) -> None:
        put(queue, queued)
        claim = take_one(queue, worker)
        (second,) = put(queue, queued)
        queue.finish(claim, [], Outcome.EMPTY)
        assert queue.enqueue([queued]) == [Enqueued(second, created=False)]

    def test_the_holder_says_how_long_it_keeps_others_out(self, queue: TaskQueue, worker: int) -> None:
        (number,) = put(queue, live)
        take_one(queue, worker)
        assert queue.enqueue([queued]) == [Enqueued(number, created=False)]
        (other,) = put(queue, new("other", key="k", unique=UniqueWhile.QUEUED))
        assert ids(take(queue, worker, "other")) == [other]
        assert queue.enqueue([new("other", key="k")])[0].created

    # -- when it is taken

    def test_the_first_task_is_kept_as_it_is_unless_told_otherwise(self, queue: TaskQueue) -> None:
        (number,) = put(queue, live)
        before = queue.get(number)
        assert queue.enqueue([new(key="k", params={"x": 1}, priority=10)]) == [Enqueued(number, created=False)]
        assert queue.get(number) == before

    @pytest.mark.parametrize("state", [TaskStatus.QUEUED, TaskStatus.SCHEDULED])
    @pytest.mark.parametrize("unique", UniqueWhile)
    def test_a_new_task_may_replace_the_parameters_and_nothing_else(
        self, queue: TaskQueue, worker: int, state: TaskStatus, unique: UniqueWhile
    ) -> None:
        number = bring(queue, worker, state, new(key="k", params={"old": 1}, unique=unique))
        before = queue.get(number)
        newer = new(key="k", params={"new": 1}, priority=9, max_attempts=1, on_conflict=OnConflict.REPLACE)
        assert queue.enqueue([newer]) == [Enqueued(number, created=False, changed=True)]
        after = queue.get(number)
        assert after.params == {"new": 1}
        assert (after.state, after.priority, after.max_attempts, after.run_at) == (
            state,
            before.priority,
            before.max_attempts,
            before.run_at,
        )
        assert queue.enqueue([newer]) == [Enqueued(number, created=False, changed=False)]

    def test_replaced_parameters_are_what_is_claimed(self, queue: TaskQueue, worker: int) -> None:
        put(queue, live)
        put(queue, new(key="k", params={"new": 1}, on_conflict=OnConflict.REPLACE))
        assert take_one(queue, worker).task.params == {"new": 1}

    def test_replaced_parameters_start_over(self, queue: TaskQueue, worker: int) -> None:
        put(queue, live)
        claim = take_one(queue, worker)
        queue.checkpoint(claim, [], {"page": 7})
        queue.release(claim)
        put(queue, new(key="k", params={"new": 1}, on_conflict=OnConflict.REPLACE))
        assert take_one(queue, worker).checkpoint is None

    @pytest.mark.parametrize(
        ("policy", "kept"), [(OnConflict.KEEP, True), (OnConflict.REPLACE, False), (OnConflict.RAISE_PRIORITY, True)]
    )
    def test_a_task_with_other_parameters_starts_over(
        self, queue: TaskQueue, worker: int, clock: FakeClock, policy: OnConflict, kept: bool
    ) -> None:
        put(queue, live)
        claim = take_one(queue, worker)
        queue.checkpoint(claim, [], {"page": 2})
        queue.defer(claim, clock(), "it cools down")
        put(queue, new(key="k", priority=10, on_conflict=policy))
        put(queue, new(key="k", params={"new": 1}, priority=10, on_conflict=policy))
        assert queue.get(claim.task.id).reason == "it cools down"
        assert take_one(queue, worker).checkpoint == ({"page": 2} if kept else None)

    @pytest.mark.parametrize("state", [TaskStatus.QUEUED, TaskStatus.SCHEDULED])
    def test_a_new_task_may_raise_the_priority_and_nothing_else(
        self, queue: TaskQueue, worker: int, state: TaskStatus
    ) -> None:
        number = bring(queue, worker, state, new(key="k", params={"old": 1}, priority=3))

        def ask(priority: int) -> Enqueued:
            task = new(key="k", params={"new": 1}, priority=priority, on_conflict=OnConflict.RAISE_PRIORITY)
            (enqueued,) = queue.enqueue([task])
            return enqueued

        assert ask(8) == Enqueued(number, created=False, changed=True)
        assert ask(8) == ask(2) == Enqueued(number, created=False, changed=False)
        task = queue.get(number)
        assert (task.priority, task.params, task.state) == (8, {"old": 1}, state)

    def test_a_raised_priority_counts_at_once(self, queue: TaskQueue, worker: int) -> None:
        first, second = put(queue, new(priority=5), new(key="k", priority=1))
        put(queue, new(key="k", priority=10, on_conflict=OnConflict.RAISE_PRIORITY))
        assert ids(take(queue, worker, order="priority", limit=2)) == [second, first]

    @pytest.mark.parametrize("policy", CHANGES)
    def test_a_task_that_is_being_worked_on_is_never_changed(
        self, queue: TaskQueue, worker: int, policy: OnConflict
    ) -> None:
        number = bring(queue, worker, TaskStatus.CLAIMED, live)
        before = queue.get(number)
        newer = new(key="k", params={"new": 1}, priority=10, on_conflict=policy)
        assert queue.enqueue([newer]) == [Enqueued(number, created=False)]
        assert queue.enqueue_and_claim(newer, worker) == Enqueued(number, created=False)
        assert queue.get(number) == before

    @pytest.mark.parametrize("policy", OnConflict)
    def test_a_policy_is_nothing_to_a_task_whose_key_is_free(self, queue: TaskQueue, policy: OnConflict) -> None:
        (enqueued,) = queue.enqueue([new(key="k", params={"x": 1}, on_conflict=policy)])
        assert enqueued == Enqueued(enqueued.id, created=True, changed=False)
        assert queue.get(enqueued.id).params == {"x": 1}

    def test_later_tasks_of_a_bulk_see_the_earlier_ones(self, queue: TaskQueue) -> None:
        replacing = [new(key="k", params={"n": n}, on_conflict=OnConflict.REPLACE) for n in (1, 2, 2)]
        first, second, third = queue.enqueue(replacing)
        assert [(each.id, each.created, each.changed) for each in (second, third)] == [
            (first.id, False, True),
            (first.id, False, False),
        ]
        assert queue.get(first.id).params == {"n": 2}

    def test_a_change_and_a_claim_are_two_things(self, queue: TaskQueue, worker: int) -> None:
        (number,) = put(queue, live)
        newer = new(key="k", params={"new": 1}, on_conflict=OnConflict.REPLACE)
        assert queue.enqueue_and_claim(newer, worker) == Enqueued(number, created=False, changed=True)
        assert queue.get(number).state is TaskStatus.QUEUED

    # -- when ended tasks are queued again

    @pytest.mark.parametrize("unique", UniqueWhile)
    def test_a_task_is_not_queued_again_while_another_has_its_key(
        self, queue: TaskQueue, worker: int, unique: UniqueWhile
    ) -> None:
        dead = bring(queue, worker, TaskStatus.DEAD, new(key="k", unique=unique))
        free = bring(queue, worker, TaskStatus.CANCELLED, new(key="free"))
        (holder,) = put(queue, queued)
        assert queue.requeue(TaskFilter()) == Requeued(1, skipped=1)
        assert listed(queue, states=[TaskStatus.QUEUED]) == [holder, free]
        assert queue.get(dead).state is TaskStatus.DEAD
        queue.cancel(TaskFilter(ids=[holder]))
        assert queue.requeue(TaskFilter(ids=[dead])) == Requeued(1, skipped=0)
        assert queue.enqueue([live]) == [Enqueued(dead, created=False)]

    def test_of_several_ended_tasks_with_one_key_the_newest_is_queued_again(
        self, queue: TaskQueue, worker: int
    ) -> None:
        numbers = [bring(queue, worker, TaskStatus.DEAD, live) for _ in range(3)]
        assert queue.requeue(TaskFilter()) == Requeued(1, skipped=2)
        assert listed(queue, states=[TaskStatus.QUEUED]) == numbers[-1:]

    def test_a_retry_that_is_scheduled_keeps_the_key(self, queue: TaskQueue, worker: int, clock: FakeClock) -> None:
        (number,) = put(queue, queued)
        queue.fail(take_one(queue, worker), FAILURE, retry_at=later(clock, 9))
        assert queue.enqueue([queued]) == [Enqueued(number, created=False)]
