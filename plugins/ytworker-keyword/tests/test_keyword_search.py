"""Whole searches, with the real yt-dlp behind the fake YouTube."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from ytworker import BlockedError, Cancelled, ConfigError, Item, RetryableError, SuspectError, TaskError, ThrottledError
from ytworker.testing import FakePort, make_context
from ytworker_keyword import YouTubeKeywordWorker, scraping
from ytworker_ytdlp import YtdlpSettings
from ytworker_ytdlp.testing import DEFAULT_NOW, FakeYouTube

Scrape = Callable[..., list[Item]]


@pytest.fixture
def nasa(youtube: FakeYouTube) -> list[str]:
    """Put 65 videos on the site that "nasa" finds; give their ids in YouTube's order."""
    try:
        youtube.channel("@NASA")
    except KeyError:
        youtube.add_channel("@NASA", title="NASA", videos=60, shorts=5)
    return [video.id for video in youtube.search("nasa")]


def _ids(items: list[Item]) -> list[str]:
    return [item.id for item in items]


@pytest.mark.parametrize(("top_n", "requests"), [(1, 1), (20, 1), (21, 2), (50, 3), (500, 4)])
def test_every_hit_has_its_query_position_and_page(
    scrape: Scrape, youtube: FakeYouTube, port: FakePort, nasa: list[str], top_n: int, requests: int
) -> None:
    items = scrape(query="nasa", top_n=top_n)
    assert _ids(items) == nasa[:top_n]
    for place, item in enumerate(items, 1):
        assert (item.context.query, item.context.list, item.context.rank) == ("nasa", "search", place)
        assert (item.extra["position"], item.extra["page"]) == (place, (place - 1) // 20 + 1)
        assert (item.metrics.views, item.metrics.precision.views) == (youtube.video(item.id).views, "exact")
        assert item.author.name == "NASA"
    assert len(youtube.requests) == len(port.acquired) == requests


def test_params_may_come_as_a_dict(worker: YouTubeKeywordWorker, settings: YtdlpSettings, nasa: list[str]) -> None:
    context = make_context(settings={"ytdlp": settings})
    assert _ids(list(worker.scrape({"query": "nasa", "top_n": 1}, context))) == nasa[:1]


def test_both_layouts_are_read(scrape: Scrape, youtube: FakeYouTube) -> None:
    youtube.add_channel("@lockup", title="Lockup", videos=25, layout="lockupViewModel")
    items = scrape(query="lockup")
    assert _ids(items) == [video.id for video in youtube.search("lockup")]
    assert all(item.title for item in items)
    assert {item.metrics.precision.views for item in items} <= {None, "rounded"}


# --- filters and orders ---------------------------------------------------------------------------------------------


def test_filters_are_asked_of_youtube(scrape: Scrape, youtube: FakeYouTube, nasa: list[str]) -> None:
    found = scrape(query="nasa", date_filter="week", duration_filter="medium", top_n=500)
    fits = [
        video.id
        for video in map(youtube.video, nasa)
        if video.published_at >= DEFAULT_NOW - timedelta(days=7) and 180 <= (video.duration_seconds or 0) <= 1200
    ]
    assert _ids(found) == fits
    assert 0 < len(fits) < 60


@pytest.mark.parametrize(("length", "low", "high"), [("short", 0, 180), ("medium", 180, 1200), ("long", 1200, 10**6)])
def test_a_length_that_youtube_does_not_heed_is_checked(
    scrape: Scrape, youtube: FakeYouTube, nasa: list[str], length: str, low: int, high: int
) -> None:
    youtube.search_behaves("nasa", heedless=True)
    found = scrape(query="nasa", duration_filter=length, top_n=10)
    youtube.search_behaves("nasa")
    assert found
    assert all(low - 1 <= (item.duration_seconds or low) <= high + 1 for item in found)
    assert _ids(found) == [each for each in nasa if each in _ids(found)]


def test_by_views(scrape: Scrape, youtube: FakeYouTube, nasa: list[str]) -> None:
    found = scrape(query="nasa", sort_by="views", top_n=30)
    views = sorted((youtube.video(each).views for each in nasa), reverse=True)
    assert [item.metrics.views for item in found] == views[:30]
    assert [item.context.rank for item in found] == list(range(1, 31))


@pytest.mark.parametrize("sort_by", ["date", "rating"])
def test_an_order_that_youtube_dropped_is_made_here_and_said(
    scrape: Scrape, youtube: FakeYouTube, port: FakePort, nasa: list[str], sort_by: str
) -> None:
    found = scrape(query="nasa", sort_by=sort_by, top_n=8)
    videos = [youtube.video(each) for each in nasa[:8]]
    keys: dict[str, Callable[[Any], Any]] = {
        "date": lambda video: video.published_at,
        "rating": lambda video: video.likes / video.views,
    }
    assert _ids(found) == [video.id for video in sorted(videos, key=keys[sort_by], reverse=True)]
    assert {item.extra["sorted_after_fetching"] for item in found} == {sort_by}
    assert sorted(item.extra["position"] for item in found) == list(range(1, 9))
    assert f"no longer sorts by {sort_by}" in str(port.progressed[0][2])
    assert len(youtube.requests) == 1 + 2 * 8


def test_rank_by_views_per_hour(scrape: Scrape, youtube: FakeYouTube, nasa: list[str]) -> None:
    found = scrape(query="nasa", rank_by="views_per_hour", top_n=5)
    scores = [item.extra["score"] for item in found]
    assert scores == sorted(scores, reverse=True)
    first = youtube.video(found[0].id)
    hours = (DEFAULT_NOW - first.published_at).total_seconds() / 3600
    assert scores[0] == pytest.approx(first.views / hours)
    assert {item.extra["rank_by"] for item in found} == {"views_per_hour"}
    assert [item.context.rank for item in found] == [1, 2, 3, 4, 5]
    assert sorted(_ids(found)) == sorted(nasa[:5])


def test_the_last_hour_is_checked_after_fetching(scrape: Scrape, youtube: FakeYouTube, port: FakePort) -> None:
    channel = youtube.add_channel("@Minutely", videos=6, every=timedelta(minutes=30))
    young = [video.id for video in youtube.search("minutely") if video.published_at >= DEFAULT_NOW - timedelta(hours=1)]
    assert 0 < len(young) < len(channel.videos)
    assert _ids(scrape(query="minutely", date_filter="hour")) == young
    assert "no longer offers the last hour" in str(port.progressed[0][2])


def test_a_filter_that_is_not_heeded_ends_the_search(
    scrape: Scrape, youtube: FakeYouTube, nasa: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scraping, "PATIENCE", 4)
    youtube.fault("http503", "continuation", times=-1)  # nobody may go on to the second page
    assert set(_ids(scrape(query="nasa", date_filter="hour"))) <= set(nasa)
    assert len(youtube.requests) <= 1 + 2 * 20


# --- literal queries ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "%(title)s {0.__class__} ${HOME} `id`",
        "' OR 1=1; --",
        "nul \x00 escape \x1b[31m newline\nand tab\t",
        "right to left \u202e override",
        "🚀👩‍🚀 emoji",
        "%00 %2e%2e &sp=CAI%253D&x=1 #fragment ?q=",
        "ytsearch5:nasa",
        "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
        "file:///etc/passwd",
        "--exec=id",
        ":ythistory",
        "  blanks at both ends  ",
        "x" * 200,
    ],
)
def test_u10_a_hostile_query_is_searched_for_and_stored_literally(
    scrape: Scrape, youtube: FakeYouTube, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = youtube.add_channel("@Anything", videos=1).videos
    monkeypatch.setattr("ytworker_ytdlp.testing._catalogue.Catalogue.search", lambda _, asked: found * (asked == query))
    (item,) = scrape(query=query)
    assert item.context.query == query
    assert [request.path for request in youtube.requests] == ["/youtubei/v1/search"]
    assert youtube.requests[0].what == f"query={query}"


@pytest.mark.parametrize("query", ["captcha challenge", "this video is private", "rate-limited by YouTube"])
def test_u10_a_query_does_not_word_the_verdict_on_a_failure(scrape: Scrape, youtube: FakeYouTube, query: str) -> None:
    youtube.fault("incomplete", "v1/search", times=-1)
    with pytest.raises(RetryableError) as caught:
        scrape(query=query)
    assert caught.value.error_class == "transient"


# --- empty, hollow, endless -----------------------------------------------------------------------------------------


def test_nothing_found_is_legally_empty_where_youtube_says_so(scrape: Scrape, youtube: FakeYouTube) -> None:
    assert scrape(query="nothing of the kind") == []
    assert len(youtube.requests) == 1


def test_a_page_that_says_nothing_is_no_empty_success(scrape: Scrape, youtube: FakeYouTube) -> None:
    youtube.search_behaves("nothing of this kind", silent=True)
    with pytest.raises(SuspectError, match="none says that there is none"):
        scrape(query="nothing of this kind")


@pytest.mark.parametrize("after", [0, 1])
def test_an_incomplete_page_is_no_end(scrape: Scrape, youtube: FakeYouTube, nasa: list[str], after: int) -> None:
    youtube.fault("incomplete", "v1/search", times=-1, after=after)
    with pytest.raises(RetryableError, match="Incomplete data"):
        scrape(query="nasa")
    assert nasa


def test_hits_of_an_unknown_shape_are_suspect(scrape: Scrape, youtube: FakeYouTube, nasa: list[str]) -> None:
    youtube.search_behaves("nasa", layout=True)
    with pytest.raises(SuspectError, match="update yt-dlp"):
        scrape(query="nasa")
    youtube.search_behaves("nasa")
    assert nasa


def test_an_empty_page_before_the_end_is_turned(scrape: Scrape, youtube: FakeYouTube, nasa: list[str]) -> None:
    youtube.search_behaves("nasa", short=True)
    items = scrape(query="nasa", top_n=500)
    youtube.search_behaves("nasa")
    assert _ids(items) == [*nasa[:20], *nasa[21:]]  # the empty page stands for one hit
    assert items[20].extra["page"] == 3


def test_u12_a_page_that_leads_to_itself_ends_the_search(scrape: Scrape, youtube: FakeYouTube, nasa: list[str]) -> None:
    youtube.search_behaves("nasa", loop=True)
    assert _ids(scrape(query="nasa", top_n=500)) == nasa[:40]
    youtube.search_behaves("nasa")
    assert len(youtube.requests) <= 4


def test_a_corrected_query_is_said(scrape: Scrape, youtube: FakeYouTube, nasa: list[str]) -> None:
    youtube.search_behaves("nsaa", corrected="nasa")
    items = scrape(query="nsaa", top_n=30)
    assert (_ids(items), items[-1].extra["page"]) == (nasa[:30], 2)
    assert {(item.context.query, item.extra["corrected_query"]) for item in items} == {("nsaa", "nasa")}


# --- failures -------------------------------------------------------------------------------------------------------


def test_a_503_on_page_2_and_a_second_attempt_leave_no_duplicate(
    scrape: Scrape, youtube: FakeYouTube, nasa: list[str]
) -> None:
    youtube.fault("http503", "continuation", times=2)
    with pytest.raises(RetryableError):
        scrape(query="nasa", top_n=40)
    assert _ids(scrape(query="nasa", top_n=40)) == nasa[:40]


@pytest.mark.parametrize(
    ("fault", "match", "error"),
    [
        ("http429", "v1/search", ThrottledError),
        ("http429-retry-after", "v1/search", ThrottledError),
        ("http403", "v1/search", ConfigError),
        ("not-json", "v1/search", RetryableError),
        ("reset", "v1/search", RetryableError),
        ("http429-retry-after", "/watch", ThrottledError),
        ("bot", "/player", BlockedError),
    ],
)
def test_what_concerns_us_is_a_failure(
    scrape: Scrape, youtube: FakeYouTube, nasa: list[str], fault: str, match: str, error: type[TaskError]
) -> None:
    youtube.fault(fault, match, times=-1)
    with pytest.raises(error) as caught:
        scrape(query="nasa", depth="full", top_n=3)
    assert caught.value.source
    assert nasa


def test_a_changed_layout_that_breaks_yt_dlp_is_a_bug(
    scrape: Scrape, nasa: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        msg = "'NoneType' object is not subscriptable"
        raise TypeError(msg)

    monkeypatch.setattr("yt_dlp.extractor.youtube._tab.YoutubeTabBaseInfoExtractor._extract_video", broken)
    with pytest.raises(TaskError, match="update yt-dlp") as caught:
        scrape(query="nasa")
    assert caught.value.error_class == "bug"
    assert nasa


# --- whole records and second attempts ------------------------------------------------------------------------------


def test_whole_records(scrape: Scrape, youtube: FakeYouTube, port: FakePort, nasa: list[str]) -> None:
    items = scrape(query="nasa", depth="full", top_n=12)
    videos = [youtube.video(each) for each in nasa[:12]]
    assert [(item.id, item.tags, item.published_at) for item in items] == [
        (video.id, video.tags, video.published_at) for video in videos
    ]
    assert [item.extra["position"] for item in items] == list(range(1, 13))
    assert port.checkpoints == [{"given": nasa[:10]}]


def test_a_second_attempt_gives_the_rest(scrape: Scrape, youtube: FakeYouTube, nasa: list[str]) -> None:
    items = scrape(query="nasa", depth="full", top_n=12, checkpoint={"given": nasa[:10]})
    assert [(item.id, item.context.rank) for item in items] == [(nasa[10], 11), (nasa[11], 12)]
    assert len(youtube.requests) == 1 + 2 * 2


def test_a_second_attempt_at_a_sorted_list_reads_nothing_twice(
    scrape: Scrape, youtube: FakeYouTube, port: FakePort, nasa: list[str]
) -> None:
    whole = scrape(query="nasa", rank_by="age", top_n=12)
    saved = port.checkpoints[-1]
    assert [each["id"] for each in saved["read"]] == nasa[:10]
    youtube.reset()
    assert scrape(query="nasa", rank_by="age", top_n=12, checkpoint=saved) == whole
    assert len(youtube.requests) == 1 + 2 * 2


@pytest.mark.parametrize(("rank_by", "name"), [("position", "given"), ("age", "read")])
def test_a_block_after_nine_records_costs_none_of_them(
    scrape: Scrape, youtube: FakeYouTube, port: FakePort, nasa: list[str], rank_by: str, name: str
) -> None:
    youtube.fault("ratelimited", "/player", times=-1, after=9)
    with pytest.raises(ThrottledError):
        scrape(query="nasa", rank_by=rank_by, depth="full", top_n=12)
    (saved,) = port.checkpoints
    assert [each["id"] if name == "read" else each for each in saved[name]] == nasa[:9]
    youtube.reset()
    items = scrape(query="nasa", rank_by=rank_by, depth="full", top_n=12, checkpoint=saved)
    assert len(items) == (12 if name == "read" else 3)
    assert len(youtube.requests) == 1 + 2 * 3


@pytest.mark.parametrize(("rank_by", "name"), [("position", "given"), ("views_per_hour", "read")])
def test_two_that_cannot_be_read_cost_none_of_those_before(
    scrape: Scrape, youtube: FakeYouTube, port: FakePort, nasa: list[str], rank_by: str, name: str
) -> None:
    youtube.fault("reshaped", f"/player.*({nasa[4]}|{nasa[5]})", times=-1)
    with pytest.raises(TaskError):
        scrape(query="nasa", rank_by=rank_by, depth="full", top_n=12)
    (saved,) = port.checkpoints
    assert [each["id"] if name == "read" else each for each in saved[name]] == nasa[:4]


@pytest.mark.parametrize("rank_by", ["position", "views_per_hour"])
def test_one_video_that_cannot_be_read_costs_its_own_record_only(
    scrape: Scrape, youtube: FakeYouTube, nasa: list[str], rank_by: str
) -> None:
    youtube.fault("reshaped", f"/player.*{nasa[1]}", times=-1)
    items = {item.id: item for item in scrape(query="nasa", rank_by=rank_by, depth="full", top_n=4)}
    assert sorted(items) == sorted(nasa[:4])
    assert [("unavailable" in items[each].extra) for each in nasa[:4]] == [False, True, False, False]
    assert items[nasa[1]].title == youtube.video(nasa[1]).title
    assert list(items)[-1] == nasa[1] or rank_by == "position"


def test_a_checkpoint_never_outgrows_its_limit(
    scrape: Scrape, port: FakePort, nasa: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scraping, "CHECKPOINT_CHARACTERS", 10)
    assert len(scrape(query="nasa", rank_by="age", top_n=10)) == 10
    assert port.checkpoints == []
    assert nasa


@pytest.mark.parametrize("saved", [{"given": 5, "read": 5}, {"read": [{"id": 1}]}, [], "x", {"given": [1]}])
def test_a_foreign_checkpoint_counts_as_none(scrape: Scrape, nasa: list[str], saved: Any) -> None:
    assert _ids(scrape(query="nasa", top_n=2, checkpoint=saved)) == nasa[:2]


def test_a_cancelled_task_stops(scrape: Scrape, port: FakePort, nasa: list[str]) -> None:
    port.stop = True
    with pytest.raises(Cancelled):
        scrape(query="nasa")
    assert nasa
