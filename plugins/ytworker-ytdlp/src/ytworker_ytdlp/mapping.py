"""From yt-dlp's info dicts to items. What is missing, hidden or of a wrong type is None, never 0 or an empty text."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from ytworker import Author, Item, ItemContext, MetricPrecision, Metrics
from ytworker_ytdlp.ids import CHANNEL_ID, SITE, watch_url
from ytworker_ytdlp.listing import ChannelFacts, Listing
from ytworker_ytdlp.shorts import is_short

SOURCE = "youtube"
ABBREVIATED_FROM = 1000
"""YouTube's pages abbreviate counts from here on ("1.2K"), so that a smaller one is exact."""

Precision = Literal["exact", "rounded"]
Info = Mapping[str, Any]

MAX_TITLE, MAX_DESCRIPTION, MAX_TAGS = 1000, 20_000, 1000
"""Characters, characters and tags that are kept. YouTube allows 100, 5,000 and 500 characters of tags in all; what is
longer is no title, and ``extra.truncated`` names what was cut."""

AVAILABILITY = {
    "public": "public",
    "unlisted": "unlisted",
    "private": "private",
    "subscriber_only": "members_only",
    "premium_only": "premium_only",
    "needs_auth": "restricted",
}
PLACEHOLDERS = {"[Private video]": "private", "[Deleted video]": "gone", "[Unavailable video]": "gone"}
"""What lists show in place of a title; yt-dlp asks in English."""
LIVE_STATUS = frozenset({"not_live", "is_live", "is_upcoming", "was_live", "post_live"})
EXACT_LISTS = frozenset({"videos", "streams", "search", "hub:gaming", "hub:live", "hub:podcasts"})


def listed_item(entry: Info, listing: Listing, rank: int) -> Item:
    """Make an item of an entry of a list, whose text is but the start of a description: ``extra.snippet``.

    Args:
        entry: What the list says about one video.
        listing: The list that it stands in.
        rank: Its position, from 1.
    """
    views = _count(entry.get("view_count"))
    title = _text(entry.get("title"))
    hidden = PLACEHOLDERS.get(title or "")
    exact = listing.name in EXACT_LISTS and "description" in entry
    precision: Precision = "exact" if exact else "rounded"
    item = Item(
        source=SOURCE,
        id=entry["id"],
        url=watch_url(entry["id"]),
        title=None if hidden else title,
        author=_author(entry, listing.channel),
        duration_seconds=_seconds(entry.get("duration")),
        thumbnail_url=_thumbnail(entry),
        is_short=is_short(
            listed=_listed_short(entry, listing.name),
            live_status=_live_status(entry),
            duration_seconds=_seconds(entry.get("duration")),
        ),
        live_status=_live_status(entry),
        availability=hidden or AVAILABILITY.get(str(entry.get("availability"))),
        metrics=Metrics(views=views, precision=MetricPrecision(views=None if views is None else precision)),
        context=ItemContext(list=listing.name, rank=rank),
        extra=_present(
            unavailable=title if hidden else None,
            snippet=(_text(entry.get("description")) or "")[:MAX_DESCRIPTION] or None,
            concurrent_viewers=_count(entry.get("concurrent_view_count")),
            release_at=_rfc3339(entry.get("release_timestamp")),
        ),
    )
    return cut(item)


def full_item(info: Info) -> Item:
    """Make an item of the full record of one video."""
    views, likes, comments = (_count(info.get(name)) for name in ("view_count", "like_count", "comment_count"))
    item = Item(
        source=SOURCE,
        id=info["id"],
        url=watch_url(info["id"]),
        title=_text(info.get("title")),
        description=_text(info.get("description"), keep_empty=True),
        tags=_texts(info.get("tags")),
        author=_author(info, ChannelFacts()),
        published_at=_moment(info.get("timestamp")),
        duration_seconds=_seconds(info.get("duration")),
        language=_language(info),
        thumbnail_url=_https(info.get("thumbnail")) or _thumbnail(info),
        is_short=is_short(
            page=_page_short(info),
            live_status=_live_status(info),
            duration_seconds=_seconds(info.get("duration")),
        ),
        live_status=_live_status(info),
        availability=AVAILABILITY.get(str(info.get("availability"))),
        metrics=Metrics(
            views=views,
            likes=likes,
            comments=comments,
            precision=MetricPrecision(
                views=None if views is None else "exact",
                likes=None if likes is None else "exact",
                comments=_abbreviated(comments),
            ),
        ),
        extra=_extra(info),
    )
    return cut(item)


def cut(item: Item) -> Item:
    """Shorten what no honest page holds, and say so."""
    most = {"title": MAX_TITLE, "description": MAX_DESCRIPTION, "tags": MAX_TAGS}
    long = {name: value[: most[name]] for name in most if len(value := getattr(item, name) or ()) > most[name]}
    if not long:
        return item
    return item.model_copy(update={**long, "extra": {**item.extra, "truncated": sorted(long)}})


def merged(listed: Item, full: Item) -> Item:
    """Lay a fuller record over a listed one: what the fuller one knows wins, what it does not know stays."""
    known = _known(full)
    known["author"] = listed.author.model_copy(update=_known(full.author))
    known["extra"] = {**listed.extra, **full.extra}
    if full.availability is not None and "unavailable" not in full.extra:
        known["extra"].pop("unavailable", None)
    if full.description is not None:
        known["extra"].pop("snippet", None)
    known["context"] = listed.context
    known["is_short"] = is_short(page=full.is_short, listed=listed.is_short, live_status=full.live_status)
    known["metrics"] = _merged_metrics(listed.metrics, full.metrics)
    return listed.model_copy(update=known)


def _merged_metrics(listed: Metrics, full: Metrics) -> Metrics:
    precision = listed.precision.model_copy(update=_known(full.precision))
    return listed.model_copy(update={**_known(full), "precision": precision})


def _known(record: Item | Author | Metrics | MetricPrecision) -> dict[str, Any]:
    return {name: value for name in type(record).model_fields if (value := getattr(record, name)) is not None}


def _abbreviated(count: int | None) -> Precision | None:
    if count is None:
        return None
    return "exact" if count < ABBREVIATED_FROM else "rounded"


def _author(info: Info, channel: ChannelFacts) -> Author:
    channel_id = _text(info.get("channel_id"))
    if channel_id is None or not CHANNEL_ID.fullmatch(channel_id):
        channel_id = None
    own = channel_id is None or channel_id == channel.id
    final_id = channel_id or channel.id
    return Author(
        id=final_id,
        name=_text(info.get("channel")) or (_text(channel.name) if own else None),
        url=f"{SITE}/channel/{final_id}" if final_id else None,
        followers=_count(info.get("channel_follower_count")) or (channel.followers if own else None),
    )


def _listed_short(entry: Info, list_name: str) -> bool | None:
    if list_name in {"shorts", "uploads:shorts"} or "/shorts/" in str(entry.get("url")):
        return True
    return False if list_name in {"videos", "uploads:videos"} else None


def _page_short(info: Info) -> bool | None:
    """Read what the page says. Without its facts, the category being one, yt-dlp's ``media_type`` is but a guess."""
    return {"short": True, "video": False}.get(str(info.get("media_type"))) if info.get("categories") else None


def _live_status(info: Info) -> str | None:
    status = info.get("live_status")
    return status if isinstance(status, str) and status in LIVE_STATUS else None


def _extra(info: Info) -> dict[str, Any]:
    captions = info.get("automatic_captions")
    return _present(
        categories=list(_texts(info.get("categories")) or ()),
        chapters=_chapters(info.get("chapters")),
        age_limit=_count(info.get("age_limit")),
        subtitles=sorted(_keys(info.get("subtitles")) - {"live_chat"}),
        automatic_captions=sorted(key for key in _keys(captions) if key.endswith("-orig")),
        channel_handle=_text(info.get("uploader_id")),
        media_type=_text(info.get("media_type")),
        concurrent_viewers=_count(info.get("concurrent_view_count")),
        release_at=_rfc3339(info.get("release_timestamp")),
        upload_date=_text(info.get("upload_date")),
        license=_text(info.get("license")),
    )


def _present(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None and value != []}


def _chapters(value: Any) -> list[dict[str, Any]]:
    chapters = value if isinstance(value, list) else []
    return [
        {"title": _text(chapter.get("title")), "start": start, "end": _seconds(chapter.get("end_time"))}
        for chapter in chapters
        if isinstance(chapter, Mapping) and (start := _seconds(chapter.get("start_time"))) is not None
    ]


def _language(info: Info) -> str | None:
    if language := _text(info.get("language")):
        return language
    spoken = [key.removesuffix("-orig") for key in _keys(info.get("automatic_captions")) if key.endswith("-orig")]
    return spoken[0] if len(spoken) == 1 else None


def _keys(value: Any) -> set[str]:
    return {key for key in value if isinstance(key, str)} if isinstance(value, Mapping) else set()


def _text(value: Any, *, keep_empty: bool = False) -> str | None:
    """Take a text; lone surrogates, which JSON can hold and UTF-8 cannot, become question marks."""
    if not isinstance(value, str) or not (value or keep_empty):
        return None
    return value.encode("utf-8", "replace").decode("utf-8")


def _texts(value: Any) -> tuple[str, ...] | None:
    if not isinstance(value, Iterable) or isinstance(value, str | bytes | Mapping):
        return None
    return tuple(text for entry in value if (text := _text(entry)))


def _count(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < 2**63 else None


def _seconds(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < float("inf") else None


def _moment(value: Any) -> datetime | None:
    seconds = _seconds(value)
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _rfc3339(value: Any) -> str | None:
    moment = _moment(value)
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def _https(value: Any) -> str | None:
    text = _text(value)
    return text if text and text.startswith("https://") else None


def _thumbnail(info: Info) -> str | None:
    """Pick the widest picture, the last of equals."""
    pictures = info.get("thumbnails")
    found = [
        (_count(picture.get("width")) or 0, position, url)
        for position, picture in enumerate(pictures if isinstance(pictures, list) else ())
        if isinstance(picture, Mapping) and (url := _https(picture.get("url")))
    ]
    return max(found)[2] if found else None
