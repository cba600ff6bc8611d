from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytworker import Item, MetricPrecision, Metrics, derived, engagement_rate, like_ratio, views_per_day, views_per_hour

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def video(*, age: timedelta | None = timedelta(days=2), **counts: Any) -> Item:
    published = None if age is None else NOW - age
    return Item(source="youtube", id="a", published_at=published, metrics=Metrics(**counts))


def test_the_formulas() -> None:
    one = video(views=4800, likes=300, comments=180)
    assert engagement_rate(one) == 0.1
    assert like_ratio(one) == 0.0625
    assert views_per_hour(one, NOW) == 100
    assert views_per_day(one, NOW) == 2400


def test_the_age_is_real_and_not_counted_in_full_days() -> None:
    young = video(views=90, age=timedelta(minutes=90))
    assert views_per_hour(young, NOW) == 60
    assert views_per_day(young, NOW) == 1440


@pytest.mark.parametrize("counts", [{}, {"views": 10}, {"views": 10, "likes": 1}, {"likes": 1, "comments": 1}])
def test_what_is_hidden_is_not_taken_for_zero(counts: dict[str, int]) -> None:
    assert engagement_rate(video(**counts)) is None


def test_no_views_and_no_age_give_no_figure() -> None:
    assert engagement_rate(video(views=0, likes=0, comments=0)) is None
    assert like_ratio(video(views=0, likes=0)) is None
    assert like_ratio(video(likes=5)) is None
    assert views_per_hour(video(views=5, age=None), NOW) is None
    assert views_per_hour(video(views=5, age=timedelta(0)), NOW) is None
    assert views_per_day(video(views=5, age=timedelta(days=-1)), NOW) is None
    assert views_per_hour(video(), NOW) is None
    assert views_per_hour(video(views=0), NOW) == 0


@given(views=st.integers(1, 2**62), age=st.timedeltas(timedelta(seconds=1), timedelta(days=9000)))
def test_a_day_is_24_hours(views: int, age: timedelta) -> None:
    one = video(views=views, age=age)
    hourly, daily = views_per_hour(one, NOW), views_per_day(one, NOW)
    assert hourly is not None
    assert daily == pytest.approx(24 * hourly)


def test_a_figure_is_as_precise_as_its_least_precise_count() -> None:
    known = MetricPrecision(views="exact", likes="exact", comments="rounded")
    one = video(views=1, likes=1, comments=1, precision=known)
    assert derived.precision(one, "views", "likes") == "exact"
    assert derived.precision(one, "views", "likes", "comments") == "rounded"
    assert derived.precision(video(views=1, precision=MetricPrecision(views="exact")), "views", "likes") is None
