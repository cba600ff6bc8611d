"""The Atom feed of a channel: the 15 newest uploads with exact times and views, in one plain request."""

from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn
from xml.etree import ElementTree as ET

from ytworker import Author, Item, ItemContext, MetricPrecision, Metrics, SuspectError
from ytworker_ytdlp.errors import FeedMissingError
from ytworker_ytdlp.ids import CHANNEL_ID, FEED_LENGTH, SITE, VIDEO_ID, ListKind, feed_url, watch_url
from ytworker_ytdlp.listing import ChannelFacts
from ytworker_ytdlp.mapping import SOURCE
from ytworker_ytdlp.raising import to_error
from ytworker_ytdlp.session import Session
from ytworker_ytdlp.shorts import is_short
from ytworker_ytdlp.taxonomy import judge

NOT_FOUND = 404
LATER = 600.0

_ATOM = "{http://www.w3.org/2005/Atom}"
_YT = "{http://www.youtube.com/xml/schemas/2015}"
_MEDIA = "{http://search.yahoo.com/mrss/}"


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed that was read.

    Attributes:
        channel: Id and name of the channel.
        items: Its videos, newest first.
        complete: Whether it holds all there is: fewer entries than a feed can hold.
    """

    channel: ChannelFacts
    items: tuple[Item, ...]
    complete: bool


def read_feed(session: Session, channel_id: str, kind: ListKind = "all") -> Feed:
    """Ask for a channel's feed.

    Raises:
        FeedMissingError: HTTP 404. Feeds do that in waves: confirm by another route before calling the channel gone.
        SuspectError: No feed, one with a document type declaration, a hollow one, or that of another channel.
    """
    with session.step(f"feed of {channel_id}"):
        status, body = session.fetch(feed_url(channel_id, kind))
        if status == NOT_FOUND:
            msg = f"feed of {channel_id}: YouTube answered 404, which happens in waves. It is tried again"
            raise FeedMissingError(msg, source=session.source)
        if status >= 400:  # noqa: PLR2004 - the client errors of HTTP
            raise to_error(judge(_Status(status)), subject=f"feed of {channel_id}", source=session.source)
    return parse_feed(body, kind, channel_id=channel_id, source=session.source)


class _Status(Exception):  # noqa: N818 - gives a bare status to the taxonomy
    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP Error {status}")
        self.status = status


class _NoDoctype(ET.TreeBuilder):
    """Refuses any document type declaration, and with it entities, external ones and bombs alike."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> NoReturn:  # noqa: ARG002 - expat's own
        """Refuse."""
        msg = "a document type declaration"
        raise ValueError(msg)


def parse_feed(
    body: bytes, kind: ListKind = "all", *, channel_id: str | None = None, source: str | None = None
) -> Feed:
    """Read the bytes of a feed.

    Args:
        body: The answer.
        kind: What was asked for.
        channel_id: Whose feed was asked for; None lets any pass.
        source: The identity that asked, for errors.

    Raises:
        SuspectError: They are no feed, a hollow one, or that of another channel. A feed that names its channel and has
            no entries is that of a channel without videos.
    """
    try:
        parser = ET.XMLParser(target=_NoDoctype())  # noqa: S314 - a document type, the way to every XML attack, is refused
        root = ET.fromstring(body, parser)  # noqa: S314 - as above
    except (ET.ParseError, ValueError, LookupError, RecursionError) as error:
        msg = f"the feed cannot be read ({error}). It is asked again once; another route is --route uploads"
        raise SuspectError(msg, source=source) from error
    if root.tag != f"{_ATOM}feed":
        msg = "the answer is XML but no Atom feed. It is asked again once; another route is --route uploads"
        raise SuspectError(msg, source=source)
    feed = _feed(root, kind)
    if problem := _problem(feed, len(root.findall(f"{_ATOM}entry")), channel_id):
        msg = f"feed of {channel_id or feed.channel.id or 'a channel'}: {problem}. It is tried again later; "
        raise SuspectError(msg + "--depth full --route uploads does without the feed", retry_after=LATER, source=source)
    return feed


def _problem(feed: Feed, entries: int, channel_id: str | None) -> str | None:
    """Say why nothing may be concluded from a feed, or None."""
    if not entries and not feed.channel.id:
        return "it holds neither a channel nor videos"
    if entries and not feed.items:
        return f"none of its {entries} entries is a video"
    if channel_id and feed.channel.id and feed.channel.id != channel_id:
        return f"it is that of {feed.channel.id}"
    return None


def _feed(root: ET.Element, kind: ListKind) -> Feed:
    entries = root.findall(f"{_ATOM}entry")
    items = [item for rank, entry in enumerate(entries, 1) if (item := _item(entry, kind, rank))]
    name = _text(root.find(f"{_ATOM}author"), f"{_ATOM}name")
    return Feed(ChannelFacts(id=_channel_id(root), name=name), tuple(items), len(entries) < FEED_LENGTH)


def _item(entry: ET.Element, kind: ListKind, rank: int) -> Item | None:
    video_id = _text(entry, f"{_YT}videoId")
    if video_id is None or not VIDEO_ID.fullmatch(video_id):
        return None
    group = entry.find(f"{_MEDIA}group")
    views = _views(group)
    return Item(
        source=SOURCE,
        id=video_id,
        url=watch_url(video_id),
        title=_text(entry, f"{_ATOM}title"),
        description=_text(group, f"{_MEDIA}description"),
        author=_author(entry),
        published_at=_moment(_text(entry, f"{_ATOM}published")),
        thumbnail_url=_attribute(group, f"{_MEDIA}thumbnail", "url"),
        is_short=is_short(listed=_listed_short(entry, kind)),
        metrics=Metrics(views=views, precision=MetricPrecision(views=None if views is None else "exact")),
        context=ItemContext(list="feed" if kind == "all" else f"feed:{kind}", rank=rank),
    )


def _listed_short(entry: ET.Element, kind: ListKind) -> bool | None:
    """Judge by the kind of list; in the mixed one shorts have addresses of their own."""
    link = entry.find(f"{_ATOM}link")
    if kind == "shorts" or (link is not None and "/shorts/" in link.get("href", "")):
        return True
    return False if kind == "videos" else None


def _author(entry: ET.Element) -> Author:
    channel_id = _channel_id(entry)
    name = _text(entry.find(f"{_ATOM}author"), f"{_ATOM}name")
    return Author(id=channel_id, name=name, url=f"{SITE}/channel/{channel_id}" if channel_id else None)


def _channel_id(element: ET.Element) -> str | None:
    """Read the id; the one of the feed itself lacks its ``UC``."""
    found = _text(element, f"{_YT}channelId") or ""
    return next((candidate for candidate in (found, f"UC{found}") if CHANNEL_ID.fullmatch(candidate)), None)


def _text(element: ET.Element | None, tag: str) -> str | None:
    return (element.findtext(tag) or None) if element is not None else None


def _attribute(element: ET.Element | None, tag: str, name: str) -> str | None:
    found = element.find(tag) if element is not None else None
    value = found.get(name) if found is not None else None
    return value if value and value.startswith("https://") else None


def _views(group: ET.Element | None) -> int | None:
    found = group.find(f"{_MEDIA}community/{_MEDIA}statistics") if group is not None else None
    text = found.get("views", "") if found is not None else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None  # noqa: PLR2004 - 2**63


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else None
