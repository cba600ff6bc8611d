"""What feedparser read, as items."""

from datetime import UTC, datetime
from time import struct_time
from typing import Any

import feedparser

from ytworker import Author, Item, ItemContext, SuspectError

_HARMLESS = (feedparser.CharacterEncodingOverride, feedparser.NonXMLContentType)
"""What feedparser complains of without having lost anything."""


def read(body: bytes, feed_url: str) -> tuple[list[Item], str | None]:
    """Give the entries of a feed in its order, and what makes them doubtful.

    feedparser forgives almost everything, a document that was cut off included. That is good for readers and bad for
    whoever must know whether this was all.

    Args:
        body: The document, in any version of Atom or RSS.
        feed_url: Where it came from.

    Raises:
        SuspectError: The document is no feed.
    """
    parsed = feedparser.parse(body)
    if not parsed.get("version"):
        msg = f"the answer of {feed_url} is no feed; open it in a browser"
        raise SuspectError(msg)
    title = parsed.feed.get("title")
    items: dict[str, Item] = {}
    for rank, entry in enumerate(parsed.entries, start=1):
        item = _item(entry, rank, title, feed_url)
        if item is not None:
            items.setdefault(item.id, item)
    error = parsed.get("bozo_exception")
    doubt = None if error is None or isinstance(error, _HARMLESS) else f"the feed is damaged: {error}"
    return list(items.values()), doubt


def _item(entry: Any, rank: int, title: str | None, feed_url: str) -> Item | None:
    """Map one entry; one without an id and a link cannot be told from another."""
    identity = entry.get("id") or entry.get("link")
    if not identity:
        return None
    return Item(
        source="feed",
        kind="entry",
        id=identity[:500],
        url=entry.get("link"),
        title=entry.get("title"),
        description=entry.get("summary"),
        text=next((part.get("value") for part in entry.get("content", ())), None),
        tags=tuple(tag.term for tag in entry.get("tags", ()) if tag.get("term")) if "tags" in entry else None,
        author=Author(name=entry.get("author")),
        published_at=_moment(entry.get("published_parsed") or entry.get("updated_parsed")),
        language=(entry.get("title_detail") or {}).get("language"),
        context=ItemContext(rank=rank, list=title),
        extra={"feed_url": feed_url},
    )


def _moment(parts: struct_time | None) -> datetime | None:
    """Make a moment of what feedparser gives, which is UTC."""
    return None if parts is None else datetime(*parts[:6], tzinfo=UTC)
