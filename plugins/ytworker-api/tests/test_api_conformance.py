"""The plugin keeps every promise that ytworker's own suite asks of a worker plugin."""

from collections.abc import Mapping
from typing import Any

import pytest

from ytworker import ConfigError, ErrorClass, QuotaError, ThrottledError
from ytworker.testing import Sample, WorkerConformance
from ytworker_api.testing import FakeDataApi

CHANNEL = "UCabcdefghijklmnopqrst-_"
SILENT = "UCsilent0000000000000000"
NOBODY = "UCnobody0000000000000000"


class TestApiConformance(WorkerConformance):
    task_type = "api_scrape"
    samples = (
        Sample(params={"resource": "channel", "channel": CHANNEL, "top_n": 60}, name="channel"),
        Sample(params={"resource": "search", "query": "video"}, name="search"),
        Sample(params={"resource": "videos", "ids": ["dQw4w9WgXcQ"]}, name="gone"),
        Sample(params={"resource": "channel", "channel": SILENT}, empty=True, name="silent"),
        Sample(params={"resource": "channel", "channel": NOBODY}, fails=ErrorClass.GONE, name="nobody"),
    )
    failures = (
        (QuotaError("used up", source="a key"), ErrorClass.QUOTA),
        (ThrottledError("slow down", source="a key"), ErrorClass.THROTTLED),
        (ConfigError("no key", source="a key"), ErrorClass.CONFIG),
    )
    hosts = ("127.0.0.1",)  # the fake

    @pytest.fixture
    def plugin_settings(self, api: FakeDataApi) -> Mapping[str, Mapping[str, Any]]:
        api.add_channel(CHANNEL, videos=70)
        api.add_channel(SILENT, videos=0)
        return {"api_scrape": api.settings()}
