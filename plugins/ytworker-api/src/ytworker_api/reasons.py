"""What the Data API means by an error: a table of its reasons, and how to find the one that applies.

HTTP 403 is not one class: it stands for a quota that is used up, a pace that is too fast, a key that does not fit, and
a playlist that is private. The reason decides; only where none is known does the status.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ytworker import ErrorClass

_TAG = re.compile(r"<[^<>]{0,300}>")  # some messages link to the documentation
_OWN_WORDS = frozenset({400, 403, 404, 410})
"""With these the service always says more: a bare one comes from somebody else, such as a proxy or a wrong address."""

MAX_BODY = 65_536
"""So much of an error's body is looked at."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One row of the table.

    Attributes:
        names: What the service says: ``reason`` of an error or of a detail.
        error_class: What follows from it.
        meaning: What happened, in our words.
        cure: What to do next.
        phrases: Parts of messages, in lower case, that say the same where the reason is a general one.
        statuses: HTTP statuses that mean this where nothing else is known.
    """

    names: tuple[str, ...]
    error_class: ErrorClass
    meaning: str
    cure: str
    phrases: tuple[str, ...] = ()
    statuses: frozenset[int] = field(default_factory=frozenset)


REASONS: tuple[Reason, ...] = (
    Reason(
        ("keyInvalid", "API_KEY_INVALID"),
        ErrorClass.CONFIG,
        "the API key is not valid",
        "Compare it with the one at console.cloud.google.com (APIs & Services, Credentials)",
        phrases=("api key not valid", "api key not found"),
    ),
    Reason(
        ("keyExpired", "API_KEY_EXPIRED"),
        ErrorClass.CONFIG,
        "the API key has expired",
        "Make a new one at console.cloud.google.com",
        phrases=("api key expired",),
    ),
    Reason(
        ("accessNotConfigured", "SERVICE_DISABLED", "API_KEY_SERVICE_BLOCKED"),
        ErrorClass.CONFIG,
        "this key may not use the YouTube Data API",
        "Enable YouTube Data API v3 for its project, and among the restrictions of the key",
    ),
    Reason(
        (
            "ipRefererBlocked",
            "API_KEY_IP_ADDRESS_BLOCKED",
            "API_KEY_HTTP_REFERRER_BLOCKED",
            "API_KEY_ANDROID_APP_BLOCKED",
            "API_KEY_IOS_APP_BLOCKED",
        ),
        ErrorClass.CONFIG,
        "the restrictions of the key do not let this machine use it",
        "Allow its IP address, or lift the restriction to web sites or apps, at console.cloud.google.com",
    ),
    Reason(
        ("BILLING_DISABLED", "CONSUMER_SUSPENDED", "CONSUMER_INVALID", "projectSuspended"),
        ErrorClass.CONFIG,
        "the project of this key is suspended or has no billing",
        "Look at the project at console.cloud.google.com",
    ),
    Reason(
        ("dailyLimitExceededUnreg", "unregistered", "required", "authError", "CREDENTIALS_MISSING"),
        ErrorClass.CONFIG,
        "the service saw no key that it takes",
        "Set YTWORKER_PLUGINS__API_SCRAPE__API_KEY, and check that a proxy does not change requests",
        phrases=("unregistered callers", "without established identity"),
        statuses=frozenset({401}),
    ),
    Reason(
        ("quotaExceeded", "dailyLimitExceeded"),
        ErrorClass.QUOTA,
        "the quota of the day is used up",
        "It goes on by itself after midnight Pacific; a larger quota is to be asked for at console.cloud.google.com",
        phrases=("queries per day", "per day per project"),
    ),
    Reason(
        (
            "rateLimitExceeded",
            "userRateLimitExceeded",
            "RATE_LIMIT_EXCEEDED",
            "RESOURCE_EXHAUSTED",
            "servingLimitExceeded",
            "concurrentLimitExceeded",
            "limitExceeded",
        ),
        ErrorClass.THROTTLED,
        "too many calls in a short time",
        "It goes on by itself, more slowly",
        statuses=frozenset({429}),
    ),
    Reason(("channelSuspended",), ErrorClass.GONE, "the channel was suspended", "Nothing brings it back but its owner"),
    Reason(
        ("videoChartNotFound",),
        ErrorClass.GONE,
        "YouTube keeps no such chart",
        "Since July 2025 there are charts of music, movies and gaming only: name another category or region",
    ),
    Reason(
        ("playlistNotFound", "channelNotFound", "videoNotFound", "notFound", "NOT_FOUND", "channelClosed"),
        ErrorClass.GONE,
        "it is not there, or no more",
        "Check the id",
        statuses=frozenset({404, 410}),
    ),
    Reason(
        (
            "forbidden",
            "PERMISSION_DENIED",
            "playlistItemsNotAccessible",
            "playlistForbidden",
            "channelForbidden",
            "subscriptionForbidden",
            "commentsDisabled",
            "insufficientPermissions",
            "videoRatingDisabled",
        ),
        ErrorClass.RESTRICTED,
        "it is there, but not for a key: private, or switched off by its owner",
        "Only its owner can open it",
        statuses=frozenset({403}),
    ),
    Reason(
        (
            "invalidRegionCode",
            "invalidVideoCategory",
            "invalidCategoryId",
            "invalidChannelId",
            "invalidVideoId",
            "invalidSearchFilter",
            "invalidRelevanceLanguage",
            "invalidCriteria",
            "videoChartInvalid",
        ),
        ErrorClass.INVALID,
        "the service does not take one of the parameters",
        "Correct the parameter that it names",
    ),
    Reason(
        (
            "missingRequiredParameter",
            "invalidPageToken",
            "invalidFilters",
            "incompatibleParameters",
            "unexpectedParameter",
            "unknownPart",
            "unexpectedPart",
            "parseError",
        ),
        ErrorClass.BUG,
        "this plugin asked in a way that the service does not know",
        "Update ytworker-api, and report it if it stays",
    ),
    Reason(
        ("badRequest", "invalid", "INVALID_ARGUMENT", "invalidParameter", "invalidValue"),
        ErrorClass.INVALID,
        "the service does not take the request",
        "Correct what it names",
        statuses=frozenset({400}),
    ),
    Reason(
        ("backendError", "internalError", "processingFailure", "INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED"),
        ErrorClass.TRANSIENT,
        "the service has trouble",
        "It is tried again",
        statuses=frozenset({408, *range(500, 600)}),
    ),
)
"""Most telling first: where an answer gives several reasons, the earlier row wins."""

UNKNOWN = Reason(
    (),
    ErrorClass.SUSPECT,
    "an answer that the Data API does not give",
    "Check api_endpoint and proxy",
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an error means.

    Attributes:
        reason: The row of the table.
        name: What the service itself called it, or an empty text.
        message: What the service wrote, or an empty text. It may hold the key.
    """

    reason: Reason
    name: str = ""
    message: str = ""


def judge(status: int, body: bytes) -> Verdict:
    """Say what an answer means that is no success.

    Args:
        status: Of HTTP. An error inside an answer of status 200 is judged by its own code.
        body: What came with it: JSON, or a page of HTML.
    """
    error = _error_of(body)
    names = list(_names(error))
    message = error.get("message")
    text = _TAG.sub("", message) if isinstance(message, str) else ""
    if _is_daily(error):
        names.insert(0, "quotaExceeded")
    code = error.get("code")
    if status < 300 and isinstance(code, int):  # noqa: PLR2004 - the successes of HTTP
        status = code
    reason = _by_name(names, text) or (UNKNOWN if not error and status in _OWN_WORDS else _by_status(status))
    name = next((name for name in names if name in reason.names), names[0] if names else "")
    return Verdict(reason, name, text)


def _by_name(names: list[str], message: str) -> Reason | None:
    lowered = message.lower()
    for reason in REASONS:
        if any(phrase in lowered for phrase in reason.phrases) or not set(reason.names).isdisjoint(names):
            return reason
    return None


def _by_status(status: int) -> Reason:
    return next((reason for reason in REASONS if status in reason.statuses), UNKNOWN)


def _error_of(body: bytes) -> Mapping[str, Any]:
    try:
        data = json.loads(body[:MAX_BODY])
    except (ValueError, RecursionError):
        return {}
    if isinstance(data, list) and data:
        data = data[0]
    error = data.get("error") if isinstance(data, Mapping) else None
    return error if isinstance(error, Mapping) else {}


def _names(error: Mapping[str, Any]) -> Iterator[str]:
    for key in ("details", "errors"):
        for each in _mappings(error.get(key)):
            if isinstance(each.get("reason"), str):
                yield each["reason"]
    if isinstance(error.get("status"), str):
        yield error["status"]


def _is_daily(error: Mapping[str, Any]) -> bool:
    """Tell a quota of the day from one of the minute, which may bear the same name: a detail names its unit."""
    for each in _mappings(error.get("details")):
        metadata = each.get("metadata")
        if isinstance(metadata, Mapping):
            unit, limit = str(metadata.get("quota_unit", "")), str(metadata.get("quota_limit", ""))
            if unit.startswith("1/d/") or "perday" in limit.lower():
                return True
    return False


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    return (each for each in value if isinstance(each, Mapping)) if isinstance(value, list) else iter(())
