"""One video, as the different lists show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ytworker_ytdlp.testing._records import short_count
from ytworker_ytdlp.testing._shapes import (
    Json,
    badge,
    browse_link,
    clock_text,
    relative_time,
    runs,
    still_images,
    text,
    watch_link,
)

if TYPE_CHECKING:
    from datetime import datetime

    from ytworker_ytdlp.testing._records import FakeVideo

_MEMBERS = badge("BADGE_STYLE_TYPE_MEMBERS_ONLY", "Members only")


def tab_entry(video: FakeVideo, now: datetime) -> Json:
    """Show a video on a tab of its channel, in the layout of that channel."""
    if video.kind == "short":
        content = {"shortsLockupViewModel": _short_lockup(video)}
    elif video.channel.layout == "lockupViewModel":
        content = {"lockupViewModel": _lockup(video, now)}
    else:
        content = {"videoRenderer": _renderer(video, now)}
    return {"richItemRenderer": {"content": content}}


def search_entry(video: FakeVideo, now: datetime) -> Json:
    """Show a video among search results, in the layout of its channel: as on a tab, and with its channel."""
    if video.channel.layout == "lockupViewModel":
        return lockup_entry(video, now)
    owner = _owner(video)
    return {
        "videoRenderer": {
            **_renderer(video, now),
            "ownerText": owner,
            "shortBylineText": owner,
            "longBylineText": owner,
        },
    }


def grid_entry(video: FakeVideo, now: datetime) -> Json:
    """Show a video in the grid of a hub: as on a tab, with its channel and without a description."""
    shown = {name: value for name, value in _renderer(video, now).items() if name != "descriptionSnippet"}
    return {"gridVideoRenderer": {**shown, "shortBylineText": _owner(video)}}


def lockup_entry(video: FakeVideo, now: datetime) -> Json:
    """Show a video in the layout of 2026, in a list of several channels."""
    return {"lockupViewModel": _lockup(video, now)}


def playlist_entry(video: FakeVideo, position: int, now: datetime) -> Json:
    """Show a video in a playlist: rounded views, and no description."""
    renderer: Json = {
        "videoId": video.id,
        "thumbnail": {"thumbnails": still_images(video.id)},
        "title": runs(video.title),
        "index": text(str(position)),
        "shortBylineText": _list_owner(video),
        "navigationEndpoint": watch_link(f"/watch?v={video.id}", video.id),
        "isPlayable": True,
        **_duration(video),
        **_badges(video),
    }
    if video.duration_seconds is not None:
        renderer["lengthSeconds"] = str(video.duration_seconds)
        renderer["videoInfo"] = runs(f"{short_count(video.views)} views", " • ", _time_text(video, now))
    return {"playlistVideoRenderer": renderer}


def _renderer(video: FakeVideo, now: datetime) -> Json:
    path = f"/shorts/{video.id}" if video.kind == "short" else f"/watch?v={video.id}"
    return {
        "videoId": video.id,
        "thumbnail": {"thumbnails": still_images(video.id)},
        "title": runs(video.title),
        "descriptionSnippet": runs(snippet(video)),
        "navigationEndpoint": watch_link(path, video.id),
        **_duration(video),
        **_numbers(video, now),
        **_badges(video),
    }


def snippet(video: FakeVideo) -> str:
    """Return the start of the description, as lists show it."""
    return video.description.replace("\n", " ")[:100]


def _numbers(video: FakeVideo, now: datetime) -> Json:
    if video.state == "live":
        return {"viewCountText": runs(f"{video.watching or 0:,}", " watching")}
    if video.state == "premiere" and video.scheduled_at is not None:
        return {"upcomingEventData": {"startTime": str(int(video.scheduled_at.timestamp()))}}
    return {"viewCountText": text(f"{video.views:,} views"), "publishedTimeText": text(_time_text(video, now))}


def _time_text(video: FakeVideo, now: datetime) -> str:
    ago = relative_time(video.published_at, now)
    return f"Streamed {ago}" if video.kind == "stream" else ago


def _duration(video: FakeVideo) -> Json:
    style = {"live": "LIVE", "premiere": "UPCOMING"}.get(video.state, "SHORTS" if video.kind == "short" else "DEFAULT")
    label = style if video.duration_seconds is None else clock_text(video.duration_seconds)
    overlay = {"thumbnailOverlayTimeStatusRenderer": {"text": text(label), "style": style}}
    length = {} if video.duration_seconds is None else {"lengthText": text(label)}
    return {**length, "thumbnailOverlays": [overlay]}


def _badges(video: FakeVideo) -> Json:
    if video.state == "members_only":
        return {"badges": [_MEMBERS]}
    if video.state == "live":
        return {"badges": [badge("BADGE_STYLE_TYPE_LIVE_NOW", "LIVE")]}
    return {}


def _owner(video: FakeVideo) -> Json:
    return {"runs": [{"text": video.channel.title, "navigationEndpoint": browse_link(video.channel)}]}


def _list_owner(video: FakeVideo) -> Json:
    # Playlists link channels by id, so that a reader does not learn the handle.
    path = f"/channel/{video.channel.id}"
    link = {
        "commandMetadata": {"webCommandMetadata": {"url": path}},
        "browseEndpoint": {"browseId": video.channel.id, "canonicalBaseUrl": path},
    }
    return {"runs": [{"text": video.channel.title, "navigationEndpoint": link}]}


def _lockup(video: FakeVideo, now: datetime) -> Json:
    numbers = f"{short_count(video.views)} views", _time_text(video, now)
    row: Json = {"metadataParts": [{"text": {"content": part}} for part in numbers]}
    if video.state == "members_only":
        row["badges"] = [{"badgeViewModel": {"badgeStyle": "BADGE_MEMBERS_ONLY", "badgeText": "Members only"}}]
    return {
        "contentId": video.id,
        "contentType": "LOCKUP_CONTENT_TYPE_VIDEO",
        "contentImage": {"thumbnailViewModel": _lockup_image(video)},
        "metadata": {
            "lockupMetadataViewModel": {
                "title": {"content": video.title},
                "metadata": {"contentMetadataViewModel": {"metadataRows": [row]}},
            },
        },
    }


def _lockup_image(video: FakeVideo) -> Json:
    style = "LIVE" if video.state == "live" else "DEFAULT"
    word = "LIVE" if video.state == "live" else "Upcoming"
    label = word if video.duration_seconds is None else clock_text(video.duration_seconds)
    badge_model = {"text": label, "badgeStyle": f"THUMBNAIL_OVERLAY_BADGE_STYLE_{style}"}
    return {
        "image": {"sources": still_images(video.id)},
        "overlays": [{"thumbnailBottomOverlayViewModel": {"badges": [{"thumbnailBadgeViewModel": badge_model}]}}],
    }


def _short_lockup(video: FakeVideo) -> Json:
    return {
        "entityId": f"shorts-shelf-item-{video.id}",
        "onTap": {"innertubeCommand": {"reelWatchEndpoint": {"videoId": video.id}}},
        "overlayMetadata": {
            "primaryText": {"content": video.title},
            "secondaryText": {"content": f"{short_count(video.views)} views"},
        },
        "thumbnailViewModel": {"thumbnailViewModel": {"image": {"sources": still_images(video.id)}}},
    }
