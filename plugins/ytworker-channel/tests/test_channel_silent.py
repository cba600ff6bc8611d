"""The ways in which YouTube and yt-dlp fail without saying so. Each was seen; none of them may pass for a success."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ytworker import (
    BlockedError,
    ConfigError,
    Item,
    RetryableError,
    SuspectError,
    TaskError,
    ThrottledError,
)
from ytworker.testing import FakePort
from ytworker_ytdlp import Session, YtdlpSettings
from ytworker_ytdlp.testing import FakeChannel, FakeYouTube

Scrape = Callable[..., list[Item]]


@pytest.fixture
def nasa(youtube: FakeYouTube) -> FakeChannel:
    try:
        return youtube.channel("@NASA")
    except KeyError:
        return youtube.add_channel("@NASA", title="NASA", videos=240, shorts=60, streams=35)


@pytest.mark.parametrize(
    ("state", "availability"), [("geo_blocked", "restricted"), ("members_only", "members_only"), ("ok", "private")]
)
def test_silent_1_a_video_that_is_not_there_is_no_success_with_a_made_up_title(
    scrape: Scrape, youtube: FakeYouTube, state: Any, availability: str
) -> None:
    channel = youtube.add_channel(f"@Closed-{availability}", videos=1)
    video = youtube.update_video(channel.videos[0].id, state=state)
    if availability == "private":  # since it was listed
        youtube.fault("private")
    (item,) = scrape(channel_url=channel.id, content="videos")
    assert (item.title, item.availability) == (video.title, availability)
    assert item.extra["unavailable"]
    assert (item.metrics.likes, item.tags) == (None, None)


@pytest.mark.parametrize(("fault", "error"), [("bot", BlockedError), ("ratelimited", ThrottledError)])
def test_silent_1_a_refused_identity_is_no_success_with_what_the_page_told(
    scrape: Scrape, youtube: FakeYouTube, nasa: FakeChannel, fault: str, error: type[TaskError]
) -> None:
    youtube.fault(fault, times=-1)
    with pytest.raises(error):
        scrape(channel_url=nasa.id, content="videos", top_n=2)


@pytest.mark.parametrize(
    ("fault", "error", "error_class"),
    [
        ("http429", ThrottledError, "throttled"),
        ("http403", TaskError, "config"),
        ("http503", RetryableError, "transient"),
        ("reset", RetryableError, "transient"),
    ],
)
def test_silent_2_a_failed_player_request_keeps_its_cause(
    scrape: Scrape, youtube: FakeYouTube, nasa: FakeChannel, fault: str, error: type[TaskError], error_class: str
) -> None:
    youtube.fault(fault, r"/player|/watch", times=-1)
    with pytest.raises(error) as caught:
        scrape(channel_url=nasa.id, content="videos", top_n=2)
    assert caught.value.error_class == error_class


@pytest.mark.parametrize("fault", ["http429", "http403"])
@pytest.mark.parametrize("where", ["/watch", "/player"])
def test_silent_3_a_refusal_that_is_only_a_warning_cools_the_source(
    scrape: Scrape, youtube: FakeYouTube, nasa: FakeChannel, fault: str, where: str
) -> None:
    youtube.fault(fault, where, times=-1)
    with pytest.raises((ThrottledError, ConfigError)) as caught:
        scrape(channel_url=nasa.id, content="videos", top_n=1)
    assert caught.value.source
    assert (caught.value.error_class == "config") == ((fault, where) == ("http403", "/player"))


@pytest.mark.parametrize("route", ["tab", "uploads"])
@pytest.mark.parametrize("fault", ["incomplete", "http503", "truncate"])
def test_silent_4_an_incomplete_later_page_is_not_the_end(
    scrape: Scrape, youtube: FakeYouTube, nasa: FakeChannel, route: str, fault: str
) -> None:
    youtube.fault(fault, "browse.*continuation", times=-1)
    with pytest.raises(RetryableError):
        scrape(channel_url=nasa.id, content="videos", depth="list", route=route, top_n=200)


def test_silent_5_a_503_on_page_2_gives_no_hole_and_its_retry_no_duplicate(
    scrape: Scrape, youtube: FakeYouTube, port: FakePort, nasa: FakeChannel
) -> None:
    youtube.fault("http503", "browse.*continuation", times=2)
    params = {"channel_url": nasa.id, "content": "videos", "depth": "list", "route": "tab", "top_n": 60}
    with pytest.raises(RetryableError):
        scrape(**params)
    kept = port.checkpoints[-1]
    assert kept == {"seen": [video.id for video in nasa.videos[:30]]}
    rest = scrape(**params, checkpoint=kept)
    assert [*kept["seen"], *(item.id for item in rest)] == [video.id for video in nasa.videos[:60]]


@pytest.mark.parametrize("content", ["videos", "all"])
def test_silent_6_a_channel_that_lists_nothing_is_asked_for_its_uploads(
    scrape: Scrape, youtube: FakeYouTube, content: str
) -> None:
    channel = youtube.add_channel(f"@Gated-{content}", videos=3, tabs_empty=True)
    items = scrape(channel_url=channel.handle, content=content, depth="list")
    assert [item.id for item in items] == [video.id for video in channel.videos]


def test_silent_6_a_topic_channel_without_a_tab_is_asked_for_its_uploads(
    scrape: Scrape, nasa: FakeChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ytworker_channel import lists
    from ytworker_ytdlp import NoSuchTabError

    def no_tab(*_: Any) -> Any:
        message = "This channel does not have a videos tab"
        raise NoSuchTabError(message)

    monkeypatch.setattr(lists, "open_tab", no_tab)
    items = scrape(channel_url=nasa.id, content="videos", depth="list", top_n=5)
    assert [item.id for item in items] == [video.id for video in nasa.videos[:5]]
    assert scrape(channel_url=nasa.id, content="videos", depth="list", route="tab") == []


def test_silent_7_what_an_app_calls_not_available_is_confirmed_by_the_page(
    scrape: Scrape, youtube: FakeYouTube, nasa: FakeChannel
) -> None:
    youtube.fault("not-available", "/player.*VISIONOS", times=-1)
    (item,) = scrape(channel_url=nasa.id, content="videos", top_n=1)
    assert (item.availability, item.metrics.views) == ("public", nasa.videos[0].views)
    assert "unavailable" not in item.extra


def test_silent_8_a_bare_error_inside_yt_dlp_is_a_bug_and_no_item(
    scrape: Scrape, youtube: FakeYouTube, nasa: FakeChannel
) -> None:
    youtube.fault("reshaped", "/player", times=-1)
    with pytest.raises(TaskError, match=r"AttributeError|TypeError") as caught:
        scrape(channel_url=nasa.id, content="videos", top_n=3)
    assert caught.value.error_class == "bug"
    assert "pip install -U yt-dlp" in str(caught.value)


@pytest.mark.parametrize("route", ["tab", "uploads", "auto"])
def test_silent_8_a_new_layout_is_no_empty_channel(
    scrape: Scrape, youtube: FakeYouTube, nasa: FakeChannel, route: str
) -> None:
    youtube.fault("new-layout", times=-1)
    for name in (nasa.id, nasa.handle):
        with pytest.raises(SuspectError, match="layout"):
            scrape(channel_url=name, content="videos", depth="list", route=route)


def test_silent_8_entries_without_titles_are_no_list(
    session: Session, scrape: Scrape, nasa: FakeChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [{"id": video.id, "title": None} for video in nasa.videos]
    info = {"_type": "playlist", "channel_id": nasa.id, "entries": entries}
    monkeypatch.setattr(session.client, "extract_info", lambda *_, **__: info)
    with pytest.raises(SuspectError, match="no titles"):
        scrape(channel_url=nasa.id, content="videos", depth="list")


@pytest.mark.parametrize(("fault", "most"), [("http400", 2), ("http404", 2), ("http503", 2), ("incomplete", 2)])
def test_silent_9_retrying_is_left_to_the_engine(
    scrape: Scrape, youtube: FakeYouTube, nasa: FakeChannel, fault: str, most: int
) -> None:
    youtube.fault(fault, "browse.*continuation", times=-1)
    with pytest.raises(TaskError):
        scrape(channel_url=nasa.id, content="videos", depth="list", route="tab", top_n=60)
    assert len([request for request in youtube.requests if request.fault]) <= most


def test_silent_10_pages_are_asked_for_in_english(
    session: Session, scrape: Scrape, nasa: FakeChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    send = session.client.urlopen
    monkeypatch.setattr(session.client, "urlopen", lambda request: (sent.append(request), send(request))[1])
    scrape(channel_url="@NASA", content="videos", top_n=1)
    bodies = [bytes(request.data) for request in sent if getattr(request, "data", None)]
    assert bodies
    assert all(b'"hl": "en"' in body and b'"hl": "en-' not in body for body in bodies)


@pytest.fixture
def session(settings: YtdlpSettings) -> Session:
    from ytworker.testing import make_context

    return Session(make_context(settings={"ytdlp": settings}))
