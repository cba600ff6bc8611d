"""The small pieces of JSON that most answers share."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from ytworker_ytdlp.testing._records import ChannelFacts

Json: TypeAlias = dict[str, object]

VISITOR = "CgtGYWtlVmlzaXRvcg%3D%3D"
_AGES = (
    ("year", 31_536_000),
    ("month", 2_592_000),
    ("week", 604_800),
    ("day", 86_400),
    ("hour", 3_600),
    ("minute", 60),
)


def text(value: str) -> Json:
    """Plain text."""
    return {"simpleText": value}


def runs(*values: str) -> Json:
    """Text in pieces."""
    return {"runs": [{"text": value} for value in values]}


def answer(**parts: object) -> Json:
    """Wrap the parts of an InnerTube answer."""
    return {"responseContext": {"visitorData": VISITOR}, **parts}


def alert(message: str) -> Json:
    """Say what is wrong with a whole page."""
    return answer(alerts=[{"alertRenderer": {"type": "ERROR", "text": runs(message)}}])


def api_error(code: int, message: str, status: str) -> Json:
    """Fail an API call."""
    return {"error": {"code": code, "message": message, "status": status}}


def browse_link(channel: ChannelFacts, path: str = "") -> Json:
    """Link to a channel."""
    return {
        "commandMetadata": {"webCommandMetadata": {"url": f"/{channel.handle}{path}"}},
        "browseEndpoint": {"browseId": channel.id, "canonicalBaseUrl": f"/{channel.handle}"},
    }


def watch_link(path: str, video_id: str) -> Json:
    """Link to a video."""
    return {
        "commandMetadata": {"webCommandMetadata": {"url": path}},
        "watchEndpoint": {"videoId": video_id},
    }


def still_images(video_id: str) -> list[Json]:
    """List the usual still images of a video."""
    sizes = (("mqdefault", 320, 180), ("hqdefault", 480, 360), ("sddefault", 640, 480))
    return [
        {"url": f"https://i.ytimg.com/vi/{video_id}/{name}.jpg", "width": width, "height": height}
        for name, width, height in sizes
    ]


def avatar(channel: ChannelFacts) -> Json:
    """Show a channel's picture."""
    return {"thumbnails": [{"url": f"https://yt3.ggpht.com/{channel.id}=s88", "width": 88, "height": 88}]}


def badge(style: str, label: str) -> Json:
    """Show a badge beside a title."""
    return {"metadataBadgeRenderer": {"style": style, "label": label}}


def continuation(subject: str, offset: int) -> Json:
    """Close a page with the way to the next one."""
    token = base64.urlsafe_b64encode(json.dumps([subject, offset]).encode()).decode()
    return {
        "continuationItemRenderer": {
            "trigger": "CONTINUATION_TRIGGER_ON_ITEM_SHOWN",
            "continuationEndpoint": {"continuationCommand": {"token": token}},
        },
    }


def read_continuation(token: str) -> tuple[str, int] | None:
    """Read a token that `continuation` made; None for any other text."""
    try:
        subject, offset = json.loads(base64.urlsafe_b64decode(token))
        return str(subject), int(offset)
    except (binascii.Error, ValueError, TypeError):
        return None


def relative_time(then: datetime, now: datetime) -> str:
    """Return ``3 days ago``."""
    seconds = max(int((now - then).total_seconds()), 60)
    for unit, size in _AGES:
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "1 minute ago"


def waiting_time(wait: timedelta) -> str:
    """Return ``2 hours`` for the text of a waiting premiere."""
    minutes = max(int(wait.total_seconds()) // 60, 1)
    for unit, size in (("day", 1440), ("hour", 60), ("minute", 1)):
        if minutes >= size:
            count = minutes // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "1 minute"


def clock_text(seconds: int) -> str:
    """Return ``1:02:03``."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
