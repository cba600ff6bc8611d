"""What workers count of their attempts, through the program and with a store that fails."""

from plugin_helpers import Program, Zoo
from ytworker.engine.retry import Bury
from ytworker.engine.tally import EVERY, Tally
from ytworker.errors import StoreError
from ytworker.model import ErrorClass, ErrorInfo, NewTask, TaskResult
from ytworker.queue import ClaimRequest, LIFOStrategy
from ytworker.service import open as open_service
from ytworker.testing import FakeClock, MemoryQueue

pytest_plugins = ["plugin_fixtures"]


def test_attempts_are_counted_by_type_outcome_and_class(program: Program, zoo: Zoo) -> None:
    zoo.worker("demo", "if params.get('bad'): raise GoneError('x')\nyield {'source': 's', 'kind': 'video', 'id': '1'}")
    program("enqueue", "demo")
    program("enqueue", "demo", "--param", "bad=1")
    assert program("run", "--until-empty").code == 0
    assert program("scrape", "demo").code == 0
    with open_service() as service:
        counts = service.queue.counters("jobs|")
        assert counts == {"jobs|demo|dead": 1, "jobs|demo|ok": 2}
        assert service.queue.counters("errors|") == {"errors|demo|gone": 1}
        took = service.queue.counters("duration|")
        assert sum(value for name, value in took.items() if "|ok|" in name) == 2
        assert service.queue.counters("duration_sum|").keys() == {"duration_sum|demo|dead", "duration_sum|demo|ok"}


def test_what_cannot_be_written_is_kept_for_the_next_time(clock: FakeClock) -> None:
    class Full(MemoryQueue):
        full = True

        def count(self, counts: dict[str, int]) -> None:  # type: ignore[override]
            if self.full:
                msg = "full"
                raise StoreError(msg)
            super().count(counts)

    queue = Full(clock=clock)
    queue.enqueue([NewTask(type="demo", params={})])
    worker = queue.add_worker(lease_seconds=60)
    (claim,) = queue.settle([], ClaimRequest(worker_id=worker, strategy=LIFOStrategy, types=["demo"], limit=1)).claims
    tally = Tally(queue)
    error = ErrorInfo(error_class=ErrorClass.BUG, type="x", message="y")
    tally.take(claim, TaskResult(success=False, error=error), Bury(), clock())
    tally.take(claim, TaskResult(success=False, error=error), Bury(), clock() + EVERY)
    assert queue.counters("jobs|") == {}
    queue.full = False
    tally.add()
    assert queue.counters("jobs|") == {"jobs|demo|dead": 2}
    tally.add()
    assert queue.counters("jobs|") == {"jobs|demo|dead": 2}
