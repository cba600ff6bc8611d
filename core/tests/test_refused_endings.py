"""What the store refuses of one task harms no other: it ends as a bug that says why, and nothing is tried for ever."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, cast

import pytest

from plugin_helpers import Program, Zoo
from ytworker import ErrorClass, TaskStatus
from ytworker.engine import BaseWorker, TaskPoller
from ytworker.engine.crew import Crew
from ytworker.engine.loop import CrewWorker
from ytworker.engine.member import Ended
from ytworker.engine.sharing import AttemptDeps
from ytworker.engine.worker import WorkerDeps
from ytworker.errors import StoreError
from ytworker.logs import LogEvent
from ytworker.logs.events import fields_of
from ytworker.model import Claim, Item, Metrics, NewTask, TaskResult
from ytworker.queue import ClaimRequest, Ending, Settled, TaskFilter
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.testing import FakeClock, MemoryQueue

pytest_plugins = ["plugin_fixtures"]

TOO_MANY_VIEWS = Item.model_construct(source="s", kind="video", id="b", metrics=Metrics.model_construct(views=2**63))
TOO_DEEP: Any = json.loads("[" * 150 + "]" * 150)
REFUSED = {
    "an item whose count is out of range": TaskResult(success=True, data=(TOO_MANY_VIEWS,)),
    "a wait that ends beyond all time": TaskResult(success=False, deferred_until=2**63),
    "a follow-up that is nested too deeply": TaskResult(
        success=True, follow_ups=(NewTask(type="later", params={"x": TOO_DEEP}),)
    ),
}
GOOD = TaskResult(success=True, data=(Item(source="s", kind="video", id="a"),))


def deps(queue: SQLiteQueue, clock: FakeClock) -> WorkerDeps:
    return WorkerDeps(queue=queue, types=lambda: ["demo"], clock=clock)


@pytest.mark.parametrize("result", REFUSED.values(), ids=REFUSED)
def test_p3_the_other_endings_of_a_batch_are_written(queue: SQLiteQueue, clock: FakeClock, result: TaskResult) -> None:
    queue.enqueue([NewTask(type="demo", params={}) for _ in range(4)])
    worker = CrewWorker(deps(queue, clock), cast("AttemptDeps", None), cast("Crew", None))
    with BaseWorkerLease(worker):
        claims = worker.settle([], 3)
        ended = [Ended(claim, each) for claim, each in zip(claims, (GOOD, result, GOOD), strict=True)]
        (claim,) = worker.settle(ended, 1)
        assert queue.holds(claim)
        first, refused, last = (queue.get(each.task.id) for each in claims)
        assert (first.state, last.state) == (TaskStatus.COMPLETED, TaskStatus.COMPLETED)
        assert (refused.state, refused.attempt) == (TaskStatus.SCHEDULED, 1)
        assert refused.error is not None
        assert refused.error.error_class is ErrorClass.BUG
        assert "cannot be" in refused.error.message
        assert worker.done == 3
    assert queue.counter("stale_writes") == 0


def test_q4_what_was_written_before_the_store_failed_is_not_written_again(
    queue: SQLiteQueue, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.enqueue([NewTask(type="demo", params={}) for _ in range(3)])
    worker = CrewWorker(deps(queue, clock), cast("AttemptDeps", None), cast("Crew", None))
    broken = {"now": True}
    settle = queue.settle

    def fails_at_the_last(endings: Sequence[Ending], then: ClaimRequest | None = None) -> Settled:
        if broken["now"] and [each.claim for each in endings] == claims[-1:]:
            msg = "the disk is full"
            raise StoreError(msg)
        return settle(endings, then)

    with BaseWorkerLease(worker):
        claims = worker.settle([], 3)
        monkeypatch.setattr(queue, "settle", fails_at_the_last)
        refused = REFUSED["an item whose count is out of range"]
        ended = [Ended(claim, each) for claim, each in zip(claims, (GOOD, refused, GOOD), strict=True)]
        with pytest.raises(StoreError, match="the disk is full"):
            worker.settle(ended, 1)
        assert [each.claim for each in ended] == claims[-1:]
        broken["now"] = False
        worker.settle(ended, 0)
        assert not ended
        assert worker.done == 3
    assert queue.counter("stale_writes") == 0


def test_a_refused_ending_still_tells_whom_the_attempt_asked_and_how_often(
    queue: SQLiteQueue, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    queue.enqueue([NewTask(type="demo", params={"n": 1})])
    with Giving(deps(queue, clock)) as worker, caplog.at_level("INFO", "ytworker"):
        worker.refused = replace(
            REFUSED["an item whose count is out of range"], requests=7, sources=frozenset({"youtube guest"})
        )
        worker.run_once()
    (fields,) = [each for each in map(fields_of, caplog.records) if each["event"] == LogEvent.JOB_FINISHED]
    assert (fields["requests"], fields["source"], fields["error_class"]) == (7, "youtube guest", "bug")


class BaseWorkerLease:
    """Gives a worker its lease without the children that it has not."""

    def __init__(self, worker: BaseWorker) -> None:
        self._worker = worker

    def __enter__(self) -> None:
        BaseWorker.__enter__(self._worker)

    def __exit__(self, *_: object) -> None:
        BaseWorker.__exit__(self._worker, None, None, None)


class Giving(BaseWorker):
    """A worker whose second task ends with what cannot be stored."""

    refused: TaskResult

    def process_task(self, claim: Claim) -> TaskResult:
        """End it."""
        return self.refused if claim.task.params["n"] == 1 else GOOD


@pytest.mark.parametrize("result", REFUSED.values(), ids=REFUSED)
def test_a_poller_without_children_goes_on_after_a_refused_ending(
    queue: SQLiteQueue, clock: FakeClock, result: TaskResult
) -> None:
    queue.enqueue([NewTask(type="demo", params={"n": n}, max_attempts=1) for n in range(3)])
    worker = Giving(deps(queue, clock))
    worker.refused = result
    poller = TaskPoller(
        worker=worker, queue=queue, types=worker.types, clock=clock, sleep=clock.sleep, stopping=lambda: False
    )
    assert poller.run(until_empty=True) == 3
    states = {task.params["n"]: task.state for task in queue.tasks(TaskFilter())}
    assert states == {0: TaskStatus.COMPLETED, 1: TaskStatus.DEAD, 2: TaskStatus.COMPLETED}


def test_a_trigger_that_refuses_speaks_of_the_file_and_not_of_the_values(queue: SQLiteQueue, clock: FakeClock) -> None:
    queue.enqueue([NewTask(type="demo", params={})])
    with Giving(deps(queue, clock)) as worker:
        claim = worker.claim_task()
        assert claim is not None
        queue._database.execute(
            "CREATE TEMP TRIGGER full BEFORE INSERT ON main.item BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )
        with pytest.raises(StoreError, match="the disk is full"):
            worker.report_result(claim, GOOD)
        assert queue.get(claim.task.id).state is TaskStatus.CLAIMED


def test_a_queue_in_memory_refuses_alike(clock: FakeClock) -> None:
    queue = MemoryQueue(clock=clock)
    queue.enqueue([NewTask(type="demo", params={}, max_attempts=1)])
    with Giving(WorkerDeps(queue=queue, types=lambda: ["demo"], clock=clock)) as worker:
        claim = worker.claim_task()
        assert claim is not None
        worker.report_result(claim, REFUSED["a follow-up that is nested too deeply"])
    (task,) = queue.tasks(TaskFilter())
    assert task.state is TaskStatus.DEAD


def test_workers_with_children_finish_the_others_while_the_tables_refuse_one(
    program: Program, zoo: Zoo, queue_of_program: str
) -> None:
    zoo.worker("demo", "yield {'source': 's', 'kind': 'odd', 'id': str(context.task.id)}")
    for _ in range(6):
        program("enqueue", "demo", "--max-attempts", "1")
    with closing(sqlite3.connect(queue_of_program)) as connection:
        connection.execute("CREATE UNIQUE INDEX only_one ON item (kind)")
    done = program.apart("run", "--until-empty")
    assert done.code == 0, done.err
    found = json.loads(program("tasks", "list", "--json").out)
    assert sorted(task["state"] for task in found) == ["completed", *["dead"] * 5]
    assert {task["error_class"] for task in found if task["state"] == "dead"} == {"bug"}
    assert any("UNIQUE constraint failed: item.kind" in (task["error"] or "") for task in found)


@pytest.fixture
def queue_of_program(home: Any) -> str:
    """The file of the program's queue."""
    return str(home / "data" / "ytworker" / "queue.db")


def test_a_checkpoint_that_is_nested_too_deeply_is_an_error_of_its_plugin_alone(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", "x = []\nfor n in range(150): x = [x]\ncontext.checkpoint.save(x)\nreturn []")
    zoo.worker("good")
    program("enqueue", "demo", "--max-attempts", "1")
    program("enqueue", "good")
    done = program.apart("run", "--until-empty")
    assert done.code == 0, done.err
    found = {task["type"]: task for task in json.loads(program("tasks", "list", "--json").out)}
    assert found["good"]["state"] == "completed"
    assert (found["demo"]["state"], found["demo"]["error_class"]) == ("dead", "invalid")
    assert "nested more than 100 deep" in found["demo"]["error"]
