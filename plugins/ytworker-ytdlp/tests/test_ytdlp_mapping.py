"""From info dicts to items: nothing invented, nothing of a wrong type."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytworker import Author, Item, MetricPrecision, Metrics
from ytworker_ytdlp import ChannelFacts, Listing, full_item, listed_item, merged

NASA = "UCLA_DiR1FfKNvjuUpBHmylQ"
OTHER = "UCYJ61XIK64sp6ZFFS8sctxw"
VIDEO = "dQw4w9WgXcQ"


def _listing(name: str) -> Listing:
    return Listing(name, ChannelFacts(id=NASA, name="NASA", followers=5), iter(()))


def _listed(name: str = "videos", **entry: Any) -> Item:
    return listed_item({"id": VIDEO, **entry}, _listing(name), 3)


@pytest.mark.parametrize(
    ("name", "entry", "precision"),
    [
        ("videos", {"description": None}, "exact"),
        ("streams", {"description": "x"}, "exact"),
        ("search", {"description": None}, "exact"),
        ("videos", {}, "rounded"),
        ("shorts", {"description": None}, "rounded"),
        ("uploads", {"description": None}, "rounded"),
        ("uploads:shorts", {}, "rounded"),
    ],
)
def test_views_of_a_list_say_how_far_they_are_true(name: str, entry: dict[str, Any], precision: str) -> None:
    item = _listed(name, view_count=1200, **entry)
    assert item.metrics == Metrics(views=1200, precision=MetricPrecision(views=precision))  # type: ignore[arg-type]
    assert _listed(name, **entry).metrics == Metrics()


def test_a_listed_video_knows_its_channel_and_place() -> None:
    item = _listed(title="T", duration=61, thumbnails=[{"url": "https://a", "width": 1}, {"url": "https://b"}])
    assert item.author == Author(id=NASA, name="NASA", url=f"https://www.youtube.com/channel/{NASA}", followers=5)
    assert (item.context.list, item.context.rank) == ("videos", 3)
    assert (item.tags, item.published_at, item.metrics.likes) == (None, None, None)
    assert (item.duration_seconds, item.thumbnail_url) == (61.0, "https://a")


@pytest.mark.parametrize("name", ["videos", "search", "uploads"])
def test_a_snippet_of_a_list_is_no_description(name: str) -> None:
    item = _listed(name, description="The first words …")
    assert (item.description, item.extra) == (None, {"snippet": "The first words …"})
    assert _listed(name, description="").extra == {}


def test_a_snippet_goes_once_the_description_is_known() -> None:
    listed = _listed(description="The first words …")
    full = merged(listed, full_item({**FULL, "description": "The first words and all others"}))
    assert full.description == "The first words and all others"
    assert "snippet" not in full.extra
    stub = merged(listed, Item(source="youtube", id=VIDEO, extra={"unavailable": "x"}))
    assert stub.extra == {"snippet": "The first words …", "unavailable": "x"}


def test_a_video_of_another_channel_gets_no_facts_of_this_one() -> None:
    item = _listed(channel_id=OTHER, channel="Gronkh")
    assert item.author == Author(id=OTHER, name="Gronkh", url=f"https://www.youtube.com/channel/{OTHER}")


@pytest.mark.parametrize(
    ("name", "url", "short"),
    [
        ("shorts", None, True),
        ("uploads:shorts", None, True),
        ("uploads", f"https://www.youtube.com/shorts/{VIDEO}", True),
        ("uploads", f"https://www.youtube.com/watch?v={VIDEO}", None),
        ("videos", None, False),
        ("streams", None, None),
    ],
)
def test_shorts(name: str, url: str | None, short: bool | None) -> None:
    assert _listed(name, url=url).is_short is short


def test_a_live_and_a_members_video_in_a_list() -> None:
    live = _listed(live_status="is_live", concurrent_view_count=7, availability="subscriber_only")
    assert (live.live_status, live.availability) == ("is_live", "members_only")
    assert live.extra == {"concurrent_viewers": 7}
    assert live.metrics.views is None
    soon = _listed(live_status="is_upcoming", release_timestamp=1_780_000_000)
    assert soon.extra == {"release_at": "2026-05-28T20:26:40Z"}


FULL: dict[str, Any] = {
    "id": VIDEO,
    "title": "T",
    "description": "",
    "tags": ["a", "b"],
    "channel_id": NASA,
    "channel": "NASA",
    "channel_follower_count": 12_000_000,
    "timestamp": 1_780_000_000,
    "upload_date": "20260528",
    "duration": 61,
    "view_count": 123_456,
    "like_count": 789,
    "comment_count": 1200,
    "availability": "public",
    "live_status": "not_live",
    "media_type": "short",
    "categories": ["Science"],
    "age_limit": 0,
    "chapters": [{"title": "One", "start_time": 0, "end_time": 5}, {"title": "x"}, None],
    "subtitles": {"en": [], "de": [], "live_chat": []},
    "automatic_captions": {"en-orig": [], "fr": []},
    "thumbnail": "https://i.ytimg.com/x.jpg",
}


@pytest.mark.parametrize(("shown", "availability"), [("[Private video]", "private"), ("[Deleted video]", "gone")])
def test_what_a_list_shows_in_place_of_a_title_is_none(shown: str, availability: str) -> None:
    hidden = _listed("playlist", title=shown)
    assert (hidden.title, hidden.availability, hidden.extra["unavailable"]) == (None, availability, shown)
    full = Item(source="youtube", id=VIDEO, title="It is back", availability="public")
    back = merged(hidden, full)
    assert (back.title, back.availability, back.extra) == ("It is back", "public", {})


def test_a_full_record() -> None:
    item = full_item(FULL)
    assert item.published_at == datetime(2026, 5, 28, 20, 26, 40, tzinfo=UTC)
    assert item.metrics == Metrics(
        views=123_456,
        likes=789,
        comments=1200,
        precision=MetricPrecision(views="exact", likes="exact", comments="rounded"),
    )
    assert (item.description, item.tags, item.is_short, item.language) == ("", ("a", "b"), True, "en")
    assert item.author.followers == 12_000_000
    assert item.extra["chapters"] == [{"title": "One", "start": 0.0, "end": 5.0}]
    assert item.extra["subtitles"] == ["de", "en"]
    assert item.extra["automatic_captions"] == ["en-orig"]
    assert full_item({**FULL, "comment_count": 999}).metrics.precision.comments == "exact"


def test_hidden_likes_are_none_and_none_is_not_zero() -> None:
    item = full_item({**FULL, "like_count": None, "view_count": 0, "tags": []})
    assert (item.metrics.likes, item.metrics.precision.likes) == (None, None)
    assert (item.metrics.views, item.metrics.precision.views) == (0, "exact")
    assert item.tags == ()


@pytest.mark.parametrize("value", ["1.2M", -1, 2**63, 1.5, [1], True, None, {}])
def test_r5_counts_of_a_wrong_type_are_none(value: Any) -> None:
    item = full_item({**FULL, "view_count": value, "like_count": value})
    assert (item.metrics.views, item.metrics.likes) == (None, None)


@pytest.mark.parametrize("value", ["x", -1, float("nan"), float("inf"), 10**20, True, []])
def test_r5_times_of_a_wrong_type_are_none(value: Any) -> None:
    item = full_item({**FULL, "timestamp": value})
    assert item.published_at is None


def test_merging_keeps_what_the_fuller_record_does_not_know() -> None:
    listed = _listed("shorts", view_count=123_000, title="Short text")
    item = merged(listed, full_item({**FULL, "media_type": "video", "channel_follower_count": None}))
    assert (item.title, item.metrics.views, item.metrics.precision.views) == ("T", 123_456, "exact")
    assert item.is_short is True
    assert item.author.followers == 5
    assert (item.context.list, item.context.rank) == ("shorts", 3)
    stub = Item(source="youtube", id=VIDEO, availability="private", extra={"unavailable": "x"})
    kept = merged(listed, stub)
    assert (kept.title, kept.metrics.views, kept.metrics.precision.views) == ("Short text", 123_000, "rounded")
    assert (kept.availability, kept.extra) == ("private", {"unavailable": "x"})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted({*FULL, "thumbnails", "url", "channel"})), _JSON))
def test_r5_whatever_an_answer_holds_makes_an_item_or_nothing_worse(changes: dict[str, Any]) -> None:
    info = {**FULL, **changes, "id": VIDEO}
    assert full_item(info).model_dump_json()
    assert listed_item(info, _listing("uploads"), 1).model_dump_json()
