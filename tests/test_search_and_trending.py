"""keyword_search and trending_scrape through the queue, the engine and the command line."""

import json
from pathlib import Path
from typing import Any

import pytest

from running import Program
from ytworker.model import ErrorClass, Task, TaskStatus
from ytworker.plugins.registry import PluginRegistry
from ytworker.queue import ItemFilter
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.service import Service
from ytworker.settings import load_settings, sqlite_url
from ytworker.testing import FakeClock
from ytworker_ytdlp.testing import FakeYouTube

HOUR = 3600 * 1_000_000


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def service(tmp_path: Path, youtube: FakeYouTube, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    settings = load_settings({"plugins": {"ytdlp": youtube.settings()}})
    queue = SQLiteQueue(sqlite_url(tmp_path / "queue.db"), clock=clock)
    return Service(queue, PluginRegistry(), settings, clock=clock, sleep=clock.sleep)


def search(service: Service, **params: Any) -> Task:
    return service.scrape(service.check("keyword_search", {"query": "nasa", "top_n": 40, **params})).task


def test_a_503_on_page_2_and_its_retry_leave_no_duplicate(service: Service, youtube: FakeYouTube) -> None:
    youtube.fault("http503", "search.*continuation", times=2)
    with service:
        task = search(service)
        assert (task.state, task.attempt) == (TaskStatus.COMPLETED, 2)
        found = [item["id"] for item in service.queue.items(ItemFilter(task_id=task.id))]
        assert found == [video.id for video in youtube.search("nasa")][:40]


def test_an_incomplete_first_page_is_no_empty_success(service: Service, youtube: FakeYouTube, clock: FakeClock) -> None:
    youtube.fault("incomplete", "v1/search", times=-1)
    with service:
        task = search(service)
        for _ in range(5):
            assert task.outcome is None
            clock.advance(400)
            service.run(until_empty=True)
            task = service.queue.get(task.id)
        assert task.state is TaskStatus.DEAD
        assert task.error is not None
        assert task.error.error_class is ErrorClass.TRANSIENT


def test_an_unknown_shape_is_suspect_and_dead_after_one_retry(
    service: Service, youtube: FakeYouTube, clock: FakeClock
) -> None:
    youtube.search_behaves("nasa", layout=True)
    with service:
        task = search(service)
        clock.advance(3600)
        service.run(until_empty=True)
        task = service.queue.get(task.id)
        assert (task.state, task.attempt) == (TaskStatus.DEAD, 2)
        assert task.error is not None
        assert task.error.error_class is ErrorClass.SUSPECT


@pytest.mark.parametrize(
    ("fault", "match", "rest"),
    [("http429", "/watch", 300), ("bot", "/player", 6 * 3600), ("http429", "v1/search", 300)],
)
def test_a_source_that_refuses_us_rests_for_both_types(
    service: Service, youtube: FakeYouTube, clock: FakeClock, fault: str, match: str, rest: int
) -> None:
    youtube.fault(fault, match, times=-1)
    youtube.set_chart("music", "US", youtube.search("nasa")[:3])
    with service:
        task = search(service, depth="full", top_n=1)
        assert (task.state, task.attempt) == (TaskStatus.SCHEDULED, 0)
        (source,) = service.queue.sources()
        assert source.cooling_until == clock.now + rest * 1_000_000
        asked = len(youtube.requests)
        other = service.scrape(service.check("trending_scrape", {"category": "music"})).task
        assert (other.state, other.run_at) == (TaskStatus.SCHEDULED, source.cooling_until)
        assert len(youtube.requests) == asked


def test_the_program_searches_literally(online: Program, youtube: FakeYouTube) -> None:
    done = online("scrape", "keyword_search", "--query", "NASA video", "--top-n", "3", "--jsonl")
    items = [json.loads(line) for line in done.stdout.splitlines()]
    assert [item["id"] for item in items] == [video.id for video in youtube.search("NASA video")][:3]
    assert {item["context"]["query"] for item in items} == {"NASA video"}


def test_news_is_refused_with_what_serves_it(online: Program, youtube: FakeYouTube) -> None:
    done = online("scrape", "trending_scrape", "--category", "news", "--country", "UK")
    assert done.returncode == 2
    assert "keyword_search with --query news" in done.stderr
    assert "did you mean GB?" in done.stderr
    assert youtube.requests == []


def test_the_program_gives_a_chart(online: Program, youtube: FakeYouTube) -> None:
    videos = youtube.search("nasa")[:3]
    youtube.set_chart("music", "GB", videos)
    done = online("scrape", "trending_scrape", "--category", "music", "--country", "gb", "--json")
    items = json.loads(done.stdout)["items"]
    assert [(item["id"], item["context"]["rank"], item["context"]["country"]) for item in items] == [
        (video.id, rank, "GB") for rank, video in enumerate(videos, 1)
    ]


def test_s1_the_key_of_the_data_api_reaches_the_child_and_nothing_else(online: Program, youtube: FakeYouTube) -> None:
    videos = youtube.search("nasa")[:3]
    youtube.set_api_chart("AQ", videos)
    online.environment["YTWORKER_PLUGINS__TRENDING_SCRAPE__API_KEY"] = "canary-key"
    done = online("--log-level", "debug", "scrape", "trending_scrape", "--country", "AQ", "--top-n", "3", "--json")
    items = json.loads(done.stdout)["items"]
    assert [(item["id"], item["context"]["list"]) for item in items] == [(video.id, "api:all") for video in videos]
    told = [done.stdout, done.stderr, *map(str, youtube.requests)]
    told += [online(*words).stdout for words in (("tasks", "show", "1"), ("sources", "list"), ("config", "show"))]
    assert not [text for text in told if "canary" in text]
