"""The one way to the Data API: a call is paid for before it is made, and whatever comes back is judged.

google-api-python-client is imported at the first call, never before; its bundled discovery document is used, so that
nothing is asked but what a task asks for.
"""

import http.client
import json
import socket
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any, NoReturn
from urllib.parse import quote
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from ytworker import (
    ConfigError,
    Context,
    ErrorClass,
    GoneError,
    OfflineError,
    PermanentError,
    QuotaError,
    RestrictedError,
    RetryableError,
    SuspectError,
    TaskError,
    ThrottledError,
)
from ytworker_api.costs import PRICES, ZONE, Bucket
from ytworker_api.reasons import Verdict, judge
from ytworker_api.settings import ApiSettings, identity, read_key

HIDDEN = "********"
LONGEST_QUOTE = 300
_TYPES: dict[ErrorClass, type[TaskError]] = {
    ErrorClass.TRANSIENT: RetryableError,
    ErrorClass.THROTTLED: ThrottledError,
    ErrorClass.QUOTA: QuotaError,
    ErrorClass.SUSPECT: SuspectError,
    ErrorClass.GONE: GoneError,
    ErrorClass.RESTRICTED: RestrictedError,
    ErrorClass.INVALID: PermanentError,
    ErrorClass.CONFIG: ConfigError,
}


class StaleTokenError(TaskError):
    """The service does not know a page any more by the token that it gave for it."""


def next_reset(now: datetime) -> datetime:
    """Give the moment at which the quotas start anew: the next midnight in Los Angeles, summer time or not."""
    zone = ZoneInfo(ZONE)
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), zone).astimezone(UTC)


class GoogleClient:
    """Google's client with one key, kept for as long as settings and key are the same.

    Args:
        settings: How the service is reached.
        key: The key.
    """

    def __init__(self, settings: ApiSettings, key: SecretStr) -> None:
        from googleapiclient.discovery import build  # noqa: PLC0415 - half a second, at the first task

        from ytworker_api.transport import Transport  # noqa: PLC0415

        self.made_of = (settings, key)
        self.transport = Transport(settings, key)
        self._api: Any = build(
            "youtube",
            "v3",
            http=self.transport,
            static_discovery=True,
            cache_discovery=False,
            client_options={"api_endpoint": settings.api_endpoint},
        )

    def execute(self, method: str, query: Mapping[str, Any]) -> Any:
        """Make one call, once."""
        collection, _, verb = method.partition(".")
        return getattr(getattr(self._api, collection)(), verb)(**query).execute(num_retries=0)


_kept: list[GoogleClient] = []


def close() -> None:
    """Let go of google's client and its connection."""
    while _kept:
        _kept.pop().transport.close()


def _service(settings: ApiSettings, key: SecretStr) -> GoogleClient:
    if not _kept or _kept[0].made_of != (settings, key):
        close()
        try:
            _kept.append(GoogleClient(settings, key))
        except (OSError, ssl.SSLError) as error:
            msg = f"plugins.api_scrape.ca_file: {settings.ca_file}: {error.strerror or 'it holds no certificate'}. "
            msg += "Name a PEM file of certificate authorities"
            raise ConfigError(msg, source=identity(settings, key)) from None
    return _kept[0]


class Client:
    """The Data API as one task may use it.

    Args:
        settings: The section ``[plugins.api_scrape]``.
        context: The task's context, for its budget.
        clock: Tells the time.

    Raises:
        ConfigError: There is no key.
    """

    def __init__(self, settings: ApiSettings, context: Context, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._context = context
        self._clock = clock
        self._key = read_key(settings)
        self.source = identity(settings, self._key)
        self._limits: dict[Bucket, int] = {
            "units": settings.units_per_day,
            "search": settings.searches_per_day,
            "statistics": settings.statistics_per_day,
        }

    def call(self, method: str, subject: str, **query: Any) -> Mapping[str, Any]:
        """Pay for one call, make it, and give the answer.

        Args:
            method: Such as ``videos.list``; see :data:`ytworker_api.costs.PRICES`.
            subject: What is asked for, for messages.
            **query: The parameters of the method.

        Raises:
            TaskError: In the class of what happened.
            Deferred: The quota of the day is used up, or the source cools down.
        """
        bucket, cost = PRICES[method]
        budget = self._context.budget(self.source)
        with budget.request():
            budget.reserve(bucket, cost, limit=self._limits[bucket], zone=ZONE)
            answer = self._execute(method, subject, query, bucket)
            if isinstance(answer, Mapping) and "error" in answer:
                self._refuse(judge(200, json.dumps(answer).encode()), subject, bucket)
        if not isinstance(answer, Mapping) or not isinstance(answer.get("kind"), str):
            self.doubt(subject, "it is no record of the Data API")
        return answer

    def doubt(self, subject: str, problem: str) -> NoReturn:
        """Raise that an answer is hollow, mixed up or cut short."""
        msg = f"{subject}: nothing may be concluded from the answer: {problem}. It is asked again once; if it stays, "
        raise SuspectError(msg + "check api_endpoint and proxy", source=self.source) from None

    def _execute(self, method: str, subject: str, query: Mapping[str, Any], bucket: Bucket) -> Any:
        """Make a call. What the libraries raise never leaves: it quotes the other side, which may quote the key."""
        service = _service(self._settings, self._key)
        from googleapiclient.errors import HttpError  # noqa: PLC0415 - is there by now

        from ytworker_api.transport import TooLargeError  # noqa: PLC0415

        try:
            return service.execute(method, query)
        except HttpError as error:
            self._refuse(judge(error.status_code, error.content), subject, bucket, error.resp.get("retry-after"))
        except TooLargeError:
            self.doubt(subject, "it is larger than any true one")
        except (OSError, http.client.HTTPException) as error:
            raise self._network_error(error, subject) from None
        except (ValueError, RecursionError):
            self.doubt(subject, "it is no JSON")

    def _refuse(self, verdict: Verdict, subject: str, bucket: Bucket, retry_after: str | None = None) -> NoReturn:
        """Raise what a verdict means; a quota that is used up is so for every worker with this key."""
        reason, source, seconds = verdict.reason, self.source, _seconds(retry_after)
        if reason.error_class is ErrorClass.QUOTA:
            self._context.budget(self.source).exhaust(bucket, limit=self._limits[bucket], zone=ZONE)
            source = f"{self.source}: {bucket}"  # the other quotas of the key go on
            seconds = (next_reset(self._clock()) - self._clock()).total_seconds()
        name = f" ({verdict.name})" if verdict.name else ""
        said = f"; it said: {self._without_key(verdict.message)}" if verdict.message else ""
        msg = f"{subject}: {reason.meaning}{name}{said}. {reason.cure}"
        kind = StaleTokenError if verdict.name == "invalidPageToken" else _TYPES.get(reason.error_class, TaskError)
        raise kind(msg, error_class=reason.error_class, retry_after=seconds, source=source) from None

    def _network_error(self, error: Exception, subject: str) -> TaskError:
        host = "the proxy" if self._settings.proxy else self._settings.api_endpoint
        if isinstance(error, ssl.SSLCertVerificationError):
            msg = f"{subject}: the certificate of {host} is not trusted: {error.verify_message}. "
            msg += "Where a proxy opens TLS, name its authority in plugins.api_scrape.ca_file"
            return ConfigError(msg, source=self.source)
        if isinstance(error, socket.gaierror | ConnectionRefusedError):
            what = "refused the connection" if isinstance(error, ConnectionRefusedError) else "could not be resolved"
            msg = f"no network: {host} {what}. Check the connection, then the task goes on by itself"
            return OfflineError(msg, source=self.source)
        what = self._without_key(str(error) or type(error).__name__)
        return RetryableError(f"{subject}: the connection failed ({what}). It is tried again", source=self.source)

    def _without_key(self, text: str) -> str:
        key = self._key.get_secret_value()
        text = " ".join(text.split()).replace(key, HIDDEN).replace(quote(key, safe=""), HIDDEN)
        return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}…"


def _seconds(header: str | None) -> float | None:
    """Read ``Retry-After`` where it is a number; the engine bounds it."""
    return float(header) if header and header.isascii() and header.isdecimal() and len(header) < 12 else None  # noqa: PLR2004
