"""Search, page by page. Lazy: the next page is asked for when it is wanted.

yt-dlp asks and understands the entries; turning the pages is done here, because its own way tells neither the page of
a hit nor an empty answer from an unreadable one, and follows a page that leads to itself for ever.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ytworker import SuspectError
from ytworker_ytdlp.ids import CHANNEL_ID, PLAYLIST_ID, VIDEO_ID
from ytworker_ytdlp.listing import Entry
from ytworker_ytdlp.search_filters import SearchFilters, SearchKind
from ytworker_ytdlp.session import Session

MAX_IDLE_PAGES = 3
"""So many pages in a row without a new hit end a search: it turns in circles."""

_IDS: dict[SearchKind, re.Pattern[str]] = {
    "videos": VIDEO_ID,
    "channels": CHANNEL_ID,
    "playlists": PLAYLIST_ID,
    "any": re.compile(f"{VIDEO_ID.pattern}|{CHANNEL_ID.pattern}|{PLAYLIST_ID.pattern}"),
}
_SHELVES = ("shelfRenderer", "reelShelfRenderer", "gridShelfViewModel", "horizontalCardListRenderer")
_CORRECTIONS = ("showingResultsForRenderer", "includingResultsForRenderer")
_NOTHING = ("messageRenderer", "backgroundPromoRenderer")
_ID_KEYS = frozenset({"videoId", "contentId", "channelId", "playlistId"})
_KEYS = ("contents", "onResponseReceivedCommands")


@dataclass(frozen=True, slots=True)
class SearchPage:
    """One page of results.

    Attributes:
        number: Its number, from 1.
        entries: Its hits that no earlier page had; side shelves ("people also watched") are left out.
        corrected: What YouTube searched for in place of the query, where its first page says so.
    """

    number: int
    entries: tuple[Entry, ...]
    corrected: str | None = None


def search_pages(session: Session, query: str, filters: SearchFilters | None = None) -> Iterator[SearchPage]:
    """Search; each page is one request of about 20 hits.

    A page may be short, or without any new hit, before the end. The search ends where no page follows, where a page
    leads back to one that was there, and after three pages without a new hit.

    Args:
        session: The session at work.
        query: The words, taken literally; they are never a template, an option or an address.
        filters: What it is narrowed to.

    Raises:
        SuspectError: A page without a readable hit that does not say that there is none. It proves nothing.
        RetryableError: A page was incomplete.
    """
    filters = filters or SearchFilters()
    pages = _Pages(session, query, filters)
    seen: set[str] = set()
    idle = 0
    while idle < MAX_IDLE_PAGES and (page := pages.turn()) is not None:
        fresh = {entry["id"]: entry for entry in reversed(page.entries) if entry["id"] not in seen}
        seen.update(fresh)
        idle = 0 if fresh else idle + 1
        yield SearchPage(page.number, tuple(reversed(fresh.values())), page.corrected)
    if not seen and not pages.said_nothing:
        raise _unreadable(session, "no page holds a hit, and none says that there is none")


class _Pages:
    """Turns the pages of one search."""

    def __init__(self, session: Session, query: str, filters: SearchFilters) -> None:
        self.said_nothing = False
        self._session = session
        self._id = _IDS[filters.kind]
        self._request: dict[str, Any] | None = {"query": query, "params": filters.sp}
        self._visitor: str | None = None
        self._tokens: set[str] = set()
        self._number = 0
        self._corrected: str | None = None

    def turn(self) -> SearchPage | None:
        """Ask for the next page; None where there is none."""
        if self._request is None:
            return None
        self._number += 1
        # The words stand in no message: what is judged by its wording must not be worded by a task.
        with self._session.step(f"search, page {self._number}") as client:
            reader = client.get_info_extractor("YoutubeSearch")
            answer = self._ask(reader)
            sections = _sections(answer)
            found, following = self._read(reader, sections)
        items = [item for section in sections for item in _items(section)]
        nothing = answer.get("estimatedResults") == "0" or any(key in item for item in items for key in _NOTHING)
        if not found and not nothing and any(map(_names_something, items)):
            raise _unreadable(self._session, f"page {self._number} holds hits of a shape that is not known")
        self.said_nothing |= nothing
        self._follow(following)
        entries = tuple(entry for entry in found if self._id.fullmatch(str(entry.get("id"))))
        self._corrected = self._corrected or _corrected(items)
        return SearchPage(self._number, entries, self._corrected)

    def _ask(self, reader: Any) -> Mapping[str, Any]:
        headers = reader.generate_api_headers(ytcfg={}, visitor_data=self._visitor)
        answer: Mapping[str, Any] = reader._extract_response(  # noqa: SLF001 - as yt-dlp's own search does
            item_id=f"page {self._number}", ep="search", query=self._request, check_get_keys=_KEYS, headers=headers
        )
        self._visitor = reader._extract_visitor_data(answer) or self._visitor  # noqa: SLF001 - likewise
        return answer

    def _read(self, reader: Any, sections: list[Any]) -> tuple[list[Entry], Mapping[str, Any] | None]:
        """Let yt-dlp understand the entries, and find the way to the next page."""
        following: list[Mapping[str, Any] | None] = [None]
        kept = {"contents": [_without_shelves(section) for section in sections]}
        found = reader._extract_entries(kept, following)  # noqa: SLF001 - likewise
        return [entry for entry in found if isinstance(entry, Mapping)], following[0]

    def _follow(self, following: Mapping[str, Any] | None) -> None:
        token = (following or {}).get("continuation")
        self._request = None if token is None or token in self._tokens else dict(following or {})
        self._tokens.add(str(token))


def _sections(answer: Mapping[str, Any]) -> list[Any]:
    """Find the sections of a first or a further page; a shape that is not known has none."""
    from yt_dlp.utils import traverse_obj  # noqa: PLC0415 - loaded long since, by the client

    first = ("contents", "twoColumnSearchResultsRenderer", "primaryContents", "sectionListRenderer", "contents", {list})
    more = ("onResponseReceivedCommands", ..., "appendContinuationItemsAction", "continuationItems", {list})
    return traverse_obj(answer, first) or [item for part in traverse_obj(answer, more) or () for item in part]


def _items(section: Any) -> list[Mapping[str, Any]]:
    held = section.get("itemSectionRenderer") if isinstance(section, Mapping) else None
    items = held.get("contents") if isinstance(held, Mapping) else None
    return [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []


def _without_shelves(section: Any) -> Any:
    if not _items(section):
        return section
    kept = [item for item in _items(section) if not any(shelf in item for shelf in _SHELVES)]
    return {**section, "itemSectionRenderer": {**section["itemSectionRenderer"], "contents": kept}}


def _names_something(value: Any) -> bool:
    """Tell whether an item that is no shelf names a video, channel or playlist."""
    if isinstance(value, Mapping):
        inner = (held for key, held in value.items() if key not in _SHELVES)
        return not _ID_KEYS.isdisjoint(value) or any(map(_names_something, inner))
    return isinstance(value, list) and any(map(_names_something, value))


def _corrected(notices: list[Mapping[str, Any]]) -> str | None:
    for notice in notices:
        shown = next((notice[key] for key in _CORRECTIONS if isinstance(notice.get(key), Mapping)), None)
        query = shown.get("correctedQuery") if shown else None
        pieces = query.get("runs") if isinstance(query, Mapping) else None
        pieces = pieces if isinstance(pieces, list) else []
        if text := "".join(str(piece.get("text", "")) for piece in pieces if isinstance(piece, Mapping)):
            return text
    return None


def _unreadable(session: Session, why: str) -> SuspectError:
    msg = f"search: {why}. It is asked again once; if it stays, update yt-dlp (pip install -U yt-dlp)"
    return SuspectError(msg, source=session.source)
