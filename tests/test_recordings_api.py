"""Genuine answers of the Data API, replayed to google's own client: the recorded values, and each error in its class.

The recordings are not part of the repository; where they are not there, the fake of the plugin has to do.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ytworker import ConfigError, ErrorClass, Item, QuotaError, SuspectError, TaskError, ThrottledError
from ytworker.testing import make_context
from ytworker_api import ApiSettings, YouTubeAPIWorker, judge
from ytworker_api.client import Client, close

BESIDE = Path(__file__).parents[2] / "shared" / "youtube-recordings"
RECORDINGS = Path(os.environ.get("YOUTUBE_RECORDINGS") or BESIDE)
pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not beside this checkout")


class Replay:
    """The replay in a process of its own, and its controls."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.settings = {"api_scrape": ApiSettings.model_validate({"api_key": "any-key", "api_endpoint": url})}

    def control(self, what: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/__replay__/{what}") as answer:  # noqa: S310 - a loopback server
            return json.load(answer)

    def scrape(self, **params: Any) -> list[Item]:
        return list(YouTubeAPIWorker().scrape(params, make_context(settings=self.settings)))

    def client(self) -> Client:
        return Client(self.settings["api_scrape"], make_context(), lambda: datetime.now(UTC))

    def answered(self) -> list[str]:
        """Tell how each call was answered; what was not recorded is a miss."""
        return [entry["kind"] for entry in self.control("log")]


@pytest.fixture(scope="module")
def _replay() -> Iterator[Replay]:
    command = [sys.executable, str(RECORDINGS / "replay.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Replay(json.loads(process.stdout.readline())["proxy"])
        finally:
            close()
            process.terminate()


@pytest.fixture
def replay(_replay: Replay) -> Replay:
    _replay.control("reset")
    return _replay


def recorded(scenario: str) -> Iterator[dict[str, Any]]:
    """Give the records of the answers of a scenario, in order."""
    for file in sorted((RECORDINGS / "data" / scenario).glob("*.json.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as stream:
            yield from json.load(stream)["response"]["json"].get("items", ())


def check_snippet(item: Item, snippet: dict[str, Any]) -> None:
    assert item.title == snippet["title"]
    assert item.description == snippet["description"]
    assert (item.author.id, item.author.name) == (snippet["channelId"], snippet["channelTitle"])
    assert item.published_at is not None
    assert item.published_at.strftime("%Y-%m-%dT%H:%M:%S") == snippet["publishedAt"][:19]
    assert item.tags == tuple(snippet.get("tags", ()))
    assert item.thumbnail_url == max(snippet["thumbnails"].values(), key=lambda picture: picture["width"])["url"]


def test_api_videos(replay: Replay) -> None:
    records = {record["id"]: record for record in recorded("api_videos")}
    items = replay.scrape(resource="videos", ids=list(records))
    assert [item.id for item in items] == list(records)
    for item in items:
        check_snippet(item, records[item.id]["snippet"])
    assert replay.answered() == ["derived"]


def test_api_videos_full_with_an_id_that_is_left_out(replay: Replay) -> None:
    first, second = recorded("api_videos_full")
    found, gone = replay.scrape(resource="videos", ids=[first["id"], "-unknown-id"])
    check_snippet(found, second["snippet"])
    statistics = first["statistics"]
    counts = (found.metrics.views, found.metrics.likes, found.metrics.comments)
    assert counts == tuple(int(statistics[name]) for name in ("viewCount", "likeCount", "commentCount"))
    assert (found.duration_seconds, found.is_short) == (253.0, False)
    assert (gone.id, gone.availability, gone.title) == ("-unknown-id", "gone", None)


def test_statistics_alone(replay: Replay) -> None:
    first, _ = recorded("api_videos_full")
    (item,) = replay.scrape(resource="videos", ids=[first["id"]], parts="statistics")
    assert item.metrics.views == int(first["statistics"]["viewCount"])
    assert "batchGetStats" in replay.control("log")[0]["path"]


def test_api_videos_chart(replay: Replay) -> None:
    records = list(recorded("api_videos_chart"))
    items = replay.scrape(resource="chart")
    assert [item.id for item in items] == [record["id"] for record in records]
    for item, record in zip(items, records, strict=True):
        check_snippet(item, record["snippet"])
    assert replay.answered() == ["hit", "hit"]


def test_api_search(replay: Replay) -> None:
    records = list(recorded("api_search"))
    ids = list(dict.fromkeys(record["id"]["videoId"] for record in records))
    items = replay.scrape(resource="search", query="surfing", top_n=len(records))
    assert [item.id for item in items] == ids
    assert "miss" not in replay.answered()
    assert replay.answered().count("hit") == 2


def test_api_channels_and_an_unknown_one(replay: Replay) -> None:
    records = {record["id"]: record for record in recorded("api_channels")}
    answer = replay.client().call("channels.list", "channels", id=",".join(records), part="snippet,statistics")
    assert {each["id"] for each in answer["items"]} == set(records)
    answer = replay.client().call("channels.list", "a channel", id="not-a-channel-id", part="snippet")
    assert answer["items"] == []


def test_api_key_invalid(replay: Replay) -> None:
    with pytest.raises(ConfigError, match="keyInvalid"):
        replay.client().call("videos.list", "a video", id="keyInvalid00", part="snippet")


def test_api_missing_parameter() -> None:
    (file,) = (RECORDINGS / "data" / "api_missing_parameter").glob("*.json.gz")
    with gzip.open(file, "rt", encoding="utf-8") as stream:
        response = json.load(stream)["response"]
    verdict = judge(response["status"], json.dumps(response["json"]).encode())
    assert verdict.reason.error_class is ErrorClass.BUG
    assert verdict.name == "missingRequiredParameter"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("quota", QuotaError),
        ("api-ratelimit", ThrottledError),
        ("api-keyinvalid", ConfigError),
        ("http429", ThrottledError),
        ("http429-retry-after", ThrottledError),
        ("http500", TaskError),
        ("http503", TaskError),
        ("http400", TaskError),
        ("http403", TaskError),
        ("http404", TaskError),
        ("not-json", SuspectError),
        ("incomplete", SuspectError),
        ("reset", TaskError),
        ("truncate", TaskError),
    ],
)
def test_faults_of_the_replay_are_asked_once_and_end_in_their_class(
    replay: Replay, fault: str, kind: type[TaskError]
) -> None:
    expected = {"http400": "invalid", "http403": "restricted", "http404": "gone"}.get(fault, "transient")
    replay.control(f"fault?name={fault}&times=-1")
    with pytest.raises(kind) as caught:
        replay.scrape(resource="videos", ids=["D-lhorsDlUQ"])
    assert caught.value.error_class.value == (kind.default_class.value if kind is not TaskError else expected)
    assert "any-key" not in str(caught.value)
    assert len(replay.answered()) == 1
