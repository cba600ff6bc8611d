"""Ids of YouTube, and the addresses built from them in the one spelling that all ytworker plugins give."""

import re
import unicodedata
import urllib.parse

SITE = "https://www.youtube.com"
LONGEST_SHORT = 180.0
"""Seconds. Since 15 October 2024 YouTube shows square and vertical videos of up to three minutes as Shorts
(support.google.com/youtube/answer/15424877)."""

VIDEO_ID = re.compile(r"[0-9A-Za-z_-]{11}")
CHANNEL_ID = re.compile(r"UC[0-9A-Za-z_-]{22}")
LONGEST_HANDLE = 30
_PUNCTUATION = frozenset("_.-·")
_MARKS = frozenset({"Mn", "Mc"})
"""Unicode categories of the signs that letters carry; no Hindi or Thai is written without them."""
_CHANNEL_HOSTS = frozenset({"youtube.com", "www.youtube.com", "m.youtube.com"})


def watch_url(video_id: str) -> str:
    """Build the address of a video."""
    return f"{SITE}/watch?v={video_id}"


def channel_url(channel_id: str) -> str:
    """Build the address of a channel."""
    return f"{SITE}/channel/{channel_id}"


def uploads_id(channel_id: str) -> str:
    """Give the id of the playlist of all uploads of a channel; it costs nothing to know."""
    return "UU" + channel_id[2:]


def parse_channel(text: str) -> str:
    """Reduce what somebody typed to a ``UC…`` id or an ``@handle``.

    Raises:
        ValueError: It is neither, nor the address of one.
    """
    name = text.strip()
    if "/" in name:
        parts = urllib.parse.urlsplit(name if "://" in name else f"https://{name}")
        if parts.scheme in {"http", "https"} and parts.netloc.lower() in _CHANNEL_HOSTS:
            name = urllib.parse.unquote(parts.path.strip("/").removeprefix("channel/").split("/")[0])
    if CHANNEL_ID.fullmatch(name) or _is_handle(name):
        return name
    msg = "a channel is a UC… id (UC and 22 letters, digits, - or _), an @handle, or the address of one of these"
    raise ValueError(msg)


def _is_handle(text: str) -> bool:
    name = text.removeprefix("@")
    return text.startswith("@") and 0 < len(name) <= LONGEST_HANDLE and all(map(_is_of_handle, name))


def _is_of_handle(char: str) -> bool:
    return char.isalnum() or char in _PUNCTUATION or unicodedata.category(char) in _MARKS


def is_short(live_status: str | None, duration_seconds: float | None) -> bool | None:
    """Tell what the Data API lets one tell: a stream is no short, nor is what is longer than three minutes.

    A shorter video may be either: None is unknown. The plugins that read YouTube's pages know more; wherever both know,
    they agree.
    """
    if live_status in {"is_live", "was_live", "post_live"}:
        return False
    return False if duration_seconds is not None and duration_seconds > LONGEST_SHORT else None
