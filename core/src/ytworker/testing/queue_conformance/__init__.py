"""The suite that tells whether a queue backend does what ytworker relies on; needs pytest."""

from ytworker.testing.queue_conformance.budgets import BudgetTests
from ytworker.testing.queue_conformance.claiming import AgingTests, ClaimingTests, SchedulingTests, UnreadableTests
from ytworker.testing.queue_conformance.counting import CountingTests
from ytworker.testing.queue_conformance.endings import CheckpointTests, EndingTests
from ytworker.testing.queue_conformance.enqueueing import EnqueueingTests
from ytworker.testing.queue_conformance.fences import FenceTests
from ytworker.testing.queue_conformance.handles import GroupCommitTests, HandleTests, OrderTests
from ytworker.testing.queue_conformance.items import ItemTests
from ytworker.testing.queue_conformance.keys import KeyTests
from ytworker.testing.queue_conformance.leases import LeaseTests
from ytworker.testing.queue_conformance.looking import EventTests, FilterTests, LookingTests
from ytworker.testing.queue_conformance.managing import CancelTests, PurgeTests, RequeueTests
from ytworker.testing.queue_conformance.settling import SettlingTests
from ytworker.testing.queue_conformance.sources import SourceTests
from ytworker.testing.queue_conformance.waking import WakingTests
from ytworker.testing.queue_conformance.weighted import WeightedTests

__all__ = ["QueueConformance"]


class QueueConformance(
    EnqueueingTests,
    KeyTests,
    ClaimingTests,
    SchedulingTests,
    WeightedTests,
    AgingTests,
    UnreadableTests,
    LeaseTests,
    FenceTests,
    EndingTests,
    CheckpointTests,
    SettlingTests,
    ItemTests,
    SourceTests,
    BudgetTests,
    FilterTests,
    CancelTests,
    RequeueTests,
    PurgeTests,
    LookingTests,
    CountingTests,
    EventTests,
    OrderTests,
    HandleTests,
    GroupCommitTests,
    WakingTests,
):
    """Every promise of :class:`ytworker.queue.TaskQueue` as a test; a backend passes all of them.

    Subclass it in your tests, under a name that pytest collects, and say how to open a new, empty queue::

        class TestMyQueue(QueueConformance):
            def make_queue(self, tmp_path, clock, random, *, events=True):
                return MyQueue(f"my:{tmp_path}", clock=clock, random=random, events=events)

    The queue must take the time from ``clock`` alone, and its dice from ``random`` if it can. Each test closes its
    queue; a store that is not in ``tmp_path`` needs a name of its own for each call. Override ``damage(queue,
    task_id)`` to make the stored parameters of a task unreadable; without it the tests of damaged tasks are skipped.
    A backend without wakers (:class:`ytworker.queue.QueueWakes`) skips the tests of waking.
    """
