"""A Data API of our own for all tests, and a clock that stands still."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import trustme

from ytworker import Item
from ytworker.testing import FakePort, make_context
from ytworker_api import ApiSettings, YouTubeAPIWorker
from ytworker_api.client import close
from ytworker_api.testing import FakeDataApi

NOW = datetime(2026, 11, 24, 20, 0, tzinfo=UTC)  # noon in Los Angeles
CHANNEL = "UCabcdefghijklmnopqrst-_"

Scrape = Callable[..., list[Item]]


@pytest.fixture
def api() -> Iterator[FakeDataApi]:
    with FakeDataApi() as server:
        yield server
        close()


@pytest.fixture
def settings(api: FakeDataApi) -> ApiSettings:
    return ApiSettings.model_validate(api.settings())


@pytest.fixture
def port() -> FakePort:
    return FakePort(clock=lambda: NOW)


@pytest.fixture
def worker() -> YouTubeAPIWorker:
    made = YouTubeAPIWorker()
    made.clock = lambda: NOW
    return made


@pytest.fixture
def scrape(worker: YouTubeAPIWorker, settings: ApiSettings, port: FakePort) -> Scrape:
    """Scrape with these parameters, from the fake unless told otherwise."""

    def run(params: Mapping[str, Any] | None = None, *, checkpoint: Any = None, **more: Any) -> list[Item]:
        context = make_context("api_scrape", settings={"api_scrape": settings}, checkpoint=checkpoint, port=port)
        return list(worker.scrape({**(params or {}), **more}, context))

    return run


@pytest.fixture
def tls_api() -> Iterator[Callable[[trustme.CA], FakeDataApi]]:
    """Serve over TLS, with a certificate for localhost of the given authority."""
    made: list[FakeDataApi] = []

    def serve(authority: trustme.CA) -> FakeDataApi:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        api = FakeDataApi(tls=context)
        made.append(api)
        return api.__enter__()

    yield serve
    close()
    for api in made:
        api.__exit__()
