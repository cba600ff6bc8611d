"""A fake YouTube for all tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ytworker import Item
from ytworker.testing import FakePort, make_context
from ytworker_trending import TrendingParameters, TrendingSettings, YouTubeTrendingWorker
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
