"""Search results, page by page, narrowed and ordered as the ``sp`` parameter says."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ytworker_ytdlp.testing._entries import search_entry
from ytworker_ytdlp.testing._records import short_count
from ytworker_ytdlp.testing._shapes import Json, answer, avatar, browse_link, continuation, runs, text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ytworker_ytdlp.testing._catalogue import Catalogue
    from ytworker_ytdlp.testing._records import FakeChannel, FakeVideo, SearchQuirks

_PAGE = 20
_SHELF_AFTER = 8
_ANY, _VIDEOS, _CHANNELS = 0, 1, 2
_UPLOADED = {2: timedelta(days=1), 3: timedelta(days=7), 4: timedelta(days=31), 5: timedelta(days=366)}
_LENGTHS = {4: (0, 180), 5: (180, 1200), 2: (1200, 10**9)}
_BY_POPULARITY = 3


@dataclass(frozen=True, slots=True)
class _Wanted:
    order: int = 0
    uploaded: int = 0
    kind: int = 0
    length: int = 0


def read_sp(params: str) -> _Wanted:
    """Read the parameter; an unreadable one narrows nothing, as on YouTube."""
    try:
        raw = base64.urlsafe_b64decode(params.replace("%3D", "=").replace("%253D", "="))
        fields = _fields(raw)
        inner = _fields(bytes(fields.get(2, b"")))
        return _Wanted(*(_int(value) for value in (fields.get(1), inner.get(1), inner.get(2), inner.get(3))))
    except (binascii.Error, ValueError, IndexError):
        return _Wanted()


def _int(value: int | bytes | None) -> int:
    return value if isinstance(value, int) else 0


def _fields(raw: bytes) -> dict[int, int | bytes]:
    """Take a protobuf message of numbers and messages apart."""
    found: dict[int, int | bytes] = {}
    at = 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        number, at = _varint(raw, at)
        if tag & 7:
            found[tag >> 3], at = raw[at : at + number], at + number
        else:
            found[tag >> 3] = number
    return found


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (raw[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if raw[at - 1] < 0x80:  # noqa: PLR2004 - the bit that says that more follow
            return value, at


def search_page(catalogue: Catalogue, query: str, params: str, now: datetime) -> Json:
    """Answer with the first page of search results, channels before videos unless filtered."""
    wanted = read_sp(params)
    channels = catalogue.search_channels(query) if wanted.kind in {_ANY, _CHANNELS} else []
    shown: list[Json] = [{"channelRenderer": _channel_result(channel)} for channel in channels]
    if corrected := catalogue.quirks(query).corrected:
        shown.insert(0, _correction(query, corrected))
    if wanted.kind == _CHANNELS:
        contents = [_section(shown)]
    else:
        contents = _sections(catalogue, query, params, 0, now, before=shown)
    results = {"primaryContents": {"sectionListRenderer": {"contents": contents}}}
    return answer(contents={"twoColumnSearchResultsRenderer": results})


def search_more(catalogue: Catalogue, subject: str, offset: int, now: datetime) -> Json:
    """Answer with a further page of search results."""
    params, _, query = subject.partition(" ")
    items = _sections(catalogue, query, params, offset, now)
    return answer(onResponseReceivedCommands=[{"appendContinuationItemsAction": {"continuationItems": items}}])


def _sections(
    catalogue: Catalogue, query: str, params: str, offset: int, now: datetime, *, before: Sequence[Json] = ()
) -> list[Json]:
    quirks = catalogue.quirks(query)
    found = _found(catalogue, query, params, now)
    size = 0 if quirks.short and offset == _PAGE else _PAGE
    end = offset + (size or 1)
    page = found[offset:end] if size else []
    more = [continuation(f"search {params} {query}", offset if quirks.loop and offset else end)]
    if not quirks.loop and end >= len(found):
        more = []
    hits = [_hit(video, now, quirks) for video in page]
    hits[_SHELF_AFTER:_SHELF_AFTER] = [_shelf(found[:2], now)] if len(hits) > _SHELF_AFTER else []
    return [_section([*before, *hits], silent=quirks.silent or bool(more)), *more]


def _found(catalogue: Catalogue, query: str, params: str, now: datetime) -> list[FakeVideo]:
    quirks = catalogue.quirks(query)
    wanted = _Wanted() if quirks.heedless else read_sp(params)
    span, (low, high) = _UPLOADED.get(wanted.uploaded), _LENGTHS.get(wanted.length, (0, 10**9))
    found = [
        video
        for video in catalogue.search(quirks.corrected or query)
        if (span is None or video.published_at >= now - span) and low <= (video.duration_seconds or low) <= high
    ]
    return sorted(found, key=lambda video: -video.views) if wanted.order == _BY_POPULARITY else found


def _hit(video: FakeVideo, now: datetime, quirks: SearchQuirks) -> Json:
    entry = search_entry(video, now)
    return {"novelVideoModel": next(iter(entry.values()))} if quirks.layout else entry


def _shelf(videos: Sequence[FakeVideo], now: datetime) -> Json:
    """Show "people also watched" between the hits: no hits themselves."""
    items = [search_entry(video, now) for video in videos]
    content = {"verticalListRenderer": {"items": items, "collapsedItemCount": 2}}
    return {"shelfRenderer": {"title": text("People also watched"), "content": content}}


def _correction(query: str, corrected: str) -> Json:
    return {
        "showingResultsForRenderer": {
            "showingResultsFor": runs("Showing results for"),
            "correctedQuery": {"runs": [{"text": corrected, "italics": True}]},
            "originalQuery": text(query),
        },
    }


def _section(items: Sequence[Json], *, silent: bool = False) -> Json:
    nothing: Json = {"messageRenderer": {"text": runs("No results found")}}
    return {"itemSectionRenderer": {"contents": list(items) or ([] if silent else [nothing])}}


def _channel_result(channel: FakeChannel) -> Json:
    # Search puts the handle where the follower count belongs, and the follower count where the video count belongs.
    return {
        "channelId": channel.id,
        "title": text(channel.title),
        "navigationEndpoint": browse_link(channel),
        "descriptionSnippet": runs(channel.description[:100]),
        "subscriberCountText": text(channel.handle),
        "videoCountText": text(f"{short_count(channel.follower_count)} subscribers"),
        "thumbnail": avatar(channel),
    }
