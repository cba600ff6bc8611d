"""Where requests may go, checked before the request, at every redirect and at the resolved address."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from ytworker import OfflineError, SuspectError
from ytworker_ytdlp.guard import address_problem, url_problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from ytworker.testing import FakePort
    from ytworker_ytdlp import Session
    from ytworker_ytdlp.testing import FakeYouTube

FEED = "https://www.youtube.com/feeds/videos.xml?channel_id=UCLA_DiR1FfKNvjuUpBHmylQ"


@pytest.mark.parametrize(
    "url",
    [
        "http://www.youtube.com/",
        "https://evil.test/",
        "https://youtube.com.evil.test/",
        "https://notyoutube.com/",
        "https://consent.youtube.com/m?continue=http://127.0.0.1/",
        "https://www.youtube.com:8080/",
        "https://www.youtube.com:x/",
        "https://user@www.youtube.com/",
        "https://www.youtube.com\\@evil.test/",
        "https://127.0.0.1/",
        "file:///etc/passwd",
        "//www.youtube.com/",
        "",
    ],
)
def test_u6_other_urls_have_a_problem(url: str) -> None:
    assert url_problem(url)


@pytest.mark.parametrize(
    "url", [FEED, "https://youtube.com/", "https://M.YouTube.com./x", "https://i.youtube.com:443/"]
)
def test_youtube_has_none(url: str) -> None:
    assert url_problem(url) is None


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "0.0.0.0",  # noqa: S104 - an input
        "224.0.0.1",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b::7f00:1",
        "2002:a9fe:a9fe::1",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "::a9fe:a9fe",
        "::7f00:1",
        "not-an-address",
    ],
)
def test_u3_wrapped_and_private_addresses_have_a_problem(address: str) -> None:
    assert address_problem(address)


@pytest.mark.parametrize("address", ["142.250.74.206", "2a00:1450:4001:830::200e", "64:ff9b::8efa:4ace"])
def test_public_addresses_have_none(address: str) -> None:
    assert address_problem(address) is None


def _fetch(session: Session, url: str = FEED) -> tuple[int, bytes]:
    with session.step("a test"):
        return session.fetch(url)


def test_u6_a_url_elsewhere_is_refused_before_the_request(session: Session, trap: Any, port: FakePort) -> None:
    with pytest.raises(SuspectError, match="http instead of https"):
        _fetch(session, f"http://127.0.0.1:{trap.port}/")
    assert trap.hits == 0
    assert port.acquired == []


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1:{}/", "https://127.0.0.1:{}/", "http://www.youtube.com/", "https://evil.test/"]
)
def test_u6_a_redirect_elsewhere_is_refused_even_by_way_of_a_proxy(
    session: Session, youtube: FakeYouTube, trap: Any, location: str
) -> None:
    youtube.fault("redirect", location=location.format(trap.port))
    with pytest.raises(SuspectError, match="a redirect was refused"):
        _fetch(session)
    assert trap.hits == 0
    assert len(youtube.requests) == 1


def test_u6_a_refused_redirect_inside_yt_dlp_ends_the_extraction(
    session: Session, youtube: FakeYouTube, trap: Any
) -> None:
    from ytworker_ytdlp import open_tab, parse_channel

    youtube.fault("redirect", location=f"http://127.0.0.1:{trap.port}/", times=-1)
    with pytest.raises(SuspectError, match="a redirect was refused"):
        open_tab(session, parse_channel("@NASA"), "videos")
    assert (trap.hits, len(youtube.requests)) == (0, 1)


def test_a_redirect_within_youtube_is_followed_and_paid_for(
    session: Session, youtube: FakeYouTube, port: FakePort
) -> None:
    channel = youtube.add_channel("@Redirected", videos=1)
    youtube.fault("redirect", location=f"https://m.youtube.com/feeds/videos.xml?channel_id={channel.id}")
    assert _fetch(session)[0] == 200
    assert len(port.acquired) == len(youtube.requests) == 2


def test_r11_a_redirect_loop_ends_after_three_hops(session: Session, youtube: FakeYouTube) -> None:
    for number in range(9):
        youtube.fault("redirect", location=f"https://www.youtube.com/{number}")
    with pytest.raises(SuspectError, match="redirect"):
        _fetch(session)
    assert len(youtube.requests) == 4


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[tuple[str, int]]], list[str]]:
    def install(answers: list[tuple[str, int]]) -> list[str]:
        from ytworker_ytdlp import transport

        asked: list[str] = []

        def resolve(host: str, _port: int) -> list[Any]:
            asked.append(host)
            family = [socket.AF_INET6 if ":" in address else socket.AF_INET for address, _ in answers]
            return [(kind, socket.SOCK_STREAM, 6, "", found) for kind, found in zip(family, answers, strict=True)]

        monkeypatch.setattr(transport, "resolve", resolve)
        return asked

    return install


@pytest.mark.parametrize("public", [[], [("142.250.74.206", 443)]])
def test_u6_a_name_that_leads_to_loopback_is_not_connected_to(
    session_with: Callable[..., Session], resolver: Any, trap: Any, public: list[tuple[str, int]]
) -> None:
    session = session_with(proxy="")
    asked = resolver([*public, ("127.0.0.1", trap.port)])
    with pytest.raises(
        OfflineError, match=r"www\.youtube\.com leads to 127\.0\.0\.1 is not a public address"
    ) as caught:
        _fetch(session)
    for cure in ("name server", "hosts file", "captive portal", "plugins.ytdlp.proxy"):
        assert cure in str(caught.value)
    assert (caught.value.source, caught.value.offline) == (session.source, True)
    assert asked == ["www.youtube.com"]
    assert trap.hits == 0


def test_u6_the_checked_address_is_the_one_connected_to(
    session_with: Callable[..., Session], monkeypatch: pytest.MonkeyPatch, trap: Any
) -> None:
    from ytworker_ytdlp import transport

    session = session_with(proxy="")
    answers = iter([[(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", trap.port))]])
    monkeypatch.setattr(transport, "resolve", lambda *_: next(answers))
    monkeypatch.setattr(transport, "address_problem", lambda _: None)
    from ytworker import TaskError

    with pytest.raises(TaskError):
        _fetch(session)
    assert next(answers, None) is None


def test_a_direct_session_without_network_says_so(
    session_with: Callable[..., Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ytworker_ytdlp import transport

    def fail(*_: Any) -> Any:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(transport, "resolve", fail)
    with pytest.raises(OfflineError, match=r"no network: www\.youtube\.com could not be resolved\. Check") as caught:
        _fetch(session_with(proxy=""))
    assert "\n" not in str(caught.value)


def test_source_address_picks_the_family(trap: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from ytworker_ytdlp import transport

    monkeypatch.setattr(transport, "address_problem", lambda _: None)
    sock = transport.connect_public(("127.0.0.1", trap.port), 5.0, ("127.0.0.1", 0))
    sock.close()
    with pytest.raises(OSError, match="no address of this host fits"):
        transport.connect_public(("127.0.0.1", trap.port), 5.0, ("::1", 0))


def test_plain_http_is_never_spoken() -> None:
    from urllib.request import Request

    from ytworker_ytdlp.transport import GuardedHTTPHandler, RefusedTargetError

    with pytest.raises(RefusedTargetError, match="plain http"):
        GuardedHTTPHandler().http_open(Request("http://www.youtube.com/"))
