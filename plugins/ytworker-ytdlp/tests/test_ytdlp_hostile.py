"""Answers that no honest server gives: each ends in a typed error, stores nothing and asks nobody else."""

from __future__ import annotations

import gzip
import http.client
import io
import json
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from ytworker import BlockedError, Item, SuspectError, TaskError, ThrottledError
from ytworker_ytdlp import (
    Session,
    limits,
    listed_item,
    open_tab,
    open_uploads,
    parse_channel,
    plain_text,
    read_video,
    read_video_or_stub,
    resolve_channel,
)
from ytworker_ytdlp.testing import _faults
from ytworker_ytdlp.testing._answers import Answer

if TYPE_CHECKING:
    from ytworker.testing import FakePort
    from ytworker_ytdlp.testing import FakeChannel, FakeYouTube

Serve = Callable[..., None]
MIB = 1 << 20


@pytest.fixture
def channel(youtube: FakeYouTube) -> FakeChannel:
    try:
        return youtube.channel("@Hostile")
    except KeyError:
        return youtube.add_channel("@Hostile", videos=120)


@pytest.fixture
def serve(youtube: FakeYouTube, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Answer matching requests with these bytes."""

    def plan(body: bytes, match: str = "browse", kind: str = "application/json", **headers: str) -> None:
        answer = Answer(200, body, kind, {name.replace("_", "-"): value for name, value in headers.items()})
        monkeypatch.setitem(_faults._ANSWERS, "reshaped", lambda _: answer)
        youtube.fault("reshaped", match, times=-1)

    return plan


def ids(session: Session, channel: FakeChannel) -> list[str]:
    return [entry["id"] for entry in open_uploads(session, channel.id).entries]


# --- R1, R2: too much ----------------------------------------------------------------------------------------------


def test_r1_an_endless_body_is_cut(session: Session, serve: Serve, channel: FakeChannel, monkeypatch: Any) -> None:
    monkeypatch.setattr(limits, "MAX_ANSWER", MIB)
    serve(b'"' + b"x" * (2 * MIB) + b'"')
    with pytest.raises(SuspectError, match="more than 1 MiB"):
        ids(session, channel)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw deflate"])
def test_r2_a_bomb_is_cut_after_decoding(encoding: str) -> None:
    plain = b" " * (limits.MAX_ANSWER + 1)
    wrap = {"gzip": 31, "deflate": 15, "raw deflate": -15}[encoding]
    packer = zlib.compressobj(wbits=wrap)
    bomb = packer.compress(plain) + packer.flush()
    assert len(bomb) < MIB
    with pytest.raises(limits.UnreadableAnswerError, match="more than 16 MiB"):
        limits.decoded(bomb, encoding.removeprefix("raw "))


def test_r2_a_bomb_ends_as_suspect(session: Session, serve: Serve, channel: FakeChannel) -> None:
    serve(b" " * (limits.MAX_ANSWER + 1))  # the fake packs what is long
    with pytest.raises(SuspectError, match="more than 16 MiB"):
        ids(session, channel)


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd", "x" * 10_000, "gzip;q=1"])
def test_r2_other_and_nested_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(limits.UnreadableAnswerError, match="not asked for"):
        limits.decoded(gzip.compress(gzip.compress(b"{}")), encoding)


@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(b"x" * 99, mtime=0)[:-9], b"\x1f\x8b"])
def test_r2_what_cannot_be_decoded_is_refused(body: bytes) -> None:
    with pytest.raises(limits.UnreadableAnswerError, match="cannot be decoded"):
        limits.decoded(body, "gzip")


def test_plain_and_empty_bodies_pass() -> None:
    assert limits.decoded(b"x", "") == limits.decoded(b"x", "identity") == b"x"
    assert limits.decoded(b"", "gzip") == b""
    assert limits.decoded(zlib.compress(b"x"), "deflate") == limits.decoded(gzip.compress(b"x"), " GZIP ") == b"x"


class Body:
    """As much of an HTTPResponse as is read."""

    def __init__(self, body: bytes, length: int | None) -> None:
        self.length = length
        self._rest = io.BytesIO(body)

    def read1(self, size: int) -> bytes:
        return self._rest.read(min(size, 10))


def test_r1_a_length_that_lies_is_noticed() -> None:
    assert limits.read_whole(Body(b"x" * 25, 25)) == b"x" * 25  # type: ignore[arg-type]
    assert limits.read_whole(Body(b"x" * 25, None)) == b"x" * 25  # type: ignore[arg-type]
    assert limits.read_whole(Body(b"", 0)) == b""  # type: ignore[arg-type]
    with pytest.raises(http.client.IncompleteRead):
        limits.read_whole(Body(b"x" * 25, 26))  # type: ignore[arg-type]


def test_r1_a_drip_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 10_000, 40))
    monkeypatch.setattr(limits.time, "monotonic", lambda: float(next(now)))
    with pytest.raises(TimeoutError, match="timed out"):
        limits.read_whole(Body(b"x" * 1000, None))  # type: ignore[arg-type]


# --- R3 to R5: not what it should be --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"contents": ' + b"9" * 100_000 + b"}",
        b"\xef\xbb\xbf{}",
        b'{"contents": "\xff\xfe"',
        b"{,}",
        b"<html>",
        b"",
    ],
    ids=["deep list", "deep object", "long number", "BOM", "no UTF-8", "no JSON", "HTML", "nothing"],
)
def test_r3_garbage_is_suspect(session: Session, serve: Serve, channel: FakeChannel, body: bytes) -> None:
    serve(body)
    with pytest.raises(SuspectError):
        ids(session, channel)


@pytest.mark.parametrize("body", [b"{}", b'{"contents": NaN}', b'{"contents": Infinity, "contents": null}', b"null"])
def test_r3_empty_and_odd_objects_are_no_list(
    session: Session, serve: Serve, channel: FakeChannel, body: bytes
) -> None:
    serve(body)
    with pytest.raises(TaskError) as caught:
        ids(session, channel)
    assert caught.value.error_class in {"transient", "suspect", "bug"}


@pytest.mark.parametrize("body", [b"[" * 100_000, b"9" * 100_000, b"<html>", b"\xff"])
def test_r3_garbage_in_our_own_requests_is_suspect(session: Session, serve: Serve, body: bytes) -> None:
    serve(body, "resolve_url")
    with pytest.raises(SuspectError):
        resolve_channel(session, parse_channel("@Hostile"))


def test_r3_a_million_keys_are_read_and_forgotten(session: Session, serve: Serve, channel: FakeChannel) -> None:
    serve(json.dumps({str(number): 0 for number in range(300_000)}).encode())
    with pytest.raises(TaskError):
        ids(session, channel)


# --- R6 to R9: hollow, mixed up, too long ---------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["consent", "http429", "not-json", "incomplete", "reshaped"])
def test_r6_another_page_with_status_200_is_no_list(
    session: Session, youtube: FakeYouTube, channel: FakeChannel, fault: str
) -> None:
    youtube.fault(fault, "browse", times=-1)
    with pytest.raises(TaskError) as caught:
        ids(session, channel)
    assert caught.value.error_class in {"suspect", "transient", "throttled", "bug"}


@pytest.mark.parametrize("missing", ["title", "channelId"])
def test_r7_a_hollow_record_is_suspect(
    session: Session, channel: FakeChannel, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    name = {"title": "title", "channelId": "channel_id"}[missing]
    real = session.client.extract_info
    monkeypatch.setattr(session.client, "extract_info", lambda *args, **more: {**real(*args, **more), name: None})
    for read in (read_video, read_video_or_stub):
        with pytest.raises(SuspectError, match="hollow"):
            read(session, channel.videos[0].id)


def test_r8_an_answer_about_another_video_is_refused(
    session: Session, youtube: FakeYouTube, channel: FakeChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (video.id for video in channel.videos[:2])
    real = session.client.extract_info
    swap = {first: second}

    def mixed_up(url: str, **more: Any) -> Any:
        return real(url.replace(first, swap[first]), **more)

    monkeypatch.setattr(session.client, "extract_info", mixed_up)
    with pytest.raises(SuspectError, match="the answer is about"):
        read_video(session, first)


def test_r9_floods_are_cut_and_say_so(session: Session, youtube: FakeYouTube) -> None:
    flood = youtube.add_video(
        "@Flood",
        title="t" * 10_000,
        description="d\u0301\u200b" * 200_000,
        tags=tuple(f"tag {number}" for number in range(10_000)),
    )
    item = read_video(session, flood.id)
    assert len(item.model_dump_json()) < MIB
    assert (item.title, item.description) == (flood.title[:1000], flood.description[:20_000])
    assert item.tags == flood.tags[:1000]
    assert item.extra["truncated"] == ["description", "tags", "title"]


def test_r9_a_flood_in_a_list_is_cut(session: Session, youtube: FakeYouTube) -> None:
    flood = youtube.add_video("@ListFlood", title="t" * 10_000)
    listing = open_tab(session, parse_channel("@ListFlood"), "videos")
    item = listed_item(next(iter(listing.entries)), listing, 1)
    assert (item.title, item.extra["truncated"]) == (flood.title[:1000], ["title"])


# --- R11, R12: redirects and cookies --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:{port}/",
        "https://127.0.0.1:{port}/",
        "http://www.youtube.com/",
        "https://evil.test/",
    ],
)
def test_r11_a_redirect_elsewhere_is_refused(
    session: Session, youtube: FakeYouTube, channel: FakeChannel, trap: Any, location: str
) -> None:
    youtube.fault("redirect", "/watch", times=-1, location=location.format(port=trap.port))
    with pytest.raises(SuspectError, match="redirect was refused"):
        read_video(session, channel.videos[0].id)
    assert trap.hits == 0


@pytest.mark.parametrize(
    ("location", "error"),
    [
        ("https://consent.youtube.com/m?continue=http://127.0.0.1:{port}/", BlockedError),
        ("https://www.google.com/sorry/index?continue=http://127.0.0.1:{port}/", ThrottledError),
    ],
)
def test_r6_a_redirect_to_consent_or_captcha_is_about_who_asks(
    session: Session, youtube: FakeYouTube, channel: FakeChannel, trap: Any, location: str, error: type[TaskError]
) -> None:
    youtube.fault("redirect", times=-1, location=location.format(port=trap.port))
    with pytest.raises(error, match="redirect was refused") as caught:
        read_video(session, channel.videos[0].id)
    assert (caught.value.source, trap.hits, len(youtube.requests)) == (session.source, 0, 1)


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://www.youtube.com/", "", "//", "/watch?v=\x00"])
def test_r11_a_redirect_to_nowhere_is_an_error(
    session: Session, youtube: FakeYouTube, channel: FakeChannel, location: str
) -> None:
    youtube.fault("redirect", "browse", times=-1, location=location or " ")
    with pytest.raises(TaskError):
        ids(session, channel)


@pytest.mark.parametrize(
    "cookie",
    ["a=b; Domain=evil.test", "a=b; Domain=127.0.0.1", f"a={'x' * 60_000}", "a=\x01\x02b", "=;=;=", ""],
)
def test_r12_odd_cookies_change_nothing(
    session: Session, serve: Serve, channel: FakeChannel, youtube: FakeYouTube, cookie: str
) -> None:
    serve(b"{}", "resolve_url", Set_Cookie=cookie)
    with pytest.raises(TaskError):
        resolve_channel(session, parse_channel("@Hostile"))
    youtube.reset()
    assert len(ids(session, channel)) == 120
    assert not [kept for kept in session.client.cookiejar if "youtube" not in kept.domain]


# --- U12: pages without an end --------------------------------------------------------------------------------------


def test_u12_a_page_that_leads_to_itself_ends(
    session: Session, serve: Serve, channel: FakeChannel, youtube: FakeYouTube, port: FakePort
) -> None:
    entries = open_uploads(session, channel.id).entries
    token = {"continuationCommand": {"token": "again", "request": "CONTINUATION_REQUEST_TYPE_BROWSE"}}
    more = {"continuationItemRenderer": {"continuationEndpoint": token}}
    page = {"onResponseReceivedActions": [{"appendContinuationItemsAction": {"continuationItems": [more]}}]}
    serve(json.dumps(page).encode(), "browse")
    before = len(port.acquired)
    assert len(list(entries)) == 100  # what was there; yt-dlp takes an empty page for the last one
    assert len(port.acquired) - before <= 2


def test_u12_a_step_that_asks_without_end_is_stopped(session: Session, channel: FakeChannel, port: FakePort) -> None:
    def ask() -> None:
        with session.step("x"):
            for _ in range(100):
                session.fetch(f"https://www.youtube.com/channel/{channel.id}")

    with pytest.raises(SuspectError, match="lead in a circle"):
        ask()
    assert len(port.acquired) == 20


def test_u12_one_video_for_ever_ends(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def for_ever() -> Any:
        while True:
            yield {"id": "dQw4w9WgXcQ", "title": "T"}

    info = {"_type": "playlist", "entries": for_ever()}
    monkeypatch.setattr(session.client, "extract_info", lambda *_, **__: info)
    assert len(list(open_uploads(session, "UC" + "x" * 22).entries)) == 1


def test_u12_a_million_entries_are_too_many(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    from ytworker_ytdlp import listing

    monkeypatch.setattr(listing, "MAX_ENTRIES", 500)
    info = {"_type": "playlist", "entries": ({"id": f"{number:011}", "title": "T"} for number in range(10**6))}
    monkeypatch.setattr(session.client, "extract_info", lambda *_, **__: info)
    assert len(list(open_uploads(session, "UC" + "x" * 22).entries)) == 500


def test_u10_words_of_a_site_are_no_templates(session: Session, youtube: FakeYouTube) -> None:
    title = "%(title)s {0.__class__} %00 ' OR 1=1 \U0001f680 \u202e"
    video = youtube.add_video("@Words", title=title)
    item: Item = read_video(session, video.id)
    assert item.title == title
    assert plain_text(json.dumps({"events": [{"segs": [{"utf8": title}]}]}).encode()) == title
