"""What becomes of a task when YouTube fails in the ways it does: through the queue, the engine and the plugin."""

from __future__ import annotations

import json
import signal
import time
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
from ytworker_ytdlp.testing import FakeChannel, FakeYouTube

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


@pytest.fixture
def nasa(youtube: FakeYouTube) -> FakeChannel:
    return youtube.channel("@NASA")


def scrape(service: Service, **params: Any) -> Task:
    values = {"channel_url": "@NASA", "content": "videos", "depth": "list", **params}
    return service.scrape(service.check("channel_scrape", values)).task


def work(service: Service, clock: FakeClock, task: Task, seconds: float = 400) -> Task:
    """Let the wait of a retry pass, and work."""
    clock.advance(seconds)
    service.run(until_empty=True)
    return service.queue.get(task.id)


def ids(service: Service, task: Task) -> list[str]:
    return [found["id"] for found in service.queue.items(ItemFilter(task_id=task.id))]


def test_a_503_on_page_2_and_its_retry_leave_no_duplicate(
    service: Service, youtube: FakeYouTube, nasa: FakeChannel
) -> None:
    youtube.fault("http503", "browse.*continuation", times=2)
    with service:
        task = scrape(service, route="tab", top_n=40)
        assert (task.state, task.attempt, task.outcome) == (TaskStatus.COMPLETED, 2, "ok")
        assert ids(service, task) == [video.id for video in nasa.videos[:40]]


@pytest.mark.parametrize("fault", ["incomplete", "truncate"])
def test_an_incomplete_page_is_not_reported_as_complete(
    service: Service, youtube: FakeYouTube, clock: FakeClock, fault: str
) -> None:
    youtube.fault(fault, "browse.*continuation", times=-1)
    with service:
        task = scrape(service, route="tab", top_n=40)
        for _ in range(5):
            assert task.outcome is None
            task = work(service, clock, task)
        assert (task.state, task.attempt) == (TaskStatus.DEAD, 5)
        assert task.error is not None
        assert task.error.error_class is ErrorClass.TRANSIENT


def test_a_429_that_is_only_a_warning_cools_the_source_down(
    service: Service, youtube: FakeYouTube, clock: FakeClock
) -> None:
    youtube.fault("http429", "/watch", times=2)
    with service:
        task = scrape(service, depth="full", top_n=1)
        assert (task.state, task.attempt) == (TaskStatus.SCHEDULED, 0)
        (source,) = service.queue.sources()
        assert source.cooling_until == clock.now + HOUR // 12
        assert ids(service, task) == []


def test_a_bot_check_stops_all_asking(service: Service, youtube: FakeYouTube, clock: FakeClock) -> None:
    youtube.fault("bot", times=-1)
    with service:
        task = scrape(service, depth="full", top_n=3)
        assert (task.state, task.attempt) == (TaskStatus.SCHEDULED, 0)
        (source,) = service.queue.sources()
        assert source.cooling_until == clock.now + 6 * HOUR
        asked = len(youtube.requests)
        others = [scrape(service, content=content) for content in ("shorts", "streams")]
        assert {(other.state, other.attempt) for other in others} == {(TaskStatus.SCHEDULED, 0)}
        assert len(youtube.requests) == asked


def test_a_bare_error_after_a_change_of_youtube_is_a_bug_and_dead_after_one_retry(
    service: Service, youtube: FakeYouTube
) -> None:
    youtube.fault("reshaped", "/player", times=-1)
    with service:
        task = scrape(service, depth="full", top_n=3)
        assert (task.state, task.attempt) == (TaskStatus.DEAD, 2)
        assert task.error is not None
        assert task.error.error_class is ErrorClass.BUG
        assert list(service.queue.items(ItemFilter())) == []


def test_a_new_layout_is_suspect_and_keeps_what_was_there(
    service: Service, youtube: FakeYouTube, clock: FakeClock, nasa: FakeChannel
) -> None:
    with service:
        scrape(service, top_n=3)
        before = list(service.queue.items(ItemFilter()))
        youtube.fault("new-layout", times=-1)
        task = work(service, clock, scrape(service, top_n=3), seconds=700)
        assert (task.state, task.attempt) == (TaskStatus.DEAD, 2)
        assert task.error is not None
        assert task.error.error_class is ErrorClass.SUSPECT
        assert list(service.queue.items(ItemFilter())) == before
        assert [found["id"] for found in before] == [video.id for video in nasa.videos[:3]]


def test_one_video_that_cannot_be_read_costs_its_own_record_only(
    service: Service, youtube: FakeYouTube, nasa: FakeChannel
) -> None:
    broken = nasa.videos[1]
    youtube.fault("reshaped", f"/player.*{broken.id}", times=-1)
    with service:
        task = scrape(service, depth="full", top_n=4)
        assert (task.state, task.outcome) == (TaskStatus.COMPLETED, "ok")
        found = {item["id"]: item for item in service.queue.items(ItemFilter(task_id=task.id))}
        assert list(found) == [video.id for video in nasa.videos[:4]]
        assert "AttributeError" in found[broken.id]["extra"]["unavailable"]
        assert (found[broken.id]["title"], found[broken.id]["description"]) == (broken.title, None)
        youtube.reset()
        scrape(service, depth="full", top_n=4)
        (item,) = (item for item in service.queue.items(ItemFilter()) if item["id"] == broken.id)
        assert (item["description"], "unavailable" in item["extra"]) == (broken.description, False)


def test_a_video_whose_page_is_down_for_good_is_waited_for_once(
    service: Service, youtube: FakeYouTube, nasa: FakeChannel
) -> None:
    youtube.fault("http503", f"(/player|/watch).*{nasa.videos[1].id}", times=-1)
    with service:
        task = scrape(service, depth="full", top_n=4)
        assert (task.state, task.attempt, task.outcome) == (TaskStatus.COMPLETED, 2, "ok")
        assert ids(service, task) == [video.id for video in nasa.videos[:4]]


def _wait_for(youtube: FakeYouTube, fault: str) -> None:
    deadline = time.monotonic() + 60
    while not any(request.fault == fault for request in youtube.requests):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_scrape_that_is_killed_on_page_7_goes_on_from_its_checkpoint(online: Program, youtube: FakeYouTube) -> None:
    channel = youtube.add_channel("@Long", title="Long", videos=300)
    wanted = [video.id for video in channel.videos]
    online.environment["YTWORKER_LEASE_SECONDS"] = "8"
    params = ("--channel-url", "@Long", "--content", "videos", "--depth", "list", "--route", "tab", "--top-n", "300")
    assert online("enqueue", "channel_scrape", *params).returncode == 0
    youtube.fault("timeout", "browse.*continuation", after=5, seconds=60)
    worker = online.start("run", "--until-empty")
    try:
        _wait_for(youtube, "timeout")
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
    shown = json.loads(online("items", "list", "--json", "--limit", "1000").stdout)
    assert sorted(item["id"] for item in shown) == sorted(wanted[:180])
    youtube.reset()
    assert online("run", "--max-tasks", "1").returncode == 0  # once the lease of the dead one has lapsed
    task = json.loads(online("tasks", "show", "1", "--json").stdout)
    assert (task["state"], task["attempt"], task["outcome"]) == ("completed", 2, "ok")
    shown = json.loads(online("items", "list", "--json", "--task", "1", "--limit", "1000").stdout)
    assert [item["id"] for item in shown] == wanted
