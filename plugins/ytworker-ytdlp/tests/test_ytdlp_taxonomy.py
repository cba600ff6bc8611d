"""The table of failures: each known signal to its class, in the documented order of evidence."""

from __future__ import annotations

import json
import re
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yt_dlp.networking.exceptions import (
    CertificateVerifyError,
    IncompleteRead,
    ProxyError,
    SSLError,
    TransportError,
)
from yt_dlp.utils import DownloadError, ExtractorError, GeoRestrictedError, UnsupportedError, UserNotLive

from ytworker import (
    BlockedError,
    ConfigError,
    ErrorClass,
    GoneError,
    NotYetError,
    PermanentError,
    RestrictedError,
    RetryableError,
    SuspectError,
    TaskError,
    ThrottledError,
)
from ytworker_ytdlp import RULES, NoSuchTabError, judge
from ytworker_ytdlp.raising import offline_error, offline_reason, to_error
from ytworker_ytdlp.rules import BUG
from ytworker_ytdlp.taxonomy import chain, clean


class Status(Exception):  # noqa: N818 - stands for yt-dlp's HTTPError
    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP Error {status}: Something")
        self.status = status


@pytest.mark.parametrize(
    ("message", "rule"),
    [
        ("This content isn't available, try again later. The current session has been rate-limited", "rate_limited"),
        ("Sign in to confirm you’re not a bot. Use --cookies-from-browser", "bot_check"),  # noqa: RUF001
        ("Sign in to confirm you're not a bot", "bot_check"),
        ("Error. YouTube is requiring a captcha challenge before playback", "bot_check"),
        ("your IP is likely being blocked by YouTube", "bot_check"),
        ("HTTP Error 429: Too Many Requests", "throttled"),
        ("HTTP Error 403: Forbidden", "forbidden"),
        ("HTTP Error 503: Service Unavailable", "server"),
        ("YouTube said: Unknown error occurred", "server"),
        ("The read operation timed out", "connection"),
        ("Incomplete data received", "incomplete"),
        ("Unable to recognize tab page", "incomplete"),
        ("Failed to extract any player response", "incomplete"),
        ("YouTube said: This channel does not exist.", "gone"),
        ("This account has been terminated for a violation of YouTube's Terms of Service.", "gone"),
        ("no longer available because the YouTube account associated with this video has been terminated", "gone"),
        ("This channel was removed because it violated our Community Guidelines.", "gone"),
        ("The playlist does not exist.", "gone"),
        ("This playlist type is unviewable.", "gone"),
        ("The channel/playlist does not exist and the URL redirected to youtube.com home page", "gone"),
        ("Failed to resolve url (does the playlist exist?)", "gone"),
        ("Requested entity was not found.", "gone"),
        ("This video is unavailable", "gone"),
        ("Video unavailable. This video has been removed by the uploader", "gone"),
        ("This video is not available", "not_available"),
        ("Private video. Sign in if you've been granted access to this video", "private"),
        ("This video is private", "private"),
        ("This channel does not have a shorts tab", "no_tab"),
        ("The channel is not currently live", "no_tab"),
        ("This video is available to this channel's members on level: X", "members_only"),
        ("Join this channel to get access to members-only content", "members_only"),
        ("This video is only available to Music Premium members", "members_only"),
        ("The uploader has not made this video available in your country", "geo_blocked"),
        ("This video is not available in your country", "geo_blocked"),
        ("Sign in to confirm your age. This video may be inappropriate for some users.", "age_restricted"),
        ("This video is age-restricted", "age_restricted"),
        ("This video is DRM protected", "paid"),
        ("Premieres in 2 hours", "not_yet"),
        ("This live event will begin in 3 days.", "not_yet"),
        ("This live event will begin in a few moments.", "not_yet"),
        ("'x' is not a valid URL", "invalid"),
        ("Tunnel connection failed: 407 Proxy Authentication Required", "proxy_login"),
        ("Please sign in. Use --cookies-from-browser or --cookies for the authentication", "bot_check"),
        ("This video is private. If the owner of this video has granted you access, please sign in.", "private"),
        ("Video unavailable. It contains content from X, who has blocked it in your country", "geo_blocked"),
        ("This live stream recording is not available.", "gone"),
        (
            "The following content is not available on this app. Watch on the latest version.",
            "not_available",
        ),
        ("We're processing this video. Check back later.", "processing"),
        ("An extractor error has occurred", "bug"),
    ],
)
def test_messages(message: str, rule: str) -> None:
    for text in (message, message.upper(), f"ERROR: [youtube] abcdefghijk: {message}"):
        assert judge(ExtractorError(text, expected=True)).rule.name == rule


@pytest.mark.parametrize(
    ("status", "error_class"),
    [
        (400, "invalid"),
        (403, "throttled"),
        (404, "gone"),
        (410, "gone"),
        (429, "throttled"),
        (302, "suspect"),
        (500, "transient"),
        (503, "transient"),
        (408, "transient"),
        (418, "bug"),
    ],
)
def test_statuses(status: int, error_class: str) -> None:
    error = ExtractorError("Unable to download API page", cause=Status(status))
    assert judge(error).rule.error_class == error_class


@pytest.mark.parametrize(
    ("cause", "rule"),
    [
        (CertificateVerifyError("self-signed certificate"), "certificate"),
        (TransportError("whatever"), "connection"),
        (IncompleteRead(5, 10), "connection"),
        (ProxyError("Tunnel connection failed: 503"), "connection"),
        (ProxyError("Tunnel connection failed: 407 Proxy Authentication Required"), "proxy_login"),
        (SSLError("handshake"), "connection"),
        (TimeoutError("x"), "connection"),
        (ConnectionResetError("x"), "connection"),
        (json.JSONDecodeError("Expecting value", "", 0), "not_json"),
        (KeyError("contents"), "bug"),
    ],
)
def test_types_in_the_chain(cause: Exception, rule: str) -> None:
    inner = ExtractorError(str(cause), cause=cause)
    assert judge(DownloadError("ERROR: x", (ExtractorError, inner, None))).rule.name == rule
    wrapped = RuntimeError("outer")
    wrapped.__cause__ = cause
    assert judge(wrapped).rule.name == rule


def test_other_types() -> None:
    assert judge(GeoRestrictedError("x", countries=["DE"])).rule.name == "geo_blocked"
    assert judge(UserNotLive(video_id="x")).rule.name == "no_tab"
    assert judge(UnsupportedError("x:y")).rule.name == "invalid"
    assert judge(TypeError("'NoneType' object is not subscriptable")).rule is BUG
    assert judge(ValueError()).what == "ValueError"


def test_the_order_of_evidence_is_type_status_warning_message() -> None:
    typed = CertificateVerifyError("x")
    typed.__cause__ = Status(429)
    assert judge(typed, ["Sign in to confirm you're not a bot"]).evidence == "type"
    assert judge(Status(404), ["Sign in to confirm you're not a bot"]).rule.name == "gone"
    gone = ExtractorError("This video is unavailable")
    assert judge(gone, ["Sign in to confirm you're not a bot"]).rule.name == "bot_check"
    assert judge(gone, ["HTTP Error 503, retrying"]).evidence == "message"


def test_an_unexplained_failure_is_explained_by_warnings_or_by_failed_requests() -> None:
    error = ExtractorError("Failed to extract any player response")
    assert judge(error).rule.name == "incomplete"
    assert judge(error, ["This video is private"]).rule.name == "private"
    assert judge(error, [], [Status(429)]).rule.name == "throttled"
    assert judge(error, [], [TransportError("x")]).rule.name == "connection"
    assert judge(ExtractorError("This video is private"), [], [Status(503)]).rule.name == "private"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("\x1b[0;31mERROR:\x1b[0m [youtube:tab] @x/videos: YouTube said: Gone.", "Gone."),
        ("It broke; please report this issue on  https://github.com/… and so on", "It broke"),
        ("Broken (caused by KeyError('x'))", "Broken"),
        ("Sign in to confirm your age. Use --cookies-from-browser or …", "Sign in to confirm your age"),
        ("Unable to download API page: HTTP Error 404: Not Found", "HTTP Error 404: Not Found"),
        ("a\nb\x07c", "a b c"),
    ],
)
def test_messages_are_cleaned_of_advice_that_is_not_ours(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@pytest.mark.parametrize(
    ("message", "kind", "error_class"),
    [
        ("HTTP Error 500", RetryableError, "transient"),
        ("rate-limited by YouTube", ThrottledError, "throttled"),
        ("captcha challenge", BlockedError, "blocked"),
        ("Premieres in 1 hour", NotYetError, "not_yet"),
        ("This video is private", GoneError, "gone"),
        ("Join this channel", RestrictedError, "restricted"),
        ("is not a valid URL", PermanentError, "invalid"),
        ("does not have a shorts tab", NoSuchTabError, "invalid"),
        ("proxy authentication required", ConfigError, "config"),
        ("no idea", TaskError, "bug"),
    ],
)
def test_a_verdict_becomes_the_right_exception(message: str, kind: type[TaskError], error_class: str) -> None:
    verdict = judge(ExtractorError(message, expected=True))
    error = to_error(verdict, subject="@NASA/videos", source="youtube")
    assert type(error) is kind
    assert error.error_class == ErrorClass(error_class)
    assert error.source == "youtube"
    assert str(error).startswith("@NASA/videos: ")
    assert str(error).endswith(verdict.rule.hint)
    assert to_error(judge(Status(302)), subject="x", source="y").__class__ is SuspectError


def test_the_rate_limit_names_its_hour() -> None:
    error = to_error(judge(ExtractorError("rate-limited by YouTube")), subject="x", source="youtube")
    assert error.retry_after == 3600


def test_nobody_reached_is_offline() -> None:
    dns = TransportError(cause=socket.gaierror(-3, "Temporary failure"))
    assert offline_reason(dns, "www.youtube.com") == "www.youtube.com could not be resolved"
    refused = TransportError(cause=ConnectionRefusedError(111, "Connection refused"))
    assert offline_reason(refused, "the proxy p") == "the proxy p refused the connection"
    assert offline_reason(TransportError(cause=ConnectionResetError(104, "reset")), "x") is None
    assert offline_error("x could not be resolved", "youtube").offline


def test_a_chain_that_bites_its_tail_ends() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert list(chain(first)) == [first, second]


def test_every_rule_has_evidence_a_hint_and_patterns_that_compile() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.hint.endswith(".")
        assert rule.types or rule.statuses or rule.patterns
        for pattern in rule.patterns:
            re.compile(pattern)
            assert "\u2019" not in pattern


@given(st.text(max_size=200), st.lists(st.text(max_size=50), max_size=3))
def test_any_text_gets_a_verdict(text: str, warnings: list[str]) -> None:
    error = to_error(judge(Exception(text), warnings), subject="x", source="y")
    assert str(error).isprintable() or any(not char.isprintable() for char in text + "".join(warnings))
