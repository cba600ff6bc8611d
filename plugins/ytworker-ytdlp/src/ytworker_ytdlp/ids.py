"""Ids and the URLs that are built from them. Nothing that a user typed is ever sent: only what is built here."""

import re
import urllib.parse
from dataclasses import dataclass
from typing import Literal

SITE = "https://www.youtube.com"
FEED_LENGTH = 15
"""So many entries a feed has at most."""

Tab = Literal["videos", "shorts", "streams"]
ShelfTab = Literal["playlists", "releases", "podcasts"]
Kind = Literal["handle", "id", "user", "custom", "vanity"]
ListKind = Literal["all", "videos", "shorts", "streams"]

CHANNEL_ID = re.compile(r"UC[0-9A-Za-z_-]{22}")
VIDEO_ID = re.compile(r"[0-9A-Za-z_-]{11}")
PLAYLIST_ID = re.compile(r"(?:PL|UU|FL|EC|RD|UL|TL|PU|OLAK5uy_)[0-9A-Za-z_-]{10,80}")
MIX_ID = re.compile(r"RD(?P<video>[0-9A-Za-z_-]{11})")
"""A mix that YouTube makes around a video; it has no end."""
PERSONAL_LISTS = frozenset({"LL", "LM", "WL", "HL", "RDMM", "SL", "FL"})
UPLOADS_PREFIX: dict[ListKind, str] = {"all": "UU", "videos": "UULF", "shorts": "UUSH", "streams": "UULV"}
_PREFIX: dict[Kind, str] = {"handle": "@", "id": "channel/", "user": "user/", "custom": "c/", "vanity": ""}


@dataclass(frozen=True, slots=True)
class ChannelRef:
    """A channel as somebody named it.

    Attributes:
        kind: ``handle`` (``@NASA``), ``id`` (``UC…``), ``user`` (``/user/…``), ``custom`` (``/c/…``) or ``vanity``
            (``youtube.com/NAME``).
        value: The name or id without its prefix, decoded.
        tab: The tab that the URL named, or None.
    """

    kind: Kind
    value: str
    tab: Tab | None = None

    @property
    def channel_id(self) -> str | None:
        """The ``UC…`` id, where the reference is one."""
        return self.value if self.kind == "id" else None

    def url(self, tab: Tab | ShelfTab | None = None) -> str:
        """Build the address of the channel, or of one tab of it."""
        base = f"{SITE}/{_PREFIX[self.kind]}{urllib.parse.quote(self.value, safe='')}"
        return f"{base}/{tab}" if tab else base

    def __str__(self) -> str:
        return f"{_PREFIX[self.kind]}{self.value}"


def check_channel_id(text: str) -> str:
    """Give back a ``UC…`` id, or raise ValueError."""
    if CHANNEL_ID.fullmatch(text):
        return text
    msg = "a channel id is UC and 22 letters, digits, - or _"
    raise ValueError(msg)


def check_video_id(text: str) -> str:
    """Give back a video id (it may begin with a dash), or raise ValueError."""
    if VIDEO_ID.fullmatch(text):
        return text
    msg = "a video id is 11 letters, digits, - or _"
    raise ValueError(msg)


def check_playlist_id(text: str) -> str:
    """Give back the id of a public playlist, or raise ValueError; lists of one's own account are refused."""
    if text in PERSONAL_LISTS or text.startswith(("LL", "WL", "HL")):
        msg = f"{text[:4]} is a list of one's own account (likes, watch later, history): it is never read"
        raise ValueError(msg)
    if PLAYLIST_ID.fullmatch(text):
        return text
    msg = "a playlist id begins with PL, UU, OLAK5uy_ or another known prefix, then at least 10 letters, digits, - or _"
    raise ValueError(msg)


def watch_url(video_id: str) -> str:
    """Build the address of a video."""
    return f"{SITE}/watch?v={check_video_id(video_id)}"


def playlist_url(playlist_id: str) -> str:
    """Build the address of a playlist; that of a mix, which has no page of its own, is its first video's."""
    if seed := MIX_ID.fullmatch(check_playlist_id(playlist_id)):
        return f"{watch_url(seed['video'])}&list={playlist_id}"
    return f"{SITE}/playlist?list={playlist_id}"


def uploads_id(channel_id: str, kind: ListKind = "all") -> str:
    """Give the id of a channel's uploads list: everything, or one kind."""
    return UPLOADS_PREFIX[kind] + check_channel_id(channel_id)[2:]


def feed_url(channel_id: str, kind: ListKind = "all") -> str:
    """Build the address of the Atom feed of the 15 newest uploads: everything, or one kind."""
    if kind == "all":
        return f"{SITE}/feeds/videos.xml?channel_id={check_channel_id(channel_id)}"
    return f"{SITE}/feeds/videos.xml?playlist_id={uploads_id(channel_id, kind)}"
