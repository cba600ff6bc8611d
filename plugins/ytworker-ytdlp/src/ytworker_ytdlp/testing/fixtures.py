"""Fixtures for the tests of whoever scrapes YouTube through this library; needs pytest.

Import them into a ``conftest.py``. ``youtube`` is a :class:`FakeYouTube`, empty at the start of each test; ``settings``
lead to it; ``port`` is the far side of a context.
"""

from collections.abc import Iterator

import pytest

from ytworker.testing import FakePort
from ytworker_ytdlp import YtdlpSettings, close
from ytworker_ytdlp.testing import FakeYouTube


@pytest.fixture(name="site", scope="session")
def site_fixture() -> Iterator[FakeYouTube]:
    """One server for all tests: it takes a while to start."""
    with FakeYouTube() as youtube:
        yield youtube
    close()


@pytest.fixture(name="youtube")
def youtube_fixture(site: FakeYouTube) -> Iterator[FakeYouTube]:
    """The server, with nothing left of another test."""
    site.reset()
    yield site
    site.reset()


@pytest.fixture(name="settings")
def settings_fixture(youtube: FakeYouTube) -> YtdlpSettings:
    """Settings that lead to it."""
    return YtdlpSettings.model_validate(youtube.settings())


@pytest.fixture(name="port")
def port_fixture() -> FakePort:
    """What a scrape says."""
    return FakePort()
