"""Reading what people type for a channel, and saying what is wrong with it.

The text is taken apart here and never used again: the address that is asked is built from the parts.
"""

import ipaddress
import re
import unicodedata
import urllib.parse
from typing import NoReturn

from ytworker_ytdlp.ids import CHANNEL_ID, PERSONAL_LISTS, ChannelRef, Kind, Tab

MAX_LENGTH = 500
HOSTS = frozenset({"youtube.com", "www.youtube.com", "m.youtube.com", "music.youtube.com"})
TABS: dict[str, Tab | None] = {
    "videos": "videos",
    "shorts": "shorts",
    "streams": "streams",
    "live": "streams",
    "featured": None,
    "home": None,
    "about": None,
    "community": None,
    "posts": None,
    "channels": None,
    "store": None,
    "membership": None,
}
VIDEO_PATHS = frozenset({"watch", "watch_popup", "shorts", "live", "embed", "v", "e", "w", "clip"})
# fmt: off
RESERVED = frozenset({
    "account", "ads", "api", "attribution_link", "browse", "c", "channel", "creators", "error", "explore",
    "feed", "feeds", "gaming", "get_video_info", "hashtag", "howyoutubeworks", "iframe_api", "index", "kids",
    "login", "logout", "movies", "music", "new", "oembed", "oops", "paid_memberships", "playables", "playlist",
    "podcasts", "post", "premium", "redeem", "redirect", "reporthistory", "results", "s", "search", "shared",
    "signin", "sitemap", "source", "storefront", "t", "terms", "trending", "tv", "upload", "user", "youtubei",
})
# fmt: on
WAYS = "Give a channel address such as https://www.youtube.com/@NASA, a handle such as @NASA, or an id (UC…)."

_PUNCTUATION = frozenset("._-·'\u2019")
_MARKS = frozenset({"Mn", "Mc"})
"""Unicode categories of the signs that letters carry; no Hindi or Thai is written without them."""
LONGEST_NAME = 100
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?!\d+(?:/|$))")
_CONTROL = re.compile(r"[\x00-\x20\x7f-\xa0\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\\]")
_KNOWN_HOST = re.compile(r"(?i)(?:[\w.-]+\.)?(?:youtube\.com|youtu\.be|youtube-nocookie\.com)\.?(?::\d+)?")


def parse_channel(text: str) -> ChannelRef:
    """Understand a channel in any of its forms.

    Addresses with or without scheme, on ``www.``, ``m.``, ``music.`` or bare ``youtube.com``: ``/@handle``,
    ``/channel/UC…``, ``/c/name``, ``/user/name`` and ``/name``, each with an optional tab; ``@handle``, also with tab;
    a bare handle; a ``UC…`` id. Query and fragment are ignored. The tabs videos, shorts and streams (also ``live``) are
    kept; featured, home, about, community, posts, channels, store and membership mean the channel itself; tabs that
    list playlists are refused.

    Args:
        text: What somebody typed.

    Raises:
        ValueError: It is no channel; the message says why and what to give instead.
    """
    text = text.strip()
    _refuse_unsafe(text)
    scheme = _SCHEME.match(text)
    if scheme:
        return _from_address(_without_scheme(text, scheme.group(1)))
    if text.startswith("@") and "/" in text:  # a handle with a tab, as people copy it: @NASA/videos
        return _from_address(f"www.youtube.com/{text}")
    if "/" in text or _KNOWN_HOST.fullmatch(text):
        return _from_address(text)
    return _from_name(text)


def _refuse(reason: str) -> NoReturn:
    msg = f"{reason}. {WAYS}"
    raise ValueError(msg)


def _refuse_unsafe(text: str) -> None:
    if not text:
        _refuse("No channel is named")
    if len(text) > MAX_LENGTH:
        _refuse(f"This is longer than {MAX_LENGTH} characters")
    if _CONTROL.search(text) or any("\ud800" <= char <= "\udfff" for char in text):
        _refuse("A channel has no spaces, backslashes, control or invisible characters in it")
    if text.startswith("-"):
        _refuse("This begins with a dash like a video id or an option; options are never read from here")
    if text.startswith(":"):
        _refuse("Words such as :ythistory belong to one's own account and are never read")


def _without_scheme(text: str, scheme: str) -> str:
    if scheme.lower() not in {"http", "https"}:
        _refuse(f"{scheme[:20]}: is not a kind of address that leads to YouTube")
    rest = text[len(scheme) + 1 :]
    if not rest.startswith("//"):
        _refuse("The address lacks the // after its scheme")
    return rest[2:]


def _from_address(text: str) -> ChannelRef:
    """Read ``host/path``, the scheme already gone."""
    try:
        parts = urllib.parse.urlsplit(f"//{text}")
        host, port = (parts.hostname or "").lower().removesuffix("."), parts.port
    except ValueError:
        _refuse("This is not a readable address")
    if "@" in parts.netloc:
        _refuse("The address holds a user name before its host, as forged addresses do")
    _check_host(host)
    if port not in {None, 80, 443}:
        _refuse(f"YouTube does not answer on port {port}")
    return _from_path([_decode(part) for part in parts.path.split("/") if part])


def _check_host(host: str) -> None:
    if host in HOSTS:
        return
    if host == "youtu.be":
        _refuse("This is the address of a video, not of a channel")
    if host == "consent.youtube.com":
        _refuse("This is YouTube's consent page; open it in a browser and copy the address that follows")
    if host.endswith(".youtube.com"):
        _refuse(f"Channels are not found on {host[:60]}")
    _refuse("This is an IP address, not YouTube" if _is_address(host) else f"{host[:60] or 'This'} is not YouTube")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(re.fullmatch(r"(?:0x[0-9a-f]*|\d*)(?:\.(?:0x[0-9a-f]*|\d*))*", host))
    return True


def _decode(part: str) -> str:
    try:
        decoded = urllib.parse.unquote(part, errors="strict")
    except UnicodeDecodeError:
        _refuse("The address holds percent signs that are not UTF-8")
    if "/" in decoded or _CONTROL.search(decoded):
        _refuse("The address hides a slash, a backslash or a control character")
    return decoded


def _from_path(parts: list[str]) -> ChannelRef:
    if not parts:
        _refuse("This is YouTube itself, not a channel")
    first = parts[0].lower()
    if first in VIDEO_PATHS:
        _refuse("This is the address of a video, not of a channel")
    if first == "playlist":
        _refuse("This is the address of a playlist, not of a channel")
    if parts[0].startswith("@"):
        return _make("handle", parts[0][1:], parts[1:])
    prefixed: dict[str, Kind] = {"channel": "id", "c": "custom", "user": "user"}
    if first in prefixed and len(parts) > 1:
        return _make(prefixed[first], parts[1], parts[2:])
    if first in RESERVED:
        _refuse(f"youtube.com/{first} is a page of YouTube, not a channel")
    return _make("vanity", parts[0], parts[1:])


def _make(kind: Kind, value: str, rest: list[str]) -> ChannelRef:
    if kind == "id" and not CHANNEL_ID.fullmatch(value):
        _refuse("A channel id is UC and 22 letters, digits, - or _")
    if not _is_name(value):
        _refuse("The name holds characters that no channel name has")
    if len(rest) > 1:
        _refuse("The address goes on after the tab")
    return ChannelRef(kind, value, _tab(rest[0].lower()) if rest else None)


def _is_name(text: str) -> bool:
    """Tell whether a text may be a name: letters and digits of any script, and what stands between and upon them."""
    return 0 < len(text) <= LONGEST_NAME and (text[0].isalnum() or text[0] == "_") and all(map(_is_of_name, text))


def _is_of_name(char: str) -> bool:
    return char.isalnum() or char in _PUNCTUATION or unicodedata.category(char) in _MARKS


def _tab(name: str) -> Tab | None:
    if name not in TABS:
        _refuse(f"The tab {name[:30]!r} does not list videos: name videos, shorts or streams, or no tab")
    return TABS[name]


def _from_name(text: str) -> ChannelRef:
    """Read a bare handle or id. What could be a host or a number needs its ``@``."""
    if CHANNEL_ID.fullmatch(text):
        return ChannelRef("id", text)
    bare = not text.startswith("@")
    name = text.removeprefix("@")
    if bare and text.upper() in PERSONAL_LISTS:
        _refuse(f"{text} is a list of one's own account and is never read")
    if bare and (re.fullmatch(r"(?i)localhost|0x[\da-f.]*", text) or "." in text or not re.search(r"[^\W\d]", text)):
        _refuse("This looks like a host or a number; write a handle with its @")
    if not _is_name(name):
        _refuse("A handle has only letters, digits, and . - _ · between them")
    return ChannelRef("handle", name)
