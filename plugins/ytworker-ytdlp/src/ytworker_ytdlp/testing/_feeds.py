"""Atom feeds and captions."""

from __future__ import annotations

import json
from datetime import timedelta
from html import escape
from typing import TYPE_CHECKING

from ytworker_ytdlp.testing._shapes import clock_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ytworker_ytdlp.testing._records import FakeChannel, FakeVideo

_FEED_LENGTH = 15
_NAMESPACES = (
    'xmlns:yt="http://www.youtube.com/xml/schemas/2015" '
    'xmlns:media="http://search.yahoo.com/mrss/" xmlns="http://www.w3.org/2005/Atom"'
)


def feed(channel: FakeChannel, videos: Sequence[FakeVideo], *, list_id: str | None = None) -> str:
    """Return the Atom feed of a channel, or of one of its lists: the newest 15 that everybody may watch."""
    shown = [video for video in videos if video.listed and video.state != "members_only"][:_FEED_LENGTH]
    query = f"playlist_id={list_id}" if list_id else f"channel_id={channel.id}"
    # The identifier at the top of a channel's feed lacks the "UC"; those of the entries do not.
    own = f"yt:playlist:{list_id}" if list_id else f"yt:channel:{channel.id[2:]}"
    top = (
        f'<link rel="self" href="http://www.youtube.com/feeds/videos.xml?{query}"/>'
        f"<id>{own}</id>{_list_id(list_id)}<yt:channelId>{channel.id[2:]}</yt:channelId>"
        f"<title>{escape(channel.title)}</title>"
        f'<link rel="alternate" href="{channel.url}"/>{_author(channel)}'
        f"<published>{_time(channel.created_at)}</published>"
    )
    entries = "\n".join(_entry(channel, video) for video in shown)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<feed {_NAMESPACES}>\n{top}\n{entries}\n</feed>\n'


def _list_id(list_id: str | None) -> str:
    return f"<yt:playlistId>{list_id}</yt:playlistId>" if list_id else ""


def _author(channel: FakeChannel) -> str:
    return f"<author><name>{escape(channel.title)}</name><uri>{channel.url}</uri></author>"


def _entry(channel: FakeChannel, video: FakeVideo) -> str:
    updated = video.published_at + timedelta(hours=1)
    title = escape(video.title)
    return (
        f"<entry><id>yt:video:{video.id}</id><yt:videoId>{video.id}</yt:videoId>"
        f"<yt:channelId>{channel.id}</yt:channelId><title>{title}</title>"
        f'<link rel="alternate" href="{video.url}"/>{_author(channel)}'
        f"<published>{_time(video.published_at)}</published><updated>{_time(updated)}</updated>"
        f"<media:group><media:title>{title}</media:title>"
        f'<media:content url="https://www.youtube.com/v/{video.id}?version=3" width="640" height="390"/>'
        f'<media:thumbnail url="https://i1.ytimg.com/vi/{video.id}/hqdefault.jpg" width="480" height="360"/>'
        f"<media:description>{escape(video.description)}</media:description><media:community>"
        f'<media:starRating count="{video.likes or 0}" average="5.00" min="1" max="5"/>'
        f'<media:statistics views="{video.views}"/></media:community></media:group></entry>'
    )


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def captions(video: FakeVideo, form: str) -> tuple[str, str]:
    """Return captions of a video and their content type; json3 and vtt are what readers ask for, the rest is XML."""
    lines = [(start, f"Line {number} of {video.title}") for number, start in enumerate(range(0, 15, 5), 1)]
    if form == "json3":
        events = [{"tStartMs": start * 1000, "dDurationMs": 4000, "segs": [{"utf8": words}]} for start, words in lines]
        return json.dumps({"wireMagic": "pb3", "events": events}, ensure_ascii=False), "application/json"
    if form == "vtt":
        cues = "\n".join(f"{_cue(start)} --> {_cue(start + 4)}\n{words}\n" for start, words in lines)
        return f"WEBVTT\nKind: captions\nLanguage: en\n\n{cues}", "text/vtt"
    body = "".join(f'<text start="{start}" dur="4">{escape(words)}</text>' for start, words in lines)
    return f'<?xml version="1.0" encoding="utf-8" ?><transcript>{body}</transcript>', "text/xml"


def _cue(seconds: int) -> str:
    return f"00:0{clock_text(seconds)}.000"


def manifest(video_id: str) -> str:
    """Return an HLS manifest with one variant, which nothing here serves."""
    return (
        "#EXTM3U\n#EXT-X-INDEPENDENT-SEGMENTS\n"
        '#EXT-X-STREAM-INF:BANDWIDTH=700000,CODECS="avc1.4D401E,mp4a.40.2",RESOLUTION=640x360,FRAME-RATE=30\n'
        f"https://manifest.googlevideo.com/api/manifest/hls_playlist/id/{video_id}/itag/230/file/index.m3u8\n"
    )
