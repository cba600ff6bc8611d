"""The Data API's chart of trending videos: a request and a unit of quota for each 50, 200 at most.

The request goes through the same client as all others, so that proxy, certificates and time limits hold for it, but it
is paid for by the key's own budget and quota. The key travels in a header: no address, log or error ever holds it.
"""

import contextlib
import json
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from ytworker import (
    ConfigError,
    Item,
    PermanentError,
    QuotaError,
    RetryableError,
    SuspectError,
    TaskError,
    ThrottledError,
)
from ytworker_trending.rows import api_item, as_list, as_record, as_text, is_video
from ytworker_trending.settings import TrendingSettings, key_identity
from ytworker_trending.sources import Category
from ytworker_ytdlp import Session, judge
from ytworker_ytdlp.raising import to_error

API_URL = "https://youtube.googleapis.com/youtube/v3/videos"
VIDEO_CATEGORIES: dict[Category, str] = {"music": "10", "gaming": "20", "movies": "1"}
"""Ids of videoCategories.list: Music, Gaming, Film & Animation."""
PAGE_LENGTH, MAX_PAGES = 50, 4
BUCKET, ZONE = "units", "America/Los_Angeles"
"""Which quota pays; ytworker-api calls it so too, and both draw on the same one."""
OK, TOO_MANY, SERVER_ERROR = 200, 429, 500

_QUOTA = frozenset({"quotaExceeded", "dailyLimitExceeded"})
_PACE = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"})
_KEY = frozenset(
    {"API_KEY_INVALID", "keyInvalid", "keyExpired", "accessNotConfigured", "ipRefererBlocked", "forbidden"}
)


class ApiChart:
    """The API's charts as one task may use them.

    Args:
        session: The session at work.
        settings: The key and its quota.
        clock: Tells the time, for the reset of the quota.
    """

    def __init__(self, session: Session, settings: TrendingSettings, clock: Callable[[], datetime]) -> None:
        self._session = session
        self._key = settings.api_key.get_secret_value() if settings.api_key else ""
        self._limit = settings.units_per_day
        self._clock = clock
        self.source = key_identity(self._key)

    def read(self, category: Category, country: str) -> Iterator[Item]:
        """Read the chart of one category, or the mixed one for ``all``; later pages are asked for when wanted.

        Args:
            category: ``all``, ``music``, ``gaming`` or ``movies``.
            country: ISO 3166-1 code.

        Raises:
            PermanentError: The API has no such chart for the country.
            SuspectError: The chart is empty.
            QuotaError: The key's quota is used up until midnight in California.
            ConfigError: The key is not accepted.
            Deferred: The quota is known to be used up; nothing is asked.
        """
        rows, token = self._page(category, country, None)
        if not rows:
            msg = f"the Data API: its {category} chart of {country} holds no video. It is asked again once"
            raise SuspectError(msg, source=self.source)
        return self._items(category, country, rows, token)

    def _items(
        self, category: Category, country: str, rows: list[Mapping[str, Any]], token: str | None
    ) -> Iterator[Item]:
        rank = 0
        for _ in range(MAX_PAGES):
            for row in rows:
                rank += 1
                yield api_item(row, rank, country, category)
            if token is None:
                return
            rows, token = self._page(category, country, token)

    def _page(self, category: Category, country: str, token: str | None) -> tuple[list[Mapping[str, Any]], str | None]:
        query = {"part": "snippet,contentDetails,statistics", "chart": "mostPopular", "regionCode": country}
        query |= {"videoCategoryId": VIDEO_CATEGORIES[category]} if category in VIDEO_CATEGORIES else {}
        query |= {"pageToken": token} if token else {}
        url = f"{API_URL}?{urllib.parse.urlencode({**query, 'maxResults': PAGE_LENGTH}, safe=',')}"
        with self._session.context.budget(self.source).hold():  # nobody else asks before a refusal is understood
            status, body = self._get(url)
            answer = _parsed(body, self.source, status)
            if status != OK:
                raise self._refused(status, answer)
        following = answer.get("nextPageToken")
        return [row for row in as_list(answer.get("items")) if is_video(row)], as_text(following)

    def _get(self, url: str) -> tuple[int, bytes]:
        from yt_dlp.networking import Request  # noqa: PLC0415 - loaded long since, by the client
        from yt_dlp.networking.exceptions import HTTPError  # noqa: PLC0415

        headers = {"X-Goog-Api-Key": self._key, "Accept": "application/json"}
        with self._gate() as client:
            try:
                with client.urlopen(Request(url, headers=headers)) as response:
                    return response.status, response.read()
            except HTTPError as error:
                return error.status, error.response.read()
            except TaskError:
                raise
            except Exception as error:
                raise to_error(judge(error), subject="the Data API", source=self.source) from error

    @contextlib.contextmanager
    def _gate(self) -> Iterator[Any]:
        """Let requests out at the expense of the key; to nowhere else than ``API_URL`` does anything here ask."""
        client = self._session.client
        before = client.gate, client.on_hop

        def send(request: Any, deliver: Any) -> Any:
            budget = self._session.context.budget(self.source)
            with budget.request():
                budget.reserve(BUCKET, limit=self._limit, zone=ZONE)
                return deliver(request)

        client.gate, client.on_hop = send, None
        try:
            yield client
        finally:
            client.gate, client.on_hop = before

    def _refused(self, status: int, answer: Mapping[str, Any]) -> TaskError:
        error = _error(status, answer, self.source, self._clock())
        if isinstance(error, QuotaError):
            self._session.context.budget(self.source).exhaust(BUCKET, limit=self._limit, zone=ZONE)
        return error


def _parsed(body: bytes, source: str, status: int) -> Mapping[str, Any]:
    """Read an answer; that of an error may be a web page, and then gives no reason."""
    try:
        return as_record(json.loads(body))
    except ValueError as error:
        if status != OK:
            return {}
        msg = "the Data API: the answer is no JSON. It is asked again once"
        raise SuspectError(msg, source=source) from error


def _error(status: int, answer: Mapping[str, Any], source: str, now: datetime) -> TaskError:
    error = as_record(answer.get("error"))
    reasons = {str(each.get("reason")) for each in (*as_list(error.get("errors")), *as_list(error.get("details")))}
    why = f"the Data API answered HTTP {status} ({', '.join(sorted(reasons)) or 'no reason'})"
    if reasons & _QUOTA:
        msg = f"{why}: the key's quota is used up until midnight in California; the task goes on then by itself"
        return QuotaError(msg, retry_after=seconds_to_reset(now), source=f"{source}: {BUCKET}")
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

    zone = ZoneInfo(ZONE)
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    return (datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=zone) - now).total_seconds()
