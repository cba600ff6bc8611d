"""The bulk of a genuine answer about a video: what nobody reads, and every client has to parse all the same.

Measured in late 2026: a watch page brings 200 to 450 kB of JSON in about 12,500 values, a third of them in the 20
videos beside it; an app's player answer has 50 to 180 kB, with 8 to 72 formats and 156 languages to translate into.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ytworker_ytdlp.testing._shapes import text

if TYPE_CHECKING:
    from ytworker_ytdlp.testing._shapes import Json

_NEIGHBOURS, _MENUS = 20, 25
_FORMATS, _LANGUAGES = 22, 156
_SIZES = ((256, 144), (426, 240), (640, 360), (854, 480), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160))
_TRACKING = "CAYQ1b4EGAAiEwjk" * 26


def weigh_watch(content: dict[str, Any]) -> Json:
    """Put as much beside a watch answer as a genuine one has."""
    columns = content["contents"]["twoColumnWatchNextResults"]
    return {**content, "contents": {"twoColumnWatchNextResults": {**columns, "secondaryResults": _neighbours()}}}


def weigh_player(content: dict[str, Any]) -> Json:
    """Give an app's player answer as many formats, and any the languages, of a genuine one."""
    heavy = dict(content)
    if streams := content.get("streamingData"):
        heavy["streamingData"] = {**streams, "adaptiveFormats": _formats()}
    if captions := content.get("captions"):
        tracks = captions["playerCaptionsTracklistRenderer"]
        heavy["captions"] = {"playerCaptionsTracklistRenderer": {**tracks, "translationLanguages": _languages()}}
    return heavy


@cache
def _neighbours() -> Json:
    return {"secondaryResults": {"results": [_neighbour(number) for number in range(_NEIGHBOURS)]}}


def _neighbour(number: int) -> Json:
    menus = [_menu(number, place) for place in range(_MENUS)]
    return {"compactVideoRenderer": {"videoId": f"neighbour{number:02}", "menu": {"items": menus}}}


def _menu(number: int, place: int) -> Json:
    command = {"clickTrackingParams": _TRACKING, "commandMetadata": {"webCommandMetadata": {"sendPost": True}}}
    icon = {"iconType": "PLAYLIST_ADD", "accessibility": text(f"Entry {place} of video {number}")}
    endpoint = {**command, "signalServiceEndpoint": {"signal": "CLIENT_SIGNAL", "actions": [{"place": place}]}}
    return {"menuServiceItemRenderer": {"text": text("Save"), "icon": icon, "serviceEndpoint": endpoint}}


@cache
def _formats() -> list[Json]:
    return [_format(number) for number in range(_FORMATS)]


def _format(number: int) -> Json:
    width, height = _SIZES[number % len(_SIZES)]
    query = {"expire": 1_900_000_000, "itag": 300 + number, "mime": "video/mp4", "clen": 10_000_000, "lmt": "1" * 16}
    signed = {f"part{place}": "AJfQdSswRQIhAK" * 2 for place in range(30)}
    return {
        "itag": 300 + number,
        "url": f"https://rr1---sn-fake.googlevideo.com/videoplayback?{urlencode({**query, **signed})}",
        "mimeType": 'video/mp4; codecs="avc1.4d401f"',
        "bitrate": 500_000 + number,
        "width": width,
        "height": height,
        "initRange": {"start": "0", "end": "740"},
        "indexRange": {"start": "741", "end": "1600"},
        "lastModified": "1700000000000000",
        "contentLength": "10000000",
        "quality": "hd720",
        "fps": 30,
        "qualityLabel": f"{height}p",
        "projectionType": "RECTANGULAR",
        "averageBitrate": 400_000,
        "approxDurationMs": "600000",
    }


@cache
def _languages() -> list[Json]:
    return [{"languageCode": f"x{number}", "languageName": text(f"Language {number}")} for number in range(_LANGUAGES)]
