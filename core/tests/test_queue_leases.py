"""Workers and their leases: who stops or hangs loses what it held, and nothing else is lost."""

from typing import Any

import pytest

from ytworker.model import Claim, ErrorClass, ErrorInfo, NewTask, TaskStatus
from ytworker.queue import Enqueued, FIFOStrategy
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.testing import FakeClock

FAILURE = ErrorInfo(error_class=ErrorClass.TRANSIENT, type="t", message="m")


def enqueue(queue: SQLiteQueue, number: int = 1, **fields: Any) -> list[Enqueued]:
    return queue.enqueue([NewTask(type="demo", params={}, **fields)] * number)


def claim_all(queue: SQLiteQueue, worker: int) -> list[Claim]:
    return queue.claim(worker, FIFOStrategy, ["demo"], limit=99)


def test_a_worker_that_renewed_after_the_look_keeps_its_tasks(
    queue: SQLiteQueue, worker: int, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue(queue)
    claim_all(queue, worker)
    clock.advance(61)
    twin = queue.connect()
    execute = type(queue._database).execute

    def renewed_in_between(database: Any, sql: str, values: Any = ()) -> list[Any]:
        rows = execute(database, sql, values)
        if sql.startswith("SELECT id FROM worker WHERE lease_until"):
            assert rows == [(worker,)]
            assert twin.renew(worker, lease_seconds=60)
        return rows

    monkeypatch.setattr(type(queue._database), "execute", renewed_in_between)
    assert queue.rescue() == 0
    assert queue.get(1).state is TaskStatus.CLAIMED
    twin.close()
