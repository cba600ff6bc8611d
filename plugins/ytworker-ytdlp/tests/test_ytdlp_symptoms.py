"""Each known symptom of YouTube and yt-dlp, and the class it ends in: one row, one test, with either apostrophe."""

from __future__ import annotations

import json
from typing import Any

import pytest
from yt_dlp.networking.exceptions import (
    CertificateVerifyError,
    IncompleteRead,
    ProxyError,
    SSLError,
    TransportError,
)
from yt_dlp.utils import (
    DownloadError,
    ExtractorError,
    GeoRestrictedError,
    RegexNotFoundError,
    UnsupportedError,
    UserNotLive,
)

from ytworker_ytdlp import judge
from ytworker_ytdlp.raising import to_error


class Status(Exception):  # noqa: N818 - stands for yt-dlp's HTTPError
    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP Error {status}")
        self.status = status


UNEXPLAINED = "Failed to extract any player response"

MESSAGES = [
    # What YouTube thinks of who asks
    ("This content isn't available, try again later", "throttled"),
    ("The current session has been rate-limited by YouTube for up to an hour.", "throttled"),
    ("Sign in to confirm you're not a bot", "blocked"),
    ("YouTube is requiring a captcha challenge before playback", "blocked"),
    ("Your IP is likely being blocked by YouTube", "blocked"),
    ("LOGIN_REQUIRED", "blocked"),
    ("HTTP Error 429: Too Many Requests", "throttled"),
    ("Our systems have detected unusual traffic. Please solve the reCAPTCHA", "throttled"),
    ("HTTP Error 403: Forbidden", "throttled"),
    # Troubles that pass
    ("HTTP Error 500: Internal Server Error", "transient"),
    ("HTTP Error 503: Service Unavailable", "transient"),
    ("YouTube said: Unknown error occurred", "transient"),
    ("The read operation timed out", "transient"),
    ("Connection reset by peer", "transient"),
    ("Remote end closed connection without response", "transient"),
    ("Incomplete data received", "transient"),
    ("Unable to recognize tab page", "transient"),
    (UNEXPLAINED, "transient"),
    # Answers of another shape
    ("Failed to parse JSON", "suspect"),
    ("Exceeds the limit (4300 digits) for integer string conversion", "suspect"),
    # Gone
    ("This channel does not exist.", "gone"),
    ("This channel doesn't exist.", "gone"),
    ("This account has been terminated for a violation of YouTube's Terms of Service.", "gone"),
    ("This channel was removed because it violated our Community Guidelines.", "gone"),
    ("The playlist does not exist.", "gone"),
    ("This playlist type is unviewable.", "gone"),
    ("The channel/playlist does not exist and the URL redirected to youtube.com home page", "gone"),
    ("Requested entity was not found.", "gone"),
    ("Failed to resolve url (does the playlist exist?)", "gone"),
    ("Private video. Sign in if you've been granted access to this video", "gone"),
    ("This video is private", "gone"),
    ("This video is unavailable", "gone"),
    ("Video unavailable. This video has been removed by the uploader", "gone"),
    ("This video is no longer available because the uploader has closed their account.", "gone"),
    ("This video is no longer available due to a copyright claim by X", "gone"),
    ("This video is not available", "gone"),
    ("This video isn't available anymore", "gone"),
    ("This video has been removed for violating YouTube's Terms of Service", "gone"),
    # There, but not for us
    ("This video is available to this channel's members on level: X", "restricted"),
    ("Join this channel to get access to members-only content", "restricted"),
    ("This video is only available to Music Premium members", "restricted"),
    ("The uploader has not made this video available in your country", "restricted"),
    ("Sign in to confirm your age. This video may be inappropriate for some users.", "restricted"),
    ("This video is age-restricted and only available on YouTube", "restricted"),
    ("This video is DRM protected", "restricted"),
    ("This video requires payment to watch", "restricted"),
    # Not yet
    ("Premieres in 2 hours", "not_yet"),
    ("Premiere will begin shortly", "not_yet"),
    ("This live event will begin in 3 days.", "not_yet"),
    ("This live event will begin in a few moments.", "not_yet"),
    # Nothing there, and nothing wrong
    ("This channel does not have a shorts tab", "invalid"),
    ("The channel is not currently live", "invalid"),
    # Bad input, settings
    ("'x' is not a valid URL", "invalid"),
    ("Tunnel connection failed: 407 Proxy Authentication Required", "config"),
    # Unknown
    ("An extractor error has occurred", "bug"),
]

ERRORS: list[tuple[BaseException, str]] = [
    (Status(400), "invalid"),
    (Status(403), "throttled"),
    (Status(404), "gone"),
    (Status(410), "gone"),
    (Status(429), "throttled"),
    (Status(500), "transient"),
    (Status(502), "transient"),
    (Status(503), "transient"),
    (TransportError("x"), "transient"),
    (TimeoutError("x"), "transient"),
    (ConnectionResetError("x"), "transient"),
    (IncompleteRead(5, 10), "transient"),
    (ProxyError("Tunnel connection failed: 503"), "transient"),
    (SSLError("handshake"), "transient"),
    (CertificateVerifyError("self-signed certificate"), "config"),
    (json.JSONDecodeError("Expecting value", "", 0), "suspect"),
    (RecursionError("maximum recursion depth exceeded"), "suspect"),
    (TypeError("'NoneType' object is not subscriptable"), "bug"),
    (KeyError("contents"), "bug"),
    (AttributeError("'list' object has no attribute 'get'"), "bug"),
    (RegexNotFoundError("Unable to extract x"), "bug"),
    (UnsupportedError("x:y"), "invalid"),
    (UserNotLive(video_id="x"), "invalid"),
    (GeoRestrictedError("x", countries=["DE"]), "restricted"),
]


def _class(error: Exception, warnings: tuple[str, ...] = (), failures: tuple[BaseException, ...] = ()) -> str:
    verdict = judge(error, warnings, failures)
    return str(to_error(verdict, subject="x", source="youtube").error_class)


@pytest.mark.parametrize("apostrophe", ["'", "\u2019"])
@pytest.mark.parametrize(("message", "expected"), MESSAGES)
def test_a_message(message: str, expected: str, apostrophe: str) -> None:
    text = message.replace("'", apostrophe)
    for said in (text, text.upper(), f"ERROR: [youtube:tab] x: {text}"):
        inner = ExtractorError(said, expected=True)
        assert _class(inner) == expected
        assert _class(DownloadError(f"ERROR: {said}", (ExtractorError, inner, None))) == expected


@pytest.mark.parametrize(("error", "expected"), ERRORS, ids=[repr(error)[:50] for error, _ in ERRORS])
def test_an_error(error: Any, expected: str) -> None:
    wrapped = ExtractorError("Unable to download API page", cause=error)
    chained = RuntimeError("outer")
    chained.__cause__ = error
    for each in (error, wrapped, chained):
        assert _class(each) == expected


@pytest.mark.parametrize("apostrophe", ["'", "\u2019"])
@pytest.mark.parametrize(
    ("warning", "expected"),
    [(message, expected) for message, expected in MESSAGES if expected in {"throttled", "blocked"}],
)
def test_a_warning_about_who_asks_explains_any_failure(warning: str, expected: str, apostrophe: str) -> None:
    text = f"[youtube] abc: {warning}".replace("'", apostrophe)
    assert _class(ExtractorError(UNEXPLAINED), (text,)) == expected
    assert _class(ExtractorError("This video is unavailable", expected=True), (text,)) == expected


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (Status(429), "throttled"),
        (Status(403), "throttled"),
        (Status(503), "transient"),
        (TransportError("x"), "transient"),
    ],
)
def test_a_request_that_failed_explains_a_failure_without_a_reason(failure: BaseException, expected: str) -> None:
    assert _class(ExtractorError(UNEXPLAINED), (), (failure,)) == expected
