"""Secrets are taken out of texts: by their shapes, by the names beside them, and by heart; and the rest stays."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytworker.redaction import (
    HIDDEN,
    MAX_SOURCE,
    forget,
    masked,
    printable,
    redact,
    remember,
    source_name,
    without_controls,
)

KEY = "AIza" + "SyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q"
VISITOR = "CgtXQ2FuYXJ5MTIzNA%3D%3D"
DRAWN = "MnRk3vQ9" * 20
CANARY = "c4n4ry"

WITH_SECRETS = {
    "a Google key in a URL": (f"GET https://api.example/v3/videos?part=id&key={KEY}&id=x -> 403", KEY),
    "a Google key alone": (f"the key {KEY} is not allowed", KEY),
    "an access token": ("sent ya29.a0AfH6SMB-secret_part", "secret_part"),
    "visitor data": (f"context: {VISITOR}", VISITOR),
    "a PO token": (f"web.gvs+{DRAWN}", DRAWN),
    "a bearer": (f"Authorization: Bearer {CANARY}-1", CANARY),
    "a bearer in a sentence": (f"sent with bearer {CANARY}123", CANARY),
    "a basic login": ("{'Authorization': 'Basic dXNlcjpwYXNz'}", "dXNlcjpwYXNz"),
    "a key header": (f"X-Goog-Api-Key: {CANARY}", CANARY),
    "a visitor header": (f"x-goog-visitor-id: {CANARY}", CANARY),
    "a cookie header": (f"Cookie: a={CANARY}; SID=xyz", CANARY),
    "a set cookie": (f'"Set-Cookie": "YSC={CANARY}; path=/"', CANARY),
    "cookies by name": (f"had SAPISID={CANARY} and __Secure-3PSID={CANARY}", CANARY),
    "a line of a cookie file": (f".youtube.com\tTRUE\t/\tTRUE\t1799999999\tPREF\t{CANARY}", CANARY),
    "a login": (f"proxy http://me:{CANARY}@proxy.example:8080 refused", CANARY),
    "a login with slashes and at signs": (f"http://me:a/{CANARY}@b@proxy.example/x", CANARY),
    "a login without a password": (f"socks5://{CANARY}@proxy.example", CANARY),
    "a bare login": (f"cannot connect to me:{CANARY}@proxy.example:80", CANARY),
    "a query": (f"https://e.example/?access_token={CANARY}", CANARY),
    "an argument": (f"Client(api_key='{CANARY}')", CANARY),
    "a dict": (f"{{'client_secret': '{CANARY}', 'n': 1}}", CANARY),
    "JSON": (f'{{"po_token": ["web.gvs+{CANARY}"]}}', CANARY),
    "a configuration": (f"password: {CANARY}", CANARY),
    "a control character inside": (f"key=AI\x00za{CANARY}", CANARY),
}


@pytest.mark.parametrize(("text", "secret"), WITH_SECRETS.values(), ids=WITH_SECRETS)
def test_r14_secrets_are_taken_out_by_their_shape(text: str, secret: str) -> None:
    left = redact(without_controls(text))
    assert secret not in left
    assert HIDDEN in left
    assert redact(left) == left


@pytest.mark.parametrize(
    "text",
    [
        "KeyError: 'views'",
        "channel_scrape: nothing was enqueued",
        "  --api-key: is required",
        "https://www.youtube.com/@NASA",
        "https://example.org:8080/@NASA/videos",
        "write to mailto:me@example.org or me@example.org",
        "task 4 has the key 'k', which another live task has now",
        "YTWORKER_PLUGINS__API__KEY: Input should be a valid string",
        "plugins.ytdlp.cookie_file: there is no file /home/me/cookies.txt",
        "HTTP Error 404: Not Found (@NAASA/videos)",
        "the tokens: they are many, and the secret of success: work",
        "at 12:30 @ home",
        "x" * 300,
        "sqlite:///home/me/.local/share/ytworker/queue.db",
        'File "/usr/lib/python3.11/json/decoder.py", line 355, in raw_decode',
        "1f0c6f5b2a77",
        "wtIMTCHWuIq UCLA_DiR1FfKNvjuUpBHmylQ",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_secrets_of_settings_are_known_by_heart() -> None:
    remember(
        {
            "api": {"api_key": "my pass/word", "accounts": [{"token": "t0psecret"}], "language": "english"},
            "ytdlp": {"proxy": "http://me:proxypass@h:1", "cookie_file": "/home/me/c.txt", "keys": '["fromtext"]'},
            "short": {"key": "abc"},
        }
    )
    said = redact("my pass/word my%20pass%2Fword t0psecret english proxypass /home/me/c.txt fromtext abc")
    assert said == f"{HIDDEN} {HIDDEN} {HIDDEN} english {HIDDEN} /home/me/c.txt {HIDDEN} abc"
    forget()
    assert redact("t0psecret") == "t0psecret"


@given(before=st.text(), after=st.text())
def test_a_secret_that_is_known_by_heart_is_found_in_any_text(before: str, after: str) -> None:
    remember({"key": CANARY})
    left = redact(before + CANARY + after)
    assert CANARY not in left
    assert HIDDEN in left


@given(st.text(alphabet="AIzakeytokencookie=:@/'\"[]{}?&.-+% \t\n0aZ"))
def test_no_text_breaks_it(text: str) -> None:
    assert redact(redact(text)).count("\n") <= text.count("\n")


def test_a_value_is_hidden_by_its_name() -> None:
    params = {"api_key": "x", "keyword": "cats", "deep": {"list": [{"password": "x"}]}, "url": f"https://h/?key={KEY}"}
    assert masked("params", params) == {
        "api_key": HIDDEN,
        "keyword": "cats",
        "deep": {"list": [{"password": HIDDEN}]},
        "url": f"https://h/?key={HIDDEN}",
    }


GOOD_SOURCES = [
    "youtube",
    "youtube via proxy.example:8080 from 192.0.2.7 with cookies 1a2b3c4d",
    "youtube via 2001:db8::1:3128",
    "youtube data api with key 1a2b3c4d at 127.0.0.1:8443",
    "https://feeds.example:8443/@NASA",
    "ip:direct",
    "no.7 #deadbeef",
    "",
    "x" * MAX_SOURCE,
]


@pytest.mark.parametrize("name", GOOD_SOURCES)
def test_the_name_of_a_source_that_is_fine_stays(name: str) -> None:
    assert source_name(name) == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (f"https://me:{CANARY}@proxy.example:8080", f"https://{HIDDEN}@proxy.example:8080#5e6cef0e"),
        (f"https://me:{CANARY}2@proxy.example:8080", f"https://{HIDDEN}@proxy.example:8080#12359ddd"),
        (f"key:{KEY}", f"key:{HIDDEN}#67709e72"),
        (f"api_key: {CANARY}1", f"api_key: {HIDDEN}#c43eeced"),
        ("x" * 201, "x" * 191 + "#12854fe7"),
        ("y" * 5_000, f"{HIDDEN}#e55390f4"),
        ("line\nfeed\x1b[2J\ud800", "line feed[2J"),
    ],
)
def test_s1_a_source_is_named_without_secrets_alike_for_ever(name: str, shown: str) -> None:
    assert source_name(name) == shown  # on any day and in any process, so the digest is written here
    assert source_name(shown) == shown


def test_s1_a_secret_that_only_the_child_knows_stays_hidden_and_its_source_the_same() -> None:
    remember({"key": CANARY})
    named = source_name(f"site for {CANARY}")
    assert named.startswith(f"site for {HIDDEN}#")
    forget()
    assert source_name(named) == named
    assert source_name(f"site for {CANARY}") != named


@given(st.lists(st.sampled_from(["key=", "api_key: ", "://", "@", ":", "ab", "a1", "AIza" + "b" * 9, HIDDEN, "'", " ",
                                 "#0a1b2c3d", "token", "x" * 99, "x" * 91, "\n", "\u202e"]), max_size=30))  # fmt: skip
def test_a_source_that_was_named_once_stays(parts: list[str]) -> None:
    named = source_name("".join(parts))
    assert source_name(named) == named
    assert len(named) <= MAX_SOURCE
    assert printable(named) == named


def test_one_line_without_what_a_terminal_obeys() -> None:
    assert printable("a\nb\t\x1b[2Jc\u202e") == "a b [2Jc"


@pytest.mark.parametrize(
    "part",
    ["a.", "://x:", "key", "key=", "a" * 50 + "key ", "'key'", "cookie: ", "a:", "AIza", "Cgt", "TRUE\t", "=;", "x-"],
)
def test_no_text_makes_it_slow(part: str) -> None:
    text = (part * 64_000)[:64_000]
    started = time.process_time()  # what others do on this machine does not count
    redact(text)
    assert time.process_time() - started < 2
