"""The routes of the fake site: which call gets which answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from ytworker_ytdlp.testing._answers import Answer, as_html, as_json, as_text, as_xml, missing
from ytworker_ytdlp.testing._feeds import captions, feed, manifest
from ytworker_ytdlp.testing._lists import (
    browse_more,
    channel_page,
    playlist_page,
    read_tab_params,
    tab_params,
)
from ytworker_ytdlp.testing._pages import consent_page, page
from ytworker_ytdlp.testing._players import player_answer
from ytworker_ytdlp.testing._search import search_more, search_page
from ytworker_ytdlp.testing._shapes import Json, answer, api_error, read_continuation
from ytworker_ytdlp.testing._trending import (
    HUB_PATHS,
    HUB_SUBJECTS,
    api_chart,
    chart_answer,
    hub_endpoint,
    hub_more,
    hub_of,
    hub_page,
)
from ytworker_ytdlp.testing._watch import watch_answer
from ytworker_ytdlp.testing._weight import weigh_player, weigh_watch

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ytworker_ytdlp.testing._catalogue import Catalogue
    from ytworker_ytdlp.testing._records import FakeChannel

_HOSTS = re.compile(r"(?:[\w-]+\.)*youtube\.com|youtu\.be|youtubei?\.googleapis\.com|manifest\.googlevideo\.com")
_CHANNEL_PATH = re.compile(r"/(?:(?:channel|user|c)/([^/]+)|(@[^/]+))(?:/([^/]*))?/?")
_NOT_FOUND = api_error(404, "Requested entity was not found.", "NOT_FOUND")
_WEB_CLIENTS = frozenset({"WEB", "MWEB", "WEB_EMBEDDED_PLAYER", "WEB_CREATOR", "WEB_REMIX"})
_SUBJECTS = ("continuation", "browseId", "query", "videoId", "url")


@dataclass(frozen=True, slots=True)
class Call:
    """A request, taken apart."""

    method: str
    host: str
    path: str
    query: str
    body: Json

    @property
    def parameters(self) -> dict[str, str]:
        """The query, decoded; the last value where a name comes twice."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def client(self) -> str:
        """Name of the InnerTube client."""
        context = self.body.get("context")
        client = context.get("client") if isinstance(context, dict) else None
        return str(client.get("clientName", "")) if isinstance(client, dict) else ""

    @property
    def what(self) -> str:
        """The subject of an API call, readable."""
        name = next((name for name in _SUBJECTS if name in self.body), "")
        if name == "continuation" and (found := read_continuation(self.text(name))) is not None:
            return f"continuation={found[0]} {found[1]}"
        tab = f" tab={read_tab_params(self.text('params'))}" if self.text("browseId").startswith("UC") else ""
        return f"{name}={self.text(name)}{tab}" if name else ""

    @property
    def line(self) -> str:
        """What the pattern of a fault is searched in."""
        return f"{self.method} {self.host}{self.path}?{self.query} {self.client} {self.what}"

    def text(self, name: str) -> str:
        """A text of the body, empty when absent."""
        value = self.body.get(name, "")
        return value if isinstance(value, str) else ""


class Site:
    """Answers calls out of a catalogue."""

    def __init__(self, catalogue: Catalogue, clock: Callable[[], datetime], *, heavy: bool = False) -> None:
        self._heavy = heavy
        self._catalogue = catalogue
        self._clock = clock
        self._api: dict[str, Callable[[Call], Answer]] = {
            "navigation/resolve_url": self._resolve_url,
            "browse": self._browse,
            "search": self._search,
            "player": self._player,
            "next": self._next,
        }
        self._hosts: dict[str, Callable[[Call], Answer]] = {
            "charts.youtube.com": self._chart,
            "consent.youtube.com": lambda _: as_html(consent_page()),
            "manifest.googlevideo.com": _manifest,
            "youtu.be": _short_link,
            "youtube.googleapis.com": self._data_api,
        }
        self._pages: dict[str, Callable[[Call], Answer]] = {
            "/": lambda _: as_html(page("Home")),
            "/tv": lambda _: as_html(page("TV")),
            "/watch": self._watch_page,
            "/playlist": self._playlist_page,
            "/results": self._results_page,
            "/feeds/videos.xml": self._feed,
            "/api/timedtext": self._captions,
        }

    def answer(self, call: Call) -> Answer:
        """Answer a call; a miss for hosts and paths that are not part of this site."""
        if not _HOSTS.fullmatch(call.host):
            return missing(f"{call.host} is not served here", 502)
        if (other := self._hosts.get(call.host)) is not None:
            return other(call)
        if call.path.startswith("/youtubei/v1/"):
            handler = self._api.get(call.path.removeprefix("/youtubei/v1/"))
            return handler(call) if handler else missing("no such API call here")
        return self._web(call)

    def _web(self, call: Call) -> Answer:
        if (handler := self._pages.get(call.path)) is not None:
            return handler(call)
        if call.path.startswith(("/shorts/", "/embed/", "/live/")):
            return self._video_page(call.path.split("/")[2])
        if _CHANNEL_PATH.fullmatch(call.path):
            return self._channel_page(call)
        return missing("no such page here")

    # --- the API -------------------------------------------------------------------------------------------------

    def _resolve_url(self, call: Call) -> Answer:
        url = urlsplit(call.text("url"))
        parameters = dict(parse_qsl(url.query))
        if url.path == "/playlist" and "list" in parameters:
            return _endpoint("browseEndpoint", {"browseId": f"VL{parameters['list']}"})
        if url.path == "/watch":
            return _endpoint("watchEndpoint", {"videoId": parameters.get("v", "")})
        if (hub := HUB_PATHS.get(url.path)) is not None and self._catalogue.trending(hub):
            return _endpoint("browseEndpoint", hub_endpoint(hub))
        channel, tab = self._find(url.path)
        if channel is None:
            return as_json(_NOT_FOUND, 404)
        if tab == "live" and (running := [video for video in channel.streams if video.state == "live"]):
            return _endpoint("watchEndpoint", {"videoId": running[0].id})
        return _endpoint("browseEndpoint", {"browseId": channel.id, "params": tab_params(tab)})

    def _find(self, path: str) -> tuple[FakeChannel | None, str]:
        match = _CHANNEL_PATH.fullmatch(unquote(path))
        if match is None:
            return None, ""
        return self._catalogue.channel(match[1] or match[2]), match[3] or "featured"

    def _browse(self, call: Call) -> Answer:
        now = self._clock()
        if "continuation" in call.body:
            found = read_continuation(call.text("continuation"))
            if found and (hub := HUB_SUBJECTS.get(found[0])):
                return as_json(hub_more(self._catalogue, hub, found[1], now))
            return as_json(browse_more(self._catalogue, *found, now)) if found else _invalid()
        browse_id = call.text("browseId")
        if (hub := hub_of(browse_id)) is not None:
            return as_json(hub_page(self._catalogue, hub, now))
        if browse_id.startswith("VL"):
            return as_json(playlist_page(self._catalogue, browse_id[2:], now))
        channel = self._catalogue.channel(browse_id)
        if channel is None:
            return _invalid()
        return as_json(channel_page(channel, read_tab_params(call.text("params")), now))

    def _chart(self, call: Call) -> Answer:
        found = chart_answer(self._catalogue, call.text("query")) if call.method == "POST" else None
        return as_json(found) if found else _invalid()

    def _data_api(self, call: Call) -> Answer:
        if call.path != "/youtube/v3/videos":
            return missing("no such call of the Data API here")
        found = api_chart(self._catalogue, call.parameters)
        error = {"code": 404, "message": "The requested video chart is not supported or is not available."}
        details = {"errors": [{"domain": "youtube.parameter", "reason": "videoChartNotFound"}]}
        return as_json(found) if found else as_json({"error": {**error, **details}}, 404)

    def _search(self, call: Call) -> Answer:
        now = self._clock()
        if "continuation" in call.body:
            found = read_continuation(call.text("continuation"))
            if found is None:
                return _invalid()
            return as_json(search_more(self._catalogue, found[0].removeprefix("search "), found[1], now))
        return as_json(search_page(self._catalogue, call.text("query"), call.text("params"), now))

    def _player(self, call: Call) -> Answer:
        return as_json(self._played(call.text("videoId"), web=call.client in _WEB_CLIENTS))

    def _next(self, call: Call) -> Answer:
        return as_json(self._watched(call.text("videoId")))

    def _played(self, video_id: str, *, web: bool) -> Json:
        found = player_answer(self._catalogue.video(video_id), self._clock(), web=web)
        return weigh_player(found) if self._heavy else found

    def _watched(self, video_id: str) -> Json:
        found = watch_answer(self._catalogue.video(video_id))
        return weigh_watch(found) if self._heavy else found

    # --- web pages -----------------------------------------------------------------------------------------------

    def _channel_page(self, call: Call) -> Answer:
        channel, tab = self._find(call.path)
        if channel is None:
            return as_html(page("404 Not Found"), 404)
        return as_html(page(channel.title, data=channel_page(channel, tab, self._clock())))

    def _playlist_page(self, call: Call) -> Answer:
        list_id = call.parameters.get("list", "")
        return as_html(page("Playlist", data=playlist_page(self._catalogue, list_id, self._clock())))

    def _results_page(self, call: Call) -> Answer:
        query, params = call.parameters.get("search_query", ""), call.parameters.get("sp", "")
        return as_html(page(query, data=search_page(self._catalogue, query, params, self._clock())))

    def _watch_page(self, call: Call) -> Answer:
        return self._video_page(call.parameters.get("v", ""))

    def _video_page(self, video_id: str) -> Answer:
        video, player = self._catalogue.video(video_id), self._played(video_id, web=True)
        return as_html(page(video.title if video else "", data=self._watched(video_id), player=player))

    # --- everything else -----------------------------------------------------------------------------------------

    def _feed(self, call: Call) -> Answer:
        names = call.parameters
        if list_id := names.get("playlist_id"):
            found = self._catalogue.uploads(list_id)
            return as_xml(feed(found[0], found[1], list_id=list_id)) if found else _no_feed()
        channel = self._catalogue.channel(names.get("channel_id", names.get("user", "")))
        if channel is None or channel.state != "ok":
            return _no_feed()
        return as_xml(feed(channel, channel.uploads))

    def _captions(self, call: Call) -> Answer:
        video = self._catalogue.video(call.parameters.get("v", ""))
        if video is None:
            return as_html("", 404)
        return as_text(*captions(video, call.parameters.get("fmt", "srv1")))


def _short_link(call: Call) -> Answer:
    return as_html("", 303, {"Location": f"https://www.youtube.com/watch?v={call.path.strip('/')}"})


def _manifest(call: Call) -> Answer:
    return as_text(manifest(call.path.split("/")[-3]), "application/vnd.apple.mpegurl")


def _endpoint(name: str, content: Json) -> Answer:
    return as_json(answer(endpoint={name: content}))


def _invalid() -> Answer:
    return as_json(api_error(400, "Request contains an invalid argument.", "INVALID_ARGUMENT"), 400)


def _no_feed() -> Answer:
    return as_html(page("Error 404 (Not Found)!!1"), 404)
