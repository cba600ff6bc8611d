"""What is on the fake site: adding, changing and looking up channels and videos."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ytworker_ytdlp.testing._catalogue import Catalogue
from ytworker_ytdlp.testing._dice import make_channel, make_video, publication_times
from ytworker_ytdlp.testing._records import ChannelFacts, FakeChannel, FakeVideo, Kind, SearchQuirks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from ytworker_ytdlp.testing._trending import Chart, Hub

_BETWEEN_UPLOADS = timedelta(hours=9)
_LONE_CHANNEL = "@fake-uploader"


class Content:
    """The half of `FakeYouTube` that holds its content.

    Args:
        clock: The site's time.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._catalogue = Catalogue()

    def add_channel(
        self,
        handle: str,
        *,
        title: str | None = None,
        videos: int = 0,
        shorts: int = 0,
        streams: int = 0,
        names: Iterable[str] = (),
        every: timedelta = _BETWEEN_UPLOADS,
        **facts: Any,
    ) -> FakeChannel:
        """Add a channel with made-up uploads, spread so that the three kinds interleave by date.

        Args:
            handle: With the ``@``.
            title: The handle without the ``@`` unless given.
            videos: How many uploads of this kind; a channel without any lacks the tab.
            shorts: Likewise.
            streams: Likewise; they are over.
            names: Legacy names for ``/user/NAME`` and ``/c/NAME``.
            every: Mean time between uploads; the newest are a few hours old.
            **facts: Any field of `ChannelFacts`, for example ``state="terminated"``, ``layout="lockupViewModel"``
                or ``tabs_empty=True``.

        Returns:
            The channel as it now is; records do not follow later changes, `channel` reads again.
        """
        now = self._clock()
        channel = replace(make_channel(handle, title=title, now=now), **facts)
        self._catalogue.put_channel(channel, names)
        span = every * (videos + shorts + streams)
        counts: tuple[tuple[Kind, int], ...] = (("video", videos), ("short", shorts), ("stream", streams))
        uploads = [
            make_video(channel, kind, number, moment)
            for kind, count in counts
            for number, moment in enumerate(publication_times(kind, count, span, now), 1)
        ]
        if uploads:
            self._catalogue.put_videos(uploads)
        return self.channel(channel.id)

    def add_video(
        self,
        channel: str | ChannelFacts = _LONE_CHANNEL,
        *,
        kind: Kind | None = None,
        **values: Any,
    ) -> FakeVideo:
        """Add one upload, the newest of its channel unless told otherwise.

        Args:
            channel: Handle, id or record; a handle that is not there yet becomes a channel.
            kind: The tab it belongs to: "video", or "stream" for a running one, unless given.
            **values: Any field of `FakeVideo`; the others are made up. ``state="live"`` makes a running stream,
                ``state="premiere"`` one that starts in two hours unless `scheduled_at` says otherwise.

        Returns:
            The video with all its values.
        """
        name = channel.id if isinstance(channel, ChannelFacts) else channel
        owner = self._catalogue.channel(name) or self.add_channel(name)
        tab: Kind = kind or ("stream" if values.get("state") == "live" else "video")
        with self._catalogue.lock:
            owner = self.channel(owner.id)
            number = len(owner.of_kind(tab)) + 1
            return self._put(make_video(owner, tab, number, _next_moment(owner, self._clock())), values)

    def update_video(self, video_id: str, **values: Any) -> FakeVideo:
        """Change fields of a video, for example its views or its state, and return the new record."""
        with self._catalogue.lock:
            return self._put(self.video(video_id), values)

    def _put(self, video: FakeVideo, values: dict[str, Any]) -> FakeVideo:
        changed = replace(video, **{**_waiting(values, self._clock()), **values})
        self._catalogue.put_videos([changed])
        return self.video(changed.id)

    def update_channel(self, name: str, **facts: Any) -> FakeChannel:
        """Change facts of a channel, for example its state, and return the new record."""
        with self._catalogue.lock:
            return self._catalogue.put_channel(replace(self.channel(name), **facts))

    def channel(self, name: str) -> FakeChannel:
        """Return a channel, by id, handle or legacy name, as it now is."""
        channel = self._catalogue.channel(name)
        if channel is None:
            msg = f"no channel {name!r} was added to this FakeYouTube"
            raise KeyError(msg)
        return channel

    def video(self, video_id: str) -> FakeVideo:
        """Return a video as it now is."""
        video = self._catalogue.video(video_id)
        if video is None:
            msg = f"no video {video_id!r} was added to this FakeYouTube"
            raise KeyError(msg)
        return video

    def search(self, query: str) -> list[FakeVideo]:
        """Return what a search for videos finds, in its order: each word must be in the title or the tags."""
        return self._catalogue.search(query)

    def set_hub(self, hub: Hub, videos: Iterable[FakeVideo]) -> None:
        """Say what a hub shows, in order; one without videos is not there."""
        self._catalogue.put_trending(hub, [video.id for video in videos])

    def set_chart(self, chart: Chart, country: str, videos: Iterable[FakeVideo]) -> None:
        """Say what a chart of charts.youtube.com holds, in order; one without videos is not there."""
        self._catalogue.put_trending(f"{chart} {country}", [video.id for video in videos])

    def set_api_chart(self, country: str, videos: Iterable[FakeVideo]) -> None:
        """Say what the Data API's chart of most popular videos holds, in order."""
        self._catalogue.put_trending(f"api {country}", [video.id for video in videos])

    def search_behaves(self, query: str, **quirks: Any) -> None:
        """Let a query misbehave, by the fields of `SearchQuirks`; without any it behaves again."""
        self._catalogue.put_quirks(query, SearchQuirks(**quirks))


def _next_moment(channel: FakeChannel, now: datetime) -> datetime:
    # The clock may stand still; a new upload is the newest all the same.
    moment = now.replace(microsecond=0)
    return max([moment, *(video.published_at + timedelta(seconds=1) for video in channel.uploads[:1])])


def _waiting(values: dict[str, Any], now: datetime) -> dict[str, Any]:
    if values.get("state") == "live":
        return {"duration_seconds": None, "watching": 1234}
    if values.get("state") == "premiere":
        return {"duration_seconds": None, "scheduled_at": now.replace(microsecond=0) + timedelta(hours=2)}
    return {}
