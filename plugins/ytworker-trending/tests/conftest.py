"""A fake YouTube for all tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ytworker import Item
from ytworker.testing import FakePort, make_context
from ytworker_trending import TrendingParameters, TrendingSettings, YouTubeTrendingWorker
from ytworker_ytdlp import YtdlpSettings, close
from ytworker_ytdlp.testing import DEFAULT_NOW, FakeYouTube


@pytest.fixture(scope="session")
def _site() -> Iterator[FakeYouTube]:
    with FakeYouTube() as youtube:
        yield youtube
    close()


@pytest.fixture
def youtube(_site: FakeYouTube) -> Iterator[FakeYouTube]:
    _site.reset()
    yield _site
    _site.reset()


@pytest.fixture
def settings(youtube: FakeYouTube) -> YtdlpSettings:
    return YtdlpSettings(**youtube.settings())


@pytest.fixture
def port() -> FakePort:
    return FakePort()


Scrape = Callable[..., list[Item]]


@pytest.fixture
def worker() -> YouTubeTrendingWorker:
    made = YouTubeTrendingWorker()
    made.clock = lambda: DEFAULT_NOW
    return made


@pytest.fixture
def scrape(worker: YouTubeTrendingWorker, settings: YtdlpSettings, port: FakePort) -> Scrape:
    """Scrape with these parameters, behind the fake YouTube."""

    def run(*, checkpoint: Any = None, api_key: str | None = None, **params: Any) -> list[Item]:
        sections = {"ytdlp": settings, "trending_scrape": TrendingSettings(api_key=api_key)}
        context = make_context(settings=sections, port=port, checkpoint=checkpoint)
        return list(worker.scrape(TrendingParameters(**params), context))

    return run
