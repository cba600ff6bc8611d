"""One client, a budget before every request, and the answers that concern the identity."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ytworker import BlockedError, ConfigError, OfflineError, RetryableError, SuspectError, TaskError, ThrottledError
from ytworker.context import Deferred
from ytworker.testing import FakePort, make_context
from ytworker_ytdlp import Session, YtdlpSettings, close, open_tab, parse_channel, read_video
from ytworker_ytdlp.session import client_for
from ytworker_ytdlp.throttle import retry_after

if TYPE_CHECKING:
    from collections.abc import Callable

    from ytworker_ytdlp.testing import FakeYouTube

FEED = "https://www.youtube.com/feeds/videos.xml?channel_id=UCLA_DiR1FfKNvjuUpBHmylQ"


def _ids(session: Session, handle: str = "@NASA") -> list[str]:
    return [entry["id"] for entry in open_tab(session, parse_channel(handle), "videos").entries]


@pytest.fixture
def nasa(youtube: FakeYouTube) -> Any:
    try:
        return youtube.channel("@NASA")
    except KeyError:
        return youtube.add_channel("@NASA", videos=65, shorts=5)


def test_importing_and_describing_imports_no_yt_dlp() -> None:
    code = (
        "import sys, ytworker_ytdlp as y;"
        "[getattr(y, name) for name in y.__all__]; y.YtdlpSettings.model_json_schema(); y.close();"
        "sys.exit('yt_dlp' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_the_front_door_is_sorted_and_complete() -> None:
    import ytworker_ytdlp

    assert sorted(set(ytworker_ytdlp.__all__)) == sorted(ytworker_ytdlp.__all__)
    assert set(ytworker_ytdlp.__all__) - {"__version__"} == set(ytworker_ytdlp._HOMES)
    assert dir(ytworker_ytdlp) == sorted(ytworker_ytdlp.__all__)
    with pytest.raises(AttributeError, match="nothing_here"):
        ytworker_ytdlp.nothing_here  # noqa: B018 - the access is the test


def test_one_client_serves_all_tasks_until_the_settings_change(settings: YtdlpSettings, context: Any) -> None:
    first = Session(context).client
    assert Session(context).client is first
    assert client_for(settings.model_copy(update={"socket_timeout": 9.0})) is not first
    close()
    close()


def test_only_the_needed_extractors_exist(session: Session) -> None:
    from ytworker_ytdlp.options import EXTRACTORS

    names = {extractor.IE_NAME for extractor in session.client._ies.values()}
    assert names == set(EXTRACTORS)


@pytest.mark.parametrize("url", ["http://127.0.0.1:{}/", "file:///etc/passwd", ":ythistory", "ytsearch:x", "generic:x"])
def test_u1_u9_yt_dlp_itself_takes_no_other_target(session: Session, trap: Any, url: str) -> None:
    def extract() -> None:
        with session.step("x") as client:
            client.extract_info(url.format(trap.port), download=False, process=False, ie_key="YoutubeTab")

    with pytest.raises(TaskError):
        extract()
    assert trap.hits == 0


def test_every_request_is_paid_for(session: Session, youtube: FakeYouTube, port: FakePort, nasa: Any) -> None:
    assert _ids(session) == [video.id for video in nasa.videos]
    assert port.acquired == [(session.source, 1)] * len(youtube.requests)
    assert session.source == f"youtube via 127.0.0.1:{youtube.port}"


def test_no_request_leaves_outside_a_step(session: Session, youtube: FakeYouTube) -> None:
    with pytest.raises(RuntimeError, match="outside a task"):
        session.fetch(FEED)
    assert youtube.requests == []


def test_pages_are_asked_for_when_wanted(session: Session, youtube: FakeYouTube, nasa: Any) -> None:
    entries = open_tab(session, parse_channel("@NASA"), "videos").entries
    for _ in range(30):
        next(entries)
    assert len(youtube.requests) == 2
    next(entries)
    assert len(youtube.requests) == 3


def test_a_cooling_source_defers_the_task(settings: YtdlpSettings, youtube: FakeYouTube, nasa: Any) -> None:
    port = FakePort()
    session = Session(make_context(settings={"ytdlp": settings}, port=port))
    port.cooling[session.source] = "HTTP 429"
    with pytest.raises(Deferred):
        _ids(session)
    assert youtube.requests == []


@pytest.mark.parametrize("fault", ["http429", "http403"])
def test_a_first_refusal_waits_five_seconds_and_goes_on(
    session: Session, youtube: FakeYouTube, port: FakePort, nasa: Any, fault: str
) -> None:
    youtube.fault(fault, "youtubei")
    assert len(_ids(session)) == 65
    assert port.slept == [5.0]
    assert len(port.acquired) == len(youtube.requests)


@pytest.mark.parametrize(
    ("first", "second", "error", "match"),
    [
        ("http429", "http429", ThrottledError, "cools down"),
        ("http403", "http403", ConfigError, "way of asking"),
        ("http429", "http403", ThrottledError, "forbidden"),
        ("http403", "http429", ThrottledError, "too many"),
    ],
)
def test_a_second_refusal_in_one_attempt_is_a_verdict(
    session: Session, youtube: FakeYouTube, port: FakePort, nasa: Any, first: str, second: str, error: Any, match: str
) -> None:
    youtube.fault(first, "youtubei", after=1)
    youtube.fault(second, "youtubei", after=1)
    with pytest.raises(error, match=match) as caught:
        _ids(session)
    assert caught.value.source == session.source
    assert caught.value.retry_after is None
    assert port.slept == [5.0]


def test_retry_after_is_a_verdict_at_once(session: Session, youtube: FakeYouTube, port: FakePort, nasa: Any) -> None:
    youtube.fault("http429-retry-after", "youtubei", seconds=17)
    with pytest.raises(ThrottledError) as caught:
        _ids(session)
    assert caught.value.retry_after == 17
    assert port.slept == []


@pytest.mark.parametrize("match", ["/watch", "/player"])
def test_a_refusal_that_yt_dlp_would_swallow_is_raised(
    session: Session, youtube: FakeYouTube, nasa: Any, match: str
) -> None:
    youtube.fault("http429", match, times=-1)
    with pytest.raises(ThrottledError):
        read_video(session, nasa.videos[0].id)


@pytest.mark.parametrize("afterwards", [None, ValueError("something else")])
def test_a_verdict_that_was_swallowed_is_raised_at_the_end(
    session: Session, youtube: FakeYouTube, afterwards: Exception | None
) -> None:
    def swallow() -> None:
        with session.step("x"):
            with contextlib.suppress(ThrottledError):
                session.fetch(FEED)
            if afterwards:
                raise afterwards

    youtube.fault("http429-retry-after", "feeds")
    with pytest.raises(ThrottledError):
        swallow()


def test_after_a_verdict_no_request_leaves_the_attempt_and_its_place_stays_held(
    session: Session, youtube: FakeYouTube, port: FakePort
) -> None:
    youtube.fault("http429-retry-after", "feeds")

    def ask_again() -> None:
        with session.step("x"):
            for _ in range(2):
                with contextlib.suppress(ThrottledError):
                    session.fetch(FEED)

    with pytest.raises(ThrottledError):
        ask_again()
    assert len(youtube.requests) == 1
    assert port.held == {session.source}


def test_a_bot_check_in_an_answer_with_status_200_keeps_the_place_until_the_verdict(
    session: Session, youtube: FakeYouTube, port: FakePort, nasa: Any
) -> None:
    youtube.fault("bot", times=-1)
    with pytest.raises(BlockedError):
        read_video(session, nasa.videos[0].id)
    assert {request.status for request in youtube.requests} == {200}
    assert port.held == {session.source}


def test_a_place_in_flight_is_free_after_a_step_that_went_well(
    session: Session, youtube: FakeYouTube, port: FakePort, nasa: Any
) -> None:
    youtube.fault("http429", "youtubei")
    _ids(session)
    assert port.held == set()


@pytest.mark.parametrize("fault", ["http503", "reset", "truncate"])
def test_a_single_hiccup_is_tried_once_more_within_the_attempt(
    session: Session, youtube: FakeYouTube, nasa: Any, fault: str
) -> None:
    youtube.fault(fault, "browse")
    assert len(_ids(session)) == 65


@pytest.mark.parametrize("fault", ["http500", "http503", "reset", "truncate", "incomplete"])
def test_a_lasting_trouble_is_transient(session: Session, youtube: FakeYouTube, nasa: Any, fault: str) -> None:
    youtube.fault(fault, "browse", times=-1)
    with pytest.raises(RetryableError) as caught:
        _ids(session)
    assert caught.value.error_class == "transient"
    assert not caught.value.offline


def test_a_timeout_is_transient(session_with: Callable[..., Session], youtube: FakeYouTube, nasa: Any) -> None:
    youtube.fault("timeout", "browse", times=-1, seconds=1)
    with pytest.raises(RetryableError) as caught:
        _ids(session_with(**youtube.settings(), socket_timeout=0.2))
    assert caught.value.error_class == "transient"


def test_a_broken_later_page_is_no_silent_end(session: Session, youtube: FakeYouTube, nasa: Any) -> None:
    youtube.fault("incomplete", "browse.*continuation", times=-1)
    with pytest.raises(RetryableError):
        _ids(session)


def test_a_consent_page_is_no_list(session: Session, youtube: FakeYouTube, nasa: Any) -> None:
    youtube.fault("consent", "browse", times=-1)
    with pytest.raises(TaskError):
        _ids(session)


def test_a_proxy_that_is_not_there_means_no_network(session_with: Callable[..., Session]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    session = session_with(proxy=f"http://user:secret-word@127.0.0.1:{free}")
    with pytest.raises(OfflineError, match=r"no network: the proxy 127\.0\.0\.1:\d+ refused the connection") as caught:
        _ids(session)
    assert "secret-word" not in str(caught.value)
    assert len(session.failures) == 1


def test_r13_an_unknown_certificate_is_a_matter_of_the_settings(
    session_with: Callable[..., Session], youtube: FakeYouTube
) -> None:
    with pytest.raises(ConfigError, match=r"plugins\.ytdlp\.ca_file"):
        _ids(session_with(proxy=youtube.proxy_url))


def test_r13_verification_off_warns_at_every_start(
    session_with: Callable[..., Session], youtube: FakeYouTube, nasa: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        close()
        assert _ids(session_with(proxy=youtube.proxy_url, verify_tls=False))
    assert caplog.text.count("verify_tls is false") == 2


def test_a_missing_or_wrong_ca_file_is_named(session_with: Callable[..., Session], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"plugins\.ytdlp\.ca_file cannot be read"):
        session_with(ca_file=tmp_path / "missing.pem")
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    with pytest.raises(ConfigError, match=r"plugins\.ytdlp\.ca_file cannot be read"):
        session_with(ca_file=wrong)


def test_the_cookie_file_is_read_and_never_written(
    session_with: Callable[..., Session], youtube: FakeYouTube, nasa: Any, tmp_path: Path
) -> None:
    jar = tmp_path / "cookies.txt"
    text = "# Netscape HTTP Cookie File\n.youtube.com\tTRUE\t/\tTRUE\t2000000000\tPREF\thl=en\n"
    jar.write_text(text)
    session = session_with(**youtube.settings(), cookie_file=jar)
    assert _ids(session)
    assert " with cookies " in session.source
    close()
    assert jar.read_text() == text
    assert list(tmp_path.iterdir()) == [jar]


def test_a_bad_cookie_file_is_named(
    session_with: Callable[..., Session], youtube: FakeYouTube, nasa: Any, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"plugins\.ytdlp\.cookie_file cannot be read"):
        session_with(cookie_file=tmp_path / "missing.txt")
    jar = tmp_path / "cookies.txt"
    jar.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not a text file"):
        session_with(cookie_file=jar)


@pytest.mark.parametrize("setting", ["ca_file", "cookie_file"])
def test_a_file_that_might_never_answer_is_not_opened(
    session_with: Callable[..., Session], tmp_path: Path, setting: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(ConfigError, match=rf"plugins\.ytdlp\.{setting} cannot be read: it is no regular file"):
            session_with(**{setting: place})


def test_nothing_is_printed(
    session: Session, youtube: FakeYouTube, nasa: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    _ids(session)
    youtube.fault("bot", times=-1)
    with pytest.raises(BlockedError):
        read_video(session, nasa.videos[0].id)
    assert capfd.readouterr() == ("", "")


def test_an_unknown_exception_is_a_bug_that_says_what_to_do(session: Session) -> None:
    with pytest.raises(TaskError, match=r"x: TypeError: .*update yt-dlp") as caught, session.step("x"):
        len(5)  # type: ignore[arg-type]
    assert caught.value.error_class == "bug"
    assert isinstance(caught.value.__cause__, TypeError)


def test_our_own_errors_pass_unchanged(session: Session) -> None:
    mine = SuspectError("mine")
    with pytest.raises(SuspectError, match="mine"), session.step("x"):
        raise mine


def test_a_context_without_the_section_gets_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    monkeypatch.delenv("https_proxy", raising=False)
    assert Session(make_context()).client.settings == YtdlpSettings()


def test_a_bad_proxy_in_the_environment_is_a_matter_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    close()
    monkeypatch.setenv("HTTPS_PROXY", "https://proxy.example:1")
    with pytest.raises(ConfigError, match="HTTPS_PROXY"):
        Session(make_context())


NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("17", 17.0),
        (" 0 ", 0.0),
        ("99999999", 86_400.0),
        ("9" * 5000, 86_400.0),
        ("Sun, 01 Nov 2026 12:02:00 GMT", 120.0),
        ("Sun, 01 Nov 2026 12:02:00 -0000", 120.0),
        ("Sun, 01 Nov 2020 12:00:00 GMT", 0.0),
        ("Sun, 01 Nov 2099 12:00:00 GMT", 86_400.0),
    ],
)
def test_r10_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds
