"""Lists of videos: a tab of a channel, or its uploads. Lazy: the next page is asked for when its entries are wanted."""

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ytworker import GoneError, SuspectError
from ytworker_ytdlp.ids import (
    CHANNEL_ID,
    PLAYLIST_ID,
    SITE,
    VIDEO_ID,
    ChannelRef,
    ListKind,
    ShelfTab,
    Tab,
    playlist_url,
    uploads_id,
)
from ytworker_ytdlp.session import Session

MAX_HOPS = 3
MAX_IDLE = 300
"""So many entries in a row without a new one end a list: it turns in circles."""
MAX_ENTRIES = 20_000
"""So many entries end any list: YouTube itself shows no more of one, but for mixes, which have no end."""

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChannelFacts:
    """What a list says about its channel; all None where the page held no channel."""

    id: str | None = None
    name: str | None = None
    handle: str | None = None
    followers: int | None = None
    description: str | None = None

    def __bool__(self) -> bool:
        return bool(self.id or self.name or self.handle)


@dataclass(slots=True)
class Listing:
    """A list that was opened: its first page is here, the others come while it is iterated.

    Attributes:
        name: Which list: ``videos``, ``shorts`` or ``streams`` for a tab; ``uploads``, ``uploads:videos`` and so on;
            ``playlist`` for others.
        channel: What it says about the channel.
        entries: The videos, newest first, each once; iterating asks for further pages.
        hollow: Whether it has neither an entry nor channel facts: nothing may be concluded from it, least of all that
            the channel is empty.
        empty: Whether it has no entry though it is there. YouTube does not show tabs and lists without entries, so this
            is to be confirmed by another route: a new layout looks like that.
    """

    name: str
    channel: ChannelFacts
    entries: Iterator[Entry]
    hollow: bool = False
    empty: bool = False


def open_tab(session: Session, channel: ChannelRef, tab: Tab) -> Listing:
    """Open one tab of a channel: resolve and first page, two requests.

    Raises:
        NoSuchTabError: The channel has no such tab: legally empty.
        GoneError: No such channel, or no more.
    """
    return open_listing(session, channel.url(tab), tab, f"{channel}/{tab}")


def open_uploads(session: Session, channel_id: str, kind: ListKind = "all") -> Listing:
    """Open the list of everything that a channel uploaded, or of one kind; 100 entries a page.

    Raises:
        GoneError: The list does not exist. A channel without videos of this kind has none either.
    """
    list_id = uploads_id(channel_id, kind)
    name = "uploads" if kind == "all" else f"uploads:{kind}"
    return open_listing(session, playlist_url(list_id), name, f"{name} of {channel_id}")


def open_playlist(session: Session, playlist_id: str) -> Listing:
    """Open any public playlist, 100 entries a page, or a mix (``RD…``), which never ends: take what you need.

    Raises:
        ValueError: It is no playlist id, or a list of one's own account.
        GoneError: The list does not exist, or nobody may see it.
    """
    return open_listing(session, playlist_url(playlist_id), "playlist", f"playlist {playlist_id}")


def open_shelf(session: Session, channel: ChannelRef, tab: ShelfTab) -> Listing:
    """Open a tab of a channel that lists playlists: the entries are playlists, each with ``id`` and ``title``.

    Raises:
        NoSuchTabError: The channel has no such tab: legally empty.
        GoneError: No such channel, or no more.
    """
    return open_listing(session, channel.url(tab), tab, f"{channel}/{tab}", ids=PLAYLIST_ID)


def resolve_channel(session: Session, channel: ChannelRef) -> str:
    """Find the ``UC…`` id of a channel without opening a list: one request, none for an id.

    Raises:
        GoneError: Nothing, or no channel, answers to this name.
    """
    if channel.channel_id:
        return channel.channel_id
    with session.step(str(channel)):
        answer = json.loads(session.post_json(f"{SITE}/youtubei/v1/navigation/resolve_url", _resolve_body(channel)))
        found = answer["endpoint"].get("browseEndpoint", {}).get("browseId")
    if isinstance(found, str) and CHANNEL_ID.fullmatch(found):
        return found
    msg = f"{channel}: this leads to no channel. Check the spelling and open {channel.url()} in a browser"
    raise GoneError(msg, source=session.source)


def _resolve_body(channel: ChannelRef) -> bytes:
    from yt_dlp.extractor.youtube._base import INNERTUBE_CLIENTS  # noqa: PLC0415 - loaded long since, by the client

    client = dict(INNERTUBE_CLIENTS["web"]["INNERTUBE_CONTEXT"]["client"], hl="en")
    return json.dumps({"context": {"client": client}, "url": channel.url()}).encode()


def open_listing(session: Session, url: str, name: str, subject: str, ids: re.Pattern[str] = VIDEO_ID) -> Listing:
    """Open any address of ours that shows a list.

    Args:
        session: The session at work.
        url: Its address, built and not typed.
        name: What its items shall call it.
        subject: What is asked for, in words for messages.
        ids: What the ids of its entries look like; others are left out.
    """
    with session.step(subject) as client:
        info = _follow(client, url)
    facts = _facts(info)
    entries = _entries(session, iter(info.get("entries") or ()), subject, ids)
    first = next(entries, None)
    found = itertools.chain(() if first is None else (first,), entries)
    return Listing(name, facts, found, hollow=first is None and not facts, empty=first is None)


def _follow(client: Any, url: str) -> dict[str, Any]:
    """Extract without processing, following yt-dlp's own references by hand."""
    for _ in range(MAX_HOPS):
        info = client.extract_info(url, download=False, process=False, ie_key="YoutubeTab")
        if not isinstance(info, dict):
            break
        if info.get("_type", "video") == "playlist":
            return info
        if info.get("_type") not in {"url", "url_transparent"} or info.get("ie_key") != "YoutubeTab":
            break
        url = str(info["url"])
    msg = f"{url} led to no list. Open it in a browser; if it shows videos, update yt-dlp"
    raise SuspectError(msg)


def _entries(session: Session, entries: Iterator[Any], subject: str, ids: re.Pattern[str]) -> Iterator[Entry]:
    seen: set[str] = set()
    idle = untitled = 0
    while idle < MAX_IDLE and len(seen) < MAX_ENTRIES:
        with session.step(subject):
            entry = next(entries, None)
            if entry is None:
                return
        found = entry.get("id") if isinstance(entry, Mapping) else None
        idle += 1
        if isinstance(found, str) and ids.fullmatch(found) and found not in seen:
            seen.add(found)
            idle = 0
            untitled += not entry.get("title")
            if 2 * untitled > len(seen):
                raise _untitled(session, subject)
            yield entry


def _untitled(session: Session, subject: str) -> SuspectError:
    msg = (
        f"{subject}: its entries have no titles, so YouTube's pages have changed. It is asked again once; if it stays, "
    )
    return SuspectError(msg + "update yt-dlp (pip install -U yt-dlp)", source=session.source)


def _facts(info: Mapping[str, Any]) -> ChannelFacts:
    def text(key: str) -> str | None:
        value = info.get(key)
        return value if isinstance(value, str) and value else None

    channel_id = text("channel_id")
    followers = info.get("channel_follower_count")
    return ChannelFacts(
        id=channel_id if channel_id and CHANNEL_ID.fullmatch(channel_id) else None,
        name=text("channel"),
        handle=text("uploader_id"),
        followers=followers if isinstance(followers, int) and followers >= 0 else None,
        description=text("description"),
    )
