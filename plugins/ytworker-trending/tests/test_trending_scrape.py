"""Whole scrapes, with the real yt-dlp behind the fake YouTube."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ytworker import (
    Cancelled,
    ConfigError,
    Deferred,
    Item,
    PermanentError,
    QuotaError,
    RetryableError,
    SuspectError,
    TaskError,
    ThrottledError,
)
from ytworker.testing import FakePort
from ytworker_trending.api import seconds_to_reset
from ytworker_ytdlp.testing import FakeChannel, FakeVideo, FakeYouTube

Scrape = Callable[..., list[Item]]
KEY = "youtube data api with key 0b8bdfd5"


@pytest.fixture
def videos(youtube: FakeYouTube) -> tuple[FakeVideo, ...]:
    """Fill every list with videos of one channel; the first of music is the third of gaming, too."""
    try:
        channel: FakeChannel = youtube.channel("@trendy")
    except KeyError:
        channel = youtube.add_channel("@trendy", videos=60, streams=20)
    found = channel.videos
    youtube.set_chart("music", "US", found[:10])
    youtube.set_hub("gaming", [*found[10:12], found[0], *found[12:20]])
    youtube.set_chart("movies", "US", found[20:30])
    youtube.set_hub("live", channel.streams)
    youtube.set_hub("podcasts", found[30:50])
    youtube.set_api_chart("US", [found[50], found[1], found[51]])
    return found


def _ids(items: list[Item]) -> list[str]:
    return [item.id for item in items]


def test_a_chart_by_country(
    scrape: Scrape, youtube: FakeYouTube, port: FakePort, videos: tuple[FakeVideo, ...]
) -> None:
    items = scrape(category="music")
    assert _ids(items) == [video.id for video in videos[:10]]
    for rank, (item, video) in enumerate(zip(items, videos, strict=False), 1):
        context = item.context
        assert (context.list, context.category, context.rank, context.country) == ("chart:music", "music", rank, "US")
        assert (item.title, item.author.id) == (video.title, video.channel.id)
        assert (item.metrics.views, item.published_at) == (None, None)
        assert item.extra["release_date"] == f"{video.published_at:%Y-%m-%d}"
    assert len(youtube.requests) == len(port.acquired) == 1


@pytest.mark.parametrize(
    ("category", "country", "requests"), [("gaming", "GB", 2), ("live", "GB", 3), ("podcasts", "GB", 2)]
)
def test_a_hub_follows_the_address_that_asks_and_says_so(
    scrape: Scrape,
    youtube: FakeYouTube,
    port: FakePort,
    videos: tuple[FakeVideo, ...],
    category: str,
    country: str,
    requests: int,
) -> None:
    items = scrape(category=category, country=country)
    assert items
    assert len(items) == {"gaming": 11, "live": 20, "podcasts": 20}[category]
    assert {(item.context.list, item.context.country) for item in items} == {(f"hub:{category}", None)}
    assert [item.context.rank for item in items] == list(range(1, len(items) + 1))
    assert len(youtube.requests) == requests
    assert "follow the address that asks, not GB" in str(port.progressed[0][2])
    assert videos


def test_viewers_of_a_live_stream(scrape: Scrape, youtube: FakeYouTube) -> None:
    stream = youtube.add_video("@streamer", state="live", watching=581)
    youtube.set_hub("live", [stream])
    (item,) = scrape(category="live")
    assert (item.live_status, item.extra["concurrent_viewers"]) == ("is_live", 581)
    assert item.metrics.views is None


def test_all_lets_the_lists_take_turns_and_keeps_all_places(
    scrape: Scrape, youtube: FakeYouTube, videos: tuple[FakeVideo, ...]
) -> None:
    items = scrape(top_n=15)
    streams = youtube.channel("@trendy").streams
    music, gaming = videos[0:3], [videos[10], videos[11], videos[0]]
    movies, podcasts = videos[20:23], videos[30:33]
    rounds = zip(music, gaming, movies, streams, podcasts, strict=False)
    turns = list(dict.fromkeys(video.id for taken in rounds for video in taken))
    assert _ids(items)[:14] == turns
    assert len(items) == len(set(_ids(items))) == 15
    assert items[0].context.list == "chart:music"
    assert items[0].extra["sources"] == [
        {"source": "chart:music", "category": "music", "rank": 1, "country": "US"},
        {"source": "hub:gaming", "category": "gaming", "rank": 3, "country": None},
    ]
    assert items[0].metrics.views == videos[0].views  # the chart has none, the hub does
    assert len(youtube.requests) == 1 + 2 + 1 + 2 + 2


def test_all_gives_everything_there_is_once(
    scrape: Scrape, youtube: FakeYouTube, videos: tuple[FakeVideo, ...]
) -> None:
    items = scrape(top_n=200)
    streams = {video.id for video in youtube.channel("@trendy").streams}
    assert sorted(_ids(items)) == sorted({video.id for video in videos[:50]} | streams)


def test_a_country_without_charts(scrape: Scrape, port: FakePort, videos: tuple[FakeVideo, ...]) -> None:
    with pytest.raises(PermanentError, match=r"do not cover AQ, only 61 countries \(AE .* ZW\)\. Choose one"):
        scrape(category="music", country="AQ")
    items = scrape(country="AQ", top_n=200)
    assert {item.context.category for item in items} == {"gaming", "live", "podcasts"}
    assert "chart:music and chart:movies left out" in str(port.progressed[0][2])
    assert videos


def test_a_list_that_youtube_gave_up_is_left_out_by_name_and_alone_it_fails(
    scrape: Scrape, youtube: FakeYouTube, videos: tuple[FakeVideo, ...], caplog: pytest.LogCaptureFixture
) -> None:
    youtube.set_hub("podcasts", [])
    caplog.set_level(logging.WARNING)
    items = scrape(top_n=5)
    assert {tuple(item.extra["left_out"]) for item in items} == {("hub:podcasts",)}
    assert "hub:podcasts is left out" in caplog.text
    with pytest.raises(PermanentError, match="podcasts hub"):
        scrape(category="podcasts")
    assert videos


def test_no_list_at_all_is_no_empty_success(scrape: Scrape, youtube: FakeYouTube) -> None:
    youtube.fault("http404", times=-1)
    with pytest.raises(PermanentError, match="none of the lists is there any more"):
        scrape()


def test_whole_records_and_a_second_attempt(
    scrape: Scrape, youtube: FakeYouTube, port: FakePort, videos: tuple[FakeVideo, ...]
) -> None:
    items = scrape(category="podcasts", depth="full", top_n=12)
    assert [(item.description, item.tags) for item in items] == [
        (video.description, video.tags) for video in videos[30:42]
    ]
    assert items[0].context.list == "hub:podcasts"
    assert len(youtube.requests) == 2 + 2 * 12
    saved = port.checkpoints[-1]
    assert saved == {"given": _ids(items)[:10]}
    assert _ids(scrape(category="podcasts", depth="full", top_n=12, checkpoint=saved)) == _ids(items)[10:]


def test_a_block_after_five_records_costs_none_of_them(
    scrape: Scrape, youtube: FakeYouTube, port: FakePort, videos: tuple[FakeVideo, ...]
) -> None:
    youtube.fault("ratelimited", "/player", times=-1, after=5)
    with pytest.raises(ThrottledError):
        scrape(category="music", depth="full")
    assert port.checkpoints == [{"given": [video.id for video in videos[:5]]}]


def test_one_video_that_cannot_be_read_costs_its_own_record_only(
    scrape: Scrape, youtube: FakeYouTube, videos: tuple[FakeVideo, ...]
) -> None:
    youtube.fault("reshaped", f"/player.*{videos[1].id}", times=-1)
    items = scrape(category="music", depth="full", top_n=3)
    assert _ids(items) == [video.id for video in videos[:3]]
    assert [("unavailable" in item.extra) for item in items] == [False, True, False]


def test_two_that_cannot_be_read_cost_none_of_those_before(
    scrape: Scrape, youtube: FakeYouTube, port: FakePort, videos: tuple[FakeVideo, ...]
) -> None:
    youtube.fault("reshaped", f"/player.*({videos[4].id}|{videos[5].id})", times=-1)
    with pytest.raises(TaskError):
        scrape(category="music", depth="full")
    assert port.checkpoints == [{"given": [video.id for video in videos[:4]]}]


def test_an_unreadable_last_video_of_a_second_attempt_is_no_failure(
    scrape: Scrape, youtube: FakeYouTube, videos: tuple[FakeVideo, ...]
) -> None:
    youtube.fault("reshaped", f"/player.*{videos[2].id}", times=-1)
    given = {"given": [video.id for video in videos[:2]]}
    (item,) = scrape(category="music", depth="full", top_n=3, checkpoint=given)
    assert "unavailable" in item.extra


def test_a_cancelled_task_stops(scrape: Scrape, port: FakePort, videos: tuple[FakeVideo, ...]) -> None:
    port.stop = True
    for depth in ("list", "full"):
        with pytest.raises(Cancelled):
            scrape(category="music", depth=depth)
    assert videos


# --- failures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "match", "category", "error"),
    [
        ("http503", "charts", "music", RetryableError),
        ("http429-retry-after", "charts", "music", ThrottledError),
        ("http400", "charts", "music", PermanentError),
        ("incomplete", "charts", "music", SuspectError),
        ("not-json", "charts", "music", RetryableError),
        ("incomplete", "v1/browse.*UCOpN", "gaming", RetryableError),
        ("http503", "continuation", "live", RetryableError),
        ("http429-retry-after", "charts", "all", ThrottledError),
        ("incomplete", "charts", "all", SuspectError),
    ],
)
def test_a_failure_is_no_half_list(
    scrape: Scrape,
    youtube: FakeYouTube,
    videos: tuple[FakeVideo, ...],
    fault: str,
    match: str,
    category: str,
    error: type[TaskError],
) -> None:
    youtube.fault(fault, match, times=2)
    with pytest.raises(error):
        scrape(category=category, top_n=100)
    youtube.reset()
    again = scrape(category=category, top_n=100)
    assert len(again) == len(set(_ids(again)))
    assert videos


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ({"videos": [{"videoViews": [{"id": "short"}, "x"]}, None]}, "holds no video"),
        ({"perspectiveMetadata": {"requestParams": {"chartParams": {"countryCode": "de"}}}}, "is about"),
        ({"perspectiveMetadata": {"requestParams": {"chartParams": {"chartType": "CHART_TYPE_ARTISTS"}}}}, "is about"),
    ],
)
def test_a_chart_of_another_shape_or_country_is_suspect(
    scrape: Scrape, youtube: FakeYouTube, content: dict[str, Any], match: str
) -> None:
    section = {"musicAnalyticsSectionRenderer": {"content": content}}
    answer = {"contents": {"sectionListRenderer": {"contents": [None, section]}}}
    youtube.respond("charts", answer)
    with pytest.raises(SuspectError, match=match):
        scrape(category="music")


def test_a_chart_row_with_little_in_it(scrape: Scrape, youtube: FakeYouTube) -> None:
    row = {"id": "-_DaUyAB_DE", "chartEntryMetadata": {"currentPosition": 1}, "externalChannelId": "x", "title": 5}
    section = {"musicAnalyticsSectionRenderer": {"content": {"videos": [{"videoViews": [row]}]}}}
    answer: Any = {"contents": {"sectionListRenderer": {"contents": [section]}}}
    youtube.respond("charts", answer)
    (item,) = scrape(category="music")
    assert (item.title, item.author.id, item.duration_seconds, item.thumbnail_url) == (None, None, None, None)


def test_an_empty_hub_is_suspect(scrape: Scrape, youtube: FakeYouTube, monkeypatch: pytest.MonkeyPatch) -> None:
    youtube.set_hub("gaming", youtube.add_channel("@gamer", videos=2).videos)
    monkeypatch.setattr("ytworker_ytdlp.testing._trending.grid_entry", lambda *_: {"novelVideoModel": {}})
    with pytest.raises(SuspectError, match="never empty"):
        scrape(category="gaming")


# --- the Data API ---------------------------------------------------------------------------------------------------


def test_with_a_key_the_data_api_takes_its_turn(
    scrape: Scrape, youtube: FakeYouTube, port: FakePort, videos: tuple[FakeVideo, ...]
) -> None:
    items = {item.id: item for item in scrape(api_key="canary-key", top_n=200)}
    first = items[videos[50].id]
    assert (first.context.list, first.context.rank, first.context.country) == ("api:all", 1, "US")
    assert (first.metrics.views, first.metrics.likes) == (videos[50].views, videos[50].likes)
    assert (first.metrics.precision.views, first.published_at) == ("exact", videos[50].published_at)
    assert (first.duration_seconds, first.tags) == (videos[50].duration_seconds, videos[50].tags)
    both = items[videos[1].id]
    assert [label["source"] for label in both.extra["sources"]] == ["chart:music", "api:all"]
    assert both.metrics.views == videos[1].views
    (asked,) = (request for request in youtube.requests if request.host == "youtube.googleapis.com")
    assert "chart=mostPopular&regionCode=US&maxResults=50" in asked.query
    assert [source for source, _ in port.acquired if "data api" in source] == [KEY]
    assert port.reserved == [(KEY, "units", 1)]


def test_later_pages_of_the_data_api_are_asked_for_when_wanted(
    scrape: Scrape, youtube: FakeYouTube, port: FakePort
) -> None:
    videos = [
        youtube.update_video(video.id, category="Music") for video in youtube.add_channel("@pop", videos=60).videos
    ]
    youtube.set_api_chart("BV", videos)
    for top_n, pages in ((50, 1), (200, 2)):
        port.reserved.clear()
        found = scrape(category="music", country="BV", api_key="canary-key", top_n=top_n)
        assert _ids(found) == [video.id for video in videos[:top_n]]
        assert [item.context.rank for item in found] == list(range(1, len(found) + 1))
        assert len(port.reserved) == pages


def test_a_quota_that_is_used_up_is_so_for_every_worker_with_the_key(
    scrape: Scrape, youtube: FakeYouTube, port: FakePort
) -> None:
    youtube.respond("googleapis", {"error": {"code": 403, "errors": [{"reason": "quotaExceeded"}]}}, 403)
    with pytest.raises(QuotaError):
        scrape(category="music", country="AQ", api_key="canary-key")
    asked = len(youtube.requests)
    with pytest.raises(Deferred, match="units"):
        scrape(category="music", country="AQ", api_key="canary-key")
    assert len(youtube.requests) == asked


def test_r9_floods_in_the_data_api_are_cut_and_say_so(scrape: Scrape, youtube: FakeYouTube) -> None:
    snippet = {"title": "x" * 100_000, "description": "y" * 100_000, "tags": ["t"] * 100_000}
    youtube.respond("googleapis", {"items": [{"id": "-_DaUyAB_DE", "snippet": snippet}]})
    (item,) = scrape(category="music", country="AQ", api_key="k")
    assert item.extra["truncated"] == ["description", "tags", "title"]
    assert len(item.model_dump_json()) < 50_000


def test_the_key_is_in_no_address_item_or_note(
    scrape: Scrape,
    youtube: FakeYouTube,
    port: FakePort,
    videos: tuple[FakeVideo, ...],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    items = scrape(api_key="canary-key", top_n=200)
    told = [str(request) for request in youtube.requests] + [item.model_dump_json() for item in items]
    told += [caplog.text, repr(port)]
    assert not [text for text in told if "canary" in text]
    assert videos


def test_a_country_without_charts_but_with_a_key(
    scrape: Scrape, youtube: FakeYouTube, videos: tuple[FakeVideo, ...]
) -> None:
    with pytest.raises(PermanentError, match="videoChartNotFound"):
        scrape(category="music", country="AQ", api_key="k")
    youtube.set_api_chart("AQ", [video for video in videos if video.category == "Music"][:2])
    found = scrape(category="music", country="AQ", api_key="k")
    assert {(item.context.list, item.context.country) for item in found} == {("api:music", "AQ")}


REASONS = [
    (403, "quotaExceeded", QuotaError, "midnight in California"),
    (403, "rateLimitExceeded", ThrottledError, "rests a while"),
    (429, "x", ThrottledError, "rests a while"),
    (400, "keyInvalid", ConfigError, "plugins.trending_scrape.api_key"),
    (403, "accessNotConfigured", ConfigError, "plugins.trending_scrape.api_key"),
    (500, "backendError", RetryableError, "tried again"),
    (404, "videoChartNotFound", PermanentError, "no such chart"),
]


@pytest.mark.parametrize(("status", "reason", "error", "match"), REASONS)
def test_every_refusal_of_the_data_api_is_told_apart_by_its_reason(
    scrape: Scrape,
    port: FakePort,
    youtube: FakeYouTube,
    videos: tuple[FakeVideo, ...],
    status: int,
    reason: str,
    error: type[TaskError],
    match: str,
) -> None:
    body: Any = {"error": {"code": status, "errors": [{"reason": reason}]}}
    youtube.respond("googleapis", body, status)
    with pytest.raises(error, match=match) as caught:
        scrape(category="music", country="AQ", api_key="canary-key")
    assert caught.value.source == (f"{KEY}: units" if error is QuotaError else KEY)
    assert KEY in port.held  # until the engine has written the cool-down
    assert "canary" not in str(caught.value)
    assert videos


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (({"error": {"message": "API key not valid. Please pass a valid API key."}}, 400), ConfigError),
        (("<html>oops</html>",), SuspectError),
        (("<html>oops</html>", 503), RetryableError),
        (("<html>Blocked by your company</html>", 403), RetryableError),
        (({"items": [{"id": 5}, None]},), SuspectError),
    ],
)
def test_odd_answers_of_the_data_api(
    scrape: Scrape, youtube: FakeYouTube, answer: tuple[Any, ...], error: type[TaskError]
) -> None:
    youtube.respond("googleapis", *answer)
    with pytest.raises(error):
        scrape(category="music", country="AQ", api_key="k")


def test_u6_the_key_is_taken_nowhere_else_by_a_redirect(scrape: Scrape, youtube: FakeYouTube) -> None:
    youtube.fault("redirect", "googleapis", location="https://127.0.0.1:9/")
    with pytest.raises(TaskError, match="redirect was refused"):
        scrape(category="music", country="AQ", api_key="k")
    assert [request.host for request in youtube.requests] == ["youtube.googleapis.com"]


def test_a_broken_connection_to_the_data_api_is_tried_again(scrape: Scrape, youtube: FakeYouTube) -> None:
    youtube.fault("reset", "googleapis", times=-1)
    with pytest.raises(RetryableError):
        scrape(category="music", country="AQ", api_key="k")


def test_odd_values_of_the_data_api(scrape: Scrape, youtube: FakeYouTube) -> None:
    row: Any = {
        "id": "-_DaUyAB_DE",
        "snippet": {"publishedAt": "yesterday", "title": "", "tags": 5, "channelId": "x", "thumbnails": [1]},
        "contentDetails": {"duration": "P1DT1H"},
        "statistics": {"viewCount": "x", "commentCount": "7"},
    }
    youtube.respond("googleapis", {"items": [row]})
    (item,) = scrape(category="music", country="AQ", api_key="k")
    assert (item.published_at, item.title, item.duration_seconds) == (None, None, 90_000.0)
    assert (item.tags, item.author.id, item.thumbnail_url) == (None, None, None)
    assert json.loads(item.metrics.model_dump_json()) == {
        "views": None,
        "likes": None,
        "comments": 7,
        "precision": {"views": None, "likes": None, "comments": "exact"},
    }


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        (datetime(2026, 7, 1, 6, 0, tzinfo=UTC), 1),  # summer time: UTC-7
        (datetime(2026, 12, 1, 6, 0, tzinfo=UTC), 2),  # UTC-8
        (datetime(2026, 11, 1, 7, 0, tzinfo=UTC), 25),  # the clocks go back in this night
    ],
)
def test_the_quota_comes_back_at_midnight_in_california(now: datetime, hours: int) -> None:
    assert seconds_to_reset(now) == timedelta(hours=hours).total_seconds()
