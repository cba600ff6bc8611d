"""Everything that exists on the fake site."""

from __future__ import annotations

import threading
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from ytworker_ytdlp.testing._dice import Dice
from ytworker_ytdlp.testing._records import ChannelFacts, FakeChannel, FakeVideo, Kind, SearchQuirks, newest_first

if TYPE_CHECKING:
    from collections.abc import Iterable

_FACTS = tuple(field.name for field in fields(ChannelFacts))
# The kinds of upload lists that YouTube keeps for each channel, by what replaces "UC" in its id.
UPLOAD_LISTS: dict[str, Kind | None] = {"UULF": "video", "UUSH": "short", "UULV": "stream", "UU": None}
MEMBERS_LIST = "UUMO"
_ID_TAIL = 22


class Catalogue:
    """Channels and videos by their names.

    Records are immutable and replaced as a whole, so a request being answered meanwhile sees the old or the new one,
    never a mixture; the lock only keeps two writers apart.

    Attributes:
        lock: Held while something is changed; whoever reads in order to change takes it first.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._channels: dict[str, FakeChannel] = {}
        self._names: dict[str, str] = {}
        self._videos: dict[str, FakeVideo] = {}
        self._trending: dict[str, tuple[str, ...]] = {}
        self._quirks: dict[str, SearchQuirks] = {}

    def put_channel(self, facts: ChannelFacts, names: Iterable[str] = ()) -> FakeChannel:
        """Add a channel, or replace its facts and keep its uploads."""
        with self.lock:
            known = self._channels.get(facts.id)
            uploads = known.uploads if known else ()
            for name in (facts.handle, *names):
                self._names[name.casefold()] = facts.id
            return self._store(facts, [replace(video, channel=_facts(facts)) for video in uploads])

    def put_videos(self, videos: list[FakeVideo]) -> None:
        """Add videos of one channel, or replace those with the same ids."""
        with self.lock:
            channel = self._channels[videos[0].channel.id]
            uploads = {video.id: video for video in (*channel.uploads, *videos)}
            self._store(channel, list(uploads.values()))

    def _store(self, facts: ChannelFacts, uploads: list[FakeVideo]) -> FakeChannel:
        ordered = newest_first(uploads)
        by_kind = {
            kind: tuple(video for video in ordered if video.kind == kind) for kind in ("video", "short", "stream")
        }
        channel = FakeChannel(
            **{name: getattr(facts, name) for name in _FACTS},
            videos=by_kind["video"],
            shorts=by_kind["short"],
            streams=by_kind["stream"],
        )
        self._channels[channel.id] = channel
        self._videos.update({video.id: video for video in ordered})
        return channel

    def channel(self, name: str) -> FakeChannel | None:
        """Find a channel by id, handle or legacy name, in any case."""
        return self._channels.get(name) or self._channels.get(self._names.get(name.casefold(), ""))

    def video(self, video_id: str) -> FakeVideo | None:
        """Find a video by id."""
        return self._videos.get(video_id)

    def videos(self) -> list[FakeVideo]:
        """Return every video of a living channel that lists may show."""
        return [video for video in list(self._videos.values()) if video.listed and video.channel.state == "ok"]

    def uploads(self, list_id: str) -> tuple[FakeChannel, list[FakeVideo]] | None:
        """Return the channel and the visible content of an upload list, or None where YouTube knows no such list."""
        channel = self._channels.get(f"UC{list_id[-_ID_TAIL:]}")
        prefix = list_id[:-_ID_TAIL]
        if channel is None or channel.state != "ok":
            return None
        listed = [video for video in channel.uploads if video.listed]
        if prefix == MEMBERS_LIST:
            listed = [video for video in listed if video.state == "members_only"]
        elif prefix not in UPLOAD_LISTS:
            return None
        elif (kind := UPLOAD_LISTS[prefix]) is not None:
            listed = [video for video in listed if video.kind == kind]
        # YouTube makes such a list with its first entry.
        return (channel, listed) if listed else None

    def put_trending(self, name: str, video_ids: Iterable[str]) -> None:
        """Say what a hub (``gaming``) or chart (``music GB``, ``api GB``) holds, in order."""
        self._trending[name] = tuple(video_ids)

    def trending(self, name: str) -> list[FakeVideo]:
        """Return what a hub or chart holds."""
        return [self._videos[video_id] for video_id in self._trending.get(name, ())]

    def put_quirks(self, query: str, quirks: SearchQuirks) -> None:
        """Say how a query misbehaves."""
        self._quirks[query] = quirks

    def quirks(self, query: str) -> SearchQuirks:
        """Return how a query misbehaves; most do not."""
        return self._quirks.get(query, SearchQuirks())

    def search(self, query: str) -> list[FakeVideo]:
        """Return the videos whose title or tags hold every word of the query, best match first."""
        words = query.casefold().split()
        found = [video for video in self.videos() if all(word in _haystack(video) for word in words)]
        return sorted(found, key=lambda video: Dice("rank", query.casefold()).token(video.id, 20))

    def search_channels(self, query: str) -> list[FakeChannel]:
        """Return the channels whose title or handle holds the query."""
        text = query.casefold()
        return [
            channel
            for channel in list(self._channels.values())
            if channel.state == "ok" and (text in channel.title.casefold() or text in channel.handle.casefold())
        ]


def _facts(channel: ChannelFacts) -> ChannelFacts:
    return ChannelFacts(**{name: getattr(channel, name) for name in _FACTS})


def _haystack(video: FakeVideo) -> str:
    return "\n".join((video.title, *video.tags)).casefold()
