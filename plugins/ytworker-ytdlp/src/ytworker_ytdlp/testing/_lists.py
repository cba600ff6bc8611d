"""Channel tabs and upload lists, page by page."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, TypeVar

from ytworker_ytdlp.testing._entries import playlist_entry, tab_entry
from ytworker_ytdlp.testing._records import Kind, short_count
from ytworker_ytdlp.testing._shapes import Json, alert, answer, avatar, browse_link, continuation, runs, text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ytworker_ytdlp.testing._catalogue import Catalogue
    from ytworker_ytdlp.testing._records import ChannelState, FakeChannel, FakeVideo

_T = TypeVar("_T")

TABS: dict[str, Kind] = {"videos": "video", "shorts": "short", "streams": "stream"}
_TAB_TITLES = {"videos": "Videos", "shorts": "Shorts", "streams": "Live"}
_TAB_PAGE = {"videos": 30, "shorts": 48, "streams": 30}
_LIST_PAGE = 100
_ALERTS: dict[ChannelState, str] = {
    "terminated": "This account has been terminated for a violation of YouTube's Terms of Service.",
    "removed": "This channel was removed because it violated our Community Guidelines.",
    "does_not_exist": "This channel does not exist.",
    "private": "This channel is private.",
}
NO_LIST = "The playlist does not exist."


def tab_params(tab: str) -> str:
    """Write the name of a tab the way browse requests carry it."""
    return base64.b64encode(bytes([18, len(tab)]) + tab.encode()).decode()


def read_tab_params(params: str) -> str:
    """Read the name of a tab out of a browse request; the Home tab when there is none."""
    try:
        raw = base64.urlsafe_b64decode(params.replace("%3D", "=").replace("+", "-").replace("/", "_"))
        return raw[2 : 2 + raw[1]].decode()
    except (binascii.Error, ValueError, IndexError):
        return "featured"


def cut(items: Sequence[_T], offset: int, size: int, subject: str) -> tuple[Sequence[_T], list[Json]]:
    """Cut one page out of a list, and give the way to the next one."""
    end = offset + size
    return items[offset:end], [continuation(subject, end)] if end < len(items) else []


def appended(items: list[Json]) -> Json:
    """Answer with the entries of a further page."""
    return answer(onResponseReceivedActions=[{"appendContinuationItemsAction": {"continuationItems": items}}])


def _listed(channel: FakeChannel, tab: str) -> list[FakeVideo]:
    return [video for video in channel.of_kind(TABS[tab]) if video.listed]


def _tab_items(channel: FakeChannel, tab: str, offset: int, now: datetime) -> list[Json]:
    subject = f"tab {channel.id} {tab}"
    videos, more = cut(_listed(channel, tab), offset, _TAB_PAGE[tab], subject)
    return [*(tab_entry(video, now) for video in videos), *more]


def channel_page(channel: FakeChannel, tab: str, now: datetime) -> Json:
    """Answer with a tab of a channel; Home where the channel lacks the tab, as YouTube does."""
    if channel.state != "ok":
        return alert(_ALERTS[channel.state])
    if channel.tabs_empty:
        return _closed_page(channel)
    names = [name for name in TABS if _listed(channel, name)]
    shown = tab if tab in names else "featured"
    tabs = [_tab(channel, name, selected=name == shown) for name in ("featured", *names)]
    if shown != "featured":
        content = {"richGridRenderer": {"contents": _tab_items(channel, shown, 0, now)}}
        tabs[1 + names.index(shown)]["content"] = content
    rendered = [{"tabRenderer": entry} for entry in tabs]
    return answer(
        contents={"twoColumnBrowseResultsRenderer": {"tabs": rendered}},
        **_channel_facts(channel),
    )


def _tab(channel: FakeChannel, name: str, *, selected: bool) -> Json:
    link = browse_link(channel, f"/{name}")
    return {"endpoint": link, "title": _TAB_TITLES.get(name, "Home"), "selected": selected}


def _closed_page(channel: FakeChannel) -> Json:
    gate = {"channelAgeGateRenderer": {"channelTitle": channel.title, "header": runs("Sign in to view this channel")}}
    tab = {"selected": True, "content": {"sectionListRenderer": {"contents": [gate]}}}
    return answer(contents={"twoColumnBrowseResultsRenderer": {"tabs": [{"tabRenderer": tab}]}})


def _channel_facts(channel: FakeChannel) -> Json:
    address = f"http://www.youtube.com/{channel.handle}"
    counts = f"{short_count(channel.follower_count)} subscribers", f"{len(channel.uploads)} videos"
    rows = [{"metadataParts": [{"text": {"content": part}} for part in parts]} for parts in ([channel.handle], counts)]
    model = {"metadata": {"contentMetadataViewModel": {"metadataRows": rows}}}
    return {
        "header": {"pageHeaderRenderer": {"pageTitle": channel.title, "content": {"pageHeaderViewModel": model}}},
        "metadata": {
            "channelMetadataRenderer": {
                "title": channel.title,
                "description": channel.description,
                "externalId": channel.id,
                "channelUrl": channel.url,
                "vanityChannelUrl": address,
                "ownerUrls": [address],
                "avatar": avatar(channel),
            },
        },
        "microformat": {"microformatDataRenderer": {"tags": list(channel.tags), "noindex": False}},
    }


def playlist_page(catalogue: Catalogue, list_id: str, now: datetime) -> Json:
    """Answer with the first page of a list of uploads."""
    found = catalogue.uploads(list_id)
    if found is None:
        return alert(NO_LIST)
    channel, videos = found
    section = {
        "itemSectionRenderer": {"contents": [{"playlistVideoListRenderer": _list_items(list_id, videos, 0, now)}]}
    }
    tab = {"selected": True, "content": {"sectionListRenderer": {"contents": [section]}}}
    title = f"Uploads from {channel.title}"
    return answer(
        contents={"twoColumnBrowseResultsRenderer": {"tabs": [{"tabRenderer": tab}]}},
        metadata={"playlistMetadataRenderer": {"title": title}},
        microformat={"microformatDataRenderer": {"noindex": False, "unlisted": False}},
        sidebar={"playlistSidebarRenderer": {"items": _sidebar(channel, videos)}},
    )


def _sidebar(channel: FakeChannel, videos: list[FakeVideo]) -> list[Json]:
    stats = [runs(str(len(videos)), " videos"), text(f"{sum(video.views for video in videos):,} views")]
    owner = {"title": {"runs": [{"text": channel.title, "navigationEndpoint": browse_link(channel)}]}}
    return [
        {"playlistSidebarPrimaryInfoRenderer": {"stats": stats}},
        {"playlistSidebarSecondaryInfoRenderer": {"videoOwner": {"videoOwnerRenderer": owner}}},
    ]


def _list_items(list_id: str, videos: list[FakeVideo], offset: int, now: datetime) -> Json:
    page, more = cut(videos, offset, _LIST_PAGE, f"list {list_id}")
    entries = [playlist_entry(video, offset + place, now) for place, video in enumerate(page, 1)]
    return {"contents": [*entries, *more], "playlistId": list_id}


def browse_more(catalogue: Catalogue, subject: str, offset: int, now: datetime) -> Json:
    """Answer with a further page of a tab or a list; empty once its channel is gone."""
    sort, name, *rest = subject.split(" ")
    items: list[Json] = []
    if sort == "tab":
        channel = catalogue.channel(name)
        items = _tab_items(channel, rest[0], offset, now) if channel else []
    elif (found := catalogue.uploads(name)) is not None:
        contents = _list_items(name, found[1], offset, now)["contents"]
        items = contents if isinstance(contents, list) else []
    return appended(items)
