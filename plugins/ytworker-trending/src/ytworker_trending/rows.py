"""From the Data API's rows to items. What is missing, hidden or of a wrong type is None, never 0 or an empty text."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ytworker import Author, Item, ItemContext, MetricPrecision, Metrics
from ytworker_trending.sources import Category
from ytworker_ytdlp import is_short, watch_url
from ytworker_ytdlp.ids import CHANNEL_ID, SITE, VIDEO_ID
from ytworker_ytdlp.mapping import cut

Record = Mapping[str, Any]

LIVE = {"live": "is_live", "upcoming": "is_upcoming"}


def api_item(row: Record, rank: int, country: str, category: Category) -> Item:
    """Make an item of a row of the chart, with the fields that ytworker-api gives for the same video.

    Args:
        row: A record of ``videos.list``; see :func:`is_video`.
        rank: Its position, from 1.
        country: Whose chart it is.
        category: Which chart it is.
    """
    snippet, statistics = as_record(row.get("snippet")), as_record(row.get("statistics"))
    live_status = LIVE.get(str(snippet.get("liveBroadcastContent")))
    seconds = _seconds(as_record(row.get("contentDetails")).get("duration"))
    item = Item(
        source="youtube",
        id=row["id"],
        url=watch_url(row["id"]),
        title=as_text(snippet.get("title")),
        description=_description(snippet),
        tags=_tags(snippet),
        author=_author(snippet),
        published_at=_moment(snippet.get("publishedAt")),
        duration_seconds=seconds,
        language=as_text(snippet.get("defaultAudioLanguage")) or as_text(snippet.get("defaultLanguage")),
        thumbnail_url=_thumbnail(snippet),
        is_short=is_short(live_status=live_status, duration_seconds=seconds),
        live_status=live_status,
        availability="public",
        metrics=_metrics(statistics),
        context=ItemContext(list=f"api:{category}", rank=rank, country=country, category=category),
        extra={"category_id": category_id} if (category_id := as_text(snippet.get("categoryId"))) else {},
    )
    return cut(item)


def _description(snippet: Record) -> str | None:
    return "" if snippet.get("description") == "" else as_text(snippet.get("description"))


def _tags(snippet: Record) -> tuple[str, ...] | None:
    """Give the tags; a snippet without them is that of a video without tags."""
    if "title" not in snippet:
        return None
    tags = snippet.get("tags", [])
    return tuple(text for each in tags if (text := as_text(each))) if isinstance(tags, list) else None


def _author(snippet: Record) -> Author:
    channel_id = as_text(snippet.get("channelId"))
    if channel_id is None or not CHANNEL_ID.fullmatch(channel_id):
        return Author(name=as_text(snippet.get("channelTitle")))
    return Author(id=channel_id, name=as_text(snippet.get("channelTitle")), url=f"{SITE}/channel/{channel_id}")


def _thumbnail(snippet: Record) -> str | None:
    """Pick the widest picture, the last of equals; the names of the sizes change, so none is looked for."""
    found = [
        (width if isinstance(width := picture.get("width"), int) else 0, position, url)
        for position, picture in enumerate(as_record(snippet.get("thumbnails")).values())
        if isinstance(picture, Mapping) and (url := as_text(picture.get("url"))) and url.startswith("https://")
    ]
    return max(found)[2] if found else None


def _metrics(statistics: Record) -> Metrics:
    found = {
        name: _count(statistics.get(f"{field}Count"))
        for name, field in (("views", "view"), ("likes", "like"), ("comments", "comment"))
    }
    precision = {name: "exact" for name, count in found.items() if count is not None}
    return Metrics(**found, precision=MetricPrecision.model_validate(precision))


def _count(value: Any) -> int | None:
    """Read a count, which the API writes as a text; a hidden one is absent."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19 else None  # noqa: PLR2004 - 2**63


def _seconds(value: Any) -> float | None:
    """Read a length as ISO 8601 writes it (``PT1H2M3S``); a stream's ``P0D`` has none."""
    match = re.fullmatch(
        r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", value if isinstance(value, str) else ""
    )
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0, 0)
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds) or None


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None


def is_video(row: Record) -> bool:
    """Tell whether a row names a video."""
    return isinstance(row.get("id"), str) and VIDEO_ID.fullmatch(row["id"]) is not None


def as_text(value: Any) -> str | None:
    """Take a text that is not empty; lone surrogates, which no store can hold, become question marks."""
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) and value else None


def as_record(value: Any) -> Record:
    """Take a JSON object; anything else counts as an empty one."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: Any) -> list[Record]:
    """Take the objects of a JSON array; anything else counts as none."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
