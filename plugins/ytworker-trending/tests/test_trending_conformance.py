"""The plugin keeps every promise that ytworker's own suite asks of a worker plugin."""

from collections.abc import Mapping
from typing import Any

import pytest

from ytworker import BlockedError, ErrorClass, PermanentError, ThrottledError
from ytworker.testing import Sample, WorkerConformance
from ytworker_ytdlp.testing import FakeYouTube


class TestTrendingConformance(WorkerConformance):
    task_type = "trending_scrape"
    samples = (
        Sample(params={"country": "GB", "category": "music", "top_n": 8}, name="chart"),
        Sample(params={"category": "gaming", "top_n": 6, "depth": "full"}, name="hub"),
        Sample(params={"country": "AQ", "category": "music"}, fails=ErrorClass.INVALID, name="nowhere"),
    )
    failures = (
        (ThrottledError("slow down", source="youtube"), ErrorClass.THROTTLED),
        (BlockedError("are you a bot?", source="youtube"), ErrorClass.BLOCKED),
        (PermanentError("no such chart"), ErrorClass.INVALID),
    )
    hosts = ("127.0.0.1",)  # the proxy of the fake YouTube
    secrets = ("ytdlp.proxy", "trending_scrape.api_key")

    @pytest.fixture
    def plugin_settings(self, youtube: FakeYouTube) -> Mapping[str, Mapping[str, Any]]:
        videos = youtube.add_channel("@Conformance", videos=20).videos
        youtube.set_chart("music", "GB", videos[:10])
        youtube.set_hub("gaming", videos[10:])
        return {"ytdlp": youtube.settings()}
