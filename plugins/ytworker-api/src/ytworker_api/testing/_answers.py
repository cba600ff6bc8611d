"""What the fake answers: each method of the Data API that the plugin calls, by the documented rules."""

import html
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PAGE = 50
Query = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """A status with its body.

    Attributes:
        status: Of HTTP.
        body: The bytes.
        headers: Beside those that every answer has.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def as_json(data: object, status: int = 200, **headers: str) -> Answer:
    """Make an answer of JSON."""
    return Answer(status, json.dumps(data).encode(), {"Content-Type": "application/json; charset=UTF-8", **headers})


def refusal(reason: str, status: int, message: str = "", domain: str = "youtube") -> Answer:
    """Make an error as the service words it."""
    text = message or f"Refused: {reason}"
    error = {
        "code": status,
        "message": text,
        "errors": [{"message": text, "domain": domain, "reason": reason}],
    }
    return as_json({"error": error}, status)


@dataclass
class Catalogue:
    """Everything that the fake knows.

    Attributes:
        videos: By id.
        uploads: Ids of the videos of each channel, newest first, by its id.
        handles: Ids of the channels by their handles.
        unlisted: Videos that lists name and that no call answers for, such as private ones.
        chart: Ids of the most popular, by category; an empty text is all.
    """

    videos: dict[str, dict[str, Any]] = field(default_factory=dict)
    uploads: dict[str, list[str]] = field(default_factory=dict)
    handles: dict[str, str] = field(default_factory=dict)
    unlisted: set[str] = field(default_factory=set)
    chart: dict[str, list[str]] = field(default_factory=dict)

    def answer(self, method: str, query: Query) -> Answer:
        """Answer one call."""
        methods: dict[str, Callable[[Query], Answer]] = {
            "videos.list": self._videos,
            "videos.batchGetStats": self._statistics,
            "channels.list": self._channels,
            "playlistItems.list": self._playlist_items,
            "search.list": self._search,
        }
        if not query.get("key"):
            text = "Method doesn't allow unregistered callers (callers without established identity)."
            return refusal("forbidden", 403, text, "global")
        if method not in methods:
            return refusal("notFound", 404, domain="global")
        if not query.get("part"):
            return refusal("missingRequiredParameter", 400, domain="youtube.parameter")
        return methods[method](query)

    def _videos(self, query: Query) -> Answer:
        if "chart" in query:
            ids = self.chart.get(query.get("videoCategoryId", ""))
            if ids is None:
                return refusal("videoChartNotFound", 404, domain="youtube.video")
            return self._listed("video", [self._trimmed(each, query) for each in ids], query)
        asked = query.get("id", "").split(",")
        if len(asked) > PAGE:
            return refusal("invalidFilters", 400, domain="youtube.parameter")
        return _whole("video", [self._trimmed(each, query) for each in dict.fromkeys(asked) if self._is_there(each)])

    def _statistics(self, query: Query) -> Answer:
        asked = [each for each in dict.fromkeys(query.get("id", "").split(",")) if self._is_there(each)]
        items = [{**self._trimmed(each, query), "kind": "youtube#videoStats"} for each in asked]
        return as_json({"kind": "youtube#batchGetStatsResponse", "etag": "fake", "items": items})

    def _channels(self, query: Query) -> Answer:
        channel = self.handles.get(query.get("forHandle", ""), query.get("id", ""))
        if channel not in self.uploads:  # the service leaves `items` out then
            return as_json({"kind": "youtube#channelListResponse", "etag": "fake", "pageInfo": {"totalResults": 0}})
        lists = {"relatedPlaylists": {"uploads": "UU" + channel[2:]}}
        return _whole("channel", [{"kind": "youtube#channel", "id": channel, "contentDetails": lists}])

    def _playlist_items(self, query: Query) -> Answer:
        ids = self.uploads.get("UC" + query.get("playlistId", "")[2:])
        if not ids:
            return refusal("playlistNotFound", 404, domain="youtube.playlistItem")
        items = [
            {
                "kind": "youtube#playlistItem",
                "contentDetails": {"videoId": each},
                "status": {"privacyStatus": "private" if each in self.unlisted else "public"},
            }
            for each in ids
        ]
        return self._listed("playlistItem", items, query)

    def _search(self, query: Query) -> Answer:
        words = query.get("q", "").lower()
        found = [video for video in self.videos.values() if words in video["snippet"]["title"].lower()]
        found = [video for video in found if query.get("channelId") in {None, video["snippet"]["channelId"]}]
        if query.get("order") == "date":
            found.sort(key=lambda video: str(video["snippet"]["publishedAt"]), reverse=True)
        items = [
            {
                "kind": "youtube#searchResult",
                "id": {"kind": "youtube#video", "videoId": video["id"]},
                "snippet": {**video["snippet"], "title": html.escape(video["snippet"]["title"])},
            }
            for video in found
        ]
        return self._listed("search", items, query)

    def _is_there(self, video_id: str) -> bool:
        return video_id in self.videos and video_id not in self.unlisted

    def _trimmed(self, video_id: str, query: Query) -> dict[str, Any]:
        parts = {"kind", "etag", "id", *query["part"].split(",")}
        return {name: value for name, value in self.videos[video_id].items() if name in parts}

    def _listed(self, kind: str, items: Sequence[Any], query: Query) -> Answer:
        token = query.get("pageToken", "P0")
        start = int(token[1:]) if token[1:].isdecimal() else len(items) + 1
        if start > len(items):
            return refusal("invalidPageToken", 400, domain="youtube.parameter")
        end = start + min(PAGE, int(query.get("maxResults", "5")))
        more = {"nextPageToken": f"P{end}"} if end < len(items) else {}
        return _whole(kind, items[start:end], total=len(items), **more)


def _whole(kind: str, items: Sequence[Any], *, total: int | None = None, **more: str) -> Answer:
    info = {"totalResults": len(items) if total is None else total, "resultsPerPage": len(items)}
    return as_json({"kind": f"youtube#{kind}ListResponse", "etag": "fake", "pageInfo": info, "items": items, **more})
