"""What a source that asks us to slow down gets: one short wait inside the attempt, then a rest for everybody."""

from pathlib import Path

import pytest

from ytworker.model import SECOND, TaskStatus
from ytworker.plugins.registry import PluginRegistry
from ytworker.queue.sqlite import SQLiteQueue
from ytworker.service import Service
from ytworker.settings import load_settings, sqlite_url
from ytworker.testing import FakeClock
from ytworker_ytdlp.testing import FakeYouTube

PARAMS = {"channel_url": "@NASA", "content": "videos", "depth": "list"}


class Sleeps(FakeClock):
    """A clock that remembers every wait."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        super().sleep(seconds)


@pytest.fixture
def clock() -> Sleeps:
    return Sleeps()


@pytest.fixture
def service(tmp_path: Path, youtube: FakeYouTube, clock: Sleeps, monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    settings = load_settings({"plugins": {"ytdlp": youtube.settings()}})
    queue = SQLiteQueue(sqlite_url(tmp_path / "queue.db"), clock=clock)
    return Service(queue, PluginRegistry(), settings, clock=clock, sleep=clock.sleep)


def test_a_first_429_waits_five_seconds_inside_the_attempt(
    service: Service, youtube: FakeYouTube, clock: Sleeps
) -> None:
    youtube.fault("http429", match="youtubei/v1/browse", times=1)
    with service:
        task = service.scrape(service.check("channel_scrape", PARAMS)).task
        assert (task.state, task.attempt) == (TaskStatus.COMPLETED, 1)
        assert clock.slept == [5.0]
        assert service.queue.sources() == []


def test_a_second_429_cools_the_source_down_for_everybody(
    service: Service, youtube: FakeYouTube, clock: Sleeps
) -> None:
    youtube.fault("http429", match="youtubei/v1/browse", times=2)
    with service:
        task = service.scrape(service.check("channel_scrape", PARAMS)).task
        assert (task.state, task.attempt) == (TaskStatus.SCHEDULED, 0)
        (source,) = service.queue.sources()
        assert source.cooling_until == clock.now + 300 * SECOND
        asked = len(youtube.requests)
        other = service.scrape(service.check("channel_scrape", {**PARAMS, "content": "shorts"})).task
        assert (other.state, other.attempt, other.run_at) == (TaskStatus.SCHEDULED, 0, source.cooling_until)
        assert len(youtube.requests) == asked
        clock.advance(301)
        assert service.run(until_empty=True) == 2
        assert service.queue.counts()[TaskStatus.COMPLETED] == 2
        assert service.queue.sources()[0].strikes == 0
