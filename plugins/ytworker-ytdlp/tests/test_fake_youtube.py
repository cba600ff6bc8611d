"""FakeYouTube against the real yt-dlp: what is listed, what is told, what goes wrong."""

from __future__ import annotations

import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

import pytest
import yt_dlp
from yt_dlp.networking import Request as YtdlpRequest
from yt_dlp.networking.exceptions import HTTPError, IncompleteRead, TransportError
from yt_dlp.utils import DownloadError, ExtractorError, GeoRestrictedError, UserNotLive

from ytworker_ytdlp.testing import (
    DEFAULT_NOW,
    FAULTS,
    FakeChannel,
    FakeVideo,
    FakeYouTube,
    rounded,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

YOUTUBE_ARGS = {
    "player_client": ["visionos"],
    "player_skip": ["configs", "js"],
    "skip": ["hls", "dash", "translated_subs"],
    "raise_incomplete_data": ["1"],
}
OPTIONS: dict[str, Any] = {
    "quiet": True,
    "skip_download": True,
    "cachedir": False,
    "ignoreerrors": False,
    "ignore_no_formats_error": False,
    "check_formats": False,
    "extractor_retries": 1,
    "retries": 0,
    "socket_timeout": 15,
    "extract_flat": True,
    "lazy_playlist": True,
    "extractor_args": {"youtube": YOUTUBE_ARGS, "youtubetab": {"skip": ["webpage"]}},
}
PAGES: dict[str, Any] = {**OPTIONS, "extractor_args": {"youtube": {"raise_incomplete_data": ["1"]}}}


class Listener:
    """A logger that keeps the warnings, where yt-dlp hides half of its errors."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def debug(self, _: str) -> None:
        """Ignore."""

    def warning(self, message: str) -> None:
        self.warnings.append(message)

    def error(self, _: str) -> None:
        """Ignore: errors are raised as well."""


class Reader:
    """A yt-dlp behind a FakeYouTube."""

    made: ClassVar[list[Reader]] = []

    def __init__(self, youtube: FakeYouTube, options: dict[str, Any]) -> None:
        self.listener = Listener()
        self.ydl = yt_dlp.YoutubeDL({**options, **youtube.ydl_opts(), "logger": self.listener})
        self.made.append(self)

    def info(self, url: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ydl.extract_info(url, download=False, process=False)
        return found

    def entries(self, url: str) -> list[dict[str, Any]]:
        return list(self.info(url)["entries"])

    def ids(self, url: str) -> list[str]:
        return [entry["id"] for entry in self.entries(url)]

    def error(self, url: str) -> Exception:
        """Return what yt-dlp stumbled over, without the DownloadError around it."""
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the type is for the test to check
            self.entries(url)
        error = caught.value
        inner = error.exc_info[1] if isinstance(error, DownloadError) else error
        for failed in (inner, getattr(inner, "cause", None)):
            if isinstance(failed, HTTPError):
                failed.close()
        return inner


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep plugins of yt-dlp that happen to be installed out of the way, and close what a test opened."""
    monkeypatch.setenv("YTDLP_NO_PLUGINS", "1")
    yield
    while Reader.made:
        Reader.made.pop().ydl.close()


@pytest.fixture
def youtube() -> Iterator[FakeYouTube]:
    with FakeYouTube() as server:
        yield server
        assert not [request for request in server.requests if request.kind == "tls-error"]


@pytest.fixture
def nasa(youtube: FakeYouTube) -> FakeChannel:
    return youtube.add_channel("@NASA", title="NASA", videos=40, shorts=60, streams=35)


@pytest.fixture
def reader(youtube: FakeYouTube) -> Reader:
    return Reader(youtube, OPTIONS)


@pytest.fixture
def page_reader(youtube: FakeYouTube) -> Reader:
    return Reader(youtube, PAGES)


def calls(youtube: FakeYouTube) -> list[str]:
    """The last part of each path that was asked for."""
    return [request.path.rpartition("/")[2] for request in youtube.requests]


def ids(videos: list[FakeVideo] | tuple[FakeVideo, ...]) -> list[str]:
    return [video.id for video in videos]


def tab_url(channel: FakeChannel, tab: str) -> str:
    return f"https://www.youtube.com/{channel.handle}/{tab}"


def list_url(channel: FakeChannel, prefix: str) -> str:
    return f"https://www.youtube.com/playlist?list={prefix}{channel.id[2:]}"


# --- made-up content -------------------------------------------------------------------------------------------------


def test_content_is_the_same_in_every_run() -> None:
    first, second = (FakeYouTube().add_channel("@NASA", videos=20, shorts=5, streams=3) for _ in range(2))
    assert first == second
    assert first.uploads == second.uploads
    assert first.uploads != FakeYouTube().add_channel("@ESA", videos=20, shorts=5, streams=3).uploads


def test_ids_look_like_ids(nasa: FakeChannel) -> None:
    assert re.fullmatch(r"UC[\w-]{22}", nasa.id)
    assert all(re.fullmatch(r"[\w-]{11}", video.id) for video in nasa.uploads)
    assert any(video.id.startswith("-") for video in nasa.videos)
    assert len(set(ids(nasa.uploads))) == 135


def test_kinds_interleave_by_date(nasa: FakeChannel) -> None:
    assert {video.kind for video in nasa.uploads[:15]} == {"video", "short", "stream"}
    times = [video.published_at for video in nasa.uploads]
    assert times == sorted(times, reverse=True)
    assert times[0] < DEFAULT_NOW


def test_content_can_change(youtube: FakeYouTube, nasa: FakeChannel, reader: Reader) -> None:
    added = [youtube.add_video("@nasa", title=f"Breaking {number}") for number in range(2)]
    assert youtube.channel(nasa.id).uploads[:2] == tuple(reversed(added))
    youtube.update_video(nasa.videos[0].id, state="private", views=5)
    youtube.update_channel("@NASA", title="National Agency")
    assert reader.ids(tab_url(nasa, "videos")) == [added[1].id, added[0].id, *ids(nasa.videos[1:])]
    assert reader.info(added[0].url)["channel"] == "National Agency"
    assert youtube.video(nasa.videos[0].id).views == 5
    assert nasa.videos[0].state == "ok"


def test_dates_follow_the_clock() -> None:
    now = datetime(2030, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    youtube = FakeYouTube(clock=lambda: now)
    channel = youtube.add_channel("@NASA", videos=3)
    assert now - timedelta(days=3) < channel.videos[-1].published_at < channel.videos[0].published_at < now
    assert youtube.add_video(channel, state="premiere").scheduled_at == now.replace(microsecond=0) + timedelta(hours=2)


def test_unknown_names_are_key_errors() -> None:
    youtube = FakeYouTube()
    with pytest.raises(KeyError, match="@nobody"):
        youtube.channel("@nobody")
    with pytest.raises(KeyError, match="abcdefghijk"):
        youtube.video("abcdefghijk")


# --- lists -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tab", ["videos", "shorts", "streams"])
@pytest.mark.parametrize("form", ["{handle}", "channel/{id}", "user/oldname", "c/OldName"])
def test_channel_tabs(youtube: FakeYouTube, reader: Reader, tab: str, form: str) -> None:
    channel = youtube.add_channel("@NASA", videos=40, shorts=60, streams=35, names=["oldname"])
    path = form.format(handle=channel.handle, id=channel.id)
    assert reader.ids(f"https://www.youtube.com/{path}/{tab}") == ids(getattr(channel, tab))
    assert calls(youtube) == ["resolve_url", "browse", "browse"]
    assert {request.kind for request in youtube.requests} == {"hit"}


def test_channel_facts(reader: Reader, nasa: FakeChannel) -> None:
    info = reader.info(tab_url(nasa, "videos"))
    assert info["channel"] == "NASA"
    assert info["channel_id"] == nasa.id
    assert info["uploader_id"] == "@NASA"
    assert info["channel_follower_count"] == nasa.follower_count
    assert info["description"] == nasa.description
    assert info["tags"] == list(nasa.tags)


def test_tab_entries_tell_exact_views(reader: Reader, nasa: FakeChannel) -> None:
    entries = reader.entries(tab_url(nasa, "videos"))
    assert [entry["view_count"] for entry in entries] == [video.views for video in nasa.videos]
    assert [entry["duration"] for entry in entries] == [video.duration_seconds for video in nasa.videos]
    assert [entry["title"] for entry in entries] == [video.title for video in nasa.videos]


def test_short_entries_tell_rounded_views(reader: Reader, nasa: FakeChannel) -> None:
    entries = reader.entries(tab_url(nasa, "shorts"))
    assert [entry["view_count"] for entry in entries] == [video.rounded_views for video in nasa.shorts]
    assert entries[0]["url"] == nasa.shorts[0].url


def test_stream_entries_were_live(reader: Reader, nasa: FakeChannel) -> None:
    assert {entry["live_status"] for entry in reader.entries(tab_url(nasa, "streams"))} == {"was_live"}


def test_second_layout_tells_less(youtube: FakeYouTube, reader: Reader) -> None:
    channel = youtube.add_channel("@NASA", videos=40, layout="lockupViewModel")
    entries = reader.entries(tab_url(channel, "videos"))
    assert [entry["id"] for entry in entries] == ids(channel.videos)
    assert [entry["duration"] for entry in entries] == [video.duration_seconds for video in channel.videos]
    assert {entry["view_count"] for entry in entries} == {None}


@pytest.mark.parametrize("prefix", ["UU", "UULF", "UUSH", "UULV"])
def test_upload_lists(youtube: FakeYouTube, reader: Reader, prefix: str) -> None:
    channel = youtube.add_channel("@NASA", videos=150, shorts=150, streams=150)
    wanted = {"UU": channel.uploads, "UULF": channel.videos, "UUSH": channel.shorts, "UULV": channel.streams}[prefix]
    entries = reader.entries(list_url(channel, prefix))
    assert [entry["id"] for entry in entries] == ids(wanted)
    assert [entry["view_count"] for entry in entries] == [video.rounded_views for video in wanted]
    assert {entry["channel_id"] for entry in entries} == {channel.id}
    further = -(-len(wanted) // 100) - 1
    assert calls(youtube) == ["resolve_url", "browse", "browse", *["browse"] * further]


def test_lists_stop_when_enough_was_taken(youtube: FakeYouTube, reader: Reader) -> None:
    channel = youtube.add_channel("@NASA", videos=300)
    entries = iter(reader.info(list_url(channel, "UULF"))["entries"])
    assert [next(entries)["id"] for _ in range(100)] == ids(channel.videos[:100])
    assert len(youtube.requests) == 3


def test_members_only_is_marked(youtube: FakeYouTube, reader: Reader) -> None:
    channel = youtube.add_channel("@NASA", videos=2)
    member = youtube.add_video(channel, state="members_only")
    for url in (list_url(channel, "UU"), tab_url(channel, "videos"), list_url(channel, "UUMO")):
        assert [e["id"] for e in reader.entries(url) if e["availability"] == "subscriber_only"] == [member.id]


def test_hidden_videos_are_not_listed(youtube: FakeYouTube, reader: Reader) -> None:
    channel = youtube.add_channel("@NASA", videos=1)
    for state in ("private", "removed", "unlisted"):
        youtube.add_video(channel, state=state)
    for url in (list_url(channel, "UU"), tab_url(channel, "videos")):
        assert reader.ids(url) == ids(channel.videos)


@pytest.mark.parametrize("list_id", ["PL0000000000000000", "UUMO{tail}", "UUSH{tail}"])
def test_no_such_list(youtube: FakeYouTube, reader: Reader, list_id: str) -> None:
    channel = youtube.add_channel("@NASA", videos=1)
    error = reader.error(f"https://www.youtube.com/playlist?list={list_id.format(tail=channel.id[2:])}")
    assert isinstance(error, ExtractorError)
    assert error.msg.endswith("YouTube said: The playlist does not exist.")


def test_search(youtube: FakeYouTube, reader: Reader, nasa: FakeChannel) -> None:
    found = youtube.search("nasa")
    assert sorted(ids(found)) == sorted(ids(nasa.uploads))
    entries = reader.entries("ytsearch50:NASA")
    assert [entry["id"] for entry in entries] == ids(found[:50])
    assert [entry["view_count"] for entry in entries] == [video.views for video in found[:50]]
    assert {entry["uploader_id"] for entry in entries} == {"@NASA"}
    assert calls(youtube) == ["search"] * 3


def test_search_by_tag_and_without_results(youtube: FakeYouTube, reader: Reader, nasa: FakeChannel) -> None:
    tagged = [video for video in nasa.uploads if "how to" in video.tags]
    assert set(ids(tagged)) <= set(ids(youtube.search("how to")))
    assert reader.ids("ytsearch10:no such thing") == []


def test_search_address_lists_channels_too(youtube: FakeYouTube, reader: Reader, nasa: FakeChannel) -> None:
    first, *others = reader.entries("https://www.youtube.com/results?search_query=nasa")
    assert first["id"] == nasa.id
    assert first["channel_follower_count"] == nasa.follower_count
    assert [entry["id"] for entry in others] == ids(youtube.search("nasa"))
    only = reader.ids("https://www.youtube.com/results?search_query=nasa&sp=EgIQAvABAQ%3D%3D")
    assert only == [nasa.id]


# --- channels that are different -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("terminated", "This account has been terminated for a violation of YouTube's Terms of Service."),
        ("removed", "This channel was removed because it violated our Community Guidelines."),
        ("does_not_exist", "This channel does not exist."),
        ("private", "This channel is private."),
    ],
)
def test_channel_states(youtube: FakeYouTube, page_reader: Reader, reader: Reader, state: str, message: str) -> None:
    channel = youtube.add_channel("@gone", videos=3, state=state)
    for either in (reader, page_reader):
        error = either.error(tab_url(channel, "videos"))
        assert isinstance(error, ExtractorError)
        assert error.expected
        assert error.msg.endswith(f"YouTube said: {message}")
    assert "does not exist" in str(reader.error(list_url(channel, "UU")))
    assert "unavailable" in str(reader.error(channel.videos[0].url))


def test_unknown_handle(youtube: FakeYouTube, reader: Reader) -> None:
    error = reader.error("https://www.youtube.com/@nobody/videos")
    assert isinstance(error, HTTPError)
    assert error.status == 404
    assert calls(youtube) == ["resolve_url", "resolve_url"]
    assert any("Requested entity was not found" in warning for warning in reader.listener.warnings)


def test_missing_tab(youtube: FakeYouTube, reader: Reader) -> None:
    channel = youtube.add_channel("@NASA", videos=3)
    assert "does not have a streams tab" in str(reader.error(tab_url(channel, "streams")))
    assert isinstance(reader.error(tab_url(channel, "live")), UserNotLive)


def test_empty_tabs(youtube: FakeYouTube, reader: Reader) -> None:
    channel = youtube.add_channel("@NASA", videos=3, tabs_empty=True)
    info = reader.info(tab_url(channel, "videos"))
    assert list(info["entries"]) == []
    assert info["channel"] is None
    assert reader.ids(list_url(channel, "UULF")) == ids(channel.videos)


def test_channel_without_tab_name_lists_all_tabs(reader: Reader, nasa: FakeChannel) -> None:
    lists = reader.entries(f"https://www.youtube.com/{nasa.handle}")
    found = [[entry["id"] for entry in listed["entries"]] for listed in lists]
    assert found == [ids(nasa.videos), ids(nasa.streams), ids(nasa.shorts)]


# --- single videos ---------------------------------------------------------------------------------------------------


def told(video: FakeVideo) -> dict[str, Any]:
    """What yt-dlp should make of a video."""
    return {
        "id": video.id,
        "title": video.title,
        "description": video.description,
        "tags": list(video.tags),
        "categories": [video.category],
        "channel": video.channel.title,
        "channel_id": video.channel.id,
        "uploader_id": video.channel.handle,
        "channel_follower_count": video.channel.follower_count,
        "duration": video.duration_seconds,
        "view_count": video.views,
        "like_count": video.likes,
        "comment_count": video.comments,
        "timestamp": int(video.published_at.timestamp()),
        "upload_date": f"{video.published_at:%Y%m%d}",
        "availability": video.availability,
        "live_status": video.live_status,
        "media_type": {"video": "video", "short": "short", "stream": "livestream"}[video.kind],
        "age_limit": 0,
    }


def test_full_records(youtube: FakeYouTube, reader: Reader, nasa: FakeChannel) -> None:
    for video in nasa.uploads[:24]:
        youtube.reset()
        info = reader.info(video.url)
        assert {name: info[name] for name in told(video)} == told(video)
        assert {form["language"] for form in info["formats"]} == {video.language}
        assert set(info["subtitles"]) == {"en"}
        assert [request.what for request in youtube.requests] == ["", f"videoId={video.id}"]
    assert reader.listener.warnings == []


def test_full_record_by_default_options(youtube: FakeYouTube, page_reader: Reader, nasa: FakeChannel) -> None:
    info = page_reader.info(nasa.videos[0].url)
    assert {name: info[name] for name in told(nasa.videos[0])} == told(nasa.videos[0])
    assert calls(youtube) == ["watch", "player", "index.m3u8"]


def test_record_without_the_page(youtube: FakeYouTube, nasa: FakeChannel) -> None:
    args = {**YOUTUBE_ARGS, "player_skip": ["webpage", "configs", "js"]}
    reader = Reader(youtube, {**OPTIONS, "extractor_args": {"youtube": args}})
    info = reader.info(nasa.videos[0].url)
    lacking = {"timestamp": None, "categories": None, "availability": None}
    assert {name: info[name] for name in told(nasa.videos[0])} == {**told(nasa.videos[0]), **lacking}
    assert calls(youtube) == ["next", "player"]


def test_hidden_counts(youtube: FakeYouTube, reader: Reader) -> None:
    info = reader.info(youtube.add_video(likes=None, comments=None).url)
    assert info["like_count"] is None
    assert info["comment_count"] is None


@pytest.mark.parametrize("number", [0, 7, 999, 1000, 1234, 9999, 10_000, 12_345, 999_999, 1_100_000, 123_456_789])
def test_counts_lose_digits_in_lists(youtube: FakeYouTube, reader: Reader, number: int) -> None:
    video = youtube.add_video(views=number, likes=number, comments=number)
    (entry,) = reader.entries(list_url(youtube.channel(video.channel.id), "UU"))
    info = reader.info(video.url)
    assert (info["view_count"], info["like_count"]) == (number, number)
    assert (entry["view_count"], info["comment_count"]) == (rounded(number), rounded(number))


def test_captions(reader: Reader, nasa: FakeChannel) -> None:
    info = reader.info(nasa.videos[0].url)
    tracks = {track["ext"]: track["url"] for track in info["subtitles"]["en"]}
    assert reader.ydl.urlopen(tracks["vtt"]).read().startswith(b"WEBVTT")
    events = json.loads(reader.ydl.urlopen(tracks["json3"]).read())["events"]
    assert events[0]["segs"][0]["utf8"] == f"Line 1 of {nasa.videos[0].title}"


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("private", "Private video"),
        ("removed", "This video has been removed by the uploader"),
        ("members_only", "Join this channel to get access to members-only content"),
        ("age_restricted", "Sign in to confirm your age"),
        ("geo_blocked", "The uploader has not made this video available in your country"),
        ("premiere", "Premieres in 2 hours"),
        ("bot_check", "Sign in to confirm you’re not a bot"),  # noqa: RUF001 - YouTube's apostrophe
        ("rate_limited", "This content isn't available, try again later"),
    ],
)
def test_video_states(youtube: FakeYouTube, reader: Reader, state: str, message: str) -> None:
    error = reader.error(youtube.add_video(state=state).url)
    assert isinstance(error, ExtractorError)
    assert error.expected
    assert message in error.msg
    assert isinstance(error, GeoRestrictedError) == (state == "geo_blocked")


def test_unknown_video(reader: Reader) -> None:
    assert "This video is unavailable" in str(reader.error("https://www.youtube.com/watch?v=abcdefghijk"))


def test_unlisted_video(youtube: FakeYouTube, reader: Reader) -> None:
    assert reader.info(youtube.add_video(state="unlisted").url)["availability"] == "unlisted"


def test_running_stream(youtube: FakeYouTube, reader: Reader) -> None:
    video = youtube.add_video("@NASA", state="live", watching=77)
    info = reader.info(video.url)
    assert (info["live_status"], info["concurrent_view_count"], info["duration"]) == ("is_live", 77, None)
    (entry,) = reader.entries("https://www.youtube.com/@NASA/streams")
    assert (entry["live_status"], entry["concurrent_view_count"]) == ("is_live", 77)
    assert reader.info("https://www.youtube.com/@NASA/live")["url"] == video.url


def test_premiere_tells_its_time(youtube: FakeYouTube) -> None:
    video = youtube.add_video("@NASA", state="premiere")
    assert video.scheduled_at is not None
    lenient = Reader(youtube, {**OPTIONS, "ignore_no_formats_error": True})
    info = lenient.info(video.url)
    assert (info["live_status"], info["release_timestamp"]) == ("is_upcoming", int(video.scheduled_at.timestamp()))
    (entry,) = lenient.entries("https://www.youtube.com/@NASA/videos")
    assert (entry["live_status"], entry["release_timestamp"]) == ("is_upcoming", info["release_timestamp"])


# --- feeds -----------------------------------------------------------------------------------------------------------

ATOM = {
    "a": "http://www.w3.org/2005/Atom",
    "yt": "http://www.youtube.com/xml/schemas/2015",
    "media": "http://search.yahoo.com/mrss/",
}


def feed(reader: Reader, query: str) -> ET.Element:
    address = f"https://www.youtube.com/feeds/videos.xml?{query}"
    return ET.fromstring(reader.ydl.urlopen(YtdlpRequest(address)).read())  # noqa: S314 - our own XML


def test_feed_of_a_channel(youtube: FakeYouTube, reader: Reader, nasa: FakeChannel) -> None:
    root = feed(reader, f"channel_id={nasa.id}")
    entries = root.findall("a:entry", ATOM)
    assert root.findtext("a:author/a:name", None, ATOM) == "NASA"
    assert [entry.findtext("yt:videoId", None, ATOM) for entry in entries] == ids(nasa.uploads[:15])
    for entry, video in zip(entries, nasa.uploads, strict=False):
        assert entry.findtext("a:title", None, ATOM) == video.title
        assert datetime.fromisoformat(entry.findtext("a:published", "", ATOM)) == video.published_at
        assert entry.findtext("media:group/media:description", None, ATOM) == video.description
        statistics = entry.find("media:group/media:community/media:statistics", ATOM)
        assert statistics is not None
        assert statistics.get("views") == str(video.views)
    assert len(youtube.requests) == 1


@pytest.mark.parametrize(("prefix", "kind"), [("UULF", "videos"), ("UUSH", "shorts"), ("UULV", "streams")])
def test_feed_of_a_list(reader: Reader, nasa: FakeChannel, prefix: str, kind: str) -> None:
    entries = feed(reader, f"playlist_id={prefix}{nasa.id[2:]}").findall("a:entry", ATOM)
    assert [entry.findtext("yt:videoId", None, ATOM) for entry in entries] == ids(getattr(nasa, kind)[:15])


def test_feed_leaves_out_what_not_everybody_may_see(youtube: FakeYouTube, reader: Reader) -> None:
    channel = youtube.add_channel("@NASA", videos=1)
    youtube.add_video(channel, state="members_only")
    assert len(feed(reader, f"channel_id={channel.id}").findall("a:entry", ATOM)) == 1


@pytest.mark.parametrize("query", ["channel_id=UC0000000000000000000000", "playlist_id=UULFx", "channel_id={gone}"])
def test_no_feed(youtube: FakeYouTube, reader: Reader, query: str) -> None:
    gone = youtube.add_channel("@gone", videos=1, state="terminated")
    with pytest.raises(HTTPError, match="404") as caught:
        feed(reader, query.format(gone=gone.id))
    caught.value.close()


# --- faults ----------------------------------------------------------------------------------------------------------

BROWSE = r"youtubei/v1/browse"
PLAYER = r"youtubei/v1/player"


@pytest.mark.parametrize(
    "name", ["http400", "http403", "http404", "http429", "http429-retry-after", "http500", "http503"]
)
def test_http_faults(youtube: FakeYouTube, reader: Reader, nasa: FakeChannel, name: str) -> None:
    youtube.fault(name, match=BROWSE, times=-1)
    error = reader.error(tab_url(nasa, "videos"))
    assert isinstance(error, HTTPError)
    assert error.status == int(name[4:7])
    # yt-dlp repeats at once, except after 403 and 429.
    assert len([r for r in youtube.requests if r.fault == name]) == (1 if error.status in {403, 429} else 2)


def test_retry_after(youtube: FakeYouTube, reader: Reader, nasa: FakeChannel) -> None:
    youtube.fault("http429-retry-after", seconds=90)
    error = reader.error(tab_url(nasa, "videos"))
    assert isinstance(error, HTTPError)
    assert error.response.headers["Retry-After"] == "90"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bot", "not a bot"),
        ("ratelimited", "try again later"),
        ("private", "Private video"),
        ("premiere", "Premieres in 2 hours"),
    ],
)
def test_player_faults(youtube: FakeYouTube, reader: Reader, nasa: FakeChannel, name: str, message: str) -> None:
    youtube.fault(name)
    assert message in str(reader.error(nasa.videos[0].url))
    assert [request.kind for request in youtube.requests] == ["hit", "fault"]
    assert reader.info(nasa.videos[0].url)["title"] == nasa.videos[0].title


@pytest.mark.parametrize(
    ("name", "cause", "message"),
    [
        ("reset", TransportError, "connection"),  # how it is worded depends on the Python
        ("timeout", TransportError, "timed out"),
        ("truncate", IncompleteRead, "more expected"),
        ("not-json", json.JSONDecodeError, "Expecting value"),
        ("consent", json.JSONDecodeError, "Expecting value"),
        ("incomplete", ExtractorError, "Incomplete data received"),
    ],
)
def test_broken_answers(youtube: FakeYouTube, nasa: FakeChannel, name: str, cause: type, message: str) -> None:
    reader = Reader(youtube, {**OPTIONS, "socket_timeout": 0.5})
    youtube.fault(name, match=BROWSE, times=-1)
    error = reader.error(tab_url(nasa, "videos"))
    assert isinstance(error, cause)
    assert message.lower() in str(error).lower()


def test_fault_on_a_later_page(youtube: FakeYouTube, reader: Reader, nasa: FakeChannel) -> None:
    youtube.fault("http429", match=BROWSE, times=1, after=1)
    entries = iter(reader.info(tab_url(nasa, "videos"))["entries"])
    assert [next(entries)["id"] for _ in range(30)] == ids(nasa.videos[:30])
    with pytest.raises(ExtractorError, match="429") as caught:
        next(entries)
    assert isinstance(caught.value.cause, HTTPError)
    caught.value.cause.close()


def test_failed_page_of_a_video_is_only_a_warning(youtube: FakeYouTube, reader: Reader, nasa: FakeChannel) -> None:
    youtube.fault("http429", match="/watch")
    info = reader.info(nasa.videos[0].url)
    assert (info["view_count"], info["timestamp"]) == (nasa.videos[0].views, None)
    assert "HTTP Error 429" in " ".join(reader.listener.warnings)


def test_failed_player_is_only_a_warning_after_the_page(
    youtube: FakeYouTube, reader: Reader, nasa: FakeChannel
) -> None:
    youtube.fault("http403", match=PLAYER)
    info = reader.info(nasa.videos[0].url)
    assert (info["view_count"], info["formats"]) == (nasa.videos[0].views, [])
    assert "HTTP Error 403" in " ".join(reader.listener.warnings)


def test_redirect_is_followed_and_logged(youtube: FakeYouTube, reader: Reader, nasa: FakeChannel) -> None:
    youtube.fault("redirect", match=BROWSE, location=f"http://127.0.0.1:{youtube.port}/inside")
    assert isinstance(reader.error(tab_url(nasa, "videos")), HTTPError)
    last = youtube.requests[-1]
    assert (last.host, last.path, last.kind, last.status) == ("127.0.0.1", "/inside", "miss", 403)


def test_slow_answer_arrives(youtube: FakeYouTube, reader: Reader, nasa: FakeChannel) -> None:
    youtube.fault("slow", match="browseId", seconds=0.5)
    start = time.monotonic()
    assert reader.ids(tab_url(nasa, "videos")) == ids(nasa.videos)
    assert time.monotonic() - start >= 0.5


def test_counts_of_a_fault(youtube: FakeYouTube, reader: Reader, nasa: FakeChannel) -> None:
    youtube.fault("http503", match=BROWSE, times=1, after=1)
    assert reader.ids(tab_url(nasa, "videos")) == ids(nasa.videos)
    assert [request.kind for request in youtube.requests] == ["hit", "hit", "fault", "hit"]


def test_match_sees_client_and_subject(youtube: FakeYouTube, reader: Reader, nasa: FakeChannel) -> None:
    youtube.fault("http403", match=rf"POST www\.youtube\.com/youtubei/v1/browse\?\S* WEB browseId={nasa.id} tab=shorts")
    assert reader.ids(tab_url(nasa, "videos")) == ids(nasa.videos)
    assert isinstance(reader.error(tab_url(nasa, "shorts")), HTTPError)


def test_reset_forgets(youtube: FakeYouTube, reader: Reader, nasa: FakeChannel) -> None:
    youtube.fault("http403", times=-1)
    assert isinstance(reader.error(tab_url(nasa, "videos")), HTTPError)
    youtube.reset()
    assert not youtube.requests
    assert reader.ids(tab_url(nasa, "videos")) == ids(nasa.videos)


def test_heavy_answers_say_the_same_as_light_ones() -> None:
    found = []
    for heavy in (False, True):
        with FakeYouTube(heavy=heavy) as youtube, yt_dlp.YoutubeDL({"quiet": True, **youtube.ydl_opts()}) as ydl:
            (video,) = youtube.add_channel("@NASA", videos=1).videos
            found.append(ydl.extract_info(f"https://www.youtube.com/watch?v={video.id}", process=False))
            with ydl.urlopen(f"https://www.youtube.com/watch?v={video.id}") as page:
                assert (len(page.read()) > 300_000) is heavy
    light, heavy_ = found
    assert len(heavy_["formats"]) > len(light["formats"]) + 20
    assert len(heavy_["automatic_captions"]) > len(light["automatic_captions"]) + 100
    changing = {"formats", "automatic_captions", "subtitles"}
    assert {name: light[name] for name in light.keys() - changing} == {
        name: heavy_[name] for name in heavy_.keys() - changing
    }


def test_bad_faults_are_refused() -> None:
    youtube = FakeYouTube()
    with pytest.raises(ValueError, match="http503"):
        youtube.fault("http999")
    with pytest.raises(ValueError, match="location"):
        youtube.fault("redirect")
    assert len(FAULTS) == 22


# --- the proxy -------------------------------------------------------------------------------------------------------


def test_the_ca_file_is_trusted_by_standard_clients(youtube: FakeYouTube, nasa: FakeChannel) -> None:
    assert youtube.settings() == {"proxy": youtube.proxy_url, "ca_file": youtube.ca_file}
    opener = build_opener(
        ProxyHandler({"https": youtube.proxy_url}),
        HTTPSHandler(context=ssl.create_default_context(cafile=youtube.ca_file)),
    )
    with opener.open(f"https://www.youtube.com/feeds/videos.xml?channel_id={nasa.id}") as answer:
        assert answer.status == 200


def test_clients_that_distrust_are_logged() -> None:
    with FakeYouTube() as youtube:
        plain = socket.create_connection(("127.0.0.1", youtube.port))
        plain.sendall(b"CONNECT www.youtube.com:443 HTTP/1.1\r\n\r\n")
        assert b" 200 " in plain.recv(100)
        with plain, pytest.raises(ssl.SSLCertVerificationError):
            ssl.create_default_context().wrap_socket(plain, server_hostname="www.youtube.com")
        wait_for(lambda: [request.kind for request in youtube.requests] == ["tls-error"])


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("address", "status"),
    [("https://example.com/", 502), ("http://www.youtube.com/", 403), ("https://www.youtube.com/unknown/a/b/c", 404)],
)
def test_misses(youtube: FakeYouTube, reader: Reader, address: str, status: int) -> None:
    with pytest.raises(HTTPError) as caught:
        reader.ydl.urlopen(address)
    caught.value.close()
    assert caught.value.status == status
    assert [(request.kind, request.status) for request in youtube.requests] == [("miss", status)]


def test_many_threads(youtube: FakeYouTube, nasa: FakeChannel) -> None:
    found: dict[int, list[str]] = {}

    def read(number: int) -> None:
        found[number] = Reader(youtube, OPTIONS).ids(list_url(nasa, "UU"))

    threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(found.values()) == [ids(nasa.uploads)] * 4
    assert len(youtube.requests) == 4 * 4


def test_stop_ends_a_hanging_request() -> None:
    youtube = FakeYouTube()
    youtube.start()
    youtube.fault("timeout", seconds=60)
    reader = Reader(youtube, OPTIONS)
    waiting = threading.Thread(target=lambda: reader.error("https://www.youtube.com/@NASA/videos"))
    waiting.start()
    wait_for(lambda: bool(youtube.requests))
    youtube.stop()
    waiting.join(30)  # half of what it would hang
    assert not waiting.is_alive()


def test_needs_to_be_running() -> None:
    youtube = FakeYouTube()
    with pytest.raises(RuntimeError, match="with statement"):
        youtube.ydl_opts()
    youtube.stop()
    with youtube, pytest.raises(RuntimeError, match="already running"):
        youtube.start()


def test_missing_trustme_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(ImportError, match=re.escape("ytworker-ytdlp[testing]")):
        FakeYouTube()


def test_command_line(tmp_path: Path) -> None:
    ca_file, log = tmp_path / "ca.pem", tmp_path / "log.jsonl"
    words = [
        "--ca-file",
        str(ca_file),
        "--channel",
        "@NASA",
        "--videos",
        "3",
        "--log",
        str(log),
        "--fault",
        "http503:1:browse",
    ]
    command = [sys.executable, "-m", "ytworker_ytdlp.testing", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready == {"proxy": f"http://127.0.0.1:{ready['port']}", "port": ready["port"], "ca_file": str(ca_file)}
        ssl.create_default_context(cafile=ca_file)
        options = {**OPTIONS, "proxy": ready["proxy"], "nocheckcertificate": True}
        with yt_dlp.YoutubeDL(options) as ydl:
            info = ydl.extract_info("https://www.youtube.com/@NASA/videos", download=False, process=False)
            assert [e["id"] for e in info["entries"]] == ids(FakeYouTube().add_channel("@NASA", videos=3).videos)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert [json.loads(line)["kind"] for line in log.read_text().splitlines()] == ["hit", "fault", "hit"]


def test_command_line_refuses_unknown_faults() -> None:
    command = [sys.executable, "-m", "ytworker_ytdlp.testing", "--fault", "http999"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no fault 'http999'" in done.stderr
