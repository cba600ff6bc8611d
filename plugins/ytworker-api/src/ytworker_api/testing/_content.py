"""Invented videos in the shapes of the Data API v3 (developers.google.com/youtube/v3/docs/videos)."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

_NEWEST = datetime(2026, 11, 1, 12, tzinfo=UTC)


def make_id(seed: str) -> str:
    """Make the id of a video; equal for equal seeds."""
    return base64.urlsafe_b64encode(hashlib.sha256(seed.encode()).digest())[:11].decode()


def make_video(video_id: str, **changes: Any) -> dict[str, Any]:
    """Make the whole record of a public video.

    Args:
        video_id: Its id; the figures follow from it.
        **changes: Parts by name: a dict is laid over the part, None takes it out.
    """
    number = int(hashlib.sha256(video_id.encode()).hexdigest()[:8], 16)
    video: dict[str, Any] = {
        "kind": "youtube#video",
        "etag": "fake",
        "id": video_id,
        "snippet": {
            "publishedAt": rfc3339(_NEWEST - timedelta(minutes=number % 500_000)),
            "channelId": "UC" + "f" * 22,
            "title": f"Video {video_id}",
            "description": f"All about {video_id}.\nSecond line.",
            "thumbnails": {
                "default": {"url": f"https://i.ytimg.com/vi/{video_id}/default.jpg", "width": 120, "height": 90},
                "maxres": {"url": f"https://i.ytimg.com/vi/{video_id}/maxres.jpg", "width": 1280, "height": 720},
            },
            "channelTitle": "Fake Channel",
            "tags": ["one", "two"],
            "categoryId": "28",
            "liveBroadcastContent": "none",
            "defaultAudioLanguage": "en",
        },
        "contentDetails": {"duration": f"PT{3 + number % 50}M{number % 60}S", "caption": "true", "definition": "hd"},
        "status": {"privacyStatus": "public", "license": "youtube", "madeForKids": False},
        "statistics": {
            "viewCount": str(number % 10_000_000),
            "likeCount": str(number % 100_000),
            "commentCount": str(number % 5_000),
        },
        "topicDetails": {"topicCategories": ["https://en.wikipedia.org/wiki/Knowledge"]},
    }
    for part, change in changes.items():
        if change is None:
            video.pop(part, None)
        else:
            video[part] = {**video.get(part, {}), **change}
    return video


def rfc3339(moment: datetime) -> str:
    """Write a time as the service does."""
    return moment.isoformat().replace("+00:00", "Z")
