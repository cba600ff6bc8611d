"""Lists and single videos through the real yt-dlp: from the fake YouTube and from recorded answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ytworker import (
    BlockedError,
    ConfigError,
    GoneError,
    NotYetError,
    RestrictedError,
    RetryableError,
    SuspectError,
    TaskError,
    ThrottledError,
)
from ytworker_ytdlp import (
    NoSuchTabError,
    Session,
    listed_item,
    open_playlist,
    open_shelf,
    open_tab,
    open_uploads,
    parse_channel,
    read_video,
    read_video_or_stub,
    resolve_channel,
)
from ytworker_ytdlp.testing import rounded

if TYPE_CHECKING:
    from collections.abc import Callable

    from ytworker_ytdlp.testing import FakeChannel, FakeYouTube


@pytest.fixture
def lists(youtube: FakeYouTube) -> FakeChannel:
    try:
        return youtube.channel("@Lists")
    except KeyError:
        return youtube.add_channel("@Lists", title="Lists", videos=120, shorts=60, streams=35)


@pytest.mark.parametrize(("tab", "requests"), [("videos", 5), ("shorts", 3), ("streams", 3)])
def test_a_tab_to_its_end(session: Session, youtube: FakeYouTube, lists: FakeChannel, tab: Any, requests: int) -> None:
    listing = open_tab(session, parse_channel("@Lists"), tab)
    ids = [entry["id"] for entry in listing.entries]
    assert ids == [video.id for video in getattr(lists, tab)]
    assert len(youtube.requests) == requests
    facts = listing.channel
    assert (facts.id, facts.name, facts.handle, facts.followers) == (
        lists.id,
        lists.title,
        "@Lists",
        lists.follower_count,
    )
    assert not listing.hollow


@pytest.mark.parametrize("kind", ["all", "videos", "shorts", "streams"])
def test_uploads(session: Session, lists: FakeChannel, kind: Any) -> None:
    listing = open_uploads(session, lists.id, kind)
    videos = lists.uploads if kind == "all" else getattr(lists, kind)
    items = [listed_item(entry, listing, rank) for rank, entry in enumerate(listing.entries, 1)]
    assert [item.id for item in items] == [video.id for video in videos]
    assert [item.metrics.views for item in items] == [rounded(video.views) for video in videos]
    assert {item.metrics.precision.views for item in items} == {"rounded"}
    assert {item.author.id for item in items} == {lists.id}


def test_two_hundred_entries_cost_three_requests(session: Session, youtube: FakeYouTube, lists: FakeChannel) -> None:
    entries = open_uploads(session, lists.id).entries
    assert len([next(entries) for _ in range(200)]) == 200
    assert len(youtube.requests) == 3


def test_no_such_tab(session: Session, youtube: FakeYouTube) -> None:
    youtube.add_channel("@NoShorts", videos=2)
    with pytest.raises(NoSuchTabError, match="@NoShorts/shorts"):
        open_tab(session, parse_channel("@NoShorts"), "shorts")


@pytest.mark.parametrize("state", ["terminated", "removed", "does_not_exist", "private"])
def test_a_gone_channel_says_what_to_check(session: Session, youtube: FakeYouTube, state: Any) -> None:
    channel = youtube.add_channel(f"@Gone-{state}", videos=1, state=state)
    with pytest.raises(GoneError, match="browser"):
        open_tab(session, parse_channel(channel.id), "videos")


def test_an_error_being_handled_is_not_taken_for_the_cause(session: Session) -> None:
    other = SuspectError("something else")
    try:
        raise other
    except SuspectError:
        with pytest.raises(GoneError):
            open_tab(session, parse_channel("@nobody-at-all"), "videos")


def test_an_unknown_handle_is_gone_after_one_confirmation(session: Session, youtube: FakeYouTube) -> None:
    with pytest.raises(GoneError, match="spelling"):
        open_tab(session, parse_channel("@nobody-at-all"), "videos")
    assert len(youtube.requests) == 2


def test_a_hollow_page_is_told_apart_from_an_empty_channel(session: Session, youtube: FakeYouTube) -> None:
    hollow = youtube.add_channel("@Hollow", videos=5, tabs_empty=True)
    listing = open_tab(session, parse_channel("@Hollow"), "videos")
    assert listing.hollow
    assert list(listing.entries) == []
    assert resolve_channel(session, parse_channel("@Hollow")) == hollow.id
    assert not open_uploads(session, hollow.id).hollow


def test_resolving(session: Session, youtube: FakeYouTube, lists: FakeChannel) -> None:
    assert resolve_channel(session, parse_channel(lists.id)) == lists.id
    assert youtube.requests == []
    assert resolve_channel(session, parse_channel("@Lists")) == lists.id
    assert len(youtube.requests) == 1
    with pytest.raises(GoneError):
        resolve_channel(session, parse_channel("@nobody-at-all"))


def test_resolving_to_something_else_is_no_channel(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "post_json", lambda *_: b'{"endpoint": {"watchEndpoint": {}}}')
    with pytest.raises(GoneError, match="leads to no channel"):
        resolve_channel(session, parse_channel("@Lists"))


@pytest.mark.parametrize(
    "info",
    [
        None,
        {"_type": "url", "ie_key": "Generic", "url": "http://127.0.0.1/"},
        {"_type": "url", "ie_key": "YoutubeTab", "url": "https://www.youtube.com/@turns-in-circles"},
        {"_type": "video", "id": "dQw4w9WgXcQ"},
    ],
)
def test_what_is_no_list_is_suspect(session: Session, monkeypatch: pytest.MonkeyPatch, info: Any) -> None:
    monkeypatch.setattr(session.client, "extract_info", lambda *_, **__: info)
    with pytest.raises(SuspectError, match="led to no list"):
        open_tab(session, parse_channel("@x1x"), "videos")


def test_a_reference_is_followed_and_odd_entries_are_left_out(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [{"id": "../x"}, "text", {"id": "dQw4w9WgXcQ", "title": "T"}, {"id": "dQw4w9WgXcQ"}, {}]
    answers = iter([{"_type": "url", "ie_key": "YoutubeTab", "url": "x"}, {"_type": "playlist", "entries": entries}])
    monkeypatch.setattr(session.client, "extract_info", lambda *_, **__: next(answers))
    listing = open_tab(session, parse_channel("@x1x"), "videos")
    assert [entry["id"] for entry in listing.entries] == ["dQw4w9WgXcQ"]


def test_u12_a_list_that_turns_in_circles_ends(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def circle() -> Any:
        while True:
            yield {"id": "dQw4w9WgXcQ", "title": "T"}

    monkeypatch.setattr(session.client, "extract_info", lambda *_, **__: {"_type": "playlist", "entries": circle()})
    assert len(list(open_tab(session, parse_channel("@x1x"), "videos").entries)) == 1


def test_a_full_video(session: Session, youtube: FakeYouTube, lists: FakeChannel) -> None:
    video = lists.videos[0]
    item = read_video(session, video.id)
    assert len(youtube.requests) == 2
    assert (item.id, item.title, item.description) == (video.id, video.title, video.description)
    assert (item.published_at, item.tags) == (video.published_at, video.tags)
    assert (item.metrics.views, item.metrics.likes) == (video.views, video.likes)
    assert item.metrics.comments == (None if video.comments is None else rounded(video.comments))
    assert (item.author.id, item.author.name) == (lists.id, lists.title)
    assert (item.duration_seconds, item.availability, item.live_status) == (
        video.duration_seconds,
        "public",
        "not_live",
    )


@pytest.mark.parametrize(
    ("state", "error", "availability"),
    [
        ("private", GoneError, "private"),
        ("removed", GoneError, "gone"),
        ("members_only", RestrictedError, "members_only"),
        ("age_restricted", RestrictedError, "restricted"),
        ("geo_blocked", RestrictedError, "restricted"),
        ("premiere", NotYetError, "public"),
    ],
)
def test_a_video_that_is_not_for_us(
    session: Session, youtube: FakeYouTube, state: Any, error: type[TaskError], availability: str
) -> None:
    video = youtube.add_video("@Uploader", state=state)
    with pytest.raises(error):
        read_video(session, video.id)
    stub = read_video_or_stub(session, video.id)
    assert (stub.id, stub.availability) == (video.id, availability)
    assert stub.extra["unavailable"]
    assert stub.live_status == ("is_upcoming" if state == "premiere" else None)


@pytest.mark.parametrize(("state", "error"), [("bot_check", BlockedError), ("rate_limited", ThrottledError)])
def test_what_concerns_the_identity_is_never_a_fact_of_the_video(
    session: Session, youtube: FakeYouTube, state: Any, error: type[TaskError]
) -> None:
    video = youtube.add_video("@Uploader", state=state)
    for read in (read_video, read_video_or_stub):
        with pytest.raises(error):
            read(session, video.id)


@pytest.mark.parametrize("fault", ["http503", "reset"])
def test_a_record_without_its_page_is_half_a_record(
    session: Session, youtube: FakeYouTube, lists: FakeChannel, fault: str
) -> None:
    youtube.fault(fault, "/watch", times=-1)
    for read in (read_video, read_video_or_stub):
        with pytest.raises(RetryableError) as caught:
            read(session, lists.videos[0].id)
        assert caught.value.error_class == "transient"


def test_a_forbidden_page_cools_the_source(session: Session, youtube: FakeYouTube, lists: FakeChannel) -> None:
    youtube.fault("http403", "/watch", times=-1)
    with pytest.raises(ThrottledError, match="403"):
        read_video(session, lists.videos[0].id)


@pytest.mark.parametrize("fault", ["consent", "not-json"])
def test_a_page_about_something_else_is_suspect(
    session: Session, youtube: FakeYouTube, lists: FakeChannel, fault: str
) -> None:
    youtube.fault(fault, "/watch", times=-1)
    with pytest.raises(SuspectError, match="holds nothing about it"):
        read_video(session, lists.videos[0].id)


@pytest.mark.parametrize("fault", ["http503", "reset"])
def test_a_page_that_tells_everything_makes_up_for_the_player(
    session: Session, youtube: FakeYouTube, lists: FakeChannel, fault: str
) -> None:
    whole = read_video(session, lists.videos[0].id)
    youtube.fault(fault, "/player", times=-1)
    item = read_video(session, lists.videos[0].id)
    assert item.metrics == whole.metrics
    assert (item.title, item.published_at, item.tags) == (whole.title, whole.published_at, whole.tags)


@pytest.mark.parametrize(
    ("info", "error", "match"),
    [
        ({"id": "other_video"}, SuspectError, "the answer is about 'other_video'"),
        ({"title": None}, SuspectError, "hollow"),
        ({"channel_id": None}, SuspectError, "hollow"),
        ({"_type": "url"}, RestrictedError, "bought first"),
    ],
)
def test_r7_r8_hollow_and_mixed_up_answers_are_suspect(
    session: Session, monkeypatch: pytest.MonkeyPatch, info: dict[str, Any], error: type[TaskError], match: str
) -> None:
    good = {"id": "dQw4w9WgXcQ", "title": "T", "channel_id": "UCLA_DiR1FfKNvjuUpBHmylQ"}
    monkeypatch.setattr(session.client, "extract_info", lambda *_, **__: {**good, **info})
    with pytest.raises(error, match=match):
        read_video(session, "dQw4w9WgXcQ")


def test_an_answer_that_is_no_record_is_suspect(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session.client, "extract_info", lambda *_, **__: None)
    with pytest.raises(SuspectError):
        read_video(session, "dQw4w9WgXcQ")


@pytest.mark.parametrize(
    ("page", "warning", "error"),
    [
        ({}, "", GoneError),
        ({"title": "T", "channel_id": "UCLA_DiR1FfKNvjuUpBHmylQ"}, "", GoneError),
        ({}, "Sign in to confirm you're not a bot", BlockedError),
    ],
)
def test_not_available_is_gone_only_when_the_page_says_so_too(
    session: Session, monkeypatch: pytest.MonkeyPatch, page: Any, warning: str, error: type[TaskError]
) -> None:
    from yt_dlp.utils import ExtractorError

    def extract(*_: Any, **__: Any) -> Any:
        if session.client.params["ignore_no_formats_error"]:
            session.client.report_warning(warning)
            return page
        message = "This video is not available"
        raise ExtractorError(message, expected=True)

    monkeypatch.setattr(session.client, "extract_info", extract)
    with pytest.raises(error):
        read_video(session, "dQw4w9WgXcQ")
    assert session.client.params["ignore_no_formats_error"] is False


def test_a_bad_id_is_refused(session: Session) -> None:
    with pytest.raises(ValueError, match="11 letters"):
        read_video(session, "--exec=id")


def test_subtitle_addresses_are_not_built(session: Session) -> None:
    assert session.client.get_info_extractor("Youtube")._SUBTITLE_FORMATS == ()


# --- playlists ------------------------------------------------------------------------------------------------------


def test_any_playlist_is_a_list(session: Session, lists: FakeChannel) -> None:
    listing = open_playlist(session, f"UU{lists.id[2:]}")
    assert (listing.name, len(list(listing.entries))) == ("playlist", 215)
    with pytest.raises(GoneError):
        open_playlist(session, "PL" + "x" * 32)


@pytest.mark.parametrize("name", ["WL", "LL", "LLabcdefghijkl", "../x", "RDMM"])
def test_u9_a_playlist_of_ones_own_is_not_opened(session: Session, port: Any, name: str) -> None:
    with pytest.raises(ValueError, match=r"account|playlist id"):
        open_playlist(session, name)
    assert port.acquired == []


def test_a_mix_is_opened_by_its_video(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def extract(url: str, **_: Any) -> Any:
        asked.append(url)
        return {"_type": "playlist", "entries": iter([{"id": "dQw4w9WgXcQ", "title": "T"}])}

    monkeypatch.setattr(session.client, "extract_info", extract)
    assert len(list(open_playlist(session, "RDdQw4w9WgXcQ").entries)) == 1
    assert asked == ["https://www.youtube.com/watch?v=dQw4w9WgXcQ&list=RDdQw4w9WgXcQ"]


def test_a_shelf_lists_playlists(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [{"id": "PL" + "x" * 32, "title": "P"}, {"id": "dQw4w9WgXcQ", "title": "a video"}]
    monkeypatch.setattr(session.client, "extract_info", lambda *_, **__: {"_type": "playlist", "entries": entries})
    shelf = open_shelf(session, parse_channel("@x1x"), "playlists")
    assert (shelf.name, [entry["id"] for entry in shelf.entries]) == ("playlists", ["PL" + "x" * 32])


def test_a_page_that_was_read_is_not_asked_for_again(
    session: Session, youtube: FakeYouTube, lists: FakeChannel
) -> None:
    youtube.fault("not-available", "/player.*VISIONOS", times=-1)
    item = read_video(session, lists.videos[0].id)
    assert (item.title, item.metrics.views) == (lists.videos[0].title, lists.videos[0].views)
    assert len(youtube.requests) == 2


def test_a_player_client_that_yt_dlp_does_not_know_is_named(
    session_with: Callable[..., Session], youtube: FakeYouTube
) -> None:
    with pytest.raises(ConfigError, match=r"knows no client cobol\. Choose from .*visionos"):
        session_with(**youtube.settings(), player_clients=["visionos", "cobol"])
    assert session_with(**youtube.settings(), player_clients=["default", "-web"])
