"""``check`` finds what is broken and mends what can be mended; unreadable tasks are parked and stop nobody."""

from pathlib import Path

import pytest

from ytworker.model import ErrorClass, NewTask, Outcome, TaskStatus
from ytworker.queue import FIFOStrategy, QueueCare, TaskFilter
from ytworker.queue.sqlite import SQLiteQueue, check
from ytworker.settings import sqlite_url

# Each breaks one invariant of a queue with a waiting, a claimed and a finished task, all with keys.
DAMAGE = {
    "unknown_state": "UPDATE task SET status = 9 WHERE id = 3",
    "task_without_body": "DELETE FROM body WHERE id = 3",
    "body_without_task": "DELETE FROM task WHERE id = 3",
    "unreadable_params": "UPDATE body SET params = '[1]' WHERE id = 1",
    "unreadable_checkpoint": "UPDATE run SET checkpoint = '{' WHERE id = 2",
    "unknown_type": "UPDATE task SET type = 99 WHERE id = 3",
    "too_many_attempts": "UPDATE task SET attempt = 6 WHERE id = 2",
    "claimed_by_nobody": "DELETE FROM worker",
    "owner_without_claim": "UPDATE task SET owner = 1 WHERE id = 1",
    "orphan_key": "INSERT INTO live_key VALUES (1, 'orphan', 3)",
    "missing_key": "DELETE FROM live_key WHERE id = 1",
    "run_of_an_ended_task": "INSERT INTO run (id) VALUES (3)",
    "run_without_flag": "UPDATE task SET flags = flags & ~4 WHERE id = 2",
    "missing_in_order": "UPDATE task SET rank = NULL WHERE id = 1",
    "behind_the_clock": "UPDATE task SET weight_key = -1 WHERE id = 1",
    "wrong_count": "UPDATE task_type SET queued = 7",
    "request_without_pace": "INSERT INTO request VALUES ('youtube', 1, 1)",
    "unreadable_item": "INSERT INTO item VALUES (1, 's', 'video', 'v', 1, 1, 1, 1, 'h', '{')",
    "hit_without_item": "INSERT INTO hit (task, position, item, context) VALUES (3, 1, 99, '{}')",
}
REPAIRED = {invariant.code for invariant in check.INVARIANTS if invariant.repair}


@pytest.fixture
def used(queue: SQLiteQueue, worker: int) -> SQLiteQueue:
    """A queue with a waiting (1), a claimed (2, with a checkpoint) and a completed task (3)."""
    queue.enqueue([NewTask(type="demo", params={}, key=f"k{n}") for n in range(3)])
    queue.finish(queue.claim_task(worker, 3), [], Outcome.EMPTY)
    queue.checkpoint(queue.claim_task(worker, 2), [], {"page": 7})
    return queue


def test_a_sound_queue_has_no_problem(used: SQLiteQueue) -> None:
    assert isinstance(used, QueueCare)
    assert used.check() == used.check(repair=True) == []


def test_every_invariant_is_tried() -> None:
    assert set(DAMAGE) == {invariant.code for invariant in check.INVARIANTS}


@pytest.mark.parametrize("code", DAMAGE)
def test_what_is_broken_is_found_and_mended_where_that_takes_no_guess(used: SQLiteQueue, code: str) -> None:
    used._database.execute("SELECT 1")
    used._database.change(DAMAGE[code])
    found = {problem.code: problem for problem in used.check()}
    assert code in found
    assert not found[code].repaired
    assert found[code].examples
    assert ("--repair" in found[code].message) is (code in REPAIRED)
    mended = {problem.code: problem.repaired for problem in used.check(repair=True)}
    assert mended[code] is (code in REPAIRED)
    assert (code in {problem.code for problem in used.check()}) is (code not in REPAIRED)


def test_a_damaged_file_is_found_before_anything_else(queue_file: Path, used: SQLiteQueue) -> None:
    used.enqueue([NewTask(type="demo", params={"x": "y" * 100}) for _ in range(500)])
    used.close()
    content = bytearray(queue_file.read_bytes())
    content[2048 * 40 : 2048 * 42] = b"\xff" * 4096
    queue_file.write_bytes(content)
    damaged = SQLiteQueue(sqlite_url(queue_file))
    (problem,) = damaged.check()
    assert (problem.code, "restore a backup" in problem.message) == ("damaged", True)
    damaged.close()


# -- Q6: tasks that cannot be read

UNREADABLE = {
    "no JSON": "UPDATE body SET params = '{oops' WHERE id = 1",
    "no object": "UPDATE body SET params = '[]' WHERE id = 1",
    "no UTF-8": "UPDATE body SET params = CAST(x'7b22ff227d' AS TEXT) WHERE id = 1",
    "no body": "DELETE FROM body WHERE id = 1",
    "no checkpoint": "INSERT INTO run (id, checkpoint) VALUES (1, '{oops')",
    "a checkpoint that is no UTF-8": "INSERT INTO run (id, checkpoint) VALUES (1, CAST(x'22ff22' AS TEXT))",
    "nested too deep": "UPDATE body SET params = printf('%.*c', 100000, '[') WHERE id = 1",
}


@pytest.mark.parametrize("damage", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("way", ["claim", "batch", "settle", "claim_task"])
def test_q6_a_task_that_cannot_be_read_is_parked_and_the_next_one_is_given(
    queue: SQLiteQueue, worker: int, damage: str, way: str
) -> None:
    queue.enqueue([NewTask(type="demo", params={}), NewTask(type="demo", params={})])
    queue._database.change(damage)
    queue._database.change("UPDATE task SET flags = 4 WHERE id IN (SELECT id FROM run)")
    if way == "claim_task":
        assert queue.claim_task(worker, 1) is None
        claims = queue.claim(worker, FIFOStrategy, ["demo"])
    elif way == "settle":
        from ytworker.queue import ClaimRequest

        request = ClaimRequest(worker_id=worker, strategy=FIFOStrategy, types=["demo"], limit=2)
        claims = queue.settle([], request).claims
    else:
        claims = queue.claim(worker, FIFOStrategy, ["demo"], limit=1 if way == "claim" else 2)
    assert [claim.task.id for claim in claims] == [2]
    parked = queue.get(1)
    assert (parked.state, parked.error.error_class, parked.error.type) == (
        TaskStatus.DEAD,
        ErrorClass.INVALID,
        "ytworker.Unreadable",
    )
    assert "ytworker db check" in parked.error.message
    assert queue.counter("parked") == 1
    assert len(queue.tasks(TaskFilter())) == 2
    assert [event.kind for event in queue.events(1)][-2:] == ["claimed", "died"]


ODD_TEXTS = {
    "key": "UPDATE body SET key = CAST(x'ff' AS TEXT) WHERE id = 2",
    "reason": "INSERT INTO run (id, reason) VALUES (2, CAST(x'ff' AS TEXT))",
    "error": "INSERT INTO error VALUES (NULL, 2, 1, 1, 'bug', 't', CAST(x'ff' AS TEXT), '', 'f', NULL, NULL, 1, NULL)",
}


@pytest.mark.parametrize("damage", ODD_TEXTS.values(), ids=ODD_TEXTS)
@pytest.mark.parametrize("limit", [1, 3])
def test_q6_a_damaged_text_beside_the_parameters_keeps_nobody_from_working(
    queue: SQLiteQueue, worker: int, damage: str, limit: int
) -> None:
    queue.enqueue([NewTask(type="demo", params={}, key=f"k{n}") for n in range(3)])
    queue._database.change(damage)
    queue._database.change("UPDATE task SET flags = flags | 12 WHERE id = 2")
    claimed: list[int] = []
    while found := queue.claim(worker, FIFOStrategy, ["demo"], limit=limit):
        claimed += [claim.task.id for claim in found]
    assert claimed == [1, 2, 3]
    assert len(queue.tasks(TaskFilter())) == 3
    assert len(queue.attempts(2)) == (damage.startswith("INSERT INTO error"))


def test_q6_one_that_cannot_be_read_takes_none_of_its_batch_along(queue: SQLiteQueue, worker: int) -> None:
    queue.enqueue([NewTask(type="demo", params={}) for _ in range(3)])
    queue._database.change("UPDATE body SET params = '{' WHERE id = 2")
    assert [claim.task.id for claim in queue.claim(worker, FIFOStrategy, ["demo"], limit=3)] == [1, 3]
    assert queue.get(2).state is TaskStatus.DEAD


def test_a_claimed_task_without_a_worker_is_left_to_the_rescue(queue: SQLiteQueue, worker: int) -> None:
    queue.enqueue([NewTask(type="demo", params={}, max_attempts=1), NewTask(type="demo", params={})])
    queue.claim(worker, FIFOStrategy, ["demo"], limit=2)
    queue._database.change("DELETE FROM worker")
    queue._database.change("UPDATE task SET owner = NULL WHERE id = 2")
    queue.check(repair=True)
    assert queue.check() == []
    assert queue.rescue() == 2
    assert [queue.get(n).state for n in (1, 2)] == [TaskStatus.DEAD, TaskStatus.QUEUED]
    assert queue.check() == []


def test_q6_a_task_in_an_unknown_state_is_shown_and_left_alone(queue: SQLiteQueue, worker: int) -> None:
    queue.enqueue([NewTask(type="demo", params={}), NewTask(type="demo", params={})])
    queue._database.change("UPDATE task SET status = 9 WHERE id = 1")
    assert [claim.task.id for claim in queue.claim(worker, FIFOStrategy, ["demo"], limit=9)] == [2]
    assert "its state is 9, which this version does not know" in queue.get(1).reason
    assert [task.id for task in queue.tasks(TaskFilter())] == [2, 1]


def test_q6_an_error_class_of_a_later_version_is_a_bug_to_this_one(queue: SQLiteQueue, worker: int) -> None:
    from ytworker.model import ErrorInfo

    queue.enqueue([NewTask(type="demo", params={})])
    error = ErrorInfo(error_class=ErrorClass.GONE, type="t", message="m")
    queue.fail(queue.claim_task(worker, 1), error, retry_at=None)
    queue._database.change("UPDATE error SET class = 'later'")
    assert queue.get(1).error.error_class is ErrorClass.BUG
