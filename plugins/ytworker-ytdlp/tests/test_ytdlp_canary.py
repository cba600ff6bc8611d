"""What ``ytworker doctor --online`` says of YouTube."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest

from ytworker import BlockedError, SuspectError
from ytworker_ytdlp import YtdlpSettings, canary

if TYPE_CHECKING:
    from ytworker import Context
    from ytworker_ytdlp.testing import FakeVideo, FakeYouTube


@pytest.fixture
def video(youtube: FakeYouTube, monkeypatch: pytest.MonkeyPatch) -> FakeVideo:
    made = youtube.add_video("@Canary", likes=7, comments=3)
    monkeypatch.setattr(canary, "VIDEO", made.id)
    monkeypatch.setattr(canary, "CHANNEL", made.channel.id)
    return made


def test_it_is_found_by_the_doctor() -> None:
    (found,) = entry_points(group="ytworker.checks", name="ytdlp")
    assert found.load() is canary
    assert canary.get_settings() == {"ytdlp": YtdlpSettings}


def test_it_says_what_it_saw(context: Context, youtube: FakeYouTube, video: FakeVideo) -> None:
    said = canary.check(context)
    assert video.title in said
    assert f"{video.views:,} views, 7 likes" in said
    assert "yt-dlp 20" in said
    assert len(youtube.requests) == 2


def test_what_is_missing_is_named(context: Context, youtube: FakeYouTube, video: FakeVideo) -> None:
    youtube.update_video(video.id, likes=None)
    with pytest.raises(SuspectError, match=r"lacks likes.*upgrade yt-dlp"):
        canary.check(context)


def test_another_channel_is_suspect(context: Context, video: FakeVideo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "CHANNEL", "UC" + "x" * 22)
    with pytest.raises(SuspectError, match="lacks its channel"):
        canary.check(context)


def test_a_bot_check_is_told(context: Context, youtube: FakeYouTube, video: FakeVideo) -> None:
    youtube.fault("bot", times=-1)
    with pytest.raises(BlockedError, match="robot"):
        canary.check(context)
