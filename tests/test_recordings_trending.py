"""Genuine searches, hubs and charts of YouTube, replayed: exactly the recorded ids within the recorded requests.

The recordings are not part of the repository; where they are not there, the fake YouTube has to do.
"""

import gzip
import hashlib
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from running import Program
from ytworker.testing import make_context
from ytworker_ytdlp import SearchFilters, Session, YtdlpSettings, close, search_pages

BESIDE = Path(__file__).parents[2] / "shared" / "youtube-recordings"
RECORDINGS = Path(os.environ.get("YOUTUBE_RECORDINGS") or BESIDE)
KINDS = {"any": "8AEB", "videos": "EgIQAfABAQ==", "channels": "EgIQAvABAQ==", "playlists": "EgIQA_ABAQ=="}
ABSENT = pytest.mark.skip(reason="the recordings are not beside this checkout")
HUBS = {"/gaming/trending": "gaming", "/podcasts/popularepisodes": "podcasts"}


def scenarios(*kinds: str) -> list[Any]:
    """Give the recorded scenarios of these kinds."""
    index = RECORDINGS / "index.json"
    if not index.is_file():
        return []
    return [each for each in json.loads(index.read_text("utf-8"))["scenarios"] if each["kind"] in kinds]


def listings(*kinds: str) -> list[Any]:
    """Give each recorded list of these kinds with what it holds."""
    found = [
        pytest.param(url, expected, id=scenario["name"])
        for scenario in scenarios(*kinds)
        for url, expected in scenario["expect"].get("listing", {}).items()
    ]
    return found or [pytest.param("", {}, marks=ABSENT)]


def charts() -> list[Any]:
    """Give the file of each recorded chart."""
    found = [
        pytest.param(RECORDINGS / file, id=each["name"])
        for each in scenarios("trending_chart")
        for file in each["files"]
    ]
    return found or [pytest.param(RECORDINGS, marks=ABSENT)]


@dataclass
class Replay:
    """The replay proxy in a process of its own, and its controls."""

    proxy: str

    def control(self, what: str) -> Any:
        """Ask for ``log`` or ``reset``."""
        with urllib.request.urlopen(f"{self.proxy}/__replay__/{what}") as answer:  # noqa: S310 - a loopback server
            return json.load(answer)


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
def replay(_replay: Replay, program: Program) -> Iterator[Replay]:
    """Put the program behind the replay, and let it ask for nothing that was not recorded."""
    _replay.control("reset")
    program.environment["YTWORKER_PLUGINS__YTDLP__PROXY"] = _replay.proxy
    program.environment["YTWORKER_PLUGINS__YTDLP__VERIFY_TLS"] = "false"
    yield _replay
    assert [entry for entry in _replay.control("log") if entry["kind"] == "miss"] == []


def _items(program: Program, *words: str) -> list[dict[str, Any]]:
    done = program("scrape", *words, "--jsonl")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _digest(ids: list[str]) -> str:
    return hashlib.sha1(" ".join(ids).encode()).hexdigest()  # noqa: S324 - the recordings' own digest


def _asked(url: str) -> tuple[str, str]:
    """Take the query and the kind out of what yt-dlp was given."""
    if url.startswith("ytsearch"):
        return url.partition(":")[2], "videos"
    asked = parse_qs(urlsplit(url).query)
    sp = asked.get("sp", [""])[0].replace("%3D", "=")
    return asked["search_query"][0], next(kind for kind, value in KINDS.items() if value == (sp or "8AEB"))


@pytest.mark.parametrize(("url", "expected"), listings("search"))
def test_every_recorded_search(replay: Replay, url: str, expected: dict[str, Any]) -> None:
    query, kind = _asked(url)
    session = Session(make_context(settings={"ytdlp": YtdlpSettings(proxy=replay.proxy, verify_tls=False)}))
    found: list[str] = []
    for page in search_pages(session, query, SearchFilters(kind=kind)):  # type: ignore[arg-type]
        found += [entry["id"] for entry in page.entries]
        if len(found) >= expected["entries"]:
            break
    assert _digest(found[: expected["entries"]]) == expected["sha1"]
    assert len(replay.control("log")) <= expected["requests"]


@pytest.mark.parametrize(("url", "expected"), listings("search"))
def test_the_program_finds_exactly_the_recorded_videos(
    program: Program, replay: Replay, url: str, expected: dict[str, Any]
) -> None:
    query, kind = _asked(url)
    if kind != "videos":
        pytest.skip("a search for something else than videos: no task type takes it")
    items = _items(program, "keyword_search", "--query", query, "--top-n", str(expected["entries"]))
    assert _digest([item["id"] for item in items]) == expected["sha1"]
    places = list(range(1, len(items) + 1))
    assert [item["extra"]["position"] for item in items] == [item["context"]["rank"] for item in items] == places
    assert {item["context"]["query"] for item in items} == {query}
    assert len(replay.control("log")) <= expected["requests"]


@pytest.mark.parametrize(("url", "expected"), listings("trending"))
def test_every_recorded_hub(program: Program, replay: Replay, url: str, expected: dict[str, Any]) -> None:
    hub = HUBS.get(urlsplit(url).path, "live")
    wanted = str(expected["entries"])
    items = _items(program, "trending_scrape", "--category", hub, "--country", "GB", "--top-n", wanted)
    assert _digest([item["id"] for item in items]) == expected["sha1"]
    assert {(item["context"]["list"], item["context"].get("country")) for item in items} == {(f"hub:{hub}", None)}
    assert len(replay.control("log")) <= expected["requests"]


@pytest.mark.parametrize("path", charts())
def test_every_recorded_chart(program: Program, replay: Replay, path: Path) -> None:
    recorded = json.loads(gzip.decompress(path.read_bytes()))
    asked = {name: value for name, (value,) in parse_qs(recorded["request"]["body"]["query"]).items()}
    category = {"TRENDING_VIDEOS": "music", "TRENDING_MOVIES": "movies"}[asked["chart_params_chart_type"]]
    country = asked["chart_params_country_code"]
    section = recorded["response"]["json"]["contents"]["sectionListRenderer"]["contents"][0]
    rows = section["musicAnalyticsSectionRenderer"]["content"]["videos"][0]["videoViews"]
    items = _items(program, "trending_scrape", "--category", category, "--country", country)
    assert [(item["id"], item["title"], item["duration_seconds"]) for item in items] == [
        (row["id"], row["title"], row["videoDuration"]) for row in rows
    ]
    assert {(item["context"]["category"], item["context"]["country"]) for item in items} == {(category, country)}
    assert len(replay.control("log")) == 1
