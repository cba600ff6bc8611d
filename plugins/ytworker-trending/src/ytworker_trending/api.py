"""The Data API's chart of trending videos: one request, one unit of quota, 50 videos at most.

The request goes through the same client as all others, so that proxy, certificates and time limits hold for it, but it
is paid for by the key's own budget. The key travels in a header: no address, log or error ever holds it.
"""

import contextlib
import json
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from ytworker import (
    Author,
    ConfigError,
    Item,
    ItemContext,
    MetricPrecision,
    Metrics,
    PermanentError,
    QuotaError,
    RetryableError,
    SuspectError,
    TaskError,
    ThrottledError,
)
from ytworker_trending.settings import key_identity
from ytworker_trending.sources import Category
from ytworker_ytdlp import Session, check_video_id, is_short, judge, watch_url
from ytworker_ytdlp.raising import to_error

API_URL = "https://youtube.googleapis.com/youtube/v3/videos"
VIDEO_CATEGORIES: dict[Category, str] = {"music": "10", "gaming": "20", "movies": "1"}
"""Ids of videoCategories.list: Music, Gaming, Film & Animation."""
PAGE_LENGTH = 50
OK, TOO_MANY, SERVER_ERROR = 200, 429, 500

_QUOTA = frozenset({"quotaExceeded", "dailyLimitExceeded"})
_PACE = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"})
_KEY = frozenset(
    {"API_KEY_INVALID", "keyInvalid", "keyExpired", "accessNotConfigured", "ipRefererBlocked", "forbidden"}
)


def read_api_chart(session: Session, key: str, category: Category, country: str, now: datetime) -> list[Item]:
    """Read the API's chart of one category, or the mixed one for ``all``.

    Args:
        session: The session at work.
        key: The API key.
        category: ``all``, ``music``, ``gaming`` or ``movies``.
        country: ISO 3166-1 code.
        now: What time it is, for the reset of the quota.

    Raises:
        PermanentError: The API has no such chart for the country.
        SuspectError: The chart is empty.
        QuotaError: The key's quota is used up until midnight in California.
        ConfigError: The key is not accepted.
    """
    source = key_identity(key)
    query = {"part": "snippet,contentDetails,statistics", "chart": "mostPopular", "regionCode": country}
    query |= {"videoCategoryId": VIDEO_CATEGORIES[category]} if category in VIDEO_CATEGORIES else {}
    url = f"{API_URL}?{urllib.parse.urlencode({**query, 'maxResults': PAGE_LENGTH}, safe=',')}"
    with session.context.budget(source).hold():  # nobody else asks before a refusal is understood
        status, body = _get(session, url, key, source)
        answer = _parsed(body, source, status)
        if status != OK:
            raise _error(status, answer, source, now)
    rows = [row for row in _list(answer.get("items")) if _video_id(row)]
    if not rows:
        msg = f"the Data API: its {category} chart of {country} holds no video. It is asked again once"
        raise SuspectError(msg, source=source)
    return [_item(row, rank, country, category) for rank, row in enumerate(rows, 1)]


def _get(session: Session, url: str, key: str, source: str) -> tuple[int, bytes]:
    from yt_dlp.networking import Request  # noqa: PLC0415 - loaded long since, by the client
    from yt_dlp.networking.exceptions import HTTPError  # noqa: PLC0415

    headers = {"X-Goog-Api-Key": key, "Accept": "application/json"}
    with _gate(session, source) as client:
        try:
            with client.urlopen(Request(url, headers=headers)) as response:
                return response.status, response.read()
        except HTTPError as error:
            return error.status, error.response.read()
        except TaskError:
            raise
        except Exception as error:
            raise to_error(judge(error), subject="the Data API", source=source) from error


@contextlib.contextmanager
def _gate(session: Session, source: str) -> Iterator[Any]:
    """Let requests out at the expense of the key; to nowhere else than ``API_URL`` does anything here ask."""
    client = session.client
    before = client.gate, client.on_hop

    def send(request: Any, deliver: Any) -> Any:
        with session.context.budget(source).request():
            return deliver(request)

    client.gate, client.on_hop = send, None
    try:
        yield client
    finally:
        client.gate, client.on_hop = before


def _parsed(body: bytes, source: str, status: int) -> Mapping[str, Any]:
    """Read an answer; that of an error may be a web page, and then gives no reason."""
    try:
        return _record(json.loads(body))
    except ValueError as error:
        if status != OK:
            return {}
        msg = "the Data API: the answer is no JSON. It is asked again once"
        raise SuspectError(msg, source=source) from error


def _error(status: int, answer: Mapping[str, Any], source: str, now: datetime) -> TaskError:
    error = _record(answer.get("error"))
    reasons = {str(each.get("reason")) for each in (*_list(error.get("errors")), *_list(error.get("details")))}
    why = f"the Data API answered HTTP {status} ({', '.join(sorted(reasons)) or 'no reason'})"
    if reasons & _QUOTA:
        msg = f"{why}: the key's quota is used up until midnight in California; the task goes on then by itself"
        return QuotaError(msg, retry_after=seconds_to_reset(now), source=source)
    if reasons & _PACE or status == TOO_MANY:
        return ThrottledError(f"{why}: the key rests a while; the task goes on by itself", source=source)
    if status >= SERVER_ERROR or not error:  # the API says why it refuses; a proxy on the way does not
        return RetryableError(f"{why}: it is tried again", source=source)
    if reasons & _KEY or "API key not valid" in str(error.get("message")):
        msg = f"{why}: the key is not accepted. Check plugins.trending_scrape.api_key, or leave it out"
        return ConfigError(msg, source=source)
    return PermanentError(f"{why}: it has no such chart", source=source)


def seconds_to_reset(now: datetime) -> float:
    """Seconds to the next midnight in California, where the API's day ends, whatever the clocks there do."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - only where a quota is used up

    zone = ZoneInfo("America/Los_Angeles")
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    return (datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=zone) - now).total_seconds()


def _item(row: Mapping[str, Any], rank: int, country: str, category: Category) -> Item:
    snippet, statistics = _record(row.get("snippet")), _record(row.get("statistics"))
    channel = _text(snippet.get("channelId"))
    seconds = _seconds(_record(row.get("contentDetails")).get("duration"))
    return Item(
        source="youtube",
        id=row["id"],
        url=watch_url(row["id"]),
        title=_text(snippet.get("title")),
        description=snippet.get("description") if isinstance(snippet.get("description"), str) else None,
        tags=tuple(tag for tag in snippet.get("tags") or () if isinstance(tag, str)),
        author=Author(
            id=channel,
            name=_text(snippet.get("channelTitle")),
            url=f"https://www.youtube.com/channel/{channel}" if channel else None,
        ),
        published_at=_moment(snippet.get("publishedAt")),
        duration_seconds=seconds,
        language=_text(snippet.get("defaultAudioLanguage")),
        is_short=is_short(duration_seconds=seconds),
        availability="public",
        metrics=_metrics(statistics),
        context=ItemContext(list=f"api:{category}", rank=rank, country=country, category=category),
    )


def _metrics(statistics: Mapping[str, Any]) -> Metrics:
    found = {
        name: _count(statistics.get(f"{field}Count"))
        for name, field in (("views", "view"), ("likes", "like"), ("comments", "comment"))
    }
    precision = {name: "exact" for name, count in found.items() if count is not None}
    return Metrics(**found, precision=MetricPrecision.model_validate(precision))


def _count(value: Any) -> int | None:
    """Read a count, which the API writes as a text; a hidden one is absent."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19 else None  # noqa: PLR2004 - 2**63


def _seconds(value: Any) -> float | None:
    """Read a length as ISO 8601 writes it (``PT1H2M3S``); a stream's ``P0D`` has none."""
    match = re.fullmatch(
        r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", value if isinstance(value, str) else ""
    )
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0, 0)
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds) or None


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None


def _video_id(row: Mapping[str, Any]) -> str | None:
    try:
        return check_video_id(str(row.get("id")))
    except ValueError:
        return None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _record(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
