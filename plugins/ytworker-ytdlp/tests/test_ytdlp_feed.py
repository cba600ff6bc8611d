"""The Atom feed, ours and a recorded one, and hostile XML."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytworker import PermanentError, RetryableError, SuspectError
from ytworker_ytdlp import FeedMissingError, parse_feed, read_feed

if TYPE_CHECKING:
    from pathlib import Path

    from ytworker_ytdlp import Session
    from ytworker_ytdlp.ids import ListKind
    from ytworker_ytdlp.testing import FakeYouTube


def test_a_feed_has_exact_times_and_views(session: Session, youtube: FakeYouTube) -> None:
    channel = youtube.add_channel("@Feed", title="Feed & <co>", videos=10, shorts=10)
    feed = read_feed(session, channel.id)
    expected = channel.uploads[:15]
    assert [item.id for item in feed.items] == [video.id for video in expected]
    assert [item.published_at for item in feed.items] == [video.published_at for video in expected]
    assert [item.metrics.views for item in feed.items] == [video.views for video in expected]
    assert {item.metrics.precision.views for item in feed.items} == {"exact"}
    assert [item.title for item in feed.items] == [video.title for video in expected]
    assert [item.context.rank for item in feed.items] == list(range(1, 16))
    assert (feed.channel.id, feed.channel.name, feed.complete) == (channel.id, "Feed & <co>", False)
    assert {item.author.id for item in feed.items} == {channel.id}
    assert len(youtube.requests) == 1


def test_a_feed_of_one_kind(session: Session, youtube: FakeYouTube) -> None:
    channel = youtube.add_channel("@FeedKinds", videos=3, shorts=4)
    feed = read_feed(session, channel.id, "shorts")
    assert [item.id for item in feed.items] == [video.id for video in channel.shorts]
    assert all(item.is_short for item in feed.items)
    assert feed.complete


def test_a_missing_feed_proves_nothing(session: Session) -> None:
    with pytest.raises(FeedMissingError, match="waves"):
        read_feed(session, "UC" + "x" * 22)


def test_other_failures_of_a_feed(session: Session, youtube: FakeYouTube) -> None:
    youtube.fault("http400", "feeds")
    with pytest.raises(PermanentError):
        read_feed(session, "UC" + "x" * 22)
    youtube.fault("http503", "feeds")
    with pytest.raises(RetryableError):
        read_feed(session, "UC" + "x" * 22)
    youtube.fault("not-json", "feeds")
    with pytest.raises(SuspectError):
        read_feed(session, "UC" + "x" * 22)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"<feed>",
        b"<feed/>",
        b'<!DOCTYPE feed SYSTEM "file:///etc/passwd"><feed xmlns="http://www.w3.org/2005/Atom"/>',
        b'<!DOCTYPE l [<!ENTITY a "x"><!ENTITY b "&a;&a;">]><feed xmlns="http://www.w3.org/2005/Atom">&b;</feed>',
        b'<?xml version="1.0" encoding="nonsense"?><feed/>',
        b"<feed xmlns='http://www.w3.org/2005/Atom'>\xff</feed>",
    ],
)
def test_r4_what_is_no_plain_atom_is_refused(body: bytes) -> None:
    with pytest.raises(SuspectError, match="--route uploads"):
        parse_feed(body)


ATOM = 'xmlns="http://www.w3.org/2005/Atom" xmlns:yt="http://www.youtube.com/xml/schemas/2015"'
NASA = "UCLA_DiR1FfKNvjuUpBHmylQ"
OTHER = "UCYJ61XIK64sp6ZFFS8sctxw"


def _atom(content: str) -> bytes:
    return f"<feed {ATOM}>{content}</feed>".encode()


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("", "neither a channel nor videos"),
        ("<title>x</title><yt:channelId>?</yt:channelId>", "neither a channel nor videos"),
        ("<entry/><entry><yt:videoId>../../x</yt:videoId></entry>", "none of its 2 entries"),
        (f"<yt:channelId>{NASA[2:]}</yt:channelId><entry/>", "none of its 1 entries"),
        (f"<yt:channelId>{OTHER[2:]}</yt:channelId>", OTHER),
        (f"<yt:channelId>{OTHER}</yt:channelId><entry><yt:videoId>dQw4w9WgXcQ</yt:videoId></entry>", OTHER),
    ],
)
@pytest.mark.parametrize("kind", ["all", "videos"])
def test_a_hollow_or_foreign_feed_is_suspect(content: str, match: str, kind: ListKind) -> None:
    with pytest.raises(SuspectError, match=match) as caught:
        parse_feed(_atom(content), kind, channel_id=NASA, source="me")
    assert (caught.value.source, caught.value.retry_after) == ("me", 600)
    assert "--depth full" in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"<feed/>", b"<!DOCTYPE feed><feed/>"])
def test_an_unreadable_feed_names_its_source(body: bytes) -> None:
    with pytest.raises(SuspectError) as caught:
        parse_feed(body, source="me")
    assert caught.value.source == "me"


def test_a_feed_of_a_channel_without_videos_is_legal() -> None:
    feed = parse_feed(_atom(f"<yt:channelId>{NASA[2:]}</yt:channelId>"), channel_id=NASA)
    assert (feed.channel.id, feed.items, feed.complete) == (NASA, (), True)


def test_a_list_feed_need_not_name_its_channel() -> None:
    content = "<yt:playlistId>UULF</yt:playlistId><entry><yt:videoId>dQw4w9WgXcQ</yt:videoId></entry>"
    assert len(parse_feed(_atom(content), "videos", channel_id=NASA).items) == 1


def test_reading_checks_whose_feed_it_is(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    body = _atom(f"<yt:channelId>{OTHER[2:]}</yt:channelId>")
    monkeypatch.setattr(type(session), "fetch", lambda *_: (200, body))
    with pytest.raises(SuspectError, match=f"{NASA}.*{OTHER}") as caught:
        read_feed(session, NASA)
    assert caught.value.source == session.source


@given(st.binary(max_size=200))
def test_any_bytes_are_a_feed_or_suspect(body: bytes) -> None:
    try:
        parse_feed(body)
    except SuspectError:
        return


def test_odd_entries_are_left_out_or_lose_what_is_odd() -> None:
    body = b"""<feed xmlns="http://www.w3.org/2005/Atom" xmlns:yt="http://www.youtube.com/xml/schemas/2015"
        xmlns:media="http://search.yahoo.com/mrss/"><entry/><entry><yt:videoId>../../x</yt:videoId></entry>
        <entry><yt:videoId>dQw4w9WgXcQ</yt:videoId><published>yesterday</published><media:group>
        <media:thumbnail url="file:///x"/><media:community><media:statistics views="1.2M"/></media:community>
        </media:group></entry><entry><yt:videoId>aaaaaaaaaaa</yt:videoId><published>2026-01-01</published></entry>
        </feed>"""
    items = parse_feed(body).items
    assert [item.id for item in items] == ["dQw4w9WgXcQ", "aaaaaaaaaaa"]
    for item in items:
        assert (item.published_at, item.thumbnail_url, item.metrics.views, item.title) == (None, None, None, None)


def test_the_recorded_feed(recordings: Path) -> None:
    packed = recordings / "data" / "feed_kurzgesagt" / "01-_feeds_videos-xml.json.gz"
    body = json.loads(gzip.decompress(packed.read_bytes()))["response"]["text"].encode()
    feed = parse_feed(body)
    assert len(feed.items) == 15
    assert all(item.published_at and item.metrics.views and item.title and item.author.id for item in feed.items)
    times = [item.published_at for item in feed.items if item.published_at]
    assert times == sorted(times, reverse=True)
