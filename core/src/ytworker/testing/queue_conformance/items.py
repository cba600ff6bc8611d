"""Items: one record for each, joined from every sight of it, and who found what at which place."""
# ruff: noqa: D102, PLR2004, S101 - tests: their names say what they show

from typing import Any

import pytest

from ytworker.model import Doubted, Item, ItemContext, MetricPrecision, Metrics, Outcome, rfc3339
from ytworker.queue import Completion, Failure, ItemFilter, TaskFilter, TaskQueue
from ytworker.testing.clock import FakeClock
from ytworker.testing.queue_conformance.base import FAILURE, LEASE, Suite, new, put, stored, take_one


def item(number: object = "a", **fields: Any) -> Item:
    """Make an item of one source."""
    return Item(source="youtube", id=str(number), **fields)


def scrape(queue: TaskQueue, *items: Item, kind: str = "demo", suspect: str | None = None) -> int:
    """Do one task that yields these items, and give its id."""
    put(queue, new(kind))
    worker = queue.add_worker(lease_seconds=LEASE)
    claim = take_one(queue, worker, kind)
    queue.finish(claim, items, Outcome.OK if suspect is None else Outcome.SUSPECT, suspect=suspect)
    queue.remove_worker(worker)
    return claim.task.id


class ItemTests(Suite):
    """Storing items with a task, and listing them."""

    def test_an_item_is_stored_as_it_was_yielded(self, queue: TaskQueue, clock: FakeClock) -> None:
        one = item(title="Grüße 👋", tags=("x",), metrics=Metrics(views=5), extra={"deep": [{"n": None}]})
        scrape(queue, one)
        now = rfc3339(clock())
        (found,) = queue.items(ItemFilter())
        assert found == one.model_dump(mode="json", exclude={"context"}) | {
            "context": {},
            "first_seen_at": now,
            "last_seen_at": now,
            "last_changed_at": now,
        }

    def test_the_same_video_is_one_item_whoever_finds_it(self, queue: TaskQueue) -> None:
        first = scrape(queue, item(), kind="channel")
        second = scrape(queue, item(), kind="search")
        scrape(queue, Item(source="youtube", kind="playlist", id="a"), Item(source="vimeo", id="a"))
        assert len(stored(queue)) == 3
        assert stored(queue, task_id=first) == stored(queue, task_id=second) == ["a"]

    def test_a_new_sight_joins_what_is_stored(self, queue: TaskQueue, clock: FakeClock) -> None:
        scrape(queue, item(title="t", tags=("x",), metrics=Metrics(views=5, likes=1)))
        first = rfc3339(clock())
        clock.advance(60)
        rounded = Metrics(views=6, precision=MetricPrecision(views="rounded"))
        scrape(queue, item(title="t", metrics=rounded))
        (found,) = queue.items(ItemFilter())
        assert (found["tags"], found["metrics"]["views"], found["metrics"]["likes"]) == (["x"], 6, 1)
        assert found["metrics"]["precision"]["views"] == "rounded"
        assert (found["first_seen_at"], found["last_changed_at"]) == (first, first)
        assert found["last_seen_at"] == rfc3339(clock())

    def test_a_rounded_count_replaces_an_exact_one_only_where_it_contradicts_it(self, queue: TaskQueue) -> None:
        scrape(queue, item(metrics=Metrics(views=1_234_567, precision=MetricPrecision(views="exact"))))
        scrape(queue, item(metrics=Metrics(views=1_200_000, precision=MetricPrecision(views="rounded"))))
        (found,) = queue.items(ItemFilter())
        assert (found["metrics"]["views"], found["metrics"]["precision"]["views"]) == (1_234_567, "exact")
        scrape(queue, item(metrics=Metrics(views=3_400_000, precision=MetricPrecision(views="rounded"))))
        (found,) = queue.items(ItemFilter())
        assert (found["metrics"]["views"], found["metrics"]["precision"]["views"]) == (3_400_000, "rounded")

    def test_the_reason_of_an_availability_goes_with_it(self, queue: TaskQueue) -> None:
        scrape(queue, item(availability="restricted", extra={"unavailable": "confirm your age"}))
        scrape(queue, item(availability="public"))
        (found,) = queue.items(ItemFilter())
        assert (found["availability"], found["extra"]) == ("public", {})

    def test_an_item_has_changed_when_its_texts_have(self, queue: TaskQueue, clock: FakeClock) -> None:
        scrape(queue, item(title="one", metrics=Metrics(views=1)))
        clock.advance(1)
        changed = rfc3339(clock())
        scrape(queue, item(title="two"))
        clock.advance(1)
        scrape(queue, item(title="two", metrics=Metrics(views=2), thumbnail_url="x"))
        (found,) = queue.items(ItemFilter())
        assert (found["title"], found["last_changed_at"]) == ("two", changed)

    def test_items_of_a_task_come_in_its_order_with_its_context(self, queue: TaskQueue) -> None:
        scrape(queue, item("z"), item("m"))
        seen = [item(each, context=ItemContext(query="q", rank=n)) for n, each in enumerate("mazm", 1)]
        number = scrape(queue, *seen)
        found = list(queue.items(ItemFilter(task_id=number)))
        assert [each["id"] for each in found] == ["m", "a", "z"]
        assert [each["context"] for each in found] == [{"query": "q", "rank": n} for n in (1, 2, 3)]
        assert stored(queue, task_id=number, limit=2) == ["m", "a"]
        assert stored(queue, task_id=number + 1) == []

    def test_items_of_several_checkpoints_go_on_where_the_last_one_ended(self, queue: TaskQueue, worker: int) -> None:
        (number,) = put(queue)
        claim = take_one(queue, worker)
        queue.checkpoint(claim, [item("c"), item("a")], 1)
        queue.checkpoint(claim, [item("a"), item("b")], 2)
        queue.finish(claim, [item("c"), item("0")], Outcome.OK)
        assert stored(queue, task_id=number) == ["c", "a", "b", "0"]

    def test_the_most_recently_seen_come_first(self, queue: TaskQueue, clock: FakeClock) -> None:
        for each in ("a", "b", "c", "a"):
            scrape(queue, item(each))
            clock.advance(1)
        assert stored(queue) == ["a", "c", "b"]
        assert stored(queue, limit=2) == ["a", "c"]
        assert stored(queue, limit=0) == []

    def test_items_can_be_asked_for_by_source_kind_and_task_type(self, queue: TaskQueue) -> None:
        scrape(queue, item("a"), Item(source="vimeo", id="b"), kind="channel")
        scrape(queue, item("a"), Item(source="youtube", kind="playlist", id="c"), kind="search")
        assert sorted(stored(queue, source="youtube")) == ["a", "c"]
        assert sorted(stored(queue, kind="video")) == ["a", "b"]
        assert sorted(stored(queue, task_type="search")) == ["a", "c"]
        assert stored(queue, task_type="channel", source="vimeo") == ["b"]
        assert len(stored(queue, task_type="channel", limit=1)) == 1
        assert stored(queue, task_type="unknown") == stored(queue, source="' OR 1") == []

    @pytest.mark.parametrize("reason", ["no views", "cut \ud83d", ""])
    def test_doubtful_items_are_kept_apart_and_never_overwrite(self, queue: TaskQueue, reason: str) -> None:
        scrape(queue, item(title="good", metrics=Metrics(views=5)))
        before = list(queue.items(ItemFilter()))
        number = scrape(queue, item(title="hollow \ud83d", metrics=Metrics(views=0)), item("b"), suspect=reason)
        assert list(queue.items(ItemFilter())) == before
        assert stored(queue, task_id=number) == []

    def test_a_doubtful_checkpoint_is_kept_apart_too(self, queue: TaskQueue, worker: int) -> None:
        put(queue)
        claim = take_one(queue, worker)
        queue.checkpoint(claim, [item("good")], 1)
        queue.checkpoint(claim, [item("bad")], 2, suspect="odd")
        assert stored(queue) == stored(queue, task_id=claim.task.id) == ["good"]

    def test_single_doubtful_items_are_kept_apart_and_the_others_stored(self, queue: TaskQueue, worker: int) -> None:
        number = scrape(queue, item("a", title="good"))
        (second,) = put(queue)
        claim = take_one(queue, worker)
        queue.checkpoint(claim, [item("b")], 1, apart=[Doubted(item("a"), "no title")])
        ending = Completion(claim=claim, outcome=Outcome.OK, items=[item("c")], apart=[Doubted(item("d"), "no title")])
        assert queue.settle([ending]).stale == []
        assert (stored(queue, task_id=number), stored(queue, task_id=second)) == (["a"], ["b", "c"])
        assert [each["title"] for each in queue.items(ItemFilter(task_id=number))] == ["good"]
        assert stored(queue, task_id=second, suspect=True) == ["a", "d"]

    def test_what_a_failed_attempt_found_is_kept_apart(self, queue: TaskQueue, worker: int, clock: FakeClock) -> None:
        put(queue)
        claim = take_one(queue, worker)
        failure = Failure(claim=claim, error=FAILURE, retry_at=None, apart=[Doubted(item("a"), "hollow")])
        assert queue.settle([failure]).stale == []
        assert stored(queue) == []
        (found,) = queue.items(ItemFilter(suspect=True))
        assert (found["id"], found["reason"], found["task"]) == ("a", "hollow", str(claim.task.id))
        assert found["observed_at"] == rfc3339(clock())

    def test_what_is_kept_apart_can_be_asked_for(self, queue: TaskQueue, clock: FakeClock) -> None:
        first = scrape(queue, item("a"), Item(source="vimeo", id="b"), suspect="odd")
        clock.advance(1)
        scrape(queue, item("c"), Item(source="youtube", kind="playlist", id="d"), kind="search", suspect="odd")
        assert stored(queue, suspect=True) == ["c", "d", "a", "b"]
        assert stored(queue, suspect=True, task_id=first) == ["a", "b"]
        assert stored(queue, suspect=True, task_type="search", limit=1) == ["c"]
        assert stored(queue, suspect=True, source="youtube", kind="video") == ["c", "a"]
        assert stored(queue, suspect=True, task_type="' OR 1") == []

    def test_a_text_that_was_cut_in_the_middle_of_a_character_is_stored(self, queue: TaskQueue) -> None:
        scrape(queue, item(title="cut \ud83d", tags=("\ud83d",), extra={"x": "\ud83d"}))
        scrape(queue, item(title="cut \ud83d", description="\ud83d"))
        (found,) = queue.items(ItemFilter())
        assert (found["title"], found["tags"], found["description"]) == ("cut \ud83d", ["\ud83d"], "\ud83d")

    def test_large_counts_and_many_items_are_stored_in_their_order(self, queue: TaskQueue) -> None:
        number = scrape(queue, *(item(n, metrics=Metrics(views=2**63 - 1)) for n in range(500)))
        assert stored(queue, task_id=number) == [str(n) for n in range(500)]
        assert len(set(stored(queue))) == 500
        listing = queue.items(ItemFilter(limit=1))
        assert next(listing)["metrics"]["views"] == 2**63 - 1
        listing.close()

    def test_a_listing_is_one_snapshot(self, queue: TaskQueue, twin: TaskQueue, clock: FakeClock) -> None:
        scrape(queue, *map(item, range(5)))
        listing = queue.items(ItemFilter())
        seen = [next(listing)["id"]]
        clock.advance(1)
        scrape(twin, item("new"), item(4))
        seen += [each["id"] for each in listing]
        assert sorted(seen) == ["0", "1", "2", "3", "4"]
        assert sorted(stored(queue, limit=2)) == ["4", "new"]

    def test_a_listing_that_is_left_early_is_in_nobodys_way(self, queue: TaskQueue, twin: TaskQueue) -> None:
        scrape(queue, *map(item, range(5)))
        listing = queue.items(ItemFilter())
        next(listing)
        listing.close()
        scrape(queue, item("new"))
        scrape(twin, item("newer"))
        assert len(stored(queue)) == 7

    def test_a_listed_item_is_a_copy(self, queue: TaskQueue) -> None:
        scrape(queue, item(extra={"list": [1]}))
        (found,) = queue.items(ItemFilter())
        found["extra"]["list"].append(2)
        assert [each["extra"] for each in queue.items(ItemFilter())] == [{"list": [1]}]

    def test_items_stay_when_their_task_is_purged(self, queue: TaskQueue, clock: FakeClock) -> None:
        number = scrape(queue, item("a"), item("b"))
        kept = list(queue.items(ItemFilter()))
        clock.advance(1)
        queue.purge(clock(), [queue.get(number).state])
        assert queue.tasks(TaskFilter()) == []
        assert list(queue.items(ItemFilter())) == kept
        assert stored(queue, task_id=number) == ["a", "b"]

    def test_two_sights_in_one_task_join_in_their_order(self, queue: TaskQueue) -> None:
        scrape(queue, item(title="first", description="d"), item(title="second"))
        (found,) = queue.items(ItemFilter())
        assert (found["title"], found["description"]) == ("second", "d")
