"""Recorded answers of the real YouTube, where the recordings are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ytworker import GoneError, Item, SuspectError
from ytworker_ytdlp import YtdlpSettings

Scrape = Callable[..., list[Item]]


@pytest.fixture
def behind(replay: Any) -> YtdlpSettings:
    return YtdlpSettings(proxy=replay.proxy_url, ca_file=replay.ca_file)


@pytest.fixture
def scenarios(recordings: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((recordings / "index.json").read_text())["scenarios"]
    return found


def _lists(scenarios: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    listings = [item for scenario in scenarios for item in scenario.get("expect", {}).get("listing", {}).items()]
    return [(url, expected) for url, expected in listings if url.endswith(("/videos", "/shorts", "/streams"))]


def test_every_recorded_list_gives_its_ids_within_its_requests(
    scrape: Scrape, behind: YtdlpSettings, replay: Any, scenarios: list[dict[str, Any]]
) -> None:
    for url, expected in _lists(scenarios):
        if not expected["entries"]:
            continue
        before = len(replay.log)
        items = scrape(behind=behind, channel_url=url, depth="list", route="tab", top_n=expected["entries"])
        found = " ".join(item.id for item in items)
        assert hashlib.sha1(found.encode(), usedforsecurity=False).hexdigest() == expected["sha1"], url
        assert len(replay.log) - before <= expected["requests"], url


def test_every_recorded_hollow_list_is_suspect(
    scrape: Scrape, behind: YtdlpSettings, scenarios: list[dict[str, Any]]
) -> None:
    hollow = [url for url, expected in _lists(scenarios) if not expected["entries"]]
    hollow += ["https://www.youtube.com/channel/UCEgdi0XIXXZ-qJOFPf4JSKw/videos"]  # the sports topic
    for url in hollow:
        with pytest.raises(SuspectError, match="--route uploads"):
            scrape(behind=behind, channel_url=url, route="tab")


def test_every_recorded_error_is_gone(scrape: Scrape, behind: YtdlpSettings, scenarios: list[dict[str, Any]]) -> None:
    urls = [url for scenario in scenarios if scenario["kind"] == "channel_error" for url in scenario["urls"]]
    for url in urls:
        with pytest.raises(GoneError, match="browser"):
            scrape(behind=behind, channel_url=url, route="tab")
    assert urls
