"""From the Data API's records to items. What is missing, hidden or of a wrong type is None, never 0 or an empty text.

The same video as the other plugins give, in the same fields: ``is_short``, ``live_status`` and ``availability`` in the
same words. Counts are exact here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from html import unescape
from typing import Any, Literal

from ytworker import Author, Item, ItemContext, MetricPrecision, Metrics
from ytworker_api.ids import CHANNEL_ID, VIDEO_ID, channel_url, is_short, watch_url

SOURCE = "youtube"
Record = Mapping[str, Any]

AVAILABILITY = {"public": "public", "unlisted": "unlisted", "private": "private"}
LEFT_OUT = "the Data API left it out: removed, private, or never there"
_DURATION = re.compile(
    r"P(?:([0-9]{1,6})W)?(?:([0-9]{1,6})D)?(?:T(?:([0-9]{1,6})H)?(?:([0-9]{1,6})M)?(?:([0-9]{1,8}(?:\.[0-9]+)?)S)?)?"
)
_COUNT = re.compile(r"[0-9]{1,19}")
_AGE_LIMIT = 18
MAX_TITLE, MAX_DESCRIPTION, MAX_TAGS = 1000, 20_000, 1000
"""Characters, characters and tags that are kept, here and by the other plugins. YouTube allows 100, 5,000 and 500
characters of tags in all; what is longer is no title, and ``extra.truncated`` names what was cut."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One entry of a list: which video, how it was come upon, and what the list says of it.

    Attributes:
        id: The video.
        context: The list and the rank in it.
        record: Its ``snippet`` and ``status`` as far as the list has them.
    """

    id: str
    context: ItemContext = field(default_factory=ItemContext)
    record: Record = field(default_factory=dict)


def video_item(record: Record, parts: frozenset[str], context: ItemContext | None = None) -> Item:
    """Make an item of a record of ``videos.list`` or ``videos.batchGetStats``.

    Args:
        record: What the service gave.
        parts: What was asked for: a part that was and is missing says something, one that was not says nothing.
        context: How it was come upon.
    """
    snippet, details = _mapping(record, "snippet"), _mapping(record, "contentDetails")
    live_status = _live_status(snippet, record, parts)
    seconds = _duration(details.get("duration"))
    if live_status in {"is_live", "is_upcoming"}:
        seconds = None  # P0D
    item = Item(
        source=SOURCE,
        id=record["id"],
        url=watch_url(record["id"]),
        title=_text(snippet.get("title")),
        description=_text(snippet.get("description"), keep_empty=True),
        tags=_tags(snippet),
        author=_author(snippet),
        published_at=_moment(snippet.get("publishedAt")) or _moment(snippet.get("publishTime")),
        duration_seconds=seconds,
        language=_text(snippet.get("defaultAudioLanguage")) or _text(snippet.get("defaultLanguage")),
        thumbnail_url=_thumbnail(snippet),
        is_short=is_short(live_status, seconds),
        live_status=live_status,
        availability=AVAILABILITY.get(str(_mapping(record, "status").get("privacyStatus"))),
        metrics=_metrics(_mapping(record, "statistics")),
        context=context or ItemContext(),
        extra=_extra(record, snippet, details),
    )
    return _cut(item)


def _cut(item: Item) -> Item:
    """Shorten what no honest record holds, and say so."""
    most = {"title": MAX_TITLE, "description": MAX_DESCRIPTION, "tags": MAX_TAGS}
    long = {name: value[: most[name]] for name in most if len(value := getattr(item, name) or ()) > most[name]}
    if not long:
        return item
    return item.model_copy(update={**long, "extra": {**item.extra, "truncated": sorted(long)}})


def missing_item(hit: Hit, *, gone: bool = True) -> Item:
    """Make an item of a video that the service was asked for and left out.

    Args:
        hit: What is known of it. A list of uploads may say that it is private.
        gone: Whether that may be concluded; else its availability is unknown.
    """
    snippet = _mapping(hit.record, "snippet")
    private = _mapping(hit.record, "status").get("privacyStatus") == "private"
    item = Item(
        source=SOURCE,
        id=hit.id,
        url=watch_url(hit.id),
        availability=("private" if private else "gone") if gone else None,
        context=hit.context,
        extra={"unavailable": LEFT_OUT},
        **({} if gone else _listed(snippet)),
    )
    return _cut(item)


def search_hit(record: Any, context: ItemContext) -> Hit | None:
    """Read an entry of ``search.list``; None where it names no video."""
    video_id = _mapping(_mapping(record), "id").get("videoId")
    return _hit(video_id, context, record)


def upload_hit(record: Any, context: ItemContext) -> Hit | None:
    """Read an entry of ``playlistItems.list``; None where it names no video."""
    video_id = _mapping(_mapping(record), "contentDetails").get("videoId")
    return _hit(video_id, context, {"status": _mapping(_mapping(record), "status")})


def _hit(video_id: Any, context: ItemContext, record: Record) -> Hit | None:
    if not isinstance(video_id, str) or not VIDEO_ID.fullmatch(video_id):
        return None
    return Hit(video_id, context, record)


def _listed(snippet: Record) -> dict[str, Any]:
    """Give what a search says of a video; its texts are written for web pages."""
    title = _text(snippet.get("title"))
    return {
        "title": None if title is None else unescape(title),
        "author": _author(snippet),
        "published_at": _moment(snippet.get("publishedAt")),
        "thumbnail_url": _thumbnail(snippet),
    }


def _metrics(statistics: Record) -> Metrics:
    views, likes, comments = (_count(statistics.get(name)) for name in ("viewCount", "likeCount", "commentCount"))
    return Metrics(
        views=views,
        likes=likes,
        comments=comments,
        precision=MetricPrecision(views=_exact(views), likes=_exact(likes), comments=_exact(comments)),
    )


def _exact(count: int | None) -> Literal["exact"] | None:
    return None if count is None else "exact"


def _live_status(snippet: Record, record: Record, parts: frozenset[str]) -> str | None:
    """Read the state of a stream; ``liveStreamingDetails`` is there of streams alone, running, over or to come."""
    known = {"live": "is_live", "upcoming": "is_upcoming"}.get(str(snippet.get("liveBroadcastContent")))
    if known or snippet.get("liveBroadcastContent") != "none" or "liveStreamingDetails" not in parts:
        return known
    return "was_live" if _mapping(record, "liveStreamingDetails") else "not_live"


def _author(snippet: Record) -> Author:
    channel_id = _text(snippet.get("channelId"))
    if channel_id is None or not CHANNEL_ID.fullmatch(channel_id):
        channel_id = None
    name = _text(snippet.get("channelTitle"))
    return Author(id=channel_id, name=name, url=channel_url(channel_id) if channel_id else None)


def _tags(snippet: Record) -> tuple[str, ...] | None:
    """Give the tags; a snippet without them is that of a video without tags."""
    if not snippet or "title" not in snippet:
        return None
    tags = snippet.get("tags", [])
    return tuple(text for each in tags if (text := _text(each))) if isinstance(tags, list) else None


def _extra(record: Record, snippet: Record, details: Record) -> dict[str, Any]:
    live, status = _mapping(record, "liveStreamingDetails"), _mapping(record, "status")
    regions, rating = _mapping(details, "regionRestriction"), _mapping(details, "contentRating")
    values = {
        "category_id": _text(snippet.get("categoryId")),
        "age_limit": _AGE_LIMIT if rating.get("ytRating") == "ytAgeRestricted" else None,
        "made_for_kids": _flag(status.get("madeForKids")),
        "license": _text(status.get("license")),
        "captions": {"true": True, "false": False}.get(str(details.get("caption"))),
        "definition": _text(details.get("definition")),
        "regions_allowed": _texts(regions.get("allowed")),
        "regions_blocked": _texts(regions.get("blocked")),
        "concurrent_viewers": _count(live.get("concurrentViewers")),
        "release_at": _rfc3339(live.get("scheduledStartTime")),
        "started_at": _rfc3339(live.get("actualStartTime")),
        "ended_at": _rfc3339(live.get("actualEndTime")),
        "topics": _texts(_mapping(record, "topicDetails").get("topicCategories")),
        "recorded_at": _rfc3339(_mapping(record, "recordingDetails").get("recordingDate")),
        "paid_promotion": _flag(_mapping(record, "paidProductPlacementDetails").get("hasPaidProductPlacement")),
        "localizations": sorted(_mapping(record, "localizations")),
    }
    return {name: value for name, value in values.items() if value is not None and value != []}


def _mapping(record: Any, name: str | None = None) -> Record:
    value = record if name is None else record.get(name)
    return value if isinstance(value, Mapping) else {}


def _text(value: Any, *, keep_empty: bool = False) -> str | None:
    """Take a text; lone surrogates, which JSON can hold and UTF-8 cannot, become question marks."""
    if not isinstance(value, str) or not (value or keep_empty):
        return None
    return value.encode("utf-8", "replace").decode("utf-8")


def _texts(value: Any) -> list[str] | None:
    return [text for each in value if (text := _text(each))] if isinstance(value, list) else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _count(value: Any) -> int | None:
    """Read a count: the service writes them as decimal texts."""
    if isinstance(value, str) and _COUNT.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < 2**63 else None


def _duration(value: Any) -> float | None:
    """Read a duration of ISO 8601, such as ``PT4M13S``."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or value in {"P", "PT"}:
        return None
    weeks, days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return (((weeks * 7 + days) * 24 + hours) * 60 + minutes) * 60 + seconds


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None


def _rfc3339(value: Any) -> str | None:
    moment = _moment(value)
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def _thumbnail(snippet: Record) -> str | None:
    """Pick the widest picture, the last of equals; the names of the sizes change, so none is looked for."""
    found = [
        (width if isinstance(width := picture.get("width"), int) else 0, position, url)
        for position, picture in enumerate(_mapping(snippet, "thumbnails").values())
        if isinstance(picture, Mapping) and (url := _text(picture.get("url"))) and url.startswith("https://")
    ]
    return max(found)[2] if found else None
