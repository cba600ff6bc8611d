"""The one safe way for ytworker plugins to use yt-dlp.

A plugin makes a :class:`Session` from its context and asks it for lists and videos; everything here is checked, paced,
mapped to items and translated to ytworker's errors. yt-dlp itself is imported at the first request, never before.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ytworker_ytdlp.channel_url import parse_channel
    from ytworker_ytdlp.charts import CHART_COUNTRIES, read_chart
    from ytworker_ytdlp.errors import FeedMissingError, NoSuchTabError
    from ytworker_ytdlp.feed import Feed, parse_feed, read_feed
    from ytworker_ytdlp.hubs import HUB_URLS, open_hub
    from ytworker_ytdlp.ids import (
        FEED_LENGTH,
        ChannelRef,
        check_channel_id,
        check_playlist_id,
        check_video_id,
        feed_url,
        playlist_url,
        uploads_id,
        watch_url,
    )
    from ytworker_ytdlp.listing import (
        ChannelFacts,
        Listing,
        open_listing,
        open_playlist,
        open_shelf,
        open_tab,
        open_uploads,
        resolve_channel,
    )
    from ytworker_ytdlp.mapping import full_item, listed_item, merged
    from ytworker_ytdlp.records import RecordReader
    from ytworker_ytdlp.rules import RULES, Rule
    from ytworker_ytdlp.search import SearchPage, search_pages
    from ytworker_ytdlp.search_filters import SearchFilters
    from ytworker_ytdlp.session import Session, close
    from ytworker_ytdlp.settings import SECTION, YtdlpSettings, identity
    from ytworker_ytdlp.shorts import LONGEST_SHORT, is_short
    from ytworker_ytdlp.subtitles import Track, choose_track, plain_text
    from ytworker_ytdlp.taxonomy import Verdict, judge
    from ytworker_ytdlp.video import read_video, read_video_or_stub

__version__ = "0.1.0"

_HOMES = {
    "CHART_COUNTRIES": "charts",
    "ChannelFacts": "listing",
    "ChannelRef": "ids",
    "FEED_LENGTH": "ids",
    "Feed": "feed",
    "FeedMissingError": "errors",
    "HUB_URLS": "hubs",
    "LONGEST_SHORT": "shorts",
    "Listing": "listing",
    "NoSuchTabError": "errors",
    "RULES": "rules",
    "RecordReader": "records",
    "Rule": "rules",
    "SECTION": "settings",
    "SearchFilters": "search_filters",
    "SearchPage": "search",
    "Session": "session",
    "Track": "subtitles",
    "Verdict": "taxonomy",
    "YtdlpSettings": "settings",
    "check_channel_id": "ids",
    "check_playlist_id": "ids",
    "check_video_id": "ids",
    "choose_track": "subtitles",
    "close": "session",
    "feed_url": "ids",
    "full_item": "mapping",
    "identity": "settings",
    "is_short": "shorts",
    "judge": "taxonomy",
    "listed_item": "mapping",
    "merged": "mapping",
    "open_hub": "hubs",
    "open_listing": "listing",
    "open_playlist": "listing",
    "open_shelf": "listing",
    "open_tab": "listing",
    "open_uploads": "listing",
    "parse_channel": "channel_url",
    "parse_feed": "feed",
    "plain_text": "subtitles",
    "playlist_url": "ids",
    "read_chart": "charts",
    "read_feed": "feed",
    "read_video": "video",
    "read_video_or_stub": "video",
    "resolve_channel": "listing",
    "search_pages": "search",
    "uploads_id": "ids",
    "watch_url": "ids",
}

__all__ = [
    "CHART_COUNTRIES",
    "FEED_LENGTH",
    "HUB_URLS",
    "LONGEST_SHORT",
    "RULES",
    "SECTION",
    "ChannelFacts",
    "ChannelRef",
    "Feed",
    "FeedMissingError",
    "Listing",
    "NoSuchTabError",
    "RecordReader",
    "Rule",
    "SearchFilters",
    "SearchPage",
    "Session",
    "Track",
    "Verdict",
    "YtdlpSettings",
    "__version__",
    "check_channel_id",
    "check_playlist_id",
    "check_video_id",
    "choose_track",
    "close",
    "feed_url",
    "full_item",
    "identity",
    "is_short",
    "judge",
    "listed_item",
    "merged",
    "open_hub",
    "open_listing",
    "open_playlist",
    "open_shelf",
    "open_tab",
    "open_uploads",
    "parse_channel",
    "parse_feed",
    "plain_text",
    "playlist_url",
    "read_chart",
    "read_feed",
    "read_video",
    "read_video_or_stub",
    "resolve_channel",
    "search_pages",
    "uploads_id",
    "watch_url",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
