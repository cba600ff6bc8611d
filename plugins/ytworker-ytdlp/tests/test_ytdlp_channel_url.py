"""What people type for a channel, and what attackers do."""

from __future__ import annotations

import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytworker_ytdlp import parse_channel
from ytworker_ytdlp.guard import url_problem

NASA = "UCLA_DiR1FfKNvjuUpBHmylQ"


@pytest.mark.parametrize(
    ("text", "kind", "value", "tab"),
    [
        ("@NASA", "handle", "NASA", None),
        ("NASA", "handle", "NASA", None),
        ("@हिन्दी", "handle", "हिन्दी", None),
        ("https://www.youtube.com/@%E0%B9%84%E0%B8%97%E0%B8%A2%E0%B8%B5%E0%B9%88/videos", "handle", "ไทยี่", "videos"),
        ("  @NASA\n", "handle", "NASA", None),
        (NASA, "id", NASA, None),
        ("https://www.youtube.com/@NASA", "handle", "NASA", None),
        ("http://youtube.com/@NASA/", "handle", "NASA", None),
        ("HTTPS://WWW.YouTube.COM./@NASA/videos?view=0#top", "handle", "NASA", "videos"),
        ("m.youtube.com/@NASA/shorts", "handle", "NASA", "shorts"),
        ("youtube.com:443/@NASA/streams", "handle", "NASA", "streams"),
        ("@NASA/live", "handle", "NASA", "streams"),
        ("https://www.youtube.com/@NASA/live", "handle", "NASA", "streams"),
        ("https://music.youtube.com/channel/" + NASA, "id", NASA, None),
        (f"https://www.youtube.com/channel/{NASA}/featured", "id", NASA, None),
        ("https://www.youtube.com/c/JeffGeerling/streams", "custom", "JeffGeerling", "streams"),
        ("https://www.youtube.com/user/Vsauce/videos", "user", "Vsauce", "videos"),
        ("https://www.youtube.com/Vsauce", "vanity", "Vsauce", None),
        ("https://www.youtube.com/@%E6%97%A5%E6%9C%AC/about", "handle", "日本", None),
        ("https://www.youtube.com/@a.b-c_d·e", "handle", "a.b-c_d·e", None),
    ],
)
def test_a_channel_is_understood(text: str, kind: str | None, value: str | None, tab: str | None) -> None:
    if kind is None:
        with pytest.raises(ValueError, match=r"youtube\.com/@NASA"):
            parse_channel(text)
        return
    found = parse_channel(text)
    assert (found.kind, found.value, found.tab) == (kind, value, tab)
    assert parse_channel(found.url()).value == value
    assert url_problem(found.url("videos")) is None


def test_addresses_are_built_and_readable() -> None:
    found = parse_channel("https://m.youtube.com/@日本/shorts?x=1")
    assert found.url("shorts") == "https://www.youtube.com/@%E6%97%A5%E6%9C%AC/shorts"
    assert str(found) == "@日本"
    assert found.channel_id is None
    assert parse_channel(NASA).channel_id == NASA


def _refused(text: str, *, match: str = "such as") -> None:
    with pytest.raises(ValueError, match=match) as caught:
        parse_channel(text)
    assert "such as" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "file:///etc/passwd",
        "data:text/html,hi",
        "ftp://www.youtube.com/@NASA",
        "gopher://www.youtube.com/@NASA",
        "javascript:alert(1)",
        "JAVASCRIPT://www.youtube.com/@NASA",
        "mailto:x@youtube.com",
    ],
)
def test_u1_other_schemes_are_refused(text: str) -> None:
    _refused(text, match="not a kind of address")


@pytest.mark.parametrize("form", ["http://{}/", "http://{}:PORT/@NASA", "{}/@NASA", "{}"])
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "localhost.",
        "[::1]",
        "0.0.0.0",  # noqa: S104 - an input
        "2130706433",
        "0x7f.1",
        "127.1",
        "169.254.169.254",
        "metadata.google.internal",
    ],
)
def test_u2_local_targets_are_refused(host: str, form: str, trap: object) -> None:
    _refused(form.format(host).replace("PORT", str(trap.port)))  # type: ignore[attr-defined]
    assert trap.hits == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "host",
    [
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "64:ff9b::a9fe:a9fe",
        "[2002:a9fe:a9fe::1]",
        "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
        "[::a9fe:a9fe]",
    ],
)
def test_u3_wrapped_addresses_are_refused(host: str) -> None:
    _refused(f"http://{host}/@NASA")
    _refused(host)


def test_u4_consent_redirect_is_refused(trap: object) -> None:
    _refused(f"https://consent.youtube.com/m?continue=http://127.0.0.1:{trap.port}/x", match="consent page")  # type: ignore[attr-defined]
    assert trap.hits == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "text",
    [
        "https://www.youtube.com/redirect?q=http://127.0.0.1/",
        "https://youtube.com@evil.test/",
        "https://www.youtube.com:pass@evil.test/@NASA",
        "https://evil@www.youtube.com/@NASA",
        "https://youtube.com.evil.test/@NASA",
        "https://evil.test/?youtube.com",
        "https://evil.test/@NASA",
        "https://youtubе.com/@NASA",  # noqa: RUF001 - a Cyrillic letter
        "https://www.youtube.com\\@evil.test/",
        "https://www.youtube.com/@NA\tSA",
        "https://www.youtube.com/@NA\nSA",
        "https://www.youtube.com/@NASA%0d%0aX",
        "https://www.youtube.com/@NA%2fSA",
        "https://www.youtube.com/@%ff%fe",
        "https://www.youtube.com:8443/@NASA",
        "https://www.youtube.com:99999/@NASA",
        "https://[www.youtube.com/@NASA",
        "https:www.youtube.com/@NASA",
        "https://studio.youtube.com/channel/" + NASA,
        "@NA\u202eSA",
        "@NA\x00SA",
        "@\ud800",
    ],
)
def test_u5_forged_addresses_are_refused(text: str) -> None:
    _refused(text)


@pytest.mark.parametrize("text", ["HTTPS://YOUTUBE.COM./@NASA", "https://Www.YouTube.com/@NASA"])
def test_u5_harmless_spellings_become_the_id(text: str) -> None:
    assert parse_channel(text).url() == "https://www.youtube.com/@NASA"


@pytest.mark.parametrize("text", ["--exec=id", "-oX", "--config-location=/etc/x", "-wtIMTCHWuI", "-"])
def test_u7_options_are_never_parsed(text: str) -> None:
    _refused(text, match="options are never read")


def test_u7_an_at_sign_is_a_handle_and_no_file() -> None:
    assert parse_channel("@file").url() == "https://www.youtube.com/@file"


@pytest.mark.parametrize("text", [":ythistory", ":ytsubs", ":ytwatchlater", ":ytnotif", "LL", "WL", "wl"])
def test_u9_lists_of_ones_own_account_are_refused(text: str) -> None:
    _refused(text, match="one's own account")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "No channel"),
        ("x" * 501, "longer than"),
        ("https://www.youtube.com/", "not a channel"),
        ("youtube.com", "not a channel"),
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQ", "of a video"),
        ("https://youtu.be/dQw4w9WgXcQ", "of a video"),
        ("https://www.youtube.com/shorts/dQw4w9WgXcQ", "of a video"),
        ("https://www.youtube.com/playlist?list=PL123", "of a playlist"),
        ("https://www.youtube.com/feed/trending", "a page of YouTube"),
        ("https://www.youtube.com/c", "a page of YouTube"),
        ("https://www.youtube.com/channel/UCshort", "24|22 letters"),
        ("https://www.youtube.com/@NASA/playlists", "'playlists' does not list videos"),
        ("https://www.youtube.com/@NASA/videos/popular", "goes on after the tab"),
        ("https://www.youtube.com/@NA*SA", "characters"),
        ("@NA*SA", "only letters"),
        ("@", "only letters"),
        ("12345", "with its @"),
        ("evil.test", "with its @"),
    ],
)
def test_the_refusal_guesses_the_mistake(text: str, match: str) -> None:
    _refused(text, match=match)


_PIECES = st.sampled_from(
    [
        "https://",
        "http://",
        "//",
        "www.",
        "youtube.com",
        "youtu.be",
        "/",
        "@",
        "channel/",
        "c/",
        "?",
        "#",
        ":",
        "%2f",
        "\\",
        "..",
        "evil.test",
        "127.0.0.1",
        "videos",
        NASA,
        "\n",
        "%",
        "[",
        "]",
        "a",
        "é",
        "\u202e",
    ]
)


@given(st.one_of(st.text(max_size=60), st.lists(_PIECES, max_size=8).map("".join)))
def test_anything_is_refused_or_leads_to_youtube(text: str) -> None:
    try:
        found = parse_channel(text)
    except ValueError:
        return
    for url in (found.url(), found.url("videos")):
        parts = urllib.parse.urlsplit(url)
        assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("https", "www.youtube.com", "", "")
        assert url.isascii()
        assert url_problem(url) is None
