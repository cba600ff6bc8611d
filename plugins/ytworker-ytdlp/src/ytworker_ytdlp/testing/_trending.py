"""Hubs, charts and the Data API's chart: what is trending on the fake site."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import parse_qsl

from ytworker_ytdlp.testing._entries import grid_entry, lockup_entry, search_entry
from ytworker_ytdlp.testing._lists import appended, cut, tab_params
from ytworker_ytdlp.testing._shapes import Json, answer, runs, still_images

if TYPE_CHECKING:
    from datetime import datetime

    from ytworker_ytdlp.testing._catalogue import Catalogue
    from ytworker_ytdlp.testing._records import FakeVideo

Hub: TypeAlias = Literal["gaming", "live", "podcasts"]
Chart: TypeAlias = Literal["music", "movies"]

HUB_PATHS: dict[str, Hub] = {
    "/gaming/trending": "gaming",
    "/channel/UC4R8DWoMoI7CAwX8_LjQHig/livetab": "live",
    "/podcasts/popularepisodes": "podcasts",
}
_HUB_ENDPOINTS: dict[Hub, tuple[str, str]] = {
    "gaming": ("UCOpNcN46UbXVtpKMrmU4Abg", tab_params("trending")),
    "live": ("UC4R8DWoMoI7CAwX8_LjQHig", tab_params("livetab")),
    "podcasts": ("FEpodcasts_destination", base64.b64encode(b"popular").decode()),
}
HUB_SUBJECTS: dict[str, Hub] = {f"hub {hub}": hub for hub in HUB_PATHS.values()}
_LIVE_PAGE = 15
_CATEGORY_IDS = {"Music": "10", "Gaming": "20", "Entertainment": "24", "Science & Technology": "28"}


def hub_endpoint(hub: Hub) -> Json:
    """Say where a hub is to be found."""
    browse_id, params = _HUB_ENDPOINTS[hub]
    return {"browseId": browse_id, "params": params}


def hub_of(browse_id: str) -> Hub | None:
    """Find the hub that a browse request means."""
    return next((hub for hub, (known, _) in _HUB_ENDPOINTS.items() if known == browse_id), None)


def hub_page(catalogue: Catalogue, hub: Hub, now: datetime) -> Json:
    """Answer with the first page of a hub: a shelf with a grid for gaming, a rich grid for the others."""
    videos = catalogue.trending(hub)
    if hub == "gaming":
        grid = {"gridRenderer": {"items": [grid_entry(video, now) for video in videos], "isCollapsible": False}}
        shelf = {"shelfRenderer": {"title": runs("Trending"), "content": grid}}
        section = {"itemSectionRenderer": {"contents": [shelf]}}
        content: Json = {"sectionListRenderer": {"contents": [section]}}
    else:
        content = {"richGridRenderer": {"contents": _rich_items(catalogue, hub, 0, now)}}
    tab = {"tabRenderer": {"selected": True, "content": content}}
    header = {"pageHeaderRenderer": {"pageTitle": hub.capitalize()}}
    return answer(contents={"twoColumnBrowseResultsRenderer": {"tabs": [tab]}}, header=header)


def hub_more(catalogue: Catalogue, hub: Hub, offset: int, now: datetime) -> Json:
    """Answer with a further page of a hub."""
    return appended(_rich_items(catalogue, hub, offset, now))


def _rich_items(catalogue: Catalogue, hub: Hub, offset: int, now: datetime) -> list[Json]:
    page, more = cut(catalogue.trending(hub), offset, _LIVE_PAGE if hub == "live" else 100, f"hub {hub}")
    entry = lockup_entry if hub == "podcasts" else search_entry
    items: list[Json] = [{"richItemRenderer": {"content": entry(video, now)}} for video in page]
    return [*items, *more]


def chart_answer(catalogue: Catalogue, query: str) -> Json | None:
    """Answer a chart request; None where the country has no such chart."""
    asked = dict(parse_qsl(query))
    kind = asked.get("chart_params_chart_type", "")
    chart = {"TRENDING_VIDEOS": "music", "TRENDING_MOVIES": "movies"}.get(kind)
    country = asked.get("chart_params_country_code", "")
    videos = catalogue.trending(f"{chart} {country}")
    if not videos:
        return None
    rows = [_chart_row(video, rank) for rank, video in enumerate(videos, 1)]
    about = {"countryCode": country.lower(), "chartType": f"CHART_TYPE_{kind}"}
    metadata = {"requestParams": {"perspective": "CHART_DETAILS", "chartParams": about}}
    content = {"perspectiveMetadata": metadata, "videos": [{"listType": "TRENDING_CHART", "videoViews": rows}]}
    section = {"musicAnalyticsSectionRenderer": {"content": content}}
    return answer(contents={"sectionListRenderer": {"contents": [section]}})


def _chart_row(video: FakeVideo, rank: int) -> Json:
    day = video.published_at
    return {
        "id": video.id,
        "title": video.title,
        "thumbnail": {"thumbnails": still_images(video.id)},
        "videoDuration": video.duration_seconds,
        "chartEntryMetadata": {"currentPosition": rank},
        "isAvailable": True,
        "artists": [{"name": video.channel.title}],
        "releaseDate": {"year": day.year, "month": day.month, "day": day.day},
        "externalChannelId": video.channel.id,
        "channelName": video.channel.title,
    }


def api_chart(catalogue: Catalogue, asked: dict[str, str]) -> Json | None:
    """Answer videos.list with a chart; None where there is none."""
    wanted = asked.get("videoCategoryId")
    videos = [
        video
        for video in catalogue.trending(f"api {asked.get('regionCode', 'US')}")
        if wanted is None or _CATEGORY_IDS.get(video.category, "1") == wanted
    ]
    if not videos:
        return None
    start, length = int(asked.get("pageToken", "0")), int(asked.get("maxResults", "5"))
    items = [_api_item(video) for video in videos[start : start + length]]
    info = {"totalResults": len(videos), "resultsPerPage": len(items)}
    following = {"nextPageToken": str(start + length)} if start + length < len(videos) else {}
    return {"kind": "youtube#videoListResponse", "items": items, "pageInfo": info, **following}


def _api_item(video: FakeVideo) -> Json:
    counts = {"viewCount": video.views, "likeCount": video.likes, "commentCount": video.comments}
    return {
        "kind": "youtube#video",
        "id": video.id,
        "snippet": {
            "publishedAt": video.published_at.isoformat().replace("+00:00", "Z"),
            "channelId": video.channel.id,
            "channelTitle": video.channel.title,
            "title": video.title,
            "description": video.description,
            "tags": list(video.tags),
            "categoryId": _CATEGORY_IDS.get(video.category, "1"),
            "defaultAudioLanguage": video.language,
        },
        "contentDetails": {"duration": f"PT{video.duration_seconds}S" if video.duration_seconds else "P0D"},
        "statistics": {name: str(count) for name, count in counts.items() if count is not None},
    }
