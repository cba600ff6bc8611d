"""From records to items: what is missing, hidden or odd is null."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ytworker import Item, ItemContext
from ytworker_api.mapping import Hit, missing_item, search_hit, upload_hit, video_item
from ytworker_api.parameters import DEFAULT_PARTS
from ytworker_api.testing import make_video

ALL = frozenset[str](DEFAULT_PARTS)
ID = "-2IlD-x8wvY"


def item(**changes: Any) -> Item:
    return video_item(make_video(ID, **changes), ALL)


def test_a_whole_record() -> None:
    found = item(statistics={"viewCount": "3507573655", "likeCount": "17078355", "commentCount": "0"})
    assert found.id == ID
    assert found.url == f"https://www.youtube.com/watch?v={ID}"
    assert found.title == f"Video {ID}"
    assert found.tags == ("one", "two")
    assert found.author.url == f"https://www.youtube.com/channel/{found.author.id}"
    assert found.thumbnail_url == f"https://i.ytimg.com/vi/{ID}/maxres.jpg"
    assert found.language == "en"
    assert (found.metrics.views, found.metrics.likes, found.metrics.comments) == (3507573655, 17078355, 0)
    assert set(found.metrics.precision.model_dump().values()) == {"exact"}
    assert (found.live_status, found.availability) == ("not_live", "public")
    assert found.extra["category_id"] == "28"


def test_hidden_counts_are_null() -> None:
    found = video_item({**make_video(ID), "statistics": {"viewCount": "7"}}, ALL)
    assert (found.metrics.views, found.metrics.likes, found.metrics.comments) == (7, None, None)
    assert found.metrics.precision.likes is None


def test_r9_floods_are_cut_and_say_so() -> None:
    snippet = {**make_video(ID)["snippet"], "title": "x" * 10**6, "description": "y" * 10**6, "tags": ["t"] * 10**5}
    found = video_item({**make_video(ID), "snippet": snippet}, ALL)
    assert found.extra["truncated"] == ["description", "tags", "title"]
    assert len(found.model_dump_json()) < 50_000
    assert "truncated" not in item().extra


@pytest.mark.parametrize("value", ["1.2M", None, -1, "-1", 2**63, str(2**63), "9" * 5_000, 1.5, [], True, "", "٣"])
def test_r5_a_count_of_a_wrong_type_is_null(value: Any) -> None:
    found = item(statistics={"viewCount": value})
    assert found.metrics.views is None
    assert found.metrics.precision.views is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT4M13S", 253.0),
        ("PT1H", 3600.0),
        ("P1DT2H3M4S", 93784.0),
        ("P1W", 604800.0),
        ("PT0S", 0.0),
        ("P0D", 0.0),
        ("PT1.5S", 1.5),
        ("PT", None),
        ("P", None),
        ("4:13", None),
        (None, None),
        (253, None),
        ("PT" + "9" * 400 + "S", None),
    ],
)
def test_durations(text: Any, seconds: float | None) -> None:
    assert item(contentDetails={"duration": text}).duration_seconds == seconds


@pytest.mark.parametrize(
    ("content", "live", "parts", "expected"),
    [
        ("live", {"actualStartTime": "2026-11-01T00:00:00Z"}, ALL, "is_live"),
        ("upcoming", {"scheduledStartTime": "2026-12-01T00:00:00Z"}, ALL, "is_upcoming"),
        ("none", {"actualEndTime": "2026-11-01T02:00:00Z"}, ALL, "was_live"),
        ("none", None, ALL, "not_live"),
        ("none", None, frozenset({"snippet"}), None),
        ("strange", None, ALL, None),
    ],
)
def test_streams(content: str, live: dict[str, str] | None, parts: frozenset[str], expected: str | None) -> None:
    record = make_video(
        ID,
        snippet={"liveBroadcastContent": content},
        contentDetails={"duration": "P0D" if content in {"live", "upcoming"} else "PT2M"},
        liveStreamingDetails=live,
    )
    found = video_item(record, parts)
    assert found.live_status == expected
    assert found.duration_seconds == (None if content in {"live", "upcoming"} else 120.0)
    assert found.is_short is (False if expected in {"is_live", "was_live"} else None)


@pytest.mark.parametrize(("duration", "expected"), [("PT3M", None), ("PT3M1S", False), (None, None)])
def test_a_long_video_is_no_short_and_a_short_one_may_be(duration: str | None, expected: bool | None) -> None:
    assert item(contentDetails={"duration": duration}).is_short is expected


def test_what_says_more_is_in_extra() -> None:
    found = item(
        contentDetails={
            "contentRating": {"ytRating": "ytAgeRestricted"},
            "regionRestriction": {"blocked": ["DE"]},
        },
        status={"privacyStatus": "unlisted"},
        liveStreamingDetails={"concurrentViewers": "12", "scheduledStartTime": "2026-12-01T00:00:00Z"},
    )
    assert found.availability == "unlisted"
    assert found.extra["age_limit"] == 18
    assert found.extra["regions_blocked"] == ["DE"]
    assert found.extra["concurrent_viewers"] == 12
    assert found.extra["release_at"] == "2026-12-01T00:00:00Z"


@pytest.mark.parametrize("junk", [None, 7, "text", [], [1], {"title": 7}, {"thumbnails": {"default": {"url": 3}}}])
def test_r5_parts_of_a_wrong_type_say_nothing(junk: Any) -> None:
    record = {"id": ID, "snippet": junk, "contentDetails": junk, "statistics": junk, "status": junk}
    found = video_item(record, ALL)
    assert found.title is None
    assert found.metrics.views is None
    assert found.published_at is None


def test_thumbnails_of_other_schemes_and_times_without_a_zone_are_left_out() -> None:
    found = item(
        snippet={
            "publishedAt": "2026-11-01T00:00:00",
            "thumbnails": {"default": {"url": "javascript:alert(1)", "width": 9999}},
        }
    )
    assert (found.published_at, found.thumbnail_url) == (None, None)


def test_texts_that_utf8_cannot_hold() -> None:
    assert item(snippet={"title": "half \ud83d of one"}).title == "half ? of one"


def test_the_publish_time_of_statistics_counts_too() -> None:
    found = video_item({"id": ID, "snippet": {"publishTime": "2026-11-01T00:00:00Z"}}, frozenset({"snippet"}))
    assert found.published_at == datetime(2026, 11, 1, tzinfo=UTC)
    assert found.tags is None


def test_no_tags_are_none_and_not_unknown() -> None:
    record = make_video(ID)
    del record["snippet"]["tags"]
    assert video_item(record, ALL).tags == ()


def test_a_video_that_is_left_out() -> None:
    gone = missing_item(Hit(ID))
    assert (gone.availability, gone.title) == ("gone", None)
    assert "left it out" in str(gone.extra["unavailable"])
    private = upload_hit(
        {"contentDetails": {"videoId": ID}, "status": {"privacyStatus": "private"}}, ItemContext(rank=3)
    )
    assert private is not None
    assert missing_item(private).availability == "private"


def test_what_a_search_says_is_kept_where_nothing_may_be_concluded() -> None:
    record = {"id": {"videoId": ID}, "snippet": {"title": "Pipe &amp; Backdoor", "publishedAt": "2026-11-01T00:00:00Z"}}
    hit = search_hit(record, ItemContext(query="surf"))
    assert hit is not None
    found = missing_item(hit, gone=False)
    assert (found.title, found.availability, found.context.query) == ("Pipe & Backdoor", None, "surf")


@pytest.mark.parametrize("record", [None, {}, {"id": "text"}, {"id": {"videoId": 7}}, {"id": {"videoId": "x"}}])
def test_an_entry_that_names_no_video(record: Any) -> None:
    assert search_hit(record, ItemContext()) is None
    assert upload_hit(record, ItemContext()) is None
