"""YouTube's charts of trending music videos and of trending films, country by country: one request each.

yt-dlp does not know charts.youtube.com (its issue 13953); the request and the shape of the answer were taken from a
recording of January 2026, the list of countries from NewPipeExtractor (``YoutubeChartsBaseKioskExtractor``), which took
it from the page's own ``LAUNCHED_CHART_COUNTRIES``.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal

from ytworker import Author, Item, ItemContext, PermanentError, SuspectError
from ytworker_ytdlp.ids import CHANNEL_ID, SITE, VIDEO_ID, watch_url
from ytworker_ytdlp.mapping import SOURCE
from ytworker_ytdlp.session import Session
from ytworker_ytdlp.shorts import is_short

Chart = Literal["music", "movies"]

CHARTS_URL = "https://charts.youtube.com/youtubei/v1/browse?alt=json&prettyPrint=false"
NOT_FOUND = 404
CHART_TYPES: dict[Chart, str] = {"music": "TRENDING_VIDEOS", "movies": "TRENDING_MOVIES"}
_COUNTRIES = """
AE AR AT AU BE BO BR CA CH CL CO CR CZ DE DK DO EC EE EG ES FI FR GB GT HN HU ID IE IL IN IS IT JP KE KR LU MX NG NI NL
NO NZ PA PE PL PT PY RO RS RU SA SE SV TR TZ UA UG US UY ZA ZW
"""
CHART_COUNTRIES = frozenset(_COUNTRIES.split())
"""The 61 countries that have charts. Others get fewer rows, or HTTP 400, so they are not asked for."""

_HEADERS = {
    "Content-Type": "application/json",
    "Origin": "https://charts.youtube.com",
    "Referer": "https://charts.youtube.com/",
    "X-YouTube-Client-Name": "31",
    "X-YouTube-Client-Version": "2.0",
}


def read_chart(session: Session, chart: Chart, country: str) -> list[Item]:
    """Read a whole chart, about 30 rows; charts have no further pages.

    An item has what the chart tells: title, channel, length and rank; no views, and of the time of publication the day
    alone, in ``extra.release_date``.

    Args:
        session: The session at work.
        chart: Which one.
        country: ISO 3166-1 code, upper case.

    Raises:
        PermanentError: The country has no charts.
        SuspectError: The answer holds no row, or is about another chart or country.
    """
    if country not in CHART_COUNTRIES:
        msg = f"YouTube's charts do not cover {country}, only these {len(CHART_COUNTRIES)} countries: "
        raise PermanentError(msg + " ".join(sorted(CHART_COUNTRIES)), source=session.source)
    subject = f"{chart} chart of {country}"
    with session.step(subject) as client:
        content = _content(json.loads(_ask(client, _body(chart, country))))
    _check_subject(session, content, chart, country)
    rows = [row for part in _list(content.get("videos")) for row in _list(part.get("videoViews"))]
    items = [item for row in rows if (item := _item(row, chart, country))]
    if not items:
        msg = f"{subject}: the answer holds no video. It is asked again once; if it stays, the chart has changed"
        raise SuspectError(msg, source=session.source)
    return items


def _ask(client: Any, body: bytes) -> bytes:
    """Send the request; a 404, which YouTube's API gives once in a while for nothing, is asked for again at once."""
    from yt_dlp.networking import Request  # noqa: PLC0415 - loaded long since, by the client
    from yt_dlp.networking.exceptions import HTTPError  # noqa: PLC0415

    request = Request(CHARTS_URL, data=body, headers=_HEADERS)
    try:
        with client.urlopen(request) as response:
            return response.read()  # type: ignore[no-any-return]
    except HTTPError as error:
        if error.status != NOT_FOUND:
            raise
    with client.urlopen(request) as response:
        return response.read()  # type: ignore[no-any-return]


def _body(chart: Chart, country: str) -> bytes:
    client = {"clientName": "WEB_MUSIC_ANALYTICS", "clientVersion": "2.0", "hl": "en", "gl": country}
    query = (
        f"perspective=CHART_DETAILS&chart_params_country_code={country}&chart_params_chart_type={CHART_TYPES[chart]}"
    )
    body = {"context": {"client": client}, "browseId": "FEmusic_analytics_charts_home", "query": query}
    return json.dumps(body).encode()


def _content(answer: Any) -> Mapping[str, Any]:
    """Find the chart in an answer; empty where the answer has another shape."""
    sections = _record(_record(_record(answer).get("contents")).get("sectionListRenderer")).get("contents")
    found = (_record(section.get("musicAnalyticsSectionRenderer")).get("content") for section in _list(sections))
    return next((content for content in found if isinstance(content, Mapping)), {})


def _check_subject(session: Session, content: Mapping[str, Any], chart: Chart, country: str) -> None:
    """Let no other country's chart pass for this one; an answer that does not say is believed."""
    asked = _record(_record(content.get("perspectiveMetadata")).get("requestParams"))
    about = _record(asked.get("chartParams"))
    found = str(about.get("countryCode", country)), str(about.get("chartType", CHART_TYPES[chart]))
    if found[0].upper() != country or not found[1].endswith(CHART_TYPES[chart]):
        msg = (
            f"{chart} chart of {country}: the answer is about {found[1][:40]} of {found[0][:10]}. It is asked once more"
        )
        raise SuspectError(msg, source=session.source)


def _item(row: Mapping[str, Any], chart: Chart, country: str) -> Item | None:
    video_id, rank = row.get("id"), _record(row.get("chartEntryMetadata")).get("currentPosition")
    if not isinstance(video_id, str) or not VIDEO_ID.fullmatch(video_id) or not isinstance(rank, int):
        return None
    duration = row.get("videoDuration")
    seconds = float(duration) if isinstance(duration, int) and duration > 0 else None
    return Item(
        source=SOURCE,
        id=video_id,
        url=watch_url(video_id),
        title=_text(row.get("title")),
        author=_author(row),
        duration_seconds=seconds,
        thumbnail_url=_thumbnail(row),
        is_short=is_short(duration_seconds=seconds),
        context=ItemContext(list=f"chart:{chart}", category=chart, rank=rank, country=country),
        extra=_extra(row),
    )


def _author(row: Mapping[str, Any]) -> Author:
    channel_id = _text(row.get("externalChannelId"))
    if channel_id is None or not CHANNEL_ID.fullmatch(channel_id):
        return Author(name=_text(row.get("channelName")))
    return Author(id=channel_id, name=_text(row.get("channelName")), url=f"{SITE}/channel/{channel_id}")


def _extra(row: Mapping[str, Any]) -> dict[str, Any]:
    artists = [name for artist in _list(row.get("artists")) if (name := (_text(artist.get("name")) or "").strip())]
    day = _record(row.get("releaseDate"))
    year, month, date = (day.get(part) for part in ("year", "month", "day"))
    extra: dict[str, Any] = {"artists": artists} if artists else {}
    if isinstance(year, int) and isinstance(month, int) and isinstance(date, int):
        extra["release_date"] = f"{year:04}-{month:02}-{date:02}"
    return extra


def _thumbnail(row: Mapping[str, Any]) -> str | None:
    pictures = _list(_record(row.get("thumbnail")).get("thumbnails"))
    urls = [url for picture in pictures if (url := _text(picture.get("url"))) and url.startswith("https://")]
    return urls[-1] if urls else None


def _record(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) and value else None
