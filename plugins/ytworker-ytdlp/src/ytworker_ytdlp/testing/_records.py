"""The immutable records that tests read: channels, videos, logged requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime

Kind: TypeAlias = Literal["video", "short", "stream"]
Layout: TypeAlias = Literal["videoRenderer", "lockupViewModel"]
ChannelState: TypeAlias = Literal["ok", "terminated", "removed", "does_not_exist", "private"]
VideoState: TypeAlias = Literal[
    "ok",
    "unlisted",
    "private",
    "removed",
    "members_only",
    "age_restricted",
    "geo_blocked",
    "premiere",
    "live",
    "bot_check",
    "rate_limited",
]
LiveStatus: TypeAlias = Literal["not_live", "was_live", "is_live", "is_upcoming"]
Availability: TypeAlias = Literal["public", "unlisted", "private", "subscriber_only", "needs_auth"]
RequestKind: TypeAlias = Literal["hit", "fault", "miss", "tls-error"]

_AVAILABILITY: dict[VideoState, Availability] = {
    "unlisted": "unlisted",
    "private": "private",
    "members_only": "subscriber_only",
    "age_restricted": "needs_auth",
}
_HIDDEN: frozenset[VideoState] = frozenset({"unlisted", "private", "removed"})
_UNITS = ((10**9, "B"), (10**6, "M"), (10**3, "K"))


def short_count(number: int) -> str:
    """Write a number the way YouTube shortens it: cut, never rounded up, two digits or whole units."""
    for size, letter in _UNITS:
        if number >= size:
            tenths = number * 10 // size
            whole = tenths >= 100 or tenths % 10 == 0  # noqa: PLR2004 - from 10K on YouTube drops the decimal
            return f"{tenths // 10}{letter}" if whole else f"{tenths / 10:.1f}{letter}"
    return str(number)


def rounded(number: int) -> int:
    """Return what is left of a number after `short_count`."""
    for size, _ in _UNITS:
        if number >= size:
            step = size if number >= 10 * size else size // 10
            return number // step * step
    return number


@dataclass(frozen=True, slots=True)
class ChannelFacts:
    """What a channel says about itself.

    Attributes:
        id: 24 characters, ``UC`` first.
        handle: With the ``@``.
        title: Display name.
        description: Free text.
        follower_count: YouTube shows it with two or three digits; made-up ones are already cut that way.
        tags: Keywords of the channel.
        created_at: Creation time, aware, UTC.
        state: Anything but ``ok`` makes every page of the channel an error alert.
        layout: Which of YouTube's two page layouts the Videos and Live tabs use.
        tabs_empty: Tabs hold neither entries nor channel facts, as on age-restricted and topic channels.
    """

    id: str
    handle: str
    title: str
    description: str
    follower_count: int
    tags: tuple[str, ...]
    created_at: datetime
    state: ChannelState = "ok"
    layout: Layout = "videoRenderer"
    tabs_empty: bool = False

    @property
    def url(self) -> str:
        """The canonical address, by id."""
        return f"https://www.youtube.com/channel/{self.id}"


@dataclass(frozen=True, slots=True)
class FakeVideo:
    """One upload with every value the fake site will tell about it.

    Attributes:
        id: 11 characters of ``[A-Za-z0-9_-]``.
        kind: The tab it belongs to.
        title: Up to 100 characters, on purpose with quotes, brackets and letters beyond ASCII.
        description: Several lines.
        duration_seconds: None while a stream runs or a premiere waits.
        views: Exact; lists of uploads and shorts only show `rounded_views`.
        likes: None when hidden.
        comments: None when turned off; YouTube tells `rounded` numbers above 999.
        published_at: Aware, UTC, whole seconds.
        tags: Keywords.
        category: YouTube's English name.
        language: Two letters; the language of the automatic captions.
        channel: Facts of the channel at the time of reading.
        state: What the player answers.
        watching: Viewers now, for ``live``.
        scheduled_at: Start, for ``premiere``.
    """

    id: str
    kind: Kind
    title: str
    description: str
    duration_seconds: int | None
    views: int
    likes: int | None
    comments: int | None
    published_at: datetime
    tags: tuple[str, ...]
    category: str
    language: str
    channel: ChannelFacts
    state: VideoState = "ok"
    watching: int | None = None
    scheduled_at: datetime | None = None

    @property
    def url(self) -> str:
        """The address a browser shows."""
        path = f"shorts/{self.id}" if self.kind == "short" else f"watch?v={self.id}"
        return f"https://www.youtube.com/{path}"

    @property
    def rounded_views(self) -> int:
        """The view count as lists of uploads, shorts and the second layout show it."""
        return rounded(self.views)

    @property
    def live_status(self) -> LiveStatus:
        """The status in yt-dlp's words."""
        if self.state == "live":
            return "is_live"
        if self.state == "premiere":
            return "is_upcoming"
        return "was_live" if self.kind == "stream" else "not_live"

    @property
    def availability(self) -> Availability:
        """Who may watch it, in yt-dlp's words."""
        return _AVAILABILITY.get(self.state, "public")

    @property
    def listed(self) -> bool:
        """Whether tabs, lists and search show it."""
        return self.state not in _HIDDEN


@dataclass(frozen=True, slots=True)
class FakeChannel(ChannelFacts):
    """A channel and its uploads, each tuple newest first, unlisted and private ones included."""

    videos: tuple[FakeVideo, ...] = field(default=(), repr=False)
    shorts: tuple[FakeVideo, ...] = field(default=(), repr=False)
    streams: tuple[FakeVideo, ...] = field(default=(), repr=False)

    @property
    def uploads(self) -> tuple[FakeVideo, ...]:
        """Videos, shorts and streams together, newest first."""
        return newest_first([*self.videos, *self.shorts, *self.streams])

    def of_kind(self, kind: Kind) -> tuple[FakeVideo, ...]:
        """The uploads of one tab, newest first."""
        return {"video": self.videos, "short": self.shorts, "stream": self.streams}[kind]


@dataclass(frozen=True, slots=True)
class SearchQuirks:
    """How one query misbehaves.

    Attributes:
        corrected: What is searched for in its place.
        loop: The second page leads to itself for ever.
        short: The second page is empty, and there is a third one.
        layout: Hits come in a shape that nobody knows.
        silent: A page without hits does not say that there are none.
        heedless: Filters are ignored.
    """

    corrected: str | None = None
    loop: bool = False
    short: bool = False
    layout: bool = False
    silent: bool = False
    heedless: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One logged request.

    Attributes:
        method: HTTP method, or ``CONNECT`` for a failed TLS handshake.
        host: Name without port.
        path: Path without query.
        query: Raw query string.
        client: Name of the InnerTube client, for API calls.
        what: The call's subject, for example ``browseId=UC... tab=videos``.
        kind: ``hit``, ``fault``, ``miss`` (nothing here answers that) or ``tls-error``.
        fault: Name of the injected fault.
        status: HTTP status sent; 0 when none was.
        at: Wall-clock time of arrival, aware, UTC.
    """

    method: str
    host: str
    path: str
    query: str
    client: str
    what: str
    kind: RequestKind
    fault: str | None
    status: int
    at: datetime


def newest_first(videos: list[FakeVideo]) -> tuple[FakeVideo, ...]:
    """Sort by time, the id breaking ties so that the order is the same in every run."""
    return tuple(sorted(videos, key=lambda video: (video.published_at, video.id), reverse=True))
