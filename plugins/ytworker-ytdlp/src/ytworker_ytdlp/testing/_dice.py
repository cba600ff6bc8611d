"""Made-up values that follow from a seed alone, so that two runs agree on every one of them."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from ytworker_ytdlp.testing._records import ChannelFacts, FakeVideo, Kind, rounded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_T = TypeVar("_T")

_SUBJECTS = (
    "Rocket launch",
    "Deep sea dive",
    "Night sky tour",
    "Engine repair",
    "Bread baking",
    "Été à l’observatoire",  # noqa: RUF001 - as people type it
    "Glacier walk",
    "宇宙の音",
    "Chess endgame",
    "Street piano",
)
_ANGLES = (
    "explained",
    "in 4K",
    "& what went wrong",
    "<uncut>",
    '"live" from the lab',
    "step by step",
    "– part two",  # noqa: RUF001 - likewise
    "for beginners",
)
_TAGS = ("science", "space", "engineering", "music", "kitchen", "travel", "history", "chess", "ocean", "how to", "C++")
_CATEGORIES = ("Science & Technology", "Education", "Entertainment", "Music", "Howto & Style")
_LANGUAGES = ("en", "de", "fr", "ja")
_WORDS: dict[Kind, str] = {"video": "Video", "short": "Short", "stream": "Stream"}
_SECONDS: dict[Kind, tuple[int, int]] = {"video": (61, 5400), "short": (5, 59), "stream": (1800, 14400)}
# The kinds start at different points of their interval, so that a merged list interleaves them.
_OFFSETS: dict[Kind, float] = {"video": 0.15, "short": 0.45, "stream": 0.75}
_DASHED = 2


class Dice:
    """A source of numbers, names and choices for one thing, told apart by its seed."""

    def __init__(self, *seed: object) -> None:
        self._seed = "|".join(str(part) for part in seed)

    def _digest(self, name: str) -> bytes:
        return hashlib.sha256(f"{self._seed}|{name}".encode()).digest()

    def number(self, name: str, low: int, high: int) -> int:
        """Return a whole number from low to high, both included."""
        return low + int.from_bytes(self._digest(name)[:8], "big") % (high - low + 1)

    def pick(self, name: str, choices: Sequence[_T]) -> _T:
        """Return one of the choices."""
        return choices[self.number(name, 0, len(choices) - 1)]

    def some(self, name: str, choices: Sequence[_T], count: int) -> tuple[_T, ...]:
        """Return a few neighbours out of the choices, each once."""
        start = self.number(name, 0, len(choices) - 1)
        return tuple(choices[(start + step) % len(choices)] for step in range(min(count, len(choices))))

    def token(self, name: str, length: int) -> str:
        """Return letters, digits, ``_`` and ``-``, as in ids."""
        return base64.urlsafe_b64encode(self._digest(name)).decode()[:length]


def make_channel(handle: str, *, title: str | None, now: datetime) -> ChannelFacts:
    """Make up a channel."""
    dice = Dice("channel", handle.casefold())
    name = title or handle.lstrip("@")
    return ChannelFacts(
        id=f"UC{dice.token('id', 22)}",
        handle=handle,
        title=name,
        description=f"Everything about {name}.\nNew uploads most days.",
        follower_count=rounded(dice.number("followers", 1, 9) * 10 ** dice.number("digits", 2, 6) * 11 // 10),
        tags=dice.some("tags", _TAGS, 4),
        created_at=now - timedelta(days=dice.number("age", 1000, 5000)),
    )


def make_video(channel: ChannelFacts, kind: Kind, number: int, published_at: datetime) -> FakeVideo:
    """Make up the upload with this number, counted from the channel's first one of its kind."""
    dice = Dice("video", channel.id, kind, number)
    views = dice.number("views", 1, 10 ** dice.number("size", 2, 7))
    subject = f"{dice.pick('subject', _SUBJECTS)} {dice.pick('angle', _ANGLES)}"
    return FakeVideo(
        id=_video_id(dice, number),
        kind=kind,
        title=f"{subject} ({channel.title} {_WORDS[kind]} {number})"[:100],
        description=f"{subject}.\n\nNumber {number} of {channel.title}. Links & notes: <https://example.com/{number}>",
        duration_seconds=dice.number("seconds", *_SECONDS[kind]),
        views=views,
        likes=views * dice.number("like rate", 1, 9) // 100,
        comments=rounded(views * dice.number("comment rate", 1, 9) // 1000),
        published_at=published_at,
        tags=dice.some("tags", _TAGS, dice.number("tag count", 1, 5)),
        category=dice.pick("category", _CATEGORIES),
        language=dice.pick("language", _LANGUAGES),
        channel=channel,
    )


def _video_id(dice: Dice, number: int) -> str:
    # A leading dash is legal and breaks naive command lines, so every channel has some.
    dash = "-" if number % 10 == _DASHED else dice.token("first", 1)
    return dash + dice.token("id", 10)


def publication_times(kind: Kind, count: int, span: timedelta, now: datetime) -> list[datetime]:
    """Spread `count` uploads over the span before `now`, oldest first, a little irregularly."""
    dice = Dice("times", kind, count)
    every = span / max(count, 1)
    ages = (
        every * (position + _OFFSETS[kind]) + every * dice.number(f"{position}", 0, 90) / 1000
        for position in range(count)
    )
    return [(now - age).replace(microsecond=0) for age in ages][::-1]
