"""Asking for the hits, and checking that YouTube heeded what was asked for."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from ytworker import Item
from ytworker_keyword.parameters import DurationFilter, KeywordParameters
from ytworker_keyword.ranking import Hit
from ytworker_ytdlp import ChannelFacts, Listing, SearchFilters, Session, listed_item, search_pages

LENGTHS: dict[DurationFilter, tuple[float, float]] = {
    "all": (0.0, float("inf")),
    "short": (0.0, 180.0),
    "medium": (180.0, 1200.0),
    "long": (1200.0, float("inf")),
}
"""Bounds in seconds, as the results page of January 2026 words them: under 3 minutes, 3 to 20, over 20."""
SLACK = 1.0


def filters_of(params: KeywordParameters) -> SearchFilters:
    """Say what is asked of YouTube; the orders that it no longer has are not asked for."""
    return SearchFilters(
        uploaded=params.date_filter,
        length=params.duration_filter,
        order="popularity" if params.sort_by == "views" else "relevance",
    )


def find_hits(session: Session, params: KeywordParameters) -> Iterator[Hit]:
    """Give the hits in YouTube's order, each video once; further pages are asked for while they are taken.

    A hit whose length the page tells and whose length was not asked for is left out, and the next one takes its place.
    """
    listing = Listing("search", ChannelFacts(), iter(()))
    position = 0
    for page in search_pages(session, params.query, filters_of(params)):
        for entry in page.entries:
            position += 1
            item = listed_item(entry, listing, position)
            if has_length(item, params.duration_filter):
                yield Hit(item, position, page.number, page.corrected)


def has_length(item: Item, wanted: DurationFilter) -> bool:
    """Tell whether a video is as long as was asked for; one whose length is not told may be."""
    low, high = LENGTHS[wanted]
    return item.duration_seconds is None or low - SLACK <= item.duration_seconds <= high + SLACK


def is_too_old(item: Item, params: KeywordParameters, now: datetime) -> bool:
    """Tell whether a whole record is older than the hour; whether YouTube still heeds that filter is unknown."""
    if params.date_filter != "hour" or not params.full:
        return False
    return item.published_at is None or item.published_at < now - timedelta(hours=1)
