"""Subtitles as plain text, through a whole scrape."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ytworker import Item, ThrottledError
from ytworker_ytdlp.testing import FakeChannel, FakeYouTube

Scrape = Callable[..., list[Item]]


@pytest.fixture
def nasa(youtube: FakeYouTube) -> FakeChannel:
    try:
        return youtube.channel("@NASA")
    except KeyError:
        return youtube.add_channel("@NASA", title="NASA", videos=240, shorts=60, streams=35)


def test_subtitles_become_the_text(scrape: Scrape, youtube: FakeYouTube, nasa: FakeChannel) -> None:
    (item,) = scrape(channel_url=nasa.id, content="videos", top_n=1, subtitles=["en"])
    title = nasa.videos[0].title
    assert item.text == f"Line 1 of {title}\nLine 2 of {title}\nLine 3 of {title}"
    assert item.extra["transcript"] == {"language": "en", "kind": "manual"}
    assert len(youtube.requests) == 2 + 3


def test_without_subtitles_nothing_more_is_asked(scrape: Scrape, youtube: FakeYouTube, nasa: FakeChannel) -> None:
    (item,) = scrape(channel_url=nasa.id, content="videos", top_n=1)
    assert (item.text, "transcript" in item.extra) == (None, False)
    assert len(youtube.requests) == 2 + 2


def test_manual_ones_come_before_automatic_ones(scrape: Scrape, youtube: FakeYouTube) -> None:
    channel = youtube.add_channel("@German", videos=1)
    youtube.update_video(channel.videos[0].id, language="de")
    (both,) = scrape(channel_url=channel.id, content="videos", subtitles=["de", "en"])
    assert both.extra["transcript"] == {"language": "en", "kind": "manual"}
    (automatic,) = scrape(channel_url=channel.id, content="videos", subtitles=["de"])
    assert automatic.extra["transcript"] == {"language": "de", "kind": "automatic"}
    assert automatic.text


def test_a_missing_language_is_said_and_costs_nothing(scrape: Scrape, youtube: FakeYouTube, nasa: FakeChannel) -> None:
    (item,) = scrape(channel_url=nasa.id, content="videos", top_n=1, subtitles=["xx"])
    assert item.text is None
    assert item.extra["transcript"] == {"missing": "no subtitles in xx"}
    assert len(youtube.requests) == 2 + 2


@pytest.mark.parametrize("fault", ["http404", "http503", "not-json"])
def test_subtitles_that_cannot_be_read_do_not_lose_the_video(
    scrape: Scrape, youtube: FakeYouTube, nasa: FakeChannel, fault: str
) -> None:
    youtube.fault(fault, "timedtext", times=-1)
    (item,) = scrape(channel_url=nasa.id, content="videos", top_n=1, subtitles=["en"])
    assert (item.title, item.text) == (nasa.videos[0].title, None)
    assert "subtitles of video" in str(item.extra["transcript"])


def test_subtitles_that_are_throttled_cool_the_source(scrape: Scrape, youtube: FakeYouTube, nasa: FakeChannel) -> None:
    youtube.fault("http429-retry-after", "timedtext", times=-1)
    with pytest.raises(ThrottledError):
        scrape(channel_url=nasa.id, content="videos", top_n=1, subtitles=["en"])
