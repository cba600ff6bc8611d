"""The Data API through every layer, and in agreement with the plugins that read YouTube's pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from running import Program
from ytworker.model import Item, TaskStatus, to_microseconds
from ytworker.plugins.registry import PluginRegistry
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.service import Service
from ytworker.settings import load_settings, sqlite_url
from ytworker.testing import FakeClock, make_context
from ytworker_api import ApiSettings, YouTubeAPIWorker
from ytworker_api.client import close
from ytworker_api.costs import PRICES, ZONE
from ytworker_api.ids import is_short
from ytworker_api.settings import identity
from ytworker_api.testing import FakeDataApi, make_id
from ytworker_channel import YouTubeChannelWorker
from ytworker_trending import TrendingSettings
from ytworker_trending import api as chart
from ytworker_trending.settings import key_identity
from ytworker_ytdlp import YtdlpSettings, shorts
from ytworker_ytdlp.testing import FakeYouTube

NOON = to_microseconds(datetime(2026, 11, 24, 20, 0, tzinfo=UTC))  # in Los Angeles
MIDNIGHT = to_microseconds(datetime(2026, 11, 25, 8, 0, tzinfo=UTC))
CHANNEL = "UCabcdefghijklmnopqrst-_"


@pytest.fixture
def api() -> Iterator[FakeDataApi]:
    with FakeDataApi() as server:
        yield server
        close()


@pytest.fixture
def online(program: Program, api: FakeDataApi) -> Program:
    for name, value in api.settings().items():
        program.environment[f"YTWORKER_PLUGINS__API_SCRAPE__{name.upper()}"] = value
    return program


def test_the_program_prints_the_uploads_and_keeps_them(online: Program, api: FakeDataApi) -> None:
    uploads = api.add_channel(CHANNEL, handle="@somebody", videos=60)
    done = online("scrape", "api_scrape", "--resource", "channel", "--channel", "@somebody", "--top-n", "55", "--jsonl")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == uploads[:55]
    assert api.spent == {"units": 5}
    stored = online("items", "export", "--format", "jsonl")
    assert {json.loads(line)["id"] for line in stored.stdout.splitlines()} == set(uploads[:55])


def test_ids_that_begin_with_a_dash_are_ids(online: Program, api: FakeDataApi) -> None:
    api.add_video("-2IlD-x8wvY")
    done = online(
        "scrape", "api_scrape", "--resource", "videos", "--ids", "-2IlD-x8wvY", "--ids", "--------_-_", "--jsonl"
    )
    assert [json.loads(line)["availability"] for line in done.stdout.splitlines()] == ["public", "gone"], done.stderr


def test_a_worker_with_children_shares_the_key(online: Program, api: FakeDataApi) -> None:
    uploads = api.add_channel(CHANNEL, videos=4)
    for each in uploads:
        online("enqueue", "api_scrape", "--resource", "videos", "--ids", each)
    done = online("run", "--until-empty", "--concurrency", "2")
    assert done.returncode == 0, done.stderr
    assert api.spent == {"units": 4}
    assert json.loads(online("status", "--json").stdout)["tasks"]["completed"] == 4


def test_the_program_says_what_a_task_costs(program: Program) -> None:
    done = program("api-plan", "resource=search", "query=deep sea", "top_n=200", "--json")
    assert json.loads(done.stdout)["quotas"]["search"] == {"cost": 4, "per_day": 100}, done.stderr


@pytest.mark.parametrize(
    ("reason", "status", "state", "error_class", "attempt"),
    [
        ("quotaExceeded", 403, "scheduled", "quota", 0),
        ("rateLimitExceeded", 403, "scheduled", "throttled", 0),
        ("keyInvalid", 400, "scheduled", "config", 0),
        ("forbidden", 403, "dead", "restricted", 1),
        ("playlistNotFound", 404, "dead", "gone", 1),
        ("invalidFilters", 400, "dead", "bug", 2),
        ("badRequest", 400, "dead", "invalid", 1),
        ("backendError", 503, "dead", "transient", 3),
    ],
)
def test_every_error_ends_in_its_class_on_its_attempt(
    services: list[Service],
    clock: FakeClock,
    api: FakeDataApi,
    reason: str,
    status: int,
    state: str,
    error_class: str,
    attempt: int,
) -> None:
    api.refuse(reason, status=status, times=-1)
    service = services[0]
    service.enqueue("api_scrape", {"resource": "videos", "ids": ["dQw4w9WgXcQ"]}, max_attempts=3)
    for _ in range(attempt or 1):
        service.run(until_empty=True)
        clock.advance(700)
    (task,) = service.tasks()
    assert task.error is not None
    assert (task.state.value, task.error.error_class.value, task.attempt) == (state, error_class, attempt)
    assert len(api.requests) == (attempt or 1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture
def services(
    tmp_path: Path, api: FakeDataApi, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[Service]]:
    """Give two workers with one key and one queue, each with a connection of its own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    settings = load_settings({"plugins": {"api_scrape": {**api.settings(), "units_per_day": 5}}})
    url = sqlite_url(tmp_path / "queue.db")
    made = [
        Service(SQLiteQueue(url, clock=clock), PluginRegistry(), settings, clock=clock, sleep=clock.sleep)
        for _ in range(2)
    ]
    yield made
    for service in made:
        service.close()


def test_the_quota_is_exact_over_all_workers_and_its_tasks_go_on_after_midnight_pacific(
    services: list[Service], clock: FakeClock, api: FakeDataApi
) -> None:
    one, other = services
    ids = [make_id(f"video {number}") for number in range(8)]
    for each in ids:
        api.add_video(each)
        one.enqueue("api_scrape", {"resource": "videos", "ids": [each]})
    for _ in range(4):
        one.run(until_empty=True, max_tasks=1)
        other.run(until_empty=True, max_tasks=1)
    assert api.spent == {"units": 5}
    waiting = [task for task in one.tasks() if task.state is TaskStatus.SCHEDULED]
    assert [(task.run_at, task.attempt) for task in waiting] == [(MIDNIGHT, 0)] * 3
    clock.now = MIDNIGHT
    other.run(until_empty=True)
    assert api.spent == {"units": 8}
    assert one.queue.counts()[TaskStatus.COMPLETED] == 8


def test_one_task_over_two_days_asks_for_nothing_twice(
    services: list[Service], clock: FakeClock, api: FakeDataApi
) -> None:
    service = services[0]
    ids = [make_id(f"video {number}") for number in range(350)]
    for each in ids:
        api.add_video(each)
    service.enqueue("api_scrape", {"resource": "videos", "ids": ids})
    service.run(until_empty=True)
    assert sorted(each for request in api.requests for each in request.ids) == sorted(ids[:250])
    clock.now = MIDNIGHT
    service.run(until_empty=True)
    assert sorted(each for request in api.requests for each in request.ids) == sorted(ids)
    assert {item["id"] for item in service.items()} == set(ids)


# --- one item, one meaning -----------------------------------------------------------------------------------------


def test_the_same_video_from_its_page_and_from_the_api_is_one_item(youtube: FakeYouTube, api: FakeDataApi) -> None:
    channel = youtube.channel("@NASA")
    settings: dict[str, Any] = {"ytdlp": YtdlpSettings(**youtube.settings())}
    params = {"channel_url": channel.id, "content": "videos", "top_n": 3}
    pages = [
        Item.model_validate(each) for each in YouTubeChannelWorker().scrape(params, make_context(settings=settings))
    ]
    for page in pages:
        assert page.published_at is not None
        api.add_video(
            page.id,
            snippet={
                "title": page.title,
                "description": page.description,
                "channelId": page.author.id,
                "channelTitle": page.author.name,
                "publishedAt": page.published_at.isoformat(),
                "tags": list(page.tags or ()),
            },
            contentDetails={"duration": f"PT{page.duration_seconds:g}S"},
            statistics={"viewCount": str(page.metrics.views), "likeCount": str(page.metrics.likes)},
        )
    asked = {"resource": "videos", "ids": [page.id for page in pages]}
    context = make_context(settings={"api_scrape": ApiSettings.model_validate(api.settings())})
    records = list(YouTubeAPIWorker().scrape(asked, context))
    assert len(records) == 3
    for page, record in zip(pages, records, strict=True):
        for name in ("source", "kind", "id", "url", "title", "description", "tags", "published_at", "duration_seconds"):
            assert getattr(record, name) == getattr(page, name), name
        assert (record.live_status, record.availability) == (page.live_status, page.availability)
        assert record.author == page.author.model_copy(update={"followers": None})
        assert (record.metrics.views, record.metrics.likes) == (page.metrics.views, page.metrics.likes)
        assert record.metrics.precision.views == page.metrics.precision.views == "exact"
        assert record.is_short in {None, page.is_short}


def test_there_is_one_rule_for_shorts() -> None:
    for status in (None, "not_live", "is_live", "is_upcoming", "was_live", "post_live"):
        for seconds in (None, 0.0, 60.0, 180.0, 180.5, 4_000.0):
            expected = shorts.is_short(live_status=status, duration_seconds=seconds)
            assert is_short(status, seconds) is expected, (status, seconds)


def test_trending_and_api_draw_on_one_quota() -> None:
    settings = ApiSettings(api_key=SecretStr("k"))
    assert identity(settings, SecretStr("k")) == key_identity("k")
    assert (PRICES["videos.list"][0], ZONE) == (chart.BUCKET, chart.ZONE)
    assert settings.units_per_day == TrendingSettings().units_per_day
