"""The settings section and the identity that follows from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from ytworker_ytdlp import YtdlpSettings, identity
from ytworker_ytdlp.options import EXTRACTORS, options
from ytworker_ytdlp.settings import effective_proxy

if TYPE_CHECKING:
    from pathlib import Path

PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")


@pytest.fixture(autouse=True)
def _no_proxy_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_defaults() -> None:
    settings = YtdlpSettings()
    assert settings.verify_tls
    assert settings.player_clients == ["visionos"]
    assert settings.js_runtimes == []
    assert identity(settings) == "youtube"


def test_every_setting_is_described() -> None:
    assert all(field.description for field in YtdlpSettings.model_fields.values())


@pytest.mark.parametrize(
    ("proxy", "match"),
    [
        ("https://host:1", "itself reached by https"),
        ("ftp://host:1", "starts with http"),
        ("file:///etc/passwd", "starts with"),
        ("http://", "no host"),
        ("http://host:port", "not a URL"),
        ("host:8080", "starts with"),
    ],
)
def test_u11_proxies_of_other_kinds_are_refused(proxy: str, match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        YtdlpSettings(proxy=proxy)


def test_a_proxy_with_a_password_shows_nowhere() -> None:
    settings = YtdlpSettings(proxy="http://user:secret-word@proxy.example:8080")
    assert identity(settings) == "youtube via proxy.example:8080"
    assert "secret-word" not in repr(settings)
    with pytest.raises(ValidationError) as caught:
        YtdlpSettings(proxy="ftp://user:secret-word@proxy.example")
    assert "secret-word" not in str(caught.value)


def test_unknown_settings_and_runtimes_are_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        YtdlpSettings(postprocessors=[])  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="unknown JavaScript runtime perl"):
        YtdlpSettings(js_runtimes=["perl:/usr/bin/perl"])


def test_the_identity_names_everything_that_youtube_sees(tmp_path: Path) -> None:
    settings = YtdlpSettings(proxy="socks5://p.example", source_address="192.0.2.7", cookie_file=tmp_path / "jar.txt")
    assert identity(settings).startswith("youtube via p.example from 192.0.2.7 with cookies ")
    other = settings.model_copy(update={"cookie_file": tmp_path / "other.txt"})
    assert identity(other) != identity(settings)


def test_the_environments_proxy_counts_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    assert identity(YtdlpSettings()) == "youtube via proxy.example:3128"
    assert effective_proxy(YtdlpSettings(proxy="")) == ""
    monkeypatch.setenv("NO_PROXY", "youtube.com")
    assert effective_proxy(YtdlpSettings()) == ""
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTPS_PROXY", "https://proxy.example:3128")
    with pytest.raises(ValueError, match="HTTPS_PROXY"):
        effective_proxy(YtdlpSettings())


def test_the_options_are_fixed_but_for_the_settings() -> None:
    settings = YtdlpSettings(
        js_runtimes=["deno", "node:/opt/node"],
        player_clients=["tv"],
        extractor_args={"youtube": {"skip": ["hls"]}, "YouTubeTab": {"approximate_date": ["1"]}},
    )
    made = options(settings, "", None, None)
    assert made["allowed_extractors"] == list(EXTRACTORS)
    assert made["js_runtimes"] == {"deno": {}, "node": {"path": "/opt/node"}}
    assert made["extractor_args"]["youtube"]["skip"] == ["hls"]
    assert made["extractor_args"]["youtube"]["player_client"] == ["tv"]
    assert made["extractor_args"]["youtubetab"] == {"skip": ["webpage"], "approximate_date": ["1"]}
    assert options(YtdlpSettings(), "", None, None)["extractor_args"]["youtubetab"] == {"skip": ["webpage"]}


def test_s1_s2_a_proxy_may_be_a_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    from ytworker.settings_sections import decode_section

    monkeypatch.setenv("MY_PROXY", "http://me:c4n4ry-pass@127.0.0.1:8080")
    found = decode_section("ytdlp", YtdlpSettings, {"proxy": "env:MY_PROXY"})
    assert found.proxy == "http://me:c4n4ry-pass@127.0.0.1:8080"
    assert "c4n4ry" not in repr(found) + identity(found)
