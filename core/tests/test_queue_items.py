"""Items: one row each, every version of the texts, every count over time, and who found what at which place."""

from collections.abc import Callable
from typing import Any

import pytest

from ytworker.model import SECOND, Item, ItemContext, Metrics, NewTask, Outcome, rfc3339
from ytworker.queue import FIFOStrategy, ItemFilter
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.testing import FakeClock


def item(number: object = "a", **fields: Any) -> Item:
    return Item(source="youtube", id=str(number), **fields)


@pytest.fixture
def scrape(queue: SQLiteQueue, worker: int) -> Callable[..., int]:
    """Do one task that yields these items, and give its id."""

    def run(*items: Any, kind: str = "demo", suspect: str | None = None) -> int:
        queue.enqueue([NewTask(type=kind, params={})])
        (claim,) = queue.claim(worker, FIFOStrategy, [kind])
        queue.finish(claim, items, Outcome.SUSPECT if suspect else Outcome.OK, suspect=suspect)
        return claim.task.id

    return run


@pytest.fixture
def listed(queue: SQLiteQueue) -> Callable[..., list[str]]:
    def ask(**which: Any) -> Any:
        return [each["id"] for each in queue.items(ItemFilter(**which))]

    return ask


@pytest.fixture
def rows(queue: SQLiteQueue) -> Callable[[str], list[Any]]:
    """Look into a table; versions and observations have no reader of their own yet."""

    def ask(sql: str) -> Any:
        return queue._database.execute(sql)

    return ask


def test_an_item_is_stored_as_it_was_yielded(queue: SQLiteQueue, scrape: Callable[..., int], clock: FakeClock) -> None:
    one = item(title="Grüße 👋", tags=("x",), metrics=Metrics(views=5), extra={"deep": [{"n": None}]})
    task = scrape(one)
    (stored,) = queue.items(ItemFilter())
    now = rfc3339(clock())
    assert stored == one.model_dump(mode="json", exclude={"context"}) | {
        "context": {},
        "first_seen_at": now,
        "last_seen_at": now,
        "last_changed_at": now,
    }
    assert [each["id"] for each in queue.items(ItemFilter(task_id=task))] == ["a"]


def test_the_same_video_is_one_item_whoever_finds_it(
    scrape: Callable[..., int], listed: Callable[..., list[str]], rows: Callable[[str], list[Any]]
) -> None:
    scrape(item(), kind="channel")
    scrape(item(), kind="search")
    scrape(Item(source="youtube", kind="playlist", id="a"), Item(source="vimeo", id="a"))
    assert len(listed()) == 3
    assert rows("SELECT count(*) FROM item") == [(3,)]


def test_a_new_sight_joins_what_is_stored(queue: SQLiteQueue, scrape: Callable[..., int], clock: FakeClock) -> None:
    scrape(item(title="t", tags=("x",), metrics=Metrics(views=5, likes=1)))
    first = rfc3339(clock())
    clock.advance(60)
    scrape(item(title="t", metrics=Metrics(views=6)))
    (stored,) = queue.items(ItemFilter())
    assert (stored["tags"], stored["metrics"]["views"], stored["metrics"]["likes"]) == (["x"], 6, 1)
    assert (stored["first_seen_at"], stored["last_changed_at"]) == (first, first)
    assert stored["last_seen_at"] == rfc3339(clock())


def test_every_version_of_the_texts_is_kept(
    queue: SQLiteQueue, scrape: Callable[..., int], clock: FakeClock, rows: Callable[[str], list[Any]]
) -> None:
    first = clock()
    scrape(item(title="one", tags=("x", "y"), description="d"))
    clock.advance(1)
    scrape(item(title="one"))
    scrape(item(title="one", metrics=Metrics(views=1)))
    clock.advance(1)
    scrape(item(title="two"))
    assert rows("SELECT version, observed_at, task, title, description, tags FROM item_version ORDER BY version") == [
        (1, first, 1, "one", "d", '["x", "y"]'),
        (2, first + 2 * SECOND, 4, "two", "d", '["x", "y"]'),
    ]
    (stored,) = queue.items(ItemFilter())
    assert stored["last_changed_at"] == rfc3339(first + 2 * SECOND)


def test_counts_are_kept_over_time(
    scrape: Callable[..., int], clock: FakeClock, rows: Callable[[str], list[Any]]
) -> None:
    first = clock()
    scrape(item(metrics=Metrics(views=1000, precision={"views": "rounded"})))
    clock.advance(1)
    scrape(item())
    scrape(item(metrics=Metrics(likes=0)))
    scrape(item(metrics=Metrics(views=1001, precision={"views": "exact"})))
    query = "SELECT observed_at, task, views, likes, comments, views_precision FROM observation ORDER BY 1, 2"
    assert rows(query) == [
        (first, 1, 1000, None, None, "rounded"),
        (first + SECOND, 3, None, 0, None, None),
        (first + SECOND, 4, 1001, None, None, "exact"),
    ]


def test_one_task_observes_an_item_once_at_one_moment(
    scrape: Callable[..., int], rows: Callable[[str], list[Any]]
) -> None:
    scrape(item(metrics=Metrics(views=1)), item(metrics=Metrics(views=2)))
    assert rows("SELECT views FROM observation") == [(1,)]


def test_items_of_a_task_come_in_its_order_with_its_context(queue: SQLiteQueue, scrape: Callable[..., int]) -> None:
    scrape(item("z"), item("m"))
    task = scrape(*(item(each, context=ItemContext(query="q", rank=n)) for n, each in enumerate("mazm", 1)))
    found = list(queue.items(ItemFilter(task_id=task)))
    assert [each["id"] for each in found] == ["m", "a", "z"]
    assert [each["context"] for each in found] == [{"query": "q", "rank": n} for n in (1, 2, 3)]
    assert [each["id"] for each in queue.items(ItemFilter(task_id=task, limit=2))] == ["m", "a"]
    assert list(queue.items(ItemFilter(task_id=99))) == []


def test_the_most_recently_seen_come_first(
    scrape: Callable[..., int], listed: Callable[..., list[str]], clock: FakeClock
) -> None:
    for each in ("a", "b", "c", "a"):
        scrape(item(each))
        clock.advance(1)
    assert listed() == ["a", "c", "b"]
    assert listed(limit=2) == ["a", "c"]
    assert listed(limit=0) == []


def test_items_can_be_asked_for_by_source_kind_and_task_type(
    scrape: Callable[..., int], listed: Callable[..., list[str]]
) -> None:
    scrape(item("a"), Item(source="vimeo", id="b"), kind="channel")
    scrape(item("a"), Item(source="youtube", kind="playlist", id="c"), kind="search")
    assert listed(source="youtube") == ["a", "c"]
    assert listed(kind="video") == ["a", "b"]
    assert listed(task_type="search") == ["a", "c"]
    assert listed(task_type="channel", source="vimeo") == ["b"]
    assert listed(task_type="unknown") == listed(source="' OR 1") == []


def test_suspect_items_are_kept_apart_and_never_overwrite(
    queue: SQLiteQueue,
    scrape: Callable[..., int],
    listed: Callable[..., list[str]],
    rows: Callable[[str], list[Any]],
    clock: FakeClock,
) -> None:
    scrape(item(title="good", metrics=Metrics(views=5)))
    before = list(queue.items(ItemFilter()))
    task = scrape(item(title="hollow \ud83d", metrics=Metrics(views=0)), item("b"), suspect="no views at all")
    assert list(queue.items(ItemFilter())) == before
    assert listed(task_id=task) == []
    assert rows("SELECT task, observed_at, reason, json_extract(record, '$.id') FROM suspect_item ORDER BY no") == [
        (task, clock(), "no views at all", "a"),
        (task, clock(), "no views at all", "b"),
    ]
    assert rows("SELECT count(*) FROM item_version") == rows("SELECT count(*) FROM observation") == [(1,)]


def test_a_suspect_checkpoint_is_kept_apart_too(
    queue: SQLiteQueue, worker: int, listed: Callable[..., list[str]], rows: Callable[[str], list[Any]]
) -> None:
    queue.enqueue([NewTask(type="demo", params={})])
    (claim,) = queue.claim(worker, FIFOStrategy, ["demo"])
    queue.checkpoint(claim, [item("good")], 1)
    queue.checkpoint(claim, [item("bad")], 2, suspect="odd")
    assert listed() == ["good"]
    assert rows("SELECT reason FROM suspect_item") == [("odd",)]


def test_a_text_that_was_cut_in_the_middle_of_a_character_is_stored(
    queue: SQLiteQueue, scrape: Callable[..., int]
) -> None:
    scrape(item(title="cut \ud83d", tags=("\ud83d",), extra={"x": "\ud83d"}))
    scrape(item(title="cut \ud83d", description="\ud83d"))
    (stored,) = queue.items(ItemFilter())
    assert stored["title"] == "cut \ud83d"


def test_a_listing_is_one_snapshot(queue: SQLiteQueue, scrape: Callable[..., int], clock: FakeClock) -> None:
    scrape(*(item(n) for n in range(5)))
    writer = queue.connect()
    listing = queue.items(ItemFilter())
    seen = [next(listing)["id"]]
    clock.advance(1)
    other = writer.add_worker(lease_seconds=60)
    writer.enqueue([NewTask(type="demo", params={})])
    (claim,) = writer.claim(other, FIFOStrategy, ["demo"])
    writer.finish(claim, [item("new"), item(4)], Outcome.OK)
    seen += [each["id"] for each in listing]
    assert seen == ["0", "1", "2", "3", "4"]
    assert [each["id"] for each in queue.items(ItemFilter())][:2] == ["4", "new"]
    writer.close()


def test_very_large_counts_and_many_items_are_stored(
    queue: SQLiteQueue, scrape: Callable[..., int], listed: Callable[..., list[str]]
) -> None:
    scrape(*(item(n, metrics=Metrics(views=2**63 - 1)) for n in range(500)))
    assert listed() == [str(n) for n in range(500)]
    assert next(queue.items(ItemFilter()))["metrics"]["views"] == 2**63 - 1
