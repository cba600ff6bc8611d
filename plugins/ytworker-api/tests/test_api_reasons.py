"""The table of reasons, row by row: in the shape in which the service words each, and as its HTTP status alone."""

import json
from typing import Any

import pytest

from ytworker import ErrorClass
from ytworker_api import REASONS, Reason, judge

C = ErrorClass


def body(reason: str, message: str = "", *, details: list[Any] | None = None, status: str | None = None) -> bytes:
    error: dict[str, Any] = {"code": 403, "message": message, "errors": [{"reason": reason, "message": message}]}
    if details is not None:
        error["details"] = details
    if status is not None:
        error["status"] = status
    return json.dumps({"error": error}).encode()


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (403, "quotaExceeded", C.QUOTA),
        (403, "dailyLimitExceeded", C.QUOTA),
        (403, "rateLimitExceeded", C.THROTTLED),
        (403, "userRateLimitExceeded", C.THROTTLED),
        (429, "RATE_LIMIT_EXCEEDED", C.THROTTLED),
        (400, "keyInvalid", C.CONFIG),
        (400, "keyExpired", C.CONFIG),
        (403, "accessNotConfigured", C.CONFIG),
        (403, "ipRefererBlocked", C.CONFIG),
        (403, "dailyLimitExceededUnreg", C.CONFIG),
        (401, "authError", C.CONFIG),
        (403, "forbidden", C.RESTRICTED),
        (403, "subscriptionForbidden", C.RESTRICTED),
        (403, "commentsDisabled", C.RESTRICTED),
        (403, "playlistItemsNotAccessible", C.RESTRICTED),
        (404, "playlistNotFound", C.GONE),
        (404, "channelNotFound", C.GONE),
        (404, "videoNotFound", C.GONE),
        (404, "videoChartNotFound", C.GONE),
        (403, "channelSuspended", C.GONE),
        (400, "missingRequiredParameter", C.BUG),
        (400, "invalidPageToken", C.BUG),
        (400, "invalidFilters", C.BUG),
        (400, "invalidRegionCode", C.INVALID),
        (400, "badRequest", C.INVALID),
        (500, "backendError", C.TRANSIENT),
        (503, "backendError", C.TRANSIENT),
    ],
)
def test_every_reason_has_its_class(status: int, reason: str, expected: ErrorClass) -> None:
    canonical = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
    for also in (None, canonical.get(status, "UNKNOWN")):
        verdict = judge(status, body(reason, status=also))
        assert verdict.reason.error_class is expected
        assert verdict.name == reason
        assert reason in verdict.reason.names


@pytest.mark.parametrize("row", REASONS, ids=lambda row: row.names[0])
def test_every_row_says_what_happened_and_what_to_do(row: Reason) -> None:
    assert row.meaning
    assert row.cure
    assert all(judge(418, body(name)).reason is row for name in row.names)
    assert all(judge(418, body("", phrase.upper())).reason is row for phrase in row.phrases)


def test_no_name_stands_in_two_rows() -> None:
    names = [name for row in REASONS for name in row.names]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, C.SUSPECT),
        (401, C.CONFIG),
        (403, C.SUSPECT),
        (404, C.SUSPECT),
        (410, C.SUSPECT),
        (408, C.TRANSIENT),
        (429, C.THROTTLED),
        (500, C.TRANSIENT),
        (503, C.TRANSIENT),
        (302, C.SUSPECT),
        (418, C.SUSPECT),
    ],
)
@pytest.mark.parametrize(
    "page", [b"<html>captcha</html>", b"", b'{"error": "text"}', b"[" * 100_000, b'{"error": [1]}']
)
def test_a_body_that_says_nothing_leaves_the_status_or_is_not_believed(
    status: int, expected: ErrorClass, page: bytes
) -> None:
    assert judge(status, page).reason.error_class is expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("API key not valid. Please pass a valid API key.", C.CONFIG),
        ("API key expired. Please renew the API key.", C.CONFIG),
        ("Request contains an invalid argument.", C.INVALID),
    ],
)
def test_a_bad_request_is_told_apart_by_its_message(message: str, expected: ErrorClass) -> None:
    assert judge(400, body("badRequest", message, status="INVALID_ARGUMENT")).reason.error_class is expected


def test_a_caller_without_a_key_is_a_matter_of_the_settings() -> None:
    message = "Method doesn't allow unregistered callers (callers without established identity)."
    assert judge(403, body("forbidden", message, status="PERMISSION_DENIED")).reason.error_class is C.CONFIG


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"quota_unit": "1/d/{project}", "quota_limit": "defaultSearchPerDayPerProject"}, C.QUOTA),
        ({"quota_unit": "1/min/{project}", "quota_limit": "defaultPerMinutePerProject"}, C.THROTTLED),
    ],
)
def test_a_quota_of_the_day_and_one_of_the_minute_bear_the_same_name(
    metadata: dict[str, str], expected: ErrorClass
) -> None:
    detail = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "RATE_LIMIT_EXCEEDED",
        "metadata": metadata,
    }
    answer = body("rateLimitExceeded", "Quota exceeded", details=[detail], status="RESOURCE_EXHAUSTED")
    assert judge(429, answer).reason.error_class is expected


@pytest.mark.parametrize(
    ("status", "expected"), [(400, C.INVALID), (403, C.RESTRICTED), (404, C.GONE), (410, C.GONE), (503, C.TRANSIENT)]
)
def test_a_reason_that_nobody_knows_leaves_the_status(status: int, expected: ErrorClass) -> None:
    verdict = judge(status, body("newReasonOf2027"))
    assert (verdict.reason.error_class, verdict.name) == (expected, "newReasonOf2027")


def test_messages_lose_their_markup() -> None:
    said = 'You have exceeded your <a href="/youtube/v3/getting-started#quota">quota</a>.'
    assert judge(403, body("quotaExceeded", said)).message == "You have exceeded your quota."


def test_an_error_inside_a_success_is_judged_by_its_code() -> None:
    assert judge(200, b'{"error": {"code": 503, "message": "try again"}}').reason.error_class is C.TRANSIENT
    assert judge(200, b'[{"error": {"errors": [{"reason": "quotaExceeded"}]}}]').reason.error_class is C.QUOTA
