"""A fake YouTube for all tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ytworker import Item
from ytworker.testing import FakePort, make_context
from ytworker_keyword import KeywordParameters, YouTubeKeywordWorker
from ytworker_ytdlp import YtdlpSettings
from ytworker_ytdlp.testing import DEFAULT_NOW
from ytworker_ytdlp.testing.fixtures import (  # noqa: F401 - pytest finds them here
    port_fixture,
    settings_fixture,
    site_fixture,
    youtube_fixture,
)

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
