"""Putting tasks in: as they were given, all or none, and nothing but JSON."""
# ruff: noqa: D102, PLR2004, S101 - tests: their names say what they show

from typing import Any

import pytest

from ytworker.errors import PayloadError
from ytworker.model import Claim, Outcome, TaskStatus
from ytworker.queue import Enqueued, TaskFilter, TaskQueue
from ytworker.queue.payload import MAX_DEPTH, MAX_PARAMS_BYTES
from ytworker.testing.clock import FakeClock
from ytworker.testing.queue_conformance.base import FAILURE, NOBODY, Suite, ids, later, new, put, take, take_one

HOSTILE = "'; DROP TABLE state; --%\"\\" + "ü" * 300
LARGEST = "y" * (MAX_PARAMS_BYTES - len('{"x": ""}'))


def _cyclic() -> dict[str, Any]:
    params: dict[str, Any] = {}
    params["self"] = params
    return params


def _deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


class EnqueueingTests(Suite):
    """Enqueueing, and enqueueing with a claim in the same step."""

    def test_an_enqueued_task_is_as_it_was_given(self, queue: TaskQueue, clock: FakeClock) -> None:
        params = {"q": "ü", "n": [1, None]}
        (enqueued,) = queue.enqueue([new(params=params, priority=9, max_attempts=3, timeout_seconds=1.5, key="k")])
        assert enqueued == Enqueued(enqueued.id, created=True)
        task = queue.get(enqueued.id)
        assert (task.id, task.type, task.params, task.priority, task.key) == (enqueued.id, "demo", params, 9, "k")
        assert (task.max_attempts, task.timeout_seconds, task.attempt) == (3, 1.5, 0)
        assert (task.state, task.created_at) == (TaskStatus.QUEUED, clock())
        assert (task.run_at, task.started_at, task.finished_at) == (None, None, None)
        assert (task.outcome, task.error, task.reason) == (None, None, None)

    def test_q3_the_depth_of_a_task_stays_with_it_whatever_happens(self, queue: TaskQueue, worker: int) -> None:
        (enqueued,) = queue.enqueue([new(depth=7, max_attempts=1)])
        assert queue.get(enqueued.id).depth == 7
        for _ in range(2):
            claim = take_one(queue, worker)
            assert claim.task.depth == 7
            queue.fail(claim, FAILURE, retry_at=None)
            assert queue.requeue(TaskFilter(ids=[enqueued.id])).count == 1
        queue.finish(take_one(queue, worker), [], Outcome.EMPTY, follow_ups=[new("after", depth=8)])
        assert [task.depth for task in queue.tasks(TaskFilter())] == [8, 7]

    def test_tasks_get_rising_ids_in_their_order(self, queue: TaskQueue) -> None:
        numbers = put(queue, *(new(str(n)) for n in range(5)))
        assert numbers == sorted(set(numbers))
        assert [queue.get(number).type for number in numbers] == list("01234")
        assert put(queue)[0] > numbers[-1]

    def test_nothing_is_enqueued_when_nothing_is_given(self, queue: TaskQueue) -> None:
        assert queue.enqueue([]) == []
        assert sum(queue.counts().values()) == 0

    def test_thousands_of_tasks_are_enqueued_at_once(self, queue: TaskQueue) -> None:
        enqueued = queue.enqueue([new(params={"n": n}) for n in range(2_500)])
        assert all(each.created for each in enqueued)
        assert len({each.id for each in enqueued}) == 2_500
        assert queue.get(enqueued[1_234].id).params == {"n": 1_234}

    def test_a_task_for_later_is_scheduled_and_one_for_now_or_before_is_queued(
        self, queue: TaskQueue, clock: FakeClock
    ) -> None:
        moments = [later(clock, 0.000001), clock(), later(clock, -1)]
        tasks = [queue.get(number) for number in put(queue, *(new(run_at=moment) for moment in moments))]
        assert [task.state for task in tasks] == [TaskStatus.SCHEDULED, TaskStatus.QUEUED, TaskStatus.QUEUED]
        assert [task.run_at for task in tasks] == [moments[0], None, None]

    def test_hostile_names_are_only_names(self, queue: TaskQueue, worker: int) -> None:
        (number,) = put(queue, new(HOSTILE, key=HOSTILE, params={HOSTILE: HOSTILE}))
        claim = take_one(queue, worker, HOSTILE)
        assert (claim.task.id, claim.task.type, claim.task.key) == (number, HOSTILE, HOSTILE)
        assert claim.task.params == {HOSTILE: HOSTILE}
        assert not queue.enqueue([new(HOSTILE, key=HOSTILE)])[0].created

    def test_a_key_that_was_cut_in_the_middle_of_a_character_is_a_key(self, queue: TaskQueue) -> None:
        first, second = queue.enqueue([new(key="cut \ud83d"), new(key="cut \ud83d")])
        assert (second.id, second.created) == (first.id, False)

    # -- what a task carries

    @pytest.mark.parametrize(
        "params",
        [
            {},
            {"": ""},
            {"q": "Grüße 👋 \u2028 \x00 cut \ud83d", "n": [1, None, True, 1.5, -(2**70)]},
            {"deep": _deep(MAX_DEPTH - 1)},
        ],
    )
    def test_q2_any_json_object_comes_back_as_it_was(
        self, queue: TaskQueue, worker: int, params: dict[str, Any]
    ) -> None:
        (number,) = put(queue, new(params=params))
        assert queue.get(number).params == params
        assert take_one(queue, worker).task.params == params

    def test_q2_what_is_stored_is_a_copy(self, queue: TaskQueue, worker: int) -> None:
        params: dict[str, Any] = {"list": [1]}
        (number,) = put(queue, new(params=params))
        params["list"].append(2)
        take_one(queue, worker).task.params["list"].append(3)
        assert queue.get(number).params == {"list": [1]}

    @pytest.mark.parametrize(
        "value", [object(), float("nan"), float("-inf"), {1, 2}, b"pickle", _deep(MAX_DEPTH + 2), _deep(100_000)]
    )
    def test_q2_a_value_that_is_no_json_is_refused_with_the_whole_bulk(self, queue: TaskQueue, value: Any) -> None:
        with pytest.raises(PayloadError):
            queue.enqueue([new(), new(params={"x": value}), new()])
        assert sum(queue.counts().values()) == 0
        assert queue.enqueue([new()])[0].created

    @pytest.mark.parametrize("params", [[], [["a", 1]], "{}", b"{}", None, 1, _cyclic()])
    def test_q2_parameters_that_are_no_json_object_are_refused(self, queue: TaskQueue, params: Any) -> None:
        with pytest.raises(PayloadError):
            queue.enqueue([new(), new(params=params)])
        assert sum(queue.counts().values()) == 0

    def test_q2_parameters_have_a_largest_size(self, queue: TaskQueue, worker: int) -> None:
        with pytest.raises(PayloadError, match="Put large data into a file"):
            queue.enqueue([new(), new(params={"x": LARGEST + "y"})])
        put(queue, new(params={"x": LARGEST}))
        assert take_one(queue, worker).task.params == {"x": LARGEST}

    @pytest.mark.parametrize(
        "fields",
        [
            {"priority": 0},
            {"priority": 11},
            {"max_attempts": 0},
            {"max_attempts": 2**63},
            {"timeout_seconds": 0},
            {"depth": -1},
            {"timeout_seconds": float("nan")},
            {"run_at": 2**63},
            {"run_at": 1.5},
        ],
    )
    def test_q2_a_task_whose_numbers_make_no_sense_is_refused(self, queue: TaskQueue, fields: dict[str, Any]) -> None:
        with pytest.raises(PayloadError):
            queue.enqueue([new(), new(**fields)])
        assert sum(queue.counts().values()) == 0

    def test_q2_parameters_are_checked_even_where_the_key_is_taken(self, queue: TaskQueue) -> None:
        put(queue, new(key="k"))
        with pytest.raises(PayloadError):
            queue.enqueue([new(), new(key="k", params={"x": object()})])
        assert sum(queue.counts().values()) == 1

    def test_q2_a_task_that_cannot_be_stored_is_not_claimed_either(self, queue: TaskQueue, worker: int) -> None:
        with pytest.raises(PayloadError):
            queue.enqueue_and_claim(new(params={"x": object()}), worker)
        assert sum(queue.counts().values()) == 0

    # -- with a claim in the same step

    def test_a_task_is_enqueued_and_claimed_in_one_step(self, queue: TaskQueue, worker: int) -> None:
        claim = queue.enqueue_and_claim(new(params={"x": 1}), worker)
        assert isinstance(claim, Claim)
        assert (claim.task.state, claim.task.attempt, claim.task.params) == (TaskStatus.CLAIMED, 1, {"x": 1})
        assert (claim.worker_id, claim.fence, claim.checkpoint) == (worker, 1, None)
        assert queue.holds(claim)

    def test_that_very_task_is_claimed_whatever_waits(self, queue: TaskQueue, worker: int) -> None:
        numbers = put(queue, *[new(priority=10)] * 3)
        claim = queue.enqueue_and_claim(new(priority=1), worker)
        assert isinstance(claim, Claim)
        assert claim.task.id not in numbers
        assert ids(take(queue, worker, limit=9)) == numbers

    def test_a_task_whose_key_is_taken_is_not_claimed(self, queue: TaskQueue, worker: int) -> None:
        (number,) = put(queue, new(key="k"))
        assert queue.enqueue_and_claim(new(key="k"), worker) == Enqueued(number, created=False)
        assert queue.get(number).state is TaskStatus.QUEUED

    def test_a_task_for_later_is_enqueued_and_not_claimed(
        self, queue: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        enqueued = queue.enqueue_and_claim(new(run_at=later(clock, 1)), worker)
        assert isinstance(enqueued, Enqueued)
        assert enqueued.created
        assert queue.get(enqueued.id).state is TaskStatus.SCHEDULED

    def test_a_worker_that_is_not_registered_enqueues_and_does_not_claim(self, queue: TaskQueue) -> None:
        enqueued = queue.enqueue_and_claim(new(), NOBODY)
        assert isinstance(enqueued, Enqueued)
        assert enqueued.created
        assert queue.get(enqueued.id).state is TaskStatus.QUEUED
