"""What a task may say, and what each mistake is told."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from ytworker_api import ApiParameters, Cost, plan
from ytworker_api.lists import chart_query, search_query

CHANNEL = "UCabcdefghijklmnopqrst-_"


def problems(**params: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        ApiParameters.model_validate(params)
    return "\n".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in caught.value.errors())


def made(**params: Any) -> ApiParameters:
    return ApiParameters.model_validate(params)


@pytest.mark.parametrize(
    "ids", ["dQw4w9WgXcQ,-2IlD-x8wvY", "dQw4w9WgXcQ -2IlD-x8wvY", ["dQw4w9WgXcQ", "-2IlD-x8wvY", "dQw4w9WgXcQ"]]
)
def test_ids_are_a_list_or_a_text_and_may_begin_with_a_dash(ids: Any) -> None:
    assert made(resource="videos", ids=ids).ids == ["dQw4w9WgXcQ", "-2IlD-x8wvY"]


@pytest.mark.parametrize(
    "video_id", ["short", "dQw4w9WgXcQx", "dQw4w9WgX/Q", "https://youtu.be/dQw4w9WgXcQ", "\uff31Qw4w9WgXcQ"]
)
def test_u7_what_is_no_id_is_refused(video_id: str) -> None:
    assert "a video id is 11" in problems(resource="videos", ids=[video_id])


@pytest.mark.parametrize(
    ("channel", "found"),
    [
        (CHANNEL, CHANNEL),
        ("@NASA", "@NASA"),
        (f"https://www.youtube.com/channel/{CHANNEL}/videos", CHANNEL),
        ("youtube.com/@NASA", "@NASA"),
        ("https://www.youtube.com/@%E0%A4%B9%E0%A4%BF%E0%A4%A8%E0%A5%8D%E0%A4%A6%E0%A5%80", "@हिन्दी"),
    ],
)
def test_a_channel_is_an_id_a_handle_or_an_address(channel: str, found: str) -> None:
    assert made(resource="channel", channel=channel).channel == found


@pytest.mark.parametrize(
    "channel",
    [
        "NASA",
        "UCshort",
        "https://evil.example/@NASA",
        "file:///etc/passwd",
        "https://www.youtube.com/watch?v=x",
        "@a/../b",
    ],
)
def test_u1_u5_other_addresses_are_no_channel(channel: str) -> None:
    assert "a channel is a UC" in problems(resource="channel", channel=channel)


def test_every_mistake_is_told_at_once() -> None:
    told = problems(resource="search", ids=["x"], top_n=501, region="UK", order="newest")
    assert "ids: " in told
    assert "ids is for videos" in told
    assert "search needs query or channel" in told
    assert "at most 500 of a search" in told
    assert "did you mean GB?" in told
    assert "order: " in told


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"resource": "videos"}, "videos needs ids"),
        ({"resource": "channel"}, "channel needs channel"),
        ({"resource": "chart", "top_n": 201}, "at most 200 of a chart"),
        ({"resource": "videos", "ids": ["dQw4w9WgXcQ"], "top_n": 5}, "top_n is for channel and search and chart"),
        ({"resource": "channel", "channel": CHANNEL, "query": "x"}, "query is for search"),
        ({"resource": "search", "query": "x", "channel": "@NASA"}, "by its UC… id only"),
        (
            {"resource": "search", "query": "x", "published_after": "2026-11-02", "published_before": "2026-11-02"},
            "earlier than",
        ),
        ({"resource": "search", "query": "x", "published_after": "2026-11-02T10:00:00"}, "timezone"),
        ({"resource": "search", "query": "a\nb"}, "one line of words"),
        ({"resource": "search", "query": "x" * 201}, "at most 200"),
        ({"resource": "chart", "category": "sports-ish"}, "no such category"),
        ({"resource": "chart", "parts": []}, "at least 1"),
        ({"resource": "chart", "parts": ["everything"]}, "snippet"),
        ({"resource": "chart", "api_key": "secret"}, "Extra inputs"),
        ({"resource": "everything"}, "Input should be"),
        ({}, "Field required"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(params: dict[str, Any], told: str) -> None:
    assert told in problems(**params)


def test_what_was_stored_is_understood_again() -> None:
    params = made(resource="search", query="deep sea", published_after="2026-11-01", parts="statistics,snippet")
    stored = params.model_dump(mode="json", exclude_unset=True)
    assert made(**stored) == params
    assert params.published_after == datetime(2026, 11, 1, tzinfo=UTC)


def test_a_search_sends_what_was_asked_and_nothing_else() -> None:
    assert search_query(made(resource="search", query="deep sea")) == {
        "part": "snippet",
        "type": "video",
        "q": "deep sea",
    }
    everything = made(
        resource="search",
        query="deep sea",
        order="date",
        channel=CHANNEL,
        published_after="2026-11-01T01:00:00+01:00",
        published_before="2026-11-02",
        duration="long",
        event="completed",
        language="de",
        region="gb",
        category="gaming",
    )
    assert search_query(everything) == {
        "part": "snippet",
        "type": "video",
        "q": "deep sea",
        "order": "date",
        "channelId": CHANNEL,
        "publishedAfter": "2026-11-01T00:00:00Z",
        "publishedBefore": "2026-11-02T00:00:00Z",
        "videoDuration": "long",
        "eventType": "completed",
        "relevanceLanguage": "de",
        "regionCode": "GB",
        "videoCategoryId": "20",
    }


def test_a_chart_is_that_of_a_country() -> None:
    assert chart_query(made(resource="chart")) == {"chart": "mostPopular", "regionCode": "US"}
    assert chart_query(made(resource="chart", region="DE", category="music"))["videoCategoryId"] == "10"


@pytest.mark.parametrize(
    ("params", "cost"),
    [
        ({"resource": "videos", "ids": ["dQw4w9WgXcQ"]}, Cost(units=1)),
        ({"resource": "videos", "ids": [f"{n:011}" for n in range(5_001)]}, Cost(units=101)),
        ({"resource": "videos", "ids": ["dQw4w9WgXcQ"], "parts": "statistics"}, Cost(statistics=1)),
        ({"resource": "videos", "ids": ["dQw4w9WgXcQ"], "parts": "statistics,contentDetails"}, Cost(statistics=1)),
        ({"resource": "videos", "ids": ["dQw4w9WgXcQ"], "parts": "statistics,snippet"}, Cost(units=1)),
        ({"resource": "channel", "channel": CHANNEL, "top_n": 5_000}, Cost(units=200)),
        ({"resource": "channel", "channel": "@NASA"}, Cost(units=3)),
        ({"resource": "search", "query": "x", "top_n": 51}, Cost(search=2, units=2)),
        ({"resource": "chart", "parts": "statistics"}, Cost(units=1)),
    ],
)
def test_the_plan_says_what_a_task_costs(params: dict[str, Any], cost: Cost) -> None:
    assert plan(made(**params)) == cost


def test_a_cost_reads_as_a_sentence() -> None:
    assert str(Cost(units=1)) == "1 unit"
    assert str(Cost(units=2, search=1) + Cost(statistics=3)) == "2 units and 1 search call and 3 statistics calls"
