"""Orders that come and go, and many handles on one queue."""
# ruff: noqa: D102, PLR2004, S101 - tests: their names say what they show

import threading
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from ytworker.errors import OrderNotOfferedError, PayloadError, StoreError
from ytworker.model import Claim, Outcome, TaskStatus
from ytworker.queue import ORDERS, Completion, Ending, Enqueued, GroupCommit, Return, TaskFilter, TaskQueue
from ytworker.testing.clock import FakeClock
from ytworker.testing.queue_conformance.base import (
    LEASE,
    Suite,
    ids,
    in_threads,
    later,
    listed,
    new,
    put,
    take,
    take_one,
)


class OrderTests(Suite):
    """Offering orders."""

    def test_a_new_queue_offers_all_orders(self, queue: TaskQueue) -> None:
        assert queue.orders() == frozenset(ORDERS)

    @pytest.mark.parametrize("orders", [[], ["fifo"], ["lifo"], ["priority"], ["weighted_random", "lifo"]])
    def test_orders_are_narrowed_but_for_two_that_are_always_offered(
        self, queue: TaskQueue, twin: TaskQueue, orders: list[str]
    ) -> None:
        queue.offer(orders)
        assert queue.orders() == twin.orders() == {"fifo", "lifo", *orders}

    @pytest.mark.parametrize("order", ["priority", "weighted_random"])
    def test_an_order_that_is_not_offered_is_refused_and_those_that_are_are_named(
        self, queue: TaskQueue, twin: TaskQueue, worker: int, order: str
    ) -> None:
        put(queue)
        queue.offer([])
        for handle in (queue, twin):
            with pytest.raises(OrderNotOfferedError, match=rf"'{order}'.*fifo.*lifo"):
                take(handle, worker, order=order)
        assert queue.counts()[TaskStatus.QUEUED] == 1

    def test_an_unknown_order_cannot_be_offered(self, queue: TaskQueue) -> None:
        queue.offer(["priority"])
        with pytest.raises(ValueError, match="mine"):
            queue.offer(["fifo", "mine"])
        assert queue.orders() == {"fifo", "lifo", "priority"}

    @pytest.mark.parametrize("order", ["priority", "weighted_random"])
    def test_an_order_that_comes_back_has_all_tasks(
        self, queue: TaskQueue, worker: int, clock: FakeClock, order: str
    ) -> None:
        numbers = put(queue, new(priority=1), new(priority=9), new(run_at=later(clock, 1), priority=5), new())
        queue.offer(["fifo"])
        numbers += put(queue, new(priority=8), new(priority=2))
        queue.cancel(TaskFilter(ids=[numbers.pop(3)]))
        claim = take_one(queue, worker)
        queue.offer(ORDERS)
        queue.release(claim)
        clock.advance(1)
        claimed = ids(take(queue, worker, order=order, limit=9))
        assert sorted(claimed) == numbers
        if order == "priority":
            assert [queue.get(number).priority for number in claimed] == [9, 8, 5, 2, 1]

    def test_offering_what_is_offered_changes_nothing(self, queue: TaskQueue, twin: TaskQueue) -> None:
        put(queue, *[new()] * 5)
        version = twin.version()
        queue.offer(ORDERS)
        assert queue.orders() == frozenset(ORDERS)
        assert twin.version() == version


class HandleTests(Suite):
    """Several handles, of one thread and of many."""

    def test_a_second_handle_is_the_same_queue(self, queue: TaskQueue, twin: TaskQueue, clock: FakeClock) -> None:
        assert twin.url == queue.url
        (number,) = put(queue, new(key="k"))
        assert twin.get(number) == queue.get(number)
        assert twin.enqueue([new(key="k")]) == [Enqueued(number, created=False)]
        worker = twin.add_worker(lease_seconds=LEASE)
        claim = take_one(queue, worker)
        assert claim.task.started_at == clock()
        twin.release(claim)
        assert queue.get(number).state is TaskStatus.QUEUED

    def test_a_handle_outlives_the_one_that_it_came_from(self, queue: TaskQueue, twin: TaskQueue) -> None:
        (number,) = put(queue)
        third = twin.connect()
        twin.close()
        assert third.get(number) == queue.get(number)
        third.close()

    def test_a_handle_may_be_closed_twice_and_then_says_so(self, queue: TaskQueue, twin: TaskQueue) -> None:
        twin.close()
        twin.close()
        with pytest.raises(StoreError, match="closed"):
            twin.counts()
        with pytest.raises(StoreError, match="closed"):
            twin.enqueue([new()])
        assert sum(queue.counts().values()) == 0

    def test_the_version_changes_with_every_change_through_another_handle(
        self, queue: TaskQueue, twin: TaskQueue, clock: FakeClock
    ) -> None:
        seen = [twin.version()]
        worker = queue.add_worker(lease_seconds=LEASE)
        seen.append(twin.version())
        put(queue)
        seen.append(twin.version())
        claim = take_one(queue, worker)
        seen.append(twin.version())
        queue.defer(claim, later(clock, 1), "later")
        seen.append(twin.version())
        queue.cancel(TaskFilter())
        seen.append(twin.version())
        assert len(set(seen)) == len(seen)

    def test_the_version_stays_while_nothing_changes(
        self, queue: TaskQueue, twin: TaskQueue, worker: int, clock: FakeClock
    ) -> None:
        put(queue, new("other", key="k"), new(run_at=later(clock, 1)))
        version = twin.version()
        assert twin.version() == version
        for order in ORDERS:
            assert take(queue, worker, order=order) == []
        assert (queue.rescue(), queue.cancel(TaskFilter(types=["unknown"]))) == (0, 0)
        assert queue.enqueue([]) == []
        assert not queue.enqueue([new("other", key="k")])[0].created
        assert listed(queue) != []
        assert queue.settle([]).claims == []
        queue.purge(0, list(TaskStatus))
        assert twin.version() == version

    def test_threads_that_enqueue_the_same_key_at_once_make_one_task(self, queue: TaskQueue) -> None:
        def work(handle: TaskQueue, _: int) -> list[Enqueued]:
            return [handle.enqueue([new(key=str(n))])[0] for n in range(20)]

        rounds = in_threads(queue, 4, work)
        assert sum(each.created for made in rounds for each in made) == 20
        assert len({each.id for made in rounds for each in made}) == 20

    def test_threads_that_rescue_at_once_rescue_each_task_once(self, queue: TaskQueue, clock: FakeClock) -> None:
        numbers = put(queue, *[new()] * 40)
        for _ in range(8):
            take(queue, queue.add_worker(lease_seconds=LEASE), limit=5)
        clock.advance(LEASE + 1)
        assert sum(in_threads(queue, 4, lambda handle, _: handle.rescue())) == 40
        assert [len(queue.attempts(number)) for number in numbers] == [1] * 40
        assert queue.counter("rescued") == 40

    def test_threads_that_work_at_once_lose_and_double_nothing(self, queue: TaskQueue) -> None:
        numbers = put(queue, *[new(max_attempts=99)] * 40)

        def work(handle: TaskQueue, place: int) -> int:
            worker, dice, done = handle.add_worker(lease_seconds=LEASE), Random(place), 0
            while claims := take(handle, worker, order=ORDERS[place], limit=3):
                endings = [_ending(claim, dice) for claim in claims]
                assert handle.settle(endings).stale == []
                done += sum(isinstance(ending, Completion) for ending in endings)
            return done

        assert sum(in_threads(queue, 4, work)) == len(numbers)
        assert queue.counts()[TaskStatus.COMPLETED] == len(numbers)
        assert queue.counter("stale_writes") == 0


def _ending(claim: Claim, dice: Random) -> Ending:
    return Completion(claim=claim, outcome=Outcome.EMPTY) if dice.random() < 0.5 else Return(claim=claim)


class GroupCommitTests(Suite):
    """Many threads that enqueue through one connection."""

    def test_many_threads_enqueue_through_one_handle(self, queue: TaskQueue) -> None:
        barrier = threading.Barrier(8)

        def work(place: int) -> list[Enqueued]:
            barrier.wait()
            return [
                enqueued for n in range(10) for enqueued in group.enqueue([new(params={"n": n, "place": place})] * 2)
            ]

        with GroupCommit(queue) as group, ThreadPoolExecutor(8) as pool:
            rounds = list(pool.map(work, range(8)))
        numbers = [each.id for made in rounds for each in made]
        assert len(set(numbers)) == 160
        for place, made in enumerate(rounds):
            params = [queue.get(each.id).params for each in made]
            assert params == [{"n": n, "place": place} for n in range(10) for _ in range(2)]

    def test_only_the_caller_whose_tasks_cannot_be_stored_gets_the_error(self, queue: TaskQueue) -> None:
        barrier = threading.Barrier(6)

        def work(place: int) -> str:
            barrier.wait()
            tasks = [new(), new(params={"x": object()})] if place == 0 else [new(), new()]
            try:
                group.enqueue(tasks)
            except PayloadError:
                return "refused"
            return "stored"

        with GroupCommit(queue) as group, ThreadPoolExecutor(6) as pool:
            assert list(pool.map(work, range(6))) == ["refused", *["stored"] * 5]
        assert sum(queue.counts().values()) == 10

    def test_a_group_sees_its_earlier_tasks(self, queue: TaskQueue) -> None:
        with GroupCommit(queue) as group:
            (first,) = group.enqueue([new(key="k")])
            assert group.enqueue([]) == []
            assert group.enqueue([new(key="k")]) == [Enqueued(first.id, created=False)]
        with pytest.raises(RuntimeError, match="`with` block"):
            group.enqueue([new()])
        assert listed(queue) == [first.id]
