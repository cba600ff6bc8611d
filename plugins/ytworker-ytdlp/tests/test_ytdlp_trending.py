"""Hubs and charts, behind the fake YouTube; ytworker-trending tests what becomes of them."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any

import pytest

from ytworker import GoneError, PermanentError, SuspectError
from ytworker_ytdlp import CHART_COUNTRIES, HUB_URLS, Session, listed_item, open_hub, read_chart
from ytworker_ytdlp.testing import FakeVideo, FakeYouTube


@pytest.fixture
def videos(youtube: FakeYouTube) -> tuple[FakeVideo, ...]:
    try:
        channel = youtube.channel("@Trends")
    except KeyError:
        channel = youtube.add_channel("@Trends", videos=40, streams=20)
    for hub in ("gaming", "podcasts"):
        youtube.set_hub(hub, channel.videos[:30])
    youtube.set_hub("live", channel.streams)
    youtube.set_chart("music", "GB", channel.videos[:3])
    return channel.videos


@pytest.mark.parametrize(("hub", "precision"), [("gaming", "exact"), ("podcasts", "rounded"), ("live", "exact")])
def test_a_hub(session: Session, youtube: FakeYouTube, videos: tuple[FakeVideo, ...], hub: Any, precision: str) -> None:
    listing = open_hub(session, hub)
    shown = youtube.channel("@Trends").streams if hub == "live" else videos[:30]
    assert len(youtube.requests) == 2
    items = [listed_item(entry, listing, rank) for rank, entry in enumerate(listing.entries, 1)]
    assert [item.id for item in items] == [video.id for video in shown]
    assert {item.context.list for item in items} == {f"hub:{hub}"}
    assert {item.metrics.precision.views for item in items} <= {None, precision}
    assert len(youtube.requests) == (3 if hub == "live" else 2)


def test_a_hub_that_is_gone(session: Session, youtube: FakeYouTube) -> None:
    youtube.set_hub("podcasts", [])
    with pytest.raises(GoneError, match="the podcasts hub"):
        open_hub(session, "podcasts")


def test_a_hub_without_a_video_is_suspect(
    session: Session, youtube: FakeYouTube, videos: tuple[FakeVideo, ...]
) -> None:
    tab = {"tabRenderer": {"selected": True, "content": {"richGridRenderer": {"contents": []}}}}
    youtube.respond("v1/browse", {"contents": {"twoColumnBrowseResultsRenderer": {"tabs": [tab]}}})
    with pytest.raises(SuspectError, match="never empty"):
        open_hub(session, "live")
    assert videos


def test_a_chart(session: Session, youtube: FakeYouTube, videos: tuple[FakeVideo, ...]) -> None:
    items = read_chart(session, "music", "GB")
    assert [(item.id, item.context.rank, item.context.country) for item in items] == [
        (video.id, rank, "GB") for rank, video in enumerate(videos[:3], 1)
    ]
    assert items[0].extra == {"artists": ["Trends"], "release_date": f"{videos[0].published_at:%Y-%m-%d}"}
    assert len(youtube.requests) == 1


def test_a_chart_that_is_missing_once_is_there(
    session: Session, youtube: FakeYouTube, videos: tuple[FakeVideo, ...]
) -> None:
    youtube.fault("http404", "charts")
    assert len(read_chart(session, "music", "GB")) == len(videos[:3])
    youtube.fault("http404", "charts", times=2)
    with pytest.raises(GoneError):
        read_chart(session, "music", "GB")


def test_a_chart_that_a_country_lacks(session: Session, youtube: FakeYouTube) -> None:
    with pytest.raises(PermanentError, match="do not cover AQ, only these 61"):
        read_chart(session, "music", "AQ")
    assert youtube.requests == []
    with pytest.raises(PermanentError):
        read_chart(session, "movies", "GB")
    assert "GB" in CHART_COUNTRIES


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {"contents": {"sectionListRenderer": {"contents": [{"musicAnalyticsSectionRenderer": {}}]}}},
        {
            "contents": {
                "sectionListRenderer": {
                    "contents": [
                        {
                            "musicAnalyticsSectionRenderer": {
                                "content": {
                                    "perspectiveMetadata": {"requestParams": {"chartParams": {"countryCode": "de"}}}
                                }
                            }
                        }
                    ]
                }
            }
        },
    ],
)
def test_a_chart_that_is_none_is_suspect(session: Session, youtube: FakeYouTube, content: Any) -> None:
    youtube.respond("charts", content)
    with pytest.raises(SuspectError):
        read_chart(session, "music", "GB")


def test_a_chart_row_with_little_in_it(session: Session, youtube: FakeYouTube) -> None:
    row = {"id": "-_DaUyAB_DE", "chartEntryMetadata": {"currentPosition": 1}, "externalChannelId": "x", "title": 5}
    section = {"musicAnalyticsSectionRenderer": {"content": {"videos": [{"videoViews": [row, {"id": "x"}]}]}}}
    youtube.respond("charts", {"contents": {"sectionListRenderer": {"contents": [section]}}})
    (item,) = read_chart(session, "music", "GB")
    assert (item.title, item.author.id, item.duration_seconds, item.thumbnail_url) == (None, None, None, None)


def test_the_addresses_of_the_hubs_are_ours() -> None:
    assert set(HUB_URLS) == {"gaming", "live", "podcasts"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/youtube/v3/videos?chart=mostPopular&regionCode=GB&maxResults=2", 200),
        ("/youtube/v3/videos?chart=mostPopular&regionCode=GB&videoCategoryId=1&maxResults=2", 200),
        ("/youtube/v3/videos?chart=mostPopular&regionCode=FR", 404),
        ("/youtube/v3/search", 404),
    ],
)
def test_the_fake_serves_the_data_api_chart(
    youtube: FakeYouTube, videos: tuple[FakeVideo, ...], path: str, status: int
) -> None:
    import ssl

    youtube.set_api_chart("GB", videos)
    context = ssl.create_default_context(cafile=youtube.ca_file)
    handlers = urllib.request.ProxyHandler({"https": youtube.proxy_url}), urllib.request.HTTPSHandler(context=context)
    opener = urllib.request.build_opener(*handlers)
    try:
        with opener.open(f"https://youtube.googleapis.com{path}") as answer:
            assert (answer.status, b"youtube#video" in answer.read()) == (status, True)
    except urllib.error.HTTPError as error:
        with error:
            assert error.code == status  # noqa: PT017 - either is an answer
