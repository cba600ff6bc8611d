"""A fake YouTube for all tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ytworker import Item
from ytworker.testing import FakePort, make_context
from ytworker_keyword import KeywordParameters, YouTubeKeywordWorker
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
def worker() -> YouTubeKeywordWorker:
    made = YouTubeKeywordWorker()
    made.clock = lambda: DEFAULT_NOW
    return made


@pytest.fixture
def scrape(worker: YouTubeKeywordWorker, settings: YtdlpSettings, port: FakePort) -> Scrape:
    """Scrape with these parameters, behind the fake YouTube."""

    def run(*, checkpoint: Any = None, **params: Any) -> list[Item]:
        context = make_context(settings={"ytdlp": settings}, port=port, checkpoint=checkpoint)
        return list(worker.scrape(KeywordParameters(**params), context))

    return run
