"""The plugin against the whole contract; each standard test says in its message what to do when it fails."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from ytworker import ErrorClass
from ytworker.testing import Answer, FakeSite, Sample, WorkerConformance

ENTRIES = "".join(f"<item><guid>g{n}</guid><title>Entry {n}</title></item>" for n in range(8))
NEWS = f'<rss version="2.0"><channel><title>News</title>{ENTRIES}</channel></rss>'
SITE = {
    "/news": Answer(body=NEWS.encode()),
    "/quiet": Answer(body=NEWS.replace(ENTRIES, "").encode()),
    "/busy": Answer(status=429, headers={"Retry-After": "7"}),
    "/page": Answer(body=b"<html>Sign in</html>"),
    "/down": Answer(status=503),
}


def at(path: str, **expected: Any) -> Sample:
    return Sample(params={"feed_url": f"http://feeds.example{path}"}, name=path.strip("/"), **expected)


class TestFeedConformance(WorkerConformance):
    task_type = "feed_scrape"
    samples = (
        at("/news"),
        at("/quiet", empty=True),
        at("/busy", fails=ErrorClass.THROTTLED),
        at("/page", fails=ErrorClass.SUSPECT),
        at("/gone", fails=ErrorClass.GONE),
        at("/down", fails=ErrorClass.TRANSIENT),
    )
    failures = ((httpx.ConnectError("refused"), ErrorClass.TRANSIENT), (ValueError("what?"), ErrorClass.BUG))
    hosts = ("127.0.0.1",)

    @pytest.fixture
    def plugin_settings(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mapping[str, Mapping[str, Any]]]:
        with FakeSite() as site:
            for path, answer in SITE.items():
                site.answer(path, answer)
            monkeypatch.setenv("http_proxy", site.url)  # a proxy is asked for whole addresses: any host leads here
            yield {"feed_scrape": {"allow_private": True}}
