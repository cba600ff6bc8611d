"""Ids of videos, playlists and channels."""

from __future__ import annotations

import pytest

from ytworker_ytdlp import check_channel_id, check_playlist_id, check_video_id, feed_url, playlist_url, uploads_id
from ytworker_ytdlp import watch_url as watch

NASA = "UCLA_DiR1FfKNvjuUpBHmylQ"


def test_u7_a_video_id_may_begin_with_a_dash() -> None:
    assert check_video_id("-wtIMTCHWuI") == "-wtIMTCHWuI"
    assert watch("-wtIMTCHWuI") == "https://www.youtube.com/watch?v=-wtIMTCHWuI"


@pytest.mark.parametrize("text", ["", "short", "dQw4w9WgXcQ1", "dQw4w9WgXc&", "dQw4w9WgXcQ\n", "éQw4w9WgXcQ"])
def test_other_video_ids_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="11 letters"):
        check_video_id(text)


@pytest.mark.parametrize("text", ["LL", "WL", "HL", "LM", "RDMM", "LLuKg-WhduhkmQq5R7PdtEPA", "WLabcdefghijkl"])
def test_u9_personal_playlists_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="own account"):
        check_playlist_id(text)


@pytest.mark.parametrize("text", ["PLx", "XX1234567890", "PL1234567890/..", "PL" + "x" * 100])
def test_other_playlist_ids_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="known prefix"):
        check_playlist_id(text)


def test_lists_of_a_channel() -> None:
    assert check_channel_id(NASA) == NASA
    assert uploads_id(NASA) == "UULA_DiR1FfKNvjuUpBHmylQ"
    assert uploads_id(NASA, "shorts") == "UUSHLA_DiR1FfKNvjuUpBHmylQ"
    assert playlist_url(uploads_id(NASA, "streams")).endswith("?list=UULVLA_DiR1FfKNvjuUpBHmylQ")
    assert feed_url(NASA).endswith(f"?channel_id={NASA}")
    assert feed_url(NASA, "videos").endswith("?playlist_id=UULFLA_DiR1FfKNvjuUpBHmylQ")
    with pytest.raises(ValueError, match="UC and 22"):
        uploads_id("UCx")
