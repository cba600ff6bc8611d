"""Orders and scores, without any request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ytworker import Item, Metrics
from ytworker_keyword import KeywordParameters
from ytworker_keyword.ranking import Hit, age_hours, in_order

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def hit(position: int, *, hours: float | None = 1, views: int | None = 100, likes: int | None = 10) -> Hit:
    published = None if hours is None else NOW - timedelta(hours=hours)
    metrics = Metrics(views=views, likes=likes, comments=2)
    return Hit(Item(source="youtube", id=str(position), published_at=published, metrics=metrics), position, 1)


HITS = [
    hit(1, hours=10, views=1000, likes=10),
    hit(2, hours=None, views=None, likes=None),
    hit(3, hours=1, views=500, likes=100),
    hit(4, hours=100, views=2000, likes=None),
    hit(5, hours=1, views=500, likes=100),
    hit(6, hours=-5, views=0, likes=0),
]


@pytest.mark.parametrize(
    ("values", "positions", "scores"),
    [
        ({}, [1, 2, 3, 4, 5, 6], [None] * 6),
        ({"sort_by": "views"}, [4, 1, 3, 5, 6, 2], [None] * 6),
        ({"sort_by": "date"}, [6, 3, 5, 1, 4, 2], [None] * 6),
        ({"sort_by": "rating"}, [3, 5, 1, 2, 4, 6], [None] * 6),
        ({"rank_by": "views_per_hour"}, [3, 5, 1, 4, 2, 6], [500, 500, 100, 20, None, None]),
        ({"rank_by": "engagement"}, [3, 5, 1, 2, 4, 6], [0.204, 0.204, 0.012, None, None, None]),
        ({"rank_by": "age"}, [3, 5, 1, 4, 2, 6], [1, 1, 10, 100, None, None]),
        ({"rank_by": "age", "sort_by": "views"}, [3, 5, 1, 4, 6, 2], [1, 1, 10, 100, None, None]),
    ],
)
def test_orders(values: dict[str, Any], positions: list[int], scores: list[float | None]) -> None:
    found = in_order(HITS, KeywordParameters(query="x", **values), NOW)
    assert [each.position for each, _ in found] == positions
    assert [score for _, score in found] == pytest.approx(scores)


def test_what_is_still_to_come_has_no_age() -> None:
    assert age_hours(HITS[5].item, NOW) is None
    assert age_hours(HITS[0].item, NOW) == 10
