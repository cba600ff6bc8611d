"""One item, one meaning: whoever finds a video tells the same of it, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ytworker import Item
from ytworker.queue.merging import rounding_step
from ytworker.testing import make_context
from ytworker_api import ApiSettings, YouTubeAPIWorker
from ytworker_api.client import close
from ytworker_api.testing import FakeDataApi
from ytworker_channel import YouTubeChannelWorker
from ytworker_keyword import YouTubeKeywordWorker
from ytworker_trending import TrendingSettings, YouTubeTrendingWorker
from ytworker_ytdlp import YtdlpSettings
from ytworker_ytdlp.testing import FakeVideo, FakeYouTube

FIELDS = (
    "source",
    "kind",
    "url",
    "title",
    "description",
    "tags",
    "published_at",
    "duration_seconds",
    "language",
    "is_short",
    "live_status",
    "availability",
)
LIST: dict[str, Any] = {"content": "videos", "depth": "list"}


@pytest.fixture
def api() -> Iterator[FakeDataApi]:
    with FakeDataApi() as server:
        yield server
        close()


def sights(youtube: FakeYouTube, api: FakeDataApi, video: FakeVideo) -> dict[str, Item]:
    """Scrape in every way there is and give what each way tells of the video."""
    sections = {
        "ytdlp": YtdlpSettings(**youtube.settings()),
        "trending_scrape": TrendingSettings(api_key="k"),
        "api_scrape": ApiSettings.model_validate(api.settings()),
    }
    channel = {"channel_url": video.channel.id}
    asked: list[tuple[str, Any, dict[str, Any]]] = [
        *((route, YouTubeChannelWorker(), {**channel, **LIST, "route": route}) for route in ("tab", "uploads", "feed")),
        ("page", YouTubeChannelWorker(), {**channel, "content": "videos", "top_n": 1}),
        ("hits", YouTubeKeywordWorker(), {"query": "Manywhere", "top_n": 1}),
        ("records of hits", YouTubeKeywordWorker(), {"query": "Manywhere", "top_n": 1, "depth": "full"}),
        *(
            (f"trending {category}", YouTubeTrendingWorker(), {"category": category, "country": country})
            for category, country in (("music", "GB"), ("gaming", "GB"), ("movies", "AQ"))
        ),
        ("api", YouTubeAPIWorker(), {"resource": "videos", "ids": [video.id]}),
    ]
    return {
        name: next(item for item in worker.scrape(params, make_context(settings=sections)) if item.id == video.id)
        for name, worker, params in asked
    }


def test_the_same_video_from_every_plugin_and_route_is_one_item(youtube: FakeYouTube, api: FakeDataApi) -> None:
    made = youtube.add_channel("@Manywhere", title="Manywhere", videos=1).videos[0]
    video = youtube.update_video(made.id, views=1_234_567, duration_seconds=754.0)
    youtube.set_chart("music", "GB", [video])
    youtube.set_hub("gaming", [video])
    youtube.set_api_chart("AQ", [youtube.update_video(video.id, category="Film & Animation")])
    api.add_video(
        video.id,
        snippet={
            "title": video.title,
            "description": video.description,
            "channelId": video.channel.id,
            "channelTitle": video.channel.title,
            "publishedAt": video.published_at.isoformat(),
            "tags": list(video.tags),
            "defaultAudioLanguage": video.language,
        },
        contentDetails={"duration": "PT12M34S"},
        statistics={"viewCount": str(video.views), "likeCount": str(video.likes)},
    )
    found = sights(youtube, api, video)
    for name in FIELDS:
        told = {way: getattr(item, name) for way, item in found.items() if getattr(item, name) is not None}
        assert len(set(map(str, told.values()))) == 1, told
    for name in ("id", "name", "url", "followers"):
        told = {way: getattr(item.author, name) for way, item in found.items()}
        assert len({value for value in told.values() if value is not None}) == 1, told
    for way, item in found.items():
        views, precision = item.metrics.views, item.metrics.precision.views
        assert (precision is None) == (views is None), way
        assert views is None or abs(views - 1_234_567) < (rounding_step(views) if precision == "rounded" else 1), way
    assert {way for way, item in found.items() if item.metrics.precision.views == "rounded"} == {"uploads"}
