"""How attempts end, one by one, and what is kept on the way."""
# ruff: noqa: D102, PLR2004, S101 - tests: their names say what they show

from typing import Any

import pytest

from ytworker.errors import PayloadError
from ytworker.model import Claim, Doubted, ErrorClass, ErrorInfo, Item, Outcome, TaskStatus, UniqueWhile
from ytworker.queue import (
    Attempt,
    ClaimRequest,
    CoolDown,
    Enqueued,
    FIFOStrategy,
    Return,
    TaskFilter,
    TaskQueue,
)
from ytworker.testing.clock import FakeClock
from ytworker.testing.queue_conformance.base import (
    FAILURE,
    ITEM,
    Suite,
    everything,
    later,
    listed,
    new,
    put,
    stored,
    take_one,
)

GONE = ErrorInfo(error_class=ErrorClass.GONE, type="x.Gone", message="gone", fingerprint="def")
UNSTORABLE = new("next", params={"x": object()})


class OneClaim(Suite):
    """With one task, claimed."""

    @pytest.fixture
    def claim(self, queue: TaskQueue, worker: int) -> Claim:
        """A claim of the only task."""
        put(queue, new(key="k"))
        return take_one(queue, worker)


class EndingTests(OneClaim):
    """The four endings, one by one."""

    def test_a_finished_task_is_completed_with_its_items(
        self, queue: TaskQueue, claim: Claim, clock: FakeClock
    ) -> None:
        clock.advance(5)
        queue.finish(claim, [ITEM], Outcome.OK)
        task = queue.get(claim.task.id)
        assert (task.state, task.outcome, task.finished_at) == (TaskStatus.COMPLETED, Outcome.OK, clock())
        assert (task.started_at, task.run_at, task.attempt, task.error) == (None, None, 1, None)
        assert stored(queue, task_id=task.id) == ["a"]

    @pytest.mark.parametrize("outcome", Outcome)
    def test_an_outcome_is_kept(self, queue: TaskQueue, claim: Claim, outcome: Outcome) -> None:
        queue.finish(claim, [], outcome)
        assert queue.get(claim.task.id).outcome is outcome

    def test_a_task_with_items_is_not_empty(self, queue: TaskQueue, worker: int, claim: Claim) -> None:
        queue.checkpoint(claim, [ITEM], 1)
        queue.release(claim)
        again = take_one(queue, worker)
        queue.finish(again, [], Outcome.EMPTY)
        assert queue.get(claim.task.id).outcome is Outcome.OK

    def test_a_task_whose_items_were_kept_apart_is_empty(self, queue: TaskQueue, claim: Claim) -> None:
        queue.checkpoint(claim, [ITEM], 1, suspect="odd")
        queue.finish(claim, [], Outcome.EMPTY)
        assert queue.get(claim.task.id).outcome is Outcome.EMPTY

    def test_a_task_brings_forth_others(self, queue: TaskQueue, claim: Claim, clock: FakeClock) -> None:
        (known,) = put(queue, new("next", key="known"))
        follow_ups = [new("next", key="known"), new("next", params={"n": 1}), new("next", run_at=later(clock, 1))]
        queue.finish(claim, [], Outcome.OK, follow_ups=follow_ups)
        scheduled, queued, *others = queue.tasks(TaskFilter(types=["next"]))
        assert (scheduled.state, queued.state) == (TaskStatus.SCHEDULED, TaskStatus.QUEUED)
        assert queued.params == {"n": 1}
        assert [task.id for task in others] == [known]

    @pytest.mark.parametrize("unique", UniqueWhile)
    def test_a_follow_up_may_have_the_key_of_the_task_that_completes(
        self, queue: TaskQueue, worker: int, unique: UniqueWhile
    ) -> None:
        again = new(key="daily", unique=unique)
        (number,) = put(queue, again)
        queue.finish(take_one(queue, worker), [], Outcome.EMPTY, follow_ups=[again])
        (follow_up,) = listed(queue, states=[TaskStatus.QUEUED])
        assert follow_up != number
        assert queue.enqueue([again]) == [Enqueued(follow_up, created=False)]

    def test_a_failure_is_recorded_and_its_retry_scheduled(
        self, queue: TaskQueue, claim: Claim, clock: FakeClock
    ) -> None:
        retry_at = later(clock, 8)
        queue.fail(claim, FAILURE, retry_at=retry_at, plugin_version="1.2")
        task = queue.get(claim.task.id)
        assert (task.state, task.run_at, task.attempt, task.error) == (TaskStatus.SCHEDULED, retry_at, 1, FAILURE)
        assert queue.attempts(task.id) == [
            Attempt(number=1, at=clock(), error=FAILURE, worker_id=claim.worker_id, plugin_version="1.2")
        ]

    def test_a_retry_in_the_past_is_due(self, queue: TaskQueue, worker: int, claim: Claim, clock: FakeClock) -> None:
        queue.fail(claim, FAILURE, retry_at=later(clock, -9))
        task = queue.get(claim.task.id)
        assert (task.state, task.run_at) == (TaskStatus.SCHEDULED, later(clock, -9))
        again = take_one(queue, worker)
        assert (again.task.attempt, again.fence, again.task.error) == (2, 2, FAILURE)

    def test_a_failure_without_a_retry_is_a_dead_letter_with_its_whole_history(
        self, queue: TaskQueue, worker: int, claim: Claim, clock: FakeClock
    ) -> None:
        queue.fail(claim, FAILURE, retry_at=clock())
        again = take_one(queue, worker)
        clock.advance(1)
        queue.fail(again, GONE, retry_at=None)
        task = queue.get(claim.task.id)
        assert (task.state, task.finished_at, task.error, task.attempt) == (TaskStatus.DEAD, clock(), GONE, 2)
        assert (task.outcome, task.run_at, task.started_at) == (None, None, None)
        assert [(each.number, each.error) for each in queue.attempts(task.id)] == [(1, FAILURE), (2, GONE)]

    def test_a_failure_of_the_last_attempt_is_a_dead_letter(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        (number,) = put(queue, new("other", max_attempts=2))
        queue.fail(take_one(queue, worker, "other"), FAILURE, retry_at=clock())
        assert queue.get(number).state is TaskStatus.SCHEDULED
        queue.fail(take_one(queue, worker, "other"), FAILURE, retry_at=clock())
        task = queue.get(number)
        assert (task.state, task.attempt, task.finished_at, task.run_at) == (TaskStatus.DEAD, 2, clock(), None)

    def test_a_deferral_takes_the_attempt_back_and_says_why(
        self, queue: TaskQueue, worker: int, claim: Claim, clock: FakeClock
    ) -> None:
        until = later(clock, 60)
        queue.defer(claim, until, "the premiere starts then")
        task = queue.get(claim.task.id)
        assert (task.state, task.run_at, task.attempt) == (TaskStatus.SCHEDULED, until, 0)
        assert (task.reason, task.error, queue.attempts(task.id)) == ("the premiere starts then", None, [])
        clock.advance(60)
        again = take_one(queue, worker)
        assert (again.task.attempt, again.fence, again.task.reason) == (1, 2, None)

    def test_a_deferral_may_record_a_failure_and_cool_its_source_down(
        self, queue: TaskQueue, claim: Claim, clock: FakeClock
    ) -> None:
        blocked = CoolDown(source="youtube", error_class=ErrorClass.BLOCKED, reason="bot check", until=later(clock, 9))
        queue.defer(claim, later(clock, 9), "wait", error=FAILURE, cool_down=blocked, plugin_version="1.2")
        task = queue.get(claim.task.id)
        assert (task.error, task.attempt, task.reason) == (FAILURE, 0, "wait")
        assert [(each.number, each.plugin_version) for each in queue.attempts(task.id)] == [(1, "1.2")]
        assert queue.source("youtube").reason == "bot check"

    def test_a_returned_task_is_as_if_it_had_not_been_claimed(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        (number,) = put(queue, new("other"))
        before = queue.get(number)
        clock.advance(3)
        queue.release(take_one(queue, worker, "other"))
        assert queue.get(number) == before
        queue.release(take_one(queue, worker, "other"), "its plugin is missing")
        assert queue.get(number).reason == "its plugin is missing"

    def test_a_reason_is_over_when_the_waiting_is(
        self, queue: TaskQueue, worker: int, claim: Claim, clock: FakeClock
    ) -> None:
        number = claim.task.id
        queue.defer(claim, clock(), "it cools down")
        queue.release(take_one(queue, worker))
        assert queue.get(number).reason is None
        queue.defer(take_one(queue, worker), clock(), "it cools down again")
        assert queue.get(number).reason == "it cools down again"
        again = take_one(queue, worker)
        assert queue.get(number).reason is again.task.reason is None
        queue.fail(again, FAILURE, retry_at=later(clock, 1))
        assert queue.get(number).reason is None

    @pytest.mark.parametrize("text", ["cut \ud83d", "ü👋", "x" * 100_000, "line\nline\x00"])
    def test_any_text_of_an_error_can_be_stored(self, queue: TaskQueue, claim: Claim, text: str) -> None:
        error = ErrorInfo(error_class=ErrorClass.BUG, type="t", message=text, traceback=text)
        queue.fail(claim, error, retry_at=None)
        found = queue.get(claim.task.id).error
        assert found is not None
        assert found.message[:3] == text[:3]


class CheckpointTests(OneClaim):
    """What is kept while a task runs."""

    def test_a_checkpoint_stores_items_and_value_and_the_task_goes_on(
        self, queue: TaskQueue, worker: int, claim: Claim, clock: FakeClock
    ) -> None:
        value = {"page": [1, None, "ü"]}
        queue.checkpoint(claim, [ITEM], value, follow_ups=[new("next")])
        assert queue.get(claim.task.id).state is TaskStatus.CLAIMED
        assert stored(queue, task_id=claim.task.id) == ["a"]
        assert len(listed(queue, types=["next"])) == 1
        queue.fail(claim, FAILURE, retry_at=clock())
        again = take_one(queue, worker)
        assert again.checkpoint == value
        queue.finish(again, [Item(source="youtube", id="b")], Outcome.OK)
        assert stored(queue, task_id=claim.task.id) == ["a", "b"]

    @pytest.mark.parametrize("value", [None, 0, "", [], {"deep": [{}]}, 2**70, "cut \ud83d\x00"])
    def test_any_json_value_is_a_checkpoint(self, queue: TaskQueue, worker: int, claim: Claim, value: Any) -> None:
        queue.checkpoint(claim, [], value)
        queue.release(claim)
        assert take_one(queue, worker).checkpoint == value

    def test_the_latest_checkpoint_counts(self, queue: TaskQueue, worker: int, claim: Claim, clock: FakeClock) -> None:
        queue.checkpoint(claim, [], 1)
        queue.progress(claim, 1, 2, "x")
        queue.checkpoint(claim, [], 2)
        queue.defer(claim, clock(), "later")
        again = take_one(queue, worker)
        assert again.checkpoint == 2
        queue.release(again)
        claimed = queue.claim_task(worker, claim.task.id)
        assert claimed is not None
        assert claimed.checkpoint == 2

    def test_a_claim_tells_how_much_is_stored_with_its_checkpoint(
        self, queue: TaskQueue, worker: int, claim: Claim
    ) -> None:
        assert claim.stored is None
        queue.checkpoint(claim, [], 1)
        queue.release(claim)
        claim = take_one(queue, worker)
        assert claim.stored == 0
        queue.checkpoint(claim, [ITEM], 2, apart=[Doubted(ITEM, "odd")])
        queue.release(claim)
        assert take_one(queue, worker).stored == 1

    def test_a_checkpoint_is_found_by_a_claim_that_goes_with_an_ending(
        self, queue: TaskQueue, worker: int, claim: Claim
    ) -> None:
        queue.checkpoint(claim, [], {"page": 2})
        then = ClaimRequest(worker_id=worker, strategy=FIFOStrategy, types=["demo"])
        settled = queue.settle([Return(claim=claim)], then)
        assert [each.checkpoint for each in settled.claims] == [{"page": 2}]

    @pytest.mark.parametrize("value", [float("nan"), object(), {1: object()}])
    def test_a_checkpoint_that_is_no_json_stores_nothing_at_all(
        self, queue: TaskQueue, claim: Claim, value: Any
    ) -> None:
        before = everything(queue)
        with pytest.raises(PayloadError):
            queue.checkpoint(claim, [ITEM], value, follow_ups=[new("next")])
        assert everything(queue) == before
        assert queue.holds(claim)

    def test_a_checkpoint_whose_follow_up_cannot_be_stored_stores_nothing_at_all(
        self, queue: TaskQueue, worker: int, claim: Claim
    ) -> None:
        before = everything(queue)
        with pytest.raises(PayloadError):
            queue.checkpoint(claim, [ITEM], 1, follow_ups=[new("next"), UNSTORABLE])
        assert everything(queue) == before
        queue.release(claim)
        assert take_one(queue, worker).checkpoint is None

    def test_progress_changes_nothing_that_is_listed(self, queue: TaskQueue, claim: Claim) -> None:
        before = everything(queue)
        for note in ("page 1", None, "cut \ud83d"):
            queue.progress(claim, 1, None, note)
        assert everything(queue) == before
