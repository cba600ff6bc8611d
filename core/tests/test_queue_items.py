"""Items: one row each, every version of the texts, every count over time, and who found what at which place."""

from collections.abc import Callable
from typing import Any

import pytest

from ytworker.model import SECOND, Item, Metrics, NewTask, Outcome, rfc3339
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


def test_very_large_counts_and_many_items_are_stored(
    queue: SQLiteQueue, scrape: Callable[..., int], listed: Callable[..., list[str]]
) -> None:
    scrape(*(item(n, metrics=Metrics(views=2**63 - 1)) for n in range(500)))
    assert listed() == [str(n) for n in range(500)]
    assert next(queue.items(ItemFilter()))["metrics"]["views"] == 2**63 - 1
